"""The learner's code as one thing that can be run: with Tensors for the truth, with arrays for his."""

from __future__ import annotations

import copy
import inspect
import re
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType, MethodType, ModuleType
from typing import Any, TypeGuard

import numpy as np

from nn.doctor.naming import (
    CannotExamine,
    bind,
    call_with,
    flatten,
    fresh,
    intermediate_meant,
    label,
    of_numbers,
    parameter_meant,
    plain,
    rate_of,
    rebuild,
    required,
    result_names,
    role_of,
)
from nn.doctor.sandbox import Event, Failure, TooLong, Tracer, attempt, failure_of
from tinygrad_edu import Tensor

WEIGHT = re.compile(r"[wbuv](?:$|\d|[a-z]{1,2}\d*$)|weight|bias|theta|beta|gamma|kernel|filter|syn")
RATE = 0.0173  # the learning rate given to code that wants one


@dataclass
class Run:
    """What one run of the learner's code on arrays gave."""

    loss: Any = None
    output: Any = None
    gradients: dict[str, Any] = field(default_factory=dict)  # by "d" + parameter, or dA1, dZ1
    stage: str = "forward"  # how far it came
    failure: Failure | None = None
    forward_codes: list[Any] = field(default_factory=list)
    seen: list[Event] = field(default_factory=list)  # in the forward pass
    events: list[Event] = field(default_factory=list)  # in the backward pass
    tracer: Tracer | None = None
    raw: dict[str, Any] = field(default_factory=dict)  # what was returned, by its own names
    cache: Any = None
    changed: list[str] = field(default_factory=list)  # arguments changed in place
    problems: list[str] = field(default_factory=list)
    updates: bool = False  # the gradients were read from the change of the parameters
    after: dict[str, Any] = field(
        default_factory=dict
    )  # the parameters, where backward updates them
    again: Run | None = None  # a second call of backward


