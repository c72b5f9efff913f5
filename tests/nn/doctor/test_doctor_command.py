"""``tinygrad-edu doctor FILE`` on files as learners have them, each in a process of its own."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import programs as p
import pytest
from running import cell, doctor, notebook

import nn
from nn.doctor import check_file

LOGISTIC = """
import numpy as np
import h5py
import matplotlib.pyplot as plt
from lr_utils import load_dataset

train_x, train_y, classes = load_dataset()

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

def initialize_with_zeros(dim):
    w = np.zeros((dim, 1))
    b = 0
    return w, b

def propagate(w, b, X, Y):
    m = X.shape[1]
    A = sigmoid(np.dot(w.T, X) + b)
    cost = -1 / m * np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A))
    dw = 1 / m * np.dot(X, (A - Y).T)
    db = 1 / m * np.sum(A - Y)
    grads = {"dw": dw, "db": db}
    return grads, cost

def predict(w, b, X):
    return sigmoid(np.dot(w.T, X) + b) > 0.5

print("training ...")
"""

FOR_LOOPS = """
import numpy as np

def compute_cost(x, y, w, b):
    m = x.shape[0]
    cost = 0
    for i in range(m):
        cost = cost + (w * x[i] + b - y[i]) ** 2
    return cost / (2 * m)

def compute_gradient(x, y, w, b):
    m = x.shape[0]
    dj_dw = 0
    dj_db = 0
    for i in range(m):
        f_wb = w * x[i] + b
        dj_dw += (f_wb - y[i]) * x[i]
        dj_db += f_wb - y[i]
    return dj_dw / m, dj_db / m
"""

TWO_FUNCTIONS_A_LAYER = """
import numpy as np

def affine_forward(x, w, b):
    out = x.reshape(x.shape[0], -1) @ w + b
    cache = (x, w, b)
    return out, cache

def affine_backward(dout, cache):
    x, w, b = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T @ dout
    db = dout.sum(axis=0)
    return dx, dw, db
"""

LISTS = """
import numpy as np

class Network:
    def __init__(self, sizes):
        self.biases = [np.random.randn(n, 1) for n in sizes[1:]]
        self.weights = [np.random.randn(n, k) for k, n in zip(sizes[:-1], sizes[1:])]

    def feedforward(self, a):
        for b, w in zip(self.biases, self.weights):
            a = sigmoid(w @ a + b)
        return a

    def update(self, batch, eta):
        for x, y in batch:
            nabla_b, nabla_w = self.backprop(x, y)

    def backprop(self, x, y):
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        activations, zs = [x], []
        for b, w in zip(self.biases, self.weights):
            zs.append(w @ activations[-1] + b)
            activations.append(sigmoid(zs[-1]))
        delta = (activations[-1] - y) * sigmoid_prime(zs[-1])
        for l in range(1, len(self.weights) + 1):
            if l > 1:
                delta = (self.weights[-l + 1].T @ delta) * sigmoid_prime(zs[-l])
            nabla_b[-l] = delta
            nabla_w[-l] = delta @ activations[-l - 1].T
        return nabla_b, nabla_w

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))
"""

UPDATES_AT_ONCE = """
import numpy as np

class Dense:
    def __init__(self, input_size, output_size):
        self.weights = np.random.randn(output_size, input_size)
        self.bias = np.random.randn(output_size, 1)

    def forward(self, input):
        self.input = input
        return self.weights @ input + self.bias

    def backward(self, output_gradient, learning_rate):
        input_gradient = self.weights.T @ output_gradient
        self.weights -= learning_rate * output_gradient @ self.input.T
        self.bias -= learning_rate * output_gradient
        return input_gradient

network = [Dense(2, 3), Dense(3, 1)]
for x, y in zip(X, Y):
    for layer in network:
        x = layer.forward(x)
"""

SCALARS = """
import math

def f(x):
    return x * math.sin(x)

def df(x):
    return math.sin(x) + x * math.cos(x)

def bowl(p):
    x, y = p
    return (1 - x) ** 2 + 3 * y ** 2

def bowl_grad(p):
    return [2 * (x - 1) if i == 0 else 6 * x for i, x in enumerate(p)]
"""

TRAIN_STEP = """
import numpy as np

def loss(params, X, y):
    h = np.tanh(X @ params["W1"] + params["b1"])
    return np.mean((h @ params["W2"] + params["b2"] - y) ** 2)

