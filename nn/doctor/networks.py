"""Whole networks: forward, cost and backward as functions, or as methods of one object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nn.doctor.examine import Examination
from nn.doctor.naming import (
    label,
)
from nn.doctor.reading import BACKWARD, COST, FORWARD, first_method
from nn.doctor.report import Report
from nn.doctor.subject import (
    ObjectSubject,
    Subject,
    as_arrays,
)
from nn.doctor.updates import check_update

Function = Callable[..., Any]


def check(
    forward: Function | None = None,
    cost: Function | None = None,
    backward: Function | None = None,
    params: Any = None,
    X: Any = None,
    Y: Any = None,
    *,
    loss_and_grad: Function | None = None,
    update: Function | None = None,
    **extra: Any,
) -> Report:
    """Examine hand-written backprop: functions over a dictionary (or list) of parameters.

    ``forward``, ``cost`` and ``backward`` are the learner's own functions, as they are; their
    arguments are found by name. ``cost`` may be left out. ``loss_and_grad`` is one function that gives
    the loss and the gradients. Other arguments of the functions are passed by name. The functions run
    on small random networks, never on ``params`` itself, and for a limited time.

    >>> from nn import manual
    >>> X, Y = np.random.RandomState(1).randn(3, 4), np.array([[0, 1, 1, 0]])
    >>> params = manual.initialize_parameters_deep([3, 2, 1])
    >>> report = check(manual.L_model_forward, manual.compute_cost, manual.L_model_backward,
    ...                params, X, Y)
    >>> report.ok, report.verdicts["dW1"]
    (True, 'ok')

    A report is truthy when everything is right. Nothing is raised for the learner's mistakes; what
    could not be examined is said in ``report.problem``.
    """
    title = "Gradient doctor"
    if loss_and_grad is None and backward is None:
        return Report(title, problem="there is no backward function to examine: pass backward=.")
    if params is None or X is None:
        missing = "params" if params is None else "X"
        return Report(
            title, problem=f"{missing} is missing: pass {missing}=, as the functions take it."
        )
    params, X, Y = as_arrays(params), np.asarray(X), None if Y is None else np.asarray(Y)
    subject = Subject(
        params, X, Y, forward=forward, cost=cost, backward=backward, both=loss_and_grad, extra=extra
    )
    whole = [k for k, v in subject.params.items() if v.dtype.kind in "iu"]
    report = Examination(subject, title).run()
    if whole:
        report.notes.append(
            f"{', '.join(whole)} {'are' if len(whole) > 1 else 'is'} of whole numbers: W -= "
            "learning_rate * dW will fail or lose the fractions; make them floats"
        )
    if params_small(subject.params):
        report.notes.append(
            "the weights start very small; with three layers or more the cost then stays where it is "
            "even with right gradients: scale them with 1 / sqrt(n_in)"
        )
    if update is not None and not report.problem:
        gradients = {f"d{k}": np.ones_like(v) for k, v in subject.params.items()}
        part = check_update(update, params, gradients, float(extra.get("learning_rate", 0.1)))
        part.title = f"update ({label(update)})"
        report.parts.append(part)
    return report


def params_small(params: Any) -> bool:
    weights = [v for v in params.values() if np.ndim(v) == 2 and 1 not in np.shape(v)]
    return len(weights) >= 3 and all(np.std(w) < 0.02 for w in weights)


def check_model(
    model: Any,
    X: Any,
    Y: Any,
    *,
    forward: str | None = None,
    cost: str | Function | None = None,
    backward: str | None = None,
    **extra: Any,
) -> Report:
    """Examine one object that holds its parameters and has methods forward and backward."""
    forward = forward or first_method(model, FORWARD)
    backward = backward or first_method(model, BACKWARD)
    cost = cost if cost is not None else first_method(model, COST)
    title = type(model).__name__
    if backward is None:
        return Report(title, problem=f"{title} has no method backward or backprop.")
    subject = ObjectSubject(
        model,
        np.asarray(X),
        np.asarray(Y),
        forward=forward,
        cost=cost,
        backward=backward,
        extra=extra,
    )
    return Examination(subject, title).run()
