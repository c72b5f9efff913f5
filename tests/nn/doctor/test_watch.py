"""``with doctor.watch():`` around the lines of a script, run as a script."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import nn

SCRIPT = """
import numpy as np
from nn import doctor

random = np.random.default_rng(0)
W1, b1 = random.standard_normal((4, 2)), np.zeros((4, 1))
W2, b2 = random.standard_normal((1, 4)), np.zeros((1, 1))
X = random.standard_normal((2, 7))
Y = (X[:1] > 0) * 1.0
with doctor.watch() as watched:
    m = X.shape[1]
    A1 = np.tanh(W1 @ X + b1)
    A2 = 1 / (1 + np.exp(-(W2 @ A1 + b2)))
    cost = -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m
    dZ2 = A2 - Y
    dW2 = dZ2 @ A1.T / m
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m
    dZ1 = W2.T @ dZ2 * (1 - A1**2)
    dW1 = dZ1 @ X.T / m
    db1 = np.sum(dZ1, axis=1, keepdims=True) / m
print("status", watched.report.status, "W1", W1.shape)
"""


def printed(tmp_path, script):
    (tmp_path / "block.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "block.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(nn.__path__[0]).parent)},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_right_block(tmp_path):
    said = printed(tmp_path, SCRIPT)
    assert "status 0 W1 (4, 2)" in said and "WRONG" not in said


@pytest.mark.parametrize(
    ("right", "wrong", "first"),
    [
        ("(1 - A1**2)", "(1 - A1)", "dZ1"),
        ("dW2 = dZ2 @ A1.T / m", "dW2 = dZ2 @ A1.T", "dW2"),
        ("dZ2 = A2 - Y", "dZ2 = A2 + Y", "dZ2"),
    ],
)
def test_a_wrong_line(tmp_path, right, wrong, first):
    script = SCRIPT.replace(right, wrong)
    line = next(i for i, text in enumerate(script.split("\n"), 1) if wrong in text)
    said = printed(tmp_path, script)
    assert "status 1" in said
    assert f"{first}  " in said.split("WRONG")[0].splitlines()[-1]
    assert f"line {line}" in said


def test_a_block_without_gradients(tmp_path):
    script = "\n".join(t for t in SCRIPT.split("\n") if not t.strip().startswith("d"))
    said = printed(tmp_path, script)
    assert "status 2" in said and "assigns no gradients" in said
