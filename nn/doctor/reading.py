"""What the functions and classes of a file are for, read from their names and their text."""

from __future__ import annotations

import ast
import copy
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, pairwise
from types import FunctionType
from typing import Any

import numpy as np

from nn.doctor import invent
from nn.doctor.naming import (
    names_returned,
    parameter_meant,
    required,
    result_names,
    role_of,
    source_tree,
    walk_own,
)
from nn.doctor.sandbox import attempt
from nn.doctor.subject import (
    parameters_in,
)

Function = Callable[..., Any]
IS = {
    "forward": re.compile(
        r"forward|feed_?forward|prop[ao]gat(?!.*back)|fprop|predict|inference|query|^(run|model|net|network)$"
        r"|adelante|vorw(?:ä|ae?)rts|avant|ileri|propaga[czç](?:i[oó]n|[aã]o|ione)(?!.*(?:atr[aá]s|r[eé]tro))",
        re.I,
    ),
    "backward": re.compile(
        r"back|bptt|bprop|(^|_)grads?($|_)|gradients?|deriv|atr[aá]s|r[eé]tro_?prop|r(?:ü|ue?)ckw(?:ä|ae?)rts"
        r"|arri[eè]re|geri_?yay",
        re.I,
    ),
    "cost": re.compile(
        r"cost|loss|entropy|mse|error|objective|^J$|p[eé]rdida|custo|kosten|verlust|fehler|kay[iı]p"
        r"|maliyet|perte|erreur",
        re.I,
    ),
    "update": re.compile(r"update|apply_grad|sgd|gradient_descent_step|optimi[sz]e_step", re.I),
    "step": re.compile(r"step|update|sgd|learn|optimi[sz]e|train|descent|fit", re.I),
    "init": re.compile(r"init", re.I),
}
NOT = re.compile(
    r"^(?!.*forward).*train|check|numer|to_vector|to_dict|plot|test|de?s?cent|load|print|verify",
    re.I,
)
SLOPE = re.compile(
    r"_?(prime|deriv(ative)?|backward|backwards|bwd|grad(ient)?|back|der|dash|delta)$"
    r"|^(d|grad|gradient|deriv|derivative|der)_(of_)?",
    re.I,
)
ACTIVATION = re.compile(
    r"sigm|tanh|relu|softmax|softplus|activ|linear|elu|swish|gelu|identity", re.I
)
WEIGHTS = re.compile(r"^(w|b|theta|beta|weights?|bias(es)?)_?\d*$", re.I)
FORWARD = ("forward", "feedforward", "feed_forward", "forward_pass", "forward_propagation",
           "forward_prop", "forwardprop", "propagate", "predict", "run", "query", "__call__")  # fmt: skip
BACKWARD = ("backward", "backprop", "backpropagation", "back_propagation", "backward_pass", "back_prop",
            "backward_propagation", "backpropagate", "gradient", "gradients", "compute_gradients",
            "grad", "backwards", "bptt")  # fmt: skip
COST = ("loss", "cost", "compute_loss", "compute_cost", "cost_function", "loss_function",
        "calculate_loss", "calc_loss", "cross_entropy", "mse", "criterion")  # fmt: skip


def first_method(model: Any, names: Sequence[str], own: bool = False) -> str | None:
    """The first of these names that is a method, in any spelling with capitals."""
    kind = model if isinstance(model, type) else type(model)
    defined = [n for k in kind.__mro__ if k is not object for n in vars(k)] if own else dir(kind)
    methods = {n.lower(): n for n in defined if callable(getattr(kind, n, None))}
    return next((methods[n] for n in names if n in methods), None)


def one_by_one(statements: list[ast.stmt]) -> bool:
    """Whether a loop hands the examples on one by one, by ``zip(X, Y)`` or as ``X[i], y[i]``."""
    for node in chain.from_iterable(map(ast.walk, statements)):
        if isinstance(node, ast.For) and isinstance(node.target, ast.Name):
            inside = list(ast.walk(node))
            entry = {  # X[i], and the name that it gets
                name: role_of(n.value.id)
                for s in inside
                for n in [getattr(s, "value", s) if isinstance(s, ast.Assign) else s]
                if isinstance(n, ast.Subscript) and isinstance(n.value, ast.Name)
                if getattr(n.slice, "id", "") == node.target.id
                for name in [ast.unparse(n), *map(ast.unparse, getattr(s, "targets", ()))]
            }
            calls = [c for c in inside if isinstance(c, ast.Call)]
            given = [{entry.get(ast.unparse(a)) for a in c.args} for c in calls]
            if any(g >= {"X", "Y"} for g in given):
                return True
        if isinstance(node, ast.For) and isinstance(node.target, ast.Tuple):
            names = [ast.unparse(t) for t in node.target.elts]
            roles = [role_of(n) for n in names]
            if roles == ["X", "Y"] and not any("batch" in n.lower() for n in names):
                return "batches" not in ast.unparse(node.iter).lower()
    return False


