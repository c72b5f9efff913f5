"""Costs: one number that says how wrong the network is, averaged over the examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

import tinygrad_edu as tg
from nn.manual import inside_0_1
from nn.textbook import one_hot
from tinygrad_edu import Tensor, rule
from tinygrad_edu.rules.support import arr

# A numerical guard, no part of the model: its derivative is that of the probability itself.
guarded = rule("inside_0_1", inside_0_1, lambda g, out, A: g, domain=(0.01, 0.99))

# The mean of -(Y log A + (1 - Y) log(1 - A)) with A = sigmoid(Z), in terms of Z: exact for Z of any
# size, and its derivative is the course's dZ = A - Y, with the 1/m of the mean.
logistic_cost = rule(
    "logistic_cost",
    lambda Z, Y: np.mean(np.maximum(Z, 0) - Y * Z + np.log1p(np.exp(-np.abs(Z)))),
    lambda g, out, Z, Y: g / Z.size * (tg.sigmoid(Z) - Y),
    lambda g, out, Z, Y: -g / Z.size * Z,
    examples=[(arr(1, 4), arr(1, 4)), (arr(3), arr(3))],
)


def binary_cross_entropy(AL: Any, Y: Any) -> Tensor:
    """The cost ``-mean(Y log AL + (1 - Y) log(1 - AL))`` of probabilities AL and labels Y of 0 and 1.

    AL, Y : (1, m). Finite also where a sigmoid has saturated to exactly 0 or 1.

    >>> AL = Tensor([[0.8, 0.9, 0.4]], requires_grad=True)
    >>> cost = binary_cross_entropy(AL, np.array([[1.0, 1.0, 0.0]]))
    >>> round(cost.item(), 6)
    0.279777
    """
    A = guarded(AL)
    return -np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A))


def binary_cross_entropy_with_logits(ZL: Any, Y: Any) -> Tensor:
    """`binary_cross_entropy` of sigmoid(ZL) and labels Y of 0 and 1, exact for ZL of any size.

    ZL, Y : (1, m), or any one shape.

    >>> ZL = Tensor([[2.0, -1000.0]], requires_grad=True)
    >>> cost = binary_cross_entropy_with_logits(ZL, np.array([[1.0, 1.0]]))
    >>> cost.backward()
    >>> round(cost.item(), 6), ZL.grad.round(6)
    (500.063464, array([[-0.059601, -0.5     ]]))
    """
    return logistic_cost(ZL, _like(Y, "Y", ZL, "ZL"))


def cross_entropy(logits: Any, labels: Any, axis: int) -> Tensor:
    """The cost ``-mean(log softmax(logits)[label])`` over the examples; its dZ is (A - Y) / m.

    The classes lie along ``axis``: logits (n_classes, m) with axis 0, or (m, n_classes) with axis 1.
    ``labels`` are whole numbers from 0, (m,), or one row of targets for each example, such as
    one-hot vectors, in the shape of ``logits``. ValueError for a label outside the classes.

    >>> logits = Tensor([[2.0, 0.0], [0.0, 0.0], [0.0, 0.0]], requires_grad=True)
    >>> cost = cross_entropy(logits, [0, 2], axis=0)
    >>> cost.backward()
    >>> round(cost.item(), 6), logits.grad.round(3)
    (0.669079, array([[-0.107,  0.167],
           [ 0.053,  0.167],
           [ 0.053, -0.333]]))
    """
    T = labels if hasattr(labels, "shape") else np.asarray(labels)
    if T.shape != logits.shape:
        T = one_hot(getattr(T, "data", T), logits.shape, axis, logits.dtype)
    return -(T * tg.log_softmax(logits, axis)).sum() / (logits.size // logits.shape[axis])


def mean_squared_error(A: Any, Y: Any) -> Tensor:
    """The cost ``mean((A - Y)^2)`` over all numbers; A and Y of one shape.

    >>> mean_squared_error(Tensor([[1.0, 2.0]]), np.array([[1.0, 4.0]])).item()
    2.0
    """
    difference = A - _like(Y, "Y", A, "A")
    return (difference * difference).mean()


def l2_penalty(weights: Iterable[Any] | Mapping[str, Any], strength: float) -> Tensor:
    """``strength / 2 * (sum of the squares of all weights)``, to be added to a cost.

    Its gradient, ``strength * W``, pulls every weight towards zero. The course's lambda is
    ``strength * m``, and it leaves the biases out.

    >>> l2_penalty([Tensor([1.0, 2.0]), Tensor([[3.0]])], 0.1).item()
    0.7000000000000001
    """
    tensors = list(weights.values()) if isinstance(weights, Mapping) else list(weights)
    if not tensors:
        raise ValueError("weights is empty: expected the Tensors whose size is to cost something")
    squares = np.sum(tensors[0] * tensors[0])
    for W in tensors[1:]:
        squares = squares + np.sum(W * W)
    return squares * (strength / 2)


def _like(Y: Any, name: str, A: Any, other: str) -> Any:
    """``Y`` as an array of A's shape: another one would be broadcast, and the cost be wrong."""
    if not hasattr(Y, "shape"):
        Y = np.asarray(Y)
    if Y.shape != A.shape:
        raise ValueError(
            f"{name} has shape {Y.shape} and {other} has shape {A.shape}: expected the same shape"
        )
    return Y
