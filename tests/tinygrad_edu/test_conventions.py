"""The conventions about which libraries disagree, one test each; and what an error says."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor, no_grad
from tinygrad_edu.recording import TABLE
from tinygrad_edu.rules import log_softmax, logsumexp, softmax
from tinygrad_edu.rules.elementwise import dropout, gelu, log_sigmoid, softplus, xlogy


def leaf(*values: Any, name: str | None = None) -> Tensor:
    return Tensor(values[0] if len(values) == 1 else list(values), requires_grad=True, name=name)


def gradient(f: Callable[..., Any], *values: Any) -> Any:
    """The gradients of sum(f(*values)); one for one value."""
    inputs = [leaf(np.asarray(x, float)) for x in values]
    f(*inputs).sum().backward()
    return inputs[0].grad if len(values) == 1 else [x.grad for x in inputs]


# --- kinks and ties -----------------------------------------------------------------------------------


def test_relu_and_abs_have_derivative_0_at_0() -> None:
    at = [-1.0, 0.0, 2.0]
    for relu in (
        tg.relu,
        lambda x: np.maximum(x, 0),
        lambda x: np.maximum(0, x),
        lambda x: np.maximum(0.0, x),
    ):
        np.testing.assert_array_equal(gradient(relu, at), [0, 0, 1])
    np.testing.assert_array_equal(gradient(np.abs, at), [-1, 0, 1])
    np.testing.assert_array_equal(gradient(abs, at), [-1, 0, 1])


def test_relu_of_learners_keeps_the_name_relu() -> None:
    assert np.maximum(0, leaf(1.0)).rule.name == "relu"
    assert np.maximum(leaf(1.0), np.zeros(())).rule.name == "maximum"


def test_ties_of_two_arrays_get_half_each() -> None:
    for f in (np.maximum, np.minimum, np.fmax, np.fmin):
        a, b = gradient(f, [1.0, 5.0], [1.0, 2.0])
        assert a[0] == b[0] == 0.5
        assert {a[1], b[1]} == {0.0, 1.0}
        np.testing.assert_array_equal(gradient(lambda x, f=f: f(x, x), [3.0, 4.0]), [1, 1])


def test_ties_along_an_axis_share_evenly() -> None:
    x = [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]
    for f in (np.max, np.amax, lambda x, axis: x.max(axis)):
        np.testing.assert_allclose(
            gradient(lambda x, f=f: f(x, axis=1), x), [[0, 0.5, 0.5], [1 / 3] * 3]
        )
    np.testing.assert_allclose(gradient(np.min, x), [[1, 0, 0], [0, 0, 0]])
    assert gradient(np.max, [7.0, 7.0, 7.0, 7.0]).sum() == 1


def test_clip_passes_inside_the_closed_interval() -> None:
    at = [-2.0, -1.0, 0.0, 1.0, 2.0]
    np.testing.assert_array_equal(gradient(lambda x: np.clip(x, -1, 1), at), [0, 1, 1, 1, 0])
    np.testing.assert_array_equal(gradient(lambda x: x.clip(-1, None), at), [0, 1, 1, 1, 1])
    np.testing.assert_array_equal(gradient(lambda x: np.clip(x, None, 1), at), [1, 1, 1, 1, 0])
    low = leaf(-1.0)
    np.clip(Tensor(at), low, 1).sum().backward()
    assert low.grad == 1


def test_steps_are_constants() -> None:
    x = leaf(1.5, -2.5)
    for f in (np.sign, np.floor, np.ceil, np.rint, np.trunc, np.round, np.isnan):
        assert not f(x).requires_grad
    assert not (x > 0).requires_grad
    assert not (x // 1).requires_grad
    assert not x.astype(int).requires_grad


# --- no nan where the mathematics has none ------------------------------------------------------------


def quiet(f: Callable[..., Any], *values: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return gradient(f, *values)


def test_powers_at_zero() -> None:
    for n, expected in [(0, 0), (1, 1), (2, 0), (3, 0), (2.0, 0), (1.0, 1), (0.0, 0), (1.5, 0)]:
        assert quiet(lambda x, n=n: x**n, 0.0) == expected
        assert quiet(lambda x, n=n: np.power(x, np.array([n])), [0.0]) == expected
    assert quiet(lambda x: np.square(x), 0.0) == 0
    np.testing.assert_array_equal(quiet(lambda a, b: a**b, [0.0], [2.0]), [[0], [0]])
    np.testing.assert_array_equal(quiet(lambda b: 0.0**b, [2.0]), [0])
    np.testing.assert_allclose(quiet(lambda b: 2**b, [3.0]), [8 * np.log(2)])
    np.testing.assert_array_equal(quiet(lambda a, b: a**b, [0.0], [0.0]), [[0], [0]])
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(
            gradient(lambda a, b: a**b, [0.0], [-1.0]), [[-np.inf], [-np.inf]]
        )
    mixed = tg.jacobian(tg.grad(lambda x: x[0] ** x[1]))(np.array([2.0, 0.0]))
    np.testing.assert_allclose(mixed, [[0, 0.5], [0.5, np.log(2) ** 2]])
    assert tg.grad(tg.grad(lambda x: x**2))(0.0) == 2
    assert tg.grad(tg.grad(lambda x: x**1))(0.0) == 0
    assert tg.grad(tg.grad(tg.grad(lambda x: x**3)))(0.0) == 6


def test_products_with_zeros_at_any_order() -> None:
    np.testing.assert_array_equal(gradient(np.prod, [2.0, 0.0, 3.0]), [0, 6, 0])
    np.testing.assert_array_equal(gradient(np.prod, [2.0, 0.0, 0.0]), [0, 0, 0])
    expected = [[0, 3, 0], [3, 0, 2], [0, 2, 0]]
    np.testing.assert_allclose(tg.hessian(np.prod)(np.array([2.0, 0.0, 3.0])), expected)
    expected = [[0, 0, 0], [0, 0, 2], [0, 2, 0]]
    np.testing.assert_allclose(tg.hessian(np.prod)(np.array([2.0, 0.0, 0.0])), expected)
    third = tg.jacobian(tg.hessian(np.prod))(np.array([0.0, 0.0, 0.0]))
    assert third[0, 1, 2] == third[2, 0, 1] == 1
    assert third.sum() == 6
    long = np.random.default_rng(0).uniform(-1.5, 1.5, 37)
    long[[9, 20]] = 0
    direct = [sum(np.prod(np.delete(long[: k + 1], i)) for k in range(i, 37)) for i in range(37)]
    np.testing.assert_allclose(gradient(np.cumprod, long), direct, rtol=1e-11, atol=1e-15)
    np.testing.assert_array_equal(gradient(np.cumprod, [2.0, 0.0, 3.0]), [1, 8, 0])


def test_where_protects_from_nan() -> None:
    f = lambda x: np.where(x > 0, np.log(np.where(x > 0, x, 1)), 0)  # noqa: E731
    np.testing.assert_array_equal(quiet(f, [0.0, -1.0, 2.0]), [0, 0, 0.5])


def test_lengths_of_zero_vectors_have_gradient_0() -> None:
    np.testing.assert_array_equal(quiet(np.linalg.norm, [0.0, 0.0]), [0, 0])
    np.testing.assert_array_equal(
        quiet(lambda x: np.linalg.norm(x, axis=1), [[0.0], [-3.0]]), [[0], [-1]]
    )
    np.testing.assert_array_equal(quiet(np.std, [2.0, 2.0, 2.0]), [0, 0, 0])
    for p in (0.5, 1, 1.5, 3):
        norm = lambda x, p=p: np.linalg.norm(x, p)  # noqa: E731
        np.testing.assert_array_equal(quiet(norm, [0.0, 0.0]), [0, 0])
        np.testing.assert_allclose(quiet(norm, [0.0, -2.0]), [0, -1])
    for f in (np.hypot, np.arctan2):
        np.testing.assert_array_equal(quiet(f, [0.0], [0.0]), [[0], [0]])


def test_second_derivatives_at_a_kink_of_the_first_are_not_made_up() -> None:
    with np.errstate(all="ignore"):
        for f in (
            np.linalg.norm,
            lambda x: np.linalg.norm(x) ** 2,
            lambda x: np.hypot(x[0], x[1]),
            lambda x: np.arctan2(x[0], x[1]),
            np.std,
        ):
            assert np.isnan(tg.hessian(f)(np.zeros(2))).all()
    for f in (tg.relu, np.abs, lambda x: np.clip(x, 0, 1), lambda x: x * abs(x)):
        second = tg.hessian(lambda x, f=f: f(x).sum())(np.array([0.0, 1.0]))
        assert (second == [[0, 0], [0, 2 * (f(3.0) == 9)]]).all()
    np.testing.assert_array_equal(
        tg.hessian(lambda x: np.max(x) ** 2)(np.ones(2)), np.full((2, 2), 0.5)
    )


def test_nan_is_not_hidden() -> None:
    """The value stays nan, and as in PyTorch the gradient passes to both of two that compare so."""
    for f in (np.maximum, np.minimum):
        a, b = leaf(np.nan, 1.0), leaf(2.0, np.nan)
        out = f(a, b)
        assert np.isnan(out.detach().data).all()
        out.sum().backward()
        np.testing.assert_array_equal([a.grad, b.grad], [[1, 1], [1, 1]])
    assert np.isnan(tg.relu(leaf(np.nan)).item())
    assert np.isnan(gradient(np.max, [np.nan, 1.0])).all()


def test_parts_of_a_number() -> None:
    x = [2.0, -3.0, 2.5, -0.25, np.inf]
    for ours, numpys in zip(np.modf(leaf(*x)), np.modf(x)):
        np.testing.assert_array_equal(ours.detach().data, numpys)
    np.testing.assert_array_equal(gradient(lambda x: np.modf(x)[0], x[:4]), [1, 1, 1, 1])
    np.testing.assert_array_equal(
        gradient(lambda x: np.copysign(x, -1), [2.0, -3.0, 0.0]), [-1, 1, 0]
    )


def test_the_determinant_of_a_singular_matrix_has_a_gradient() -> None:
    singular = np.array([[1.0, 2.0], [2.0, 4.0]])
    np.testing.assert_allclose(gradient(np.linalg.det, singular), [[4, -2], [-2, 1]], atol=1e-12)
    np.testing.assert_allclose(gradient(np.linalg.det, np.zeros((2, 2))), np.zeros((2, 2)))


def test_saturated_functions_neither_warn_nor_overflow() -> None:
    far = [-1e4, -800.0, -700.0, 0.0, 40.0, 800.0, 1e4]
    for f in (tg.sigmoid, softplus, log_sigmoid, np.tanh, gelu, lambda x: logsumexp(x)):
        assert np.isfinite(quiet(f, far)).all()
        for dtype in (np.float16, np.float32):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                out = f(Tensor(np.array(far, dtype), requires_grad=True))
            assert out.dtype == dtype
            assert np.isfinite(out.detach().data).all()
    assert np.isfinite(quiet(lambda x: softmax(x, 0), far)).all()
    assert np.isfinite(quiet(lambda x: log_softmax(x, 0), far)).all()
    assert quiet(lambda x, y: xlogy(x, y), 0.0, 0.0)[1] == 0


def test_sigmoid_is_the_formula_to_the_last_bits() -> None:
    x = np.random.default_rng(0).normal(size=1000) * 10
    np.testing.assert_array_equal(tg.sigmoid(Tensor(x)).data, 1 / (1 + np.exp(-x)))
    far = np.array([-700.0, -500.0, -50.0])
    np.testing.assert_allclose(tg.sigmoid(Tensor(far)).data, np.exp(far), rtol=1e-13)


def test_sinc_is_smooth_at_zero() -> None:
    assert gradient(np.sinc, 0.0) == 0
    np.testing.assert_allclose(tg.grad(tg.grad(np.sinc))(0.0), -(np.pi**2) / 3)
    np.testing.assert_allclose(tg.grad(np.sinc)(1e-8), -(np.pi**2) / 3 * 1e-8)


# --- backward and leaves ------------------------------------------------------------------------------


def test_backward_of_several_numbers_names_both_remedies() -> None:
    with pytest.raises(ValueError, match=r"\.sum\(\)\.backward\(\).*backward\(gradient\)"):
        (leaf(1.0, 2.0) * 2).backward()


def test_a_second_backward_accumulates_in_leaves_only() -> None:
    x = leaf(2.0)
    y = (x * 3) ** 2
    y.backward()
    y.backward()
    assert x.grad == 2 * 36
    x.zero_grad()
    assert x.grad is None
    y.backward()
    assert x.grad == 36


def test_constants_and_integers_never_get_a_gradient() -> None:
    c, i, x = Tensor([1.0, 2.0]), Tensor([1, 2]), leaf(1.0, 2.0)
    (c * i * x).sum().backward()
    assert c.grad is None
    assert i.grad is None
    assert Tensor([1, 2], requires_grad=True).dtype == np.float64


def test_dtypes() -> None:
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    w = Tensor(np.ones(3), requires_grad=True)
    assert (x * 2.0 + 1).dtype == np.float32
    (x * w + 2.5 * x**2 + 2.0**x).sum().backward()
    assert x.grad.dtype == np.float32
    assert w.grad.dtype == np.float64


def test_augmented_assignment_rebinds() -> None:
    x = leaf(1.0, 2.0)
    before = x.data.copy()
    y = x
    y += 1
    y *= 2
    assert y is not x
    np.testing.assert_array_equal(x.data, before)
    np.testing.assert_array_equal(gradient(lambda x: (x * 3 + 1) / 2, [1.0]), [1.5])


def test_an_unknown_function_is_named() -> None:
    with pytest.raises(TypeError, match=r"np\.roots has no rule.*tg\.rule.*detach"):
        np.roots(leaf(1.0, 2.0))
    with pytest.raises(TypeError, match=r"np\.fft\.fft has no rule"):
        np.fft.fft(leaf(1.0, 2.0))
    with pytest.raises(TypeError, match=r"complex eigenvalues.*detach\(\).*np\.linalg\.eigh"):
        np.linalg.eig(leaf([[0.0, 1.0], [-1.0, 0.0]]))
    with pytest.raises(TypeError, match=r"np\.gcd has no rule"):
        np.gcd(Tensor([4]), 2)
    with pytest.raises(TypeError, match=r"np\.stack"):
        np.array([leaf(1.0), leaf(2.0)])


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda x: np.median(x, out=np.zeros(())), r"np\.median with out="),
        (lambda x: np.quantile(x, 0.5, weights=[1, 2]), r"np\.quantile with weights="),
        (lambda x: np.exp(x, out=np.zeros(2)), r"np\.exp cannot write.*out="),
        (lambda x: np.mean(x, out=np.zeros(())), r"np\.mean with out="),
        (lambda x: np.sum(x, 0, None, np.zeros(())), r"np\.sum with out="),
        (lambda x: x.sum(0, np.float32), r"keepdims= has to be True or False"),
        (lambda x: np.pad(x, 1, mode="mean"), r"mode='mean' is not supported"),
        (lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, writeable=True), r"writeable="),
        (lambda x: x + "1", r"dtype <U1.*real numbers"),
        (lambda x: x < "1", r"not supported between"),
        (lambda x: x % None, r"unsupported operand"),
    ],
)
def test_an_unknown_argument_is_named(call: Callable[..., Any], named: str) -> None:
    with pytest.raises(TypeError, match=named):
        call(leaf(1.0, 2.0))


def test_arguments_by_position_mean_what_they_mean_in_numpy() -> None:
    a = np.array([[1.0, -2.0, 4.0], [3.0, 0.5, 1.0]])
    for f in (
        lambda x: np.sum(x, 0, None, None, True),
        lambda x: np.sum(a=x, axis=1),
        lambda x: np.mean(x, 0, np.float32, None, True),
        lambda x: np.var(x, 1, None, None, 1, True),
        lambda x: np.max(x, 0, None, True),
        lambda x: np.quantile(x, 0.3, 0, None, False, "lower", True),
        lambda x: np.linalg.norm(x=x, ord=1, axis=0),
        lambda x: np.trace(x, 1, 0, 1, None, None),
        lambda x: np.clip(x, 0, None, None),
        lambda x: np.argmax(x, 1, None),
    ):
        out, expected = f(leaf(a)), f(a)
        assert (out.shape, out.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(out.detach().data, expected, rtol=1e-15)


def test_comparing_with_what_is_not_a_number() -> None:
    x = Tensor([1.0, 2.0])
    assert (x == "x") is False
    assert (x != None) is True  # noqa: E711
    assert x in [x]
    np.testing.assert_array_equal((x == [1.0, 3.0]).data, [True, False])


def test_shapes_that_do_not_fit_are_named() -> None:
    w, x = leaf(np.ones((2, 3)), name="W"), Tensor(np.ones((2, 3)), name="X")
    with pytest.raises(ValueError, match=r"matmul of W of shape \(2, 3\) and X of shape \(2, 3\)"):
        w @ x
    with pytest.raises(ValueError, match=r"add of W of shape \(2, 3\).*broadcast"):
        w + np.ones(2)
    with pytest.raises(IndexError, match=r"getitem of W of shape \(2, 3\)"):
        w[5]
    with pytest.raises(ValueError, match=r"reshape of W"):
        w.reshape(4)
    with pytest.raises(ValueError, match=r"einsum 'ij,jk->ik'"):
        np.einsum("ij,jk->ik", w)
    with pytest.raises(np.exceptions.AxisError):
        w.sum(axis=2)
    with pytest.raises(ValueError, match=r"stack needs arrays of the same shape"):
        np.stack([w, x.T])


# --- writing ------------------------------------------------------------------------------------------


def test_writing_into_a_copy_is_recorded() -> None:
    x = leaf(1.0, -2.0, 3.0)
    y = x * 2
    used = y * y
    copy = y.copy()
    copy[copy < 0] = 0
    (copy + used).sum().backward()
    np.testing.assert_array_equal(copy.detach().data, [2, 0, 6])
    np.testing.assert_array_equal(y.detach().data, [2, -4, 6])
    np.testing.assert_array_equal(x.grad, [2 + 8, -16, 2 + 24])


def test_a_place_that_is_named_twice_is_written_once() -> None:
    for index in ([0, 2, 0, 0], (np.array([0, 0, 1]),), [-4, 0]):
        for value in (leaf(3.0), leaf([3.0])):
            x = Tensor(np.ones(4))
            x[index] = value
            x.sum().backward()
            assert value.grad.sum() == np.unique(np.arange(4)[index]).size
    x, value = Tensor(np.ones((2, 2))), leaf(1.0, 2.0, 3.0)
    x[[0, 1, 0], [1, 1, 1]] = value  # the last one stays
    (x * [[5.0, 7.0], [9.0, 11.0]]).sum().backward()
    np.testing.assert_array_equal(x.data, [[1, 3], [1, 2]])
    np.testing.assert_array_equal(value.grad, [0, 11, 7])


def test_what_used_a_tensor_before_it_was_written_keeps_its_gradient() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    squared = y * y
    y[0] = 10.0
    z = y * y
    y[1] = x[0]
    (squared + z + y).sum().backward()
    np.testing.assert_array_equal(x.grad, [18 + 1, 36 + 36])


def test_a_tensor_written_into_itself_is_not_its_own_past() -> None:
    x = leaf(1.0, 2.0, 3.0)
    y = x.copy()
    y[::-1] = y
    assert all(each is not y for each in y.inputs)
    (y * [1.0, 10.0, 100.0]).sum().backward()
    np.testing.assert_array_equal(y.detach().data, [3.0, 2.0, 1.0])
    np.testing.assert_array_equal(x.grad, [100.0, 10.0, 1.0])


def test_no_array_is_changed_by_writing() -> None:
    array = np.ones(3)
    t = Tensor._constant(array)
    t[0] = 5
    assert array[0] == 1
    assert t.data[0] == 5


def test_values_are_cast_as_numpy_casts_them() -> None:
    t = Tensor([1, 2, 3])
    t[0] = 2.7
    np.testing.assert_array_equal(t.data, [2, 2, 3])
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    value, copy = leaf(3.0), x.copy()
    copy[0] = value
    assert copy.dtype == np.float32
    copy.sum().backward()
    assert value.grad.dtype == np.float64
    np.testing.assert_array_equal(x.grad, [0, 1])


def test_a_buffer_becomes_computed() -> None:
    x, h = leaf(2.0), Tensor(np.zeros(3))
    for i in range(3):
        h[i] = x ** (i + 1)
    assert h.requires_grad
    h.sum().backward()
    assert x.grad == 1 + 4 + 12


def test_retained_gradient_is_that_of_the_last_state() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    y.retain_grad()
    y[0] = 0.0
    (y * 5).sum().backward()
    np.testing.assert_array_equal(y.grad, [5, 5])
    np.testing.assert_array_equal(x.grad, [0, 15])


@pytest.mark.parametrize(
    ("write", "error", "says"),
    [
        ("x[0] = 1.0", RuntimeError, r"W requires a gradient.*copy\(\).*no_grad"),
        ("x[0] += 1.0", RuntimeError, r"W requires a gradient.*copy\(\).*no_grad"),
        ("y = x * 2; y[0][1] = 1.0", RuntimeError, r"shares its memory.*x\[0, 1\] = value"),
        ("y = x * 2; row = y[0]; row[1] = 1.0", RuntimeError, r"shares its memory.*copy\(\)"),
        ("y = (x * 2); z = y.T; z[0] = 1.0", RuntimeError, r"shares its memory"),
        ("y = (x * 2); z = y.reshape(4); z[0] = 1.0", RuntimeError, r"shares its memory"),
        ("i = Tensor([1, 2]); i[0] = x[0, 0]", TypeError, r"dtype int64.*astype\(float\)"),
        ("y = x * 2; y[5] = 1.0", IndexError, r"setitem of .*shape \(2, 2\)"),
        ("y = x * 2; y[0] = [1.0, 2.0, 3.0]", ValueError, r"setitem of .* broadcast"),
        ("y = x * 2; y[0] = 'a'", TypeError, r"real numbers"),
    ],
)
def test_writing_that_would_go_wrong(write: str, error: type[Exception], says: str) -> None:
    x = leaf(np.ones((2, 2)), name="W")
    with pytest.raises(error, match=says):
        exec(write, {"x": x, "Tensor": Tensor})
    np.testing.assert_array_equal(x.data, np.ones((2, 2)))


def test_writing_where_no_memory_is_shared() -> None:
    x = leaf(np.ones((2, 3)))
    for t in (x[[0]], x[x > 0], x.copy(), x.T.copy(), x.reshape(6) * 1, np.sort(x), x[0].copy()):
        t[0] = 7.0
        assert (t.detach().data[0] == 7).all()


def test_updating_a_leaf_without_recording() -> None:
    x = leaf(1.0, 2.0)
    with no_grad():
        x[0] = 5.0
        x[1] -= 1.0
    np.testing.assert_array_equal(x.data, [5, 1])
    assert x.requires_grad
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [10, 2])
    y = x * 2
    with no_grad(), pytest.raises(RuntimeError, match="would lose its gradient"):
        y[0] = 1.0
    y = x * 2
    with no_grad():
        x[0] = 0.0
    with pytest.raises(RuntimeError, match=r"was changed after .*multiply.* had used it"):
        (y * x).sum().backward()


# --- what is ours -------------------------------------------------------------------------------------


def test_dropout_keeps_the_expected_value() -> None:
    x = leaf(np.ones(10_000))
    out = dropout(x, 0.25, np.random.default_rng(0))
    assert abs(out.mean().item() - 1) < 0.02
    out.sum().backward()
    assert set(np.unique(x.grad)) == {0.0, 1 / 0.75}
    with pytest.raises(ValueError, match="0 <= p < 1, but p came as 1"):
        dropout(x, 1, np.random.default_rng(0))


def test_scipys_functions_work_on_tensors() -> None:
    special = pytest.importorskip("scipy.special", reason="needs SciPy")
    at = np.array([0.1, 0.4, 0.9])
    for name in ("expit", "logit", "log_expit", "erf", "entr", "i0", "psi"):
        f, x = getattr(special, name), leaf(at)
        out = f(x)
        np.testing.assert_allclose(out.detach().data, f(at), rtol=1e-14)
        out.sum().backward()
        np.testing.assert_allclose(x.grad, (f(at + 1e-6) - f(at - 1e-6)) / 2e-6, rtol=1e-8)
    np.testing.assert_allclose(special.xlogy(leaf(at), at).detach().data, special.xlogy(at, at))
    with pytest.raises(TypeError, match=r"jv by its argument number 2 has no rule"):
        special.jv(leaf(at), at)
    with pytest.raises(TypeError, match=r"^wofz has no rule"):
        special.wofz(leaf(at))


def test_gelu_names_its_forms() -> None:
    with pytest.raises(ValueError, match="'none' or 'tanh', but came as 'fast'"):
        gelu(leaf(1.0), approximate="fast")


def test_every_vjp_takes_what_the_forward_function_takes() -> None:
    for entry in TABLE.values():
        for vjp in filter(None, entry.vjps):
            assert callable(vjp), entry
