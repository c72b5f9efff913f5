"""The learner's network, recognised from its numbers and built anew with names.

From the parameters, the input and the arrays that the learner's forward pass computed, `recognise`
finds which layer is what. The twin is believed only when its cost and its gradients equal those
of the learner's own forward and cost; its derived formulas are then those of the learner's network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nn.doctor.experiment import Probe, is_bias
from nn.doctor.naming import numbered
from tinygrad_edu import Tensor, derive, gradients, relu, sigmoid
from tinygrad_edu.expressions import Expression
from tinygrad_edu.rules import leaky_relu, softmax

CLOSE = 1e-9


@dataclass(frozen=True)
class Layer:
    weight: str
    bias: str | None
    product: str  # "W @ A", "A @ W", "A @ W.T", "W.T @ A"
    activation: str  # a key of ACTIVATIONS, or "leaky 0.1"
    mask: Any = None  # dropout: (0/1 mask for each probe), and the factor
    factor: float = 1.0


@dataclass
class Twin:
    """The layers, the cost, and what they are called."""

    layers: list[Layer]
    features: int  # the axis of X that holds the features
    cost: str
    scale: str  # what the sum of losses is multiplied with, a key of SCALES
    sign: int = 1
    eps: float = 0.0
    decay: float = 0.0  # lambda of (lambda / 2) sum W**2, times 1/m if decay_mean
    decay_mean: bool = False

    @property
    def depth(self) -> int:
        return len(self.layers)

    @property
    def factor(self) -> Factor:
        """What the sum of the losses is multiplied with."""
        return SCALES[self.scale] * Factor(float(self.sign))

    def names(self) -> dict[str, str]:
        """From the learner's parameters to W1, b1, ..."""
        names = {}
        for i, layer in enumerate(self.layers, start=1):
            names[layer.weight] = f"W{i}"
            if layer.bias is not None:
                names[layer.bias] = f"b{i}"
        return names


def products() -> dict[str, Callable[[Any, Any], Any]]:
    return {
        "W @ A": lambda W, A: W @ A,
        "A @ W": lambda W, A: A @ W,
        "A @ W.T": lambda W, A: A @ W.T,
        "W.T @ A": lambda W, A: W.T @ A,
    }


PRODUCTS = products()


def activation_of(name: str, features: int) -> Callable[[Any], Any]:
    """The activation function of this name."""
    if name.startswith("leaky"):
        slope = float(name.split()[1])
        return lambda z: leaky_relu(z, slope)
    functions: dict[str, Callable[[Any], Any]] = {
        "identity": lambda z: z,
        "relu": relu_of,
        "sigmoid": sigmoid_of,
        "tanh": np.tanh,
        "softmax": lambda z: softmax_of(z, features),
        "softmax of the other axis": lambda z: softmax_of(z, 1 - features),
        "softmax of the whole batch": lambda z: softmax_of(z, None),
        "softplus": lambda z: np.log(1 + np.exp(z)),
    }
    return functions[name]


def relu_of(z: Any) -> Any:
    return relu(z) if isinstance(z, Tensor | Expression) else np.maximum(z, 0)


def sigmoid_of(z: Any) -> Any:
    return sigmoid(z) if isinstance(z, Tensor | Expression) else 1 / (1 + np.exp(-z))


def softmax_of(z: Any, axis: int | None) -> Any:
    if axis is None:
        e = np.exp(z - np.max(getattr(z, "data", z)))
        return e / np.sum(e)
    if isinstance(z, Tensor | Expression):
        return softmax(z, axis)
    e = np.exp(z - np.max(z, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


ACTIVATIONS = (
    "relu",
    "sigmoid",
    "tanh",
    "softmax",
    "softmax of the whole batch",
    "softmax of the other axis",
    "softplus",
)

COSTS: dict[str, Callable[[Any, Any], Any]] = {  # sums over all examples
    "cross-entropy": lambda A, Y: -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)),
    "cross-entropy of classes": lambda A, Y: -np.sum(Y * np.log(A)),
    "squared error": lambda A, Y: np.sum((A - Y) ** 2),
    "sum of the outputs": lambda A, Y: np.sum(A),
    "half the sum of squares of the output": lambda A, Y: np.sum(A**2) / 2,
}
USUAL = {  # how a cost is usually scaled
    "cross-entropy": "1 / m",
    "cross-entropy of classes": "1 / m",
    "squared error": "1 / (2 * m)",
}
SUMMED = dict.fromkeys(USUAL, "1") | {"squared error": "1 / 2"}  # over the examples


