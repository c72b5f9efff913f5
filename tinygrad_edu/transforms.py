"""From functions to functions: the gradient, the Jacobian, the Hessian, of any order.

Given arrays, these return arrays. Given Tensors that require a gradient, as a function inside
another transform is, the rules are called with Tensors: the gradient is a graph too and can be
differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from operator import index
from typing import Any

import numpy as np

from tinygrad_edu.backward import seed_of, walk
from tinygrad_edu.mode import RECORDING, mode, within
from tinygrad_edu.recording import rule
from tinygrad_edu.tensor import Tensor, array_of

Function = Callable[..., Any]

# The input of a transform as a tensor of its own, so that the walk ends at it.
enter = rule("enter", lambda x: x, lambda g, out, x: g)


def graph_of(node: Tensor, g: Tensor) -> tuple[Tensor, Tensor, tuple[Any, ...]]:
    """The second reading: the rules get the Tensors themselves."""
    return g, node, node.inputs


def gradients(
    root: Tensor, tensors: Sequence[Tensor], gradient: Any = None, graph: bool = False
) -> list[Any]:
    """The gradient of ``root`` by each of ``tensors``, whether parameters or computed values.

    Nothing is accumulated in ``.grad``. With ``graph`` they are Tensors with a history, else
    arrays. Zero where ``root`` does not depend on the tensor.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> y = x * x
    >>> gradients(y * y, [x, y])
    [array(108.), array(18.)]
    """
    found: dict[Tensor, Any] = {}
    if root._needs:
        if graph:
            if gradient is None:
                gradient = seed_of(root)
            if not isinstance(gradient, Tensor):
                gradient = Tensor(gradient)
            found = dict(walk(root, gradient, graph_of, set(tensors)))
        else:
            seed = seed_of(root, gradient)
            for tensor, g in walk(root, seed, mode.get().read, set(tensors)):
                found[tensor] = g.copy() if isinstance(g, np.ndarray) else np.asarray(g)
    return [found[t] if t in found else np.zeros_like(t._data) for t in tensors]


def chosen(args: tuple[Any, ...], argnums: int | Sequence[int]) -> list[int]:
    """The arguments meant by ``argnums``, as positions from 0."""
    try:
        numbers = [index(i) for i in (argnums if hasattr(argnums, "__iter__") else [argnums])]
    except TypeError:
        raise TypeError(f"argnums= is an integer or several, but came as {argnums!r}.") from None
    for i in numbers:
        if not -len(args) <= i < len(args):
            raise IndexError(
                f"argnums={i}, but the function was called with {len(args)} arguments by position"
                + (f": choose from 0 to {len(args) - 1}." if args else ".")
            )
    if not numbers:
        raise ValueError(f"argnums={argnums!r} names no argument to differentiate by.")
    return [i % len(args) for i in numbers]


def mapped(change: Function, x: Any) -> Any:
    """``x`` with each of its arrays changed; a list or tuple that holds numbers only is an array."""
    if isinstance(x, dict):
        return {key: mapped(change, part) for key, part in x.items()}
    if not isinstance(x, list | tuple) or not holds_arrays(x):
        return change(x)
    parts = [mapped(change, part) for part in x]
    return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)


def holds_arrays(x: Any) -> bool:
    if isinstance(x, list | tuple):
        return any(map(holds_arrays, x))
    return isinstance(x, dict) or (hasattr(x, "shape") and not isinstance(x, np.generic))


def arrays_in(*args: Any) -> list[Any]:
    """The arrays in the arguments, and in the dicts, lists and tuples among them."""
    found: list[Any] = []
    for x in args:
        mapped(found.append, x)
    return found


def like(args: tuple[Any, ...], numbers: list[int], found: list[Any]) -> tuple[Any, ...]:
    """What was found for each of their arrays, in the structure of the chosen arguments."""
    each = iter(found)
    return tuple([mapped(lambda x: next(each), args[i]) for i in numbers])


def call(
    f: Function, args: tuple[Any, ...], numbers: list[int], **kwargs: Any
) -> tuple[Any, list[Tensor], bool]:
    """``f`` on Tensors: its value, the Tensors that stand for the arrays in the chosen arguments, and
    whether the gradient is to be a graph: ``f`` was given, or closes over, other Tensors that
    require one."""
    records = mode.get().records
    inside = records and any(map(needs_gradient, arrays_in(*args, *kwargs.values())))
    stand_ins = list(args)

    def stand_in(x: Any) -> Tensor:
        if records and needs_gradient(x):
            return enter(x)
        x = x.detach() if isinstance(x, Tensor) else x
        array = array_of(x, f"argument {i} of {getattr(f, '__name__', 'the function')}")
        return Tensor(array, requires_grad=True)

    with nullcontext() if records else within(RECORDING):  # no_grad() is for what f does inside
        for i in numbers:
            stand_ins[i] = mapped(stand_in, args[i])
        inputs = arrays_in(*[stand_ins[i] for i in numbers])  # now: f may write into a dict
        value = f(*stand_ins, **kwargs)
    inside = inside or (records and needs_others(value, inputs))
    close(inputs)
    return value, inputs, inside


def close(inputs: list[Tensor], needs: bool = False) -> None:
    """Make the leaves among ``inputs`` constants: for all that comes later, they are given arrays."""
    for x in inputs:
        if x._rule is None:
            x._needs = needs


def pulled(value: Tensor, inputs: list[Tensor], gradient: Any, graph: bool) -> list[Any]:
    """The gradients by ``inputs``, which require one for that long."""
    close(inputs, needs=True)
    try:
        return gradients(value, inputs, gradient, graph)
    finally:
        close(inputs)


def needs_gradient(x: Any) -> bool:
    return isinstance(x, Tensor) and x._needs


def needs_others(root: Any, tensors: list[Tensor]) -> bool:
    """Whether ``root`` was computed from a leaf that requires a gradient and is none of ``tensors``."""
    seen = set(tensors)
    pending = [root] if needs_gradient(root) and root not in seen else []
    while pending:
        node = pending.pop()
        if node._rule is None:
            return True
        for x in node._inputs:
            if isinstance(x, Tensor) and x._needs and x not in seen:
                seen.add(x)
                pending.append(x)
    return False


def scalar(value: Any, f: Function, transform: str) -> Tensor:
    """``value``, which has to be a Tensor of one number."""
    name = getattr(f, "__name__", "the function")
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{transform} needs {name} to return a Tensor, but it returned "
            f"{type(value).__name__}: compute it with NumPy's functions and operators from the "
            "arguments, without float() or .data."
        )
    if value.size != 1:
        raise ValueError(
            f"{transform} needs {name} to return one number, but it returned shape {value.shape}:"
            " reduce it, for example with .sum(), or use jacobian()."
        )
    return value


def plain(value: Any, inside: bool) -> Any:
    """What a caller gets: a Tensor inside another transform, else the array."""
    return value if inside or not isinstance(value, Tensor) else value.detach().data


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """``value_and_grad(f)(*args)`` is the value of the scalar function ``f`` and its gradient.

    >>> value_and_grad(lambda x: (x**2).sum())(np.array([1.0, 3.0]))
    (10.0, array([2., 6.]))
    """

    def transformed(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        numbers = chosen(args, argnums)
        value, inputs, inside = call(f, args, numbers, **kwargs)
        value = scalar(value, f, transformed.__name__)
        found = pulled(value, inputs, None, inside)
        result = like(args, numbers, found)
        return (value if inside else value.item()), (
            result if hasattr(argnums, "__iter__") else result[0]
        )

    transformed.__name__ = f"value_and_grad({getattr(f, '__name__', 'f')})"
    return transformed


def grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """``grad(f)(*args)`` is the gradient of the scalar function ``f`` by ``args[argnums]``.

    Nested, it gives derivatives of any order.

    An argument may be a dict, list or tuple of arrays; its gradient has the same structure.

    >>> grad(lambda p, x: p["w"] * x + p["b"])({"w": 2.0, "b": 1.0}, 5.0)
    {'w': array(5.), 'b': array(1.)}
    >>> cube = lambda x: x**3
    >>> grad(cube)(2.0), grad(grad(cube))(2.0), grad(grad(grad(cube)))(2.0)
    (array(12.), array(12.), array(6.))
    """
    both = value_and_grad(f, argnums)

    def transformed(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    transformed.__name__ = f"grad({getattr(f, '__name__', 'f')})"
    both.__name__ = transformed.__name__
    return transformed


def vjp(f: Function, *args: Any) -> tuple[Any, Function]:
    """``f(*args)`` and the function that pulls a gradient of it back to a tuple, one for each of
    ``args`` (the vector-Jacobian product).

    >>> value, pull = vjp(lambda x: x * x, np.array([1.0, 2.0]))
    >>> pull(np.array([1.0, 10.0]))
    (array([ 2., 40.]),)
    """
    numbers = list(range(len(args)))
    value, inputs, inside = call(f, args, numbers)
    if not isinstance(value, Tensor):
        raise TypeError(
            f"vjp needs {getattr(f, '__name__', 'the function')} to return a Tensor, but it "
            f"returned {type(value).__name__}."
        )

    def pull(gradient: Any) -> tuple[Any, ...]:
        graph = inside or (isinstance(gradient, Tensor) and gradient._needs)
        return like(args, numbers, pulled(value, inputs, gradient, graph))

    return plain(value, inside), pull


def jacobian(f: Function) -> Function:
    """``jacobian(f)(x)`` has shape ``f(x).shape + x.shape``: the derivative of each by each; of a
    dict, list or tuple of arrays one for each of them.

    >>> jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    def transformed(x: Any) -> Any:
        value, inputs, inside = call(f, (x,), [0])
        if not isinstance(value, Tensor):
            scalar(value, f, transformed.__name__)
        rows = []
        for i in range(value.size):
            seed = np.zeros(value.size, value.dtype)
            seed[i] = 1
            seed = seed.reshape(value.shape)
            rows.append(pulled(value, inputs, seed, inside))
        found = []
        for k, stand_in in enumerate(inputs):
            shape = value.shape + stand_in.shape
            parts = [row[k] for row in rows]
            found.append(
                np.stack(parts).reshape(shape) if rows else np.zeros(shape, stand_in.dtype)
            )
        return like((x,), [0], found)[0]

    transformed.__name__ = f"jacobian({getattr(f, '__name__', 'f')})"
    return transformed


def hessian(f: Function) -> Function:
    """``hessian(f)(x)`` has shape ``x.shape + x.shape``: the second derivatives of a scalar ``f``.

    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return jacobian(grad(f))
