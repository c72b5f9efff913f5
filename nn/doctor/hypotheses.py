"""Definite changes of the derived formulas: the mistakes that people make, as expressions.

Every hypothesis is the right formula of one quantity with one change. None of them is a verdict: the
search in `peel` accepts one only if it gives the learner's numbers.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, reduce
from types import CodeType
from typing import Any

import numpy as np

from nn.doctor.twin import Factor, Twin, activation_of
from tinygrad_edu.expressions import Expression, call, is_call, symbol


@dataclass(frozen=True)
class Change:
    """One hypothesis: what kind of mistake, how to say it, and the formula that it makes."""

    kind: str
    says: str
    formula: Any


class Room:
    """The names that formulas of one twin may use, as expressions with the values of one probe."""

    def __init__(self, twin: Twin, values: Mapping[str, Any], inner: Factor, outer: Factor):
        self.twin = twin
        self.inner, self.outer = inner, outer
        self.common = (inner * outer).over(twin.factor)  # of all gradients, 1 as a rule
        self.values = dict(values)
        self.symbols = {k: symbol(k, np.asarray(v)) for k, v in values.items()}
        self.decayed: dict[
            str, tuple[Any, Any]
        ] = {}  # dW without its regularisation term, and this

    def __getitem__(self, name: str) -> Expression:
        return self.symbols[name]

    def __contains__(self, name: str) -> bool:
        return name in self.symbols

    def names(self, *wanted: str, **more: Any) -> dict[str, Any]:
        """Those of these names that there are, and ``more``."""
        return {k: self.symbols[k] for k in wanted if k in self.symbols} | more

    def add(self, name: str, value: Any) -> None:
        self.values[name] = value
        self.symbols[name] = symbol(name, np.asarray(value))

    def activations(self, layer: int) -> str:
        """The name of the result of layer ``layer``'s activation before dropout; X for 0."""
        if layer == 0:
            return "X"
        return next(n for n in (f"H{layer}", f"A{layer}", f"Z{layer}") if n in self.symbols)

    def factor(self, f: Factor, e: Any) -> Any:
        return f.on(e, self["m"], self["n"])


# --- the right formulas ---------------------------------------------------------------------------


def cost_slope(cost: str, A: Any, Y: Any) -> Any:
    """The derivative of the sum of the examples' losses by the output."""
    if cost == "cross-entropy":
        return (1 - Y) / (1 - A) - Y / A
    if cost == "cross-entropy of classes":
        return -Y / A
    if cost == "squared error":
        return 2 * (A - Y)
    if cost == "half the sum of squares of the output":
        return A
    return np.ones_like(A)


def right_formulas(room: Room, derived: list[tuple[str, Expression]]) -> list[tuple[str, Any]]:
    """The backward pass line by line; ``inner`` scales dA and dZ, ``outer`` dW and db."""
    twin = room.twin
    L = twin.depth
    lines: list[tuple[str, Any]] = []
    for name, formula in derived:
        letter, layer = name[1], int(name[2:])
        if "U" in formula.symbols():
            out = room.activations(L)
            Y = room["Y"] if "Y" in room.values else None
            if twin.cost == "squared error":  # its 2 goes into the factor
                slope = room.factor(Factor(2.0) * room.inner, room[out] - Y)
            else:
                slope = room.factor(room.inner, cost_slope(twin.cost, room[out], Y))
            formula = formula.substitute({"U": slope})
        elif letter in "Wb":
            formula = room.factor(room.outer, formula)
        if letter == "W" and "lambda_" in room:
            mean = room.common * (Factor(1.0, -1) if twin.decay_mean else Factor())
            term = remade(np.multiply, (room.factor(mean, room["lambda_"]), room[f"W{layer}"]), {})
            room.decayed[name] = formula, term
            formula = formula + term
        lines.append((name, formula))
    return lines


# --- the changes ----------------------------------------------------------------------------------

Row = tuple[str, str, str]


def rows(table: str) -> list[Row]:
    r"""(kind, what is said, formula) from lines ``kind: what is said`` with formulas below them.

    >>> rows("\n    sign: {name} has the wrong sign\n        -formula")
    [('sign', '{name} has the wrong sign', '-formula')]
    """
    found: list[Row] = []
    kind = says = ""
    for line in inspect.cleandoc(table).splitlines():
        if line.startswith(" "):
            found.append((kind, says, line.strip()))
        else:
            kind, _, says = line.partition(": ")
    return found


