"""Many numbers into few: each of the many gets its share of the gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from math import inf
from typing import Any

import numpy as np

from tinygrad_edu.recording import rule
from tinygrad_edu.rules.arithmetic import over
from tinygrad_edu.rules.shapes import broadcast_to, flip, ravel
from tinygrad_edu.rules.support import (
    arr,
    array_like,
    count,
    kept,
    means,
    positive_axes,
    positive_axis,
    true_or_false,
)
from tinygrad_edu.tensor import Tensor

OVER_AXES = [
    (arr(3, 4), None, False),
    (arr(3, 4), 0, False),
    (arr(3, 4), -1, True),
    (arr(2, 3, 4), (0, -1), False),
    (arr(2, 3, 4), (1, 2), True),
    (arr(), None, False),
]
EMPTY = [(arr(0, 3), 0, False), (arr(0, 3), None, True), (arr(2, 0), 1, True)]
ALONG_AXIS = [(arr(4), 0), (arr(3, 4), 1), (arr(2, 3, 2), 1), (arr(3, 0), 1)]

# --- sums -----------------------------------------------------------------------------------------


def _mean_of(x: Any, axis: Any, keepdims: bool) -> Any:
    if x.dtype == np.float16:  # which a sum leaves soon; NumPy adds in float32
        return np.mean(x, axis=axis, keepdims=keepdims)
    return x.sum(axis=axis, keepdims=keepdims) / count(x, axis)


_sum = rule(
    "sum",
    lambda x, axis, keepdims: x.sum(axis=axis, keepdims=keepdims),
    lambda g, out, x, axis, keepdims: broadcast_to(kept(g, x, axis, keepdims), x.shape),
    symbol="Σ",
    examples=OVER_AXES + EMPTY,
)
_mean = rule(
    "mean",
    _mean_of,
    lambda g, out, x, axis, keepdims: broadcast_to(
        kept(g, x, axis, keepdims) / count(x, axis), x.shape
    ),
    formula=lambda x, axis, keepdims: (
        np.sum(x) / x.size  # the textbook's 1/m, where all but one axis have length 1
        if axis is None and not keepdims and x.size in x.shape
        else np.mean(x, axis=axis, keepdims=keepdims)
    ),
    examples=OVER_AXES,
)
_cumsum = rule(
    "cumsum",
    lambda x, axis: x.cumsum(axis=axis),
    lambda g, out, x, axis: flip(np.cumsum(flip(g, axis), axis=axis), axis),
    examples=ALONG_AXIS,
)


def chosen(
    x: Any, neutral: Any, *, dtype: Any = None, where: Any = None, initial: Any = None
) -> Any:
    """``x`` as a reduction's options want it: in a dtype, ``neutral`` where it does not count."""
    x = array_like(x)
    if dtype is not None:
        x = x.astype(dtype)
    return x if where is None or where is True else np.where(where, x, x.dtype.type(neutral))


def floating(x: Any) -> Any:
    """``x``; whole numbers as float64."""
    return x if x.dtype.kind == "f" else x.astype(np.float64)


