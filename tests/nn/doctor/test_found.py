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

MOMENTUM = """
import numpy as np

class Net:
    def __init__(self, n_in, n_hidden, n_out, lr=0.1, beta=0.9):
        self.lr, self.beta = lr, beta
        self.W1, self.b1 = np.random.randn(n_in, n_hidden), np.zeros((1, n_hidden))
        self.W2, self.b2 = np.random.randn(n_hidden, n_out), np.zeros((1, n_out))
        self.v_dW1, self.v_db1 = np.zeros_like(self.W1), np.zeros_like(self.b1)
        self.v_dW2, self.v_db2 = np.zeros_like(self.W2), np.zeros_like(self.b2)

    def forward(self, X):
        self.h = np.tanh(X @ self.W1 + self.b1)
        return 1 / (1 + np.exp(-(self.h @ self.W2 + self.b2)))

    def rmse(self, y, y_hat):
        return np.sqrt(np.mean((y - y_hat) ** 2))

    def back_propagate(self, X, y, y_hat):
        d2 = (y_hat - y) * y_hat * (1 - y_hat)
        d1 = d2 @ self.W2.T * (1 - self.h ** 2)
        self.v_dW1 = self.beta * self.v_dW1 + (1 - self.beta) * X.T @ d1
        self.v_db1 = self.beta * self.v_db1 + (1 - self.beta) * d1.sum(axis=0, keepdims=True)
        self.v_dW2 = self.beta * self.v_dW2 + (1 - self.beta) * self.h.T @ d2
        self.v_db2 = self.beta * self.v_db2 + (1 - self.beta) * d2.sum(axis=0, keepdims=True)
        for name in ("W1", "b1", "W2", "b2"):
            step = getattr(self, "v_d" + name)
            setattr(self, name, getattr(self, name) - self.lr * step)
"""

ACCUMULATED = """
import numpy as np

class Network:
    def __init__(self, input_nodes, hidden_nodes, output_nodes, learning_rate):
        self.w_in = np.random.normal(size=(input_nodes, hidden_nodes))
        self.w_out = np.random.normal(size=(hidden_nodes, output_nodes))
        self.lr = learning_rate

    def train(self, features, targets):
        sum_in, sum_out = np.zeros(self.w_in.shape), np.zeros(self.w_out.shape)
        for x, y in zip(features, targets):
            outputs, hidden = self.forward_for_training(x)
            sum_in, sum_out = self.backpropagation(outputs, hidden, x, y, sum_in, sum_out)
        self.w_in += self.lr * sum_in / len(features)
        self.w_out += self.lr * sum_out / len(features)

    def forward_for_training(self, x):
        hidden = 1 / (1 + np.exp(-x @ self.w_in))
        outputs = hidden @ self.w_out
        return outputs, hidden

    def backpropagation(self, outputs, hidden, x, y, sum_in, sum_out):
        error = y - outputs
        of_hidden = self.w_out @ error * hidden * (1 - hidden)
        sum_in += of_hidden * x[:, None]
        sum_out += error * hidden[:, None]
        return sum_in, sum_out

    def run(self, features):
        return self.forward_for_training(features)[0]
"""

SENTENCES = """
import numpy as np

def softmax(z):
    e = np.exp(z - np.max(z))
    return e / e.sum()

class Reader:
    def __init__(self, word_dim, hidden_dim=6):
        self.hidden_dim = hidden_dim
        self.U = np.random.uniform(-0.4, 0.4, (hidden_dim, word_dim))
        self.V = np.random.uniform(-0.4, 0.4, (word_dim, hidden_dim))
        self.W = np.random.uniform(-0.4, 0.4, (hidden_dim, hidden_dim))

    def forward(self, x):
        s = np.zeros((len(x) + 1, self.hidden_dim))
        o = np.zeros((len(x), len(self.V)))
        for t in range(len(x)):
            s[t] = np.tanh(self.U[:, x[t]] + self.W @ s[t - 1])
            o[t] = softmax(self.V @ s[t])
        return [o, s]

    def bptt(self, x, y):
        o, s = self.forward(x)
        o[np.arange(len(y)), y] -= 1
        dU, dV, dW = np.zeros_like(self.U), np.zeros_like(self.V), np.zeros_like(self.W)
        later = np.zeros(self.hidden_dim)
        for t in reversed(range(len(y))):
            dV += np.outer(o[t], s[t])
            delta = (self.V.T @ o[t] + later) * (1 - s[t] ** 2)
            dW += np.outer(delta, s[t - 1])
            dU[:, x[t]] += delta
            later = self.W.T @ delta
        return [dU, dV, dW]
"""

