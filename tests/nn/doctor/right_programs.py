"""Right hand-written backprop of networks of 2 to 4 layers, as text, in the forms of learners' code.

Every statement of the backward pass is kept with what it computes and the names that it could be
confused with, so that `mutants.py` can put a mistake into it. Nothing here uses the doctor.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import programs

import tinygrad_edu as tg
from tinygrad_edu import Tensor, derive

VALUE = {
    "relu": "np.maximum(0, {z})",
    "tanh": "np.tanh({z})",
    "sigmoid": "1 / (1 + np.exp(-{z}))",
    "identity": "1.0 * {z}",
    "softmax": "np.exp({z}) / np.sum(np.exp({z}), axis={units}, keepdims=True)",
}
SLOPE = {
    "relu": "({z} > 0)",
    "tanh": "(1 - {a} ** 2)",
    "sigmoid": "({a} * (1 - {a}))",
}
COST = {
    "entropy": "-np.sum(Y * np.log({a}) + (1 - Y) * np.log(1 - {a})) / m",
    "classes": "-np.sum(Y * np.log({a})) / m",
    "squares": "np.sum(({a} - Y) ** 2) / (2 * m)",
}
COST_SLOPE = {
    "entropy": "(1 - Y) / (1 - {a}) - Y / {a}",
    "classes": "-Y / {a}",
    "squares": "{a} - Y",
}


@dataclass(frozen=True)
class Statement:
    """One assignment of the backward pass: ``quantity = text``, of layer ``layer``."""

    quantity: str  # dW2, db2, dA2, dZ2; dW where all layers share the line; W2 in an update
    text: str
    activation: str = ""  # of the layer, for dZ
    roles: dict[str, str] = field(default_factory=dict)  # Z, A, input, dA, dZ, W: their names here
    others: dict[str, list[str]] = field(default_factory=dict)  # the same of the other layers

    @property
    def name(self) -> str:
        """The quantity without the object that holds it."""
        return self.quantity.rpartition(".")[2]

    @property
    def letter(self) -> str:
        return self.name[1] if self.name[0] == "d" else "update"

    @property
    def line(self) -> str:
        return f"{self.quantity} = {self.text}"


@dataclass(frozen=True)
class Network:
    """A right program and how it is called."""

    title: str
    form: str
    source: str
    statements: tuple[Statement, ...]
    dims: tuple[int, ...]
    output: str
    features: int = 0  # the axis of X that holds the features
    cost: str = ""
    decay: bool = False

    def data(self, dims: tuple[int, ...], m: int, seed: int) -> tuple[dict[str, Any], Any, Any]:
        """Parameters, X and Y of these widths."""
        rng = np.random.RandomState(seed)
        params: dict[str, Any] = {}
        for i, (a, b) in enumerate(zip(dims, dims[1:]), start=1):
            W = rng.randn(b, a) / np.sqrt(a)
            params[f"W{i}"] = W if self.features == 0 else W.T
            flat = self.features == 1
            params[f"b{i}"] = 0.3 * rng.randn(b) if flat else 0.3 * rng.randn(b, 1)
        X, n = rng.randn(dims[0], m), dims[-1]
        if self.output == "softmax":
            Y = np.eye(n)[rng.randint(0, n, m)].T
        elif self.output == "sigmoid":
            Y = (rng.rand(n, m) < 0.5) * 1.0
            Y[:, 0], Y[:, 1] = 0, 1
        else:
            Y = rng.randn(n, m)
        return (params, X, Y) if self.features == 0 else (params, X.T, Y.T)

    def widths(self) -> Iterator[tuple[tuple[int, ...], int]]:
        """Own widths, other ones, and equal ones, each with another batch."""
        last = self.dims[-1]
        yield self.dims, 5
        yield (*(n + 2 for n in reversed(self.dims[:-1])), last), 7
        yield (*(max(last, 3) for _ in self.dims[:-1]), last), 6


def form_of(form: str) -> tuple[int, str, str]:
    """The axis of the features, that of the examples in shapes, and the sum over the examples."""
    if form == "columns":
        return 0, "X.shape[1]", "np.sum({dz}, axis=1, keepdims=True)"
    return 1, "X.shape[0]", "np.sum({dz}, axis=0)"


LAMBDA, KEEP, RATE = 0.7, 0.8, 0.1


def backward(
    depth: int,
    kinds: list[str],
    cost: str,
    form: str,
    chained: bool,
    decay: bool = False,
    dropout: bool = False,
) -> list[Statement]:
    """The statements from the output to the input, under the names Z1, A1, ..., X, Y and m."""
    columns = form == "columns"
    _, _, total = form_of(form)
    mean = " / m" if columns else ""

    def names(i: int) -> tuple[dict[str, str], dict[str, list[str]]]:
        def of(k: int) -> dict[str, str]:
            found = {"Z": f"Z{k}", "A": f"A{k}", "W": f"W{k}", "dZ": f"dZ{k}", "dA": f"dA{k}"}
            found["input"] = f"A{k - 1}" if k > 1 else "X"
            if k == depth and not chained:
                del found["dA"]
            if dropout and k < depth:
                found |= {"dA": f"dH{k}", "A": f"H{k}", "D": f"D{k}"}
            return found

        others = [of(k) for k in range(1, depth + 1) if k != i]
        return of(i), {r: [o[r] for o in others if r in o] for r in of(1)}

    found = []
    for i in range(depth, 0, -1):
        z, a, kind = f"Z{i}", f"A{i}", kinds[i - 1]
        roles, others = names(i)

        def add(quantity: str, text: str, i: int = i, kind: str = kind) -> None:
            roles, others = names(i)
            found.append(Statement(quantity, text, kind, roles, others))

        if i < depth:
            product = f"np.dot(W{i + 1}.T, dZ{i + 1})" if columns else f"dZ{i + 1} @ W{i + 1}.T"
            roles, others = names(i)
            up, above = names(i + 1)
            roles = roles | {"W": up["W"], "above": up["dZ"]}
            if "dA" in up:
                roles["above dA"] = up["dA"]
            others = dict(others, W=above["W"], above=above["dZ"])
            found.append(Statement(f"dA{i}", product, kind, roles, others))
        elif chained:
            slope = COST_SLOPE[cost].format(a=a)
            add(f"dA{i}", slope if columns else f"({slope}) / m")
        if dropout and i < depth:
            add(f"dH{i}", f"dA{i} * D{i} / {KEEP}")
            a = f"H{i}"
        g = roles.get("dA", "")
        if i == depth and not chained:
            add(f"dZ{i}", f"{a} - Y" if columns else f"({a} - Y) / m")
        elif kind == "identity":
            add(f"dZ{i}", g)
        elif kind == "softmax":
            axis = 0 if columns else 1
            inner = f"np.sum(dA{i} * {a}, axis={axis}, keepdims=True)"
            add(f"dZ{i}", f"{a} * (dA{i} - {inner})")
        else:
            add(f"dZ{i}", f"{g} * " + SLOPE[kind].format(z=z, a=a))
        below = roles["input"]
        product = f"np.dot(dZ{i}, {below}.T)" if columns else f"{below}.T @ dZ{i}"
        add(f"dW{i}", product + mean + (f" + lambd{mean} * W{i}" if decay else ""))
        add(f"db{i}", total.format(dz=f"dZ{i}") + mean)
    return found


def hand_written(
    depth: int,
    hidden: str,
    output: str,
    cost: str,
    form: str,
    chained: bool = True,
    decay: bool = False,
    dropout: bool = False,
) -> Network:
    """Line by line: functions over a dictionary and columns, or over arguments and rows."""
    columns = form == "columns"
    features, m, _ = form_of(form)
    kinds = [hidden] * (depth - 1) + [output]
    statements = backward(depth, kinds, cost, form, chained, decay, dropout)
    layers = range(1, depth + 1)
    names = [f"{x}{i}" for i in layers for x in "ZA"]
    if dropout:
        names += [f"{x}{i}" for i in layers[:-1] for x in "HD"]
    weights = [f"{x}{i}" for i in layers for x in "Wb"]
    grads = [f"d{w}" for w in weights]
    out = ["import numpy as np", ""]
    out.append("def forward(X, params):" if columns else f"def forward(X, {', '.join(weights)}):")
    for w in weights if columns else []:
        out.append(f"    {w} = params['{w}']")
    a = "X"
    for i, kind in enumerate(kinds, start=1):
        product = f"np.dot(W{i}, {a})" if columns else f"{a} @ W{i}"
        out.append(f"    Z{i} = {product} + b{i}")
        a = f"A{i}"
        value = VALUE[kind].format(z=f"Z{i}", units=features)
        if dropout and i < depth:
            out.append(f"    H{i} = {value}")
            out.append(f"    D{i} = np.random.rand(*H{i}.shape) < {KEEP}")
            value = f"H{i} * D{i} / {KEEP}"
        out.append(f"    {a} = {value}")
    cache = "{" + ", ".join(f"'{x}': {x}" for x in names) + "}"
    out.append(f"    return A{depth}, {cache}" if columns else f"    return {', '.join(names)}")
    given = "AL" if columns else f"A{depth}"
    extra = ", " + ("params" if columns else ", ".join(weights)) + f", lambd={LAMBDA}"
    Ws = [f"params['W{i}']" if columns else f"W{i}" for i in layers]
    squares = " + ".join(f"np.sum({W} ** 2)" for W in Ws)
    penalty = f" + lambd / {'(2 * m)' if columns else '2'} * ({squares})" if decay else ""
    out += ["", f"def cost({given}, Y{extra if decay else ''}):", f"    m = {m.replace('X', 'Y')}"]
    out += [f"    return {COST[cost].format(a=given)}{penalty}", ""]
    wanted = f", lambd={LAMBDA}" if decay else ""
    if columns:
        out.append(f"def backward(params, cache, X, Y{wanted}):")
        out += [f"    {w} = params['{w}']" for w in weights]
        out += [f"    {x} = cache['{x}']" for x in names]
    else:
        out.append(f"def backward(X, Y, {', '.join([*weights, *names])}{wanted}):")
    out.append(f"    m = {m}")
    out += [f"    {s.line}" for s in statements]
    pairs = "{" + ", ".join(f"'{g}': {g}" for g in grads) + "}"
    out.append(f"    return {pairs if columns else ', '.join(grads)}")
    title = f"{form}, {depth} layers, {hidden}-{output}, {cost}{'' if chained else ', one step'}"
    title += ", decay" * decay + ", dropout" * dropout
    dims = (*(4, 8, 3, 9)[:depth], 1 if output == "sigmoid" else 3)
    text = "\n".join(out) + "\n"
    return Network(title, form, text, tuple(statements), dims, output, features, cost, decay)


def trained(depth: int, hidden: str, output: str, cost: str) -> Network:
    """One training step of the column form, on data of the module."""
    plain = hand_written(depth, hidden, output, cost, "columns", chained=False)
    lines = plain.source.splitlines()
    weights = [f"{x}{i}" for i in range(1, depth + 1) for x in "Wb"]
    updates = tuple(Statement(w, f"{w} - lr * d{w}", roles={"gradient": f"d{w}"}) for w in weights)
    forward = lines[
        lines.index("def forward(X, params):") + 1 : lines.index("def cost(AL, Y):") - 2
    ]
    n, last = plain.dims[0], plain.dims[-1]
    out = ["import numpy as np", "", "rng = np.random.RandomState(3)", f"X = rng.randn({n}, 6)"]
    labels = (
        f"(rng.rand({last}, 6) < 0.5) * 1.0" if output == "sigmoid" else f"rng.randn({last}, 6)"
    )
    out += [f"Y = {labels}", "", "def cost(params):", *forward, "    m = X.shape[1]"]
    out += [f"    return {COST[cost].format(a=f'A{depth}')}", ""]
    out += [f"def step(params, lr={RATE}):", *forward, "    m = X.shape[1]"]
    out += [f"    {s.line}" for s in (*plain.statements, *updates)]
    pairs = ", ".join(f"'{w}': {w}" for w in weights)
    text = "\n".join([*out, f"    return {{{pairs}}}"]) + "\n"
    title = f"step, {depth} layers, {hidden}-{output}, {cost}"
    statements = (*plain.statements, *updates)
    return Network(title, "step", text, statements, plain.dims, output, 0, cost)


def in_a_class(depth: int, hidden: str, output: str, cost: str, chained: bool = True) -> Network:
    """The row form with everything but the inner gradients in attributes of an object."""
    plain = hand_written(depth, hidden, output, cost, "rows", chained)
    layers = range(1, depth + 1)
    weights = [f"{x}{i}" for i in layers for x in "Wb"]
    kept = {f"{x}{i}" for i in layers for x in "ZAWb"} | {f"d{w}" for w in weights} | {"X"}
    mine = {name: f"self.{name}" for name in kept}

    def owned(text: str) -> str:
        return renamed(text, mine)

    out = ["import numpy as np", "", "class Network:", "    def __init__(self):"]
    for i, (a, b) in enumerate(zip(plain.dims, plain.dims[1:]), start=1):
        out.append(f"        self.W{i} = np.random.randn({a}, {b}) / np.sqrt({a})")
        out.append(f"        self.b{i} = 0.1 * np.random.randn({b})")
    out += ["", "    def forward(self, X):", "        self.X = X"]
    kinds = [hidden] * (depth - 1) + [output]
    for i, kind in enumerate(kinds, start=1):
        a = f"self.A{i - 1}" if i > 1 else "self.X"
        out.append(f"        self.Z{i} = {a} @ self.W{i} + self.b{i}")
        out.append(f"        self.A{i} = " + VALUE[kind].format(z=f"self.Z{i}", units=1))
    out += [f"        return self.A{depth}", "", "    def loss(self, Y):", "        m = len(Y)"]
    out += [f"        return {COST[cost].format(a=f'self.A{depth}')}", ""]
    out += ["    def backward(self, Y):", "        m = Y.shape[0]"]
    statements = []
    for s in plain.statements:
        roles = {r: mine.get(n, n) for r, n in s.roles.items()}
        others = {r: [mine.get(n, n) for n in ns] for r, ns in s.others.items()}
        new = Statement(owned(s.quantity), owned(s.text), s.activation, roles, others)
        statements.append(new)
        out.append(f"        {new.line}")
    title = plain.title.replace("rows", "class")
    text = "\n".join(out) + "\n"
    return Network(title, "class", text, tuple(statements), plain.dims, output, 1, cost)


def renamed(text: str, names: dict[str, str]) -> str:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in names:
            node.id = names[node.id]
    return ast.unparse(tree)


def derived(depth: int, hidden: str, output: str, cost: str) -> Network:
    """The program that `derive` writes from a recorded network."""
    plain = hand_written(depth, hidden, output, cost, "columns")
    params, X, Y = plain.data(plain.dims, 5, 1)
    t = {k: Tensor(v, requires_grad=True, name=k) for k, v in params.items()}
    A, target = Tensor(X, name="X"), Tensor(Y, name="Y")
    m = Tensor(5.0, name="m")
    functions = {"relu": tg.relu, "tanh": np.tanh, "sigmoid": tg.sigmoid, "identity": lambda z: z}
    functions["softmax"] = lambda z: tg.softmax(z, 0)
    for i in range(1, depth + 1):
        Z = t[f"W{i}"] @ A + t[f"b{i}"]
        Z.name = f"Z{i}"
        A = functions[output if i == depth else hidden](Z)
        A.name = f"A{i}"
    room = {"np": np, "A": A, "Y": target, "m": m}
    text = derive(eval(COST[cost].format(a="A"), room)).source
    written = {
        line.strip().partition(" = ")[0]: line.strip().partition(" = ")[2].partition("  #")[0]
        for line in text.splitlines()
        if line.strip().startswith("d") and " = " in line
    }
    statements = [
        Statement(s.quantity, written[s.quantity], s.activation, s.roles, s.others)
        for s in backward(depth, [hidden] * (depth - 1) + [output], cost, "columns", True)
    ]
    title = f"derived, {depth} layers, {hidden}-{output}, {cost}"
    return Network(title, "derived", text, tuple(statements), plain.dims, output, 0, cost)


LOOP_BACKWARD = {
    "relu": (
        "    dZ = np.array(dA, copy=True)\n    dZ[Z <= 0] = 0\n",
        "    dZ = dA * (Z > 0)\n",
    ),
    "tanh": ("", "    A = np.tanh(Z)\n    dZ = dA * (1 - A ** 2)\n"),
    "sigmoid": ("", "    s = 1 / (1 + np.exp(-Z))\n    dZ = dA * (s * (1 - s))\n"),
}


def loop(depth: int, hidden: str) -> Network:
    """The course's functions, a loop over the layers, with this activation inside."""
    text = programs.COURSE
    old, new = LOOP_BACKWARD["relu"]
    text = text.replace(old, LOOP_BACKWARD[hidden][1] if hidden != "relu" else new)
    text = text.replace("A = np.maximum(0, Z)", "A = " + VALUE[hidden].format(z="Z"))
    value = {"relu": "Z", "tanh": "A", "sigmoid": "s"}[hidden]
    slope = SLOPE[hidden].format(z="Z", a=value)
    roles = {"dA": "dA", "Z": "Z"} | ({"A": value} if hidden != "relu" else {})
    inside = {"dZ": "dZ", "input": "A_prev", "W": "W", "above": "dZ"}
    statements = (
        Statement("dZ", f"dA * {slope}", hidden, roles),
        Statement("dW", "np.dot(dZ, A_prev.T) / m", hidden, inside),
        Statement("db", "np.sum(dZ, axis=1, keepdims=True) / m", hidden, inside),
        Statement("dA_prev", "np.dot(W.T, dZ)", hidden, inside),
    )
    dims = (*(4, 8, 3, 9)[:depth], 1)
    title = f"loop, {depth} layers, {hidden}-sigmoid, entropy"
    return Network(title, "loop", text, statements, dims, "sigmoid", 0, "entropy")


