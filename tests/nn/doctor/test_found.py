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

UNROLLED = """
import numpy as np

def sig(z):
    return 1 / (1 + np.exp(-z))

def cost_function(theta, n_inputs, hidden_units, n_labels, X, y, lam):
    cut = hidden_units * (n_inputs + 1)
    T1 = theta[:cut].reshape(hidden_units, n_inputs + 1)
    T2 = theta[cut:].reshape(n_labels, hidden_units + 1)
    m = len(X)
    ones = np.ones((m, 1))
    a1 = np.hstack([ones, X])
    z2 = a1 @ T1.T
    a2 = np.hstack([ones, sig(z2)])
    h = sig(a2 @ T2.T)
    wanted = np.eye(n_labels)[y.ravel()]
    J = -np.sum(wanted * np.log(h) + (1 - wanted) * np.log(1 - h)) / m
    J += lam / (2 * m) * (np.sum(T1[:, 1:] ** 2) + np.sum(T2[:, 1:] ** 2))
    d3 = h - wanted
    d2 = d3 @ T2[:, 1:] * sig(z2) * (1 - sig(z2))
    G1, G2 = d2.T @ a1 / m, d3.T @ a2 / m
    G1[:, 1:] += lam / m * T1[:, 1:]
    G2[:, 1:] += lam / m * T2[:, 1:]
    grad = np.concatenate([G1.ravel(), G2.ravel()])
    return J, grad
"""

LETTERS = """
import numpy as np

letters, units = 5, 7
Wx = np.random.randn(units, letters) * 0.1
Wh = np.random.randn(units, units) * 0.1
Wo = np.random.randn(letters, units) * 0.1
bh = np.zeros((units, 1))
bo = np.zeros((letters, 1))

def loss_and_gradients(inputs, targets, h0):
    x, h, p = {}, {-1: np.copy(h0)}, {}
    loss = 0.0
    for t in range(len(inputs)):
        x[t] = np.zeros((letters, 1))
        x[t][inputs[t]] = 1
        h[t] = np.tanh(Wx @ x[t] + Wh @ h[t - 1] + bh)
        o = Wo @ h[t] + bo
        p[t] = np.exp(o) / np.sum(np.exp(o))
        loss -= np.log(p[t][targets[t], 0])
    dWx, dWh, dWo = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(Wo)
    dbh, dbo = np.zeros_like(bh), np.zeros_like(bo)
    later = np.zeros((units, 1))
    for t in reversed(range(len(inputs))):
        do = np.copy(p[t])
        do[targets[t]] -= 1
        dWo += do @ h[t].T
        dbo += do
        dz = (1 - h[t] ** 2) * (Wo.T @ do + later)
        dbh += dz
        dWx += dz @ x[t].T
        dWh += dz @ h[t - 1].T
        later = Wh.T @ dz
    return loss, dWx, dWh, dWo, dbh, dbo, h[len(inputs) - 1]
"""

CELL = """
import numpy as np

def gate(z):
    return 1 / (1 + np.exp(-z))

def cell_forward(xt, h_prev, c_prev, parameters):
    Wf, bf = parameters["Wf"], parameters["bf"]
    Wc, bc = parameters["Wc"], parameters["bc"]
    both = np.concatenate([h_prev, xt], axis=0)
    f = gate(Wf @ both + bf)
    new = np.tanh(Wc @ both + bc)
    c_next = f * c_prev + (1 - f) * new
    h_next = np.tanh(c_next)
    return h_next, c_next, (h_next, c_next, c_prev, f, new, both, parameters)

def cell_backward(dh_next, dc_next, cache):
    h_next, c_next, c_prev, f, new, both, parameters = cache
    n = len(h_next)
    dc = dc_next + dh_next * (1 - h_next ** 2)
    dzf = dc * (c_prev - new) * f * (1 - f)
    dzc = dc * (1 - f) * (1 - new ** 2)
    dboth = parameters["Wf"].T @ dzf + parameters["Wc"].T @ dzc
    return {"dh_prev": dboth[:n], "dxt": dboth[n:], "dc_prev": dc * f,
            "dWf": dzf @ both.T, "dbf": dzf.sum(axis=1, keepdims=True),
            "dWc": dzc @ both.T, "dbc": dzc.sum(axis=1, keepdims=True)}
"""

SCORES = """
import numpy as np

class Net:
    def __init__(self, hidden, n_in=30, n_classes=4):
        self.params = {"W1": np.random.randn(n_in, hidden), "b1": np.zeros(hidden),
                       "W2": np.random.randn(hidden, n_classes), "b2": np.zeros(n_classes)}
        self.grads = {k: np.zeros_like(v) for k, v in self.params.items()}

    def forward(self, x):
        h = np.maximum(0, x @ self.params["W1"] + self.params["b1"])
        return h @ self.params["W2"] + self.params["b2"], (x, h)

    def loss(self, scores, y):
        e = np.exp(scores)
        p = e / e.sum(axis=1, keepdims=True)
        value = -np.log(p[range(len(y)), y]).sum() / len(y)
        dscores = p.copy()
        dscores[range(len(y)), y] -= 1
        dscores /= len(y)
        return value, dscores

    def backward(self, dscores, cache):
        x, h = cache
        self.grads["W2"] = h.T @ dscores
        self.grads["b2"] = dscores.sum(axis=0)
        dh = dscores @ self.params["W2"].T * (h > 0)
        self.grads["W1"] = x.T @ dh
        self.grads["b1"] = dh.sum(axis=0)
        return self.grads
"""

