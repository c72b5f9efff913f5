"""Steps of the parameters: with given gradients, or as a whole training step."""

from __future__ import annotations

import ast
import linecache
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from nn.doctor.examine import Examination
from nn.doctor.experiment import Experiment, Probe, same_shapes
from nn.doctor.failures import one_layer_too_many
from nn.doctor.gradients import data_of
from nn.doctor.naming import (
    Unbound,
    argument_names,
    bind,
    call_with,
    flatten,
    label,
    parameter_meant,
    rebuild,
    role_of,
    source_tree,
    walk_own,
)
from nn.doctor.pairs import place
from nn.doctor.places import place_of, put_place
from nn.doctor.report import MISSING, OK, SHAPE, WRONG, Cause, Report, Verdict
from nn.doctor.sandbox import Tracer, attempt
from nn.doctor.subject import (
    Run,
    Subject,
    as_arrays,
    batch_of,
    differs,
    gradients_of_changes,
    loss_in,
    updates_seen,
)
from nn.doctor.trial import relative

Function = Callable[..., Any]


def check_update(update: Function, params: Any, grads: Any, lr: float, **extra: Any) -> Report:
    """Examine the step ``W = W - learning_rate * dW`` over a dictionary of parameters.

    >>> def update(parameters, grads, learning_rate):
    ...     return {k: v + learning_rate * grads["d" + k] for k, v in parameters.items()}
    >>> report = check_update(update, {"W1": np.ones((2, 2))}, {"dW1": np.ones((2, 2))}, 0.1)
    >>> report.causes[0].kind
    'sign of the update'
    """
    title = f"Update by {label(update)}"
    report = Report(title, compared="update")
    rng = np.random.default_rng(9)
    prefix = "" if isinstance(params, Mapping | list | tuple) else "W"
    flat = flatten(as_arrays(params), prefix)
    whole = [k for k, v in flat.items() if np.asarray(v).dtype.kind in "iu"]
    runs = []
    for rate in (lr, 0.37 * lr):
        values = {
            k: rng.integers(1, 9, np.shape(v)) if k in whole else rng.normal(size=np.shape(v))
            for k, v in flat.items()
        }
        keyed = flatten(grads, "dW" if prefix else "")
        new_grads = {k: rng.normal(size=np.shape(v)) for k, v in keyed.items()}
        tree = rebuild(as_arrays(params), values, prefix)
        tree_of_grads = rebuild(grads, new_grads, "" if prefix == "" else "dW")
        pool = {"parameters": tree, "grads": tree_of_grads, **values, **new_grads}
        roles = {"params": tree, "grads": tree_of_grads, "lr": rate, "L": len(flat) // 2, "m": 5}
        before = {k: np.array(v) for k, v in values.items()}
        rates = {p: rate for p in argument_names(update) if role_of(p) == "lr"}
        try:
            bound = bind(update, pool, roles, {**rates, **extra}, "grads")
        except Unbound as error:
            report.problem = f"{error}."
            return report
        tracer = Tracer()
        result, failure = attempt(partial(call_with, update, bound), tracer=tracer)
        if failure is not None:
            return failed_update(report, update, failure, flat, before, tree, prefix)
        after = flatten(result, prefix) if result is not None else flatten(tree, prefix)
        if isinstance(result, tuple) and len(result) == len(flat):
            after = dict(zip(flat, result))
        elif isinstance(result, tuple) and isinstance(result[0], Mapping):
            after = flatten(result[0])
        runs.append((before, new_grads, after, rate, tree, result, tracer))
    kinds: list[tuple[str, str]] = []
    for name in flat:
        kinds.append((name, judge_update(report, name, runs)))
    if runs[0][5] is not None:
        changed = [k for k in flat if differs(runs[0][0][k], flatten(runs[0][4], prefix)[k])]
        if changed:
            report.notes.append(
                f"the caller's {', '.join(changed)} change too: copy the dictionary and its arrays first "
                "(dict.copy() copies only the dictionary), or return nothing"
            )
    group_updates(report, kinds, update, runs)
    if whole:
        report.notes.append(
            f"{', '.join(whole)}: whole numbers lose the fractions; make them floats"
        )
    report.checked.append("two random sets of parameters and gradients")
    return report


def failed_update(
    report: Report, update: Function, failure: Any, flat: Any, before: Any, tree: Any, prefix: str
) -> Report:
    after = flatten(tree, prefix)
    done = [k for k in flat if k in after and differs(before[k], after[k])]
    says = f"{label(update)} stops with {type(failure.error).__name__}: {failure.error}"
    kind = type(failure.error).__name__
    fix = ""
    whole_loop = one_layer_too_many(failure, len(flat) // 2)
    if isinstance(failure.error, KeyError) and (whole_loop or len(done) == len(flat)):
        kind = "loop over len(parameters)"
        loop = whole_loop or failure.line
        failure = failure._replace(line=loop)
        says += (
            f", after all {len(flat) // 2} layers were updated: len(parameters) counts the W and the b "
            "of each layer and is twice the number of layers"
        )
        fix = "write len(parameters) // 2"
    elif isinstance(failure.error, KeyError):
        says += f"; the gradients are {', '.join(sorted('d' + k for k in flat))}"
    elif "cast" in str(failure.error):
        kind, fix = "whole numbers", "make the parameters floats"
        says += ": the parameters are whole numbers"
    report.causes.append(
        Cause(
            "update",
            kind,
            says,
            failure.line or None,
            failure.function,
            failure.file,
            linecache.getline(failure.file, failure.line).strip(),
            fix=fix,
        )
    )
    report.rows += [Verdict(k, OK if k in done else MISSING) for k in flat]
    return report


def judge_update(report: Report, name: str, runs: Any) -> str:
    """The kind of mistake in one parameter's update; "" if it is right."""
    steps, rights, shapes, news = [], [], [], []
    for before, grads, after, rate, *_ in runs:
        key = next((k for k in grads if parameter_meant(k, [name])), None)
        if key is None:
            report.rows.append(Verdict(name, MISSING, None, "it has no gradient"))
            return ""
        new = after.get(name)
        if new is None:
            report.rows.append(Verdict(name, MISSING))
            return "missing"
        shapes.append(np.shape(new))
        news.append(np.asarray(new))
        if np.shape(new) == np.shape(before[name]):
            steps.append(np.asarray(new) - before[name])
            rights.append(-rate * grads[key])
    if not steps:
        report.rows.append(
            Verdict(
                name,
                SHAPE,
                None,
                f"{shapes[0]} after the update, {np.shape(runs[0][0][name])} before",
            )
        )
        return by_another_gradient(name, runs, news) or "shape"
    error = max(relative(s, r) for s, r in zip(steps, rights))
    if error < 1e-9:
        report.rows.append(Verdict(name, OK, error))
        return ""
    report.rows.append(Verdict(name, WRONG, error))

    def fits(make: Function) -> bool:
        return all(relative(s, make(i)) < 1e-9 for i, s in enumerate(steps))

    rates, olds = [r[3] for r in runs], [r[0][name] for r in runs]
    usual: dict[str, Function] = {
        "not updated": lambda i: 0 * rights[i],
        "sign of the update": lambda i: -rights[i],
        "learning rate twice": lambda i: rights[i] * rates[i],
        "learning rate missing": lambda i: rights[i] / rates[i],
        "= for -=": lambda i: rights[i] - olds[i],
    }
    for kind, make in usual.items():
        if fits(make):
            return kind
    if another := by_another_gradient(name, runs, news):
        return another
    ratio = [float(s.ravel() @ r.ravel() / (r.ravel() @ r.ravel())) for s, r in zip(steps, rights)]
    if np.isclose(ratio[0], ratio[1], rtol=1e-9) and fits(lambda i: ratio[0] * rights[i]):
        return f"factor {ratio[0]:.6g}"
    return "?"


def by_another_gradient(name: str, runs: Any, news: Sequence[Any]) -> str:
    """The kind of mistake where this parameter is changed by the gradient of another one."""
    for other in runs[0][1]:
        for (before, grads, _, rate, *_), new in zip(runs, news):
            try:
                made = before[name] - rate * grads[other]
            except ValueError:  # shapes that do not go together
                break
            if made.shape != new.shape or relative(new - before[name], -rate * grads[other]) > 1e-9:
                break
        else:
            return f"wrong key {other}"
    return ""


UPDATES = {
    "sign of the update": (
        "is changed along the gradient, which makes the cost grow",
        "subtract: W - learning_rate * dW",
    ),
    "learning rate twice": ("is changed by the learning rate squared", "multiply by it once"),
    "learning rate missing": (
        "is changed without the learning rate",
        "multiply by the learning rate",
    ),
    "not updated": ("is not updated at all", "let the loop reach it: count the layers"),
    "= for -=": ("is replaced by its step instead of being changed by it", "write -="),
    "missing": ("is missing from what the update returns", "return every parameter"),
    "shape": ("has another shape after the update", "give the gradient the parameter's shape"),
}


def loop_lines(function: Function) -> list[int]:
    """The lines of the loops in a function."""
    tree = source_tree(function)
    nodes = walk_own(tree) if tree is not None else []
    return [n.lineno for n in nodes if isinstance(n, ast.For | ast.While)]


def group_updates(
    report: Report, kinds: list[tuple[str, str]], update: Function, runs: Any
) -> None:
    for kind in dict.fromkeys(k for _, k in kinds if k):
        names = [n for n, k in kinds if k == kind]
        if kind == "?":
            report.unexplained.append(f"{', '.join(names)}: not W - learning_rate * dW")
            continue
        text, fix = UPDATES.get(kind, (f"is changed with a {kind}", ""))
        if kind.startswith("wrong key"):
            text, fix = f"is changed by {kind.split()[-1]}", f"use d{names[0]}"
            kind = "wrong key"
        if len(names) > 1:
            text = re.sub("^has", "have", re.sub("^is", "are", text))
        cause = Cause(", ".join(names), kind, f"{', '.join(names)} {text}", fix=fix)
        if kind not in ("missing", "shape"):
            cause.proof = "it gives your numbers to 1e-9 on two random sets"
        place(cause, update)
        before, _, after, _, _, _, tracer = runs[0]
        where = (
            place_of(np.asarray(after[names[0]]), tracer.events, "") if names[0] in after else None
        )
        if where is not None and differs(before[names[0]], after[names[0]]):
            put_place(cause, where)
        elif kind == "not updated":
            loops = loop_lines(update)
            cause.line = loops[0] if loops else cause.line
            cause.source = linecache.getline(cause.file, cause.line or 0).strip()
        report.causes.append(cause)


class Step(Subject):
    """A training step of which only the change of the parameters is seen."""

    descends = True

    def __init__(self, step: Function, params: Any, cost: Function, lr: float):
        super().__init__(as_arrays(params), None, None, cost=cost)
        self.step, self.learning_rate = step, lr

    def truth(self, values: Mapping[str, Any], X: Any, Y: Any) -> tuple[Any, Any]:
        assert self.cost is not None
        return loss_in(self.cost(self.container(values))), None

    def run(self, values: Mapping[str, Any], X: Any, Y: Any, watch: bool = True) -> Run:
        run = Run(stage="backward")
        values = {k: np.array(v) for k, v in values.items()}
        before = {k: np.array(v) for k, v in values.items()}
        tree = self.container(values)
        tracer = Tracer(watch=watch)
        result, run.failure = attempt(lambda: self.step(tree), tracer=tracer)
        run.events, run.tracer = tracer.events, tracer
        if run.failure:
            return run
        run.stage, run.updates = "done", True
        if isinstance(result, tuple) and result and isinstance(result[0], Mapping):
            result = result[0]
        after = flatten(tree if result is None else result, self.prefix)
        run.events = run.events + updates_seen(run.events, before, self.learning_rate)
        new = {k: np.asarray(after[k]) for k in before if k in after}
        run.gradients |= gradients_of_changes(run, before, new, self.learning_rate)
        return run


def check_step(step: Function, params: Any, cost: Function, lr: float) -> Report:
    """Examine one bare training step by what it does to the parameters.

    ``step(params)`` returns the new parameters, or None when it changes them in place.
    """
    title = f"Step by {label(step)}"
    subject = Step(step, params, cost, lr)
    e = same_shapes(subject.params, None, None, 1, 1)
    values = {k: np.array(v) for k, v in subject.params.items()}
    own = Probe(values, *data_of(subject, values), 1)
    if own.X is not None:
        m = batch_of(own.X, own.Y)
        probes = tuple(Probe(p.params, own.X, own.Y, m) for p in e.probes)
        e = Experiment("your data with random parameters", (probes[0], probes[1]), 1)
    return Examination(subject, title).run(e)
