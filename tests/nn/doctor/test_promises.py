"""What the doctor promises beside its verdicts."""

import random
import sys
import time

import numpy as np
import pytest

from nn import doctor, manual
from tinygrad_edu import backward


def data(layers_dims=(5, 4, 3, 3, 1), m=7):
    rng = np.random.default_rng(0)
    params = {}
    for i, (n_in, n_out) in enumerate(zip(layers_dims, layers_dims[1:]), 1):
        params[f"W{i}"] = rng.standard_normal((n_out, n_in))
        params[f"b{i}"] = rng.standard_normal((n_out, 1))
    X = rng.standard_normal((layers_dims[0], m))
    return params, X, (rng.random((1, m)) > 0.5) * 1.0


def forgets_m(AL, Y, caches):
    grads = manual.L_model_backward(AL, Y, caches)
    grads["dW2"] = grads["dW2"] * Y.shape[1]
    return grads


def examine(backward=manual.L_model_backward):
    params, X, Y = data()
    return doctor.check(manual.L_model_forward, manual.compute_cost, backward, params, X, Y)


@pytest.mark.parametrize(("backward", "ok"), [(manual.L_model_backward, True), (forgets_m, False)])
def test_four_layers_take_less_than_a_second(backward, ok):
    examine(backward)
    start = time.process_time()
    report = examine(backward)
    assert time.process_time() - start < 1
    assert report.ok is ok, report


def test_arrays_modules_and_random_state_are_as_before():
    params, X, Y = data()
    kept = {k: v.copy() for k, v in params.items()}, X.copy(), Y.copy()
    examine(forgets_m)  # imports what it needs once
    modules = dict(sys.modules)
    np.random.seed(3)
    random.seed(3)
    states = np.random.get_state(), random.getstate()
    report = doctor.check(manual.L_model_forward, manual.compute_cost, forgets_m, params, X, Y)
    assert sys.modules == modules
    assert report.first_wrong == "dW2"
    for name, value in params.items():
        np.testing.assert_array_equal(value, kept[0][name])
    np.testing.assert_array_equal(X, kept[1])
    np.testing.assert_array_equal(Y, kept[2])
    after = np.random.get_state()
    assert all(np.array_equal(a, b) for a, b in zip(states[0], after))
    assert random.getstate() == states[1]


def test_a_mistake_in_the_engine_does_not_convict_the_learner(monkeypatch):
    right = backward.sum_to
    assert examine().ok
    monkeypatch.setattr(backward, "sum_to", lambda g, shape: 2 * right(g, shape))
    report = examine()  # the reference is wrong now: a bias gets twice its gradient
    assert report.status == 2 and not report.causes
    assert "not confirmed" in str(report) and "WRONG" not in str(report)
