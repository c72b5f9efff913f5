"""Gradients of random programs equal PyTorch's, first and second derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import random_programs as programs
from hypothesis import HealthCheck, given, reject, settings

from tinygrad_edu import Tensor, gradients

torch = pytest.importorskip("torch", reason="compares with PyTorch: pip install torch")
torch.set_num_threads(1)
RUNS = 2000
checked = {"programs": 0, "operations": 0}


def close(ours: Any, theirs: Any, scale: float) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10 * max(scale, 1e-3))


@settings(
    max_examples=RUNS,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(programs.PROGRAM)
def test_first_and_second_derivatives_equal_pytorchs(program: Any) -> None:
    arrays = programs.start(program)
    try:
        chosen = programs.steps(program, arrays)
    except programs.RejectedError:
        reject()

    ours = [Tensor(x, requires_grad=True) for x in arrays]
    value = programs.run(programs.Ours, chosen, ours)
    theirs = [torch.tensor(x, requires_grad=True) for x in arrays]
    expected = programs.run(programs.Theirs(), chosen, theirs)
    np.testing.assert_allclose(value.item(), expected.item(), rtol=1e-10, atol=1e-12)

    value.backward()
    first = torch.autograd.grad(expected, theirs, create_graph=True, allow_unused=True)
    scale = max((float(g.detach().abs().max()) for g in first if g is not None), default=0.0)
    for mine, g in zip(ours, first):
        if g is None:
            assert mine.grad is None or not mine.grad.any()
        else:
            close(0.0 if mine.grad is None else mine.grad, g.numpy(force=True), scale)

    weights = [np.asarray(np.cos(np.arange(x.size)).reshape(x.shape) + 0.5) for x in arrays]
    graph = gradients(value, ours, graph=True)
    mine_again = sum(((Tensor(w) * g).sum() for w, g in zip(weights, graph)), Tensor(0.0))
    used = [g is not None and g.requires_grad for g in first]
    if not any(used):
        return
    theirs_again = sum(
        (torch.from_numpy(w) * g).sum() for w, g, u in zip(weights, first, used) if u
    )
    second = torch.autograd.grad(theirs_again, theirs, allow_unused=True)
    found = gradients(mine_again, ours)
    scale = max((float(g.detach().abs().max()) for g in second if g is not None), default=0.0)
    for mine, g in zip(found, second):
        close(mine, 0.0 if g is None else g.numpy(force=True), max(scale, 1.0))
    checked["programs"] += 1
    checked["operations"] += len(chosen)


def test_so_many_were_compared(publish: Callable[[str], None]) -> None:
    if not checked["programs"]:
        pytest.skip("the programs were not run")
    publish(
        f"{checked['programs']} random programs of {checked['operations']} operations "
        "equal PyTorch's first and second derivatives"
    )
    assert checked["programs"] >= 0.5 * RUNS
