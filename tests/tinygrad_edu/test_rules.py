"""Every entry of the table against derivatives found without it. A new entry is tested as it is.

The oracles share no code with the rules: the complex step where the forward function is a NumPy
function that takes complex numbers, else central differences, extrapolated; and PyTorch.
"""

from __future__ import annotations

import itertools
import zlib
from math import inf, isinf
from typing import Any

import numpy as np
import pytest

import tinygrad_edu
from tinygrad_edu import Tensor
from tinygrad_edu.recording import TABLE, Rule, record
from tinygrad_edu.rules.support import Place
from tinygrad_edu.transforms import gradients

try:
    import torch
except ImportError:
    torch = None

SHAPES: dict[int, list[tuple[tuple[int, ...], ...]]] = {
    1: [((),), ((3,),), ((2, 3),), ((0, 3),)],
    2: [
        ((), ()),
        ((2, 3), (3,)),
        ((2, 1), (1, 3)),
        ((3,), (2, 3)),
        ((2, 2), ()),
        ((0, 3), (3,)),
    ],
    3: [((2, 3), (2, 3), (2, 3)), ((3,), (), (2, 1)), ((0, 3), (3,), ())],
}
OWN = {name: entry for name, entry in TABLE.items() if any(entry.vjps)}


def examples_of(entry: Rule) -> list[tuple[Any, ...]]:
    """The rule's own examples, or arrays of several shapes where all inputs are arrays."""
    if entry.examples:
        return list(entry.examples)
    if entry.takes == len(entry.vjps):
        return [
            tuple(
                Place(shape, "any" if vjp else "mask", None) for shape, vjp in zip(each, entry.vjps)
            )
            for each in SHAPES[entry.takes]
        ]
    return []


CASES = [
    pytest.param(entry, example, id=f"{name}-{i}")
    for name, entry in OWN.items()
    for i, example in enumerate(examples_of(entry))
]


def sample(entry: Rule, example: tuple[Any, ...], dtype: Any = np.float64) -> list[Any]:
    rng = np.random.default_rng(zlib.crc32(f"{entry.name} {example!r}".encode()))
    return [fill(rng, x, entry, dtype) if isinstance(x, Place) else x for x in example]


def fill(rng: np.random.Generator, place: Place, entry: Rule, dtype: Any) -> Any:
    if place.kind == "mask":
        return rng.random(place.shape) < 0.5
    lo, hi = place.domain or entry.domain
    if isinf(lo) and isinf(hi):
        x = rng.uniform(0.2, 2, place.shape) * rng.choice([-1.0, 1.0], place.shape)
    elif isinf(hi):
        x = lo + rng.uniform(0.2, 2, place.shape)
    else:
        x = lo + (hi - lo) * rng.uniform(0.1, 0.9, place.shape)
    for kink in entry.kinks:
        x = np.where(abs(x - kink) < 0.1, x + 0.3, x)
    if place.kind == "zeros":
        x[1::2] = 0
    if place.kind == "positive definite":
        x = x @ x.mT + np.eye(place.shape[-1])
    return np.asarray(x, dtype)


def places_of(entry: Rule) -> list[int]:
    return [i for i, vjp in enumerate(entry.vjps) if vjp is not None]


def numerical(f: Any, x: np.ndarray, complex_step: bool) -> np.ndarray:
    """The gradient of the number f(x), entry by entry."""
    out = np.zeros(x.shape)
    for index in np.ndindex(x.shape):

        def at(step: complex, index: Any = index) -> Any:
            moved = x.astype(complex) if complex_step else x.copy()
            moved[index] += step
            return f(moved)

        if complex_step:
            out[index] = at(1e-30j).imag / 1e-30
        else:  # central differences with steps h and 2 h: the error is of order h**4
            near, far = at(1e-3) - at(-1e-3), at(2e-3) - at(-2e-3)
            out[index] = (8 * near - far) / 12e-3
    return out


def takes_complex(entry: Rule) -> bool:
    ufunc = entry.forward
    kind = "D" * entry.takes if entry.takes else ""
    return isinstance(ufunc, np.ufunc) and f"{kind}->D" in ufunc.types