def networks() -> list[Network]:
    """The programs that mistakes are put into."""
    return [
        hand_written(2, "relu", "sigmoid", "entropy", "columns", chained=False),
        hand_written(2, "sigmoid", "identity", "squares", "columns"),
        hand_written(3, "tanh", "sigmoid", "entropy", "columns", chained=False),
        hand_written(3, "relu", "softmax", "classes", "columns"),
        hand_written(4, "sigmoid", "sigmoid", "squares", "columns"),
        hand_written(4, "relu", "softmax", "classes", "columns", chained=False),
        hand_written(2, "tanh", "softmax", "classes", "rows", chained=False),
        hand_written(3, "sigmoid", "softmax", "classes", "rows"),
        hand_written(3, "relu", "identity", "squares", "rows"),
        hand_written(4, "tanh", "sigmoid", "entropy", "rows"),
        in_a_class(2, "sigmoid", "softmax", "classes", chained=False),
        in_a_class(3, "tanh", "identity", "squares"),
        in_a_class(4, "relu", "sigmoid", "entropy", chained=False),
        derived(2, "tanh", "sigmoid", "entropy"),
        derived(3, "relu", "softmax", "classes"),
        derived(3, "sigmoid", "sigmoid", "entropy"),
        derived(4, "tanh", "softmax", "classes"),
        derived(4, "relu", "sigmoid", "squares"),
        hand_written(3, "relu", "sigmoid", "entropy", "columns", chained=False, decay=True),
        hand_written(2, "tanh", "softmax", "classes", "rows", chained=False, decay=True),
        hand_written(3, "relu", "sigmoid", "entropy", "columns", chained=False, dropout=True),
        trained(2, "tanh", "sigmoid", "entropy"),
        loop(2, "sigmoid"),
        loop(3, "relu"),
        loop(4, "tanh"),
    ]
