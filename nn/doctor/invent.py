"""Numbers for functions whose own data are not at hand: parameters, inputs, labels, settings."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np

from nn.doctor.naming import last_name, role_of, source_tree


def initial_calls(function: Any, dims: list[int]) -> Iterator[dict[str, Any]]:
    """Arguments for an initialisation or a constructor: sizes by their names, else in their order.

    >>> next(initial_calls(lambda n_x, hidden_size, classes, lr: 0, [4, 5, 3]))
    {'n_x': 4, 'hidden_size': 5, 'classes': 3, 'lr': 0.1}
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return
    known: dict[str, Any] = {}
    sizes, arrays, others = [], [], []
    hidden = dims[1:-1]
    for p in parameters:
        if p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) or p.name == "self":
            continue
        if p.default is not p.empty and not isinstance(p.default, int | list | tuple):
            continue
        value = size_called(p.name, dims, hidden)
        if value is not None:
            few = unpacked(function, p.name) if isinstance(value, list) else 0
            known[p.name] = tuple(value[-few:]) if few else value
        elif p.default is not p.empty:
            continue
        elif re.search(r"size|shape|layer|units|nodes|net$|arch", p.name.lower()) and (
            is_gone_through(function, p.name)
        ):
            known[p.name] = list(dims)
        elif role_of(p.name) == "lr":
            known[p.name] = 0.1
        elif re.fullmatch(r"rng|generator|random_state|rs|prng", p.name.lower()):
            known[p.name] = np.random.default_rng(1)
        elif re.search(r"heads", p.name.lower()):
            known[p.name] = 2
        elif (parts := unpacked(function, p.name)) > 1:
            known[p.name] = (2, 6, 6)[-parts:] if "in" in p.name.lower() else (3,) * parts
        elif re.match(
            r"(is|has|use|need|needs|with|do|can|enable)_|train(able|ing)?$", p.name.lower()
        ):
            known[p.name] = True
        elif re.search(r"dim|size|num|units|nodes|neurons|width|layer|^[nhdk]$", p.name.lower()):
            sizes.append(p.name)
        elif re.match(r"(w|b|weights?|bias(es)?|gamma|beta|x|y|data)\d*$", p.name.lower()):
            arrays.append(p.name)
        else:
            others.append(p.name)
    order = (
        [dims[0], dims[-1]] if len(sizes) == 2 and not known else [*dims[: -1 or None], dims[-1]]
    )
    if known:  # the ends are named: the others are hidden
        order = dims[1:-1] * len(sizes) or dims
    known |= dict(zip(sizes, order))
    rng = np.random.default_rng(1)
    shapes = {"w": (dims[0], dims[-1]), "b": (dims[-1],)}
    known |= {n: rng.normal(size=shapes.get(n.lower(), (dims[0],))) for n in arrays}
    known |= functions_called(others)
    others = [n for n in others if n not in known]
    if longer := {k: [*v[:-1], 3, v[-1]] for k, v in known.items() if type(v) is list}:
        yield known | longer | dict.fromkeys(others, 0.1)  # a loop over hidden layers runs twice
    yield known | dict.fromkeys(others, 0.1)
    lists = [k for k, v in known.items() if type(v) is list]
    for count in (2, 1, 3) if lists else ():  # numbers of layers
        yield known | dict.fromkeys(lists, count) | dict.fromkeys(others, 0.1)
    needed = {p.name for p in parameters if p.default is p.empty}
    if needed != known.keys():  # its own sizes
        yield {k: v for k, v in known.items() if k in needed}
    if others:
        yield known | dict(zip(others, [*order, *dims]))
        yield known | {n: rng.normal(size=dims[0]) for n in others}


def tree_called(function: Any) -> Any:
    """The text of a function, of a class that of its constructor."""
    called = getattr(function, "__init__", function) if isinstance(function, type) else function
    return source_tree(called)


def is_gone_through(function: Any, name: str) -> bool:
    """Whether an argument is a list: its length is asked for, or it is cut."""
    tree = tree_called(function)
    nodes = list(ast.walk(tree)) if tree is not None else []
    asked = (
        n.args[0]
        for n in nodes
        if isinstance(n, ast.Call) and n.args and last_name(n.func) == "len"
    )
    cut = (
        n.value for n in nodes if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.Slice)
    )
    return any(last_name(n) == name for n in chain(asked, cut) if isinstance(n, ast.Name))


