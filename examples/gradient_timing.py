"""Backpropagation is faster than numerical gradients: the article's claim, measured.

    python examples/gradient_timing.py            # networks of up to 4,110 parameters
    python examples/gradient_timing.py --largest 500

The numerical gradient moves each parameter a little up and a little down and computes the cost both
times: two forward passes for every parameter. Backpropagation needs one forward pass and one
backward pass for all of them together. So their quotient grows with the network.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pictures

import nn

HIDDEN = (1, 2, 5, 10, 20, 50, 100)


def numerical_gradient(cost: Callable[[], float], array: np.ndarray, h: float = 1e-6) -> np.ndarray:
    """(cost(x + h) - cost(x - h)) / 2h for each number x of ``array``, changed in place and back."""
    gradient = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        x = array[index]
        array[index] = x + h
        above = cost()
        array[index] = x - h
        below = cost()
        array[index] = x
        gradient[index] = (above - below) / (2 * h)
    return gradient


def seconds(work: Callable[[], Any], at_least: float = 0.05) -> float:
    """The time of one call, the mean of as many as it takes to measure it."""
    times = 0
    start = perf_counter()
    while perf_counter() - start < at_least or times == 0:
        work()
        times += 1
    return (perf_counter() - start) / times


def main(largest: int = 5000, folder: Path | None = None) -> list[dict[str, float]]:
    random = np.random.default_rng(1)
    X, t = random.random((100, 30)), random.integers(0, 10, 100)
    rows = []
    print("Networks 30 - n - 10, relu, 100 examples; the time of one gradient")
    print("      n  parameters  backprop by autodiff   numerical   quotient   largest difference")
    for n in HIDDEN:
        model = nn.Sequential(nn.Affine(30, n, seed=1), nn.ReLU(), nn.Affine(n, 10, seed=2))
        parameters = model.parameters()
        size = sum(parameter.size for parameter in parameters)
        if size > largest:
            break

        def backpropagation(model: nn.Sequential = model) -> None:
            model.zero_grad()
            nn.cross_entropy(model(X), t, axis=1).backward()

        # the numerical gradient gets plain NumPy, without any recording: as fast as it can be
        layers = [nn.manual.Affine(layer.W.data, layer.b.data) for layer in (model[0], model[2])]
        relu, loss = nn.manual.Relu(), nn.manual.SoftmaxWithLoss()

        def cost(layers: Any = layers, relu: Any = relu, loss: Any = loss) -> float:
            return loss.forward(layers[1].forward(relu.forward(layers[0].forward(X))), t)

        start = perf_counter()
        numerical = [
            numerical_gradient(cost, array) for layer in layers for array in (layer.W, layer.b)
        ]
        slow = perf_counter() - start
        fast = seconds(backpropagation)
        apart = max(
            float(np.abs(parameter.grad - gradient).max())
            for parameter, gradient in zip(parameters, numerical)
        )
        print(
            f"  {n:5}  {size:10}  {1e3 * fast:16.3f} ms  {1e3 * slow:9.1f} ms"
            f"  {slow / fast:8.0f}   {apart:.1e}"
        )
        rows.append({"parameters": size, "backprop": fast, "numerical": slow, "apart": apart})

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        sizes = [row["parameters"] for row in rows]
        for way, marker in (("numerical", "o"), ("backprop", "s")):
            axes.loglog(sizes, [row[way] for row in rows], marker=marker, label=way)
        axes.set(xlabel="parameters", ylabel="seconds for one gradient")
        axes.grid(alpha=0.3)
        axes.legend()

    pictures.save("gradient_timing.png", draw, folder)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=5000, help="most parameters of a network")
    main(parser.parse_args().largest)
