"""Training loops: one step of a loop that updates its parameters, in a function, a method or a script.

Much backprop is written without functions: forward pass, gradients and update stand in one loop. The
statements of one step are taken out and made a function of the names that they use. Nothing else of
the loop is run; the gradients are read from the change of the parameters.
"""

from __future__ import annotations

import ast
import builtins
import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from nn.doctor.load import Missing, is_constant
from nn.doctor.naming import TREES, flatten, role_of
from nn.doctor.sandbox import Tracer, attempt
from nn.doctor.subject import (
    Run,
    Subject,
    batch_of,
    gradients_of_changes,
    is_arraylike,
    loss_in,
    updates_seen,
)
from tinygrad_edu import Tensor

Function = ast.FunctionDef | None


@dataclass
class Site:
    """The statements of one training step, and where they stand."""

    body: list[ast.stmt]
    before: list[ast.stmt]  # in the same function, up to the loop
    loops: list[ast.For | ast.While]  # around it, the outermost first
    owner: Function
    kind: str | None  # the class, for a method
    updates: dict[str, ast.stmt] = field(default_factory=dict)

    def changes(self, statement: ast.stmt) -> bool:
        """Whether a parameter is updated in this statement."""
        inner = [statement, *inner_statements(statement)]
        return any(u is s for u in self.updates.values() for s in inner)

    @property
    def line(self) -> int:
        return self.loops[-1].lineno if self.loops else self.body[0].lineno

    @property
    def title(self) -> str:
        names = [n for n in (self.kind, self.owner and self.owner.name) if n]
        where = ".".join(names)
        return f"the training step at line {self.line}" + (f" of {where}" if where else "")


def sites(trees: list[ast.stmt]) -> Iterator[Site]:
    """The training steps in the text of a file: the innermost blocks that compute with parameters and
    then change them by what they have computed."""
    inside = {
        f.name: reads(f) for t in trees for f in ast.walk(t) if isinstance(f, ast.FunctionDef)
    }

    def visit(
        body: list[ast.stmt],
        before: list[ast.stmt],
        loops: list[ast.For | ast.While],
        owner: Function,
        kind: str | None,
    ) -> Iterator[Site]:
        found = False
        for i, s in enumerate(body):
            inner: Iterator[Site] = iter(())
            if isinstance(s, ast.ClassDef):
                inner = visit(s.body, [], [], None, s.name)
            elif isinstance(s, ast.FunctionDef):
                inner = visit(s.body, [], [], s, kind)
            elif isinstance(s, ast.For | ast.While):
                inner = visit(s.body, [*before, *body[:i]], [*loops, s], owner, kind)
            elif isinstance(s, ast.If | ast.With):
                inner = visit(s.body, [*before, *body[:i]], loops, owner, kind)
            for site in inner:
                found = found or not isinstance(s, ast.ClassDef | ast.FunctionDef)
                yield site
        if not found and (loops or owner is not None):
            updates = updates_in(body, inside)
            if updates:
                yield Site(body, before, loops, owner, kind, updates)

    yield from visit(trees, [], [], None, None)


def reads(tree: ast.AST) -> set[str]:
    """The names and the attributes of self that are read."""
    return {
        text
        for n in ast.walk(tree)
        if isinstance(getattr(n, "ctx", None), ast.Load) and (text := place_of(n)) is not None
    }


