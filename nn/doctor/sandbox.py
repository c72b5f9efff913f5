"""Running somebody else's code: quietly, for a limited time, leaving everything as it was."""

from __future__ import annotations

import builtins
import io
import linecache
import random
import re
import signal
import sys
import sysconfig
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from contextvars import ContextVar
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

import tinygrad_edu

NOT_HIS = tuple(
    str(Path(p).resolve())
    for p in (
        sysconfig.get_paths()["stdlib"],
        sysconfig.get_paths()["purelib"],
        sysconfig.get_paths()["platlib"],
        Path(np.__file__).parent,
        Path(tinygrad_edu.__file__).parent,
        Path(__file__).parent,
    )
)
LIMIT = ContextVar("LIMIT", default=10.0)  # seconds for one run of the learner's code
MANY = 20000  # observed assignments, then watching ends
LARGE = 20000  # numbers; larger arrays are not copied


class TooLong(BaseException):
    """The learner's code did not end in time; no ``except Exception`` of his catches it."""


class Event(NamedTuple):
    """An assignment that was seen: the array under a name, after a line had run."""

    function: str
    file: str
    line: int
    name: str
    value: np.ndarray[Any, Any]
    callers: tuple[tuple[str, int], ...] = ()  # (function, line), the nearest first


def place(file: str, line: int) -> str:
    """How to say a line: in a notebook with its cell.

    >>> place("network.py", 3), place("<learner cell 2>", 3)
    ('line 3', 'code cell 2, line 3')
    """
    cell = re.fullmatch(r"<learner cell (\d+)>", file)
    return f"code cell {cell[1]}, line {line}" if cell else f"line {line}"


class Failure(NamedTuple):
    """An exception of the learner's code, and where it was raised."""

    error: BaseException
    function: str
    file: str
    line: int
    frame: FrameType | None

    @property
    def sentence(self) -> str:
        kind = type(self.error).__name__
        text = str(self.error) or "no message"
        where = f" in {self.function}, {place(self.file, self.line)}" if self.line else ""
        if isinstance(self.error, TooLong):
            return f"it did not end within the time limit{where}"
        return f"{kind}{where}: {text}" if where else text


def is_his(code: CodeType) -> bool:
    """Whether this is code of the learner's, not of Python, NumPy or ours."""
    name = code.co_filename
    if name.startswith("<") and not name.startswith(
        ("<learner", "<ipython", "<string", "<stdin", "<doctest")
    ):
        return False
    return not name.startswith(NOT_HIS)


class Tracer:
    """Observes the assignments of arrays in the learner's functions while they run."""

    def __init__(self, watch: bool = True, seconds: float | None = None):
        self.events: list[Event] = []
        self.codes: dict[CodeType, FrameType] = {}
        self.lines: set[tuple[CodeType, int]] = set()
        self.end = time.monotonic() + (LIMIT.get() if seconds is None else seconds)
        self.watch = watch

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        if not is_his(frame.f_code):
            return None
        self.codes[frame.f_code] = frame
        if not self.watch:
            return self.limit
        known: dict[str, Any] = {}
        self.note(frame, known, frame.f_lineno, first=True)
        last = frame.f_lineno

        def local(frame: FrameType, event: str, arg: Any) -> Any:
            nonlocal last
            self.limit(frame, event, arg)
            if event == "exception":
                return local
            if len(self.events) < MANY:
                self.lines.add((frame.f_code, last))
                self.note(frame, known, last)
                if event == "return":
                    self.note_result(frame, arg)
            last = frame.f_lineno
            return local

        return local

    def limit(self, frame: FrameType, event: str, arg: Any) -> Any:
        if time.monotonic() > self.end:
            raise TooLong
        return self.limit

    def note(self, frame: FrameType, known: dict[str, Any], line: int, first: bool = False) -> None:
        for name, value in arrays_in(frame.f_locals):
            mark = (id(value), value.shape, value.tobytes() if value.size <= LARGE else None)
            if known.get(name) == mark:
                continue
            known[name] = mark
            if not first and value.size <= LARGE:
                self.add(frame, line, name, value)

    def note_result(self, frame: FrameType, result: Any) -> None:
        parts = result if isinstance(result, tuple | list) else (result,)
        for value in parts:
            if is_array(value):
                self.add(frame, frame.f_lineno, "return", value)

    def add(self, frame: FrameType, line: int, name: str, value: Any) -> None:
        code = frame.f_code
        copied = np.array(value, copy=True)
        self.events.append(
            Event(code.co_name, code.co_filename, line, name, copied, callers_of(frame))
        )


def callers_of(frame: FrameType) -> tuple[tuple[str, int], ...]:
    found: list[tuple[str, int]] = []
    above = frame.f_back
    while above is not None and is_his(above.f_code) and len(found) < 4:
        found.append((above.f_code.co_name, above.f_lineno))
        above = above.f_back
    return tuple(found)


def is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray | np.floating) and x.dtype.kind in "fiub"


