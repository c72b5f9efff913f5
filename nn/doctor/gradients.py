"""Gradients that are there already, against the loss that they are of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nn.doctor.examine import Examination
from nn.doctor.experiment import Experiment, Probe
from nn.doctor.naming import (
    label,
)
from nn.doctor.report import Report
from nn.doctor.sandbox import attempt
from nn.doctor.subject import (
    Run,
    Subject,
    as_arrays,
    batch_of,
    loss_in,
)
from tinygrad_edu import Tensor
from tinygrad_edu.formulas import history

Function = Callable[..., Any]


class Given(Subject):
    """Gradients that are there already, and the loss that they should belong to."""

    def __init__(self, grads: Any, loss: Any, params: Any):
        super().__init__(as_arrays(params), None, None, cost=loss if callable(loss) else None)
        self.grads, self.recorded = grads, loss

    def truth(self, values: Mapping[str, Any], X: Any, Y: Any) -> tuple[Any, Any]:
        return loss_in(self.recorded(self.container(values))), None

    def run(self, values: Mapping[str, Any], X: Any, Y: Any, watch: bool = True) -> Run:
        run = Run(stage="done")
        roles = {"params": self.container(values)}
        before = {k: np.array(v) for k, v in values.items()}
        self.backward = self.recorded if callable(self.recorded) else label  # for its names only
        self.collect(run, self.grads, roles, before)
        return run


class Recorded(Given):
    """With a loss that is a recorded Tensor: it is computed anew, operation by operation."""

    def __init__(self, grads: Any, loss: Tensor, params: Any, tensors: dict[str, Any]):
        super().__init__(grads, loss, params)
        self.tensors = tensors

    def truth(self, values: Mapping[str, Any], X: Any, Y: Any) -> tuple[Any, Any]:
        return recorded_truth(self.recorded, self.tensors, values)


def check_grads(grads: Any, loss: Any, params: Any) -> Report:
    """Examine a dictionary of gradients: ``loss`` is a function of ``params``, or a recorded Tensor.

    >>> W = Tensor([[1.0, 2.0]], requires_grad=True, name="W")
    >>> loss = np.sum((W @ np.ones((2, 3))) ** 2)
    >>> report = check_grads({"dW": np.array([[18.0, 18.0]])}, loss, {"W": W})
    >>> report.ok
    True
    """
    title = "Gradients"
    if not params:
        return Report(title, problem="there are no parameters: pass the dictionary of arrays.")
    if not grads:
        return Report(
            title, problem="there are no gradients: pass a dictionary such as {'dW': dW}."
        )
    subject = Given(grads, loss, params)
    values = {k: np.array(v) for k, v in subject.params.items()}
    if isinstance(loss, Tensor):
        given = flatten_tensors(params)
        subject = Recorded(grads, loss, params, given)
    probe = Probe(values, *data_of(subject, values), 1)
    if probe.X is not None:
        probe = Probe(values, probe.X, probe.Y, batch_of(probe.X, probe.Y))
    e = Experiment("the given numbers", (probe, probe), 1)
    return Examination(subject, title).run(e)


def flatten_tensors(params: Any) -> dict[str, Any]:
    if isinstance(params, Tensor):
        return {"W": params}
    return dict(params.items() if isinstance(params, Mapping) else enumerate(params))


def recorded_truth(
    loss: Tensor, given: dict[str, Any], values: Mapping[str, Any]
) -> tuple[Any, Any]:
    """The recorded loss computed anew from other values, operation by operation."""
    new: dict[int, Any] = {id(t): values[k] for k, t in given.items() if isinstance(t, Tensor)}
    for node in history(loss):
        if id(node) in new or node.rule is None:
            continue
        inputs = [new.get(id(x), x) for x in node.inputs]
        inputs = [x.data if isinstance(x, Tensor) and not x.requires_grad else x for x in inputs]
        operation = recorded_operation(node.rule)
        new[id(node)] = operation(inputs)
    return new.get(id(loss), loss), None


def recorded_operation(entry: Any) -> Callable[[list[Any]], Any]:
    from tinygrad_edu.recording import record

    return lambda inputs: record(entry, inputs)


def data_of(subject: Subject, values: Mapping[str, Any]) -> tuple[Any, Any]:
    """The input and the labels, among the constants that the loss was computed with."""
    tensors = {k: Tensor(v, requires_grad=True) for k, v in values.items()}
    result, failure = attempt(lambda: subject.truth(dict(tensors), None, None))
    if failure or not isinstance(result[0], Tensor):
        return None, None
    constants: list[Any] = []
    for node in history(result[0]):
        for x in node.inputs:
            array = x.data if isinstance(x, Tensor) and not x.requires_grad else x
            if (
                isinstance(array, np.ndarray)
                and array.ndim
                and not any(array is c for c in constants)
            ):
                constants.append(array)
    two = [c for c in constants if c.ndim == 2 and c.dtype.kind == "f"]
    if not two:
        return None, None
    X = two[0]
    others = [
        c for c in constants if c is not X and not same_array(c, X) and set(c.shape) & set(X.shape)
    ]
    labels = [c for c in others if set(np.unique(c).tolist()) <= {0.0, 1.0}]
    return X, (labels or others or [None])[0]


def same_array(a: Any, b: Any) -> bool:
    return bool(a.shape == b.shape and np.array_equal(a, b))
