"""A training step whose output and targets are found while it runs, wherever their difference is taken.

Code says ``error = target - output`` in one of many places, under any names. Of two runs with different
parameters, the side that differs is the output, the other one the targets.
"""

from __future__ import annotations

import ast
import copy
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from types import CodeType, FrameType, SimpleNamespace
from typing import Any

import numpy as np

from nn.doctor.load import Room
from nn.doctor.loops import TrainingStep
from nn.doctor.naming import Mangled, flatten, last_name
from nn.doctor.sandbox import TooLong, attempt, is_his
from nn.doctor.statements import as_array, as_floats, copied, holders_of, moved, value_at
from nn.doctor.subject import WEIGHT, arrays_of, differs, is_state, looks_like_gradient

MANY = 400  # examples in one step
Place = tuple[str, int, int]  # file, line, column
BIAS = re.compile(r"\bbias(?:es)?\w*$|\.b\d*$")  # in an object, or called so
CHANGES = re.compile(
    r"append|pop|insert|extend|remove|next|read|shuffle|fit|train|learn|step|update|back"
)


class Seen(TooLong):
    """What was looked for has been seen: the rest need not run."""


class Difference:
    """``left - right`` at a place of the file; ``labels``: of "rows" for ``scores[rows, labels] -= 1``,
    of "one" for ``scores[label] -= 1``."""

    def __init__(self, place: Place, left: ast.expr, right: ast.expr, labels: str = ""):
        self.place, self.labels = place, labels
        self.sides = [compiled(e) for e in (left, right)]
        self.calls = any(isinstance(n, ast.Call) for e in (left, right) for n in ast.walk(e))

    def values(self, frame: FrameType) -> tuple[Any, Any] | None:
        """Both sides; None where they cannot be had."""
        random = np.random.get_state() if self.calls else None  # the masks of a dropout
        try:
            left, right = (eval(c, frame.f_globals, frame.f_locals) for c in self.sides)
        except Exception:
            return None
        finally:
            if random is not None:
                np.random.set_state(random)
        if not self.labels:
            return left, right
        shape, labels = np.shape(left), np.asarray(right)
        if labels.dtype.kind not in "iu":
            return None
        if self.labels == "one" and labels.size == 1 and shape[:1] == (np.size(left),):
            return left, np.eye(shape[0])[int(labels.item())].reshape(shape)
        if self.labels == "rows" and len(shape) == 2 and labels.ndim < 2:
            return left, np.eye(shape[1])[labels.reshape(-1)]
        return None


def differences(room: Room) -> dict[tuple[str, int], list[Difference]]:
    """The differences in a file that may be those of output and targets, by file and line."""
    found: dict[tuple[str, int], list[Difference]] = {}
    for statement in room.statements:
        file = room.files[statement]
        tree: ast.AST = statement
        if isinstance(statement, ast.ClassDef):
            tree = Mangled(statement.name).visit(copy.deepcopy(statement))
        inside = {
            n: parts
            for c in ast.walk(tree)
            if isinstance(c, ast.ListComp | ast.GeneratorExp) and (parts := gone_through(c))
            for n in ast.walk(c.elt)
        }
        for n in ast.walk(tree):
            match n:
                case ast.BinOp(left=left, op=ast.Sub(), right=right):
                    labels = ""
                case ast.BinOp(
                    left=ast.UnaryOp(op=ast.USub(), operand=left), op=ast.Add(), right=right
                ):
                    labels = ""
                case ast.AugAssign(
                    target=ast.Subscript(value=left, slice=ast.Tuple(elts=[_, right])),
                    op=ast.Sub(),
                    value=ast.Constant(value=1),
                ):
                    labels = "rows"
                case ast.AugAssign(
                    target=ast.Subscript(value=left, slice=right),
                    op=ast.Sub(),
                    value=ast.Constant(value=1),
                ):
                    labels = "one"
                case ast.AugAssign(target=left, op=ast.Sub(), value=right):
                    labels = ""
                case ast.Call(func=ast.Attribute(attr="subtract"), args=[left, right]):
                    labels = ""
                case _:
                    continue
            left, right = (read_only(whole_of(e, inside.get(n, {}))) for e in (left, right))
            if is_simple(left) and is_simple(right):
                pair = Difference((file, n.lineno, n.col_offset), left, right, labels)
                found.setdefault((file, n.lineno), []).append(pair)
    return found


