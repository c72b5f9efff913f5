"""What there is to examine among the functions and classes of a file, by names and shapes."""

from __future__ import annotations

import ast
import copy
import inspect
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from nn.doctor.examine import Examination, all_used
from nn.doctor.forms import (
    BACKWARD,
    COST,
    FORWARD,
    check_layers,
    check_loss_pair,
    check_pair,
    check_update,
    first_method,
)
from nn.doctor.load import Room, load
from nn.doctor.naming import Unbound, names_returned, role_of, source_tree, walk_own
from nn.doctor.report import Report
from nn.doctor.sandbox import attempt, limited, quiet
from nn.doctor.subject import ObjectSubject, Subject, parameters_in

Function = Callable[..., Any]
IS = {
    "forward": re.compile(
        r"forward|feed_?forward|propagat(?!.*back)|fprop|predict|inference|^model$", re.I
    ),
    "backward": re.compile(r"back|bprop|(^|_)grads?($|_)|gradients?|deriv", re.I),
    "cost": re.compile(r"cost|loss|entropy|mse|error|objective", re.I),
    "update": re.compile(r"update|apply_grad|sgd|gradient_descent_step|optimi[sz]e_step", re.I),
    "init": re.compile(r"init", re.I),
}
NOT = re.compile(r"check|numer|to_vector|to_dict|plot|test|train|descent|load|print|verify", re.I)
SLOPE = re.compile(
    r"_?(prime|deriv(ative)?|backward|backwards|bwd|grad(ient)?|back|der|dash|delta)$|^(d|grad|deriv)_",
    re.I,
)
ACTIVATION = re.compile(
    r"sigm|tanh|relu|softmax|softplus|activ|linear|elu|swish|gelu|identity", re.I
)


def check_file(
    path: str | Path,
    *,
    forward: str | None = None,
    backward: str | None = None,
    cost: str | None = None,
    update: str | None = None,
    time_limit: float = 10.0,
) -> Report:
    """Examine the functions and classes that a ``.py`` or ``.ipynb`` file defines.

    Only imports, definitions and constants are executed. The names say which functions to take where
    the file leaves it open. Each run of one of them ends after ``time_limit`` seconds.

    Nothing is raised for a file that will not do: ``report.problem`` says in a sentence why.
    """
    report = Report(f"Gradient doctor, {Path(path).name}")
    chosen = {"forward": forward, "backward": backward, "cost": cost, "update": update}
    try:
        with limited(time_limit), quiet():
            room = load(path)
            examine_room(report, room, chosen)
    except (ValueError, OSError) as error:
        text = f"{path}: {error.strerror}" if isinstance(error, OSError) else str(error)
        report.problem = text if text.endswith(".") else f"{text}."
    return report


def examine_room(report: Report, room: Room, chosen: dict[str, str | None]) -> None:
    """Examine what was loaded."""
    report.notes += room.notes
    finder = Finder(room, chosen)
    for role, name in finder.chosen.items():
        if name is not None and name not in finder.functions and not hasattr_any(finder, name):
            names = ", ".join(sorted(finder.functions)) or "none"
            report.problem = (
                f"--{role} {name}: there is no such function; the file defines {names}."
            )
            return
    for part in finder.examinations():
        report.parts.append(part)
    examined = [p for p in report.parts if p.status != 2]
    report.not_checked += [f"{p.title}: {p.problem}" for p in report.parts if p.status == 2]
    report.parts = examined
    rest = [n for n in finder.functions if n not in finder.used]
    if rest:
        report.not_checked.append("functions: " + ", ".join(rest))
    if room.left_out:
        shown = "; ".join(room.left_out[:4]) + (" ..." if len(room.left_out) > 4 else "")
        report.not_checked.append(f"not executed: {shown}")
    if not examined:
        report.problem = "no backward pass was found that could be examined." + (
            "" if not report.not_checked else " See what was not examined."
        )


def hasattr_any(finder: Finder, name: str) -> bool:
    return any(hasattr(c, name) for c in finder.classes.values())


