"""nn.checks: what is let through, and the sentences for what is not."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from nn import checks

X = np.arange(6.0).reshape(2, 3)


def test_good_data_pass_unchanged_in_value():
    for dtype, expected in ((np.float32, np.float32), (np.uint8, np.float64), (bool, np.float64)):
        given = (X % 2).astype(dtype)
        x, y = checks.check_X_Y(given, [True, False, True])
        assert x.dtype == y.dtype == expected
        np.testing.assert_array_equal(x, X % 2)
        np.testing.assert_array_equal(y, [[1, 0, 1]])
    labels = np.array([[1, 0, 1]])
    assert checks.check_X_Y(X, labels)[0] is X  # no copy of a large array
    assert labels.dtype.kind == "i"


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        ([1, 2], ValueError, ["X has shape (2,)", "(n_x, m)"]),
        (np.zeros((5, 4, 4, 3)), ValueError, ["(5, 4, 4, 3)", "flatten"]),
        (np.zeros((3, 0)), ValueError, ["(3, 0)", "at least one"]),
        ([[1, 2], [3]], ValueError, ["X has rows of different lengths"]),
        ([["a"]], TypeError, ["X", "<U1", "real numbers"]),
        ([[1j]], TypeError, ["X", "complex128"]),
        ([[None]], TypeError, ["X", "object"]),
        ([[1, 2], [math.nan, 3]], ValueError, ["X has 1 value", "X[1, 0]", "remove or replace it"]),
        ([[1, math.inf, -math.inf]], ValueError, ["2 values", "X[0, 1]", "replace them"]),
    ],
)
def test_bad_X(x, error, words):
    expect(error, words, checks.check_X, x)


@pytest.mark.parametrize(
    ("y", "error", "words"),
    [
        ([0, 1], ValueError, ["Y has shape (2,)", "(2, 3)", "(1, 3)", "X.T", "(3, 2)"]),
        ([0, 1, 1, 0], ValueError, ["Y has shape (4,)", "X has shape (2, 3)", "3 examples"]),
        ([[0], [1], [1]], ValueError, ["(3, 1)", "pass Y.T"]),
        (1, ValueError, ["Y has shape ()", "(1, 3)"]),
        ([0, 1, 2], ValueError, ["1 label other", "2 at position 2"]),
        ([[0.5, 1, -1]], ValueError, ["2 labels other", "0.5 at position 0"]),
        ([0, math.nan, 1], ValueError, ["Y has 1 value", "NaN", "Y[0, 1]"]),
        (["cat", "dog", "cat"], TypeError, ["Y", "real numbers"]),
    ],
)
def test_bad_Y(y, error, words):
    expect(error, words, checks.check_X_Y, X, y)


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        ((4, 3), (5, 3), ["W1 has shape (4, 3)", "X has shape (5, 3)", "3 rows", "X.T", "(3, 5)"]),
        ((4,), (4, 5), ["W1 has shape (4,)", "W1 must have two axes"]),
        ((4, 3), (3,), ["X must have two axes"]),
    ],
)
def test_shapes_that_do_not_fit(left, right, words):
    expect(ValueError, words, checks.check_matmul, "W1", left, "X", right)


def test_no_transpose_is_advised_where_it_would_not_fit():
    checks.check_matmul("W1", (4, 3), "X", (3, 5))
    with pytest.raises(ValueError) as caught:
        checks.check_matmul("W1", (4, 3), "X", (5, 6))
    assert "X.T" not in str(caught.value)


@pytest.mark.parametrize(
    ("dims", "error", "words"),
    [
        ([2], ValueError, ["layers_dims is [2]", "at least two"]),
        ([], ValueError, ["layers_dims is []"]),
        ([3, 1], ValueError, ["starts with 3", "X has 2 rows", "layers_dims[0] == 2"]),
        ([2, 3], ValueError, ["ends with 3", "expected 1"]),
        ([2, 0, 1], ValueError, ["layers_dims[1] is 0", "1 or greater"]),
        ([2, -3, 1], ValueError, ["layers_dims[1] is -3"]),
        ([2, 2.5, 1], ValueError, ["layers_dims[1] is 2.5", "whole number"]),
        ([2, math.nan, 1], ValueError, ["layers_dims[1] is nan"]),
        ([2, True, 1], TypeError, ["layers_dims[1] is True"]),
        ([2, "3", 1], TypeError, ["layers_dims[1] is '3'"]),
        ("231", TypeError, ["layers_dims is '231'", "a list"]),
        (5, TypeError, ["layers_dims is 5", "a list"]),
    ],
)
def test_bad_layer_sizes(dims, error, words):
    expect(error, words, checks.check_layers_dims, dims, 2, 1)


def test_good_layer_sizes():
    for dims in ((2, 3, 1), np.array([2, 3, 1]), iter([2, 3, 1])):
        assert checks.check_layers_dims(dims, 2, 1) == [2, 3, 1]
    assert checks.check_layers_dims([5, 4, 3]) == [5, 4, 3]


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf, -math.inf])
def test_learning_rates_that_are_not_positive_and_finite(rate):
    expect(ValueError, ["learning_rate", repr(rate), "0.0075"], checks.check_learning_rate, rate)


@pytest.mark.parametrize("rate", [True, "0.1", None, 1j, [0.1]])
def test_learning_rates_that_are_not_numbers(rate):
    expect(TypeError, ["learning_rate", repr(rate)], checks.check_learning_rate, rate)


def test_good_learning_rates():
    for rate in (0.5, np.float32(0.5), Fraction(1, 2)):
        assert checks.check_learning_rate(rate) == 0.5


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (-1, ValueError),
        (2.0, ValueError),
        (math.inf, ValueError),
        (True, TypeError),
        ("3", TypeError),
    ],
)
def test_bad_numbers_of_iterations(number, error):
    expect(error, ["num_iterations", repr(number)], checks.check_num_iterations, number)


def test_good_numbers_of_iterations():
    assert [checks.check_num_iterations(n) for n in (0, 7, np.int32(9))] == [0, 7, 9]


def expect(error, words, function, *arguments):
    with pytest.raises(error) as caught:
        function(*arguments)
    message = str(caught.value)
    assert type(caught.value) is error and "\n" not in message
    for word in words:
        assert word in message
