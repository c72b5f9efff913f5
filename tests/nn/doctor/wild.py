"""Small complete programs in the idioms of public code, each right, with mistakes to plant in them."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = {  # what a mistake of this sort may be called
    "transpose": "transpos*|W not transposed|operand*|another operation",
    "scale": "missing 1/*|1/* twice|1/* too many|*factor*|something too many|a divisor missing|divided*"
    "|size*|mean for sum|learning rate*",
    "sign": "*sign*",
    "slope": "derivative*|a factor missing|*slope*|another activation|mask*|another comparison"
    "|another function|dA for dZ",
    "axis": "wrong axis|axis*|sum*|squeezed|not summed|keepdims*|another number|mean for sum|1/m twice",
    "value": "another*|operand*|index*|*cache*|wrong key|swapped|upstream*|dA for dZ|derivative at*",
    "regularisation": "regularisation*|a term missing|factor*",
    "branch": "*missing*",
}


@dataclass(frozen=True)
class Bug:
    """A mistake: its sort, the right text and the wrong one."""

    sort: str
    right: str
    wrong: str


@dataclass(frozen=True)
class Program:
    """A file as people publish it."""

    name: str
    source: str
    bugs: tuple[Bug, ...]


PROGRAMS: list[Program] = []


def program(name: str, source: str, *bugs: tuple[str, str, str]) -> None:
    PROGRAMS.append(Program(name, source.lstrip(), tuple(Bug(*b) for b in bugs)))


program(
    "a class whose train() takes one column vector at a time",
    """
import numpy as np

class NeuralNetwork:
    def __init__(self, sizes, learning_rate=0.1):
        self.learning_rate = learning_rate
        self.weights = [np.random.randn(b, a) for a, b in zip(sizes[:-1], sizes[1:])]
        self.biases = [np.random.randn(b, 1) for b in sizes[1:]]

    def sigmoid(self, z):
        return 1.0 / (1.0 + np.exp(-z))

    def feedforward(self, x):
        for w, b in zip(self.weights, self.biases):
            x = self.sigmoid(w @ x + b)
        return x

    def train(self, x, y):
        activations = [x]
        for w, b in zip(self.weights, self.biases):
            activations.append(self.sigmoid(w @ activations[-1] + b))
        error = activations[-1] - y
        for i in reversed(range(len(self.weights))):
            a = activations[i + 1]
            delta = error * a * (1 - a)
            error = self.weights[i].T @ delta
            self.weights[i] -= self.learning_rate * delta @ activations[i].T
            self.biases[i] -= self.learning_rate * delta
""",
    ("slope", "delta = error * a * (1 - a)", "delta = error * a"),
    ("value", "delta @ activations[i].T", "delta @ activations[0].T"),
    ("sign", "self.biases[i] -= self", "self.biases[i] += self"),
)

program(
    "a script with sigmoid(x, deriv=True) and its loop at the top level",
    """
import numpy as np

def nonlin(x, deriv=False):
    if deriv:
        return x * (1 - x)
    return 1 / (1 + np.exp(-x))

X = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
y = np.array([[0], [1], [1], [0]])
np.random.seed(1)
syn0 = 2 * np.random.random((3, 4)) - 1
syn1 = 2 * np.random.random((4, 1)) - 1

for i in range(60000):
    l0 = X
    l1 = nonlin(np.dot(l0, syn0))
    l2 = nonlin(np.dot(l1, syn1))
    l2_error = y - l2
    if i % 10000 == 0:
        print("Error:", np.mean(np.abs(l2_error)))
    l2_delta = l2_error * nonlin(l2, deriv=True)
    l1_error = l2_delta.dot(syn1.T)
    l1_delta = l1_error * nonlin(l1, deriv=True)
    syn1 += l1.T.dot(l2_delta)
    syn0 += l0.T.dot(l1_delta)
""",
    ("slope", "l1_delta = l1_error * nonlin(l1, deriv=True)", "l1_delta = l1_error"),
    ("value", "l1_error * nonlin(l1, deriv=True)", "l1_error * nonlin(l2, deriv=True)"),
    ("sign", "syn0 += l0", "syn0 -= l0"),
)

program(
    "a script in rows with relu and squared error",
    """
import numpy as np

N, D_in, H, D_out = 64, 10, 20, 3
x = np.random.randn(N, D_in)
y = np.random.randn(N, D_out)
w1 = np.random.randn(D_in, H)
w2 = np.random.randn(H, D_out)
learning_rate = 1e-6
for t in range(500):
    h = x.dot(w1)
    h_relu = np.maximum(h, 0)
    y_pred = h_relu.dot(w2)
    loss = np.square(y_pred - y).sum()
    grad_y_pred = 2.0 * (y_pred - y)
    grad_w2 = h_relu.T.dot(grad_y_pred)
    grad_h_relu = grad_y_pred.dot(w2.T)
    grad_h = grad_h_relu.copy()
    grad_h[h < 0] = 0
    grad_w1 = x.T.dot(grad_h)
    w1 -= learning_rate * grad_w1
    w2 -= learning_rate * grad_w2
""",
    ("value", "grad_w2 = h_relu.T.dot", "grad_w2 = h.T.dot"),
    ("slope", "grad_h[h < 0] = 0", "grad_h[h > 0] = 0"),
    ("scale", "grad_w1 = x.T.dot(grad_h)", "grad_w1 = x.T.dot(grad_h) / N"),
)

program(
    "build_model with a dictionary, tanh, softmax and weight decay",
    """
import numpy as np

num_examples, nn_input_dim, nn_output_dim = 200, 2, 2
reg_lambda, epsilon = 0.01, 0.01

def calculate_loss(model, X, y):
    W1, b1, W2, b2 = model["W1"], model["b1"], model["W2"], model["b2"]
    a1 = np.tanh(X.dot(W1) + b1)
    z2 = a1.dot(W2) + b2
    exp_scores = np.exp(z2)
    probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
    data_loss = np.sum(-np.log(probs[range(len(X)), y]))
    data_loss += reg_lambda / 2 * (np.sum(np.square(W1)) + np.sum(np.square(W2)))
    return data_loss

def backward(model, X, y):
    W1, b1, W2, b2 = model["W1"], model["b1"], model["W2"], model["b2"]
    a1 = np.tanh(X.dot(W1) + b1)
    z2 = a1.dot(W2) + b2
    exp_scores = np.exp(z2)
    probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
    delta3 = probs
    delta3[range(len(X)), y] -= 1
    dW2 = (a1.T).dot(delta3)
    db2 = np.sum(delta3, axis=0, keepdims=True)
    delta2 = delta3.dot(W2.T) * (1 - np.power(a1, 2))
    dW1 = np.dot(X.T, delta2)
    db1 = np.sum(delta2, axis=0)
    dW2 += reg_lambda * W2
    dW1 += reg_lambda * W1
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}

def build_model(X, y, nn_hdim, num_passes=20000):
    model = {"W1": np.random.randn(nn_input_dim, nn_hdim), "b1": np.zeros((1, nn_hdim)),
             "W2": np.random.randn(nn_hdim, nn_output_dim), "b2": np.zeros((1, nn_output_dim))}
    for i in range(num_passes):
        grads = backward(model, X, y)
        for k in model:
            model[k] -= epsilon * grads[k]
    return model
""",
    ("slope", "(1 - np.power(a1, 2))", "(1 - a1)"),
    ("regularisation", "    dW1 += reg_lambda * W1\n", ""),
    ("axis", "db2 = np.sum(delta3, axis=0, keepdims=True)", "db2 = np.sum(delta3)"),
)

program(
    "softmax loss in rows with an analytic gradient",
    """
import numpy as np

