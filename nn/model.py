"""The L-layer classifier of the course on Tensors: [linear -> relu] x (L - 1) -> linear -> sigmoid."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nn import manual
from nn.checks import (
    check_layers_dims,
    check_learning_rate,
    check_matmul,
    check_num_iterations,
    check_two_layers,
    check_X,
    check_X_Y,
)
from nn.files import load_arrays, save_arrays
from nn.losses import binary_cross_entropy
from nn.training import History
from tinygrad_edu import Tensor, no_grad, relu, sigmoid


class LLayerModel:
    """A binary classifier of layer sizes ``layers_dims = [n_x, n_1, ..., 1]``.

    The weights start at ``randn / sqrt(n_prev)`` of the given seed, the biases at zero, or all at
    the given ``parameters`` (arrays W1 (n_1, n_x), b1 (n_1, 1), ...). Examples are columns.
    ValueError or TypeError for sizes that are not positive whole numbers.

    >>> model = LLayerModel([2, 3, 1], seed=1)
    >>> X, Y = np.array([[0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0]]), np.array([[0, 1, 1, 1]])
    >>> history = model.fit(X, Y, learning_rate=1.0, num_iterations=200)
    >>> history.costs[-1] < 0.1 * history.costs[0], model.predict(X)
    (True, array([[0, 1, 1, 1]]))
    """

    def __init__(
        self,
        layers_dims: Iterable[int],
        *,
        seed: int = 1,
        parameters: Mapping[str, NDArray[Any]] | None = None,
    ):
        self.layers_dims = check_layers_dims(layers_dims, n_y=1)
        if parameters is None:
            parameters = manual.initialize_parameters_deep(self.layers_dims, seed=seed)
        self._parameters = {
            name: Tensor(value, requires_grad=True, name=name) for name, value in parameters.items()
        }

    def parameters(self) -> dict[str, Tensor]:
        """The Tensors W1 (n_1, n_x), b1 (n_1, 1), ..., WL, bL."""
        return self._parameters

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Copies of the parameters as arrays, the form that `nn.manual` takes."""
        return {name: tensor.data.copy() for name, tensor in self._parameters.items()}

    def layers(self, X: Any) -> dict[str, Tensor]:
        """Z1, A1, ..., ZL, AL for the columns of X : (n_x, m), all (n_l, m)."""
        if not isinstance(X, Tensor):
            X = Tensor(X, name="X")
        check_matmul("W1", self._parameters["W1"].shape, "X", X.shape)
        tensors: dict[str, Tensor] = {}
        A = X
        L = len(self.layers_dims) - 1
        for layer in range(1, L + 1):
            Z = self._parameters[f"W{layer}"] @ A + self._parameters[f"b{layer}"]
            A = relu(Z) if layer < L else sigmoid(Z)
            Z.name, A.name = f"Z{layer}", f"A{layer}"
            tensors |= {Z.name: Z, A.name: A}
        return tensors

    def __call__(self, X: Any) -> Tensor:
        """AL, the probability of class 1 for each column of X : (n_x, m), as a Tensor (1, m)."""
        return self.layers(X)[f"A{len(self.layers_dims) - 1}"]

    def cost(self, X: Any, Y: Any) -> Tensor:
        """The cross-entropy of the predictions for X : (n_x, m) and the labels Y : (1, m)."""
        cost = binary_cross_entropy(self(X), Y)
        cost.name = "cost"
        return cost

    def steps(self, X: ArrayLike, Y: ArrayLike, learning_rate: float) -> Iterator[float]:
        """Train, one step of gradient descent for each value taken: the cost before that step."""
        X, Y = check_X_Y(X, Y)
        check_layers_dims(self.layers_dims, n_x=len(X), n_y=1)
        rate = check_learning_rate(learning_rate)
        X, Y = Tensor(X, name="X"), Tensor(Y, name="Y")
        return self._steps(X, Y, rate)

    def _steps(self, X: Tensor, Y: Tensor, learning_rate: float) -> Iterator[float]:
        parameters = self._parameters.values()
        while True:
            cost = self.cost(X, Y)
            value = cost.item()
            if not math.isfinite(value):
                raise ArithmeticError(
                    f"training has diverged, the cost is {value}: use a smaller learning rate than "
                    f"{learning_rate}"
                )
            for tensor in parameters:
                tensor.zero_grad()
            cost.backward()
            del cost  # the graph is not needed any more; its memory serves the next step
            for tensor in parameters:
                tensor.data -= learning_rate * tensor.grad
            yield value

    def fit(
        self,
        X: ArrayLike,
        Y: ArrayLike,
        learning_rate: float = 0.0075,
        num_iterations: int = 3000,
    ) -> History:
        """Train by gradient descent on all of X : (n_x, m) with labels Y : (1, m) of 0 and 1.

        ValueError or TypeError, saying what to do, for input that does not fit.
        """
        n = check_num_iterations(num_iterations)
        return History(list(islice(self.steps(X, Y, learning_rate), n)))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """1 where the probability is above one half, else 0, for X : (n_x, m), as (1, m)."""
        with no_grad():
            return (self(check_X(X)).data > 0.5).astype(int)

    def accuracy(self, X: ArrayLike, Y: ArrayLike) -> float:
        """The part of the m examples whose label in Y : (1, m) is predicted."""
        X, Y = check_X_Y(X, Y)
        return float(np.mean(self.predict(X) == Y))

    def save(self, path: str | Path) -> None:
        """Write the parameters to an ``.npz`` file, whole or not at all."""
        save_arrays(path, self.arrays())

    @classmethod
    def load(cls, path: str | Path) -> LLayerModel:
        """Read a model that `save` wrote; ValueError where the file holds something else."""
        arrays = load_arrays(path)
        L = len(arrays) // 2
        names = [name for layer in range(1, L + 1) for name in (f"W{layer}", f"b{layer}")]
        if not names or set(names) != set(arrays):
            raise ValueError(
                f"{path} holds {sorted(arrays)}, but the parameters of an L-layer model are W1, b1 "
                "to WL, bL: choose a file that LLayerModel.save wrote."
            )
        dims = [arrays["W1"].shape[-1] if arrays["W1"].ndim else 0]
        dims += [
            len(arrays[f"W{layer}"]) if arrays[f"W{layer}"].ndim else 0 for layer in range(1, L + 1)
        ]
        for layer in range(1, L + 1):
            for name, shape in (
                (f"W{layer}", (dims[layer], dims[layer - 1])),
                (f"b{layer}", (dims[layer], 1)),
            ):
                array = arrays[name]
                if array.shape != shape or array.dtype.kind != "f":
                    raise ValueError(
                        f"{path}: {name} has shape {array.shape} and dtype {array.dtype}, but the "
                        f"layers around it need shape {shape} and floating-point numbers."
                    )
        return cls(dims, parameters={name: arrays[name] for name in names})