def unpacked(function: Any, name: str) -> int:
    """Into how many parts an argument is taken apart: height, width = kernel_size."""
    tree = tree_called(function)
    for n in ast.walk(tree) if tree is not None else ():
        parts = n.targets[0] if isinstance(n, ast.Assign) else None
        if isinstance(parts, ast.Tuple) and getattr(n.value, "id", "") == name:  # type: ignore[attr-defined]
            return len(parts.elts)
    return 0


def functions_called(names: Sequence[str]) -> dict[str, Any]:
    """An activation and its derivative, where a constructor takes them."""
    slope = re.compile(r"prime|deriv|grad|^d(?=act|_)", re.I)
    named = [n for n in names if re.search(r"activ|func|prime|deriv|^act|nonlin", n, re.I)]
    if len(named) < 2:
        return {}
    return {n: (lambda x: 1 - np.tanh(x) ** 2) if slope.search(n) else np.tanh for n in named}


def size_called(name: str, dims: list[int], hidden: list[int]) -> Any:
    """The size, or the list of sizes, that an argument of this name stands for; None for others."""
    low = name.lower()
    many = re.search(r"layers|sizes|dims|architecture|topology|structure|units|neurons|shape", low)
    count = re.match(r"n_|num", low)
    if re.search(r"hid|n_?h\d?$|h_?dim", low):
        if re.search(r"sizes|dims|layers", low) and not count:
            return list(hidden)
        return hidden.pop(0) if len(hidden) > 1 else hidden[0]
    if re.search(r"^out|output|n_?y$|class|labels|fan_out|n_out", low):
        return dims[-1]
    if re.search(r"^in(?!it|d|t)|input|visible|n_?x$|features|fan_in|n_in|vocab|prev", low):
        return dims[0]
    return list(dims) if many and not count else None


def with_numbers(params: Any) -> Any:
    """The same shapes with random numbers, as zeros would hide mistakes."""
    rng = np.random.default_rng(2)
    if isinstance(params, np.ndarray):
        return rng.normal(size=params.shape)
    if isinstance(params, Mapping):
        return {k: with_numbers(v) for k, v in params.items()}
    if isinstance(params, list | tuple):
        return type(params)([with_numbers(p) for p in params])
    return params


def as_floats(params: dict[str, Any]) -> dict[str, Any]:
    """With numbers for w and b as floats: b = 0 is a parameter too."""
    return {
        k: float(v) if isinstance(v, int | float) and k[0] in "wbWB" else v
        for k, v in params.items()
    }


def is_bias(name: str) -> bool:
    return name[0] in "bB"


FORMS = ("matrix", "list", "vector", "number", "augmented")


def invented(
    keys: list[str], dims: Sequence[int], columns: bool, form: str
) -> Iterator[dict[str, Any]]:
    """Arrays for W1, b1, ... in columns or rows, with the usual shapes of a bias; in the other forms
    lists with an entry for each layer, or one layer's vector or number w."""
    weights = [k for k in keys if not is_bias(k)]
    biases = [k for k in keys if is_bias(k)]
    n = len(weights)
    kinds = {
        "matrix": "matrix" if n else "",
        "list": "list" if n == 1 and weights[0].endswith("s") else "",
        "vector": "vector" if n == 1 and dims[-1] == 1 else "",
        "number": "number" if n == 1 and dims[-1] == 1 else "",
        "augmented": "augmented"
        if n and not biases
        else "",  # a bias in a row or a column of its own
    }
    rng = np.random.default_rng(3)
    if kinds[form] in ("vector", "number"):
        w = rng.normal(size=dims[0]) if form == "vector" else np.asarray(rng.normal())
        params = {weights[0]: w} | {k: np.asarray(rng.normal()) for k in biases[:1]}
        yield {k: params[k] for k in keys if k in params}
    if kinds[form] not in ("matrix", "list", "augmented"):
        return
    sizes = (
        [dims[0], *dims[1:n], dims[-1]] if n < len(dims) else [4, *[5, 3, 4, 3][: n - 1], dims[-1]]
    )
    pairs = list(pairwise(dims if form == "list" else sizes))
    shapes = {"column": (-1, 1), "flat": (-1,), "row": (1, -1)}
    for transposed in (False, True) if columns else (True, False):
        for kind in ("column",) if columns else ("flat", "row"):
            more = form == "augmented"
            Ws = [rng.normal(size=(a + more, b) if transposed else (b, a + more)) for a, b in pairs]
            bs = [rng.normal(size=b).reshape(shapes[kind]) for _, b in pairs]
            if form == "list":
                made: dict[str, Any] = dict(zip([*weights, *biases[:1]], (Ws, bs)))
            else:
                made = dict(zip(weights, Ws)) | dict(zip(biases, bs))
            yield {k: made[k] for k in keys if k in made}
            if form == "matrix" and len(biases) == n == dims[-1] == 1:
                yield {k: made[k] if k in weights else np.asarray(rng.normal()) for k in keys}
            if not biases:
                break