def softmax_loss_vectorized(W, X, y, reg):
    num_train = X.shape[0]
    scores = X.dot(W)
    scores -= np.max(scores, axis=1, keepdims=True)
    probs = np.exp(scores) / np.sum(np.exp(scores), axis=1, keepdims=True)
    loss = -np.sum(np.log(probs[range(num_train), y])) / num_train
    loss += reg * np.sum(W * W)
    dscores = probs.copy()
    dscores[range(num_train), y] -= 1
    dW = X.T.dot(dscores) / num_train
    dW += 2 * reg * W
    return loss, dW
""",
    ("scale", "dW = X.T.dot(dscores) / num_train", "dW = X.T.dot(dscores)"),
    ("regularisation", "dW += 2 * reg * W", "dW += reg * W"),
)

program(
    "layers with backward(output_error, learning_rate) and a network that fits",
    """
import numpy as np

class FCLayer:
    def __init__(self, input_size, output_size):
        self.weights = np.random.rand(input_size, output_size) - 0.5
        self.bias = np.random.rand(1, output_size) - 0.5

    def forward_propagation(self, input_data):
        self.input = input_data
        self.output = np.dot(self.input, self.weights) + self.bias
        return self.output

    def backward_propagation(self, output_error, learning_rate):
        input_error = np.dot(output_error, self.weights.T)
        weights_error = np.dot(self.input.T, output_error)
        self.weights -= learning_rate * weights_error
        self.bias -= learning_rate * output_error.sum(axis=0, keepdims=True)
        return input_error

class ActivationLayer:
    def __init__(self, activation, activation_prime):
        self.activation = activation
        self.activation_prime = activation_prime

    def forward_propagation(self, input_data):
        self.input = input_data
        self.output = self.activation(self.input)
        return self.output

    def backward_propagation(self, output_error, learning_rate):
        return self.activation_prime(self.input) * output_error

def tanh(x):
    return np.tanh(x)

def tanh_prime(x):
    return 1 - np.tanh(x) ** 2

def mse(y_true, y_pred):
    return np.mean(np.power(y_true - y_pred, 2))

def mse_prime(y_true, y_pred):
    return 2 * (y_pred - y_true) / y_true.size

class Network:
    def __init__(self):
        self.layers = []

    def add(self, layer):
        self.layers.append(layer)

    def fit(self, x_train, y_train, epochs, learning_rate):
        for i in range(epochs):
            for j in range(len(x_train)):
                output = x_train[j]
                for layer in self.layers:
                    output = layer.forward_propagation(output)
                error = mse_prime(y_train[j], output)
                for layer in reversed(self.layers):
                    error = layer.backward_propagation(error, learning_rate)
""",
    ("sign", "self.bias -= learning_rate", "self.bias += learning_rate"),
    ("slope", "return 1 - np.tanh(x) ** 2", "return 1 - np.tanh(x)"),
    ("value", "np.dot(self.input.T, output_error)", "np.dot(self.output.T, output_error)"),
)

program(
    "a recurrent network's loss function over global weights",
    """
import numpy as np

hidden_size, vocab_size = 5, 4
Wxh = np.random.randn(hidden_size, vocab_size) * 0.5
Whh = np.random.randn(hidden_size, hidden_size) * 0.5
Why = np.random.randn(vocab_size, hidden_size) * 0.5
bh = np.zeros((hidden_size, 1))
by = np.zeros((vocab_size, 1))

def loss_fun(inputs, targets, hprev):
    xs, hs, ps = {}, {}, {}
    hs[-1] = np.copy(hprev)
    loss = 0
    for t in range(len(inputs)):
        xs[t] = np.zeros((vocab_size, 1))
        xs[t][inputs[t]] = 1
        hs[t] = np.tanh(np.dot(Wxh, xs[t]) + np.dot(Whh, hs[t - 1]) + bh)
        y = np.dot(Why, hs[t]) + by
        ps[t] = np.exp(y) / np.sum(np.exp(y))
        loss += -np.log(ps[t][targets[t], 0])
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(inputs))):
        dy = np.copy(ps[t])
        dy[targets[t]] -= 1
        dWhy += np.dot(dy, hs[t].T)
        dby += dy
        dh = np.dot(Why.T, dy) + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw
        dWxh += np.dot(dhraw, xs[t].T)
        dWhh += np.dot(dhraw, hs[t - 1].T)
        dhnext = np.dot(Whh.T, dhraw)
    return loss, dWxh, dWhh, dWhy, dbh, dby, hs[len(inputs) - 1]
""",
    ("branch", "dh = np.dot(Why.T, dy) + dhnext", "dh = np.dot(Why.T, dy)"),
    ("value", "np.dot(dhraw, hs[t - 1].T)", "np.dot(dhraw, hs[t].T)"),
    ("transpose", "np.dot(Whh.T, dhraw)", "np.dot(Whh, dhraw)"),
)

program(
    "a flattened vector of parameters, bias column included",
    """
import numpy as np

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

def nn_cost_function(nn_params, input_layer_size, hidden_layer_size, num_labels, X, y, lambda_):
    Theta1 = nn_params[:hidden_layer_size * (input_layer_size + 1)].reshape(hidden_layer_size, input_layer_size + 1)
    Theta2 = nn_params[hidden_layer_size * (input_layer_size + 1):].reshape(num_labels, hidden_layer_size + 1)
    m = X.shape[0]
    a1 = np.concatenate([np.ones((m, 1)), X], axis=1)
    z2 = a1.dot(Theta1.T)
    a2 = np.concatenate([np.ones((m, 1)), sigmoid(z2)], axis=1)
    a3 = sigmoid(a2.dot(Theta2.T))
    Y = np.eye(num_labels)[y]
    J = -np.sum(Y * np.log(a3) + (1 - Y) * np.log(1 - a3)) / m
    J += lambda_ / (2 * m) * (np.sum(Theta1[:, 1:] ** 2) + np.sum(Theta2[:, 1:] ** 2))
    delta3 = a3 - Y
    delta2 = delta3.dot(Theta2)[:, 1:] * sigmoid(z2) * (1 - sigmoid(z2))
    Theta1_grad = delta2.T.dot(a1) / m
    Theta2_grad = delta3.T.dot(a2) / m
    Theta1_grad[:, 1:] += lambda_ / m * Theta1[:, 1:]
    Theta2_grad[:, 1:] += lambda_ / m * Theta2[:, 1:]
    return J, np.concatenate([Theta1_grad.ravel(), Theta2_grad.ravel()])
""",
    ("slope", "sigmoid(z2) * (1 - sigmoid(z2))", "sigmoid(z2)"),
    ("scale", "Theta1_grad = delta2.T.dot(a1) / m", "Theta1_grad = delta2.T.dot(a1)"),
)

program(
    "float32 throughout",
    """
import numpy as np

def init_params(n_x, n_h, n_y):
    return {"W1": np.random.randn(n_h, n_x).astype(np.float32), "b1": np.zeros((n_h, 1), np.float32),
            "W2": np.random.randn(n_y, n_h).astype(np.float32), "b2": np.zeros((n_y, 1), np.float32)}

def forward_prop(X, params):
    X = X.astype(np.float32)
    Z1 = params["W1"] @ X + params["b1"]
    A1 = np.tanh(Z1)
    Z2 = params["W2"] @ A1 + params["b2"]
    A2 = 1 / (1 + np.exp(-Z2))
    return A2, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}

def compute_cost(A2, Y):
    return -np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2))

def back_prop(X, Y, params, cache):
    m = np.float32(X.shape[1])
    dZ2 = (cache["A2"] - Y).astype(np.float32)
    dW2 = dZ2 @ cache["A1"].T / m
    db2 = dZ2.sum(axis=1, keepdims=True) / m
    dZ1 = params["W2"].T @ dZ2 * (1 - cache["A1"] ** 2)
    dW1 = dZ1 @ X.T.astype(np.float32) / m
    db1 = dZ1.sum(axis=1, keepdims=True) / m
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}
""",
    ("scale", 'dW2 = dZ2 @ cache["A1"].T / m', 'dW2 = dZ2 @ cache["A1"].T'),
    ("slope", '(1 - cache["A1"] ** 2)', '(1 - cache["Z1"] ** 2)'),
    ("axis", "db1 = dZ1.sum(axis=1, keepdims=True) / m", "db1 = dZ1.sum() / m"),
)

program(
    "modules in PyTorch's manner",
    """
