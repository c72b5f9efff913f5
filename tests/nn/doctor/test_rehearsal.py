"""A file's own run up to one training step: what it sees, what it leaves alone, where it ends."""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest

from nn.doctor import check_file
from nn.doctor.load import load
from nn.doctor.pretend import result_of, table_from
from nn.doctor.rehearsal import Rehearsal
from nn.doctor.sandbox import quiet
from nn.doctor.steps import Steps

LOGISTIC = """
import numpy as np

X = np.loadtxt("points.csv", delimiter=",")[:, :-1]
labels = np.arange(len(X)) % 2
np.save("points.npy", X)
X.tofile("points.bin")
w, b = np.zeros(X.shape[1]), 0.0
for epoch in range(10000):
    with open("log.txt", "a") as log:
        log.write(f"{epoch}")
    p = 1 / (1 + np.exp(-(X @ w + b)))
    off = p - labels
    w -= 0.1 * X.T @ off / len(X)
    b -= 0.1 * off.mean()
"""


def written(folder, text: str):
    path = folder / "learner.py"
    path.write_text(text)
    return path


def rehearsed(path) -> tuple[Rehearsal, dict]:
    with quiet():
        room = load(path)
        places = [
            (str(path), s.lineno) for t in room.statements for s in getattr(t, "body", [])[:1]
        ]
        before = dict(room.names)
        return Rehearsal(room, places), before


def test_nothing_is_written_and_what_is_missing_is_invented(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, LOGISTIC)
    report = check_file(path)
    assert report.ok, str(report)
    assert "what it reads from elsewhere was invented" in str(report)
    assert [p.name for p in tmp_path.iterdir()] == ["learner.py"]


def test_the_run_ends_where_the_second_round_begins(tmp_path):
    counting = "    import sys; sys.rounds = getattr(sys, 'rounds', 0) + 1\n"
    path = written(tmp_path, LOGISTIC.replace("    p = 1", counting + "    p = 1"))
    sys.rounds = 0
    try:
        run, _ = rehearsed(path)
        assert sys.rounds == 1
    finally:
        del sys.rounds
    (local, shared) = run.seen[(str(path), 10)]
    assert local == {} and shared["epoch"] == 0 and not shared["w"].any()
    assert shared["X"].shape == (60, 4)


def test_names_arrays_and_random_numbers_are_as_before(tmp_path):
    path = written(tmp_path, LOGISTIC.replace("zeros(X.shape[1])", "zeros(4)"))
    np.random.seed(4)
    random.seed(4)
    states = np.random.get_state()[1].copy(), random.getstate()
    run, before = rehearsed(path)
    assert run.room.names.keys() == before.keys()
    assert "X" not in run.room.names and not run.room.names["w"].any()
    np.testing.assert_array_equal(np.random.get_state()[1], states[0])
    assert random.getstate() == states[1]


@pytest.mark.parametrize(
    ("sizes", "network"),
    [((3, 4), "np.zeros((3, 4))"), ((7, 2), "np.zeros((7, 2))")],
)
def test_invented_tables_get_the_sizes_that_the_code_wants(tmp_path, sizes, network):
    path = written(
        tmp_path,
        f"""
import numpy as np
import pandas as pd

frame = pd.read_csv("measured.csv")
X, y = frame.iloc[:, :-1].values, frame["class"].values.astype(int)
Y = np.zeros((len(y), {sizes[1]}))
Y[np.arange(len(y)), y] = 1
W = {network}
for i in range(1000):
    e = np.exp(X @ W)
    p = e / e.sum(axis=1, keepdims=True)
    W -= 0.1 * X.T @ (p - Y) / len(X)
""",
    )
    report = check_file(path)
    assert report.ok, str(report)


def test_gradients_that_are_never_reset_are_seen_in_the_second_round(tmp_path):
    right = """
import numpy as np

rng = np.random.default_rng(1)
X = rng.normal(size=(20, 3))
y = X @ np.array([1.0, -2.0, 0.5])
w = np.zeros(3)
for epoch in range(50):
    for k in range(0, 20, 5):
        total = np.zeros(3)
        for i in range(k, k + 5):
            total += (X[i] @ w - y[i]) * X[i]
        w -= 0.01 * total
"""
    assert check_file(written(tmp_path, right)).ok
    line = "        total = np.zeros(3)\n"
    wrong = right.replace(line, "").replace("    for k in", "    total = np.zeros(3)\n    for k in")
    report = check_file(written(tmp_path, wrong))
    assert report.status == 1
    assert [c.kind for c in report.all_causes] == ["state"]
    assert "never reset" in str(report)


