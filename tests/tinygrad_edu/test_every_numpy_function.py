"""Every public function of NumPy, whether we thought of it or not, called with Tensors.

Each is called with generated arguments that NumPy accepts for arrays. With a Tensor that requires a
gradient in their place it has to give NumPy's values with the gradient of central differences, or
a constant where the differences are zero too, or an error that names the function and a way out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import Tensor

try:
    from scipy import special
except ImportError:
    special = None

# They set or show the state of NumPy, or read and write files.
NOT_CALLED = {
    *("get_include", "info", "printoptions", "set_printoptions", "setbufsize", "seterr", "test"),
    *("seterrcall", "show_config", "show_runtime", "errstate", "fromfile", "genfromtxt", "load"),
    *("loadtxt", "memmap", "save", "savetxt", "savez", "savez_compressed", "fromregex", "bmat"),
    *("asmatrix", "frompyfunc", "array_repr", "array_str"),  # the last two write into an argument
    *("from_dlpack", "frombuffer", "isfortran"),  # ask for an array's memory
}
# Their values mean nothing, or (the last two, in NumPy 2.4 on one axis) are not what they should be.
UNDEFINED = {"numpy.empty_like", "numpy.arctan2.reduce", "numpy.pow.reduce"}


def public(module: Any) -> dict[str, Callable[..., Any]]:
    """The functions of a module under their names, each once."""
    found: dict[int, tuple[str, Any]] = {}
    for name in sorted(dir(module)):
        f = getattr(module, name)
        if name[0] == "_" or name in NOT_CALLED or not callable(f) or isinstance(f, type):
            continue
        found.setdefault(id(f), (f"{module.__name__}.{name}", f))
    return dict(found.values())


def methods_of(ufuncs: dict[str, Any]) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, f in ufuncs.items():
        if isinstance(f, np.ufunc) and not f.signature and f.nout == 1:
            if f.nin == 2:
                for method in ("reduce", "accumulate", "outer", "reduceat", "at"):
                    yield f"{name}.{method}", getattr(f, method)
            if f.nin == 1:
                yield f"{name}.at", f.at


FUNCTIONS = public(np) | public(np.linalg) | public(np.fft)
FUNCTIONS |= dict(methods_of(FUNCTIONS))
if special is not None:
    FUNCTIONS |= {k: f for k, f in public(special).items() if isinstance(f, np.ufunc)}

rng = np.random.default_rng(5)


def numbers(*shape: int, low: float = 0.15, high: float = 0.85) -> np.ndarray:
    """No two alike and none near another or a rounded one, where a step has a jump."""
    n = int(np.prod(shape))
    steps = (rng.permutation(n) + rng.uniform(0.2, 0.8, n)) / n
    return (low + (high - low) * steps).reshape(shape)


V, W, M, N, S = numbers(3), np.sort(numbers(3)), numbers(2, 3), numbers(3, 2), numbers(3, 3)
M2, S2 = numbers(2, 3), numbers(3, 3) / 2
S = S @ S.T + np.diag([1.0, 2, 3]) + np.triu(numbers(3, 3), 1) / 9
C, BIG, ONE = numbers(2, 2, 3), numbers(3, low=1.2, high=1.8), np.array(0.37)
INTEGERS, PLACES, MASK = np.array([2, 0, 1]), np.array([[0, 1, 1]]), M > 0.5
# Arguments that some function or other takes: arrays are tried as Tensors, one by one and together.
ONES = [(V,), (M,), (S,), (C,), (ONE,), (BIG,), (M - 0.5,)]
PAIRS = [(V, W), (M, M2), (M, V), (S, V), (S, S2), (M, N), (C, N), (BIG, V), (V, ONE), (M, C)]
LISTS = [([V, W],), ([M, M + 1],), ([V, W, M],), ([[V, W], [W, V]],), ([S, N, M],)]
AXES = [(V, 2), (M, 1), (S, 2), (C, (0, 2)), (M, -1, 1), (M, 0, 1), (C, 0, 2), (V, 1, 0.5), (2, V)]
AXES += [(V, 3, 2), (S, V, 0), (V, W, 3), (C, (1, 0, 2)), (M, (2, 3, 3)), (V, ((1, 2),)), (3, M)]
WHERE = [(V, INTEGERS), (INTEGERS, V), (M, PLACES, 1), (M, PLACES), (V, [2, 0], 1)]
WHERE += [(V, INTEGERS, W), (M, INTEGERS, W, 1), (M, 1, W, 1), (M, PLACES, M[:, :1], 1)]
WHERE += [(MASK, M), (MASK, M, M + 1), (M, MASK), (M, MASK, W), ([MASK, ~MASK], [M, M * M])]
CHOICES = [(INTEGERS, [V, W, BIG]), (INTEGERS % 2, [V, W])]
SEVERAL = [(V, W, BIG), (np.sort(V), W, BIG), (M, 0.1, 0.5), (M, W, W + 0.1), (V, W, BIG, BIG + 1)]
SEVERAL += [(2, V, W), (V, 2, W), (V, W, INTEGERS), (V, 1, 2, W), (1, V, 2, W), (V, W, BIG, 0.5)]
SEVERAL += [(S[None], V[None, :, None]), (S, [1, 2], W[:2]), (V, np.linspace(0.21, 1, 4))]
EINSUM = [("ij,j", M, V), ("ij->i", M), (M, [0, 1], V, [1], [0]), ("ij,jk->ik", M, N)]
CALLS = [(np.sum, 1, M), (np.sum, M, (0, 1)), (V, [V < 0.5, V > 0.5], [np.sin, np.cos])]
CANDIDATES: list[tuple[Any, ...]] = [
    *(ONES + PAIRS + LISTS + AXES + WHERE + CHOICES + SEVERAL + EINSUM + CALLS)
]


def arrays_in(x: Any) -> Iterator[np.ndarray]:
    if isinstance(x, list | tuple):
        for part in x:
            yield from arrays_in(part)
    elif isinstance(x, np.ndarray) and x.dtype == np.float64:
        yield x


def replaced(x: Any, values: Iterator[Any]) -> Any:
    """``x`` with the next of ``values`` for each array of floats."""
    if isinstance(x, list | tuple):
        return type(x)([replaced(part, values) for part in x])
    if isinstance(x, np.ndarray) and x.dtype == np.float64:
        return next(values)
    return x


def results(x: Any) -> list[Any]:
    """The arrays and numbers of a result, which may be nested."""
    if isinstance(x, dict | np.nditer | str | bytes) or x is None:
        return []
    if isinstance(x, list | tuple) or (hasattr(x, "__next__") and not hasattr(x, "shape")):
        return [each for part in x for each in results(part)]
    return [x]


def run(f: Callable[..., Any], arguments: Any, values: list[Any]) -> list[Any]:
    """What ``f`` returns, and what it made of its arguments: some functions write into them."""
    copies = [x.copy() for x in values]
    result = f(*replaced(deepcopy(arguments), iter(copies)))
    return results(result) + copies


def total(values: list[Any]) -> Any:
    """The floats among the results as one number, each with a weight of its own."""
    found: Any = 0.0
    for k, x in enumerate(values):
        x = x if hasattr(x, "shape") else np.asarray(x)
        if x.dtype.kind == "f":
            found = found + np.sum(x * np.cos(np.arange(x.size).reshape(x.shape) + k + 1.0))
    return found


def differences(f: Any, arguments: Any, values: list[np.ndarray], i: int) -> np.ndarray:
    out = np.zeros(values[i].shape)
    for index in np.ndindex(out.shape):

        def at(step: float, index: Any = index) -> Any:
            moved = [x.copy() for x in values]
            moved[i][index] += step
            return total(run(f, arguments, moved))

        near, far = at(1e-5) - at(-1e-5), at(2e-5) - at(-2e-5)
        out[index] = (8 * near - far) / 12e-5
    return out


def accepted(f: Callable[..., Any]) -> Iterator[tuple[Any, list[np.ndarray], list[Any]]]:
    """The candidates that ``f`` takes as arrays, with its results."""
    for arguments in CANDIDATES:
        first = arguments[0]
        only = "einsum" if isinstance(first, str) else "apply" if callable(first) else ""
        if only not in f.__name__:
            continue
        values = list(arrays_in(arguments))
        try:
            expected = run(f, arguments, values)
        except Exception:
            continue
        if values and all(plain(x) for x in expected):
            yield arguments, values, expected


def plain(x: Any) -> bool:
    """Whether a result says something about numbers."""
    return isinstance(x, str) or (np.asarray(x).dtype.kind in "fiubc" and finite(x))


def finite(x: Any) -> bool:
    x = np.asarray(x)
    return x.dtype.kind not in "fc" or bool(np.all(np.isfinite(x)))


def clear(error: Exception, name: str) -> bool:
    """Whether an error names the function and says how to go on."""
    said = str(error)
    if "cannot be interpreted as an integer" in said:
        return True
    named = any(part in said for part in [*name.split("."), FUNCTIONS[name].__name__])
    lost = "lose the gradient" in said or "gradient would be lost" in said
    ways = ("detach()", "write ", "leave ", "give ", "use ", "np.stack")
    return (named or lost) and any(way in said for way in ways)


def verdict(name: str, f: Any, arguments: Any, values: list[Any], which: Any) -> str:
    """Empty where ``f`` does right by Tensors in the places ``which``, else what is wrong."""
    expected = run(f, arguments, values)
    tensors = [Tensor(x, requires_grad=True) if i in which else x for i, x in enumerate(values)]
    try:
        found = run(f, arguments, tensors)
    except Exception as error:
        return "" if clear(error, name) else f"{type(error).__name__}: {error}"
    if len(found) != len(expected):
        return f"{len(found)} results, not {len(expected)}"
    for x, y in zip(found, map(np.asarray, expected)):
        value = x.detach().data if isinstance(x, Tensor) else np.asarray(x)
        if value.shape != y.shape or value.dtype != y.dtype:
            return f"{value.dtype} {value.shape}, not {y.dtype} {y.shape}"
        if name not in UNDEFINED and y.dtype.kind in "fiub" and not np.allclose(value, y):
            return f"the value {value}, not {y}"
    if name in UNDEFINED:
        return ""
    loss = total(found)
    if isinstance(loss, Tensor) and loss.requires_grad:
        loss.backward()
    for i in which:
        slope, gradient = differences(f, arguments, values, i), tensors[i].grad
        gradient = np.zeros(slope.shape) if gradient is None else gradient
        rounding = 1e-10 * abs(float(total(expected)))
        if finite(slope) and not np.allclose(gradient, slope, rtol=1e-6, atol=1e-6 + rounding):
            return f"the gradient of argument {i} is {gradient}, not {slope}"
    return ""


def wrongs(name: str, f: Callable[..., Any]) -> Iterator[str]:
    for arguments, values, _ in accepted(f):
        places = range(len(values))
        for which in {frozenset(places), *(frozenset([i]) for i in places)}:
            wrong = verdict(name, f, arguments, values, which)
            if wrong:
                yield f"{name} of {arguments!r}, Tensors at {sorted(which)}: {wrong}"


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore")
def test_no_gradient_is_lost(name: str) -> None:
    assert not list(wrongs(name, FUNCTIONS[name]))


@pytest.mark.filterwarnings("ignore")
def test_most_functions_are_reached_and_have_a_gradient() -> None:
    reached, answered = set(), set()
    for name, f in FUNCTIONS.items():
        for arguments, values, _ in accepted(f):
            reached.add(name)
            try:
                found = run(f, arguments, [Tensor(x, requires_grad=True) for x in values])
            except Exception:
                continue
            if total(found).requires_grad:
                answered.add(name)
                break
    numpys = [name for name in reached if name.startswith("numpy")]
    assert len(numpys) >= 515
    assert len(answered & set(numpys)) >= 380


def test_mistakes_would_be_seen() -> None:
    def lost(x: Any) -> Any:
        return np.sin(x.detach().data if isinstance(x, Tensor) else x)

    def wrong(x: Any) -> Any:
        return np.sin(x) + (x.detach() if isinstance(x, Tensor) else x)

    def rude(x: Any) -> Any:
        return np.sin(x) + 0 * x.flags.c_contiguous

    for mistake, says in ((lost, "gradient"), (wrong, "gradient"), (rude, "AttributeError")):
        found = list(wrongs("numpy.sin", mistake))
        assert len(found) >= 3
        assert all(says in wrong for wrong in found)