class Factor(NamedTuple):
    """number * m**m_power * n**n_power, for m examples and n outputs.

    >>> print(Factor(0.5, -1) * Factor(4.0, 0, 1), Factor(1.0, -1), Factor(-1.0))
    2 * n / m 1 / m -1
    """

    number: float = 1.0
    m_power: int = 0
    n_power: int = 0

    def __mul__(self, other: Any) -> Factor:
        return Factor(*(self[0] * other[0], self[1] + other[1], self[2] + other[2]))

    def over(self, other: Factor) -> Factor:
        return self * Factor(1 / other[0], -other[1], -other[2])

    def value(self, m: float, n: float) -> float:
        return float(self.number * m**self.m_power * n**self.n_power)

    def parts(self) -> tuple[list[Any], list[Any]]:
        """The factors above and below the line of a fraction."""
        above: list[Any] = []
        below: list[Any] = []
        size = abs(self.number)
        if size < 1 and abs(1 / size - round(1 / size)) < 1e-12:
            below.append(round(1 / size))
        elif size != 1:
            above.append(round(size) if size == round(size) else float(f"{size:.10g}"))
        for name, p in (("m", self.m_power), ("n", self.n_power)):
            (above if p > 0 else below).extend([name] * abs(p))
        return above, below

    def __str__(self) -> str:
        above, below = (" * ".join(map(str, part)) for part in self.parts())
        sign = "-" if self.number < 0 else ""
        below = f"({below})" if " " in below else below
        return sign + (f"{above or 1} / {below}" if below else above or "1")

    def on(self, e: Any, m: Any, n: Any) -> Any:
        """The factor times an expression, as one would write it."""
        if self == Factor():
            return e
        above, below = self.parts()
        for x in above:
            e = {"m": m, "n": n}.get(x, x) * e
        if below:
            names = [{"m": m, "n": n}.get(x, x) for x in below]
            divisor = names[0]
            for x in names[1:]:
                divisor = divisor * x
            e = e / divisor
        return -e if self.number < 0 else e


SCALES = {
    str(f): f
    for f in (
        Factor(1.0),
        Factor(1.0, -1),
        Factor(0.5, -1),
        Factor(0.5),
        Factor(1.0, -1, -1),
        Factor(0.5, -1, -1),
        Factor(2.0, -1),
        Factor(1.0, 0, -1),
        Factor(2.0),
        Factor(0.5, 0, -1),
    )
}


def same(a: Any, b: Any, tolerance: float = CLOSE) -> bool:
    """Whether two arrays are equal up to rounding, relative to the largest entry."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    if a.size == 0:
        return True
    size = max(np.abs(b).max(), 1e-300)
    return bool(np.abs(a - b).max() <= tolerance * size)


class Seen:
    """The arrays that the learner's forward pass computed, by shape."""

    def __init__(self, arrays: Sequence[Any]):
        self.by_shape: dict[tuple[int, ...], list[Any]] = {}
        for array in arrays:
            a = np.asarray(array)
            if a.ndim and a.dtype.kind in "fbiu" and a.size < 20000:
                known = self.by_shape.setdefault(a.shape, [])
                if not any(k is a for k in known):
                    known.append(a)

    def has(self, a: Any, tolerance: float = 1e-12) -> bool:
        return any(same(k, a, tolerance) for k in self.by_shape.get(np.shape(a), ()))

    def of_shape(self, shape: tuple[int, ...]) -> list[Any]:
        return self.by_shape.get(shape, [])


