"""Training loops: one step of a loop that updates its parameters, in a function, a method or a script.

Much backprop is written without functions: forward pass, gradients and update stand in one loop. The
statements of one step are taken out and made a function of the names that they use. Nothing else of
the loop is run; the gradients are read from the change of the parameters.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from nn.doctor.load import DEFINITIONS, Room
from nn.doctor.naming import Mangled, last_name, of_numbers, required, role_of
from nn.doctor.pretend import Smaller, acting
from nn.doctor.reading import is_training_loop
from nn.doctor.report import Cause
from nn.doctor.sandbox import Event, attempt, place
from nn.doctor.statements import Statements, held_in, value_at
from nn.doctor.subject import arrays_of, is_arraylike, loss_in

Function = ast.FunctionDef | None


@dataclass
class Site:
    """The statements of one training step, and where they stand."""

    body: list[ast.stmt]
    loops: list[ast.For | ast.While]  # around it, the outermost first
    owner: Function
    kind: str | None  # the class, for a method
    updates: dict[str, ast.stmt] = field(default_factory=dict)  # none where other code updates
    file: str = ""
    inner: dict[str, ast.stmt] = field(default_factory=dict)  # updates of a step inside
    ready: int = 0  # the line where all parameters are there, if it is not the first of the step

    def changes(self, statement: ast.stmt) -> bool:
        """Whether a parameter is known to be updated in this statement."""
        return is_inside(self.updates.values(), statement)

    @property
    def step(self) -> list[ast.stmt]:
        """The statements of one step, as far as they are known to belong to it."""
        known = self.updates or self.inner
        ends = [i for i, s in enumerate(self.body) if is_inside(known.values(), s)]
        last = max(ends, default=len(self.body))
        body, later = self.body[: last + 1], self.body[last + 1 :]
        if first := turned(body, later, known):
            return without_talk(first)
        return without_talk([*body, *kept_for_later(body, later)] if self.updates else self.body)

    @property
    def start(self) -> tuple[str, int]:
        """Its file, or cell, and the first line that is run."""
        first = next((s for s in self.body if not isinstance(s, ast.Global)), self.body[0])
        return self.file, self.ready or first.lineno

    @property
    def shows_loss(self) -> bool:
        """Whether a loss is assigned in the step."""
        inner = [n for s in self.body for n in [s, *inner_statements(s)]]
        return any(
            is_loss(p, s) for s in inner for t in stored(s) if (p := place_of(t)) is not None
        )

    @property
    def line(self) -> int:
        return self.loops[-1].lineno if self.loops else self.body[0].lineno

    @property
    def title(self) -> str:
        names = [n for n in (self.kind, self.owner and self.owner.name) if n]
        where = ".".join(names)
        return f"the training step at {place(self.file, self.line)}" + (where and f" of {where}")


def is_inside(statements: Iterable[ast.stmt], statement: ast.stmt) -> bool:
    inside = [statement, *inner_statements(statement)]
    return any(u is s for u in statements for s in inside)


def sites(room: Room) -> Iterator[Site]:
    """The training steps in the text of a file: the innermost blocks that compute with parameters and
    then change them by what they have computed; loops that leave this to what they call, too.

    Numbers of examples are those of the invented data, as in the file's own run.
    """
    files = {Smaller().visit(copy.deepcopy(s)): room.files[s] for s in room.statements}
    trees = list(files)
    inside = {
        f.name: reads(f) for t in trees for f in ast.walk(t) if isinstance(f, ast.FunctionDef)
    }

    def visit(
        body: list[ast.stmt],
        loops: list[ast.For | ast.While],
        owner: Function,
        kind: str | None,
    ) -> Iterator[Site]:
        found = False
        for i, s in enumerate(body):
            inner: Iterator[Site] = iter(())
            if isinstance(s, ast.ClassDef):
                inner = visit(Mangled(s.name).visit(copy.deepcopy(s)).body, [], None, s.name)
            elif isinstance(s, ast.FunctionDef):
                inner = visit(s.body, [], s, kind)
            elif isinstance(s, ast.For | ast.While):
                inner = visit(s.body, [*loops, s], owner, kind)
            elif isinstance(s, ast.If | ast.With):
                inner = visit(s.body, loops, owner, kind)
            for site in inner:
                if isinstance(s, ast.For | ast.While) and feeds(body[:i], s, site.updates):
                    continue  # a loop over the layers: the step begins before it
                inside_it = not isinstance(s, ast.ClassDef | ast.FunctionDef)
                found = found or (inside_it and bool(site.updates))
                yield site
        if not found and (loops or owner is not None):
            updates = updates_in(body, inside)
            if updates or (loops and calls_any(body, inside)):
                yield Site(body, loops, owner, kind, updates)

    steps = False
    for s in trees:
        for site in visit([s], [], None, None):
            steps = steps or (site.owner is None and bool(site.updates))
            site.file = files[s]
            yield site
    if not steps and len(set(files.values())) == 1:
        yield from straight(files, inside)


def around(site: Site) -> Iterator[Site]:
    """The step, and what it may be a part of: the loops around it, inside out, and its function."""
    yield site
    for i in range(len(site.loops) - 1, -1, -1):
        if (body := site.loops[i].body) is not site.body:
            yield replace(
                site, body=body, loops=site.loops[: i + 1], updates={}, inner=site.updates
            )
    whole = not (site.loops and site.updates) and not any(map(is_training_loop, site.loops))
    if site.owner is not None and whole:
        body = site.owner.body
        if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body = body[1:]
        if body:
            yield replace(site, body=body, loops=[], updates={}, inner=site.updates)


def straight(files: Mapping[ast.stmt, str], inside: Mapping[str, set[str]]) -> Iterator[Site]:
    """A single step in a script without a loop over the data."""
    body = [s for s in files if not isinstance(s, (*DEFINITIONS, ast.Import, ast.ImportFrom))]
    for new, old in new_names(body).items():  # for the next round, which is not there
        if re.fullmatch(rf"(?:new|next|upd\w*)_?{old}|{old}_?(?:new|next|upd\w*|1)", new, re.I):
            kept = ast.Assign([ast.Name(old, ast.Store())], ast.Name(new, ast.Load()))
            body.append(ast.fix_missing_locations(ast.copy_location(kept, body[-1])))
    updates = updates_in(body, inside)
    first = [
        i
        for i, s in enumerate(body)
        if updated_in(s) is None
        and not is_inside(updates.values(), s)
        and set(updates) & places_of(stored(s))
    ]
    start = max(first, default=-1) + 1
    derived, ahead = set(updates), []
    for i, s in enumerate(body[:start]):  # a layer is computed before the next one is made
        if i not in first and reads(s) & derived:
            ahead.append(s)
            derived |= places_of(stored(s))
    if updates:
        ready = body[start].lineno if ahead else 0
        yield Site(ahead + body[start:], [], None, None, updates, files[body[0]], ready=ready)


def feeds(before: list[ast.stmt], loop: ast.stmt, places: Iterable[str]) -> bool:
    """Whether a loop goes on with what was computed of the parameters before it."""
    derived, known = set(places), set(places)
    made = {p for b in before for t in stored(b) if updated_in(b) is None and (p := place_of(t))}
    if known and known <= made:
        return False  # what is computed there of a new parameter is for the optimiser
    for s in (n for b in before for n in [b, *inner_statements(b)]):
        if reads(own_part(s)) & derived:
            derived |= places_of(stored(s))
    return bool((derived - known) & reads(loop))


def calls_any(body: list[ast.stmt], names: Iterable[str]) -> bool:
    """Whether a function or a method of the file is called."""
    calls = (n.func for s in body for n in ast.walk(s) if isinstance(n, ast.Call))
    return any(last_name(f) in names for f in calls)


def reads(tree: ast.AST) -> set[str]:
    """The names and the attributes of self that are read."""
    return {
        text
        for n in ast.walk(tree)
        if isinstance(getattr(n, "ctx", None), ast.Load) and (text := place_of(n)) is not None
    }


def place_of(node: ast.AST) -> str | None:
    """A name, or an attribute of one, as a text; of an entry, that in which it stands."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and node.attr not in ("T", "shape", "size", "ndim"):
        owner = node.value
        above = place_of(owner) if isinstance(owner, ast.Name | ast.Attribute) else None
        return None if above is None else f"{above}.{node.attr}"
    return place_of(node.value) if isinstance(node, ast.Subscript) else None


