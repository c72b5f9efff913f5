"""A layer as two functions: ``out, cache = forward(x, W, b)``, ``dx, dW, db = backward(dout, cache)``."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np

from nn.doctor.forms import Local, examine_local
from nn.doctor.invent import layer_inputs, settings
from nn.doctor.naming import parameter_meant, result_names, role_of
from nn.doctor.report import CONVENTION, MISSING, OK, Report
from nn.doctor.sandbox import attempt

Function = Callable[..., Any]


def takes_upstream(function: Function) -> bool:
    """Whether this is the backward of one layer: it receives a gradient, and no labels.

    >>> takes_upstream(lambda dout, cache: 0), takes_upstream(lambda AL, Y, caches: 0)
    (True, False)
    """
    names = list(inspect.signature(function).parameters)
    return bool(names) and is_gradient(names[0]) and not any(role_of(n) == "Y" for n in names)


def is_gradient(name: str) -> bool:
    low = name.lower()
    return role_of(low) == "upstream" or (
        low.startswith(("d", "grad", "up", "delta"))
        and not low.startswith(("data", "dim", "depth", "degree"))
        and len(low) > 1
    )


class FunctionLayer:
    """An object with forward and backward, of two functions."""

    def __init__(self, f: Function, g: Function, names: list[str], others: Mapping[str, Any]):
        self.f, self.g, self.names = f, g, names
        self.others = lambda: copy.deepcopy(dict(others))  # f may change them
        self.kept: Any = None

    def forward(self, *values: Any) -> Any:
        given = dict(zip(self.names, values))
        result = self.f(**given, **self.others())
        out, *rest = result if isinstance(result, tuple) else (result,)
        found = dict(zip(result_names(self.f)[1:], rest))
        self.kept = (given, found, rest[0] if len(rest) == 1 else tuple(rest), out)
        return out

    def backward(self, dout: Any) -> Any:
        given, found, cache, out = self.kept
        call: dict[str, Any] = {}
        for i, (name, p) in enumerate(inspect.signature(self.g).parameters.items()):
            if i == 0:
                call[name] = dout
            elif name in given or name in found or name in self.others():
                call[name] = {**self.others(), **found, **given}[name]
            elif p.default is not p.empty:
                continue
            elif role_of(name) == "output" and not isinstance(cache, tuple | dict):
                call[name] = out
            else:
                call[name] = cache
        result = self.g(**call)
        if not isinstance(result, tuple) or len(result) != len(self.names):
            return result
        names = [parameter_meant(n, self.names) if n else None for n in result_names(self.g)]
        if sorted(map(str, names)) == sorted(self.names):
            return tuple(result[names.index(n)] for n in self.names)
        return result


class LocalMean(Local):
    """With the gradients of the parameters for the mean over the examples, as the course has them."""

    def truth(self, values: Mapping[str, Any], X: Any, Y: Any) -> tuple[Any, Any]:
        rest = list(self.inputs)[1:]
        held = {k: np.array(getattr(values[k], "data", values[k])) for k in rest}
        scaled = {k: held[k] + (values[k] - held[k]) / self.examples for k in rest}
        return super().truth({**values, **scaled}, X, Y)

    @property
    def examples(self) -> int:
        shape = np.shape(self.inputs[next(iter(self.inputs))])
        return int(shape[-1] if np.shape(self.dout)[-1:] == shape[-1:] else shape[0])


def calls_of(f: Function, g: Function) -> Iterator[FunctionLayer]:
    """The ways to call the two: which arguments are arrays, and what the others may be."""
    signature = inspect.signature(f).parameters.values()
    needed = [p.name for p in signature if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    options = {n: [1e-5] if role_of(n) == "eps" else settings(f, n) for n in needed[1:]}
    fixed = [n for n in needed if options.get(n)]
    for values in product(*(options[n] for n in fixed)):
        yield FunctionLayer(f, g, [n for n in needed if n not in fixed], dict(zip(fixed, values)))


def check_layer_functions(f: Function, g: Function, title: str) -> Report:
    """Examine ``g`` as the backward of ``f``, by itself, for a random gradient that comes in."""
    reports = []
    for layer in calls_of(f, g):
        report = check_one(layer, title)
        if layer.others():
            text = ", ".join(f"{k} = {v!r}" for k, v in layer.others().items())
            report.checked = [f"{text}: {c}" for c in report.checked]
        reports.append(report)
    wrong = [r for r in reports if r.status == 1]
    right = [r for r in reports if r.status == 0]
    if wrong or not right:
        return (wrong or reports or [Report(title, problem="its arguments are not known.")])[0]
    right[0].checked = [c for r in right for c in r.checked]
    return right[0]


def check_one(layer: FunctionLayer, title: str) -> Report:
    failures = []
    for given in layer_inputs(layer.names):
        values = tuple(given.values())
        out, failure = attempt(lambda v=values: layer.forward(*map(np.array, v)))  # type: ignore[misc]
        if failure is not None or not isinstance(out, np.ndarray | np.floating):
            failures.append(failure.sentence if failure else "it returns no array first")
            continue
        layer.kept = None
        dout = np.random.default_rng(6).normal(size=np.shape(out))
        report = examine_local(Local(layer, given, dout), title)
        if report.status == 1 and len(layer.names) > 1:
            mean = examine_local(LocalMean(layer, given, dout), title)
            if mean.ok or count_right(mean) > count_right(report):
                mean.conventions.append(
                    "the gradients of the parameters are divided by the number of examples and that "
                    f"of {layer.names[0]} is not: the cost is a mean (the course's convention)"
                )
                return mean
        return report
    return Report(title, problem=f"{title.split()[0]} does not run: {failures[0]}.")


def count_right(report: Report) -> int:
    return sum(r.verdict in (OK, CONVENTION) for r in report.rows) - sum(
        r.verdict == MISSING for r in report.rows
    )