ERROR_AT_ONCE = """
import numpy as np

class Classifier:
    def __init__(self, lr=0.1, n_iter=100):
        self.lr, self.n_iter = lr, n_iter

    def fit(self, X, y):
        self.m, self.n = X.shape
        wide = np.hstack((np.ones((self.m, 1)), X))
        self.theta = np.ones((self.n + 1, 1))
        for step in range(self.n_iter):
            error = self.__squash(wide @ self.theta) - y.reshape(-1, 1)
            self.theta -= self.lr * (2 / self.m * wide.T @ error)
        return self

    def __squash(self, z):
        return 1 / (1 + np.exp(-z))
"""

MADE_IN_THE_FILE = """
import numpy as np

class Layer:
    def __init__(self, n_in, n_out, kind):
        self.weights = np.random.rand(n_in, n_out)
        self.kind = kind
    def values(self, x):
        z = x @ self.weights
        self.last = np.tanh(z) if self.kind == "tanh" else 1 / (1 + np.exp(-z))
        return self.last
    def slope(self, a):
        return 1 - a ** 2 if self.kind == "tanh" else a * (1 - a)

class Net:
    def __init__(self):
        self.layers = []
    def add_layer(self, layer):
        self.layers.append(layer)
    def forward(self, X):
        for layer in self.layers:
            X = layer.values(X)
        return X
    def backward(self, X, y, learning_rate):
        out = self.forward(X)
        delta = (out - y) * self.layers[-1].slope(out)
        for i in reversed(range(len(self.layers))):
            below = X if i == 0 else self.layers[i - 1].last
            layer = self.layers[i]
            up = delta @ layer.weights.T
            layer.weights -= learning_rate * below.T @ delta
            if i > 0:
                delta = up * self.layers[i - 1].slope(below)

net = Net()
net.add_layer(Layer(3, 5, "tanh"))
net.add_layer(Layer(5, 2, "sigmoid"))
net.train(X_train, y_train)
"""

EPISODE = """
import sys
import numpy as np

H = int(sys.argv[1])
if H > 1000:
    model = restore("agent.pkl")
else:
    model = {"W1": np.random.randn(H, 6400) / 80, "W2": np.random.randn(H)}

def policy_forward(x):
    h = np.maximum(0, model["W1"] @ x)
    p = 1 / (1 + np.exp(-(model["W2"] @ h)))
    return p, h

def policy_backward(eph, epdlogp):
    dW2 = (eph.T @ epdlogp).ravel()
    dh = np.outer(epdlogp, model["W2"]) * (eph > 0)
    dW1 = dh.T @ epx
    return {"W1": dW1, "W2": dW2}
"""

SEVERAL_ACTIONS = """
import numpy as np

weights = {"hidden": np.random.randn(4, 24), "out": np.random.randn(24, 3)}

def policy_forward(state, weights):
    h = np.tanh(state @ weights["hidden"])
    scores = np.exp(h @ weights["out"])
    return scores / scores.sum(), h

def policy_backward(states, hs, dlogps, weights):
    d_out = hs.T @ dlogps
    d_hidden = states.T @ (dlogps @ weights["out"].T * (1 - hs ** 2))
    return {"hidden": d_hidden, "out": d_out}
"""

TRAINED_WHEN_MADE = """
class Classifier:
    def __init__(self, X, Y, input_dim, layers_dim, learning_rate=0.01, rounds=500):
        import numpy as np
        import pandas as pd

        X, Y = X.T, Y.T
        (n_h, n_y) = layers_dim
        self.W1 = np.random.randn(n_h, input_dim) * 0.3
        self.b1 = np.zeros((n_h, 1))
        self.W2 = np.random.randn(n_y, n_h) * 0.3
        self.b2 = np.zeros((n_y, 1))
        m = X.shape[1]
        for i in range(rounds):
            A1 = np.tanh(self.W1 @ X + self.b1)
            A2 = 1 / (1 + np.exp(-(self.W2 @ A1 + self.b2)))
            dZ2 = A2 - Y
            dZ1 = self.W2.T @ dZ2 * (1 - A1 ** 2)
            self.W2 -= learning_rate * dZ2 @ A1.T / m
            self.b2 -= learning_rate * dZ2.sum(axis=1, keepdims=True) / m
            self.W1 -= learning_rate * dZ1 @ X.T / m
            self.b1 -= learning_rate * dZ1.sum(axis=1, keepdims=True) / m
"""

