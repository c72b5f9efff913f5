"""A picture as a text tree, for a terminal."""

from __future__ import annotations

from viz.picture import Edge, Node, Picture


def tree(picture: Picture) -> str:
    """The result first; below each line what it was computed from. The main line of the computation
    goes straight down, what joins it is indented."""
    into: dict[str, list[Edge]] = {key: [] for key in picture.nodes}
    for edge in picture.edges:
        if edge.role != "loop":
            into[edge.head].append(edge)
    lines: list[str] = []
    done: set[str] = set()
    shown: tuple[str, ...] = ()
    stack = [(picture.root, "")]
    while stack:
        key, indent = stack.pop()
        node = picture.nodes[key]
        if key in done:
            lines.append(f"{indent}{words(node)}  (above)")
            continue
        done.add(key)
        if node.clusters != shown:
            for k, cluster in enumerate(node.clusters):
                if shown[: k + 1] != node.clusters[: k + 1]:
                    lines.append(f"{indent}── {picture.clusters[cluster]} ──")
            shown = node.clusters
        edges = into[key]
        main = next((e for e in edges if e.spine), None)
        if main is None:
            main = next((e for e in edges if into[e.tail]), edges[0] if edges else None)
        sides = [edge for edge in edges if edge is not main]
        leaves = [e for e in sides if not into[e.tail]]
        text = words(node)
        if node.role in ("operation", "group") and edges:
            text = f"├ {text}"
        if leaves:
            text += " ← " + ", ".join(words(picture.nodes[e.tail]) for e in leaves)
        if node.mark and not node.lines[-1].startswith(("✗", "~", "✓")):
            text += f"  [{node.mark}]"
        lines.append(indent + text)
        if main is not None:
            stack.append((main.tail, indent))
        for edge in reversed(sides):
            if into[edge.tail]:
                stack.append((edge.tail, indent + "│  "))
    return "\n".join(lines + picture.notes)


def words(node: Node) -> str:
    parts = [part for line in node.lines for part in line.split("\n")]
    return (" " if node.role == "operation" else "  ").join(parts)