def places_of(targets: Iterable[ast.expr]) -> set[str]:
    return {p for t in targets if (p := place_of(t)) is not None}


def stored(statement: ast.stmt) -> list[ast.expr]:
    """What a statement assigns to, or puts something into."""
    if isinstance(statement, ast.Assign | ast.For):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        parts = [t.elts if isinstance(t, ast.Tuple | ast.List) else [t] for t in targets]
        return [e for part in parts for e in part]
    if isinstance(statement, ast.AugAssign | ast.AnnAssign):
        return [statement.target]
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        f = statement.value.func
        if isinstance(f, ast.Attribute) and f.attr in ("append", "extend", "insert"):
            return [f.value]
    return []


def new_names(statements: Iterable[ast.stmt]) -> dict[str, str]:
    """The variables that are a parameter and something more, W_new for ``W_new = W - step``."""
    return {
        s.targets[0].id: s.value.left.id
        for s in statements
        if isinstance(s, ast.Assign)
        and isinstance(s.targets[0], ast.Name)
        and isinstance(s.value, ast.BinOp)
        and isinstance(s.value.op, ast.Add | ast.Sub)
        and isinstance(s.value.left, ast.Name)
        and s.targets[0].id != s.value.left.id
    }


def updated_in(statement: ast.stmt) -> str | None:
    """The place that ``W -= step``, ``W = W - step`` or ``W = updated(W, step)`` updates."""
    if isinstance(statement, ast.AugAssign):
        sums = isinstance(statement.op, ast.Add | ast.Sub)
        return place_of(statement.target) if sums else None
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.BinOp):
        value, target = statement.value, statement.targets[0]
        same = ast.unparse(target) in (ast.unparse(value.left), ast.unparse(value.right))
        if same and isinstance(value.op, ast.Add | ast.Sub):
            return place_of(target)
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
        own, given = ast.unparse(statement.targets[0]), statement.value.args
        if len(given) > 1 and own in map(ast.unparse, given):
            return place_of(statement.targets[0])
    return None


