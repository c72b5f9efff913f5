"""What a Tensor takes and what it refuses: every refusal says how to go on."""

from __future__ import annotations

import asyncio
import copy
import math
import pickle
import re
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor, no_grad

DATE = np.array(["2020-01-01"], "M8[D]")


def leaf(*values: Any, name: str | None = None) -> Tensor:
    return Tensor(list(values), requires_grad=True, name=name)


# --- what would lose the gradient -----------------------------------------------------------------

LOSES = {
    "float": lambda t: float(t[0]),
    "int": lambda t: int(t[0]),
    "complex": lambda t: complex(t[0]),
    "index": lambda t: [1, 2, 3][t[0]],
    "math.exp": lambda t: math.exp(t[0]),
    "math.sqrt": lambda t: math.sqrt(t[0]),
    "numpy": lambda t: t.numpy(),
    "np.asarray": lambda t: np.asarray(t),
    "np.array": lambda t: np.array(t),
    "np.array of Tensors": lambda t: np.array([t, t]),
    "np.array of numbers": lambda t: np.array([t[0], 1.0]),
    "np.asarray with a dtype": lambda t: np.asarray(t, dtype=np.float32),
    "np.full": lambda t: np.full(3, t[0]),
    "np.vectorize": lambda t: np.vectorize(lambda x: x * 2)(t),
    "np.r_": lambda t: np.r_[t, 1.0],
    "np.fill_diagonal": lambda t: np.fill_diagonal(np.zeros((2, 2)), t),
    "np.c_": lambda t: np.c_[t, t],
    "math.hypot": lambda t: math.hypot(t[0], t[1]),
    "a sum of floats": lambda t: math.fsum(t),
    "a range": lambda t: range(t[1]),
    "a percent sign": lambda t: "%.2f" % t[0],  # noqa: UP031
    "into an array": lambda t: np.zeros(2).__setitem__(slice(None), t),
    "in a list": lambda t: np.add(np.ones(2), [t[0], t[1]]),
    "mean of a list": lambda t: np.mean([t[0], t[1]]),
    "Tensor of a Tensor": lambda t: Tensor(t),
    "Tensor of Tensors": lambda t: Tensor([t[0], t[1]]),
    "random choice": lambda t: np.random.default_rng(0).choice(t),
}


@pytest.mark.parametrize("name", LOSES)
def test_losing_the_gradient_is_an_error_with_advice(name: str) -> None:
    t = leaf(1.0, 2.0, name="W")
    advice = r"would lose the gradient of .*(detach\(\)|item\(\)).*np\.stack.*not math\.exp"
    with pytest.raises(TypeError, match=advice):
        LOSES[name](t)
    (t * t).sum().backward()
    np.testing.assert_array_equal(t.grad, [2, 4])


def test_one_element_of_an_array_is_refused_with_the_reason() -> None:
    array = np.zeros(2)
    with pytest.raises((TypeError, ValueError)) as caught:
        array[0] = leaf(1.0)[0]
    chain = [caught.value, caught.value.__cause__, caught.value.__context__]
    assert "would lose the gradient" in " ".join(map(str, chain))
    assert array[0] == 0


@pytest.mark.parametrize(
    ("write", "function"),
    [
        (lambda a, t: np.add(a, 1.0, out=t), "np.add"),
        (lambda a, t: np.add(t, 1.0, out=a), "np.add"),
        (lambda a, t: a.__iadd__(t), "np.add"),
        (lambda a, t: a.__imul__(t), "np.multiply"),
        (lambda a, t: np.copyto(a, t), "np.copyto"),
        (lambda a, t: np.put(a, [0], t[0]), "np.put"),
        (lambda a, t: np.place(a, [True, False], t), "np.place"),
        (lambda a, t: np.putmask(a, [True, False], t), "np.putmask"),
        (lambda a, t: np.put_along_axis(a, np.array([0]), t[:1], 0), "np.put_along_axis"),
        (lambda a, t: np.add.at(a, [0], t[:1]), "np.add.at"),
    ],
)
def test_arrays_do_not_take_what_has_a_gradient(write: Any, function: str) -> None:
    array, t = np.zeros(2), leaf(1.0, 2.0)
    says = re.escape(function) + " cannot write .*the gradient would be lost"
    with pytest.raises(TypeError, match=says):
        write(array, t)
    np.testing.assert_array_equal(array, 0)