NAIVE_CONVOLUTION = """
import numpy as np

def conv_forward_naive(x, w, b, *, padding=0):
    N, _, H, W = x.shape
    F, _, k, _ = w.shape
    wide = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    out = np.empty((N, F, H + 2 * padding - k + 1, W + 2 * padding - k + 1))
    for n, f, i, j in np.ndindex(out.shape):
        out[n, f, i, j] = np.sum(wide[n, :, i:i + k, j:j + k] * w[f]) + b[f]
    return out, (x, w, b, padding)

def conv_backward_naive(dout, cache):
    x, w, b, padding = cache
    k = w.shape[2]
    wide = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    dwide, dw, db = np.zeros_like(wide), np.zeros_like(w), np.zeros_like(b)
    for n, f, i, j in np.ndindex(dout.shape):
        dwide[n, :, i:i + k, j:j + k] += dout[n, f, i, j] * w[f]
        dw[f] += dout[n, f, i, j] * wide[n, :, i:i + k, j:j + k]
        db[f] += dout[n, f, i, j]
    H, W = x.shape[2:]
    return dwide[:, :, padding:padding + H, padding:padding + W], dw, db
"""

ACTIVATION_GIVEN = """
import numpy as np

class Moons:
    def __init__(self, nn_input_dim, nn_hidden_dim, nn_output_dim, kind="tanh", reg=0.01):
        self.kind, self.reg = kind, reg
        self.W1 = np.random.randn(nn_input_dim, nn_hidden_dim)
        self.b1 = np.zeros((1, nn_hidden_dim))
        self.W2 = np.random.randn(nn_hidden_dim, nn_output_dim)
        self.b2 = np.zeros((1, nn_output_dim))

    def act(self, z, kind):
        return np.tanh(z) if kind == "tanh" else 1 / (1 + np.exp(-z))

    def slope(self, z, kind):
        return 1 - np.tanh(z) ** 2 if kind == "tanh" else self.act(z, kind) * (1 - self.act(z, kind))

    def feedforward(self, X, act):
        self.z1 = X @ self.W1 + self.b1
        self.a1 = act(self.z1)
        e = np.exp(self.a1 @ self.W2 + self.b2)
        self.probs = e / e.sum(axis=1, keepdims=True)

    def calculate_loss(self, X, y):
        self.feedforward(X, lambda z: self.act(z, kind=self.kind))
        loss = -np.sum(np.log(self.probs[range(len(X)), y])) / len(X)
        return loss + self.reg / 2 * (np.sum(self.W1 ** 2) + np.sum(self.W2 ** 2))

    def backprop(self, X, y):
        d3 = self.probs.copy()
        d3[range(len(X)), y] -= 1
        d3 /= len(X)
        d2 = d3 @ self.W2.T * self.slope(self.z1, self.kind)
        return X.T @ d2, d2.sum(axis=0), self.a1.T @ d3, d3.sum(axis=0)

    def fit_model(self, X, y, epsilon=0.01, passes=2000):
        for i in range(passes):
            self.feedforward(X, lambda z: self.act(z, kind=self.kind))
            dW1, db1, dW2, db2 = self.backprop(X, y)
            dW2 += self.reg * self.W2
            dW1 += self.reg * self.W1
            self.W1 += -epsilon * dW1
            self.b1 += -epsilon * db1
            self.W2 += -epsilon * dW2
            self.b2 += -epsilon * db2
            if i % 500 == 0:
                print(self.calculate_loss(X, y))
"""