def changes_of(name: str, formula: Any, room: Room, known: list[str]) -> list[Change]:
    """The hypotheses about the quantity ``name``, the likely ones first.

    ``known`` are the gradients that were computed before it. Changes that cannot be computed are left
    out, and of several that are the same formula the first stays.
    """
    letter, layer = name[1], int(name[2:])
    source = {"A": about_dA, "H": about_dA, "Z": about_dZ, "W": about_dW, "b": about_db}[letter]
    found: list[Change] = []
    keys = {formula.key}
    with np.errstate(all="ignore"):
        for make in (
            source(name, layer, formula, room),
            about_decay(name, room),
            factors(name, formula, room),
            other_names(name, formula, room, known),
            edits_of(name, formula),
        ):
            for change in make:
                e = change.formula
                if isinstance(e, Expression) and e.key not in keys:
                    keys.add(e.key)
                    found.append(change)
    return found


UNFIT = (
    ValueError,
    TypeError,
    NameError,
    KeyError,
    IndexError,
    AttributeError,
    np.exceptions.AxisError,
)


def read(rows: Iterable[Row], names: Mapping[str, Any]) -> Iterator[Change]:
    """The rows whose formulas can be computed, in terms of ``names``."""
    for kind, says, text in rows:
        try:
            formula = eval(code_of(text), {"np": np, **names})
        except UNFIT:  # this network has no such name, or the shapes do not fit
            continue
        if formula is not None:
            yield Change(kind.format(**names), says.format(**names), formula)


@lru_cache(None)
def code_of(text: str) -> CodeType:
    return compile(text, "<hypothesis>", "eval")


FACTORS = rows("""
    missing 1/m: {name} is m times too large: the 1/m is missing
        times_m
    1/m twice: {name} {twice}
        formula / m
    sign: {name} has the wrong sign
        -formula
    factor 2: {name} is twice as large as it should be
        2 * formula
    factor 1/2: {name} is half as large as it should be
        formula / 2
    learning rate: {name} is already multiplied by the learning rate
        rate * formula
    learning rate missing: the step with {name} lacks the learning rate
        formula / rate
    zero: {name} is zero
        0 * formula
    divided by n: {name} is divided by the number of outputs too
        formula / n
    times n: {name} is multiplied by the number of outputs
        n * formula
""")
DIVISORS = rows("""
    features for m: {name} is divided by the number of features instead of the examples
        times_m / n_x
    classes for m: {name} is divided by the number of outputs instead of the examples
        times_m / n
""")


def factors(name: str, formula: Any, room: Room) -> Iterator[Change]:
    """A factor too many or missing."""
    own = room.outer if name[1] in "Wb" else room.inner
    divided = own.m_power < 0 and (name[1] in "Wb" or int(name[2:]) == room.twin.depth)
    names = room.names("m", "n_x", name=name, formula=formula, rate=room["learning_rate"])
    names["twice"] = (
        "is divided by m twice" if divided else "is divided by m here, which belongs elsewhere"
    )
    names["times_m"] = times_m(formula, room["m"])
    if room.values["n"] > 1:
        names["n"] = room["n"]
    yield from read(FACTORS + DIVISORS * divided, names)


def times_m(formula: Any, m: Any) -> Any:
    """The formula without its division by m, if it has one."""
    if is_call(formula, np.divide) and m.equals(formula.args[1]):
        return formula.args[0]
    return m * formula


def about_decay(name: str, room: Room) -> Iterator[Change]:
    """The regularisation term of dW, and a factor that is wrong only beside it."""
    if name not in room.decayed:
        return
    data, term = room.decayed[name]
    names = room.names("m", "lambda_", name=name, data=data, term=term, W=room[name[1:]])
    yield from read(DECAY, names)
    for c in factors(name, data, room):
        yield Change(c.kind, c.says, c.formula + term)


DECAY = rows("""
    regularisation missing: {name} lacks the gradient of the regularisation term that is in the cost
        data
    regularisation sign: {name} has the regularisation term with the wrong sign
        data - term
    regularisation: {name} has another regularisation term than the cost, {term}
        data + lambda_ * W
        data + lambda_ * W / m
    regularisation: {name} has twice the regularisation term of the cost, {term}
        data + 2 * term
    regularisation: {name} has half the regularisation term of the cost, {term}
        data + term / 2
    regularisation: {name} has the weights squared in its regularisation term
        data + term * W
""")