def test_constants_convert_freely() -> None:
    t = Tensor([1.5, 2.0])
    assert float(t[0]) == math.floor(t[0]) + 0.5 == 1.5
    assert int(t[1]) == 2
    assert [10, 20, 30][Tensor(1)] == 20
    np.testing.assert_array_equal(np.array([t, t]), [[1.5, 2], [1.5, 2]])
    np.testing.assert_array_equal(Tensor([t[0], t[1]]).data, t.data)
    array = t.numpy()
    array[0] = 9
    assert t.data[0] == 1.5


# --- data -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        ([None, 1], TypeError, "dtype object; it takes real numbers"),
        ({"W": 1.0}, TypeError, "dtype object"),
        (2**70, TypeError, "dtype object"),
        ("1.0", TypeError, "dtype <U3; it takes real numbers"),
        (["a", "b"], TypeError, "dtype <U1"),
        (DATE, TypeError, "dtype datetime64"),
        (np.zeros(1, [("a", float)]), TypeError, "real numbers"),
        ([[1], [1, 2]], ValueError, "rows of different lengths"),
        (1j, TypeError, "complex128; complex numbers are not supported"),
        (np.ma.array([1.0, 2.0], mask=[0, 1]), TypeError, "masked array.*filled"),
        (np.matrix([[1.0, 2.0]]), TypeError, r"np\.matrix.*np\.asarray.*@"),
    ],
)
def test_data_that_are_not_real_numbers(data: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=r"Tensor\(data\) got .*" + says):
        Tensor(data)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda t: t + np.array([1, None]), TypeError, "add with .* dtype object; it takes real"),
        (lambda t: t * ["a", "b"], TypeError, "multiply with .* dtype <U1; it takes real"),
        (lambda t: t - [[1], [1, 2]], ValueError, "subtract with .* rows of different lengths"),
        (lambda t: np.matrix(np.eye(2)) * t, TypeError, r"multiply with .* np\.matrix"),
        (lambda t: t * np.matrix(np.eye(2)), TypeError, r"multiply with .* np\.matrix"),
        (lambda t: np.where(t > 0, "a", t), TypeError, "where with .* dtype <U1"),
        (lambda t: np.concatenate([t, DATE]), TypeError, "concatenate with .* datetime64"),
        (lambda t: np.dot(t, 1j * np.ones(2)), TypeError, "dot with .* complex numbers"),
        (lambda t: t["a"], IndexError, r"getitem of W of shape \(2,\): only integers, slices"),
        (lambda t: t[5], IndexError, r"getitem of W of shape \(2,\): index 5 is out of bounds"),
        (lambda t: (t * 1).__setitem__(0, [1, 2, 3]), ValueError, r"setitem of .* shape \(3,\)"),
        (lambda t: np.sum(t, axis=5), np.exceptions.AxisError, r"sum of W .* axis 5 is out of"),
        (lambda t: np.swapaxes(t, 0, 7), np.exceptions.AxisError, "axis 7 is out of bounds"),
        (lambda t: t.reshape(5), ValueError, r"reshape of W of shape \(2,\)"),
        (lambda t: np.pad(t, -1), ValueError, "no width is negative, but got -1"),
        (lambda t: np.diff(t, -1), ValueError, "not negative, but came as -1"),
        (lambda t: np.interp(t, [1], [1, 2]), ValueError, r"shapes are \(2,\) and \(1,\)"),
        (lambda t: np.average(t, weights=[1, 2, 3]), TypeError, "average needs axis="),
        (lambda t: np.cov(np.ones((2, 2, 2)) * t), ValueError, r"the shape is \(2, 2, 2\)"),
        (lambda t: np.linalg.qr(t), ValueError, r"qr takes a matrix, but the shape is \(2,\)"),
        (lambda t: np.linalg.svd(t), np.linalg.LinAlgError, r"shape \(2,\): 1-dimensional"),
        (lambda t: np.linalg.inv(0 * np.outer(t, t)), np.linalg.LinAlgError, "inv .* Singular"),
        (lambda t: np.linalg.norm(t, "fro"), ValueError, "ord=, but came as 'fro'"),
        (lambda t: tg.rule("new", 3), TypeError, r"rule\('new', ...\) takes functions, .* 3"),
        (lambda t: tg.rule("new", np.exp, 3), TypeError, "takes functions, .* 3"),
    ],
)
def test_what_operations_refuse(call: Any, error: type[Exception], says: str) -> None:
    t = leaf(1.0, 2.0, name="W")
    with pytest.raises(error, match=says):
        call(t)
    (t * t).sum().backward()
    np.testing.assert_array_equal(t.grad, [2, 4])


