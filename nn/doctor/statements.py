"""Lines of code as a subject: one step of a training loop, or a block that is watched.

The statements are made a function of the names that they use, so that they can be run on other numbers
and observed like the functions of a file. Their data go in by name, their variables come out.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import CodeType, FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from nn.doctor.load import Missing
from nn.doctor.naming import TREES, flatten, fresh, role_of
from nn.doctor.sandbox import Tracer, attempt
from nn.doctor.subject import (
    Run,
    Subject,
    aliases,
    arrays_of,
    batch_of,
    differs,
    gradients_of_changes,
    loss_in,
    updates_seen,
)
from tinygrad_edu import Tensor


class Statements(Subject):
    """Statements over the names of ``room``; ``places`` say where the parameters stand in it.

    A place is a name, or an attribute or an entry of something that has a name: ``net.layers[0].W``.
    ``shared`` names stand in ``home``, where the functions that are called find and change them.
    """

    counters: frozenset[str] | set[str] = frozenset()  # what a loop around the statements assigns

    def __init__(
        self,
        body: Sequence[ast.stmt],
        room: Mapping[str, Any],
        filename: str,
        function: str = "<module>",
        *,
        places: Sequence[str] | None = None,
        data: Mapping[str, str | None],
        shared: Iterable[str] = (),
        home: dict[str, Any] | None = None,
    ):
        self.outer: dict[str, Any] = dict(room) if home is None else home
        self.filename, self.name = filename, function
        nodes = [n for s in body for n in ast.walk(s)]
        shared = {*shared, *(name for n in nodes if isinstance(n, ast.Global) for name in n.names)}
        self.shared = sorted(k for k in shared if k in room and is_data(room[k]))
        names = {n.id for n in nodes if isinstance(n, ast.Name)} | set(self.shared)
        self.room = {
            k: room[k]
            for k in sorted(names)
            if k in room and (is_data(room[k]) or k not in self.outer)
        }
        self.step = self.function(body)
        self.data = dict(data)
        if (place := self.data["X"]) is not None and place.endswith(
            "]"
        ):  # an entry of whole numbers
            holder = place.rpartition("[")[0]
            put_at(self.room, holder, as_floats(self.value(holder)))
        self.loss, self.shown, ahead = self.marks(body, places)
        self.ahead = self.function(ahead)
        if places is None:
            places = list(self.carried())
        self.keys = {p: p.removeprefix("self.") for p in places if self.value(p) is not None}
        held = {key: as_floats(self.value(p)) for p, key in self.keys.items()}
        X, Y = (self.value(self.data[role]) for role in ("X", "Y"))
        X = np.zeros((1, 1)) if X is None else np.asarray(X, float)
        super().__init__(held, X, None if Y is None else np.asarray(Y))

    @property
    def functions(self) -> list[Any]:
        return [self.step]

    def marks(
        self, body: Sequence[ast.stmt], places: Sequence[str] | None
    ) -> tuple[str | None, str | None, Sequence[ast.stmt]]:
        """The places of the loss and of the output, and the statements that compute them."""
        raise NotImplementedError

    def value(self, place: str | None) -> Any:
        """What stands at a place before the statements run; None where there is nothing."""
        return value_at(self.room, place) if place is not None else None

    def carried(self) -> Iterator[str]:
        """The places that the statements change and that the output or the loss depends on.

        Where they stop on the way, it is not known what they would have changed.
        """
        holder = SimpleNamespace(**copied(self.room))
        before = {k: np.array(v) for k, v in arrays_of(holder, numbers=True, lists=True).items()}
        after, failure = attempt(lambda: self.after(self.step, vars(holder)), seconds=2)
        changed = [k for k in before if re.split(r"[.\[]", k)[0] not in self.counters]
        changed = [k for k in changed if k not in self.data.values()]
        if failure is None:
            now = arrays_of(SimpleNamespace(**after), numbers=True, lists=True)
            changed = [k for k in changed if k in now and np.shape(now[k]) == before[k].shape]
            changed = [k for k in changed if differs(before[k], now[k])]
        first = self.result(copied(self.room))
        for place in holders_of(changed):
            room = copied(self.room)
            put_at(room, place, moved(as_floats(value_at(room, place))))
            other = self.result(room)
            if any(k in other and differs(v, other[k]) for k, v in first.items()):
                yield place

    def result(self, room: dict[str, Any]) -> dict[str, Any]:
        """The loss or the output, as arrays by path; nothing where it cannot be had."""
        after, failure = attempt(lambda: self.after(self.ahead, room), seconds=1)
        place = self.loss or self.shown
        return {} if failure or place is None else flatten({"result": value_at(after, place)})

    # --- running

    def function(self, body: Sequence[ast.stmt]) -> FunctionType:
        """The statements as a function of the names that they use, which returns its variables."""
        own = ast.Return(ast.Call(ast.Name("locals", ast.Load()), [], []))
        given = [ast.arg(n) for n in self.room if n not in self.shared]
        arguments = ast.arguments([], given, None, [], [], None, [])
        body = [n for s in body for n in as_list(Returned().visit(copy.deepcopy(s)))]
        if any(
            isinstance(n, ast.Continue | ast.Break) for s in body for n in walk_outside_loops(s)
        ):
            once = ast.For(ast.Name("_once", ast.Store()), ast.Constant("1"), list(body), [], None)
            once.lineno = once.end_lineno = 1  # not a second time the line of the first statement
            once.col_offset = once.end_col_offset = 0
            body = [once]
        shared: list[ast.stmt] = [ast.Global(self.shared)] if self.shared else []
        tree = ast.FunctionDef(self.name, arguments, [*shared, *body, own], [], None)
        tree.__dict__.setdefault("type_params", [])  # from Python 3.12 on
        ast.copy_location(own, body[-1] if body else tree)
        module = ast.fix_missing_locations(ast.Module([ast.copy_location(tree, own)], []))
        tree.lineno = min((s.lineno for s in body), default=1)
        tree.end_lineno = max((s.end_lineno or s.lineno for s in body), default=1)
        consts = compile(module, self.filename, "exec").co_consts
        code = next(c for c in consts if isinstance(c, CodeType))
        TREES[code] = tree
        return FunctionType(code, self.outer)

    def after(self, function: FunctionType, room: Mapping[str, Any]) -> dict[str, Any]:
        """The names after a run that starts with those of ``room``."""
        with held_in(self.outer, {k: room[k] for k in self.shared}):
            names = function(**{k: v for k, v in room.items() if k not in self.shared})
            return names | {k: self.outer[k] for k in self.shared if k in self.outer}

    def start_with(self, values: Mapping[str, Any], X: Any, Y: Any) -> dict[str, Any]:
        """Fresh copies of all that the statements use, with other parameters and other data."""
        room = copied(self.room)
        old, new = batch_of(self.X, self.Y), batch_of(X, Y)
        held = vars(room["self"]) if hasattr(room.get("self"), "__dict__") else {}
        for names in (room, held):  # m, counted before the loop
            for k, v in names.items():
                if type(v) is int and v == old and (role_of(k) == "m" or k in ("n", "N", "m")):
                    names[k] = new
        for role, given in (("X", X), ("Y", Y)):
            if (place := self.data[role]) is not None:
                put_at(room, place, given)
        tree = self.container(fresh(values))
        others = aliases(SimpleNamespace(**room))
        for place, key in self.keys.items():
            for path in others.get(place, [place]):
                put_at(room, path, tree[key])
        return room

    def truth(self, values: Mapping[str, Any], X: Any, Y: Any) -> tuple[Any, Any]:
        self.last_output = None
        room = self.last_room = self.after(self.ahead, self.start_with(values, X, Y))
        self.last_output = as_array(value_at(room, self.shown)) if self.shown else None
        return (loss_in(value_at(room, self.loss)) if self.loss else None), self.last_output

    def run(self, values: Mapping[str, Any], X: Any, Y: Any, watch: bool = True) -> Run:
        run = Run(stage="backward")
        values = {k: np.array(v) for k, v in values.items()}
        room = self.start_with(values, X, Y)
        tracer = Tracer(watch=watch)
        after, run.failure = attempt(lambda: self.after(self.step, room), tracer=tracer)
        run.events = run.seen = tracer.events
        run.tracer = tracer
        if run.failure:
            return run
        ahead, _ = attempt(lambda: self.truth(values, X, Y))
        run.loss, output = ahead or (None, None)
        # None also for a list of the outputs of several layers
        run.output = attempt(lambda: np.array(output, float))[0] if output is not None else None
        run.stage = "done"
        before = {k: np.asarray(v) for k, v in values.items()}
        self.read(run, before, after)
        if self.descends and watch:
            again = self.once_more(self.start_with(values, X, Y), before, after)
            pairs = [(g, again.gradients.get(k, np.nan)) for k, g in run.gradients.items()]
            if pairs and all(np.any(g) and np.allclose(2 * g, h, 1e-6, 0) for g, h in pairs):
                run.again = again  # else it is momentum, or the state of a recurrent network
        return run

    def once_more(
        self, room: Mapping[str, Any], before: dict[str, Any], after: Mapping[str, Any]
    ) -> Run:
        """The next round from the same parameters, with all else as the first one has left it."""
        room = {k: v if k in self.counters else after.get(k, v) for k, v in room.items()}
        tree = self.container(fresh(before))
        for place, key in self.keys.items():
            put_at(room, place, tree[key])
        again = Run(stage="done")
        after, again.failure = attempt(lambda: self.after(self.step, room))
        if again.failure is None:
            self.read(again, before, after)
        return again

    def read(self, run: Run, before: dict[str, Any], after: Mapping[str, Any]) -> None:
        """The gradients, from the change of the parameters."""
        new = flatten({key: value_at(after, place) for place, key in self.keys.items()})
        new = {k: v for k, v in new.items() if k in before}
        run.updates = True
        run.gradients |= gradients_of_changes(run, before, new, self.learning_rate)
        run.events = run.events + updates_seen(run.events, before, self.learning_rate)


@contextmanager
def held_in(names: dict[str, Any], values: Mapping[str, Any]) -> Iterator[None]:
    """The names with these values for a while."""
    before = {k: names[k] for k in values if k in names}
    names |= values
    try:
        yield
    finally:
        for k in values:
            names.pop(k, None)
        names |= before


def holders_of(paths: Iterable[str]) -> list[str]:
    """What the arrays at these paths are entries of, each once.

    >>> holders_of(["self.W[0]", "self.W[1]", "b", "net.layers[0].b"])
    ['self.W', 'b', 'net.layers[0].b']
    """
    return list(dict.fromkeys(re.sub(r"(\[[^\]]*\])+$", "", path) for path in paths))


class Returned(ast.NodeTransformer):
    """The names of a step where it would return something, which is one of them."""

    def visit_Return(self, node: ast.Return) -> list[ast.stmt]:
        value = node.value or ast.Constant(None)
        kept = ast.Assign([ast.Name("_returned", ast.Store())], value)
        names = ast.Return(ast.Call(ast.Name("locals", ast.Load()), [], []))
        return [ast.copy_location(kept, node), ast.copy_location(names, node)]

    def visit_Global(self, node: ast.Global) -> ast.AST:
        return ast.copy_location(ast.Pass(), node)  # the function of the step says it

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node


def as_list(x: Any) -> list[Any]:
    return x if isinstance(x, list) else [x]


def walk_outside_loops(node: ast.AST) -> Iterator[ast.AST]:
    """What is in a statement, but not in a loop that it has."""
    yield node
    if not isinstance(node, ast.For | ast.While | ast.FunctionDef | ast.ClassDef | ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from walk_outside_loops(child)


def value_at(room: Mapping[str, Any], place: str) -> Any:
    """What stands at a place, ``net.layers[0].W``; None where there is nothing.

    >>> value_at({"a": [1, {"b": 2}]}, "a[1]['b']"), value_at({}, "a.b") is None
    (2, True)
    """
    try:
        return eval(place, {"__builtins__": {}}, dict(room))
    except (NameError, AttributeError, LookupError, TypeError):
        return None


def put_at(room: dict[str, Any], place: str, value: Any) -> None:
    if place.isidentifier():
        room[place] = value
    else:
        exec(f"{place} = value", {"value": value}, room)


def copied(room: Mapping[str, Any]) -> dict[str, Any]:
    """Copies of everything, one holder for what is held twice; what cannot be copied stays itself."""
    try:
        return copy.deepcopy(dict(room))
    except Exception:  # an open file, a generator, a picture
        found = {}
        for k, v in room.items():
            try:
                found[k] = copy.deepcopy(v)
            except Exception:
                found[k] = v
        return found


def is_data(value: Any) -> bool:
    return not isinstance(value, ModuleType | type | Missing | FunctionType | np.ufunc)


def as_floats(value: Any) -> Any:
    """With floats for whole numbers: b = 0 is a parameter too."""
    if isinstance(value, np.ndarray):
        return value.astype(float)
    if isinstance(value, Mapping):
        return {k: as_floats(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([as_floats(v) for v in value])
    return np.float64(value) if isinstance(value, int | float) else value


def as_array(value: Any) -> Any:
    """An array, or a Tensor, of the numbers in a list."""
    if isinstance(value, list) and value and all(np.ndim(v) == 0 for v in value):
        return np.stack(value) if any(isinstance(v, Tensor) for v in value) else np.asarray(value)
    return value


def moved(value: Any) -> Any:
    """The same with every number a little larger."""
    if isinstance(value, Mapping):
        return {k: moved(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([moved(v) for v in value])
    return value + 0.01 if isinstance(value, np.ndarray | np.floating) else value
