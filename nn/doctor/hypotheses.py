"""Definite changes of the derived formulas: the mistakes that people make, as expressions.

Every hypothesis is the right formula of one quantity with one change. None of them is a verdict: the
search in `peel` accepts one only if it gives the learner's numbers.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
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

    def __getitem__(self, name: str) -> Expression:
        return self.symbols[name]

    def __contains__(self, name: str) -> bool:
        return name in self.symbols

    def add(self, name: str, value: Any) -> None:
        self.values[name] = value
        self.symbols[name] = symbol(name, np.asarray(value))

    def activations(self, layer: int) -> str:
        """The name of the result of layer ``layer``'s activation before dropout; X for 0."""
        if layer == 0:
            return "X"
        return next(n for n in (f"H{layer}", f"A{layer}", f"Z{layer}") if n in self.symbols)

    def input_of(self, layer: int) -> str:
        """The name of what layer ``layer`` takes."""
        if layer == 1:
            return "X"
        return f"A{layer - 1}" if f"A{layer - 1}" in self.symbols else f"Z{layer - 1}"

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
            decay = room.common * (Factor(1.0, -1) if twin.decay_mean else Factor())
            formula = formula + room.factor(decay, room["lambda_"] * room[f"W{layer}"])
        lines.append((name, formula))
    return lines


# --- the changes ----------------------------------------------------------------------------------


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
            source(name, layer, formula, room, known),
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


def tried(*makers: tuple[str, str, Callable[..., Any]]) -> Iterator[Change]:
    """The changes that can be computed."""
    for kind, says, make in makers:
        try:
            yield Change(kind, says, make())
        except (
            ValueError,
            TypeError,
            KeyError,
            IndexError,
            AttributeError,
            np.exceptions.AxisError,
        ):
            continue


def factors(name: str, formula: Any, room: Room) -> Iterator[Change]:
    """A factor too many or missing."""
    m, n = room["m"], room["n"]
    outer = room.outer if name[1] in "Wb" else room.inner
    divided = outer.m_power < 0 and (name[1] in "Wb" or int(name[2:]) == room.twin.depth)
    twice = "is divided by m twice" if divided else "is divided by m here, which belongs elsewhere"
    yield from tried(
        (
            "missing 1/m",
            f"{name} is m times too large: the 1/m is missing",
            lambda: times_m(formula, m),
        ),
        ("1/m twice", f"{name} {twice}", lambda: formula / m),
        ("sign", f"{name} has the wrong sign", lambda: -formula),
        ("factor 2", f"{name} is twice as large as it should be", lambda: 2 * formula),
        ("factor 1/2", f"{name} is half as large as it should be", lambda: formula / 2),
        (
            "learning rate",
            f"{name} is already multiplied by the learning rate",
            lambda: room["learning_rate"] * formula,
        ),
        ("zero", f"{name} is zero", lambda: 0 * formula),
    )
    if room.values["n"] > 1:
        yield from tried(
            (
                "divided by n",
                f"{name} is divided by the number of outputs too",
                lambda: formula / n,
            ),
            ("times n", f"{name} is multiplied by the number of outputs", lambda: n * formula),
        )
    if name[1] in "WbA":
        features = np.shape(room.values["X"])[room.twin.features]
        size = symbol("n_x", np.asarray(float(features)))
        room.values.setdefault("n_x", float(features))
        room.symbols.setdefault("n_x", size)
        if outer.m_power < 0:
            yield from tried(
                (
                    "features for m",
                    f"{name} is divided by the number of features instead of the examples",
                    lambda: times_m(formula, m) / room["n_x"],
                ),
            )
            if room.values["n"] > 1:
                yield from tried(
                    (
                        "classes for m",
                        f"{name} is divided by the number of outputs instead of the examples",
                        lambda: times_m(formula, m) / n,
                    ),
                )


def times_m(formula: Any, m: Any) -> Any:
    """The formula without its division by m, if it has one."""
    if is_call(formula, np.divide) and formula.args[1].key == m.key:
        return formula.args[0]
    return m * formula