A_SHARE_IS_KEPT = """
import numpy as np

def forward(X, params, share):
    A1 = np.tanh(params["W1"] @ X + params["b1"])
    D1 = np.random.rand(*A1.shape) < share
    A1 = A1 * D1 / share
    A2 = 1 / (1 + np.exp(-(params["W2"] @ A1 + params["b2"])))
    return A2, (A1, D1, A2)

def backward(X, Y, cache, params, share):
    A1, D1, A2 = cache
    m = X.shape[1]
    dZ2 = A2 - Y
    dA1 = params["W2"].T @ dZ2 * D1 / share
    dZ1 = dA1 * (1 - (A1 * share) ** 2)
    return {"dW2": dZ2 @ A1.T / m, "db2": dZ2.sum(axis=1, keepdims=True) / m,
            "dW1": dZ1 @ X.T / m, "db1": dZ1.sum(axis=1, keepdims=True) / m}

def fit(X, Y, params, rounds=1000, share=0.6):
    for i in range(rounds):
        A2, cache = forward(X, params, share)
        grads = backward(X, Y, cache, params, share)
"""

ONE_VECTOR_OF_AN_OBJECT = """
import numpy as np

class Network:
    def __init__(self):
        self.W1 = np.random.randn(2, 3)
        self.W2 = np.random.randn(3, 1)

    def forward(self, X):
        self.z2 = X @ self.W1
        self.a2 = np.tanh(self.z2)
        return self.a2 @ self.W2

    def cost(self, X, y):
        return 0.5 * np.sum((y - self.forward(X)) ** 2)

    def compute_gradients(self, X, y):
        d3 = self.forward(X) - y
        d2 = d3 @ self.W2.T * (1 - self.a2 ** 2)
        return np.concatenate(((X.T @ d2).ravel(), (self.a2.T @ d3).ravel()))
"""

ENOUGH_EXAMPLES = """
import numpy as np

class Squeeze:
    def __init__(self, size=3):
        self.size, self.kept = size, []

    def fit(self, X):
        if len(X) < 20:
            self.kept.extend(X.tolist())
            return
        data = (X - X.mean(axis=0)) / X.std(axis=0)
        self.into = np.random.randn(data.shape[1], self.size) * 0.1
        self.back = np.random.randn(self.size, data.shape[1]) * 0.1
        for epoch in range(100):
            code = np.tanh(data @ self.into)
            error = code @ self.back - data
            d_back = code.T @ error / len(data)
            d_into = data.T @ (error @ self.back.T * (1 - code ** 2)) / len(data)
            self.into -= 0.01 * d_into
            self.back -= 0.01 * d_back
"""

CONVOLUTION_ALONE = """
import numpy as np

def conv_backward(dZ, A_prev, W, b, padding="same", stride=(1, 1)):
    m, h_new, w_new, c_new = dZ.shape
    kh, kw, _, _ = W.shape
    sh, sw = stride
    ph, pw = (kh // 2, kw // 2) if padding == "same" else (0, 0)
    wide = np.pad(A_prev, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    dwide, dW = np.zeros_like(wide), np.zeros_like(W)
    for i, h, w, c in np.ndindex(dZ.shape):
        at = (i, slice(h * sh, h * sh + kh), slice(w * sw, w * sw + kw))
        dwide[at] += W[:, :, :, c] * dZ[i, h, w, c]
        dW[:, :, :, c] += wide[at] * dZ[i, h, w, c]
    h, w = A_prev.shape[1:3]
    return dwide[:, ph:ph + h, pw:pw + w], dW, dZ.sum(axis=(0, 1, 2), keepdims=True)
"""

POOLING_ALONE = """
import numpy as np

def pool_backward(dA, A_prev, kernel_shape, stride=(1, 1), mode="max"):
    kh, kw = kernel_shape
    dA_prev = np.zeros_like(A_prev)
    for i, h, w, c in np.ndindex(dA.shape):
        at = (i, slice(h * stride[0], h * stride[0] + kh), slice(w * stride[1], w * stride[1] + kw), c)
        if mode == "max":
            dA_prev[at] += dA[i, h, w, c] * (A_prev[at] == A_prev[at].max())
        else:
            dA_prev[at] += dA[i, h, w, c] / (kh * kw)
    return dA_prev
"""

ONE_EXAMPLE_OF_A_CLASS = """
import numpy as np

class Logistic:
    def __init__(self, theta):
        self.theta = theta

    def h(self, x):
        return 1 / (1 + np.exp(-np.dot(x.T, self.theta)))

    def cost_function(self, x, y):
        h = self.h(x)
        return -y * np.log(h) - (1 - y) * np.log(1 - h) + 0.05 * np.dot(self.theta, self.theta)

    def derivative(self, x, y):
        return x * (self.h(x) - y) + 0.1 * self.theta

    def predict(self, X):
        return [1 if self.h(x) >= 0.5 else 0 for x in X]
"""