class Finder:
    """The functions and classes of one file."""

    def __init__(self, room: Room, chosen: dict[str, str | None]):
        self.room, self.chosen = room, chosen
        own = {
            n: v
            for n, v in room.names.items()
            if isinstance(v, FunctionType) and v.__globals__ is room.names
        }
        self.functions: dict[str, Function] = own
        self.classes = {
            n: v for n, v in room.names.items() if isinstance(v, type) and v.__module__ == "learner"
        }
        self.used: set[str] = set()
        self.own_data: dict[int, tuple[Any, Any]] = {}
        self.calls = {n: called_in(f) for n, f in own.items()}
        # m, counted at the top of a notebook from data that are not loaded
        self.counts = [
            n
            for n in dict.fromkeys(g for f in own.values() for g in f.__code__.co_names)
            if role_of(n) == "m" and n not in room.names
        ]
        self.text = " ".join(ast.unparse(t) for t in room.trees)

    def examinations(self) -> Iterator[Report]:
        if self.chosen["backward"] is None or self.chosen["backward"] in self.functions:
            yield from self.whole_networks()
            yield from self.loss_and_gradient()
            yield from self.updates()
        yield from self.objects()
        yield from self.pairs()

    # --- functions

    def of_role(self, role: str) -> list[str]:
        """The functions of a role that no other of that role calls: the outermost."""
        if self.chosen.get(role):
            return [str(self.chosen[role])]
        names = [n for n in self.functions if IS[role].search(n) and not NOT.search(n)]
        if role == "forward":
            names = [n for n in names if not IS["backward"].search(n) and not SLOPE.search(n)]
        if role == "cost":
            names = [n for n in names if not IS["backward"].search(n) and not SLOPE.search(n)]
        if role in ("forward", "backward"):
            names = [n for n in names if not is_activation(n)]
        inner = {c for n in names for c in self.reached(n)}
        return [n for n in names if n not in inner] or names

    def reached(self, name: str) -> set[str]:
        found: set[str] = set()
        stack = [name]
        while stack:
            for c in self.calls.get(stack.pop(), ()):
                if c in self.functions and c not in found and c != name:
                    found.add(c)
                    stack.append(c)
        return found

    def whole_networks(self) -> Iterator[Report]:
        forwards, backwards, costs = (self.of_role(r) for r in ("forward", "backward", "cost"))
        forwards.sort(key=lambda n: "predict" in n.lower())
        for b in backwards:
            if gives_loss_too(self.functions[b]) and not self.chosen["backward"]:
                continue
            f = nearest(b, forwards)
            if f is None:
                continue
            c = nearest(b, costs)
            title = f"{f}, {c or 'no cost function'}, {b}"
            yield self.best(title, self.function_subjects(f, c, b))
            self.used |= {n for n in (f, c, b) if n} | self.reached(f) | self.reached(b)

    def function_subjects(self, f: str, c: str | None, b: str) -> Iterator[Subject]:
        fs = self.functions
        for params, X, Y in self.data([fs[f], fs[b], *([fs[c]] if c else [])]):
            yield Subject(
                params, X, Y, forward=fs[f], cost=fs[c] if c else None, backward=fs[b], extra=EXTRA
            )

    def loss_and_gradient(self) -> Iterator[Report]:
        for name, function in self.functions.items():
            if gives_loss_too(function) and name not in self.used and not NOT.search(name):
                subjects = (
                    Subject(params, X, Y, both=function, extra=EXTRA)
                    for params, X, Y in self.data([function])
                )
                report = self.best(name, subjects)
                self.used.add(name)
                self.used |= self.reached(name)
                yield report

    def best(self, title: str, subjects: Iterator[Subject]) -> Report:
        """The examination with the first invented data that the code runs on."""
        reason, fallback = "", None
        end = time.monotonic() + PATIENCE
        for subject in subjects:
            if time.monotonic() > end:
                break
            subject.counts = (self.room.names, self.counts)
            examination = Examination(subject, title)
            try:
                with np.errstate(all="ignore"):
                    trials = examination.trials()
                    if trials and all_used(trials[0]):
                        if trials[0].failure is None or unlike(trials[0].failure):
                            examination.judge(trials)
                            return examination.report
                        fallback = fallback or (examination, trials)
            except Unbound as error:
                return Report(title, problem=f"{error}.")
            reason = reason or examination.stop
        if fallback is not None:
            with np.errstate(all="ignore"):
                fallback[0].judge(fallback[1])
            return fallback[0].report
        return Report(title, problem=reason or "it does not run on any of the usual kinds of data.")

    def data(self, functions: list[Function]) -> Iterator[tuple[Any, Any, Any]]:
        """Parameters, inputs and labels of the usual kinds, invented."""
        rng = np.random.default_rng(0)
        text = self.text
        classes = [3, 1] if "softmax" in text.lower() else [1, 3]
        arguments = [p for f in functions for p in inspect.signature(f).parameters]
        m = 6
        for n_y in classes:
            for columns in (True, False):
                for params in self.parameters(arguments, n_y, columns, functions):
                    n_x = 4
                    X = rng.normal(size=(n_x, m) if columns else (m, n_x))
                    for Y in targets(n_y, m, columns, rng):
                        yield params, X, Y

    def parameters(
        self, arguments: list[str], n_y: int, columns: bool, functions: list[Function]
    ) -> Iterator[Any]:
        """What the file's own initialisation gives, or arrays by the names that the code uses."""
        dims = [4, 5, 3, n_y]
        for name, function in self.functions.items():
            if IS["init"].search(name) and not NOT.search(name):
                for call in initial_calls(function, dims):
                    made, failure = attempt(lambda f=function, c=call: f(**c), seconds=2)
                    made = (
                        made[0]
                        if isinstance(made, tuple) and isinstance(made[0], Mapping)
                        else made
                    )
                    if failure is None and isinstance(made, Mapping | list | tuple) and made:
                        self.used.add(name)
                        if isinstance(made, tuple):
                            names = names_returned(source_tree(function) or ast.Module([], []))
                            if len(names) == len(made) and all(names):
                                made = as_floats({str(n): v for n, v in zip(names, made)})
                        yield with_numbers(made)
        keys = self.keys_used(arguments)
        if keys:
            yield from invented(keys, dims, columns)

    def keys_used(self, arguments: list[str]) -> list[str]:
        """W1, b1, ... as they stand in the code."""
        pattern = re.compile(r"^(W|w|b|B|theta|Theta|weights?|bias|V|U)_?\d*$")
        own = [a for a in dict.fromkeys(arguments) if pattern.match(a) and role_of(a) != "Y"]
        single = [a for a in own if not a[-1].isdigit() and role_of(a) == "params"]
        if own and (len(own) > len(single) or len(own) > 1):
            return own
        strings = re.findall(r"""\[['"]((?:W|w|b|B)_?\d)['"]\]""", self.text)
        if strings:
            return sorted(dict.fromkeys(strings), key=lambda k: (int(k[-1]), k[0].lower() == "b"))
        if re.search(r"""['"]W['"] \+ str|f['"]W\{""", self.text):
            return ["W1", "b1", "W2", "b2", "W3", "b3"]
        return own

    def updates(self) -> Iterator[Report]:
        for name in self.of_role("update"):
            if name in self.used:
                continue
            function = self.functions[name]
            params = {
                "W1": np.ones((3, 4)),
                "b1": np.ones((3, 1)),
                "W2": np.ones((1, 3)),
                "b2": np.ones((1, 1)),
            }
            grads = {f"d{k}": v for k, v in params.items()}
            if any(
                a in inspect.signature(function).parameters
                for a in ("v", "s", "t", "velocity", "cache")
            ):
                continue
            report = check_update(function, params, grads, 0.1)
            if not report.problem:
                self.used.add(name)
                yield report

    def pairs(self) -> Iterator[Report]:
        """An activation and its derivative."""
        for name, function in self.functions.items():
            if not SLOPE.search(name) or (name in self.used and not is_activation(name)):
                continue
            stem = SLOPE.sub("", name).strip("_")
            partner = next(
                (f for n, f in self.functions.items() if n.lower() == stem.lower() and n != name),
                None,
            )
            if partner is None or not stem or "linear" in stem:
                continue
            both = len(inspect.signature(partner).parameters) == 2
            report = (check_loss_pair if both else check_pair)(partner, function)
            if not report.problem:
                self.used |= {name, partner.__name__}
                yield report

    # --- classes

    def objects(self) -> Iterator[Report]:
        for name, kind in self.classes.items():
            together = [
                n
                for n, f in vars(kind).items()
                if isinstance(f, FunctionType) and gives_loss_too(f) and not NOT.search(n)
            ]
            if together and not self.chosen["backward"]:
                yield self.best(
                    name, self.object_subjects(list(self.made(kind)), None, together[0])
                )
                continue
            backward = self.chosen["backward"] or first_method(kind, BACKWARD, own=True)
            forward = self.chosen["forward"] or first_method(kind, FORWARD, own=True)
            step = first_method(kind, STEPS, own=True)
            if forward is None or (backward is None and step is None):
                continue
            if not hasattr(kind, forward) or not hasattr(kind, backward or str(step)):
                continue
            made = list(self.made(kind))
            if not made:
                yield Report(
                    name, problem="no object could be made: its constructor takes other things"
                )
                continue
            if backward is not None and is_layer(kind, forward, backward):
                yield self.layer(name, made, forward)
                continue
            yield self.best(name, self.object_subjects(made, forward, backward or str(step)))

    def made(self, kind: type) -> Iterator[Any]:
        for n_y in (3, 1):
            for call in initial_calls(kind, [4, 5, n_y]):
                made, failure = attempt(lambda c=call: kind(**c), seconds=2)
                if failure is None:
                    yield made
        if {role_of(p) for p in inspect.signature(kind).parameters} >= {"X", "Y"}:
            rng = np.random.default_rng(0)
            X, Y = rng.normal(size=(6, 4)), np.array([[0.0], [1], [1], [0], [1], [0]])
            pair = {"X": X, "Y": Y}
            takes = inspect.signature(kind).parameters
            call = {p: pair[r] for p in takes if (r := role_of(p)) in pair}
            made, failure = attempt(lambda: kind(**call), seconds=2)
            if failure is None:
                self.own_data[id(made)] = (X, Y)
                yield made

    def object_subjects(
        self, made: list[Any], forward: str | None, backward: str
    ) -> Iterator[Subject]:
        rng = np.random.default_rng(0)
        for holder in made:
            if not parameters_in(holder):
                continue
            cost: Any = first_method(type(holder), COST, own=True)
            if cost is None:
                names = self.of_role("cost")
                cost = self.functions[names[0]] if names else None
            matrices = [
                v for v in parameters_in(holder).values() if v.ndim == 2 and 1 not in v.shape
            ]
            matrices = matrices or [v for v in parameters_in(holder).values() if v.ndim == 2]
            ends = matrices[:1] and (matrices[0].shape, list(parameters_in(holder).values()))
            n_xs = dict.fromkeys([4, *(ends[0] if ends else ())])
            last = [v.shape for v in (ends[1] if ends else ()) if v.ndim == 2]
            n_ys = dict.fromkeys(
                [*(last[-1] if last else ()), *(last[-2] if last[1:] else ()), 3, 1]
            )
            if id(holder) in self.own_data:
                X, Y = self.own_data[id(holder)]
                yield ObjectSubject(
                    holder, X, Y, forward=forward, cost=cost, backward=backward, extra=EXTRA
                )
                continue
            kinds = [(c, x, y) for c in (False, True) for x in n_xs for y in n_ys]
            for columns, n_x, n_y in kinds:
                X = rng.normal(size=(n_x, 6) if columns else (6, n_x))
                for Y in targets(n_y, 6, columns, rng):
                    if forward is None:
                        yield ObjectSubject(holder, X, Y, both=backward, extra=EXTRA)
                    elif runs_forward(holder, forward, X):
                        yield ObjectSubject(
                            holder, X, Y, forward=forward, cost=cost, backward=backward, extra=EXTRA
                        )

    def layer(self, name: str, made: list[Any], forward: str) -> Report:
        rng = np.random.default_rng(0)
        reason, tried = "", ()
        failed: Report | None = None
        for holder in made:
            takes = (
                [
                    p
                    for p in inspect.signature(holder.forward).parameters.values()
                    if p.default is p.empty
                ]
                if hasattr(holder, "forward")
                else []
            )
            second = takes[1].name if len(takes) > 1 else ""
            for shape in SHAPES:
                x = rng.normal(size=shape)
                if role_of(second) == "Y" or "loss" in name.lower():
                    T = np.eye(shape[1])[rng.integers(0, shape[1], shape[0])]
                    report = check_layers([], holder, x, T)
                    if report.parts and "expected one number" in report.parts[0].problem:
                        report = check_layers([holder], None, (x, rng.normal(size=shape)))
                elif second:
                    report = check_layers([holder], None, (x, rng.normal(size=shape)))
                else:
                    report = check_layers([holder], None, x)
                if not report.problem and report.parts and not report.parts[0].problem:
                    part = report.parts[0]
                    part.title = name
                    if part.ok:
                        if failed is not None:
                            part.notes.append(
                                f"it works for input of shape {shape}, not of {tried}"
                            )
                        return part
                    if failed is None:
                        failed, tried = part, shape
                    stops = any(c.says.startswith("backward stops") for c in part.causes)
                    if not stops:
                        return failed
                reason = reason or report.problem or report.parts[0].problem
        return failed if failed is not None else Report(name, problem=reason)