@means(np.sum, method="sum")
def sum(x: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
    if options:
        total = sum(chosen(x, 0, **options), axis, keepdims)
        return total if options.get("initial") is None else total + options["initial"]
    return _sum(array_like(x), axis, true_or_false(keepdims))


@means(np.mean, method="mean")
def mean(
    x: Any, axis: Any = None, keepdims: bool = False, *, dtype: Any = None, where: Any = True
) -> Any:
    if dtype is not None:
        x = x.astype(dtype)
    if where is not True:
        x = floating(x)
        mask = where if isinstance(where, Tensor) else np.asarray(where, bool)
        many = np.sum(np.broadcast_to(mask, x.shape), axis=axis, keepdims=keepdims)
        return sum(x, axis, keepdims, where=mask) / many.astype(x.dtype)
    return _mean(x, axis, true_or_false(keepdims))


@means(np.cumsum, method="cumsum")
def cumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    x = x if dtype is None else x.astype(dtype)
    return _cumsum(ravel(x), 0) if axis is None else _cumsum(x, axis)


norm_rule = rule(  # sqrt of the sum of squares, whose gradient at the zero vector is 0
    "norm",
    lambda x, axis, keepdims: np.sqrt((x * x).sum(axis=axis, keepdims=keepdims)),
    lambda g, out, x, axis, keepdims: x * kept(over(g, out), x, axis, keepdims),
    symbol="‖·‖",
    examples=OVER_AXES,
)

# --- products: right with zeros, as no product is found by dividing -------------------------------

_cumprod = rule(
    "cumprod",
    lambda x, axis: x.cumprod(axis=axis),
    lambda g, out, x, axis: before(x, axis) * recurrence(shifted(x, axis, True), g, axis, True),
    symbol="Π",
    examples=[*ALONG_AXIS, (arr(5, kind="zeros"), 0)],
)
_prod = rule(
    "prod",
    lambda x, axis, keepdims: x.prod(axis=axis, keepdims=keepdims),
    lambda g, out, x, axis, keepdims: (
        kept(g, x, axis, keepdims) * before(x, axis) * flip(before(flip(x, axis), axis), axis)
    ),
    symbol="Π",
    examples=[
        (arr(4), 0, False),
        (arr(3, 4), -1, True),
        (arr(3, 4), 0, False),
        (arr(5, kind="zeros"), 0, False),
        (arr(0, 3), 0, False),
    ],
)


def _recurrence(a: Any, b: Any, axis: int, backwards: bool) -> Any:
    turn = slice(None, None, -1 if backwards else 1)
    a, y = (np.array(np.moveaxis(x, axis, 0)[turn]) for x in (a, b))
    step = 1
    while step < len(y):  # what comes from 1, 3, 7, ... places before; a is the factor from there
        y[step:] += a[step:] * y[:-step]
        a[step:] *= a[:-step].copy()
        step *= 2
    return np.moveaxis(y[turn], 0, axis)


# y[k] = b[k] + a[k] y[k - 1] along the axis; backwards, y[k] = b[k] + a[k] y[k + 1]
recurrence: Callable[..., Any] = rule(
    "recurrence",
    _recurrence,
    lambda g, out, a, b, axis, backwards: (
        recurrence(shifted(a, axis, not backwards), g, axis, not backwards)
        * shifted(out, axis, backwards)
    ),
    lambda g, out, a, b, axis, backwards: recurrence(
        shifted(a, axis, not backwards), g, axis, not backwards
    ),
    examples=[
        (arr(4), arr(4), 0, False),
        (arr(2, 3), arr(2, 3), 1, True),
        (arr(2, 0), arr(2, 0), 1, True),
    ],
)


def shifted(x: Any, axis: int, backwards: bool, fill: float = 0) -> Any:
    """``x`` moved by one place along the axis, and ``fill`` where it came from: x[k - 1] at k."""
    if not x.shape[axis]:
        return x
    lead = (slice(None),) * positive_axis(axis, x.ndim)
    end = np.full_like(x[(*lead, slice(0, 1))], fill)
    if backwards:
        return np.concatenate([x[(*lead, slice(1, None))], end], axis=axis)
    return np.concatenate([end, x[(*lead, slice(0, -1))]], axis=axis)


def before(x: Any, axis: int) -> Any:
    """At each place along the axis the product of all that come before it."""
    return np.cumprod(shifted(x, axis, False, 1), axis=axis)


@means(np.prod, method="prod")
def prod(x: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
    if options:
        product = prod(chosen(x, 1, **options), axis, keepdims)
        return product if options.get("initial") is None else product * options["initial"]
    x = array_like(x)
    if axis is None:
        result = _prod(ravel(x), 0, False)
        return result.reshape((1,) * x.ndim) if true_or_false(keepdims) else result
    axes = () if not x.ndim and axis in (0, -1) else positive_axes(axis, x.ndim)  # as NumPy has it
    for i in sorted(axes, reverse=True):  # so that the others stay in place
        x = _prod(x, i, true_or_false(keepdims))
    return x if axes else +x


@means(np.cumprod, method="cumprod")
def cumprod(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    x = x if dtype is None else x.astype(dtype)
    return _cumprod(ravel(x), 0) if axis is None else _cumprod(x, axis)


def _cumulative(running: Any, first: float) -> Callable[..., Any]:
    def cumulative(
        x: Any, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
    ) -> Any:
        if axis is None:
            if x.ndim > 1:
                raise ValueError(
                    f"axis= may be left out for a vector only, but the shape is {x.shape}."
                )
            x, axis = ravel(x), 0
        result = running(x, axis, dtype)
        if not include_initial:
            return result
        shape = [1 if i == positive_axis(axis, x.ndim) else n for i, n in enumerate(x.shape)]
        return np.concatenate([np.full(shape, first, result.dtype), result], axis=axis)

    return cumulative


if hasattr(np, "cumulative_sum"):
    means(np.cumulative_sum)(_cumulative(cumsum, 0))
    means(np.cumulative_prod)(_cumulative(cumprod, 1))


# --- the greatest and the least: those that tie share the gradient --------------------------------


def shared(g: Any, out: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """``g`` divided evenly among the elements of ``x`` that equal ``out``."""
    ties = x == kept(out, x, axis, keepdims)
    return kept(g, x, axis, keepdims) * ties / ties.sum(axis=axis, keepdims=True)


_max = rule(
    "max",
    lambda x, axis, keepdims: x.max(axis=axis, keepdims=keepdims),
    lambda g, out, x, axis, keepdims: shared(g, out, x, axis, keepdims),
    examples=OVER_AXES,
)
_min = rule(
    "min",
    lambda x, axis, keepdims: x.min(axis=axis, keepdims=keepdims),
    lambda g, out, x, axis, keepdims: shared(g, out, x, axis, keepdims),
    examples=OVER_AXES,
)


def _most(entry: Callable[..., Any], of_two: np.ufunc) -> Callable[..., Any]:
    def most(
        x: Any, axis: Any = None, keepdims: bool = False, *, where: Any = True, initial: Any = None
    ) -> Any:
        if initial is None:
            if where is True:
                return entry(x, axis, true_or_false(keepdims))
            raise ValueError("max and min with where= need initial=, for where nothing counts.")
        found = entry(chosen(x, initial, where=where), axis, true_or_false(keepdims))
        return of_two(found, x.dtype.type(initial))

    most.__name__ = most.__qualname__ = entry.__name__
    return most


max = means(np.max, np.amax, method="max")(_most(_max, np.maximum))
min = means(np.min, np.amin, method="min")(_most(_min, np.minimum))


@means(np.nanmax)
def nanmax(x: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
    return _of_known(max, -inf, x, axis, keepdims, **options)


@means(np.nanmin)
def nanmin(x: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
    return _of_known(min, inf, x, axis, keepdims, **options)


def _of_known(most: Any, least: float, x: Any, axis: Any, keepdims: bool, **options: Any) -> Any:
    """The greatest or the least of the numbers, nan where there are none."""
    missing = np.isnan(x)
    result = most(np.where(missing, least, x), axis, keepdims, **options)
    if options.get("initial") is not None:
        return result
    return np.where(np.all(missing, axis=axis, keepdims=keepdims), np.nan, result)


# --- the soft ones --------------------------------------------------------------------------------


def _logsumexp(x: Any, axis: Any, keepdims: bool) -> Any:
    top = x.max(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    out = np.log(np.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return out if keepdims else out.squeeze(axis)


def _softmax(x: Any, axis: Any) -> Any:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


_logsumexp_rule = rule(
    "logsumexp",
    _logsumexp,
    lambda g, out, x, axis, keepdims: (
        kept(g, x, axis, keepdims) * np.exp(x - kept(out, x, axis, keepdims))
    ),
    examples=OVER_AXES,
)
softmax_rule = rule(
    "softmax",
    _softmax,
    lambda g, out, x, axis: out * (g - (g * out).sum(axis=axis, keepdims=True)),
    examples=[(arr(3, 4), 0), (arr(3, 4), -1), (arr(2, 3), (0, 1)), (arr(2, 3), None)],
)
log_softmax_rule = rule(
    "log_softmax",
    lambda x, axis: x - _logsumexp(x, axis, True),
    lambda g, out, x, axis: g - np.exp(out) * g.sum(axis=axis, keepdims=True),
    examples=[(arr(3, 4), 0), (arr(3, 4), -1), (arr(2, 3), (0, 1)), (arr(2, 3), None)],
)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) without overflow.

    >>> logsumexp(np.array([1000.0, 1000.0])).round(6)
    np.float64(1000.693147)
    """
    return _logsumexp_rule(x, axis, true_or_false(keepdims))


def softmax(x: Any, axis: Any) -> Any:
    """exp(x) / sum(exp(x)) along ``axis``: the probabilities of the classes, which sum to 1.

    >>> softmax(np.array([[0.0, 0.0], [0.0, 0.0]]), axis=0)
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    return softmax_rule(x, axis)


def log_softmax(x: Any, axis: Any) -> Any:
    """log(softmax(x, axis)), right where softmax is 0 in floating point.

    >>> log_softmax(np.array([0.0, 1000.0]), axis=0)
    array([-1000.,     0.])
    """
    return log_softmax_rule(x, axis)


means((np.logaddexp, "reduce"))(
    lambda x, axis=0, keepdims=False: logsumexp(floating(x), axis, keepdims)  # as NumPy has it
)

# --- constants: which one, how many, whether ------------------------------------------------------


def _answer(name: str) -> Callable[..., Any]:
    numpys = getattr(np, name)
    entry = rule(name, lambda x, axis, keepdims: numpys(x, axis=axis, keepdims=keepdims))

    @means(numpys, method=name)
    def answer(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return entry(x, axis, true_or_false(keepdims))

    return answer


argmax, argmin, any, all = (_answer(name) for name in ("argmax", "argmin", "any", "all"))


@means(np.count_nonzero)
def count_nonzero(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return sum(x != 0, axis, keepdims)


# --- ufuncs' ways of writing them, and what does not count nan -------------------------------------


def _from_first(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f`` along the first axis, where no other is given."""
    return lambda x, axis=0, **options: f(x, axis, **options)


def _without_nan(f: Callable[..., Any], neutral: float) -> Callable[..., Any]:
    @wraps(f)
    def known(x: Any, *args: Any, **options: Any) -> Any:
        return f(np.where(np.isnan(x), neutral, x), *args, **options)

    return known


for _ufunc, _f in ((np.add, sum), (np.multiply, prod), (np.maximum, max), (np.minimum, min)):
    means((_ufunc, "reduce"))(_from_first(_f))
for _ufunc, _f in ((np.add, cumsum), (np.multiply, cumprod)):
    means((_ufunc, "accumulate"))(_from_first(_f))
for _function, _f, _neutral in (
    (np.nansum, sum, 0),
    (np.nancumsum, cumsum, 0),
    (np.nanprod, prod, 1),
    (np.nancumprod, cumprod, 1),
):
    means(_function)(_without_nan(_f, _neutral))
