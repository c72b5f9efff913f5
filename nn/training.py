"""Training: mini-batches, learning rates that change, the loop, and checkpoints to go on from.

Everything random is a function of seeds and of the iteration's number, or is kept in the
checkpoint; so a training run that was killed and resumed ends in exactly the same parameters.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nn.checks import check_learning_rate, check_num_iterations, check_whole_number
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
        if X.ndim == 0 or Y.ndim == 0 or X.shape[axis] != Y.shape[axis]:
            advice = "; pass axis=0 for examples in rows" if axis and len(X) == len(Y) else ""
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
    return lambda i: (
        lowest + (lr - lowest) * (1 + math.cos(math.pi * min(i / iterations, 1.0))) / 2
    )


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

    >>> stop = early_stopping(patience=2)
    >>> stop(History([], [(1, 0.5), (2, 0.4), (3, 0.6)])), stop(History([], [(1, 0.5), (2, 0.6), (3, 0.5)]))
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
    ``progress`` shows a bar.

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
    iterations = check_num_iterations(iterations)
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
            history = load_checkpoint(checkpoint, model, optimizer)
    switch_mode(model, True)
    stopped = bool(history.costs) and any([callback(history) for callback in callbacks])
    with _Bar(iterations) if progress else nullcontext() as bar:
        while len(history.costs) < iterations and not stopped:
            i = len(history.costs)
            X, Y = batches.batch(i)
            if schedule is not None:
                optimizer.lr = float(schedule(i))
            cost = loss(model(Tensor(X)), Y)
            value = float(cost.item())
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"the cost is {value} at iteration {i}: lower the learning rate, "
                    f"{optimizer.lr}, or clip the gradients"
                )
            optimizer.zero_grad()
            cost.backward()
            del cost  # the graph is not needed any more; its memory serves the next step
            if clip_norm is not None:
                clip_grad_norm(optimizer.params, clip_norm)
            optimizer.step()
            history.costs.append(value)
            done = i + 1
            if evaluate is not None and done % evaluate_every == 0:
                switch_mode(model, False)
                with no_grad():
                    history.evaluations.append((done, float(evaluate())))
                switch_mode(model, True)
            stopped = any([callback(history) for callback in callbacks])
            if checkpoint is not None and (done % every == 0 or done == iterations or stopped):
                save_checkpoint(checkpoint, model, optimizer, history)
            if bar is not None:
                bar.show(history)
    switch_mode(model, False)
    return history
