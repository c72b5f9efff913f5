"""The truth: the gradient of the learner's own cost, by autodiff or by central differences."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nn.doctor.experiment import Probe
from nn.doctor.naming import fresh
from nn.doctor.sandbox import LIMIT, Failure, TooLong, attempt
from nn.doctor.subject import Subject, batch_of
from nn.doctor.twin import COSTS, Factor
from tinygrad_edu import Tensor, gradients
from tinygrad_edu.formulas import history

STEP = 1e-6
CONFIRMED = 2e-5  # relative difference that a directional difference may have
PATIENCE = 5.0  # seconds that central differences of all parameters may take
NUMERICAL = 2e-6  # relative error of central differences


@dataclass
class Truth:
    """The true gradients of one probe, and how they were found."""

    loss: float
    gradients: dict[str, Any]  # by "d" + parameter
    method: str  # "autodiff", "autodiff, cost by differences" or "differences"
    tolerance: float
    values: list[Any] = field(default_factory=list)  # every array that forward computed
    output: Any = None
    why: str = ""  # autodiff could not be used


def find_truth(subject: Subject | WithCost, probe: Probe) -> tuple[Truth | None, Failure | None]:
    """The true gradients of the learner's cost at ``probe``, or why they cannot be had."""
    arrays, failure = attempt(
        lambda: numbers_of(*subject.truth(fresh(probe.params), copy(probe.X), copy(probe.Y)))
    )
    if failure is not None:
        return None, failure
    loss, output = arrays
    if loss is None:
        return None, None
    if not np.isfinite(loss):
        return Truth(loss, {}, "none", 0, output=output), None
    truth, why = by_autodiff(subject, probe, loss)
    if truth is None:
        truth, failure = by_differences(subject, probe, loss)
        if failure is not None:
            return None, failure
        truth.why = why
    truth.output = output
    return truth, None


class WithCost:
    """A subject that has no cost function, with one of the usual costs of its output."""

    cost = None

    def __init__(self, subject: Subject, cost: str, factor: Factor):
        self.subject, self.kind, self.factor = subject, cost, factor
        self.last_output: Any = None

    def truth(self, values: Mapping[str, Any], X: Any, Y: Any) -> tuple[Any, Any]:
        _, output = self.subject.truth(values, X, Y)
        Y = X if Y is None else Y  # an autoencoder
        m = batch_of(X, Y)
        n = output.size / m
        return self.factor.value(m, n) * COSTS[self.kind](output, shaped(Y, output, m)), output


