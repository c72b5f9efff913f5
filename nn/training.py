"""Training: mini-batches, learning rates that change, the loop, and checkpoints to go on from.

Everything random is a function of seeds and of the iteration's number, or is kept in the
checkpoint; so a training run that was killed and resumed ends in exactly the same parameters.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nn.checks import check_whole_number
from nn.files import check_arrays, load_arrays, remove_leftovers, save_arrays
from nn.layers import Module
from nn.optimizers import Optimizer, check_between, clip_grad_norm
from tinygrad_edu import Tensor, no_grad

Array = NDArray[Any]
Schedule = Callable[[int], float]

# --- mini-batches ----------------------------------------------------------------------------------


class MiniBatches:
    """Examples and labels in small portions, in an order shuffled anew for each epoch.

    ``axis`` counts the examples: -1 where they are columns, X (n_x, m), 0 where they are rows, X
    (m, n_x); the labels Y have m entries along the same axis. The order follows from ``seed`` and
    the number of the epoch alone. The last portion is smaller where m is no multiple of
    ``batch_size``, or left out with ``drop_last``.

    >>> X, Y = np.arange(10.0).reshape(1, 10), np.arange(10) % 2
    >>> batches = MiniBatches(X, Y, batch_size=4, seed=1)
    >>> [x.shape for x, y in batches.epoch(0)], len(batches)
    ([(1, 4), (1, 4), (1, 2)], 3)
    >>> bool(np.all(batches.batch(5)[0] == list(batches.epoch(1))[2][0]))
    True
    >>> MiniBatches(X, Y, batch_size=11)
    Traceback (most recent call last):
        ...
    ValueError: batch_size is 11, but there are 10 examples: expected 1 to 10
    """

    def __init__(
        self,
        X: ArrayLike,
        Y: ArrayLike,
        batch_size: int,
        *,
        seed: int = 0,
        axis: int = -1,
        shuffle: bool = True,
        drop_last: bool = False,
    ):
        X, Y = np.asarray(X), np.asarray(Y)
        if axis not in (0, -1):
            raise ValueError(f"axis is {axis}: expected -1, examples in columns, or 0, in rows")
        if X.ndim == 0 or Y.ndim == 0 or X.shape[axis] != Y.shape[axis]:
            rows = axis and X.shape[:1] == Y.shape[:1] != ()
            advice = "; pass axis=0 for examples in rows" if rows else ""
            raise ValueError(
                f"X has shape {X.shape} and Y has shape {Y.shape}: expected the same number of "
                f"examples along axis {axis}{advice}"
            )
        self.m = X.shape[axis]
        self.batch_size = check_whole_number("batch_size", batch_size, minimum=1)
        if self.batch_size > self.m:
            raise ValueError(
                f"batch_size is {self.batch_size}, but there are {self.m} examples: "
                f"expected 1 to {self.m}"
            )
        self.axis = axis
        self.seed = check_whole_number("seed", seed)
        self.shuffle = shuffle
        self._length = (self.m if drop_last else self.m + self.batch_size - 1) // self.batch_size
        # one example after the other in memory, which makes taking some of them quick
        self._rows = [np.ascontiguousarray(np.moveaxis(array, axis, 0)) for array in (X, Y)]
        self._order: tuple[int, Array] = (-1, np.arange(self.m))

    def __len__(self) -> int:
        """The number of portions in an epoch."""
        return self._length

    def batch(self, iteration: int) -> tuple[Array, Array]:
        """X and Y of training step ``iteration``, counted from 0 through all epochs."""
        epoch, k = divmod(iteration, self._length)
        if self.shuffle and self._order[0] != epoch:
            order = np.random.default_rng([self.seed, epoch]).permutation(self.m)
            self._order = epoch, order
        chosen = self._order[1][k * self.batch_size : (k + 1) * self.batch_size]
        X, Y = (np.moveaxis(rows[chosen], 0, self.axis) for rows in self._rows)
        return X, Y

    def epoch(self, number: int) -> Iterator[tuple[Array, Array]]:
        """The portions of epoch ``number``, counted from 0: each example once."""
        return (self.batch(number * self._length + k) for k in range(self._length))


# --- learning rate schedules -----------------------------------------------------------------------


def step_decay(lr: float, every: int, factor: float = 0.1) -> Schedule:
    """``lr * factor`` after ``every`` iterations, ``lr * factor^2`` after twice as many, ...

    >>> [step_decay(1.0, every=10)(i) for i in (0, 9, 10)]
    [1.0, 1.0, 0.1]
    """
    every = check_whole_number("every", every, minimum=1)
    return lambda i: lr * factor ** (i // every)


def exponential_decay(lr: float, factor: float) -> Schedule:
    """``lr * factor^i``.

    >>> exponential_decay(1.0, 0.5)(3)
    0.125
    """
    return lambda i: lr * factor**i


def inverse_decay(lr: float, rate: float, every: int = 1) -> Schedule:
    """``lr / (1 + rate * (i // every))``, the course's learning rate decay.

    >>> inverse_decay(1.0, rate=1.0)(3)
    0.25
    """
    every = check_whole_number("every", every, minimum=1)
    return lambda i: lr / (1 + rate * (i // every))


def cosine_decay(lr: float, iterations: int, lowest: float = 0.0) -> Schedule:
    """From ``lr`` to ``lowest`` along half a wave, and ``lowest`` after that: Loshchilov, Hutter.

    >>> [round(cosine_decay(1.0, 10)(i), 3) for i in (0, 5, 10, 11)]
    [1.0, 0.5, 0.0, 0.0]
    """
    iterations = check_whole_number("iterations", iterations, minimum=1)
    return lambda i: lowest + (lr - lowest) * (1 + math.cos(math.pi * min(i / iterations, 1.0))) / 2


def warm_up(schedule: Schedule, iterations: int) -> Schedule:
    """``schedule``, but rising in equal steps during the first ``iterations``.

    >>> [warm_up(lambda i: 1.0, 4)(i) for i in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    iterations = check_whole_number("iterations", iterations, minimum=1)
    return lambda i: schedule(i) * min((i + 1) / iterations, 1.0)


# --- the loop --------------------------------------------------------------------------------------


@dataclass
class History:
    """What happened during training: ``costs[i]`` is the cost before update i.

    ``evaluations`` are pairs of the number of updates so far and the value then.
    """

    costs: list[float] = field(default_factory=list)
    evaluations: list[tuple[int, float]] = field(default_factory=list)


Callback = Callable[[History], Any]


def early_stopping(patience: int, min_delta: float = 0.0) -> Callback:
    """A callback that stops when ``patience`` evaluations have not been better than one before.

    Lower is better, by more than ``min_delta``. It looks at the history only, so that a resumed run
    stops where an uninterrupted one does.

    >>> stop, values = early_stopping(patience=2), [(1, 0.5), (2, 0.4), (3, 0.6), (4, 0.4)]
    >>> stop(History([], values[:3])), stop(History([], values))
    (False, True)
    """
    patience = check_whole_number("patience", patience, minimum=1)

    def stop(history: History) -> bool:
        values = [value for _, value in history.evaluations]
        if len(values) <= patience:
            return False
        return min(values[-patience:]) >= min(values[:-patience]) - min_delta

    return stop


def train(
    model: Any,
    loss: Callable[[Any, Any], Tensor],
    batches: MiniBatches,
    optimizer: Optimizer,
    iterations: int,
    *,
    schedule: Schedule | None = None,
    clip_norm: float | None = None,
    evaluate: Callable[[], float] | None = None,
    evaluate_every: int | None = None,
    callbacks: Iterable[Callback] = (),
    progress: bool = False,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 100,
) -> History:
    """Train ``model`` for ``iterations`` steps on ``loss(model(X), Y)`` of one batch after the other.

    ``schedule(i)`` is the learning rate of step i; ``clip_norm`` limits the length of the gradient.
    Every ``evaluate_every`` steps, else after each epoch, ``evaluate()`` is called in evaluation
    mode and without recording, and what it returns goes into the history. After each step every
    one of ``callbacks`` is called with the history; one that returns True ends the training.
    ``progress`` shows a bar. Afterwards the model is in evaluation mode.

    With ``checkpoint``, the state is written to that file every ``checkpoint_every`` steps and at the
    end; where the file is there at the beginning, training goes on from it, and ends in the same
    parameters as if it had not been interrupted. ValueError for a checkpoint that does not fit,
    FloatingPointError where the cost is no longer a number.

    >>> X = np.array([[-2.0, -1.0, 1.0, 2.0]])
    >>> from nn import Linear, SGD, binary_cross_entropy_with_logits as loss
    >>> model = Linear(1, 1, seed=0)
    >>> batches = MiniBatches(X, X > 0, batch_size=2)
    >>> history = train(model, loss, batches, SGD(model.parameters(), 1.0), 50)
    >>> len(history.costs), history.costs[-1] < 0.1
    (50, True)
    """
    iterations = check_whole_number("iterations", iterations)
    every = check_whole_number("checkpoint_every", checkpoint_every, minimum=1)
    evaluate_every = check_whole_number(
        "evaluate_every", len(batches) if evaluate_every is None else evaluate_every, minimum=1
    )
    if clip_norm is not None:
        check_between("clip_norm", clip_norm, 0, math.inf)
    callbacks = list(callbacks)
    history = History()
    if checkpoint is not None:
        remove_leftovers(checkpoint)
        if Path(checkpoint).exists():
            history = load_checkpoint(checkpoint, model, optimizer, batches)
    _switch(model, training=True)
    stopped = bool(history.costs) and _call(callbacks, history)
    with _progress_bar(iterations, progress) as show:
        while len(history.costs) < iterations and not stopped:
            done = len(history.costs)
            X, Y = batches.batch(done)
            if schedule is not None:
                optimizer.lr = float(schedule(done))
            cost = loss(model(X), Y)
            history.costs.append(float(cost.item()))
            if not math.isfinite(history.costs[-1]):
                raise FloatingPointError(
                    f"the cost is {history.costs[-1]} at iteration {done}: lower the learning rate,"
                    f" {optimizer.lr}, or clip the gradients"
                )
            optimizer.zero_grad()
            cost.backward()
            del cost  # the graph is not needed any more; its memory serves the next step
            if clip_norm is not None:
                clip_grad_norm(optimizer.params, clip_norm)
            optimizer.step()
            done += 1
            if evaluate is not None and done % evaluate_every == 0:
                _switch(model, training=False)
                with no_grad():
                    history.evaluations.append((done, float(evaluate())))
                _switch(model, training=True)
            stopped = _call(callbacks, history)
            if checkpoint is not None and (done % every == 0 or done == iterations or stopped):
                save_checkpoint(checkpoint, model, optimizer, batches, history)
            show(history)
    _switch(model, training=False)
    return history


def _call(callbacks: Iterable[Callback], history: History) -> bool:
    """Whether one of them ends the training; all are called."""
    return True in [bool(callback(history)) for callback in callbacks]


def _switch(model: Any, training: bool) -> None:
    if isinstance(model, Module):
        model.train(training)


@contextmanager
def _progress_bar(total: int, wanted: bool) -> Iterator[Callable[[History], None]]:
    if not wanted:
        yield lambda history: None
        return
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("training", total=total)

        def show(history: History) -> None:
            cost = f"training, cost {history.costs[-1]:.4f}"
            progress.update(task, completed=len(history.costs), description=cost)

        yield show


# --- checkpoints -----------------------------------------------------------------------------------


def save_checkpoint(
    path: str | Path, model: Module, optimizer: Optimizer, batches: MiniBatches, history: History
) -> None:
    """Write all that `train` needs to go on as if nothing had happened, whole or not at all.

    That is the parameters, the optimizer's state, the iteration, the history, which order the batches
    come in, and the state of every random generator in the model.
    """
    save_arrays(
        path,
        {
            **_state(model, optimizer, batches),
            "iteration": np.array(len(history.costs)),
            "costs": np.array(history.costs, dtype=float),
            "evaluations": np.array(history.evaluations, dtype=float).reshape(-1, 2),
            "random": np.array([_as_text(random) for random in generators(model)], dtype=str),
        },
    )


def load_checkpoint(
    path: str | Path, model: Module, optimizer: Optimizer, batches: MiniBatches
) -> History:
    """Go back to what `save_checkpoint` wrote: all of it, or none and a ValueError saying why."""
    arrays = load_arrays(path)
    own = _state(model, optimizer, batches)
    randoms = generators(model)
    history = {
        "iteration": np.array(0),
        "costs": np.zeros(np.size(arrays.get("costs", 0))),
        "evaluations": np.zeros((len(np.atleast_1d(arrays.get("evaluations", 0))), 2)),
    }
    text = arrays.pop("random", np.array(0))
    check_arrays(arrays, {**own, **history}, str(path))
    if not np.array_equal(arrays["batches"], own["batches"]):
        raise ValueError(
            f"{path} was saved with batches (examples, batch_size, seed, shuffle, portions) "
            f"{arrays['batches'].tolist()}, but these are {own['batches'].tolist()}"
        )
    if arrays["iteration"] != len(arrays["costs"]):
        raise ValueError(f"{path} has {len(arrays['costs'])} costs of {arrays['iteration']} steps")
    try:
        states = [json.loads(line) for line in text.tolist()]
        if len(states) != len(randoms):
            raise ValueError(f"{len(states)} states for {len(randoms)} generators")
        for random, state in zip(copy.deepcopy(randoms), states):
            random.bit_generator.state = state
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path}: the random state does not fit this model ({error})") from error
    model.load_state_dict(_inside(arrays, "model."), str(path))
    optimizer.load_state_dict(_inside(arrays, "optimizer."), str(path))
    for random, state in zip(randoms, states):
        random.bit_generator.state = state
    evaluations = [(int(done), value) for done, value in arrays["evaluations"].tolist()]
    return History(arrays["costs"].tolist(), evaluations)


def generators(model: Module) -> list[np.random.Generator]:
    """Every random generator in the model, each once: the ones that dropout draws from."""
    found = [
        value
        for module in model.modules()
        for value in vars(module).values()
        if isinstance(value, np.random.Generator)
    ]
    return list({id(random): random for random in found}.values())


def _state(model: Module, optimizer: Optimizer, batches: MiniBatches) -> dict[str, Array]:
    """What is of the same names, shapes and dtypes in every checkpoint of a training run."""
    identity = (batches.m, batches.batch_size, batches.seed, batches.shuffle, len(batches))
    return {
        **{f"model.{name}": array for name, array in model.state_dict().items()},
        **{f"optimizer.{name}": array for name, array in optimizer.state_dict().items()},
        "batches": np.array(identity),
    }


def _inside(arrays: dict[str, Array], prefix: str) -> dict[str, Array]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _as_text(random: np.random.Generator) -> str:
    return json.dumps(random.bit_generator.state, default=lambda array: array.tolist())
