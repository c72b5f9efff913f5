"""Small changes of a statement's text, as people's mistakes go: a table of rewrites, and other names."""

from __future__ import annotations

import ast
import copy
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType, FunctionType
from typing import Any

import numpy as np

Path = tuple[tuple[str, int | None], ...]  # from a node to a part of it


def statements(tree: ast.FunctionDef) -> list[tuple[Any, Path]]:
    """The statements that a change is tried in, the last first: gradients go backwards."""
    kinds = (ast.Assign, ast.AugAssign, ast.Return, ast.Expr, ast.For, ast.If, ast.While)
    found = [(node, path) for path, node in parts_of(tree) if isinstance(node, kinds)]
    return [
        (node, path)
        for node, path in found[::-1]
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]


def own_lines(statement: ast.stmt) -> range:
    """The lines of a statement, without those of what it repeats or decides."""
    body = getattr(statement, "body", None)
    last = max(body[0].lineno - 1, statement.lineno) if body else statement.end_lineno
    return range(statement.lineno, (last or statement.lineno) + 1)


def moved_to(block: Sequence[ast.stmt], i: int) -> Iterator[int]:
    """Where a statement that changes a variable, dW /= m, may belong: before the first of those that use
    the variable earlier, after the last of those that use it later."""
    statement = block[i]
    if not isinstance(statement, ast.AugAssign | ast.Assign):
        return
    target = statement.target if isinstance(statement, ast.AugAssign) else statement.targets[0]
    reads = {getattr(n, "id", "") for n in ast.walk(statement.value)}
    again = isinstance(target, ast.Name) and target.id in reads
    if not (isinstance(statement, ast.AugAssign) or isinstance(target, ast.Subscript) or again):
        return
    name = ast.unparse(target.value if isinstance(target, ast.Subscript) else target)
    uses, stores = [], []
    for j, s in enumerate(block):
        nodes = [n for n in ast.walk(s) if hasattr(n, "ctx") and ast.unparse(n) == name]
        entry = isinstance(s, ast.AugAssign | ast.Assign) and any(
            isinstance(n, ast.Subscript)
            and isinstance(n.ctx, ast.Store)
            and ast.unparse(n.value) == name
            for n in ast.walk(s)
        )
        stored = entry or any(isinstance(n.ctx, ast.Store) for n in nodes)
        stores += [j] if stored and j != i else []
        uses += [j] if nodes and not stored and j != i else []
    start = max((j for j in stores if j < i), default=-1)
    end = min((j for j in stores if j > i), default=len(block))
    yield from [j for j in uses if start < j < i][:1]
    yield from [j for j in uses if i < j <= end][-1:]


def head(statement: ast.stmt) -> str:
    return ast.unparse(statement).split("\n")[0]