PATIENCE = 6.0  # seconds for finding data that the code runs on
SHAPES = ((6, 4), (4, 6), (4, 1), (1, 4), (6, 3), (2, 4, 6, 6), (2, 6, 6, 4), (6, 6), (4, 6, 6))
STEPS = ("train_step", "step", "train_on_batch", "partial_fit", "train", "fit", "learn")
EXTRA: dict[str, Any] = {
    "epochs": 1, "num_iterations": 1, "iterations": 1, "n_iter": 1, "num_epochs": 1, "n_epochs": 1,
    "lambd": 0.7, "reg": 0.1, "keep_prob": 0.8, "print_cost": False, "verbose": False,
}  # fmt: skip


def unlike(failure: Any) -> bool:
    """Whether a failure of backward has nothing to do with the labels that were invented."""
    return not any(
        w in str(failure.error) for w in ("integer", "index", "one_hot", "astype", "IndexError")
    )


def runs_forward(holder: Any, forward: str, X: Any) -> bool:
    """Whether the object takes this input; a method that wants more than X is tried later."""
    method = getattr(copy.deepcopy(holder), forward)
    needed = [p for p in inspect.signature(method).parameters.values() if p.default is p.empty]
    if len(needed) != 1:
        return True
    return attempt(lambda: method(np.array(X)), seconds=2)[1] is None


