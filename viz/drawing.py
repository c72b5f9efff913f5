"""``draw``: a computation graph as a picture, in a script, a terminal and a notebook."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import graphviz

from tinygrad_edu import Tensor
from viz import dot as dots
from viz import render, text
from viz.graph import Entry, read
from viz.highlight import marks_of
from viz.picture import SHOW, Options, Picture, picture_of

SUFFIXES = ("svg", "png", "pdf", "html", "dot", "txt")


def draw(
    tensor: Any,
    *inputs: Any,
    level: str = "auto",
    direction: str = "auto",
    show: Collection[str] = ("shape",),
    names: Mapping[str, Any] | None = None,
    collapse: Collection[str] = (),
    constants: str = "inline",
    highlight: Any = None,
    max_nodes: int = 150,
    theme: str = "light",
) -> Drawing:
    """Draw the computation that led to ``tensor``; or to ``model(*inputs)`` when a model comes first;
    or, of a report of the gradient doctor, the network with each gradient's verdict where it flows.

    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> print(draw(x * 2 + 1))
    7
    ├ + 1
    ├ * 2
    x

    ``level``: "operations", "layers" (a box per layer), "tensors" (unnamed results have boxes too),
    or "auto". ``direction``: "down", "right" or "auto". ``show``: any of "shape", "value", "grad",
    "dtype". ``names``: names for unnamed tensors, such as ``locals()``. ``collapse``: layers
    ("layer 1") and results to draw as one box. ``constants``: "inline", "nodes" or "hide".
    ``highlight``: tensors, names, or a report of gradients for tensors of these names. Above
    ``max_nodes`` what repeats is folded or drawn by layers. ``theme``: "light" or "dark".

    TypeError for what is neither a Tensor nor a model, ValueError for an unknown choice.
    """
    show = (show,) if isinstance(show, str) else tuple(show)
    collapse = (collapse,) if isinstance(collapse, str) else tuple(map(str, collapse))
    choice("level", level, ("auto", "operations", "layers", "tensors"))
    choice("direction", direction, ("auto", "down", "right"))
    choice("constants", constants, ("inline", "nodes", "hide"))
    choice("theme", theme, tuple(dots.THEMES))
    for item in show:
        choice("show", item, SHOW)
    if isinstance(max_nodes, bool) or not isinstance(max_nodes, int) or max_nodes < 2:
        raise ValueError(f"max_nodes has to be a whole number of at least 2, not {max_nodes!r}.")
    if hasattr(tensor, "to_draw"):
        tensor, about = tensor.to_draw()
        highlight = about if highlight is None else highlight
    root, names = recorded(tensor, inputs, names)
    entries = read(root, names)
    options = Options(level, show, collapse, constants, marks_of(highlight, entries), max_nodes)
    return Drawing(entries, options, direction, theme)


def choice(argument: str, value: Any, among: tuple[str, ...]) -> None:
    if value not in among:
        raise ValueError(f"{argument}={value!r} is not known: choose from {', '.join(among)}.")


def recorded(
    tensor: Any, inputs: tuple[Any, ...], names: Mapping[str, Any] | None
) -> tuple[Tensor, Mapping[str, Any] | None]:
    """The Tensor to draw; of a model the one that it computes, with its parameters' names."""
    if isinstance(tensor, Tensor):
        if inputs:
            raise TypeError("draw(tensor, ...) takes its options by name, such as level='layers'.")
        return tensor, names
    if callable(tensor) and inputs and not isinstance(tensor, type):
        result = tensor(*inputs)
        if isinstance(result, Tensor):
            return result, {**parameter_names(tensor), **(names or {})}
        raise TypeError(f"The model returned {type(result).__name__}, but draw needs a Tensor.")
    raise TypeError(
        f"draw needs a Tensor, or a model and its input, but got {type(tensor).__name__}: compute "
        "the result from Tensors, then draw(result) or draw(model, X)."
    )


