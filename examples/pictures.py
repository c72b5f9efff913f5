"""What the examples share: a picture goes into the folder pictures/, where matplotlib is installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path("pictures")


def save(name: str, draw: Callable[[Any], None], folder: Path | None = None, **figure: Any) -> None:
    """Let ``draw(figure)`` draw and write the picture; without matplotlib say how to get it."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print(f'No {name}: pictures need matplotlib, pip install "tinygrad-edu[plot]".')
        return
    folder = FOLDER if folder is None else folder
    folder.mkdir(parents=True, exist_ok=True)
    canvas = Figure(layout="constrained", **figure)
    draw(canvas)
    canvas.savefig(folder / name)
    print(f"Picture: {folder / name}")
