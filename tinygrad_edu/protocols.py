"""What NumPy's functions mean for Tensors: the tables, and how arguments find their places."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from math import inf
from typing import Any

import numpy as np

# The modules of rules/ fill these in.
UFUNCS: dict[np.ufunc, Callable[..., Any]] = {}
UFUNC_METHODS: dict[tuple[np.ufunc, str], Callable[..., Any]] = {}
FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {}


def of_scipy(ufunc: np.ufunc) -> Callable[..., Any] | None:
    """The rule of a ufunc of SciPy: they are loaded when a Tensor meets the first of them."""
    if getattr(np, ufunc.__name__, None) is not ufunc:
        try:
            import tinygrad_edu.rules.special  # noqa: F401
        except ImportError:
            return None
    return UFUNCS.get(ufunc)


def name_of(function: Any) -> str:
    """A function of NumPy as users write it.

    >>> name_of(np.exp), name_of(np.add.reduce), name_of(np.linalg.norm)
    ('np.exp', 'np.add.reduce', 'np.linalg.norm')
    """
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ufunc):
        return f"{name_of(owner)}.{function.__name__}"
    if isinstance(function, np.ufunc):
        own = getattr(np, function.__name__, None) is function
        return "np." * own + function.__name__
    module = getattr(function, "__module__", None) or "numpy"
    return f"{module.replace('numpy', 'np', 1)}.{function.__name__}"


def missing_rule(function: Any) -> TypeError:
    what = function if isinstance(function, str) else name_of(function)
    return TypeError(
        f"{what} has no rule for Tensors, so its gradient would be lost: write it with "
        "functions that have one (tinygrad_edu.rules lists them), define it with tg.rule, or pass "
        "t.detach() where no gradient is needed."
    )


# What these arguments of ufuncs say when they say nothing.
DEFAULTS = {"out": None, "dtype": None, "where": True, "casting": "same_kind", "subok": True}


@cache
def parameters(function: Callable[..., Any]) -> dict[str, Any]:
    """The names of a function's parameters and their defaults; none where it does not tell."""
    try:
        found = inspect.signature(function).parameters.values()
    except ValueError:
        return {}
    return (
        {p.name: p.default for p in found} if all(p.kind != p.VAR_POSITIONAL for p in found) else {}
    )


@cache
def signatures(operation: Any, function: Any) -> tuple[float, dict[str, str]]:
    """How many arguments mean the same by position to ``operation`` and to NumPy's ``function``, and
    what ``operation`` calls those that it has under another name."""
    ours, theirs = list(parameters(operation)), parameters(function)
    if not ours or not theirs:
        return inf, {}
    same, names = 0, {}
    for mine, (name, default) in zip(ours, theirs.items()):
        if mine != name:
            if default is not inspect.Parameter.empty:
                break
            names[name] = mine
        same += 1
    return same, names


def called(operation: Callable[..., Any], function: Any, args: Any, kwargs: Any) -> Any:
    """``operation(*args, **kwargs)`` for NumPy's ``function``; an argument that the operation does
    not take is left out where it is what ``function`` takes anyway."""
    try:
        return operation(*args, **kwargs)
    except TypeError as error:
        said = str(error)
        if "unexpected keyword argument" not in said:
            raise
        unknown = said.rsplit("'", 2)[1]
        if kwargs.get(unknown, error) is (parameters(function) or DEFAULTS).get(unknown):
            rest = {key: value for key, value in kwargs.items() if key != unknown}
            return called(operation, function, args, rest)
        raise TypeError(
            f"{name_of(function)} with {unknown}= is not supported on Tensors: leave {unknown}= out, "
            "or pass t.detach() where no gradient is needed."
        ) from None
