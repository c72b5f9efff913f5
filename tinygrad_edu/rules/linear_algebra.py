"""Matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.recording import rule
from tinygrad_edu.rules.arithmetic import multiply
from tinygrad_edu.rules.support import arr, array_like, both_sides, means

_matmul = rule(
    "matmul",
    np.matmul,
    lambda g, out, a, b: g @ b.mT,
    lambda g, out, a, b: a.mT @ g,
    symbol="@",
    examples=[(arr(2, 3), arr(3, 4)), (arr(5, 2, 3), arr(3, 4)), (arr(2, 0), arr(0, 3))],
)
# with a vector on one side or both
_dot = rule(
    "dot",
    np.dot,
    lambda g, out, a, b: g * b,
    lambda g, out, a, b: g * a,
    symbol="@",
    examples=[(arr(3), arr(3))],
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


@means(np.matmul)
def matmul(a: Any, b: Any) -> Any:
    a, b = array_like(a), array_like(b)
    na, nb = a.ndim, b.ndim
    if na > 1 and nb > 1:
        return _matmul(a, b)
    if na == 1:
        return _dot(a, b) if nb == 1 else _vecmat(a, b)
    return _matvec(a, b)


both_sides("matmul", matmul)


@means(np.dot, method="dot")
def dot(a: Any, b: Any) -> Any:
    a, b = array_like(a), array_like(b)
    if a.ndim == 0 or b.ndim == 0:
        return multiply(a, b)
    return matmul(a, b)
