"""Costs: one number that says how wrong the network is, averaged over the examples."""

from __future__ import annotations

from typing import Any

import numpy as np

from nn.manual import inside_0_1
from tinygrad_edu import Tensor, rule

# A numerical guard, no part of the model: its derivative is that of the probability itself.
guarded = rule("inside_0_1", inside_0_1, lambda g, out, A: g, domain=(0.01, 0.99))


def binary_cross_entropy(AL: Any, Y: Any) -> Tensor:
    """The cost ``-mean(Y log AL + (1 - Y) log(1 - AL))`` of probabilities AL and labels Y of 0 and 1.

    AL, Y : (1, m). Finite also where a sigmoid has saturated to exactly 0 or 1.

    >>> AL = Tensor([[0.8, 0.9, 0.4]], requires_grad=True)
    >>> cost = binary_cross_entropy(AL, np.array([[1.0, 1.0, 0.0]]))
    >>> round(cost.item(), 6)
    0.279777
    """
    A = guarded(AL)
    return -np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A))
