"""A learner's file as names: its imports, definitions and constants, nothing that trains or reads."""

from __future__ import annotations
import __future__

import ast
import builtins
import copy
import importlib
import io
import json
import linecache
import re
import sys
import textwrap
import tokenize
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np

from nn import manual
from nn.doctor.pretend import ACTING, TEXT, result_of
from nn.doctor.sandbox import Failure, attempt, place
from nn.doctor.usual import stand_ins

IMPORTED = {
    "__future__", "abc", "bisect", "collections", "copy", "csv", "dataclasses", "datetime", "enum",
    "functools", "heapq", "itertools", "json", "math", "numpy", "operator", "random", "re", "scipy",
    "statistics", "string", "struct", "sys", "time", "typing", "warnings", "tinygrad_edu", "nn",
}  # fmt: skip
CONSTANT_CALLS = {  # functions and methods that compute and do nothing else
    "float", "int", "range", "len", "dict", "list", "tuple", "set", "str", "bool", "pow", "sorted", "zip",
    "enumerate", "reversed", "min", "max", "sum", "abs", "round", "ord", "chr", "namedtuple", "partial",
    "sqrt", "log", "exp", "sin", "cos", "tanh", "seed", "random", "uniform", "randint", "choice", "gauss",
    "array", "asarray", "zeros", "ones", "eye", "arange", "linspace", "float64", "float32", "RandomState",
    "default_rng", "rand", "randn", "normal", "standard_normal", "integers", "reshape", "dot", "astype",
    "transpose", "mean", "copy", "flatten", "ravel", "tolist", "lower", "upper", "split", "strip", "join",
    "replace", "keys", "values", "items", "format", "index", "count", "concatenate", "vstack", "hstack",
    "zeros_like", "ones_like", "meshgrid", "maximum",
}  # fmt: skip
MODULES = {
    "np",
    "numpy",
    "math",
    "random",
}  # whose functions compute, but for those that read or write
READS = re.compile(r"load|save|from(file|txt|regex)|genfromtxt|memmap|tofile|open")
MAGIC = re.compile(r"^(\s*)([%!?]|\w+\s*=\s*[%!]|[\w.]+\?{1,2}\s*$)")
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
LARGEST = 20_000_000  # bytes


class Room:
    """The names that a file defines, and what of it was left out."""

    def __init__(self, path: Path):
        self.path = path
        self.names: dict[str, Any] = {"__name__": "learner", "__file__": str(path)}
        self.trees: list[ast.stmt] = []  # what was executed
        self.statements: list[ast.stmt] = []  # everything
        self.files: dict[ast.stmt, str] = {}  # the file, or the cell, in which each stands
        self.notes: list[str] = []
        self.left_out: list[str] = []
        self.missing: dict[str, str] = {}  # imported name: its module
        self.rehearsal: Any = None  # a run of all of it, up to one step, where one was needed
        self.choices: dict[str, list[Any]] = {}  # what a name that is not in the file may mean


class Missing:
    """Stands for something that the file imports and that is not loaded."""

    def __init__(self, name: str):
        self.__dict__["_name"] = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return Missing(f"{self._name}.{attribute}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if ACTING["on"]:
            return result_of(self._name.split(".")[-1], args, kwargs)
        raise ImportError(f"{self._name} is not available to the doctor")

    def __index__(self) -> int:
        return 3  # a setting, such as the number of rounds

    def __float__(self) -> float:
        return 0.1

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (Absent,)


class Absent:
    """The base of a class whose own base is not loaded."""

    def __init__(self, *args: Any, **kwargs: Any):
        pass


def load(path: str | Path) -> Room:
    """Load a ``.py`` or ``.ipynb`` file; ValueError, one sentence, for a file that will not do."""
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a directory: name a .py or .ipynb file in it.")
    if path.suffix.lower() not in (".py", ".ipynb"):
        raise ValueError(f"{path} is neither a .py nor an .ipynb file.")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path} is too large to be a program.")
    room = Room(path)
    text = text_in(path, room.notes)
    if not text.strip():
        raise ValueError(f"{path} is empty.")
    parts = [(str(path), text)] if path.suffix.lower() == ".py" else cells(text, path, room.notes)
    for name, source in parts:
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    for name, source in parts:
        run_part(room, name, source)
    if not room.statements and room.notes:
        raise ValueError(f"{path} is not a Python program: {'; '.join(room.notes)}.")
    fill_in(room)
    return room


