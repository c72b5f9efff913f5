"""The entry points: the forms in which people write backprop by hand."""

from __future__ import annotations

import ast
import copy
import inspect
import linecache
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from nn.doctor.examine import Examination
from nn.doctor.experiment import Experiment, Probe, labels_like, random_like, same_shapes
from nn.doctor.failures import one_layer_too_many
from nn.doctor.naming import (
    Unbound,
    bind,
    call_with,
    flatten,
    label,
    parameter_meant,
    rebuild,
    required,
    role_of,
    source_tree,
    walk_own,
)
from nn.doctor.places import place_of, put_place
from nn.doctor.reference import find_truth
from nn.doctor.report import CONVENTION, MISSING, NAN, OK, SHAPE, WRONG, Cause, Report, Verdict
from nn.doctor.sandbox import Tracer, attempt
from nn.doctor.simple import difference
from nn.doctor.subject import (
    RATE,
    ObjectSubject,
    Run,
    Subject,
    arrays_of,
    batch_of,
    differs,
    gradients_of_changes,
    is_arraylike,
    loss_in,
    parameters_in,
    put,
    updates_seen,
)
from nn.doctor.trial import relative
from tinygrad_edu import Tensor, gradients
from tinygrad_edu.formulas import history

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


def as_arrays(params: Any) -> Any:
    """The parameters with arrays for Tensors, numbers and lists of numbers."""
    if isinstance(params, Mapping):
        return {k: as_arrays(v) for k, v in params.items()}
    if isinstance(params, Tensor):
        return np.array(params.data)
    if isinstance(params, list | tuple):
        if params and all(isinstance(p, int | float) for p in params):
            return np.asarray(params)
        return type(params)([as_arrays(p) for p in params])
    return params


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


FORWARD = ("forward", "feedforward", "feed_forward", "forward_pass", "forward_propagation",
           "forward_prop", "forwardprop", "propagate", "predict", "run", "query", "__call__")  # fmt: skip
BACKWARD = ("backward", "backprop", "backpropagation", "back_propagation", "backward_pass", "back_prop",
            "backward_propagation", "backpropagate", "gradient", "gradients", "compute_gradients",
            "grad", "backwards", "bptt")  # fmt: skip
COST = ("loss", "cost", "compute_loss", "compute_cost", "cost_function", "loss_function",
        "calculate_loss", "calc_loss", "cross_entropy", "mse", "criterion")  # fmt: skip


def first_method(model: Any, names: Sequence[str], own: bool = False) -> str | None:
    """The first of these names that is a method, in any spelling with capitals."""
    kind = model if isinstance(model, type) else type(model)
    defined = [n for k in kind.__mro__ if k is not object for n in vars(k)] if own else dir(kind)
    methods = {n.lower(): n for n in defined if callable(getattr(kind, n, None))}
    return next((methods[n] for n in names if n in methods), None)


# --- gradients against a loss ---------------------------------------------------------------------


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


# --- layer objects --------------------------------------------------------------------------------


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
        found = parameters_in(layer.thing, gradients=True)
        for path, value in found.items():
            name = None if path in own else parameter_meant(path, list(own))
            if name is not None and np.any(value) | (f"d{name}" not in run.gradients):
                run.gradients[f"d{name}"] = np.array(value)
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
        return pair_cause(self.layer.title, "dx", values, rights, found, points, ups, True)