def about_dW(name: str, layer: int, formula: Any, room: Room) -> Iterator[Change]:
    names = {"name": name, "formula": formula}
    yield from read([("transposed", "{name} is transposed", "formula.T")], names)


SUMS = rows("""
    sum over everything: {name} is summed over all units too: the axis is missing
        scaled(np.sum(dZ))
        scaled(np.sum(dZ, keepdims=True))
    wrong axis: {name} is summed over the units instead of the examples
        scaled(np.sum(dZ, axis=1 - batch, keepdims=True))
        scaled(np.sum(dZ, axis=1 - batch))
    not summed: {name} is not summed over the examples
        scaled(dZ)
    mean for sum: {name} takes a mean where the examples have to be added
        scaled(np.mean(dZ, axis=batch, keepdims=keep))
    max for sum: {name} takes a maximum where the examples have to be added
        scaled(np.max(dZ, axis=batch, keepdims=keep))
    squeezed: {name} lost an axis: its shape is {flat} and {b}'s {shape}, so {b} - learning_rate * \
{name} broadcasts to a square: keepdims=True is missing
        scaled(np.sum(dZ, axis=batch))
""")


def about_db(name: str, layer: int, formula: Any, room: Room) -> Iterator[Change]:
    dZ, batch = room[f"dZ{layer}"], 1 - room.twin.features
    shape = np.shape(room.values[f"b{layer}"])
    names = {"name": name, "dZ": dZ, "b": room[f"b{layer}"], "batch": batch, "shape": shape}
    names |= {"keep": len(shape) == 2, "flat": (dZ.value.shape[1 - batch],)}
    yield from read(SUMS, {**names, "scaled": lambda e: room.factor(room.outer, e)})


DROPOUT = rows("""
    dropout mask missing: {name} ignores the dropout mask {D}
        formula.substitute({str(D): D**0})
    dropout mask missing: {name} ignores dropout: it is {g} itself
        g
    dropout factor missing: {name} has the mask, but is not divided by the keep probability
        g * D
    mask inverted: {name} has the dropout mask {D} inverted
        formula.substitute({str(D): 1 - D})
""")
THROUGH_W = rows("""
    updated W: {name} is computed with {W} after its update: take all gradients first, then update
        formula.substitute({str(W): W - rate * dW})
    W missing: {name} is {dZ} itself: {W} is missing
        1.0 * dZ
    inverse for transpose: {name} is computed with the inverse of {W} where the formula has its transpose
        np.linalg.pinv(W) @ dZ if columns else dZ @ np.linalg.pinv(W)
""")


def about_dA(name: str, layer: int, formula: Any, room: Room) -> Iterator[Change]:
    if layer == room.twin.depth:
        yield from other_costs(name, room, room[room.activations(layer)])
        return
    names: dict[str, Any] = {"name": name, "formula": formula}
    if f"W{layer + 1}" not in formula.symbols():
        names |= {"D": room[f"D{layer}"], "g": room[f"dA{layer}"]}
        yield from read(DROPOUT, names)
        return
    names |= {x: room[f"{x}{layer + 1}"] for x in ("W", "dZ", "dW") if f"{x}{layer + 1}" in room}
    names |= {"rate": room["learning_rate"], "columns": room.twin.features == 0}
    yield from read(THROUGH_W, names)


COST_SLOPES = rows("""
    sign of a term: {name} has one term of the cost's derivative with the wrong sign
        scaled(-(Y / A) - (1 - Y) / (1 - A))
        scaled(Y / A + (1 - Y) / (1 - A))
    term missing: {name} has only one term of the cost's derivative
        scaled(-(Y / A))
        scaled((1 - Y) / (1 - A))
""")
ANOTHER_COST = rows("""
    another cost: {name} is the gradient of the {other}, but the cost is the {cost}
        scaled(slope)
    another cost: {name} is half the gradient of the {other}, but the cost is the {cost}
        scaled(slope / 2)
""")