def about_dW(name: str, layer: int, formula: Any, room: Room, known: list[str]) -> Iterator[Change]:
    dZ, A = f"dZ{layer}", room.input_of(layer)
    for other in (f"Z{layer}", room.activations(layer), *inputs(room, layer)):
        if other != A:
            yield from tried(
                (
                    "operand of dW",
                    f"{name} is computed with {other}; it takes {A}, the input of layer {layer}",
                    lambda o=other: formula.substitute({A: room[o]}),
                )
            )
    dA = f"dA{layer}"
    if dA in room:
        yield from tried(
            (
                "dA for dZ",
                f"{name} is computed from {dA}, before the activation's derivative",
                lambda: formula.substitute({dZ: room[dA]}),
            )
        )
    W = f"W{layer}"
    yield from tried(
        ("transposed", f"{name} is transposed", lambda: formula.T),
    )
    for text, f in (("lambda", Factor()), ("lambda / m", Factor(1.0, -1))):
        if "lambda_" in room:
            yield from tried(
                (
                    "regularisation",
                    f"{name} has another regularisation term than the cost: {text} * {W}",
                    lambda f=f: strip_decay(formula, W) + room["lambda_"] * room.factor(f, room[W]),
                ),
                (
                    "regularisation",
                    f"{name} has twice the regularisation term of the cost, 2 * {text} * {W}",
                    lambda f=f: (
                        strip_decay(formula, W) + 2 * room["lambda_"] * room.factor(f, room[W])
                    ),
                ),
                (
                    "regularisation",
                    f"{name} has half the regularisation term of the cost",
                    lambda f=f: (
                        strip_decay(formula, W) + 0.5 * room["lambda_"] * room.factor(f, room[W])
                    ),
                ),
            )
    if "lambda_" in room:
        yield from tried(
            (
                "regularisation missing",
                f"{name} lacks the gradient of the regularisation term that is in the cost",
                lambda: strip_decay(formula, W),
            ),
            (
                "regularisation sign",
                f"{name} has the regularisation term with the wrong sign",
                lambda: 2 * strip_decay(formula, W) - formula,
            ),
        )


def strip_decay(formula: Any, W: str) -> Any:
    """The formula without its last term, the one with W."""
    if is_call(formula, np.add) and W in formula.args[1].symbols():
        return formula.args[0]
    raise ValueError("no regularisation term")


def inputs(room: Room, layer: int) -> list[str]:
    layers = range(1, room.twin.depth + 1)
    return ["X", *(n for i in layers for n in (f"A{i}", f"Z{i}", f"H{i}") if n in room)]


def about_db(name: str, layer: int, formula: Any, room: Room, known: list[str]) -> Iterator[Change]:
    dZ = room[f"dZ{layer}"]
    f = room.outer
    batch = 1 - room.twin.features

    def scaled(e: Any) -> Any:
        return room.factor(f, e)

    shape = np.shape(room.values[f"b{layer}"])
    yield from tried(
        (
            "sum over everything",
            f"{name} is summed over all units too: the axis is missing",
            lambda: scaled(np.sum(dZ)),
        ),
        (
            "sum over everything",
            f"{name} is summed over all units too: the axis is missing",
            lambda: scaled(np.sum(dZ, keepdims=True)),
        ),
        (
            "wrong axis",
            f"{name} is summed over the units instead of the examples",
            lambda: scaled(np.sum(dZ, axis=1 - batch, keepdims=True)),
        ),
        (
            "wrong axis",
            f"{name} is summed over the units instead of the examples",
            lambda: scaled(np.sum(dZ, axis=1 - batch)),
        ),
        ("not summed", f"{name} is not summed over the examples", lambda: scaled(dZ)),
        ("not summed", f"{name} is not summed over the examples", lambda: dZ),
        (
            "mean for sum",
            f"{name} takes a mean where the examples have to be added",
            lambda: scaled(np.mean(dZ, axis=batch, keepdims=len(shape) == 2)),
        ),
        (
            "max for sum",
            f"{name} takes a maximum where the examples have to be added",
            lambda: scaled(np.max(dZ, axis=batch, keepdims=len(shape) == 2)),
        ),
        (
            "squeezed",
            f"{name} lost an axis: its shape is {(dZ.value.shape[1 - batch],)} and b{layer}'s {shape}, "
            f"so b{layer} - learning_rate * {name} broadcasts to a square: keepdims=True is missing",
            lambda: scaled(np.sum(dZ, axis=batch)),
        ),
    )
    dA = f"dA{layer}"
    if dA in room:
        yield from tried(
            (
                "dA for dZ",
                f"{name} is computed from {dA}, before the activation's derivative",
                lambda: formula.substitute({f"dZ{layer}": room[dA]}),
            )
        )
    if "lambda_" in room:
        b = room[f"b{layer}"]
        yield from tried(
            (
                "regularised bias",
                f"{name} has a regularisation term, which the cost has only for the weights",
                lambda: formula + room["lambda_"] * b / room["m"],
            ),
            (
                "regularised bias",
                f"{name} has a regularisation term, which the cost has only for the weights",
                lambda: formula + room["lambda_"] * b,
            ),
        )


