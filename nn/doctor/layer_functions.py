"""A layer as two functions: ``out, cache = forward(x, W, b)``, ``dx, dW, db = backward(dout, cache)``."""

from __future__ import annotations

import ast
import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np

from nn.doctor.invent import kind_of, layer_inputs, settings
from nn.doctor.layers import Local, examine_local
from nn.doctor.naming import (
    lacks_cache,
    parameter_meant,
    required,
    result_names,
    role_of,
    source_tree,
)
from nn.doctor.report import MISSING, SHAPE, Report
from nn.doctor.sandbox import attempt
from nn.doctor.subject import RATE, is_arraylike

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
    """An object with forward and backward, of two functions.

    ``inputs`` are the arrays that forward takes, also as entries of a dictionary of parameters; of
    several outputs those count for which backward receives a gradient. What else backward receives is
    found by its name; ``guess`` says what an argument of unknown name is.
    """

    def __init__(self, f: Function, g: Function, others: Mapping[str, Any], guess: int = 0):
        self.f, self.g, self.guess = f, g, guess
        self.thing, self.rate, self.title = None, RATE, f.__name__
        self.settings = dict(others)
        taken = [n for n in required(f) if n not in others]
        self.keys = {n: keys_read(f, n) for n in taken if role_of(n) in ("params", "cache")}
        self.inputs = list(dict.fromkeys(k for n in taken for k in (self.keys.get(n) or [n])))
        first = [n for n in required(g)[:1] if role_of(n) != "cache"]  # else of a cost, by itself
        self.received = [n for n in required(g) if is_gradient(n)] or first
        self.kept: Any = None
        self.guessed = False

    def method(self, which: int) -> Function:
        return (self.f, self.g)[which]

    def forward(self, *values: Any) -> Any:
        given = dict(zip(self.inputs, values))
        call = copy.deepcopy(self.settings)  # f may change them
        for name in required(self.f):
            if self.keys.get(name):
                call[name] = {k: given[k] for k in self.keys[name]}
            elif name in given:
                call[name] = given[name]
        result = self.f(**call)
        parts = result if isinstance(result, tuple) else (result,)
        n = min(max(len(self.received), 1), len(parts))
        rest = parts[n:]
        found = dict(zip(result_names(self.f), parts)) if len(parts) > 1 else {}
        caches = [p for p in rest if not is_arraylike(p)] or list(rest)
        cache = caches[0] if len(caches) == 1 else tuple(caches) or None
        self.kept = (given | call, found, cache, parts[0])
        self.shapes = [np.shape(p) for p in parts[:n]]
        return parts[0] if n == 1 else np.concatenate([np.ravel(p) for p in parts[:n]])

    def backward(self, dout: Any) -> Any:
        given, found, cache, out = self.kept
        known = {**found, **given}
        call: dict[str, Any] = dict(zip(self.received, self.split(dout)))
        self.guessed = False
        for name in required(self.g):
            if name in call:
                continue
            if name in known and role_of(name) != "cache":
                call[name] = known[name]
            elif role_of(name) == "cache" and cache is not None:
                call[name] = cache
            elif role_of(name) == "output":
                call[name] = out
            else:
                self.guessed = True
                choices = [x for x in (cache, out, next(iter(given.values()))) if x is not None]
                call[name] = choices[min(self.guess, len(choices) - 1)]
        takes = inspect.signature(self.g).parameters
        call |= {n: v for n, v in self.settings.items() if n in takes and n not in call}
        result = self.g(**call)
        if not self.received and is_arraylike(result):
            result = dout * result
        if isinstance(result, Mapping):
            named = {parameter_meant(k, self.inputs): v for k, v in result.items()}
            return tuple(named.get(n) for n in self.inputs)
        parts = result if isinstance(result, tuple) else (result,)
        names = [parameter_meant(n, self.inputs) if n else None for n in result_names(self.g)]
        if len(names) == len(parts) and len(set(names) - {None}) == len(names):
            return tuple(dict(zip(names, parts)).get(n) for n in self.inputs)
        return result

    def split(self, dout: Any) -> list[Any]:
        """The gradients of the outputs, of one array or of their numbers in a row."""
        if len(self.shapes) == 1:
            return [dout]
        sizes = np.cumsum([int(np.prod(s)) for s in self.shapes])[:-1]
        return [part.reshape(s) for part, s in zip(np.split(dout, sizes), self.shapes)]


def keys_read(function: Function, name: str) -> list[str]:
    """The keys under which a function, or one that it hands the dictionary to, reads its entries."""
    tree = source_tree(function)
    found: list[str] = []
    for n in ast.walk(tree) if tree is not None else ():
        if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.Constant):
            if isinstance(n.value, ast.Name) and n.value.id == name and type(n.slice.value) is str:
                found.append(n.slice.value)
        elif isinstance(n, ast.Call) and isinstance(n.func, ast.Name):
            called = getattr(function, "__globals__", {}).get(n.func.id)
            handed = [i for i, a in enumerate(n.args) if getattr(a, "id", "") == name]
            if handed and inspect.isfunction(called) and called is not function:
                found += keys_read(called, list(inspect.signature(called).parameters)[handed[0]])
    return list(dict.fromkeys(found))


def options_of(f: Function) -> Iterator[dict[str, Any]]:
    """The values that the arguments may have that are not arrays."""
    options = {n: [1e-5] if role_of(n) == "eps" else settings(f, n) for n in required(f)[1:]}
    fixed = [n for n, values in options.items() if values and role_of(n) != "params"]
    for values in product(*(options[n] for n in fixed)):
        yield dict(zip(fixed, values))


