"""Which line of the program computed a tensor."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tinygrad_edu import Tensor
from tinygrad_edu.anomaly import users_line
from tinygrad_edu.mode import Mode, within


def remember_lines() -> AbstractContextManager[None]:
    """Inside, every result remembers the line of your program that computed it, for the pictures.

    >>> with remember_lines():
    ...     y = Tensor(3.0, requires_grad=True) * 2
    >>> line_of(y)
    '<doctest remember_lines[0]>:2'
    """
    return within(Mode(records=True, forward=note))


def note(out: Any) -> None:
    out._where = users_line()


def line_of(value: Any) -> str:
    """``file.py:12``, or nothing where that was not remembered."""
    where = getattr(value, "_where", None) if isinstance(value, Tensor) else None
    if not where:
        return ""
    file, _, line = where.rpartition(", line ")
    name = file if file.startswith("<") else Path(file).name
    if name.startswith("<doctest"):
        name = f"<doctest {name.split('.')[-1]}"
    return f"{name}:{line}"
