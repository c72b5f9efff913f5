"""A picture as a text tree, for a terminal."""

from __future__ import annotations

from viz.picture import Edge, Node, Picture


def tree(picture: Picture) -> str:
    """The result first; below each line what it was computed from. The main line of a computation
    goes straight down, what joins it is indented; what is used again is referred to."""
    into: dict[str, list[Edge]] = {key: [] for key in picture.nodes}
    for edge in picture.edges:
        if edge.role != "loop":
            into[edge.head].append(edge)
    places: dict[str, int] = {}  # the line of a node, -1 until it is written
    lines: list[str] = []
    numbers: dict[str, int] = {}  # of nodes without a name of their own that are referred to
    announced: set[str] = set()

    def main_of(key: str) -> Edge | None:
        edges = into[key]
        straight = [edge for edge in edges if edge.spine] or [e for e in edges if into[e.tail]]
        return next(iter(straight or edges), None)

    def reference(key: str) -> str:
        if picture.nodes[key].role not in ("operation", "group"):
            return picture.nodes[key].lines[0]
        return f"#{numbers.setdefault(key, len(numbers) + 1)}"

    def claim(key: str, indent: str) -> list[tuple[str, str]]:
        """The main line from here, until it meets one that was claimed before."""
        chain = []
        while key not in places:
            places[key] = -1
            chain.append((key, indent))
            edge = main_of(key)
            if edge is None:
                break
            key = edge.tail
        return chain[::-1]

    stack = claim(picture.root, "")
    while stack:
        key, indent = stack.pop()
        if places[key] >= 0:
            continue
        node, main = picture.nodes[key], main_of(key)
        for cluster in node.clusters:
            if cluster not in announced:
                announced.add(cluster)
                lines.append(f"{indent}── {picture.clusters[cluster]} ──")
        places[key] = len(lines)
        beside, below = [], []
        for edge in into[key]:
            claimed = edge.tail in places
            if edge is main and stack and stack[-1] == (edge.tail, indent):
                continue
            if not claimed and into[edge.tail]:
                below.append(edge.tail)
            else:
                beside.append(reference(edge.tail) if claimed else words(picture.nodes[edge.tail]))
                places.setdefault(edge.tail, len(lines))
        text = words(node)
        if node.role in ("operation", "group") and into[key]:
            text = f"├ {text}"
        if beside:
            text += " ← " + ", ".join(beside)
        lines.append(indent + text)
        for tail in reversed(below):
            stack += claim(tail, indent + "│  ")
    for key, number in numbers.items():
        lines[places[key]] = lines[places[key]].replace("├ ", f"├ #{number} = ", 1)
    return "\n".join(lines + picture.notes)


def words(node: Node) -> str:
    parts = [part for line in node.lines for part in line.split("\n")]
    text = (" " if node.role == "operation" else "  ").join(parts)
    if node.mark in ("wrong", "chosen") and not parts[-1].startswith(("✗", "looks")):
        text += "  (highlighted)"
    return text