class Subject:
    """Functions over parameters: forward, cost and backward, or one that gives cost and gradients."""

    descends = False  # whether the parameters were changed by a step down the gradient
    keeps_state = False  # whether forward may leave its output in an object
    update_at: Event | None = None  # where the parameters are updated, if that is known
    origin = ""  # of the data, where that is worth a note
    own_data = False  # whether only the parameters are varied, and the data stay
    lone = False  # whether these are one example that was invented
    reports_cost = False  # whether the cost is only shown, and may be another than that of the step
    shows_it = False  # whether it is called somewhere in the training, not kept in the step
    entropy = False  # whether that cost takes logarithms: then it is no other
    grows = False  # whether it is minus the cost that the code has, a likelihood

    def __init__(
        self,
        params: Any,
        X: Any,
        Y: Any,
        *,
        forward: Callable[..., Any] | None = None,
        cost: Callable[..., Any] | None = None,
        backward: Callable[..., Any] | None = None,
        both: Callable[..., Any] | None = None,
        extra: Mapping[str, Any] | None = None,
    ):
        self.template = params
        self.prefix = "" if is_nested(params) else "W"
        self.params = flatten(params, self.prefix)
        self.vector = False  # whether the functions take the parameters as one vector
        self.by_columns: set[str] = set()  # those that are filled by columns from it
        self.X, self.Y = X, Y
        self.forward, self.cost, self.backward, self.both = forward, cost, backward, both
        self.extra = dict(extra or {})
        self.last_output: Any = None  # also where the cost after it fails
        self.outside: tuple[dict[str, Any], dict[str, str]] = ({}, {})  # globals, and their roles
        rates = [v for k, v in self.extra.items() if role_of(k) == "lr"]
        rates += [rate_of([f]) for f in (backward, both) if f is not None]
        self.learning_rate = float((rates and rates[0]) or RATE)

    @property
    def functions(self) -> list[Callable[..., Any]]:
        return [f for f in (self.forward, self.cost, self.backward, self.both) if f is not None]

    def container(self, values: Mapping[str, Any]) -> Any:
        if self.vector:
            turned = [v.T if k in self.by_columns else v for k, v in values.items()]
            return np.concatenate([v.reshape(-1) for v in turned])
        return rebuild(self.template, values, self.prefix)

    def cut(self) -> None:
        """Take what the code cuts a vector of parameters into for the parameters."""
        ((name, theta),) = self.params.items()
        pieces = pieces_of(lambda v: self.truth({name: v}, self.X, self.Y), np.size(theta))
        if any(len(shape) > 1 for shape, _ in pieces.values()):
            like = {k: np.empty(shape) for k, (shape, _) in pieces.items()}
            self.by_columns = {k for k, (_, turned) in pieces.items() if turned}
            self.params = dict(parts_of(theta, like, self.by_columns) or [])
            self.vector = True

    def start(self, values: Mapping[str, Any], X: Any, Y: Any) -> dict[str, Any]:
        """What the functions may ask for, by role."""
        m = batch_of(X, Y, self.X, self.Y)
        roles = {"params": self.container(values), "X": X, "lr": self.learning_rate, "m": m}
        roles["L"] = max(1, sum(np.ndim(getattr(v, "data", v)) == 2 for v in values.values()))
        if Y is not None:
            roles["Y"] = roles["hot"] = Y
        names, meant = self.outside
        names.update({name: roles[role] for name, role in meant.items() if role in roles})
        return roles

    def pool(self, values: Mapping[str, Any], roles: Mapping[str, Any]) -> dict[str, Any]:
        pool = dict(values)
        if isinstance(roles["params"], Mapping):
            pool |= roles["params"]
        return pool

    def run_forward(
        self, roles: dict[str, Any], pool: dict[str, Any], values: Mapping[str, Any]
    ) -> Any:
        """Run forward and cost; add what they give to ``roles`` and ``pool``; the loss."""
        if self.both is not None:
            bound = bind(self.both, pool, roles, self.extra)
            try:
                roles["both"] = call_with(self.both, bound)
            except Exception as error:
                loss = loss_before(error, self.both)
                if loss is None:
                    raise
                roles["both"] = error
                return loss
            return loss_in(roles["both"])
        if self.forward is not None:
            result = call_with(self.forward, bind(self.forward, pool, roles, self.extra, "X"))
            if result is None and not self.keeps_state:
                raise CannotExamine(f"{label(self.forward)} returned None: is its return missing?")
            take_result(result, self.forward, roles, pool)
            self.complete(roles)
            self.last_output = output = roles.get("output")
            Y = roles.get("Y")
            if Y is not None and is_arraylike(output) and np.ndim(Y) == 1 and output.ndim == 2:
                roles["hot"] = one_hot(Y, output.shape)
            if self.cost is None:
                named = zip(result_names(self.forward), as_tuple(result))
                return next((v for n, v in named if n and role_of(n) == "cost"), None)
        if self.cost is None:
            return None
        if self.runs_forward_itself(self.cost):  # its x is the input, whatever forward returned
            pool = {k: v for k, v in pool.items() if role_of(k) != "X"}
        loss = call_with(self.cost, self.bound_cost(pool, roles))
        if isinstance(loss, tuple):  # with the gradient of the output, for backward
            pool |= {n: v for n, v in zip(result_names(self.cost), loss) if n and n not in pool}
        roles["cost"] = loss = loss_in(loss)
        return loss

    def complete(self, roles: dict[str, Any]) -> None:
        """What forward gives in another way than by returning it."""

    def runs_forward_itself(self, function: Callable[..., Any]) -> bool:
        """Also by calling the cost."""
        called = {label(f) for f in (self.forward, self.cost) if f is not None}
        code = getattr(inspect.unwrap(function), "__code__", None)
        return bool(called.intersection(getattr(code, "co_names", ())))

    def truth(self, values: Mapping[str, Any], X: Any, Y: Any) -> tuple[Any, Any]:
        """The loss and the output for Tensors or arrays; errors are the caller's."""
        roles = self.start(values, X, Y)
        self.last_output = None
        loss = self.run_forward(roles, self.pool(values, roles), values)
        return loss, roles.get("output")

    def cost_of(self, output: Any, probe: Any) -> Any:
        """The cost of another output, where the cost function takes one."""
        roles = self.start(probe.params, probe.X, probe.Y)
        pool = self.pool(probe.params, roles)
        assert self.forward is not None and self.cost is not None
        result = call_with(self.forward, bind(self.forward, pool, roles, self.extra, "X"))
        take_result(result, self.forward, roles, pool)
        for name in [name for name, value in pool.items() if value is roles.get("output")]:
            pool[name] = output
        roles["output"] = output
        return loss_in(call_with(self.cost, self.bound_cost(pool, roles)))

    def bound_cost(self, pool: dict[str, Any], roles: dict[str, Any]) -> Any:
        """The arguments of the cost; of x and y without parameters, x is the output."""
        assert self.cost is not None
        code = getattr(inspect.unwrap(self.cost), "__code__", None)
        again = self.forward is not None and label(self.forward) in getattr(code, "co_names", ())
        pair = {role_of(n) for n in required(self.cost)} == {"X", "Y"}
        if pair and not again and "output" in roles:
            roles = roles | {"X": roles["output"]}
            pool = {k: v for k, v in pool.items() if role_of(k) != "X"}
        if "p" in required(self.cost) and "output" in roles:  # probabilities, no parameters
            pool = pool | {"p": roles["output"]}
        return bind(self.cost, pool, roles, self.extra, "output", "Y")

    def absorbs(self, factor: Any) -> bool:
        """Whether a factor that all gradients have in common is no mistake."""
        return True

    def known_mistake(self, name: str, values: Any, rights: Any, trial: Any) -> Any:
        """A cause that only this form of input can know."""
        return None

    def run_backward(self, roles: dict[str, Any], pool: dict[str, Any]) -> Any:
        assert self.backward is not None
        again = required(self.forward) if self.forward is not None else []
        itself = self.runs_forward_itself(self.backward)
        # x in def forward(x): ...; return x
        pool = {k: v for k, v in pool.items() if role_of(k) != "X" or not (itself or k in again)}
        return call_with(self.backward, bind(self.backward, pool, roles, self.extra, "Y"))

    def run(self, values: Mapping[str, Any], X: Any, Y: Any, watch: bool = True) -> Run:
        """Everything on copies of the arrays, observed."""
        run = Run()
        values = fresh(values)
        X, Y = np.array(X), None if Y is None else np.array(Y)
        roles = self.start(values, X, Y)
        pool = self.pool(values, roles)
        given = {"X": X, "Y": Y} | {k: np.asarray(v) for k, v in values.items()}
        before = {k: np.array(v) for k, v in given.items() if v is not None}
        tracer = Tracer(watch=watch)
        run.loss, run.failure = attempt(
            lambda: self.run_forward(roles, pool, values), tracer=tracer
        )
        run.seen, run.tracer = tracer.events, tracer
        run.output = roles.get("output")
        run.forward_codes = list(tracer.codes)
        if run.failure:
            return run
        run.stage = "backward"
        # the arrays that forward handed on, to see whether backward changes them
        handed = {name: np.array(value) for name, value in flatten(pool_only(pool, given)).items()}
        if self.both is not None:
            result: Any = roles["both"]
            run.events = run.seen
            if isinstance(result, Exception):
                run.failure = failure_of(result)
        else:
            tracer = Tracer(watch=watch)
            result, run.failure = attempt(
                lambda: self.run_backward(roles, pool), tracer=tracer, seed=8
            )
            run.events, run.tracer = tracer.events, tracer
        if run.failure:
            return run
        run.stage = "done"
        self.collect(run, result, roles, before)
        changed_given = [k for k, v in before.items() if differs(v, given[k])]
        after = flatten(pool_only(pool, given))
        changed_handed = [k for k, v in handed.items() if k in after and differs(v, after[k])]
        if run.updates:
            changed_given = [k for k in changed_given if k in ("X", "Y")]
        run.changed = changed_given + changed_handed
        same = not any(differs(before[k], v) for k, v in self.current(roles).items() if k in before)
        if watch and self.both is None and self.backward is not None and same:
            run.gradients = {k: np.array(v) for k, v in run.gradients.items()}  # not added to
            tracer = Tracer()
            result, failure = attempt(lambda: self.run_backward(roles, pool), tracer=tracer, seed=8)
            if failure is None:
                again = Run(events=tracer.events)
                self.collect(again, result, roles, before)
                run.again = again
        return run

    def collect(self, run: Run, result: Any, roles: dict[str, Any], before: dict[str, Any]) -> None:
        """The gradients in what backward returned, or in the change of the parameters."""
        function = self.backward or self.both
        assert function is not None
        names = result_names(function)
        if self.both is not None:
            result, names = gradients_part(result, names)
        values = self.values_now(before)
        found, problems = named_gradients(result, names, values, self.by_columns)
        run.problems += problems
        run.cache = roles.get("cache")
        if isinstance(result, Mapping):
            run.raw = {k: v for k, v in flatten(result).items() if is_arraylike(v)}
        changed = {
            k: v for k, v in self.current(roles).items() if k in before and differs(before[k], v)
        }
        if not any("d" + k in found for k in before) and changed:
            run.updates = True
            found |= gradients_of_changes(run, before, changed, self.learning_rate)
        elif (
            found
            and not problems
            and by_own_name(result, names, before)
            and updated_parameters(found, before)
        ):
            run.updates = True
            for k in [k for k in found if k[1:] in before]:
                found[k] = (before[k[1:]] - found[k]) / self.learning_rate
        run.gradients |= found
        if run.updates:
            run.events = run.events + updates_seen(run.events, before, self.learning_rate)

    def values_now(self, before: dict[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in before.items() if k not in ("X", "Y")}

    def current(self, roles: dict[str, Any]) -> dict[str, Any]:
        """The parameters as they are now."""
        return flatten(roles["params"], self.prefix)


Piece = tuple[tuple[int, ...], bool]


def pieces_of(run: Callable[[Any], Any], size: int) -> dict[str, Piece]:
    """The arrays that code cuts a vector into, by name: their shapes, and whether they are filled by
    columns, in their order; nothing where they are not the whole of it."""
    theta = np.random.default_rng(9).normal(size=size)
    tracer = Tracer()
    attempt(lambda: run(theta.copy()), tracer=tracer)
    index = {number: i for i, number in enumerate(theta)}
    found: dict[int, list[tuple[str, Piece]]] = {}
    for e in reversed(tracer.events):
        for turned in (False, True) if e.value.size and e.value.ndim else ():
            flat = e.value.ravel("F" if turned else "C")
            i = index.get(flat[0])
            if i is not None and np.array_equal(flat, theta[i : i + flat.size]):
                piece = e.name.removeprefix("self."), (e.value.shape, turned)
                found.setdefault(i, []).append(piece)
                break

    def tiled(at: int) -> list[tuple[str, Piece]] | None:
        if at == size:
            return []
        for name, (shape, turned) in sorted(found.get(at, ()), key=lambda piece: -len(piece[1][0])):
            rest = tiled(at + int(np.prod(shape)))
            if rest is not None:
                return [(name, (shape, turned)), *rest]
        return None

    pieces = tiled(0) or []
    return dict(pieces) if len(dict(pieces)) == len(pieces) else {}


class GlobalSubject(Subject):
    """Functions whose parameters are globals of their file."""

    keeps_state = True

    def __init__(
        self, names: dict[str, Any], params: dict[str, Any], X: Any, Y: Any, **functions: Any
    ):
        super().__init__(params, X, Y, **functions)
        self.names = names

    def container(self, values: Mapping[str, Any]) -> Any:
        self.names.update(values)
        return dict(values)

    def current(self, roles: dict[str, Any]) -> dict[str, Any]:
        return {k: np.asarray(self.names[k]) for k in self.params}

    def complete(self, roles: dict[str, Any]) -> None:
        """The output that forward keeps in a global."""
        if "output" not in roles:
            kept = [v for k, v in self.names.items() if role_of(k) == "output" and is_arraylike(v)]
            roles |= {"output": kept[-1]} if kept else {}


class ObjectSubject(Subject):
    """One object that holds its parameters and has methods for forward, cost and backward."""

    keeps_state = True

    def __init__(
        self,
        holder: Any,
        X: Any,
        Y: Any,
        *,
        forward: str | None = None,
        cost: str | Callable[..., Any] | None = None,
        backward: str | Callable[..., Any] | None = None,
        both: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ):
        self.holder = holder
        super().__init__({}, X, Y, extra=extra)
        self.names = {"forward": forward, "cost": cost, "backward": backward, "both": both}
        held = vars(holder).items()
        self.data = {
            role: [k for k, v in held if isinstance(v, np.ndarray) and not differs(v, given)]
            for role, given in (("X", X), ("Y", Y))
        }
        data = {k for names in self.data.values() for k in names}
        data |= results_of(holder, forward, X)
        self.params = {k: v for k, v in parameters_in(holder).items() if k not in data}
        rate = next(
            (
                v
                for k, v in vars(holder).items()
                if role_of(k) == "lr" and isinstance(v, float) and v
            ),
            None,
        )
        methods = [getattr(type(holder), n) for n in (backward, both) if isinstance(n, str)]
        self.learning_rate = rate or rate_of(methods) or self.learning_rate

    def complete(self, roles: dict[str, Any]) -> None:
        """The output that forward keeps in the object."""
        if "output" not in roles:
            kept = [v for k, v in vars(roles["params"]).items() if role_of(k) == "output"]
            if arrays := [v for v in kept if is_arraylike(v)]:
                roles["output"] = arrays[-1]

    def start(self, values: Mapping[str, Any], X: Any, Y: Any) -> dict[str, Any]:
        roles = super().start(values, X, Y)
        for role, names in self.data.items():  # an object that was made with its data
            for name in names:
                setattr(roles["params"], name, roles[role])
        return roles

    def container(self, values: Mapping[str, Any]) -> Any:
        return self.filled(copy.deepcopy(self.holder), values)

    def filled(self, holder: Any, values: Mapping[str, Any]) -> Any:
        """The object with these parameters, its methods in their roles."""
        others = aliases(holder)
        for path, value in values.items():
            for name in others.get(path, [path]):
                put(holder, name, value)
        for role, function in self.names.items():
            setattr(
                self, role, getattr(holder, function) if isinstance(function, str) else function
            )
        return holder

    def run_after(self, first: Any, then: Any) -> Run:
        """A run on the data of ``then`` with an object that has run on those of ``first`` before."""
        holder = copy.deepcopy(self.holder)
        self.container = lambda values: self.filled(holder, values)  # type: ignore[method-assign]
        try:
            self.run(first.params, first.X, first.Y, watch=False)
            return self.run(then.params, then.X, then.Y, watch=False)
        finally:
            del self.container

    @property
    def functions(self) -> list[Callable[..., Any]]:
        kind = type(self.holder)
        return [getattr(kind, n) if isinstance(n, str) else n for n in self.names.values() if n]

    def hold(self, runs: list[Run]) -> bool:
        """Leave arrays as they are for which there is no gradient, and that are not called as weights
        and biases are: the weights of classes, a mean of the data. Whether there are some."""
        idle = [k for k in self.params if not WEIGHT.match(plain(k))]
        idle = [k for k in idle if all(f"d{k}" not in r.gradients for r in runs)]
        self.params = {k: v for k, v in self.params.items() if k not in idle}
        return bool(idle) and bool(self.params)

    def pool(self, values: Mapping[str, Any], roles: Mapping[str, Any]) -> dict[str, Any]:
        return {}

    def current(self, roles: dict[str, Any]) -> dict[str, Any]:
        return parameters_in(roles["params"])

    def collect(self, run: Run, result: Any, roles: dict[str, Any], before: dict[str, Any]) -> None:
        super().collect(run, result, roles, before)
        stepped = dict(run.gradients) if run.updates else {}
        own = parameters_in(roles["params"], gradients=True)
        for path, value in own.items():
            name = parameter_meant(path, list(self.values_now(before)))
            if name is None or path in before:
                continue
            same = [k for k in before if owner(k) == owner(path)]
            if name not in same and same:
                name = parameter_meant(path, same) or name
            key = f"d{name}"
            if key in run.gradients and not run.updates:
                continue
            if key in stepped and proportional(stepped[key], value):
                continue  # the change says more: it has the sign of the step
            if path not in self.params:
                run.updates = False
                run.gradients[key] = value


def owner(path: str) -> str:
    """What holds the array at a path: layers[0] of layers[0].W and of layers[0]['W']."""
    return re.sub(r"(\.\w+|\[[^\]]*\]|^\w+)$", "", path)


def results_of(holder: Any, forward: str | None, X: Any) -> set[str]:
    """The arrays of an object that its forward pass assigns: no parameters."""
    if forward is None:
        return set()
    new = copy.deepcopy(holder)
    for path, value in arrays_of(new).items():
        put(new, path, value + 0.1)  # what forward computes of zeros may be zeros
    before = {k: (v, np.array(v)) for k, v in arrays_of(new).items()}
    method = getattr(new, forward)
    needed = [p for p in inspect.signature(method).parameters.values() if p.default is p.empty]
    _, failure = attempt(lambda: method(*[np.array(X)] * len(needed)))
    after = arrays_of(new)
    if failure:
        return set()
    return {k for k, (v, old) in before.items() if after.get(k) is not v or differs(v, old)}


def as_tuple(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else (x,)


def one_hot(labels: Any, shape: tuple[int, ...]) -> Any:
    """Labels as rows or columns of 0 and 1 of this shape, where that is possible."""
    for n, m in (shape, shape[::-1]):
        if m == len(labels) and np.all((labels >= 0) & (labels < n)) and labels.dtype.kind in "iu":
            hot = np.eye(n)[labels]
            return hot if shape[0] == m else hot.T
    return labels


def proportional(a: Any, b: Any) -> bool:
    """Whether two arrays differ by a factor only, up to the rounding of a small step."""
    a, b = np.ravel(np.asarray(a, float)), np.ravel(np.asarray(b, float))
    if a.shape != b.shape or not np.any(a) or not np.any(b):
        return False
    return bool(np.abs(a - (a @ b) / (b @ b) * b).max() <= 1e-8 * np.abs(a).max())


def same_up_to_rounding(a: Any, b: Any) -> bool:
    """Also that of a small step, from which one of them was read."""
    return np.shape(a) == np.shape(b) and bool(np.abs(a - b).max() <= 1e-7 * np.abs(b).max())


def updates_seen(events: list[Event], before: Mapping[str, Any], rate: float) -> list[Event]:
    """The gradients in the assignments of new parameters: ``params["W1"] -= rate * ...``."""
    by_name: dict[str, list[Event]] = {}
    for e in events:
        by_name.setdefault(e.name, []).append(e)
    meant = {n: parameter_meant(plain(n), list(before)) for n in by_name}
    found = []
    for name, old in before.items():
        gradients = [
            x.value for n, es in by_name.items() if is_gradient_of(n, name, [name]) for x in es
        ]
        for e in (e for n, es in by_name.items() if meant[n] == name for e in es):
            if plain(e.name) != plain(name) or np.shape(old) != e.value.shape:
                continue
            if differs(old, e.value):
                gradient = (old - e.value) / rate
                if not any(same_up_to_rounding(g, gradient) for g in gradients):
                    found.append(e._replace(name=f"d{name}", value=gradient))
    return found


def broadcast_gradient(
    events: Sequence[Event], name: str, before: Mapping[str, Any], after: Any, rate: float
) -> Any:
    """The variable with the gradient of this parameter, if its shape is another and was broadcast."""
    old = before[name]
    for e in reversed(events):
        if e.value.shape != np.shape(old) and is_gradient_of(e.name, name, before):
            try:
                new = old - rate * e.value
            except ValueError:
                continue
            if new.shape == np.shape(after) and np.allclose(new, after, rtol=1e-9, atol=1e-12):
                return e.value
    return None


def gradients_of_changes(
    run: Run, before: Mapping[str, Any], after: Mapping[str, Any], rate: float
) -> dict[str, Any]:
    """The gradients of parameters, by the step down the gradient that has changed them.

    The first step of Adam or RMSprop has one size in all entries: it shows no more than the signs of
    the gradients, which are then the arrays of these signs that were assigned on the way.
    """
    steps = {}
    for k, v in after.items():
        held = broadcast_gradient(run.events, k, before, v, rate)
        if held is not None:
            steps[k] = held
        elif np.shape(v) == np.shape(before[k]):
            change = before[k] - v
            noise = np.abs(change) <= 4 * np.finfo(float).eps * np.abs(before[k])
            steps[k] = np.where(noise, 0.0, change) / rate
        else:
            run.problems.append(
                f"{k} has shape {np.shape(before[k])} before the update and {np.shape(v)} after it"
            )
    if not any(map(one_size, steps.values())):
        return {f"d{k}": step for k, step in steps.items()}
    found: dict[str, Any] = {}
    homes: set[tuple[str, int]] = set()  # where the gradients of others are assigned
    for k, step in sorted(steps.items(), key=lambda item: -np.size(item[1])):
        signs = np.sign(step)
        alike = [e for e in run.events if e.value.shape == signs.shape and np.any(e.value)]
        alike = [e for e in alike if np.array_equal(np.sign(e.value) * sign_of(e, signs), signs)]
        called = [e for e in alike if is_gradient_of(e.name, k, before)]
        if not alike:
            run.problems.append(
                f"{k} is changed by a step of one size in all entries, as Adam's first step is, and no "
                "variable holds its gradient"
            )
            return {}
        beside = [e for e in alike if np.size(signs) < 2 and (e.function, e.line) in homes]
        e = called[-1] if called else (beside or alike)[0]
        homes.add((e.function, e.line))
        found[f"d{k}"] = e.value * sign_of(e, signs)
    return {f"d{k}": found[f"d{k}"] for k in steps}


def one_size(step: Any) -> bool:
    """Whether the entries are a number and its negative, or nearly so beside a decay of the weights."""
    size = np.abs(step[step != 0])
    signs = np.ptp(np.sign(step)) if step.size else 0
    share = 0.15 if size.size > 9 else 1e-3
    return size.size > 3 and signs == 2 and bool(np.ptp(size) < share * size.max())


def sign_of(event: Event, signs: Any) -> float:
    """-1 for an array that is added to the parameters, not subtracted from them."""
    return float(np.sign(np.sum(event.value * signs)))


def is_gradient_of(name: str, parameter: str, among: Iterable[str]) -> bool:
    """Whether a variable is called the gradient of this parameter."""
    return parameter_meant(name, list(among)) == parameter and plain(name) != plain(parameter)


def is_nested(x: Any) -> bool:
    return isinstance(x, Mapping | list | tuple)


def batch_of(X: Any, Y: Any, known_X: Any = None, known_Y: Any = None) -> int:
    """The number of examples: the length that X and Y share; where they share both, the one that data
    of the same form have there.

    >>> batch_of(np.ones((5, 3)), np.ones((5, 1))), batch_of(np.ones((5, 3)), np.ones((5, 3)))
    (5, 3)
    >>> batch_of(np.ones((5, 3)), np.ones((5, 3)), np.ones((6, 4)), np.ones((6, 2)))
    5
    """
    x = np.shape(X)
    if known_X is not None and x == np.shape(Y) != np.shape(known_X) and len(x) == 2:
        own, m = np.shape(known_X), batch_of(known_X, known_Y)
        if own.count(m) == 1 and own != np.shape(known_Y):
            return x[own.index(m)]
    if Y is None or not x:
        return x[-1] if len(x) > 1 else 1
    shared = [n for n in np.shape(Y) if n in x and n > 1]
    return shared[-1] if shared else (x[-1] if len(x) > 1 else 1)


def differs(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.shape != b.shape or not np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def pool_only(pool: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in pool.items() if k not in given}


def loss_in(result: Any) -> Any:
    """The one number in what a cost function returned."""
    parts: Sequence[Any] = result if isinstance(result, tuple | list) else (result,)
    for part in parts:
        if part is None or isinstance(part, str | dict):
            continue
        if np.size(getattr(part, "data", part)) == 1:
            return part
    if len(parts) and parts[0] is not None:
        first = getattr(parts[0], "data", parts[0])
        raise ValueError(f"the cost has shape {np.shape(first)}: expected one number")
    raise ValueError("the cost function returned None: expected one number")


def loss_before(error: Exception, function: Callable[..., Any]) -> Any:
    """The loss that ``function`` had computed when it failed on its way to the gradients, if it had."""
    code = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__code__", None)
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code is code and not isinstance(error, TooLong):
            names = frame.f_locals
            known = [n for n in [*result_names(function)[:1], *names] if n in names]
            for name in known:
                value = getattr(names[name], "data", names[name])
                if role_of(name) == "cost" and np.size(value) == 1:
                    return names[name]
    return None


def is_arraylike(x: Any) -> TypeGuard[np.ndarray[Any, Any] | Tensor]:
    return isinstance(x, np.ndarray | Tensor) and x.ndim > 0


def take_result(
    result: Any,
    function: Callable[..., Any],
    roles: dict[str, Any],
    pool: dict[str, Any],
) -> None:
    """Sort what forward returned: the output, the cache, and everything by its name."""
    names = result_names(function)
    if result is None:
        return
    listed = isinstance(result, list) and len(names) == len(result) and all(names)
    result = tuple(result) if listed else result
    parts = list(result) if isinstance(result, tuple) else [result]
    if len(names) != len(parts):
        names = [None] * len(parts)
    for name, part in zip(names, parts):
        if name is not None:
            pool[name] = part
    arrays: list[tuple[str | None, Any]]
    arrays = [(n, p) for n, p in zip(names, parts) if is_arraylike(p)]
    others = [p for p in parts if not is_arraylike(p)]
    if others and not (len(others) == 1 and others[0] is roles["params"]):
        roles["cache"] = others[0] if not isinstance(others[0], float) else roles.get("cache")
    for other in others:
        if isinstance(other, Mapping):
            pool |= {k: v for k, v in other.items() if isinstance(k, str) and k not in pool}
    if len(arrays) > 1 and not others:
        roles["cache"] = tuple(p for _, p in arrays)
    if isinstance(result, list):
        roles["cache"] = result
        arrays = [(None, p) for p in flatten_arrays(result)]
    if not arrays and others and isinstance(others[0], Mapping):
        arrays = [(str(k), v) for k, v in others[0].items() if is_arraylike(v)]
        arrays = [(k, v) for k, v in arrays if is_output(k)] or arrays
    good = [(n, p) for n, p in arrays if is_output(n)]
    expression = len(arrays) > 2 and arrays[-1][0] is None and all(n for n, _ in arrays[:-1])
    if good and len(parts) > 2:
        arrays = arrays[-1:] if expression else good
    if arrays:
        first = len(parts) == 2 or (len(arrays) > 1 and role_of(str(arrays[0][0])) == "output")
        numbered = all(n and n[-1].isdigit() for n, _ in arrays)
        roles["output"] = arrays[0 if first and not numbered else -1][1]
        later = len(good) == 1 and good[0][0] == names[-1]  # hidden, output
        if later:
            roles["output"] = good[0][1]
        elif len(parts) <= 2 and is_arraylike(parts[0]):
            before = len(arrays) == 2 and [bool(LOGITS.fullmatch(str(n))) for n, _ in arrays]
            roles["output"] = arrays[1][1] if before == [True, False] else parts[0]


LOGITS = re.compile(r"logits?|scores?|raw\w*", re.I)  # of which the probabilities are made


def is_output(name: str | None) -> bool:
    return name is not None and role_of(name) == "output" and name.lower()[0] != "z"


def flatten_arrays(x: Any) -> list[Any]:
    if is_arraylike(x):
        return [x]
    if isinstance(x, list | tuple):
        return [a for part in x for a in flatten_arrays(part)]
    return []


def gradients_part(result: Any, names: list[str | None]) -> tuple[Any, list[str | None]]:
    """What is left of ``(loss, gradients...)`` without the loss."""
    if not isinstance(result, tuple | list):
        return result, names
    several = (dict, list, tuple)
    numbers = [i for i, p in enumerate(result) if not isinstance(p, several) and np.ndim(p) == 0]
    called = [i for i in numbers if len(names) == len(result) and role_of(names[i] or "") == "cost"]
    loss = next(iter([*called, *numbers]), None)
    keep = [i for i, part in enumerate(result) if i != loss and part is not None]
    parts = [result[i] for i in keep]
    names = [names[i] for i in keep] if len(names) == len(result) else [None] * len(keep)
    if len(parts) == 1 and not is_arraylike(parts[0]):
        return parts[0], []
    return tuple(parts), names


def named_gradients(
    result: Any,
    names: list[str | None],
    params: Mapping[str, Any],
    by_columns: Iterable[str] = (),
) -> tuple[dict[str, Any], list[str]]:
    """The gradients in a dictionary, a sequence or one array, by the parameter that they belong to."""
    if result is None:
        return {}, []
    if is_arraylike(result) or isinstance(result, np.floating | float):
        result = (result,)
    if isinstance(result, tuple):  # a gradient may be a whole number
        result = tuple(
            float(r) if type(r) is int or isinstance(r, np.integer) else r for r in result
        )
    if isinstance(result, tuple | list) and len(names) == len(result) and any(names):
        flat: dict[str, Any] = {}
        for i, (name, part) in enumerate(zip(names, result)):
            if isinstance(part, Mapping | list | tuple) and (
                isinstance(part, Mapping) or len(result) == 1
            ):
                flat |= flatten(part)
            else:
                flat |= flatten(part, name or f"[{i}]")
    else:
        flat = flatten(result)
    found: dict[str, Any] = {}
    left: list[tuple[str, Any]] = []
    for key, value in flat.items():
        name = parameter_meant(key, list(params)) or parameter_meant(plain(key), list(params))
        inner = intermediate_meant(key)
        if name is not None and f"d{name}" not in found:
            found[f"d{name}"] = value
        elif inner is not None:
            found[inner] = value
        else:
            left.append((key, value))
    unclaimed = [p for p in params if f"d{p}" not in found]
    if len(left) == 1 and len(unclaimed) > 1:
        left = parts_of(left[0][1], {n: params[n] for n in unclaimed}, by_columns) or left
    if left and unclaimed:
        found |= by_position(left, unclaimed, params)
    if not any(f"d{p}" in found for p in params) and flat:
        return found, [
            "none of the returned values could be matched with a parameter by name or shape: "
            + ", ".join(f"{k} {np.shape(v)}" for k, v in list(flat.items())[:6])
        ]
    return found, []


def parts_of(
    vector: Any, like: Mapping[str, Any], by_columns: Iterable[str] = ()
) -> list[tuple[str, Any]] | None:
    """The parts of all parameters' vector, in the shapes of these; None for another array."""
    sizes = [np.size(v) for v in like.values()]
    if np.ndim(vector) not in (1, 2) or np.size(vector) != sum(sizes):
        return None
    parts = zip(like.items(), np.split(np.reshape(vector, -1), np.cumsum(sizes)[:-1]))
    return [
        (k, part.reshape(np.shape(v), order="F" if k in by_columns else "C"))
        for (k, v), part in parts
    ]


def form_of(value: Any) -> tuple[int, ...]:
    """The shape, the same for a row, a column and a vector."""
    return tuple(n for n in np.shape(value) if n != 1)


def by_position(
    left: list[tuple[str, Any]], unclaimed: list[str], params: Mapping[str, Any]
) -> dict[str, Any]:
    """Unnamed gradients in the order of the parameters, or backwards, or where only one shape fits."""
    shapes = [form_of(params[p]) for p in unclaimed]
    given = [form_of(v) for _, v in left]
    if len(left) == len(unclaimed):
        if given == shapes:
            return {f"d{p}": v for p, (_, v) in zip(unclaimed, left)}
        if given[::-1] == shapes:
            return {f"d{p}": v for p, (_, v) in zip(unclaimed, left[::-1])}
        pairs = [  # (dW, db) of the last layer first
            p for i in range(len(unclaimed) - 2, -1, -2) for p in unclaimed[i : i + 2]
        ]
        if len(pairs) == len(left) and [form_of(params[p]) for p in pairs] == given:
            return {f"d{p}": v for p, (_, v) in zip(pairs, left)}
        if sorted(given) != sorted(shapes) and len(set(shapes)) == len(shapes):
            return {f"d{p}": v for p, (_, v) in zip(unclaimed, left)}
    if len(set(shapes)) == len(shapes):
        return {
            f"d{p}": next(v for _, v in left if form_of(v) == s)
            for p, s in zip(unclaimed, shapes)
            if given.count(s) == 1
        }
    return {}


def by_own_name(result: Any, names: list[str | None], params: Mapping[str, Any]) -> bool:
    """Whether the values are called as the parameters are, not as gradients: W1, not dW1."""
    keys = list(flatten(result)) if isinstance(result, Mapping) else [n for n in names if n]
    if [role_of(k) for k in keys] == ["params"]:
        return True
    forms = {plain(p) for p in params}
    return not keys or all(re.sub("^(new|updated)", "", plain(k)) in forms for k in keys)


def updated_parameters(found: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether what was returned under the parameters' names are new parameters, not gradients."""
    pairs = [
        (np.ravel(np.asarray(before[k[1:]], float)), np.ravel(np.asarray(v, float)))
        for k, v in found.items()
        if k[1:] in before and np.shape(v) == before[k[1:]].shape
    ]
    if not pairs:
        return False
    a, b = np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])
    size = np.linalg.norm(a) * np.linalg.norm(b)
    return bool(size and np.all(np.isfinite(b)) and a @ b / size > 0.9)


# --- objects --------------------------------------------------------------------------------------

NO_HOLDERS = (type, ModuleType, FunctionType, MethodType, np.vectorize)


def arrays_of(
    holder: Any, depth: int = 5, numbers: bool = False, lists: bool = False, plain: bool = False
) -> dict[str, Any]:
    """The float arrays that an object holds, by path; an array that is held twice has two paths.

    With ``numbers`` also NumPy's single ones, as a sum without an axis is; with ``lists`` also lists
    of floats; with ``plain`` also Python's single ones, and whole numbers.
    """
    kinds = (np.ndarray, *((np.floating,) if numbers else ()), *((float, int) if plain else ()))
    sorts = "fi" if plain else "f"
    found: dict[str, Any] = {}
    seen: set[int] = set()

    def visit(value: Any, path: str, left: int) -> None:
        if isinstance(value, kinds):
            if (array := np.asarray(value)).dtype.kind in sorts:
                found[path] = array
        elif lists and (array := of_numbers(value)) is not None and array.dtype.kind in sorts:
            found[path] = array
        elif id(value) in seen or left == 0:
            return
        elif isinstance(value, Mapping | list | tuple):
            seen.add(id(value))
            pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
            for k, v in list(pairs):
                visit(v, f"{path}[{k!r}]" if not isinstance(k, str) else f"{path}['{k}']", left - 1)
        elif hasattr(value, "__dict__") and not isinstance(value, NO_HOLDERS):
            seen.add(id(value))
            for k, v in list(vars(value).items()):
                visit(v, f"{path}.{k}" if path else k, left - 1)

    if hasattr(holder, "__dict__"):
        seen.add(id(holder))
        for k, v in list(vars(holder).items()):
            visit(v, k, depth)
    return found


def aliases(holder: Any) -> dict[str, list[str]]:
    """All paths of each array, by the first of them."""
    by_array: dict[int, list[str]] = {}
    for path, array in arrays_of(holder).items():
        by_array.setdefault(id(array), []).append(path)
    return {paths[0]: paths for paths in by_array.values()}


def parameters_in(holder: Any, gradients: bool = False) -> dict[str, Any]:
    """The float arrays that an object holds, each once; without those that look like gradients."""
    found = arrays_of(holder, numbers=gradients)
    if gradients:
        return found
    first = aliases(holder)
    return {
        k: v
        for k, v in found.items()
        if k in first and not looks_like_gradient(k, found) and not is_state(k, found)
    }


ONE_NUMBER = re.compile(r"_*(?:b|bias|intercept|w|weight)_?\d*_*", re.I)
STATE = re.compile(
    r"^(?:v|m|s|r|g2|vel\w*|mom\w*|cache|sq|rms|adam_[mv])_?(?=d?[wb]|d_|weight|bias|gamma|beta)"
    r"|_?(?:velocit\w*|moment\w*|cache|momentums?|_[mv])$"
)


def is_state(path: str, among: Mapping[str, Any]) -> bool:
    """Whether this is what an optimiser keeps for a parameter: v_dW1, m_b2, weight_momentums.

    >>> among = {"W1": 0, "v_dW1": 0, "b": 0, "b_velocity": 0}
    >>> [k for k in among if is_state(k, among)]
    ['v_dW1', 'b_velocity']
    """
    name = path.rpartition(".")[2]
    left = STATE.sub("", name.lower())
    return left != name.lower() and bool(
        parameter_meant(left, [p for p in among if p != path]) or left in ("", "s")
    )


def looks_like_gradient(path: str, among: Mapping[str, Any]) -> bool:
    """By its own name, or by that of the dictionary in which it stands beside the parameters."""
    meant = parameter_meant(path, [p for p in among if p != path])
    if meant is None:
        return False
    return plain(meant) != plain(path) or role_of(re.split(r"[.\[]", path)[0]) == "grads"


def put(holder: Any, path: str, value: Any) -> None:
    """Set the array at ``path``, as `parameters_in` names it."""
    room = {"holder": holder, "value": value}
    exec(f"holder.{path} = value", room)


def as_arrays(params: Any) -> Any:
    """The parameters with arrays for Tensors."""
    if isinstance(params, Mapping):
        return {k: as_arrays(v) for k, v in params.items()}
    if isinstance(params, Tensor):
        return np.array(params.data)
    if isinstance(params, list | tuple):
        return type(params)([as_arrays(p) for p in params])
    return params


def hold_arrays(holder: Any) -> Any:
    """The object, with arrays for its lists of floats, as code without NumPy keeps its weights, and for
    the number that is a bias."""
    for path, value in arrays_of(holder, lists=True).items():
        put(holder, path, value)
    for name, value in list(getattr(holder, "__dict__", {}).items()):
        if isinstance(value, float) and ONE_NUMBER.fullmatch(name):
            setattr(holder, name, np.array(value))
    return holder
