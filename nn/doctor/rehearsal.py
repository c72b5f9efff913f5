"""A file's own run, up to one step of its training: the data and the objects that it works with.

Nothing of it is trained: the run ends where a training loop begins its second round. What is not at
hand is invented, nothing is written, and afterwards all names are as before.
"""

from __future__ import annotations

import ast
import copy
import inspect
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType, FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from nn.doctor.load import DEFINITIONS, Missing, Room
from nn.doctor.naming import TREES, label, role_of, tree_of
from nn.doctor.pretend import (
    FEW,
    FORM,
    OF_SCIPY,
    SIZES,
    Pretend,
    Sizes,
    Smaller,
    data_for,
    is_many_for,
    known_as,
    other_sizes,
    pretended,
    says_what,
    table_from,
)
from nn.doctor.repair import compiled
from nn.doctor.sandbox import Failure, TooLong, attempt, is_his
from nn.doctor.statements import copied, is_data
from nn.doctor.subject import arrays_of, differs

READS = re.compile(
    r"_*(?:read|load|get|import|parse|open|prepare|fetch|download|make|create|preprocess)", re.I
)
SECONDS = 5.0  # for the whole run
Place = tuple[str, int]  # a file, or a cell, and a line of it
Seen = dict[Place, tuple[dict[str, Any], dict[str, Any]]]


class Enough(TooLong):
    """The training loop has begun its second round."""


class Rehearsal:
    """What the names held when a training step began; ``places`` are the first lines of the steps."""

    def __init__(self, room: Room, places: Iterable[Place], labels: str = "classes"):
        self.room, self.labels = room, labels
        self.filled = False  # whether data were invented
        self.ended = False  # whether a training loop has begun its second round
        self.counts = dict.fromkeys(places, 0)
        # at each step, its own names and those of the file, as they were when it began
        self.seen: Seen = {}
        self.numbers: dict[Place, dict[str, Any]] = {}  # all arrays that it could change
        self.last: dict[str, Any] = {}  # the names of the file where the run ended
        self.absent: set[str] = set()  # names that nothing defines
        self.read: set[str] = set()  # functions that read what is not at hand
        self.text = "\n".join(ast.unparse(s) for s in room.statements)
        for f in functions_in(room.names):
            make_smaller(f)
        sizes: Sizes | None = SIZES
        for _ in range(5):
            if sizes is not None:
                with self.stage(dict(sizes)):
                    sizes = self.executed(dict(sizes))
                    self.last = copied(data_of(self.room.names))

    @property
    def invents(self) -> bool:
        """Whether something that the file reads or imports is not at hand."""
        return self.filled or any(isinstance(v, Missing) for v in self.room.names.values())

    @contextmanager
    def stage(self, sizes: Sizes) -> Iterator[None]:
        """The names of the file as its own run has them, with what is not at hand invented."""
        names = self.room.names
        before = copied({k: v for k, v in names.items() if is_data(v)})
        kept = dict(names)
        self.counts = dict.fromkeys(self.counts, 0)
        missing = {k: v for k, v in names.items() if isinstance(v, Missing)}
        try:
            names |= {k: Pretend(v._name.split(".")[-1]) for k, v in missing.items()}
            names["__name__"] = "__main__"
            names |= {name: self.reader(name) for name in self.read}
            of_scipy = set().union(*OF_SCIPY.values())
            names |= {k: Pretend(n) for k, v in kept.items() if (n := label(v)) in of_scipy}
            with pretended(sizes, self.labels, self.text):
                yield
                self.filled |= FORM["used"]
        finally:
            names.clear()
            names |= kept
            names |= before

    def drive(self, action: Callable[[], Any]) -> tuple[Seen, Failure | None]:
        """What the names hold when this call comes to the steps, and why it ends early."""
        own, self.seen = self.seen, {}

        def traced() -> None:
            sys.settrace(self.trace)
            action()

        try:
            with self.stage(SIZES):
                _, failure = attempt(traced, seconds=1, seed=3)
            return self.seen, failure
        finally:
            self.seen = own

    def executed(self, sizes: Sizes) -> Sizes | None:
        end = time.monotonic() + SECONDS
        for statement in self.room.statements:
            if isinstance(statement, (*DEFINITIONS, ast.Import, ast.ImportFrom, ast.Try)):
                continue
            if time.monotonic() > end:
                break
            module = ast.Module([Smaller().visit(copy.deepcopy(statement))], [])
            code = compile(module, self.room.files[statement], "exec")

            def execute(code: Any = code) -> None:
                sys.settrace(self.trace)
                exec(code, self.room.names)

            _, failure = attempt(execute, seconds=SECONDS / 2, seed=3)
            if failure is None or isinstance(failure.error, TooLong):
                continue
            if isinstance(failure.error, ValueError | IndexError) and not self.ended:
                others = other_sizes(str(failure.error), sizes)
                if others is not None:
                    return others
            name = failure.function
            if name in self.room.names and READS.match(name) and name not in self.read:
                self.read.add(name)
                self.filled = True
                return sizes  # once more, with invented data in its place
            error = failure.error
            if isinstance(error, NameError) and error.name and error.name not in self.absent:
                self.absent.add(error.name)
                if (value := known_as(error.name)) is not None:
                    self.room.names[error.name] = value
                    attempt(execute, seconds=SECONDS / 2, seed=3)
                    continue
            for target in statement.targets if isinstance(statement, ast.Assign) else ():
                self.fill(target)
        return None

    def fill(self, target: ast.expr) -> None:
        """Give the names that a statement would have assigned data that are usually called so."""
        for part in target.elts if isinstance(target, ast.Tuple | ast.List) else [target]:
            if isinstance(part, ast.Tuple):
                self.fill(part)
            elif isinstance(part, ast.Name) and role_of(part.id) in ("X", "Y"):
                self.room.names.setdefault(part.id, data_for(part, self.text))
                self.filled = True

    def reader(self, name: str) -> Any:
        """What stands for a function that reads data: it gives what its result is assigned to."""
        for node in (n for s in self.room.statements for n in ast.walk(s)):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                f = node.value.func
                if getattr(f, "id", getattr(f, "attr", "")) == name:
                    target = node.targets[0]
                    return lambda path="", *args, **kwargs: (
                        table_from(path) if says_what(path) else data_for(target, self.text)
                    )
        return lambda *args, **kwargs: table_from(args[0] if args else "")

    def trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        if not is_his(frame.f_code):
            return None
        here = (frame.f_code.co_filename, frame.f_lineno)
        if event == "line" and here in self.counts:
            self.counts[here] += 1
            if self.counts[here] == 1:
                self.keep(here, frame)
            elif self.counts[here] < 4 and self.trained(here, frame) and not self.awaited(frame):
                self.ended = True
                raise Enough
        return self.trace

    def awaited(self, frame: FrameType) -> bool:
        """Whether a function that has called this one has a step that was not come to yet."""
        left = [(file, line) for (file, line), count in self.counts.items() if not count]
        above = frame.f_back
        while above is not None and left:
            code = above.f_code
            lines = {line for _, _, line in code.co_lines()}
            if any(file == code.co_filename and line in lines for file, line in left):
                return code.co_name != "<module>"
            above = above.f_back
        return False

    def trained(self, here: Place, frame: FrameType) -> bool:
        """Whether numbers that were there when the step began are others now."""
        now = numbers_in(frame)
        return any(k in now and differs(v, now[k]) for k, v in self.numbers[here].items())

    def keep(self, here: Place, frame: FrameType) -> None:
        own = frame.f_locals is not frame.f_globals
        both = {
            "local": data_of(dict(frame.f_locals), functions=True) if own else {},
            "shared": data_of(frame.f_globals),
        }
        sys.settrace(None)
        try:
            found = copied(both)
        finally:
            sys.settrace(self.trace)
        self.seen[here] = found["local"], found["shared"]
        self.numbers[here] = {k: np.array(v) for k, v in numbers_in(frame).items()}


