"""The one reverse walk, the same for numbers, graphs and formulas.

Every tensor carries the tick of the clock at which it was made, and an operation is younger than its
inputs. So the youngest tensor that has a gradient and has not been handled yet is complete: whatever
used it is younger still, and was handled before. A heap finds it; no recursion, no separate sorting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

Vjp = Callable[..., Any]
Pending = list[tuple[int, "Tensor"]]

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
        pending = [(root._order, root)]
        try:
            while pending:
                node = heappop(pending)[1]
                g = node._gradient
                node._gradient = None
                rule = node._rule
                if rule is None:
                    yield node, g
                    continue
                if node._grad is not None or (wanted and node in wanted):
                    yield node, g
                if read is None:
                    rule.pull(node, g, pending)
                else:
                    pull(node, pending, *read(node, g))
        finally:
            _depth = 0
            for _, node in pending:
                node._gradient = None


def pull(node: Tensor, pending: Pending, g: Any, out: Any, values: Any) -> None:
    """Pull ``g``, the gradient of ``node``, back to each input that needs one."""
    for x, vjp in zip(node._inputs, node._rule.vjps):
        if x is None:  # a constant that is not a Tensor
            continue
        if x._order < node._order:
            x = as_it_was(x, node)
        if x._needs and vjp is not None:
            gx = vjp(g, out, *values)
            if gx.shape != x._data.shape or gx.dtype is not x._data.dtype:
                gx = fit(gx, x, node)
            if x._gradient is None:
                x._gradient = gx
                heappush(pending, (x._order, x))
            else:
                x._gradient = x._gradient + gx


def pull_numbers(vjps: Sequence[Vjp | None], takes: int | None, safe: bool) -> Callable[[Tensor, Any, Pending], None]:
    """``pull`` for arrays, spelled out for one and two inputs: the hot path of ``backward()``.

    ``takes`` is the number of inputs and parameters; ``safe`` says that the only vjp keeps shape and
    dtype, as that of a NumPy function does.
    """
    if takes == len(vjps) == 1 and safe:
        vjp = vjps[0]

        def one(node: Tensor, g: Any, pending: Pending) -> None:
            (x,) = node._inputs
            (value,) = node._values
            if x._order < node._order:
                x = as_it_was(x, node)
            gx = vjp(g, node._data, value)
            if x._gradient is None:
                x._gradient = gx
                heappush(pending, (x._order, x))
            else:
                x._gradient = x._gradient + gx

        return one

    if takes == len(vjps) == 2 and None not in vjps:
        vjp_a, vjp_b = vjps

        def two(node: Tensor, g: Any, pending: Pending) -> None:
            a, b = node._inputs
            value_a, value_b = node._values
            if a is not None:
                if a._order < node._order:
                    a = as_it_was(a, node)
                if a._needs:
                    ga = vjp_a(g, node._data, value_a, value_b)
                    if value_b.__class__ is not float and (
                        ga.shape != a._data.shape or ga.dtype is not a._data.dtype
                    ):
                        ga = fit(ga, a, node)
                    if a._gradient is None:
                        a._gradient = ga
                        heappush(pending, (a._order, a))
                    else:
                        a._gradient = a._gradient + ga
            if b is not None:
                if b._order < node._order:
                    b = as_it_was(b, node)
                if b._needs:
                    gb = vjp_b(g, node._data, value_a, value_b)
                    if value_a.__class__ is not float and (
                        gb.shape != b._data.shape or gb.dtype is not b._data.dtype
                    ):
                        gb = fit(gb, b, node)
                    if b._gradient is None:
                        b._gradient = gb
                        heappush(pending, (b._order, b))
                    else:
                        b._gradient = b._gradient + gb

        return two
    return lambda node, g, pending: pull(node, pending, g, node._data, node._values)


def backward(root: Tensor, gradient: Any = None) -> None:
    """Add the gradient of ``root`` to ``.grad`` of every leaf that it was computed from."""
    seed = seed_of(root, gradient)
    given = {id(seed)}
    complete = []
    for tensor, g in walk(root, seed):
        if isinstance(g, np.generic):
            g = np.asarray(g)
        elif isinstance(g, np.ndarray) and (g.base is not None or id(g) in given):
            g = g.copy()  # a view, or an array that another tensor got too: each owns its own
        given.add(id(g))
        complete.append((tensor, g))
    for tensor, g in complete:  # only now: an error on the way leaves every .grad as it was
        before = tensor.grad
        tensor._grad = g if before is None else before + g


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
        return np.ones_like(data)
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
                f"the rule {node._rule.name!r} returned a gradient of shape {gx.shape} for its input "
                f"{x.describe()} of shape {shape}; a vjp returns the input's own shape, or one that "
                "broadcasting made of it."
            ) from None
    return gx if gx.dtype == x._data.dtype else gx.astype(x._data.dtype)


def sum_to(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum ``g`` over the axes that broadcasting added to ``shape`` or stretched."""
    added = len(g.shape) - len(shape)
    if added < 0:
        raise ValueError(f"{g.shape} has fewer axes than {shape}")
    if added:
        g = g.sum(axis=tuple(range(added)))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    if stretched:
        g = g.sum(axis=stretched if len(stretched) > 1 else stretched[0], keepdims=True)
    if g.shape != shape:
        raise ValueError(f"{g.shape} cannot be summed to {shape}")
    return g


def as_it_was(x: Tensor, node: Tensor) -> Tensor:
    """The state of ``x`` that ``node`` used; ``x[...] = value`` has made younger ones since."""
    was = x
    while was._order < node._order:
        if was._rule is None or not was._rule.writes:
            raise RuntimeError(
                f"{x.describe()} was changed after {node._rule.name!r} had used it, so the "
                "gradient would be wrong: call backward() before the update, or compute the loss "
                "anew after it."
            )
        was = was._inputs[0]
    return was
