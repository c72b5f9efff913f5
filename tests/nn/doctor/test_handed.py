"""What programs hand to SciPy's optimisers: the cost and its gradient, as they stand in the call."""

from __future__ import annotations

import pytest

from nn.doctor import check_file, load

SCRIPT = """
import numpy as np
import scipy.optimize as opt
import matplotlib.pyplot as plt

data = np.loadtxt("admissions.txt", delimiter=",")
X = data[:, :2]
y = data[:, 2]
m, n = X.shape
X = np.hstack((np.ones((m, 1)), X))

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

def cost(theta, X, y):
    h = sigmoid(X.dot(theta))
    return -(y.dot(np.log(h)) + (1 - y).dot(np.log(1 - h))) / m

def gradient(theta, X, y):
    h = sigmoid(X.dot(theta))
    return X.T.dot(h - y) / m

result = opt.fmin_tnc(func=cost, x0=np.zeros(n + 1), fprime=gradient, args=(X, y))
plt.plot(X @ result[0])
"""

ONE_AGAINST_ALL = """
import numpy as np
from scipy.io import loadmat
from scipy.optimize import minimize

digits = loadmat("digits.mat")
X, y = digits["X"], digits["y"]
X = np.insert(X, 0, 1, axis=1)

def h(t, X):
    return 1 / (1 + np.exp(-X @ t))

def J(t, X, y, C):
    p = h(t, X)
    return np.mean(-y * np.log(p) - (1 - y) * np.log(1 - p)) + C / (2 * len(y)) * np.sum(t[1:] ** 2)

def G(t, X, y, C):
    p = h(t, X)
    g = X.T @ (p - y) / len(y)
    g[1:] = g[1:] + C / len(y) * t[1:]
    return g

for k in range(10):
    yk = np.array([1 if label == k else 0 for label in y])
    best = minimize(J, np.zeros(X.shape[1]), (X, yk, 1.0), method="TNC", jac=G)
"""

IN_A_METHOD = """
import numpy as np
from scipy import optimize

class Softmax:
    def __init__(self, weight_decay=0.01):
        self.weight_decay = weight_decay

    def value(self, flat):
        W = flat.reshape(self.n_classes, -1)
        e = np.exp(W @ self.inputs)
        p = e / e.sum(axis=0)
        m = self.inputs.shape[1]
        J = -np.sum(self.hot * np.log(p)) / m + 0.5 * self.weight_decay * np.sum(W ** 2)
        return J, ((p - self.hot) @ self.inputs.T / m + self.weight_decay * W).ravel()

    def learn(self, X, y):
        self.n_classes = int(y.max()) + 1
        self.inputs = X.T
        self.hot = np.eye(self.n_classes)[y.ravel()].T
        start = 0.01 * np.random.randn(self.n_classes * X.shape[1])
        found = optimize.minimize(self.value, start, jac=True, method="L-BFGS-B")
        self.W = found.x.reshape(self.n_classes, -1)
"""

PROGRAMS = {"script": SCRIPT, "one against all": ONE_AGAINST_ALL, "method": IN_A_METHOD}
MISTAKES = [
    ("script", "sigmoid(X.dot(theta))\n    return X", "sigmoid(X.dot(theta)) ** 2\n    return X"),
    ("script", "X.T.dot(h - y) / m", "X.T.dot(y - h) / m"),
    ("script", "X.T.dot(h - y) / m", "X.T.dot(h - y)"),
    ("one against all", "g[1:] = g[1:] + C / len(y) * t[1:]", "g = g + C / len(y) * t"),
    ("one against all", "C / len(y) * t[1:]\n", "C * t[1:]\n"),
    ("method", "(p - self.hot) @ self.inputs.T / m +", "(p - self.hot) @ self.inputs.T +"),
]


def written(path, text):
    file = path / "learner.py"
    file.write_text(text)
    return file


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_an_optimiser_is_handed_is_right(tmp_path, name):
    report = check_file(written(tmp_path, PROGRAMS[name]))
    assert report.ok, str(report)
    assert "optimiser at line" in str(report)


@pytest.mark.parametrize(("name", "right", "wrong"), MISTAKES)
def test_a_gradient_that_is_not_that_of_the_cost(tmp_path, name, right, wrong):
    assert PROGRAMS[name].count(right) == 1
    text = PROGRAMS[name].replace(right, wrong)
    report = check_file(written(tmp_path, text))
    assert report.status == 1, str(report)
    wanted = next(i for i, s in enumerate(text.splitlines(), 1) if wrong.splitlines()[0] in s)
    assert f"line {wanted} " in str(report), str(report)


def test_it_is_found_without_scipy(tmp_path, monkeypatch):
    monkeypatch.setattr(load, "IMPORTED", load.IMPORTED - {"scipy"})
    for text in PROGRAMS.values():
        assert check_file(written(tmp_path, text)).ok


def test_the_optimiser_is_not_run(tmp_path, monkeypatch):
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")
    calls = []
    monkeypatch.setattr(optimize, "minimize", lambda *args, **kwargs: calls.append(args))
    assert check_file(written(tmp_path, IN_A_METHOD)).ok and not calls
    assert optimize.minimize(1) is None and calls  # it is there again


def test_a_cost_without_a_gradient_is_not_judged(tmp_path):
    text = SCRIPT.replace("fprime=gradient, ", "approx_grad=True, ").replace(
        "def gradient", "def slopes"
    )
    report = check_file(written(tmp_path, text.replace("X.T.dot(h - y) / m", "0")))
    assert report.status == 2, str(report)