def recognise(
    probes: Sequence[Probe],
    seen: Sequence[Sequence[Any]],
    losses: Sequence[float] | None,
    outputs: Sequence[Any],
) -> Iterator[Twin]:
    """The networks whose numbers are those of the learner's, with a cost that fits, likely first.

    Without ``losses`` the cost stays open: "".
    """
    index = [Seen([*arrays, *([o] if o is not None else [])]) for arrays, o in zip(seen, outputs)]
    first = probes[0]
    weights = [k for k, v in first.params.items() if np.ndim(v) == 2 and not is_bias(k, v)]
    vectors = [k for k in first.params if k not in weights]
    weights.sort(key=lambda k: (numbered(k)[1] is None, numbered(k)[1] or 0))
    if np.ndim(first.X) != 2 or not weights:
        return

    def go(
        A: list[Any], left: list[str], free: list[str], layers: list[Layer], features: int
    ) -> Iterator[Twin]:
        if not left:
            yield from with_cost(layers, A, probes, losses, features)
            return
        for name in left[:1] if numbered(left[0])[1] is not None else left:
            rest = [w for w in left if w != name]
            for product, function in PRODUCTS.items():
                if (features == 0) != (product[0] == "W"):
                    continue
                try:
                    P = [function(p.params[name], a) for p, a in zip(probes, A)]
                except ValueError:
                    continue
                for bias in [*biases_for(name, P, free, probes), None]:
                    Z = P if bias is None else [z + p.params[bias] for z, p in zip(P, probes)]
                    if Z[0].shape != P[0].shape or not np.all(np.isfinite(Z[0])):
                        continue
                    others = [b for b in free if b != bias]
                    if bias is None and free and not index[0].has(Z[0]):
                        continue
                    for layer, new in layers_on(name, bias, product, Z, index, not rest, features):
                        yield from go(new, rest, others, [*layers, layer], features)

    for X in ([p.X for p in probes],):
        for features in (0, 1):
            yield from go(X, weights, vectors, [], features)


def biases_for(weight: str, P: list[Any], free: list[str], probes: Sequence[Probe]) -> list[str]:
    number = numbered(weight)[1]
    fits = []
    for b in free:
        try:
            shapes = [
                np.broadcast_shapes(np.shape(p.params[b]), z.shape) for p, z in zip(probes, P)
            ]
            if shapes == [z.shape for z in P]:
                fits.append(b)
        except ValueError:
            continue
    return sorted(fits, key=lambda b: numbered(b)[1] != number)


def layers_on(
    name: str,
    bias: str | None,
    product: str,
    Z: list[Any],
    index: list[Seen],
    last: bool,
    features: int,
) -> Iterator[tuple[Layer, list[Any]]]:
    """The activations of Z that the learner's forward pass computed."""
    found = False
    candidates = [a for a in ACTIVATIONS if last or not a.startswith("softmax")]
    slope = leaky_slope(Z[0], index[0])
    if slope is not None:
        candidates.append(f"leaky {slope!r}")
    with np.errstate(all="ignore"):
        for activation in candidates:
            f = activation_of(activation, features)
            A = [f(z) for z in Z]
            if not np.all(np.isfinite(A[0])):
                continue
            if not all(s.has(a) for s, a in zip(index, A)):
                continue
            found = True
            layer = Layer(name, bias, product, activation)
            for mask, factor in dropout_masks(A, index) if not last else ():
                dropped = [a * d * factor for a, d in zip(A, mask)]
                yield Layer(name, bias, product, activation, tuple(mask), factor), dropped
            yield layer, A
        if last:
            if all(s.has(z) for s, z in zip(index, Z)):
                yield Layer(name, bias, product, "identity"), Z
            if not found:
                for activation in ("softmax", "sigmoid"):
                    f = activation_of(activation, features)
                    yield Layer(name, bias, product, activation), [f(z) for z in Z]
        elif not found and all(s.has(z) for s, z in zip(index, Z)):
            yield Layer(name, bias, product, "identity"), Z


