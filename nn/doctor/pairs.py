"""A function and its derivative."""

from __future__ import annotations

import ast
import inspect
import linecache
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from nn.doctor.hypotheses import (
    FACTORS,
    SLOPES,
    Change,
    about_slope,
    edits_of,
    evaluate,
    read,
    slope_at,
)
from nn.doctor.naming import (
    argument_names,
    label,
    lacks_cache,
    required,
    role_of,
    source_tree,
    walk_own,
)
from nn.doctor.report import CONVENTION, NAN, OK, SHAPE, WRONG, Cause, Report, Verdict
from nn.doctor.sandbox import attempt
from nn.doctor.simple import difference
from nn.doctor.trial import relative
from tinygrad_edu import Tensor, gradients
from tinygrad_edu.expressions import symbol

Function = Callable[..., Any]


def check_pair(f: Function, f_backward: Function, *, x: Any = None) -> Report:
    """Examine a function and its derivative: ``f_backward(x)``, or ``(dA, cache)`` and the like.

    >>> check_pair(np.tanh, lambda x: 1 - np.tanh(x) ** 2).ok
    True
    """
    title = f"{label(f)} and {label(f_backward)}"
    if inspect.isfunction(f) and len(required(f)) == 2:
        return check_loss_pair(f, f_backward)
    if lacks_cache(f, f_backward):
        return Report(
            title, problem=f"{label(f)} does not return the cache of {label(f_backward)}."
        )
    best: Report | None = None
    rng = np.random.default_rng(4)
    shape = np.shape(x) if x is not None else (3, 4)
    points = [rng.normal(size=shape), rng.normal(size=shape)]
    ups = [rng.normal(size=shape), rng.normal(size=shape)]
    found = [pair_truth(f, p, u) for p, u in zip(points, ups)]
    if any(t is None for t in found):
        return Report(
            title, problem=f"{label(f)} could not be computed on an array of shape {shape}."
        )
    for how, call in pair_calls(f, f_backward):
        results = [attempt(partial(call, p, u)) for p, u in zip(points, ups)]
        if any(failure for _, failure in results):
            failed = next(failure for _, failure in results if failure)
            best = (
                best
                if best is not None
                else Report(title, problem=f"{label(f_backward)} failed: {failed.sentence}.")
            )
            continue
        report = judge_pair(title, f, f_backward, how, results, found, points, ups)
        if report.ok:
            return report
        if best is None or best.problem:
            best = report
    return (
        best
        if best is not None
        else Report(title, problem=f"{label(f_backward)} takes arguments that are not known.")
    )


def pair_truth(f: Function, x: Any, up: Any) -> tuple[Any, Any, Any] | None:
    """(value, slope of each entry by itself, pull-back of ``up``)."""
    t = Tensor(x, requires_grad=True)
    result, failure = attempt(lambda: first_of(f(t)))
    if failure is None and isinstance(result, Tensor) and result.requires_grad:
        if result.shape != x.shape:
            return None
        ones = gradients(result, [t], np.ones(x.shape))[0]
        return np.asarray(result.data), ones, gradients(result, [t], up)[0]
    value, failure = attempt(lambda: np.asarray(first_of(f(np.array(x)))))
    if failure or value.shape != x.shape:
        return None
    slope, pulled = np.zeros(x.shape), np.zeros(x.shape)
    h = 1e-5

    def run() -> None:
        for i in np.ndindex(x.shape):
            ends = []
            for sign in (1, -1):
                moved = x.copy()
                moved[i] += sign * h
                ends.append(np.asarray(first_of(f(moved))))
            change = (ends[0] - ends[1]) / (2 * h)
            slope[i], pulled[i] = change.sum(), (change * up).sum()

    _, failure = attempt(run)
    return None if failure else (value, slope, pulled)


def first_of(result: Any) -> Any:
    return result[0] if isinstance(result, tuple) else result


