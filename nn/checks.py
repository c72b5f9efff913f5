"""Checks of what a caller hands to a model, each answered with one sentence that helps.

They are called once per training run, never inside it. Every message names the argument, says
what came and what was expected, and where possible what to do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def check_matmul(
    left: str, left_shape: tuple[int, ...], right: str, right_shape: tuple[int, ...]
) -> None:
    """Check that the matrix product ``left @ right`` exists.

    The names are those the caller uses; the shapes must both have two axes, and the columns of
    `left` must be as many as the rows of `right`. Otherwise: ValueError.

    >>> check_matmul("W1", (4, 3), "X", (3, 10))
    >>> check_matmul("W1", (4, 3), "X", (10, 3))
    Traceback (most recent call last):
        ...
    ValueError: W1 has shape (4, 3) and X has shape (10, 3): X must have 3 rows; pass X.T, \
which has shape (3, 10)
    """
    if len(left_shape) == 2 == len(right_shape) and left_shape[1] == right_shape[0]:
        return
    text = f"{left} has shape {left_shape} and {right} has shape {right_shape}: "
    for name, shape in ((left, left_shape), (right, right_shape)):
        if len(shape) != 2:
            raise ValueError(text + f"{name} must have two axes, rows and columns")
    text += f"{right} must have {left_shape[1]} rows"
    if left_shape[1] == right_shape[1]:
        text += f"; pass {right}.T, which has shape {right_shape[::-1]}"
    raise ValueError(text)


def check_X(X: ArrayLike) -> NDArray[Any]:
    """Return `X` as an array of floats, shape (n_x, m), with an example in every column.

    Whole numbers become float64; float32 stays float32. TypeError for data that are not real
    numbers; ValueError for another number of axes, for no rows or columns, and for NaN or infinity.

    >>> check_X([[1, 2, 3]]).shape
    (1, 3)
    >>> check_X([[1, 2, float("nan")]])
    Traceback (most recent call last):
        ...
    ValueError: X has 1 value that is NaN or infinite, the first at X[0, 2]; remove or replace it
    """
    X = _numbers("X", X)
    if X.ndim != 2:
        advice = ", for pictures nn.datasets.flatten(images)" if X.ndim > 2 else ""
        raise ValueError(
            f"X has shape {X.shape}: expected two axes (n_x, m), one example in each column{advice}"
        )
    if X.size == 0:
        raise ValueError(f"X has shape {X.shape}: expected at least one row and one column")
    _check_finite("X", X)
    return X if X.dtype.kind == "f" else X.astype(np.float64)


def check_X_Y(X: ArrayLike, Y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return examples `X`, shape (n_x, m), and labels `Y`, shape (1, m), ready for training.

    `Y` may also come with shape (m,). Both are returned with X's float dtype; the caller's arrays
    are never changed. Errors: those of `check_X`; ValueError where the numbers of examples
    differ, and for labels other than 0 and 1.

    >>> X, Y = check_X_Y([[1.0, 2.0, 3.0]], [0, 1, 1])
    >>> Y
    array([[0., 1., 1.]])
    >>> X, Y = check_X_Y([[1.0, 2.0, 3.0]], [0, 1])
    Traceback (most recent call last):
        ...
    ValueError: Y has shape (2,) but X has shape (1, 3), which is 3 examples: \
expected Y of shape (1, 3)
    """
    X = check_X(X)
    Y = _numbers("Y", Y)
    n_x, m = X.shape
    if Y.shape not in {(m,), (1, m)}:
        advice = ""
        if Y.shape == (m, 1):
            advice = "; pass Y.T"
        elif Y.shape in {(n_x,), (1, n_x)}:
            advice = f"; if X has one example in each row, pass X.T, which has shape {(m, n_x)}"
        raise ValueError(
            f"Y has shape {Y.shape} but X has shape {X.shape}, which is {m} "
            f"example{'s' * (m > 1)}: expected Y of shape {(1, m)}{advice}"
        )
    Y = Y.reshape(1, m)
    _check_finite("Y", Y)
    wrong = np.flatnonzero((Y != 0) & (Y != 1))
    if wrong.size:
        raise ValueError(
            f"Y has {wrong.size} label{'s' * (wrong.size > 1)} other than 0 and 1, the first is "
            f"{Y[0, wrong[0]]} at position {wrong[0]}: expected 0 (no) or 1 (yes) for each example"
        )
    return X, Y.astype(X.dtype)