def analytical(entry: Rule, values: list[Any], g: np.ndarray) -> dict[int, np.ndarray]:
    tensors = list(values)
    for i in places_of(entry):
        tensors[i] = Tensor(values[i], requires_grad=True)
    record(entry, tensors).backward(g)
    return {i: tensors[i].grad for i in places_of(entry)}


def seed(entry: Rule, values: list[Any]) -> np.ndarray:
    shape = np.shape(entry.forward(*values))
    return np.random.default_rng(7).uniform(0.5, 1.5, shape)


def assert_close(found: Any, expected: Any, tolerance: float, what: str) -> None:
    scale = max(1.0, float(np.max(np.abs(expected), initial=0)))
    error = float(np.max(np.abs(np.asarray(found, float) - expected), initial=0))
    assert error <= tolerance * scale, f"{what}: {found}\nexpected {expected}"


def test_every_entry_with_a_gradient_can_be_sampled() -> None:
    without = [name for name, entry in OWN.items() if not examples_of(entry)]
    assert not without, f"these rules need examples=[...]: {without}"
    assert len(OWN) > 90


def test_every_example_reaches_every_input() -> None:
    for entry in OWN.values():
        for example in examples_of(entry):
            for i in places_of(entry):
                assert isinstance(example[i], Place), (entry, example)


@pytest.mark.parametrize(("entry", "example"), CASES)
def test_first_derivative(entry: Rule, example: tuple[Any, ...]) -> None:
    values = sample(entry, example)
    g = seed(entry, values)
    found = analytical(entry, values, g)
    exact = takes_complex(entry)
    for i, gradient in found.items():

        def f(x: Any, i: int = i) -> Any:
            return np.sum(g * entry.forward(*values[:i], x, *values[i + 1 :]))

        expected = numerical(f, values[i], exact)
        assert gradient.shape == values[i].shape
        assert gradient.dtype == values[i].dtype
        assert_close(gradient, expected, 1e-13 if exact else 2e-8, f"input {i} of {entry.name}")


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float16, 6e-2), (np.float32, 2e-4), (np.longdouble, 1e-10)]
)
@pytest.mark.parametrize(("entry", "example"), CASES)
def test_first_derivative_in_other_dtypes(
    entry: Rule, example: tuple[Any, ...], dtype: Any, tolerance: float
) -> None:
    values = sample(entry, example)
    g = seed(entry, values)
    expected = analytical(entry, values, g)
    converted = sample(entry, example, dtype)
    try:
        out = np.asarray(entry.forward(*converted))
    except TypeError as error:
        assert dtype != np.float32
        assert "unsupported in linalg" in str(error)
        return
    found = analytical(entry, converted, g.astype(out.dtype))
    for i, gradient in found.items():
        assert gradient.dtype == dtype
        assert_close(gradient, expected[i], tolerance, f"input {i} of {entry.name}")


@pytest.mark.parametrize(("entry", "example"), CASES)
def test_second_derivative(entry: Rule, example: tuple[Any, ...]) -> None:
    """The rules read with Tensors: the derivative of the gradient, by the inputs and by g."""
    values, places = sample(entry, example), places_of(entry)
    g = seed(entry, values)
    weights = {i: np.random.default_rng(i).uniform(0.5, 1.5, values[i].shape) for i in places}

    def first(g: np.ndarray, *changed: np.ndarray) -> float:
        moved = list(values)
        for i, x in zip(places, changed):
            moved[i] = x
        found = analytical(entry, moved, g)
        return float(sum(np.sum(weights[i] * found[i]) for i in places))

    tensors = list(values)
    for i in places:
        tensors[i] = Tensor(values[i], requires_grad=True)
    given = Tensor(g, requires_grad=True)
    found = gradients(record(entry, tensors), [tensors[i] for i in places], given, graph=True)
    total = given.sum() * 0
    for i, gradient in zip(places, found):
        total = total + (weights[i] * gradient).sum()
    assert_close(total.item(), first(g, *[values[i] for i in places]), 1e-12, "the first")
    inputs = [given, *[tensors[i] for i in places]]
    total.backward()
    arrays = [g, *[values[i] for i in places]]
    for k, tensor in enumerate(inputs):

        def f(x: Any, k: int = k) -> Any:
            return first(*arrays[:k], x, *arrays[k + 1 :])

        expected = numerical(f, arrays[k], False)
        actual = np.zeros(arrays[k].shape) if tensor.grad is None else tensor.grad
        assert_close(actual, expected, 1e-7, f"second derivative by {k} of {entry.name}")


