"""Layer objects: each by itself, and all of them behind each other."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from nn.doctor.examine import Examination
from nn.doctor.experiment import Experiment, Probe, labels_like, random_like
from nn.doctor.naming import (
    argument_names,
    parameter_meant,
    required,
    role_of,
    source_tree,
    walk_own,
)
from nn.doctor.pairs import pair_cause, pair_truth
from nn.doctor.reading import BACKWARD, FORWARD, cost_method, first_method, is_upstream
from nn.doctor.reference import find_truth
from nn.doctor.report import CONVENTION, GOOD, MISSING, OK, SHAPE, WRONG, Cause, Report, Verdict
from nn.doctor.sandbox import Tracer, attempt
from nn.doctor.subject import (
    RATE,
    Run,
    Subject,
    arrays_of,
    differs,
    gradients_of_changes,
    is_arraylike,
    loss_in,
    owner,
    parameters_in,
    put,
    updates_seen,
)
from nn.doctor.trial import relative

Function = Callable[..., Any]


class Local(Subject):
    """One layer by itself: what it makes of an input and of the gradient that it receives."""

    def __init__(self, layer: Any, x: Any, dout: Any, target: Any = None):
        self.layer, self.dout, self.target = layer, dout, target
        self.inputs = {"x": x}
        if isinstance(x, tuple):
            self.inputs = dict(zip(required(layer.method(0)), x))
        elif isinstance(x, Mapping):
            self.inputs = dict(x)
        params = parameters_in(layer.thing)
        results = self.results()
        params = {
            k: v
            for k, v in params.items()
            if np.size(v) and is_used(layer.thing, k) and k not in results
        }
        own = {k: np.asarray(v, float) for k, v in self.inputs.items()}
        super().__init__({**own, **params}, None, None)
        self.params = {**own, **params}

    def absorbs(self, factor: Any) -> bool:
        """A number is not: what comes in is given, and what goes out is handed on."""
        return (
            self.target is not None or factor.number <= 0 or bool(factor.m_power or factor.n_power)
        )

    def results(self) -> set[str]:
        """The arrays of the object that forward assigns, and backward if it updates nothing."""
        layer = copy.deepcopy(self.layer)
        if layer.thing is None:
            return set()
        start = arrays_of(layer.thing)
        inputs = [np.array(v, float) for v in self.inputs.values()]
        targets = [] if self.target is None else [self.target]
        _, failure = attempt(lambda: layer.forward(*inputs, *targets))
        kept = arrays_of(layer.thing)
        found = {k for k, v in start.items() if kept.get(k) is not v}
        rates = [n for n in required(layer.method(1)) if role_of(n) == "lr"]
        if not failure and not rates and layer.rate == RATE:
            before = {k: np.array(v) for k, v in kept.items()}
            attempt(lambda: layer.backward(self.dout))
            now = arrays_of(layer.thing)
            found |= {k for k, v in before.items() if k in now and differs(v, now[k])}
        return set() if failure else found

    def with_values(self, values: Mapping[str, Any]) -> Any:
        layer = copy.deepcopy(self.layer)
        for k, v in values.items():
            if k not in self.inputs:
                put(layer.thing, k, v)
        return layer

    def ahead(self, layer: Any, values: Mapping[str, Any]) -> Any:
        if self.target is not None:
            return layer.forward(values["x"], self.target)
        return layer.forward(*[values[k] for k in self.inputs])

    def truth(self, values: Mapping[str, Any], X: Any, Y: Any) -> tuple[Any, Any]:
        layer = self.with_values(values)
        out = self.ahead(layer, values)
        if self.target is not None:
            return loss_of(out), None
        return np.sum(out * self.dout), out

    def run(self, values: Mapping[str, Any], X: Any, Y: Any, watch: bool = True) -> Run:
        run = Run()
        values = {k: np.array(v) for k, v in values.items()}
        before = {k: np.array(v) for k, v in values.items()}
        layer = self.with_values(values)
        forward = Tracer(watch=watch)
        out, run.failure = attempt(lambda: self.ahead(layer, values), tracer=forward)
        run.seen, run.tracer, run.forward_codes = forward.events, forward, list(forward.codes)
        if run.failure:
            return run
        if self.target is not None:
            run.loss = loss_of(out)
        elif is_numeric(out) and np.shape(out) == np.shape(self.dout):
            run.loss = np.sum(out * self.dout)
        else:
            run.loss = np.nan
        run.stage = "backward"
        dout = None if self.dout is None else np.array(self.dout)
        tracer = Tracer(watch=watch)
        result, run.failure = attempt(lambda: layer.backward(dout), tracer=tracer)
        run.events, run.tracer = tracer.events, tracer
        if run.failure:
            return run
        run.stage = "done"
        if dout is not None and differs(dout, self.dout):
            run.changed.append("dout, the gradient that backward receives,")
        self.take(run, result, layer, before)
        if run.updates:
            run.events = run.events + updates_seen(run.events, before, layer.rate)
        return run

    def take(self, run: Run, result: Any, layer: Any, before: dict[str, Any]) -> None:
        several = isinstance(result, tuple | list) and len(result) >= len(self.inputs)
        for k, g in zip(self.inputs, result if several else (result,)):
            if is_numeric(g):
                run.gradients[f"d{k}"] = np.asarray(g)
        own = {k: v for k, v in before.items() if k not in self.inputs}
        for part in result if isinstance(result, tuple | list) else (result,):
            for k, g in part.items() if isinstance(part, Mapping) else ():
                meant = k if k in own else parameter_meant(k, list(own))
                if meant is not None and is_numeric(g):
                    run.gradients[f"d{meant}"] = np.asarray(g)
        found = parameters_in(layer.thing, gradients=True)
        for path, value in found.items():
            near = [k for k in own if owner(k) == owner(path)] or list(own)
            name = None if path in own else parameter_meant(path, near)
            if name is not None and np.any(value) | (f"d{name}" not in run.gradients):
                run.gradients[f"d{name}"] = np.array(value)
        for path, value in found.items():  # the gradient, of what it can be the gradient of
            if path not in own and role_of(path.rpartition(".")[2]) == "grads":
                fits = [k for k, v in own.items() if np.shape(v) == np.shape(value)]
                if len(fits) == 1 and np.any(value):
                    run.gradients.setdefault(f"d{fits[0]}", np.array(value))
        after = {  # backward(gradient, learning_rate) updates at once
            k: np.array(found[k])
            for k, old in own.items()
            if k in found and f"d{k}" not in run.gradients and differs(old, found[k])
        }
        run.gradients |= gradients_of_changes(run, own, after, layer.rate)
        run.after |= after
        run.updates = bool(after)
        shapes = [np.shape(v) for v in own.values()]
        for kept in vars(layer.thing).values() if layer.thing is not None else ():
            arrays = kept if isinstance(kept, list | tuple) and own else ()
            same = [is_numeric(g) and np.shape(g) for g in arrays] == shapes
            if same and not all(differs(g, v) for g, v in zip(arrays, own.values())):
                continue  # the parameters themselves
            for k, g in zip(own, arrays if same else ()):
                run.gradients.setdefault(f"d{k}", np.asarray(g))
        if isinstance(result, tuple | list) and len(result) == 1 + len(own):
            for k, g in zip(own, result[1:]):
                if is_numeric(g):
                    run.gradients.setdefault(f"d{k}", np.asarray(g))

    def known_mistake(self, name: str, values: Any, rights: Any, trial: Any) -> Cause | None:
        """The parameters of after the update, or the usual mistakes with the slope of an activation."""
        if all(r.updates for r in trial.runs) and name[1:] in self.inputs:
            probes = [
                Probe({**p.params, **r.after}, None, None, p.m)
                for p, r in zip(trial.experiment.probes, trial.runs)
            ]
            truths = [find_truth(self, p)[0] for p in probes]
            if all(
                t is not None
                and np.shape(v) == np.shape(t.gradients[name])
                and relative(np.asarray(v), t.gradients[name]) < max(1e-9, t.tolerance)
                for t, v in zip(truths, values)
            ):
                return Cause(
                    name,
                    "already updated",
                    f"{name} is computed with the parameters of after the update",
                    fix=f"compute {name} first, then update the parameters",
                    proof=f"with the updated parameters {name} is what you have, in two experiments",
                )
        if name != "dx" or self.dout is None or np.shape(self.dout) != np.shape(values[0]):
            return None
        points = [p.params["x"] for p in trial.experiment.probes]
        found = [
            pair_truth(self.with_values(p.params).forward, x, self.dout)
            for p, x in zip(trial.experiment.probes, points)
        ]
        if any(f is None for f in found):
            return None
        ups = [self.dout, self.dout]
        return pair_cause(self.layer.title, "dx", values, found, points, ups)


class Layer:
    """A learner's layer object with ``forward`` and ``backward``, whatever it calls them.

    Results that are kept in the object instead of being returned are found there; what backward wants
    besides the gradient of the output is given to it by name.
    """

    def __init__(self, thing: Any):
        self.thing = thing
        alike = [methods_alike(thing, names) for names in (FORWARD, BACKWARD)]
        self.names = [names[0] if names else None for names in alike]
        self.parts = alike[1]  # one for the parameters and one for the input
        own = [v for k, v in vars(thing).items() if role_of(k) == "lr" and isinstance(v, float)]
        self.rate = own[0] if own and own[0] else RATE
        self.out: Any = None

    @property
    def title(self) -> str:
        return type(self.thing).__name__

    def method(self, which: int) -> Function:
        return getattr(self.thing, str(self.names[which]))

    def forward(self, *inputs: Any) -> Any:
        takes = len(argument_names(self.method(0)))
        cost = cost_method(type(self.thing)) if takes < len(inputs) else None
        turned = len(inputs) == 2 and role_of(argument_names(self.method(0))[0]) == "Y"
        given = inputs[::-1] if turned else inputs
        out = self.method(0)(*given[: takes if cost else None])
        if cost is not None:  # the loss is a method by itself
            out = getattr(self.thing, cost)(*inputs[takes:])
        self.cache = None
        if isinstance(out, tuple) and len(out) > 1 and len(required(self.method(1))) > 1:
            out, *rest = out  # what backward is given again
            self.cache = rest[0] if len(rest) == 1 else tuple(rest)
        self.out = self.kept(lambda name: role_of(name) == "output") if out is None else out
        self.x = inputs[0] if inputs else None
        self.target = inputs[1] if len(inputs) > 1 else None
        return self.out

    def kept(self, fits: Callable[[str], bool]) -> Any:
        """The last array in an attribute of such a name."""
        found = [v for k, v in vars(self.thing).items() if fits(k) and is_arraylike(v)]
        return found[-1] if found else None

    def backward(self, dout: Any = None) -> Any:
        results = [self.part_of_backward(getattr(self.thing, str(n)), dout) for n in self.parts]
        result = next((r for r in results[::-1] if r is not None), None)
        if result is None:
            shape = None if self.x is None else np.shape(self.x)
            kept = self.kept(lambda name: bool(OF_INPUT.search(name)))
            result = kept if kept is not None and kept.shape == shape else None
        return result

    def part_of_backward(self, method: Function, dout: Any) -> Any:
        needed, first = required(method), argument_names(method)[:1]
        roles = {"X": self.x, "Y": self.target, "lr": RATE, "output": self.out}
        own = dict.fromkeys(required(self.method(0))[:1], self.x)
        if dout is None:  # of a cost: it needs nothing, 1, or what forward has had
            values = [roles["Y"] if role_of(n) == "Y" else self.value_of_cost() for n in needed]
            return method(*values) if len(needed) > 1 else method(*[1] * len(needed))
        roles |= {"m": examples_of(self.x, dout), "cache": self.cache}
        if len(needed) > 1 and role_of(needed[0]) == "X" and is_upstream(needed[1]):
            first, needed = [needed[1]], [needed[1], needed[0], *needed[2:]]
        others = {n: own.get(n, roles.get(role_of(n) or "", RATE)) for n in needed[1:]}
        given = {first[0]: dout} if first else {}
        return method(**given, **others)

    def value_of_cost(self) -> Any:
        """What the backward pass of a cost receives first: the probabilities, kept by forward."""
        kept = self.kept(lambda name: role_of(name) == "output")
        return self.x if kept is None else kept


OF_INPUT = re.compile(
    r"^(d|grad_?|delta_?)_?(x|in(puts?)?|values?|a_?prev)$|^(x|in(puts?)?)_?grad", re.I
)


def methods_alike(thing: Any, names: Sequence[str]) -> list[str]:
    """The method with one of these names; or those whose names have one of them as a part, if there is
    one, or if they take the same."""
    if (found := first_method(thing, names)) is not None:
        return [found]
    parts = [n for n in names[:2] if n != "loss"]
    plain_names = {n: n.lower().replace("_", "") for n in vars(type(thing))}
    alike = [n for n, low in plain_names.items() if any(part in low for part in parts)]
    takes = {tuple(argument_names(getattr(thing, n))) for n in alike}
    return alike if len(takes) == 1 else []


def is_numeric(x: Any) -> bool:
    """Whether this is an array of numbers, or can be one."""
    try:
        return np.asarray(x).dtype.kind in "fiub"
    except (ValueError, TypeError):  # rows of different lengths
        return False


def is_used(layer: Any, name: str) -> bool:
    """Whether this array is a parameter: not a second path to one (``params``), not a running value."""
    first = name.split("[")[0]
    if first in ("params", "grads", "parameters"):
        return not any(
            v is not None
            for k, v in parameters_in(layer).items()
            if k.split("[")[0] not in ("params", "grads", "parameters")
        )
    low = first.lower()
    return not any(w in low for w in ("running", "moving", "cache", "mask", "velocity", "momentum"))


def examples_of(x: Any, dout: Any) -> int:
    """The length that a layer's input and output share: of columns, or of rows."""
    shape = np.shape(x) or (1,)
    return int(shape[-1] if np.shape(dout)[-1:] == shape[-1:] else shape[0])