def ends_of(params: Mapping[str, Any]) -> tuple[list[int], list[int]]:
    """The widths that input and output may have, by the matrices."""
    every = [v.shape for v in params.values() if v.ndim == 2]
    matrices = [s for s in every if 1 not in s] or every
    first = matrices[0] if matrices else ()
    last = [n for s in (every[-1:] + every[-2:-1]) for n in s[::-1]]
    n_xs = [*first, 4] if first and 4 not in first else [4, *first]
    n_xs += matrices[-1][::-1] if matrices else ()  # in the order of a backward pass
    return list(dict.fromkeys(n_xs)), list(dict.fromkeys([*last, 3, 1]))


def sizes_of_ends(params: Mapping[str, Any], n_x: int, n_y: int, columns: bool) -> tuple[int, int]:
    """The numbers of inputs and outputs: those that are wanted, or those that the weights fix."""
    weights = [v.shape for k, v in params.items() if v.ndim == 2 and not invent.is_bias(k)]
    if not weights:
        return n_x, n_y
    first, last = weights[0], weights[-1]
    return (
        n_x if n_x in first else first[1 if columns else 0],
        n_y if n_y in last else last[0 if columns else 1],
    )


def method_of(kind: type, names: Sequence[str], role: str) -> str | None:
    """The method with one of these names, or one that is called alike."""
    found = first_method(kind, names, own=True)
    if found is not None:
        return found
    own = [n for n, f in vars(kind).items() if callable(f) and not n.startswith("__")]
    own = [n for n in own if not is_activation(n) and not NOT.search(n)]
    slopes = [n for n in own if IS["backward"].search(n) or re.search(r"prime|delta", n, re.I)]
    alike = [n for n in own if IS[role].search(n) and n not in slopes]
    found_alike = slopes if role == "backward" else alike
    inner = {c for n in found_alike for c in called_in(getattr(kind, n), {}) if c != n}
    outer = [n for n in found_alike if n not in inner]
    return next(iter(outer or found_alike), None)


def forward_for(kind: type, backward: str | None) -> str | None:
    """The forward pass of a class: of several the one that returns what backward takes."""
    usual = method_of(kind, FORWARD, "forward")
    if backward is None or usual is None:
        return usual
    needed = set(required(getattr(kind, backward)))
    own = [n for n, f in vars(kind).items() if isinstance(f, FunctionType)]
    alike = [usual, *(n for n in own if IS["forward"].search(n) and not IS["backward"].search(n))]
    passes = [n for n in alike if "predict" not in n.lower()]  # which may give the class only
    inner = {c for n in passes for c in called_in(getattr(kind, n), {}) if c != n}
    alike.sort(key=lambda n: (n not in passes, n in inner))
    return max(alike, key=lambda n: len(needed & set(result_names(getattr(kind, n)))))


def updated_by(update: Function, keys: Sequence[str] = (), layers: int = 2) -> dict[str, Any]:
    """Parameters for an update: those that it takes beside their gradients, else of these keys, or of
    so many layers."""
    names = required(update)
    own = [p for p in names if any(g != p and parameter_meant(g, [p]) == p for g in names)]
    if own and not own[0][-1].isdigit():
        return {p: np.ones((3, 1) if invent.is_bias(p) else (3, 4)) for p in own}
    sizes = [4, *[3] * (layers - 1), 1]
    shapes: dict[str, tuple[int, int]] = {}
    for i, (n, m) in enumerate(pairwise(sizes), start=1):
        shapes |= {f"W{i}": (m, n), f"b{i}": (m, 1)}
    shapes |= {k: (3, 1) if invent.is_bias(k) else (3, 3) for k in keys if k not in shapes}
    return {k: np.ones(shapes[k]) for k in keys or shapes}


def accumulators(function: Function, params: Mapping[str, Any]) -> dict[str, Any]:
    """Zeros for the arguments to which a function adds the gradients of the parameters."""
    tree = source_tree(function)
    added = {
        n.target.id
        for n in (ast.walk(tree) if tree is not None else ())
        if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)
    }
    names = [n for n in required(function) if n in added and role_of(n) is None]
    if len(names) != len(params):
        return {}
    return {n: np.zeros_like(v) for n, v in zip(names, params.values())}