def is_activation(name: str) -> bool:
    return bool(ACTIVATION.search(name)) and not re.search(
        r"linear_activation|linear_(for|back)|model", name
    )


def is_layer(kind: type, forward: str, backward: str) -> bool:
    """Whether backward receives a gradient, not labels."""
    f = [p for p in inspect.signature(getattr(kind, forward)).parameters if p != "self"]
    b = [
        p
        for p in inspect.signature(getattr(kind, backward)).parameters.values()
        if p.name != "self"
    ]
    low = [p.name.lower() for p in b]
    if any(role_of(p) in ("Y", "X") for p in low):
        return False
    if not low:
        return bool(f) and len(f) > 1
    return low[0].startswith(("d", "g", "out", "err", "up", "top", "loss_g"))


def called_in(function: Function) -> set[str]:
    tree = source_tree(function)
    nodes = ast.walk(tree) if tree is not None else ()
    return {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}


def gives_loss_too(function: Function) -> bool:
    """Whether a function returns a loss and gradients together."""
    tree = source_tree(function)
    names = [n.lower() for n in (names_returned(tree) if tree is not None else []) if n]
    loss = any(role_of(n) == "cost" or "loss" in n or "cost" in n for n in names)
    grads = any(
        role_of(n) == "grads" or re.match(r"d_?[wbxz]|grad|d(theta|beta)", n) for n in names
    )
    return (
        loss
        and grads
        and not any(
            isinstance(n, ast.For | ast.While) and "iter" in ast.unparse(n)[:60]
            for n in walk_own(tree)  # type: ignore[arg-type]
        )
    )


