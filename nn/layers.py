"""Layers: parameters that belong together, and the function they compute.

Two conventions live side by side. In the course's, examples are columns: ``Linear`` computes
Z = W A + b for A (n_in, m). In the textbook's, they are rows: ``Affine`` computes X W + b for X
(m, n_in). All other layers work for both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tinygrad_edu as tg
from nn.checks import check_whole_number
from nn.files import check_arrays, load_arrays, save_arrays
from nn.initializers import Initializer, initializer
from tinygrad_edu import Tensor

Array = NDArray[Any]
Random = int | np.random.Generator | None  # a seed, a stream of numbers, or fresh ones every time


class Module:
    """A layer or a network: assign parameters and other modules to attributes, define ``forward``.

    Parameters are Tensors that require a gradient and were not computed; they and modules are also
    found in lists, tuples and dicts. To freeze one, leave it out of what the optimizer gets.

    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = Tensor(2.0, requires_grad=True)
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> model = Sequential(Scale(), ReLU())
    >>> model(np.array([-1.0, 3.0])).data
    array([0., 6.])
    >>> [name for name, _ in model.named_parameters()]
    ['0.factor']
    """

    training = True

    def forward(self, *inputs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} needs a method forward(self, x)")

    def __call__(self, *inputs: Any) -> Any:
        return self.forward(*inputs)

    # --- what it consists of -------------------------------------------------------------------

    def _parts(self) -> Mapping[str, Any]:
        """Where parameters and modules are looked for, by name."""
        return vars(self)

    def _contents(self) -> Iterator[tuple[str, Any]]:
        """(dotted name, value) of every parameter and module inside, each once."""
        return _walk("", self._parts(), {id(self)})

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Each parameter once, with its dotted name."""
        return ((name, value) for name, value in self._contents() if isinstance(value, Tensor))

    def parameters(self) -> list[Tensor]:
        """Each parameter once: what an optimizer takes."""
        return [tensor for _, tensor in self.named_parameters()]

    def modules(self) -> list[Module]:
        """This module and every one inside it."""
        return [self, *(value for _, value in self._contents() if isinstance(value, Module))]

    # --- modes ---------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Module:
        """Turn on what happens only in training, such as dropout; returns the module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Turn off what happens only in training; returns the module."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for tensor in self.parameters():
            tensor.zero_grad()

    # --- saving --------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """Copies of the parameters as arrays, by name."""
        return {name: tensor.data.copy() for name, tensor in self.named_parameters()}

    def load_state_dict(self, arrays: Mapping[str, Any], source: str = "the state") -> None:
        """Take over parameters: all of them, or none and a ValueError that says what differs.

        >>> layer = Linear(2, 1)
        >>> layer.load_state_dict({"W": np.ones((1, 3)), "b": np.zeros((1, 1))})
        Traceback (most recent call last):
            ...
        ValueError: the state: W has shape (1, 3) and dtype float64, but this model needs \