def gone_through(c: ast.ListComp | ast.GeneratorExp) -> dict[str, ast.expr | None]:
    """What the names of a comprehension go through: a for ``x`` in ``for x in a``; None for indices."""
    target, through = c.generators[0].target, c.generators[0].iter
    called = getattr(through.func, "id", "") if isinstance(through, ast.Call) else ""
    if isinstance(target, ast.Name):
        return {target.id: None if called == "range" else through}
    if isinstance(target, ast.Tuple) and called == "zip" and isinstance(through, ast.Call):
        names = [getattr(e, "id", "") for e in target.elts]
        return dict(zip(names, through.args))
    return {}


def whole_of(e: ast.expr, parts: Mapping[str, ast.expr | None]) -> ast.expr:
    """All that a comprehension goes through, for one entry of it."""
    if isinstance(e, ast.Name):
        return parts.get(e.id) or e
    if isinstance(e, ast.Subscript) and isinstance(e.slice, ast.Name) and e.slice.id in parts:
        return e.value
    return e


def read_only(e: ast.expr) -> ast.expr:
    """The expression as one that reads what a statement assigns to."""
    e = copy.deepcopy(e)
    if isinstance(e, ast.Name | ast.Attribute | ast.Subscript):
        e.ctx = ast.Load()
    return e


def is_simple(e: ast.expr) -> bool:
    """Whether this only reads and computes: it can be evaluated once more without any effect."""
    if isinstance(e, ast.Constant):
        return False
    for n in ast.walk(e):
        called = last_name(n.func) if isinstance(n, ast.Call) else ""
        if CHANGES.search(called.lower()):
            return False
        if isinstance(n, ast.Await | ast.Yield | ast.NamedExpr | ast.comprehension | ast.Lambda):
            return False
    return True


def compiled(e: ast.expr) -> CodeType:
    return compile(ast.Expression(e), "<side>", "eval")


