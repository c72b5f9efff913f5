"""What is highlighted: tensors, names, or the verdicts of a report."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from tinygrad_edu import Tensor
from viz.graph import Entry, clean

Marks = dict[str, tuple[str, list[str]]]  # by name: wrong, follows, right or chosen, and lines


def marks_of(highlight: Any, entries: list[Entry]) -> Marks:
    """What to mark, and what to write there."""
    if highlight is None:
        return {}
    if hasattr(highlight, "rows"):
        return report_marks(highlight)
    if isinstance(highlight, Mapping):
        return {clean(name): ("chosen", [clean(note)]) for name, note in highlight.items()}
    if isinstance(highlight, Tensor | str):
        highlight = [highlight]
    if not isinstance(highlight, Iterable):
        raise TypeError(
            "highlight takes tensors, names, a dict of notes by name, or a report of gradients, "
            f"but got {type(highlight).__name__}."
        )
    marks: Marks = {}
    for item in highlight:
        if isinstance(item, Tensor):
            entry = next((entry for entry in entries if entry.value is item), None)
            if entry is None:
                raise ValueError(f"highlight: {item.describe()} is not part of this graph.")
            entry.name = entry.name or item.describe()
            marks[entry.name] = ("chosen", [])
        else:
            marks[clean(item)] = ("chosen", [])
    return marks


def report_marks(report: Any) -> Marks:
    """A report's verdicts (on a quantity such as ``dW2``) by the tensor's name."""
    causes: dict[str, list[str]] = {}
    for cause in parts_of(report, "causes"):
        says, line = field(cause, "says", "cause") or str(cause), field(cause, "line")
        where = f"line {line}: " if line else ""
        first, *others = str(field(cause, "quantity")).split(", ")
        causes[first] = textwrap.wrap(f"{where}{says}", 36, max_lines=3, placeholder=" …")
        causes |= {other: [f"{where}as in {first}"] for other in others}
    first = getattr(report, "first_wrong", None) or ""
    because = f"follows from {first}" if first else "off"
    marks: Marks = {}
    for row in parts_of(report, "rows"):
        quantity, error = str(field(row, "name")), field(row, "error")
        verdict = str(field(row, "verdict") or ("ok" if error < 1e-6 else "wrong")).lower()
        number = (f"{error:.0e}" if error else "0") if isinstance(error, float) else ""
        if verdict.startswith("ok"):
            mark, lines = "right", [f"✓ {number}".strip()]
        elif verdict.startswith("follows"):
            mark, lines = "follows", [f"~ {quantity} {because}"]
        else:
            off = f" · rel err {number}" if number else f" · {verdict}"
            mark, lines = "wrong", [f"✗ {quantity}{off}", *causes.get(quantity, [])]
        marks[quantity.removeprefix("d")] = mark, lines
    return marks


def parts_of(report: Any, what: str) -> list[Any]:
    """The rows or causes of a report and of the reports that it is made of."""
    inner = [x for part in getattr(report, "parts", None) or () for x in parts_of(part, what)]
    return [*(getattr(report, what, None) or ()), *inner]


def field(thing: Any, *names: str) -> Any:
    """The first of these fields that a dict or an object has."""
    for name in names:
        value = thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
        if value is not None:
            return value
    return None