def parts_of(node: ast.AST, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """All that is below a node, with the way to it; nothing of texts."""
    for name, value in () if isinstance(node, ast.JoinedStr) else ast.iter_fields(node):
        for i, item in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(item, ast.AST):
                here = (*path, (name, i))
                yield here, item
                yield from parts_of(item, here)


def at(node: Any, path: Path) -> Any:
    for name, i in path:
        node = getattr(node, name) if i is None else getattr(node, name)[i]
    return node


def put(tree: ast.AST, path: Path, new: Any) -> Any:
    """Put another node at the end of the path; what stood there."""
    owner, (name, i) = at(tree, path[:-1]), path[-1]
    old = at(tree, path)
    if i is None:
        setattr(owner, name, new)
    else:
        getattr(owner, name)[i] = new
    return old


def attributes_in(tree: ast.AST) -> Iterator[str]:
    """The attributes of self: "self.W", ..."""
    for n in ast.walk(tree):
        if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == "self":
            yield ast.unparse(n)


class About:
    """What the parts of a statement may be exchanged for, in one function."""

    def __init__(self, tree: ast.FunctionDef, frame: FrameType | None, attributes: list[str]):
        nodes = list(ast.walk(tree))
        arguments = [a.arg for a in (*tree.args.args, *tree.args.kwonlyargs) if a.arg != "self"]
        stored = [n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        self.assigned = set(stored)
        self.names = list(dict.fromkeys([*arguments, *stored, *attributes]))
        self.entries = list(entries_stored(nodes))
        strings = {n.value for n in nodes if isinstance(n, ast.Constant)}
        self.strings = sorted(
            {x for x in strings if isinstance(x, str)} | {"relu", "sigmoid", "tanh"}
        )
        known = dict(frame.f_locals) if frame is not None else {}
        own = getattr(known.get("self"), "__dict__", {})
        known |= {f"self.{k}": v for k, v in own.items()}
        entries = {
            f"{k}[{key!r}]": v
            for k, holder in known.items()
            if isinstance(holder, dict) and len(holder) < 40
            for key, v in holder.items()
            if isinstance(key, str) and isinstance(v, np.ndarray)
        }
        self.names += list(entries)
        self.sorts = {k: sort_of(v) for k, v in (known | entries).items()}
        functions = dict(frame.f_globals) if frame is not None else {}
        functions |= {f"self.{k}": v for k, v in vars(type(known.get("self"))).items()}
        self.flags = {  # parameters that are False if nothing is given: deriv=False
            k: [p.name for p in inspect.signature(v).parameters.values() if p.default is False]
            for k, v in functions.items()
            if isinstance(v, FunctionType) and False in (v.__defaults__ or ())
        }
        slope = re.compile("deriv|prime|backward|grad", re.I)
        self.helpers = sorted(
            k for k, v in functions.items() if isinstance(v, FunctionType) and slope.search(k)
        )

    def of_sort(self, sort: str | None) -> list[str]:
        """The names of values of this sort, and those whose values are not known."""
        return [k for k in self.names if sort is None or self.sorts.get(k, sort) == sort]

    def alike(self, text: str) -> list[str]:
        """The names that may stand in the place of this one."""
        return self.of_sort(self.sorts.get(text))


def sort_of(value: Any) -> str:
    if isinstance(value, bool | int | float | np.number):
        return "number"
    return "array" if isinstance(value, np.ndarray) else type(value).__name__


def entries_stored(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, str]]:
    """The entries that a function stores, and their neighbours, by the words of their keys:
    ("dA", "grads['dA' + str(l + 1)]") where grads["dA" + str(l)] is stored."""
    for node in nodes:
        if not (isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)):
            continue
        words = [n.value for n in ast.walk(node.slice) if isinstance(n, ast.Constant)]
        word = next((w for w in words if isinstance(w, str) and w), None)
        numbers = {n.id for n in ast.walk(node.slice) if isinstance(n, ast.Name)} - {"str"}
        text = ast.unparse(node)
        for name in sorted(numbers) if word else ():
            for new in (name, f"{name} + 1", f"{name} - 1"):
                yield str(word), re.sub(rf"\b{name}\b", new, text)


def statement_edits(statement: ast.stmt, about: About) -> Iterator[tuple[str, Path, ast.AST]]:
    """(kind, where in the statement, what to put there), one change each."""
    part = {ast.For: "iter", ast.If: "test", ast.While: "test"}.get(type(statement), "value")
    value = getattr(statement, part)
    if value is None:
        return
    yield from inner_edits(value, ((part, None),), about)
    if not isinstance(statement, ast.Assign | ast.AugAssign | ast.Return):
        return
    several = isinstance(value, ast.Tuple)
    for i, whole in enumerate(value.elts if several else [value]):
        # a variable is changed where it is assigned
        known = isinstance(whole, ast.Name) and whole.id in about.assigned
        if not known or not (several or isinstance(statement, ast.Return)):
            inside: Path = (("value", None), ("elts", i)) if several else (("value", None),)
            for kind, new in () if is_size(statement, about) else whole_edits(whole, about):
                yield kind, inside, new
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        slot: tuple[str, int | None] = ("targets", 0)
        if isinstance(target, ast.Name | ast.Attribute | ast.Subscript):
            yield "= for +=", (), ast.AugAssign(target, ast.Add(), value)
        for other in about.alike(target.id) if isinstance(target, ast.Name) else ():
            new = source(other)
            new.ctx = ast.Store()
            yield "another name assigned", (slot,), new
    elif isinstance(statement, ast.AugAssign):
        target, slot = statement.target, ("target", None)
        yield "+= for =", (), ast.Assign([target], value)
        yield "statement too many", (), ast.Pass()
        for op in (ast.Sub, ast.Add, ast.Mult):
            yield "another operation", (("op", None),), op()
    else:
        return
    if isinstance(target, ast.Subscript):
        yield from inner_edits(target.slice, (slot, ("slice", None)), about)