def arrays_in(names: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The arrays under these names, also inside dictionaries, lists and the attributes of self."""
    for name, value in list(names.items()):
        if is_array(value):
            yield name, value
        elif isinstance(value, dict) and len(value) < 200:
            for k, v in list(value.items()):
                if is_array(v):
                    yield f"{name}[{k!r}]", v
        elif isinstance(value, list | tuple) and len(value) < 200:
            for i, v in enumerate(value):
                if is_array(v):
                    yield f"{name}[{i}]", v
        elif name == "self" and hasattr(value, "__dict__"):
            for k, v in list(vars(value).items()):
                if is_array(v):
                    yield f"self.{k}", v
                elif isinstance(v, dict | list) and len(v) < 200:
                    pairs = v.items() if isinstance(v, dict) else enumerate(v)
                    for key, x in list(pairs):
                        if is_array(x):
                            yield f"self.{k}[{key!r}]", x


class NoInput(io.StringIO):
    """Standard input while the learner's code runs: there is none."""

    def readline(self, *args: Any) -> str:  # type: ignore[override]
        raise EOFError("the program asks for input, and the doctor has nobody to ask")

    def read(self, *args: Any) -> str:
        return self.readline()


def without_writing(real: Callable[..., Any]) -> Callable[..., Any]:
    """open(), but what is opened for writing is no file."""

    def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if re.search("[wax+]", mode):
            return io.BytesIO() if "b" in mode else io.StringIO()
        return real(file, mode, *args, **kwargs)

    return opened


GRADIENT = re.compile(
    r"clip\(\s*(?:\w+\.)*_?(?:d(?:_?[A-Z]\w*|_?[wbhxzuv]\w*|param\w*|_\w+)?|\w*grad\w*|\w*delta\w*|g)\b"
)
CUT: set[str] = set()  # where the clipping of gradients was left out


def without_cutting(real: Callable[..., Any]) -> Callable[..., Any]:
    """np.clip(), but gradients stay as they are: one that is cut is the gradient of nothing."""

    def clip(a: Any, a_min: Any = None, a_max: Any = None, *args: Any, **kwargs: Any) -> Any:
        numbers = isinstance(a_min, int | float) and isinstance(a_max, int | float)
        caller = sys._getframe(1)
        file, line = caller.f_code.co_filename, caller.f_lineno
        if numbers and a_min == -a_max and GRADIENT.search(linecache.getline(file, line)):
            CUT.add(place(file, line))
            out = kwargs.get("out", args[0] if args else None)
            if out is None or out is a:
                return a
            out[...] = a
            return out
        bounds = () if {"min", "max"} & kwargs.keys() else (a_min, a_max)
        return real(a, *bounds, *args, **kwargs)

    return clip


def nothing(*args: Any, **kwargs: Any) -> None:
    """What print does while the learner's code runs."""


@contextmanager
def quiet() -> Iterator[None]:
    """No output, no files written, no input, no warnings; random numbers go on afterwards as if nothing
    had been."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    stdin, printed, opened, clip = sys.stdin, builtins.print, io.open, np.clip
    sys.stdin, builtins.print = NoInput(), nothing  # arrays are not even made texts
    builtins.open = io.open = without_writing(opened)
    np.clip = without_cutting(clip)
    try:
        with (
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
            np.errstate(all="ignore"),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.stdin, builtins.print = stdin, printed
        builtins.open = io.open = opened
        np.clip = clip  # type: ignore[assignment]
        np.random.set_state(numpy_state)
        random.setstate(python_state)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """TooLong after so many seconds, also inside NumPy; only the main thread can be stopped so."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)  # again: a bare except catches the first
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Another time limit for each run of the learner's code."""
    token = LIMIT.set(seconds)
    try:
        yield
    finally:
        LIMIT.reset(token)


def attempt(
    action: Callable[[], Any],
    *,
    tracer: Tracer | None = None,
    seconds: float | None = None,
    seed: int = 7,
) -> tuple[Any, Failure | None]:
    """The result of ``action()``, or how it failed; always from the same random numbers.

    ``seconds`` is at most the limit that `limited` sets.
    """
    seconds = min(LIMIT.get(), seconds or np.inf)
    if tracer is None and threading.current_thread() is not threading.main_thread():
        tracer = Tracer(watch=False, seconds=seconds)  # no signals there
    with quiet():
        np.random.seed(seed)
        random.seed(seed)
        before = sys.gettrace()
        try:
            with time_limit(seconds):
                if tracer is not None:
                    sys.settrace(tracer)
                return action(), None
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # SystemExit too
            return None, failure_of(error)
        finally:
            sys.settrace(before)


def failure_of(error: BaseException) -> Failure:
    """Where in the learner's code it was raised."""
    found: FrameType | None = None
    line = 0
    for frame, number in traceback.walk_tb(error.__traceback__):
        if is_his(frame.f_code):
            found, line = frame, number
    if found is None:
        return Failure(error, "", "", 0, None)
    return Failure(error, found.f_code.co_name, found.f_code.co_filename, line, found)
