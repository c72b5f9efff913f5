"""Functions of one variable: at equal steps, given at points, as polynomials; and sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.rules.indexing import along, getitem
from tinygrad_edu.rules.reductions import sum
from tinygrad_edu.rules.shapes import astype, broadcast_to, concatenate, moveaxis
from tinygrad_edu.rules.support import array_like, means, positive_axes, positive_axis

# --- at equal steps -------------------------------------------------------------------------------


@means(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    start, stop = (
        x if hasattr(x, "ndim") or np.isscalar(x) else np.asarray(x) for x in (start, stop)
    )
    kind = np.result_type(start, stop, float(num))
    start, stop = (x if hasattr(x, "ndim") else np.asarray(x, kind) for x in (start, stop))
    span = stop - start
    parts = np.linspace(0, 1, num, endpoint, dtype=kind).reshape(-1, *[1] * span.ndim)
    result = moveaxis(start + span * parts, 0, axis)
    if dtype is not None:
        result = result.astype(dtype)
    return (result, span / (num - bool(endpoint))) if retstep else result


@means(np.logspace)
def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    result = np.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return result if dtype is None else result.astype(dtype)


@means(np.geomspace)
def geomspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    start, stop = array_like(start), array_like(stop)
    if np.any(np.sign(start) * np.sign(stop) <= 0):
        raise ValueError(
            "geomspace goes by factors: give it a start and a stop of one sign, not 0."
        )
    steps = linspace(0.0 * start, np.log(stop / start), num, endpoint, axis=axis)
    result = np.expand_dims(start, axis) * np.exp(steps)
    return result if dtype is None else result.astype(dtype)


# --- given at points ------------------------------------------------------------------------------


@means(np.interp)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    if period is not None:
        raise TypeError("np.interp with period= is not supported on Tensors: use x % period.")
    x, xp, fp = array_like(x), array_like(xp), array_like(fp)
    if xp.shape != fp.shape or xp.ndim != 1 or not xp.size:
        raise ValueError(
            f"interp needs as many values fp as places xp, but the shapes are {fp.shape} and {xp.shape}."
        )
    fp = fp if fp.dtype.kind == "f" else fp.astype(np.float64)
    left, right = (fp[0] if left is None else left), (fp[-1] if right is None else right)
    y = broadcast_to(fp[0], x.shape)
    if xp.size > 1:
        i = np.clip(np.searchsorted(xp, x, side="right") - 1, 0, xp.size - 2)
        y = fp[i] + (x - xp[i]) * ((fp[i + 1] - fp[i]) / (xp[i + 1] - xp[i]))
    return np.where(x < xp[0], left, np.where(x > xp[-1], right, y))


@means(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """np.gradient: the slope of ``f`` between its points, a number for each of them."""
    axes = tuple(range(f.ndim)) if axis is None else positive_axes(axis, f.ndim)
    steps = list(varargs) or [1.0]
    if len(steps) == 1 and not np.ndim(steps[0]):
        steps = steps * len(axes)
    if len(steps) != len(axes):
        raise TypeError(
            f"gradient takes one spacing, or one for each of the {len(axes)} axes, but got "
            f"{len(varargs)}."
        )
    slopes = [_slope(f, i, step, edge_order) for i, step in zip(axes, steps)]
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def _slope(f: Any, axis: int, step: Any, edge_order: int) -> Any:
    if f.shape[axis] < edge_order + 1:
        raise ValueError(
            f"gradient needs at least {edge_order + 1} points along axis {axis}, but the shape is "
            f"{f.shape}."
        )
    f = moveaxis(f if f.dtype.kind == "f" else astype(f, np.float64), axis, -1)
    n = f.shape[-1]
    if np.ndim(step):
        step = np.diff(step if hasattr(step, "ndim") else np.asarray(step))
        if step.shape != (n - 1,):
            raise ValueError(
                f"gradient needs {n} coordinates along axis {axis}, but got {step.shape[0] + 1}."
            )
    else:
        step = np.full(n - 1, step, f.dtype) if not hasattr(step, "ndim") else step * np.ones(n - 1)
    secant = (f[..., 1:] - f[..., :-1]) / step
    before, after = step[:-1], step[1:]
    inside = (secant[..., :-1] * after + secant[..., 1:] * before) / (before + after)
    first, last = secant[..., :1], secant[..., -1:]
    if edge_order == 2:
        bend = (secant[..., 1:] - secant[..., :-1]) / (before + after)
        first, last = first - bend[..., :1] * step[:1], last + bend[..., -1:] * step[-1:]
    slope = moveaxis(concatenate([first, inside, last], -1), -1, axis)
    return slope if slope.dtype == f.dtype else slope.astype(f.dtype)


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


# --- sequences ------------------------------------------------------------------------------------


@means(np.convolve)
def convolve(a: Any, v: Any, mode: Any = "full") -> Any:
    a, v = _vectors(a, v, "convolve")
    a, v = (v, a) if a.size < v.size else (a, v)
    n, m = a.size, v.size
    padded = np.pad(a, m - 1)
    windows = getitem(padded, np.arange(n + m - 1)[:, None] + np.arange(m))
    full = windows @ np.flip(v)
    parts = {
        "full": slice(None),
        "same": slice((m - 1) // 2, (m - 1) // 2 + n),
        "valid": slice(m - 1, n),
    }
    mode = ("valid", "same", "full")[mode] if mode in (0, 1, 2) else mode
    if mode not in parts:
        raise ValueError(f"mode= is one of {', '.join(parts)}, but came as {mode!r}.")
    return getitem(full, parts[mode])


@means(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    return convolve(a, np.flip(v), mode)


def _vectors(a: Any, b: Any, name: str) -> tuple[Any, Any]:
    a, b = np.atleast_1d(a), np.atleast_1d(b)
    if a.ndim > 1 or b.ndim > 1:
        raise ValueError(f"give {name} two vectors: the shapes are {a.shape} and {b.shape}.")
    return a, b


# --- polynomials: the coefficients of the highest power first -------------------------------------


def _as_long(a: Any, b: Any, name: str) -> tuple[Any, Any]:
    """Two polynomials with as many coefficients, the shorter with zeros in front."""
    a, b = _vectors(a, b, name)
    n = a.size if a.size > b.size else b.size
    return np.pad(a, (n - a.size, 0)), np.pad(b, (n - b.size, 0))


@means(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    a, b = _as_long(a1, a2, "polyadd")
    return a + b


@means(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    a, b = _as_long(a1, a2, "polysub")
    return a - b


@means(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    both = _vectors(a1, a2, "polymul")
    return convolve(*[np.trim_zeros(a, "f") if a.any() else a[-1:] for a in both])


@means(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    for _ in range(int(m)):
        p = p[:-1] * np.arange(p.size - 1, 0, -1)
    return p


@means(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    m = int(m)
    constants = np.zeros(m) if k is None else np.atleast_1d(k)
    if constants.size == 1:
        constants = constants[np.zeros(m, int)]
    for i in range(m):
        p = np.append(p / np.arange(p.size, 0, -1), constants[i].reshape(1))
    return p


@means(np.polyfit)
def polyfit(x: Any, y: Any, deg: int, rcond: Any = None, *, w: Any = None) -> Any:
    x, y = array_like(x), array_like(y)
    left = np.vander(x, deg + 1)
    if w is not None:
        w = array_like(w)
        left, y = left * w[:, None], y * (w[:, None] if y.ndim == 2 else w)
    scale = np.sqrt((left * left).sum(axis=0))  # as NumPy, for the least rounding
    small = x.size * np.finfo(x.dtype).eps if rcond is None else rcond
    c = np.linalg.lstsq(left / scale, y, small)[0]
    return c / (scale[:, None] if c.ndim == 2 else scale)


@means(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    y = np.zeros_like(x)
    for coefficient in p:
        y = y * x + coefficient
    return y


@means(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    exponents = np.arange(x.size if N is None else N)
    return x[:, None] ** (exponents if increasing else exponents[::-1])