import numpy as np

class Module:
    def __call__(self, *args):
        return self.forward(*args)

class Linear(Module):
    def __init__(self, in_features, out_features):
        self.weight = np.random.randn(out_features, in_features) * 0.1
        self.bias = np.zeros(out_features)
        self.weight_grad = np.zeros_like(self.weight)
        self.bias_grad = np.zeros_like(self.bias)

    def forward(self, x):
        self.x = x
        return x @ self.weight.T + self.bias

    def backward(self, grad_output):
        self.weight_grad = grad_output.T @ self.x
        self.bias_grad = grad_output.sum(axis=0)
        return grad_output @ self.weight

class ReLU(Module):
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, grad_output):
        return grad_output * self.mask

class Sigmoid(Module):
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, grad_output):
        return grad_output * self.out * (1 - self.out)

class MSELoss(Module):
    def forward(self, pred, target):
        self.diff = pred - target
        return np.mean(self.diff ** 2)

    def backward(self):
        return 2 * self.diff / self.diff.size

class Sequential(Module):
    def __init__(self, *layers):
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    def backward(self, grad):
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad
""",
    ("transpose", "return grad_output @ self.weight", "return grad_output @ self.weight.T"),
    ("slope", "return grad_output * self.out * (1 - self.out)", "return grad_output * self.out"),
    ("axis", "self.bias_grad = grad_output.sum(axis=0)", "self.bias_grad = grad_output.sum()"),
    ("slope", "return grad_output * self.mask", "return grad_output * ~self.mask"),
)

program(
    "a class with momentum in its update",
    """
import numpy as np

class MLP:
    def __init__(self, n_in, n_hidden, n_out):
        rng = np.random.default_rng(0)
        self.W1 = rng.normal(size=(n_in, n_hidden))
        self.b1 = np.zeros((1, n_hidden))
        self.W2 = rng.normal(size=(n_hidden, n_out))
        self.b2 = np.zeros((1, n_out))
        self.velocity = {k: 0.0 for k in ("W1", "b1", "W2", "b2")}

    def forward(self, X):
        self.X = X
        self.hidden = 1 / (1 + np.exp(-(X @ self.W1 + self.b1)))
        scores = self.hidden @ self.W2 + self.b2
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        self.probs = e / e.sum(axis=1, keepdims=True)
        return self.probs

    def loss(self, probs, y):
        return -np.mean(np.log(probs[np.arange(len(y)), y]))

    def backward(self, y):
        n = len(y)
        d_scores = self.probs.copy()
        d_scores[np.arange(n), y] -= 1
        d_scores /= n
        d_hidden = d_scores @ self.W2.T
        d_pre = d_hidden * self.hidden * (1 - self.hidden)
        self.grads = {"W2": self.hidden.T @ d_scores, "b2": d_scores.sum(axis=0, keepdims=True),
                      "W1": self.X.T @ d_pre, "b1": d_pre.sum(axis=0, keepdims=True)}
        return self.grads

    def step(self, lr=0.1, momentum=0.9):
        for k, g in self.grads.items():
            self.velocity[k] = momentum * self.velocity[k] - lr * g
            setattr(self, k, getattr(self, k) + self.velocity[k])
""",
    (
        "slope",
        "d_pre = d_hidden * self.hidden * (1 - self.hidden)",
        "d_pre = d_hidden * (1 - self.hidden)",
    ),
    ("value", '"W1": self.X.T @ d_pre', '"W1": self.X.T @ d_hidden'),
    ("axis", '"b1": d_pre.sum(axis=0, keepdims=True)', '"b1": d_pre.sum(keepdims=True)'),
)

program(
    "logistic regression that fits in a loop",
    """
import numpy as np

class LogisticRegression:
    def __init__(self, lr=0.001, n_iters=1000):
        self.lr = lr
        self.n_iters = n_iters

    def fit(self, X, y):
        n_samples, n_features = X.shape
        self.weights = np.zeros(n_features)
        self.bias = 0
        for _ in range(self.n_iters):
            linear_pred = np.dot(X, self.weights) + self.bias
            predictions = 1 / (1 + np.exp(-linear_pred))
            dw = (1 / n_samples) * np.dot(X.T, (predictions - y))
            db = (1 / n_samples) * np.sum(predictions - y)
            self.weights = self.weights - self.lr * dw
            self.bias = self.bias - self.lr * db

    def predict(self, X):
        return 1 / (1 + np.exp(-(np.dot(X, self.weights) + self.bias))) > 0.5
""",
    ("scale", "dw = (1 / n_samples) * np.dot", "dw = np.dot"),
    ("sign", "self.bias - self.lr * db", "self.bias + self.lr * db"),
)

program(
    "linear regression as functions of x, y, w, b with lambda",
    """
import numpy as np

def compute_cost_linear_reg(X, y, w, b, lambda_=1):
    m = X.shape[0]
    err = X @ w + b - y
    return np.sum(err ** 2) / (2 * m) + lambda_ / (2 * m) * np.sum(w ** 2)

def compute_gradient_linear_reg(X, y, w, b, lambda_=1):
    m, n = X.shape
    dj_dw = np.zeros(n)
    dj_db = 0.0
    for i in range(m):
        err = np.dot(X[i], w) + b - y[i]
        for j in range(n):
            dj_dw[j] = dj_dw[j] + err * X[i, j]
        dj_db = dj_db + err
    dj_dw = dj_dw / m + lambda_ / m * w
    dj_db = dj_db / m
    return dj_db, dj_dw
""",
    ("scale", "dj_db = dj_db / m", "dj_db = dj_db"),
    ("regularisation", "dj_dw = dj_dw / m + lambda_ / m * w", "dj_dw = dj_dw / m"),
)

program(
    "an autoencoder that reconstructs its input",
    """
import numpy as np

class Autoencoder:
    def __init__(self, n_in=6, n_code=3):
        self.We = np.random.randn(n_in, n_code) * 0.3
        self.be = np.zeros(n_code)
        self.Wd = np.random.randn(n_code, n_in) * 0.3
        self.bd = np.zeros(n_in)

    def forward(self, x):
        self.x = x
        self.code = np.tanh(x @ self.We + self.be)
        self.recon = self.code @ self.Wd + self.bd
        return self.recon

    def loss(self, recon, x):
        return 0.5 * np.mean(np.sum((recon - x) ** 2, axis=1))

    def backward(self, recon, x):
        n = x.shape[0]
        d_recon = (recon - x) / n
        self.dWd = self.code.T @ d_recon
        self.dbd = d_recon.sum(0)
        d_code = (d_recon @ self.Wd.T) * (1 - self.code ** 2)
        self.dWe = self.x.T @ d_code
        self.dbe = d_code.sum(0)
""",
    ("slope", "(d_recon @ self.Wd.T) * (1 - self.code ** 2)", "(d_recon @ self.Wd.T)"),
    ("transpose", "self.dWd = self.code.T @ d_recon", "self.dWd = (self.code.T @ d_recon).T"),
    ("axis", "self.dbe = d_code.sum(0)", "self.dbe = d_code.sum(1)"),
)

program(
    "three layers, camelCase, a list of caches",
    """
import numpy as np

def initWeights(dims):
    return {f"W{i}": np.random.randn(dims[i], dims[i - 1]) for i in range(1, len(dims))} | {
        f"b{i}": np.zeros((dims[i], 1)) for i in range(1, len(dims))}

def forwardProp(X, params):
    caches, A = [], X
    L = len(params) // 2
    for l in range(1, L + 1):
        Z = params[f"W{l}"].dot(A) + params[f"b{l}"]
        caches.append((A, Z))
        A = np.tanh(Z) if l < L else Z
    return A, caches