def text_in(path: Path, notes: list[str]) -> str:
    """The text of a file in the encoding that it declares, else in UTF-8."""
    content = path.read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif b"\0" in content:
        raise ValueError(f"{path} is not a text file.")
    else:
        try:
            encoding = tokenize.detect_encoding(io.BytesIO(content).readline)[0]
        except SyntaxError:
            encoding = "utf-8"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode("latin-1")
        notes.append(f"{path.name} is not in {encoding.upper()}; it was read as Latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def cells(text: str, path: Path, notes: list[str]) -> list[tuple[str, str]]:
    """The code cells of a notebook, with magics commented out so that the lines keep their numbers."""
    try:
        notebook = json.loads(text)
        found = notebook.get("cells")
        if found is None:
            found = [c for sheet in notebook["worksheets"] for c in sheet["cells"]]
        code = [c for c in found if isinstance(c, dict) and c.get("cell_type") == "code"]
        sources = [joined(c.get("source", c.get("input", ""))) for c in code]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if not (sources := cells_in_ruins(text)):
            raise ValueError(f"{path} is not a notebook: {what_is_broken(error)}.") from None
        notes.append(
            f"{path.name} is a broken notebook ({what_is_broken(error)}); "
            f"{len(sources)} of its code cells could be read"
        )
    result = []
    for number, source in enumerate(sources, start=1):
        lines = source.split("\n")
        if lines[0].startswith("%%") and lines[0].split()[0] not in (
            "%%time",
            "%%timeit",
            "%%capture",
        ):
            continue
        lines = [MAGIC.sub(r"\1pass  # \2", x) for x in lines]
        result.append((f"<learner cell {number}>", "\n".join(lines)))
    return result


def what_is_broken(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"its JSON breaks off or is wrong at line {error.lineno}"
    return "it has no list of cells"


def cells_in_ruins(text: str) -> list[str]:
    """The code cells that are whole in a notebook that is not."""
    found = []
    for part in re.split(r'"cell_type"\s*:\s*', text)[1:]:
        start = re.search(r'"source"\s*:\s*', part)
        if not part.startswith('"code"') or start is None:
            continue
        try:
            source, _ = json.JSONDecoder().raw_decode(part, start.end())
        except ValueError:
            continue
        found.append(joined(source))
    return found


def joined(source: Any) -> str:
    """A cell's text, which is kept as lines."""
    lines = source if isinstance(source, list) else [source]
    return "".join(x for x in lines if isinstance(x, str))


def run_part(room: Room, name: str, source: str) -> None:
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = (
            place(name, line or 1) if name.startswith("<") else f"{Path(name).name}, line {line}"
        )
        room.notes.append(f"{where} is not valid Python ({getattr(error, 'msg', error)})")
        body = salvaged(source)
    imports = Imports()
    body = [imports.visit(s) for s in body]
    for s in imports.inside:
        bring(room, s)
    room.statements += body
    room.files |= dict.fromkeys(body, name)
    room.notes += [f"{place(name, line)}: {says}" for line, says in twice(body)]
    for statement in body:
        run_statement(room, name, statement)


class Imports(ast.NodeTransformer):
    """Takes the imports out of functions: they are brought for all of the file."""

    def __init__(self) -> None:
        self.inside: list[ast.Import | ast.ImportFrom] = []
        self.depth = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Import | ast.ImportFrom) and self.depth:
            self.inside.append(node)
            return ast.copy_location(ast.Pass(), node)
        return super().generic_visit(node)


def twice(body: list[ast.stmt]) -> Iterator[tuple[int, str]]:
    """Keys that stand twice in one dictionary, with their lines."""
    for node in (n for s in body for n in ast.walk(s) if isinstance(n, ast.Dict)):
        keys = [k for k in node.keys if isinstance(k, ast.Constant)]
        for i, key in enumerate(keys):
            if any(k.value == key.value for k in keys[:i]):
                yield (
                    key.lineno,
                    f"the key {key.value!r} stands in this dictionary twice",
                )


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
        if any(isinstance(room.names.get(n), Missing) for s in statement.body for n in brought(s)):
            for s in (s for h in statement.handlers for s in h.body):
                run_statement(room, name, s)
        return
    definition = statement if isinstance(statement, DEFINITIONS) else None
    if isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Call)
    ):
        return
    if (stand_in := read_from_file(statement)) is not None:
        room.left_out.append(f"{text_of(statement, name)} (a text was invented)")
        statement = stand_in
    if not definition and not is_constant(statement) and not makes_object(statement, room):
        room.left_out.append(text_of(statement, name))
        return
    failure = executed(room, name, statement)
    if failure is not None and definition and definition.decorator_list:
        plain = copy.copy(definition)
        plain.decorator_list = []
        failure = executed(room, name, plain)
        room.notes += [f"{definition.name} was taken without its decorator"] * (failure is None)
    if failure is not None:
        follows = isinstance(failure.error, NameError) and not definition
        why = "" if follows else f" ({failure.sentence})"  # a name of what was not executed
        room.left_out.append(f"{text_of(statement, name)}{why}")
    else:
        room.trees.append(statement)


