"""Tensor: an array that remembers the operation it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_edu.protocols import (
    FUNCTIONS,
    UFUNC_METHODS,
    UFUNCS,
    called,
    missing_rule,
    name_of,
    of_scipy,
    parameters,
    signatures,
)

if TYPE_CHECKING:
    from tinygrad_edu.recording import Rule

clock = count(-1, -1)  # ticks downwards: the youngest tensor is the smallest, as a heap wants it
KEEP = object()  # in place of the gradient of a tensor that was told to retain it
SMALL = 2**16  # bytes of an array of which all are remembered


class Tensor:
    """An array with a gradient: ``Tensor(data, requires_grad=False, *, name=None)``.

    ``data`` is copied. Integers with ``requires_grad=True`` become float64; arrays of other
    libraries that follow NumPy's protocols are kept as they are.

    >>> W = Tensor([[1.0, 2.0]], requires_grad=True, name="W")
    >>> x = Tensor([[3.0], [4.0]], name="x")
    >>> loss = (W @ x).sum()
    >>> loss.backward()
    >>> W.grad
    array([[3., 4.]])

    Raises TypeError for data that are not real numbers.
    """

    __slots__ = (
        "_data",
        "_grad",
        "_needs",
        "name",
        # how it was made: the rule, what it was applied to, and when
        "_rule",
        "_pull",  # how the reverse walk takes its gradient to the inputs; None for a leaf
        "_inputs",
        "_order",
        "_gradient",  # what has arrived so far, only during a backward pass
        "_age",  # of a constant: how many operations back it remembers
        "_borrowed",  # of a result: arrays of the program that it was computed from, as they were
        "_seen",  # of an exposed leaf: what its array holds, and since when
        "_where",  # the line of the program that computed it, known inside detect_anomaly()
        "__weakref__",
    )

    _data: Any
    _grad: Any
    _needs: bool
    name: str | None
    _rule: Rule | None
    _pull: Callable[..., Tensor | None] | None
    _inputs: Any
    _order: float
    _gradient: Any
    _age: int
    _borrowed: list[tuple[int, Any]]
    _seen: tuple[float, Any]
    _where: str

    if (
        TYPE_CHECKING
    ):  # operators and NumPy's methods come with their rules, backward() with the walk

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __neg__(self) -> Tensor: ...
        def _operator(self, other: Any) -> Any: ...

        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _operator
        __truediv__ = __rtruediv__ = __floordiv__ = __mod__ = __pow__ = __rpow__ = _operator
        __matmul__ = __rmatmul__ = __and__ = __or__ = __gt__ = __ge__ = __lt__ = __le__ = _operator

    def __init__(self, data: Any, requires_grad: bool = False, *, name: str | None = None):
        array = array_of(data, "Tensor(data)", copy=True)
        if requires_grad and array.dtype.kind != "f":
            array = array.astype(np.float64)
        become_leaf(self, array, bool(requires_grad), name)

    @classmethod
    def _constant(cls, array: Any, name: str | None = None) -> Tensor:
        """A Tensor around ``array`` itself, not a copy, that requires no gradient."""
        return become_leaf(cls.__new__(cls), array, False, name)

    # --- what it holds -------------------------------------------------------------------------

    @property
    def data(self) -> Any:
        """The values. Assigning (``W.data -= step``) and writing into them (``W.data[0] = 1``) are for
        leaves and constants, between two recordings; those of a result or a view are read-only."""
        data = self._data
        if isinstance(data, np.generic):
            data = self._data = np.asarray(data)
        if self.__class__ is View or (self._needs and self._rule is not None):
            if isinstance(data, np.ndarray):
                data = data.view()
                data.flags.writeable = False
        elif self.__class__ is Tensor:
            expose(self)
        return data

    @data.setter
    def data(self, new: Any) -> None:
        if self._rule is not None:
            self._refuse_if_computed("its data cannot be replaced")
        old = self._data
        if new is not old:  # in place, W.data -= step, it is the same array
            new = array_of(new, f"{self.describe()}.data", copy=True)
            if new.shape != old.shape:
                raise ValueError(
                    f"{self.describe()} has shape {old.shape}, but the new data have shape "
                    f"{new.shape}: make a new Tensor to change the shape."
                )
            self._data = new if new.dtype == old.dtype else new.astype(old.dtype)
        if self.__class__ is Exposed:
            self.__class__ = Tensor  # type: ignore[assignment]
        self._order = next(clock)  # younger now than whatever has used the old values

    @property
    def grad(self) -> Any:
        """The gradient that ``backward()`` has accumulated; None before, and for constants."""
        return None if self._grad is KEEP else self._grad

    @grad.setter
    def grad(self, new: Any) -> None:
        if new is not None:
            new = array_of(new, f"{self.describe()}.grad")
            if new.shape != self._data.shape:
                raise ValueError(
                    f"{self.describe()} has shape {self._data.shape}, but its new grad has shape "
                    f"{new.shape}."
                )
        self._grad = KEEP if new is None and self._rule is not None and self._grad else new

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor."""
        return self._needs

    @requires_grad.setter
    def requires_grad(self, new: bool) -> None:
        self._refuse_if_computed("whether it requires a gradient follows from its inputs")
        if new and self._data.dtype.kind != "f":
            self._data = self._data.astype(np.float64)
        self._needs = bool(new)
        if self.__class__ is Exposed:
            expose(self)

    def _refuse_if_computed(self, why: str) -> None:
        if self._rule is None:
            return
        if self._needs:
            raise RuntimeError(
                f"{self.describe()} was computed by {self._rule.name!r}, so {why}: change the "
                "tensors that it was computed from, or take detach() first."
            )
        self._rule = self._pull = self._inputs = None  # a constant's past no longer explains it

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def size(self) -> int:
        return self._data.size

    @property
    def dtype(self) -> Any:
        return self._data.dtype

    @property
    def itemsize(self) -> int:
        return self._data.itemsize

    @property
    def nbytes(self) -> int:
        return self._data.nbytes

    def __len__(self) -> int:
        return len(self._data)

    def item(self) -> Any:
        """The value of a tensor of one element, as a Python number."""
        refuse_stale(self)
        return self._data.item()

    def tolist(self) -> Any:
        """The values as Python numbers, in lists as deep as the tensor has axes."""
        refuse_stale(self)
        return self._data.tolist()

    def numpy(self) -> Any:
        """The values as an array that may be changed freely; a Tensor that requires a gradient
        has to be detached first."""
        refuse_stale(self)
        self._refuse_to_lose_the_gradient("t.numpy()", "t.detach().numpy()")
        return np.array(self._data)

    def detach(self) -> Tensor:
        """A constant with the same values: no gradient flows through it."""
        return Tensor._constant(self._data.copy(), self.name)

    def describe(self) -> str:
        """The tensor in a sentence: its name, or its operation and shape."""
        if self.name is not None:
            return self.name
        made = f"the result of {self._rule.name!r}" if self._rule is not None else "a Tensor"
        return f"{made} of shape {self.shape}"

    # --- how it was made -----------------------------------------------------------------------

    @property
    def rule(self) -> Rule | None:
        """The entry of the table that computed this tensor; None for a leaf."""
        return self._rule

    @property
    def inputs(self) -> tuple[Any, ...]:
        """What the rule was applied to: Tensors, and constants that are none.

        >>> y = Tensor([1.0, 2.0], requires_grad=True, name="x") * 3.0
        >>> y.rule, y.inputs[0].name, y.inputs[1]
        (<rule multiply>, 'x', 3.0)
        """
        if self._rule is None:
            return ()
        inputs = [
            as_it_was(x, self) if isinstance(x, Tensor) and x._order < self._order else x
            for x in self._inputs
        ]
        for i, seen in getattr(self, "_borrowed", ()):
            inputs[i] = array_as_it_was(inputs[i], seen, self)
        return tuple(inputs)

    @property
    def _made(self) -> float:
        """The tick at which it came to hold its values: sorting by it is sorting by age."""
        return self._order

    def __repr__(self) -> str:
        data = np.array2string(np.asarray(self._data), separator=", ", prefix="Tensor(")
        parts = [data]
        if self.dtype not in (np.float64, np.int64, np.bool_):
            parts.append(f"dtype={self.dtype}")
        if self._rule is not None:
            parts.append(f"from={self._rule.name}")
        elif self._needs:
            parts.append("requires_grad=True")
        if self.name is not None:
            parts.append(f"name={self.name!r}")
        return f"Tensor({', '.join(parts)})"

    __hash__ = object.__hash__  # by identity; == compares the elements

    # --- gradients -----------------------------------------------------------------------------

    def zero_grad(self) -> None:
        """Forget the accumulated gradient."""
        if self._grad is not None:
            self._grad = None if self._rule is None else KEEP

    def retain_grad(self) -> None:
        """Let ``backward()`` fill ``.grad`` of this computed tensor too, as it does for leaves."""
        if self._grad is None and self._rule is not None:
            self._grad = KEEP

    # --- NumPy's protocols ---------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "__call__":
            operation = UFUNCS.get(ufunc) or of_scipy(ufunc)
            if operation is not None and not options:
                return operation(*inputs)
            function = ufunc
        else:
            operation = UFUNC_METHODS.get((ufunc, method))
            function = getattr(ufunc, method)
        if operation is None:
            raise missing_rule(function)
        if options.pop("out", None) is not None:
            name = name_of(function)
            raise TypeError(
                f"{name} cannot write a Tensor's result into out= (nor can array += tensor), the "
                f"gradient would be lost: write result = {name}(...) or a = a + b instead."
            )
        return called(operation, function, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        operation = FUNCTIONS.get(function)
        if operation is None:
            raise missing_rule(function)
        if not kwargs and len(args) == 1:
            return operation(*args)
        in_order, names = signatures(operation, function)
        if len(args) > in_order or names.keys() & kwargs.keys():
            args, kwargs = (), {**dict(zip(parameters(function), args)), **kwargs}
            kwargs = {names.get(key, key): value for key, value in kwargs.items()}
        return called(operation, function, args, kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        refuse_stale(self)
        self._refuse_to_lose_the_gradient("an array made of a Tensor", "t.detach()")
        return np.array(self.data, dtype=dtype, copy=copy)

    def _refuse_to_lose_the_gradient(self, what: str, instead: str) -> None:
        if self._needs:
            raise TypeError(
                f"{what} would lose the gradient of {self.describe()}: use {instead} to go on "
                "without it, np.stack([...]) to join Tensors, and NumPy's functions (np.exp, not "
                "math.exp) to compute with it."
            )

    def __float__(self) -> float:
        self._refuse_to_lose_the_gradient("float(t)", "t.item()")
        return float(self._data)

    def __int__(self) -> int:
        self._refuse_to_lose_the_gradient("int(t)", "t.item()")
        return int(self._data)

    def __index__(self) -> int:
        self._refuse_to_lose_the_gradient("a Tensor as an index", "t.item()")
        return self._data.__index__()

    def __bool__(self) -> bool:
        return bool(self._data)

    def __format__(self, spec: str) -> str:
        if spec and self.ndim:
            raise TypeError(
                f"the format {spec!r} is for one number, but {self.describe()} has shape {self.shape}:"
                " format its elements, or t.detach().data with np.array2string."
            )
        return format(self.item(), spec) if spec else str(self)

    def __contains__(self, x: Any) -> bool:
        return bool(np.any(self == x))

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise TypeError(f"{self.describe()} is one number (shape ()) and cannot be iterated.")
        return (self[i] for i in range(len(self)))

    def __copy__(self) -> Tensor:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Tensor:
        if self._rule is not None:
            raise TypeError(
                f"{self.describe()} was computed, and a deep copy of its history is not possible: "
                "copy the parameters, or take detach() first."
            )
        return Tensor(self._data, self._needs, name=self.name)

    def __reduce__(self) -> Any:
        if self._rule is not None:
            raise TypeError(f"{self.describe()} was computed: pickle its detach() or its data.")
        return _rebuild, (self._data, self._needs, self.name)


class View(Tensor):
    """A Tensor that shares its memory with the one it was taken from, as ``x[0]`` does.

    In NumPy it would see what is written into ``x`` later. Here writing makes a new array, so from
    then on the view is out of date, and using it is an error.
    """

    __slots__ = ()


class Exposed(Tensor):
    """A leaf or constant whose array the program has in its hands, since it asked for ``.data``.

    What is written into the array leaves no trace, so it is compared with what it was. A constant
    counts as younger than all, so that whatever used it comes to ask ``as_it_was``; a leaf is asked
    when its gradient is complete.
    """

    __slots__ = ()

    @property
    def _made(self) -> float:
        return self._seen[0]


def expose(x: Tensor) -> None:
    """From now on the program has the array of ``x`` in its hands."""
    if x.__class__ is Tensor:
        x.__class__ = Exposed
        x._seen = x._order, fingerprint(x._data)
    x._order = x._seen[0] if x._needs else -inf


def look_again(x: Tensor) -> None:
    """Before an operation uses ``x``: whatever used other values is out of date from now on."""
    now = fingerprint(x._data)
    if now != x._seen[1]:
        x._seen = next(clock), now
        if x._needs:
            x._order = x._seen[0]


def holds_still(x: Tensor) -> bool:
    return x._seen[1] == fingerprint(x._data)


def fingerprint(array: Any) -> Any:
    """What a NumPy array holds: all its bytes, or the sum and every n-th element of a big one."""
    if not isinstance(array, np.ndarray):
        return None
    if array.nbytes <= SMALL:
        return array.tobytes()
    with np.errstate(all="ignore"):
        return array.sum().tobytes(), array.flat[:: array.size // 1000].tobytes()


def array_as_it_was(array: Any, seen: Any, node: Tensor) -> Any:
    """The program's own array with the values that ``node`` was computed from."""
    now = fingerprint(array)
    if now == seen:
        return array
    if isinstance(seen, bytes):
        return np.frombuffer(seen, array.dtype).reshape(array.shape)
    raise RuntimeError(
        f"an array of shape {array.shape} was changed in place after {node.rule!r} had used it, so the "
        "gradient would be wrong: call backward() before, or pass a copy()."
    )


def refuse_stale(view: Tensor) -> None:
    """An error if something was written into what ``view`` was taken from, since it was taken."""
    x = view
    while x.__class__ is View and x._rule is not None:
        source = x._inputs[0]
        if source._order < x._order and not unchanged_constant(source, x):
            raise RuntimeError(
                f"{view.describe()} was taken from {source.describe()}, which has been written into "
                "since: take it again after writing, or take a copy() before."
            )
        x = source


def shares_memory(data: Any, x: Any) -> bool:
    """Whether an operation on ``x`` gave a view of its memory instead of an array of its own."""
    if not isinstance(x, Tensor) or not isinstance(data, np.ndarray):
        return False
    own = x._data
    base = data.base
    return data is own or (base is not None and (base is own or base is own.base))


def _rebuild(data: Any, requires_grad: bool, name: str | None) -> Tensor:
    return Tensor(data, requires_grad, name=name)


def become_leaf(tensor: Tensor, array: Any, needs: bool, name: str | None) -> Tensor:
    """Give ``tensor`` its values and no history."""
    tensor._data = array
    tensor._grad = tensor._rule = tensor._pull = tensor._inputs = tensor._gradient = None
    tensor._needs = needs
    tensor._age = 0
    tensor.name = name
    tensor._order = next(clock)
    return tensor


def changed(x: Tensor, node: Tensor | None = None) -> RuntimeError:
    user = "an operation" if node is None else repr(node.rule)
    return RuntimeError(
        f"{x.describe()} was changed after {user} had used it, so the gradient would be wrong: call "
        "backward() before the update, or compute the loss anew after it."
    )


def unchanged_constant(x: Tensor, node: Tensor) -> bool:
    """Whether ``x`` only counts as younger than ``node``, but holds the values that it used."""
    return x.__class__ is Exposed and not x._needs and x._seen[0] > node._order and holds_still(x)


def as_it_was(x: Tensor, node: Tensor) -> Tensor:
    """The state of ``x`` that ``node`` used; ``x[...] = value`` has made younger ones since."""
    was = x
    while was._order < node._order:
        if unchanged_constant(was, node):
            return was
        if was._rule is None or not was._rule.writes:
            raise changed(x, node)
        was = was._inputs[0]
    return was


def array_of(data: Any, what: str, copy: bool | None = None) -> Any:
    """``data`` as an array of real numbers; arrays of other libraries pass as they are."""
    if isinstance(data, Tensor):
        data._refuse_to_lose_the_gradient(what, "t.detach()")
        data = data._data
    if isinstance(data, np.ma.MaskedArray):
        raise TypeError(
            f"{what} got a masked array, whose mask would be lost: fill it first, a.filled(0)."
        )
    if isinstance(data, np.matrix):
        raise TypeError(
            f"{what} got an np.matrix, whose * is the matrix product: give it np.asarray(matrix) and "
            "write the product with @."
        )
    foreign = hasattr(data, "__array_function__") and not isinstance(data, np.ndarray | np.generic)
    if foreign:
        return data
    try:
        array = np.array(data, copy=copy)
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        raise ValueError(f"{what} got rows of different lengths: all have to be equal.") from None
    kind = array.dtype.kind
    if kind not in "fiub":
        reason = (
            "complex numbers are not supported, use the real and imaginary parts"
            if kind == "c"
            else "it takes real numbers: floats, integers or booleans"
        )
        raise TypeError(f"{what} got data of dtype {array.dtype}; {reason}.")
    return array