def updates_in(body: list[ast.stmt], inside: Mapping[str, set[str]]) -> dict[str, ast.stmt]:
    """The places that are updated by something that was computed from them, with the statement."""
    flat = [n for s in body for n in [s, *inner_statements(s)]]
    found: dict[str, ast.stmt] = {}
    renamed = new_names(flat)

    def updated(s: ast.stmt) -> str | None:
        if isinstance(s, ast.Assign) and ast.unparse(s.value) in renamed:
            place = place_of(s.targets[0])
            return place if place == renamed[ast.unparse(s.value)] else None
        return updated_in(s)

    for name in dict.fromkeys(p for s in flat if (p := updated(s)) is not None):
        derived = {name}
        for s in flat * 2:  # what a loop hands on to its next round is derived too
            used = reads(own_part(s))
            for call in (n for n in ast.walk(own_part(s)) if isinstance(n, ast.Call)):
                used |= inside.get(last_name(call.func), set())
            if updated(s) == name and isinstance(s, ast.AugAssign | ast.Assign):
                if (reads(s.value) - {name}) & (derived - {name}):
                    found[name] = s
                continue
            if used & derived:
                derived |= places_of(stored(s))
                if name in derived and any(place_of(t) == name for t in stored(s)):
                    break  # assigned anew: not a parameter
    return found


