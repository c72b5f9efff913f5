"""Programs in the many forms of learners' code: right as they are, and with one mistake planted."""

from __future__ import annotations

import programs as p
import pytest

from nn.doctor import check_file

LAYER_THAT_PROPAGATES = """
import numpy as np

class Tanh:
    def value(self, z):
        return np.tanh(z)
    def slope(self, z):
        return 1 - np.tanh(z) ** 2

class Layer:
    def __init__(self, n_out, n_in):
        self.act = Tanh()
        self.w = np.random.randn(n_out, n_in)
        self.b = np.zeros((n_out, 1))

    def propagate(self, A_prev):
        self.Z = self.w @ A_prev + self.b
        return self.act.value(self.Z)

    def backprop(self, dA, A_prev, m):
        dZ = dA * self.act.slope(self.Z)
        self.dw = dZ @ A_prev.T / m
        self.db = dZ.sum(axis=1, keepdims=True) / m
        return self.w.T @ dZ
"""

ADAM_IN_THE_LAYER = """
import numpy as np

class Adam:
    def __init__(self):
        self.m, self.v, self.t = 0, 0, 0

    def step(self, param, slope, lr):
        self.t += 1
        self.m = 0.9 * self.m + 0.1 * slope
        self.v = 0.999 * self.v + 0.001 * slope ** 2
        return param - lr * self.m / (1 - 0.9 ** self.t) / (
            np.sqrt(self.v / (1 - 0.999 ** self.t)) + 1e-8)

class Linear:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros((1, n_out))
        self.for_W, self.for_b = Adam(), Adam()

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, upstream, learning_rate):
        grad_W = self.x.T @ upstream
        grad_b = upstream.sum(axis=0, keepdims=True)
        downstream = upstream @ self.W.T
        self.W = self.for_W.step(self.W, grad_W, learning_rate)
        self.b = self.for_b.step(self.b, grad_b, learning_rate)
        return downstream
"""

TEN_CLASSES = """
import numpy as np

def init():
    w1 = np.random.randn(30, 64) * 0.1
    b1 = np.zeros((30, 1))
    w2 = np.random.randn(10, 30) * 0.1
    b2 = np.zeros((10, 1))
    return w1, b1, w2, b2

def forward(w1, b1, w2, b2, X):
    z1 = w1 @ X + b1
    a1 = np.maximum(z1, 0)
    z2 = w2 @ a1 + b2
    e = np.exp(z2 - z2.max(axis=0))
    return z1, a1, z2, e / e.sum(axis=0)

def one_hot(digits):
    table = np.zeros((10, digits.size))
    table[digits, np.arange(digits.size)] = 1
    return table

def backward(z1, a1, z2, a2, w2, X, Y):
    m = Y.size
    dz2 = a2 - one_hot(Y)
    dw2 = dz2 @ a1.T / m
    db2 = dz2.sum(axis=1, keepdims=True) / m
    dz1 = w2.T @ dz2 * (z1 > 0)
    dw1 = dz1 @ X.T / m
    db1 = dz1.sum(axis=1, keepdims=True) / m
    return dw1, db1, dw2, db2
"""

# form: (program, what is right, what is written instead)
FORMS = {
    "a layer that propagates": (LAYER_THAT_PROPAGATES, "dA * self.act.slope(self.Z)", "dA * self.Z"),
    "Adam in the layer": (ADAM_IN_THE_LAYER, "upstream @ self.W.T", "-upstream @ self.W.T"),
    "Adam, dW": (ADAM_IN_THE_LAYER, "grad_W = self.x.T @", "grad_W = np.abs(self.x).T @"),
    "ten classes": (TEN_CLASSES, "* (z1 > 0)", "* (z2.max() > 0)"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_right_and_wrong(form, tmp_path):
    source, right, wrong = FORMS[form]
    path = tmp_path / "found.py"
    path.write_text(source)
    report = check_file(path)
    assert report.ok, str(report)
    changed, _ = p.changed(source, right, wrong)
    path.write_text(changed)
    report = check_file(path)
    assert report.status == 1, str(report)
