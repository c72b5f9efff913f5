"""A learner's file: only imports, definitions and constants run, nothing that trains or reads."""

from __future__ import annotations

import ast
import importlib
import json
import linecache
import textwrap
from pathlib import Path
from typing import Any

import numpy as np

from nn import manual
from nn.doctor.sandbox import attempt

IMPORTED = {
    "__future__", "abc", "collections", "copy", "dataclasses", "enum", "functools", "itertools", "math",
    "numpy", "operator", "random", "re", "scipy", "string", "sys", "time", "typing", "warnings",
    "tinygrad_edu", "nn",
}  # fmt: skip
CONSTANT_CALLS = {
    "array", "asarray", "zeros", "ones", "eye", "arange", "linspace", "float", "int", "range", "len",
    "dict", "list", "tuple", "float64", "float32", "sqrt", "log", "exp", "namedtuple", "RandomState",
    "default_rng", "partial", "set", "str",
}  # fmt: skip
LARGEST = 20_000_000  # bytes


class Room:
    """The names that a file defines, and what of it was left out."""

    def __init__(self, path: Path):
        self.path = path
        self.names: dict[str, Any] = {"__name__": "learner", "__file__": str(path)}
        self.trees: list[ast.stmt] = []
        self.notes: list[str] = []
        self.left_out: list[str] = []


class Missing:
    """Stands for something that the file imports and that is not loaded."""

    def __init__(self, name: str):
        self.__dict__["_name"] = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return Missing(f"{self._name}.{attribute}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"{self._name} is not available to the doctor")


def load(path: str | Path) -> Room:
    """Load a ``.py`` or ``.ipynb`` file; ValueError, one sentence, for a file that will not do."""
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a directory: name a .py or .ipynb file in it.")
    if path.suffix not in (".py", ".ipynb"):
        raise ValueError(f"{path} is neither a .py nor an .ipynb file.")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path} is too large to be a program.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text file in UTF-8.") from None
    room = Room(path)
    parts = cells(text, path) if path.suffix == ".ipynb" else [(str(path), text)]
    for name, source in parts:
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        run_part(room, name, source)
    return room


def cells(text: str, path: Path) -> list[tuple[str, str]]:
    """The code cells of a notebook, with magics commented out so that the lines keep their numbers."""
    try:
        notebook = json.loads(text)
        found = notebook.get("cells")
        if found is None:
            found = [c for sheet in notebook["worksheets"] for c in sheet["cells"]]
        sources = []
        for number, cell in enumerate(found, start=1):
            if cell.get("cell_type") == "code":
                source = cell.get("source", cell.get("input", ""))
                sources.append((number, "".join(source)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a notebook: {error}.") from None
    result = []
    for number, source in sources:
        lines = source.split("\n")
        if (
            lines
            and lines[0].startswith("%%")
            and lines[0].split()[0] not in ("%%time", "%%timeit")
        ):
            continue
        lines = ["pass  # " + x if x.lstrip()[:1] in ("%", "!", "?") else x for x in lines]
        result.append((f"<learner cell {number}>", "\n".join(lines)))
    return result


def run_part(room: Room, name: str, source: str) -> None:
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = f"{Path(name).name}, line {line}" if line else Path(name).name
        room.notes.append(f"{where} is not valid Python ({getattr(error, 'msg', error)})")
        body = salvaged(source)
    for statement in body:
        run_statement(room, name, statement)


def salvaged(source: str) -> list[ast.stmt]:
    """The top-level blocks that are valid by themselves."""
    lines = source.split("\n")
    starts = [
        i
        for i, x in enumerate(lines)
        if x[:1] not in (" ", "\t", "", "#", ")", "]", "}")
        and not x.startswith(("else", "elif", "except"))
    ]
    found: list[ast.stmt] = []
    for start, end in zip(starts, [*starts[1:], len(lines)]):
        try:
            tree = ast.parse("\n".join(lines[start:end]))
        except (SyntaxError, ValueError):
            continue
        ast.increment_lineno(tree, start)
        found += tree.body
    return found


def run_statement(room: Room, name: str, statement: ast.stmt) -> None:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        bring(room, statement)
        return
    if isinstance(statement, ast.Try) and all(
        isinstance(s, ast.Import | ast.ImportFrom) for s in statement.body
    ):
        for s in statement.body:
            bring(room, s)
        return
    definition = isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    if isinstance(statement, ast.Expr | ast.Pass) and not (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
    ):
        return
    if not definition and not is_constant(statement):
        room.left_out.append(text_of(statement))
        return
    code = compile(ast.Module([statement], []), name, "exec")
    _, failure = attempt(lambda: exec(code, room.names), seconds=3)
    if failure is not None:
        room.left_out.append(f"{text_of(statement)} ({failure.sentence})")
    else:
        room.trees.append(statement)


def text_of(statement: ast.stmt) -> str:
    first = textwrap.shorten(ast.unparse(statement).split("\n")[0], 60)
    return f"line {statement.lineno}: {first}"


def is_constant(statement: ast.stmt) -> bool:
    """Whether an assignment gives a constant or a small function, and so may be executed."""
    if isinstance(statement, ast.AnnAssign):
        return statement.value is not None and harmless(statement.value)
    return isinstance(statement, ast.Assign) and harmless(statement.value)


def harmless(value: ast.expr) -> bool:
    if isinstance(value, ast.Lambda):
        return True
    for node in ast.walk(value):
        if isinstance(node, ast.Call):
            function = node.func
            called = (
                function.attr
                if isinstance(function, ast.Attribute)
                else getattr(function, "id", "")
            )
            if called not in CONSTANT_CALLS:
                return False
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, int)
            and abs(node.value) > 10**7
        ):
            return False
        if isinstance(node, ast.Await | ast.Yield | ast.NamedExpr | ast.ListComp | ast.DictComp):
            return False
    return True