def costFunction(A, Y):
    return np.sum((A - Y) ** 2) / (2 * Y.shape[1])

def backProp(params, caches, AL, Y):
    grads = {}
    m = Y.shape[1]
    L = len(caches)
    dZ = (AL - Y) / m
    for l in range(L, 0, -1):
        A_prev, Z = caches[l - 1]
        grads[f"dW{l}"] = dZ.dot(A_prev.T)
        grads[f"db{l}"] = dZ.sum(axis=1, keepdims=True)
        if l > 1:
            dA = params[f"W{l}"].T.dot(dZ)
            dZ = dA * (1 - np.tanh(caches[l - 2][1]) ** 2)
    return grads
""",
    ("value", "(1 - np.tanh(caches[l - 2][1]) ** 2)", "(1 - np.tanh(caches[l - 2][0]) ** 2)"),
    ("axis", "dZ.sum(axis=1, keepdims=True)", "dZ.sum(keepdims=True)"),
    ("value", 'params[f"W{l}"].T.dot(dZ)', 'params[f"W{L}"].T.dot(dZ)'),
)

program(
    "softmax regression in columns with one-hot labels",
    """
import numpy as np

class SoftmaxRegression:
    def __init__(self, n_features, n_classes):
        self.W = np.random.randn(n_classes, n_features) * 0.1
        self.b = np.zeros((n_classes, 1))

    def forward(self, X):
        Z = self.W @ X + self.b
        E = np.exp(Z - np.max(Z, axis=0))
        return E / np.sum(E, axis=0)

    def cost(self, A, Y):
        return -np.sum(Y * np.log(A)) / Y.shape[1]

    def gradients(self, X, A, Y):
        m = Y.shape[1]
        dZ = A - Y
        dW = dZ @ X.T / m
        db = np.sum(dZ, axis=1, keepdims=True) / m
        return dW, db
""",
    (
        "axis",
        "db = np.sum(dZ, axis=1, keepdims=True) / m",
        "db = np.sum(dZ, axis=0, keepdims=True) / m",
    ),
    ("scale", "dW = dZ @ X.T / m", "dW = dZ @ X.T"),
)

program(
    "nabla_w and nabla_b of one example",
    """
import numpy as np

class Network(object):
    def __init__(self, sizes):
        self.num_layers = len(sizes)
        self.biases = [np.random.randn(y, 1) for y in sizes[1:]]
        self.weights = [np.random.randn(y, x) for x, y in zip(sizes[:-1], sizes[1:])]

    def feedforward(self, a):
        for b, w in zip(self.biases, self.weights):
            a = sigmoid(np.dot(w, a) + b)
        return a

    def backprop(self, x, y):
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        activation, activations, zs = x, [x], []
        for b, w in zip(self.biases, self.weights):
            z = np.dot(w, activation) + b
            zs.append(z)
            activation = sigmoid(z)
            activations.append(activation)
        delta = (activations[-1] - y) * sigmoid_prime(zs[-1])
        nabla_b[-1] = delta
        nabla_w[-1] = np.dot(delta, activations[-2].transpose())
        for l in range(2, self.num_layers):
            delta = np.dot(self.weights[-l + 1].transpose(), delta) * sigmoid_prime(zs[-l])
            nabla_b[-l] = delta
            nabla_w[-l] = np.dot(delta, activations[-l - 1].transpose())
        return nabla_b, nabla_w

def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))

def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))
""",
    ("value", "sigmoid_prime(zs[-l])", "sigmoid_prime(activations[-l])"),
    (
        "value",
        "np.dot(delta, activations[-l - 1].transpose())",
        "np.dot(delta, activations[0].transpose())",
    ),
)

program(
    "batch normalisation as two functions",
    """
import numpy as np

def batchnorm_forward(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=0)
    var = x.var(axis=0)
    xhat = (x - mu) / np.sqrt(var + eps)
    out = gamma * xhat + beta
    return out, (x, mu, var, xhat, gamma, eps)

