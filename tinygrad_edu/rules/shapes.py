"""The same numbers in another arrangement: the gradient is arranged back."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.recording import rule
from tinygrad_edu.rules.support import arr, means
from tinygrad_edu.tensor import Tensor


def _repeated(x: Any, shape: Any) -> Any:
    if not isinstance(x, np.ndarray | np.generic):
        return np.broadcast_to(x, shape)
    out = np.empty(shape, x.dtype)  # a third of the time of np.broadcast_to, and a safe array
    out[...] = x
    return out


_broadcast_to = rule(
    "broadcast_to",
    _repeated,
    lambda g, out, x, shape: g,
    examples=[(arr(3), (2, 3)), (arr(2, 1), (2, 3)), (arr(), (2, 2)), (arr(2, 0), (3, 2, 0))],
)
_reshape = rule(
    "reshape",
    lambda x, shape: x.reshape(shape),
    lambda g, out, x, shape: g.reshape(x.shape),
    examples=[(arr(2, 3), (3, 2)), (arr(6), (2, -1)), (arr(), (1,)), (arr(0, 3), (3, 0))],
)
_transpose = rule(
    "transpose",
    lambda x, axes: x.transpose(axes),
    lambda g, out, x, axes: g.transpose(np.argsort(axes)),
    examples=[(arr(2, 3, 4), (1, 2, 0)), (arr(2, 0), (0, 1))],
)
_T = rule(
    "T",
    lambda x: x.T,
    lambda g, out, x: g.T,
)
squeeze_rule = rule(
    "squeeze",
    lambda x, axis: x.squeeze(axis),
    lambda g, out, x, axis: g.reshape(x.shape),
    examples=[(arr(1, 3, 1), None), (arr(1, 3, 1), -1), (arr(1, 3, 1), (0, 2))],
)


@means(np.broadcast_to)
def broadcast_to(x: Any, shape: Any) -> Any:
    return _broadcast_to(x, shape)


@means(np.reshape)
def reshape(x: Any, shape: Any) -> Any:
    return _reshape(x, shape)


@means(method="reshape")
def reshape_method(x: Any, *shape: Any) -> Any:
    return _reshape(x, shape[0] if len(shape) == 1 else shape)


@means(np.transpose)
def transpose(x: Any, axes: Any = None) -> Any:
    return _T(x) if axes is None else _transpose(x, axes)


@means(method="transpose")
def transpose_method(x: Any, *axes: Any) -> Any:
    return transpose(x, axes[0] if len(axes) == 1 else axes or None)


@means(np.matrix_transpose)
def matrix_transpose(x: Any) -> Any:
    if x.ndim == 2:
        return _T(x)
    if x.ndim < 2:
        raise ValueError(f"mT needs a matrix, at least two axes, but the shape is {x.shape}.")
    return _transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


Tensor.T = property(_T)
Tensor.mT = property(matrix_transpose)


@means(np.squeeze, method="squeeze")
def squeeze(x: Any, axis: Any = None) -> Any:
    return squeeze_rule(x, axis)