def functions_in(names: dict[str, Any]) -> list[FunctionType]:
    """The functions of a file, and the methods of its classes."""
    kinds = [v for v in names.values() if isinstance(v, type) and v.__module__ == "learner"]
    every = [*names.values(), *(f for kind in kinds for f in vars(kind).values())]
    return [f for f in every if isinstance(f, FunctionType) and is_his(f.__code__)]


def make_smaller(function: FunctionType) -> None:
    """Give a function small numbers of examples, see `Smaller`, in its code and its default values."""
    tree = tree_of(function.__code__)
    if isinstance(tree, ast.FunctionDef):
        new = Smaller().visit(copy.deepcopy(tree))
        code = compiled(new, function.__code__) if ast.dump(new) != ast.dump(tree) else None
        if code is not None:
            function.__code__, TREES[code] = code, new
    names = [p.name for p in inspect.signature(function).parameters.values()]
    given = function.__defaults__ or ()
    pairs = zip(names[len(names) - len(given) :], given)
    if given:
        function.__defaults__ = tuple(FEW if is_many_for(k, v) else v for k, v in pairs)


def numbers_in(frame: FrameType) -> dict[str, Any]:
    """The arrays within reach of a frame, and lists of numbers, by path."""
    names = {**frame.f_globals, **frame.f_locals}
    return arrays_of(SimpleNamespace(**{k: v for k, v in names.items() if is_data(v)}), lists=True)


def data_of(names: dict[str, Any], functions: bool = False) -> dict[str, Any]:
    return {
        k: plain(v)
        for k, v in names.items()
        if (is_data(v) or (functions and isinstance(v, FunctionType)))
        and not isinstance(v, Pretend)
        and not k.startswith("__")
    }


def plain(value: Any) -> Any:
    """An array for an array of a class of its own."""
    return (
        np.array(value)
        if isinstance(value, np.ndarray) and type(value) is not np.ndarray
        else value
    )
