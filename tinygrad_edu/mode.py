"""Whether operations are remembered, and who looks on: a setting of this thread or async task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple


class Mode(NamedTuple):
    """``forward(out)`` is told of each result; ``read`` is what the reverse walk then reads with."""

    records: bool
    forward: Callable[[Any], None] | None = None
    read: Callable[[Any, Any], tuple[Any, Any, Any]] | None = None


RECORDING = Mode(records=True)
PAUSED = Mode(records=False)
mode: ContextVar[Mode] = ContextVar("mode", default=RECORDING)


@contextmanager
def within(new: Mode) -> Iterator[None]:
    """``new`` until the block ends."""
    token = mode.set(new)
    try:
        yield
    finally:
        mode.reset(token)
