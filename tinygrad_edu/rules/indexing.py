"""x[index] and x[index] = value: the gradient goes back to where the numbers came from."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.mode import mode
from tinygrad_edu.recording import rule
from tinygrad_edu.rules.support import arr, array_like, means, positive_axis, values_of
from tinygrad_edu.tensor import Tensor, View, array_of, become_leaf

Operation = Callable[..., Any]

MASK = np.array([[True, False, True, True], [False] * 4, [True, False, False, True]])
INDICES: list[tuple[Any, ...]] = [
    (1,),
    (-1, 2),
    (slice(None), 1),
    (slice(None, None, -2), ..., None),
    (np.array([0, 2, 0]),),
    (np.array([0, 2, 0]), np.array([1, 1, 1])),
    (slice(1, 3), np.array([[0, 1], [3, 3]])),
    (np.array([True, False, True]),),
    (MASK,),
    (),
]


def _scattered(g: Any, shape: Any, *index: Any) -> Any:
    other = not isinstance(g, np.ndarray | np.generic)
    out = np.zeros_like(g, shape=shape) if other else np.zeros(shape, g.dtype)
    if all(not hasattr(part, "dtype") or part.dtype == bool or part.size == 1 for part in index):
        out[index] = g  # no place is named twice
    else:
        np.add.at(out, index, g)
    return out


def _written(x: Any, value: Any, *index: Any) -> Any:
    out = np.array(x) if isinstance(x, np.generic) else x.copy()
    out[index] = value
    return out


_getitem: Operation = rule(
    "getitem",
    lambda x, *index: x[index],
    lambda g, out, x, *index: scatter(g, x.shape, *index),
    symbol="[ ]",
    examples=[(arr(3, 4), *index) for index in INDICES] + [(arr(0, 3), slice(None), 1)],
)
# zeros, and g added at the index
scatter: Operation = rule(
    "scatter",
    _scattered,
    lambda gg, out, g, shape, *index: _getitem(gg, *index),
    examples=[(arr(*np.zeros((3, 4))[index].shape), (3, 4), *index) for index in INDICES],
)
_setitem: Operation = rule(
    "setitem",
    _written,
    lambda g, out, x, value, *index: _setitem(g, 0.0, *index),
    lambda g, out, x, value, *index: _getitem(g, *index),
    symbol="[ ]=",
    examples=[
        (arr(3, 4), arr(4), 1),
        (arr(3, 4), arr(), slice(None), 1),
        (arr(3, 4), arr(2, 1), np.array([2, 0])),
        (arr(3, 4), arr(5), MASK),
        (arr(3), arr(), 0),
    ],
    writes=True,
)


def parts_of(index: Any) -> tuple[Any, ...]:
    """An index as a tuple, its lists as arrays."""
    return tuple([_part(part) for part in (index if isinstance(index, tuple) else (index,))])


def _part(part: Any) -> Any:
    if isinstance(part, range):
        return np.arange(part.start, part.stop, part.step)
    if isinstance(part, list):
        return np.array(part) if part else np.array(part, np.intp)
    return part


@means(operator="getitem")
def getitem(x: Any, index: Any) -> Any:
    return _getitem(x, *parts_of(index))


@means(operator="setitem")
def setitem(x: Tensor, index: Any, value: Any) -> None:
    """x[index] = value: ``x`` becomes the result of an operation on what it was. No array is
    changed, so whatever used ``x`` before keeps its values, and its gradient."""
    needs = isinstance(value, Tensor) and value.requires_grad
    _refuse_to_write(x, needs)
    parts = parts_of(index)
    if x._needs and not mode.get().records:  # a leaf: an update
        data = x._data.copy()
        data[_plain(parts)] = values_of(value)
        x.data = data
        return
    if not hasattr(value, "shape"):
        value = array_of(value, f"writing into {x.describe()}")
    before = _twin(x)
    value = before if value is x else value  # or x would be computed from itself
    parts, value = _each_place_once(before, parts, value)
    _become(x, _setitem(before, value, *parts))


def _refuse_to_write(x: Tensor, needs: bool) -> None:
    """Whatever would differ from NumPy, or lose a gradient, is an error that says how to go on."""
    who = x.describe()
    if x._needs and x._rule is None and mode.get().records:
        raise RuntimeError(
            f"{who} requires a gradient, so its values cannot be overwritten: write into "
            "copy = t.copy(), or update it under no_grad()."
        )
    if x._needs and x._rule is not None and not mode.get().records:
        raise RuntimeError(
            f"{who} was computed, and writing into it under no_grad() would lose its gradient: "
            "take detach() first, or write outside no_grad()."
        )
    if needs and x.dtype.kind != "f":
        raise TypeError(
            f"{who} has dtype {x.dtype}, so a Tensor that requires a gradient would lose it there:"
            f" make it an array of floats, t.astype(float), before writing."
        )
    if _others_share_memory(x):
        raise RuntimeError(
            f"{who} shares its memory with the tensor it was taken from, which would not see the "
            "change: write x[0, 1] = value instead of x[0][1] = value, or write into a copy(), "
            "as in row = x[0].copy()."
        )


def _others_share_memory(x: Tensor) -> bool:
    """Whether somebody holds what ``x`` was taken from, and would see the change in NumPy."""
    while x.__class__ is View and x._rule is not None:
        if sys.getrefcount(x._inputs[0]) > 2:
            return True
        x = x._inputs[0]
    owner = getattr(x._data, "base", None)
    return owner is not None and sys.getrefcount(owner) > 2


def _twin(x: Tensor) -> Tensor:
    """The present state of ``x``, for the operations that used it and as the input of the next."""
    return _become(become_leaf(object.__new__(Tensor), x._data, x._needs, x.name), x)


STATE = set(Tensor.__slots__) - {"_grad", "_gradient", "name", "__weakref__"}


def _become(x: Tensor, other: Tensor) -> Tensor:
    x.__class__ = other.__class__
    for slot in STATE:
        if hasattr(other, slot):
            setattr(x, slot, getattr(other, slot))
        elif hasattr(x, slot):
            delattr(x, slot)
    return x


def _plain(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple([values_of(part) for part in parts])


def _each_place_once(x: Tensor, parts: tuple[Any, ...], value: Any) -> tuple[tuple[Any, ...], Any]:
    """The index and the value without what another element of the same value overwrites, and
    without axes of size 1 that the value has more than its place."""
    index = _plain(parts)
    surplus = value.ndim and value.ndim - np.ndim(x._data[index])
    if surplus > 0 and set(value.shape[:surplus]) == {1}:
        value = value.reshape(value.shape[surplus:])
    constant = not getattr(value, "requires_grad", False)
    if constant or all(not hasattr(part, "dtype") or part.dtype == bool for part in index):
        return parts, value
    places = np.arange(x.size).reshape(x.shape)[index]  # the place of each element of the value
    last = np.empty(x.size, np.intp)
    last[places.ravel()] = np.arange(places.size)
    last_ones = np.unique(last[places.ravel()])
    if last_ones.size == places.size:
        return parts, value
    spread = np.broadcast_to(value, places.shape).reshape(-1)
    return np.unravel_index(places.ravel()[last_ones], x.shape), spread[last_ones]


# --- by position ----------------------------------------------------------------------------------


def along(axis: int, ndim: int, part: Any) -> tuple[Any, ...]:
    """The index that takes ``part`` of one axis and all of the others."""
    return (slice(None),) * positive_axis(axis, ndim) + (part,)


@means(np.take, method="take")
def take(x: Any, indices: Any, axis: int | None = None, *, mode: str = "raise") -> Any:
    x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
    indices = array_like(indices)
    if indices.dtype.kind == "b" or not indices.size:
        indices = indices.astype(np.intp)
    if mode != "raise":
        n = x.shape[axis]
        indices = indices % n if mode == "wrap" else np.clip(indices, 0, n - 1)
    return getitem(x, along(axis, x.ndim, indices))


@means(np.take_along_axis)
def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    if axis is None:
        return getitem(x.reshape(-1), indices)
    return getitem(x, _places_along(x, indices, axis))


def _places_along(x: Any, indices: Any, axis: int) -> tuple[Any, ...]:
    """The index that takes, along the axis, the places that ``indices`` say."""
    axis = positive_axis(axis, x.ndim)
    if np.ndim(indices) != x.ndim:
        raise ValueError(
            f"the indices along an axis need as many axes as the array, {x.ndim}, but have "
            f"{np.ndim(indices)}."
        )
    shape = tuple([1 if i == axis else n for i, n in enumerate(x.shape)])
    places = np.ix_(*[np.arange(n) for n in shape])
    return (*places[:axis], indices, *places[axis + 1 :])


_argsort = rule("argsort", lambda x, axis: np.argsort(x, axis=axis, kind="stable"))


@means(np.argsort, method="argsort")
def argsort(x: Any, axis: int | None = -1, kind: Any = None, *, stable: Any = None) -> Any:
    return _argsort(x, axis)


@means(np.sort)
def sort(x: Any, axis: int | None = -1, kind: Any = None, *, stable: Any = None) -> Any:
    if axis is None:
        x, axis = x.reshape(-1), 0
    return take_along_axis(x, argsort(x, axis), axis) if x.ndim else +x


@means(np.partition)
def partition(x: Any, kth: Any, axis: int | None = -1) -> Any:
    return take_along_axis(x, np.argpartition(x, kth, axis), axis)


@means(np.compress)
def compress(condition: Any, x: Any, axis: int | None = None) -> Any:
    return take(x, np.flatnonzero(condition), axis)


@means(method="compress")
def compress_method(x: Any, condition: Any, axis: int | None = None) -> Any:
    return compress(condition, x, axis)


@means(np.extract)
def extract(condition: Any, x: Any) -> Any:
    return compress(condition, x)


@means(np.delete)
def delete(x: Any, obj: Any, axis: int | None = None) -> Any:
    n = x.size if axis is None else x.shape[axis]
    return take(x, np.delete(np.arange(n), obj), axis)


@means(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    x, values = array_like(arr), array_like(values)
    own, new = (np.arange(y.size).reshape(y.shape) for y in (x, values))
    places = np.insert(own, obj, x.size + new, axis)  # where NumPy takes each number from
    return np.concatenate([x.reshape(-1), values.reshape(-1).astype(x.dtype)])[places]


# --- each value once ------------------------------------------------------------------------------


def _first(x: Any, equal_nan: bool = False) -> Any:
    """The distinct numbers in ``x``, in order; the gradient goes to the first of those alike."""
    places = np.unique(values_of(x), return_index=True, equal_nan=equal_nan)[1]
    return x.reshape(-1)[places]


@means(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    _, places, inverse, counts = np.unique(
        values_of(ar), True, True, True, axis=axis, equal_nan=equal_nan
    )
    found = take(ar, places, axis)
    asked = zip((places, inverse, counts), (return_index, return_inverse, return_counts))
    others = [answer for answer, wanted in asked if wanted]
    return (found, *others) if others else found


if hasattr(np, "unique_values"):
    means(np.unique_values)(_first)
    for _unique in (np.unique_all, np.unique_counts, np.unique_inverse):

        @means(_unique)
        def unique_and_more(x: Any, numpys: Any = _unique) -> Any:
            return numpys(values_of(x))._replace(values=_first(x))


@means(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Any:
    return unique(np.concatenate([array_like(ar1).reshape(-1), array_like(ar2).reshape(-1)]))


@means(np.intersect1d)
def intersect1d(ar1: Any, ar2: Any) -> Any:
    x, y = unique(array_like(ar1)), array_like(ar2)
    return x[np.isin(values_of(x), values_of(y))].astype(np.result_type(x.dtype, y.dtype))


@means(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any) -> Any:
    x = unique(array_like(ar1))
    return x[~np.isin(values_of(x), values_of(ar2))]


@means(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any) -> Any:
    return union1d(setdiff1d(ar1, ar2), setdiff1d(ar2, ar1))


@means(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """How often each whole number occurs, or the sum of the weights of its occurrences."""
    x = np.asarray(values_of(x))
    if not isinstance(weights, Tensor):
        return np.bincount(x, weights, minlength)
    size = np.bincount(x, minlength=minlength).size
    return scatter(weights.astype(np.float64), (size,), x)


# --- NumPy's other ways of writing: each is x[index] = value --------------------------------------


def _writable(x: Any, name: str) -> Any:
    if not isinstance(x, Tensor):
        raise TypeError(
            f"{name} cannot write a Tensor into an array, the gradient would be lost: write into a "
            "Tensor, such as Tensor(array)."
        )
    return x


def _repeated_to(values: Any, n: int) -> Any:
    """The first ``n`` of ``values``, which start again at their end."""
    values = values if hasattr(values, "reshape") else np.asarray(values)
    return values if values.ndim == 0 else values.reshape(-1)[np.arange(n) % values.size]


def _mask_of(mask: Any, x: Any) -> Any:
    mask = np.asarray(values_of(mask))
    return np.broadcast_to(mask.astype(bool), x.shape)


@means(np.copyto)
def copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    x, src = _writable(dst, "np.copyto"), array_like(src)
    if not np.can_cast(np.result_type(src), x.dtype, casting):
        raise TypeError(f"copyto cannot cast {np.result_type(src)} to {x.dtype} by {casting!r}.")
    x[...] = src if where is True else np.where(where, src, x)


@means(np.put)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    x, ind = (
        _writable(a, "np.put"),
        np.asarray(values_of(ind)).reshape(-1).astype(np.intp),
    )
    if mode == "clip":
        ind = np.clip(ind, 0, x.size - 1)
    elif mode == "wrap":
        ind = ind % x.size
    elif ind.size and not (-x.size <= ind.min() and ind.max() < x.size):
        raise IndexError(f"put: an index is out of range for {x.describe()} of size {x.size}.")
    if ind.size:
        x[np.unravel_index(ind % x.size, x.shape)] = _repeated_to(v, ind.size)


@means(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    x, mask = _writable(arr, "np.place"), _mask_of(mask, arr)
    x[mask] = _repeated_to(vals, int(mask.sum()))


@means(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    x, mask = _writable(a, "np.putmask"), _mask_of(mask, a)
    every = _repeated_to(values, x.size)
    x[mask] = every.reshape(x.shape)[mask] if every.ndim else every


@means(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None) -> None:
    x = _writable(arr, "np.put_along_axis")
    if axis is None:
        put(x, indices, values)
    else:
        x[_places_along(x, indices, axis)] = values


@means(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    x = _writable(a, "np.fill_diagonal")
    if x.ndim < 2 or (x.ndim > 2 and len(set(x.shape)) > 1):
        raise ValueError(f"fill_diagonal needs a matrix or a cube, but the shape is {x.shape}.")
    places = np.zeros(x.shape, np.int8)
    np.fill_diagonal(places, 1, wrap)
    index = np.nonzero(places)
    x[index] = _repeated_to(val, index[0].size)


@means(method="put")
def put_method(x: Any, indices: Any, values: Any, mode: str = "raise") -> None:
    put(x, indices, values, mode)


def written_at(x: Any, indices: Any, name: str) -> tuple[tuple[Any, ...], Any, Any]:
    """The index as a tuple, the places in ``x`` that it names, and of each how often it was named
    before."""
    parts = parts_of(indices)
    places = np.arange(_writable(x, name).size).reshape(x.shape)[_plain(parts)]
    order = np.argsort(places, axis=None, kind="stable")
    named = places.ravel()[order]
    turn = np.empty(named.size, np.intp)
    turn[order] = np.arange(named.size) - np.searchsorted(named, named)
    return parts, places, turn


@means(method="fill")
def fill(x: Any, value: Any) -> None:
    x[...] = value


@means(method="sort")
def sort_method(x: Any, axis: int = -1, kind: Any = None, *, stable: Any = None) -> None:
    """As in NumPy, the tensor itself is sorted; np.sort gives a sorted copy."""
    x[...] = sort(x, axis)


@means(method="partition")
def partition_method(x: Any, kth: Any, axis: int = -1) -> None:
    x[...] = partition(x, kth, axis)