def cost_method(kind: type) -> str | None:
    """The method that gives the cost: of several the one that calls the others."""
    first = method_of(kind, COST, "cost")
    if first is None:
        return None
    trees = {n: source_tree(f) for n, f in vars(kind).items() if isinstance(f, FunctionType)}
    callers = [
        n
        for n, tree in trees.items()
        if tree is not None
        and n != first
        and (n in COST or IS["cost"].search(n))
        and not NOT.search(n)
        and any(isinstance(a, ast.Attribute) and a.attr == first for a in ast.walk(tree))
    ]
    return callers[0] if callers else first


def has_loop(function: Function) -> bool:
    tree = source_tree(function)
    return tree is not None and any(isinstance(n, ast.For | ast.While) for n in walk_own(tree))


def runs_forward(holder: Any, forward: str, X: Any) -> bool:
    """Whether the object takes this input; a method that wants more than X is tried later."""
    method = getattr(copy.deepcopy(holder), forward)
    if len(required(method)) != 1:
        return True
    return attempt(lambda: method(np.array(X)), seconds=2)[1] is None


def is_activation(name: str) -> bool:
    return bool(ACTIVATION.search(name)) and not re.search(
        r"linear_activation|linear_(for|back)|linear_?reg|model|affine|loss|cost", name
    )


def is_unrolled(function: Function, name: str) -> bool:
    """Whether an argument is a vector that the function, or one that it calls, cuts into matrices."""
    tree = source_tree(function)
    if tree is None:
        return False
    for n in ast.walk(tree):
        if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.Slice):
            if getattr(n.value, "id", "") == name:
                return "reshape" in ast.unparse(tree)
            continue
        if not isinstance(n, ast.Call) or not isinstance(n.func, ast.Name):
            continue
        called = function.__globals__.get(n.func.id)
        if isinstance(called, FunctionType) and called is not function:
            names = list(inspect.signature(called).parameters)
            handed = [p for p, a in zip(names, n.args) if getattr(a, "id", "") == name]
            if any(is_unrolled(called, p) for p in handed):
                return True
    return False


def has_weights(function: Function) -> bool:
    """Whether a function takes its weights as arguments."""
    names = inspect.signature(function).parameters
    return any(role_of(n) == "params" or WEIGHTS.match(n) for n in names)


def has_parameters(function: Function) -> bool:
    """Whether a function takes weights, or what forward has kept of them."""
    names = inspect.signature(function).parameters
    return any(role_of(n) in ("params", "cache", "output") or WEIGHTS.match(n) for n in names)


def takes_results(function: Function) -> bool:
    """Whether a function takes what a forward pass has computed."""
    return any(role_of(n) in ("output", "cache") for n in inspect.signature(function).parameters)


def repeats(function: Function | None) -> bool:
    """Whether a function trains: a loop over iterations or epochs."""
    if function is None:
        return False
    tree = source_tree(function)
    return tree is not None and any(is_training_loop(n) for n in walk_own(tree))


def is_training_loop(node: ast.AST) -> bool:
    """Whether this is a loop over iterations or epochs."""
    rounds = r"iter(s|ations?)?\b|epoch|steps|rounds|passes|cycles|range\(\d{3,}\)"
    over = isinstance(node, ast.For) and re.search(rounds, ast.unparse(node.iter))
    return isinstance(node, ast.While) or bool(over)


def is_layer(kind: type, forward: str, backward: str, made: Any) -> bool:
    """Whether backward receives a gradient, not labels; a cost as a layer has no parameters.

    A gradient that the class's own cost returns is that of a whole network.
    """
    cost = cost_method(kind)
    given = result_names(getattr(kind, cost)) if cost is not None else []
    if set(given) & set(required(getattr(kind, backward))):
        return False
    f = [p for p in inspect.signature(getattr(kind, forward)).parameters if p != "self"]
    b = [p for p in inspect.signature(getattr(kind, backward)).parameters if p != "self"]
    low = [p.lower() for p in b]
    if len(f) > 1 and "Y" in map(role_of, f) and not parameters_in(made):
        return True
    if any(role_of(p) == "Y" for p in low):
        return False
    if not low:
        return len(f) > 1 and not parameters_in(made)
    return is_upstream(next((p for p in low if role_of(p) != "X"), ""))


def is_upstream(name: str) -> bool:
    """Whether an argument of this name is the gradient that a layer receives."""
    return name.lower().startswith(("d", "g", "out", "err", "up", "top", "loss_g"))