# --- PyTorch --------------------------------------------------------------------------------------


def torch_functions() -> dict[str, Any]:
    """PyTorch's function for a rule whose name or arguments differ."""
    f = torch.nn.functional

    def reduced(function: Any) -> Any:
        def apply(x: Any, axis: Any, keepdims: bool) -> Any:
            if axis is None:
                axis = tuple(range(x.ndim))
            return function(x, axis, keepdim=keepdims) if x.ndim else function(x, (), keepdim=False)

        return apply

    def flattened(function: Any) -> Any:
        def apply(x: Any, axis: Any) -> Any:
            if axis is None or isinstance(axis, tuple):
                return function(x.reshape(-1), dim=0).reshape(x.shape)
            return function(x, dim=axis)

        return apply

    def index(x: Any, *parts: Any) -> Any:
        flipped = [k for k, part in enumerate(parts) if isinstance(part, slice) and part.step == -2]
        x = torch.flip(x, flipped)
        parts = tuple(slice(None, None, 2) if k in flipped else p for k, p in enumerate(parts))
        parts = tuple(torch.as_tensor(p) if isinstance(p, np.ndarray) else p for p in parts)
        return x[parts]

    def scattered(g: Any, shape: Any, *parts: Any) -> Any:
        x = torch.zeros(shape, dtype=g.dtype, requires_grad=True)
        return torch.autograd.grad(index(x, *parts), x, g, create_graph=True)[0]

    def written(x: Any, value: Any, *parts: Any) -> Any:
        x = x.clone()
        x[tuple(torch.as_tensor(p) if isinstance(p, np.ndarray) else p for p in parts)] = value
        return x

    def lower(a: Any) -> Any:
        return torch.tril(a) + torch.tril(a, -1).mT

    return {
        "T": lambda x: x.permute(tuple(range(x.ndim)[::-1])),
        "broadcast_to": torch.broadcast_to,
        "clip": lambda x, low, high: torch.minimum(torch.maximum(x, low), high),
        "cholesky": lambda a: torch.linalg.cholesky(lower(a)),
        "astype": lambda x, dtype: x.double(),
        "concatenate": lambda a, b, axis: torch.concatenate([a, b], dim=axis),
        "copysign": lambda a, b: torch.copysign(a, b.double()),
        "copy": torch.clone,
        "dot": torch.dot,
        "expand_dims": lambda x, axis: x.reshape(np.expand_dims(np.zeros(x.shape), axis).shape),
        "matmul": torch.matmul,
        "cbrt": lambda x: x ** (1 / 3),
        "cumprod": torch.cumprod,
        "cumsum": torch.cumsum,
        "det": torch.linalg.det,
        "einsum": lambda a, b, labels: torch.einsum(labels, a, b),
        "getitem": index,
        "heaviside": lambda x, middle: torch.where(x == 0, middle, (x > 0).double()),
        "inv": torch.linalg.inv,
        "log_sigmoid": f.logsigmoid,
        "log_softmax": flattened(torch.log_softmax),
        "logabsdet": torch.logdet,
        "logsumexp": reduced(torch.logsumexp),
        "matvec": torch.matmul,
        "max": reduced(torch.amax),
        "mean": reduced(torch.mean),
        "min": reduced(torch.amin),
        "norm": reduced(lambda x, axis, keepdim: torch.linalg.vector_norm(x, 2, axis, keepdim)),
        "pinv": lambda a, rcond: torch.linalg.pinv(a),
        "power": torch.pow,
        "prod": lambda x, axis, keepdims: torch.prod(x, axis, keepdim=keepdims),
        "reshape": torch.reshape,
        "scatter": scattered,
        "setitem": written,
        "softmax": flattened(torch.softmax),
        "softplus": lambda x: f.softplus(x, threshold=1000),
        "solve": torch.linalg.solve,
        "squeeze": lambda x, axis: torch.squeeze(x) if axis is None else torch.squeeze(x, axis),
        "sum": reduced(torch.sum),
        "transpose": torch.permute,
        "tril": torch.tril,
        "triu": torch.triu,
        "vecmat": torch.matmul,
    }