def own_part(statement: ast.stmt) -> ast.AST:
    """A statement without those that it repeats or decides: what a loop goes through, a condition."""
    if isinstance(statement, ast.For):
        return statement.iter
    return statement.test if isinstance(statement, ast.If | ast.While) else statement


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
    own_data = True
    compared = False  # whether its output was seen to be compared with targets

    def __init__(
        self,
        site: Site,
        room: Mapping[str, Any],
        *,
        targets: Any = None,
        places: Sequence[str] | None = None,
        shared: Iterable[str] = (),
        home: dict[str, Any] | None = None,
    ):
        self.site = site
        loops = [s.target for s in site.loops if isinstance(s, ast.For)]
        self.counters = {n.id for t in loops for n in ast.walk(t) if isinstance(n, ast.Name)}
        body = site.step
        read = [p for s in body for p in sorted(reads(s))]
        data = {role: data_name(role, read, site, room) for role in ("X", "Y")}
        if targets is not None:
            data = by_value(data, [p for p in read if p not in site.updates], targets, room)
        name = site.owner.name if site.owner is not None else "<module>"
        places = places or self.places_known()
        self.own_cost: ast.Call | None = None  # where the step keeps none
        super().__init__(
            body, room, site.file, name, places=places, data=data, shared=shared, home=home
        )
        self.learning_rate = self.rate()
        for update in list(site.updates.values())[:1]:
            self.update_at = Event(name, site.file, update.lineno, "", np.zeros(0))

    def places_known(self) -> list[str] | None:
        """The places of the parameters, as far as the text says them."""
        return list(self.site.updates) or None

    def marks(
        self, body: Sequence[ast.stmt], places: Sequence[str] | None
    ) -> tuple[str | None, str | None, Sequence[ast.stmt]]:
        index, loss, shown = self.end_of_forward(body, places)
        ahead = list(body[:index])
        if loss is None and index < len(body):
            output = output_side(body[index], self.targets(), None)
            if output is not None and whole_place(body[index], output) is None:
                shown = "_output"
                assign = ast.Assign([ast.Name("_output", ast.Store())], output)
                ahead.append(ast.copy_location(assign, body[index]))
        return loss, shown, ahead

    def end_of_forward(
        self, body: Sequence[ast.stmt], places: Sequence[str] | None
    ) -> tuple[int, str | None, str | None]:
        """Where the forward pass ends, and the name of the loss or of the output."""
        computed, targets, output = set(places or self.holders()), self.targets(), None
        for i, s in enumerate(body):
            if self.site.changes(s):
                break
            names = [p for t in stored_inside(s) if (p := place_of(t)) is not None]
            used = reads(s)
            computes = used & computed or any(isinstance(n, ast.Call) for n in ast.walk(s))
            if computes and (loss := loss_among(names, s)) is not None:
                return i + 1, loss, output
            if any(p.startswith("self.") for p in computed) and calls_own(s):
                used |= computed
            side = output_side(s, targets, computed)
            if used & computed and used & targets and (output or side is not None):
                output = (side is not None and whole_place(s, side)) or output
                later = self.loss_later(body[i:])
                return (i, None, output) if later is None else (i + later[0], later[1], output)
            if used & computed and names:
                computed |= set(names)
                output = result_of(names)
            elif used & targets:
                targets |= set(names)
        return len(body), None, output

    def targets(self) -> set[str]:
        """The name of the targets; of an autoencoder they are the input."""
        place = self.data["Y"] or self.data["X"]
        return set() if place is None else {root_of_place(place)}

    def holders(self) -> list[str]:
        """The names of what holds arrays, where it is not known which of them are the parameters."""
        data = [root(p) for p in self.data.values() if p is not None]
        held = arrays_of(SimpleNamespace(**self.room), numbers=True, lists=True)
        return [n for n in dict.fromkeys(map(root, held)) if n not in data or n == "self"]

    def loss_later(self, body: Sequence[ast.stmt]) -> tuple[int, str] | None:
        """A loss that is assigned further on, before the update."""
        for i, s in enumerate(body):
            if self.site.changes(s):
                return None
            names = [p for t in stored(s) if (p := place_of(t)) is not None]
            if (loss := loss_among(names, s)) is not None:
                return i + 1, loss
        return None

    def truth(self, values: Mapping[str, Any], X: Any, Y: Any) -> tuple[Any, Any]:
        loss, output = super().truth(values, X, Y)
        name = self.loss or ""
        if loss is None and output is not None and Y is not None and self.own_cost is not None:
            loss, name = self.shown_cost(self.own_cost), last_name(self.own_cost.func)
            self.shows_it = loss is not None
        self.grows = is_likelihood(name)
        loss = -loss if loss is not None and self.grows else loss
        return loss, output

    def shown_cost(self, call: ast.Call) -> Any:
        """What the call of a cost gives after the forward pass; None if that is not one number."""
        names = self.outer | self.last_room
        with held_in(self.outer, {k: names[k] for k in self.shared if k in names}):
            value, _ = attempt(lambda: eval(compile(ast.Expression(call), "<cost>", "eval"), names))
        loss = loss_in(value)
        return loss if np.size(getattr(loss, "data", loss)) == 1 else None

    def after(self, function: FunctionType, room: Mapping[str, Any]) -> dict[str, Any]:
        with acting():  # a score that is printed, a bar of progress
            return super().after(function, room)

    def known_mistake(self, name: str, values: Any, rights: Any, trial: Any) -> Cause | None:
        """A parameter that the step leaves as it is."""
        if any(v is None or np.any(v) for v in values):
            return None
        says = f"{name[1:]} is never changed by the step, though the output depends on it"
        return Cause(
            name, "never updated", says, fix=f"compute {name} and update {name[1:]} with it"
        )

    def rate(self) -> float:
        """The learning rate: the number in the updates that is not computed in the step."""
        found = set()
        made = {ast.unparse(t): s for s in self.site.body for t in stored(s)}
        for update in self.site.updates.values():
            value = ast.unparse(update.value) if isinstance(update, ast.Assign) else ""
            for s in {update, made.get(value, update)}:  # W = W_new, and W_new = W - rate * dW
                numbers = [self.value(p) for p in sorted(reads(s)) if p not in self.keys]
                numbers += [n.value for n in ast.walk(s) if isinstance(n, ast.Constant)]
                found |= {float(v) for v in numbers if isinstance(v, float) and 0 < abs(v) < 1}
        if not self.site.updates:
            named = [v for k, v in self.room.items() if role_of(k) == "lr"]
            found = {float(v) for v in named if isinstance(v, float)}
        if not found:
            held = getattr(self.room.get("self"), "__dict__", {})
            found = {float(v) for k, v in held.items() if role_of(k) == "lr" and v}
        return found.pop() if len(found) == 1 else 1.0


