"""Expressions: what NumPy's operators and functions give when they are applied to names.

An expression remembers which function was applied to what. It also carries the value, computed on
the way, so its shape is known and a rule may look at it. Sizes remember where they come from:
``x.shape[1]`` is an int that prints as ``X.shape[1]``, so that formulas hold for other sizes too.
"""

from __future__ import annotations

import inspect
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

INFIX: dict[Any, tuple[str, int]] = {  # Python's precedence, higher binds tighter
    np.power: ("**", 14),
    np.matmul: ("@", 12),
    np.multiply: ("*", 12),
    np.divide: ("/", 12),
    np.floor_divide: ("//", 12),
    np.remainder: ("%", 12),
    np.add: ("+", 11),
    np.subtract: ("-", 11),
    np.bitwise_and: ("&", 9),
    np.bitwise_xor: ("^", 8),
    np.bitwise_or: ("|", 7),
    np.greater: (">", 6),
    np.greater_equal: (">=", 6),
    np.less: ("<", 6),
    np.less_equal: ("<=", 6),
    np.equal: ("==", 6),
    np.not_equal: ("!=", 6),
}
NEGATIVE, ATOM = 13, 20
CANONICAL: dict[Any, Any] = {  # one function for each meaning
    operator.pow: np.power,
    operator.matmul: np.matmul,
    operator.add: np.add,
    operator.sub: np.subtract,
    operator.mul: np.multiply,
    operator.truediv: np.divide,
    operator.neg: np.negative,
    operator.getitem: operator.getitem,
}


def axis_length(x: Any, axis: int) -> int:
    return x.shape[axis]


class Size(int):
    """The length of an axis, and the expression that gives it."""

    source: Expression

    def __new__(cls, value: int, source: Expression) -> Size:
        size = super().__new__(cls, value)
        size.source = source
        return size

    def _with(self, function: Any, a: Any, b: Any) -> Any:
        if isinstance(a, int) and isinstance(b, int):
            made = apply(function, (a, b))
            return Size(int(made.value), made) if isinstance(made, Expression) else made
        return NotImplemented

    def __mul__(self, other: Any) -> Any:
        return self._with(np.multiply, self, other)

    def __rmul__(self, other: Any) -> Any:
        return self._with(np.multiply, other, self)

    def __add__(self, other: Any) -> Any:
        return self._with(np.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return self._with(np.add, other, self)

    def __sub__(self, other: Any) -> Any:
        return self._with(np.subtract, self, other)

    def __floordiv__(self, other: Any) -> Any:
        return self._with(np.floor_divide, self, other)

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, int):
            return apply(np.divide, (self, other))
        return NotImplemented

    def __rtruediv__(self, other: Any) -> Any:
        if isinstance(other, int | float):
            return apply(np.divide, (other, self))
        return NotImplemented


