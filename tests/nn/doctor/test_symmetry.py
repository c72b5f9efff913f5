"""Gradients without a cost function: another cost is no mistake, and a mistake is no other cost."""

from __future__ import annotations

import pytest

from nn import doctor

NETWORK = """
import numpy as np

class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.W1 = np.random.randn(n_in, n_hidden)
        self.b1 = np.zeros(n_hidden)
        self.W2 = np.random.randn(n_hidden, n_out)
        self.b2 = np.zeros(n_out)

    def forward(self, X):
        self.h = np.tanh(X @ self.W1 + self.b1)
        self.out = self.h @ self.W2 + self.b2
        return self.out

    def backward(self, X, y):
        d = {delta}
        self.dW2 = self.h.T @ d
        self.db2 = d.sum(axis=0)
        dh = d @ self.W2.T * (1 - self.h**2)
        self.dW1 = X.T @ dh
        self.db1 = dh.sum(axis=0)
"""
DELTAS = {
    "log-cosh": "np.tanh(self.out - y) / len(X)",
    "fourth power": "(self.out - y) ** 3 / len(X)",
    "absolute error": "np.sign(self.out - y) / len(X)",
    "weighted": "(self.out - y) / (1 + y**2)",
}
MISTAKES = {
    "slope": ("(1 - self.h**2)", "self.h * (1 - self.h)"),
    "no slope": (" * (1 - self.h**2)", ""),
    "mean for sum": ("dh.sum(axis=0)", "dh.mean(axis=0)"),
    "factor": ("self.h.T @ d", "self.h.T @ d / 2"),
}


def examined(source: str, folder) -> doctor.Report:
    path = folder / "network.py"
    path.write_text(source)
    return doctor.check_file(path)


@pytest.mark.parametrize("cost", DELTAS)
def test_another_cost_is_no_mistake(cost, tmp_path):
    assert examined(NETWORK.format(delta=DELTAS[cost]), tmp_path).status == 2


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("cost", ["log-cosh", "weighted"])
def test_a_mistake_is_no_other_cost(cost, mistake, tmp_path):
    right, wrong = MISTAKES[mistake]
    source = NETWORK.format(delta=DELTAS[cost])
    assert right in source
    assert examined(source.replace(right, wrong), tmp_path).status == 1


def test_an_output_that_is_coupled_to_the_others_has_no_cost(tmp_path):
    report = examined(NETWORK.format(delta="self.out[:, [1, 2, 0]] - y"), tmp_path)
    assert report.status == 1
    assert "no cost at all" in str(report)


def test_one_change_that_makes_a_usual_cost_of_it_is_shown(tmp_path):
    report = examined(NETWORK.format(delta="self.out[:, -1:] - y"), tmp_path)
    assert report.status == 1
    [cause] = report.all_causes
    assert "self.out[:, -1:] - y" in cause.source and "squared error" in str(report)


def test_clipped_gradients_are_not_judged(tmp_path):
    delta = "np.clip((self.out - y) ** 3, -0.01, 0.01) * self.out[:, -1:]"
    assert examined(NETWORK.format(delta=delta), tmp_path).status == 2