def about_dA(name: str, layer: int, formula: Any, room: Room, known: list[str]) -> Iterator[Change]:
    L = room.twin.depth
    if layer == L:
        yield from other_costs(name, formula, room, room[room.activations(L)])
        return
    if name[1] == "H" or (name[1] == "A" and f"W{layer + 1}" not in formula.symbols()):
        D = f"D{layer}"
        yield from tried(
            (
                "dropout mask missing",
                f"{name} ignores the dropout mask {D}",
                lambda: formula.substitute({D: room[D] ** 0}),
            ),
            (
                "dropout factor missing",
                f"{name} is multiplied by the mask, but not divided by the keep probability",
                lambda: room[f"dA{layer}"] * room[D],
            ),
        )
        return
    W, dZ = f"W{layer + 1}", f"dZ{layer + 1}"
    rate = room["learning_rate"]
    dW = f"dW{layer + 1}"
    if dW in room:
        yield from tried(
            (
                "updated W",
                f"{name} is computed with {W} after its update: take all gradients first, then update",
                lambda: formula.substitute({W: room[W] - rate * room[dW]}),
            ),
        )
    yield from tried(
        (
            "W not transposed",
            f"{name} multiplies with {W} where the formula has its transpose",
            lambda: with_W_flipped(room, layer + 1),
        ),
        ("W missing", f"{name} is {dZ} itself: {W} is missing", lambda: room[dZ] * 1.0),
        (
            "inverse for transpose",
            f"{name} is computed with the inverse of {W} where the formula has its transpose",
            lambda: (
                np.linalg.pinv(room[W]) @ room[dZ]
                if room.twin.features == 0
                else room[dZ] @ np.linalg.pinv(room[W])
            ),
        ),
    )
    dA = f"dA{layer + 1}"
    if dA in room:
        yield from tried(
            (
                "dA for dZ",
                f"{name} is computed from {dA}, before the derivative of layer {layer + 1}'s activation",
                lambda: formula.substitute({dZ: room[dA]}),
            )
        )


def with_W_flipped(room: Room, layer: int) -> Any:
    """dA of the layer before ``layer``, with W transposed where it should not be, or not where it
    should."""
    W, dZ = room[f"W{layer}"], room[f"dZ{layer}"]
    return {
        "W @ A": lambda: W @ dZ,
        "A @ W": lambda: dZ @ W,
        "A @ W.T": lambda: dZ @ W.T,
        "W.T @ A": lambda: W.T @ dZ,
    }[room.twin.layers[layer - 1].product]()