def inputs(n_x: int, m: int, columns: bool, flat: bool, numbers: bool = False) -> Iterator[Any]:
    """X: the usual matrix; a vector, of one example or, where w is a number, of m of them."""
    rng = np.random.default_rng(0)
    if flat:
        yield rng.normal(size=n_x)
        return
    yield rng.normal(size=(n_x, m) if columns else (m, n_x))
    if numbers and not columns:
        yield rng.normal(size=m)


def targets(n_y: int, X: Any, columns: bool, signs: bool = False) -> Iterator[Any]:
    """Y for this X: 0 and 1 in a row, a column or a vector; of several classes 1 for the right one, or
    its number. With ``signs`` -1 and 1 for two classes."""
    rng = np.random.default_rng(1)
    m = 1 if X.ndim == 1 and n_y > 1 else X.shape[-1 if columns else 0]
    labels = rng.integers(0, max(n_y, 2), m)
    labels[:2] = (0, 1)[:m]
    if n_y == 1:
        labels = 2 * labels - 1 if signs else labels
        if X.ndim == 2:
            yield labels.reshape(1, m) if columns else labels.reshape(m, 1)
        yield labels
        if X.ndim == 1:  # of one example
            yield labels[-1]
        return
    hot = np.eye(n_y)[labels]
    yield hot[0] if X.ndim == 1 else hot.T if columns else hot
    if X.ndim == 1:
        yield labels[0]
    if m > 1:
        yield labels
        yield labels.reshape(1, m) if columns else labels.reshape(m, 1)


def tokens(n: int) -> tuple[Any, Any]:
    """A sequence of the numbers of ``n`` words, and that of the words that come next."""
    sequence = np.random.default_rng(2).integers(0, n, 6)
    sequence[:2] = (n - 1, 0)
    return sequence[:-1], sequence[1:]


def state_for(params: Mapping[str, Any]) -> Any:
    """A state of a recurrent network: as long as most of its biases, or as a square matrix is wide.

    A column, or a vector where the biases are vectors.
    """
    square = [len(v) for v in params.values() if v.ndim == 2 and v.shape[0] == v.shape[1] > 1]
    columns = [len(v) for v in params.values() if v.ndim == 2 and v.shape[1] == 1]
    found = square or sorted(columns, key=columns.count)[-1:] or [1]
    flat = any(v.shape == (found[0],) for v in params.values())
    return np.random.default_rng(3).normal(size=(found[0],) if flat else (found[0], 1))


# --- one layer ------------------------------------------------------------------------------------

SHAPES: tuple[tuple[int, ...], ...] = (
    (6, 4),
    (4, 6),
    (4, 1),
    (1, 4),
    (6, 3),
    (2, 4, 6, 6),
    (2, 6, 6, 4),
    (6, 6),
    (4, 6, 6),
    (3, 6, 4),
)


