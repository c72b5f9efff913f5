"""From a graph to what is drawn of it: boxes, operations, clusters; collapsed or folded if need be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from viz.graph import Entry, layer_title, main_operand, spine

INFIX = {"+", "-", "*", "/", "@", "**", ">", ">=", "<", "<=", "==", "!="}
SHOW = ("shape", "value", "grad", "dtype")


@dataclass(slots=True)
class Node:
    """Something drawn. ``entry`` is its place in the graph, -1 for a group."""

    key: str
    role: str  # parameter, input, constant, value, result, operation, group
    lines: list[str]
    entry: int = -1
    clusters: tuple[str, ...] = ()  # the outer one first
    tooltip: str = ""
    mark: str = ""  # wrong, follows, chosen: how it is highlighted
    spine: bool = False


@dataclass(slots=True)
class Edge:
    tail: str
    head: str
    role: str  # data, parameter, constant, loop
    label: str = ""
    spine: bool = False
    long: bool = False  # room for a parameter beside it


@dataclass
class Picture:
    """What is drawn: ``nodes`` in the order of the computation, the root last."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    clusters: dict[str, str] = field(default_factory=dict)  # key: title
    notes: list[str] = field(default_factory=list)  # what was left out, and why
    root: str = ""
    sideways: bool = False


@dataclass
class Options:
    """The choices of ``draw``, checked there."""

    level: str = "auto"
    show: Collection[str] = ("shape",)
    collapse: Collection[str] = ()
    constants: str = "inline"
    marks: Mapping[str, tuple[str, list[str]]] = field(default_factory=dict)
    max_nodes: int = 150


# --- words ----------------------------------------------------------------------------------------


def number(x: Any) -> str:
    """A number, short: four digits.

    >>> number(715.0000000000001), number(0.00001234), number(float("nan")), number(True)
    ('715', '1.234e-05', 'nan', 'True')
    """
    return str(x) if isinstance(x, bool | np.bool_) else f"{float(x):.4g}"