def check_layers(
    layers: Sequence[Any], loss_layer: Any = None, X: Any = None, T: Any = None
) -> Report:
    """Examine objects with ``forward`` and ``backward``, each on its own and all in a chain.

    A layer is right when it gives the right gradients for the gradient that it receives, so a layer
    before a wrong one is not blamed. ``loss_layer`` may be None: half the sum of squares then.
    """
    report = Report("Layers")
    named = {id(x): Layer(x) for x in layers}
    layers = [named[id(x)] for x in layers]
    loss_layer = None if loss_layer is None else Layer(loss_layer)
    if not layers and loss_layer is None:
        report.problem = "there are no layers to examine."
        return report
    if X is None:
        report.problem = "X is missing: pass an input of the first layer."
        return report
    rng = np.random.default_rng(3)
    if isinstance(X, tuple):
        several = tuple(np.asarray(x, float) for x in X)
        out, failure = attempt(lambda: copy.deepcopy(layers[0]).forward(*map(np.array, several)))
        if failure:
            report.problem = f"{layer_names(layers)[0]}.forward failed: {failure.sentence}."
            return report
        dout = rng.normal(size=np.shape(out))
        report.parts = [examine_local(Local(layers[0], several, dout), layer_names(layers)[0])]
        return report
    X = np.asarray(X)
    x = rng.normal(size=X.shape)
    if not layers and positive(X):
        x = probabilities(x)
    names = layer_names(layers)
    originals = list(layers)
    layers = [copy.deepcopy(x) for x in originals]
    shared = [i for i, a in enumerate(originals) if any(a is b for b in originals[:i])]
    inputs = [x]
    for name, layer in zip(names, layers):
        out, failure = attempt(partial(layer.forward, np.array(inputs[-1])))
        if failure or not isinstance(out, np.ndarray):
            what = failure.sentence if failure else f"returned {type(out).__name__}, not an array"
            report.problem = f"{name}.forward failed: {what}."
            return report
        inputs.append(out)
    target = None
    if loss_layer is not None and T is not None:
        T = np.asarray(T)
        n = inputs[-1].shape[-1]
        target = labels_like(T, rng, T.shape, n)
        part = examine_local(Local(loss_layer, inputs[-1], None, target), loss_layer.title)
        report.parts.append(part)
        last = copy.deepcopy(loss_layer)
        dout, failure = attempt(
            lambda: (last.forward(np.array(inputs[-1]), target), last.backward())[1]
        )
        if failure or np.shape(dout) != inputs[-1].shape:
            dout = rng.normal(size=inputs[-1].shape)
    else:
        dout = inputs[-1]
    mended = set()
    for i in range(len(layers) - 1, -1, -1):
        part = examine_local(
            Local(originals[i], inputs[i], rng.normal(size=inputs[i + 1].shape)), names[i]
        )
        report.parts.append(part)
        if not part.ok:
            mended.add(i)
    if shared:
        chain_of_shared(report, originals, names, shared, x, dout)
    report.checked.append(f"{len(report.parts)} layers, each by itself and in two experiments")
    return report


