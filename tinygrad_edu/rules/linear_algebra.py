"""Products of matrices, index notation, diagonals: a product's gradient is a product again."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import prod
from operator import index as whole
from string import ascii_letters
from typing import Any

import numpy as np

from tinygrad_edu.recording import Rule, any_inputs, rule
from tinygrad_edu.rules.arithmetic import multiply
from tinygrad_edu.rules.indexing import getitem, scatter
from tinygrad_edu.rules.reductions import sum
from tinygrad_edu.rules.shapes import broadcast_to, moveaxis, ravel, transpose
from tinygrad_edu.rules.support import (
    arr,
    array_like,
    as_view,
    both_sides,
    means,
    positive_axes,
    positive_axis,
)
from tinygrad_edu.tensor import Tensor

# --- products -------------------------------------------------------------------------------------


def turned(x: Any) -> Any:
    """The transpose of each matrix; .mT, but arrays of other libraries may not have that."""
    return x.T if x.ndim == 2 else np.swapaxes(x, -1, -2)


_matmul = rule(
    "matmul",
    np.matmul,
    lambda g, out, a, b: g @ turned(b),
    lambda g, out, a, b: turned(a) @ g,
    symbol="@",
    examples=[
        (arr(2, 3), arr(3, 4)),
        (arr(5, 2, 3), arr(3, 4)),
        (arr(5, 1, 2, 3), arr(4, 3, 1)),
        (arr(2, 0), arr(0, 3)),
    ],
)
# with a vector on one side or both
_dot = rule(
    "dot",
    np.dot,
    lambda g, out, a, b: g * b,
    lambda g, out, a, b: g * a,
    symbol="@",
    examples=[(arr(3), arr(3)), (arr(0), arr(0))],
)
_matvec = rule(
    "matvec",
    lambda a, x: a @ x,
    lambda g, out, a, x: g[..., None] * x,
    lambda g, out, a, x: g @ a if a.ndim == 2 else (g[..., None] * a).sum(axis=-2),
    symbol="@",
    examples=[(arr(2, 3), arr(3)), (arr(4, 2, 3), arr(3))],
)
_vecmat = rule(
    "vecmat",
    lambda x, a: x @ a,
    lambda g, out, x, a: a @ g if a.ndim == 2 else (a * g[..., None, :]).sum(axis=-1),
    lambda g, out, x, a: x[:, None] * g[..., None, :],
    symbol="@",
    examples=[(arr(2), arr(2, 3)), (arr(2), arr(4, 2, 3))],
)


@means(np.matmul, np.linalg.matmul)
def matmul(a: Any, b: Any) -> Any:
    if a.__class__ is Tensor is b.__class__ and a._data.ndim == 2 == b._data.ndim:
        return _matmul(a, b)
    a, b = array_like(a), array_like(b)
    na, nb = a.ndim, b.ndim
    if na > 1 and nb > 1:
        return _matmul(a, b)
    if not na or not nb:
        raise ValueError("matmul needs vectors or matrices, but got a number: multiply with *.")
    if na == 1:
        return _dot(a, b) if nb == 1 else _vecmat(a, b)
    return _matvec(a, b)


both_sides("matmul", matmul)


@means(np.dot, method="dot")
def dot(a: Any, b: Any) -> Any:
    a, b = array_like(a), array_like(b)
    na, nb = a.ndim, b.ndim
    if na == 0 or nb == 0:
        return multiply(a, b)
    if nb == 1 or nb == 2 >= na:
        return matmul(a, b)
    return tensordot(a, b, (-1, -2))


@means(np.vdot)
def vdot(a: Any, b: Any) -> Any:
    return _dot(ravel(array_like(a)), ravel(array_like(b)))


@means(np.inner)
def inner(a: Any, b: Any) -> Any:
    a, b = array_like(a), array_like(b)
    if a.ndim == 0 or b.ndim == 0:
        return multiply(a, b)
    return tensordot(a, b, (-1, -1)) if a.ndim > 1 or b.ndim > 1 else _dot(a, b)


@means(np.outer, np.linalg.outer)
def outer(a: Any, b: Any) -> Any:
    return multiply(array_like(a).reshape(-1, 1), array_like(b).reshape(1, -1))


@means(np.tensordot, np.linalg.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    a, b = array_like(a), array_like(b)
    if hasattr(axes, "__len__"):
        of_a, of_b = positive_axes(axes[0], a.ndim), positive_axes(axes[1], b.ndim)
    else:
        of_a, of_b = tuple(range(a.ndim - axes, a.ndim)), tuple(range(axes))
    if [a.shape[i] for i in of_a] != [b.shape[i] for i in of_b]:
        raise ValueError(
            f"tensordot over axes {of_a} of shape {a.shape} and axes {of_b} of shape {b.shape}: "
            "the sizes of the axes have to be equal, pair by pair."
        )
    rest_a = tuple([i for i in range(a.ndim) if i not in of_a])
    rest_b = tuple([i for i in range(b.ndim) if i not in of_b])
    shape_a, shape_b = [a.shape[i] for i in rest_a], [b.shape[i] for i in rest_b]
    n = prod([a.shape[i] for i in of_a])
    left = transpose(a, rest_a + of_a).reshape(prod(shape_a), n)
    right = transpose(b, of_b + rest_b).reshape(n, prod(shape_b))
    return _matmul(left, right).reshape((*shape_a, *shape_b))


@means(np.kron)
def kron(a: Any, b: Any) -> Any:
    a, b = array_like(a), array_like(b)
    ndim = a.ndim if a.ndim > b.ndim else b.ndim
    shape_a, shape_b = (1,) * (ndim - a.ndim) + a.shape, (1,) * (ndim - b.ndim) + b.shape
    wide_a = a.reshape([n for size in shape_a for n in (size, 1)])
    wide_b = b.reshape([n for size in shape_b for n in (1, size)])
    return (wide_a * wide_b).reshape([n * m for n, m in zip(shape_a, shape_b)])


@means(np.cross, np.linalg.cross)
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = moveaxis(array_like(a), axisa, -1), moveaxis(array_like(b), axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(
            f"cross takes vectors of three numbers, but the shapes are {a.shape} and {b.shape}: give "
            "vectors in the plane a third number, 0."
        )
    after, before = np.array([1, 2, 0]), np.array([2, 0, 1])
    product = a[..., after] * b[..., before] - a[..., before] * b[..., after]
    return moveaxis(product, -1, axisc)


@means(np.linalg.multi_dot)
def multi_dot(arrays: Any) -> Any:
    if len(arrays) < 2:
        raise ValueError(f"multi_dot needs at least two arrays, but got {len(arrays)}.")
    result, *others = arrays
    for x in others:
        result = dot(result, x)
    return result


@means(np.linalg.matrix_power)
def matrix_power(x: Any, n: int) -> Any:
    n = whole(n)
    if n < 0:
        x, n = np.linalg.inv(x), -n
    result = None
    while n:
        if n % 2:
            result = x if result is None else result @ x
        x, n = (x @ x if n > 1 else x), n // 2
    return broadcast_to(np.eye(x.shape[-1], dtype=x.dtype), x.shape) if result is None else result


if hasattr(np, "vecdot"):

    @means(np.vecdot, np.linalg.vecdot)
    def vecdot(a: Any, b: Any, axis: int = -1) -> Any:
        return sum(a * b, axis)


if hasattr(np, "matvec"):
    means(np.matvec)(lambda a, x: (a @ array_like(x)[..., None])[..., 0])
    means(np.vecmat)(lambda x, a: (array_like(x)[..., None, :] @ a)[..., 0, :])

# --- index notation: the gradient of "ab,bc->ac" by its first array is "ac,bc->ab" ----------------


EINSUM: Callable[..., Any] = lambda *inputs: np.einsum(inputs[-1], *inputs[:-1])  # noqa: E731


def _other_way(i: int) -> Callable[..., Any]:
    """The vjp for the i-th array."""

    def vjp(g: Any, out: Any, *arrays_and_labels: Any) -> Any:
        *arrays, labels = arrays_and_labels
        inputs, output = labels.split("->")
        terms = inputs.split(",")
        x, wanted = arrays[i], terms[i]
        terms[i], arrays[i] = output, g
        result = np.einsum(f"{','.join(terms)}->{wanted}", *arrays)
        shape = np.broadcast_shapes(result.shape, x.shape)  # x may be wider than all others
        return result if shape == result.shape else broadcast_to(result, shape)

    return vjp


@cache
def _einsum_of(n: int) -> Callable[..., Any]:
    return any_inputs(Rule("einsum", EINSUM, [_other_way(i) for i in range(n)]))


rule(
    "einsum",
    EINSUM,
    _other_way(0),
    _other_way(1),
    examples=[
        (arr(2, 3), arr(3, 4), "ab,bc->ac"),
        (arr(2, 3), arr(3, 2), "ab,ba->"),
        (arr(2, 3), arr(1, 4), "ab,bc->ac"),
        (arr(2), arr(3), "a,b->ba"),
    ],
)


@means(np.einsum)
def einsum(*operands: Any, optimize: Any = False) -> Any:
    """np.einsum, with labels as a string or as lists, ellipsis, diagonals and sums."""
    labels, arrays = _as_string(operands)
    inputs, arrow, output = labels.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(arrays):
        raise ValueError(
            f"einsum {labels!r} names {len(terms)} arrays, but got {len(arrays)} of them."
        )
    unused = [c for c in ascii_letters if c not in labels]
    extra = [x.ndim - len(t.replace("...", "")) for t, x in zip(terms, arrays) if "..." in t]
    broad = "".join(unused[: int(np.max(extra, initial=0))])
    terms = [
        term.replace("...", broad[len(broad) - (x.ndim - len(term) + 3) :])
        if "..." in term
        else term
        for term, x in zip(terms, arrays)
    ]
    for term, x in zip(terms, arrays):
        if len(term) != x.ndim:
            raise ValueError(
                f"einsum {labels!r}: {term!r} names {len(term)} axes, but the shape is {x.shape}."
            )
    if arrow:
        output = output.replace("...", broad)
    else:
        joined = "".join(terms)
        output = broad + "".join(
            sorted({c for c in joined if joined.count(c) == 1 and c not in broad})
        )
    for i, term in enumerate(terms):
        arrays[i], terms[i] = _each_label_once(arrays[i], term)
        others = output + "".join(terms[:i] + terms[i + 1 :])
        alone = tuple([k for k, c in enumerate(terms[i]) if c not in others])
        if alone:
            arrays[i] = sum(arrays[i], alone)
            terms[i] = "".join([c for c in terms[i] if c in others])
    return _einsum_of(len(arrays))(*arrays, f"{','.join(terms)}->{output}")


def _as_string(operands: tuple[Any, ...]) -> tuple[str, list[Any]]:
    if isinstance(operands[0], str):
        return operands[0], [array_like(x) for x in operands[1:]]
    *pairs, result = operands if len(operands) % 2 else (*operands, None)
    labels = ",".join(map(_letters, pairs[1::2]))
    if result is not None:
        labels += "->" + _letters(result)
    return labels, [array_like(x) for x in pairs[::2]]


def _letters(numbers: Any) -> str:
    if any(i is not ... and not 0 <= i < len(ascii_letters) for i in numbers):
        raise ValueError(f"einsum's labels are numbers from 0 to 51, but came as {list(numbers)}.")
    return "".join(["..." if i is ... else ascii_letters[i] for i in numbers])


def _each_label_once(x: Any, term: str) -> tuple[Any, str]:
    """The diagonal of ``x`` where a label is repeated, as in "ii"."""
    for label in dict.fromkeys(term):
        if term.count(label) > 1:
            axes = [k for k, c in enumerate(term) if c == label]
            n = x.shape[axes[0]]
            if any(x.shape[k] != n for k in axes):
                raise ValueError(
                    f"einsum: {label!r} names axes of different sizes in {term!r} of shape {x.shape}."
                )
            x = moveaxis(x, axes, range(len(axes)))[(np.arange(n),) * len(axes)]
            term = label + term.replace(label, "")
    return x, term


# --- diagonals and triangles ----------------------------------------------------------------------

tril_rule = rule(
    "tril",
    lambda x, k: np.tril(x, k),
    lambda g, out, x, k: np.tril(g, k),
    examples=[(arr(3, 4), 0), (arr(2, 3, 3), -1)],
)
triu_rule = rule(
    "triu",
    lambda x, k: np.triu(x, k),
    lambda g, out, x, k: np.triu(g, k),
    examples=[(arr(3, 4), 1), (arr(2, 3, 3), 0)],
)


@means(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    return tril_rule(m, k)


@means(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    return triu_rule(m, k)


@means(np.diagonal, method="diagonal")
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    rows, columns = positive_axis(axis1, x.ndim), positive_axis(axis2, x.ndim)
    matrices = moveaxis(x, (rows, columns), (-2, -1))
    places = _diagonal_places(x.shape[rows], x.shape[columns], offset)
    return as_view(getitem(matrices, (..., *places)))


def _diagonal_places(n: int, m: int, offset: int) -> tuple[Any, Any]:
    start = (-offset, 0) if offset < 0 else (0, offset)
    length = np.clip(np.minimum(n - start[0], m - start[1]), 0, None)
    return np.arange(length) + start[0], np.arange(length) + start[1]


@means(np.trace, method="trace")
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return sum(diagonal(x, offset, axis1, axis2), -1)


@means(np.diag)
def diag(x: Any, k: int = 0) -> Any:
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ValueError(f"diag takes a vector or a matrix, but the shape is {x.shape}.")
    n = x.shape[0] + abs(k)
    return scatter(x, (n, n), *_diagonal_places(n, n, k))


@means(np.diagflat)
def diagflat(x: Any, k: int = 0) -> Any:
    return diag(ravel(x), k)


@means(np.linalg.diagonal)
def linalg_diagonal(x: Any, *, offset: int = 0) -> Any:
    return diagonal(x, offset, -2, -1)


@means(np.linalg.trace)
def linalg_trace(x: Any, *, offset: int = 0) -> Any:
    return trace(x, offset, -2, -1)
