"""Backprop that passes its test, and is wrong: the doctor finds the line.

    python examples/gradient_doctor.py

The L-layer network of the course in somebody's own words, and one slip in the loop backward: it takes
the gradient of the last hidden layer for that of each layer. With one hidden layer there is no other,
so the usual test by central differences on a small network sees nothing. The doctor chooses the
networks itself, two and three layers deep, and names the mistake, the line, and what to write instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import viz
from nn import doctor

Arrays = dict[str, Any]


def relu(Z: Any) -> Any:
    return np.maximum(0, Z)


def sigmoid(Z: Any) -> Any:
    return 1 / (1 + np.exp(-Z))


def forward(X: Any, parameters: Arrays) -> tuple[Any, list[Any]]:
    caches = []
    A = X
    L = len(parameters) // 2
    for i in range(1, L + 1):
        Z = parameters[f"W{i}"] @ A + parameters[f"b{i}"]
        caches.append((A, parameters[f"W{i}"], Z))
        A = sigmoid(Z) if i == L else relu(Z)
    return A, caches


def cost(AL: Any, Y: Any) -> Any:
    return -np.mean(Y * np.log(AL) + (1 - Y) * np.log(1 - AL))


def backward(AL: Any, Y: Any, caches: list[Any]) -> Arrays:
    grads = {}
    m = Y.shape[1]
    L = len(caches)
    dZ = AL - Y
    for i in range(L, 0, -1):
        A_prev, W, Z = caches[i - 1]
        if i < L:
            dZ = grads[f"dA{L - 1}"] * (Z > 0)
        grads[f"dW{i}"] = dZ @ A_prev.T / m
        grads[f"db{i}"] = np.sum(dZ, axis=1, keepdims=True) / m
        grads[f"dA{i - 1}"] = W.T @ dZ
    return grads


def backward_mended(AL: Any, Y: Any, caches: list[Any]) -> Arrays:
    grads = {}
    m = Y.shape[1]
    L = len(caches)
    dZ = AL - Y
    for i in range(L, 0, -1):
        A_prev, W, Z = caches[i - 1]
        if i < L:
            dZ = grads[f"dA{i}"] * (Z > 0)
        grads[f"dW{i}"] = dZ @ A_prev.T / m
        grads[f"db{i}"] = np.sum(dZ, axis=1, keepdims=True) / m
        grads[f"dA{i - 1}"] = W.T @ dZ
    return grads


def network(*sizes: int) -> Arrays:
    random = np.random.default_rng(1)
    parameters = {}
    for i, (n, n_prev) in enumerate(zip(sizes[1:], sizes), start=1):
        parameters[f"W{i}"] = random.normal(size=(n, n_prev)) / np.sqrt(n_prev)
        parameters[f"b{i}"] = np.zeros((n, 1))
    return parameters


def gradient_check(parameters: Arrays, X: Any, Y: Any, step: float = 1e-6) -> float:
    """The usual test: || by backprop - by central differences || over the sum of the norms."""
    AL, caches = forward(X, parameters)
    grads = backward(AL, Y, caches)
    by_hand, by_differences = [], []
    for name, values in parameters.items():
        for at in np.ndindex(values.shape):
            costs = []
            for change in (step, -step):
                changed = {**parameters, name: values.copy()}
                changed[name][at] += change
                costs.append(cost(forward(X, changed)[0], Y))
            by_hand.append(grads[f"d{name}"][at])
            by_differences.append((costs[0] - costs[1]) / (2 * step))
    off = np.linalg.norm(np.subtract(by_hand, by_differences))
    return float(off / (np.linalg.norm(by_hand) + np.linalg.norm(by_differences)))


def main() -> dict[str, Any]:
    X = np.random.default_rng(2).normal(size=(4, 6))
    Y = 1.0 * (X[:1] > 0)
    difference = gradient_check(network(4, 3, 1), X, Y)
    print(f"Central differences on a network 4-3-1: difference {difference:.0e}, all seems well.\n")

    parameters = network(4, 3, 3, 1)
    wrong = doctor.check(forward, cost, backward, parameters, X, Y)
    print(wrong)
    print("\nWhere it flows (viz.draw(report), here as text):\n")
    print(viz.draw(wrong))

    mended = doctor.check(forward, cost, backward_mended, parameters, X, Y)
    print(f"\nMended:\n\n{mended}")
    return {"difference": difference, "wrong": wrong, "mended": mended}


if __name__ == "__main__":
    main()
