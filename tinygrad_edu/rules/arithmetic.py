"""Sums, products, quotients and powers, and comparing numbers."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from tinygrad_edu.recording import rule
from tinygrad_edu.rules.support import arr, both_sides, means, number_like
from tinygrad_edu.tensor import Tensor

add = rule("add", np.add, lambda g, out, a, b: g, lambda g, out, a, b: g, symbol="+")
subtract = rule(
    "subtract", np.subtract, lambda g, out, a, b: g, lambda g, out, a, b: -g, symbol="-"
)
multiply = rule(
    "multiply", np.multiply, lambda g, out, a, b: g * b, lambda g, out, a, b: g * a, symbol="*"
)
divide = rule(
    "divide",
    np.divide,
    lambda g, out, a, b: g / b,
    lambda g, out, a, b: -g * out / b,
    symbol="/",
)
# a / b, but 0 where b is 0, as the slope of a length at the zero vector; the slope of that is nan
over = rule(
    "over",
    lambda a, b: np.where(b == 0, 0 * a, a / np.where(b == 0, 1, b)),
    lambda g, out, a, b: g / b,
    lambda g, out, a, b: -g * out / b,
    elementwise=True,
)
negative = rule("negative", np.negative, lambda g, out, x: -g, symbol="-")
positive = rule("positive", np.positive, lambda g, out, x: g, symbol="+")
reciprocal = rule("reciprocal", np.reciprocal, lambda g, out, x: -g * out * out)
square = rule("square", np.square, lambda g, out, x: g * 2 * x)
power = rule(
    "power",
    operator.pow,
    lambda g, out, a, b: g * b * a ** one_less(a, b),
    lambda g, out, a, b: g * out * log_base(a, b),
    symbol="**",
    domain=(0, math.inf),
    elementwise=True,
)
remainder = rule(
    "remainder",
    np.remainder,
    lambda g, out, a, b: g,
    lambda g, out, a, b: -g * (a // b),
    symbol="%",
)
fmod = rule(
    "fmod",
    np.fmod,
    lambda g, out, a, b: g,
    lambda g, out, a, b: -g * np.trunc(a / b),
)

# x times a power of two, and what is left of x beside a whole number or a power of two
ldexp = rule(
    "ldexp",
    np.ldexp,
    lambda g, out, x, n: np.ldexp(g, n),
    None,
    examples=[(arr(2, 3), np.array([2, -1, 0])), (arr(), 3)],
)
nextafter = rule("nextafter", np.nextafter, lambda g, out, x, y: g, None)


@means(np.modf)
def modf(x: Any) -> Any:
    return np.where(np.isinf(x), np.copysign(0, x), np.fmod(x, 1)), np.trunc(x)


@means(np.frexp)
def frexp(x: Any) -> Any:
    exponent = np.frexp(x._data)[1]
    return np.ldexp(x, -exponent), Tensor(exponent)


def one_less(a: Any, b: Any) -> Any:
    """b - 1; but where a and b are 0, 1: a**0 is constant, so its slope is 0 and not 0 / 0."""
    if b.__class__ is int or b.__class__ is float:
        return b - 1 if b else 1
    return np.where(np.equal(a, 0) & (b == 0), 1, b - 1)


def log_base(a: Any, b: Any) -> Any:
    """log(a); but where a is 0 and b is not negative, so that a**b stays as it is, 0."""
    if (a.__class__ is int or a.__class__ is float) and a:
        return math.log(a) if a > 0 else math.nan
    return np.log(np.where(np.equal(a, 0) & (b >= 0), 1, a))


means(np.power)(power)
means(np.float_power)(lambda a, b: power(a * np.float64(1), b))
means(operator="neg")(negative)
means(operator="pos")(positive)

# Steps: their derivative is zero wherever they have one, so they are constants to their followers.
floor_divide = rule("floor_divide", np.floor_divide, symbol="//")
floor = rule("floor", np.floor)
ceil = rule("ceil", np.ceil)
trunc = rule("trunc", np.trunc)
rint = rule("rint", np.rint)
round_rule = rule("round", np.round)
sign = rule("sign", np.sign)
heaviside = rule(  # at 0 it is its second input
    "heaviside", np.heaviside, None, lambda g, out, x, middle: np.where(x == 0, g, 0)
)
isnan = rule("isnan", np.isnan)
isfinite = rule("isfinite", np.isfinite)
isinf = rule("isinf", np.isinf)
signbit = rule("signbit", np.signbit)
spacing = rule("spacing", np.spacing)
logical_and = rule("logical_and", np.logical_and)
logical_or = rule("logical_or", np.logical_or)
logical_xor = rule("logical_xor", np.logical_xor)
logical_not = rule("logical_not", np.logical_not)
bitwise_and = rule("bitwise_and", np.bitwise_and, symbol="&")
bitwise_or = rule("bitwise_or", np.bitwise_or, symbol="|")
bitwise_xor = rule("bitwise_xor", np.bitwise_xor, symbol="^")
invert = rule("invert", np.invert, symbol="~")
means(np.fix)(lambda x: trunc(x))
means(operator="invert")(invert)


@means(np.round, np.around, method="round", operator="round")
def round(x: Any, decimals: int | None = 0) -> Any:
    return round_rule(x, decimals or 0)


def _divmod(a: Any, b: Any) -> Any:
    return a // b, a % b


def _operator(name: str, operation: Any) -> None:
    """The operator on both sides; what cannot be computed with is left to Python's own error."""
    both_sides(name, lambda a, b: operation(a, b) if number_like(b) else NotImplemented)


for name, operation in {
    "add": add,
    "sub": subtract,
    "mul": multiply,
    "truediv": divide,
    "pow": power,
}.items():
    both_sides(name, operation)
for name, operation in {
    "floordiv": floor_divide,
    "mod": remainder,
    "divmod": _divmod,
    "and": bitwise_and,
    "or": bitwise_or,
    "xor": bitwise_xor,
}.items():
    _operator(name, operation)
means(np.divmod)(_divmod)


def _comparison(symbol: str, name: str, ufunc: np.ufunc) -> Any:
    """True and False have no gradient, but the constant remembers where it comes from."""
    compare = rule(ufunc.__name__, ufunc, symbol=symbol)
    means(operator=name)(lambda a, b: compare(a, b) if number_like(b) else NotImplemented)
    return compare


less = _comparison("<", "lt", np.less)
less_equal = _comparison("<=", "le", np.less_equal)
greater = _comparison(">", "gt", np.greater)
greater_equal = _comparison(">=", "ge", np.greater_equal)
equal = _comparison("==", "eq", np.equal)
not_equal = _comparison("!=", "ne", np.not_equal)