def place_of(node: ast.AST) -> str | None:
    """A name, or an attribute of self, as a text; of an entry, that in which it stands."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"self.{node.attr}" if node.value.id == "self" else None
    return place_of(node.value) if isinstance(node, ast.Subscript) else None


def stored(statement: ast.stmt) -> list[ast.expr]:
    """What a statement assigns to."""
    if isinstance(statement, ast.Assign):
        return [
            e
            for t in statement.targets
            for e in (t.elts if isinstance(t, ast.Tuple | ast.List) else [t])
        ]
    if isinstance(statement, ast.AugAssign | ast.AnnAssign):
        return [statement.target]
    return []


def updated(statement: ast.stmt) -> str | None:
    """The place that ``W -= step`` or ``W = W - step`` updates."""
    if isinstance(statement, ast.AugAssign):
        sums = isinstance(statement.op, ast.Add | ast.Sub)
        return place_of(statement.target) if sums else None
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.BinOp):
        value, target = statement.value, statement.targets[0]
        same = ast.unparse(target) in (ast.unparse(value.left), ast.unparse(value.right))
        if same and isinstance(value.op, ast.Add | ast.Sub):
            return place_of(target)
    return None


def updates_in(body: list[ast.stmt], inside: Mapping[str, set[str]]) -> dict[str, ast.stmt]:
    """The places that are updated by something that was computed from them, with the statement."""
    flat = [n for s in body for n in [s, *inner_statements(s)]]
    found: dict[str, ast.stmt] = {}
    for place in dict.fromkeys(p for s in flat if (p := updated(s)) is not None):
        derived = {place}
        for s in flat:
            used = reads(s)
            for call in (n for n in ast.walk(s) if isinstance(n, ast.Call)):
                used |= inside.get(getattr(call.func, "attr", getattr(call.func, "id", "")), set())
            if updated(s) == place and isinstance(s, ast.AugAssign | ast.Assign):
                if (reads(s.value) - {place}) & (derived - {place}):
                    found[place] = s
                continue
            if used & derived:
                derived |= {p for t in stored(s) if (p := place_of(t)) is not None}
                if place in derived and any(place_of(t) == place for t in stored(s)):
                    break  # assigned anew: not a parameter
    return found


def inner_statements(statement: ast.stmt) -> list[ast.stmt]:
    parts = [getattr(statement, name, []) for name in ("body", "orelse")]
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return []
    return [n for part in parts for s in part for n in [s, *inner_statements(s)]]


class TrainingStep(Subject):
    """The statements of a site as a subject: the data that they use go in, their variables come out."""

    descends = True
    reports_cost = True

    def __init__(
        self,
        site: Site,
        room: Mapping[str, Any],
        filename: str,
        inputs: Any = None,
        targets: Any = None,
    ):
        self.site = site
        last = max(i for i, s in enumerate(site.body) if site.changes(s))
        body = site.body[: last + 1]
        names = {root(p) for s in body for n in ast.walk(s) if (p := place_of(n)) is not None}
        self.room = {k: room[k] for k in sorted(names) if k in room and is_data(room[k])}
        self.keys = {p: p.removeprefix("self.") for p in site.updates if self.value(p) is not None}
        held = {key: as_floats(self.value(p)) for p, key in self.keys.items()}
        read = [p for s in body for p in sorted(reads(s))]
        self.data = {role: self.data_name(role, read) for role in ("X", "Y")}
        for role, given in (("X", inputs), ("Y", targets)):
            if self.data[role] is None and given is not None:
                same = [p for p in read if self.value(p) is given]
                self.data[role] = same[0] if same else None
        X, Y = (self.value(self.data[role]) for role in ("X", "Y"))
        X = np.zeros((1, 1)) if X is None else np.asarray(X, float)
        super().__init__(held, X, None if Y is None else np.asarray(Y))
        index, self.loss, self.shown = self.marks(body)
        self.step = self.function(body, filename, room)
        ahead = body[:index]
        if self.loss is None and index < len(body):
            output = output_in(body[index], {self.data["Y"]})
            if output is not None:
                self.shown = "_output"
                assign = ast.Assign([ast.Name("_output", ast.Store())], output)
                ahead = [*ahead, ast.copy_location(assign, body[index])]
        self.ahead = self.function(ahead, filename, room)
        self.learning_rate = self.rate()

    # --- names

    def value(self, place: str | None) -> Any:
        """What stands at a place before the step; None where there is nothing."""
        return value_at(self.room, place) if place is not None else None

    def data_name(self, role: str, read: list[str]) -> str | None:
        """The array that is the input, or the targets: by its name, the first that is read."""
        arrays = [p for p in read if p not in self.keys and is_arraylike(self.value(p))]
        return next((p for p in arrays if role_of(p.rpartition(".")[2]) == role), None)

    def marks(self, body: list[ast.stmt]) -> tuple[int, str | None, str | None]:
        """Where the forward pass ends, and the name of the loss or of the output."""
        computed, targets, output = set(self.keys), {self.data["Y"]}, None
        for i, s in enumerate(body):
            if self.site.changes(s):
                break
            names = [p for t in stored(s) if (p := place_of(t)) is not None]
            used = reads(s)
            if used & computed or any(isinstance(n, ast.Call) for n in ast.walk(s)):
                for name in names:
                    low = name.rpartition(".")[2].lower()
                    is_loss = role_of(low) == "cost" or "loss" in low or "cost" in low
                    if is_loss and "abs(" not in ast.unparse(s):
                        return i + 1, name, output
            if used & computed and used & targets and (output or output_in(s, targets)):
                later = self.marks_of_loss(body[i:])
                return (i, None, output) if later is None else (i + later[0], later[1], output)
            if used & computed and names:
                computed |= set(names)
                output = names[-1]
            elif used & targets:
                targets |= set(names)
        return len(body), None, output

    def marks_of_loss(self, body: list[ast.stmt]) -> tuple[int, str] | None:
        """A loss that is assigned further on, before the update."""
        for i, s in enumerate(body):
            if self.site.changes(s):
                return None
            for target in stored(s):
                low = (place_of(target) or "").rpartition(".")[2].lower()
                is_loss = role_of(low) == "cost" or "loss" in low or "cost" in low
                if is_loss and "abs(" not in ast.unparse(s):
                    return i + 1, str(place_of(target))
        return None

    def rate(self) -> float:
        """The learning rate: the number in the updates that is not computed in the step."""
        found = set()
        for s in self.site.updates.values():
            numbers = [self.value(p) for p in sorted(reads(s)) if p not in self.keys]
            found |= {float(v) for v in numbers if isinstance(v, float) and 0 < abs(v) < 1}
        return found.pop() if len(found) == 1 else 1.0

    # --- running

    def function(
        self, body: list[ast.stmt], filename: str, room: Mapping[str, Any]
    ) -> FunctionType:
        """The statements as a function of the names that they use, which returns its variables."""
        name = self.site.owner.name if self.site.owner is not None else "<module>"
        own = ast.Return(ast.Call(ast.Name("locals", ast.Load()), [], []))
        arguments = ast.arguments([], [ast.arg(n) for n in self.room], None, [], [], None, [])
        body = [Mangled(self.site.kind).visit(s) for s in copy.deepcopy(body)]
        tree = ast.FunctionDef(name, arguments, [*body, own], [], None)
        tree.__dict__.setdefault("type_params", [])  # from Python 3.12 on
        start = body[0].lineno if body else 1
        ast.copy_location(own, body[-1] if body else tree)
        module = ast.fix_missing_locations(ast.Module([ast.copy_location(tree, own)], []))
        tree.lineno = start
        code = next(
            c for c in compile(module, filename, "exec").co_consts if isinstance(c, CodeType)
        )
        TREES[code] = tree
        return FunctionType(code, dict(room))

    def start_with(self, values: Mapping[str, Any], X: Any, Y: Any) -> dict[str, Any]:
        """Fresh copies of all that the step uses, with other parameters and other data."""
        room = copy.deepcopy(self.room)
        old, new = batch_of(self.X, self.Y), batch_of(X, Y)
        held = vars(room["self"]) if hasattr(room.get("self"), "__dict__") else {}
        for names in (room, held):  # m, counted before the loop
            for k, v in names.items():
                if type(v) is int and v == old and (role_of(k) == "m" or k in ("n", "N", "m")):
                    names[k] = new
        if self.data["X"] is not None:
            put_at(room, self.data["X"], X)
        if self.data["Y"] is not None:
            put_at(room, self.data["Y"], Y)
        tree = self.container(
            {k: v if isinstance(v, Tensor) else np.array(v) for k, v in values.items()}
        )
        for place, key in self.keys.items():
            put_at(room, place, tree[key])
        return room

    def truth(self, values: Mapping[str, Any], X: Any, Y: Any) -> tuple[Any, Any]:
        self.last_output = None
        room = self.ahead(**self.start_with(values, X, Y))
        self.last_output = value_at(room, self.shown) if self.shown else None
        return (loss_in(value_at(room, self.loss)) if self.loss else None), self.last_output

    def run(self, values: Mapping[str, Any], X: Any, Y: Any, watch: bool = True) -> Run:
        run = Run(stage="backward")
        values = {k: np.array(v) for k, v in values.items()}
        room = self.start_with(values, X, Y)
        tracer = Tracer(watch=watch)
        after, run.failure = attempt(lambda: self.step(**room), tracer=tracer)
        run.events = run.seen = tracer.events
        run.tracer = tracer
        if run.failure:
            return run
        (run.loss, output), _ = attempt(lambda: self.truth(values, X, Y))
        run.output = None if output is None else np.array(output)
        run.stage = "done"
        run.updates = True
        new = flatten({key: value_at(after, place) for place, key in self.keys.items()})
        before = {k: np.asarray(v) for k, v in values.items()}
        new = {k: v for k, v in new.items() if k in before}
        run.gradients |= gradients_of_changes(run, before, new, self.learning_rate)
        run.events = run.events + updates_seen(run.events, before, self.learning_rate)
        return run


class Mangled(ast.NodeTransformer):
    """The names of private attributes as the class makes them: self.__sigmoid."""

    def __init__(self, kind: str | None):
        self.kind = kind

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if self.kind and node.attr.startswith("__") and not node.attr.endswith("__"):
            node.attr = f"_{self.kind.lstrip('_')}{node.attr}"
        return node


def output_in(statement: ast.stmt, targets: set[Any]) -> ast.expr | None:
    """The output in the assignment of an error: error = sigmoid(X @ w) - y, or y minus that."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.BinOp):
        return None
    value = statement.value
    sides = [value.left, value.right]
    of_targets = [bool(reads(side) & targets) for side in sides]
    if not isinstance(value.op, ast.Sub) or of_targets in ([True, True], [False, False]):
        return None
    output = sides[of_targets.index(False)]
    return None if isinstance(output, ast.Name | ast.Attribute | ast.Subscript) else output


