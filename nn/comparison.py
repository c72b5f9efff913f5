"""Autodiff against the formulas derived by hand, gradient by gradient."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nn import manual
from nn.checks import check_X_Y
from nn.losses import binary_cross_entropy
from nn.model import LLayerModel
from tinygrad_edu import Tensor, gradients

CONVENTION = (
    "dZ and dA in the course's formulas are gradients of the sum of the examples' losses, dW and db "
    "of their mean, so dZ and dA are m times what autodiff gives for the cost, and are compared so."
)


class Row(NamedTuple):
    """One gradient: its name, its shape and the relative error, max |auto - hand| / max |hand|."""

    name: str
    shape: tuple[int, ...]
    error: float


class Comparison(NamedTuple):
    """The gradients of one network, worst first."""

    rows: list[Row]
    m: int

    @property
    def worst(self) -> float:
        """The largest relative error."""
        return self.rows[0].error

    def as_dict(self) -> dict[str, float]:
        """The relative error of each gradient by name."""
        return {row.name: row.error for row in self.rows}

    def __str__(self) -> str:
        lines = [f"{'gradient':10}{'shape':>14}  relative error"]
        lines += [f"{row.name:10}{row.shape!s:>14}  {row.error:.2e}" for row in self.rows]
        return "\n".join([*lines, f"m = {self.m}. {CONVENTION}"])


def compare(model: LLayerModel, X: ArrayLike, Y: ArrayLike) -> Comparison:
    """Autodiff against `nn.manual` for every dW, db, dZ and dA_prev of the network, worst first.

    X : (n_x, m), Y : (1, m). dA0 is the gradient of X.

    >>> X, Y = np.array([[0.5, -1.0, 2.0], [1.0, 0.0, -0.5]]), np.array([[0, 1, 1]])
    >>> comparison = compare(LLayerModel([2, 3, 1]), X, Y)
    >>> comparison.worst < 1e-14, sorted(comparison.as_dict())
    (True, ['dA0', 'dA1', 'dW1', 'dW2', 'dZ1', 'dZ2', 'db1', 'db2'])
    """
    X, Y = check_X_Y(X, Y)
    m = X.shape[1]
    by_hand = by_the_formulas(model, X, Y)
    auto = by_autodiff(model, X, Y)
    rows = []
    for name, hand in by_hand.items():
        ours = auto[name] * m if name[1] in "ZA" else auto[name]
        scale = np.max(np.abs(hand)) or 1.0
        rows.append(Row(name, hand.shape, float(np.max(np.abs(ours - hand)) / scale)))
    return Comparison(sorted(rows, key=lambda row: -row.error), m)


def by_the_formulas(model: LLayerModel, X: NDArray[Any], Y: NDArray[Any]) -> dict[str, Any]:
    """Every gradient as `nn.manual` derives it; dZ, which it keeps to itself, by its formulas."""
    AL, caches = manual.L_model_forward(X, model.arrays())
    grads: dict[str, Any] = manual.L_model_backward(AL, Y, caches)
    L = len(caches)
    for layer, (_, Z) in enumerate(caches, start=1):
        if layer < L:
            grads[f"dZ{layer}"] = manual.relu_backward(grads[f"dA{layer}"], Z)
        else:
            grads[f"dZ{layer}"] = manual.sigmoid_backward(manual.cost_backward(AL, Y), Z)
    return grads


def by_autodiff(model: LLayerModel, X: NDArray[Any], Y: NDArray[Any]) -> dict[str, Any]:
    """Every gradient of the cost, that of X included, by its name in the course."""
    A0 = Tensor(X, requires_grad=True)
    layers = model.layers(A0)
    _, AL = layers.popitem()  # the formulas start with it
    tensors = {"A0": A0, **layers, **model.parameters()}
    grads = gradients(binary_cross_entropy(AL, Y), list(tensors.values()))
    return {"d" + name: g for name, g in zip(tensors, grads)}
