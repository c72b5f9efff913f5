"""What is written on a picture."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from viz.graph import Entry
from viz.lines import line_of

INFIX = {"+", "-", "*", "/", "@", "**", ">", ">=", "<", "<=", "==", "!="}


def number(x: Any) -> str:
    """A number, short: four digits.

    >>> number(715.0000000000001), number(0.00001234), number(float("nan")), number(True)
    ('715', '1.234e-05', 'nan', 'True')
    """
    if isinstance(x, bool | np.bool_) or not isinstance(x, float | int | np.number):
        return str(x)
    return f"{float(x):.4g}"


def shape_text(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def summary(array: Any) -> str:
    """The values of an array in a few words; what is not finite is counted.

    >>> summary(np.array([1.0, np.nan, 3.0, 4.0, np.inf, 0.0, 7.0]))
    '0 to 7, 1 nan, 1 inf'
    """
    if array.size == 1:
        return number(array.item())
    if array.size == 0:
        return "empty"
    if array.size <= 4 and array.ndim == 1:
        return "[" + ", ".join(number(x) for x in array) + "]"
    finite = array[np.isfinite(array)]
    parts = [f"{number(finite.min())} to {number(finite.max())}"] if finite.size else []
    nan, inf = int(np.isnan(array).sum()), int(np.isinf(array).sum())
    return ", ".join(parts + [f"{nan} nan"] * (nan > 0) + [f"{inf} inf"] * (inf > 0))


def gradient_text(entry: Entry) -> str:
    """The gradient's norm, a scalar's gradient itself, or that it was not computed."""
    grad = entry.value.grad
    name = f"∂{entry.name}"
    if grad is None:
        return f"{name} not computed"
    grad = np.asarray(grad)
    if grad.size == 1:
        return f"{name} {number(grad.item())}"
    with np.errstate(over="ignore", invalid="ignore"):
        return f"‖{name}‖ {np.linalg.norm(grad):.1e}"


def box_lines(entry: Entry, show: Collection[str], is_root: bool) -> list[str]:
    """The label of a tensor."""
    scalar = entry.shape == () or (is_root and np.prod(entry.shape) == 1)
    lines = [entry.name] if entry.name else []
    if entry.role == "constant" and scalar:
        return [*lines, number(entry.array.item())]
    if "shape" in show and not scalar:
        lines.append(shape_text(entry.shape))
    if "dtype" in show:
        lines.append(str(entry.value.dtype))
    if "value" in show or (scalar and (is_root or not entry.name)):
        lines.append(summary(entry.array))
    trivial = is_root and entry.value.grad is None  # it is one
    if "grad" in show and entry.needs_gradient and not trivial:
        lines.append(gradient_text(entry))
    return lines or [shape_text(entry.shape)]


def operation_label(entries: list[Entry], i: int, inline: bool) -> list[str]:
    """The symbol, with the numbers and the axis that belong to it."""
    entry = entries[i]
    symbol = entry.rule.symbol
    numbers = {
        k: number(entries[j].array.item())
        for k, j in enumerate(entry.operands)
        if inline and is_inline(entries[j])
    }
    if symbol in INFIX and len(entry.operands) == 2 and numbers:
        return [f"{numbers.get(0, '')} {symbol} {numbers.get(1, '')}".strip()]
    lines = [symbol, *numbers.values()]
    if "axis" in entry.settings:
        lines.append(f"axis {entry.settings['axis']}")
    return lines


def is_inline(entry: Entry) -> bool:
    return entry.role == "constant" and entry.shape == () and not entry.name


def tooltip(entries: list[Entry], i: int) -> str:
    """What a mouse over an operation tells."""
    entry = entries[i]
    operands = ", ".join(
        f"{entries[j].name} {shape_text(entries[j].shape)}".strip() for j in entry.operands
    )
    settings = "".join(f", {key}={short(value)}" for key, value in entry.settings.items())
    name = f"{entry.name} " if entry.name else ""
    at = f", {line}" if (line := line_of(entry.value)) else ""
    return f"{entry.rule.name}({operands}{settings}) gives {name}{shape_text(entry.shape)}{at}"


def short(value: Any) -> str:
    if hasattr(value, "shape"):
        return f"array {shape_text(value.shape)}"
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"


def describe_box(entry: Entry) -> str:
    """What a mouse over a tensor tells."""
    what = {"parameter": "a parameter", "input": "an input", "constant": "a constant"}
    kind = what.get(entry.role, "a result")
    dtype = getattr(entry.value, "dtype", "")
    return f"{entry.name or 'unnamed'}: {kind} of shape {shape_text(entry.shape)}, {dtype}"
