"""The doctor chooses the experiment: other widths, another batch, another depth, random numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nn.doctor.naming import numbered

BATCHES = (5, 7)
CLASSES = 12  # outputs of the learner's that are kept: his code may count them as a constant
LARGEST = 4000  # parameters that an experiment at the learner's own sizes may have


@dataclass(frozen=True)
class Probe:
    """One set of numbers to run the learner's code on."""

    params: dict[str, Any]
    X: Any
    Y: Any
    m: int


@dataclass(frozen=True)
class Experiment:
    """Two independent probes of one kind, and how to say it."""

    title: str
    probes: tuple[Probe, Probe]
    depth: int


@dataclass(frozen=True)
class Weight:
    name: str
    bias: str | None
    bias_shape: str  # "column", "row", "flat", "none"
    n_in: int
    n_out: int
    transposed: bool  # shape (n_in, n_out)


@dataclass(frozen=True)
class Layout:
    """A chain of layers found in the shapes: which axis is what."""

    weights: tuple[Weight, ...]
    features: int  # the axis of X that holds the features
    m: int
    Y: Any

    @property
    def dims(self) -> list[int]:
        return [self.weights[0].n_in] + [w.n_out for w in self.weights]


def layouts(params: Mapping[str, Any], X: Any, Y: Any) -> Iterator[Layout]:
    """The ways in which the shapes of X, the weights and the biases make a chain, columns first."""
    if np.ndim(X) != 2:
        return
    weights = [k for k, v in params.items() if np.ndim(v) == 2 and not is_bias(k, v)]
    weights.sort(key=lambda k: (numbered(k)[1] is None, numbered(k)[1] or 0))
    biases = [k for k in params if k not in weights]
    if not weights:
        return
    for features in (0, 1):
        for transposed in (False, True) if features == 0 else (True, False):
            n = X.shape[features]
            chain: list[Weight] = []
            free = list(biases)
            for name in weights:
                rows, columns = params[name].shape
                n_in, n_out = (rows, columns) if transposed else (columns, rows)
                if n_in != n:
                    break
                bias = next((b for b in free if fits_bias(params[b], n_out, name, b)), None)
                if bias is not None:
                    free.remove(bias)
                shape = "none" if bias is None else bias_shape(params[bias])
                chain.append(Weight(name, bias, shape, n_in, n_out, transposed))
                n = n_out
            else:
                if not free:
                    yield Layout(tuple(chain), features, X.shape[1 - features], Y)


def is_bias(name: str, value: Any) -> bool:
    return numbered(name)[0].startswith("b") and 1 in np.shape(value)


def fits_bias(value: Any, n: int, weight: str, name: str) -> bool:
    number, own = numbered(weight)[1], numbered(name)[1]
    if number is not None and own is not None and number != own and weight[0] != "[":
        return False
    return value.size == n and (value.ndim < 2 or 1 in value.shape)


def bias_shape(value: Any) -> str:
    if value.ndim == 0:
        return "number"
    if value.ndim == 1:
        return "flat"
    return "column" if value.shape[1] == 1 else "row"


def shaped_bias(kind: str, n: int) -> tuple[int, ...]:
    return {"flat": (n,), "column": (n, 1), "row": (1, n), "number": ()}[kind]


def random_like(value: Any, rng: Any, weights: bool = False) -> Any:
    """Random numbers of this shape: weights that keep the size of Z, biases that are not zero."""
    shape, n = np.shape(value), np.size(value)
    fan = 4 if n else 1
    if len(shape) > 1 and 1 not in shape:
        fan = shape[-1] if max(shape) <= 25 else max(shape)
    small = 1.0 if weights and shape else 0.4
    return rng.normal(size=shape) * (1.2 / np.sqrt(fan) if len(shape) > 1 else small)


def labels_like(Y: Any, rng: Any, shape: tuple[int, ...], classes: int) -> Any:
    """New targets of the kind that ``Y`` is: labels, one-hot, 0 and 1, or numbers."""
    Y = np.asarray(Y)
    values = np.unique(Y) if Y.size <= 100000 else np.unique(Y.ravel()[:100000])
    whole = Y.dtype.kind in "iub" or np.array_equal(values, np.round(values))
    if whole and set(values.tolist()) <= {0.0, 1.0}:
        two = len(shape) == 2 and min(Y.shape) > 1
        if two and any(np.all(Y.sum(axis=axis) == 1) for axis in (0, 1) if Y.shape[axis] > 1):
            axis = next(a for a in (0, 1) if Y.shape[a] > 1 and np.all(Y.sum(axis=a) == 1))
            new = np.zeros(shape, Y.dtype)
            n, m = shape[axis], shape[1 - axis]
            chosen = rng.integers(0, n, m)
            chosen[: min(n, m)] = rng.permutation(n)[: min(n, m)]
            index = (chosen, np.arange(m)) if axis == 0 else (np.arange(m), chosen)
            new[index] = 1
            return new
        if Y.ndim == 1 and Y.size > 1 and Y.dtype.kind == "f" and Y.sum() == 1:  # one example's
            return rng.permutation(Y)
        if classes > 1 and Y.ndim == 1:
            return every_class(rng, classes, shape).astype(Y.dtype)
        new = rng.integers(0, 2, shape)
        flat = new.reshape(-1)
        if flat.size > 1 and flat.min() == flat.max():
            flat[0] = 1 - flat[0]
        return new.astype(Y.dtype)
    if whole and set(values.tolist()) == {-1.0, 1.0}:
        new = rng.choice([-1, 1], shape)
        new.reshape(-1)[:2] = (-1, 1)
        return new.astype(Y.dtype)
    if whole and classes > 1:
        return every_class(rng, classes, shape).astype(Y.dtype)
    return rng.normal(size=shape).astype(Y.dtype if Y.dtype.kind == "f" else float)