def test_an_own_run_outweighs_what_invented_data_only_suggest(tmp_path):
    """The size stands in the code as a number: with other data it stops, by itself it is right."""
    path = written(
        tmp_path,
        """
import numpy as np

points = np.random.randn(50, 2)
goals = points @ np.array([[2.0], [1.0]]) + 0.5

def guess(theta, X):
    return theta[0] + X @ theta[1:]

def cost(theta, X, y):
    return 0.5 * np.sum((guess(theta, X) - y) ** 2)

def gradient(theta, X, y):
    off = guess(theta, X) - y
    slope = np.zeros((3, 1))
    slope[0] = np.sum(off)
    slope[1] = np.sum(off * X[:, 0].reshape(50, 1))
    slope[2] = np.sum(off * X[:, 1].reshape(50, 1))
    return slope

theta = np.zeros((3, 1))
for i in range(200):
    theta = theta - 0.001 * gradient(theta, points, goals)
""",
    )
    assert check_file(path).status == 0
    text = path.read_text()
    report = check_file(written(tmp_path, text.replace("off * X[:, 1]", "off * X[:, 0]")))
    assert report.status == 1


def test_tables_answer_as_those_of_pandas():
    table = table_from("measured.csv")
    assert table.shape == (60, 5) and table.columns == ["x0", "x1", "x2", "x3", "y"]
    np.testing.assert_array_equal(table["y"], table.values[:, -1])
    np.testing.assert_array_equal(table["species"], table.iloc[:, -1])
    assert table.drop("y", axis=1).shape == (60, 4) and table.drop(columns=["x0"]).shape == (60, 4)
    assert table[["x0", "x1"]].to_numpy().shape == (60, 2) and table.dropna().head().shape == (
        60,
        5,
    )
    digits = table_from("mnist_train.csv")
    assert digits.shape == (60, 785) and set(digits.values[:, 0]) == set(range(10))
    iris = result_of("load_iris", (), {})
    assert iris.data.shape == (60, 4) and set(np.asarray(iris.target)) == {0, 1, 2}
    halves = result_of("train_test_split", (iris.data, iris.target), {"test_size": 0.2})
    assert [len(h) for h in halves] == [45, 15, 45, 15]


def test_steps_say_where_their_data_are_from(tmp_path):
    assert Steps.__doc__
    path = written(
        tmp_path,
        """
import numpy as np

class Line:
    def fit(self, X, y, epochs=100):
        self.slope, self.start = np.zeros(X.shape[1]), 0.0
        for _ in range(epochs):
            missing = X @ self.slope + self.start - y
            self.slope -= 0.1 * X.T @ missing / len(y)
            self.start -= 0.1 * missing.mean()
""",
    )
    report = check_file(path)
    assert report.ok, str(report)
    wrong = path.read_text().replace("X.T @ missing / len(y)", "X.T @ missing")
    assert check_file(written(tmp_path, wrong)).status == 1


def test_a_bias_that_no_step_changes_is_a_mistake(tmp_path):
    right = """
import numpy as np

class Net:
    def __init__(self, sizes):
        self.weights = [np.random.randn(b, a) for a, b in zip(sizes, sizes[1:])]
        self.biases = [np.random.randn(b, 1) for b in sizes[1:]]

    def run(self, a):
        self.seen = [a]
        for w, b in zip(self.weights, self.biases):
            self.seen.append(1 / (1 + np.exp(-(w @ self.seen[-1] + b))))
        return self.seen[-1]

    def learn(self, sample, wish, rate):
        off = self.run(sample) - wish
        for k in (1, 0):
            off = off * self.seen[k + 1] * (1 - self.seen[k + 1])
            before = self.weights[k].T @ off
            self.weights[k] -= rate * off @ self.seen[k].T
            self.biases[k] -= rate * off
            off = before

net = Net([2, 3, 1])
for turn in range(1000):
    sample = np.random.rand(2, 1)
    net.learn(sample, sample.sum() * np.ones((1, 1)) / 2, 0.5)
"""
    assert check_file(written(tmp_path, right)).ok
    wrong = right.replace("            self.biases[k] -= rate * off\n", "")
    report = check_file(written(tmp_path, wrong))
    assert {c.kind for c in report.all_causes} == {"never updated"}
    assert "biases[0] is never changed by the step" in str(report)


