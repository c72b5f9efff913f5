"""What NumPy can say about an array without a gradient: shapes, questions, new arrays like it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from typing import Any

import numpy as np

from tinygrad_edu.protocols import missing_rule
from tinygrad_edu.recording import rule
from tinygrad_edu.rules.support import means, positive_axes
from tinygrad_edu.tensor import Tensor

_zeros_like = rule("zeros_like", lambda x, dtype, shape: np.zeros_like(x, dtype, shape=shape))
_ones_like = rule("ones_like", lambda x, dtype, shape: np.ones_like(x, dtype, shape=shape))
_full_like = rule(
    "full_like", lambda x, value, dtype, shape: np.full_like(x, value, dtype, shape=shape)
)


@means(np.zeros_like, np.empty_like)
def zeros_like(
    x: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Any:
    return _zeros_like(x, dtype, shape)


@means(np.ones_like)
def ones_like(
    x: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Any:
    return _ones_like(x, dtype, shape)


@means(np.full_like)
def full_like(
    x: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
) -> Any:
    if getattr(fill_value, "requires_grad", False):
        return np.broadcast_to(fill_value, x.shape if shape is None else shape).astype(
            dtype or x.dtype
        )
    return _full_like(x, fill_value, dtype, shape)


@means(np.shape)
def shape(x: Any) -> tuple[int, ...]:
    return x.shape


@means(np.ndim)
def ndim(x: Any) -> int:
    return x.ndim


@means(np.size)
def size(x: Any, axis: Any = None) -> int:
    return x.size if axis is None else prod([x.shape[i] for i in positive_axes(axis, x.ndim)])


def values(x: Any) -> Any:
    """The arrays of Tensors, also in lists and tuples."""
    if isinstance(x, Tensor):
        return x._data
    return type(x)([values(part) for part in x]) if type(x) in (list, tuple) else x


def needed(args: Iterable[Any]) -> bool:
    """Whether one of them, or of those in lists, requires a gradient."""
    return any(
        needed(x) if isinstance(x, list | tuple) else getattr(x, "requires_grad", False)
        for x in args
    )


def _answered_by_numpy(function: Callable[..., Any]) -> None:
    """A question about values, whose answer is not a function that has a slope."""

    def answer(*args: Any, **kwargs: Any) -> Any:
        given, named = [values(x) for x in args], {key: values(x) for key, x in kwargs.items()}
        result = function(*given, **named)
        if needed(args) or needed(kwargs.values()):
            for part in result if isinstance(result, tuple) else (result,):
                if isinstance(part, np.ndarray | np.generic) and part.dtype.kind == "f":
                    raise missing_rule(function)
        return result

    means(function)(answer)


for function in (
    np.allclose,
    np.argpartition,
    np.argwhere,
    np.array2string,
    np.array_equal,
    np.array_equiv,
    np.array_repr,
    np.array_str,
    np.can_cast,
    np.common_type,
    np.diag_indices_from,
    np.digitize,
    np.einsum_path,
    np.flatnonzero,
    np.histogram,
    np.isclose,
    np.iscomplex,
    np.iscomplexobj,
    np.isreal,
    np.isrealobj,
    np.ix_,
    np.lexsort,
    np.may_share_memory,
    np.min_scalar_type,
    np.nanargmax,
    np.nanargmin,
    np.nonzero,
    np.result_type,
    np.searchsorted,
    np.shares_memory,
    np.tril_indices_from,
    np.triu_indices_from,
    np.isin,
    np.linalg.matrix_rank,
):
    _answered_by_numpy(function)

means(np.isposinf)(lambda x: x == np.inf)
means(np.isneginf)(lambda x: x == -np.inf)
means(method="nonzero")(lambda x: np.nonzero(x))
means(method="argpartition")(lambda x, *how, **names: np.argpartition(x, *how, **names))
means(method="searchsorted")(lambda x, *how, **names: np.searchsorted(x, *how, **names))
