"""Handwritten digits: 784-50-10 and 784-50-30-10, in the textbook's form, by autodiff and by hand.

    python examples/digits.py                        # MNIST where it is found, else drawn digits
    python examples/digits.py --data mnist/          # the four IDX files of MNIST, gzipped or not
    python examples/digits.py --iterations 1000      # a shorter training

Pictures are rows here: X is (100, 784), a batch of 100 pictures, and a layer computes X W + b. The
last layer gives ten scores for each picture; softmax makes probabilities of them, and the cost is
minus the logarithm of the probability of the right digit.
"""

from __future__ import annotations

import argparse
import os
from itertools import pairwise
from pathlib import Path

import numpy as np

import nn
from tinygrad_edu import Tensor, no_grad

HERE = Path(os.environ.get("TINYGRAD_EDU_DATA", "../shared/data")) / "mnist"

# The networks, and the accuracies that the article printed after 10,000 iterations: train, test.
NETWORKS = {
    "784-50-10 relu": ([784, 50, 10], "relu", (0.979, 0.969)),
    "784-50-30-10 relu": ([784, 50, 30, 10], "relu", (0.983, 0.969)),
    "784-50-10 sigmoid": ([784, 50, 10], "sigmoid", (0.947, 0.944)),
}
AUTO = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}
BY_HAND = {"relu": nn.manual.Relu, "sigmoid": nn.manual.Sigmoid}


def network(sizes: list[int], activation: str, seed: int) -> nn.Sequential:
    """Affine layers of weights 0.01 * randn with an activation between them; scores come out."""
    random = np.random.default_rng(seed)
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Affine(n_in, n_out, init=0.01, seed=random), AUTO[activation]()]
    return nn.Sequential(*layers[:-1])


def loss(scores: Tensor, labels: np.ndarray) -> Tensor:
    return nn.cross_entropy(scores, labels, axis=1)


def by_hand(model: nn.Sequential, activation: str, X: np.ndarray, t: np.ndarray) -> dict:
    """The same network built of hand-written layers: its loss and the gradients of all parameters."""
    layers = [
        nn.manual.Affine(layer.W.data, layer.b.data)
        if isinstance(layer, nn.Affine)
        else BY_HAND[activation]()
        for layer in model
    ]
    last = nn.manual.SoftmaxWithLoss()
    for layer in layers:
        X = layer.forward(X)
    grads = {"loss": last.forward(X, t)}
    dout = last.backward()
    for i, layer in reversed(list(enumerate(layers))):
        dout = layer.backward(dout)
        if isinstance(layer, nn.manual.Affine):
            grads[f"{i}.W"], grads[f"{i}.b"] = layer.dW, layer.db
    return grads


def difference(model: nn.Sequential, activation: str, X: np.ndarray, t: np.ndarray) -> float:
    """The worst relative error between autodiff and the hand-written layers."""
    hand = by_hand(model, activation, X, t)
    model.zero_grad()
    cost = loss(model(X), t)
    cost.backward()
    errors = [abs(cost.item() - hand["loss"]) / hand["loss"]]
    for name, parameter in model.named_parameters():
        errors.append(np.abs(parameter.grad - hand[name]).max() / np.abs(hand[name]).max())
    return float(max(errors))


def accuracy(model: nn.Sequential, X: np.ndarray, t: np.ndarray) -> float:
    with no_grad():
        return float(np.mean(np.argmax(model(X), axis=1) == t))


def main(path: str | None = None, iterations: int = 10_000, seed: int = 1) -> dict:
    # 1. The data.
    if path is not None or HERE.is_dir():
        digits = nn.datasets.load_mnist(path or HERE)
    else:
        print(f"MNIST is not there ({HERE}; --data says where), so the code draws digits.")
        digits = nn.datasets.draw_digits()
    print(digits.source)
    X, X_test = (nn.datasets.flatten(x).T for x in (digits.train_x, digits.test_x))
    t, t_test = digits.train_y, digits.test_y
    print(f"X {X.shape}, labels {t.shape}, test X {X_test.shape}")

    results = {}
    for name, (sizes, activation, published) in NETWORKS.items():
        print(f"\n{name}, batches of 100, learning rate 0.1, {iterations} iterations")
        model = network(sizes, activation, seed)
        batches = nn.MiniBatches(X, t, 100, seed=seed, axis=0)
        before = difference(model, activation, *batches.batch(0))

        # 2. Training by autodiff: nothing but the forward pass was written.
        optimizer = nn.SGD(model.parameters(), lr=0.1)
        history = nn.train(model, loss, batches, optimizer, iterations, progress=True)
        for i in range(0, iterations, max(iterations // 5, 1)):
            print(f"  cost at iteration {i:5}: {history.costs[i]:.4f}")

        # 3. The backward pass by hand says the same, at the beginning and at the end.
        worst = max(before, difference(model, activation, *batches.batch(0)))
        print(f"  autodiff against the hand-written layers: worst relative error {worst:.1e}")

        # 4. What it learnt.
        found = accuracy(model, X, t), accuracy(model, X_test, t_test)
        print(f"  accuracy: train {found[0]:.4f}, test {found[1]:.4f}", end="")
        print("" if digits.drawn else f"; the article: {published[0]}, {published[1]}")
        results[name] = {"accuracy": found, "worst": worst, "costs": history.costs}
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="DIR", help="the folder of MNIST's four files")
    parser.add_argument("--iterations", type=int, default=10_000)
    options = parser.parse_args()
    main(options.data, options.iterations)