def test_the_buffers_of_an_optimiser_do_not_begin_the_step(tmp_path):
    right = """
import numpy as np

points = np.random.randn(30, 3)
sides = (points.sum(axis=1) > 0).astype(float)

def train(rounds):
    w = np.zeros(3)
    speed = np.zeros_like(w)
    for k in range(rounds):
        p = 1 / (1 + np.exp(-points @ w))
        slope = points.T @ (p - sides) / 30
        speed = 0.9 * speed + slope
        w -= 0.1 * speed

train(100)
"""
    assert check_file(written(tmp_path, right)).ok
    wrong = right.replace("points.T @ (p - sides)", "points.T @ ((p - sides) * p)")
    assert check_file(written(tmp_path, wrong)).status == 1


def names_it(folder, text: str, right: str, wrong: str, *says: str) -> None:
    """The program is right, and with this change it is wrong, and the report says so."""
    assert text.count(right) == 1
    report = check_file(written(folder, text))
    assert report.ok, str(report)
    report = check_file(written(folder, text.replace(right, wrong)))
    assert report.status == 1, str(report)
    line = text[: text.index(right)].count("\n") + 1
    for word in (*says, f"line {line}"):
        assert word in str(report), str(report)


ASKING = """
import numpy as np

def forward(data, w1, b1, w2, b2):
    hidden = 1 / (1 + np.exp(-(data @ w1 + b1)))
    return hidden, 1 / (1 + np.exp(-(hidden @ w2 + b2)))

def backward(data, wanted, hidden, guess, w1, b1, w2, b2, step):
    off = guess - wanted
    d_out = off * guess * (1 - guess)
    d_in = d_out @ w2.T * hidden * (1 - hidden)
    w2 -= step * hidden.T @ d_out
    b2 -= step * d_out.sum(axis=0)
    w1 -= step * data.T @ d_in
    b1 -= step * d_in.sum(axis=0)
    return w1, b1, w2, b2

def main():
    gate = input("which gate? ").strip().upper()
    if gate == "XOR":
        goal = np.array([[0], [1], [1], [0]])
    else:
        print("no such gate")
        return
    step, rounds = float(input("step? ")), int(input("rounds? "))
    data = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    w1, b1, w2, b2 = np.random.randn(2, 3), np.zeros(3), np.random.randn(3, 1), np.zeros(1)
    for k in range(rounds):
        hidden, guess = forward(data, w1, b1, w2, b2)
        w1, b1, w2, b2 = backward(data, goal, hidden, guess, w1, b1, w2, b2, step)
        if k % (rounds // 10) == 0:
            print(k, abs(guess - goal).mean())

main()
"""


def test_a_program_that_asks_gets_the_answers_that_it_looks_for(tmp_path):
    kept = "    d_in = d_out @ w2.T * hidden * (1 - hidden)\n"
    early = "    w2 -= step * hidden.T @ d_out\n"
    text = ASKING.replace(kept + early, early + kept)
    report = check_file(written(tmp_path, ASKING))
    assert report.ok and "as the file's own run comes to it" in str(report)
    report = check_file(written(tmp_path, text))
    assert "with W2 after its update" in str(report) and "line 12" in str(report)


def test_rows_of_numbers_are_invented_for_a_file_of_them(tmp_path):
    text = """
import random

rows, kinds = [], []
with open("flowers.data") as lines:
    for line in lines:
        *numbers, kind = line.strip().split(",")
        rows.append([float(n) for n in numbers])
        kinds.append(int(kind))
w, b = [random.random() for _ in rows[0]], random.random()
for _ in range(100):
    for row, kind in zip(rows, kinds):
        out = sum(a * x for a, x in zip(w, row)) + b
        off = kind - out
        w = [a + 0.1 * off * x for a, x in zip(w, row)]
        b += 0.1 * off
"""
    names_it(tmp_path, text, "b += 0.1 * off", "b -= 0.1 * off", "db is -1 times")


def test_batches_and_numbers_of_examples_are_those_of_the_invented_data(tmp_path):
    text = """
import numpy as np
from keras.datasets import mnist

(images, labels), _ = mnist.load_data()
images = images.reshape(60000, 784) / 255

def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)

def train(images, labels, batch_size=128):
    W, b = np.zeros((784, 10)), np.zeros(10)
    for _ in range(20):
        order = np.random.permutation(60000)
        for k in range(60000 // batch_size):
            rows = order[k * batch_size : (k + 1) * batch_size]
            p = softmax(images[rows] @ W + b)
            off = p - np.eye(10)[labels[rows]]
            W -= 0.1 * images[rows].T @ off / batch_size
            b -= 0.1 * off.sum(axis=0) / batch_size

train(images, labels)
"""
    names_it(tmp_path, text, "images[rows].T @ off / batch_size", "images[rows].T @ off", "times")


