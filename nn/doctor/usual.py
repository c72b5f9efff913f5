"""Functions that people import from files that are not at hand: sigmoid, softmax, their slopes, costs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import tinygrad_edu as tg

Function = Callable[..., Any]
ACTIVATIONS: dict[str, Function] = {
    "sigmoid": tg.sigmoid,
    "tanh": np.tanh,
    "relu": tg.relu,
    "exp": np.exp,
    "sin": np.sin,
    "cos": np.cos,
}
BY_VALUE: dict[str, Function] = {  # the slopes as functions of the activation's value
    "sigmoid": lambda a, *rest: a * (1 - a),
    "tanh": lambda a, *rest: 1 - a**2,
    "relu": lambda a, *rest: 1.0 * (a > 0),
}
SLOPE = re.compile(
    r"(?:d|grad(?:ient)?|deriv(?:ative)?|der)_?(?:of_?)?(sigmoid|tanh|relu|softmax)"
    r"|(sigmoid|tanh|relu|softmax)_?(?:prime|deriv(?:ative)?|grad(?:ient)?|der|dash)"
)


def slope_of(f: Function) -> Function:
    """The derivative of a function of each entry by itself, as a function of its input."""

    def slope(x: Any, *rest: Any) -> Any:
        x = tg.Tensor(np.asarray(x, float), requires_grad=True)
        np.sum(f(x)).backward()
        return x.grad

    return slope


def softmax(columns: bool) -> Function:
    def of(x: Any, *rest: Any) -> Any:
        return tg.softmax(x, 0 if columns or np.ndim(x) == 1 else -1)

    return of


def each_by_itself(f: Function, x: Any, *rest: Any) -> Any:
    p = f(x)
    return p * (1 - p)


def cross_entropy_error(y: Any, t: Any) -> Any:
    """The mean over the rows, with the textbook's 1e-7; the labels as classes or one-hot."""
    m = y.shape[0] if np.ndim(y) == 2 else 1
    if np.size(t) != np.size(y):
        return -np.sum(np.log(y[np.arange(m), np.asarray(t).reshape(-1)] + 1e-7)) / m
    return -np.sum(t * np.log(y + 1e-7)) / m


def windows_of(A: Any, shape: tuple[int, int], stride: tuple[int, int]) -> Any:
    """The windows of pictures A : (m, h, w, c), as (m, h_new, w_new, c, *shape)."""
    found = np.lib.stride_tricks.sliding_window_view(A, shape, axis=(1, 2))
    return found[:, :: stride[0], :: stride[1]]


def conv_forward(
    A_prev: Any, W: Any, b: Any, padding: str = "same", stride: tuple[int, int] = (1, 1)
) -> Any:
    """A convolution of pictures A_prev : (m, h, w, c_prev) with W : (kh, kw, c_prev, c_new)
    (V. Dumoulin and F. Visin, A guide to convolution arithmetic for deep learning, 2016, section 2)."""
    pads = [
        -(-((n - 1) * s + k - n) // 2) if padding == "same" else 0
        for n, s, k in zip(A_prev.shape[1:3], stride, W.shape)
    ]
    wide = np.pad(A_prev, ((0, 0), *((p, p) for p in pads), (0, 0)))
    return np.einsum("mhwcij,ijcn->mhwn", windows_of(wide, W.shape[:2], stride), W) + b


def pool_forward(
    A_prev: Any, kernel_shape: Any, stride: tuple[int, int] = (1, 1), mode: str = "max"
) -> Any:
    """The largest number, or the mean, in windows of pictures A_prev : (m, h, w, c)."""
    kh, kw = kernel_shape
    windows = windows_of(A_prev, (kh, kw), stride)
    return windows.max(axis=(4, 5)) if mode == "max" else windows.mean(axis=(4, 5))


LAYERS: dict[str, Function] = {"conv": conv_forward, "pool": pool_forward}


def stand_ins(name: str) -> Iterator[Function]:
    """The functions that a name usually has, the likely one first; none for an unknown name.

    >>> [f(np.array([0.0])).item() for f in stand_ins("sigmoid_prime")]
    [0.25, 0.0]
    """
    low = name.lower().strip("_")
    match = SLOPE.fullmatch(low)
    if match is not None:
        of = match[1] or match[2]
        if of == "softmax":  # as people have it: of each entry by itself
            yield from (partial(each_by_itself, softmax(columns)) for columns in (False, True))
        else:
            yield from (slope_of(ACTIVATIONS[of]), BY_VALUE[of])
    elif low == "softmax":
        yield from (softmax(False), softmax(True))
    elif low in ("sigmoid", "tanh", "relu"):
        yield ACTIVATIONS[low]
    elif low == "cross_entropy_error":
        yield cross_entropy_error
    elif low == "mean_squared_error":
        yield lambda y, t: 0.5 * np.sum((y - t) ** 2)
