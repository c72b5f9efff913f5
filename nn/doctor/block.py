"""``with doctor.watch():`` around lines that compute a cost and gradients in local variables."""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Mapping
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from nn.doctor.examine import Examination
from nn.doctor.experiment import is_bias
from nn.doctor.naming import parameter_meant, role_of
from nn.doctor.report import Report
from nn.doctor.sandbox import Tracer, attempt
from nn.doctor.subject import Run, Subject, batch_of, is_arraylike, loss_in


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
    subject = Block(body, before, filename, losses[-1], {k: params[k] for k in ordered}, X, Y)
    return Examination(subject, "Block").run()


class Block(Subject):
    """Lines of code as a subject: names go in, names come out."""

    def __init__(
        self,
        body: list[ast.stmt],
        before: Mapping[str, Any],
        filename: str,
        loss: str,
        params: dict[str, Any],
        X: str | None,
        Y: str | None,
    ):
        self.names = (X, Y)
        super().__init__(
            params, before[X] if X else np.zeros((1, 1)), np.asarray(before[Y]) if Y else None
        )
        self.before, self.loss = before, loss
        self.code = compile(ast.Module(body, []), filename, "exec")
        last = max(
            i
            for i, s in enumerate(body)
            if any(
                isinstance(n, ast.Name) and n.id == loss and isinstance(n.ctx, ast.Store)
                for n in ast.walk(s)
            )
        )
        self.ahead = compile(ast.Module(body[: last + 1], []), filename, "exec")

    def room(self, values: Mapping[str, Any], X: Any, Y: Any) -> dict[str, Any]:
        room = {k: np.array(v) if isinstance(v, np.ndarray) else v for k, v in self.before.items()}
        given = {n: v for n, v in zip(self.names, (X, Y)) if n is not None}
        old, new = batch_of(self.X, self.Y), batch_of(X, Y)
        for k, v in room.items():  # m = 6, counted before the block
            if isinstance(v, int) and v == old and (role_of(k) == "m" or k in ("n", "N")):
                given[k] = new
        return {**room, **values, **given}

    def truth(self, values: Mapping[str, Any], X: Any, Y: Any) -> tuple[Any, Any]:
        room = self.room(values, X, Y)
        exec(self.ahead, room)
        self.last_output = None
        return loss_in(room[self.loss]), None

    def run(self, values: Mapping[str, Any], X: Any, Y: Any, watch: bool = True) -> Run:
        run = Run(stage="backward")
        room = self.room({k: np.array(v) for k, v in values.items()}, X, Y)
        tracer = Tracer(watch=watch)
        _, run.failure = attempt(lambda: exec(self.code, room), tracer=tracer)
        run.events = run.seen = [e for e in tracer.events if e.name not in self.before]
        run.tracer = tracer
        if run.failure:
            return run
        run.stage, run.loss = "done", room[self.loss]
        for name, value in room.items():
            number = is_arraylike(value) or isinstance(value, float)
            meant = parameter_meant(name, list(values)) if number else None
            if meant is not None and name != meant:
                run.gradients[f"d{meant}"] = np.asarray(value)
        return run
