"""The networks whose derivations are kept as golden files that a person can read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import nn
import tinygrad_edu as tg
from tinygrad_edu import Tensor


def named(tensor: Tensor, name: str) -> Tensor:
    tensor.name = name
    return tensor


class Leaves:
    """Parameters and data of a given seed."""

    def __init__(self) -> None:
        self.random = np.random.RandomState(0)

    def parameter(self, name: str, *shape: int) -> Tensor:
        return Tensor(self.random.randn(*shape), requires_grad=True, name=name)

    def data(self, name: str, *shape: int) -> Tensor:
        return Tensor(self.random.randn(*shape), name=name)


def classifier(dims: list[int]) -> Tensor:
    leaves = Leaves()
    X = leaves.data("X", dims[0], 6)
    Y = Tensor((leaves.random.rand(1, 6) > 0.5) * 1.0, name="Y")
    return nn.LLayerModel(dims).cost(X, Y)


def tanh_hidden() -> Tensor:
    a = Leaves()
    W1, b1, W2, b2 = (
        a.parameter("W1", 4, 2),
        a.parameter("b1", 4, 1),
        a.parameter("W2", 1, 4),
        a.parameter("b2", 1, 1),
    )
    X, Y = a.data("X", 2, 6), a.data("Y", 1, 6)
    A1 = named(np.tanh(named(W1 @ X + b1, "Z1")), "A1")
    A2 = named(tg.sigmoid(named(W2 @ A1 + b2, "Z2")), "A2")
    return named(-np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)), "cost")


def softmax_cross_entropy() -> Tensor:
    a = Leaves()
    W1, b1, W2, b2 = (
        a.parameter("W1", 5, 4),
        a.parameter("b1", 5, 1),
        a.parameter("W2", 3, 5),
        a.parameter("b2", 3, 1),
    )
    X = a.data("X", 4, 6)
    Y = Tensor(np.eye(3)[:, [0, 1, 2, 2, 1, 0]], name="Y")
    A1 = named(tg.relu(named(W1 @ X + b1, "Z1")), "A1")
    A2 = named(tg.softmax(named(W2 @ A1 + b2, "Z2"), axis=0), "A2")
    return named(-np.mean(np.sum(Y * np.log(A2), axis=0)), "cost")


def l2_regularisation() -> Tensor:
    a = Leaves()
    W1, b1, W2, b2 = (
        a.parameter("W1", 5, 4),
        a.parameter("b1", 5, 1),
        a.parameter("W2", 1, 5),
        a.parameter("b2", 1, 1),
    )
    X, Y = a.data("X", 4, 6), a.data("Y", 1, 6)
    A1 = named(np.tanh(named(W1 @ X + b1, "Z1")), "A1")
    Z2 = named(W2 @ A1 + b2, "Z2")
    return named(np.mean((Z2 - Y) ** 2) + 0.05 * (np.sum(W1**2) + np.sum(W2**2)), "cost")


def residual() -> Tensor:
    a = Leaves()
    W1, W2 = a.parameter("W1", 4, 4), a.parameter("W2", 1, 4)
    X, Y = a.data("X", 4, 6), a.data("Y", 1, 6)
    A1 = named(tg.relu(named(W1 @ X, "Z1")) + X, "A1")
    H = named(np.tanh(W1 @ A1) + A1, "H")  # A1 is used twice
    return named(np.mean((W2 @ H - Y) ** 2), "cost")


def shared_weight() -> Tensor:
    a = Leaves()
    W, X = a.parameter("W", 4, 4), a.data("X", 4, 6)
    H1 = named(np.tanh(named(W @ X, "Z1")), "H1")
    H2 = named(np.tanh(named(W @ H1, "Z2")), "H2")
    return named(np.sum(H2), "cost")


def scalar_expression() -> Tensor:
    values = {"apple": 100.0, "apples": 2.0, "orange": 150.0, "oranges": 3.0, "tax": 1.1}
    t = {name: Tensor(value, requires_grad=True, name=name) for name, value in values.items()}
    apple_price = named(t["apple"] * t["apples"], "apple_price")
    orange_price = named(t["orange"] * t["oranges"], "orange_price")
    return named((apple_price + orange_price) * t["tax"], "price")


NETWORKS: dict[str, Callable[[], Tensor]] = {
    "classifier_2": lambda: classifier([4, 3, 1]),
    "classifier_3": lambda: classifier([4, 3, 2, 1]),
    "classifier_4": lambda: classifier([4, 5, 3, 2, 1]),
    "classifier_13": lambda: classifier([4, *[5] * 12, 1]),
    "tanh_hidden": tanh_hidden,
    "softmax_cross_entropy": softmax_cross_entropy,
    "l2_regularisation": l2_regularisation,
    "residual": residual,
    "shared_weight": shared_weight,
    "scalar_expression": scalar_expression,
}
