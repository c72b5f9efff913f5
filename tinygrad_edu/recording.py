"""What happens when a rule is applied: compute, remember, or not."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from math import inf
from typing import Any

import numpy as np

from tinygrad_edu.backward import (
    PLAIN,
    pull_both,
    pull_first,
    pull_left,
    pull_numbers,
    pull_one,
    pull_right,
)
from tinygrad_edu.mode import PAUSED, RECORDING, mode, within
from tinygrad_edu.protocols import UFUNCS, missing_rule
from tinygrad_edu.tensor import (
    Exposed,
    Tensor,
    View,
    array_of,
    clock,
    fingerprint,
    look_again,
    refuse_stale,
    shares_memory,
)

TABLE: dict[str, Rule] = {}
new = object.__new__
MEMORY = 16  # how many operations back a constant remembers how it was computed


def no_grad() -> AbstractContextManager[None]:
    """Compute without recording, as a ``with`` block or a decorator; of this thread or task only.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> with no_grad():
    ...     print((w * 2).requires_grad)
    False
    """
    return within(PAUSED)


class Rule:
    """One entry of the table: an operation and, for each input, how the gradient flows back to it.

    ``vjps[i](g, out, *inputs)`` is the gradient of input ``i`` (the vector-Jacobian product), where
    ``g`` is the gradient of the result ``out``; None for an input that no gradient flows to.
    Inputs beyond the last vjp are parameters: axes, shapes, indices.
    """

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        vjps: Sequence[Callable[..., Any] | None],
        *,
        symbol: str | None = None,
        domain: tuple[float, float] = (-inf, inf),
        kinks: Sequence[float] = (),
        examples: Sequence[tuple[Any, ...]] = (),
        formula: Callable[..., Any] | None = None,
        elementwise: bool = False,
        writes: bool = False,
    ):
        self.name = name
        self.forward = forward
        self.vjps: tuple[Any, ...] = tuple(vjps)
        self.pull = pull_first(vjps[0]) if len(vjps) == 1 and vjps[0] else pull_numbers
        self.symbol = symbol or name
        self.domain = domain
        self.kinks = tuple(kinks)
        self.examples = examples
        self.formula = formula  # what formulas show in the place of the forward function
        self.writes = writes  # into its first input, which becomes the result
        self.built_in = False
        self.takes = inputs_of(self.vjps)
        # computed entry by entry, so that a gradient has the result's shape and dtype
        self.elementwise = elementwise or (isinstance(forward, np.ufunc) and not forward.signature)

    def __repr__(self) -> str:
        return f"<rule {self.name}>"


def rule(
    name: str, forward: Callable[..., Any], *vjps: Callable[..., Any] | None, **about: Any
) -> Callable[..., Any]:
    """Define an operation: the function that computes ``forward`` and records it for the vjps.

    >>> import numpy as np
    >>> cube = rule("cube", lambda x: x**3, lambda g, out, x: g * 3 * x**2)
    >>> x = Tensor(2.0, requires_grad=True)
    >>> cube(x).backward()
    >>> x.grad
    array(12.)

    ``forward`` gets arrays. ``vjps``, one for each input that a gradient flows to, get the gradient
    of the result, the result and the inputs. They are called with arrays, with Tensors (for higher
    derivatives) and with symbols (for formulas), so they use operators and NumPy's functions.
    ``about`` says what a reader and the tests want to know: ``symbol``, ``domain``, ``kinks``,
    ``examples``. TypeError for what is no function, ValueError for the name of an operation that is
    there already.
    """
    for function in (forward, *filter(None, vjps)):
        if not callable(function):
            raise TypeError(
                f"rule({name!r}, ...) takes functions, but one of them is {function!r}."
            )
    if name in TABLE and TABLE[name].built_in:
        raise ValueError(
            f"there is an operation called {name!r} already: give yours another name, so that formulas "
            "and pictures tell them apart."
        )
    entry = TABLE[name] = Rule(name, forward, vjps, **about)
    plain = entry.takes == len(vjps) and None not in vjps
    if plain and len(vjps) == 1 and entry.elementwise:
        operation = one_input(entry)
    elif plain and len(vjps) == 2:
        operation = two_inputs(entry)
    else:
        operation = any_inputs(entry)
    operation.__name__ = operation.__qualname__ = name
    operation.rule = entry  # type: ignore[attr-defined]
    if isinstance(forward, np.ufunc):
        UFUNCS.setdefault(forward, operation)  # np.tanh goes on meaning what it meant
    return operation


def inputs_of(vjps: Sequence[Callable[..., Any] | None]) -> int | None:
    """How many inputs follow ``g`` and ``out`` in the vjps' signature; None where it is open."""
    for vjp in vjps:
        if vjp is not None:
            parameters = inspect.signature(vjp).parameters.values()
            fixed = all(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)
            return len(parameters) - 2 if fixed else None
    return None