def nearest(name: str, others: list[str]) -> str | None:
    """The one whose name shares most with ``name``: the forward of a backward."""

    def words(n: str) -> set[str]:
        return {w for w in re.split(r"_|(?<=[a-z])(?=[A-Z])", n.lower()) if w}

    def score(n: str) -> tuple[int, int]:
        return (len(words(n) & words(name)) - len(words(n) - words(name)), -others.index(n))

    return max(others, key=score) if others else None


SIZES = {
    "input": 0, "inputs": 0, "n_x": 0, "in": 0, "features": 0, "d": 0, "nx": 0, "in_dim": 0,
    "hidden": 1, "n_h": 1, "nh": 1, "h": 1, "output": -1, "outputs": -1, "n_y": -1, "out": -1, "ny": -1,
    "classes": -1, "k": -1,
}  # fmt: skip


def initial_calls(function: Any, dims: list[int]) -> Iterator[dict[str, Any]]:
    """Arguments for an initialisation or a constructor."""
    try:
        parameters = [
            p
            for p in inspect.signature(function).parameters.values()
            if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        ]
    except (TypeError, ValueError):
        return
    base: dict[str, Any] = {}
    open_names = []
    hidden = 0
    for p in parameters:
        low = p.name.lower()
        if re.search(
            r"layer|dims|sizes|architecture|topology|structure|neurons|units|shape", low
        ) and not (
            re.search(r"input|output|hidden_(size|dim|units|neurons)|n_layers|num_layers|^n_", low)
        ):
            base[p.name] = list(dims)
        elif re.search(r"hidden", low) and re.search(r"layers|sizes|dims", low):
            base[p.name] = list(dims[1:-1])
        elif re.search(r"^in|input|n_?x$|features|fan_in|n_in|in_dim", low):
            base[p.name] = dims[0]
        elif re.search(r"hid|n_?h\d?$", low):
            base[p.name] = dims[1 + min(hidden, len(dims) - 3)]
            hidden += 1
        elif re.search(r"^out|output|n_?y$|class|fan_out|n_out|out_dim", low):
            base[p.name] = dims[-1]
        elif role_of(low) == "lr":
            if p.default is p.empty:
                base[p.name] = 0.1
        elif low in ("dim", "n") and p.default is p.empty:
            base[p.name] = dims[0]
        elif p.default is p.empty:
            open_names.append(p.name)
    if any(w in SIZES for n in open_names for w in [n.lower()]):
        for n in list(open_names):
            if n.lower() in SIZES:
                base[n] = dims[SIZES[n.lower()]]
                open_names.remove(n)
    if not open_names:
        yield base
        return
    rng = np.random.default_rng(1)
    shapes = {"w": (dims[0], dims[-1]), "b": (dims[-1],), "gamma": (dims[0],), "beta": (dims[0],)}
    arrays = {n: rng.normal(size=shapes.get(n.lower(), (dims[0],))) for n in open_names}
    yield base | arrays


