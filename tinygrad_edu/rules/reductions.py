"""Many numbers into few: each of the many gets its share of the gradient."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np

from tinygrad_edu.recording import rule
from tinygrad_edu.rules.arithmetic import over
from tinygrad_edu.rules.indexing import along
from tinygrad_edu.rules.shapes import broadcast_to, flip, moveaxis, ravel
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


@means((np.add, "reduce"))
def add_reduce(x: Any, axis: Any = 0, keepdims: bool = False) -> Any:
    return sum(x, axis, keepdims)


@means(np.cumsum, method="cumsum")
def cumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    x = x if dtype is None else x.astype(dtype)
    return _cumsum(ravel(x), 0) if axis is None else _cumsum(x, axis)


@means((np.add, "accumulate"))
def add_accumulate(x: Any, axis: int = 0) -> Any:
    return _cumsum(x, axis)


@means(np.nansum)
def nansum(x: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
    return sum(np.where(np.isnan(x), 0, x), axis, keepdims, **options)


@means(np.nanmean)
def nanmean(
    x: Any, axis: Any = None, keepdims: bool = False, *, dtype: Any = None, where: Any = True
) -> Any:
    return mean(x, axis, keepdims, dtype=dtype, where=_known(x, where))


def _known(x: Any, where: Any) -> Any:
    """Where ``x`` has a number, of the places that count."""
    there = ~np.isnan(x)
    return there if where is True else there & array_like(where)


@means(np.nancumsum)
def nancumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    return cumsum(np.where(np.isnan(x), 0, x), axis, dtype)


@means(np.average)
def average(
    x: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    if weights is None:
        result = mean(x, axis, keepdims)
        scale = np.full(result.shape, count(x, axis), result.dtype)
    else:
        weights = array_like(weights)
        if weights.shape != x.shape and axis is None:
            raise TypeError(
                f"average needs axis= where the weights, of shape {weights.shape}, have not the shape "
                f"of the numbers, {x.shape}."
            )
        if weights.shape != x.shape:  # one weight for each place along the axis
            axes = positive_axes(axis, x.ndim)
            weights = weights.reshape([x.shape[i] if i in axes else 1 for i in range(x.ndim)])
        scale = np.sum(broadcast_to(weights, x.shape), axis=axis, keepdims=keepdims)
        result = sum(x * weights, axis, keepdims) / scale
    return (result, scale) if returned else result


@means(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y = array_like(y)
    if x is not None:
        x = array_like(x)
        dx = np.diff(x, axis=-1 if x.ndim == 1 else axis)
        if x.ndim == 1:
            dx = dx.reshape([-1 if i == positive_axis(axis, y.ndim) else 1 for i in range(y.ndim)])
    later, earlier = (y[along(axis, y.ndim, part)] for part in (slice(1, None), slice(None, -1)))
    return sum(dx * (later + earlier) / 2.0, axis)


average_of = mean  # where mean is the name of an argument

# --- how far numbers spread -----------------------------------------------------------------------

norm_rule = rule(  # sqrt of the sum of squares, whose gradient at the zero vector is 0
    "norm",
    lambda x, axis, keepdims: np.sqrt((x * x).sum(axis=axis, keepdims=keepdims)),
    lambda g, out, x, axis, keepdims: x * kept(over(g, out), x, axis, keepdims),
    symbol="‖·‖",
    examples=OVER_AXES,
)


def _deviations(
    x: Any,
    axis: Any,
    ddof: float,
    keepdims: bool,
    *,
    dtype: Any = None,
    where: Any = True,
    mean: Any = None,
    correction: float | None = None,
) -> tuple[Any, Any]:
    """The deviations from the mean, and how many of them are free."""
    x = x if dtype is None else x.astype(dtype)
    centred = x - (average_of(x, axis, True, where=where) if mean is None else mean)
    ddof = ddof if correction is None else correction
    if where is True:
        left = count(x, axis) - ddof
        return centred, left if left > 0 else 0
    many = np.sum(np.broadcast_to(where, x.shape), axis=axis, keepdims=keepdims)
    left = np.where(many > ddof, many - ddof, 0).astype(centred.dtype)
    return np.where(where, centred, 0), left


@means(np.var, method="var")
def var(x: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False, **options: Any) -> Any:
    """np.var; ``ddof`` may be called ``correction`` too."""
    centred, left = _deviations(x, axis, ddof, keepdims, **options)
    return sum(centred * centred, axis, keepdims) / left


@means(np.std, method="std")
def std(x: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False, **options: Any) -> Any:
    """np.std; its gradient is 0 where all numbers are equal."""
    centred, left = _deviations(x, axis, ddof, keepdims, **options)
    return norm_rule(centred, axis, true_or_false(keepdims)) / left**0.5


@means(np.nanvar)
def nanvar(
    x: Any,
    axis: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    **options: Any,
) -> Any:
    return _few(var(x, axis, ddof, keepdims, where=_known(x, where), **options))


@means(np.nanstd)
def nanstd(
    x: Any,
    axis: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    **options: Any,
) -> Any:
    return _few(std(x, axis, ddof, keepdims, where=_known(x, where), **options))


def _few(spread: Any) -> Any:
    """nan where there are too few numbers to speak of a spread."""
    return np.where(np.isfinite(spread), spread, np.nan)


@means(np.ptp)
def ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return max(x, axis, keepdims) - min(x, axis, keepdims)


@means(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    m = np.atleast_2d(m).astype(dtype or np.float64)
    if m.ndim > 2:
        raise ValueError(f"cov takes a vector or a matrix, but the shape is {m.shape}.")
    m = m if rowvar or m.shape[0] == 1 else m.T
    if y is not None:
        y = np.atleast_2d(y)
        m = np.concatenate([m, y if rowvar or y.shape[0] == 1 else y.T]).astype(m.dtype)
    ddof = 1 - bias if ddof is None else ddof
    if fweights is None and aweights is None:
        centred = m - mean(m, 1, True)
        return np.squeeze(centred @ centred.T / (m.shape[1] - ddof))
    often, weights = (1 if w is None else array_like(w) for w in (fweights, aweights))
    each = often * weights
    total = sum(each)
    centred = m - sum(m * each, 1, True) / total
    left = total - ddof * (sum(each * weights) / total if aweights is not None else 1)
    return np.squeeze(centred * each @ centred.T / left)


@means(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    spread = np.sqrt(np.diag(c))
    return np.clip(c / spread[:, None] / spread[None, :], -1, 1)


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


@means((np.multiply, "reduce"))
def multiply_reduce(x: Any, axis: Any = 0, keepdims: bool = False) -> Any:
    return prod(x, axis, keepdims)


@means(np.cumprod, method="cumprod")
def cumprod(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    x = x if dtype is None else x.astype(dtype)
    return _cumprod(ravel(x), 0) if axis is None else _cumprod(x, axis)


@means(np.nanprod)
def nanprod(x: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
    return prod(np.where(np.isnan(x), 1, x), axis, keepdims, **options)


@means(np.nancumprod)
def nancumprod(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    return cumprod(np.where(np.isnan(x), 1, x), axis, dtype)


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


@means((np.multiply, "accumulate"))
def multiply_accumulate(x: Any, axis: int = 0) -> Any:
    return _cumprod(x, axis)


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


@means(np.max, np.amax, method="max")
def max(x: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
    if options:
        return _with_initial(max, np.maximum, x, axis, keepdims, **options)
    return _max(x, axis, true_or_false(keepdims))


@means(np.min, np.amin, method="min")
def min(x: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
    if options:
        return _with_initial(min, np.minimum, x, axis, keepdims, **options)
    return _min(x, axis, true_or_false(keepdims))


def _with_initial(
    most: Any,
    of_two: Any,
    x: Any,
    axis: Any,
    keepdims: bool,
    *,
    where: Any = True,
    initial: Any = None,
) -> Any:
    if initial is None:
        if where is True:
            return most(x, axis, keepdims)
        raise ValueError("max and min with where= need initial=, for where nothing counts.")
    return of_two(most(chosen(x, initial, where=where), axis, keepdims), x.dtype.type(initial))


@means((np.maximum, "reduce"))
def maximum_reduce(x: Any, axis: Any = 0, keepdims: bool = False) -> Any:
    return max(x, axis, keepdims)


@means((np.minimum, "reduce"))
def minimum_reduce(x: Any, axis: Any = 0, keepdims: bool = False) -> Any:
    return min(x, axis, keepdims)


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


# --- in the order of size -------------------------------------------------------------------------


@means(np.quantile)
def quantile(
    x: Any, q: Any, axis: Any = None, keepdims: bool = False, *, method: str = "linear"
) -> Any:
    return _quantile(x, q, axis, keepdims, method, False)


@means(np.nanquantile)
def nanquantile(
    x: Any, q: Any, axis: Any = None, keepdims: bool = False, *, method: str = "linear"
) -> Any:
    return _quantile(x, q, axis, keepdims, method, True)


@means(np.percentile)
def percentile(
    x: Any, q: Any, axis: Any = None, keepdims: bool = False, *, method: str = "linear"
) -> Any:
    return _quantile(x, np.divide(q, 100) if np.ndim(q) else q / 100, axis, keepdims, method, False)


@means(np.nanpercentile)
def nanpercentile(
    x: Any, q: Any, axis: Any = None, keepdims: bool = False, *, method: str = "linear"
) -> Any:
    return _quantile(x, np.divide(q, 100) if np.ndim(q) else q / 100, axis, keepdims, method, True)


@means(np.median)
def median(
    x: Any, axis: Any = None, keepdims: bool = False, *, overwrite_input: bool = False
) -> Any:
    return _quantile(x, 0.5, axis, keepdims, "linear", False)


@means(np.nanmedian)
def nanmedian(
    x: Any, axis: Any = None, keepdims: bool = False, *, overwrite_input: bool = False
) -> Any:
    return _quantile(x, 0.5, axis, keepdims, "linear", True)


def _quantile(x: Any, q: Any, axis: Any, keepdims: bool, method: Any, ignore_nan: bool) -> Any:
    """Sort, and go between two neighbours: the quantile of 0, 1, 2, ... says where."""
    x, q = floating(array_like(x)), q if isinstance(q, float | int) else np.asarray(q)
    axes = tuple(range(x.ndim)) if axis is None else positive_axes(axis, x.ndim)
    n = count(x, axes)
    rest = tuple([m for i, m in enumerate(x.shape) if i not in axes])
    ordered = np.sort(moveaxis(x, axes, range(-len(axes), 0)).reshape(-1, n) if n else x)
    missing = np.isnan(ordered._data if isinstance(ordered, Tensor) else ordered)
    known = n - missing.sum(axis=-1)  # those that are nan come last
    sizes, which = np.unique(known if ignore_nan else np.full(known.shape, n), return_inverse=True)
    at = [
        np.quantile(np.arange(float(m)), q, method=method) if m else np.zeros_like(q) for m in sizes
    ]
    place = np.moveaxis(np.reshape(at, (sizes.size, *np.shape(q)))[which], 0, -1)
    low = np.floor(place).astype(np.intp)
    part = (place - low).astype(np.result_type(x.dtype, q))
    row = np.arange(len(known))
    least = ordered[row, low]
    result = least + (ordered[row, np.where(part > 0, low + 1, low)] - least) * part
    result = np.where(known == 0 if ignore_nan else known < n, np.nan, result)
    kept_shape = tuple([1 if i in axes else m for i, m in enumerate(x.shape)])
    return result.reshape(np.shape(q) + (kept_shape if keepdims else rest))


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

_argmax = rule("argmax", lambda x, axis, keepdims: np.argmax(x, axis=axis, keepdims=keepdims))
_argmin = rule("argmin", lambda x, axis, keepdims: np.argmin(x, axis=axis, keepdims=keepdims))
_any = rule("any", lambda x, axis, keepdims: np.any(x, axis=axis, keepdims=keepdims))
_all = rule("all", lambda x, axis, keepdims: np.all(x, axis=axis, keepdims=keepdims))


@means(np.argmax, method="argmax")
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    return _argmax(x, axis, true_or_false(keepdims))


@means(np.argmin, method="argmin")
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    return _argmin(x, axis, true_or_false(keepdims))


@means(np.any, method="any")
def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _any(x, axis, true_or_false(keepdims))


@means(np.all, method="all")
def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _all(x, axis, true_or_false(keepdims))


@means(np.count_nonzero)
def count_nonzero(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return sum(x != 0, axis, keepdims)