def data_name(role: str, read: list[str], site: Site, room: Mapping[str, Any]) -> str | None:
    """The array that is the input, or the targets: by its name, the first that is read.

    In a loop over the examples it is the entry of the current one.
    """
    arrays = [p for p in read if p not in site.updates and is_many(value_at(room, p))]
    found = next((p for p in arrays if role_of(p.rpartition(".")[2]) == role), None)
    counters = {
        n.id
        for s in site.loops
        if isinstance(s, ast.For)
        for n in ast.walk(s.target)
        if isinstance(n, ast.Name)
    }
    if found is None or not counters:
        return found
    nodes = [n for s in site.body for n in ast.walk(s)]
    entries = {
        ast.unparse(n)
        for n in nodes
        if isinstance(n, ast.Subscript)
        and place_of(n.value) == found
        and not isinstance(n.value, ast.Subscript)
    }
    uses = sum(place_of(n) == found and not isinstance(n, ast.Subscript) for n in nodes)
    entry = next(iter(entries), "")
    single = len(entries) == 1 and entry.removeprefix(found)[1:-1] in counters
    times = sum(isinstance(n, ast.Subscript) and ast.unparse(n) == entry for n in nodes)
    return entry if single and times == uses and value_at(room, entry) is not None else found


def by_value(
    data: Mapping[str, str | None], read: list[str], targets: Any, room: Mapping[str, Any]
) -> dict[str, str | None]:
    """The places of the data, where their names do not say them: the targets are known, the input is the
    first array of as many examples."""
    X, Y = data["X"], data["Y"]
    arrays = [p for p in dict.fromkeys(read) if isinstance(value_at(room, p), np.ndarray)]
    Y = Y or next((p for p in arrays if np.array_equal(value_at(room, p), targets)), None)
    if Y is not None and X is None:
        shape, others = np.shape(value_at(room, Y)), [p for p in arrays if p != Y]
        shapes = {p: np.shape(value_at(room, p)) for p in others}
        X = next((p for p in others if len(shapes[p]) == 2 and set(shapes[p]) & set(shape)), None)
    return {"X": X, "Y": Y}


