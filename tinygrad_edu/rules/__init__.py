"""The table: every operation with its derivative, by family."""

from tinygrad_edu.recording import TABLE
from tinygrad_edu.rules import (
    arithmetic,
    constants,
    curves,
    decompositions,
    elementwise,
    indexing,
    linear_algebra,
    reductions,
    shapes,
    statistics,
    ufunc_methods,
)
from tinygrad_edu.rules.elementwise import (
    dropout,
    erf,
    gelu,
    leaky_relu,
    log_sigmoid,
    logit,
    relu,
    sigmoid,
    softplus,
)
from tinygrad_edu.rules.reductions import log_softmax, logsumexp, softmax

for _entry in TABLE.values():
    _entry.built_in = True

__all__ = [
    "arithmetic",
    "constants",
    "curves",
    "decompositions",
    "dropout",
    "elementwise",
    "erf",
    "gelu",
    "indexing",
    "leaky_relu",
    "linear_algebra",
    "log_sigmoid",
    "log_softmax",
    "logit",
    "logsumexp",
    "reductions",
    "relu",
    "shapes",
    "sigmoid",
    "softmax",
    "softplus",
    "statistics",
    "ufunc_methods",
]