def bring(room: Room, statement: ast.stmt) -> None:
    """An import: of NumPy and Python's own modules, of a file beside, else a stand-in."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            top = alias.name.split(".")[0]
            module = found_module(room, alias.name)
            if alias.asname:
                room.names[alias.asname] = module
            elif top == alias.name or isinstance(module, Missing):
                room.names[top] = module
            else:
                room.names[top] = importlib.import_module(top)
        return
    assert isinstance(statement, ast.ImportFrom)
    module = found_module(room, statement.module or "")
    for alias in statement.names:
        target = alias.asname or alias.name
        if alias.name == "*":
            public = [n for n in vars(module) if not n.startswith("_")]
            if not isinstance(module, Missing):
                room.names |= {n: getattr(module, n) for n in public if n not in room.names}
            else:
                course(room)
        elif isinstance(module, Missing) and hasattr(manual, alias.name):
            room.names[target] = course_function(room, alias.name)
            room.notes.append(f"{module._name} is missing; {alias.name} was taken from nn.manual")
        else:
            room.names[target] = getattr(module, alias.name, Missing(alias.name))


def found_module(room: Room, name: str) -> Any:
    if name.split(".")[0] in IMPORTED:
        try:
            return importlib.import_module(name)
        except ImportError:
            return Missing(name)
    beside = room.path.parent / (name.replace(".", "/") + ".py")
    if name and beside.is_file() and beside != room.path:
        try:
            other = load(beside)
        except (ValueError, RecursionError):
            return Missing(name)
        module = type(np)(name)
        vars(module).update(other.names)
        return module
    return Missing(name or "a module")


COURSE = ("sigmoid", "relu", "sigmoid_backward", "relu_backward", "linear_forward", "linear_backward",
          "linear_activation_forward", "linear_activation_backward")  # fmt: skip


def course(room: Room) -> None:
    """The course's helpers, which its notebooks import with a star from a file that is not here."""
    for name in COURSE:
        room.names.setdefault(name, course_function(room, name))
    if "the helper functions" not in " ".join(room.notes):
        room.notes.append("the helper functions of a missing module were taken from nn.manual")


def course_function(room: Room, name: str) -> Any:
    """`nn.manual`'s function, in the form that the file expects: (A, cache), or A alone."""
    function = getattr(manual, name)
    if name not in ("sigmoid", "relu"):
        return function
    paired = any(
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Tuple)
        and isinstance(node.value, ast.Call)
        and getattr(node.value.func, "id", "") == name
        for node in ast.walk(ast.parse("\n".join(source_of(room))))
    )
    return function if paired else lambda z: function(z)[0]


def source_of(room: Room) -> list[str]:
    """The text of a file as far as it parses."""
    try:
        text = room.path.read_text(encoding="utf-8-sig")
        if room.path.suffix == ".ipynb":
            text = "\n".join(s for _, s in cells(text, room.path))
        ast.parse(text)
    except (SyntaxError, ValueError, OSError):
        return []
    return text.split("\n")
