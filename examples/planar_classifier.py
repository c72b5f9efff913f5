"""The planar classifier: a flower of two colours, 2-4-1, tanh then sigmoid, by autodiff and by hand.

    python examples/planar_classifier.py                     # 10,000 iterations, two pictures
    python examples/planar_classifier.py --iterations 1000   # shorter

The colours of the flower alternate, so no straight line can separate them. Four hidden units are
four soft lines, one tanh each, and the output combines them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pictures

import nn
import viz
from tinygrad_edu import Tensor, no_grad


def network(n_h: int, seed: int = 1) -> nn.Sequential:
    """2 - n_h - 1, from the same small weights as the network by hand."""
    model = nn.Sequential(nn.Linear(2, n_h), nn.Tanh(), nn.Linear(n_h, 1))
    start = nn.manual.initialize_parameters(2, n_h, 1, seed=seed)
    for parameter, name in zip(model.parameters(), ("W1", "b1", "W2", "b2")):
        parameter.data = start[name]
    return model


def cost_of(model: nn.Sequential, X: Any, Y: Any) -> Tensor:
    """The last layer gives Z2; sigmoid and cross-entropy are one function of it."""
    return nn.binary_cross_entropy_with_logits(model(X), Y)


def fit(model: nn.Sequential, X: np.ndarray, Y: np.ndarray, iterations: int) -> list[float]:
    """Gradient descent on all points, learning rate 1.2; the cost before every update."""
    optimizer = nn.SGD(model.parameters(), lr=1.2)
    X, Y = Tensor(X, name="X"), Tensor(Y, name="Y")
    costs = []
    for _ in range(iterations):
        cost = cost_of(model, X, Y)
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        costs.append(cost.item())
    return costs


def predict(model: nn.Sequential, X: np.ndarray) -> np.ndarray:
    with no_grad():
        return model(Tensor(X)).data > 0  # Z2 > 0 where A2 = sigmoid(Z2) > 0.5


def accuracy(model: nn.Sequential, X: np.ndarray, Y: np.ndarray) -> float:
    return float(np.mean(predict(model, X) == Y))


def gradients_differ(model: nn.Sequential, X: np.ndarray, Y: np.ndarray) -> float:
    """The worst relative error between autodiff and dZ2 = A2 - Y, dZ1 = W2' dZ2 * (1 - A1^2)."""
    named = dict(zip(("W1", "b1", "W2", "b2"), model.parameters()))
    arrays = {name: tensor.data for name, tensor in named.items()}
    hand = nn.manual.planar_backward(*nn.manual.planar_forward(X, arrays), X, Y, arrays)
    model.zero_grad()
    cost_of(model, X, Y).backward()
    return max(
        float(np.abs(tensor.grad - hand[f"d{name}"]).max() / np.abs(hand[f"d{name}"]).max())
        for name, tensor in named.items()
    )


def main(
    iterations: int = 10_000,
    points: tuple[int, ...] = (400, 4000),
    sizes: tuple[int, ...] = tuple(range(1, 21)),
    folder: Path | None = None,
) -> dict[str, Any]:
    results: dict[str, Any] = {}

    # 1. The classifier, by autodiff and by hand, on few points and on many.
    for m in points:
        X, Y = nn.datasets.load_planar(m)
        model = network(n_h=4)
        worst = gradients_differ(model, X, Y)
        costs = fit(model, X, Y, iterations)
        worst = max(worst, gradients_differ(model, X, Y))
        parameters, by_hand = nn.manual.planar_model(X, Y, 4, num_iterations=iterations)
        right = accuracy(model, X, Y)
        hand_right = float(np.mean(nn.manual.planar_predict(X, parameters) == Y))
        print(f"\n{m} points, 4 hidden units      by autodiff     by hand")
        for k, cost in enumerate(by_hand):
            print(f"  cost at iteration {1000 * k:5}        {costs[1000 * k]:.8f}  {cost:.8f}")
        print(f"  accuracy                        {right:.4f}      {hand_right:.4f}")
        print(f"  worst relative error of a gradient, before and after: {worst:.1e}")
        results[m] = {"accuracy": right, "by hand": hand_right, "worst": worst}
        boundary = f"planar_{m}.png"
        pictures.save(boundary, lambda figure: draw([(model, X, Y, "4 units")], figure), folder)  # noqa: B023 - drawn at once

    # 2. How many hidden units does it take?
    X, Y = nn.datasets.load_planar(400)
    X_new, Y_new = nn.datasets.load_planar(400, seed=2)
    trained = []
    print("\nHidden units, accuracy on the 400 points, and on 400 new ones of the same flower")
    for n_h in sizes:
        model = network(n_h)
        fit(model, X, Y, iterations // 2)
        right, new = accuracy(model, X, Y), accuracy(model, X_new, Y_new)
        print(f"  {n_h:2}  {right:.4f}  {new:.4f}")
        trained.append((model, X, Y, f"{n_h} unit{'s' * (n_h > 1)}: {right:.1%}"))
        results[f"{n_h} units"] = right, new
    pictures.save(
        "planar_sizes.png", lambda figure: draw(trained, figure), folder, figsize=(15, 11)
    )
    return results


def draw(models: list[tuple[Any, np.ndarray, np.ndarray, str]], figure: Any) -> None:
    """The decision boundary of each network, side by side."""
    columns = min(len(models), 5)
    grid = figure.subplots(-(-len(models) // columns), columns, squeeze=False).ravel()
    for axes in grid[len(models) :]:
        axes.set_axis_off()
    for axes, (model, X, Y, title) in zip(grid, models):
        viz.plot_decision_boundary(lambda P: predict(model, P), X, Y, ax=axes)  # noqa: B023
        axes.set_title(title)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, default=10_000)
    main(parser.parse_args().iterations)