def begins_with(body: list[ast.stmt]) -> tuple[set[str], set[str], set[str]]:
    """The places that statements assign, and of those from before that they read, and add to."""
    known: set[str] = set()
    wanted: set[str] = set()
    sums: set[str] = set()
    for s in body:
        added = [n for n in [s, *inner_statements(s)] if isinstance(n, ast.AugAssign)]
        wanted |= reads(s) - known
        sums |= places_of(n.target for n in added) - known
        known |= places_of(stored_inside(s))
    return known, wanted, sums


def turned(
    body: list[ast.stmt], later: list[ast.stmt], parameters: Iterable[str]
) -> list[ast.stmt]:
    """A step that begins with the output, where that is computed after the update for the next round;
    else nothing."""
    known, wanted, _ = begins_with(body)
    ahead = []
    made: set[str] = set()
    for s in later:
        names = places_of(stored_inside(s))
        leaves = any(isinstance(n, ast.Break | ast.Continue | ast.Return) for n in ast.walk(s))
        if names and not leaves and not reads(s) & (known - set(parameters) - made):
            ahead.append(s)
            made |= names
    computed = any(reads(s) & set(parameters) for s in ahead)
    return [*ahead, *body] if made & wanted and computed else []


def kept_for_later(body: list[ast.stmt], later: list[ast.stmt]) -> list[ast.stmt]:
    """What is done after the update to what the next round begins with: dW *= 0."""
    known, wanted, sums = begins_with(body)
    wanted |= sums
    return [
        s
        for s in later
        if isinstance(s, ast.Assign | ast.AugAssign)
        and places_of(stored(s)) & wanted
        and reads(s) <= known | wanted | {"np"}
    ]


TALK = re.compile(
    r"print|append|write|flush|plot|show|draw|pause|legend|title|label$|savefig|scatter|set_|display"
)