def test_a_step_that_leaves_the_output_for_the_next_round_is_turned(tmp_path):
    text = """
import numpy as np

X = np.random.randn(20, 3)
goal = X @ np.array([1.0, -2.0, 0.5])
w = np.zeros(3)
off = X @ w - goal
for k in range(200):
    w = w - 0.01 * X.T @ off
    guess = X @ w
    off = guess - goal
    print(k, (off**2).sum())
"""
    names_it(tmp_path, text, "0.01 * X.T @ off", "0.01 * np.roll(X, 1, 0).T @ off", "dw")


def test_a_step_of_a_callback_with_global_names(tmp_path):
    text = """
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.animation import FuncAnimation

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
goal = np.array([[0], [1], [1], [1]])
w, b = np.random.randn(2, 1), np.zeros((1, 1))
picture, axes = plt.subplots()
curve, = axes.plot([], [])
shown = []

def next_picture(k):
    global w, b
    p = 1 / (1 + np.exp(-(X @ w + b)))
    off = p - goal
    shown.append(np.mean(off**2))
    w -= 0.3 * X.T @ off
    b -= 0.3 * off.sum(axis=0)
    curve.set_data(range(len(shown)), shown)
    return curve,

play = FuncAnimation(picture, next_picture, frames=300)
plt.show()
"""
    names_it(tmp_path, text, "w -= 0.3 * X.T @ off", "w -= 0.3 * X.T @ (off * p)", "dw")


CHARACTERS = """
import numpy as np

class Letters:
    def __init__(self, size, wide=6):
        self.U = np.random.randn(wide, size) * 0.3
        self.W = np.random.randn(wide, wide) * 0.3
        self.V = np.random.randn(size, wide) * 0.3

    def __squash(self, z):
        e = np.exp(z - z.max())
        return e / e.sum()

    def learn(self, seen, follows, size):
        hs, ps, xs = {-1: np.zeros((len(self.W), 1))}, {}, {}
        for t, k in enumerate(seen):
            xs[t] = np.zeros((size, 1))
            xs[t][k] = 1
            hs[t] = np.tanh(self.U @ xs[t] + self.W @ hs[t - 1])
            ps[t] = self.__squash(self.V @ hs[t])
        dU, dW, dV = np.zeros_like(self.U), np.zeros_like(self.W), np.zeros_like(self.V)
        dh = np.zeros_like(hs[0])
        for t in reversed(range(len(seen))):
            dy = np.copy(ps[t])
            dy[follows[t]] -= 1
            dV += dy @ hs[t].T
            dz = (self.V.T @ dy + dh) * (1 - hs[t] ** 2)
            dU += dz @ xs[t].T
            dW += dz @ hs[t - 1].T
            dh = self.W.T @ dz
        for p, d in ((self.U, dU), (self.W, dW), (self.V, dV)):
            np.clip(d, -0.01, 0.01, out=d)
            p -= 0.1 * d

text = input("a text to learn: ")
letters = sorted(set(text))
codes = [letters.index(c) for c in text]
net = Letters(len(letters))
for k in range(1000):
    net.learn(codes[:-1], codes[1:], len(letters))
"""


def test_gradients_are_examined_as_they_are_before_they_are_clipped(tmp_path):
    right = "dW += dz @ hs[t - 1].T"
    names_it(tmp_path, CHARACTERS, right, "dW += dz @ hs[t].T", "index off by one")
    text = str(check_file(written(tmp_path, CHARACTERS)))
    assert "gradients were examined as they are before they are clipped, at line 32" in text
    smaller = CHARACTERS.replace("np.clip(d, -0.01, 0.01, out=d)", "d *= 0.5")
    assert "clipped" not in str(check_file(written(tmp_path, smaller)))


DECAYING = """
import numpy as np

def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)

class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.w1, self.b1 = np.random.randn(n_in, n_hidden), np.zeros((1, n_hidden))
        self.w2, self.b2 = np.random.randn(n_hidden, n_out), np.zeros((1, n_out))

    def train(self, x, y, epochs=100, rate=0.5, decay=0.01):
        N = len(x)
        for _ in range(epochs):
            h = np.maximum(0, x @ self.w1 + self.b1)
            d = softmax(h @ self.w2 + self.b2)
            d[range(N), y] -= 1
            d /= N
            dw2, db2 = h.T @ d, d.sum(axis=0, keepdims=True)
            dh = d @ self.w2.T
            dh[h <= 0] = 0
            dw1, db1 = x.T @ dh, dh.sum(axis=0, keepdims=True)
            dw2 += decay * self.w2
            dw1 += decay * self.w1
            self.w1 -= rate * dw1
            self.b1 -= rate * db1
            self.w2 -= rate * dw2
            self.b2 -= rate * db2
"""


