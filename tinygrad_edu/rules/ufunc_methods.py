"""np.add.outer, np.subtract.reduce, np.multiply.at: what a ufunc of two numbers does with arrays.

Those that have a rule of their own, such as np.add.reduce, have it among the reductions.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce as fold
from itertools import accumulate as running
from typing import Any

import numpy as np

from tinygrad_edu.protocols import UFUNC_METHODS, UFUNCS
from tinygrad_edu.rules.indexing import scatter, written_at
from tinygrad_edu.rules.shapes import expand_dims, moveaxis, stack
from tinygrad_edu.rules.support import array_like, means, positive_axes, positive_axis

Operation = Callable[..., Any]
LOGICAL = (np.logical_and, np.logical_or, np.logical_xor)


def _outer(operation: Operation) -> Operation:
    def outer(a: Any, b: Any) -> Any:
        a, b = array_like(a), array_like(b)
        return operation(a.reshape(a.shape + (1,) * b.ndim), b)

    return outer


def _lines(x: Any, axis: int, ufunc: np.ufunc) -> list[Any]:
    """The parts of ``x`` along the axis."""
    x = array_like(x)
    return list(moveaxis(x.astype(bool) if ufunc in LOGICAL else x, axis, 0))


def _reduce(operation: Operation, ufunc: np.ufunc) -> Operation:
    def reduce(x: Any, axis: Any = 0, keepdims: bool = False) -> Any:
        x = array_like(x)
        if not x.ndim:
            return x.astype(bool) if ufunc in LOGICAL else x
        axes = tuple(range(x.ndim)) if axis is None else positive_axes(axis, x.ndim)
        if len(axes) > 1 and ufunc.identity is None and ufunc not in (np.fmax, np.fmin):
            raise ValueError(
                f"np.{ufunc.__name__}.reduce depends on the order, so it goes along one axis, but "
                f"got axis={axis}: give one of them."
            )
        for i in axes:
            lines = _lines(x, i, ufunc)
            if not lines:
                raise ValueError(f"np.{ufunc.__name__}.reduce has nothing to reduce in axis {i}.")
            x = expand_dims(fold(operation, lines), i)
        return x if keepdims else x.squeeze(axes)

    return reduce


def _accumulate(operation: Operation, ufunc: np.ufunc) -> Operation:
    def accumulate(x: Any, axis: int = 0) -> Any:
        return stack(list(running(_lines(x, axis, ufunc), operation)), axis)

    return accumulate


def _reduceat(ufunc: np.ufunc) -> Operation:
    def reduceat(x: Any, indices: Any, axis: int = 0) -> Any:
        axis = positive_axis(axis, x.ndim)
        x, starts = moveaxis(x, axis, 0), [int(i) for i in indices]
        x = x.astype(bool) if ufunc in LOGICAL else x
        if not all(0 <= i < len(x) for i in starts):
            raise IndexError(f"reduceat: {starts} are not all places of an axis of size {len(x)}.")
        ends = [*starts[1:], len(x)]
        parts = [
            ufunc.reduce(x[start:end]) if start < end else x[start]
            for start, end in zip(starts, ends)
        ]
        return moveaxis(stack(parts), 0, axis)

    return reduceat


def _at(operation: Operation, ufunc: np.ufunc) -> Operation:
    def at(a: Any, indices: Any, *b: Any) -> None:
        """Places that are named several times get it so many times, one after the other."""
        _, places, turn = written_at(a, indices, f"np.{ufunc.__name__}.at")
        values = [np.broadcast_to(array_like(y), places.shape).reshape(-1) for y in b]
        for k in range(turn.max(initial=-1) + 1):
            now = np.unravel_index(places.ravel()[turn == k], a.shape)
            a[now] = operation(a[now], *[y[turn == k] for y in values])

    return at


def _add_at(a: Any, indices: Any, b: Any) -> None:
    """a[indices] += b, but a place that is named twice gets both."""
    index, places, _ = written_at(a, indices, "np.add.at")
    b = np.broadcast_to(array_like(b), places.shape)
    a[...] = a + scatter(b, a.shape, *index)


for _ufunc, _operation in list(UFUNCS.items()):
    if isinstance(_ufunc, np.ufunc) and not _ufunc.signature and _ufunc.nout == 1:
        means((_ufunc, "at"))(_at(_operation, _ufunc))
        if _ufunc.nin == 2:
            means((_ufunc, "outer"))(_outer(_operation))
        if "dd->d" in _ufunc.types or _ufunc in LOGICAL:
            for _method in (_reduce, _accumulate):
                _of_several = _method(_operation, _ufunc)
                UFUNC_METHODS.setdefault((_ufunc, _of_several.__name__), _of_several)
            means((_ufunc, "reduceat"))(_reduceat(_ufunc))
means((np.add, "at"))(_add_at)