A_NUMBER_FOR_THE_BIAS = """
import numpy as np

def perdida(p, y):
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return np.mean(-(y * np.log(p) + (1 - y) * np.log(1 - p)))

class Neurona:
    def __init__(self, n_entradas):
        rng = np.random.default_rng(42)
        self.w = rng.uniform(-0.5, 0.5, size=n_entradas)
        self.b = rng.uniform(-0.5, 0.5)

    def forward(self, X):
        return 1 / (1 + np.exp(-(X @ self.w + self.b)))

    def gradientes(self, X, y):
        er = self.forward(X) - y
        dw = X.T @ er / len(y)
        dm = np.mean(er)
        return dw, dm
"""

WORDS_AND_STEPS = """
import numpy as np

def embed_forward(idx, W):
    return W[idx], (idx, W.shape)

def embed_backward(dout, cache):
    idx, shape = cache
    dW = np.zeros(shape)
    np.add.at(dW, idx, dout)
    return dW

def affine_all_forward(x, W, b):
    N, T, D = x.shape
    return (x.reshape(N * T, D) @ W).reshape(N, T, -1) + b, (x, W)

def affine_all_backward(dout, cache):
    x, W = cache
    N, T, D = x.shape
    flat = dout.reshape(N * T, -1)
    return (flat @ W.T).reshape(N, T, D), x.reshape(N * T, D).T @ flat, flat.sum(axis=0)
"""

ONE_EXAMPLE_AFTER_THE_OTHER = """
import numpy as np

class Network(object):
    def __init__(self, size, rate=0.1):
        self.rate = rate
        self.layers = [np.zeros(n) for n in size]
        self.weights = [np.random.randn(m, n) for n, m in zip(size[:-1], size[1:])]
        self.biases = [np.random.randn(m) for m in size[1:]]

    def compute(self, values):
        self.layers[0] = np.array(values)
        for i in range(len(self.weights)):
            z = np.matmul(self.weights[i], self.layers[i]) + self.biases[i]
            self.layers[i + 1] = 1 / (1 + np.exp(-z))

    def changes(self, target):
        error = [0] * len(self.weights)
        error[-1] = target - self.layers[-1]
        for i in range(len(error) - 2, -1, -1):
            slope = self.layers[i + 1] * (1 - self.layers[i + 1])
            error[i] = self.weights[i + 1].T @ error[i + 1] * slope
        return [np.outer(e, a) for e, a in zip(error, self.layers)], error

    def train(self, training_set, training_labels):
        for i in range(0, len(training_set)):
            self.compute(training_set[i])
            dw, db = self.changes(training_labels[i])
            for j in range(len(self.weights)):
                self.weights[j] += self.rate * dw[j]
                self.biases[j] += self.rate * db[j]
"""

PICTURES = """
import numpy as np

class Digits:
    def __init__(self, images, labels):
        img = np.asarray(images)
        self.images = img.reshape(img.shape[0], img.shape[1] * img.shape[2])
        self.labels = np.eye(10)[np.asarray(labels)]
        self.W1 = np.random.randn(self.images.shape[1], 16)
        self.W2 = np.random.randn(16, 10)

    def feedforward(self):
        self.h = np.tanh(self.images @ self.W1)
        self.out = 1 / (1 + np.exp(-(self.h @ self.W2)))

    def backprop(self):
        d2 = self.out - self.labels
        d1 = d2 @ self.W2.T * (1 - self.h ** 2)
        self.W2 -= 0.1 * self.h.T @ d2
        self.W1 -= 0.1 * self.images.T @ d1

    def train(self, rounds=100):
        for k in range(rounds):
            self.feedforward()
            self.backprop()
"""

