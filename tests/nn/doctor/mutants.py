"""Mistakes put systematically into right programs, and how the doctor does with them.

    python tests/nn/doctor/mutants.py [--pairs] [--sample N] [--show]

Each mutant is the text of a program of `right_programs.py` with one statement of its backward pass changed.
The changes are edits of the text and share nothing with the doctor's hypotheses. Which gradients are
wrong is decided by running the mutant next to the right program, whose gradients are compared with
central differences of its cost.
"""

from __future__ import annotations

import argparse
import ast
import copy
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

if __name__ == "__main__":
    here = Path(__file__).resolve()
    sys.path[:0] = [str(here.parent), str(here.parents[3])]

import numpy as np
import programs
import right_programs
from right_programs import Network, Statement

from nn import doctor
from nn.doctor.report import Report


class Mutant(NamedTuple):
    """A program with one statement changed, and the kinds of cause that name the change."""

    network: Network
    statement: Statement
    mistake: str
    text: str
    kinds: frozenset[str]

    @property
    def title(self) -> str:
        return f"{self.network.title}: {self.statement.quantity} = {self.text}  [{self.mistake}]"


# --- the mistakes ---------------------------------------------------------------------------------

Mistakes = Iterator[tuple[str, str, str]]  # (mistake, the new text, kinds that name it)


def names_in(text: str) -> set[str]:
    return {ast.unparse(n) for n in ast.walk(ast.parse(text)) if isinstance(n, ast.expr)}