def batchnorm_backward(dout, cache):
    x, mu, var, xhat, gamma, eps = cache
    N = x.shape[0]
    dbeta = dout.sum(axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    dvar = np.sum(dxhat * (x - mu), axis=0) * -0.5 * (var + eps) ** -1.5
    dmu = -np.sum(dxhat, axis=0) / np.sqrt(var + eps)
    dx = dxhat / np.sqrt(var + eps) + dvar * 2 * (x - mu) / N + dmu / N
    return dx, dgamma, dbeta
""",
    ("branch", " + dmu / N", ""),
    ("value", "dgamma = np.sum(dout * xhat, axis=0)", "dgamma = np.sum(dout * x, axis=0)"),
)

program(
    "skip-gram: the loss and the gradients of one word",
    """
import numpy as np

def softmax(x):
    e = np.exp(x - np.max(x))
    return e / e.sum()

def naive_softmax_loss_and_gradient(center_vec, outside_idx, outside_vectors):
    y_hat = softmax(outside_vectors @ center_vec)
    loss = -np.log(y_hat[outside_idx])
    delta = y_hat.copy()
    delta[outside_idx] -= 1
    grad_center_vec = outside_vectors.T @ delta
    grad_outside_vectors = np.outer(delta, center_vec)
    return loss, grad_center_vec, grad_outside_vectors
""",
    (
        "value",
        "grad_outside_vectors = np.outer(delta, center_vec)",
        "grad_outside_vectors = np.outer(y_hat, center_vec)",
    ),
    (
        "sign",
        "grad_center_vec = outside_vectors.T @ delta",
        "grad_center_vec = -outside_vectors.T @ delta",
    ),
)

program(
    "a two-layer net whose loss() returns the loss and the gradients",
    """
import numpy as np

class TwoLayerNet(object):
    def __init__(self, input_size, hidden_size, output_size, std=1e-1):
        self.params = {}
        self.params["W1"] = std * np.random.randn(input_size, hidden_size)
        self.params["b1"] = np.zeros(hidden_size)
        self.params["W2"] = std * np.random.randn(hidden_size, output_size)
        self.params["b2"] = np.zeros(output_size)

    def loss(self, X, y=None, reg=0.0):
        W1, b1 = self.params["W1"], self.params["b1"]
        W2, b2 = self.params["W2"], self.params["b2"]
        N, D = X.shape
        hidden = np.maximum(0, X.dot(W1) + b1)
        scores = hidden.dot(W2) + b2
        if y is None:
            return scores
        exps = np.exp(scores - np.max(scores, axis=1, keepdims=True))
        probs = exps / np.sum(exps, axis=1, keepdims=True)
        loss = np.mean(-np.log(probs[np.arange(N), y])) + reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
        grads = {}
        dscores = probs
        dscores[np.arange(N), y] -= 1
        dscores /= N
        grads["W2"] = hidden.T.dot(dscores) + 2 * reg * W2
        grads["b2"] = np.sum(dscores, axis=0)
        dhidden = dscores.dot(W2.T)
        dhidden[hidden <= 0] = 0
        grads["W1"] = X.T.dot(dhidden) + 2 * reg * W1
        grads["b1"] = np.sum(dhidden, axis=0)
        return loss, grads
""",
    ("slope", "        dhidden[hidden <= 0] = 0\n", ""),
    ("value", 'grads["b1"] = np.sum(dhidden, axis=0)', 'grads["b1"] = np.sum(hidden, axis=0)'),
    ("scale", 'grads["b2"] = np.sum(dscores, axis=0)', 'grads["b2"] = np.sum(dscores, axis=0) / N'),
)

program(
    "the hinge loss of a linear classifier",
    """
import numpy as np

def svm_loss_vectorized(W, X, y, reg):
    N = X.shape[0]
    scores = X.dot(W)
    correct = scores[np.arange(N), y].reshape(-1, 1)
    margins = np.maximum(0, scores - correct + 1)
    margins[np.arange(N), y] = 0
    loss = np.sum(margins) / N + reg * np.sum(W * W)
    binary = (margins > 0).astype(float)
    binary[np.arange(N), y] = -np.sum(binary, axis=1)
    dW = X.T.dot(binary) / N + 2 * reg * W
    return loss, dW
""",
    ("sign", "binary[np.arange(N), y] = -np.sum", "binary[np.arange(N), y] = np.sum"),
    ("regularisation", "+ 2 * reg * W\n", "+ reg * W\n"),
)

program(
    "inverted dropout between two layers",
    """
import numpy as np

def forward_propagation_with_dropout(X, parameters, keep_prob=0.5):
    np.random.seed(1)
    W1, b1 = parameters["W1"], parameters["b1"]
    W2, b2 = parameters["W2"], parameters["b2"]
    Z1 = np.dot(W1, X) + b1
    A1 = np.maximum(0, Z1)
    D1 = (np.random.rand(A1.shape[0], A1.shape[1]) < keep_prob).astype(int)
    A1 = A1 * D1 / keep_prob
    Z2 = np.dot(W2, A1) + b2
    A2 = 1 / (1 + np.exp(-Z2))
    return A2, (Z1, D1, A1, W1, b1, Z2, A2, W2, b2)

def compute_cost(A2, Y):
    m = Y.shape[1]
    return -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m

def backward_propagation_with_dropout(X, Y, cache, keep_prob=0.5):
    m = X.shape[1]
    Z1, D1, A1, W1, b1, Z2, A2, W2, b2 = cache
    dZ2 = A2 - Y
    dW2 = np.dot(dZ2, A1.T) / m
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m
    dA1 = np.dot(W2.T, dZ2)
    dA1 = dA1 * D1
    dA1 = dA1 / keep_prob
    dZ1 = dA1 * (Z1 > 0)
    dW1 = np.dot(dZ1, X.T) / m
    db1 = np.sum(dZ1, axis=1, keepdims=True) / m
    return {"dW2": dW2, "db2": db2, "dW1": dW1, "db1": db1}
""",
    ("scale", "    dA1 = dA1 / keep_prob\n", ""),
    ("value", "dW1 = np.dot(dZ1, X.T) / m", "dW1 = np.dot(dA1, X.T) / m"),
)

program(
    "a table of activations and a list of dictionaries for the layers",
    """
import numpy as np

def relu(z):
    return np.maximum(0, z)

def relu_grad(z):
    return (z > 0) * 1.0

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

def sigmoid_grad(z):
    s = sigmoid(z)
    return s * (1 - s)

ACTIVATIONS = {"relu": (relu, relu_grad), "sigmoid": (sigmoid, sigmoid_grad)}

class MLP:
    def __init__(self, sizes=(4, 6, 5, 1), activations=("relu", "relu", "sigmoid")):
        rng = np.random.RandomState(2)
        self.layers = [
            {"W": rng.randn(o, i) / np.sqrt(i), "b": np.zeros((o, 1)), "act": a}
            for i, o, a in zip(sizes, sizes[1:], activations)
        ]

    def forward(self, X):
        A = X
        for layer in self.layers:
            layer["A_prev"] = A
            layer["Z"] = layer["W"] @ A + layer["b"]
            A = ACTIVATIONS[layer["act"]][0](layer["Z"])
        return A

    def compute_loss(self, A, Y):
        return np.mean((A - Y) ** 2)

    def backward(self, A, Y):
        dA = 2 * (A - Y) / Y.size
        for layer in reversed(self.layers):
            dZ = dA * ACTIVATIONS[layer["act"]][1](layer["Z"])
            layer["dW"] = dZ @ layer["A_prev"].T
            layer["db"] = dZ.sum(axis=1, keepdims=True)
            dA = layer["W"].T @ dZ
""",
    (
        "slope",
        'dZ = dA * ACTIVATIONS[layer["act"]][1](layer["Z"])',
        'dZ = dA * ACTIVATIONS[layer["act"]][0](layer["Z"])',
    ),
    ("value", 'layer["dW"] = dZ @ layer["A_prev"].T', 'layer["dW"] = dA @ layer["A_prev"].T'),
)

program(
    "matrix factorisation",
    """
import numpy as np

def loss(U, V, R, lam=0.1):
    E = U @ V.T - R
    return 0.5 * np.sum(E ** 2) + 0.5 * lam * (np.sum(U ** 2) + np.sum(V ** 2))

def gradients(U, V, R, lam=0.1):
    E = U @ V.T - R
    dU = E @ V + lam * U
    dV = E.T @ U + lam * V
    return dU, dV
""",
    ("sign", "dU = E @ V + lam * U", "dU = E @ V - lam * U"),
    ("scale", "dV = E.T @ U + lam * V", "dV = 2 * E.T @ U + lam * V"),
)

program(
    "gradients summed up example by example",
    """
import numpy as np

def sigmoid(t):
    return 1 / (1 + np.exp(-t))

def cost_and_gradients(params, X, Y):
    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
    grads = {"W1": np.zeros_like(W1), "b1": np.zeros_like(b1), "W2": np.zeros_like(W2), "b2": np.zeros_like(b2)}
    total = 0.0
    for x, y in zip(X, Y):
        h = sigmoid(W1 @ x + b1)
        o = W2 @ h + b2
        total += np.sum((o - y) ** 2)
        do = 2 * (o - y)
        dh = (W2.T @ do) * h * (1 - h)
        grads["W2"] += np.outer(do, h)
        grads["b2"] += do
        grads["W1"] += np.outer(dh, x)
        grads["b1"] += dh
    for k in grads:
        grads[k] /= len(X)
    return total / len(X), grads
""",
    ("value", 'grads["b1"] += dh', 'grads["b1"] += h'),
    ("slope", "dh = (W2.T @ do) * h * (1 - h)", "dh = (W2.T @ do) * (1 - h)"),
)

program(
    "dataclass layers with a loss by itself and keyword arguments",
    """
from dataclasses import dataclass, field
import numpy as np

@dataclass
class Dense:
    n_in: int
    n_out: int
    cache: dict = field(default_factory=dict)

    def __post_init__(self):
        self.W = np.random.normal(0, 0.5, size=(self.n_in, self.n_out))
        self.b = np.zeros((1, self.n_out))

    def forward(self, inputs):
        self.cache["inputs"] = inputs
        return inputs @ self.W + self.b

    def backward(self, grad):
        self.dW = self.cache["inputs"].T @ grad
        self.db = grad.sum(axis=0, keepdims=True)
        return grad @ self.W.T

class LeakyReLU:
    def __init__(self, slope=0.1):
        self.slope = slope

    def forward(self, inputs):
        self.inputs = inputs
        return np.where(inputs > 0, inputs, self.slope * inputs)

    def backward(self, grad):
        return grad * np.where(self.inputs > 0, 1.0, self.slope)
""",
    ("slope", "np.where(self.inputs > 0, 1.0, self.slope)", "np.where(self.inputs > 0, 1.0, 0.0)"),
    (
        "axis",
        "self.db = grad.sum(axis=0, keepdims=True)",
        "self.db = grad.mean(axis=0, keepdims=True)",
    ),
)

program(
    "attention of one head as two functions",
    """
import numpy as np

def attention_forward(Q, K, V):
    d = Q.shape[1]
    S = Q @ K.T / np.sqrt(d)
    E = np.exp(S - S.max(axis=1, keepdims=True))
    P = E / E.sum(axis=1, keepdims=True)
    return P @ V, (Q, K, V, P)

def attention_backward(dout, cache):
    Q, K, V, P = cache
    d = Q.shape[1]
    dV = P.T @ dout
    dP = dout @ V.T
    dS = P * (dP - np.sum(dP * P, axis=1, keepdims=True))
    dQ = dS @ K / np.sqrt(d)
    dK = dS.T @ Q / np.sqrt(d)
    return dQ, dK, dV
""",
    ("scale", "dK = dS.T @ Q / np.sqrt(d)", "dK = dS.T @ Q"),
    ("axis", "np.sum(dP * P, axis=1, keepdims=True)", "np.sum(dP * P, axis=0, keepdims=True)"),
)

program(
    "a plain class with train(X, y, epochs) and sigmoid_derivative of the output",
    """
import numpy as np

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def sigmoid_derivative(x):
    return x * (1 - x)

class NeuralNetwork:
    def __init__(self, x, y):
        self.input = x
        self.weights1 = np.random.rand(self.input.shape[1], 4)
        self.weights2 = np.random.rand(4, 1)
        self.y = y
        self.output = np.zeros(self.y.shape)

    def feedforward(self):
        self.layer1 = sigmoid(np.dot(self.input, self.weights1))
        self.output = sigmoid(np.dot(self.layer1, self.weights2))

    def backprop(self):
        d_weights2 = np.dot(self.layer1.T, 2 * (self.y - self.output) * sigmoid_derivative(self.output))
        d_weights1 = np.dot(self.input.T, np.dot(2 * (self.y - self.output) * sigmoid_derivative(self.output), self.weights2.T) * sigmoid_derivative(self.layer1))
        self.weights1 += d_weights1
        self.weights2 += d_weights2
""",
    ("slope", ", self.weights2.T) * sigmoid_derivative(self.layer1))", ", self.weights2.T))"),
    ("sign", "self.weights1 += d_weights1", "self.weights1 -= d_weights1"),
)

program(
    "a fit that records the squared error and descends the cross-entropy",
    """
import numpy as np

class Logit:
    def __init__(self, rate=0.05, rounds=50):
        self.rate = rate
        self.rounds = rounds

    def fit(self, X, y):
        self.w = np.zeros(X.shape[1])
        self.b = 0.0
        self.history = []
        for _ in range(self.rounds):
            p = 1 / (1 + np.exp(-(X @ self.w + self.b)))
            off = p - y
            loss = np.mean(off**2)
            self.history.append(loss)
            self.w = self.w - self.rate * X.T @ off / len(y)
            self.b = self.b - self.rate * np.mean(off)
        return self
""",
    ("sign", "self.b = self.b - self.rate", "self.b = self.b + self.rate"),
    ("scale", "X.T @ off / len(y)", "X.T @ off"),
)

program(
    "neurons as dictionaries in lists, trained row by row",
    """
import math
import random

def make(n_in, n_hidden, n_out):
    layers = []
    for below, width in ((n_in, n_hidden), (n_hidden, n_out)):
        layers.append([{"weights": [random.gauss(0, 1) for _ in range(below + 1)]} for _ in range(width)])
    return layers

def initialize(n_in, n_hidden, n_out):
    return make(n_in, n_hidden, n_out)

def forward_pass(network, row):
    signal = row[:-1]
    for layer in network:
        above = []
        for neuron in layer:
            w = neuron["weights"]
            total = w[-1] + sum(w[i] * signal[i] for i in range(len(w) - 1))
            neuron["out"] = 1 / (1 + math.exp(-total))
            above.append(neuron["out"])
        signal = above
    return signal

def backward_pass(network, expected):
    for k in reversed(range(len(network))):
        for j, neuron in enumerate(network[k]):
            if k == len(network) - 1:
                off = expected[j] - neuron["out"]
            else:
                off = sum(n["weights"][j] * n["delta"] for n in network[k + 1])
            neuron["delta"] = off * neuron["out"] * (1 - neuron["out"])

def change(network, row, l_rate):
    for k, layer in enumerate(network):
        signal = row[:-1] if k == 0 else [n["out"] for n in network[k - 1]]
        for neuron in layer:
            for i, s in enumerate(signal):
                neuron["weights"][i] += l_rate * neuron["delta"] * s
            neuron["weights"][-1] += l_rate * neuron["delta"]

def fit(network, rows, l_rate, n_epoch, n_outputs):
    for epoch in range(n_epoch):
        sum_error = 0
        for row in rows:
            outputs = forward_pass(network, row)
            expected = [0] * n_outputs
            expected[row[-1]] = 1
            sum_error += sum((e - o) ** 2 for e, o in zip(expected, outputs))
            backward_pass(network, expected)
            change(network, row, l_rate)
        print(epoch, sum_error)
""",
    ("slope", 'neuron["out"] * (1 - neuron["out"])', 'neuron["out"]'),
    ("value", "for n in network[k - 1]]", "for n in network[k]]"),
)

program(
    "one step in plain lists, at the top level",
    """
def squash(x):
    return 1 / (1 + 2.718281828459045 ** -x)

inputs = [0.2, -0.4]
expected_output = [0.1, 0.8]
w_in = [[0.3, -0.1], [0.2, 0.5]]
w_out = [[0.7, -0.3], [0.1, 0.4]]
b_in = [0.1, 0.2]

hidden = [0, 0]
for j in range(2):
    hidden[j] = squash(inputs[0] * w_in[0][j] + inputs[1] * w_in[1][j] + b_in[j])
result = [0, 0]
for k in range(2):
    result[k] = squash(hidden[0] * w_out[0][k] + hidden[1] * w_out[1][k])

miss = [expected_output[k] - result[k] for k in range(2)]
d_out = [miss[k] * result[k] * (1 - result[k]) for k in range(2)]
d_in = [0, 0]
for j in range(2):
    d_in[j] = (d_out[0] * w_out[j][0] + d_out[1] * w_out[j][1]) * hidden[j] * (1 - hidden[j])

eta = 0.5
for i in range(2):
    for j in range(2):
        w_out[i][j] += eta * hidden[i] * d_out[j]
        w_in[i][j] += eta * inputs[i] * d_in[j]
print(w_in, w_out)
""",
    ("slope", "* hidden[j] * (1 - hidden[j])", "* (1 - hidden[j])"),
    ("value", "w_in[i][j] += eta * inputs[i]", "w_in[i][j] += eta * hidden[i]"),
)

program(
    "an autoencoder that learns from one sample, without targets",
    """
import numpy as np

class Compressor:
    def __init__(self, n: int = 9, code: int = 4):
        self.rate = 0.05
        self.W_down = np.random.randn(code, n) / 3
        self.b_down = np.zeros((code, 1))
        self.W_up = np.random.randn(n, code) / 2
        self.b_up = np.zeros((n, 1))

    def forward(self, x):
        if x.ndim == 1:
            x = x.reshape(-1, 1)
        self.code = np.tanh(np.dot(self.W_down, x) + self.b_down)
        self.back = np.dot(self.W_up, self.code) + self.b_up
        return self.back, self.code

    def learn_from(self, x):
        back, _ = self.forward(x)
        if x.ndim == 1:
            x = x.reshape(-1, 1)
        off = back - x
        up = np.dot(off, self.code.T)
        inner = np.dot(self.W_up.T, off) * (1 - self.code ** 2)
        self.W_up -= self.rate * up
        self.b_up -= self.rate * off
        self.W_down -= self.rate * np.dot(inner, x.T)
        self.b_down -= self.rate * inner
""",
    ("slope", "* (1 - self.code ** 2)", "* (1 - self.code)"),
    ("sign", "self.b_up -= self.rate * off", "self.b_up += self.rate * off"),
)

program(
    "a sequence with a state that is handed in",
    """
import numpy as np

class Memory:
    def __init__(self, input_size, hidden_size):
        self.w_x = np.random.randn(input_size, hidden_size)
        self.w_h = np.random.randn(hidden_size, hidden_size)
        self.bias = np.random.randn(hidden_size)

    def unroll(self, xs, h0):
        states = [h0]
        for x in xs:
            states.append(np.tanh(x @ self.w_x + states[-1] @ self.w_h + self.bias))
        return states

    def train(self, xs, h0, t, learning_rate):
        states = self.unroll(xs, h0)
        last = states[-1]
        dh = last - t
        dx, dw, db = np.zeros_like(self.w_x), np.zeros_like(self.w_h), np.zeros_like(self.bias)
        for i in reversed(range(len(xs))):
            da = dh * (1 - states[i + 1] ** 2)
            dx += np.outer(xs[i], da)
            dw += np.outer(states[i], da)
            db += da
            dh = self.w_h @ da
        self.w_x -= learning_rate * dx
        self.w_h -= learning_rate * dw
        self.bias -= learning_rate * db
""",
    ("transpose", "dh = self.w_h @ da", "dh = self.w_h.T @ da"),
    ("value", "dw += np.outer(states[i], da)", "dw += np.outer(states[i + 1], da)"),
)

program(
    "an update through a helper, the examples by their index",
    """
import numpy as np

class Gate:
    def __init__(self, lr=0.4):
        self.lr = lr

    def s(self, v):
        return 1 / (1 + np.exp(-v))

    def loss(self, y, out):
        return np.sum((y - out) ** 2) / 2

    def moved(self, w, dw):
        return w - self.lr * dw

    def run(self, epochs=500):
        X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
        y = np.array([0, 1, 1, 0])
        w = np.array([[0.4, -0.3], [0.2, 0.6]])
        v = np.array([0.5, -0.7])
        for epoch in range(epochs):
            for i in range(len(X)):
                h = self.s(X[i] @ w)
                out = self.s(h @ v)
                d = (out - y[i]) * out * (1 - out)
                dv = d * h
                dw = np.outer(X[i], d * v * h * (1 - h))
                v = self.moved(v, dv)
                w = self.moved(w, dw)
        return w, v
""",
    ("slope", "d * v * h * (1 - h)", "d * v * (1 - h)"),
    ("value", "dv = d * h", "dv = d * out"),
)

program(
    "helpers from a file that is not there",
    """
import numpy as np
from helpers import *
from layers.activations import relu, derivative_relu, softmax

def forward_propagation(data, parameters):
    Z1 = parameters["W1"] @ data.T + parameters["b1"]
    A1 = relu(Z1)
    Z2 = parameters["W2"] @ A1 + parameters["b2"]
    A2 = softmax(Z2)
    return {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}

def back_propagation(data, activations, parameters, labels):
    m = data.shape[0]
    dZ2 = activations["A2"] - labels.T
    dZ1 = parameters["W2"].T @ dZ2 * derivative_relu(activations["Z1"])
    return {
        "dW2": dZ2 @ activations["A1"].T / m,
        "db2": np.sum(dZ2, axis=1, keepdims=True) / m,
        "dW1": dZ1 @ data / m,
        "db1": np.sum(dZ1, axis=1, keepdims=True) / m,
    }
""",
    ("slope", ' * derivative_relu(activations["Z1"])', ""),
    ("scale", '"dW1": dZ1 @ data / m', '"dW1": dZ1 @ data'),
)

program(
    "backprop for one example, and a method that updates by a batch of them",
    """
import numpy as np

class Net:
    def __init__(self, sizes):
        self.sizes = sizes
        self.biases = [np.random.randn(n, 1) for n in sizes[1:]]
        self.weights = [np.random.randn(n, k) for k, n in zip(sizes[:-1], sizes[1:])]

    def feedforward(self, a):
        for b, w in zip(self.biases, self.weights):
            a = self.squash(w @ a + b)
        return a

    def step(self, pairs, eta):
        sum_b = [np.zeros(b.shape) for b in self.biases]
        sum_w = [np.zeros(w.shape) for w in self.weights]
        for x, y in pairs:
            more_b, more_w = self.backprop(x, y)
            sum_b = [s + d for s, d in zip(sum_b, more_b)]
            sum_w = [s + d for s, d in zip(sum_w, more_w)]
        self.weights = [w - eta / len(pairs) * s for w, s in zip(self.weights, sum_w)]
        self.biases = [b - eta / len(pairs) * s for b, s in zip(self.biases, sum_b)]

    def backprop(self, x, y):
        grad_b = [np.zeros(b.shape) for b in self.biases]
        grad_w = [np.zeros(w.shape) for w in self.weights]
        kept = [x]
        for b, w in zip(self.biases, self.weights):
            kept.append(self.squash(w @ kept[-1] + b))
        delta = (kept[-1] - y) * kept[-1] * (1 - kept[-1])
        grad_b[-1] = delta
        grad_w[-1] = delta @ kept[-2].T
        for k in range(2, len(self.sizes)):
            delta = self.weights[-k + 1].T @ delta * kept[-k] * (1 - kept[-k])
            grad_b[-k] = delta
            grad_w[-k] = delta @ kept[-k - 1].T
        return grad_b, grad_w

    def squash(self, z):
        return 1 / (1 + np.exp(-z))
""",
    ("value", "grad_w[-k] = delta @ kept[-k - 1].T", "grad_w[-k] = delta @ kept[-k].T"),
    ("scale", "[b - eta / len(pairs) * s for", "[b - eta * s for"),
)

program(
    "the hinge loss of one class against the other, example by example",
    """
import numpy as np

def svm_loss(w, b, X, y, C):
    n, d = X.shape
    loss = 0.0
    dw = np.zeros_like(w)
    db = 0.0
    for i in range(n):
        margin = y[i] * (X[i] @ w + b)
        if margin < 1:
            loss += 1 - margin
            dw += -y[i] * X[i]
            db += -y[i]
    return C * loss + 0.5 * np.sum(w ** 2), C * dw + w, C * db

X = load("points.csv")
C = 1.0
w = np.zeros(4)
b = 0.0
""",
    ("regularisation", "C * dw + w, C * db", "C * dw, C * db"),
    ("sign", "db += -y[i]", "db += y[i]"),
)

program(
    "thetas with a column for the bias, a decay without it",
    """
from numpy import *

def sigmoid(z):
    return 1 / (1 + exp(-z))

def cost_function(Theta1, Theta2, X, y, lamb):
    m = X.shape[0]
    a1 = concatenate((ones((m, 1)), X), axis=1)
    a2 = concatenate((ones((m, 1)), sigmoid(a1.dot(Theta1.T))), axis=1)
    a3 = sigmoid(a2.dot(Theta2.T))
    hot = zeros(a3.shape)
    for i in range(m):
        hot[i, y[i] - 1] = 1
    J = sum(sum(-hot * log(a3) - (1 - hot) * log(1 - a3))) / m
    J += lamb / (2 * m) * (sum(Theta1[:, 1:] ** 2) + sum(Theta2[:, 1:] ** 2))
    d3 = a3 - hot
    d2 = d3.dot(Theta2)[:, 1:] * a2[:, 1:] * (1 - a2[:, 1:])
    decay1, decay2 = Theta1.copy(), Theta2.copy()
    decay1[:, 0] = 0
    decay2[:, 0] = 0
    Theta1_grad = d2.T.dot(a1) / m + lamb / m * decay1
    Theta2_grad = d3.T.dot(a2) / m + lamb / m * decay2
    return J, Theta1_grad, Theta2_grad
""",
    ("branch", "decay1, decay2 = Theta1.copy(), Theta2.copy()", "decay1, decay2 = Theta1, Theta2"),
    ("slope", "* a2[:, 1:] * (1 - a2[:, 1:])", "* (1 - a2[:, 1:])"),
)

program(
    "layers that keep their inputs and errors, put together by the loop of a script",
    """
import numpy as np
from sklearn.datasets import load_digits

digits = load_digits()
images, labels = digits.data / 16, digits.target
codes = np.zeros((10, len(labels)))
codes[labels, np.arange(len(labels))] = 1
images = images.T

class Stage:
    def __init__(self, n_out, n_in):
        self.kernel = np.random.randn(n_out, n_in) / np.sqrt(n_in)
        self.offset = np.zeros((n_out, 1))
        self.arriving = None
        self.error = None

    def run(self):
        self.value = self.kernel @ self.arriving + self.offset

    def learn(self, rate):
        m = self.arriving.shape[1]
        self.kernel -= rate * self.error @ self.arriving.T / m
        self.offset -= rate * np.sum(self.error, axis=1, keepdims=True) / m

first, last = Stage(12, 64), Stage(10, 12)
for sweep in range(500):
    first.arriving = images
    first.run()
    hidden = np.tanh(first.value)
    last.arriving = hidden
    last.run()
    e = np.exp(last.value - last.value.max(axis=0))
    guess = e / e.sum(axis=0)
    last.error = guess - codes
    first.error = (last.kernel.T @ last.error) * (1 - hidden ** 2)
    last.learn(0.2)
    first.learn(0.2)
    if sweep % 50 == 0:
        print(sweep, -np.mean(np.sum(codes * np.log(guess), axis=0)))
""",
    ("slope", "* (1 - hidden ** 2)", "* (1 - hidden)"),
    ("scale", "first.error = (last.kernel.T", "last.learn(0.2)\n    first.error = (last.kernel.T"),
    ("axis", "np.sum(self.error, axis=1, keepdims=True)", "np.sum(self.error)"),
)

program(
    "neurons with a list of weights and a bias, in layers, without NumPy",
    """
import math
import random

class Cell:
    def __init__(self, n):
        self.w = [random.uniform(-1, 1) for _ in range(n)]
        self.b = random.uniform(-1, 1)

    def fire(self, inputs):
        self.inputs = inputs
        z = sum(w * x for w, x in zip(self.w, inputs)) + self.b
        self.out = 1 / (1 + math.exp(-z))
        return self.out

class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.hidden = [Cell(n_in) for _ in range(n_hidden)]
        self.last = [Cell(n_hidden) for _ in range(n_out)]

    def ask(self, inputs):
        middle = [c.fire(inputs) for c in self.hidden]
        return [c.fire(middle) for c in self.last]

    def train(self, samples, answers, rounds, rate):
        for _ in range(rounds):
            for inputs, answer in zip(samples, answers):
                self.ask(inputs)
                for k, c in enumerate(self.last):
                    c.delta = (c.out - answer[k]) * c.out * (1 - c.out)
                for j, c in enumerate(self.hidden):
                    back = sum(d.w[j] * d.delta for d in self.last)
                    c.delta = back * c.out * (1 - c.out)
                for c in self.hidden + self.last:
                    for i in range(len(c.w)):
                        c.w[i] -= rate * c.delta * c.inputs[i]
                    c.b -= rate * c.delta

if __name__ == "__main__":
    net = Net(2, 3, 1)
    net.train([[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]], 5000, 0.5)
    print([net.ask(s) for s in [[0, 0], [0, 1], [1, 0], [1, 1]]])
""",
    ("slope", "c.delta = back * c.out * (1 - c.out)", "c.delta = back * c.out"),
    ("value", "back = sum(d.w[j] * d.delta", "back = sum(d.w[0] * d.delta"),
)

program(
    "classes of a table, read with pandas, one-hot, in rows",
    """
import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

frame = pd.read_csv("flowers.csv")
inputs = frame.drop("species", axis=1).values
kinds = frame["species"].values.astype(int)
inputs = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
inputs = np.c_[np.ones(len(inputs)), inputs]
one_hot = np.eye(kinds.max() + 1)[kinds]
a, b, u, v = train_test_split(inputs, one_hot, test_size=0.2)

def probabilities(scores):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)