def arguments(function: Any, dims: list[int], data: Mapping[str, Any]) -> dict[str, Any]:
    """Values for the arguments of a function that trains."""
    if function is None:
        return {}
    parameters = inspect.signature(function).parameters.values()
    known = {p.name: p.default for p in parameters if p.default is not p.empty}
    sizes = next(invent.initial_calls(function, dims), {})
    known |= {k: v for k, v in sizes.items() if not (type(v) is list and type(known.get(k)) is int)}
    known |= {
        n: 2
        for n in required(function)
        if re.search(r"epoch|iter|^n_steps|max_steps|^rounds$", n, re.I)
    }
    own = {p.name: data.get(str(role_of(p.name))) for p in parameters if p.name != "self"}
    if "Y" not in map(role_of, own):
        outputs = re.compile(r"(?!n_|num).*outputs$")
        own |= {n: data.get("Y") for n in own if role_of(n) == "output" or outputs.match(n)}
    unknown = [n for n in required(function) if n != "self" and own.get(n) is None]
    unknown = [n for n in unknown if type(known.get(n)) not in (int, list)]  # those are sizes
    for role in ("X", "Y"):  # in a language that is not known; residuals, outcome, digits
        alone = role == "X" and len(unknown) == 1 and "Y" not in map(role_of, own)
        if unknown and role not in map(role_of, own) and not alone:
            known.pop(unknown[0], None)
            own[unknown.pop(0)] = data.get(role)
    return known | {k: v for k, v in own.items() if v is not None}


def called_in(function: Function, room: Mapping[str, Any]) -> set[str]:
    """The names of the functions that are called, also by way of a table of functions."""
    tree = source_tree(function)
    found = set()
    for n in ast.walk(tree) if tree is not None else ():
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name):
            found.add(n.func.id)
        elif (
            isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == "self"
        ):
            found.add(n.attr)
        elif isinstance(n, ast.Name) and isinstance(table := room.get(n.id), dict | list | tuple):
            values = table.values() if isinstance(table, dict) else table
            found |= {f.__name__ for f in values if isinstance(f, FunctionType)}
    return found


def gives_loss_too(function: Function) -> bool:
    """Whether a function returns a loss and gradients together."""
    tree = source_tree(function)
    returned = names_returned(tree) if tree is not None else []
    names = [n.lower() for n in returned if n]
    loss = any(role_of(n) == "cost" or "loss" in n or "cost" in n for n in names)
    loss = loss or (None in returned and bool(IS["cost"].search(function.__name__)))  # total / m
    grads = any(
        role_of(n) == "grads" or re.match(r"d_?[wbxz]|d(theta|beta)|.*grad", n) for n in names
    )
    return loss and grads and not repeats(function)


def nearest(name: str, others: list[str]) -> list[str]:
    """Those whose names share most with ``name`` first: the forward of a backward."""

    def words(n: str) -> set[str]:
        return {w for w in re.split(r"_|(?<=[a-z])(?=[A-Z])", n) if w}

    def score(n: str) -> int:
        mine, theirs = ({w.lower() for w in words(x)} for x in (name, n))
        return 2 * len(theirs & mine) - len(theirs)

    return sorted(others, key=score, reverse=True)


def states(function: Any) -> list[str]:
    """The arguments that are states of a recurrent network."""
    names = required(function) if function is not None else []
    return [n for n in names if role_of(n) is None and invent.kind_of(n, 1) == "state"]


def batch_methods(kind: type, backward: str) -> list[str]:
    """The methods that go through pairs of an argument and take the gradients of each."""
    found = []
    for name, f in vars(kind).items():
        tree = source_tree(f) if isinstance(f, FunctionType) else None
        first = required(f)[1:2] if tree is not None else []  # after self
        loops = [n for n in ast.walk(tree) if isinstance(n, ast.For)] if tree is not None else []
        over = [
            n for n in loops if isinstance(n.target, ast.Tuple) and isinstance(n.iter, ast.Name)
        ]
        if any([n.iter.id] == first and backward in called_in(f, {}) for n in over):  # type: ignore[attr-defined]
            found.append(name)
    return found


def keeps_weights(methods: Mapping[str, Function]) -> bool:
    """Whether a method keeps arrays in the object."""
    nodes = [n for f in methods.values() if (t := source_tree(f)) is not None for n in ast.walk(t)]
    stored = [n for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)]
    return any(WEIGHTS.match(n.attr) for n in stored)


def names_stored(tree: ast.AST) -> set[str]:
    names = [n for n in ast.walk(tree) if isinstance(n, ast.Name)]
    return {n.id for n in names if isinstance(n.ctx, ast.Store)}


def holds_functions(value: Any) -> bool:
    """Whether this is a list or a table of functions: an activation for each layer."""
    values = value.values() if isinstance(value, dict) else value
    return isinstance(value, list | tuple | dict) and any(callable(v) for v in values)


def takes_words(function: Function) -> bool:
    """Whether the input is a sequence, whose entries are indices."""
    tree = source_tree(function)
    X = next((p for p in required(function) if role_of(p) == "X"), None)
    text = ast.unparse(tree) if tree is not None else ""
    return (
        X is not None and f"len({X})" in text and bool(re.search(rf"\[[^\[\]]*\b{X}\[\w+\]", text))
    )
