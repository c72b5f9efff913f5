"""The same numbers in another arrangement: the gradient is arranged back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from math import prod
from operator import index as whole
from typing import Any

import numpy as np

from tinygrad_edu.recording import Rule, any_inputs, rule
from tinygrad_edu.rules.indexing import along, getitem, scatter, take
from tinygrad_edu.rules.support import (
    arr,
    array_like,
    as_view,
    attribute,
    means,
    positive_axes,
    positive_axis,
)

NUMBERS = (np.ndarray, np.generic)
NOTHING = np._NoValue  # what NumPy's functions have in the place of an argument that was not given


def _repeated(x: Any, shape: Any) -> Any:
    if not isinstance(x, NUMBERS):
        return np.broadcast_to(x, shape)
    out = np.empty(shape, x.dtype)  # a third of the time of np.broadcast_to, and no shared memory
    out[...] = x
    return out


_broadcast_to = rule(
    "broadcast_to",
    _repeated,
    lambda g, out, x, shape: g,
    formula=np.broadcast_to,
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
    lambda g, out, x, axes: g.transpose(back(axes)),
    examples=[(arr(2, 3, 4), (1, 2, 0)), (arr(2, 0), (0, -1)), (arr(2, 3), (-1, -2))],
)
_T = rule("T", lambda x: x.T, lambda g, out, x: g.T)
_squeeze = rule(
    "squeeze",
    lambda x, axis: x.squeeze(axis),
    lambda g, out, x, axis: g.reshape(x.shape),
    examples=[(arr(1, 3, 1), None), (arr(1, 3, 1), -1), (arr(1, 3, 1), (0, 2))],
)
_expand_dims = rule(
    "expand_dims",
    lambda x, axis: np.expand_dims(x, axis),
    lambda g, out, x, axis: g.reshape(x.shape),
    examples=[(arr(3), 0), (arr(2, 3), (0, -1)), (arr(), 0)],
)
_copy = rule("copy", lambda x: x.copy(), lambda g, out, x: g)
_astype = rule(
    "astype",
    lambda x, dtype: x.astype(dtype),
    lambda g, out, x, dtype: g.astype(x.dtype),
    examples=[(arr(2, 3), np.dtype(np.float64)), (arr(), np.dtype(np.float64))],
)
_to_integers = rule("to_integers", lambda x, dtype: x.astype(dtype))


def back(axes: Any) -> tuple[int, ...]:
    """The order of axes that undoes ``axes``."""
    return tuple([int(i) for i in np.argsort([i % len(axes) for i in axes])])


@means(np.broadcast_to)
def broadcast_to(x: Any, shape: Any) -> Any:
    return _repeated(x, shape) if isinstance(x, NUMBERS) else as_view(_broadcast_to(x, shape))


@means(np.broadcast_arrays)
def broadcast_arrays(*arrays: Any) -> Any:
    shape = np.broadcast_shapes(*[np.shape(x) for x in arrays])
    return tuple([broadcast_to(x, shape) for x in arrays])


@means(np.reshape)
def reshape(x: Any, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    if order == "C":
        return _reshape(x, shape)
    if order != "F":
        raise ValueError(f"reshape's order= is 'C' or 'F', but came as {order!r}.")
    shape = shape if isinstance(shape, Sequence) else (shape,)
    return _T(_reshape(_T(x), tuple(shape)[::-1]))


@means(method="reshape")
def reshape_method(x: Any, *shape: Any, order: str = "C") -> Any:
    return reshape(x, shape[0] if len(shape) == 1 else shape, order)


@means(np.ravel, method="ravel")
def ravel(x: Any, order: str = "C") -> Any:
    return reshape(x, -1, order)


@means(method="flatten")
def flatten(x: Any, order: str = "C") -> Any:
    return copy(ravel(x, order))


@means(np.transpose, np.permute_dims)
def transpose(x: Any, axes: Any = None) -> Any:
    return _T(x) if axes is None else _transpose(x, tuple(axes))


@means(method="transpose")
def transpose_method(x: Any, *axes: Any) -> Any:
    return transpose(
        x, axes[0] if len(axes) == 1 and not hasattr(axes[0], "__index__") else axes or None
    )


@means(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any) -> Any:
    if x.ndim < 2:
        raise ValueError(f"mT needs a matrix, at least two axes, but the shape is {x.shape}.")
    return _T(x) if x.ndim == 2 else swapaxes(x, -1, -2)


attribute("T", _T)
attribute("mT", matrix_transpose)


@means(np.swapaxes, method="swapaxes")
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    axes = list(range(x.ndim))
    first, second = positive_axes((axis1, axis2), x.ndim)
    axes[first], axes[second] = second, first
    return _transpose(x, tuple(axes))


@means(np.moveaxis)
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    source, destination = positive_axes(source, x.ndim), positive_axes(destination, x.ndim)
    if len(source) != len(destination):
        raise ValueError(
            f"moveaxis needs as many places as axes, but got {len(destination)} for {len(source)}."
        )
    if len(set(source)) < len(source) or len(set(destination)) < len(destination):
        raise ValueError(f"moveaxis names an axis twice: {source} to {destination}.")
    order = [i for i in range(x.ndim) if i not in source]
    for place, axis in sorted(zip(destination, source)):
        order.insert(place, axis)
    return _transpose(x, tuple(order))


@means(np.rollaxis)
def rollaxis(x: Any, axis: int, start: int = 0) -> Any:
    axis = positive_axis(axis, x.ndim)
    start = start + x.ndim if start < 0 else start
    return moveaxis(x, axis, start - (axis < start))


@means(np.squeeze, method="squeeze")
def squeeze(x: Any, axis: Any = None) -> Any:
    return _squeeze(x, axis)


@means(np.expand_dims)
def expand_dims(x: Any, axis: Any) -> Any:
    return _expand_dims(x, tuple(axis) if isinstance(axis, list) else axis)


@means(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid's indexing= is 'xy' or 'ij', but came as {indexing!r}.")
    n = len(xi)
    grids = [
        ravel(array_like(x)).reshape((1,) * i + (-1,) + (1,) * (n - 1 - i))
        for i, x in enumerate(xi)
    ]
    if indexing == "xy" and n > 1:
        grids = [swapaxes(x, 0, 1) for x in grids]
    grids = grids if sparse else broadcast_arrays(*grids)
    return tuple([_copy(x) for x in grids] if copy else grids)


@means(np.atleast_1d)
def atleast_1d(*arrays: Any) -> Any:
    return _each(arrays, lambda x: x if x.ndim else x.reshape(1))


@means(np.atleast_2d)
def atleast_2d(*arrays: Any) -> Any:
    return _each(arrays, lambda x: x if x.ndim > 1 else x.reshape(1, -1))


@means(np.atleast_3d)
def atleast_3d(*arrays: Any) -> Any:
    return _each(
        arrays, lambda x: x if x.ndim > 2 else x[..., None] if x.ndim == 2 else x.reshape(1, -1, 1)
    )


def _each(arrays: Any, change: Callable[[Any], Any]) -> Any:
    changed = [change(array_like(x)) for x in arrays]
    return changed[0] if len(changed) == 1 else tuple(changed)


@means(np.copy)
def copy(x: Any, order: str = "C", subok: bool = False) -> Any:
    return _copy(x)


@means(method="copy")
def copy_method(x: Any, order: str = "C") -> Any:
    """The same values in a tensor of its own, which may be written into; the gradient passes."""
    return _copy(x)


@means(method="astype")
def astype(
    x: Any,
    dtype: Any,
    order: str = "K",
    casting: Any = "unsafe",
    subok: bool = True,
    copy: bool = True,
) -> Any:
    """The values in another dtype: the gradient passes from floats to floats. Whole numbers and
    booleans are constants."""
    dtype = np.dtype(dtype)
    if not np.can_cast(x.dtype, dtype, casting):
        raise TypeError(f"astype cannot cast {x.dtype} to {dtype} by {casting!r}.")
    if not copy and x.dtype == dtype:
        return x
    if dtype.kind not in "fiub":
        raise TypeError(f"astype takes a dtype of real numbers, but got {dtype}.")
    return _astype(x, dtype) if dtype.kind == "f" else _to_integers(x, dtype)


if hasattr(np, "astype"):
    means(np.astype)(astype)

# --- joining and splitting ------------------------------------------------------------------------


def _part(i: int) -> Callable[..., Any]:
    """The vjp for the i-th of several joined arrays: its part of the gradient."""

    def part(g: Any, out: Any, *arrays_and_axis: Any) -> Any:
        *arrays, axis = arrays_and_axis
        start = sum(x.shape[axis] for x in arrays[:i])
        return g[along(axis, g.ndim, slice(start, start + arrays[i].shape[axis]))]

    return part


JOIN: Callable[..., Any] = lambda *inputs: np.concatenate(inputs[:-1], axis=inputs[-1])  # noqa: E731


@cache
def joining(n: int) -> Callable[..., Any]:
    """The rule that joins n arrays."""
    return any_inputs(Rule("concatenate", JOIN, [_part(i) for i in range(n)]))


rule(
    "concatenate",
    JOIN,
    _part(0),
    _part(1),
    examples=[(arr(2), arr(3), 0), (arr(2, 3), arr(2, 1), -1), (arr(0, 3), arr(2, 3), 0)],
)


@means(np.concatenate)
def concatenate(arrays: Any, axis: int | None = 0) -> Any:
    arrays = [array_like(x) for x in arrays]
    if axis is None:
        arrays, axis = [ravel(x) for x in arrays], 0
    return joining(len(arrays))(*arrays, axis)


if hasattr(np, "concat"):
    means(np.concat)(concatenate)


@means(np.stack)
def stack(arrays: Any, axis: int = 0) -> Any:
    arrays = [array_like(x) for x in arrays]
    if len({x.shape for x in arrays}) > 1:
        shapes = ", ".join(str(x.shape) for x in arrays)
        raise ValueError(f"stack needs arrays of the same shape, but got {shapes}.")
    return concatenate([expand_dims(x, axis) for x in arrays], axis)


@means(np.hstack)
def hstack(arrays: Any) -> Any:
    arrays = [atleast_1d(x) for x in arrays]
    return concatenate(arrays, 0 if arrays and arrays[0].ndim == 1 else 1)


@means(np.vstack)
def vstack(arrays: Any) -> Any:
    return concatenate([atleast_2d(x) for x in arrays], 0)


@means(np.dstack)
def dstack(arrays: Any) -> Any:
    return concatenate([atleast_3d(x) for x in arrays], 2)


@means(np.column_stack)
def column_stack(arrays: Any) -> Any:
    arrays = [array_like(x) for x in arrays]
    return concatenate([x if x.ndim > 1 else x.reshape(-1, 1) for x in arrays], 1)


@means(np.append)
def append(x: Any, values: Any, axis: int | None = None) -> Any:
    return concatenate([x, values], axis)


@means(np.block)
def block(arrays: Any) -> Any:
    depth = _depth(arrays)
    return _block(arrays, depth, max(depth, _ndim(arrays)))


def _depth(arrays: Any) -> int:
    return 1 + _depth(arrays[0]) if isinstance(arrays, list) else 0


def _ndim(arrays: Any) -> int:
    return max(map(_ndim, arrays)) if isinstance(arrays, list) else array_like(arrays).ndim


def _block(arrays: Any, depth: int, ndim: int) -> Any:
    if isinstance(arrays, list):
        return concatenate([_block(x, depth - 1, ndim) for x in arrays], -depth)
    arrays = array_like(arrays)
    return arrays.reshape((1,) * (ndim - arrays.ndim) + arrays.shape)


@means(np.array_split)
def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    n = x.shape[axis]
    if np.ndim(indices_or_sections):
        ends = [*indices_or_sections, n]
    else:
        short, longer = divmod(n, whole(indices_or_sections))
        sizes = [short + (i < longer) for i in range(indices_or_sections)]
        ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [
        getitem(x, along(axis, x.ndim, slice(start, end))) for start, end in zip([0, *ends], ends)
    ]


@means(np.split)
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    if not np.ndim(indices_or_sections) and x.shape[axis] % indices_or_sections:
        raise ValueError(
            f"split into {indices_or_sections} equal parts needs a multiple of it, but axis {axis} "
            f"has size {x.shape[axis]}: np.array_split allows parts of different sizes."
        )
    return array_split(x, indices_or_sections, axis)


@means(np.hsplit)
def hsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    return split(x, indices_or_sections, 1 if x.ndim > 1 else 0)


@means(np.vsplit)
def vsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    return split(x, indices_or_sections, 0)


@means(np.dsplit)
def dsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    return split(x, indices_or_sections, 2)


def unstack(x: Any, *, axis: int = 0) -> tuple[Any, ...]:
    return tuple([getitem(x, along(axis, x.ndim, i)) for i in range(x.shape[axis])])


if hasattr(np, "unstack"):
    means(np.unstack)(unstack)

# --- windows: the numbers under each place of a frame; their gradients are added where they overlap --


def _framed(x: Any, frame: Any, axes: Any) -> Any:
    return np.lib.stride_tricks.sliding_window_view(x, frame, axes).copy()


def _overlaid(windows: Any, shape: Any, axes: Any) -> Any:
    out = np.zeros_like(windows, shape=shape)
    places = windows.shape[: len(shape)]
    for offset in np.ndindex(windows.shape[len(shape) :]):
        start = [sum(o for o, axis in zip(offset, axes) if axis == i) for i in range(len(shape))]
        out[tuple([slice(i, i + n) for i, n in zip(start, places)])] += windows[(..., *offset)]
    return out


_windows: Callable[..., Any] = rule(
    "sliding_window_view",
    _framed,
    lambda g, out, x, frame, axes: overlay(g, x.shape, axes),
    examples=[(arr(5), (2,), (0,)), (arr(4, 5), (2, 3), (0, 1)), (arr(2, 4), (2, 2), (1, 1))],
)
overlay: Callable[..., Any] = rule(
    "overlay",
    _overlaid,
    lambda g, out, windows, shape, axes: _windows(g, windows.shape[len(shape) :], axes),
    examples=[(arr(4, 2), (5,), (0,)), (arr(3, 3, 2, 3), (4, 5), (0, 1))],
)


@means(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(x: Any, window_shape: Any, axis: Any = None) -> Any:
    frame = tuple(window_shape) if hasattr(window_shape, "__len__") else (window_shape,)
    axes = tuple(range(x.ndim)) if axis is None else positive_axes(axis, x.ndim)
    if len(frame) != len(axes):
        raise ValueError(
            f"sliding_window_view needs a size for each axis, but got window_shape={window_shape} "
            f"for the axes {axes}."
        )
    return _windows(x, frame, axes)


# --- repeating, padding, turning ------------------------------------------------------------------


@means(np.repeat, method="repeat")
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    x, axis = (ravel(x), 0) if axis is None else (x, positive_axis(axis, x.ndim))
    if np.ndim(repeats):
        return take(x, np.repeat(np.arange(x.shape[axis]), repeats), axis)
    before, n, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    longer = _broadcast_to(expand_dims(x, axis + 1), (*before, n, whole(repeats), *after))
    return longer.reshape((*before, n * repeats, *after))


@means(np.tile)
def tile(x: Any, reps: Any) -> Any:
    reps = tuple(reps) if hasattr(reps, "__len__") else (reps,)
    ndim = max(len(reps), x.ndim)
    reps, shape = (1,) * (ndim - len(reps)) + reps, (1,) * (ndim - x.ndim) + x.shape
    once = x.reshape([n for size in shape for n in (1, size)])
    more = _broadcast_to(once, tuple([n for pair in zip(reps, shape) for n in pair]))
    return more.reshape([r * n for r, n in zip(reps, shape)])


@means(np.pad)
def pad(x: Any, pad_width: Any, mode: Any = "constant", **how: Any) -> Any:
    if isinstance(pad_width, dict):
        widths = [pad_width.get(i, pad_width.get(i - x.ndim, 0)) for i in range(x.ndim)]
        pad_width = [np.broadcast_to(np.asarray(width), 2) for width in widths]
    widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()
    if np.any(np.less(widths, 0)):
        raise ValueError(f"pad adds numbers, so no width is negative, but got {pad_width}.")
    if mode == "constant":
        shape = tuple([n + a + b for n, (a, b) in zip(x.shape, widths)])
        inside = [slice(a, a + n) for n, (a, b) in zip(x.shape, widths)]
        padded = scatter(x, shape, *inside)
        if not np.any(how.get("constant_values", 0)):
            return padded
        return padded + np.pad(np.zeros(x.shape, x.dtype), widths, mode, **how)
    if mode not in ("edge", "reflect", "symmetric", "wrap") or how.get("reflect_type") == "odd":
        raise TypeError(
            f"np.pad with mode={mode!r} is not supported on Tensors: 'constant', 'edge', 'reflect',"
            " 'symmetric' and 'wrap' are."
        )
    for axis, width in enumerate(widths):
        if any(width):
            x = take(x, np.pad(np.arange(x.shape[axis]), width, mode), axis)
    return x


@means(np.flip)
def flip(x: Any, axis: Any = None) -> Any:
    axes = range(x.ndim) if axis is None else positive_axes(axis, x.ndim)
    return getitem(x, tuple([slice(None, None, -1 if i in axes else None) for i in range(x.ndim)]))


@means(np.fliplr)
def fliplr(x: Any) -> Any:
    return flip(x, 1)


@means(np.flipud)
def flipud(x: Any) -> Any:
    return flip(x, 0)


@means(np.rot90)
def rot90(x: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    first, second = positive_axes(tuple(axes), x.ndim)
    if first == second:
        raise ValueError(f"rot90 turns from one axis to another, but got axes={axes}.")
    if k % 4 == 0:
        return x[...]
    if k % 4 == 2:
        return flip(x, (first, second))
    if k % 4 == 1:
        return swapaxes(flip(x, second), first, second)
    return flip(swapaxes(x, first, second), second)


@means(np.roll)
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    if axis is None:
        return roll(ravel(x), shift, 0).reshape(x.shape)
    axes = positive_axes(axis, x.ndim)
    for by, i in np.broadcast(np.asarray(shift), np.asarray(axes)):
        middle = -int(by) % x.shape[i] if x.shape[i] else 0
        parts = [along(i, x.ndim, slice(middle, None)), along(i, x.ndim, slice(None, middle))]
        x = concatenate([getitem(x, part) for part in parts], int(i))
    return x


@means(np.diff)
def diff(x: Any, n: int = 1, axis: int = -1, prepend: Any = NOTHING, append: Any = NOTHING) -> Any:
    if prepend is not NOTHING or append is not NOTHING:
        ends = [x if part is x else _end(part, x, axis) for part in (prepend, x, append)]
        x = concatenate([part for part in ends if part is not NOTHING], axis)
    if n < 0:
        raise ValueError(f"diff takes differences n times, so n is not negative, but came as {n}.")
    for _ in range(n):
        later, earlier = along(axis, x.ndim, slice(1, None)), along(axis, x.ndim, slice(None, -1))
        step = np.not_equal if x.dtype == bool else np.subtract
        x = step(getitem(x, later), getitem(x, earlier))
    return x


def _end(part: Any, x: Any, axis: int) -> Any:
    """A number at the end of ``x`` as an array of size 1 along the axis."""
    if part is NOTHING or np.ndim(part):
        return part
    axis = positive_axis(axis, x.ndim)
    shape = tuple([1 if i == axis else n for i, n in enumerate(x.shape)])
    return broadcast_to(array_like(part), shape)


@means(np.ediff1d)
def ediff1d(x: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    ends = [
        part if part is None or hasattr(part, "ndim") else np.asarray(part, x.dtype)
        for part in (to_begin, to_end)
    ]
    parts = [ends[0], diff(ravel(x)), ends[1]]
    return concatenate([ravel(part) for part in parts if part is not None]).astype(x.dtype)


@means(np.resize)
def resize(x: Any, new_shape: Any) -> Any:
    shape = tuple(new_shape) if hasattr(new_shape, "__len__") else (new_shape,)
    return take(x, np.arange(prod(shape)) % x.size).reshape(shape)


@means(np.trim_zeros)
def trim_zeros(x: Any, trim: str = "fb") -> Any:
    if x.ndim != 1:
        raise ValueError(f"give trim_zeros a vector: the shape is {x.shape}.")
    places = np.flatnonzero(x._data)
    if not places.size:
        return x[:0]
    start = places[0] if "f" in trim.lower() else 0
    return x[start : places[-1] + 1 if "b" in trim.lower() else len(x)]


@means(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    axis = positive_axis(axis, arr.ndim)
    lines = moveaxis(arr, axis, -1)
    outside = lines.shape[:-1]
    results = [array_like(func1d(lines[i], *args, **kwargs)) for i in np.ndindex(outside)]
    if not results:
        raise ValueError(f"apply_along_axis has nothing to apply to: the shape is {arr.shape}.")
    each = results[0].ndim
    result = stack(results).reshape((*outside, *results[0].shape))
    ndim = len(outside)
    return moveaxis(result, tuple(range(ndim, ndim + each)), tuple(range(axis, axis + each)))


@means(np.apply_over_axes)
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    for axis in positive_axes(axes, a.ndim):
        result = func(a, axis)
        a = result if result.ndim == a.ndim else expand_dims(result, axis)
    return a


@means(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    axes = tuple(range(x.ndim)) if axes is None else positive_axes(axes, x.ndim)
    return roll(x, tuple([x.shape[i] // 2 for i in axes]), axes)


@means(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    axes = tuple(range(x.ndim)) if axes is None else positive_axes(axes, x.ndim)
    return roll(x, tuple([-(x.shape[i] // 2) for i in axes]), axes)


attribute("flat", lambda x: ravel(x))
