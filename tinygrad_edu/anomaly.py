"""Where the first nan or infinity comes from: the operation, its operands, the line of your program."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from tinygrad_edu.backward import numbers
from tinygrad_edu.mode import Mode, within
from tinygrad_edu.recording import Rule
from tinygrad_edu.tensor import Tensor

OURS = [str(Path(__file__).resolve().parents[1] / name) for name in ("tinygrad_edu", "nn", "viz")]
NN = OURS[1]
OURS += [str(Path(np.__file__).parent), str(Path(sys.executable).parent), "<frozen "]


def users_line() -> str:
    """The file and line outside these packages that called the operation; the innermost line of
    `nn`, where a command of ours and not a program of the user's computes."""
    frame: FrameType | None = sys._getframe(1)
    ours = ""
    while frame is not None:
        file = frame.f_code.co_filename
        where = f"{file}, line {frame.f_lineno}"
        if not file.startswith(tuple(OURS)):
            return where
        if not ours and file.startswith(NN):
            ours = where
        frame = frame.f_back
    return ours or "an unknown line"


def watch_forward(out: Tensor) -> None:
    """Note where ``out`` was computed, and complain where it is not finite."""
    out._where = users_line()
    if finite(out._data):
        return
    name = rule_of(out).name
    for x in operands(out):
        if not finite(getattr(x, "_data", x)) and (not isinstance(x, Tensor) or x._rule is None):
            raise FloatingPointError(
                f"{name} was given {range_of(x)}; called at {out._where}: look for the first place "
                "that this value comes from."
            )
    raise FloatingPointError(
        f"{name} gave {bad_values(out._data)}; {ranges(out)}; computed at {out._where}."
    )


def watch_backward(node: Tensor, g: Any) -> tuple[Any, Any, Any]:
    """The numbers for the rules of ``node``, once they are known to give finite gradients."""
    g, out, values = numbers(node, g)
    for i, (x, vjp) in enumerate(zip(node.inputs, rule_of(node).vjps)):
        if isinstance(x, Tensor) and x._needs and vjp is not None:
            gx = vjp(g, out, *values)
            if not finite(gx):
                where = getattr(node, "_where", "an unknown line (recorded outside detect_anomaly)")
                raise FloatingPointError(
                    f"the backward pass of {rule_of(node).name} gave {bad_values(gx)} as the gradient of "
                    f"{x.describe() if x.name else f'input {i}'}; {ranges(node)}, the gradient "
                    f"from above in {interval(g)}; computed at {where}."
                )
    return g, out, values


def finite(x: Any) -> bool:
    return not isinstance(x, np.ndarray | np.generic | float) or bool(np.all(np.isfinite(x)))


def bad_values(x: Any) -> str:
    x = np.asarray(x)
    places = np.argwhere(~np.isfinite(x))
    first = tuple(places[0])
    at = f" at [{', '.join(map(str, first))}]" if first else ""
    kind = "value that is" if len(places) == 1 else "values that are"
    return f"{len(places)} {kind} not finite of {x.size}, first {x[first]}{at}"


def rule_of(node: Tensor) -> Rule:
    """The rule of a tensor that was computed, as all are that come here."""
    assert node._rule is not None
    return node._rule


def operands(node: Tensor) -> tuple[Any, ...]:
    return node.inputs[: len(rule_of(node).vjps)]


def ranges(node: Tensor) -> str:
    return " and ".join(range_of(x) for x in operands(node))


def range_of(x: Any) -> str:
    name = getattr(x, "name", None) or ("a Tensor" if isinstance(x, Tensor) else "a constant")
    return f"{name} of shape {np.shape(getattr(x, '_data', x))} lies in {interval(x)}"


def interval(x: Any) -> str:
    x = np.asarray(getattr(x, "_data", x))
    return f"[{np.min(x):.6g}, {np.max(x):.6g}]" if x.size else "nothing"


WATCHED = Mode(records=True, forward=watch_forward, read=watch_backward)


def detect_anomaly() -> AbstractContextManager[None]:
    """Stop at the first nan or infinity, in the forward or the backward pass; slower, for debugging.

    The FloatingPointError names the operation, the ranges of its operands and the file and line that
    called it. Of this thread or task only; the forward pass has to run inside too.

    >>> x = Tensor([1.0, 0.0], requires_grad=True, name="x")
    >>> with detect_anomaly(), np.errstate(divide="ignore"):
    ...     np.log(x)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    FloatingPointError: log gave 1 value that is not finite of 2, first -inf at [1]; \
x of shape (2,) lies in [0, 1]; computed at <doctest ...>, line 2.
    """
    return within(WATCHED)
