"""Functions of each number by itself: the inside cover of a calculus book."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.recording import rule
from tinygrad_edu.rules.arithmetic import over
from tinygrad_edu.rules.support import arr, array_like, attribute, means, values_of

INF = math.inf
PI = math.pi
LOG_2, LOG_10 = math.log(2), math.log(10)
ZERO = np.zeros(())  # to compare with it takes half as long as with 0

# --- powers, exponentials, logarithms -------------------------------------------------------------

sqrt = rule("sqrt", np.sqrt, lambda g, out, x: g / (2 * out), symbol="√", domain=(0, INF))
cbrt = rule("cbrt", np.cbrt, lambda g, out, x: g / (3 * out**2), domain=(0, INF))
exp = rule("exp", np.exp, lambda g, out, x: g * out)
exp2 = rule("exp2", np.exp2, lambda g, out, x: g * out * LOG_2)
expm1 = rule("expm1", np.expm1, lambda g, out, x: g * (out + 1))
log = rule("log", np.log, lambda g, out, x: g / x, domain=(0, INF))
log2 = rule("log2", np.log2, lambda g, out, x: g / (x * LOG_2), domain=(0, INF))
log10 = rule("log10", np.log10, lambda g, out, x: g / (x * LOG_10), domain=(0, INF))
log1p = rule("log1p", np.log1p, lambda g, out, x: g / (1 + x), domain=(-1, INF))
logaddexp = rule(
    "logaddexp",
    np.logaddexp,
    lambda g, out, a, b: g * sigmoid(a - b),
    lambda g, out, a, b: g * sigmoid(b - a),
)
logaddexp2 = rule(
    "logaddexp2",
    np.logaddexp2,
    lambda g, out, a, b: g * sigmoid((a - b) * LOG_2),
    lambda g, out, a, b: g * sigmoid((b - a) * LOG_2),
)

# --- trigonometry ---------------------------------------------------------------------------------

sin = rule("sin", np.sin, lambda g, out, x: g * np.cos(x))
cos = rule("cos", np.cos, lambda g, out, x: -g * np.sin(x))
tan = rule("tan", np.tan, lambda g, out, x: g * (1 + out**2), domain=(-1.5, 1.5))
arcsin = rule("arcsin", np.arcsin, lambda g, out, x: g / np.sqrt(1 - x**2), domain=(-1, 1))
arccos = rule("arccos", np.arccos, lambda g, out, x: -g / np.sqrt(1 - x**2), domain=(-1, 1))
arctan = rule("arctan", np.arctan, lambda g, out, x: g / (1 + x**2))
arctan2 = rule(
    "arctan2",
    np.arctan2,
    lambda g, out, y, x: over(g * x, x**2 + y**2),
    lambda g, out, y, x: over(-g * y, x**2 + y**2),
)
hypot = rule(
    "hypot",
    np.hypot,
    lambda g, out, a, b: over(g * a, out),
    lambda g, out, a, b: over(g * b, out),
)
sinh = rule("sinh", np.sinh, lambda g, out, x: g * np.cosh(x))
cosh = rule("cosh", np.cosh, lambda g, out, x: g * np.sinh(x))
tanh = rule("tanh", np.tanh, lambda g, out, x: g * (1 - out**2))
arcsinh = rule("arcsinh", np.arcsinh, lambda g, out, x: g / np.sqrt(1 + x**2))
arccosh = rule("arccosh", np.arccosh, lambda g, out, x: g / np.sqrt(x**2 - 1), domain=(1, INF))
arctanh = rule("arctanh", np.arctanh, lambda g, out, x: g / (1 - x**2), domain=(-1, 1))
deg2rad = rule("deg2rad", np.deg2rad, lambda g, out, x: g * (PI / 180))
rad2deg = rule("rad2deg", np.rad2deg, lambda g, out, x: g * (180 / PI))
means(np.radians)(deg2rad)
means(np.degrees)(rad2deg)


def _sinc_slope(x: Any, n: int) -> Any:
    """The n-th derivative of sinc(x) = sin(πx) / (πx): near 0 its power series, further out the
    n-th derivative of x sinc(x) = sin(πx) / π, solved for it."""
    near = np.abs(x) < 0.5
    inner, outer = np.where(near, x, 0), np.where(near, 1, x)
    series, far = np.zeros_like(inner), np.sinc(outer)
    for k in range((n + 1) // 2, n + 12):
        factorial = np.prod(np.arange(1.0, 2 * k - n + 1))
        factor = float((-1) ** k * np.pi ** (2 * k) / (2 * k + 1) / factorial)
        series = series + factor * inner ** (2 * k - n)
    for i in range(1, n + 1):
        far = (np.pi ** (i - 1) * np.sin(np.pi * outer + i * np.pi / 2) - i * far) / outer
    return np.where(near, series, far)


sinc_slope: Callable[..., Any] = rule(
    "sinc_slope",
    _sinc_slope,
    lambda g, out, x, n: g * sinc_slope(x, n + 1),
    examples=[(arr(2, 3), 1), (arr(3, domain=(-0.4, 0.4)), 2)],
)
sinc = rule("sinc", np.sinc, lambda g, out, x: g * sinc_slope(x, 1))
means(np.sinc)(sinc)

# --- corners: a kink where two slopes meet --------------------------------------------------------

absolute = rule("absolute", np.absolute, lambda g, out, x: g * np.sign(x), symbol="abs", kinks=(0,))
means(np.fabs, operator="abs")(absolute)
relu = rule(
    "relu",
    lambda x: np.maximum(x, ZERO if x.dtype is ZERO.dtype else 0),
    lambda g, out, x: g * (out > 0),
    kinks=(0,),
    elementwise=True,
    formula=lambda x: np.maximum(x, 0),
)

# where both are equal, each gets half
_maximum = rule(
    "maximum",
    np.maximum,
    lambda g, out, a, b: np.where(a == b, g / 2, np.where(a < b, 0, g)),
    lambda g, out, a, b: np.where(a == b, g / 2, np.where(a > b, 0, g)),
)
_minimum = rule(
    "minimum",
    np.minimum,
    lambda g, out, a, b: np.where(a == b, g / 2, np.where(a > b, 0, g)),
    lambda g, out, a, b: np.where(a == b, g / 2, np.where(a < b, 0, g)),
)
# a nan loses against a number
fmax = rule(
    "fmax",
    np.fmax,
    lambda g, out, a, b: np.where(a == b, g / 2, np.where((a > b) | np.isnan(b), g, 0)),
    lambda g, out, a, b: np.where(a == b, g / 2, np.where((a < b) | np.isnan(a), g, 0)),
)
fmin = rule(
    "fmin",
    np.fmin,
    lambda g, out, a, b: np.where(a == b, g / 2, np.where((a < b) | np.isnan(b), g, 0)),
    lambda g, out, a, b: np.where(a == b, g / 2, np.where((a > b) | np.isnan(a), g, 0)),
)
_where = rule(
    "where",
    np.where,
    None,
    lambda g, out, condition, a, b: np.where(condition, g, 0),
    lambda g, out, condition, a, b: np.where(condition, 0, g),
)
copysign = rule(
    "copysign", np.copysign, lambda g, out, a, b: g * np.sign(a) * np.copysign(1, b), None
)
nan_to_num_rule = rule(
    "nan_to_num",
    lambda x, nan, posinf, neginf: np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf),
    lambda g, out, x, nan, posinf, neginf: np.where(np.isfinite(x), g, 0),
    examples=[(arr(2, 3), 0.0, None, None)],
)
unwrap_rule = rule(  # adds whole periods, which are constants
    "unwrap",
    lambda x, discont, axis, period: np.unwrap(x, discont, axis, period=period),
    lambda g, out, x, discont, axis, period: g,
    examples=[(arr(5), None, -1, 2 * PI), (arr(4, 2), None, 0, 1.0)],
)
angle_rule = rule("angle", lambda x, deg: np.angle(x, deg))


@means(np.where)
def where(condition: Any, *choices: Any) -> Any:
    return _where(condition, *choices) if choices else np.nonzero(condition)


@means(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    if len(condlist) != len(choicelist):
        raise ValueError(
            f"select needs as many conditions as choices, but got {len(condlist)} conditions for "
            f"{len(choicelist)} choices."
        )
    for condition, choice in zip(condlist[::-1], choicelist[::-1]):
        default = np.where(condition, choice, default)
    return default


@means(np.maximum)
def maximum(a: Any, b: Any) -> Any:
    """np.maximum; against the number 0 it is relu, whose derivative at 0 is 0."""
    if b.__class__ in (int, float) and b == 0 and _keeps_dtype(a, b):
        return relu(a)
    if a.__class__ in (int, float) and a == 0 and _keeps_dtype(b, a):
        return relu(b)
    return _maximum(a, b)


def _keeps_dtype(x: Any, zero: Any) -> bool:
    return zero.__class__ is int or getattr(x, "dtype", ZERO.dtype).kind == "f"


_clip = rule(
    "clip",
    np.clip,
    lambda g, out, x, low, high: np.where((x >= low) & (x <= high), g, 0),
    lambda g, out, x, low, high: np.where((x < low) & (low < high), g, 0),
    lambda g, out, x, low, high: np.where((x > high) | (low >= high), g, 0),
    examples=[
        (arr(4, 5), arr(5, domain=(-1, -0.5)), arr(domain=(0.5, 1))),
        (arr(), arr(domain=(-3, -2.5)), arr(2, domain=(-2, -1))),
        (arr(0, 2), arr(), arr(2)),
    ],
)


@means(np.clip, method="clip")
def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """np.clip; the gradient passes in the closed interval, beyond it to bounds that are Tensors."""
    low, high = a_min if min is None else min, a_max if max is None else max
    if low is None or high is None:
        least, most = limits(a.dtype)
        low, high = (least if low is None else low), (most if high is None else high)
    return _clip(a, low, high)


def limits(dtype: Any) -> tuple[float, float]:
    """The least and the greatest number of ``dtype``."""
    if dtype.kind not in "iu":
        return (-INF, INF) if dtype.kind == "f" else (False, True)
    return np.iinfo(dtype).min, np.iinfo(dtype).max


@means(np.nan_to_num)
def nan_to_num(
    x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    result = nan_to_num_rule(x, nan, posinf, neginf)
    if copy:
        return result
    x[...] = result
    return x


@means(np.real, np.real_if_close)
def real(x: Any) -> Any:
    return x


means(np.conjugate)(lambda x: np.positive(x))
means(method="conjugate")(real)
means(method="conj")(real)
attribute("real", real)


@means(np.imag)
def imag(x: Any) -> Any:
    """Of real numbers it is 0."""
    return np.zeros_like(x)


attribute("imag", imag)


@means(np.angle)
def angle(x: Any, deg: bool = False) -> Any:
    """Of real numbers it is 0 or π: a constant."""
    return angle_rule(x, deg)


@means(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: float = 2 * PI) -> Any:
    return unwrap_rule(p, discont, axis, period)


@means(np.choose)
def choose(a: Any, choices: Any, *, mode: str = "raise") -> Any:
    """choices[a[i]][i]: ``a`` says which of several arrays each number is taken from."""
    a, n = array_like(a), len(choices)
    if mode == "raise" and ((a < 0) | (a >= n)).any():
        raise ValueError(f"choose has {n} choices, so each index lies between 0 and {n - 1}.")
    a = a % n if mode == "wrap" else np.clip(a, 0, n - 1)
    result = choices[0]
    for i in range(1, n):
        result = np.where(a == i, choices[i], result)
    return np.where(a == 0, choices[0], result)


@means(method="choose")
def choose_method(a: Any, choices: Any, mode: str = "raise") -> Any:
    return choose(a, choices, mode=mode)


@means(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **names: Any) -> Any:
    """Each function on its part of ``x``; the last of the conditions that hold decides."""
    x = array_like(x)
    one = not isinstance(condlist, list | tuple) and np.ndim(condlist) == x.ndim
    if one or np.ndim(condlist[0]) == 0 != x.ndim:
        condlist = [condlist]
    holds = [np.asarray(values_of(c), bool) for c in condlist]
    if len(funclist) == len(holds) + 1:
        holds.append(~np.any(holds, axis=0))
    if len(funclist) != len(holds):
        raise ValueError(
            f"piecewise needs a function for each condition, and may have one for the rest, but got "
            f"{len(funclist)} functions for {len(holds)} conditions."
        )
    y = np.zeros_like(x)
    for where, function in zip(holds, funclist):
        if where.any():
            value = function(x[where], *args, **names) if callable(function) else function
            y[where] = value
    return y


# --- what NumPy has no name for -------------------------------------------------------------------


def _logistic(x: Any) -> Any:
    bound = -709.0 if x.itemsize >= 8 else -88.0 if x.itemsize == 4 else -11.0
    return np.reciprocal(1 + np.exp(-np.maximum(x, bound)))  # below it exp would overflow


sigmoid: Callable[..., Any] = rule(
    "sigmoid",
    _logistic,
    lambda g, out, x: g * out * (1 - out),
    symbol="σ",
    elementwise=True,
)
softplus = rule(
    "softplus",
    lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    lambda g, out, x: g * sigmoid(x),
    elementwise=True,
)
log_sigmoid = rule(
    "log_sigmoid",
    lambda x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))),
    lambda g, out, x: g * sigmoid(-x),
    elementwise=True,
)
logit = rule(
    "logit",
    lambda x: np.log(x) - np.log1p(-x),
    lambda g, out, x: g / (x * (1 - x)),
    domain=(0, 1),
    elementwise=True,
)


def _erf(x: Any) -> Any:
    try:  # here, for what is written out of this is to be complete
        from scipy.special import erf
    except ImportError:  # number by number
        import math

        erf = np.vectorize(math.erf, otypes=[float])
    return erf(np.float64(x)).astype(np.result_type(x, np.float16))


erf = rule(
    "erf",
    _erf,
    lambda g, out, x: g * (2 / math.sqrt(PI)) * np.exp(-(x**2)),
    elementwise=True,
)


def xlogy(x: Any, y: Any) -> Any:
    """x log(y), which is 0 where x is 0, even if y is too."""
    x, y = array_like(x), array_like(y)
    return x * np.log(np.where((x == 0) & (y == 0), 1, y))


@means(np.i0)
def i0(x: Any) -> Any:
    from tinygrad_edu.rules.special import i0  # the derivative is not among NumPy's functions

    return i0(x)


def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """x where it is positive, slope * x elsewhere.

    >>> leaky_relu(np.array([-1.0, 2.0]), slope=0.1)
    array([-0.1,  2. ])
    """
    x = array_like(x)
    return np.where(x > 0, x, slope * x)


def gelu(x: Any, approximate: str = "none") -> Any:
    """x Φ(x), Φ the normal distribution function; ``approximate="tanh"`` is quicker.

    >>> gelu(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.8413])
    """
    x = array_like(x)
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / PI) * (x + 0.044715 * x**3)))
    if approximate != "none":
        raise ValueError(f"gelu's approximate= is 'none' or 'tanh', but came as {approximate!r}.")
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def dropout(x: Any, p: float, generator: np.random.Generator) -> Any:
    """Each number is 0 with probability p, and divided by 1 - p otherwise.

    >>> dropout(np.ones(5), 0.5, np.random.default_rng(0))
    array([2., 0., 0., 0., 2.])
    """
    if not 0 <= p < 1:
        raise ValueError(f"dropout needs a probability 0 <= p < 1, but p came as {p!r}.")
    keep = generator.random(x.shape) >= p
    return x * (keep / (1 - p)).astype(x.dtype)