def without_talk(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements up to the last that does more than to say or to keep how training goes."""
    while len(body) > 1 and tells(body[-1]):
        body = body[:-1]
    return body


def tells(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.If):
        return all(map(tells, [*statement.body, *statement.orelse]))
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return False
    f = statement.value.func
    return bool(TALK.match(last_name(f)))


def is_many(value: Any) -> bool:
    return is_arraylike(value) or of_numbers(value) is not None


def loss_among(names: Iterable[str], statement: ast.stmt) -> str | None:
    """The loss among the names that a statement assigns; of loss and cost the one that is a sum."""
    losses = [n for n in names if is_loss(n, statement)]
    return max(losses, key=lambda n: "cost" in n.lower(), default=None)


LIKELIHOOD = re.compile(r"likelihood|(?:^|_)ll$", re.I)


def is_likelihood(name: str) -> bool:
    """Whether this is called as what grows in the training.

    >>> [n for n in ("current_LL", "log_likelihood", "neg_log_likelihood", "loss") if is_likelihood(n)]
    ['current_LL', 'log_likelihood']
    """
    return LIKELIHOOD.search(name) is not None and not re.search("neg|minus|nll", name, re.I)


def is_loss(place: str, statement: ast.stmt) -> bool:
    """Whether a statement assigns the loss, by the name of what it assigns to."""
    if place == "j":  # a counter; the cost is J
        return False
    low, text = place.rpartition(".")[2].lower(), ast.unparse(statement)
    named = role_of(low) == "cost" or "loss" in low or "cost" in low
    added_up = isinstance(statement, ast.AugAssign) or re.search(r"sum\(|mean\(", text)
    squares = "err" in low and bool(re.search(r"\*\* ?2|square", text)) and bool(added_up)
    grows = is_likelihood(low) and bool(added_up)
    return (named or squares or grows) and "abs(" not in text


def result_of(names: list[str]) -> str:
    """Which of the names that one statement assigns is the output, if one of them is."""
    called = [n for n in names if role_of(n.rpartition(".")[2]) == "output"]
    return called[-1] if called else next((n for n in names if n.strip("_")), names[0])


def output_side(
    statement: ast.stmt, targets: set[str], computed: set[str] | None
) -> ast.expr | None:
    """The output in the error, output - y or y - output, that a statement computes.

    ``computed``: what was computed of the parameters, of which the output is.
    """
    if not isinstance(statement, ast.Assign | ast.AugAssign):
        return None
    for node in ast.walk(statement.value):
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Sub):
            continue
        for output, other in ((node.left, node.right), (node.right, node.left)):
            of_parameters = computed is None or reads(output) & computed
            if reads(other) & targets and not reads(output) & targets and of_parameters:
                return output
    return None


def whole_place(statement: ast.stmt, output: ast.expr) -> str | None:
    """The place of an output that is no entry; of an entry in a list of all of them, that list."""
    every = any(isinstance(n, ast.comprehension) for n in ast.walk(statement))
    return place_of(output) if every or not isinstance(output, ast.Subscript) else None


def calls_own(statement: ast.stmt) -> bool:
    """Whether a method of self is called."""
    calls = [n.func for n in ast.walk(statement) if isinstance(n, ast.Call)]
    return any((place_of(f) or "").startswith("self.") for f in calls)


def root(place: str) -> str:
    return re.split(r"[.\[]", place)[0]


def rows_with_labels(site: Site, X: Any) -> dict[str, Any]:
    """Lists of numbers whose last one is the class, for what a loop goes through in this form."""
    text = "\n".join(ast.unparse(s) for s in site.body)
    rows = [[*map(float, x), i % 2] for i, x in enumerate(X)] if X.ndim == 2 else []
    return {
        s.iter.id: rows
        for s in site.loops
        if isinstance(s, ast.For)
        and isinstance(s.iter, ast.Name)
        and isinstance(s.target, ast.Name)
        and f"{s.target.id}[-1]" in text
    }


def root_of_place(place: str) -> str:
    """The name, or the attribute of self, in which a place stands."""
    match = re.match(r"(?:self\.)?\w+", place)
    return match[0] if match else place


def receives_gradients(site: Site) -> bool:
    """Whether the gradients are an argument: an update."""
    names = [a.arg for a in site.owner.args.args] if site.owner is not None else []
    return "grads" in map(role_of, names) or any(re.match("grad|d[WB]|dw|db", n) for n in names)


def columns_for(site: Site, function: Any, m: int) -> dict[str, Any]:
    """A vector for each argument that is a column of the data: age, weight, ... where there is no X."""
    names = required(function) if function is not None else []
    if "X" in map(role_of, names):
        return {}
    used = {place_of(n) for s in site.body for n in ast.walk(s) if isinstance(n, ast.Name)}
    unknown = [n for n in names if n != "self" and role_of(n) is None and n in used]
    rng = np.random.default_rng(5)
    return {n: rng.normal(size=m) for n in unknown if not re.search("iter|epoch|step|size|^n", n)}


def names_in(body: list[ast.stmt]) -> set[str]:
    return {n.id for s in body for n in ast.walk(s) if isinstance(n, ast.Name)}