def record(entry: Rule, inputs: Sequence[Any]) -> Any:
    """Compute ``entry`` on ``inputs`` and remember it. Every application comes here, or takes one of
    the two shortcuts below, which do the same for the common case."""
    tensors, needs, borrows, vjps, pull = 0, False, False, entry.vjps, entry.pull
    values, taken = list(inputs), inputs
    for i, x in enumerate(inputs):
        if x is None or x.__class__ in PLAIN:
            continue
        if isinstance(x, Tensor):
            if x.__class__ is View:
                refuse_stale(x)
            elif x.__class__ is Exposed:
                look_again(x)
            if x._needs and i < len(vjps):
                needs = needs or vjps[i] is not None
            elif x._needs and vjps:
                raise missing_rule(f"{entry.name} by its argument number {i + 1}")
            if i:
                pull = pull_numbers
            tensors += 1
            values[i] = x._data
        elif x.__class__ is np.ndarray and x.dtype.kind in "fiub":
            borrows = True
        elif hasattr(x, "_symbolic"):
            return x._symbolic(entry, inputs)
        elif i < len(vjps):
            values[i] = array = array_of(x, f"{entry.name} with a Tensor")
            taken = (*taken[:i], array, *taken[i + 1 :])
            borrows = True
    if not tensors:  # plain arrays, as in a vjp: nothing to remember
        if len(vjps) == 1 and values[0].__class__ in PLAIN:
            values[0] = np.asarray(values[0])
        return entry.forward(*values)
    try:
        data = entry.forward(*values)
    except Exception as error:
        raise explained(error, entry, inputs) from error
    state = mode.get()
    out = new(View if state.records and shares_memory(data, inputs[0]) else Tensor)
    out._data = data
    out._grad = out.name = out._gradient = None
    out._needs = needs and state.records
    out._rule = entry
    out._pull = pull
    out._inputs = tuple(taken)
    out._order = next(clock)
    if not out._needs:
        remember(out, state.records)
    elif borrows:
        out._pull = pull_numbers
        out._borrowed = [
            (i, fingerprint(x)) for i, x in enumerate(taken) if isinstance(x, np.ndarray)
        ]
    if state.forward is not None and out._rule is not None:
        state.forward(out)
    return out


def remember(constant: Tensor, records: bool = True) -> None:
    """A constant remembers how it was computed too, so that formulas and pictures can say Z > 0 or
    1 - Y; not for ever, or a running average would keep its whole past alive."""
    age = 0
    for x in constant._inputs:
        if isinstance(x, Tensor) and not x._needs and x._age > age:
            age = x._age
    constant._age = age + 1
    if age >= MEMORY or not records:
        constant._age = 0
        constant._rule = constant._pull = constant._inputs = None


def one_input(entry: Rule) -> Callable[..., Any]:
    """The shortcut for a Tensor that requires a gradient."""
    forward = entry.forward
    pull = pull_one(entry.vjps[0])

    def operation(x: Any) -> Any:
        if x.__class__ is not Tensor or not x._needs or mode.get() is not RECORDING:
            return record(entry, (x,))
        out = new(Tensor)
        out._data = forward(x._data)
        out._grad = out.name = out._gradient = None
        out._needs = True
        out._rule = entry
        out._pull = pull
        out._inputs = (x,)
        out._order = next(clock)
        return out

    return operation


def two_inputs(entry: Rule) -> Callable[..., Any]:
    """The shortcut for two Tensors, or one and a Python number."""
    forward = entry.forward
    both = pull_both(entry.vjps[0], entry.vjps[1], entry.elementwise)
    left, right = pull_left(entry.vjps[0]), pull_right(entry.vjps[1])
    numbers = PLAIN if entry.elementwise else frozenset()

    def operation(a: Any, b: Any) -> Any:
        if mode.get() is not RECORDING:
            return record(entry, (a, b))
        if a.__class__ is Tensor:
            if b.__class__ is Tensor:
                x, y, pull = a._data, b._data, both
                needs = a._needs or b._needs
            elif b.__class__ in numbers:
                x, y, pull = a._data, b, left
                needs = a._needs
            else:
                return record(entry, (a, b))
        elif a.__class__ in numbers and b.__class__ is Tensor:
            x, y, pull = a, b._data, right
            needs = b._needs
        else:
            return record(entry, (a, b))
        try:
            data = forward(x, y)
        except Exception as error:
            raise explained(error, entry, (a, b)) from error
        out = new(Tensor)
        out._data = data
        out._grad = out.name = out._gradient = None
        out._needs = needs
        out._rule = entry
        out._pull = pull
        out._inputs = (a, b)
        out._order = next(clock)
        if not needs:
            remember(out)
        return out

    return operation


def any_inputs(entry: Rule) -> Callable[..., Any]:
    def operation(*inputs: Any) -> Any:
        return record(entry, inputs)

    return operation


def explained(error: Exception, entry: Rule, inputs: Sequence[Any]) -> Exception:
    """NumPy's complaint in a learner's words: which operation, which tensors, which shapes."""
    arrays = inputs[: max(len(entry.vjps), 1)]
    if not isinstance(error, ValueError | IndexError) or not all(
        hasattr(x, "shape") or isinstance(x, float | int) for x in arrays
    ):
        return error
    who = " and ".join(
        f"{getattr(x, 'name', None) or 'an array'} of shape {x.shape}"
        for x in arrays
        if hasattr(x, "shape")
    )
    advice = ""
    if entry.name == "matmul" and all(x.ndim == 2 for x in arrays):
        a, b = arrays
        right, left = getattr(b, "name", None) or "b", getattr(a, "name", None) or "a"
        what = f"the columns of the first and the rows of the second differ, {a.shape[1]} and "
        advice = f": {what}{b.shape[0]}"
        if a.shape[1] == b.shape[1]:
            advice += f"; {right}.T would fit"
        elif a.shape[0] == b.shape[0]:
            advice += f"; {left}.T would fit"
    elif "broadcast" in str(error):
        advice = ": the shapes cannot be broadcast, sizes have to be equal or 1, axis by axis"
    else:
        advice = ": " + str(error).rstrip(".")
    return type(error)(f"{entry.name} of {who}{advice}.")