class Layer:
    """A learner's layer object with ``forward`` and ``backward``, whatever it calls them.

    Results that are kept in the object instead of being returned are found there; what backward wants
    besides the gradient of the output is given to it by name.
    """

    def __init__(self, thing: Any):
        self.thing = thing
        self.names = [method_alike(thing, names) for names in (FORWARD, BACKWARD)]
        own = [v for k, v in vars(thing).items() if role_of(k) == "lr" and isinstance(v, float)]
        self.rate = own[0] if own and own[0] else RATE
        self.out: Any = None

    @property
    def title(self) -> str:
        return type(self.thing).__name__

    def method(self, which: int) -> Function:
        return getattr(self.thing, str(self.names[which]))

    def forward(self, *inputs: Any) -> Any:
        out = self.method(0)(*inputs)
        self.out = self.kept(lambda name: role_of(name) == "output") if out is None else out
        self.x = inputs[0] if inputs else None
        self.target = inputs[1] if len(inputs) > 1 else None
        return self.out

    def kept(self, fits: Callable[[str], bool]) -> Any:
        """The last array in an attribute of such a name."""
        found = [v for k, v in vars(self.thing).items() if fits(k) and is_arraylike(v)]
        return found[-1] if found else None

    def backward(self, dout: Any = None) -> Any:
        method = self.method(1)
        needed, first = required(method), argument_names(method)[:1]
        roles = {"X": self.x, "Y": self.target, "lr": RATE, "output": self.out}
        own = dict.fromkeys(required(self.method(0))[:1], self.x)
        if dout is None:  # of a cost: it needs nothing, 1, or what forward has had
            values = [roles["Y"] if role_of(n) == "Y" else self.value_of_cost() for n in needed]
            result = method(*values) if len(needed) > 1 else method(*[1] * len(needed))
        else:
            roles["m"] = examples_of(self.x, dout)
            others = [own.get(n, roles.get(role_of(n) or "", RATE)) for n in needed[1:]]
            result = method(dout, *others) if first else method()
        if result is None:
            shape = None if self.x is None else np.shape(self.x)
            kept = self.kept(lambda name: bool(OF_INPUT.search(name)))
            result = kept if kept is not None and kept.shape == shape else None
        return result

    def value_of_cost(self) -> Any:
        """What the backward pass of a cost receives first: the probabilities, kept by forward."""
        kept = self.kept(lambda name: role_of(name) == "output")
        return self.x if kept is None else kept


OF_INPUT = re.compile(
    r"^(d|grad_?|delta_?)_?(x|in(puts?)?|values?|a_?prev)$|^(x|in(puts?)?)_?grad", re.I
)


def method_alike(thing: Any, names: Sequence[str]) -> str | None:
    """The method with one of these names, or the only one whose name has one of them as a part."""
    if (found := first_method(thing, names)) is not None:
        return found
    parts = [n for n in names[:2] if n != "loss"]
    plain_names = {n: n.lower().replace("_", "") for n in vars(type(thing))}
    alike = [n for n, low in plain_names.items() if any(part in low for part in parts)]
    return alike[0] if len(alike) == 1 else None


def argument_names(method: Function) -> list[str]:
    return [
        p.name
        for p in inspect.signature(method).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]


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
    if is_first_layer(subject, report):
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
    nothing = all(isinstance(v, ast.Constant) for v in values)
    named = [n.id for n in walk_own(tree) if isinstance(n, ast.Name)] if tree is not None else []
    right = others and all(r.verdict in (OK, CONVENTION) for r in others)
    if row is None or not right or not nothing or any(OF_INPUT.search(n) for n in named):
        return False
    report.rows, report.causes, report.unexplained = others, [], []
    report.notes.append("backward gives no gradient of the input: it can only be the first layer")
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


# --- pairs ----------------------------------------------------------------------------------------


def check_pair(f: Function, f_backward: Function, *, x: Any = None) -> Report:
    """Examine a function and its derivative: ``f_backward(x)``, or ``(dA, cache)`` and the like.

    >>> check_pair(np.tanh, lambda x: 1 - np.tanh(x) ** 2).ok
    True
    """
    title = f"{label(f)} and {label(f_backward)}"
    if inspect.isfunction(f) and len(required(f)) == 2:
        return check_loss_pair(f, f_backward)
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
            cause = pair_cause(f, name, given, rights, found, points, ups, pulls)
            if cause is not None:
                place(cause, g)
                report.causes.append(cause)
            else:
                mend_pair(report, g, how, given, rights)
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