def test_our_functions_take_what_numpys_take() -> None:
    for f in (tg.relu, tg.sigmoid, tg.softplus, tg.gelu, tg.leaky_relu):
        for x in (1, 0.5, [1, -2], [[0.5]], np.float32(2), np.array([1.0, 2.0])):
            found = f(x)
            assert isinstance(found, np.ndarray | np.generic)
            np.testing.assert_allclose(found, f(Tensor(np.asarray(x, float))).data, rtol=1e-6)
    np.testing.assert_allclose(tg.softmax([0.0, 0.0], 0), [0.5, 0.5])
    np.testing.assert_allclose(tg.log_softmax([[1.0], [1.0]], 0), np.log([[0.5], [0.5]]))


def test_complex_operands_are_refused() -> None:
    t = leaf(1.0, 2.0)
    for operation in (lambda: t * 1j, lambda: 1j * t, lambda: t + np.array([1j, 0])):
        with pytest.raises(TypeError, match="complex numbers are not supported"):
            operation()
    with pytest.raises(TypeError, match="astype takes a dtype of real numbers"):
        t.astype(complex)
    with pytest.raises(TypeError, match=r"np\.fft\.fft has no rule"):
        np.fft.fft(t)


def test_data_are_copied_and_integers_become_floats() -> None:
    array = np.array([1, 2])
    t = Tensor(array, requires_grad=True)
    array[0] = 7
    np.testing.assert_array_equal(t.data, [1.0, 2.0])
    assert t.dtype == np.float64
    for dtype in (np.float16, np.float32, np.longdouble):
        assert Tensor(np.ones(2, dtype), requires_grad=True).dtype == dtype
    assert Tensor([True]).dtype == bool


# --- leaves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "write",
    [
        lambda t: t.__setitem__(0, 1.0),
        lambda t: t.fill(0.0),
        lambda t: t.sort(),
        lambda t: t.partition(0),
        lambda t: t.put([0], 1.0),
        lambda t: np.put(t, [0], 1.0),
        lambda t: np.copyto(t, 1.0),
        lambda t: np.place(t, [True, False], 1.0),
        lambda t: np.add.at(t, [0], 1.0),
        lambda t: np.put_along_axis(t, np.array([0]), 1.0, 0),
    ],
)
def test_a_leaf_that_requires_a_gradient_is_not_written_into(write: Any) -> None:
    t = leaf(2.0, 1.0, name="W")
    with pytest.raises(RuntimeError, match=r"W requires a gradient.*t\.copy\(\).*no_grad"):
        write(t)
    np.testing.assert_array_equal(t.data, [2, 1])


def test_properties_that_cannot_be_set() -> None:
    t = leaf(1.0, 2.0, name="W")
    with pytest.raises(ValueError, match=r"W has shape \(2,\), but the new data .*\(3,\)"):
        t.data = np.ones(3)
    with pytest.raises(ValueError, match=r"W has shape \(2,\), but its new grad .*\(3,\)"):
        t.grad = np.ones(3)
    with pytest.raises(TypeError, match=r"W\.data got data of dtype complex"):
        t.data = np.ones(2) * 1j
    with pytest.raises(AttributeError):
        t.shape = (2, 1)
    y = t * 2
    with pytest.raises(RuntimeError, match=r"computed by 'multiply', so its data cannot"):
        y.data = np.ones(2)
    with pytest.raises(RuntimeError, match=r"whether it requires a gradient follows"):
        y.requires_grad = False
    for missing in ("strides", "view", "resize", "tofile"):
        with pytest.raises(AttributeError, match=missing):
            getattr(t, missing)


