"""Many numbers into few."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.recording import rule
from tinygrad_edu.rules.shapes import broadcast_to
from tinygrad_edu.rules.support import arr, count, kept, means, true_or_false

_sum = rule(
    "sum",
    lambda x, axis, keepdims: x.sum(axis=axis, keepdims=keepdims),
    lambda g, out, x, axis, keepdims: broadcast_to(kept(g, x, axis, keepdims), x.shape),
    examples=[(arr(3, 4), None, False)],
)
_mean = rule(
    "mean",
    lambda x, axis, keepdims: x.mean(axis=axis, keepdims=keepdims),
    lambda g, out, x, axis, keepdims: broadcast_to(
        kept(g, x, axis, keepdims) / count(x, axis), x.shape
    ),
    examples=[(arr(3, 4), None, False)],
)


@means(np.sum, method="sum")
def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _sum(x, axis, true_or_false(keepdims))


@means(np.mean, method="mean")
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _mean(x, axis, true_or_false(keepdims))
