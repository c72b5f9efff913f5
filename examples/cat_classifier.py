"""The cat classifiers, of two layers and of L layers, by autodiff and checked against backprop by hand.

    python examples/cat_classifier.py                 # pictures that the code draws, no photographs
    python examples/cat_classifier.py catvnoncat/     # the course's train_ and test_catvnoncat.h5

A network looks at pictures of 64 x 64 pixels and three colours, one picture in each column of X, and
says of each whether it shows a cat.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pictures

import nn
import viz

RATE = 0.0075


def main(
    path: str | None = None, iterations: int = 2500, folder: Path | None = None
) -> dict[str, float]:
    # 1. The data: 209 pictures to learn from, 50 to be examined on.
    data = nn.datasets.load_cats(path)
    X, X_test = nn.datasets.flatten(data.train_x), nn.datasets.flatten(data.test_x)
    Y, Y_test = data.train_y, data.test_y
    print(data.source)
    print(f"X {X.shape}, Y {Y.shape}, test X {X_test.shape}")

    # 2. Two layers: the course's function, by autodiff. Change one word, and it is done by hand.
    print("\nTwo layers, 12288-7-1")
    dims = [len(X), 7, 1]
    parameters, costs = nn.two_layer_model(X, Y, dims, RATE, iterations)
    hand_costs = nn.manual.two_layer_model(X, Y, dims, RATE, min(iterations, 101))[1]
    show(costs, hand_costs)
    result = {
        "two layers, train": float(np.mean(nn.manual.predict(X, None, parameters) == Y)),
        "two layers, test": float(np.mean(nn.manual.predict(X_test, None, parameters) == Y_test)),
    }
    print("accuracy: train {:.4f}, test {:.4f}".format(*result.values()))

    # 3. Four layers. Their gradients come from walking the recorded graph in reverse.
    print("\nFour layers, 12288-20-7-5-1")
    model = nn.LLayerModel([len(X), 20, 7, 5, 1], seed=1)
    before = nn.compare(model, X, Y)
    print("Before training, autodiff against the formulas derived by hand:")
    print(before)
    history = model.fit(X, Y, learning_rate=RATE, num_iterations=iterations)
    hand_costs = nn.manual.L_layer_model(X, Y, model.layers_dims, RATE, min(iterations, 101))[1]
    show(history.costs[::100], hand_costs)

    # 4. What they learnt, and what they got wrong.
    after = nn.compare(model, X, Y)
    result |= {
        "train": model.accuracy(X, Y),
        "test": model.accuracy(X_test, Y_test),
        "worst": max(before.worst, after.worst),
    }
    print(f"accuracy: train {result['train']:.4f}, test {result['test']:.4f}")
    print(f"worst relative error of a gradient, before and after training: {result['worst']:.1e}")
    predicted = model.predict(X_test)
    print(f"{int(np.sum(predicted != Y_test))} of {Y_test.size} test pictures are mislabelled")

    def curve(figure: Any) -> None:
        axes = figure.subplots()
        viz.plot_costs(costs, RATE, every=100, ax=axes)
        viz.plot_costs(history.costs[::100], RATE, every=100, ax=axes)
        axes.legend(["two layers", "four layers"])

    def mislabelled(figure: Any) -> None:
        viz.plot_mislabeled(data.classes, X_test, Y_test, predicted, ax=figure.subplots())

    pictures.save("cat_costs.png", curve, folder)
    pictures.save("cat_mislabelled.png", mislabelled, folder, figsize=(9, 7))
    return result


def show(costs: list[float], by_hand: list[float]) -> None:
    """The costs, a hundred iterations apart, the first ones beside those by hand."""
    for i, cost in enumerate(costs):
        beside = f"   by hand {by_hand[i]:.6f}" if i < len(by_hand) else ""
        print(f"cost at iteration {100 * i:4}: {cost:.6f}{beside}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", help="the folder of the course's HDF5 files")
    parser.add_argument("--iterations", type=int, default=2500)
    options = parser.parse_args()
    main(options.data, options.iterations)
