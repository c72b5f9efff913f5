"""The L-layer cat classifier, trained by autodiff and checked against backprop by hand.

    python examples/cat_classifier.py                 # pictures that the code draws, no photographs
    python examples/cat_classifier.py catvnoncat/     # the course's train_ and test_catvnoncat.h5

A network of three hidden layers looks at pictures of 64 x 64 pixels and three colours, one picture
in each column of X, and says of each whether it shows a cat.
"""

from __future__ import annotations

import sys

import nn


def main(path: str | None = None, iterations: int = 2500) -> dict[str, float]:
    # 1. The data: 209 pictures to learn from, 50 to be examined on.
    data = nn.datasets.load_cats(path)
    X, X_test = nn.datasets.flatten(data.train_x), nn.datasets.flatten(data.test_x)
    print(data.source)
    print(f"X {X.shape}, Y {data.train_y.shape}, test X {X_test.shape}")

    # 2. The network. Its gradients come from walking the recorded graph in reverse.
    model = nn.LLayerModel([len(X), 20, 7, 5, 1], seed=1)
    before = nn.compare(model, X, data.train_y)
    print("\nBefore training, autodiff against the formulas derived by hand:")
    print(before)

    # 3. Training: gradient descent on all pictures at once.
    history = model.fit(X, data.train_y, learning_rate=0.0075, num_iterations=iterations)
    for i in range(0, iterations, 100):
        print(f"cost at iteration {i:4}: {history.costs[i]:.6f}")

    # 4. The same training by hand, with the same function names: the costs agree.
    by_hand = nn.manual.L_layer_model(
        X, data.train_y, model.layers_dims, learning_rate=0.0075, num_iterations=101
    )[1]
    for i, cost in zip((0, 100), by_hand):
        if i < iterations:
            print(f"by hand, at iteration {i:4}: {cost:.6f}")

    # 5. What it learnt.
    after = nn.compare(model, X, data.train_y)
    result = {
        "train": model.accuracy(X, data.train_y),
        "test": model.accuracy(X_test, data.test_y),
        "worst": max(before.worst, after.worst),
    }
    print(f"\naccuracy: train {result['train']:.4f}, test {result['test']:.4f}")
    print(f"worst relative error of a gradient, before and after training: {result['worst']:.1e}")
    return result


if __name__ == "__main__":
    main(*sys.argv[1:2])