def layer_names(layers: Sequence[Any]) -> list[str]:
    return [f"{layer.title}{i}" for i, layer in enumerate(layers, start=1)]


def loss_of(out: Any) -> Any:
    """The loss in what the forward pass of a cost gives: one number, or one for each example."""
    return np.sum(out) if is_arraylike(out) else loss_in(out)


class LocalMean(Local):
    """With the gradients of the parameters for the mean over the examples, as the course has them."""

    def truth(self, values: Mapping[str, Any], X: Any, Y: Any) -> tuple[Any, Any]:
        return super().truth(self.shrunk(values), X, Y)

    def run(self, values: Mapping[str, Any], X: Any, Y: Any, watch: bool = True) -> Run:
        return super().run(self.shrunk(values), X, Y, watch)

    examples = 1

    def shrunk(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """With parameters 1 / m as large: the gradient by the given ones is that of the mean."""
        return {k: v if k == self.first else v / self.examples for k, v in values.items()}

    @property
    def first(self) -> str:
        return next(iter(self.inputs))


def examine_local(subject: Local, title: str) -> Report:
    """One layer; its gradients may be those for a mean over the examples."""
    report = examine_probes(subject, title)
    if report.status != 1 or len(subject.params) < 2 or subject.target is not None:
        return report
    if is_first_layer(subject, report) or is_network(subject, report):
        return report
    shape = np.shape(next(iter(subject.inputs.values()))) or (1,)
    for examples in dict.fromkeys(
        [examples_of(np.empty(shape), subject.dout), shape[0], shape[-1]]
    ):
        mean = LocalMean(subject.layer, subject.inputs, subject.dout)
        mean.examples = examples
        trial = Examination(mean, title).attempt(local_probes(mean))
        rows = list(trial.verdicts.values()) if trial is not None else []
        if rows and count_right(rows) > count_right(report.rows):
            found = examine_probes(mean, title)
            found.conventions.append(
                "the gradients of the parameters are divided by the number of examples and that of "
                f"{mean.first} is not: the cost is a mean (the course's convention)"
            )
            return found
    return report


def is_first_layer(subject: Local, report: Report) -> bool:
    """Whether only the gradient of the input is missing, and it is computed nowhere; then it is said."""
    first = f"d{next(iter(subject.inputs))}"
    row = next((r for r in report.rows if r.name == first and r.verdict == MISSING), None)
    others = [r for r in report.rows if r is not row]
    tree = source_tree(subject.layer.method(1)) if row is not None else None
    returned = [n for n in walk_own(tree) if isinstance(n, ast.Return)] if tree is not None else []
    values = [n.value for n in returned if n.value is not None]
    nothing = all(
        isinstance(v, ast.Constant | ast.Dict) or role_of(getattr(v, "id", "")) == "grads"
        for v in values
    )
    named = [n.id for n in walk_own(tree) if isinstance(n, ast.Name)] if tree is not None else []
    if row is None or not others or not nothing or any(OF_INPUT.search(n) for n in named):
        return False
    report.rows = others
    report.causes = [c for c in report.causes if c.quantity != first]
    report.notes.append("backward gives no gradient of the input: it can only be the first layer")
    return True


def is_network(subject: Local, report: Report) -> bool:
    """Whether what backward returns is not the gradient of the input: it has another shape, that of a
    parameter, or all else is right in an object that holds layers. Then it is said."""
    first = f"d{next(iter(subject.inputs))}"
    row = next((r for r in report.rows if r.name == first and r.verdict == SHAPE), None)
    others = [r for r in report.rows if r is not row]
    if row is None or not others:
        return False
    own = {k: np.shape(v) for k, v in subject.params.items() if k not in subject.inputs}
    of_parameter = any(row.note.startswith(f"{shape},") for shape in own.values())
    holds = any(set(".[") & set(name) for name in own)
    if not of_parameter and not (holds and all(r.verdict in GOOD for r in others)):
        return False
    report.rows = others
    report.causes = [c for c in report.causes if c.quantity != first]
    report.unexplained = [t for t in report.unexplained if not t.startswith(f"{first} ")]
    report.notes.append("what backward returns is not the gradient of the input")
    return True


def count_right(rows: Sequence[Verdict]) -> int:
    right = sum(r.verdict in (OK, CONVENTION) for r in rows)
    return right - sum(r.verdict == MISSING for r in rows)


def examine_probes(subject: Local, title: str) -> Report:
    """One layer on two probes."""
    return Examination(subject, title).run(local_probes(subject))


def local_probes(subject: Local) -> Experiment:
    probes = []
    for seed in (21, 22):
        rng = np.random.default_rng(seed)
        values = {k: random_like(v, rng) for k, v in subject.params.items()}
        for k, v in subject.inputs.items():
            values[k] = rng.normal(size=np.shape(v))
        if subject.target is not None and positive(subject.params["x"]):
            values["x"] = probabilities(values["x"])
        first = next(iter(subject.inputs))
        probes.append(Probe(values, None, None, len(np.atleast_1d(values[first]))))
    return Experiment("the layer by itself", (probes[0], probes[1]), 1)


def probabilities(x: Any) -> Any:
    e = np.exp(x)
    return e / e.sum(axis=-1, keepdims=True)


def positive(x: Any) -> bool:
    return bool(np.all(np.asarray(x) > 0) and np.all(np.asarray(x) < 1))


def chain_of_shared(
    report: Report, layers: Sequence[Any], names: list[str], shared: list[int], x: Any, dout: Any
) -> None:
    """One object that stands for two layers: the second forward overwrites what the first has kept."""

    def chain(objects: list[Any]) -> list[Any]:
        out = np.array(x)
        for layer in objects:
            out = layer.forward(np.array(out))
        g = np.array(dout)
        found = []
        for layer in reversed(objects):
            g = layer.backward(np.array(g))
            found.append(np.array(g))
        return found

    copies: dict[int, Any] = {}
    together = [copies.setdefault(id(a), copy.deepcopy(a)) for a in layers]
    apart = [copy.deepcopy(a) for a in layers]
    one, failed = attempt(lambda: chain(together))
    two, _ = attempt(lambda: chain(apart))
    if two is None:
        return
    for i in shared:
        first = next(j for j, a in enumerate(layers) if a is layers[i])
        k = len(layers) - 1 - first
        wrong = (
            failed is not None or one[k].shape != two[k].shape or relative(one[k], two[k]) > 1e-9
        )
        if wrong:
            report.causes.append(
                Cause(
                    f"{names[first]}.dx",
                    "one object for two layers",
                    f"{names[first]} and {names[i]} are one object: the forward pass of the second "
                    "overwrites what the first has kept for backward",
                    fix=f"make two objects of {layers[i].title}",
                    proof="with a copy for each layer the gradients of the chain are right",
                )
            )
            report.rows.append(Verdict(f"{names[first]}.dx", WRONG))
