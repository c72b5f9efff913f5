"""x[index], and back: the gradient is scattered to where the numbers came from."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.recording import rule
from tinygrad_edu.rules.support import arr, means


def _scattered(g: Any, shape: Any, *index: Any) -> Any:
    out = np.zeros(shape, g.dtype)
    if all(_at_most_once(part) for part in index):
        out[index] = g
    else:
        np.add.at(out, index, g)
    return out


def _at_most_once(part: Any) -> bool:
    return not hasattr(part, "dtype") or part.dtype == bool or part.size == 1


_getitem = rule(
    "getitem",
    lambda x, *index: x[index],
    lambda g, out, x, *index: scatter(g, x.shape, *index),
    examples=[(arr(3, 4), 1)],
)
scatter = rule(
    "scatter",
    _scattered,
    lambda gg, out, g, shape, *index: gg[index],
    examples=[(arr(4), (3, 4), 1)],
)


@means(operator="getitem")
def getitem(x: Any, index: Any) -> Any:
    parts = index if isinstance(index, tuple) else (index,)
    return _getitem(x, *[_part(part) for part in parts])


def _part(part: Any) -> Any:
    if isinstance(part, list | range):
        return np.asarray(part, dtype=None if len(part) else np.intp)
    return part
