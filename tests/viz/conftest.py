"""Networks to draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor


class Networks:
    """Small networks with random weights, each as its cost."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)

    def parameter(self, *shape: int, name: str | None = None) -> Tensor:
        scale = np.sqrt(shape[-1]) if shape else 1.0
        return Tensor(self.random.standard_normal(shape) / scale, requires_grad=True, name=name)

    def input(self, *shape: int, name: str | None = None) -> Tensor:
        return Tensor(self.random.standard_normal(shape), name=name)

    def classifier(self, *dims: int, m: int = 6) -> Tensor:
        """The course's network, its parameters and results named as there."""
        A = self.input(dims[0], m, name="X")
        Y = Tensor((self.random.random((1, m)) > 0.5).astype(float), name="Y")
        for layer, (n, n_prev) in enumerate(zip(dims[1:], dims), start=1):
            Z = self.parameter(n, n_prev, name=f"W{layer}") @ A
            Z = Z + self.parameter(n, 1, name=f"b{layer}")
            A = tg.relu(Z) if layer < len(dims) - 1 else tg.sigmoid(Z)
            Z.name, A.name = f"Z{layer}", f"A{layer}"
        cost = -np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A))
        cost.name = "cost"
        return cost

    def residual(self) -> Tensor:
        A = self.input(4, 6, name="X")
        for layer in (1, 2):
            Z = self.parameter(4, 4, name=f"W{layer}") @ A + self.parameter(4, 1, name=f"b{layer}")
            A = tg.relu(Z) + A
            A.name = f"A{layer}"
        return (A**2).mean()

    def softmax(self) -> Tensor:
        T = np.eye(4)[[0, 1, 2, 3, 1]]
        A1 = tg.relu(self.input(5, 3, name="X") @ self.parameter(3, 6, name="W1"))
        Z2 = A1 @ self.parameter(6, 4, name="W2") + self.parameter(4, name="b2")
        e = np.exp(Z2 - np.max(Z2, axis=1, keepdims=True))
        A2 = e / np.sum(e, axis=1, keepdims=True)
        A1.name, A2.name = "A1", "A2"
        return -np.sum(T * np.log(A2)) / 5

    def rnn(self, steps: int) -> Tensor:
        Wx, Wh = self.parameter(4, 3, name="Wx"), self.parameter(4, 4, name="Wh")
        h = self.input(4, 2, name="h0")
        for t in range(steps):
            h = np.tanh(Wx @ self.input(3, 2, name=f"x{t}") + Wh @ h)
        return (h**2).sum()

    def apples(self) -> Tensor:
        """The textbook's apples and oranges."""
        named = {"apple": 100.0, "apples": 2.0, "orange": 150.0, "oranges": 3.0, "tax": 1.1}
        a, n, b, k, tax = (Tensor(x, requires_grad=True, name=name) for name, x in named.items())
        price = (a * n + b * k) * tax
        price.name = "price"
        return price

    def irregular(self, operations: int) -> Tensor:
        """Random operations on random earlier results."""
        results = [self.parameter(3), self.parameter(3)]
        for _ in range(operations):
            other = results[self.random.integers(max(0, len(results) - 20), len(results))]
            operation = [np.add, np.maximum, np.subtract, np.multiply][self.random.integers(4)]
            results.append(operation(np.tanh(results[-1]), other))
        return results[-1].sum()


@pytest.fixture
def networks() -> Networks:
    return Networks()


@pytest.fixture
def renderer(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """An empty PATH, so that pygraphviz draws."""
    pytest.importorskip("pygraphviz", reason="needs pygraphviz, which carries Graphviz")
    monkeypatch.setenv("PATH", str(tmp_path / "nothing here"))


@pytest.fixture
def no_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Graphviz at all."""
    from viz import render

    nothing: Callable[[str], None] = lambda name: None  # noqa: E731
    monkeypatch.setattr(render.shutil, "which", nothing)
    monkeypatch.setattr(render, "find_spec", nothing)