def every_class(rng: Any, classes: int, shape: tuple[int, ...]) -> Any:
    """Labels of which each class is one, as far as there are so many: Y.max() + 1 counts them."""
    labels = rng.integers(0, classes, shape)
    if labels.size >= classes:
        labels.reshape(-1)[:classes] = rng.permutation(classes)
    return labels


def build(layout: Layout, dims: list[int], m: int, seed: int, names: list[Weight]) -> Probe:
    rng = np.random.default_rng(seed)
    params: dict[str, Any] = {}
    shape: tuple[int, ...]
    for w, n_in, n_out in zip(names, dims, dims[1:]):
        shape = (n_in, n_out) if w.transposed else (n_out, n_in)
        params[w.name] = rng.normal(size=shape) * 1.3 / np.sqrt(n_in)
        if w.bias is not None:
            params[w.bias] = 0.4 * rng.normal(size=shaped_bias(w.bias_shape, n_out))
    X = rng.normal(size=(dims[0], m) if layout.features == 0 else (m, dims[0]))
    Y = layout.Y
    if Y is not None:
        n_last = layout.dims[-1]
        shape = tuple(
            m
            if n == layout.m and (n != n_last or axis == target_axis(layout))
            else dims[-1]
            if n == n_last
            else n
            for axis, n in enumerate(np.shape(Y))
        )
        Y = labels_like(Y, rng, shape, dims[-1])
    return Probe(params, X, Y, m)


def target_axis(layout: Layout) -> int:
    """The axis of Y that counts the examples, where both have the same length."""
    return 0 if np.ndim(layout.Y) == 1 else 1 - layout.features


def deeper(layout: Layout, depth: int) -> list[Weight] | None:
    """The weights' names for another depth, where the names are numbered."""
    first, last = layout.weights[0], layout.weights[-1]
    if depth <= len(layout.weights):
        kept = layout.weights[:depth]
        return list(kept) if numbered(first.name)[1] is not None else None
    names = list(layout.weights)
    while len(names) < depth:
        step = names[-1]
        more = [increased(n) if n else None for n in (step.name, step.bias)]
        if more[0] is None or (step.bias and more[1] is None):
            return None
        names.append(replace(last, name=more[0], bias=more[1]))
    return names


def increased(name: str) -> str | None:
    """The name with its number one higher.

    >>> increased("W2"), increased("weights[0]"), increased("V")
    ('W3', 'weights[1]', None)
    """
    if not re.search(r"\d", name):
        return None
    return re.sub(r"\d+(?!.*\d)", lambda match: str(int(match[0]) + 1), name)


def dims_for(depth: int, n_last: int, which: int, equal: bool) -> list[int]:
    if equal:  # all of them, where there is more than one output: then no shape is ever wrong
        return [n_last if n_last > 1 else (4, 3)[which]] * depth + [n_last]
    widths = ([4, 6, 3, 8, 4, 2], [3, 8, 4, 6, 2, 4])[which]  # none is a size of the batch
    if widths[0] == n_last:
        widths[0] = 9  # as many features as outputs of one example look like so many examples
    return [widths[i % 6] for i in range(depth)] + [n_last]


def same_shapes(
    params: Mapping[str, Any],
    X: Any,
    Y: Any,
    classes: int,
    m: int,
    seeds: tuple[int, int] = (11, 12),
) -> Experiment:
    """The learner's own sizes with random numbers."""
    probes = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        new = {
            k: random_like(v, rng, not numbered(k)[0].startswith("b")) for k, v in params.items()
        }
        x = rng.normal(size=np.shape(X))
        if np.asarray(X).dtype.kind in "iu":  # numbers of words
            x = every_class(rng, int(np.max(X)) + 1, np.shape(X))
        y = None if Y is None else labels_like(Y, rng, np.shape(Y), classes)
        probes.append(Probe(new, x, y, m))
    return Experiment("your own sizes", (probes[0], probes[1]), depth_of(params))


def with_data(e: Experiment, X: Any, Y: Any) -> Experiment:
    """The same with other parameters only."""
    first, second = (replace(p, X=X, Y=Y) for p in e.probes)
    return replace(e, probes=(first, second))


def depth_of(params: Mapping[str, Any]) -> int:
    return max(1, sum(np.ndim(v) == 2 and not is_bias(k, v) for k, v in params.items()))


def experiment(
    layout: Layout, depth: int, equal: bool, m: tuple[int, int] = BATCHES, own: bool = False
) -> Experiment | None:
    """Two probes of another depth or other widths; ``own``: of the learner's widths."""
    names = deeper(layout, depth)
    if names is None and depth != len(layout.weights):
        return None
    names = names or list(layout.weights)
    n_last = layout.dims[-1] if layout.dims[-1] <= CLASSES else 4
    all_dims = [layout.dims if own else dims_for(depth, n_last, which, equal) for which in (0, 1)]
    probes = [
        build(layout, dims, batch, 100 + 10 * depth + which, names)
        for which, (dims, batch) in enumerate(zip(all_dims, m))
    ]
    sizes = " and ".join(dict.fromkeys("-".join(map(str, dims)) for dims in all_dims))
    batch = " and ".join(str(b) for b in m)
    return Experiment(f"L = {depth}: {sizes}, m = {batch}", (probes[0], probes[1]), depth)
