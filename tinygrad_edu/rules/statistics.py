"""Averages, how far numbers spread, and those in the order of size."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from tinygrad_edu.rules.reductions import floating, max, mean, min, norm_rule, sum
from tinygrad_edu.rules.shapes import broadcast_to, moveaxis
from tinygrad_edu.rules.support import (
    array_like,
    count,
    means,
    positive_axes,
    true_or_false,
    values_of,
)

average_of = mean  # where mean is the name of an argument


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
            if weights.shape != tuple([x.shape[i] for i in axes]):
                raise ValueError(
                    f"average over axis={axis} of shape {x.shape} needs a weight for each place, but "
                    f"the weights have shape {weights.shape}."
                )
            weights = weights.transpose([axes.index(i) for i in sorted(axes)])
            weights = weights.reshape([x.shape[i] if i in axes else 1 for i in range(x.ndim)])
        scale = np.sum(broadcast_to(weights, x.shape), axis=axis, keepdims=keepdims)
        result = sum(x * weights, axis, keepdims) / scale
    return (result, scale) if returned else result


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
    left = np.where(many > ddof, many - ddof, np.nan).astype(centred.dtype)
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
    m = array_like(m)
    if m.ndim > 2:
        raise ValueError(f"cov takes a vector or a matrix, but the shape is {m.shape}.")
    columns = m.ndim == 2 and not rowvar
    m = np.atleast_2d(m).astype(dtype or np.float64)
    m = m.T if columns else m
    if y is not None:
        y = np.atleast_2d(y)
        m = np.concatenate([m, y if rowvar or y.shape[0] == 1 else y.T]).astype(m.dtype)
    ddof = 1 - bias if ddof is None else ddof
    if fweights is None and aweights is None:
        centred = m - mean(m, 1, True)
        left = m.shape[1] - ddof
        return np.squeeze(centred @ centred.T / (left if left > 0 else 0))
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


def _of_known(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f`` of the numbers that are not nan."""

    @wraps(f)
    def known(x: Any, *args: Any, where: Any = True, **options: Any) -> Any:
        there = ~np.isnan(x)
        return f(x, *args, where=there if where is True else there & array_like(where), **options)

    return known


means(np.nanmean)(_of_known(mean))
means(np.nanvar)(_of_known(var))
means(np.nanstd)(_of_known(std))

# --- in the order of size -------------------------------------------------------------------------


def _quantiles(whole: int, ignore_nan: bool) -> Callable[..., Any]:
    def quantiles(
        x: Any, q: Any, axis: Any = None, keepdims: bool = False, *, method: str = "linear"
    ) -> Any:
        q = q / whole if isinstance(q, float | int) else np.asarray(q) / whole
        return _quantile(x, q, axis, keepdims, method, ignore_nan)

    return quantiles


def _median(ignore_nan: bool) -> Callable[..., Any]:
    def median(
        x: Any, axis: Any = None, keepdims: bool = False, *, overwrite_input: bool = False
    ) -> Any:
        return _quantile(x, 0.5, axis, keepdims, "linear", ignore_nan)

    return median


means(np.quantile)(_quantiles(1, ignore_nan=False))
means(np.nanquantile)(_quantiles(1, ignore_nan=True))
means(np.percentile)(_quantiles(100, ignore_nan=False))
means(np.nanpercentile)(_quantiles(100, ignore_nan=True))
means(np.median)(_median(ignore_nan=False))
means(np.nanmedian)(_median(ignore_nan=True))


def _quantile(x: Any, q: Any, axis: Any, keepdims: bool, method: Any, ignore_nan: bool) -> Any:
    """Sort, and go between two neighbours: the quantile of 0, 1, 2, ... says where."""
    x = floating(array_like(x))
    axes = tuple(range(x.ndim)) if axis is None else positive_axes(axis, x.ndim)
    n = count(x, axes)
    rest = [1 if i in axes else m for i, m in enumerate(x.shape) if keepdims or i not in axes]
    shape = (*np.shape(q), *rest)
    if not n:
        return np.full_like(x, np.nan, shape=shape)
    ordered = np.sort(moveaxis(x, axes, range(-len(axes), 0)).reshape(-1, n))
    missing = np.isnan(values_of(ordered))
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
    most = ordered[row, np.where(part > 0, low + 1, low)]
    result = least + np.where(np.isinf(least) & (most == least), 0, most - least) * part
    result = np.where(known == 0 if ignore_nan else known < n, np.nan, result)
    return result.reshape(shape)
