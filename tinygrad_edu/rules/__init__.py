"""The table: every operation with its derivative, by family."""

from tinygrad_edu.rules import arithmetic, elementwise, indexing, linear_algebra, reductions, shapes
from tinygrad_edu.rules.elementwise import relu, sigmoid

__all__ = [
    "arithmetic",
    "elementwise",
    "indexing",
    "linear_algebra",
    "reductions",
    "relu",
    "shapes",
    "sigmoid",
]