def test_a_decay_belongs_to_a_cost_that_is_not_written(tmp_path):
    names_it(tmp_path, DECAYING, "dh[h <= 0] = 0", "dh[dh <= 0] = 0", "`dh[h <= 0] = 0`")
    assert "a decay of the weights by 0.01" in str(check_file(written(tmp_path, DECAYING)))
    lost = DECAYING.replace("            dw1 += decay * self.w1\n", "")
    assert check_file(written(tmp_path, lost)).status == 1


def test_a_statement_that_stands_too_late_is_moved(tmp_path):
    late = DECAYING.replace("            d /= N\n", "").replace(
        "            dh = d @ self.w2.T\n", "            d /= N\n            dh = d @ self.w2.T\n"
    )
    text = str(check_file(written(tmp_path, late)))
    assert "order of statements: `d /= N` should stand before line 19" in text, text
    assert "move it before line 19" in text


def test_an_argument_that_is_false_unless_it_is_given(tmp_path):
    text = """
import numpy as np

def nonlin(x, deriv=False):
    return x * (1 - x) if deriv else 1 / (1 + np.exp(-x))

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
y = np.array([[0], [1], [1], [0]])
syn0, syn1 = np.random.randn(2, 5), np.random.randn(5, 1)
for k in range(6000):
    one = nonlin(X @ syn0)
    two = nonlin(one @ syn1)
    off = y - two
    delta = off * nonlin(two, deriv=True)
    below = delta @ syn1.T * nonlin(one, deriv=True)
    syn1 += one.T @ delta
    syn0 += X.T @ below
"""
    right = "below = delta @ syn1.T * nonlin(one, deriv=True)"
    wrong = "below = delta @ syn1.T * nonlin(one)"
    names_it(tmp_path, text, right, wrong)


def test_a_derivative_of_another_activation_of_the_object(tmp_path):
    text = """
import numpy as np

class Net:
    def __init__(self, sizes, rate=0.05):
        self.rate = rate
        self.pesos = [np.random.randn(a, b) for a, b in zip(sizes, sizes[1:])]

    def sigmoide(self, z):
        return 1 / (1 + np.exp(-z))

    def derivada_sigmoide(self, a):
        return a * (1 - a)

    def derivada_tanh(self, a):
        return 1 - a**2

    def entrenar(self, datos, metas, vueltas):
        for _ in range(vueltas):
            valores = [datos]
            for W in self.pesos[:-1]:
                valores.append(np.tanh(valores[-1] @ W))
            valores.append(self.sigmoide(valores[-1] @ self.pesos[-1]))
            delta = (valores[-1] - metas) * self.derivada_sigmoide(valores[-1])
            pasos = []
            for k in reversed(range(len(self.pesos))):
                pasos.insert(0, valores[k].T @ delta)
                delta = delta @ self.pesos[k].T * self.derivada_tanh(valores[k])
            for W, paso in zip(self.pesos, pasos):
                W -= self.rate * paso

red = Net([2, 4, 3, 1])
red.entrenar(np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0], [1], [1], [0]]), 500)
"""
    right = "self.derivada_tanh(valores[k])"
    names_it(tmp_path, text, right, right.replace("tanh", "sigmoide"), "tanh")


def test_gradients_that_are_reset_after_the_update(tmp_path):
    text = """
import numpy as np

rows = np.random.randn(30, 3)
goals = rows @ np.array([[1.0], [2.0], [-1.0]])
w, total = np.random.randn(3, 1), np.zeros((3, 1))
for k in range(1000):
    for row, goal in zip(rows[k % 5 :: 5], goals[k % 5 :: 5]):
        off = row @ w - goal
        total += np.outer(row, off)
    w -= 0.01 * total
    total *= 0
"""
    assert check_file(written(tmp_path, text)).ok
    kept = text.replace("    total *= 0\n", "")
    report = check_file(written(tmp_path, kept))
    assert "never reset" in str(report), str(report)


