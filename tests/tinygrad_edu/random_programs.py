"""Random programs: what hypothesis draws, run with Tensors and with PyTorch alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import Tensor

SHAPES = [(2, 3), (3,), (1, 3), (2, 1), (), (3, 2), (2, 2, 3)]

# each step is a few small numbers, which choose the operation, its operands and its options
STEP = st.tuples(*[st.integers(0, 999)] * 4)
PROGRAM = st.tuples(
    st.lists(st.integers(0, len(SHAPES) - 1), min_size=1, max_size=4),
    st.integers(0, 2**31 - 1),
    st.integers(2, 30).flatmap(lambda n: st.lists(STEP, min_size=n, max_size=n)),
)


class RejectedError(Exception):
    """The program has no gradient that two libraries could agree on to the last digits."""


def broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        return len(np.broadcast_shapes(a, b)) < 5
    except ValueError:
        return False


def axis_of(option: int, ndim: int) -> int:
    return option % (2 * ndim) - ndim


class Ours:
    """The operations with Tensors."""

    sin, tanh, exp, sqrt, log1p, absolute = map(
        staticmethod, (np.sin, np.tanh, np.exp, np.sqrt, np.log1p, np.abs)
    )
    relu, sigmoid, softmax = map(staticmethod, (tg.relu, tg.sigmoid, tg.softmax))
    maximum, minimum, where, cumsum = map(
        staticmethod, (np.maximum, np.minimum, np.where, np.cumsum)
    )
    stack, concatenate, matmul = map(staticmethod, (np.stack, np.concatenate, np.matmul))

    @staticmethod
    def sum(x: Any, axis: Any, keepdims: bool) -> Any:
        return np.sum(x, axis=axis, keepdims=keepdims)

    @staticmethod
    def mean(x: Any, axis: Any, keepdims: bool) -> Any:
        return x.mean(axis=axis, keepdims=keepdims)

    @staticmethod
    def amax(x: Any, axis: int) -> Any:
        return x.max(axis=axis)

    @staticmethod
    def swap(x: Any) -> Any:
        return np.swapaxes(x, -1, -2)

    @staticmethod
    def reshape(x: Any, shape: tuple[int, ...]) -> Any:
        return x.reshape(shape)

    @staticmethod
    def copy(x: Any) -> Any:
        return x.copy()

    @staticmethod
    def constant(x: Any) -> Any:
        return x


class Theirs:
    """The same with PyTorch."""

    def __init__(self) -> None:
        import torch

        self.torch = torch
        self.sin, self.tanh, self.exp, self.sqrt = torch.sin, torch.tanh, torch.exp, torch.sqrt
        self.log1p, self.absolute, self.relu = torch.log1p, torch.abs, torch.relu
        self.sigmoid, self.maximum, self.minimum = torch.sigmoid, torch.maximum, torch.minimum
        self.where, self.stack, self.matmul = torch.where, torch.stack, torch.matmul
        self.concatenate = torch.cat

    def softmax(self, x: Any, axis: int) -> Any:
        return self.torch.softmax(x, axis)

    def cumsum(self, x: Any, axis: int) -> Any:
        return self.torch.cumsum(x, axis)

    def sum(self, x: Any, axis: Any, keepdims: bool) -> Any:
        return x.sum() if axis is None else x.sum(dim=axis, keepdim=keepdims)

    def mean(self, x: Any, axis: Any, keepdims: bool) -> Any:
        return x.mean() if axis is None else x.mean(dim=axis, keepdim=keepdims)

    def amax(self, x: Any, axis: int) -> Any:
        return x.amax(dim=axis)

    def swap(self, x: Any) -> Any:
        return x.swapaxes(-1, -2)

    def reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        return x.reshape(shape)

    def copy(self, x: Any) -> Any:
        return x.clone()

    def constant(self, x: Any) -> Any:
        return self.torch.from_numpy(np.asarray(x))


def written(lib: Any, x: Any, value: Any, option: int) -> Any:
    """A copy of x with a part overwritten, in place."""
    out = lib.copy(x)
    if option % 3 == 0:
        out[out < 0] = 0.5
    elif option % 3 == 1:
        out[..., 0] = lib.sum(value, None, False)
    else:
        out[..., -1] += lib.mean(value, None, False)
    return out


def masked(lib: Any, option: int, x: Any) -> Any:
    mask = np.arange(math.prod(x.shape)).reshape(tuple(x.shape)) % (2 + option % 3) == 0
    return lib.where(lib.constant(mask), x, lib.sin(x))


# operation: (how many operands, whether their shapes do, what it does with an option)
Needs = Callable[..., bool]
OPERATIONS: dict[str, tuple[int, Needs, Callable[..., Any]]] = {
    "sin": (1, lambda s: True, lambda lib, o, x: lib.sin(x)),
    "tanh": (1, lambda s: True, lambda lib, o, x: lib.tanh(x)),
    "exp": (1, lambda s: True, lambda lib, o, x: lib.exp(-x * x)),
    "sqrt": (1, lambda s: True, lambda lib, o, x: lib.sqrt(1 + x * x)),
    "log1p": (1, lambda s: True, lambda lib, o, x: lib.log1p(x**2)),
    "abs": (1, lambda s: True, lambda lib, o, x: lib.absolute(x)),
    "relu": (1, lambda s: True, lambda lib, o, x: lib.relu(x)),
    "sigmoid": (1, lambda s: True, lambda lib, o, x: lib.sigmoid(x)),
    "negative": (1, lambda s: True, lambda lib, o, x: -x),
    "cube": (1, lambda s: True, lambda lib, o, x: x**3),
    "scale": (1, lambda s: True, lambda lib, o, x: (o % 7 - 3.5) * x + 0.25),
    "softmax": (1, len, lambda lib, o, x: lib.softmax(x, axis_of(o, x.ndim))),
    "cumsum": (1, len, lambda lib, o, x: lib.cumsum(x, axis_of(o, x.ndim))),
    "sum": (1, len, lambda lib, o, x: lib.sum(x, axis_of(o, x.ndim), o % 2 == 0)),
    "mean": (1, len, lambda lib, o, x: lib.mean(x, axis_of(o, x.ndim), o % 2 == 0)),
    "total": (1, lambda s: True, lambda lib, o, x: lib.sum(x, None, False)),
    "amax": (1, len, lambda lib, o, x: lib.amax(x, axis_of(o, x.ndim))),
    "swap": (1, lambda s: len(s) > 1, lambda lib, o, x: lib.swap(x)),
    "ravel": (1, lambda s: True, lambda lib, o, x: lib.reshape(x, (-1,))),
    "slice": (1, len, lambda lib, o, x: x[..., o % 2 :] if x.shape[-1] > 1 else x[..., :1]),
    "element": (1, len, lambda lib, o, x: x[o % x.shape[0]]),
    "gather": (1, len, lambda lib, o, x: x[[0, o % x.shape[0], 0]]),
    "none": (1, lambda s: len(s) < 3, lambda lib, o, x: x[None]),
    "masked": (1, lambda s: True, masked),
    "add": (2, broadcast, lambda lib, o, x, y: x + y),
    "subtract": (2, broadcast, lambda lib, o, x, y: x - y),
    "multiply": (2, broadcast, lambda lib, o, x, y: x * y),
    "divide": (2, broadcast, lambda lib, o, x, y: x / (1.5 + lib.sin(y))),
    "maximum": (2, broadcast, lambda lib, o, x, y: lib.maximum(x, y)),
    "minimum": (2, broadcast, lambda lib, o, x, y: lib.minimum(x, y)),
    "power": (2, broadcast, lambda lib, o, x, y: (1.5 + lib.sin(x)) ** lib.tanh(y)),
    "matmul": (
        2,
        lambda s, t: len(s) > 1 and len(t) > 1 and s[-1] == t[-1] and broadcast(s[:-2], t[:-2]),
        lambda lib, o, x, y: lib.matmul(x, lib.swap(y)),
    ),
    "stack": (2, lambda s, t: s == t and len(s) < 3, lambda lib, o, x, y: lib.stack([x, y, x])),
    "concatenate": (
        2,
        lambda s, t: len(s) > 0 and s == t,
        lambda lib, o, x, y: lib.concatenate([x, y], axis_of(o, x.ndim)),
    ),
    "written": (
        2,
        lambda s, t: len(s) > 0,
        lambda lib, o, x, y: written(lib, x, y, o),
    ),
}
NAMES = list(OPERATIONS)


def start(program: Any) -> list[np.ndarray]:
    """The arrays that the program starts from."""
    shapes, seed, _ = program
    random = np.random.default_rng(seed)
    return [random.uniform(-2, 2, SHAPES[i]) for i in shapes]


def steps(program: Any, arrays: list[np.ndarray]) -> list[tuple[str, list[int], int]]:
    """What the numbers choose: (operation, operands, option), as far as the shapes allow.

    The values are computed along the way, to keep them small and away from near ties.
    """
    pool = list(arrays)
    usable = list(range(len(pool)))  # big values are only used through a tanh
    chosen = []

    def append(name: str, places: list[int], option: int) -> None:
        chosen.append((name, places, option))
        pool.append(OPERATIONS[name][2](Ours, option, *[as_tensor(pool[i]) for i in places]).data)

    for number, first, second, option in program[2]:
        name = NAMES[number % len(NAMES)]
        operands, fit, _ = OPERATIONS[name]
        # half of the operands are recent ones, so that programs get deep
        places = [
            usable[-1 - choice % min(len(usable), 4 + choice % 5)] for choice in (first, second)
        ][:operands]
        for other in usable:  # until the shapes fit
            shapes = [pool[i].shape for i in places]
            if fit(*shapes):
                break
            places[-1] = other
        if not fit(*shapes) or any(math.prod(s) > 200 for s in shapes):
            continue
        if near_tie(name, option, [pool[i] for i in places]):
            raise RejectedError
        append(name, places, option)
        if np.max(np.abs(pool[-1])) > 20:
            append("tanh", [len(pool) - 1], 0)
        usable.append(len(pool) - 1)
    if not chosen:
        raise RejectedError
    return chosen


def as_tensor(x: np.ndarray) -> Tensor:
    return Tensor(x)


def near_tie(name: str, option: int, values: list[np.ndarray]) -> bool:
    """Whether rounding decides which branch is taken."""
    if name in ("maximum", "minimum"):
        gap = np.abs(values[0] - values[1])
    elif name == "amax":
        ordered = np.sort(values[0], axis=axis_of(option, values[0].ndim))
        gap = np.abs(np.diff(ordered, axis=axis_of(option, values[0].ndim)))
    elif name in ("relu", "abs", "written"):
        gap = np.abs(values[0])
    else:
        return False
    return bool(np.any((gap < 1e-9) & (gap > 0)))


def run(lib: Any, chosen: list[tuple[str, list[int], int]], inputs: list[Any]) -> Any:
    """The program on Tensors or torch tensors: one number, from the last few results."""
    pool = list(inputs)
    for name, places, option in chosen:
        pool.append(OPERATIONS[name][2](lib, option, *[pool[i] for i in places]))
    total = lib.sum(pool[-1] * 1.0, None, False)  # what it does not use are dead branches
    for x in pool[-3:-1]:
        total = total + lib.sum(lib.tanh(x) * 0.5, None, False)
    return total