def leaky_slope(Z: Any, seen: Seen) -> float | None:
    """The slope for negative numbers of a leaky relu among the arrays that were computed."""
    negative = Z < 0
    if not negative.any() or negative.all():
        return None
    for a in seen.of_shape(Z.shape):
        if a.dtype.kind != "f" or not same(a[~negative], Z[~negative], 1e-12):
            continue
        ratio = a[negative] / Z[negative]
        slope = float(np.round(ratio[0], 10))
        if 0 < abs(slope) < 1 and np.allclose(ratio, slope, rtol=1e-9):
            return slope
    return None


def dropout_masks(A: list[Any], index: list[Seen]) -> Iterator[tuple[list[Any], float]]:
    """Masks of 0 and 1, and factors, whose product with A was computed too."""
    pairs = []
    for a, seen in zip(A, index):
        known = [
            d for d in seen.of_shape(a.shape) if d is not a and set(np.unique(d).tolist()) == {0, 1}
        ]
        found = None
        for d in known:
            for result in seen.of_shape(a.shape):
                live = (np.asarray(d) != 0) & (a != 0)
                if result.dtype.kind != "f" or not live.any() or same(result, a):
                    continue
                factor = float((result[live] / a[live])[0])
                better = found is None or abs(factor - 1) > abs(found[1] - 1)
                if factor and better and same(result, a * d * factor, 1e-12):
                    found = (np.asarray(d, float), factor)
        if found is None:
            return
        pairs.append(found)
    if np.isclose(pairs[0][1], pairs[1][1]):
        yield [p[0] for p in pairs], float(np.round(pairs[0][1], 12))


# --- the cost -------------------------------------------------------------------------------------


def targets(A: Any, Y: Any, features: int) -> Any:
    """Y in the shape of A: one-hot for labels, a row for a flat array."""
    Y = np.asarray(Y)
    if Y.shape == A.shape:
        return Y.astype(float)
    m = A.shape[1 - features]
    if A.shape[features] == 1 and Y.size == m:
        return Y.reshape(A.shape).astype(float)
    if Y.size == m and np.array_equal(Y, np.round(Y)) and Y.min() >= 0:
        n = A.shape[features]
        if Y.max() < n:
            hot = np.eye(n)[Y.reshape(-1).astype(int)]
            return hot if features == 1 else hot.T
    if Y.ndim == 2 and Y.T.shape == A.shape:
        return Y.T.astype(float)
    return None


def with_cost(
    layers: list[Layer],
    A: list[Any],
    probes: Sequence[Probe],
    losses: Sequence[float] | None,
    features: int,
) -> Iterator[Twin]:
    if losses is None:
        yield Twin(layers, features, "", "1")
        return
    Y = [None if p.Y is None else targets(a, p.Y, features) for a, p in zip(A, probes)]
    squares = [sum(float(np.sum(p.params[layer.weight] ** 2)) for layer in layers) for p in probes]
    sizes = [(a.shape[1 - features], a.shape[features]) for a in A]
    loose: list[tuple[float, Twin]] = []
    for cost, f in COSTS.items():
        if any(y is None for y in Y) and "output" not in cost:
            continue
        with np.errstate(all="ignore"):
            raw = [float(f(a, y)) for a, y in zip(A, Y)]
        if not np.all(np.isfinite(raw)) or not all(raw):
            continue
        for scale, by in SCALES.items():
            plain = [r * by.value(*size) for r, size in zip(raw, sizes)]
            for sign in (1, -1):
                off = [abs(loss - sign * p) / abs(p) for loss, p in zip(losses, plain)]
                if max(off) < CLOSE:
                    yield Twin(layers, features, cost, scale, sign)
                elif max(off) < 1e-3:
                    loose.append(
                        (max(off), Twin(layers, features, cost, scale, sign, eps=max(off)))
                    )
            extra = [(loss - p) / (s / 2) for loss, p, s in zip(losses, plain, squares)]
            for mean in (True, False):
                decay = [e * (size[0] if mean else 1) for e, size in zip(extra, sizes)]
                if decay[0] > 1e-7 and np.isclose(decay[0], decay[1], rtol=1e-7):
                    decayed = float(np.format_float_positional(decay[0], 9, fractional=False))
                    yield Twin(layers, features, cost, scale, decay=decayed, decay_mean=mean)
    for _, twin in sorted(loose, key=lambda pair: pair[0]):
        yield twin