def pair_calls(f: Function, g: Function) -> list[tuple[str, Function]]:
    """The ways to call the derivative, by its arguments."""
    try:
        names = [
            p.name
            for p in inspect.signature(g).parameters.values()
            if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
    except (TypeError, ValueError):
        names = ["x"]
    if len(names) <= 1:
        return [("at x", lambda x, up: g(x)), ("at f(x)", lambda x, up: g(first_of(f(x))))]

    def kept(x: Any) -> Any:
        result = f(np.array(x))
        return result[1] if isinstance(result, tuple) and len(result) > 1 else x

    low = [n.lower() for n in names]
    up_first = low[0].startswith(("d", "g", "up", "err", "delta")) or not low[1].startswith(
        ("d", "g", "up", "err", "delta")
    )
    if up_first:
        return [
            ("", lambda x, up: g(up, kept(x))),
            ("with f(x)", lambda x, up: g(up, first_of(f(x)))),
        ]
    return [("", lambda x, up: g(kept(x), up)), ("with f(x)", lambda x, up: g(first_of(f(x)), up))]


def judge_pair(
    title: str, f: Function, g: Function, how: str, results: Any, found: Any, points: Any, ups: Any
) -> Report:
    report = Report(title)
    pulls = not how.startswith("at")
    name = label(g)
    given = [np.asarray(first_of(r)) for r, _ in results]
    rights = [t[2] if pulls else t[1] for t in found]
    if given[0].dtype.kind not in "fiub":
        report.problem = f"{name} returned {type(results[0][0]).__name__}: expected an array."
        return report
    given = [x.astype(float) for x in given]
    if given[0].shape != rights[0].shape:
        report.rows.append(
            Verdict(name, SHAPE, None, f"{given[0].shape}, and x has {rights[0].shape}")
        )
    elif not all(np.all(np.isfinite(x)) for x in given):
        report.rows.append(Verdict(name, NAN))
    else:
        error = max(relative(a, b) for a, b in zip(given, rights))
        good = error < 1e-6
        convention = good and how in ("at f(x)", "with f(x)")
        report.rows.append(
            Verdict(name, (CONVENTION if convention else OK) if good else WRONG, error)
        )
        if convention:
            report.conventions.append(
                f"{name} takes the value of {label(f)}, not its argument: call it with A, not with Z"
            )
        if not good:
            ones = [np.ones_like(x) for x in points]
            cause = pair_cause(f, name, given, found, points, ups if pulls else ones)
            if cause is not None:
                place(cause, g)
                report.causes.append(cause)
            else:
                report.unexplained.append(f"{name}: {difference(given[0], rights[0])}")
    report.checked.append("two random arrays" + (f", {how}" if how else ""))
    return report


def place(cause: Cause, g: Function) -> None:
    """The line of the last return."""
    tree = source_tree(g)
    code = getattr(g, "__code__", None)
    if tree is None or code is None:
        return
    returns = [n for n in walk_own(tree) if isinstance(n, ast.Return)]
    cause.line = returns[-1].lineno if returns else code.co_firstlineno
    cause.function, cause.file = code.co_name, code.co_filename
    cause.source = linecache.getline(code.co_filename, cause.line).strip()


def pair_cause(f: Any, name: str, given: Any, found: Any, points: Any, ups: Any) -> Cause | None:
    """The known mistakes with a slope, which is multiplied with the gradients ``ups``."""
    what = f if isinstance(f, str) else label(f)
    kind = next(
        (k for k in SLOPES if fits([slope_at(k, x) for x in points], [t[1] for t in found])), ""
    )
    kind = kind or ("softmax" if "softmax" in what.lower() else what)
    texts = ("x", f"{what}(x)", "the gradient", f"{what}'(x)")
    rooms = [dict(zip(texts, (x, t[0], u, t[1]))) for x, t, u in zip(points, found, ups)]
    Z, A, g, right = (symbol(k, v) for k, v in rooms[0].items())
    formula = g * (slope_at(kind, Z) if kind in SLOPES else right)
    names = {"name": name, "Z": Z, "A": A, "g": g, "formula": formula}
    causes: dict[str, Change] = {}
    with np.errstate(all="ignore"):
        for change in (
            *about_slope(kind, what, names),
            *read(FACTORS, names),
            *edits_of(name, formula),
        ):
            if fits([evaluate(change.formula, room) for room in rooms], given):
                causes.setdefault(change.kind, change)
    if not causes:
        return None
    first, *rest = (Cause(name, c.kind, c.says) for c in causes.values())
    first.proof = "it gives your numbers to 1e-9 on two random arrays"
    first.alternatives = rest
    if kind in SLOPES:
        words = {"Z": "x", "s": "sigmoid(x)", "t": "tanh(x)"}
        first.right = re.sub(r"\b[Zst]\b", lambda m: words[m[0]], SLOPES[kind])
    return first


def fits(values: Any, given: Any) -> bool:
    return all(np.shape(v) == np.shape(g) and relative(v, g) < 1e-9 for v, g in zip(values, given))


def check_loss_pair(f: Function, f_prime: Function) -> Report:
    """Examine a cost of two arrays and its derivative by the prediction, ``f_prime`` of the same two."""
    title = f"{label(f)} and {label(f_prime)}"
    rng = np.random.default_rng(6)
    names = argument_names(f)
    if len(names) != 2 or len(argument_names(f_prime)) != 2:
        return Report(
            title, problem=f"{label(f_prime)} does not take the two arrays of {label(f)}."
        )
    roles = [role_of(n) for n in names]
    which = 1 if roles[0] == "Y" else 0  # the prediction
    best: Report | None = None
    for shape in ((3, 5), (5, 1), (6,)):
        given, rights = [], []
        for _ in range(2):
            pair: list[Any] = [rng.uniform(0.1, 0.9, shape), rng.uniform(0.1, 0.9, shape)]
            pair[1 - which] = (pair[1 - which] > 0.5).astype(float)
            slope = slope_of(
                lambda a, p=pair: f(*(a if i == which else p[i] for i in (0, 1))), pair[which]
            )
            result, failure = attempt(partial(lambda p: np.asarray(f_prime(*p), float), pair))
            if slope is None or failure:
                break
            given.append(result)
            rights.append(slope)
        if len(given) < 2:
            continue
        report = Report(title)
        name = label(f_prime)
        if given[0].shape != rights[0].shape:
            report.rows.append(
                Verdict(name, SHAPE, None, f"{given[0].shape} for {rights[0].shape}")
            )
        else:
            ratio = [
                float(g.ravel() @ r.ravel() / (r.ravel() @ r.ravel()))
                for g, r in zip(given, rights)
            ]
            error = max(relative(g, c * r) for g, r, c in zip(given, rights, ratio))
            one = np.isclose(ratio[0], ratio[1], rtol=1e-5)
            good = error < 1e-5 and one and ratio[0] != 0
            plain = good and abs(ratio[0] - 1) < 1e-5
            report.rows.append(Verdict(name, OK if plain else CONVENTION if good else WRONG, error))
            if good and not plain:
                report.conventions.append(
                    f"{name} is {ratio[0]:.4g} times the derivative of {label(f)} for arrays of shape "
                    f"{shape}; the learning rate absorbs it"
                )
            elif not good:
                report.unexplained.append(f"{name}: {difference(given[0], rights[0])}")
        report.checked.append("two random pairs of arrays")
        if report.ok:
            return report
        best = best if best is not None else report
    return best if best is not None else Report(title, problem=f"{label(f)} gives no number.")


def slope_of(f: Function, x: Any) -> Any:
    """Central differences of a scalar function."""
    slope = np.zeros_like(x)

    def run() -> Any:
        for i in np.ndindex(x.shape):
            up, down = x.copy(), x.copy()
            up[i] += 1e-6
            down[i] -= 1e-6
            slope[i] = (float(np.squeeze(f(up))) - float(np.squeeze(f(down)))) / 2e-6
        return slope

    return attempt(run)[0]