def descend(rows, wanted, rate, rounds):
    theta = np.zeros((rows.shape[1], wanted.shape[1]))
    for _ in range(rounds):
        p = probabilities(rows @ theta)
        difference = p - wanted
        theta = theta - rate * rows.T @ difference / len(rows)
    return theta

theta = descend(a, u, 0.3, 400)
print(np.mean(probabilities(b @ theta).argmax(axis=1) == v.argmax(axis=1)))
""",
    ("value", "difference = p - wanted", "difference = p * (1 - p) - wanted"),
    ("sign", "theta - rate * rows.T", "theta + rate * rows.T"),
)

program(
    "a main() that loads pictures, weights made in it, sizes as numbers",
    """
import gzip
import numpy as np

def read_pictures(name):
    with gzip.open(name, "rb") as f:
        return np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 28 * 28)

def read_answers(name):
    with gzip.open(name, "rb") as f:
        return np.frombuffer(f.read(), np.uint8, offset=8)

def main():
    train_images = read_pictures("train-images-idx3-ubyte.gz") / 255.0
    train_labels = read_answers("train-labels-idx1-ubyte.gz")
    wanted = np.zeros((len(train_labels), 10))
    wanted[np.arange(len(train_labels)), train_labels] = 1
    w1 = 0.1 * np.random.randn(784, 30)
    w2 = 0.1 * np.random.randn(30, 10)
    for start in range(0, len(train_images), 20):
        batch, goal = train_images[start:start + 20], wanted[start:start + 20]
        h = np.maximum(batch @ w1, 0)
        s = 1 / (1 + np.exp(-h @ w2))
        d2 = (s - goal) * s * (1 - s)
        d1 = (d2 @ w2.T) * (h > 0)
        w2 -= 0.05 * h.T @ d2
        w1 -= 0.05 * batch.T @ d1