def executed(room: Room, name: str, statement: ast.stmt) -> Failure | None:
    # annotations stay text: their names may be of modules that are not here
    flags = __future__.annotations.compiler_flag
    code = compile(ast.Module([statement], []), name, "exec", flags)
    before = sys.modules.get("learner")
    sys.modules["learner"] = ModuleType("learner")  # where @dataclass looks
    try:
        with mock.patch.object(sys, "argv", [name, *"34345"]):  # numbers, where it takes some
            return attempt(lambda: exec(code, room.names), seconds=3, seed=3)[1]
    finally:
        room.names["__name__"] = "learner"
        del sys.modules["learner"]
        if before is not None:
            sys.modules["learner"] = before


def text_of(statement: ast.stmt, name: str) -> str:
    first = textwrap.shorten(ast.unparse(statement).split("\n")[0], 60)
    return f"{place(name, statement.lineno)}: {first}"


def is_constant(statement: ast.stmt) -> bool:
    """Whether a statement gives a constant, random numbers or a small function, and so may be
    executed."""
    if isinstance(statement, ast.AnnAssign):
        return statement.value is not None and harmless(statement.value)
    if isinstance(statement, ast.Expr):
        return "seed" in ast.unparse(statement) and harmless(statement.value)
    if isinstance(statement, ast.Assign):
        return harmless(statement.value)
    return fills_table(statement)


def makes_object(statement: ast.stmt, room: Room) -> bool:
    """Whether a statement makes an object of a class of the file, or adds one to it: net.add(Layer())."""
    if not isinstance(statement, ast.Assign | ast.Expr) or not isinstance(
        statement.value, ast.Call
    ):
        return False
    own = {n for n, v in room.names.items() if isinstance(v, type) and v.__module__ == "learner"}
    call, function = statement.value, statement.value.func
    adds = isinstance(function, ast.Attribute) and re.match("add|append|push", function.attr)
    makes = isinstance(statement, ast.Assign) and getattr(function, "id", "") in own
    inside = [n for a in [*call.args, *(k.value for k in call.keywords)] for n in ast.walk(a)]
    called = [n.func for n in inside if isinstance(n, ast.Call)]
    return bool(adds or makes) and all(getattr(f, "id", "") in own for f in called)


def harmless(value: ast.expr) -> bool:
    """Whether an expression only computes, of what is small."""
    if isinstance(value, ast.Lambda):
        return True
    for node in ast.walk(value):
        if isinstance(node, ast.Call) and not computes(node.func):
            return False
        if isinstance(node, ast.Constant) and type(node.value) is int and abs(node.value) > 10**7:
            return False
        if isinstance(node, ast.Await | ast.Yield | ast.NamedExpr):
            return False
    return True


def computes(function: ast.expr) -> bool:
    """Whether this is a function of NumPy's or Python's that computes and does nothing else."""
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    owner = function
    while isinstance(owner, ast.Attribute):
        owner = owner.value
    module = isinstance(owner, ast.Name) and owner is not function and owner.id in MODULES
    return name in CONSTANT_CALLS or (module and not READS.search(name))