def layer_inputs(names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Arrays for the arguments of one layer's forward function: the data and its parameters."""
    kinds = {n: kind_of(n, i) for i, n in enumerate(names)}
    if {n[0].lower() for n in names} >= {"q", "k", "v"}:  # queries, keys, values
        kinds = dict.fromkeys(names, "x")
    cell = {"state", "W in", "W state", "gate"} & set(kinds.values())
    if cell:
        kinds = {n: "W out" if k == "W" else k for n, k in kinds.items()}
    for shapes in CELL_SHAPES if cell else LAYER_SHAPES:
        rng = np.random.default_rng(5)
        yield {n: rng.normal(size=shapes[kind]) for n, kind in kinds.items()}


def kind_of(name: str, position: int) -> str:
    """What an argument of a layer is: the input, a state, a weight between certain things, a bias.

    >>> [kind_of(n, 1) for n in ("h_prev", "Wax", "weight_hh", "Wya", "Wf", "W", "by", "bias", "leak")]
    ['state', 'W in', 'W state', 'W out', 'gate', 'W', 'b out', 'b', 'x']
    """
    low = name.lower()
    if position == 0:
        return "x"
    if re.match(r"(?:prev_?)?[ahcs]_?(?:prev|0|t_?1|tm1|old|last)?$|prev_[ahcs]$|hprev|init", low):
        return "state"
    part = re.sub(r"^(?:weights?|w|theta|kernel|u(?=_|$))_?", "", low)
    if part != low:
        if low[0] == "u" or re.fullmatch(r"aa|hh|ss|h|a|rec|h2h|recurrent", part):
            return "W state"
        if re.fullmatch(r"ax|xa|xh|hx|ih|x|in|i2h|xs|sx", part):
            return "W in"
        if re.fullmatch(r"ya|ay|hy|yh|y|ho|out|h2o|hq", part):
            return "W out"
        return "gate" if re.fullmatch(r"[fiucog]g?", part) else "W"
    if re.match(r"filter|f$|v$", low):
        return "W"
    if re.match(r"b(?!eta)", low):
        return "b out" if re.fullmatch(r"b(?:ias)?_?(?:y|hy|out|ho|q)", low) else "b"
    if re.match(r"gamma|beta|scale|shift", low):
        return "vector"
    return "x"


Shapes = dict[str, tuple[int, ...]]
LAYER_SHAPES: tuple[Shapes, ...] = (
    {"x": (6, 4), "W": (4, 5), "b": (5,), "vector": (4,)},
    {"x": (4, 6), "W": (5, 4), "b": (5, 1), "vector": (4, 1)},
    {"x": (6, 4), "W": (4, 5), "b": (1, 5), "vector": (1, 4)},
    {"x": (2, 3, 6, 6), "W": (4, 3, 3, 3), "b": (4,), "vector": (3,)},
    {"x": (2, 6, 6, 3), "W": (3, 3, 3, 4), "b": (1, 1, 1, 4), "vector": (3,)},
    {"x": (6, 6), "W": (3, 3), "b": (), "vector": (6,)},
    {"x": (4,), "W": (5, 4), "b": (5,), "vector": (4,)},
    {"x": (2, 3, 4), "W": (4, 5), "b": (5,), "vector": (4,)},
)
for _shapes in LAYER_SHAPES:  # of a layer that is no cell
    _shapes |= {"b out": _shapes["b"], "W out": _shapes["W"]}


def cell_shapes(x: tuple[int, ...], columns: bool, gates: int, transposed: bool = False) -> Shapes:
    """Shapes of a recurrent cell of 5 units with 4 inputs and 3 outputs, for 6 sequences."""
    n = 5 * gates
    shapes: Shapes = {"W in": (4, n), "W state": (5, n), "W out": (5, 3), "gate": (9, 5)}
    if columns != transposed:
        shapes = {k: v[::-1] for k, v in shapes.items()}
    bias = ((n, 1), (3, 1)) if columns else ((n,), (3,))
    state = (5, 6) if columns else (6, 5)
    return {"x": x, "state": state, "b": bias[0], "b out": bias[1], "vector": (n,)} | shapes


CELL_SHAPES: tuple[Shapes, ...] = (
    *(cell_shapes((6, 4), False, gates) | {"state": (1, 5)} for gates in (1, 4)),
    *(cell_shapes(x, True, gates) for x in ((4, 6), (4, 6, 2)) for gates in (1, 4)),
    *(
        cell_shapes(x, False, gates, transposed)
        for x in ((6, 4), (6, 2, 4))
        for gates in (1, 4)
        for transposed in (False, True)
    ),
)


def settings(function: Any, name: str) -> list[Any]:
    """Values for an argument that is not an array: what the code compares it with, or a dictionary
    of what it looks up in it."""
    tree = source_tree(function)
    nodes = list(ast.walk(tree)) if tree is not None else []
    if words := compared_with(nodes, name):
        return words
    if (parts := unpacked(function, name)) > 1:
        return [(2,) * parts]
    found: dict[str, Any] = {}
    for node in nodes:
        looked_up = isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
        if looked_up and isinstance(node.value, ast.Name) and node.value.id == name:  # type: ignore
            key = node.slice.value  # type: ignore[attr-defined]
            holders = [
                t.id
                for a in nodes
                if isinstance(a, ast.Assign) and a.value is node
                for t in a.targets
                if isinstance(t, ast.Name)
            ]
            words = [w for h in holders for w in compared_with(nodes, h)]
            pools = re.search("pool", ast.unparse(tree)) if tree is not None else None
            side = re.search("height|width|size|pool" + "|stride" * bool(pools), str(key))
            small = 2 if side else 1
            found[key] = words[0] if words else 0.8 if re.match("p$|keep", str(key)) else small
    return [found] if found else []


def compared_with(nodes: list[ast.AST], name: str) -> list[Any]:
    """The texts that a name is compared with: activation == "relu"."""
    return [
        c.value
        for n in nodes
        if isinstance(n, ast.Compare) and isinstance(n.left, ast.Name) and n.left.id == name
        for c in n.comparators
        if isinstance(c, ast.Constant) and isinstance(c.value, str)
    ]
