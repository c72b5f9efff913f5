"""What a program hands to an optimiser of SciPy: a cost, its gradient and where to start.

That says without any guess what is to be compared with what. The optimiser itself is not run. A step from
numbers to new ones beside the cost of these numbers is compared in the same way.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nn.doctor.load import Room
from nn.doctor.loops import Site
from nn.doctor.naming import CannotExamine, label, last_name, required, role_of
from nn.doctor.pretend import OPTIMISERS
from nn.doctor.sandbox import Tracer, attempt
from nn.doctor.statements import copied, held_in
from nn.doctor.subject import Run, Subject, loss_in, parts_of

FIRST = ("fun", "func", "f")
TAKES: dict[str, tuple[str, ...]] = dict.fromkeys(OPTIMISERS, ("func", "x0", "fprime", "args"))
TAKES |= {"minimize": ("fun", "x0", "args", "method", "jac")}


@dataclass
class HandedOver(Site):
    """The statement with the call of an optimiser, and where it stands."""

    call: ast.Call = field(kw_only=True)

    @property
    def title(self) -> str:
        given = dict(self.given)
        names = [ast.unparse(given[k]) for k in ("fprime", "jac", "fun") if k in given]
        names = [n for n in names if n not in ("True", "None")] or ["a cost"]
        return f"{names[0]}, {super().title.replace('training step', 'gradient for the optimiser')}"

    @property
    def given(self) -> Iterator[tuple[str, ast.expr]]:
        """The arguments of the call by name; the cost as ``fun``."""
        pairs = [*zip(TAKES[last_name(self.call.func)], self.call.args)]
        pairs += [(k.arg, k.value) for k in self.call.keywords if k.arg is not None]
        return (("fun" if name in FIRST else name, value) for name, value in pairs)

    @property
    def gives_both(self) -> bool:
        """Whether the cost has to give the gradient too, as nothing else is said."""
        numeric = any(name == "approx_grad" for name, _ in self.given)
        return last_name(self.call.func) in ("fmin_tnc", "fmin_l_bfgs_b") and not numeric


def handed_over(room: Room) -> Iterator[HandedOver]:
    """The calls of an optimiser in the text of a file."""

    def visit(node: ast.AST, owner: Any, kind: str | None) -> Iterator[HandedOver]:
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.ClassDef):
                yield from visit(inner, None, inner.name)
            elif isinstance(inner, ast.FunctionDef):
                yield from visit(inner, inner, kind)
            elif isinstance(inner, ast.Assign | ast.Expr | ast.Return):
                calls = (n for n in ast.walk(inner) if isinstance(n, ast.Call))
                for call in (c for c in calls if last_name(c.func) in TAKES):
                    site = HandedOver([inner], [], owner, kind, call=call)
                    if site.gives_both or {"jac", "fprime"} & dict(site.given).keys():
                        yield site
            else:
                yield from visit(inner, owner, kind)

    for statement in room.statements:
        for site in visit(ast.Module([statement], []), None, None):
            site.file = room.files[statement]
            yield site


class Handed(Subject):
    """The cost of one vector, and the function that gives its gradient, or both."""

    own_data = True

    def __init__(
        self,
        fun: Callable[..., Any],
        slope: Any,
        start: Any,
        args: tuple[Any, ...],
        shared: tuple[dict[str, Any], dict[str, Any]],
    ):
        self.shared = shared
        names = [*required(fun), "theta"]
        self.given = {"fun": fun, "slope": slope, "args": args}
        data = {role_of(n): v for n, v in zip(names[1:], args)}
        X = data.get("X", np.zeros((1, 1)))
        super().__init__({names[0]: np.ravel(np.asarray(start, float))}, X, data.get("Y"))
        self.cut()

    def absorbs(self, factor: Any) -> bool:
        return False

    @property
    def functions(self) -> list[Any]:
        return [f for f in (self.given["fun"], self.given["slope"]) if callable(f)]

    def theta(self, values: Mapping[str, Any]) -> Any:
        return self.container(values) if self.vector else next(iter(values.values()))

    def called(self, role: str, theta: Any) -> Any:
        """The function on a copy of everything, as the optimiser calls it."""
        given = copied(self.given)
        home, values = self.shared
        with held_in(home, copied(values)):
            return given[role](theta, *given["args"])

    def gradient(self, role: str, theta: Any) -> Any:
        result = self.called(role, theta)
        if role == "fun" and not isinstance(result, list | tuple):
            raise CannotExamine(f"{label(self.given['fun'])} gives no gradient beside the cost")
        return np.array(result[1] if role == "fun" else result, float)

    def truth(self, values: Mapping[str, Any], X: Any, Y: Any) -> tuple[Any, Any]:
        return loss_in(self.called("fun", self.theta(values))), None

    def run(self, values: Mapping[str, Any], X: Any, Y: Any, watch: bool = True) -> Run:
        theta = self.theta(values)
        run, tracer = Run(), Tracer(watch=watch)
        run.tracer = tracer
        role = "slope" if callable(self.given["slope"]) else "fun"
        gradient, run.failure = attempt(lambda: self.gradient(role, np.array(theta)), tracer=tracer)
        run.events = run.seen = tracer.events
        run.stage = "backward"
        if run.failure:
            return run
        run.stage = "done"
        parts = parts_of(gradient, values, self.by_columns) or [(next(iter(values)), gradient)]
        run.gradients = {f"d{name}": part for name, part in parts}
        return run


NOW = re.compile(r"_?(current|now|old|prev|previous|start|initial)$")
POINTS = re.compile(r"points|data|dataset|samples")


class Numbers(Handed):
    """A step from numbers to new ones, step(b, m, points, rate), and the cost of these numbers.

    points : (20, 2), or x and y : (20,), are invented.
    """

    descends = True

    def __init__(self, cost: Callable[..., Any], step: Callable[..., Any], names: dict[str, str]):
        rng = np.random.default_rng(4)
        self.pair, rate = [cost, step], 0.01
        data = {n: rng.normal(size=(20, 2) if POINTS.match(n) else 20) for n in data_among(names)}
        numbers = [n for n in names if n not in data]
        rates = {n: rate for n in required(step) if role_of(n) == "lr"}

        def value(theta: Any) -> Any:
            return cost(**dict(zip(numbers, theta)), **data)

        def slope(theta: Any) -> Any:
            old = {names[n]: number for n, number in zip(numbers, theta)}
            new = step(**old, **{names[n]: v for n, v in data.items()}, **rates)
            return (theta - np.array(new, float).reshape(-1)) / rate

        super().__init__(value, slope, np.zeros(len(numbers)), (), ({}, {}))
        self.params = {n: np.array(0.0) for n in numbers}
        self.vector = True

    @property
    def functions(self) -> list[Any]:
        return self.pair

    def absorbs(self, factor: Any) -> bool:
        return True


def data_among(names: Iterable[str]) -> list[str]:
    return [n for n in names if POINTS.match(n) or role_of(n) in ("X", "Y")]


def numbers_in(cost: Callable[..., Any], step: Callable[..., Any]) -> dict[str, str]:
    """What the arguments of a cost are called in a step that takes the same: b_current for b.

    >>> def cost(b, m, points): ...
    >>> def step_gradient(b_current, m_current, points, learning_rate): ...
    >>> numbers_in(cost, step_gradient)
    {'b': 'b_current', 'm': 'm_current', 'points': 'points'}
    """
    given = {NOW.sub("", n): n for n in required(step) if role_of(n) != "lr"}
    takes = required(cost)
    data = data_among(takes)
    same = given.keys() == set(takes) and 0 < len(data) < len(takes) and len(takes) < 6
    return {n: given[n] for n in takes} if same else {}


def subject_of(
    site: HandedOver, names: Mapping[str, Any], shared: tuple[dict[str, Any], dict[str, Any]]
) -> Handed | None:
    """What the optimiser is handed where these are the values of the names; None without a gradient.

    ``shared`` are the names of the file, and the values of those that its functions read.
    """
    room = dict(names)

    def value(e: ast.expr | None) -> Any:
        if e is None:
            return None
        found, _ = attempt(lambda: eval(compile(ast.Expression(e), site.file, "eval"), room))
        return found

    given = {k: value(e) for k, e in site.given if k in ("fun", "x0", "args", "jac", "fprime")}
    slope = given.get("jac", given.get("fprime"))
    if slope is None and site.gives_both:
        slope = True
    start, args = given.get("x0"), given.get("args")
    usable = callable(given.get("fun")) and (callable(slope) or slope is True)
    if not usable or start is None or np.asarray(start).dtype.kind not in "fiu":
        return None
    args = args if isinstance(args, tuple) else () if args is None else (args,)
    return Handed(given["fun"], slope, start, args, shared)