# --- the twin as Tensors and as formulas ----------------------------------------------------------


def tensors(
    twin: Twin, probe: Probe, which: int, wanted: bool = False
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Z1, A1, ... and the parameters by their names in formulas, and what else formulas use."""
    known: dict[str, Tensor] = {"X": Tensor(probe.X, wanted, name="X")}
    A = known["X"]
    for i, layer in enumerate(twin.layers, start=1):
        W = known[f"W{i}"] = Tensor(probe.params[layer.weight], True, name=f"W{i}")
        Z = PRODUCTS[layer.product](W, A)
        if layer.bias is not None:
            b = known[f"b{i}"] = Tensor(probe.params[layer.bias], True, name=f"b{i}")
            Z = Z + b
        Z.name = f"Z{i}"
        known[f"Z{i}"] = Z
        if layer.activation != "identity":
            A = activation_of(layer.activation, twin.features)(Z)
            A.name = f"A{i}" if layer.mask is None else f"H{i}"
            known[A.name] = A
        else:
            A = Z
        if layer.mask is not None:
            D = known[f"D{i}"] = Tensor(layer.mask[which], name=f"D{i}")
            keep = float(f"{1 / layer.factor:.10g}")
            A = A / keep * D if keep != 1 else A * D
            A.name = f"A{i}"
            known[A.name] = A
    Y = None if probe.Y is None else targets(A, probe.Y, twin.features)
    if Y is not None:
        known["Y"] = Tensor(Y, name="Y")
    return known, {"output": A, "m": A.shape[1 - twin.features], "n": A.shape[twin.features]}


def raw_cost(twin: Twin, known: dict[str, Tensor], about: dict[str, Any]) -> Tensor:
    """The sum of the examples' losses, without scale and decay."""
    return COSTS[twin.cost](about["output"], known.get("Y"))


def true_gradients(twin: Twin, probe: Probe, which: int) -> dict[str, Any]:
    """Of the twin's cost, by d + the learner's parameter."""
    known, about = tensors(twin, probe, which)
    mine = {theirs: known[ours] for theirs, ours in twin.names().items()}
    scale = twin.factor.value(about["m"], about["n"])
    decay = twin.decay / about["m"] if twin.decay_mean else twin.decay
    found = gradients(raw_cost(twin, known, about), list(mine.values()))
    weights = {layer.weight for layer in twin.layers}
    return {
        f"d{k}": scale * g + (decay * probe.params[k] if k in weights else 0)
        for k, g in zip(mine, found)
    }


def formulas(twin: Twin, probe: Probe) -> list[tuple[str, Expression]]:
    """The backward pass, (name, expression) from the output to the input, for the gradient ``U`` of
    the output; without scale and decay."""
    _known, about = tensors(twin, probe, 0)
    A = about["output"]
    seed = Tensor(np.ones(A.shape), name="U")
    return [(line.name, line.expression) for line in derive(np.sum(A * seed)).backward]


def environment(twin: Twin, probe: Probe, which: int, rate: float) -> dict[str, Any]:
    """Every name that a formula may use, as an array."""
    known, about = tensors(twin, probe, which)
    room: dict[str, Any] = {name: np.asarray(t.data) for name, t in known.items()}
    room |= {"m": float(about["m"]), "n": float(about["n"]), "learning_rate": rate}
    room["n_x"] = float(probe.X.shape[twin.features])
    if twin.decay:
        room["lambda_"] = twin.decay
    return room
