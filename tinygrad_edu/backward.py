"""The one reverse walk, the same for numbers, graphs and formulas.

Every tensor carries the tick of the clock at which it was made, and an operation is younger than its
inputs. So the youngest tensor that has a gradient and has not been handled yet is complete: whatever
used it is younger still, and was handled before. A heap finds it; no recursion, no separate sorting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from heapq import heappop, heappush, heappushpop
from typing import Any

import numpy as np

from tinygrad_edu.mode import mode
from tinygrad_edu.tensor import KEEP, Exposed, Tensor, as_it_was, changed, holds_still

PLAIN = frozenset(
    (float, int, bool)
)  # Python numbers never widen a dtype, so they stay as they are
Vjp = Callable[..., Any]
Pending = list[tuple[float, Tensor]]
# returns the input that has its first gradient now, for the walk to go on with; or leaves it pending
Pull = Callable[[Tensor, Any, Pending], Tensor | None]

_walking = threading.RLock()
_depth = 0


def walk(
    root: Tensor,
    gradient: Any,
    read: Callable[[Tensor, Any], tuple[Any, Any, Any]] | None = None,
    wanted: Collection[Tensor] = (),
) -> Iterator[tuple[Tensor, Any]]:
    """Yield ``(tensor, its gradient)`` for every leaf, every ``wanted`` tensor and every one that
    was told to ``retain_grad()``, youngest first.

    ``gradient`` is the gradient of ``root``. ``read(tensor, gradient)`` gives what the rules are
    called with: the gradient, the result and the inputs of the operation that made ``tensor``, as
    Tensors for a graph of the gradients or as expressions for formulas; numbers when left out.
    """
    global _depth
    with _walking:
        if _depth:
            raise RuntimeError(
                "backward() was called from inside a backward pass: a rule's vjp may compute with "
                "arrays or Tensors, but it cannot start a second pass over the same graph."
            )
        _depth = 1
        root._gradient = gradient
        pending: Pending = []
        node: Tensor | None = root
        try:
            while node is not None:
                g = node._gradient
                node._gradient = following = None
                if node._pull is None:
                    if node.__class__ is Exposed and not holds_still(node):
                        raise changed(node)
                    yield node, g
                else:
                    if node._grad is not None or (wanted and node in wanted):
                        yield node, g
                    if read is None:
                        following = node._pull(node, g, pending)
                    else:
                        pull(node, pending, *read(node, g))
                if following is None:
                    node = heappop(pending)[1] if pending else None
                elif pending and pending[0][0] < following._order:
                    node = heappushpop(pending, (following._order, following))[1]
                else:
                    node = following
        finally:
            _depth = 0
            for _, node in pending:
                node._gradient = None


def pull(node: Tensor, pending: Pending, g: Any, out: Any, values: Any) -> None:
    """Pull ``g``, the gradient of ``node``, back to each input that needs one."""
    assert node._rule is not None
    for x, vjp in zip(node._inputs, node._rule.vjps):
        if not isinstance(x, Tensor) or not x._needs or vjp is None:
            continue
        if x._order < node._order:
            x = as_it_was(x, node)
        gx = vjp(g, out, *values)
        if gx.shape != x._data.shape or gx.dtype is not x._data.dtype:
            gx = fit(gx, x, node)
        if x._gradient is None:
            x._gradient = gx
            heappush(pending, (x._order, x))
        else:
            x._gradient = x._gradient + gx


def numbers(node: Tensor, g: Any) -> tuple[Any, Any, Any]:
    """The first reading: the rules get arrays."""
    return g, node._data, [x._data if isinstance(x, Tensor) else x for x in node.inputs]


def pull_numbers(node: Tensor, g: Any, pending: Pending) -> None:
    """``pull`` for arrays, whatever the operation."""
    pull(node, pending, *numbers(node, g))


# ``pull`` for arrays once more, spelled out for operations that are computed entry by entry, on one
# Tensor, on a Tensor and a Python number, and for any on two Tensors or on one and parameters: the
# hot path of ``backward()``.


def pull_first(vjp: Vjp) -> Pull:
    def pull(node: Tensor, g: Any, pending: Pending) -> Tensor | None:
        x, *parameters = node._inputs
        if x._order < node._order:
            x = as_it_was(x, node)
        data = x._data
        gx = vjp(g, node._data, data, *parameters)
        if gx.shape != data.shape or gx.dtype is not data.dtype:
            gx = fit(gx, x, node)
        if x._gradient is None:
            x._gradient = gx
            return x
        x._gradient = x._gradient + gx
        return None

    return pull


def pull_one(vjp: Vjp) -> Pull:
    def pull(node: Tensor, g: Any, pending: Pending) -> Tensor | None:
        (x,) = node._inputs
        if x._order < node._order:
            x = as_it_was(x, node)
        gx = vjp(g, node._data, x._data)
        if x._gradient is None:
            x._gradient = gx
            return x
        x._gradient = x._gradient + gx
        return None

    return pull


def pull_left(vjp: Vjp) -> Pull:
    def pull(node: Tensor, g: Any, pending: Pending) -> Tensor | None:
        x, number = node._inputs
        if x._order < node._order:
            x = as_it_was(x, node)
        gx = vjp(g, node._data, x._data, number)
        if x._gradient is None:
            x._gradient = gx
            return x
        x._gradient = x._gradient + gx
        return None

    return pull


def pull_right(vjp: Vjp) -> Pull:
    def pull(node: Tensor, g: Any, pending: Pending) -> Tensor | None:
        number, x = node._inputs
        if x._order < node._order:
            x = as_it_was(x, node)
        gx = vjp(g, node._data, number, x._data)
        if x._gradient is None:
            x._gradient = gx
            return x
        x._gradient = x._gradient + gx
        return None

    return pull


def pull_both(vjp_a: Vjp, vjp_b: Vjp, elementwise: bool) -> Pull:
    def pull(node: Tensor, g: Any, pending: Pending) -> Tensor | None:
        a, b = node._inputs
        if a._order < node._order:
            a = as_it_was(a, node)
        if b._order < node._order:
            b = as_it_was(b, node)
        u, v = a._data, b._data
        fits = elementwise and u.shape == v.shape and u.dtype is v.dtype
        if b._needs:
            gb = vjp_b(g, node._data, u, v)
            if not fits and (gb.shape != v.shape or gb.dtype is not v.dtype):
                gb = fit(gb, b, node)
            if b._gradient is None:
                b._gradient = gb
                heappush(pending, (b._order, b))
            else:
                b._gradient = b._gradient + gb
        if a._needs:
            ga = vjp_a(g, node._data, u, v)
            if not fits and (ga.shape != u.shape or ga.dtype is not u.dtype):
                ga = fit(ga, a, node)
            if a._gradient is None:
                a._gradient = ga
                return a
            a._gradient = a._gradient + ga
        return None

    return pull


def backward(root: Tensor, gradient: Any = None) -> None:
    """Add the gradient of this tensor to ``.grad`` of every leaf that it was computed from.

    ``gradient`` is the gradient of what follows, of this tensor's shape; it may be left out
    for a tensor of one element.

    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).backward([1.0, 1.0, 10.0])
    >>> x.grad
    array([ 2.,  4., 60.])
    """
    seed = seed_of(root, gradient)
    given = {id(seed)}
    complete = []
    with _walking:
        for tensor, g in walk(root, seed, mode.get().read):
            if isinstance(g, np.ndarray):
                if g.base is not None or id(g) in given:
                    g = g.copy()  # a view, or what another tensor got too: each owns its own
            elif isinstance(g, np.generic):
                g = np.asarray(g)
            given.add(id(g))
            complete.append((tensor, g))
        for tensor, g in complete:  # only now: an error on the way leaves every .grad as it was
            before = tensor._grad
            tensor._grad = g if before is None or before is KEEP else before + g


Tensor.backward = backward  # type: ignore[attr-defined]


def seed_of(root: Tensor, gradient: Any = None) -> Any:
    """The gradient that the walk starts with, checked: one for a scalar, else what was given."""
    if not root._needs:
        raise RuntimeError(
            f"{root.describe()} does not depend on any Tensor with requires_grad=True, so there is "
            "no gradient to compute: create the parameters with Tensor(..., requires_grad=True)"
            " and compute it outside no_grad()."
        )
    data = root._data
    if gradient is None:
        if data.size != 1:
            raise ValueError(
                f"backward() starts from one number, but {root.describe()} holds {data.size}: reduce "
                "it first, as in t.sum().backward(), or pass the gradient of what follows it, "
                f"backward(gradient) with shape {data.shape}."
            )
        return np.ones_like(data) if data.shape else data.dtype.type(1)
    if getattr(gradient, "requires_grad", False):
        raise TypeError(
            "backward(gradient) takes numbers, but came with a Tensor that requires a gradient, "
            "which would be lost: pass gradient.detach(), or use vjp() for higher derivatives."
        )
    gradient = getattr(gradient, "data", gradient) if hasattr(gradient, "_data") else gradient
    if not hasattr(gradient, "__array_ufunc__"):
        gradient = np.asarray(gradient)
    if gradient.shape != data.shape:
        raise ValueError(
            f"backward(gradient) needs the shape of {root.describe()}, {data.shape}, "
            f"but the gradient has shape {gradient.shape}."
        )
    if not np.can_cast(gradient.dtype, data.dtype, "same_kind"):
        raise TypeError(
            f"backward(gradient) needs numbers of dtype {data.dtype}, like {root.describe()}, "
            f"but the gradient has dtype {gradient.dtype}."
        )
    return gradient.astype(data.dtype, copy=False)


def fit(gx: Any, x: Tensor, node: Tensor) -> Any:
    """``gx`` in the shape and dtype of ``x``: what broadcasting repeated is summed.

    >>> import numpy as np
    >>> sum_to(np.ones((3, 4)), (3, 1))
    array([[4.],
           [4.],
           [4.]])
    """
    shape = x._data.shape
    if gx.shape != shape:
        try:
            gx = sum_to(gx, shape)
        except ValueError:
            raise ValueError(
                f"{node.rule!r} returned a gradient of shape {gx.shape} for its input "
                f"{x.describe()} of shape {shape}; a vjp returns the input's own shape, or one that "
                "broadcasting made of it."
            ) from None
    return gx if gx.dtype == x._data.dtype else gx.astype(x._data.dtype)


def sum_to(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum ``g`` over the axes that broadcasting added to ``shape`` or stretched."""
    added, stretched = summed_axes(g.shape, shape)
    if added is not None:
        g = g.sum(axis=added)
    return g if stretched is None else g.sum(axis=stretched, keepdims=True)


@lru_cache(maxsize=1024)
def summed_axes(have: tuple[int, ...], shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Which axes broadcasting added in front of ``shape``, and which of its own it stretched."""
    added = len(have) - len(shape)
    pairs = list(zip(have[max(added, 0) :], shape))
    if added < 0 or any(n not in (1, m) for m, n in pairs):
        raise ValueError(f"{have} cannot be summed to {shape}")
    stretched = tuple(i for i, (m, n) in enumerate(pairs) if m != n)
    return axis_of(tuple(range(added))), axis_of(stretched)


def axis_of(axes: tuple[int, ...]) -> Any:
    """The axes as one writes them: a number where it is one, None where there is none."""
    return axes[0] if len(axes) == 1 else axes or None