def root(place: str) -> str:
    return place.partition(".")[0]


def value_at(room: Mapping[str, Any], place: str) -> Any:
    name, _, attribute = place.partition(".")
    value = room.get(name)
    return getattr(value, attribute, None) if attribute else value


def put_at(room: dict[str, Any], place: str, value: Any) -> None:
    name, _, attribute = place.partition(".")
    if attribute:
        setattr(room[name], attribute, value)
    else:
        room[name] = value


def is_data(value: Any) -> bool:
    return not isinstance(value, ModuleType | type | Missing) and not callable(value)


def as_floats(value: Any) -> Any:
    """With floats for whole numbers: b = 0 is a parameter too."""
    if isinstance(value, np.ndarray):
        return value.astype(float)
    if isinstance(value, Mapping):
        return {k: as_floats(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([as_floats(v) for v in value])
    return np.float64(value) if isinstance(value, int | float) else value


# --- the surroundings of a step -------------------------------------------------------------------


def surroundings(
    site: Site, names: Mapping[str, Any], given: Mapping[str, Any], data: Mapping[str, Any]
) -> dict[str, Any]:
    """The names that the step finds: what stands before the loop is executed with ``given`` arguments,
    and ``data``, by role, for names that nothing defines."""
    room = {**names, **given}

    def execute(statement: ast.stmt) -> None:
        code = compile(ast.fix_missing_locations(ast.Module([statement], [])), "<before>", "exec")
        for _ in range(6):
            _, failure = attempt(lambda: exec(code, room), seconds=1, seed=3)
            error = failure.error if failure is not None else None
            if not isinstance(error, NameError) or error.name is None:
                return
            value = guess(error.name, site, data)
            if value is None:
                return
            room[error.name] = value

    for s in site.before:
        if is_constant(s) if site.owner is None else not isinstance(s, ast.For | ast.While):
            execute(copy.deepcopy(s))
    for loop in site.loops:
        if isinstance(loop, ast.For):
            first = ast.parse("_ = next(iter(_))").body[0]
            assert isinstance(first, ast.Assign) and isinstance(first.value, ast.Call)
            first.value.args = [
                ast.Call(ast.Name("iter", ast.Load()), [copy.deepcopy(loop.iter)], [])
            ]
            first.targets = [copy.deepcopy(loop.target)]
            execute(first)
    for s in site.body:
        for n in ast.walk(s):
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load):
                known = n.id in room or hasattr(builtins, n.id)
                value = None if known else guess(n.id, site, data)
                if value is not None and not any(
                    n.id in map(place_of, stored(t)) for t in site.body
                ):
                    room[n.id] = value
    return room


def guess(name: str, site: Site, data: Mapping[str, Any]) -> Any:
    """A value for a name that nothing defines, by what such a name means, or by its use."""
    role = role_of(name)
    if role is not None and role in data:
        return data[role]
    text = "\n".join(ast.unparse(s) for s in [*site.before, *site.body])
    if re.search(rf"range\({name}\)|/ \(?{name}\b", text):
        return data.get("m")
    return None if role is not None else data.get("X")