def fills_table(statement: ast.stmt) -> bool:
    """Whether a loop does nothing but store constants as entries: table[i] = codes[i]."""
    return (
        isinstance(statement, ast.For)
        and harmless(statement.iter)
        and all(
            isinstance(s, ast.Assign)
            and harmless(s.value)
            and all(isinstance(t, ast.Subscript) for t in s.targets)
            for s in statement.body
        )
    )


def read_from_file(statement: ast.stmt) -> ast.stmt | None:
    """With an invented text for ``open(...).read()``: text = open("input.txt").read().lower()."""

    class Stand(ast.NodeTransformer):
        found = False

        def visit_Call(self, node: ast.Call) -> ast.AST:
            text = ast.unparse(node)
            if re.fullmatch(r"open\(.*\)\.read\(\)", text):
                self.found = True
                return ast.copy_location(ast.Constant(TEXT), node)
            self.generic_visit(node)
            return node

    if not isinstance(statement, ast.Assign):
        return None
    stand = Stand()
    new = stand.visit(copy.deepcopy(statement))
    return ast.fix_missing_locations(new) if stand.found else None


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
        if re.match(r"builtins|past\b|six\b", statement.module or ""):  # of Python 2
            own = {"xrange": range, "unicode": str, "raw_input": input}
            room.names[target] = own.get(alias.name, getattr(builtins, alias.name, Missing(target)))
        elif isinstance(module, Missing):
            room.missing[alias.name] = module._name
            if alias.name != "*":
                room.names[target] = Missing(alias.name)
        elif alias.name == "*":
            public = [n for n in vars(module) if not n.startswith("_")]
            room.names |= {n: getattr(module, n) for n in public if n not in room.names}
        else:
            room.names[target] = getattr(module, alias.name, Missing(alias.name))


def brought(statement: ast.stmt) -> list[str]:
    """The names that an import gives."""
    aliases = statement.names if isinstance(statement, ast.Import | ast.ImportFrom) else []
    return [(a.asname or a.name).split(".")[0] for a in aliases]


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


def fill_in(room: Room) -> None:
    """Take the usual functions, and `nn.manual`'s, for those of modules that are not there.

    The course's and the textbook's notebooks import them from files that come beside them.
    """
    trees = [node for tree in room.trees for node in ast.walk(tree)]
    wanted = {n.id for n in trees if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    own = {n.arg for n in trees if isinstance(n, ast.arg)}
    own |= {n.id for n in trees if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    everywhere = {n for n in wanted if n not in room.names and n not in own}
    if "np" in everywhere:
        room.names["np"] = np
    manuals, usual = [], []
    for name in sorted(wanted):
        absent = name in everywhere
        imported = name in room.missing and isinstance(room.names.get(name), Missing)
        by_hand = getattr(getattr(manual, name, None), "__module__", "").startswith("nn.")
        if by_hand and (imported or (absent and "*" in room.missing)):
            room.names[name] = course_function(name, trees)
            manuals.append(name)
        elif (absent or imported) and (found := list(stand_ins(name))):
            room.names[name] = found[0]
            room.choices |= {name: found} if len(found) > 1 else {}
            usual.append(name)
    if manuals:
        modules = " and ".join(sorted({str(m) for m in room.missing.values()}))
        room.notes.append(
            f"{modules} is not beside the file: {', '.join(manuals)} of the same name were taken "
            "from nn.manual"
        )
    if usual:
        room.notes.append(
            f"{', '.join(usual)} {'is' if len(usual) == 1 else 'are'} not in the file; what is usually "
            "called so was taken"
        )


def course_function(name: str, trees: list[ast.AST]) -> Any:
    """`nn.manual`'s function, in the form that the file expects: (A, cache), or A alone."""
    function = getattr(manual, name)
    paired = name not in ("sigmoid", "relu") or any(
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Tuple)
        and isinstance(node.value, ast.Call)
        and getattr(node.value.func, "id", "") == name
        for node in trees
    )
    return function if paired else lambda z: function(z)[0]