def other_costs(name: str, formula: Any, room: Room, A: Any) -> Iterator[Change]:
    """The gradient of another cost than the one that was given, by the output ``A``."""
    if "Y" not in room:
        return
    Y, twin = room["Y"], room.twin
    yield from tried(
        (
            "another cost",
            f"{name} is A - Y, which is not the derivative of this cost by the output",
            lambda: room.factor(room.inner, A - Y),
        ),
        (
            "sign of a term",
            f"{name} has one term of the cost's derivative with the wrong sign",
            lambda: room.factor(room.inner, -(Y / A) - (1 - Y) / (1 - A)),
        ),
        (
            "sign of a term",
            f"{name} has one term of the cost's derivative with the wrong sign",
            lambda: room.factor(room.inner, Y / A + (1 - Y) / (1 - A)),
        ),
        (
            "term missing",
            f"{name} has only one term of the cost's derivative",
            lambda: room.factor(room.inner, -(Y / A)),
        ),
        (
            "term missing",
            f"{name} has only one term of the cost's derivative",
            lambda: room.factor(room.inner, (1 - Y) / (1 - A)),
        ),
    )
    if twin.cost == "squared error":  # with the 2 that its factor has absorbed
        yield from edits_of(name, room.factor(room.inner, cost_slope(twin.cost, A, Y)))
    for cost in ("cross-entropy", "squared error", "cross-entropy of classes"):
        if cost != twin.cost:
            yield from tried(
                (
                    "another cost",
                    f"{name} is the gradient of the {cost}, but the cost is the {twin.cost}",
                    lambda c=cost: room.factor(room.inner, cost_slope(c, A, Y)),
                ),
                (
                    "another cost",
                    f"{name} is half the gradient of the {cost}, but the cost is the {twin.cost}",
                    lambda c=cost: room.factor(room.inner, cost_slope(c, A, Y) / 2),
                ),
            )


def slopes(room: Room, z: Any, a: Any) -> dict[str, Any]:
    """The derivative of each activation, at ``z`` with the value ``a``."""
    s = activation_of("sigmoid", 0)(z)
    t = np.tanh(z)
    return {
        "relu": z > 0,
        "sigmoid": s * (1 - s),
        "tanh": 1 - t**2,
        "the identity": np.ones_like(z),
        "leaky relu": np.where(z > 0, 1.0, 0.01),
        "softplus": s,
    }