def train_step(params, X, y, lr=0.1):
    h = np.tanh(X @ params["W1"] + params["b1"])
    out = h @ params["W2"] + params["b2"]
    d = 2 * (out - y) / y.size
    dz = (d @ params["W2"].T) * (1 - h ** 2)
    params["W2"] -= lr * h.T @ d
    params["b2"] -= lr * d.sum(0)
    params["W1"] -= lr * X.T @ dz
    params["b1"] -= lr * dz.sum(0)
"""

# form: (program, what is right, what is written instead, words of the diagnosis)
FORMS = {
    "course": (p.COURSE, "np.dot(dZ, A_prev.T) / m", "np.dot(dZ, A_prev.T)", "the 1/m is missing"),
    "planar": (p.PLANAR, "dZ1 = dA1 * (1 - np", "dZ1 = dA1 * (1 + np", "dZ1 has 1 + A1**2"),
    "rows": (p.ROWS, "da1 = dz2 @ W2.T", "da1 = -dz2 @ W2.T", "sign"),
    "loss and gradient": (p.REGRESSION, "dW = dW + reg * W", "dW = dW + 2 * reg * W", "twice the regu"),
    "decay": (p.DECAY, "dW1 = dZ1 @ X.T / m +", "dW1 = dZ1 @ X.T / m -", "sign"),
    "dropout": (p.DROPOUT, "dA1 = dA1 * cache[\"D1\"] / keep_prob", "pass", "dH1 ignores dropout"),
    "class": (p.CLASS, "delta2.sum(axis=0)", "delta2.mean(axis=0)", "mean"),
    "layers": (p.LAYERS, "dx[self.mask] = 0", "dx[~self.mask] = 0", "inverted"),
    "step": (p.STEP, "db1 = dz.sum(axis=0)", "db1 = 2 * dz.sum(axis=0)", "twice as large"),
    "pairs": (p.PAIRS, "return (x > 0) * 1.0", "return np.maximum(0, x)", "not its slope"),
    "logistic": (LOGISTIC, "np.dot(X, (A - Y).T)", "np.dot(X, (Y - A).T)", "sign"),
    "for loops": (FOR_LOOPS, "return dj_dw / m,", "return dj_dw,", "times the true gradient"),
    "layer functions": (TWO_FUNCTIONS_A_LAYER, "db = dout.sum(axis=0)", "db = dout.mean(axis=0)", "db"),
    "lists": (LISTS, "= delta @ activations", "= 2 * delta @ activations", "twice as large"),
    "updates at once": (UPDATES_AT_ONCE, "        return input_gradient",
                        "        return self.weights.T @ output_gradient", "after the update"),
    "scalars": (SCALARS, "+ x * math.cos(x)", "- x * math.cos(x)", "df"),
    "train step": (TRAIN_STEP, "lr * dz.sum(0)", "lr * dz.sum(0) * 3", "a factor 3"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_each_form_right_and_wrong(form, tmp_path):
    source, right, wrong, words = FORMS[form]
    path = tmp_path / "homework.py"
    path.write_text(source)
    done = doctor(path)
    assert (done.status, done.errors) == (0, ""), done.said
    assert "a mistake" not in done.out and "WRONG" not in done.out, done.out

    changed, line = p.changed(source, right, wrong)
    path.write_text(changed)
    done = doctor(path)
    assert (done.status, done.errors) == (1, ""), done.said
    assert "a mistake in" in done.out and words in done.out, done.out
    if form in ("scalars", "for loops"):
        return  # numbers are not traced
    lines = {line, line + 1} if form in ("rows", "dropout") else {line}  # or where it is used
    assert any(f"line {n} of " in done.out for n in lines), (line, done.out)


def parts_of_the_course() -> list[str]:
    first, *rest = p.COURSE.split("\ndef ")
    return [first, *("def " + x for x in rest)]


def a_notebook(*functions: str) -> str:
    text = cell("# Week 4", "Building your network, with *mistakes*.", kind="markdown")
    return notebook(
        text,
        cell("%matplotlib inline", "!pip install h5py", "import numpy as np", "import h5py",
             "import matplotlib.pyplot as plt", "%load_ext autoreload", "np.dot?"),
        cell("train_x_orig, train_y, classes = load_data()", "plt.imshow(train_x_orig[0])"),
        *(c for f in functions for c in (cell(f), text)),
        cell("files = !ls", "parameters = L_layer_model(train_x, train_y, num_iterations=2500)",
             "plt.plot(costs)", "plt.show()"),
        cell("%%time", "for i in range(10**9):", "    raise SystemExit"),
        cell("%%bash", "rm -rf data"),
    )  # fmt: skip


def test_a_notebook_with_magics_plots_and_training(tmp_path):
    path = tmp_path / "week4.ipynb"
    parts = parts_of_the_course()
    path.write_text(a_notebook(*parts))
    done = doctor(path)
    assert done.status == 0, done.said
    assert "week4.ipynb: " in done.out and "L_model_backward" in done.out
    assert (
        "not executed: code cell 2, line 1: train_x_orig, train_y, classes = load_data()"
        in done.out
    )
    assert "not valid Python" not in done.out

    wrong = [x.replace("np.dot(W.T, dZ)", "np.dot(W.T, dZ) / m") for x in parts]
    at = next(i for i, x in enumerate(wrong) if "W.T, dZ) / m" in x)
    path.write_text(a_notebook(*wrong))
    done = doctor(path)
    assert done.status == 1
    assert f"code cell {at + 3}, line 6 of linear_backward" in done.out, done.out


def test_the_training_loop_is_never_run(tmp_path):
    path = tmp_path / "homework.py"
    path.write_text(
        p.PLANAR
        + "\nfor i in range(10 ** 12):\n    open('trained.txt', 'w').write('x')\n"
        + "\ndef train(X, Y):\n    open('trained.txt', 'w').write('x')\n    while True:\n        pass\n"
        + "\nif __name__ == '__main__':\n    train(None, None)\n"
    )
    done = doctor(path)
    assert done.status == 0, done.said
    assert not (tmp_path / "trained.txt").exists()
    assert "not executed: line 40: for i in range(10 ** 12):" in done.out


def test_several_networks_in_one_file(tmp_path):
    path = tmp_path / "two.py"
    path.write_text(p.PLANAR + p.CLASS + p.PAIRS)
    done = doctor(path)
    assert done.status == 0, done.said
    for part in ("backward_propagation with forward_propagation", "Network:", "sigmoid_prime"):
        assert part in done.out


AMBIGUOUS = p.PLANAR + "".join(
    p.PLANAR[p.PLANAR.index(f"def {name}(") :]
    .split("\ndef ")[0]
    .replace(f"def {name}(", f"def {new}(")
    for name, new in (("backward_propagation", "my_backward"), ("compute_cost", "half_cost"))
).replace("return -np.sum(logprobs) / m\n", "return -np.sum(logprobs) / m\n")


def test_names_choose_where_there_are_several(tmp_path):
    wrong = AMBIGUOUS.replace("dZ1 = dA1 * (1 -", "dZ1 = dA1 * (2 -")
    assert wrong.count("(2 -") == 2
    first = wrong.index("(2 -")
    path = tmp_path / "two.py"
    path.write_text(wrong[:first] + "(1 -" + wrong[first + 4 :])  # my_backward alone is wrong
    names = ["--forward", "forward_propagation", "--cost", "compute_cost"]
    right = doctor(path, *names, "--backward", "backward_propagation")
    assert right.status == 0 and "my_backward" not in right.out.splitlines()[2], right.said
    assert doctor(path, *names, "--backward", "my_backward").status == 1
    assert doctor(path).status == 1  # both are examined

    absent = doctor(path, "--backward", "backwards")
    assert absent.status == 2 and absent.out == ""
    assert "--backward backwards: there is no such function" in absent.errors
    assert "my_backward" in absent.errors and absent.errors.count("\n") == 1


def test_parameters_and_data_in_the_file_are_not_in_the_way(tmp_path):
    """A script that goes on with its own parameters, as in the README, with other sizes than ours."""
    path = tmp_path / "script.py"
    own = "parameters = {'W1': np.ones((4, 2)), 'b1': np.zeros((4, 1))}\nX = np.ones((2, 7))\nY = X[:1]\n"
    path.write_text(p.PLANAR + own + "print(forward_propagation(X, parameters))\n")
    done = doctor(path)
    assert done.status == 0, done.said
    assert "L = 3: 4-6-3-1" in done.out


def test_a_wrong_derivative_is_one_diagnosis(tmp_path):
    """It makes the whole network wrong; with the right one in its place the network is right."""
    path = tmp_path / "script.py"
    source = p.PLANAR.replace("(1 - np.power(A1, 2))", "tanh_derivative(Z1)")
    assert "tanh_derivative(Z1)" in source
    slope = "\ndef tanh_derivative(z):\n    return 1 - np.tanh(z)\n"
    path.write_text(source + slope)
    done = doctor(path)
    assert done.status == 1
    assert "backward_propagation with forward_propagation and compute_cost: right" in done.out
    assert f"line {(source + slope).count(chr(10))} of tanh_derivative" in done.out
    assert "  right:     1 - tanh(x)**2" in done.out and done.out.count("proof:") == 1
    path.write_text(source.replace("dW1 = ", "dW1 = 2 * ") + slope)
    report = check_file(path)  # with another mistake it is not the only one
    assert {c.quantity for c in report.all_causes} >= {"dW1", "tanh_derivative"}, str(report)


def test_what_was_not_examined_is_listed(tmp_path):
    path = tmp_path / "homework.py"
    path.write_text(p.PLANAR + "\ndef plot_everything(x):\n    return x\n\nprint(1)\n")
    done = doctor(path)
    assert "Not examined: no gradient was recognised in plot_everything" in done.out
    assert "Not examined: not executed: line 43: print(1)" in done.out


def test_json_is_strict(tmp_path):
    path = tmp_path / "homework.py"
    path.write_text(p.PLANAR.replace("dZ3 = A3 - Y", "dZ3 = (A3 - Y) * np.log(-1.0)"))
    done = doctor(path, "--json")
    assert done.status == 1

    def refuse(text: str) -> None:
        raise AssertionError(text)

    report = json.loads(done.out, parse_constant=refuse)
    assert report["ok"] is False and report["status"] == 1
    (part,) = report["parts"]
    assert part["verdicts"][0] == {"name": "dW3", "verdict": "nan"}
    assert part["causes"][0]["line"] == 27 and part["first_wrong"] == "dW3"


def on_a_terminal(path: Path, *options: str, **environment: str) -> str:
    """What the command writes on a terminal."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "PYTHONPATH": str(Path(nn.__path__[0]).parent), "TERM": "xterm"}
    env.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "nn.command", "doctor", str(path), *options],
        stdout=theirs,
        stderr=theirs,
        env=env | environment,
    )
    os.close(theirs)
    found = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        found += part
    process.wait(timeout=60)
    os.close(ours)
    return found.decode()