A_LINE = """
from numpy import *

def compute_error(b, m, points):
    total = 0
    for i in range(len(points)):
        total += (points[i, 1] - (m * points[i, 0] + b)) ** 2
    return total / float(len(points))

def step_gradient(b_current, m_current, points, learning_rate):
    db, dm, N = 0, 0, float(len(points))
    for i in range(len(points)):
        x, y = points[i, 0], points[i, 1]
        db += -(2 / N) * (y - (m_current * x + b_current))
        dm += -(2 / N) * x * (y - (m_current * x + b_current))
    return [b_current - learning_rate * db, m_current - learning_rate * dm]

def runner(points, b, m, learning_rate, num_iterations):
    for i in range(num_iterations):
        b, m = step_gradient(b, m, array(points), learning_rate)
    return [b, m]

if __name__ == "__main__":
    print(runner(genfromtxt("data.csv", delimiter=","), 0, 0, 0.0001, 1000))
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
    "momentum": (MOMENTUM, "(1 - self.h ** 2)", "(1 - self.h)"),
    "added to arguments": (ACCUMULATED, "hidden * (1 - hidden)", "(1 - hidden)"),
    "sentences": (SENTENCES, "o[t] + later)", "o[t])"),
    "an error at once": (ERROR_AT_ONCE, "self.theta -= self.lr", "self.theta += self.lr"),
    "an object of the file": (MADE_IN_THE_FILE, "- 1].slope(below)", "- 1].slope(up)"),
    "ten classes": (TEN_CLASSES, "* (z1 > 0)", "* (z2.max() > 0)"),
    "an episode": (EPISODE, '* (eph > 0)', ''),
    "an episode, its input": (EPISODE, 'dW1 = dh.T @ epx', 'dW1 = dh.T @ np.abs(epx)'),
    "several actions": (SEVERAL_ACTIONS, '(1 - hs ** 2)', '(1 - hs)'),
    "trained when it is made": (TRAINED_WHEN_MADE, '(1 - A1 ** 2)', '(1 - A1)'),
    "a naive convolution": (NAIVE_CONVOLUTION, 'dw[f] += dout', 'dw[f] = dout'),
    "its padding": (NAIVE_CONVOLUTION, 'dwide[:, :, padding:padding + H, padding:padding + W]', 'dwide[:, :, :H, :W]'),
    "an activation that is given": (ACTIVATION_GIVEN, 'return 1 - np.tanh(z) ** 2', 'return 1 - np.tanh(z)'),
    "a decay that is added later": (ACTIVATION_GIVEN, 'dW1 += self.reg * self.W1', 'dW1 += self.W1'),
    "a share is kept": (A_SHARE_IS_KEPT, '* D1 / share', '/ share'),
    "one vector of an object": (ONE_VECTOR_OF_AN_OBJECT, '(1 - self.a2 ** 2)', '(1 - self.a2)'),
    "enough examples": (ENOUGH_EXAMPLES, '(1 - code ** 2)', '(1 - code)'),
    "a convolution alone": (CONVOLUTION_ALONE, 'dW[:, :, :, c] += wide', 'dW[:, :, :, c] = wide'),
    "pooling alone": (POOLING_ALONE, 'dA_prev[at] += dA[i, h, w, c] * (', 'dA_prev[at] = dA[i, h, w, c] * ('),
    "pooling, the mean": (POOLING_ALONE, '/ (kh * kw)', '/ kh'),
    "one example of a class": (ONE_EXAMPLE_OF_A_CLASS, '+ 0.1 * self.theta', '- 0.1 * self.theta'),
    "a number for the bias": (A_NUMBER_FOR_THE_BIAS, 'dm = np.mean(er)', 'dm = np.sum(er)'),
    "the numbers of words": (WORDS_AND_STEPS, 'np.add.at(dW, idx, dout)', 'dW[idx] += dout'),
    "all steps at once": (WORDS_AND_STEPS, 'flat.sum(axis=0)', 'flat.mean(axis=0)'),
    "one after the other": (ONE_EXAMPLE_AFTER_THE_OTHER, '* (1 - self.layers[i + 1])', '* (1 - self.layers[i + 1] ** 2)'),
    "pictures": (PICTURES, '(1 - self.h ** 2)', '(1 - self.h)'),
    "a line": (A_LINE, '* x * (y - (m', '* y * (y - (m'),
    "a line, its step": (A_LINE, 'm_current - learning_rate * dm]', 'm_current + learning_rate * dm]'),
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


TWO_COSTS = """
import numpy as np

