"""grad, value_and_grad, jacobian, hessian, vjp: nested, closed over, against formulas and PyTorch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor, grad, hessian, jacobian, no_grad, value_and_grad, vjp

try:
    import torch
except ImportError:
    torch = None

A = np.array([[1.0, -2.0, 0.5], [0.3, 1.5, -1.0]])
X = np.array([0.4, -1.2, 0.9])


def close(found: Any, expected: Any, tolerance: float = 1e-12) -> None:
    assert isinstance(found, np.ndarray | np.generic | float), type(found)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


# --- against formulas -----------------------------------------------------------------------------


def test_derivatives_of_any_order() -> None:
    f: Callable[..., Any] = np.sin
    for expected in (np.sin, np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x), np.sin, np.cos):
        close(np.asarray(f(0.7)), expected(0.7))
        f = grad(f)
    close(grad(grad(grad(lambda x: np.exp(2 * x) * x)))(0.5), (12 + 8 * 0.5) * np.e)


def test_value_and_gradient_by_several_arguments() -> None:
    f = lambda x, y, scale=1.0: (x * y**2).sum() * scale  # noqa: E731
    x, y = np.array([1.0, 2.0]), np.array([3.0, -1.0])
    value, (by_y, by_x) = value_and_grad(f, argnums=(1, 0))(x, y, scale=2.0)
    assert isinstance(value, float)
    assert value == f(x, y, 2.0)
    close(by_x, 2 * y**2)
    close(by_y, 4 * x * y)
    close(grad(f, -1)(x, y), 2 * x * y)
    close(grad(f, np.int64(1))(x, y), 2 * x * y)
    assert isinstance(grad(f, [0])(x, y), tuple)
    first, second = grad(lambda x: x * x, (0, 0))(3.0)
    assert first == second == 6


class Layer(NamedTuple):
    W: Any
    b: Any


def test_gradients_have_the_structure_of_the_arguments() -> None:
    def loss(layers: Any, x: Any) -> Any:
        for layer in layers["hidden"]:
            x = np.tanh(layer.W @ x + layer.b)
        return (layers["scale"] * x).sum()

    layers = {"hidden": [Layer(A, [0.1, 0.2]), Layer(A[:, :2], 0.5)], "scale": 2.0}
    value, found = value_and_grad(loss)(layers, X)
    assert isinstance(value, float)
    assert list(found) == ["hidden", "scale"]
    assert [type(x) for x in found["hidden"]] == [Layer, Layer]
    close(found["scale"], value / 2)
    for i, layer in enumerate(layers["hidden"]):
        for name in ("W", "b"):

            def alone(x: Any, i: int = i, layer: Any = layer, name: str = name) -> Any:
                hidden = list(layers["hidden"])
                hidden[i] = layer._replace(**{name: x})
                return loss({**layers, "hidden": hidden}, X)

            close(getattr(found["hidden"][i], name), grad(alone)(getattr(layer, name)))
    (by_layers, by_x) = grad(loss, (0, 1))(layers, X)
    close(by_layers["hidden"][0].W, found["hidden"][0].W)
    close(by_x, grad(loss, 1)(layers, X))
    by_tuple, unused = vjp(lambda p, q: p[0] * p[1], (X, 2.0), {"none": X})[1](np.ones(3))
    close(by_tuple[1], X.sum())
    close(unused["none"], 0 * X)
    close(grad(lambda p: p[0] * p[1])([3.0, 4.0]), [4, 3])  # numbers only: an array
    twice, again = grad(lambda p: p["x"] ** 2, (0, 0))({"x": 3.0})
    assert twice == again == {"x": 6}


def test_a_function_that_writes_into_its_dict() -> None:
    def loss(p: Any) -> Any:
        p["w"] = p.pop("w") * 2
        p["more"] = p["w"] ** 2
        return p["more"].sum()

    given = {"w": X.copy()}
    close(grad(loss)(given)["w"], 8 * X)
    assert list(given) == ["w"]
    close(given["w"], X)


def test_jacobians_of_a_structure() -> None:
    found = jacobian(lambda p: p["A"] @ p["x"])({"A": A, "x": X})
    close(found["x"], A)
    close(found["A"], np.einsum("ij,k->ijk", np.eye(2), X))
    empty = jacobian(lambda p: p[0][:0])([X, 1.0])
    assert [x.shape for x in empty] == [(0, 3), (0,)]
    second = jacobian(lambda x: grad(lambda p: (p["x"] ** 3).sum())({"x": x})["x"])(X)
    close(second, 6 * np.diag(X))


def test_structures_inside_other_transforms() -> None:
    inner = lambda p: (p["w"] ** 3).sum()  # noqa: E731
    close(grad(lambda w: grad(inner)({"w": w})["w"].sum())(X), 6 * X)
    t = Tensor(X, requires_grad=True)
    by_w = grad(inner)({"w": t})["w"]
    by_w.sum().backward()
    close(t.grad, 6 * X)
    steps = grad(lambda p: grad(lambda q: q[0] ** 2 * p["a"])([Tensor(3.0)])[0])({"a": 1.0})
    assert steps == {"a": 6}


def test_jacobian_and_hessian_by_formulas() -> None:
    close(jacobian(lambda x: A @ x)(X), A)
    close(jacobian(lambda x: np.outer(x, x)[1])(X), X[1] * np.eye(3) + np.outer(X, [0, 1, 0]))
    close(hessian(lambda x: x @ A.T @ A @ x)(X), 2 * A.T @ A)
    close(hessian(lambda x: np.prod(x))(X), [[0, X[2], X[1]], [X[2], 0, X[0]], [X[1], X[0], 0]])
    assert jacobian(lambda x: x.sum(axis=0))(A).shape == (3, 2, 3)
    assert jacobian(lambda x: (x * x).sum())(A).shape == (2, 3)
    assert jacobian(lambda x: x[:0])(X).shape == (0, 3)
    assert jacobian(lambda x: x.sum(axis=0))(np.ones((0, 3))).shape == (3, 0, 3)
    close(jacobian(lambda x: np.sign(x))(X), np.zeros((3, 3)))
    third = jacobian(hessian(lambda x: (x**3).sum()))(X)
    close(third, 6 * np.einsum("ij,jk->ijk", np.eye(3), np.eye(3)))


def test_vjp_pulls_as_often_as_asked() -> None:
    value, pull = vjp(lambda x, y: x * np.exp(y), X, 2 * X)
    close(value, X * np.exp(2 * X))
    for g in (np.ones(3), np.array([1.0, 0.0, -2.0]), [3.0, 2.0, 1.0]):
        by_x, by_y = pull(g)
        close(by_x, g * np.exp(2 * X))
        close(by_y, g * X * np.exp(2 * X))
    value, pull = vjp(lambda x: (x * x).sum(), X)
    close(pull(None)[0], 2 * X)


def test_vjp_with_a_tensor_as_cotangent() -> None:
    g = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    (pulled,) = vjp(lambda x: x * x, X)[1](g)
    (pulled * pulled).sum().backward()
    close(g.grad, 2 * np.array([1.0, 2.0, 3.0]) * (2 * X) ** 2)
    # two vjps make a jvp: the pull is linear in g
    direction = np.array([1.0, -1.0, 0.5])
    pull = vjp(lambda x: np.sin(x) * x.sum(), X)[1]
    (jvp,) = vjp(lambda g: pull(g)[0], np.ones(3))[1](direction)
    close(jvp, jacobian(lambda x: np.sin(x) * x.sum())(X) @ direction)


def test_float32_and_integers() -> None:
    for transform in (grad, hessian):
        assert transform(lambda x: (x**3).sum())(np.ones(2, np.float32)).dtype == np.float32
    close(grad(lambda x: x * x)(3), 6)
    close(grad(lambda x: (x * x).sum())([1, 2]), [2, 4])


def test_what_a_transform_returns_belongs_to_the_caller() -> None:
    x = np.ones(3)
    first = grad(lambda x: x.sum())(x)
    first += 5
    np.testing.assert_array_equal(grad(lambda x: x.sum())(x), 1)
    np.testing.assert_array_equal(x, 1)
    t = Tensor(x, requires_grad=True)
    grad(lambda x: (x * t).sum())(t)
    assert t.grad is None


# --- a transform inside another: which derivative is meant? ---------------------------------------


def test_perturbations_are_not_confused() -> None:
    close(grad(lambda x: x * grad(lambda y: x + y)(2.0))(1.0), 1)
    close(grad(lambda x: x * grad(lambda y: x * y)(2.0))(3.0), 6)
    close(grad(lambda x: grad(lambda x: x * x * x)(x) * x)(2.0), 9 * 4)
    close(grad(lambda x, y: grad(lambda z: z * y)(x) * x * y, argnums=1)(2.0, 3.0), 12)
    both = grad(lambda x, y: grad(lambda z: z**2 * y)(x) * y, (0, 1))(2.0, 3.0)
    close(np.array(both), [2 * 9, 4 * 2 * 3])
    close(grad(grad(lambda x: x * grad(lambda y: x * y * x)(2.0)))(1.0), 6)
    close(grad(lambda x: x * grad(lambda y: y * y)(2.0))(1.0), 4)
    close(grad(grad(lambda x, y: np.sin(x * y), 0), 1)(0.5, 2.0), np.cos(1) - np.sin(1))


def test_closing_over_the_argument_of_an_outer_transform() -> None:
    close(grad(lambda x: jacobian(lambda y: x * y**2)(np.ones(2)).sum())(3.0), 4)
    close(grad(lambda x: hessian(lambda y: x * (y**2).sum())(np.ones(2)).sum())(3.0), 4)
    close(grad(lambda x: vjp(lambda y: np.sin(y * x), X)[1](np.ones(3))[0].sum())(0.7), pulled())
    close(grad(lambda x: vjp(lambda y: y**2, X)[1](np.ones(3) * x)[0].sum())(0.7), 2 * X.sum())
    close(grad(lambda x: value_and_grad(lambda y: x * y * y)(3.0)[0])(2.0), 9)
    close(grad(lambda x: grad(lambda y, k: k * y**2)(3.0, k=x))(2.0), 6)


def pulled() -> Any:
    return (np.cos(0.7 * X) - 0.7 * X * np.sin(0.7 * X)).sum()


def test_closing_over_a_tensor_keeps_its_gradient() -> None:
    w = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    slope = grad(lambda x: (w * x**2).sum())(X)
    assert isinstance(slope, Tensor)
    (slope**2).sum().backward()  # (2 w x)**2
    close(w.grad, 8 * w.data * X**2)
    with no_grad():
        close(grad(lambda x: (w * x**2).sum())(X), 2 * w.data * X)
        close(jacobian(lambda x: w * x)(X), np.diag(w.data))
        close(vjp(lambda x: w * x, X)[1](np.ones(3))[0], w.data)
    close(grad(lambda x: (w.detach() * x**2).sum())(X), 2 * w.data * X)
    gradients = jacobian(lambda x: w * x)(X)
    gradients.sum().backward()
    close(w.grad, 8 * w.data * X**2 + 1)


def test_no_grad_around_and_inside() -> None:
    with no_grad():
        close(grad(lambda x: x**3)(2.0), 12)
        close(grad(grad(lambda x: x**3))(2.0), 12)
        close(hessian(lambda x: (x**3).sum())(X), np.diag(6 * X))
        w = Tensor(2.0, requires_grad=True)
        close(grad(lambda x: x**3)(w), 12)

    def half_constant(x: Any) -> Any:
        with no_grad():
            constant = x * x
        return x * constant

    close(grad(half_constant)(3.0), 9)


def test_a_tensor_as_the_argument_gives_a_graph() -> None:
    x = Tensor(2.0, requires_grad=True)
    slope = grad(lambda x: x**3)(x)
    slope.backward()
    close(x.grad, 12)
    y = x * 3
    grad(lambda y: y**2)(y).backward()
    close(x.grad, 12 + 6)


# --- errors ---------------------------------------------------------------------------------------


def named(x: Any) -> Any:
    return x


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: grad(lambda x: float(x))(1.0), TypeError, r"float\(t\) would lose the gradient"),
        (lambda: grad(lambda x: x.item())(1.0), TypeError, "return a Tensor, .* returned float"),
        (lambda: grad(lambda x: None)(1.0), TypeError, "return a Tensor, but it returned NoneType"),
        (lambda: jacobian(lambda x: (x, x))(X), TypeError, "return a Tensor, .* returned tuple"),
        (lambda: vjp(lambda x: 3.0, X), TypeError, "vjp needs .* return a Tensor"),
        (lambda: grad(named)(X), ValueError, r"named to return one number, .*\(3,\).*jacobian"),
        (lambda: hessian(named)(X), ValueError, r"return one number"),
        (lambda: grad(named, 1)(X), IndexError, "argnums=1, .* 1 arguments .* from 0 to 0"),
        (lambda: grad(named)(), IndexError, "argnums=0, .* 0 arguments by position"),
        (lambda: grad(named, 1.5)(X), TypeError, "argnums= is an integer or several"),
        (lambda: grad(named, ())(X), ValueError, "names no argument"),
        (lambda: grad(named)("1"), TypeError, "argument 0 of named got data of dtype <U1"),
        (lambda: grad(named)({"W": X}), TypeError, "return a Tensor, but it returned dict"),
        (lambda: grad(lambda p: p["W"])({"W": "1"}), TypeError, "argument 0 .* of dtype <U1"),
        (lambda: grad(named)(X * 1j), TypeError, "argument 0 of named .* not supported"),
        (lambda: vjp(named, X)[1](np.ones(2)), ValueError, r"the gradient has shape \(2,\)"),
        (lambda: vjp(named, X)[1](np.ones(3) * 1j), TypeError, "the gradient has dtype complex"),
    ],
)
def test_errors(call: Callable[[], Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        call()


def test_an_exception_inside_leaves_everything_usable() -> None:
    x = Tensor(2.0, requires_grad=True)
    y = x * x

    def fails(v: Any) -> Any:
        v * y
        raise KeyError("W3")

    for transform in (grad, jacobian, hessian, value_and_grad):
        with pytest.raises(KeyError, match="W3"):
            transform(fails)(1.0)
    broken = tg.recording.Rule("broken", lambda x: x * 1, [lambda g, out, x: g[7, 7]])
    with pytest.raises(IndexError):
        grad(lambda v: tg.recording.record(broken, (v * y,)))(1.0)
    close(grad(lambda v: v * v)(3.0), 6)
    y.backward()
    close(x.grad, 4)


def test_threads_do_not_disturb_each_other() -> None:
    start = threading.Barrier(4)

    def work(k: int) -> Any:
        start.wait()
        return [grad(grad(lambda x: x ** (k + 2)))(1.5) for _ in range(50)]

    with ThreadPoolExecutor(4) as pool, no_grad():
        for k, found in enumerate(pool.map(work, range(4))):
            close(np.array(found), (k + 2) * (k + 1) * 1.5**k)


# --- against PyTorch ------------------------------------------------------------------------------


def layers(x: Any, f: Any) -> Any:
    return f.tanh(f.outer(x, x) @ x).sum() * (x * x).mean() + f.exp(-x).prod()


@pytest.mark.skipif(torch is None, reason="PyTorch is not installed")
def test_against_pytorch() -> None:
    x = torch.tensor(X)
    ours, theirs = (lambda x: layers(x, np)), (lambda x: layers(x, torch))
    transforms = torch.func
    for our, their in (
        (grad(ours), transforms.grad(theirs)),
        (hessian(ours), transforms.hessian(theirs)),
        (jacobian(hessian(ours)), transforms.jacrev(transforms.hessian(theirs))),
        (
            jacobian(lambda x: np.cumsum(np.sin(A @ x))),
            transforms.jacrev(lambda x: torch.cumsum(torch.sin(torch.tensor(A) @ x), 0)),
        ),
    ):
        close(our(X), their(x).numpy(), 1e-10)
