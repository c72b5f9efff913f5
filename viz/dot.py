"""A picture as DOT: plain labels only, so that every renderer draws the same."""

from __future__ import annotations

import html
from typing import Any

import graphviz

from viz.picture import Node, Picture

FONT = "Helvetica,Arial,sans-serif"

# (fill, border) of each role; the rest by name
LIGHT: dict[str, Any] = {
    "parameter": ("#d9ead3", "#38761d"),
    "input": ("#cfe2f3", "#1c4587"),
    "constant": ("#eeeeee", "#999999"),
    "value": ("#ffffff", "#666666"),
    "result": ("#f4cccc", "#990000"),
    "operation": ("#fff2cc", "#b45f06"),
    "group": ("#fff2cc", "#b45f06"),
    "cluster": ("#fafafa", "#cccccc"),
    "background": "white",
    "text": "black",
    "quiet": "#444444",
    "edge": "#777777",
    "faint": "#bbbbbb",
    "wrong": ("#ffebe9", "#cf222e"),
    "follows": "#cf222e",
    "chosen": "#8250df",
}
DARK: dict[str, Any] = {
    "parameter": ("#1f3a1d", "#7fbf6a"),
    "input": ("#1b3350", "#7aa7e0"),
    "constant": ("#2d3036", "#8b929c"),
    "value": ("#22262c", "#a8b0ba"),
    "result": ("#4a1f22", "#ff7b72"),
    "operation": ("#3d3113", "#e3b341"),
    "group": ("#3d3113", "#e3b341"),
    "cluster": ("#171b21", "#444c56"),
    "background": "#0d1117",
    "text": "#e6edf3",
    "quiet": "#adbac7",
    "edge": "#8b949e",
    "faint": "#586069",
    "wrong": ("#5d1a1f", "#ff7b72"),
    "follows": "#ff7b72",
    "chosen": "#d2a8ff",
}
THEMES = {"light": LIGHT, "dark": DARK}


def escaped(line: str) -> str:
    """A line of a label that shows exactly this text: no escapes, no HTML, no entities.

    >>> print(escaped('a|b{c} "x" & <b>'))
    a|b{c} "x" &amp; &lt;b&gt;
    """
    return graphviz.escape(html.escape(line, quote=False))


def label(lines: list[str]) -> str:
    return "\\n".join(escaped(part) for line in lines for part in line.split("\n"))


def digraph(picture: Picture, theme: str = "light", direction: str = "TB") -> graphviz.Digraph:
    """The DOT graph of a picture."""
    colors = THEMES[theme]
    dot = graphviz.Digraph("computation")
    dot.attr(
        rankdir=direction,
        nodesep="0.16",
        ranksep="0.26",
        bgcolor=colors["background"],
        fontname=FONT,
        fontsize="9",
        fontcolor=colors["quiet"],
    )
    dot.attr(
        "node",
        fontname=FONT,
        fontsize="10",
        margin="0.08,0.04",
        height="0.3",
        fontcolor=colors["text"],
        style="filled,rounded",
    )
    dot.attr(
        "edge",
        fontname=FONT,
        fontsize="8",
        color=colors["edge"],
        fontcolor=colors["edge"],
        arrowsize="0.6",
    )
    if picture.notes:
        dot.attr(label=label(picture.notes), labelloc="b")
    tree: dict[tuple[str, ...], list[Node]] = {(): []}
    for node in picture.nodes.values():
        for depth in range(len(node.clusters)):
            tree.setdefault(node.clusters[: depth + 1], [])
        tree[node.clusters].append(node)
    write_cluster(dot, picture, tree, (), colors)
    for edge in picture.edges:
        attributes = {}
        if edge.spine:
            attributes["weight"] = "20"
        if edge.long:
            attributes["minlen"] = "2"
        if edge.role == "parameter":
            attributes["color"] = colors["parameter"][1]
        elif edge.role == "constant":
            attributes |= {"style": "dashed", "color": colors["faint"]}
        elif edge.role == "loop":
            attributes |= {"style": "dashed", "constraint": "false", "label": "next"}
        if edge.label:
            attributes["label"] = label([edge.label])
        ends = f"{edge.tail}-{edge.head}"
        dot.edge(edge.tail, edge.head, attributes.pop("label", None), id=ends, **attributes)
    return dot


def write_cluster(
    dot: graphviz.Digraph,
    picture: Picture,
    tree: dict[tuple[str, ...], list[Node]],
    path: tuple[str, ...],
    colors: dict[str, Any],
) -> None:
    for node in tree[path]:
        dot.node(node.key, label(node.lines), **node_attributes(node, colors))
    for inner in tree:
        if len(inner) == len(path) + 1 and inner[: len(path)] == path:
            with dot.subgraph(name=f"cluster_{inner[-1]}") as cluster:
                fill, border = colors["cluster"]
                cluster.attr(
                    label=label([picture.clusters[inner[-1]]]),
                    fontsize="11",
                    fontcolor=colors["quiet"],
                    style="rounded,filled",
                    color=border,
                    fillcolor=fill,
                    labeljust="l",
                    margin="8",
                )
                write_cluster(cluster, picture, tree, inner, colors)


def node_attributes(node: Node, colors: dict[str, Any]) -> dict[str, str]:
    fill, border = colors[node.role]
    attributes = {"shape": "box", "fillcolor": fill, "color": border, "id": node.key}
    if node.tooltip:
        attributes["tooltip"] = escaped(node.tooltip)
    if node.role == "operation":
        small = len(node.lines) == 1 and len(node.lines[0]) <= 2 and node.lines[0].isascii()
        attributes |= {"shape": "circle" if small else "ellipse", "style": "filled"}
        if small:
            attributes |= {"width": "0.3", "fixedsize": "true", "fontsize": "12"}
    elif node.role == "constant" or (node.role == "input" and not node.spine):
        attributes |= {"fontsize": "8", "margin": "0.04,0.02", "height": "0.2", "width": "0.2"}
    elif node.role == "result":
        attributes["penwidth"] = "2"
    if node.spine:
        attributes["group"] = "s"
    if node.mark == "wrong":
        fill, border = colors["wrong"]
        attributes |= {"fillcolor": fill, "color": border, "penwidth": "3"}
    elif node.mark == "follows":
        attributes |= {"color": colors["follows"], "style": "filled,rounded,dashed"}
    elif node.mark == "chosen":
        attributes |= {"color": colors["chosen"], "penwidth": "3"}
    return attributes