def replaced(text: str, old: str, new: str) -> str:
    """The expression with every part ``old`` replaced by ``new``."""

    class Put(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            if isinstance(node, ast.expr) and ast.unparse(node) == old:
                return ast.parse(new, mode="eval").body
            return self.generic_visit(node)

    return ast.unparse(Put().visit(ast.parse(text, mode="eval")))


def of_scale(s: Statement, network: Network) -> Mistakes:
    """A factor too many or too few."""
    e, f, m = f"({s.text})", network.features, "m"
    X = "self.X" if network.form == "class" else "X"
    if network.form == "loop":  # inside a function that all layers share
        X, m = "A_prev", "A_prev.shape[1]" if "input" in s.roles else "Z.shape[1]"
    outputs = f"Y.shape[{f}]" if network.dims[-1] > 1 and network.form != "loop" else ""
    if "/ m" in s.text:
        yield "1/m missing", s.text.replace(" / m", "", 1), "missing 1/m|a divisor missing"
        by_features = s.text.replace(" / m", f" / {X}.shape[{f}]", 1)
        yield "features for m", by_features, "features for m"
        if outputs:
            by_outputs = s.text.replace(" / m", f" / {outputs}", 1)
            yield "outputs for m", by_outputs, "classes for m"
    if outputs:
        yield "1/n too many", f"{e} / {outputs}", "divided by n"
        yield "n too many", f"{e} * {outputs}", "times n"
    yield "1/m too many", f"{e} / {m}", "1/m twice"
    yield "sign", f"-{e}", "sign|a sign inside"
    yield "twice", f"2 * {e}", "factor 2|constant factor"
    yield "half", f"0.5 * {e}", "factor 1/2|constant factor"
    yield "a number", f"0.3 * {e}", "constant factor"
    yield "zero", f"0 * {e}", "zero"


def of_weights(s: Statement, network: Network) -> Mistakes:
    """dW: operands and orientation."""
    r, others = s.roles, s.others
    seen = dict.fromkeys(
        [r[k] for k in ("Z", "A") if k in r]
        + [n for k in ("Z", "A", "input") for n in others.get(k, [])]
    )
    for other in seen:
        if other != r["input"]:
            text = replaced(s.text, r["input"], other)
            yield f"operand {other}", text, "operand of dW|another array"
    if "dA" in r:
        yield "dA for dZ", replaced(s.text, r["dZ"], r["dA"]), "dA for dZ|another array"
    for other in others.get("dZ", []):
        if defined_before(network, s, other):
            text = replaced(s.text, r["dZ"], other)
            yield f"upstream {other}", text, "another array|upstream of another layer"
    yield "transposed", f"({s.text}).T", "transposed"
    if network.decay:
        yield from of_decay(s, network)
    else:
        yield "decay", f"{s.text} + 0.1 * {r['W']}", "regularisation"


def of_decay(s: Statement, network: Network) -> Mistakes:
    """The derivative of the regularisation term."""
    data, term = s.text.split(" + ")
    term, kinds = f"({term})", "regularisation"
    yield "decay missing", data, "regularisation missing|a term missing"
    yield "decay's sign", f"{data} - {term}", "regularisation sign|a sign inside"
    yield "decay twice", f"{data} + 2 * {term}", kinds
    yield "half the decay", f"{data} + {term} / 2", kinds
    other = f"{data} + {term} / m" if network.features else f"{data} + lambd * {s.roles['W']}"
    yield "decay's 1/m", other, kinds
    yield "decay squared", f"{data} + {term} * {s.roles['W']}", "regularisation|another array"


def defined_before(network: Network, s: Statement, quantity: str) -> bool:
    before = network.statements[: network.statements.index(s)]
    return any(b.quantity == quantity for b in before)


def of_biases(s: Statement, network: Network) -> Mistakes:
    """db: the sum."""
    r, others = s.roles, s.others
    sums = "sum over everything", "wrong axis"
    for old, new in ((", axis=1, keepdims=True", ""), (", axis=0", "")):
        if old in s.text:
            yield "no axis", s.text.replace(old, new), sums[0]
    yield (
        "other axis",
        s.text.replace("axis=0", "axis=@").replace("axis=1", "axis=0").replace("axis=@", "axis=1"),
        sums[1],
    )
    if "keepdims" in s.text:
        yield "no keepdims", s.text.replace(", keepdims=True", ""), "squeezed"
        yield "keepdims only", s.text.replace("axis=1, ", ""), sums[0]
    yield "mean", s.text.replace("np.sum", "np.mean"), "mean for sum|1/m twice"
    yield "maximum", s.text.replace("np.sum", "np.max"), "max for sum"
    yield "not summed", s.roles["dZ"] + (" / m" if " / m" in s.text else ""), "not summed"
    if "dA" in r:
        yield "dA for dZ", replaced(s.text, r["dZ"], r["dA"]), "dA for dZ|another array"
    for other in others.get("dZ", []):
        if defined_before(network, s, other):
            text = replaced(s.text, r["dZ"], other)
            yield f"upstream {other}", text, "another array|upstream of another layer"
    if network.decay:
        mean = "" if network.features else " / m"
        b = r["W"].replace("W", "b")
        yield (
            "decay of the bias",
            f"{s.text} + lambd{mean} * {b}",
            "regularised bias|regularisation",
        )
    if "Z" in r:
        yield "Z for dZ", replaced(s.text, r["dZ"], r["Z"]), "another array"


def of_dropout(s: Statement, network: Network) -> Mistakes:
    """dH: the way back through a dropout mask."""
    g, D = f"dA{s.name[2:]}", s.roles["D"]
    keep = s.text.rpartition(" / ")[2]
    yield "no dropout", g, "dropout mask missing|dropout factor missing|derivative missing"
    yield "mask missing", f"{g} / {keep}", "dropout mask missing|a factor missing"
    yield "not scaled", f"{g} * {D}", "dropout factor missing|a divisor missing"
    yield "scaled twice", f"{s.text} / {keep}", "constant factor"
    yield "mask inverted", f"{g} * (1 - {D}) / {keep}", "mask inverted"
    yield (
        "mask drawn again",
        f"{g} * (np.random.rand(*{g}.shape) < {keep}) / {keep}",
        "mask drawn again",
    )
    for other in s.others["D"]:
        kinds = "another array|mask of another layer"
        yield f"mask {other}", replaced(s.text, D, other), kinds


def of_update(s: Statement, network: Network) -> Mistakes:
    """The step down the gradient."""
    w, g = s.quantity, s.roles["gradient"]
    yield "no learning rate", f"{w} - {g}", "learning rate missing"
    yield "up the gradient", f"{w} + lr * {g}", "sign"
    yield "learning rate squared", f"{w} - lr * lr * {g}", "learning rate"
    yield "learning rate divides", f"{w} - {g} / lr", "constant factor"


def of_inputs(s: Statement, network: Network) -> Mistakes:
    """dA: the way back through a layer's weights."""
    if "above" not in s.roles:
        yield from of_cost(s, network)
        return
    W, dZ, others = s.roles["W"], s.roles["above"], s.others
    flipped = s.text.replace(f"{W}.T", W)
    yield "W not transposed", flipped, "W not transposed|transpose missing"
    for other in others.get("W", []):
        yield f"W is {other}", replaced(s.text, W, other), "another array"
    yield "W missing", dZ, "W missing"
    yield (
        "pseudo-inverse",
        s.text.replace(f"{W}.T", f"np.linalg.pinv({W})"),
        "inverse for transpose",
    )
    if "above dA" in s.roles:
        yield "dA for dZ", replaced(s.text, dZ, s.roles["above dA"]), "dA for dZ|another array"
    for other in others.get("above", []):
        if defined_before(network, s, other):
            text = replaced(s.text, dZ, other)
            yield f"upstream {other}", text, "another array|upstream of another layer"
    dW = dZ.replace("dZ", "dW")
    dW = f"self.{dW}" if network.form == "class" else dW
    if defined_before(network, s, dW) or dW == "dW":
        yield "W updated", replaced(s.text, W, f"({W} - 0.05 * {dW})"), "updated W"


WRONG_SLOPES = {
    "tanh": ["1 + {a} ** 2", "{a}", "1 - {a}", "1 - {z} ** 2", "{a} ** 2"],
    "sigmoid": ["{a}", "1 - {a}", "{a} * (1 + {a})", "{z} * (1 - {z})", "{a} ** 2"],
    "relu": [],
}
OTHER_SLOPES = {
    "relu": ["({z} > 0)", "({a} > 0)"],
    "tanh": ["(1 - {a} ** 2)", "(1 - np.tanh({z}) ** 2)"],
    "sigmoid": ["({a} * (1 - {a}))", "(1 / (1 + np.exp(-{z})) * (1 - 1 / (1 + np.exp(-{z}))))"],
}
AT_VALUE = {
    "relu": "({a} >= 0)",
    "tanh": "(1 - np.tanh({a}) ** 2)",
    "sigmoid": "(1 / (1 + np.exp(-{a})) * (1 - 1 / (1 + np.exp(-{a}))))",
}


def of_activation(s: Statement, network: Network) -> Mistakes:
    """dZ: the derivative of the activation, and what it is multiplied with."""
    r, kind = s.roles, s.activation
    z, a, g = r.get("Z", ""), r.get("A", ""), r.get("dA")
    if g is None or kind == "identity":
        yield from of_cost(s, network)
        for other in ("sigmoid", "tanh", "relu") if kind == "identity" else ():
            slope = right_programs.SLOPE[other].format(z=z, a=a)
            yield (
                f"slope of {other}",
                f"({s.text}) * {slope}",
                "another activation|derivative twice",
            )
        return
    if g not in names_in(s.text):
        return
    if kind == "softmax":
        yield "p (1 - p)", f"{g} * {a} * (1 - {a})", "softmax as p (1 - p)"
        yield "a term missing", f"{g} * {a}", "softmax's slope|a term missing"
        yield "no slope", g, "derivative missing"
        return
    named = f"{kind}'s slope"
    a = a or f"np.maximum(0, {z})"
    slope = right_programs.SLOPE[kind].format(z=z, a=a)
    yield "no slope", g, "derivative missing"
    yield "no upstream", slope + " * 1.0", "upstream missing"
    yield "slope twice", f"{s.text} * {slope}", "derivative twice|something too many"
    for other, slopes in OTHER_SLOPES.items():
        for text in slopes if other != kind else ():
            if "{a}" not in text or "A" in r:
                new = f"{g} * {text.format(z=z, a=a)}"
                yield f"slope of {other}", new, f"another activation|{named}"
    if "A" in r or kind == "relu":
        yield "slope at A", f"{g} * {AT_VALUE[kind].format(a=a)}", "derivative at A"
    for text in WRONG_SLOPES[kind]:
        if "{a}" not in text or "A" in r:
            yield f"slope {text}", f"{g} * ({text.format(z=z, a=a)})", f"{named}|a factor missing"
    if kind == "relu":
        yield "mask inverted", f"{g} * ({z} <= 0)", "mask inverted"
        yield "value", f"{g} * {a}", "value for slope"
        yield "mask of the gradient", f"{g} * ({g} > 0)", "mask on the gradient"
        yield "mask of the gradient too", f"{g} * ({z} > 0) * ({g} > 0)", "mask on the gradient"
    for other in zip(s.others.get("Z", []), s.others.get("A", [])):
        text = right_programs.SLOPE[kind].format(z=other[0], a=other[1])
        kinds = "mask of another layer|cache of another layer|another array"
        yield f"cache of {other[0]}", f"{g} * {text}", kinds
    for other_g in s.others.get("dA", []):
        if defined_before(network, s, other_g):
            text = replaced(s.text, g, other_g)
            yield f"upstream {other_g}", text, "upstream of another layer|another array"


def of_cost(s: Statement, network: Network) -> Mistakes:
    """The first gradient: that of the cost."""
    if "Y" not in names_in(s.text):
        return
    a, mean = s.roles["A"], " / m" if s.text.endswith(" / m") else ""
    fused, squares = s.letter == "Z", network.cost == "squares"
    if fused:
        slope = right_programs.SLOPE["sigmoid"].format(a=a, z="")
        yield "slope too", f"({a} - Y) * {slope}{mean}", "slope of the output twice|another cost"
        yield "Y missing", f"{a}{mean}", "cost's gradient|a term missing"
        yield "A + Y", f"({a} + Y){mean}", "cost's gradient|a sign inside"
        squared = "another cost"
        yield "slope of squares", f"2 * ({a} - Y) * {slope}{mean}", squared
        return
    for cost, text in right_programs.COST_SLOPE.items():
        if cost != network.cost and not (squares and cost != "squares"):
            yield f"cost of {cost}", f"({text.format(a=a)}){mean}", "another cost|term missing"
    if squares:
        off = f"{a} - Y"
        yield "Y missing", replaced(s.text, off, a), "cost's gradient|a term missing|another cost"
        yield "A + Y", replaced(s.text, off, f"{a} + Y"), "cost's gradient|a sign inside"
    if network.cost == "entropy":
        terms = f"Y / {a}", f"(1 - Y) / (1 - {a})"
        kinds = "sign of a term|a sign inside"
        yield "sign of a term", f"(-({terms[0]}) - {terms[1]}){mean}", kinds
        yield "sign of a term", f"({terms[0]} + {terms[1]}){mean}", kinds
        yield "a term missing", f"-({terms[0]}){mean}", "term missing|another cost|a term missing"
        yield "a term missing", f"({terms[1]}){mean}", "term missing|a term missing"


# small edits anywhere in a statement, and what the doctor may call each
OPERATORS: dict[type[ast.operator], list[tuple[type[ast.operator], str]]] = {
    ast.Add: [(ast.Sub, "a sign inside|sign of a term")],
    ast.Sub: [(ast.Add, "a sign inside|sign of a term|cost's gradient")],
    ast.Mult: [(ast.Add, "+ for *"), (ast.Div, "/ for *")],
    ast.Div: [(ast.Mult, "* for /")],
}
PARTS: dict[type[ast.operator], str] = {
    ast.Add: "a term missing|term missing",
    ast.Sub: "a term missing|term missing|cost's gradient",
    ast.Mult: "a factor missing|derivative missing|upstream missing|value for slope",
    ast.Div: "a divisor missing|missing 1/m",
}


def of_any(s: Statement, network: Network) -> Mistakes:
    """One small edit anywhere in the statement."""
    tree = ast.parse(s.text, mode="eval")
    slope = (
        f"|{s.activation}'s slope|derivative at A|another activation|cost's gradient|another cost"
    )
    for i, node in enumerate(ast.walk(tree)):
        for mistake, new, kinds in edits(node):
            changed = copy.deepcopy(tree)
            spot = list(ast.walk(changed))[i]
            if s.letter in "ZA":
                kinds += slope
            put = Exchange(spot, new)
            yield mistake, ast.unparse(put.visit(changed)), kinds


class Exchange(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST):
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else self.generic_visit(node)


def edits(node: ast.AST) -> Iterator[tuple[str, ast.expr, str]]:
    if isinstance(node, ast.BinOp):
        kind = type(node.op)
        for other, kinds in OPERATORS.get(kind, []):
            yield f"{other.__name__} for {kind.__name__}", binary(node, other()), kinds
        if kind in PARTS:
            yield "left part only", node.left, PARTS[kind]
        if kind in (ast.Add, ast.Sub, ast.Mult):
            yield "right part only", node.right, PARTS[kind]
        if kind is ast.Sub:
            new = ast.BinOp(node.right, ast.Sub(), node.left)
            yield (
                "operands exchanged",
                new,
                "operands exchanged|sign|sign of a term|cost's gradient",
            )
        if kind is ast.Div:
            new = ast.BinOp(node.right, ast.Div(), node.left)
            yield "upside down", new, "quotient upside down"
        if kind is ast.Pow:
            yield "no exponent", node.left, "exponent missing"
            new = ast.BinOp(node.left, ast.Pow(), ast.Constant(3))
            yield "another exponent", new, "another exponent"
        if kind is ast.MatMult:
            new = ast.BinOp(node.right, ast.MatMult(), node.left)
            yield "operands exchanged", new, "operands exchanged"
            yield "* for @", binary(node, ast.Mult()), "* for @"
    elif isinstance(node, ast.Call) and ast.unparse(node.func) == "np.dot":
        new = ast.Call(node.func, node.args[::-1], [])
        yield "operands exchanged", new, "operands exchanged"
        yield "* for @", ast.BinOp(node.args[0], ast.Mult(), node.args[1]), "* for @"
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield "no transpose", node.value, "transpose missing|W not transposed"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "no minus", node.operand, "a sign inside|sign|sign of a term"
    elif isinstance(node, ast.Compare):
        for op, kinds in ((ast.Lt, "< for >|mask inverted"), (ast.GtE, ">= for >|derivative at A")):
            new = ast.Compare(node.left, [op()], node.comparators)
            yield f"{op.__name__} for Gt", new, kinds


def binary(node: ast.BinOp, op: ast.operator) -> ast.expr:
    return ast.BinOp(node.left, op, node.right)


SOURCES: dict[str, Callable[[Statement, Network], Mistakes]] = {
    "W": of_weights,
    "b": of_biases,
    "A": of_inputs,
    "Z": of_activation,
    "H": of_dropout,
    "update": of_update,
}


def mutants(network: Network) -> list[Mutant]:
    """Every mistake in every statement; the kinds of the same text are put together."""
    found: dict[tuple[str, str], Mutant] = {}
    for s in network.statements:
        right = ast.unparse(ast.parse(s.text))
        for source in (SOURCES[s.letter], of_scale, of_any)[: 1 if s.letter == "update" else 3]:
            for mistake, text, kinds in source(s, network):
                text = ast.unparse(ast.parse(text))
                key = (s.quantity, text)
                if text == right:
                    continue
                known = found.get(key, Mutant(network, s, mistake, text, frozenset()))
                found[key] = known._replace(kinds=known.kinds | set(kinds.split("|")))
    return list(found.values())


# --- running --------------------------------------------------------------------------------------


def program(network: Network, changed: Sequence[Mutant] = ()) -> tuple[str, list[int]]:
    """The text with these statements changed, and their lines."""
    text, lines = network.source, []
    for m in changed:
        at = text.index(f" {m.statement.line}") + 1
        lines.append(text.count("\n", 0, at) + 1)
        new = f"{m.statement.quantity} = {m.text}"
        text = text[:at] + new + text[at + len(m.statement.line) :]
    return text, lines


Functions = tuple[Callable[..., Any], Callable[..., Any]]


def functions(network: Network, room: dict[str, Any]) -> Functions:
    """(cost, gradients) of params, X and Y, called as the form wants."""

    def run(params: dict[str, Any], X: Any, Y: Any) -> tuple[float, dict[str, Any]]:
        np.random.seed(0)  # the same dropout masks
        if network.form == "step":
            room.update(X=X, Y=Y)
            new = room["step"](params)
            return room["cost"](params), {
                f"d{k}": (v - new[k]) / right_programs.RATE for k, v in params.items()
            }
        if network.form == "derived":
            m = float(X.shape[1])
            return room["loss_and_gradients"](**params, X=X, Y=Y, m=m)
        if network.form == "class":
            net = room["Network"]()
            vars(net).update(params)
            net.forward(X)
            loss = net.loss(Y)
            net.backward(Y)
            return loss, {f"d{k}": getattr(net, f"d{k}") for k in params}
        if network.form == "loop":
            AL, caches = room["L_model_forward"](X, params)
            loss = room["compute_cost"](AL, Y)
            return loss, room["L_model_backward"](AL, Y, caches)
        if network.form == "rows":
            cache = room["forward"](X, **params)
            given = params.values() if network.decay else ()
            return room["cost"](cache[-1], Y, *given), dict(
                zip((f"d{k}" for k in params), room["backward"](X, Y, *params.values(), *cache))
            )
        AL, cache = room["forward"](X, params)
        loss = room["cost"](AL, Y, *([params] if network.decay else []))
        return loss, room["backward"](params, cache, X, Y)

    return lambda *given: run(*given)[0], lambda *given: run(*given)[1]


def run_text(text: str) -> dict[str, Any]:
    room: dict[str, Any] = {"__name__": "learner"}
    exec(text, room)
    return room


def is_right(network: Network) -> bool:
    """Whether the gradients of the unchanged program are those of its cost, by central differences."""
    cost, gradients = functions(network, run_text(network.source))
    h = 1e-6
    for seed, (dims, m) in enumerate(network.widths()):
        params, X, Y = network.data(dims, m, seed)
        found = gradients(params, X, Y)
        for name, value in params.items():
            slope = np.zeros_like(value)
            for i in np.ndindex(value.shape):
                ends = []
                for sign in (1, -1):
                    moved = {k: np.array(v) for k, v in params.items()}
                    moved[name][i] += sign * h
                    ends.append(float(cost(moved, X, Y)))
                slope[i] = (ends[0] - ends[1]) / (2 * h)
            if np.abs(slope - found[f"d{name}"]).max() > 1e-6 * max(1.0, np.abs(slope).max()):
                return False
    return True


def is_equal(network: Network, changed: Sequence[Mutant], right_one: Sequence[Mutant] = ()) -> bool:
    """Whether the gradients are the right ones, up to one factor c * m**p of all, with every width.

    ``right_one``: those of the program with these mistakes instead.
    """
    right = functions(network, run_text(program(network, right_one)[0]))[1]
    mutant = functions(network, run_text(program(network, changed)[0]))[1]
    factors = []
    for seed, (dims, m) in enumerate(network.widths()):
        given = network.data(dims, m, seed)
        with np.errstate(all="ignore"):
            try:
                true = right(*given)
                names = [k for k in true if k[1] in "Wb"]
                found = mutant(*given)
                theirs = {k: np.broadcast_to(found[k], true[k].shape) for k in names}
            except (ValueError, TypeError, IndexError, np.linalg.LinAlgError):
                return False
            g, r = (np.concatenate([np.ravel(x[k]) for k in names]) for x in (theirs, true))
            c = (g @ r) / (r @ r)
            up = network.form == "step" and c < 0  # the step goes up the gradient
            if (
                up
                or not np.isfinite(c)
                or c == 0
                or np.abs(g - c * r).max() > 1e-8 * np.abs(g).max()
            ):
                return False
        factors.append((c, m))
    return any(
        np.ptp([c / m**p for c, m in factors]) < 1e-8 * abs(factors[0][0] / factors[0][1] ** p)
        for p in range(-2, 3)
    )


def examine(network: Network, changed: Sequence[Mutant] = ()) -> tuple[Report, list[int]]:
    """What the doctor says of the program, called as a learner would."""
    text, lines = program(network, changed)
    room, _ = programs.load(text)
    params, X, Y = network.data(network.dims, 5, 1)
    if network.form == "derived":
        both = room["loss_and_gradients"]
        return doctor.check(loss_and_grad=both, params=params, X=X, Y=Y), lines
    if network.form == "step":
        rate = right_programs.RATE
        return doctor.check_step(room["step"], params, room["cost"], rate), lines
    if network.form == "class":
        return doctor.check_model(room["Network"](), X, Y), lines
    names = ("forward", "cost", "backward")
    if network.form == "loop":
        names = ("L_model_forward", "compute_cost", "L_model_backward")
    forward, cost, backward = (room[n] for n in names)
    return doctor.check(forward, cost, backward, params, X, Y), lines


# --- the score ------------------------------------------------------------------------------------


class Score(NamedTuple):
    """What the doctor made of one program with mistakes."""

    detected: bool
    located: bool
    named: bool
    alone: bool  # nothing else is accused
    report: Report


def normal(text: str) -> str:
    """A statement in one spelling: ``@`` for ``np.dot``."""

    class Products(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> Any:
            self.generic_visit(node)
            if ast.unparse(node.func) == "np.dot":
                return ast.BinOp(node.args[0], ast.MatMult(), node.args[1])
            return node

    try:
        return ast.unparse(Products().visit(ast.parse(text)))
    except SyntaxError:
        return text


def names_it(cause: Any, m: Mutant) -> bool:
    """Whether this cause, or one that it cannot be told from, is this mistake."""
    quantity = "d" + m.statement.name.removeprefix("d")
    if m.statement.activation == "identity" and "above" not in m.statement.roles:
        quantity = quantity.replace("A", "Z")  # the output is Z itself, and so its gradient
    if cause.kind == "sign of the update":  # of all parameters
        return "sign" in m.kinds
    quantities = cause.quantity.split(", ")
    shared = not quantity[-1].isdigit()  # a line for all layers: any quantity of its kind
    hit = any(q[:2] == quantity[:2] if shared else q == quantity for q in quantities)
    kinds = {cause.kind, *(a.kind for a in cause.alternatives)}
    if hit and kinds & m.kinds:
        return True
    written = [c.fix.removeprefix("write `").rstrip("`") for c in (cause, *cause.alternatives)]
    return normal(m.statement.line) in map(normal, written)


def score(network: Network, changed: Sequence[Mutant]) -> Score:
    report, lines = examine(network, changed)
    causes = report.all_causes
    found = [[c for c in causes if names_it(c, m)] for m in changed]
    located = all(any(c.line == line for c in causes) for line in lines)
    alone = all(any(names_it(c, m) for m in changed) for c in causes) and not report.unexplained
    return Score(report.status == 1, located, all(found), alone, report)


def all_mutants() -> list[Mutant]:
    return [m for network in right_programs.networks() for m in mutants(network)]


def sample(of: Sequence[Mutant], n: int) -> list[Mutant]:
    """Of each mistake in turn one, from another program each time, until there are ``n``."""
    rng = random.Random(20)
    groups: dict[tuple[str, str], list[Mutant]] = {}
    for m in of:
        groups.setdefault((m.statement.letter, m.mistake.split()[0]), []).append(m)
    for group in groups.values():
        rng.shuffle(group)
    found: list[Mutant] = []
    while len(found) < n and any(groups.values()):
        found += [group.pop() for group in groups.values() if group]
    return found[:n]


def pairs(n: int) -> Iterator[list[Mutant]]:
    """Random pairs of mistakes of two kinds in two layers of one program."""
    rng = random.Random(11)
    programs_ = [w for w in right_programs.networks() if w.form != "loop"]
    choices = {w.title: mutants(w) for w in programs_}
    while n:
        a, b = rng.sample(choices[rng.choice(programs_).title], 2)
        layers = a.statement.name[2:], b.statement.name[2:]
        if layers[0] == layers[1] or a.mistake == b.mistake:
            continue
        if any(is_equal(a.network, c) for c in ([a], [b], [a, b])):
            continue
        if any(is_equal(a.network, [a, b], [c]) for c in (a, b)):
            continue  # one of them has no effect beside the other
        yield [a, b]
        n -= 1


def measure(cases: Sequence[Sequence[Mutant]], show: bool = False) -> Counter[str]:
    """How many were detected, located and named, and how many are no mistakes at all."""
    total: Counter[str] = Counter()
    for changed in cases:
        network = changed[0].network
        if len(changed) == 1 and is_equal(network, changed):
            total["equal"] += 1
            alarm = not examine(network, changed)[0].ok
            total["equal, alarm"] += alarm
            if alarm and show:
                print("ALARM", changed[0].title)
            continue
        s = score(network, changed)
        total["mutants"] += 1
        for name in ("detected", "located", "named", "alone"):
            total[name] += getattr(s, name)
        total["named alone"] += s.named and s.alone
        if show and not (s.named and s.alone and s.located):
            words = [n for n in ("detected", "located", "named", "alone") if not getattr(s, n)]
            print("NOT", ", ".join(words), "|", " & ".join(m.title for m in changed))
            for c in s.report.all_causes:
                kinds = ", ".join([c.kind, *(a.kind for a in c.alternatives)])
                print("     ", c.quantity, "|", kinds, "|", c.where)
            for text in [*s.report.unexplained, s.report.problem]:
                print("     ", text[:150]) if text else None
    return total


def shown(total: Counter[str]) -> str:
    n = total["mutants"]
    parts = [f"{total[k]} {k} ({total[k] / n:.1%})" for k in ("detected", "located", "named")]
    return (
        f"{n} mutants: {', '.join(parts)}, {total['named alone']} named and nothing else "
        f"accused; {total['equal']} more are equal to the right program up to one factor, "
        f"{total['equal, alarm']} of them called wrong"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, metavar="N", help="N pairs of two mistakes instead")
    parser.add_argument("--sample", type=int, metavar="N", help="N mutants instead of all")
    parser.add_argument("--program", help="only programs with this in their title")
    parser.add_argument("--show", action="store_true", help="show what was not explained")
    a = parser.parse_args(arguments)
    if a.pairs:
        print(shown(measure(list(pairs(a.pairs)), a.show)))
        return
    chosen = [m for m in all_mutants() if not a.program or a.program in m.network.title]
    if a.sample:
        chosen = sample(chosen, a.sample)
    total: Counter[str] = Counter()
    for network in right_programs.networks():
        mine = [[m] for m in chosen if m.network.title == network.title]
        if mine:
            found = measure(mine, a.show)
            print(f"{network.title}: {shown(found)}", flush=True)
            total += found
    print(shown(total))


if __name__ == "__main__":
    main()