def about_dZ(name: str, layer: int, formula: Any, room: Room, known: list[str]) -> Iterator[Change]:
    twin = room.twin
    kind = twin.layers[layer - 1].activation
    upstream = next((n for n in (f"dH{layer}", f"dA{layer}") if n in room), None)
    Z = room[f"Z{layer}"]
    out = room.activations(layer)
    A = room[out]
    if upstream is None:  # the identity: dZ is the gradient of what follows itself
        if layer == twin.depth:
            yield from other_costs(name, formula, room, A)
            for other, slope in {"sigmoid": A * (1 - A), "tanh": 1 - A**2, "relu": A > 0}.items():
                yield from tried(
                    (
                        "another activation",
                        f"{name} has the derivative of {other}, but the output has no activation",
                        lambda s=slope: formula * s,
                    )
                )
        else:
            yield from about_dA(name, layer, formula, room, known)
        return
    g = room[upstream]
    right = kind.split()[0].replace("leaky", "leaky relu")
    at_Z, at_A = slopes(room, Z, A), slopes(room, A, A)
    yield from tried(
        (
            "derivative missing",
            f"{name} lacks the derivative of the {right}: it is {upstream} itself",
            lambda: g * 1.0,
        )
    )
    for other, slope in at_Z.items():
        if other not in (kind, right, "the identity"):
            yield from tried(
                (
                    "another activation",
                    f"{name} has the derivative of {other}, but layer {layer} has {right}",
                    lambda s=slope: g * s,
                )
            )
    by_value = {"relu": A > 0, "sigmoid": A * (1 - A), "tanh": 1 - A**2}
    for other, slope in by_value.items():
        if other != right:
            yield from tried(
                (
                    "another activation",
                    f"{name} has the derivative of {other}, as of its value {out}, but layer {layer} has "
                    f"{right}",
                    lambda s=slope: g * s,
                )
            )
    same = at_A.get(right)
    if same is not None:
        extra = " (always true, as relu is never negative)" if right == "relu" else ""
        yield from tried(
            (
                "derivative at A",
                f"{name} takes the derivative of {right} at {out} instead of Z{layer}",
                lambda: g * same,
            ),
            (
                "derivative at A",
                f"{name} takes the derivative at {out} instead of Z{layer}{extra}",
                lambda: g * (A >= 0),
            ),
            (
                "derivative twice",
                f"{name} has the derivative of {right} twice",
                lambda: formula * at_Z[right],
            ),
            (
                "upstream missing",
                f"{name} is the derivative of {right} alone: {upstream} is not multiplied in",
                lambda: 1.0 * at_Z[right],
            ),
        )
    if right == "leaky relu":
        slope = float(kind.split()[1])
        yield from tried(
            (
                "leaky slope",
                f"{name} is 0 for negative Z{layer}, where leaky relu has slope {slope}",
                lambda: g * (Z > 0),
            ),
            (
                "mask inverted",
                f"{name} has the two slopes of leaky relu exchanged",
                lambda: g * np.where(Z > 0, slope, 1.0),
            ),
            (
                "upstream missing",
                f"{name} is the slope of leaky relu alone: {upstream} is not multiplied in",
                lambda: np.where(Z > 0, 1.0, slope),
            ),
        )
    if right == "relu":
        yield from tried(
            ("mask inverted", f"{name} has the mask of relu inverted", lambda: g * (Z <= 0)),
            (
                "value for slope",
                f"{name} is multiplied by relu's value {out} instead of its slope",
                lambda: g * A,
            ),
            (
                "mask on the gradient",
                f"{name} cuts where {upstream} is negative; relu's slope depends on Z{layer}",
                lambda: g * (g > 0),
            ),
            (
                "mask on the gradient",
                f"{name} cuts where {upstream} is negative too; relu's slope depends on Z{layer}",
                lambda: g * (Z > 0) * (g > 0),
            ),
        )
        for other in (f"Z{i}" for i in range(1, twin.depth + 1) if i != layer):
            yield from tried(
                (
                    "mask of another layer",
                    f"{name} has the mask of {other}; layer {layer} needs that of Z{layer}",
                    lambda o=other: g * (room[o] > 0),
                )
            )
    if right == "tanh":
        yield from tried(
            (
                "tanh's slope",
                f"{name} has 1 + {out}**2 for tanh's 1 - {out}**2",
                lambda: g * (1 + A**2),
            ),
            ("tanh's slope", f"{name} has {out} for tanh's slope 1 - {out}**2", lambda: g * A),
            (
                "tanh's slope",
                f"{name} has 1 - {out} for tanh's slope 1 - {out}**2",
                lambda: g * (1 - A),
            ),
            ("tanh's slope", f"{name} has 1 - Z**2 for 1 - tanh(Z)**2", lambda: g * (1 - Z**2)),
            (
                "tanh's slope",
                f"{name} has {out}**2 for tanh's slope 1 - {out}**2",
                lambda: g * A**2,
            ),
        )
    if right == "sigmoid":
        yield from tried(
            (
                "sigmoid's slope",
                f"{name} has {out} for sigmoid's {out} * (1 - {out})",
                lambda: g * A,
            ),
            (
                "sigmoid's slope",
                f"{name} has 1 - {out} for {out} * (1 - {out})",
                lambda: g * (1 - A),
            ),
            ("sigmoid's slope", f"{name} has {out} * (1 + {out})", lambda: g * A * (1 + A)),
            ("sigmoid's slope", f"{name} has Z * (1 - Z) for A * (1 - A)", lambda: g * Z * (1 - Z)),
            ("sigmoid's slope", f"{name} has {out}**2 for its slope", lambda: g * A**2),
        )
    if right == "softmax":
        yield from tried(
            (
                "softmax as p (1 - p)",
                f"{name} has p * (1 - p) for softmax: the effect of one output on the others is missing",
                lambda: g * A * (1 - A),
            ),
            ("softmax's slope", f"{name} is {upstream} * {out}: a term is missing", lambda: g * A),
        )
    for k in range(1, twin.depth + 1):
        if k != layer:
            z, a = room[f"Z{k}"], room[room.activations(k)]
            slope = slopes(room, z, a).get(right)
            if slope is not None:
                yield from tried(
                    (
                        "cache of another layer",
                        f"{name} takes the derivative at Z{k} of layer {k}, not at Z{layer}",
                        lambda s=slope: g * s,
                    )
                )
    for other in known:
        if other[1] in "AZH" and other not in (name, upstream):
            yield from tried(
                (
                    "upstream of another layer",
                    f"{name} is computed from {other}; it takes {upstream}",
                    lambda o=other: formula.substitute({upstream: room[o]}),
                )
            )
    if layer == twin.depth and "Y" in room:
        Y = room["Y"]
        yield from fused(name, room, A, Y, at_Z.get(right), right)


