"""A training step by autodiff, by the derived source, and by hand.

python benchmarks/networks.py [FOLDER with the course's two HDF5 files]
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from timing import show, turn_by_turn

import nn
from tinygrad_edu import Tensor, derive, sigmoid

RATE = 0.0075


def cat_steps(X: np.ndarray, Y: np.ndarray, dims: list[int]) -> dict[str, Callable[[], object]]:
    """One step each: nn.manual, the same without the gradient of X, autodiff, the derived source."""
    start = nn.manual.initialize_parameters_deep(dims)
    model = nn.LLayerModel(dims)
    formulas = derive(nn.LLayerModel(dims).cost(Tensor(X, name="X"), Tensor(Y, name="Y")))
    derived = formulas.function
    state = {"by hand": start, "without dX": dict(start), "derived": dict(start)}

    def by_hand() -> None:
        AL, caches = nn.manual.L_model_forward(X, state["by hand"])
        nn.manual.compute_cost(AL, Y)
        grads = nn.manual.L_model_backward(AL, Y, caches)
        state["by hand"] = nn.manual.update_parameters(state["by hand"], grads, RATE)

    def without_dX() -> None:
        AL, caches = nn.manual.L_model_forward(X, state["without dX"])
        nn.manual.compute_cost(AL, Y)
        dA, grads = nn.manual.cost_backward(AL, Y), {}
        for layer in range(len(caches), 0, -1):
            (A_prev, W, _), Z = caches[layer - 1]
            last = layer == len(caches)
            dZ = nn.manual.sigmoid_backward(dA, Z) if last else nn.manual.relu_backward(dA, Z)
            grads[f"dW{layer}"] = dZ @ A_prev.T / X.shape[1]
            grads[f"db{layer}"] = np.sum(dZ, axis=1, keepdims=True) / X.shape[1]
            if layer > 1:
                dA = W.T @ dZ
        state["without dX"] = nn.manual.update_parameters(state["without dX"], grads, RATE)

    def by_source() -> None:
        parameters = state["derived"]
        _, grads = derived(X=X, Y=Y, **parameters)
        state["derived"] = nn.manual.update_parameters(parameters, grads, RATE)

    steps = model.steps(X, Y, RATE)
    return {
        "nn.manual": by_hand,
        "nn.manual without dX": without_dX,
        "autodiff": lambda: next(steps),
        "derived source": by_source,
    }


def planar_steps(m: int = 400) -> dict[str, Callable[[], object]]:
    """The planar network 2-4-1, tanh then sigmoid: operation by operation, derived, and by hand."""
    random = np.random.RandomState(0)
    X = random.randn(2, m)
    Y = (X[:1] * X[1:] > 0) * 1.0
    shapes = {"W1": (4, 2), "b1": (4, 1), "W2": (1, 4), "b2": (1, 1)}
    start = {name: random.randn(*shape) * 0.1 for name, shape in shapes.items()}
    rate = 1.2

    tensors = {name: Tensor(v, requires_grad=True, name=name) for name, v in start.items()}
    Xt, Yt = Tensor(X, name="X"), Tensor(Y, name="Y")

    def forward(W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor) -> Tensor:
        Z1 = W1 @ Xt + b1
        A1 = np.tanh(Z1)
        Z2 = W2 @ A1 + b2
        A2 = sigmoid(Z2)
        Z1.name, A1.name, Z2.name, A2.name = "Z1", "A1", "Z2", "A2"
        return -np.mean(Yt * np.log(A2) + (1 - Yt) * np.log(1 - A2))

    def autodiff() -> None:
        for tensor in tensors.values():
            tensor.zero_grad()
        forward(**tensors).backward()
        for tensor in tensors.values():
            tensor.data -= rate * tensor.grad

    def written(
        X: np.ndarray, Y: np.ndarray, W1: np.ndarray, b1: np.ndarray, W2: np.ndarray, b2: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        """Forward and backward as a careful person writes them."""
        A1 = np.tanh(W1 @ X + b1)
        A2 = 1 / (1 + np.exp(-(W2 @ A1 + b2)))
        cost = -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m
        dZ2 = A2 - Y
        dW2 = dZ2 @ A1.T / m
        db2 = np.sum(dZ2, axis=1, keepdims=True) / m
        dZ1 = W2.T @ dZ2 * (1 - A1**2)
        dW1 = dZ1 @ X.T / m
        db1 = np.sum(dZ1, axis=1, keepdims=True) / m
        return cost, {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}

    def step(function: Callable[..., tuple[float, dict[str, np.ndarray]]]) -> Callable[[], None]:
        """A training step with gradients from ``function``."""
        parameters = dict(start)

        def run() -> None:
            _, grads = function(X=X, Y=Y, **parameters)
            for name in parameters:
                parameters[name] = parameters[name] - rate * grads["d" + name]

        return run

    loss = forward(**tensors)
    return {
        "by hand": step(written),
        "autodiff": autodiff,
        "derived source": step(derive(loss).function),
        "derived source, fused": step(derive(loss, fused=True).function),
    }


def main(path: str | None = None) -> None:
    data = nn.datasets.load_cats(path)
    X, Y = nn.datasets.flatten(data.train_x), data.train_y.astype(float)
    print(data.source)
    for dims in ([len(X), 20, 7, 5, 1], [len(X), 7, 1]):
        times = turn_by_turn(cat_steps(X, Y, dims), turns=80)
        show(f"a training step of {dims}, m = {X.shape[1]}", times, "nn.manual")
    times = turn_by_turn(planar_steps(), turns=2000)
    show("a training step of the planar network 2-4-1, m = 400", times, "by hand")


if __name__ == "__main__":
    main(*sys.argv[1:2])