shape (1, 2) and dtype float64
        """
        tensors = dict(self.named_parameters())
        check_arrays(arrays, {name: tensor.data for name, tensor in tensors.items()}, source)
        for name, tensor in tensors.items():
            tensor.data = np.array(arrays[name])

    def save(self, path: str | Path) -> None:
        """Write the parameters to an ``.npz`` file, whole or not at all."""
        save_arrays(path, self.state_dict())

    def load(self, path: str | Path) -> None:
        """Take over parameters that `save` wrote; ValueError for a file of anything else."""
        self.load_state_dict(load_arrays(path), str(path))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _walk(prefix: str, parts: Mapping[str, Any], seen: set[int]) -> Iterator[tuple[str, Any]]:
    for key, value in parts.items():
        name = f"{prefix}{key}"
        if isinstance(value, list | tuple):
            value = {str(i): part for i, part in enumerate(value)}
        if isinstance(value, dict):
            yield from _walk(f"{name}.", value, seen)
        elif id(value) not in seen:
            if isinstance(value, Module):
                seen.add(id(value))
                yield name, value
                yield from _walk(f"{name}.", value._parts(), seen)
            elif isinstance(value, Tensor) and value.requires_grad and value.rule is None:
                seen.add(id(value))
                yield name, value


def _own_tensors(module: Module) -> dict[str, Tensor]:
    return {name: value for name, value in vars(module).items() if isinstance(value, Tensor)}


class Sequential(Module):
    """Layers one after the other; ``model[i]`` is layer i.

    The parameters of the k-th layer that has any are called W1, b1, W2, ... in pictures and
    formulas, where they had no other name.

    >>> model = Sequential(Linear(2, 3, seed=1), Tanh(), Linear(3, 1, seed=2), Sigmoid())
    >>> model
    Sequential(Linear(2, 3), Tanh(), Linear(3, 1), Sigmoid())
    >>> {name: tensor.name for name, tensor in model.named_parameters()}
    {'0.W': 'W1', '0.b': 'b1', '2.W': 'W2', '2.b': 'b2'}
    >>> model(np.zeros((2, 5))).shape
    (1, 5)
    """

    def __init__(self, *layers: Module):
        for i, layer in enumerate(layers):
            if not callable(layer):
                raise TypeError(f"layer {i} of Sequential is {layer!r}: expected a Module")
        self.layers = list(layers)
        self._number_tensors()

    def _number_tensors(self) -> None:
        own = [_own_tensors(module) for module in self.modules()]
        for number, tensors in enumerate(filter(None, own), start=1):
            for name, tensor in tensors.items():
                if tensor.name is None or re.fullmatch(rf"{name}\d+", tensor.name):
                    tensor.name = f"{name}{number}"

    def _parts(self) -> Mapping[str, Any]:
        return {str(i): layer for i, layer in enumerate(self.layers)}

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def __getitem__(self, i: int) -> Module:
        return self.layers[i]

    def __len__(self) -> int:
        return len(self.layers)

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.layers))})"


class Linear(Module):
    """Z = W A + b for columns A (n_in, m); W (n_out, n_in), b (n_out, 1), Z (n_out, m).

    ``init`` says how W starts: a number for ``init * randn``, "xavier", "he", "lecun", "zeros", or a
    function of `nn.initializers`; b starts at zero. ``seed`` is a number, or a NumPy Generator that
    several layers share.

    >>> layer = Linear(3, 2, init=0.01, seed=1)
    >>> layer.W.shape, layer.b.shape, layer(np.ones((3, 4))).shape
    ((2, 3), (2, 1), (2, 4))
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        init: float | str | Initializer = "he",
        seed: Random = None,
    ):
        self.n_in = check_whole_number("n_in", n_in, minimum=1)
        self.n_out = check_whole_number("n_out", n_out, minimum=1)
        W = initializer(init)(self.n_in, self.n_out, np.random.default_rng(seed))
        self._start(W)

    def _start(self, W: Array) -> None:
        self.W = Tensor(W, requires_grad=True)
        self.b = Tensor(np.zeros((self.n_out, 1)), requires_grad=True)

    def forward(self, A: Any) -> Tensor:
        return self.W @ A + self.b

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.n_in}, {self.n_out})"


class Affine(Linear):
    """X W + b for rows X (m, n_in), the textbook's form; W (n_in, n_out), b (1, n_out).

    ``init`` and ``seed`` as for `Linear`.

    >>> layer = Affine(3, 2, seed=1)
    >>> layer.W.shape, layer.b.shape, layer(np.ones((4, 3))).shape
    ((3, 2), (1, 2), (4, 2))
    """

    def _start(self, W: Array) -> None:
        self.W = Tensor(W.T.copy(), requires_grad=True)
        self.b = Tensor(np.zeros((1, self.n_out)), requires_grad=True)

    def forward(self, X: Any) -> Tensor:
        return X @ self.W + self.b


class ReLU(Module):
    """max(0, x), of x's shape; the slope at 0 is 0.

    >>> ReLU()(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    def forward(self, x: Any) -> Any:
        return tg.relu(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x)), of x's shape.

    >>> Sigmoid()(np.array([0.0]))
    array([0.5])
    """

    def forward(self, x: Any) -> Any:
        return tg.sigmoid(x)


class Tanh(Module):
    """tanh(x), of x's shape.

    >>> Tanh()(np.array([0.0]))
    array([0.])
    """

    def forward(self, x: Any) -> Any:
        return np.tanh(x)


class Softmax(Module):
    """exp(x) / sum(exp(x)) along ``axis``: 0 where examples are columns, 1 where they are rows.

    >>> Softmax(axis=0)(np.array([[0.0], [0.0]]))
    array([[0.5],
           [0.5]])
    """

    def __init__(self, axis: int):
        self.axis = axis

    def forward(self, x: Any) -> Any:
        return tg.softmax(x, self.axis)

    def __repr__(self) -> str:
        return f"Softmax(axis={self.axis})"


class Dropout(Module):
    """In training each number is 0 with probability ``p``, else divided by 1 - p; x otherwise.

    >>> layer = Dropout(0.5, seed=0)
    >>> layer(np.ones(5)), layer.eval()(np.ones(5))
    (array([2., 0., 0., 0., 2.]), array([1., 1., 1., 1., 1.]))
    """

    def __init__(self, p: float = 0.5, *, seed: Random = None):
        if not 0 <= p < 1:
            raise ValueError(f"p is {p!r}: expected a probability, 0 or greater and less than 1")
        self.p = p
        self.random = np.random.default_rng(seed)

    def forward(self, x: Any) -> Any:
        return tg.dropout(x, self.p, self.random) if self.training and self.p else x

    def __repr__(self) -> str:
        return f"Dropout({self.p})"
