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
