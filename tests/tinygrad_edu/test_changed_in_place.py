"""Values changed in place between forward and backward: the gradient is right, or there is an error.

What backward() needs of an array is what the forward pass saw, however the program gets at the array:
its own operand, index or mask, or the one behind ``.data``, ``np.asarray`` or ``detach()``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor, derive, no_grad

BIG = (300, 300)


def parameter(*shape: int) -> Tensor:
    return Tensor(np.full(shape, 2.0), requires_grad=True, name="w")


OPERANDS: dict[str, tuple[Callable[[Tensor, Any], Any], Any, Any]] = {
    "factor": (lambda w, a: w * a, np.array([1.0, 3.0, 5.0]), 7.0),
    "left factor": (lambda w, a: a * w, np.array([1.0, 3.0, 5.0]), 7.0),
    "exponent": (lambda w, a: w**a, np.array([1.0, 3.0, 5.0]), 7.0),
    "matrix": (lambda w, a: a @ w, np.arange(6.0).reshape(2, 3), 7.0),
    "transposed": (lambda w, a: w @ a, np.arange(6.0).reshape(2, 3).T, 7.0),
    "index": (lambda w, i: w[i], np.array([0, 1, 1]), 2),
    "mask": (lambda w, mask: w[mask], np.array([True, False, True]), False),
    "condition": (lambda w, mask: np.where(mask, w, 0), np.array([True, False, True]), False),
    "take": (lambda w, i: np.take(w, i), np.array([0, 1, 1]), 2),
    "convolution": (lambda w, a: np.convolve(w, a), np.array([1.0, 3.0]), 7.0),
    "einsum": (lambda w, a: np.einsum("i,ij->j", w, a), np.arange(6.0).reshape(3, 2), 7.0),
    "bounds": (lambda w, low: np.clip(w, low, 9.0), np.array([0.0, 3.0, 1.0]), 7.0),
}


@pytest.mark.parametrize("name", OPERANDS)
def test_an_operand_that_is_overwritten(name: str) -> None:
    """As with a buffer that a loop fills anew: the gradient is that of what was there."""
    f, operand, later = OPERANDS[name]
    untouched = parameter(3)
    np.sum(f(untouched, operand) ** 2).backward()
    w, buffer = parameter(3), operand.copy()
    loss = np.sum(f(w, buffer) ** 2)
    buffer[...] = later
    loss.backward()
    np.testing.assert_array_equal(w.grad, untouched.grad)


def test_second_derivatives_see_what_the_forward_pass_saw() -> None:
    buffer = np.ones(3)

    def f(x: Tensor) -> Tensor:
        loss = (x * buffer * x).sum()
        buffer[:] = 7
        return loss

    def slope(x: Tensor) -> Tensor:
        buffer[:] = 1
        return tg.grad(f)(x).sum()

    np.testing.assert_array_equal(tg.grad(slope)(np.ones(3)), [2.0, 2.0, 2.0])


@pytest.mark.parametrize("change", ["one entry", "all", "rows exchanged"])
def test_a_big_operand_is_not_copied_but_watched(change: str) -> None:
    w, big = parameter(*BIG), np.random.default_rng(0).standard_normal(BIG)
    loss = (w * big).sum()
    if change == "one entry":
        big[17, 3] += 1
    elif change == "all":
        big *= 2
    else:
        big[:] = big[::-1].copy()
    with pytest.raises(RuntimeError, match=r"an array of shape \(300, 300\) was changed in place"):
        loss.backward()
    loss = (w * big).sum()
    loss.backward()
    np.testing.assert_array_equal(w.grad, big)


@pytest.mark.parametrize("shape", [(3,), BIG])
@pytest.mark.parametrize("asked", ["before", "after"])
def test_writing_into_data_of_a_leaf(asked: str, shape: tuple[int, ...]) -> None:
    w = parameter(*shape)
    if asked == "before":
        w.data[0] = 2.0
    loss = (w * w).sum()
    w.data[0] = 5.0
    with pytest.raises(RuntimeError, match="w was changed after an operation had used it"):
        loss.backward()
    assert w.grad is None
    again = (w * w).sum()
    with pytest.raises(RuntimeError, match="w was changed after"):
        loss.backward()  # also when a younger graph has seen the new values
    again.backward()
    np.testing.assert_array_equal(w.grad[0], np.full(shape, 10.0)[0])


def test_data_in_other_hands() -> None:
    w = parameter(3)
    held = w.data
    loss = (w * w).sum()
    held[0] = 5.0
    with pytest.raises(RuntimeError, match="w was changed"):
        loss.backward()


@pytest.mark.parametrize("held", [lambda c: c.data, np.asarray], ids=["data", "asarray"])
def test_writing_into_a_constant(held: Callable[[Tensor], Any]) -> None:
    w, c = parameter(3), Tensor([1.0, 2.0, 3.0], name="c")
    held(c)
    loss, view = (w * c).sum(), c[1:]
    loss.backward()  # looking is no change
    assert (view * 1).tolist() == [2.0, 3.0]
    held(c)[1] = 7.0
    with pytest.raises(RuntimeError, match=r"c was changed after <rule multiply> had used it"):
        loss.backward()
    with pytest.raises(RuntimeError, match="taken from c, which has been written into"):
        view * 1
    w.zero_grad()
    (w * c).sum().backward()
    np.testing.assert_array_equal(w.grad, [1.0, 7.0, 3.0])
    assert "c" in str(derive((w * c).sum()))  # and c is still older than what is computed from it


def test_results_are_read_only_and_detached_ones_are_copies() -> None:
    w = parameter(3)
    y = np.exp(w)
    for shared in y, Tensor([1.0, 2.0])[:1]:
        with pytest.raises(ValueError, match="read-only"):
            shared.data[0] = 0
    detached = y.detach()
    detached.data[0] = 0
    leaf = w.detach()
    w.data -= 1
    assert leaf.tolist() == [2.0, 2.0, 2.0]
    w.data += 1
    z = np.exp(w)
    z.detach().data[:] = 0
    z.sum().backward()
    np.testing.assert_allclose(w.grad, np.exp([2.0, 2.0, 2.0]))


def test_an_array_given_to_data_stays_the_programs_own() -> None:
    w, array = parameter(3), np.array([1.0, 2.0, 3.0])
    w.data = array
    loss = (w * w).sum()
    array[:] = 9
    loss.backward()
    np.testing.assert_array_equal(w.grad, [2.0, 4.0, 6.0])


def test_nan_is_no_change() -> None:
    for shape in (2,), BIG:
        w, c = Tensor(np.full(shape, np.nan), requires_grad=True), np.full(shape, np.inf)
        assert np.isnan(w.data).all()
        (w * c).sum().backward()
        assert np.isinf(w.grad).all()


def test_an_update_under_no_grad_keeps_the_parameter() -> None:
    """PyTorch's way to write a training step."""
    w = v = parameter(2)
    old = w._data
    for _ in range(2):
        loss = (w * w).sum()
        loss.backward()
        with no_grad():
            w -= 0.25 * w.grad
            w *= 1.0
        w.zero_grad()
    assert w is v
    assert w.requires_grad
    np.testing.assert_array_equal(w.data, [0.5, 0.5])
    np.testing.assert_array_equal(old, [2.0, 2.0])
    with pytest.raises(RuntimeError, match="w was changed"):
        loss.backward()
    with no_grad(), pytest.raises(ValueError, match=r"w has shape \(2,\), but the new data"):
        w += np.ones((3, 2))


def test_an_update_while_recording_is_a_new_tensor() -> None:
    w = v = parameter(2)
    w -= 1.0
    assert w is not v
    w.sum().backward()
    np.testing.assert_array_equal(v.grad, [1.0, 1.0])