def other_costs(name: str, room: Room, A: Any) -> Iterator[Change]:
    """The gradient of another cost than the one that was given, by the output ``A``."""
    if "Y" not in room:
        return
    Y, cost = room["Y"], room.twin.cost

    def scaled(e: Any) -> Any:
        return room.factor(room.inner, e)

    names = {"name": name, "A": A, "Y": Y, "cost": cost, "scaled": scaled}
    if cost == "cross-entropy":
        yield from read(COST_SLOPES, names)
    if cost == "squared error":  # with the 2 that its factor has absorbed
        yield from edits_of(name, scaled(cost_slope(cost, A, Y)))
    for other in ("cross-entropy", "squared error", "cross-entropy of classes"):
        if other != cost:
            slope = cost_slope(other, A, Y)
            yield from read(ANOTHER_COST, names | {"other": other, "slope": slope})


SLOPES = {  # of each activation, at Z; s and t are sigmoid and tanh of Z
    "relu": "Z > 0",
    "sigmoid": "s * (1 - s)",
    "tanh": "1 - t**2",
    "leaky relu": "np.where(Z > 0, 1.0, leak)",
    "softplus": "s",
}
BY_VALUE = {"relu": "A > 0", "sigmoid": "A * (1 - A)", "tanh": "1 - A**2"}
SLOPE = rows("""
    derivative missing: {name} lacks the derivative of {kind}: it is {g} itself
        1.0 * g
    derivative at A: {name} takes the derivative of {kind} at {A} instead of {Z}
        g * slope(A)
    mask always true: {name} takes the mask at {A} instead of {Z}: it is always true
        g * (A >= 0) if kind == "relu" else None
    derivative twice: {name} has the derivative of {kind} twice
        formula * slope(Z)
    upstream missing: {name} is the derivative of {kind} alone: {g} is not multiplied in
        1.0 * slope(Z)
    {kind}'s slope: {name} has {A} for {kind}'s slope
        g * A if kind in ("tanh", "sigmoid", "softmax") else None
    {kind}'s slope: {name} takes {kind}'s slope, written for {A}, at {Z}
        g * by_value(Z)
    value for slope: {name} has the value {A} of {kind}, not its slope
        g * A
    mask inverted: {name} has the mask inverted: the slope of {kind} for {Z} < 0 where {Z} > 0
        g * slope(-Z) if "relu" in kind else None
    mask on the gradient: {name} cuts where {g} is negative; relu's slope depends on {Z}
        g * (g > 0)
    mask on the gradient: {name} cuts where {g} is negative too; relu's slope depends on {Z}
        formula * (g > 0)
    softmax as p (1 - p): {name} has p * (1 - p) for softmax: the effect of one output on the others \
is missing
        g * A * (1 - A) if kind == "softmax" else None
""")
OTHER_SLOPE = rows("""
    another activation: {name} has the derivative of {other}, but {layer} has {kind}
        g * slope_at(other, Z)
        g * value_at(other, A)
""")


def slope_at(activation: str, Z: Any) -> Any:
    """The derivative of an activation at ``Z``; NameError for one that has no slope by itself."""
    kind, leak = kind_of(activation)
    room = {"np": np, "Z": Z, "s": activation_of("sigmoid", 0)(Z), "t": np.tanh(Z), "leak": leak}
    return eval(code_of(SLOPES.get(kind, "none")), room)


def kind_of(activation: str) -> tuple[str, float]:
    """What an activation is called, and the slope for negative numbers that a leaky relu has."""
    kind, _, leak = activation.partition(" ")
    if kind == "leaky" and leak and leak != "relu":
        return "leaky relu", float(leak)
    return activation, 0.01


def value_at(activation: str, A: Any) -> Any:
    """The derivative of an activation by its value."""
    return eval(code_of(BY_VALUE.get(activation, "none")), {"A": A})


def about_slope(activation: str, layer: str, names: Mapping[str, Any]) -> Iterator[Change]:
    """What can be wrong in ``formula``, the gradient ``g`` times the derivative of ``layer``'s
    activation at Z, with the value A."""
    kind, _ = kind_of(activation)
    more: dict[str, Any] = {
        "kind": kind,
        "layer": layer,
        "slope_at": slope_at,
        "value_at": value_at,
    }
    more["slope"] = lambda z: slope_at(activation, z)
    more["by_value"] = lambda a: value_at(kind, a)
    yield from read(SLOPE, {**names, **more})
    for other in SLOPES:
        if other != kind:
            yield from read(OTHER_SLOPE, {**names, **more, "other": other})
    if kind in BY_VALUE:
        slope, g = value_at(kind, names["A"]), names["g"]
        for what, edited in edits(slope):
            if what == "operands exchanged":  # a wrong sign
                continue
            says = f"{names['name']} has {edited} for {kind}'s slope {slope}"
            yield Change(f"{kind}'s slope", says, g * edited)