def pair_cause(
    f: Any, name: str, given: Any, rights: Any, found: Any, points: Any, ups: Any, pulls: bool
) -> Cause | None:
    """The known mistakes with a slope."""
    what = f if isinstance(f, str) else label(f)
    fits: list[tuple[str, str]] = []

    def try_out(kind: str, says: str, make: Function) -> None:
        try:
            values = [make(x, t[0], t[1]) for x, t in zip(points, found)]
            whole = [v * u for v, u in zip(values, ups)] if pulls else values
            if all(relative(a, b) < 1e-9 for a, b in zip(whole, given)):
                fits.append((kind, says))
        except (ValueError, TypeError):
            return

    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    slopes = {
        "relu": lambda x: 1.0 * (x > 0),
        "sigmoid": lambda x: sigmoid(x) * (1 - sigmoid(x)),
        "tanh": lambda x: 1 - np.tanh(x) ** 2,
        "softplus": sigmoid,
    }
    try_out(
        "derivative missing",
        "the derivative is missing: it is 1 everywhere",
        lambda x, a, s: np.ones_like(x),
    )
    try_out("sign", "the sign is wrong", lambda x, a, s: -s)
    try_out("factor 2", "it is twice the derivative", lambda x, a, s: 2 * s)
    try_out("factor 1/2", "it is half the derivative", lambda x, a, s: s / 2)
    try_out("value for slope", "it is the value of the function, not its slope", lambda x, a, s: a)
    try_out(
        "tanh's slope",
        f"it is 1 + {what}(x)**2; tanh's slope is 1 - tanh(x)**2",
        lambda x, a, s: 1 + a**2,
    )
    try_out("slope of the value", f"it is 1 - {what}(x)", lambda x, a, s: 1 - a)
    try_out("tanh's slope", "it is 1 - x**2; with x for tanh(x)", lambda x, a, s: 1 - x**2)
    try_out(
        "sigmoid's slope", "it is x * (1 - x), with x for sigmoid(x)", lambda x, a, s: x * (1 - x)
    )
    try_out("sigmoid's slope", f"it is {what}(x) * (1 + {what}(x))", lambda x, a, s: a * (1 + a))
    try_out("mask inverted", "the mask is inverted", lambda x, a, s: 1.0 * (x <= 0))
    try_out("mask always true", "the mask is always true", lambda x, a, s: 1.0 * (a >= 0))
    try_out("derivative twice", "the derivative is multiplied in twice", lambda x, a, s: s * s)
    for kind, f_of_value in (("sigmoid", lambda a: a * (1 - a)), ("tanh", lambda a: 1 - a**2)):
        try_out(
            "another activation",
            f"it is the derivative of {kind} as of its value, not of {what}",
            lambda x, a, s, d=f_of_value: d(a),
        )
    for activation, slope in slopes.items():
        try_out(
            "another activation",
            f"it is the derivative of {activation}, not of {what}",
            lambda x, a, s, d=slope: d(x),
        )
        try_out(
            "derivative at A",
            f"it is the derivative of {activation} at {what}(x) instead of x",
            lambda x, a, s, d=slope: d(a),
        )
    if pulls:
        for kind, says, values in (
            (
                "upstream missing",
                "the gradient that it receives is not multiplied in",
                [t[1] for t in found],
            ),
            (
                "softmax as p (1 - p)",
                "it is p * (1 - p): the effect of one output on the others is missing",
                [u * t[0] * (1 - t[0]) for u, t in zip(ups, found)],
            ),
        ):
            if all(relative(a, b) < 1e-9 for a, b in zip(values, given)):
                fits.append((kind, says))
    if not fits:
        return None
    proof = "it gives your numbers to 1e-9 on two random arrays"
    first = fits[0]
    cause = Cause(name, first[0], f"{name}: {first[1]}", proof=proof)
    formulas = {
        "relu": "x > 0",
        "tanh": "1 - tanh(x)**2",
        "sigmoid": "sigmoid(x) * (1 - sigmoid(x))",
    }
    usual = what.lower()
    if usual in formulas and all(
        relative(slopes[usual](x), t[1]) < 1e-9 for x, t in zip(points, found)
    ):
        cause.right = formulas[usual]
    cause.alternatives = [Cause(name, k, s) for k, s in fits[1:] if k != first[0]]
    return cause


def mend_pair(report: Report, g: Function, how: str, given: Any, rights: Any) -> None:
    report.unexplained.append(f"{label(g)}: {difference(given[0], rights[0])}")


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


# --- updates and steps ----------------------------------------------------------------------------


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
            bound = bind(update, pool, roles, {**rates, **extra})
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
        return all(
            np.shape(made) == np.shape(s) and relative(s, made) < 1e-9
            for s, made in ((s, make(i)) for i, s in enumerate(steps))
            if made is not None
        )

    rates = [r[3] for r in runs]
    if not any(np.any(s) for s in steps):
        return "not updated"
    if fits(lambda i: -rights[i]):
        return "sign of the update"
    if fits(lambda i: rights[i] * rates[i]):
        return "learning rate twice"
    if fits(lambda i: rights[i] / rates[i]):
        return "learning rate missing"
    if another := by_another_gradient(name, runs, news):
        return another
    if fits(lambda i: rights[i] - runs[i][0][name]):
        return "= for -="
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


__all__ = [
    "ObjectSubject", "check", "check_grads", "check_layers", "check_model", "check_pair", "check_step",
    "check_update", "find_truth", "place_of",
]  # fmt: skip
