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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from nn.doctor.load import Room, is_constant
from nn.doctor.naming import role_of
from nn.doctor.sandbox import attempt
from nn.doctor.statements import Statements, value_at
from nn.doctor.subject import arrays_of, is_arraylike

Function = ast.FunctionDef | None


@dataclass
class Site:
    """The statements of one training step, and where they stand."""

    body: list[ast.stmt]
    before: list[ast.stmt]  # in the same function, up to the loop
    loops: list[ast.For | ast.While]  # around it, the outermost first
    owner: Function
    kind: str | None  # the class, for a method
    updates: dict[str, ast.stmt] = field(default_factory=dict)  # none where other code updates
    file: str = ""

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


def sites(room: Room) -> Iterator[Site]:
    """The training steps in the text of a file: the innermost blocks that compute with parameters and
    then change them by what they have computed; loops that leave this to what they call, too."""
    trees = room.statements
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
                inner = visit(Mangled(s.name).visit(copy.deepcopy(s)).body, [], [], None, s.name)
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
            if updates or (loops and calls_with_targets(body)):
                yield Site(body, before, loops, owner, kind, updates)

    for i, s in enumerate(trees):
        for site in visit([s], trees[:i], [], None, None):
            site.file = room.files[s]
            yield site


def calls_with_targets(body: list[ast.stmt]) -> bool:
    """Whether something is called, and the targets are used."""
    nodes = [n for s in body for n in ast.walk(s)]
    names = {str(getattr(n, "attr", getattr(n, "id", ""))) for n in nodes}
    return any(isinstance(n, ast.Call) for n in nodes) and "Y" in map(role_of, names)


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


def stored_inside(statement: ast.stmt) -> list[ast.expr]:
    """What a statement assigns to, or those that it repeats or decides."""
    return [t for s in [statement, *inner_statements(statement)] for t in stored(s)]


def inner_statements(statement: ast.stmt) -> list[ast.stmt]:
    parts = [getattr(statement, name, []) for name in ("body", "orelse")]
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return []
    return [n for part in parts for s in part for n in [s, *inner_statements(s)]]


class TrainingStep(Statements):
    """The statements of a site as a subject, up to the last update."""

    descends = True
    reports_cost = True

    def __init__(
        self, site: Site, room: Mapping[str, Any], inputs: Any = None, targets: Any = None
    ):
        self.site = site
        last = max((i for i, s in enumerate(site.body) if site.changes(s)), default=len(site.body))
        body = site.body[: last + 1]
        read = [p for s in body for p in sorted(reads(s))]
        data = {role: data_name(role, read, site, room) for role in ("X", "Y")}
        for role, given in (("X", inputs), ("Y", targets)):
            if data[role] is None and given is not None:
                same = [p for p in read if value_at(room, p) is given]
                data[role] = same[0] if same else None
        name = site.owner.name if site.owner is not None else "<module>"
        places = list(site.updates) or None
        super().__init__(body, room, site.file, name, places=places, data=data)
        self.learning_rate = self.rate()

    def marks(
        self, body: Sequence[ast.stmt], places: Sequence[str] | None
    ) -> tuple[str | None, str | None, Sequence[ast.stmt]]:
        index, loss, shown = self.end_of_forward(body, places)
        ahead = list(body[:index])
        if loss is None and index < len(body):
            output = output_in(body[index], {self.data["Y"]})
            if output is not None:
                shown = "_output"
                assign = ast.Assign([ast.Name("_output", ast.Store())], output)
                ahead.append(ast.copy_location(assign, body[index]))
        return loss, shown, ahead

    def end_of_forward(
        self, body: Sequence[ast.stmt], places: Sequence[str] | None
    ) -> tuple[int, str | None, str | None]:
        """Where the forward pass ends, and the name of the loss or of the output."""
        computed, targets, output = set(places or self.holders()), {self.data["Y"]}, None
        for i, s in enumerate(body):
            if self.site.changes(s):
                break
            names = [p for t in stored_inside(s) if (p := place_of(t)) is not None]
            used = reads(s)
            if used & computed or any(isinstance(n, ast.Call) for n in ast.walk(s)):
                for name in names:
                    if is_loss(name, s):
                        return i + 1, name, output
            if used & computed and used & targets and (output or output_in(s, targets)):
                later = self.loss_later(body[i:])
                return (i, None, output) if later is None else (i + later[0], later[1], output)
            if used & computed and names:
                computed |= set(names)
                output = names[-1]
            elif used & targets:
                targets |= set(names)
        return len(body), None, output

    def holders(self) -> list[str]:
        """The names of what holds arrays, where it is not known which of them are the parameters."""
        data = [root(p) for p in self.data.values() if p is not None]
        held = arrays_of(SimpleNamespace(**self.room), numbers=True)
        return [n for n in dict.fromkeys(map(root, held)) if n not in data or n == "self"]

    def loss_later(self, body: Sequence[ast.stmt]) -> tuple[int, str] | None:
        """A loss that is assigned further on, before the update."""
        for i, s in enumerate(body):
            if self.site.changes(s):
                return None
            for target in stored(s):
                if (name := place_of(target)) is not None and is_loss(name, s):
                    return i + 1, name
        return None

    def rate(self) -> float:
        """The learning rate: the number in the updates that is not computed in the step."""
        found = set()
        for s in self.site.updates.values():
            numbers = [self.value(p) for p in sorted(reads(s)) if p not in self.keys]
            found |= {float(v) for v in numbers if isinstance(v, float) and 0 < abs(v) < 1}
        return found.pop() if len(found) == 1 else 1.0


def data_name(role: str, read: list[str], site: Site, room: Mapping[str, Any]) -> str | None:
    """The array that is the input, or the targets: by its name, the first that is read."""
    arrays = [p for p in read if p not in site.updates and is_arraylike(value_at(room, p))]
    return next((p for p in arrays if role_of(p.rpartition(".")[2]) == role), None)


def is_loss(place: str, statement: ast.stmt) -> bool:
    """Whether a statement assigns the loss, by the name of what it assigns to."""
    low = place.rpartition(".")[2].lower()
    named = role_of(low) == "cost" or "loss" in low or "cost" in low
    return named and "abs(" not in ast.unparse(statement)


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
    return re.split(r"[.\[]", place)[0]


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