def with_numbers(params: Any) -> Any:
    """The same shapes with random numbers, as zeros would hide mistakes."""
    rng = np.random.default_rng(2)
    if isinstance(params, np.ndarray):
        return rng.normal(size=params.shape)
    if isinstance(params, Mapping):
        return {k: with_numbers(v) for k, v in params.items()}
    if isinstance(params, list | tuple):
        return type(params)([with_numbers(p) for p in params])
    return params


def as_floats(params: dict[str, Any]) -> dict[str, Any]:
    """With numbers for w and b as floats: b = 0 is a parameter too."""
    return {
        k: float(v) if isinstance(v, int | float) and k[0] in "wbWB" else v
        for k, v in params.items()
    }


def invented(keys: list[str], dims: list[int], columns: bool) -> Iterator[dict[str, Any]]:
    """Arrays for W1, b1, ... in columns or rows, with the usual shapes of a bias."""
    rng = np.random.default_rng(3)
    weights = [k for k in keys if k[0] not in "bB"]
    biases = [k for k in keys if k[0] in "bB"]
    n = len(weights)
    if n == 0:
        return
    sizes = (
        [dims[0], *dims[1:n], dims[-1]] if n < len(dims) else [4, *[5, 3, 4, 3][: n - 1], dims[-1]]
    )
    for transposed in (False, True) if columns else (True, False):
        for kind in ("column", "flat", "row", "number"):
            if (kind == "column") != columns and kind != "number" and biases:
                continue
            if kind == "number" and (n > 1 or not biases):
                continue
            params: dict[str, Any] = {}
            for i, k in enumerate(weights):
                a, b = sizes[i], sizes[i + 1]
                params[k] = rng.normal(size=(a, b) if transposed else (b, a))
                if i < len(biases):
                    shape = {"column": (b, 1), "flat": (b,), "row": (1, b), "number": ()}[kind]
                    params[biases[i]] = rng.normal(size=shape)
            yield {k: params[k] for k in keys if k in params}
            if not biases:
                return


def targets(n_y: int, m: int, columns: bool, rng: Any) -> Iterator[Any]:
    labels = rng.integers(0, max(n_y, 2), m)
    labels[:2] = (0, 1)
    if n_y == 1:
        Y = labels.reshape(1, m) if columns else labels.reshape(m, 1)
        yield Y
        yield Y.reshape(-1)
        return
    hot = np.eye(n_y)[labels]
    yield hot.T if columns else hot
    yield labels