class ObservedStep(TrainingStep):
    """A step from which the output is taken where it is compared with the targets.

    Its data stay as they are: only the parameters are varied.
    """

    unchanged: Sequence[str] = ()  # biases that a step leaves as they are
    before: Mapping[str, Any] = {}  # the parameters, while `takes_steps` looks whether they change
    late = False

    def marks(
        self, body: Sequence[ast.stmt], places: Sequence[str] | None
    ) -> tuple[str | None, str | None, Sequence[ast.stmt]]:
        return None, None, body

    def places_known(self) -> list[str] | None:
        return None  # what the step calls may update more

    def carried(self) -> Iterator[str]:
        """All that a step changes; `find` keeps that on which the output depends."""
        room = copied(self.room)
        before = {k: np.array(v) for k, v in numbers_held(room).items()}
        for _ in range(2):  # the first round may leave a bias as it is
            after, failure = attempt(partial(self.after, self.step, room), seconds=2)
            if failure is not None:
                return
            room |= {k: after[k] for k in room if k in after and k not in self.counters}
        now = numbers_held(after)
        if any(
            k in now and now[k].shape != v.shape and is_weight(k, now) for k, v in before.items()
        ):
            return  # data of a form that is not meant for this code
        changed = [
            k
            for k, v in before.items()
            if k in now
            and now[k].dtype.kind == "f"  # else it counts something
            and now[k].shape == v.shape
            and differs(v, now[k])
            and not shuffled(v, now[k])
        ]
        names = holders_of(changed)
        found = [n for n in names if n not in self.counters]
        held = arrays_of(SimpleNamespace(**self.room), lists=True) if found else {}
        stems = {stem(n) for n in names if n != stem(n)}
        self.unchanged = [
            p for p in holders_of(held) if p not in names and (BIAS.search(p) or stem(p) in stems)
        ]
        yield from [*found, *self.unchanged]

    def find(self, pairs: Mapping[tuple[str, int], list[Difference]]) -> bool:
        """Find the difference of output and targets; False where there is none."""
        self.pairs, self.wanted, self.count = pairs, None, 0
        self.data = {"X": None, "Y": None}
        if not self.params:
            return False
        rng = np.random.default_rng(2)
        self.params = {k: v + 0.1 * rng.normal(size=np.shape(v)) for k, v in self.params.items()}
        first = self.seen(dict(self.params))
        second = self.seen({k: moved(v) for k, v in self.params.items()})
        for place, values in first.items():
            others = second.get(place, [])
            if len(values) > MANY:
                continue
            if len(others) == len(values) and (side := self.output_of(values, others)) is not None:
                targets = stacked([v[1 - side] for v in values])
                self.wanted, self.side, self.count = place, side, len(values)
                self.Y = np.asarray(targets)
                self.X = np.zeros((examples_in(self.Y, self.count), 1))
                self.keep_used(values)
                return bool(self.params) and not self.takes_steps()
        return False

    def takes_steps(self) -> bool:
        """Whether outputs are computed when parameters have been changed already."""
        self.before = {k: np.array(v) for k, v in self.params.items()}
        self.late = False
        self.seen(dict(self.params))
        self.before = {}
        return self.late

    def keep_used(self, values: list[Any]) -> None:
        """Of what a step changes, keep that on which the output depends."""
        used = []
        for place, key in self.keys.items():
            own = {
                k: v
                for k, v in self.params.items()
                if k == key or k.startswith((f"{key}.", f"{key}["))
            }
            other = self.seen(self.params | {k: moved(v) for k, v in own.items()})
            sides = other.get(self.wanted, []) if self.wanted else []
            if len(sides) != len(values) or any(
                differs(a[self.side], b[self.side]) for a, b in zip(values, sides)
            ):
                used.append(place)
        stems = {stem(p) for p in used if p not in self.unchanged}
        used = [p for p in used if p not in self.unchanged or BIAS.search(p) or stem(p) in stems]
        left = [p for p in self.keys if p not in used and is_weight(p, self.keys)]
        left = [p for p in left if p not in self.unchanged]
        moves = any(p not in self.unchanged for p in used)  # else it is no step of a training
        self.keys = {p: k for p, k in self.keys.items() if moves and not left and p in used}
        held = {key: as_floats(self.value(p)) for p, key in self.keys.items()}
        self.template, self.params = held, flatten(held, "")

    def output_of(self, first: list[Any], second: list[Any]) -> int | None:
        """Which of the sides depends on the parameters, where only one does."""
        changes = []
        for side in (0, 1):
            if any(kind_of(v[side]) not in "fiub" for v in first + second):
                return None
            pairs = [(np.asarray(a[side]), np.asarray(b[side])) for a, b in zip(first, second)]
            changes.append(any(a.shape != b.shape or not np.array_equal(a, b) for a, b in pairs))
        if changes[0] == changes[1]:
            return None
        side = changes.index(True)
        if len({np.shape(v[side]) for v in first}) > 1:
            return None
        for v in first:
            output, target = np.asarray(v[side]), np.asarray(v[1 - side])
            own = any(np.all(np.isin(output, p)) for p in self.params.values())
            if own or output.size != target.size or not np.all(np.isfinite(output)):
                return None
        return side

    def seen(self, values: Mapping[str, Any]) -> dict[Place, list[Any]]:
        """The sides of all differences of a run, in the order in which they come first."""
        found: dict[Place, list[Any]] = {}
        room = self.start_with(values, self.X, self.Y)

        def run() -> None:
            sys.settrace(self.watcher(found))
            self.after(self.step, room)

        attempt(run, seconds=2)
        return found

    def watcher(self, found: dict[Place, list[Any]]) -> Any:
        here = self.step.__code__

        step: FrameType | None = None

        def trace(frame: FrameType, event: str, arg: Any) -> Any:
            nonlocal step
            if not is_his(frame.f_code) and frame.f_code is not here:
                return None
            step = frame if frame.f_code is here else step
            if event == "line":
                for pair in self.pairs.get((frame.f_code.co_filename, frame.f_lineno), ()):
                    if self.wanted in (None, pair.place):
                        sides = pair.values(frame)
                        if self.before and step is not None and self.has_stepped(step):
                            self.late = True
                        if sides is not None:
                            found.setdefault(pair.place, []).append(
                                # copies: it may be done in place, scores[label] -= 1
                                tuple(map(np.copy if self.wanted else np.array, sides))
                            )
                            if self.wanted and len(found[pair.place]) == self.count:
                                raise Seen
            return trace

        return trace

    def has_stepped(self, frame: FrameType) -> bool:
        """Whether a parameter is another one than at the start."""
        home = {k: self.outer[k] for k in self.shared if k in self.outer}
        room = home | frame.f_locals
        now = flatten({key: as_floats(value_at(room, p)) for p, key in self.keys.items()}, "")
        return any(k in now and differs(v, now[k]) for k, v in self.before.items())

    def truth(self, values: Mapping[str, Any], X: Any, Y: Any) -> tuple[Any, Any]:
        found: dict[Place, list[Any]] = {}
        room = self.start_with(values, X, Y)
        before = sys.gettrace()
        try:
            sys.settrace(self.watcher(found))
            self.after(self.step, room)
        except Seen:
            pass
        finally:
            sys.settrace(before)
        assert self.wanted is not None
        outputs = [as_array(v[self.side]) for v in found.get(self.wanted, [])]
        if len(outputs) < self.count:
            raise ValueError("the output was not computed")
        self.last_output = stacked(outputs)
        return None, self.last_output