def check_layers_dims(
    layers_dims: Iterable[int],
    n_x: int | None = None,
    n_y: int | None = None,
    *,
    name: str = "layers_dims",
) -> list[int]:
    """Return the layer sizes as a list, input first: at least two positive whole numbers.

    Where `n_x` (the rows of X) or `n_y` (the units of the last layer) is given, the sizes must
    begin and end so. TypeError for what is not numbers, ValueError for numbers that do not do.

    >>> check_layers_dims((12288, 20, 7, 5, 1), n_x=12288, n_y=1)
    [12288, 20, 7, 5, 1]
    >>> check_layers_dims([12288, 7, 1], n_x=784)
    Traceback (most recent call last):
        ...
    ValueError: layers_dims starts with 12288 but X has 784 rows: expected layers_dims[0] == 784
    """
    if isinstance(layers_dims, str | bytes) or not isinstance(layers_dims, Iterable):
        raise TypeError(
            f"{name} is {layers_dims!r}: expected a list of layer sizes such as [12288, 20, 1]"
        )
    dims = [
        check_whole_number(f"{name}[{i}]", size, minimum=1) for i, size in enumerate(layers_dims)
    ]
    if len(dims) < 2:
        raise ValueError(
            f"{name} is {dims}: expected at least two sizes, the input's and the output's"
        )
    if n_x is not None and dims[0] != n_x:
        raise ValueError(
            f"{name} starts with {dims[0]} but X has {n_x} rows: expected {name}[0] == {n_x}"
        )
    if n_y is not None and dims[-1] != n_y:
        raise ValueError(
            f"{name} ends with {dims[-1]}: expected {n_y}, the number of units in the output layer"
        )
    return dims


def check_two_layers(layers_dims: Iterable[int]) -> list[int]:
    """Return the sizes [n_x, n_h, n_y] of a two-layer network; ValueError for another number.

    >>> check_two_layers([12288, 7, 1])
    [12288, 7, 1]
    """
    dims = check_layers_dims(layers_dims)
    if len(dims) != 3:
        raise ValueError(
            f"layers_dims is {dims}: expected three sizes [n_x, n_h, 1]; "
            "for more layers use L_layer_model"
        )
    return dims


def check_whole_number(name: str, value: Any, minimum: int = 0) -> int:
    """Return `value` as an int. TypeError if it is no number, ValueError if not whole or too small.

    >>> check_whole_number("seed", 3)
    3
    >>> check_whole_number("seed", -1)
    Traceback (most recent call last):
        ...
    ValueError: seed is -1: expected a whole number, 0 or greater
    """
    if isinstance(value, Integral) and _is_real(value) and int(value) >= minimum:
        return int(value)
    raise _wrong_number(name, value, f"a whole number, {minimum} or greater")


def check_num_iterations(num_iterations: Any) -> int:
    """Return the number of training steps as an int, 0 or greater; errors: TypeError, ValueError.

    >>> check_num_iterations(0)
    0
    """
    return check_whole_number("num_iterations", num_iterations)


def check_learning_rate(learning_rate: Any, name: str = "learning_rate") -> float:
    """Return the learning rate as a float: positive and finite; errors: TypeError, ValueError.

    >>> check_learning_rate(1)
    1.0
    >>> check_learning_rate(-0.5)
    Traceback (most recent call last):
        ...
    ValueError: learning_rate is -0.5: expected a positive finite number such as 0.0075
    """
    if _is_real(learning_rate) and 0 < learning_rate < math.inf:
        return float(learning_rate)
    raise _wrong_number(name, learning_rate, "a positive finite number such as 0.0075")


def _is_real(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _wrong_number(name: str, value: object, expected: str) -> Exception:
    return (ValueError if _is_real(value) else TypeError)(
        f"{name} is {value!r}: expected {expected}"
    )


def _numbers(name: str, values: ArrayLike) -> NDArray[Any]:
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{name} has rows of different lengths: expected a full array") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} holds values of type {array.dtype}: expected real numbers")
    return array


def _check_finite(name: str, array: NDArray[Any]) -> None:
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        what = "1 value that is" if len(bad) == 1 else f"{len(bad)} values that are"
        first = ", ".join(map(str, bad[0]))
        raise ValueError(
            f"{name} has {what} NaN or infinite, the first at {name}[{first}]; remove or replace"
            f" {'it' if len(bad) == 1 else 'them'}"
        )