def L_layer_model(
    X: ArrayLike,
    Y: ArrayLike,
    layers_dims: Iterable[int],
    learning_rate: float = 0.0075,
    num_iterations: int = 3000,
    print_cost: bool = False,
) -> tuple[dict[str, NDArray[Any]], list[float]]:
    """`nn.manual.L_layer_model` by autodiff: the same arguments and results.

    X : (n_x, m), Y : (1, m) of 0 and 1, layers_dims : [n_x, n_1, ..., 1]. Returns the parameters as
    arrays and the costs before update 0, 100, 200, ...

    >>> X = np.array([[-2.0, -1.0, 1.0, 2.0]])
    >>> parameters, costs = L_layer_model(X, [0, 0, 1, 1], [1, 3, 1], 0.5, 200)
    >>> bool(np.allclose(costs, manual.L_layer_model(X, [0, 0, 1, 1], [1, 3, 1], 0.5, 200)[1]))
    True
    """
    return _train(LLayerModel(layers_dims), X, Y, learning_rate, num_iterations, print_cost)


def two_layer_model(
    X: ArrayLike,
    Y: ArrayLike,
    layers_dims: Iterable[int],
    learning_rate: float = 0.0075,
    num_iterations: int = 3000,
    print_cost: bool = False,
) -> tuple[dict[str, NDArray[Any]], list[float]]:
    """`nn.manual.two_layer_model` by autodiff: like `L_layer_model`, from weights 0.01 * randn.

    >>> X = np.array([[-2.0, -1.0, 1.0, 2.0]])
    >>> parameters, costs = two_layer_model(X, [0, 0, 1, 1], [1, 3, 1], 0.5, 1)
    >>> [round(cost, 3) for cost in costs]
    [0.693]
    """
    dims = check_two_layers(layers_dims)
    model = LLayerModel(dims, parameters=manual.initialize_parameters(*dims))
    return _train(model, X, Y, learning_rate, num_iterations, print_cost)


def _train(
    model: LLayerModel,
    X: ArrayLike,
    Y: ArrayLike,
    learning_rate: float,
    num_iterations: int,
    print_cost: bool,
) -> tuple[dict[str, NDArray[Any]], list[float]]:
    n = check_num_iterations(num_iterations)
    costs = []
    for i, cost in enumerate(islice(model.steps(X, Y, learning_rate), n)):
        if i % 100 == 0:
            costs.append(cost)
            if print_cost:
                print(f"Cost after iteration {i}: {cost}")
    return model.arrays(), costs