def fused(name: str, room: Room, A: Any, Y: Any, slope: Any, right: str) -> Iterator[Change]:
    """The output layer's dZ written in one step, for another cost or activation than the given."""
    cost = room.twin.cost

    def scaled(e: Any) -> Any:
        return room.factor(room.inner, e)

    # the gradients of pairs of output and cost that are usual
    simple = "A - Y"
    pairs = "the cross-entropy with its own sigmoid or softmax"
    if not (cost.startswith("cross") and right in ("sigmoid", "softmax")):
        yield from tried(
            (
                "another cost",
                f"{name} is {simple}, the gradient for {pairs}; here {right} meets the {cost}",
                lambda: scaled(A - Y),
            ),
        )
    if cost.startswith("cross"):
        slope = A * (1 - A) if slope is None else slope
        yield from tried(
            (
                "slope of the output twice",
                f"{name} is (A - Y) times the {right}'s slope, the gradient for squared errors; for the "
                f"{cost} the slope cancels",
                lambda: scaled((A - Y) * slope),
            ),
            (
                "another cost",
                f"{name} is the gradient of the squared error, but the cost is the {cost}",
                lambda: scaled(2 * (A - Y) * slope),
            ),
        )
    yield from tried(
        ("sign", f"{name} is Y - A, with the wrong sign", lambda: scaled(Y - A)),
        ("cost's gradient", f"{name} is the output itself: Y is missing", lambda: scaled(1.0 * A)),
        ("cost's gradient", f"{name} is A + Y", lambda: scaled(A + Y)),
        ("cost's gradient", f"{name} is Y: the output is missing", lambda: scaled(1.0 * Y)),
        ("cost's gradient", f"{name} is -Y: the output is missing", lambda: scaled(-1.0 * Y)),
    )
    yield from edits_of(name, scaled(A - Y))


def other_names(name: str, formula: Any, room: Room, known: list[str]) -> Iterator[Change]:
    """Another array of the same shape in the place of a name: another layer's, usually."""
    own = formula.symbols()
    for used in sorted(own):
        shape = np.shape(room.values.get(used, ()))
        if len(shape) < 2:
            continue
        for other in [*room.values]:
            same = other[:-1] == used[:-1]  # of another layer, with any shape that can be computed
            if other in (used, name) or (np.shape(room.values[other]) != shape and not same):
                continue
            if other.startswith("d") and other not in known:
                continue
            yield from tried(
                (
                    "another array",
                    f"{name} is computed with {other} where the formula has {used}",
                    lambda u=used, o=other: formula.substitute({u: room[o]}),
                )
            )


def edits_of(name: str, formula: Any) -> Iterator[Change]:
    """Small changes anywhere in the formula: a term, a factor, a transpose, an axis, a sign."""
    for what, edited in edits(formula):
        yield from tried((what, f"{name}: {what} in `{formula}`", lambda e=edited: e))


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
