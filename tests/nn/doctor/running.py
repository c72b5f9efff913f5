"""The doctor as a user runs it: a file, a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import nn


class Done(NamedTuple):
    status: int
    out: str
    errors: str

    @property
    def said(self) -> str:
        return self.out + self.errors


def doctor(path: Path | str, *options: str, **environment: str) -> Done:
    """``tinygrad-edu doctor`` on this file, in the file's own folder."""
    done = subprocess.run(
        [sys.executable, "-m", "nn.command", "doctor", Path(path).name, *options],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=Path(path).parent,
        env={**os.environ, "PYTHONPATH": str(Path(nn.__path__[0]).parent), **environment},
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def cell(*lines: str, kind: str = "code") -> dict[str, Any]:
    text = "\n".join(lines)
    found: dict[str, Any] = {"cell_type": kind, "metadata": {}, "source": text.splitlines(True)}
    return found | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def notebook(*cells: dict[str, Any]) -> str:
    return json.dumps(
        {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1
    )