def shuffled(a: Any, b: Any) -> bool:
    """Whether these are the same numbers in another order, as data are before each round."""
    return np.size(a) > 1 and np.array_equal(np.sort(a, axis=None), np.sort(b, axis=None))


def stem(place: str) -> str:
    """A name without its numbers: weights_ of weights_0 and weights_1."""
    return re.sub(r"\d+", "", place)


def is_weight(place: str, among: Mapping[str, Any]) -> bool:
    """Whether this is called as parameters are: the output was computed of it before the step."""
    name = re.split(r"[.\[]", place.rstrip("]'\"0123456789"))[-1]
    state = is_state(place, among) or looks_like_gradient(place, among)
    return bool(WEIGHT.match(name.lower())) and not state


def numbers_held(room: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays, lists of numbers and single numbers, by path."""
    return arrays_of(SimpleNamespace(**room), numbers=True, lists=True, plain=True)


def kind_of(value: Any) -> str:
    try:
        return np.asarray(value).dtype.kind
    except ValueError:
        return "O"


def stacked(values: list[Any]) -> Any:
    """One array for the outputs of several examples: rows for rows, columns for columns."""
    if len(values) == 1:
        return values[0] if np.ndim(values[0]) else values[0] * np.ones(1)
    column = np.ndim(values[0]) == 2 and np.shape(values[0])[1] == 1
    parts = [v if np.ndim(v) == 2 else np.reshape(v, (1, -1)) for v in values]
    return np.concatenate(parts, axis=1 if column else 0)


def examples_in(Y: Any, count: int) -> int:
    """How many examples the targets are of."""
    if count > 1:
        return count
    return Y.shape[1] if Y.ndim == 2 and Y.shape[0] == 1 else len(Y)