if __name__ == "__main__":
    main()
""",
    ("slope", "* (h > 0)", "* h"),
    ("branch", "(s - goal) * s * (1 - s)", "(s - goal) * (1 - s)"),
)

program(
    "neurons as global vectors, examples by their number, one function forward and one back",
    """
import math
import numpy as np

patterns = np.array([[1, 0, 0], [1, 0, 1], [1, 1, 0], [1, 1, 1]])
wishes = np.array([0, 1, 1, 0])
left, right, top = (np.random.uniform(-1, 1, 3) for _ in range(3))
fired = np.zeros(3)

def squash(z):
    return 1 / (1 + math.exp(-z))

def go(n):
    fired[0] = squash(np.dot(patterns[n], left))
    fired[1] = squash(np.dot(patterns[n], right))
    fired[2] = squash(top[0] + top[1] * fired[0] + top[2] * fired[1])

def correct(wish, n):
    global left, right, top
    off = fired[2] - wish
    d = off * fired[2] * (1 - fired[2])
    d_left = d * top[1] * fired[0] * (1 - fired[0])
    d_right = d * top[2] * fired[1] * (1 - fired[1])
    top -= 0.6 * d * np.array([1, fired[0], fired[1]])
    left -= 0.6 * d_left * patterns[n]
    right -= 0.6 * d_right * patterns[n]