GLOBALS = """
import numpy as np

def forward(w1, w2, x):
    h = np.tanh(w1 @ x)
    out = 1 / (1 + np.exp(-w2 @ h))
    return h, out

def back_prop(w1, w2, h, out, y):
    d2 = out - y
    dw2 = d2 @ h.T / n_samples
    d1 = w2.T @ d2 * (1 - h ** 2)
    dw1 = d1 @ x_train.T / n_samples
    return dw1, dw2
"""

KEPT_INSIDE = """
import numpy as np

class Affine:
    def __init__(self, n_inputs, n_neurons):
        self.weights = 0.1 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))
    def forward(self, inputs):
        self.inputs = inputs
        self.output = inputs @ self.weights + self.biases
    def backward(self, dvalues):
        self.dweights = self.inputs.T @ dvalues
        self.dbiases = dvalues.sum(axis=0, keepdims=True)
        self.dinputs = dvalues @ self.weights.T

class SoftmaxCost:
    def forward(self, inputs, y_true):
        e = np.exp(inputs - inputs.max(axis=1, keepdims=True))
        self.output = e / e.sum(axis=1, keepdims=True)
        return np.mean(-np.log(np.sum(self.output * y_true, axis=1)))
    def backward(self, dvalues, y_true):
        self.dinputs = (dvalues - y_true) / len(dvalues)
"""

MEANS = """
import numpy as np

class Scale:
    def __init__(self, n_features):
        self.gamma = np.ones((1, n_features))
        self.beta = np.zeros((1, n_features))
    def forward(self, x):
        self.x = x
        return self.gamma * x + self.beta
    def backward(self, dout):
        m = len(dout)
        self.dgamma = np.sum(dout * self.x, axis=0, keepdims=True) / m
        self.dbeta = np.sum(dout, axis=0, keepdims=True) / m
        return dout * self.gamma
"""

FIRST_LAYER = """
import numpy as np

class Filters:
    def __init__(self, num_filters):
        self.filters = np.random.randn(num_filters, 3, 3)
    def patches(self, image):
        for i in range(image.shape[0] - 2):
            for j in range(image.shape[1] - 2):
                yield i, j, image[i:i + 3, j:j + 3]
    def forward(self, image):
        self.image = image
        out = np.zeros((image.shape[0] - 2, image.shape[1] - 2, len(self.filters)))
        for i, j, patch in self.patches(image):
            out[i, j] = np.sum(patch * self.filters, axis=(1, 2))
        return out
    def backprop(self, upstream, learn_rate):
        slope = np.zeros(self.filters.shape)
        for i, j, patch in self.patches(self.image):
            for f in range(len(self.filters)):
                slope[f] += upstream[i, j, f] * patch
        self.filters -= learn_rate * slope
        return None
"""

# form: (program, what is right, what is written instead)
FORMS = {
    "a layer that propagates": (LAYER_THAT_PROPAGATES, "dA * self.act.slope(self.Z)", "dA * self.Z"),
    "Adam in the layer": (ADAM_IN_THE_LAYER, "upstream @ self.W.T", "-upstream @ self.W.T"),
    "Adam, dW": (ADAM_IN_THE_LAYER, "grad_W = self.x.T @", "grad_W = np.abs(self.x).T @"),
    "all weights in a vector": (UNROLLED, "T2[:, 1:] * sig(z2) *", "T2[:, 1:] * z2 *"),
    "a decay of the bias": (UNROLLED, "G2[:, 1:] += lam / m * T2[:, 1:]", "G2 += lam / m * T2"),
    "letter after letter": (LETTERS, "dz @ h[t - 1].T", "dz @ h[t].T"),
    "no carry": (LETTERS, "(Wo.T @ do + later)", "(Wo.T @ do)"),
    "a cell with a gate": (CELL, "dc * (c_prev - new) *", "dc * c_prev *"),
    "the gradient of the scores": (SCORES, "dh = dscores @ self.params[\"W2\"].T * (h > 0)", "dh = dscores @ self.params[\"W2\"].T"),
    "data outside": (GLOBALS, "* (1 - h ** 2)", "* (1 - h)"),
    "results that are kept": (KEPT_INSIDE, "self.inputs.T @ dvalues", "np.abs(self.inputs).T @ dvalues"),
    "a cost that keeps them": (KEPT_INSIDE, "(dvalues - y_true)", "(dvalues + y_true)"),
    "means in the layer": (MEANS, "dout * self.x,", "dout,"),
    "a first layer": (FIRST_LAYER, "slope[f] += upstream", "slope[f] = upstream"),
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