class Expression:
    """A name, a constant, or a function of expressions; operators and NumPy's functions build on it.

    >>> x = symbol("x", np.array([1.0, 2.0]))
    >>> y = np.exp(-x) / (1 + x)
    >>> print(y)
    np.exp(-x) / (1 + x)
    >>> y.shape
    (2,)
    """

    __slots__ = ("args", "function", "key", "kwargs", "name", "sizes", "value")

    function: Any  # None for a name or a constant
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    name: str | None
    value: Any
    sizes: tuple[int, ...]  # the shape, of ints and Sizes
    key: Any  # equal for equal expressions

    if TYPE_CHECKING:  # set below

        def _operator(self, other: Any) -> Any: ...

        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _operator
        __truediv__ = __rtruediv__ = __floordiv__ = __mod__ = __pow__ = __rpow__ = _operator
        __matmul__ = __rmatmul__ = __and__ = __or__ = __gt__ = __ge__ = __lt__ = __le__ = _operator

    # what NumPy arrays offer, as far as rules look at it

    @property
    def shape(self) -> tuple[int, ...]:
        return self.sizes

    @property
    def ndim(self) -> int:
        return len(self.sizes)

    @property
    def size(self) -> int:
        total: Any = 1
        for n in self.sizes:
            total = total * n
        return total

    @property
    def dtype(self) -> Any:
        return np.asarray(self.value).dtype

    @property
    def T(self) -> Expression:
        return apply(np.transpose, (self,))

    @property
    def mT(self) -> Expression:
        return apply(np.transpose if self.ndim == 2 else np.matrix_transpose, (self,))

    def __len__(self) -> int:
        return self.sizes[0]

    def __iter__(self) -> Iterator[Expression]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        raise TypeError(
            f"the rule decides by the value of {self}, so it has no formula: use np.where instead."
        )

    def __neg__(self) -> Expression:
        return apply(np.negative, (self,))

    def __invert__(self) -> Expression:
        return apply(np.logical_not, (self,))

    def __getitem__(self, index: Any) -> Expression:
        return apply(operator.getitem, (self, index))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """A method means NumPy's function of that name."""
        function = getattr(np, name, None)
        if name.startswith("_") or not callable(function):
            raise AttributeError(f"an expression has no attribute {name!r}")

        def method(*args: Any, **kwargs: Any) -> Any:
            if name in ("reshape", "transpose") and len(args) > 1:
                args = (args,)
            return apply(function, (self, *args), kwargs)

        return method

    def astype(self, dtype: Any, copy: bool = True) -> Expression:
        return apply(np.astype, (self, np.dtype(dtype)))

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        return apply(ufunc if method == "__call__" else getattr(ufunc, method), args, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return apply(function, args, kwargs)

    def _symbolic(self, entry: Any, inputs: tuple[Any, ...]) -> Any:
        """A rule of our own applied inside another rule."""
        return apply_rule(entry, inputs)

    def __str__(self) -> str:
        return Printer().text(self)

    def __repr__(self) -> str:
        return f"<{self}>"

    def equals(self, other: Any) -> bool:
        """Whether both are the same formula."""
        return isinstance(other, Expression) and self.key == other.key

    def substitute(self, names: Mapping[str, Any]) -> Any:
        """The formula with expressions or values in the place of the names.

        >>> x, y = symbol("x", np.array(2.0)), symbol("y", np.array(3.0))
        >>> print((x * x).substitute({"x": y + 1}))
        (y + 1) * (y + 1)
        """
        return rebuild(self, lambda e: names.get(e.name, e) if e.name else e)

    def symbols(self) -> set[str]:
        """The names in the formula."""
        return {e.name for e in parts(self) if e.name is not None}


def _operator(function: Any) -> tuple[Any, Any]:
    return (
        lambda self, other: apply(function, (self, other)),
        lambda self, other: apply(function, (other, self)),
    )


for _function, _name in {
    np.add: "add",
    np.subtract: "sub",
    np.multiply: "mul",
    np.divide: "truediv",
    np.floor_divide: "floordiv",
    np.remainder: "mod",
    np.power: "pow",
    np.matmul: "matmul",
    np.bitwise_and: "and",
    np.bitwise_or: "or",
    np.bitwise_xor: "xor",
}.items():
    _left, _right = _operator(_function)
    setattr(Expression, f"__{_name}__", _left)
    setattr(Expression, f"__r{_name}__", _right)
for _function, _name in {
    np.greater: "gt",
    np.greater_equal: "ge",
    np.less: "lt",
    np.less_equal: "le",
    np.equal: "eq",
    np.not_equal: "ne",
}.items():
    setattr(Expression, f"__{_name}__", _operator(_function)[0])
setattr(Expression, "__hash__", object.__hash__)  # noqa: B010  == builds a formula


# --- making expressions --------------------------------------------------------------------------


def symbol(name: str, value: Any, sizes: tuple[int, ...] | None = None) -> Expression:
    """The name of an array; its sizes are its own unless an expression for them is given."""
    made = Expression.__new__(Expression)
    made.function, made.args, made.kwargs = None, (), {}
    made.name, made.value, made.key = name, value, ("name", name)
    made.sizes = own_sizes(made) if sizes is None else sizes
    return made


def constant(value: Any) -> Expression:
    """A number that stands in the formula as it is."""
    made = Expression.__new__(Expression)
    made.function, made.args, made.kwargs, made.name = None, (), {}, None
    made.value, made.key, made.sizes = value, key_of(value), np.shape(value)
    return made


def own_sizes(x: Expression) -> tuple[int, ...]:
    return tuple(
        Size(n, call(axis_length, (x, axis), {}, n, ())) if n != 1 else 1
        for axis, n in enumerate(np.shape(x.value))
    )


def call(
    function: Any, args: Any, kwargs: Any, value: Any, sizes: tuple[int, ...] | None = None
) -> Expression:
    """The expression as it stands, not simplified."""
    made = Expression.__new__(Expression)
    made.function, made.args, made.kwargs, made.name = function, tuple(args), kwargs, None
    made.value = value
    made.key = (
        function if not isinstance(function, Helper) else function.name,
        *(key_of(a) for a in args),
        *((k, key_of(v)) for k, v in sorted(kwargs.items())),
    )
    made.sizes = sizes_of(made) if sizes is None else sizes
    return made


class Helper:
    """An operation that stands in formulas by its name, and in source as a function of its own."""

    def __init__(self, entry: Any):
        self.name: str = entry.name
        self.entry = entry

    def __call__(self, *args: Any) -> Any:
        return self.entry.forward(*args)


HELPERS: dict[str, Helper] = {}


def apply_rule(entry: Any, inputs: tuple[Any, ...]) -> Any:
    """What ``entry``'s forward function makes of expressions: a formula of NumPy's functions, or
    its own name where it was written as a function of several lines."""
    forward = entry.formula or entry.forward
    named = getattr(forward, "__name__", "<lambda>") != "<lambda>"
    ours = hasattr(forward, "__code__") and named
    if ours:
        if entry.name not in HELPERS:
            HELPERS[entry.name] = Helper(entry)
        return apply(HELPERS[entry.name], inputs)
    if hasattr(forward, "__code__"):
        return forward(*inputs)
    return apply(forward, inputs)


def key_of(x: Any) -> Any:
    """Equal for equal arguments."""
    if isinstance(x, Expression):
        return x.key
    if isinstance(x, Size):
        return x.source.key
    if isinstance(x, tuple | list):
        return ("tuple", *map(key_of, x))
    if isinstance(x, slice):
        return ("slice", key_of(x.start), key_of(x.stop), key_of(x.step))
    if isinstance(x, np.ndarray):
        return ("array", x.dtype.str, x.shape, x.tobytes())
    if isinstance(x, np.generic):
        return ("number", x.dtype.str, x.item())
    return ("constant", type(x).__name__, repr(x))


def mapped(x: Any, change: Callable[[Expression], Any]) -> Any:
    """``x`` with ``change`` done to the expressions in it."""
    if isinstance(x, Expression):
        return change(x)
    if isinstance(x, Size):
        new = change(x.source)
        return Size(int(new.value), new) if isinstance(new, Expression) else new
    if isinstance(x, tuple | list):
        return type(x)(mapped(y, change) for y in x)
    if isinstance(x, slice):
        return slice(mapped(x.start, change), mapped(x.stop, change), mapped(x.step, change))
    return x


def value_of(x: Any) -> Any:
    if isinstance(x, Size):
        return int(x)
    return mapped(x, lambda e: e.value)


def children(e: Expression) -> list[Expression]:
    """The expressions that ``e`` is directly made of, each as often as it stands there."""
    found: list[Expression] = []

    def note(child: Expression) -> Expression:
        found.append(child)
        return child

    for a in (*e.args, *e.kwargs.values()):
        mapped(a, note)
    return found


def parts(e: Expression) -> Iterator[Expression]:
    """``e`` and everything in it."""
    stack = [e]
    while stack:
        part = stack.pop()
        yield part
        stack.extend(children(part))


def rebuild(e: Expression, change: Callable[[Expression], Any]) -> Any:
    """``e`` with its parts changed, innermost first, and simplified anew where something did."""
    if e.function is None:
        return change(e)

    changed = []

    def inner(part: Expression) -> Any:
        new = rebuild(part, change)
        if new is not part:
            changed.append(part)
        return new

    args = tuple(mapped(a, inner) for a in e.args)
    kwargs = {k: mapped(v, inner) for k, v in e.kwargs.items()}
    if not changed:
        return change(e)
    made = apply(e.function, args, kwargs)
    return change(made) if isinstance(made, Expression) else made


# --- simplifying, so that formulas read like a textbook -------------------------------------------


def apply(function: Any, args: Any, kwargs: Mapping[str, Any] | None = None) -> Any:
    """``function`` of expressions, simplified."""
    function = CANONICAL.get(function, function)
    kwargs = dict(kwargs or {})
    args = tuple(a.source if isinstance(a, Size) else a for a in args)
    if not kwargs and function in SIMPLER:
        simpler = SIMPLER[function](*args)
        if simpler is not None:
            return simpler
    value = function(*map(value_of, args), **{k: value_of(v) for k, v in kwargs.items()})
    if isinstance(value, tuple | list):
        whole = call(function, args, kwargs, value, ())
        return type(value)(
            call(operator.getitem, (whole, i), {}, part) for i, part in enumerate(value)
        )
    return call(function, args, kwargs, value)


def is_number(x: Any, number: float) -> bool:
    """Whether ``x`` is the constant ``number`` wherever it stands."""
    if isinstance(x, Expression):
        return x.function is None and x.name is None and is_number(x.value, number)
    return isinstance(x, int | float | np.ndarray | np.generic) and bool(np.all(x == number))


def is_call(x: Any, function: Any) -> bool:
    return isinstance(x, Expression) and x.function is function


def fills(x: Any, *others: Any) -> bool:
    """Whether ``x`` alone is what it is together with the others: in shape, and no truth value."""
    if not isinstance(x, Expression) or x.dtype.kind == "b":
        return False
    shapes = [np.shape(value_of(o)) for o in others]
    return np.broadcast_shapes(np.shape(x.value), *shapes) == np.shape(x.value)


def scalar(x: Any) -> bool:
    return np.ndim(value_of(x)) == 0


def literal(*xs: Any) -> bool:
    """Whether all are plain numbers that stand in the formula as they are."""
    return all(
        (isinstance(x, int | float) and not isinstance(x, Size))
        or (isinstance(x, Expression) and x.function is None and x.name is None and not x.sizes)
        for x in xs
    )


def multiply(a: Any, b: Any) -> Any:
    if literal(a, b):
        return constant(value_of(a) * value_of(b))
    if is_number(a, 1) and fills(b, a):
        return b
    if is_number(b, 1) and fills(a, b):
        return a
    if is_call(a, np.negative):
        return -(a.args[0] * b)
    if is_call(b, np.negative):
        return -(a * b.args[0])
    if is_number(a, -1) and fills(b, a):
        return -b
    if is_call(a, np.broadcast_to) and fills(b, a):
        return a.args[0] * b
    if is_call(b, np.broadcast_to) and fills(a, b):
        return a * b.args[0]
    if is_call(a, np.broadcast_to) and scalar(b):
        return np.broadcast_to(a.args[0] * b, a.args[1])
    if is_call(b, np.broadcast_to) and scalar(a):
        return np.broadcast_to(a * b.args[0], b.args[1])
    if is_call(a, np.divide) and scalar(a.args[1]):  # (x / m) * y = x * y / m
        return apply(np.divide, (a.args[0] * b if not is_number(a.args[0], 1) else b, a.args[1]))
    if is_call(b, np.divide) and scalar(b.args[1]) and not scalar(b):
        return apply(np.divide, (a * b.args[0], b.args[1]))
    return None


def divide(a: Any, b: Any) -> Any:
    if is_number(b, 1) and fills(a, b):
        return a
    if is_call(a, np.negative):
        return -(a.args[0] / b)
    if is_call(b, np.negative):
        return -(a / b.args[0])
    if is_call(a, np.broadcast_to) and fills(b, a):
        return a.args[0] / b
    if is_call(a, np.broadcast_to) and scalar(b):
        return np.broadcast_to(a.args[0] / b, a.args[1])
    if is_call(a, np.divide) and scalar(a.args[1]) and not scalar(b):  # (x / m) / y = x / y / m
        return apply(np.divide, (apply(np.divide, (a.args[0], b)), a.args[1]))
    return None


def add(a: Any, b: Any) -> Any:
    if is_number(a, 0) and fills(b, a):
        return b
    if is_number(b, 0) and fills(a, b):
        return a
    if is_call(b, np.negative):
        return a - b.args[0]
    if is_call(a, np.negative):
        return b - a.args[0]
    return common_divisor(np.add, a, b)


def subtract(a: Any, b: Any) -> Any:
    if is_number(b, 0) and fills(a, b):
        return a
    if is_number(a, 0) and fills(b, a):
        return -b
    if is_call(b, np.negative):
        return a + b.args[0]
    if is_call(a, np.negative):
        return -(a.args[0] + b)
    return common_divisor(np.subtract, a, b)


def common_divisor(function: Any, a: Any, b: Any) -> Any:
    """x / m + y / m = (x + y) / m, for one number m."""
    if is_call(a, np.divide) and is_call(b, np.divide):
        m, n = a.args[1], b.args[1]
        if scalar(m) and key_of(m) == key_of(n):
            return apply(np.divide, (apply(function, (a.args[0], b.args[0])), m))
    return None


def negative(x: Any) -> Any:
    if is_call(x, np.broadcast_to):
        return np.broadcast_to(-x.args[0], x.args[1])
    return x.args[0] if is_call(x, np.negative) else None


def transpose(x: Any, axes: Any = None) -> Any:
    if axes is not None:
        return None
    return x.args[0] if is_call(x, np.transpose) and len(x.args) == 1 and not x.kwargs else None


def reshaped(function: Any) -> Callable[..., Any]:
    """A number repeated in one shape and brought into another is repeated in the other at once."""

    def simpler(x: Any, how: Any) -> Any:
        if not is_call(x, np.broadcast_to) or x.args[0].ndim:
            return None
        made = call(function, (x, how), {}, function(x.value, value_of(how)))
        if function is np.expand_dims and isinstance(how, int):
            sizes = list(x.sizes)
            sizes.insert(how % made.value.ndim, 1)
            made.sizes = tuple(sizes)
        return np.broadcast_to(x.args[0], made.sizes)

    return simpler


def power(a: Any, b: Any) -> Any:
    return a if is_number(b, 1) and fills(a, b) else None


SIMPLER: dict[Any, Callable[..., Any]] = {
    np.multiply: multiply,
    np.divide: divide,
    np.add: add,
    np.subtract: subtract,
    np.negative: negative,
    np.transpose: transpose,
    np.power: power,
    np.expand_dims: reshaped(np.expand_dims),
    np.reshape: reshaped(np.reshape),
}


# --- the sizes of a result -----------------------------------------------------------------------


def sizes_of(e: Expression) -> tuple[int, ...]:
    """The shape of a result by the sizes of what it was made of, where the function tells."""
    shape = np.shape(e.value)
    given: list[Any] = [
        getattr(a, "sizes", np.shape(value_of(a))) if _is_array(a) else () for a in e.args
    ]
    if isinstance(e.function, np.ufunc) and e.function is not np.matmul:
        return tuple(broadcast(given, shape))
    if e.function is np.matmul and len(given) == 2 and len(given[0]) == len(given[1]) == 2:
        return (given[0][0], given[1][1])
    if e.function is np.transpose and given:
        axes = e.args[1] if len(e.args) > 1 else e.kwargs.get("axes")
        axes = tuple(range(len(shape)))[::-1] if axes is None else axes
        return tuple(given[0][a] for a in axes)
    if getattr(e.function, "__name__", "") in {"sum", "mean", "max", "min", "prod"} and given:
        axis = e.kwargs.get("axis", e.args[1] if len(e.args) > 1 else None)
        n = len(given[0])
        axes = range(n) if axis is None else (axis if isinstance(axis, tuple) else (axis,))
        gone = {a % n for a in axes} if n else set()
        kept = [1 if i in gone else size for i, size in enumerate(given[0])]
        if len(shape) == n:
            return tuple(kept)
        return tuple(size for i, size in enumerate(given[0]) if i not in gone)
    if e.function in (np.reshape, np.broadcast_to) and value_of(e.args[1]) == shape:
        return tuple(e.args[1])
    if e.function is np.where:
        return tuple(broadcast(given, shape))
    same = isinstance(e.function, Helper) or e.function in KEEP_SHAPE
    if same and given and np.shape(value_of(e.args[0])) == shape:
        return given[0]
    return own_sizes(e)


KEEP_SHAPE = {np.copy, np.clip, np.tril, np.triu, np.flip, np.roll, np.sort, np.astype}
KEEP_SHAPE.add(np.linalg.inv)


def _is_array(x: Any) -> bool:
    return isinstance(x, Expression | np.ndarray | np.generic | int | float)


def broadcast(given: list[tuple[int, ...]], shape: tuple[int, ...]) -> Iterator[int]:
    for axis, n in enumerate(shape):
        candidates = [
            sizes[axis - len(shape)]
            for sizes in given
            if len(sizes) >= len(shape) - axis and sizes[axis - len(shape)] == n
        ]
        yield next((c for c in candidates if isinstance(c, Size)), n)


# --- printing ------------------------------------------------------------------------------------


class Printer:
    """Expressions as Python source."""

    def text(self, e: Any) -> str:
        return self.write(e)[0]

    def write(self, e: Any) -> tuple[str, int]:
        """The text and how tightly its outermost operator binds."""
        if isinstance(e, Size):
            return self.write(e.source)
        if not isinstance(e, Expression):
            return self.literal(e)
        if e.name is not None:
            return e.name, ATOM
        if e.function is None:
            return self.literal(e.value)
        return self.written(e)

    def written(self, e: Expression) -> tuple[str, int]:
        function, args = e.function, e.args
        if function in INFIX and not e.kwargs and len(args) == 2:
            sign, binds = INFIX[function]
            if function is np.power:
                base, exponent = self.inside(args[0], binds + 1), self.inside(args[1], binds)
                simple = re.fullmatch(r"[\w.]+ [\w.]+", f"{base} {exponent}")
                return f"{base}{'**' if simple else ' ** '}{exponent}", binds
            left = self.inside(args[0], binds + (binds == 6))
            return f"{left} {sign} {self.inside(args[1], binds + 1)}", binds
        if function is np.negative:
            if is_call(args[0], np.multiply) or is_call(args[0], np.divide):
                return f"-{self.text(args[0])}", 12  # (-a) / b is the same number as -(a / b)
            return f"-{self.inside(args[0], NEGATIVE)}", NEGATIVE
        if function is axis_length:
            return f"{self.inside(args[0], ATOM)}.shape[{args[1]}]", ATOM
        if function is np.transpose and len(args) == 1 and not e.kwargs:
            return f"{self.inside(args[0], ATOM)}.T", ATOM
        if function is np.matrix_transpose:
            return f"{self.inside(args[0], ATOM)}.mT", ATOM
        if function is operator.getitem:
            return f"{self.inside(args[0], ATOM)}[{self.index(args[1])}]", ATOM
        if function is np.astype:
            return f"{self.inside(args[0], ATOM)}.astype(np.{args[1]})", ATOM
        named = parameter_names(e)
        words = [self.text(a) for a in args[: len(args) - len(named)]] + [
            f"{k}={self.text(v)}"
            for k, v in [*zip(named, args[len(args) - len(named) :]), *e.kwargs.items()]
            if named or not ((v is None and k == "axis") or (v is False and k == "keepdims"))
        ]
        return f"{function_name(function)}({', '.join(words)})", ATOM

    def inside(self, e: Any, binds: int) -> str:
        text, own = self.write(e)
        return text if own >= binds else f"({text})"

    def index(self, index: Any) -> str:
        if isinstance(index, tuple) and index:
            return ", ".join(map(self.index, index))
        if isinstance(index, slice):
            ends = [index.start, index.stop] + ([index.step] if index.step is not None else [])
            return ":".join("" if x is None else self.text(x) for x in ends)
        return "..." if index is Ellipsis else self.text(index)

    def literal(self, x: Any) -> tuple[str, int]:
        if isinstance(x, np.ndarray) and not x.size:
            return f"np.empty({x.shape}, np.dtype('{x.dtype}'))", ATOM
        if isinstance(x, np.ndarray) and x.ndim:
            array = np.array2string(x, separator=", ", threshold=x.size + 1, floatmode="unique")
            array = " ".join(array.split()).replace("nan", "np.nan").replace("inf", "np.inf")
            dtype = "" if x.dtype in (np.float64, np.int64, np.bool_) else f", dtype=np.{x.dtype}"
            return f"np.array({array}{dtype})", ATOM
        if isinstance(x, np.ndarray | np.generic):
            plain = x.item()
            if x.dtype in (np.float64, np.int64, np.bool_):
                return self.literal(plain)
            return f"np.{x.dtype}({plain!r})", ATOM
        if isinstance(x, float) and not np.isfinite(x):
            return ("np.nan", ATOM) if x != x else (f"{'-' * (x < 0)}np.inf", NEGATIVE)
        if isinstance(x, tuple | list):
            words = ", ".join(self.text(y) for y in x)
            if isinstance(x, list):
                return f"[{words}]", ATOM
            return f"({words}{',' * (len(x) == 1)})", ATOM
        if isinstance(x, slice):
            return f"slice({', '.join(self.text(y) for y in (x.start, x.stop, x.step))})", ATOM
        if isinstance(x, np.dtype):
            return f"np.{x}", ATOM
        if isinstance(x, int | float) and not isinstance(x, bool) and x < 0:
            return repr(x), NEGATIVE
        return ("..." if x is Ellipsis else repr(x)), ATOM


def parameter_names(e: Expression) -> list[str]:
    """What the parameters of a helper, its last arguments, are called: ``axis``, ``keepdims``."""
    if not isinstance(e.function, Helper):
        return []
    signature = inspect.signature(e.function.entry.forward).parameters.values()
    if any(p.kind is not p.POSITIONAL_OR_KEYWORD for p in signature):
        return []
    return [p.name for p in signature][max(len(e.function.entry.vjps), 1) :]


def function_name(function: Any) -> str:
    if isinstance(function, Helper):
        return function.name
    name = function.__name__
    if getattr(function, "__self__", None) is not None and isinstance(function.__self__, np.ufunc):
        return f"np.{function.__self__.__name__}.{name}"
    module = getattr(function, "__module__", "numpy") or "numpy"
    if isinstance(function, np.ufunc) and getattr(np, name, None) is not function:
        return f"special.{name}"  # of SciPy
    name = {"absolute": "abs", "amax": "max", "amin": "min"}.get(name, name)
    return f"np.linalg.{name}" if module.startswith("numpy.linalg") else f"np.{name}"
