"""Where in the learner's code an array was made."""

from __future__ import annotations

import linecache
from collections.abc import Sequence
from typing import Any

import numpy as np

from nn.doctor.naming import numbered, plain
from nn.doctor.peel import close, fits_name
from nn.doctor.report import Cause
from nn.doctor.sandbox import Event
from nn.doctor.subject import proportional


def place_of(value: Any, events: Sequence[Event], name: str) -> Event | None:
    """The first assignment of this array, of a variable with a fitting name if there is one.

    Failing that, of a multiple of it: -dW where a step adds, m * dZ where only dW is divided by m.
    """
    value = np.asarray(value)
    alike = [e for e in events if e.value.shape == value.shape]
    found = [e for e in alike if close(e.value, value, 1e-12)]
    found = found or [e for e in alike if value.size > 1 and proportional(e.value, value)]
    if not found:  # it may be flat where it is computed
        alike = [e for e in events if e.value.size == value.size > 1]
        found = [e for e in alike if close(e.value.ravel(), value.ravel(), 1e-12)]
    if not found:
        return None
    fitting = [e for e in found if fits_name(e.name, name)]
    own = [e for e in fitting if numbered(e.name)[1] in (None, numbered(name)[1])]
    exact = [e for e in found if plain(e.name) == plain(name) and "[" not in e.name]
    named = [e for e in found if e.name != "return"]
    best = (exact or own or fitting or named or found)[0]
    at = next(i for i, e in enumerate(events) if e is best)
    before = events[at - 1] if at else best
    same = before.value.shape == value.shape and close(before.value, best.value, 1e-12)
    return before if before.name == "return" and same else best  # made in the function called


def put_place(cause: Cause, where: Event | None) -> None:
    if where is not None:
        cause.line, cause.function, cause.file = where.line, where.function, where.file
        cause.source = linecache.getline(where.file, where.line).strip()
