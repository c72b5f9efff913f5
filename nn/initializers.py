"""How weights start: random, of a size that keeps signals alive from layer to layer.

Each function takes ``(n_in, n_out, random)`` and returns a matrix (n_out, n_in), the column
convention's W. ``random`` is a ``numpy.random.Generator``: the same seed, the same weights.

>>> xavier_uniform(2, 3, np.random.default_rng(0)).shape
(3, 2)
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Initializer = Callable[[int, int, np.random.Generator], Array]


def zeros(n_in: int, n_out: int, random: np.random.Generator) -> Array:
    """All zero, (n_out, n_in): then all units of a hidden layer stay alike, which is the lesson."""
    return np.zeros((n_out, n_in))


def normal(std: float = 0.01) -> Initializer:
    """``std * randn``, (n_out, n_in): the small weights of the course's first networks.

    >>> bool(np.abs(normal(0.01)(100, 50, np.random.default_rng(0))).max() < 0.05)
    True
    """
    return lambda n_in, n_out, random: std * random.standard_normal((n_out, n_in))


def lecun_normal(n_in: int, n_out: int, random: np.random.Generator) -> Array:
    """``randn / sqrt(n_in)``, (n_out, n_in): LeCun et al., "Efficient BackProp"."""
    return normal(sqrt(1 / n_in))(n_in, n_out, random)


def xavier_normal(n_in: int, n_out: int, random: np.random.Generator) -> Array:
    """``randn * sqrt(2 / (n_in + n_out))``, (n_out, n_in), for tanh and sigmoid: Glorot, Bengio."""
    return normal(sqrt(2 / (n_in + n_out)))(n_in, n_out, random)


def xavier_uniform(n_in: int, n_out: int, random: np.random.Generator) -> Array:
    """Between ± ``sqrt(6 / (n_in + n_out))``, (n_out, n_in): the same variance, no outliers."""
    return _uniform(sqrt(6 / (n_in + n_out)), n_in, n_out, random)


def he_normal(n_in: int, n_out: int, random: np.random.Generator) -> Array:
    """``randn * sqrt(2 / n_in)``, (n_out, n_in), for relu, which silences half: He et al."""
    return normal(sqrt(2 / n_in))(n_in, n_out, random)


def he_uniform(n_in: int, n_out: int, random: np.random.Generator) -> Array:
    """Between ± ``sqrt(6 / n_in)``, (n_out, n_in): the same variance, no outliers."""
    return _uniform(sqrt(6 / n_in), n_in, n_out, random)


def _uniform(limit: float, n_in: int, n_out: int, random: np.random.Generator) -> Array:
    return random.uniform(-limit, limit, (n_out, n_in))


BY_NAME: dict[str, Initializer] = {
    "zeros": zeros,
    "lecun": lecun_normal,
    "xavier": xavier_normal,
    "he": he_normal,
}


def initializer(init: float | str | Initializer) -> Initializer:
    """The function meant by a number (the standard deviation), a name or a function.

    >>> initializer("he") is he_normal
    True
    >>> initializer("heh")
    Traceback (most recent call last):
        ...
    ValueError: init is 'heh': expected a number, a function, or one of zeros, lecun, xavier, he
    """
    if callable(init):
        return init
    if isinstance(init, int | float) and 0 <= init < np.inf:
        return normal(init)
    if isinstance(init, str) and init in BY_NAME:
        return BY_NAME[init]
    raise ValueError(
        f"init is {init!r}: expected a number, a function, or one of {', '.join(BY_NAME)}"
    )