GEOMETRIES = (  # of convolutions and pooling: in which argument, what is usual, another
    ("pad", 0, 1),
    ("pad", "same", "valid"),
    ("stride", 1, 2),
    ("stride", (1, 1), (2, 2)),
    ("mode", "max", "avg"),
)


def geometries(f: Function) -> Iterator[dict[str, Any]]:
    """Another padding, stride or kind than what a layer has where nothing is said."""
    defaults = {n: p.default for n, p in inspect.signature(f).parameters.items()}
    for name, usual, other in GEOMETRIES:
        found = [n for n, d in defaults.items() if name in n.lower() and type(d) is type(usual)]
        yield from ({n: other} for n in found if defaults[n] == usual)


def check_layer_functions(f: Function, g: Function, title: str) -> Report:
    """Examine ``g`` as the backward of ``f``, by itself, for a random gradient that comes in."""
    reports = [with_settings(f, g, others, title) for others in options_of(f)]
    if all(r.ok for r in reports):
        usual = next(options_of(f), {})
        other = [with_settings(f, g, usual | others, title) for others in geometries(f)]
        reports += [r for r in other if r.status != 2 and r.rows and not any_missing(r)]
    wrong = [r for r in reports if r.status == 1]
    right = [r for r in reports if r.status == 0]
    if wrong or not right:
        return (wrong or reports or [Report(title, problem="its arguments are not known.")])[0]
    right[0].checked = [c for r in right for c in r.checked]
    return right[0]


def check_cost_functions(f: Function, g: Function, title: str) -> Report:
    """Examine ``dx = g(cache)`` for ``cost, cache = f(x, labels)``, with labels of two forms."""
    (name,) = [n for n in required(f) if role_of(n) == "Y"]
    classes = np.array([0, 1, 2, 3, 1, 0])
    reports = [check_one(f, g, {name: labels}, title) for labels in (np.eye(4)[classes], classes)]
    return min(reports, key=lambda r: (r.status == 2, r.status))


def is_cost_pair(f: Function, g: Function) -> bool:
    """Whether these are a cost of x and labels, and its gradient, which takes the cache alone."""
    takes = [role_of(n) for n in required(g)]
    return takes == ["cache"] and [role_of(n) for n in required(f)].count("Y") == 1


def any_missing(report: Report) -> bool:
    """Whether backward stops, or gives less: it may not be written for this."""
    return any(r.verdict == MISSING for r in report.rows)


def with_settings(f: Function, g: Function, others: Mapping[str, Any], title: str) -> Report:
    report = check_one(f, g, others, title)
    if others:
        text = ", ".join(f"{k} = {v!r}" for k, v in others.items())
        report.checked = [f"{text}: {c}" for c in report.checked]
    return report


def check_one(f: Function, g: Function, others: Mapping[str, Any], title: str) -> Report:
    """With arrays of the first shapes that forward and backward run on."""
    if lacks_cache(f, g):
        return Report(title, problem=f"{f.__name__} does not return the cache of {g.__name__}.")
    failures: list[str] = []
    guesses: list[Report] = []
    stopped: Report | None = None
    for given, guess in product(layer_inputs(FunctionLayer(f, g, others).inputs), range(3)):
        layer = FunctionLayer(f, g, others, guess)
        arrays = {n: given[n] for n in layer.inputs}
        out, failure = attempt(lambda la=layer, v=arrays: la.forward(*map(np.array, v.values())))  # type: ignore[misc]
        if failure is not None or not isinstance(out, np.ndarray | np.floating):
            failures.append(failure.sentence if failure else "it returns no array first")
            continue
        dout = np.random.default_rng(6).normal(size=np.shape(out))
        result, failure = attempt(lambda la=layer, d=dout: la.backward(np.array(d)))  # type: ignore[misc]
        if failure is None and (left := constants(layer, result)):
            return check_one(f, g, {**others, **dict.fromkeys(left, 0.3)}, title)
        guessed, layer.kept = layer.guessed, None
        if failure is not None and (guessed or stopped is not None):
            continue
        report = examine_local(Local(layer, arrays, dout), title)
        if report.ok:
            return report
        if failure is None:
            guesses.append(report)
            if not guessed and not shapes_only(report):
                break
        else:
            stopped = report
    if guesses:
        return min(guesses, key=lambda r: sum(v.wrong for v in r.rows))
    if stopped is not None:
        return stopped
    if failures and "used as indices must be of integer" in failures[0]:  # the numbers of words
        words = np.array([[1, 0, 3], [2, 3, 3]])
        for name in (n for n in required(f)[:2] if n not in others):
            report = check_one(f, g, {**others, name: words}, title)
            if report.status != 2:
                return report
    last = max(failures, key=failures.count)
    return Report(title, problem=f"{title.split()[0]} does not run: {last}.")


def shapes_only(report: Report) -> bool:
    """Whether a gradient has another shape than its parameter: the parameter may have another one."""
    return any(r.verdict == SHAPE for r in report.rows)


def constants(layer: FunctionLayer, result: Any) -> list[str]:
    """The arguments for which backward gives no gradient and that are no weights: a slope, a rate."""
    parts = result if isinstance(result, tuple | list) else (result,)
    given = [n for n, part in zip(layer.inputs, parts) if part is not None]
    absent = [n for n in layer.inputs[1:] if n not in given and n in required(layer.f)]
    return [n for n in absent if kind_of(n, 1) == "x"]