@pytest.mark.skipif(torch is None, reason="PyTorch is not installed")
@pytest.mark.parametrize(("entry", "example"), CASES)
def test_against_pytorch(entry: Rule, example: tuple[Any, ...]) -> None:
    alike = None if entry.examples else getattr(torch, entry.name, None)
    function = torch_functions().get(entry.name, alike)
    if function is None:
        pytest.skip(f"PyTorch has no function that is called {entry.name}")
    values = sample(entry, example)
    g = seed(entry, values)
    tensors = list(values)
    for i, vjp in enumerate(entry.vjps):
        tensors[i] = torch.tensor(values[i], requires_grad=vjp is not None)
    out = function(*tensors)
    assert_close(entry.forward(*values), out.detach().numpy(), 1e-12, f"{entry.name} itself")
    out.backward(torch.as_tensor(g))
    for i, gradient in analytical(entry, values, g).items():
        assert_close(gradient, tensors[i].grad.numpy(), 1e-10, f"input {i} of {entry.name}")


# Where PyTorch decides otherwise: by what is fixed in our conventions, or nan where we have a number.
OTHERWISE = {
    "fmax": lambda a, b: a == b,  # half each
    "fmin": lambda a, b: a == b,
    "nextafter": lambda a, b: a == b,
    "copysign": lambda a, b: np.isinf(a),
    "logit": lambda x: x == 0,  # of -0.0 it is inf there
}


@pytest.mark.skipif(torch is None, reason="PyTorch is not installed")
@pytest.mark.parametrize(
    "name", [name for name, entry in OWN.items() if entry.elementwise and entry.takes in (1, 2)]
)
def test_at_special_points_against_pytorch(name: str) -> None:
    entry = OWN[name]
    function = torch_functions().get(name, getattr(torch, name, getattr(torch.special, name, None)))
    if function is None or name in ("cbrt", "ldexp"):
        pytest.skip(f"PyTorch has no function for {name}")
    points = [-inf, -800.0, -30.0, -2.0, -1.0, -0.5, -0.0, 0.0, 1e-17, 0.5, 1.0, 3.0, 800.0, inf]
    compared = 0
    for values in itertools.product(points, repeat=entry.takes or 1):
        tensors = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in values]
        out = function(*tensors)
        if out.isnan():
            continue
        out.backward()
        expected = [0.0 if x.grad is None else x.grad.item() for x in tensors]
        if np.isnan(expected).any() or (name in OTHERWISE and OTHERWISE[name](*values)):
            continue
        where, arrays = f"{name}{values}", [np.array(x) for x in values]
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(
                entry.forward(*arrays), out.item(), 1e-12, 1e-15, err_msg=where
            )
            found = analytical(entry, arrays, np.ones(()))
        for i, gradient in found.items():
            np.testing.assert_allclose(gradient, expected[i], 1e-12, 1e-300, err_msg=where)
        compared += 1
    assert compared >= 3


# --- the tests are tested -------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_planted_error_of_one_in_a_thousand_is_caught(name: str) -> None:
    entry = OWN[name]
    for i in places_of(entry):
        vjps = list(entry.vjps)
        vjps[i] = lambda *args, true=vjps[i]: true(*args) * 1.001
        wrong = Rule(
            name,
            entry.forward,
            vjps,
            domain=entry.domain,
            kinks=entry.kinks,
            examples=examples_of(entry),
        )
        wrong.takes = entry.takes
        with pytest.raises(AssertionError, match=f"input {i} of"):
            for example in examples_of(entry):
                test_first_derivative(wrong, example)


def test_a_new_entry_needs_no_new_test() -> None:
    assert "cube of a test" not in TABLE
    cube = tinygrad_edu.rule("cube of a test", lambda x: x**3, lambda g, out, x: g * 3 * x**2)
    entry = TABLE.pop("cube of a test")
    assert cube.rule is entry
    assert len(examples_of(entry)) == len(SHAPES[1])
    for example in examples_of(entry):
        test_first_derivative(entry, example)
        test_second_derivative(entry, example)


def test_domains_and_kinks_make_sense() -> None:
    for entry in TABLE.values():
        lo, hi = entry.domain
        assert -inf <= lo < hi <= inf
        assert all(lo <= kink <= hi for kink in entry.kinks)
