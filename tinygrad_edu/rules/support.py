"""How a rule becomes a NumPy function, a method and an operator of Tensors."""

from __future__ import annotations

import operator
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple, TypeVar

import numpy as np

from tinygrad_edu.mode import mode
from tinygrad_edu.protocols import FUNCTIONS, UFUNC_METHODS, UFUNCS
from tinygrad_edu.tensor import Tensor, View

Operation = TypeVar("Operation", bound=Callable[..., Any])


def means(
    *functions: Any, method: str | None = None, operator: str | None = None
) -> Callable[[Operation], Operation]:
    """Decorator: ``functions`` of NumPy, the ``method`` and the ``operator`` mean this operation.

    A ufunc's method, such as ``np.add.reduce``, is given as ``(np.add, "reduce")``.
    """

    def enter(operation: Operation) -> Operation:
        for function in functions:
            if isinstance(function, tuple):
                UFUNC_METHODS[function] = operation
            elif isinstance(function, np.ufunc):
                UFUNCS[function] = operation
            else:
                FUNCTIONS[function] = operation
        if method is not None:
            setattr(Tensor, method, operation)
        if operator is not None:
            setattr(Tensor, f"__{operator}__", operation)
        return operation

    return enter


def attribute(name: str, operation: Callable[..., Any]) -> None:
    """``t.name``, without a call, means ``operation(t)``."""
    setattr(Tensor, name, property(operation))


def both_sides(name: str, operation: Callable[..., Any]) -> None:
    """``a + b`` means ``operation(a, b)``, whichever of the two is the Tensor."""
    means(operator=name)(operation)
    means(operator="r" + name)(lambda b, a: operation(a, b))
    means(operator="i" + name)(updating(operation))


def updating(operation: Callable[..., Any]) -> Callable[[Tensor, Any], Any]:
    """``x += y``: the name means the result from now on; but a parameter under no_grad() stays the
    parameter and takes the result's values, or it would never get a gradient again."""

    def update(x: Tensor, y: Any) -> Any:
        out = operation(x, y)
        if x._rule is None and x._needs and not mode.get().records and isinstance(out, Tensor):
            x.data = out._data
            return x
        return out

    return update


class Place(NamedTuple):
    """A place for an array in a rule's ``examples``: its shape, and what its values are like.

    ``kind`` is "any", "zeros" (some of them) or "positive definite"; ``domain`` is that of the rule
    where it is None.
    """

    shape: tuple[int, ...]
    kind: str
    domain: tuple[float, float] | None


def arr(*shape: int, kind: str = "any", domain: tuple[float, float] | None = None) -> Place:
    return Place(shape, kind, domain)


def number_like(x: Any) -> bool:
    """Whether ``x`` can be computed with: else an operator leaves it to Python's own answer."""
    return isinstance(x, float | int | list | tuple) or hasattr(x, "shape")


def true_or_false(keepdims: Any) -> bool:
    """``keepdims``, checked: NumPy's functions have other arguments in its place."""
    if keepdims is True or keepdims is False:
        return keepdims
    if keepdims is not None and not isinstance(keepdims, int | np.bool_):
        raise TypeError(f"keepdims= has to be True or False, but came as {keepdims!r}.")
    return bool(keepdims)


def kept(g: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """``g``, the result of a reduction of ``x``, with the reduced axes kept as axes of size 1."""
    if keepdims or axis is None or not x.ndim:
        return g
    return np.expand_dims(g, axis)


def count(x: Any, axis: Any) -> Any:
    """How many elements of ``x`` a reduction over ``axis`` takes together."""
    if axis is None:
        return x.size
    if isinstance(axis, tuple):
        return prod([x.shape[i] for i in axis])
    return x.shape[axis] if x.ndim else 1


def positive_axis(axis: Any, ndim: int) -> int:
    """``axis`` counted from the front; an error names an axis that does not exist."""
    index = operator.index(axis)
    if not -ndim <= index < ndim:
        raise np.exceptions.AxisError(index, ndim)
    return index + ndim if index < 0 else index


def positive_axes(axes: Any, ndim: int) -> tuple[int, ...]:
    """Several axes, or one, counted from the front."""
    if hasattr(axes, "__iter__"):
        return tuple([positive_axis(i, ndim) for i in axes])
    return (positive_axis(axes, ndim),)


def as_view(out: Any) -> Any:
    """``out``, whose memory NumPy's function would share with its input: not to be written into, nor
    used once the input was."""
    if out.__class__ is Tensor and out._rule is not None:
        out.__class__ = View
    return out


def array_like(x: Any) -> Any:
    """``x`` itself if it has axes, a list or a number as an array."""
    return x if hasattr(x, "ndim") else np.asarray(x)


def values_of(x: Any) -> Any:
    """The array of a Tensor; anything else as it is."""
    return x._data if isinstance(x, Tensor) else x