def is_size(statement: ast.stmt, about: About) -> bool:
    """Whether the statement assigns a whole number of things."""
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    return isinstance(target, ast.Name) and about.sorts.get(target.id) == "number"


Rule = tuple[str, ast.expr, ast.expr]


def source(text: str) -> Any:
    """The expression, without a place: it gets that of what it replaces."""
    tree = ast.parse(text, mode="eval").body
    for node in ast.walk(tree):
        for attribute in node._attributes:
            delattr(node, attribute)
    return tree


def rules(table: Mapping[str, Sequence[str]]) -> list[Rule]:
    """(kind, what stands there, what may have been meant); x, y and f stand for any expression."""
    found = []
    for kind, lines in table.items():
        for pattern, _, several in (line.partition(" -> ") for line in lines):
            found += [(kind, source(pattern), source(new)) for new in several.split(" | ")]
    return found


COMPARISONS = (">", "<", ">=", "<=")
PARTS = rules(
    {
        "transpose too many": ["x.T -> x"],
        "another operation": [
            "x + y -> x - y",
            "x - y -> x + y",
            "x * y -> x / y | x @ y",
            "x / y -> x * y",
            "x @ y -> x * y",
        ],
        "operands exchanged": [
            "x - y -> y - x",
            "x / y -> y / x",
            "x @ y -> y @ x",
            "f(x, y) -> f(y, x)",
        ],
        "something too many": [
            *(f"x {op} y -> x | y" for op in ("+", "-", "*", "/", "@", "**", "//")),
            "f(x) -> x",
        ],
        "sign": ["-x -> x"],
        "a factor missing": ["x -> x * (1 - x)", "1 - x -> x * (1 - x)"],
        "derivative of relu": ["x * y -> x * (y > 0)"],
        "derivative of tanh": ["1 - x -> 1 - x ** 2"],
        "mask inverted": ["~x -> x"],
        "another comparison": [
            f"x {a} y -> x {b} y" for a in COMPARISONS for b in COMPARISONS if a != b
        ],
        "sum for mean": ["x.sum -> x.mean"],
        "mean for sum": ["x.mean -> x.sum"],
    }
)
WHOLE = rules(
    {
        "sign": ["x -> -x"],
        "transposed": ["x -> x.T"],
        "factor 2": ["x -> x * 2"],
        "factor 0.5": ["x -> x * 0.5"],
        "not summed": [
            f"x -> np.sum(x, axis={i}{more})" for i in (0, 1) for more in ("", ", keepdims=True")
        ],
    }
)
BY_NUMBER = rules({"missing 1/{}": ["x -> x / y"], "1/{} too many": ["x -> x * y"]})
BY_ARRAY = rules(
    {
        "size missing": ["x -> x / y.shape[0] | x / y.shape[1]"],
        "a factor missing": ["x -> x * y | x * (1 - y)"],
        "derivative of relu missing": ["x -> x * (y > 0)"],
        "derivative of sigmoid missing": ["x -> x * (y * (1 - y))"],
        "derivative of tanh missing": ["x -> x * (1 - y ** 2)"],
        "a term missing": ["x -> x + y"],
    }
)


def rewritten(node: ast.expr, by: Sequence[Rule], y: str = "") -> Iterator[tuple[str, ast.expr]]:
    """What these rules make of an expression, with this name for y."""
    for kind, pattern, new in by:
        found: dict[str, ast.AST] = {"y": source(y)} if y else {}
        if matches(pattern, node, found):
            yield kind.format(y), filled(new, found)


def matches(pattern: Any, node: Any, found: dict[str, ast.AST]) -> bool:
    """Whether an expression has this form; ``found``: what its x, y and f are."""
    if isinstance(pattern, ast.Name) and isinstance(node, ast.expr):
        found[pattern.id] = node
        return True
    if isinstance(pattern, list):
        pairs = zip(pattern, node, strict=False)
        return len(pattern) == len(node) and all(matches(p, n, found) for p, n in pairs)
    if not isinstance(pattern, ast.AST):
        return bool(pattern == node)
    return type(pattern) is type(node) and all(
        matches(value, getattr(node, name), found)
        for name, value in ast.iter_fields(pattern)
        if name != "ctx"
    )