def about_dZ(name: str, layer: int, formula: Any, room: Room) -> Iterator[Change]:
    twin = room.twin
    activation = twin.layers[layer - 1].activation
    upstream = next((n for n in (f"dH{layer}", f"dA{layer}") if n in room), None)
    Z, A = room[f"Z{layer}"], room[room.activations(layer)]
    names: dict[str, Any] = {"name": name, "formula": formula, "Z": Z, "A": A}
    if upstream is None:  # the identity: dZ is the gradient of what follows itself
        if layer < twin.depth:
            yield from about_dA(name, layer, formula, room)
            return
        yield from other_costs(name, room, A)
        yield from about_slope("identity", "the output", {**names, "g": formula})
        return
    names["g"] = room[upstream]
    yield from about_slope(activation, f"layer {layer}", names)
    for k in range(1, twin.depth + 1):
        if k != layer:
            z = names["other"] = room[f"Z{k}"]
            names["slope"] = lambda z=z: slope_at(activation, z)
            kind = "mask" if activation == "relu" else "cache"
            says = f"{name} takes the derivative at {z} of layer {k}, not at {Z}"
            yield from read([(f"{kind} of another layer", says, "g * slope()")], names)
    if layer == twin.depth and "Y" in room:
        yield from fused(name, room, names)


def fused(name: str, room: Room, about: Mapping[str, Any]) -> Iterator[Change]:
    """The output layer's dZ written in one step, for another cost or activation than the given."""
    cost = room.twin.cost
    right, _ = kind_of(room.twin.layers[-1].activation)
    names = {**about, "Y": room["Y"], "cost": cost, "kind": right}
    names["scaled"] = lambda e: room.factor(room.inner, e)
    names["at_Z"] = (
        slope_at(right, about["Z"]) if right in SLOPES else value_at("sigmoid", about["A"])
    )
    if cost.startswith("cross"):
        yield from read(UNMATCHED, names)
    for c in edits_of(name, names["scaled"](about["A"] - room["Y"])):
        yield Change("cost's gradient", c.says, c.formula)


UNMATCHED = rows("""
    slope of the output twice: {name} is (A - Y) times the {kind}'s slope, the gradient for squared \
errors; for the {cost} the slope cancels
        scaled((A - Y) * at_Z)
    another cost: {name} is the gradient of the squared error, but the cost is the {cost}
        scaled(2 * (A - Y) * at_Z)
""")


def other_names(name: str, formula: Any, room: Room, known: list[str]) -> Iterator[Change]:
    """Another array in the place of a name, where it can be computed with it."""
    for used in sorted(formula.symbols()):
        for other, value in room.values.items():
            gradient = other.startswith("d") and other not in known
            if other in (used, name) or gradient or min(np.ndim(value), room[used].ndim) < 2:
                continue
            kind, says = "another array", f"{name} is computed with {other}; it takes {used}"
            if used[:2] == "dZ" and other in (f"dA{used[2:]}", f"dH{used[2:]}"):
                kind, says = "dA for dZ", f"{says}, after the derivative of the activation"
            elif used[0] == other[0] == "d":
                kind = "upstream of another layer"
                says = f"{name} is computed from {other}; it takes {used}"
            elif name[1] == "W":
                kind, says = "operand of dW", f"{says}, the input of layer {name[2:]}"
            try:
                yield Change(kind, says, formula.substitute({used: room[other]}))
            except UNFIT:
                continue


def edits_of(name: str, formula: Any) -> Iterator[Change]:
    """Small changes anywhere in the formula: a term, a factor, a transpose, an axis, a sign."""
    for what, edited in edits(formula):
        yield Change(what, f"{name}: {what} in `{formula}`", edited)


