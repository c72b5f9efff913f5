"""``with doctor.watch():`` around lines that compute a cost and gradients in local variables."""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Mapping, Sequence
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from nn.doctor.examine import Examination
from nn.doctor.experiment import is_bias
from nn.doctor.loops import place_of, stored_inside
from nn.doctor.naming import parameter_meant, role_of
from nn.doctor.report import Report
from nn.doctor.statements import Statements
from nn.doctor.subject import Run, is_arraylike


class watch:  # noqa: N801
    """Examine the lines of a block: the gradients that it assigns, against the cost that it assigns.

    The block runs once as it is. Then its lines run again on random numbers, and the report is
    printed; it is also ``w.report`` for ``with doctor.watch() as w``. ``show=False`` prints nothing.
    """

    def __init__(self, show: bool = True):
        self.show = show
        self.report = Report("Block", problem="the block has not ended yet.")

    def __enter__(self) -> watch:
        frame = sys._getframe(1)
        self.frame: FrameType | None = frame
        self.body = body_at(frame)
        self.before = dict(frame.f_globals) | {
            k: np.array(v) if isinstance(v, np.ndarray) else v for k, v in frame.f_locals.items()
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        frame, self.frame = self.frame, None
        if kind is not None or frame is None:
            return
        self.report = examine_block(self.body, self.before, frame.f_code.co_filename)
        if self.show:
            self.report.show()


def body_at(frame: FrameType) -> list[ast.stmt]:
    """The statements of the ``with`` block that the frame enters."""
    text = "".join(linecache.getlines(frame.f_code.co_filename))
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return []
    for node in ast.walk(tree):
        if isinstance(node, ast.With) and node.lineno <= frame.f_lineno < node.body[0].lineno:
            return node.body
    return []


def examine_block(body: list[ast.stmt], before: Mapping[str, Any], filename: str) -> Report:
    if not body:
        return Report("Block", problem="the source of the block cannot be read here.")
    stored = [
        n.id
        for s in body
        for n in ast.walk(s)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    ]
    arrays = {
        k: v
        for k, v in before.items()
        if is_arraylike(v) and isinstance(v, np.ndarray) and v.dtype.kind == "f"
    }
    loaded = {n.id for s in body for n in ast.walk(s) if isinstance(n, ast.Name)}
    params = {
        k: arrays[k]
        for name in stored
        if (k := parameter_meant(name, [a for a in arrays if a in loaded])) is not None
        and k != name
    }
    losses = [
        n for n in dict.fromkeys(stored) if role_of(n) == "cost" or "loss" in n or "cost" in n
    ]
    if not params or not losses:
        what = "gradients dW of arrays W" if not params else "cost or loss"
        return Report("Block", problem=f"the block assigns no {what} that could be compared.")
    data = [k for k in arrays if k in loaded and k not in params]
    X = next((k for k in data if role_of(k) == "X"), None)
    Y = next(
        (k for k in before if k in loaded and role_of(k) == "Y" and is_arraylike(before[k])), None
    )
    ordered = sorted(params, key=lambda k: (is_bias(k, params[k]), k))
    subject = Block(body, before, filename, losses[-1], ordered, {"X": X, "Y": Y})
    return Examination(subject, "Block").run()


class Block(Statements):
    """Lines that assign gradients to variables, which are called as the arrays are."""

    def __init__(
        self,
        body: list[ast.stmt],
        before: Mapping[str, Any],
        filename: str,
        loss: str,
        params: Sequence[str],
        data: Mapping[str, str | None],
    ):
        self.last = loss
        super().__init__(body, before, filename, places=params, data=data)

    def marks(
        self, body: Sequence[ast.stmt], places: Sequence[str] | None
    ) -> tuple[str | None, str | None, Sequence[ast.stmt]]:
        last = max(i for i, s in enumerate(body) if self.last in map(place_of, stored_inside(s)))
        return self.last, None, body[: last + 1]

    def read(self, run: Run, before: dict[str, Any], after: Mapping[str, Any]) -> None:
        run.events = run.seen = [e for e in run.events if e.name not in before]
        for name, value in after.items():
            number = is_arraylike(value) or isinstance(value, float)
            meant = parameter_meant(name, list(before)) if number else None
            if meant is not None and name != meant:
                run.gradients[f"d{meant}"] = np.asarray(value)
