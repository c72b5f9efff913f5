"""What is highlighted: tensors, names, or the verdicts of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tinygrad_edu import Tensor
from viz.graph import Entry, clean

Marks = dict[str, tuple[str, list[str]]]  # by name: wrong, follows, right or chosen, and lines


def marks_of(highlight: Any, entries: list[Entry]) -> Marks:
    """What to mark, and what to write there."""
    if highlight is None:
        return {}
    verdicts = getattr(highlight, "verdicts", None)
    if verdicts is not None:
        return report_marks(highlight, verdicts)
    if isinstance(highlight, Mapping):
        return {clean(name): ("chosen", [clean(note)]) for name, note in highlight.items()}
    if isinstance(highlight, Tensor | str):
        highlight = [highlight]
    if not isinstance(highlight, Iterable):
        raise TypeError(
            "highlight takes tensors, names, a dict of notes by name, or a report with verdicts, "
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


def report_marks(report: Any, verdicts: Any) -> Marks:
    """A report's verdicts (a quantity such as ``dW2``, a verdict, an error) by the tensor's name."""
    causes: dict[str, str] = {}
    for cause in getattr(report, "causes", None) or ():
        where = field(cause, "quantity", "name", "where")
        what = field(cause, "cause", "title", "what", "text")
        if where is not None:
            causes[str(where)] = clean(what if what is not None else cause)
    first = getattr(report, "first_wrong", None)
    first = str(field(first, "quantity", "name") or first or "")
    marks: Marks = {}
    pairs = verdicts.items() if isinstance(verdicts, Mapping) else ((None, v) for v in verdicts)
    for name, verdict in pairs:
        quantity = str(name or field(verdict, "quantity", "name") or "")
        word = str(field(verdict, "verdict", "kind", "status") or verdict)
        error = field(verdict, "error", "relative_error", "rel_err")
        off = f" · rel err {error:.0e}" if isinstance(error, float) else ""
        tensor = quantity.removeprefix("d")
        lower = word.lower()
        if lower.startswith("ok"):
            marks[tensor] = ("right", [f"✓ {error:.0e}" if isinstance(error, float) else "✓"])
        elif lower.startswith("follows"):
            because = f" because of {first.removeprefix('d')} ↑" if first else ""
            marks[tensor] = ("follows", [f"~ {quantity} off{because}"])
        else:
            lines = [f"✗ {quantity}{off}"]
            if quantity in causes:
                lines.append(f"looks like: {causes[quantity]}")
            marks[tensor] = ("wrong", [clean(line) for line in lines])
    return marks


def field(thing: Any, *names: str) -> Any:
    """The first of these fields that a dict or an object has."""
    for name in names:
        value = thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
        if value is not None and not callable(value):
            return value
    return None