def test_colours_only_on_a_terminal(tmp_path):
    path = tmp_path / "homework.py"
    path.write_text(p.PLANAR.replace("dZ1 = dA1 * (1 -", "dZ1 = dA1 * (1 +"))
    assert "\033[31mWRONG" in on_a_terminal(path)
    assert "\033" not in on_a_terminal(path, NO_COLOR="1")
    assert "\033" not in on_a_terminal(path, "--plain")
    assert "\033" not in doctor(path).out


def test_plain_is_ascii(tmp_path):
    path = tmp_path / "homework.py"
    text = p.PLANAR.replace("    dZ1 = dA1 * (1 -", "    dZ1 = dA1 * (1 +")
    path.write_text(
        text.replace("np.power(A1, 2))\n    dW1", "np.power(A1, 2))  # Größe ∂\n    dW1"),
        encoding="utf-8",
    )
    assert "Größe ∂" in doctor(path, PYTHONIOENCODING="utf-8").out
    plain = doctor(path, "--plain", PYTHONIOENCODING="utf-8")
    assert plain.status == 1 and plain.out.isascii() and r"Gr\xf6\xdfe" in plain.out
    narrow = doctor(path, PYTHONIOENCODING="ascii")  # a terminal that cannot show it
    assert narrow.status == 1 and narrow.out.isascii()


def test_help_names_the_options(tmp_path):
    text = doctor(tmp_path / "x.py", "--help").out
    for option in (
        "--forward",
        "--backward",
        "--cost",
        "--update",
        "--time-limit",
        "--plain",
        "--json",
    ):
        assert option in text
    assert "Exit status: 0 right, 1 a mistake" in " ".join(text.split())


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "inf", "nan"])
def test_a_time_limit_is_a_positive_number(tmp_path, seconds):
    done = doctor(tmp_path / "x.py", f"--time-limit={seconds}")
    assert done.status == 2 and done.errors.count("\n") == 1
    assert "--time-limit" in done.errors and "expected seconds, such as 10" in done.errors