def test_a_matrix_that_no_step_changes_while_its_like_do(tmp_path):
    text = """
import numpy as np

def s(z):
    return 1 / (1 + np.exp(-z))

ein = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
aus = np.array([[0], [1], [1], [0]])
gewicht_0, gewicht_1 = np.random.randn(2, 4), np.random.randn(4, 1)
for runde in range(5000):
    mitte = s(ein @ gewicht_0)
    ende = s(mitte @ gewicht_1)
    fehler = aus - ende
    delta = fehler * ende * (1 - ende)
    vorher = delta @ gewicht_1.T * mitte * (1 - mitte)
    gewicht_1 = gewicht_1 + 0.6 * mitte.T @ delta
    gewicht_0 = gewicht_0 + 0.6 * ein.T @ vorher
"""
    assert check_file(written(tmp_path, text)).ok
    lost = text.replace("gewicht_1 = gewicht_1 +", "gewicht_neu = gewicht_1 +")
    report = check_file(written(tmp_path, lost))
    assert "gewicht_1 is never changed by the step" in str(report), str(report)


def test_a_step_that_may_leave_its_loop_is_one_step(tmp_path):
    text = """
import numpy as np

x = np.linspace(-1, 1, 30)
y = 3 * x - 1

def fit(x, y, w, b, rate=0.1, rounds=500):
    for k in range(rounds):
        dw = np.mean((w * x + b - y) * x)
        db = np.mean(w * x + b - y)
        if abs(dw) < 1e-9 and abs(db) < 1e-9:
            break
        w -= rate * dw
        b -= rate * db
    return w, b

print(fit(x, y, 0.0, 0.0))
"""
    names_it(tmp_path, text, "np.mean(w * x + b - y)", "np.mean(w * x - y)", "db")


def test_one_step_in_a_script_with_new_names(tmp_path):
    text = """
import numpy as np

def s(z):
    return 1 / (1 + np.exp(-z))

X = np.array([[1, 0, 1, 0], [1, 0, 1, 1], [0, 1, 0, 1]])
y = np.array([[1], [1], [0]])
wh = np.random.randn(4, 5)
hidden = s(X @ wh)
wo = np.random.randn(5, 1)
guess = s(hidden @ wo)
E = y - guess
d_out = E * guess * (1 - guess)
d_hidden = d_out @ wo.T * hidden * (1 - hidden)
wo_new = wo + hidden.T @ d_out * 0.1
wh_new = wh + X.T @ d_hidden * 0.1
"""
    names_it(tmp_path, text, "hidden * (1 - hidden)", "s(hidden) * (1 - s(hidden))")


def test_names_of_another_language_without_a_program(tmp_path):
    text = """
import numpy as np

class Ag:
    def __init__(self, girdi=3, gizli=5, cikti=2):
        self.A1, self.c1 = np.random.randn(girdi, gizli), np.zeros((1, gizli))
        self.A2, self.c2 = np.random.randn(gizli, cikti), np.zeros((1, cikti))
        self.oran = 0.01

    def ileri(self, veri):
        self.ara = np.tanh(veri @ self.A1 + self.c1)
        return self.ara @ self.A2 + self.c2

    def geri(self, veri, hedef):
        hata = self.ileri(veri) - hedef
        ara_hata = hata @ self.A2.T * (1 - self.ara**2)
        self.A2 -= self.oran * self.ara.T @ hata
        self.c2 -= self.oran * hata.sum(axis=0, keepdims=True)
        self.A1 -= self.oran * veri.T @ ara_hata
        self.c1 -= self.oran * ara_hata.sum(axis=0, keepdims=True)
"""
    names_it(tmp_path, text, "(1 - self.ara**2)", "(1 - self.ara)", "dA1", "dc1")


def test_the_slope_of_the_output_twice_beside_a_cross_entropy(tmp_path):
    text = """
import numpy as np

def entropy(y, p):
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))

x = np.random.randn(40, 3)
y = (x.sum(axis=1, keepdims=True) > 0).astype(float)
w = np.random.randn(3, 1)
seen = []
for k in range(300):
    p = 1 / (1 + np.exp(-(x @ w)))
    loss = entropy(y, p)
    seen.append(loss)
    off = (p - y) / len(y)
    w -= 0.5 * x.T @ off
"""
    wrong = "off = (p - y) * p * (1 - p) / len(y)"
    names_it(tmp_path, text, "off = (p - y) / len(y)", wrong, "twice")


def test_invented_data_at_which_the_code_stops_convict_nobody(tmp_path):
    text = """
import numpy as np

x, y = read_my_points()
w = np.random.randn(2, 1)
for k in range(300):
    p = 1 / (1 + np.exp(-(x @ w)))
    off = (p - y) / len(y)
    v = np.ones((1, 7)) @ off + np.ones((1, 8)) @ off
    w -= 0.5 * x.T @ off
"""
    assert check_file(written(tmp_path, text)).status == 2


