"""Code that cannot be examined: one honest sentence, status 2, and never a verdict of wrong."""

import pytest
from running import doctor

from nn.doctor import check_file
from nn.doctor.find import Finder

RIGHT = """
import numpy as np

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

def forward(X, params):
    Z1 = params["W1"] @ X + params["b1"]
    A1 = np.tanh(Z1)
    Z2 = params["W2"] @ A1 + params["b2"]
    A2 = sigmoid(Z2)
    return A2, (Z1, A1, Z2, A2)

def cost(A2, Y):
    return -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / Y.shape[1]

def backward(params, cache, X, Y):
    m = X.shape[1]
    Z1, A1, Z2, A2 = cache
    dZ2 = A2 - Y
    dW2 = dZ2 @ A1.T / m
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m
    dZ1 = params["W2"].T @ dZ2 * (1 - A1 ** 2)
    dW1 = dZ1 @ X.T / m
    db1 = np.sum(dZ1, axis=1, keepdims=True) / m
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}
"""
NOISE = "np.tanh(Z1) + 0.1 * np.random.default_rng().random(Z1.shape)"
RETURN = RIGHT.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("line", "instead", "says"),
    [
        ("    A1 = np.tanh(Z1)", f"    A1 = {NOISE}", "random numbers without a seed"),
        ("    Z1, A1, Z2, A2 = cache", "    input('?')", "asks for input"),
        ("    A1 = np.tanh(Z1)", "    A1 = input('?')", "asks for input"),
        ("    m = X.shape[1]", "    raise NotImplementedError", "NotImplementedError"),
        ("    m = X.shape[1]", "    raise SystemExit(1)", "SystemExit"),
        ("    m = X.shape[1]", "    backward(params, cache, X, Y)", "RecursionError"),
        ("    m = X.shape[1]", "    np.zeros((10**7, 10**7))", "MemoryError"),
        ("    m = X.shape[1]", "    open('weights.txt')", "weights.txt"),
        ("    m = X.shape[1]", "    while True: pass", "time limit"),
        (RETURN, "    return None", "is its return missing?"),
    ],
)
def test_what_cannot_be_examined_is_not_called_wrong(tmp_path, line, instead, says):
    assert RIGHT.count(line) == 1
    path = tmp_path / "backprop.py"
    path.write_text(RIGHT.replace(line, instead))
    done = doctor(path, "--time-limit", "2")
    assert done.status == 2, done.said
    assert says in done.said
    assert "WRONG" not in done.said and "missing " not in done.said


def test_what_is_printed_on_the_way_changes_nothing(tmp_path):
    path = tmp_path / "backprop.py"
    path.write_text(RIGHT.replace("    m = X", "    print('backward ...')\n    m = X"))
    done = doctor(path)
    assert done.status == 0, done.said


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("notebook.ipynb", b'{"cells": [', "JSON"),
        ("empty.py", b"", "is empty"),
        ("picture.py", b"\x89PNG\r\n\x1a\n\0\0", "picture.py"),
    ],
)
def test_files_that_hold_no_python(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)
    done = doctor(path)
    assert done.status == 2, done.said
    assert says in done.said


def test_code_that_ends_python_itself(tmp_path):
    path = tmp_path / "homework.py"
    path.write_text("""
import numpy as np

def forward(X, W):
    return X @ W

def backward(X, Y, W):
    np.lib.stride_tricks.as_strided(np.zeros(1), (10**12,), (8,))[:] = 1.0
    return {"dW": X.T @ (X @ W - Y)}
""")
    done = doctor(path)
    assert done.status == 2 and "it ended Python itself" in done.errors


def test_a_failure_of_the_doctor_itself_convicts_nobody(tmp_path, monkeypatch):
    def broken(self, name, kind):
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(Finder, "object", broken)
    path = tmp_path / "net.py"
    path.write_text(
        "class Net:\n    def forward(self, X): return X\n    def backward(self, Y): pass\n"
    )
    report = check_file(path)
    assert report.status == 2 and "the doctor itself failed here (RuntimeError" in report.problem