def parameter_names(model: Any) -> dict[str, Any]:
    """The parameters of a model that have no name of their own, by the name that the model gives."""
    for method in ("named_parameters", "parameters"):
        if hasattr(model, method):
            found = getattr(model, method)()
            pairs = found.items() if isinstance(found, Mapping) else list(found)
            if all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
                return {k: t for k, t in pairs if getattr(t, "name", None) is None}
    return {}


class Drawing:
    """A drawn graph: ``save(path)``, ``source`` (DOT), ``dot`` (graphviz.Digraph), ``svg()``; print
    it for a text tree; it shows itself in a notebook."""

    def __init__(self, entries: list[Entry], options: Options, direction: str, theme: str):
        self.entries, self.options = entries, options
        self.direction, self.theme = direction, theme
        self.picture = picture_of(entries, options)

    def rankdir(self, picture: Picture) -> str:
        if self.direction != "auto":
            return "LR" if self.direction == "right" else "TB"
        groups = any(node.role == "group" for node in picture.nodes.values())
        return "LR" if groups or len(picture.nodes) <= 14 else "TB"

    @property
    def dot(self) -> graphviz.Digraph:
        return dots.digraph(self.picture, self.theme, self.rankdir(self.picture))

    @property
    def source(self) -> str:
        """The DOT text, the same every time."""
        return self.dot.source

    def __str__(self) -> str:
        return text.tree(self.picture)

    def render(self, format: str) -> bytes:
        """The picture as ``svg``, ``png`` or ``pdf``; a simpler one where the layout takes long."""
        try:
            return render.render(self.source, format)
        except render.LayoutTimeoutError as why:
            fewer = max(2, min(40, len(self.picture.nodes) // 2))
            simple = picture_of(self.entries, replace(self.options, level="auto", max_nodes=fewer))
            simple.notes.insert(0, f"A simpler drawing, as {why}.")
            graph = dots.digraph(simple, self.theme, self.rankdir(simple))
            graph.attr(splines="line", nslimit="2", nslimit1="2", mclimit="0.5")
            return render.render(graph.source, format)

    def svg(self) -> str:
        """The picture as an ``<svg>`` element."""
        picture = self.render("svg").decode("utf-8")
        return picture[picture.index("<svg") :]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file, its kind told by the suffix: svg, png, pdf, html, dot or txt.

        ValueError for another suffix, RuntimeError where no Graphviz is there to draw with, OSError
        where the file cannot be written; then no file is left behind.
        """
        suffix = Path(path).suffix.lower().lstrip(".")
        if suffix not in SUFFIXES:
            raise ValueError(
                f"{os.fspath(path)} has the suffix {suffix!r}: choose one of {', '.join(SUFFIXES)}."
            )
        if suffix == "dot":
            content = self.source.encode("utf-8")
        elif suffix == "txt":
            content = (str(self) + "\n").encode("utf-8")
        elif suffix == "html":
            content = self.html().encode("utf-8")
        else:
            content = self.render(suffix)
        render.write(path, content)

    def html(self) -> str:
        """A page of its own that shows the picture."""
        colors = dots.THEMES[self.theme]
        title = html.escape(self.picture.nodes[self.picture.root].lines[0])
        return (
            f'<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>\n'
            f"<style>body{{margin:1em;background:{colors['background']}}}"
            f"svg{{max-width:100%;height:auto}}</style>\n{self.svg()}\n</html>\n"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """For notebooks: an ``<img>``, which JupyterLab keeps in an untrusted notebook too."""
        try:
            plain = str(self)
        except Exception as error:
            plain = f"The graph cannot be shown: {error}"
        try:
            return {"text/plain": plain, "text/html": image(self.render("svg"), plain)}
        except Exception as error:
            shown = f"<pre>{html.escape(plain)}</pre><p>{html.escape(str(error))}</p>"
            return {"text/plain": plain, "text/html": shown}


def image(svg: bytes, alternative: str) -> str:
    """An SVG as an ``<img>`` that is never wider than its place."""
    return (
        f'<img style="max-width:100%" alt="{html.escape(alternative)}" '
        f'src="data:image/svg+xml;base64,{base64.b64encode(svg).decode()}">'
    )