def filled(template: ast.expr, parts: Mapping[str, ast.AST]) -> Any:
    """The template with these expressions in the place of its names."""

    class Fill(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.AST:
            return parts.get(node.id, node)

    return Fill().visit(copy.deepcopy(template))


def whole_edits(value: ast.expr, about: About) -> Iterator[tuple[str, ast.expr]]:
    """Something done to a whole right-hand side: a sign, a factor, a derivative."""
    yield from rewritten(value, WHOLE)
    for name in about.of_sort("number"):
        if name in about.sorts or name in ("m", "n", "N", "batch_size"):
            yield from rewritten(value, BY_NUMBER, name)
    for name in about.of_sort("array"):
        yield from rewritten(value, BY_ARRAY, name)


def inner_edits(value: ast.expr, path: Path, about: About) -> Iterator[tuple[str, Path, Any]]:
    """The expression with one change somewhere inside."""
    places: list[tuple[Path, Any]] = [((), value)]
    places += [(p, n) for p, n in parts_of(value) if isinstance(n, ast.expr)]
    for inner, node in places:
        owner = at(value, inner[:-1]) if inner else None
        called = isinstance(owner, ast.Call) and owner.func is node
        method = owner.attr if isinstance(owner, ast.Attribute) else ""
        if called and (isinstance(node, ast.Name) or ast.unparse(node) in about.helpers):
            others = about.helpers if ast.unparse(node) in about.helpers else []
            made = [("another function", source(h)) for h in others]
        elif method not in ("", "T", "shape") and is_outside(node, about):
            continue
        else:
            made = list(node_edits(node, about))
        if not called and method not in ("T", "sum", "mean") and may_be_array(node):
            made.append(("transpose missing", ast.Attribute(node, "T", ast.Load())))
        yield from ((kind, (*path, *inner), new) for kind, new in made)


def is_outside(node: ast.expr, about: About) -> bool:
    """Whether this is no variable of the function, but a module or self."""
    return isinstance(node, ast.Name) and node.id not in about.names


def may_be_array(node: ast.expr) -> bool:
    transposed = isinstance(node, ast.Attribute) and node.attr == "T"
    return isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call) and not transposed


def node_edits(node: ast.expr, about: About) -> Iterator[tuple[str, ast.expr]]:
    """One part of an expression changed: in its form, or something else in its place."""
    text = ast.unparse(node)
    if isinstance(node, ast.Call):
        yield from sum_edits(node)
        for flag in about.flags.get(ast.unparse(node.func), ()):
            if not node.keywords and len(node.args) == 1:
                words = [ast.keyword(flag, ast.Constant(True))]
                yield "an argument missing", ast.Call(node.func, node.args, words)
    if not isinstance(node, ast.Constant):
        yield from rewritten(node, PARTS)
    else:
        for kind, value in other_constants(node.value, about.strings):
            yield kind, ast.Constant(value)
    if isinstance(node, ast.Name) or text in about.names:
        for name in about.alike(text):
            yield "another name", source(name)
        for word, entry in about.entries:
            if text.lower().startswith(word.lower()):
                yield "another name", source(entry)
    if isinstance(node, ast.Name) and about.sorts.get(text, "number") == "number":
        yield "index off by one", source(f"{text} + 1")
        yield "index off by one", source(f"{text} - 1")


def other_constants(value: Any, strings: Sequence[str]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, bool):
        yield "another constant", not value
    elif isinstance(value, int):
        yield from (("another number", x) for x in (value + 1, value - 1, 2))
    elif isinstance(value, float):
        yield from (("another number", x) for x in (1 - value, 2 * value, value / 2, 1.0))
    elif isinstance(value, str):
        yield from ((f"'{value}' for '{text}'", text) for text in strings)


def sum_edits(call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """Another axis of a sum or a mean, an axis or keepdims that is missing or too many."""
    if not (isinstance(call.func, ast.Attribute) and call.func.attr in ("sum", "mean")):
        return
    kept = [k for k in call.keywords if k.arg not in ("axis", "keepdims")]
    for axis in ("axis=0", "axis=1", ""):
        for keep in ("keepdims=True", ""):
            words = source(f"f({', '.join(filter(None, (axis, keep)))})").keywords
            yield "axis or keepdims", ast.Call(call.func, call.args[:1], [*kept, *words])