def forward(X, W1, b1, W2, b2):
    A1 = np.tanh(X @ W1 + b1)
    A2 = 1 / (1 + np.exp(-(A1 @ W2 + b2)))
    return A1, A2

def squared_error_cost(A2, y):
    return np.mean((A2 - y) ** 2)

def entropy_cost(A2, y):
    return -np.mean(y * np.log(A2) + (1 - y) * np.log(1 - A2))

def backward(X, y, A1, A2, W2):
    dZ2 = (A2 - y) / len(X)
    dZ1 = dZ2 @ W2.T * (1 - A1 ** 2)
    return X.T @ dZ1, dZ1.sum(axis=0), A1.T @ dZ2, dZ2.sum(axis=0)

def train(X, y, W1, b1, W2, b2, epochs):
    for _ in range(epochs):
        A1, A2 = forward(X, W1, b1, W2, b2)
        print(COST(A2, y))
        dW1, db1, dW2, db2 = backward(X, y, A1, A2, W2)
        W1, b1, W2, b2 = W1 - dW1, b1 - db1, W2 - dW2, b2 - db2
"""


@pytest.mark.parametrize("cost", ["entropy_cost", "squared_error_cost"])
def test_the_cost_is_the_one_that_the_training_calls(cost, tmp_path):
    path = tmp_path / "two_costs.py"
    path.write_text(TWO_COSTS.replace("COST", cost))
    report = check_file(path)
    assert report.ok == (cost == "entropy_cost"), str(report)
    assert report.ok or "those of entropy_cost; the training goes by squared_error_cost" in str(
        report
    )


TWO_BACKWARDS = """
import numpy as np

class Parameter:
    def __init__(self, data):
        self.data, self.grad = data, np.zeros_like(data)

class Dense:
    def __init__(self, n_in, n_out):
        self.W, self.b = Parameter(np.random.randn(n_in, n_out)), Parameter(np.zeros((1, n_out)))

    def forward(self, x):
        return x @ self.W.data + self.b.data, x

    def backward(self, delta, cache):
        self.W.grad += cache.T @ delta
        self.b.grad += delta.sum(axis=0, keepdims=True)
        return delta @ self.W.data.T

class Scaled:
    def __init__(self, n):
        self.parameters, self.gradient = np.random.randn(1, n), np.zeros((1, n))

    def forward(self, x):
        return x * self.parameters

    def backward_gradient(self, x, delta):
        self.gradient += (x * delta).sum(axis=0, keepdims=True)

    def backward_delta(self, x, delta):
        return delta * self.parameters
"""


@pytest.mark.parametrize(
    ("right", "wrong", "where"),
    [
        ("cache.T @ delta", "2 * cache.T @ delta", "Dense"),
        ("return delta @ self.W.data.T", "return delta @ self.W.grad.T", "Dense"),
        ("return delta * self.parameters", "return delta * self.gradient", "Scaled"),
    ],
)
def test_layers_with_caches_parameter_objects_and_two_backward_methods(
    right, wrong, where, tmp_path
):
    path = tmp_path / "layers.py"
    path.write_text(TWO_BACKWARDS)
    report = check_file(path)
    assert report.ok and "2 examined" in str(report), str(report)
    path.write_text(TWO_BACKWARDS.replace(right, wrong))
    report = check_file(path)
    assert [p.title for p in report.parts if p.status == 1] == [where], str(report)


def test_an_update_that_is_written_for_three_layers(tmp_path):
    text = """
def update_parameters(parameters, grads, learning_rate):
    for l in range(1, 4):
        parameters["W" + str(l)] -= learning_rate * grads["dW" + str(l)]
        parameters["b" + str(l)] -= learning_rate * grads["db" + str(l)]
    return parameters
"""
    path = tmp_path / "update.py"
    path.write_text(text)
    assert check_file(path).ok
    path.write_text(text.replace('-= learning_rate * grads["db"', '-= grads["db"'))
    assert check_file(path).status == 1


def test_a_layer_for_single_vectors_is_not_called_wrong_for_others(tmp_path):
    text = """
import numpy as np

class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return self.W.dot(x) + self.b

    def backward(self, dout):
        self.dW = np.tensordot(dout, self.x, 0)
        self.db = dout
        return self.W.T.dot(dout)
"""
    path = tmp_path / "layer.py"
    path.write_text(text)
    assert check_file(path).status != 1