# --- backward -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gradient", "error", "says"),
    [
        ([1.0], ValueError, r"needs the shape of .*\(2,\), but the gradient has shape \(1,\)"),
        (np.ones((2, 1)), ValueError, r"shape \(2, 1\)"),
        (1.0, ValueError, r"shape \(\)"),
        (np.ones(2) * 1j, TypeError, "dtype complex128"),
        (["a", "b"], TypeError, "dtype <U1"),
        ([None, 1.0], TypeError, "dtype object"),
    ],
)
def test_gradients_that_do_not_fit(gradient: Any, error: type[Exception], says: str) -> None:
    t = leaf(1.0, 2.0)
    with pytest.raises(error, match=says):
        (t * 2).backward(gradient)
    assert t.grad is None
    (t * 2).backward([1, 2])
    np.testing.assert_array_equal(t.grad, [2, 4])


def test_no_grad_across_async_tasks() -> None:
    async def paused() -> bool:
        with no_grad():
            await asyncio.sleep(0)
            inside = (leaf(1.0) * 2).requires_grad
            await asyncio.sleep(0)
        return inside

    async def recording() -> list[bool]:
        found = []
        for _ in range(4):
            found.append((leaf(1.0) * 2).requires_grad)
            await asyncio.sleep(0)
        return found

    async def main() -> Any:
        return await asyncio.gather(paused(), recording(), paused())

    assert asyncio.run(main()) == [False, [True] * 4, False]


# --- as Python and NumPy treat their own ----------------------------------------------------------


def test_formats_and_lists() -> None:
    t = leaf(1.0, 2.5)
    assert f"{t.sum():.2f}" == "3.50"
    assert f"{t}" == str(t) == "Tensor([1. , 2.5], requires_grad=True)"
    with pytest.raises(TypeError, match=r"'\.2f' is for one number, but .* shape \(2,\)"):
        f"{t:.2f}"
    assert t.tolist() == [1.0, 2.5]
    assert (t * 2).sum().tolist() == 7.0
    assert (t.itemsize, t.nbytes) == (8, 16)
    assert 2.5 in t
    assert 3.0 not in t
    assert 2.0 in leaf([1.0, 2.0], [3.0, 4.0])


def test_copies_and_pickles() -> None:
    t = leaf(1.0, 2.0, name="W")
    for twin in (copy.deepcopy(t), pickle.loads(pickle.dumps(t))):
        assert twin is not t
        assert (twin.name, twin.requires_grad, twin.tolist()) == ("W", True, [1.0, 2.0])
    assert copy.copy(t).rule.name == "copy"
    for refuse in (copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=r"was computed.*detach\(\)"):
            refuse(t * 2)


def test_numbers_and_truth() -> None:
    with pytest.raises(TypeError, match=r"one number \(shape \(\)\) and cannot be iterated"):
        list(leaf(1.0)[0])
    with pytest.raises(ValueError, match="ambiguous"):
        bool(leaf(1.0, 2.0))
    assert leaf(1.0, 2.0).sum() > 2
    with pytest.raises(TypeError):
        len(Tensor(1.0))


def test_whole_numbers_are_computed_as_numpy_does() -> None:
    small = np.array([100, 100, 3], np.int8)
    for f in (
        np.linalg.norm,
        np.median,
        np.mean,
        np.std,
        np.sum,
        np.logaddexp.reduce,
        lambda a: np.maximum(a, 0.0),
        lambda a: np.maximum(a, 0),
        lambda a: np.clip(a, None, 50),
        lambda a: np.mean(a, where=[True, False, True]),
    ):
        expected, found = f(small), f(Tensor(small))
        np.testing.assert_allclose(found.data, expected, rtol=1e-2)
        assert found.dtype.kind == np.asarray(expected).dtype.kind
    many = np.full(3000, 60, np.float16)
    assert np.mean(Tensor(many, requires_grad=True)).item() == np.mean(many) == 60
    mask = np.array([True, False, False])
    np.testing.assert_array_equal(np.diff(Tensor(mask)).data, np.diff(mask))