for turn in range(4000):
    for n in range(4):
        go(n)
        correct(wishes[n], n)
""",
    ("value", "d_right = d * top[2]", "d_right = d * top[1]"),
    ("slope", "d * top[1] * fired[0] * (1 - fired[0])", "d * top[1] * (1 - fired[0])"),
)

program(
    "gradients added up over the examples of a batch",
    """
import numpy as np

rng = np.random.default_rng(0)
points = rng.normal(size=(40, 2))
sides = (points[:, :1] * points[:, 1:] > 0).astype(float)
net = {"a": rng.normal(size=(2, 4)), "b": np.zeros(4), "c": rng.normal(size=(4, 1)), "d": np.zeros(1)}
f = lambda z: 1 / (1 + np.exp(-z))

for epoch in range(300):
    order = rng.permutation(40)
    for k in range(0, 40, 8):
        sums = {name: np.zeros_like(value) for name, value in net.items()}
        for i in order[k:k + 8]:
            h = f(points[i] @ net["a"] + net["b"])
            o = f(h @ net["c"] + net["d"])
            e = o - sides[i]
            back = (net["c"] @ e) * h * (1 - h)
            sums["c"] += np.outer(h, e)
            sums["d"] += e
            sums["a"] += np.outer(points[i], back)
            sums["b"] += back
        for name in net:
            net[name] -= 0.5 * sums[name] / 8
""",
    ("value", 'sums["c"] += np.outer(h, e)', 'sums["c"] += np.outer(h, o)'),
    ("slope", "* h * (1 - h)", "* (1 - h)"),
)