def shape_text(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def summary(array: Any) -> str:
    """The values of an array in a few words; what is not finite is counted.

    >>> summary(np.array([1.0, np.nan, 3.0, 4.0, np.inf, 0.0, 7.0]))
    '0 to 7, 1 nan, 1 inf'
    """
    if array.size == 1:
        return number(array.item())
    if array.size == 0:
        return "empty"
    if array.size <= 4 and array.ndim == 1:
        return "[" + ", ".join(number(x) for x in array) + "]"
    finite = array[np.isfinite(array)]
    parts = [f"{number(finite.min())} to {number(finite.max())}"] if finite.size else []
    nan, inf = int(np.isnan(array).sum()), int(np.isinf(array).sum())
    return ", ".join(parts + [f"{nan} nan"] * (nan > 0) + [f"{inf} inf"] * (inf > 0))


def gradient_text(entry: Entry) -> str:
    """The gradient's norm, a scalar's gradient itself, or that it was not computed."""
    grad = entry.value.grad
    name = f"∂{entry.name}"
    if grad is None:
        return f"{name} not computed"
    grad = np.asarray(grad)
    if grad.size == 1:
        return f"{name} {number(grad.item())}"
    with np.errstate(over="ignore", invalid="ignore"):
        return f"‖{name}‖ {np.linalg.norm(grad):.1e}"


def box_lines(entry: Entry, show: Collection[str], is_root: bool) -> list[str]:
    """The label of a tensor."""
    scalar = entry.shape == () or (is_root and np.prod(entry.shape) == 1)
    lines = [entry.name] if entry.name else []
    if entry.role == "constant" and scalar:
        return [*lines, number(entry.array)]
    if "shape" in show and not scalar:
        lines.append(shape_text(entry.shape))
    if "dtype" in show:
        lines.append(str(entry.value.dtype))
    if "value" in show or (scalar and (is_root or not entry.name)):
        lines.append(summary(entry.array))
    if "grad" in show and entry.needs_gradient and not (is_root and entry.value.grad is None):
        lines.append(gradient_text(entry))
    return lines or [shape_text(entry.shape)]


def operation_label(entries: list[Entry], i: int, inline: bool) -> list[str]:
    """The symbol, with the numbers and the axis that belong to it."""
    entry = entries[i]
    symbol = entry.rule.symbol
    numbers = {
        k: number(entries[j].array)
        for k, j in enumerate(entry.operands)
        if inline and is_inline(entries[j])
    }
    if symbol in INFIX and len(entry.operands) == 2 and numbers:
        return [f"{numbers.get(0, '')} {symbol} {numbers.get(1, '')}".strip()]
    lines = [symbol, *numbers.values()]
    if "axis" in entry.settings:
        lines.append(f"axis {entry.settings['axis']}")
    return lines


def is_inline(entry: Entry) -> bool:
    return entry.role == "constant" and entry.shape == () and not entry.name


def tooltip(entries: list[Entry], i: int) -> str:
    """What a mouse over an operation tells."""
    entry = entries[i]
    operands = ", ".join(
        f"{entries[j].name} {shape_text(entries[j].shape)}".strip() for j in entry.operands
    )
    settings = "".join(f", {key}={short(value)}" for key, value in entry.settings.items())
    name = f"{entry.name} " if entry.name else ""
    return f"{entry.rule.name}({operands}{settings}) gives {name}{shape_text(entry.shape)}"


def short(value: Any) -> str:
    if hasattr(value, "shape"):
        return f"array {shape_text(value.shape)}"
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"


# --- groups: layers and collapsed regions ----------------------------------------------------------


@dataclass(slots=True)
class Group:
    """Operations drawn as one box."""

    lines: list[str]
    members: list[int]
    layer: bool = False


def region(entries: list[Entry], i: int) -> list[int]:
    """The operation of entry i and the unnamed ones that only it uses, outside of the layers."""
    inside = {i}
    for j in range(i - 1, -1, -1):
        entry = entries[j]
        if (
            entry.rule is not None
            and not entry.name
            and not entry.layer
            and entry.users
            and all(user in inside for user in entry.users)
        ):
            inside.add(j)
    return sorted(inside)


def region_title(entries: list[Entry], members: list[int]) -> list[str]:
    """What the operations of a region are together, if that can be told, else how many they are."""
    rules = {entries[i].rule.name for i in members}
    inside = set(members)
    labels = [
        entries[j]
        for i in members
        for j in entries[i].operands
        if j not in inside and not entries[j].needs_gradient and entries[j].shape != ()
    ]
    own = any(entries[j].role == "parameter" for i in members for j in entries[i].operands)
    probabilities = all(
        np.all((entry.array >= 0) & (entry.array <= 1)) for entry in labels
    )
    if not own and rules & {"mean", "sum"}:
        if rules & {"log", "log_softmax", "logsumexp", "softplus"} and labels and probabilities:
            return ["cross", "entropy"]
        if labels and rules & {"square", "power"} and "subtract" in rules and len(rules) <= 5:
            return ["squared", "error"]
    return [f"{len(members)} operations"]


def groups_of(entries: list[Entry], options: Options, layers_too: bool) -> list[Group]:
    """The layers and the regions that are drawn as one box each."""
    root = len(entries) - 1
    layers = dict.fromkeys(entry.layer for entry in entries if entry.layer)
    groups = []
    for layer in layers:
        title = layer_title(entries, layer)
        if layers_too or {layer, title, title.split(" · ")[0]} & set(options.collapse):
            members = [i for i, entry in enumerate(entries) if entry.layer == layer]
            groups.append(Group(layer_lines(entries, members, title, options), members, True))
    named = {entry.name: i for i, entry in enumerate(entries) if entry.name and entry.rule}
    wanted = {named[name] for name in options.collapse if name in named}
    loss = layers and options.level in ("auto", "layers") and entries[root].shape == ()
    for i in sorted(wanted | ({root} if loss else set())):
        members = region(entries, i)
        if len(members) > (1 if i in wanted else 3):
            groups.append(Group(region_title(entries, members), members))
    return groups


def layer_lines(
    entries: list[Entry], members: list[int], title: str, options: Options
) -> list[str]:
    lines = [title.replace(" · ", ": ")]
    inside = set(members)
    used = dict.fromkeys(
        j for i in members for j in entries[i].operands if entries[j].role == "parameter"
    )
    for j in used:
        entry = entries[j]
        line = f"{entry.name} {shape_text(entry.shape)}" if "shape" in options.show else entry.name
        if "grad" in options.show:
            line += f"   {gradient_text(entry)}"
        lines.append(line)
        lines += options.marks.get(entry.name, ("", []))[1]
        inside.add(j)
    total = sum(int(np.prod(entries[j].shape)) for j in used)
    members += [j for j in used if all(user in inside for user in entries[j].users)]
    return [*lines, f"{total:,} params"]


# --- folding: what repeats is drawn once -----------------------------------------------------------


@dataclass(slots=True)
class Block:
    """A place in the sequence of units: one unit, or ``times`` alike blocks, drawn as the first."""

    token: Any
    units: list[int]  # all of them, those left out too
    parts: list[Block] = field(default_factory=list)
    times: int = 1


def repeats(tokens: list[int]) -> list[tuple[int, int, int]]:
    """Where the sequence repeats itself at least three times: (start, period, times).

    >>> repeats([9, 1, 2, 1, 2, 1, 2, 5])
    [(1, 2, 3)]
    """
    row = np.asarray(tokens)
    n = len(row)
    found = []
    for period in range(1, min(n // 3, max(64, 20_000_000 // max(n, 1))) + 1):
        same = np.flatnonzero(np.diff(np.r_[False, row[:-period] == row[period:], False]))
        starts, ends = same[::2], same[1::2]
        for start, end in zip(starts, ends):
            times = (end - start) // period + 1
            if times >= 3 and (times - 1) * period >= 3:
                found.append((int((times - 1) * period), period, int(start), int(times)))
    found.sort(key=lambda f: (-f[0], f[1], f[2]))
    taken = np.zeros(n, bool)
    chosen = []
    for _, period, start, times in found:
        if not taken[start : start + period * times].any():
            taken[start : start + period * times] = True
            chosen.append((start, period, times))
    return sorted(chosen)


def fold(blocks: list[Block]) -> list[Block]:
    """Fold what repeats, then what repeats among the folded, and inside them."""
    ids: dict[Any, int] = {}
    folds = repeats([ids.setdefault(block.token, len(ids)) for block in blocks])
    if not folds:
        return blocks
    result, i = [], 0
    for start, period, times in folds:
        result += blocks[i:start]
        i = start + period * times
        parts = fold(blocks[start : start + period])
        token = (times, tuple(block.token for block in blocks[start : start + period]))
        units = [unit for block in blocks[start:i] for unit in block.units]
        result.append(Block(token, units, parts, times))
    return fold(result + blocks[i:])


# --- putting it together ---------------------------------------------------------------------------


class Builder:
    """Draws the entries with given groups; ``folded`` as "" (not), "strict" or "loose"."""

    def __init__(self, entries: list[Entry], options: Options, groups: list[Group], folded: str):
        self.entries, self.options, self.groups = entries, options, groups
        self.root = len(entries) - 1
        self.line = spine(entries)
        self.owner = {i: k for k, group in enumerate(groups) for i in group.members}
        self.picture = Picture()
        self.cluster_of: dict[int, tuple[str, ...]] = {}  # of an entry, by folding
        self.stands_for: dict[int, int] = {}  # entries left out: the entry drawn in their place
        self.left_out: set[int] = set()
        self.also: Counter[int] = Counter()  # leaves: how many others they stand for
        if folded:
            self.fold(strict=folded == "strict")

    # units are what folding counts: operations and groups, by their last entry

    def units(self) -> list[int]:
        last = {k: max(i for i in group.members if self.entries[i].rule is not None)
                for k, group in enumerate(self.groups)}
        return [
            i
            for i, entry in enumerate(self.entries)
            if entry.rule is not None and (i not in self.owner or last[self.owner[i]] == i)
        ]

    def inputs_of(self, i: int) -> list[int]:
        """The entries that come into unit i from outside."""
        if i not in self.owner:
            return self.entries[i].operands
        group = self.groups[self.owner[i]]
        inside = set(group.members)
        return [j for m in group.members for j in self.entries[m].operands if j not in inside]

    def fold(self, strict: bool) -> None:
        units = self.units()
        place = {i: k for k, i in enumerate(units)}
        for group in self.groups:
            last = next(i for i in group.members if i in place)
            place |= {i: place[last] for i in group.members}
        blocks = []
        for k, i in enumerate(units):
            entry = self.entries[i]
            token: list[Any] = [entry.rule.name, entry.shape, i in self.owner]
            for j in self.inputs_of(i):
                other = self.entries[j]
                if other.rule is None:
                    token.append((other.role, other.shape))
                else:
                    token.append(k - place[j] if strict else "")
            blocks.append(Block(tuple(token), [i]))
        result = blocks.pop()
        blocks = [*fold(blocks), result]
        for block in blocks:
            self.place(block, ())
        for i in units:  # the leaves of what is left out are left out too, if nothing else uses them
            if i in self.left_out:
                there = self.inputs_of(self.stands_for[i])
                for j, other in zip(self.inputs_of(i), there):
                    if self.entries[j].rule is None and j != other and j not in self.stands_for:
                        if all(self.unit_of(user) in self.left_out for user in self.entries[j].users):
                            self.stands_for[j] = other
        leaves = [self.drawn(j) for j in self.stands_for if self.entries[j].rule is None]
        self.also = Counter(leaves)
        if self.left_out:
            self.picture.notes.append(
                f"{len(self.left_out)} operations that repeat the ones shown are folded (× n)."
            )

    def unit_of(self, i: int) -> int:
        """The unit that entry i is part of."""
        if i not in self.owner:
            return i
        return max(m for m in self.groups[self.owner[i]].members if self.entries[m].rule is not None)

    def place(self, block: Block, clusters: tuple[str, ...]) -> None:
        if block.times == 1 and not block.parts:
            for i in block.units:
                self.cluster_of[i] = clusters
            return
        key = f"times{block.units[0]}"
        self.picture.clusters[key] = f"× {block.times}"
        period = len(block.units) // block.times
        for n, i in enumerate(block.units[period:]):
            self.stands_for[i] = block.units[n % period]
            self.left_out.add(i)
        for part in block.parts:
            self.place(part, (*clusters, key))

    def drawn(self, i: int) -> int:
        """The entry that stands for entry i in the picture."""
        while i in self.stands_for:
            i = self.stands_for[i]
        return i

    def boxed(self, i: int) -> bool:
        entry = self.entries[i]
        return (
            entry.rule is None
            or bool(entry.name)
            or i == self.root
            or self.options.level == "tensors"
        )

    def hidden(self, i: int) -> bool:
        """Whether a constant is written in its operation, or not at all."""
        entry = self.entries[i]
        if entry.role != "constant" or self.options.constants == "nodes":
            return False
        return self.options.constants == "hide" or is_inline(entry)

    def exit(self, i: int) -> str:
        """The key of what an edge from entry i leaves."""
        i = self.drawn(i)
        if i in self.owner and not (self.ends_group(i) and self.has_box_outside(i)):
            return f"group{self.owner[i]}"
        return f"tensor{i}" if self.boxed(i) else f"operation{i}"

    def ends_group(self, i: int) -> bool:
        group = set(self.groups[self.owner[i]].members)
        return not any(user in group for user in self.entries[i].users)

    def has_box_outside(self, i: int) -> bool:
        """The result of a region has its box; that of a layer is written on its edge."""
        return self.boxed(i) and (i == self.root or not self.groups[self.owner[i]].layer)

    def enter(self, i: int) -> str:
        return f"group{self.owner[i]}" if i in self.owner else f"operation{i}"

    def build(self) -> Picture:
        for i in range(len(self.entries)):
            if i not in self.stands_for and (i in self.cluster_of or not self.folded_away(i)):
                self.add(i)
        picture = self.picture
        drawn = {(edge.tail, edge.head) for edge in picture.edges}
        for i in self.left_out:  # what one repetition hands to the next
            for j in self.inputs_of(i):
                ends = self.exit(j), self.enter(self.drawn(i))
                if self.entries[j].rule and self.drawn(j) >= self.drawn(i) and ends not in drawn:
                    drawn.add(ends)
                    picture.edges.append(Edge(*ends, "loop"))
        used = {key for node in picture.nodes.values() for key in node.clusters}
        picture.clusters = {key: t for key, t in picture.clusters.items() if key in used}
        picture.root = self.exit(self.root)
        return picture

    def folded_away(self, i: int) -> bool:
        return i in self.owner and self.unit_of(i) in self.left_out

    def add(self, i: int) -> None:
        entry, nodes = self.entries[i], self.picture.nodes
        if entry.rule is None and self.hidden(i):
            return
        if i in self.owner:
            key = f"group{self.owner[i]}"
            group = self.groups[self.owner[i]]
            if key not in nodes:
                clusters = self.cluster_of.get(self.unit_of(i), ())
                tip = ", ".join(self.entries[m].rule.name for m in group.members
                                if self.entries[m].rule is not None)
                nodes[key] = Node(key, "group" if group.layer else "operation", group.lines,
                                  i, clusters, tip)
            nodes[key].spine |= self.on_spine(i)
            if entry.rule is not None:
                self.connect(i, key)
            if self.ends_group(i) and self.has_box_outside(i):
                self.box(i, key)
        elif entry.rule is None:
            self.box(i, "")
        else:
            key = f"operation{i}"
            label = operation_label(self.entries, i, self.options.constants == "inline")
            nodes[key] = Node(key, "operation", label, i, self.clusters(i),
                              tooltip(self.entries, i), spine=self.on_spine(i))
            self.connect(i, key)
            if self.boxed(i):
                self.box(i, key)

    def on_spine(self, i: int) -> bool:
        return i == self.root or any((i, user) in self.line for user in self.entries[i].users)

    def clusters(self, i: int) -> tuple[str, ...]:
        layer = self.entries[i].layer
        if not layer:
            return self.cluster_of.get(i, ())
        self.picture.clusters.setdefault(f"layer{layer}", layer_title(self.entries, layer))
        return (*self.cluster_of.get(i, ()), f"layer{layer}")

    def box(self, i: int, made_by: str) -> None:
        """Draw the tensor of entry i, and the edge from the operation that made it."""
        entry = self.entries[i]
        lines = box_lines(entry, self.options.show, i == self.root)
        if others := self.also.get(i):
            lines = [*lines, f"and {others} more"]
        mark, notes = self.options.marks.get(entry.name, ("", []))
        users = [user for user in entry.users if user not in self.stands_for]
        if entry.layer and any(self.entries[user].layer == entry.layer for user in users):
            clusters = self.clusters(i)
        elif entry.rule is None and not entry.layer and len(users) == 1:
            clusters = self.cluster_of.get(self.unit_of(users[0]), ()) if others else ()
        elif entry.layer:
            clusters = self.cluster_of.get(i, ())
        else:
            clusters = self.clusters(i)
        if entry.role == "parameter" and len(users) == 1 and not clusters:
            clusters = self.cluster_of.get(self.unit_of(users[0]), ()) if others else ()
        key = f"tensor{i}"
        role = "result" if i == self.root else entry.role
        self.picture.nodes[key] = Node(key, role, lines + notes, i, clusters,
                                       describe_box(entry), mark, self.on_spine(i))
        if made_by:
            solid = "data" if entry.needs_gradient else "constant"
            self.picture.edges.append(Edge(made_by, key, solid, spine=self.on_spine(i)))

    def connect(self, i: int, key: str) -> None:
        """Draw the edges from the operands of entry i."""
        entries, edges = self.entries, self.picture.edges
        operands = entries[i].operands
        parameters = any(entries[j].role == "parameter" for j in operands)
        for j in operands:
            if self.hidden(j):
                continue
            tail = self.exit(j)
            if tail == key and self.drawn(j) == j:
                continue
            other = entries[j]
            role = "parameter" if other.role == "parameter" else "data"
            if not other.needs_gradient and not (j, i) in self.line:
                role = "constant"
            label = self.edge_label(j)
            grouped = key.startswith("group")
            if grouped and any(e.tail == tail and e.head == key for e in edges):
                continue
            straight = (j, i) in self.line
            edges.append(Edge(tail, key, role, label, straight, straight and parameters))

    def edge_label(self, j: int) -> str:
        """What is written on an edge: a result that has no box."""
        entry, show = self.entries[j], self.options.show
        if entry.rule is None:
            return ""
        if j in self.owner:
            return "" if self.has_box_outside(j) else f"{entry.name} {shape_text(entry.shape)}".strip()
        if self.boxed(j):
            return ""
        parts = [shape_text(entry.shape)] * ("value" in show and entry.shape != ())
        parts += [summary(entry.array)] * ("value" in show)
        if "grad" in show and entry.needs_gradient and entry.value.grad is not None:
            parts.append(gradient_text(entry))
        return "\n".join(parts)


def describe_box(entry: Entry) -> str:
    what = {"parameter": "a parameter", "input": "an input", "constant": "a constant"}
    kind = what.get(entry.role, "a result")
    name = entry.name or "unnamed"
    return f"{name}: {kind} of shape {shape_text(entry.shape)}, {getattr(entry.value, 'dtype', '')}"


def picture_of(entries: list[Entry], options: Options) -> Picture:
    """The picture, made simpler until it has at most ``max_nodes`` nodes."""
    layers = any(entry.layer for entry in entries)
    limit = options.max_nodes
    notes: list[str] = []
    if options.level == "layers" and not layers:
        notes.append("No layers were found: they are told by parameters named W1, b1, W2, ...")
    ways: Iterable[tuple[bool, str]]
    if options.level == "layers":
        ways = [(True, ""), (True, "strict"), (True, "loose")]
    else:
        ways = [(False, "")]
        ways += [(True, "")] * (layers and options.level == "auto")
        ways += [(layers and options.level == "auto", how) for how in ("strict", "loose")]
    for layers_too, folded in ways:
        groups = groups_of(entries, options, layers_too and layers)
        picture = Builder(entries, options, groups, folded).build()
        if len(picture.nodes) <= limit:
            break
    else:
        cut(picture, limit)
    if layers_too and options.level == "auto":
        notes.append(f"Drawn by layers, as the whole has more than {limit} nodes (max_nodes).")
    picture.notes = notes + picture.notes
    return picture


def cut(picture: Picture, limit: int) -> None:
    """Keep the nodes nearest to the root; one node stands for the rest."""
    keep = set(list(picture.nodes)[-limit:])
    gone = len(picture.nodes) - len(keep)
    before = Node("before", "operation", [f"… {gone:,} more"], tooltip="what was computed before")
    picture.nodes = {"before": before} | {k: n for k, n in picture.nodes.items() if k in keep}
    edges = {}
    for edge in picture.edges:
        if edge.head in keep:
            tail = edge.tail if edge.tail in keep else "before"
            if tail != "before" or (tail, edge.head) not in edges:
                edges[tail, edge.head, len(edges) if tail != "before" else 0] = Edge(
                    tail, edge.head, edge.role, edge.label, edge.spine, edge.long
                )
    picture.edges = list(edges.values())
    used = {key for node in picture.nodes.values() for key in node.clusters}
    picture.clusters = {k: t for k, t in picture.clusters.items() if k in used}
    picture.notes.append(f"The {limit} nodes nearest to the result are drawn (max_nodes).")