def test_arguments_at_which_a_backward_pass_stops_convict_nobody(tmp_path):
    text = """
import numpy as np

class Net:
    def __init__(self, n_x, n_y):
        self.W = np.random.randn(n_x, n_y)

    def forward(self, X):
        self.X = X
        self.A = X @ self.W
        return self.A

    def cost(self, Y):
        return 0.5 * np.sum((self.A - Y) ** 2)

    def backward(self, Y):
        scale, parts = {100: (0.5, 2), 1000: (0.1, 10)}[len(self.X)]
        self.dW = np.zeros_like(self.W)
        for _ in range(parts):
            self.dW += scale * self.X.T @ (self.A - Y)
        return self.dW
"""
    report = check_file(written(tmp_path, text))
    assert report.status == 2 and "there is no key 5" in report.problem
    right = text.replace("100: (0.5, 2)", "5: (0.5, 2), 6: (0.5, 2), 7: (0.5, 2)")
    assert check_file(written(tmp_path, right)).ok


def test_the_cost_that_a_step_shows_takes_what_it_has_there(tmp_path):
    text = """
import numpy as np

table = np.genfromtxt("houses.csv", delimiter=",")
X = np.c_[np.ones(len(table)), table[:, :-1]]
y = table[:, -1].reshape(-1, 1)
theta = np.random.randn(X.shape[1], 1)

def compute_cost(X, y, theta):
    return np.sum(np.square(X.dot(theta) - y)) / (2 * len(y))

def gradient_descent(X, y, theta, rate, rounds):
    m = len(y)
    seen = np.zeros(rounds)
    for i in range(rounds):
        guess = X.dot(theta)
        off = guess - y
        slope = X.T.dot(off) / m
        theta = theta - rate * slope
        seen[i] = compute_cost(X, y, theta)
    return theta, seen

theta, seen = gradient_descent(X, y, theta, 0.01, 1000)
"""
    names_it(tmp_path, text, "slope = X.T.dot(off) / m", "slope = X.T.dot(guess) / m")
    names_it(tmp_path, text, "off = guess - y", "off = np.square(guess - y)")
    report = check_file(written(tmp_path, text))
    assert "no cost was given" not in str(report)


def test_a_decay_that_is_not_in_the_cost_that_is_shown(tmp_path):
    text = """
import numpy as np
from sklearn.datasets import load_iris

X, y = load_iris(return_X_y=True)

class Softmax:
    def __init__(self, mu=0.02):
        self.mu = mu

    def probabilities(self, X):
        e = np.exp(X @ self.W + self.b)
        return e / e.sum(axis=1, keepdims=True)

    def entropy(self, X, Y):
        return -np.sum(Y * np.log(self.probabilities(X) + 1e-9)) / len(X)

    def fit(self, X, y, rounds=300, rate=0.05):
        Y = np.eye(3)[y]
        self.W = np.zeros((X.shape[1], 3))
        self.b = np.zeros(3)
        for k in range(rounds):
            off = self.probabilities(X) - Y
            dW = X.T @ off / len(X)
            dW += self.mu * self.W
            db = off.mean(axis=0)
            self.W -= rate * dW
            self.b -= rate * db
            print(self.entropy(X, Y))

Softmax().fit(X, y)
"""
    report = check_file(written(tmp_path, text))
    assert report.ok and "a decay of the weights by 0.02" in str(report), str(report)
    wrong = text.replace("X.T @ off / len(X)", "X.T @ (off * off) / len(X)")
    assert check_file(written(tmp_path, wrong)).status == 1