def edits(e: Any) -> Iterator[tuple[str, Any]]:
    """The formulas with one change in them."""
    if not isinstance(e, Expression) or e.function is None:
        return
    yield from own_edits(e)
    for i, part in enumerate(e.args):
        for what, new in edits(part):
            try:
                args = (*e.args[:i], new, *e.args[i + 1 :])
                yield what, remade(e.function, args, e.kwargs)
            except (ValueError, TypeError, np.exceptions.AxisError):
                continue


def remade(function: Any, args: Any, kwargs: Mapping[str, Any]) -> Any:
    """The formula as it stands, without simplifying, with its value."""
    value = function(
        *[a.value if isinstance(a, Expression) else a for a in args],
        **{k: v.value if isinstance(v, Expression) else v for k, v in kwargs.items()},
    )
    return call(function, args, dict(kwargs), value, np.shape(value))


def product_of(e: Any) -> list[Any]:
    """The factors of a product of several."""
    if not is_call(e, np.multiply):
        return [e]
    return [*product_of(e.args[0]), *product_of(e.args[1])]


def flipped(part: Any) -> str:
    return "transpose missing" if is_call(part, np.transpose) else "a transpose too many"


def own_edits(e: Expression) -> Iterator[tuple[str, Any]]:
    f, args = e.function, e.args
    makers: list[tuple[str, Callable[..., Any]]] = []
    if f is np.matmul:
        a, b = args
        makers += [
            ("operands exchanged", lambda: remade(f, (b, a), {})),
            ("* for @", lambda: remade(np.multiply, (a, b), {})),
            (flipped(b), lambda: remade(f, (a, b.T), {})),
            (flipped(a), lambda: remade(f, (a.T, b), {})),
            ("transpose missing or too many", lambda: remade(f, (a.T, b.T), {})),
        ]
    elif f is np.transpose:
        makers += [("transpose missing", lambda: args[0])]
    elif f is np.multiply:
        parts = product_of(e)
        for i, part in enumerate(parts):
            rest = reduce(operator.mul, parts[:i] + parts[i + 1 :])
            makers += [
                ("a factor missing", lambda rest=rest: rest * 1.0),
                ("a factor missing", lambda part=part: part * 1.0),
                ("+ for *", lambda rest=rest, part=part: remade(np.add, (rest, part), {})),
                ("/ for *", lambda rest=rest, part=part: remade(np.divide, (rest, part), {})),
                ("/ for *", lambda rest=rest, part=part: remade(np.divide, (part, rest), {})),
            ]
    elif f is np.divide:
        makers += [
            ("a divisor missing", lambda: args[0] * 1.0),
            ("* for /", lambda: remade(np.multiply, args, {})),
            ("quotient upside down", lambda: remade(f, args[::-1], {})),
        ]
    elif f in (np.add, np.subtract):
        other = np.subtract if f is np.add else np.add
        makers += [
            ("a term missing", lambda: args[0] * 1.0),
            ("a term missing", lambda: args[1] * 1.0),
            ("a sign inside", lambda: remade(other, args, {})),
            ("operands exchanged", lambda: remade(f, args[::-1], {})),
        ]
    elif f is np.negative:
        makers += [("a sign inside", lambda: args[0] * 1.0)]
    elif f is np.power:
        makers += [
            ("exponent missing", lambda: args[0] * 1.0),
            ("another exponent", lambda: remade(f, (args[0], 3), {})),
        ]
    elif f is np.greater:
        makers += [
            ("< for >", lambda: remade(np.less, args, {})),
            (">= for >", lambda: remade(np.greater_equal, args, {})),
        ]
    elif f is np.where:
        makers += [
            ("branches exchanged", lambda: remade(f, (args[0], args[2], args[1]), {})),
        ]
    for what, make in makers:
        try:
            yield what, make()
        except (ValueError, TypeError, np.exceptions.AxisError):
            continue


def evaluate(e: Any, room: Mapping[str, Any]) -> Any:
    """The value of a formula for other numbers under its names."""
    if isinstance(e, Expression):
        if e.name is not None:
            return room[e.name]
        if e.function is None:
            return e.value
        args = [evaluate(a, room) for a in e.args]
        if e.kwargs:
            return e.function(*args, **{k: evaluate(v, room) for k, v in e.kwargs.items()})
        return e.function(*args)
    if isinstance(e, tuple):
        return tuple([evaluate(x, room) for x in e])
    source = getattr(e, "source", None)
    return evaluate(source, room) if source is not None else e