def shaped(Y: Any, output: Any, m: int) -> Any:
    """The targets in the shape of the output: a row, a column or a vector; one-hot for labels."""
    Y = np.asarray(Y)
    if Y.size == output.size:
        return Y.reshape(output.shape) if Y.shape != output.shape[::-1] else Y.T
    hot = np.eye(output.size // m)[Y.reshape(-1).astype(int)]
    return hot if output.shape[0] == m else hot.T


def numbers_of(loss: Any, output: Any) -> tuple[Any, Any]:
    return None if loss is None else float(np.squeeze(np.asarray(loss))), output


def copy(x: Any) -> Any:
    return None if x is None else np.array(x)


def copies(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: np.array(v) for k, v in values.items()}


def by_autodiff(subject: Any, probe: Probe, expected: float) -> tuple[Truth | None, str]:
    """Run 1: Tensors through the learner's own forward and cost."""
    tensors = {k: Tensor(v, requires_grad=True) for k, v in probe.params.items()}
    result, failure = attempt(lambda: subject.truth(dict(tensors), copy(probe.X), copy(probe.Y)))
    if failure is not None and isinstance(probe.X, np.ndarray):  # X.dot(W) knows only arrays
        X = Tensor(probe.X)
        again = attempt(lambda: subject.truth(dict(tensors), X, copy(probe.Y)))
        result, failure = again if again[1] is None else (result, failure)
    if failure is None:
        loss, output = result
        if isinstance(loss, Tensor) and loss.requires_grad and loss.size == 1:
            if not np.isclose(float(loss.data.item()), expected, rtol=1e-9, atol=1e-300):
                return None, "the cost of a Tensor run differs from that of a run on arrays"
            found = gradients(loss, list(tensors.values()))
            return named(found, tensors, expected, history(loss), "autodiff"), ""
    output = getattr(subject, "last_output", None) if failure is not None else output
    if isinstance(output, Tensor) and output.requires_grad and subject.cost is not None:
        seed = cost_slope(subject, probe, output)
        if seed is not None:
            found = gradients(output, list(tensors.values()), seed)
            return named(
                found, tensors, expected, history(output), "autodiff, cost by differences"
            ), ""
    return None, failure.sentence if failure else "the code turns Tensors into plain numbers"


def named(
    found: list[Any], tensors: Mapping[str, Tensor], loss: float, nodes: list[Tensor], method: str
) -> Truth:
    by_name = {f"d{k}": np.asarray(g) for k, g in zip(tensors, found)}
    tolerance = 1e-9 if method == "autodiff" else NUMERICAL
    return Truth(loss, by_name, method, tolerance, [np.asarray(t.data) for t in nodes])


def cost_slope(subject: Subject, probe: Probe, output: Tensor) -> Any:
    """The gradient of the cost by the output, by central differences of the cost alone."""
    A = np.array(output.data)
    slope = np.zeros_like(A)

    def cost(a: Any) -> float:
        loss = subject.cost_of(a, probe)
        return float(np.squeeze(np.asarray(loss)))

    def run() -> Any:
        for i in np.ndindex(A.shape):
            h = STEP * max(1e-2, min(1.0, float(abs(A[i]))))
            up, down = A.copy(), A.copy()
            up[i] += h
            down[i] -= h
            slope[i] = (cost(up) - cost(down)) / (2 * h)
        return slope

    result, failure = attempt(run)
    return None if failure or not np.all(np.isfinite(result)) else result


def by_differences(subject: Any, probe: Probe, loss: float) -> tuple[Truth, Failure | None]:
    found: dict[str, Any] = {}
    start, end = time.monotonic(), time.monotonic() + min(PATIENCE, LIMIT.get())
    costs = 2 * sum(map(np.size, probe.params.values()))

    def run() -> None:
        for name, value in probe.params.items():
            slope = np.zeros(np.shape(value))
            for count, i in enumerate(np.ndindex(slope.shape)):
                ends = []
                for sign in (1, -1):
                    moved = copies(probe.params)
                    moved[name][i] += sign * STEP * 10
                    ends.append(cost_at(subject, probe, moved))
                slope[i] = (ends[0] - ends[1]) / (20 * STEP)
                now = time.monotonic()
                if now > end or (count == 2 and not found and (now - start) * costs / 6 > PATIENCE):
                    raise TooLong  # it is known after the first ones
            found[f"d{name}"] = slope

    _, failure = attempt(run)
    return Truth(loss, found, "differences", NUMERICAL), failure


def cost_at(subject: Any, probe: Probe, params: dict[str, Any]) -> float:
    np.random.seed(7)
    loss, _ = subject.truth(fresh(params), copy(probe.X), copy(probe.Y))
    return float(np.squeeze(np.asarray(loss)))


def confirm(subject: Subject, probe: Probe, truth: Truth) -> bool:
    """Whether three directional central differences of the learner's own cost agree.

    Runs before anything is called wrong, so that an error of the engine cannot convict a learner.
    """
    rng = np.random.default_rng(5)
    worst: list[float] = []

    def run() -> None:
        for _ in range(3):
            direction = {k: rng.normal(size=np.shape(v)) for k, v in probe.params.items()}
            slope = sum(float(np.sum(truth.gradients[f"d{k}"] * d)) for k, d in direction.items())
            size = np.sqrt(sum(float(np.sum(truth.gradients[f"d{k}"] ** 2)) for k in direction))
            best = np.inf
            for h in (1e-5, 1e-6, 1e-4):  # a kink between the two ends spoils one, not all
                ends = [
                    cost_at(
                        subject,
                        probe,
                        {k: v + sign * h * direction[k] for k, v in probe.params.items()},
                    )
                    for sign in (1, -1)
                ]
                found = (ends[0] - ends[1]) / (2 * h)
                best = min(best, abs(found - slope) / max(size, abs(slope), 1e-8))
                if best < CONFIRMED:
                    break
            worst.append(best)

    _, failure = attempt(run)
    if failure is not None or len(worst) < 3:
        return False
    return max(worst) < CONFIRMED