def test_each_backward_pass_that_a_class_trains_with_is_examined(tmp_path):
    text = """
import numpy as np

class Net:
    def __init__(self, x, y):
        self.x, self.y = x, y
        self.W1 = np.random.rand(5, x.shape[1])
        self.W2 = np.random.rand(y.shape[1], 5)

    def feedforward(self):
        self.h = np.tanh(self.x @ self.W1.T)
        self.out = np.tanh(self.h @ self.W2.T)

    def backprop(self):
        d2 = (self.y - self.out) * (1 - self.out ** 2)
        d1 = (1 - self.h ** 2) * (d2 @ self.W2)
        self.W1 += 0.1 * d1.T @ self.x
        self.W2 += 0.1 * d2.T @ self.h

    def feedforward_linear(self):
        self.h = np.tanh(self.x @ self.W1.T)
        self.out = self.h @ self.W2.T

    def backprop_linear(self):
        d2 = self.y - self.out
        e1 = (1 - self.h ** 2) * (d2 @ self.W2)
        self.W1 += 0.1 * e1.T @ self.x
        self.W2 += 0.1 * d2.T @ self.h

    def train(self):
        for i in range(20001):
            self.feedforward()
            self.backprop()

    def train_linear(self):
        for i in range(20001):
            self.feedforward_linear()
            self.backprop_linear()

def main():
    x = np.random.rand(40, 2)
    net = Net(x, x[:, :1] * x[:, 1:])
    net.train()
    other = Net(x, x[:, :1] + x[:, 1:])
    other.train_linear()

main()
"""
    report = check_file(written(tmp_path, text))
    assert report.ok and "2 examined" in str(report), str(report)
    right = "e1 = (1 - self.h ** 2) * (d2 @ self.W2)"
    names_it(tmp_path, text, right, "e1 = (1 - self.h) * (d2 @ self.W2)")


def test_the_steps_of_adam_with_and_without_a_decay_of_the_weights(tmp_path):
    text = """
import numpy as np

class Adam:
    def __init__(self, arrays):
        self.m = [np.zeros_like(a) for a in arrays]
        self.v = [np.zeros_like(a) for a in arrays]
        self.t = 0

    def step(self, arrays, slopes):
        self.t += 1
        for i, (a, g) in enumerate(zip(arrays, slopes)):
            self.m[i] = 0.9 * self.m[i] + 0.1 * g
            self.v[i] = 0.999 * self.v[i] + 0.001 * g ** 2
            m, v = self.m[i] / (1 - 0.9 ** self.t), self.v[i] / (1 - 0.999 ** self.t)
            a -= 0.001 * m / (np.sqrt(v) + 1e-8)

def passes(arrays, x, y):
    W1, b1, W2, b2 = arrays
    h = np.tanh(x @ W1 + b1)
    p = h @ W2 + b2
    loss = np.mean((p - y) ** 2)
    d = 2 * (p - y) / len(x)
    back = d @ W2.T * (1 - h ** 2)
    return loss, [x.T @ back, back.sum(axis=0), h.T @ d, d.sum(axis=0)]

x = np.random.randn(40, 3)
y = x[:, :1] * x[:, 1:2]
arrays = [np.random.randn(3, 5), np.zeros(5), np.random.randn(5, 1), np.zeros(1)]
adam = Adam(arrays)
for k in range(1000):
    loss, slopes = passes(arrays, x, y)
    adam.step(arrays, slopes)
"""
    assert check_file(written(tmp_path, text)).ok
    decayed = text.replace("m / (np.sqrt(v) + 1e-8)", "(m / (np.sqrt(v) + 1e-8) + 0.02 * a)")
    assert check_file(written(tmp_path, decayed)).ok


def test_a_variable_without_a_value_is_a_mistake_whatever_the_data(tmp_path):
    text = """
import numpy as np

def relu_backward(dA, Z):
    dX = dA * (Z > 0)
    return dX

def conv_backward(dZ, A_prev, W, b):
    wide = np.zeros_like(A_prev)
    for i in range(len(A_prev)):
        dA_prev[i] = wide[i]
        dA_prev = wide
    return dA_prev, W, b
"""
    report = check_file(written(tmp_path, text))
    assert report.status == 1 and "UnboundLocalError" in str(report), str(report)
    assert "has no value yet" in str(report)


def test_a_likelihood_grows(tmp_path):
    text = """
import numpy as np

X = np.random.randn(80, 3)
labels = (X @ [1.0, -2.0, 0.5] > 0).astype(float)

def log_likelihood(X, target, weights):
    scores = X @ weights
    return np.sum(target * scores - np.log(1 + np.exp(scores)))

def logistic_regression(X, target, num_steps, learning_rate):
    weights = np.zeros(X.shape[1])
    for step in range(num_steps):
        p = 1 / (1 + np.exp(-(X @ weights)))
        error = target - p
        weights += learning_rate * X.T @ error
        if step % 1000 == 0:
            print(log_likelihood(X, target, weights))
    return weights

weights = logistic_regression(X, labels, 50000, 0.01)
"""
    names_it(
        tmp_path, text, "weights += learning", "weights -= learning", "likelihood falls", "add"
    )
    names_it(tmp_path, text, "error = target - p", "error = (target - p) * p", "something too many")
    anew = ("weights += learning_rate *", "weights = learning_rate *")
    names_it(tmp_path, text, *anew, "assigns weights anew")
