"""State and plumbing: what is kept between calls, and gradients of minus the cost with their update."""

from __future__ import annotations

import numpy as np
import programs as p
import pytest

from nn import doctor
from nn.doctor.report import Report

RNG = np.random.RandomState(0)


def network(*changes: tuple[str, str]) -> Report:
    """The examination of the class of `programs` with these changes."""
    source = p.CLASS
    for old, new in changes:
        source, _ = p.changed(source, old, new)
    room, _ = p.load(source)
    return doctor.check_model(room["Network"](), RNG.randn(6, 3), RNG.randn(6, 2))


def test_gradients_that_are_never_reset():
    zeros = (
        "        self.b2 = np.random.randn(2)\n",
        "        self.b2 = np.random.randn(2)\n        self.dW2 = np.zeros((4, 2))\n",
    )
    report = network(zeros, ("self.dW2 = self.a1", "self.dW2 += self.a1"))
    [cause] = report.causes
    assert cause.kind == "state" and "add up over the calls" in cause.says
    assert cause.source == "self.dW2 += self.a1.T @ delta2"
    assert set(report.verdicts.values()) == {"ok"}  # the first call is right


@pytest.mark.parametrize(
    ("once", "line"),
    [
        (
            "        if not hasattr(self, 'a1'):\n            self.a1 = ",
            "self.dW2 = self.a1.T @ delta2",
        ),
        (
            "        if not hasattr(self, 'a1') or len(self.a1) != len(X):\n            self.a1 = ",
            "",
        ),
    ],
)
def test_a_stale_cache(once, line):
    """The output is fresh, what backward uses is that of the first data."""
    output = ("self.z2 = self.a1 @", "self.z2 = 1 / (1 + np.exp(-self.z1)) @")
    report = network(("        self.a1 = ", once), output)
    [cause] = report.causes
    assert (cause.kind, cause.source) == ("state", line)
    assert "after it was run on other data" in cause.says


def test_a_network_with_a_memory_is_not_called_wrong():
    memory = (
        "        self.a1 = ",
        "        self.seen = getattr(self, 'seen', -1) + 1\n        self.a1 = self.seen + ",
    )
    report = network(
        memory, ("* self.a1 * (1 - self.a1)", "* (self.a1 - self.seen) * (1 - self.a1 + self.seen)")
    )
    assert report.ok, str(report)
    assert any("keeps a state" in note for note in report.notes)


TUPLES = """
import numpy as np

def forward(X, W1, b1):
    A1 = 1 / (1 + np.exp(-(W1 @ X + b1)))
    return A1

def cost(A1, Y):
    return -np.mean(Y * np.log(A1) + (1 - Y) * np.log(1 - A1))

def backward(X, Y, A1):
    m = X.shape[1]
    dZ1 = (Y - A1) / m
    return dZ1 @ X.T, dZ1.sum(axis=1, keepdims=True)

def update(parameters, gradients, learning_rate):
    for k in parameters:
        parameters[k] = parameters[k] + learning_rate * gradients["d" + k]
    return parameters
"""


def test_minus_the_gradient_is_right_where_it_is_added_and_wrong_where_it_is_subtracted(tmp_path):
    path = tmp_path / "ascent.py"
    path.write_text(
        TUPLES.replace("return dZ1 @ X.T, ", "dW1 = dZ1 @ X.T\n    db1 = ").replace(
            "keepdims=True)\n\ndef update", "keepdims=True)\n    return dW1, db1\n\ndef update"
        )
    )
    added = doctor.check_file(path)
    assert added.ok, str(added)
    assert "those of minus the cost, and are added" in str(added)
    path.write_text(
        path.read_text().replace("parameters[k] + learning", "parameters[k] - learning")
    )
    subtracted = doctor.check_file(path)
    assert subtracted.status == 1
    assert "the update subtracts them: the cost grows" in str(subtracted)
    path.write_text(path.read_text().replace("(Y - A1)", "(A1 - Y)"))
    assert doctor.check_file(path).ok
    path.write_text(
        path.read_text().replace("parameters[k] - learning", "parameters[k] + learning")
    )
    assert "along the gradient" in str(doctor.check_file(path))


def test_what_cannot_be_compared_is_said_and_not_raised():
    loss = lambda params: np.sum(params["W"] ** 2)  # noqa: E731
    W = {"W": np.ones((2, 2))}
    assert "there are no gradients" in doctor.check_grads({}, loss, W).problem
    assert "has to give dW" in doctor.check_grads({"dW": None}, loss, W).problem


def test_a_key_that_stands_in_a_dictionary_twice(tmp_path):
    path = tmp_path / "homework.py"
    source = TUPLES.replace("return dZ1 @ X.T, ", 'return {"dW1": dZ1 @ X.T, "dW1": ').replace(
        "keepdims=True)\n\ndef update", "keepdims=True)}\n\ndef update"
    )
    path.write_text(source)
    report = doctor.check_file(path)
    line = next(i for i, x in enumerate(source.splitlines(), 1) if '"dW1": dZ1' in x)
    assert report.status == 1
    assert f"line {line}: the key 'dW1' stands in this dictionary twice" in report.notes


def test_a_loop_over_twice_the_layers_in_the_forward_pass(tmp_path):
    path = tmp_path / "homework.py"
    source, line = p.changed(p.COURSE, "len(parameters) // 2", "len(parameters)")
    path.write_text(source)
    report = doctor.check_file(path)
    said = f"in line {line} counts the W and the b of each layer: write len(...) // 2"
    assert any(said in text for text in [report.problem, *report.not_checked]), str(report)


def test_the_gradient_of_the_output_for_that_of_every_layer():
    """Backward stops far below, in the activation; the line to mend is the one that calls."""
    source, line = p.changed(
        p.COURSE, 'grads["dA" + str(l + 1)], current_cache', "dAL, current_cache"
    )
    room, _ = p.load(source)
    params, X, Y = p.columns((5, 4, 3, 1))
    names = ("L_model_forward", "compute_cost", "L_model_backward")
    report = doctor.check(*(room[n] for n in names), params, X, Y)
    [cause] = report.causes
    assert (cause.line, report.status) == (line, 1)
    assert "linear_activation_backward(dA, current_cache" in cause.fix
    assert "grads['dA' + str(l + 1)], current_cache" in cause.alternatives[0].says
    assert "gives the right gradients" in cause.proof
