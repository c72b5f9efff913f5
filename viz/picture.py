"""From a graph to what is drawn of it: boxes, operations, clusters; collapsed or folded if need be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from viz.folding import Block, fold
from viz.graph import Entry, layer_title, layers_of, spine
from viz.labels import (
    box_lines,
    describe_box,
    gradient_text,
    is_inline,
    operation_label,
    shape_text,
    summary,
    tooltip,
)

SHOW = ("shape", "value", "grad", "dtype")


@dataclass(slots=True)
class Node:
    """Something drawn."""

    key: str
    role: str  # parameter, input, constant, value, result, operation, group
    lines: list[str]
    clusters: tuple[str, ...] = ()  # the outer one first
    tooltip: str = ""
    mark: str = ""  # wrong, follows, right or chosen: how it is highlighted
    spine: bool = False


@dataclass(slots=True)
class Edge:
    """An arrow."""

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
    places: dict[int, list[str]] = field(default_factory=dict)  # where each entry is drawn


@dataclass
class Options:
    """The choices of ``draw``, checked there."""

    level: str = "auto"
    show: Collection[str] = ("shape",)
    collapse: Collection[str] = ()
    constants: str = "inline"
    marks: Mapping[str, tuple[str, list[str]]] = field(default_factory=dict)
    max_nodes: int = 150


def picture_of(entries: list[Entry], options: Options) -> Picture:
    """The picture, made simpler until it has at most ``max_nodes`` nodes."""
    layers = any(entry.layer for entry in entries)
    limit = options.max_nodes
    by_layers = layers and options.level in ("auto", "layers")
    ways = [(by_layers, ""), (by_layers, "strict"), (by_layers, "loose")]
    if options.level != "layers":
        ways.insert(0, (False, ""))
    for layers_too, folded in ways:
        builder = Builder(entries, options, layers_too, folded)
        if folded != "loose" and builder.at_least() > limit:
            continue
        picture = builder.build()
        if len(picture.nodes) <= limit:
            break
    else:
        cut(picture, limit)
    if options.level == "layers" and not layers:
        picture.notes.append("No layers found: parameters called W1, b1, W2, ... tell them.")
    if layers_too and options.level == "auto":
        picture.notes.append(f"By layers: there are more than {limit} nodes (max_nodes) in all.")
    return picture


# --- groups: layers and collapsed regions ----------------------------------------------------------


@dataclass(slots=True)
class Group:
    """Operations drawn as one box."""

    lines: list[str]
    members: list[int]
    layer: bool = False
    mark: str = ""


def groups_of(entries: list[Entry], options: Options, all_layers: bool) -> list[Group]:
    """The layers and the regions that are drawn as one box each."""
    groups = []
    layers = layers_of(entries)
    for layer, members in layers.items():
        title = layer_title(entries, layer, members)
        if all_layers or {layer, title, title.split(" · ")[0]} & set(options.collapse):
            groups.append(layer_group(entries, members, title, options))
    named = {entry.name: i for i, entry in enumerate(entries) if entry.name and entry.rule}
    wanted = {named[name] for name in options.collapse if name in named}
    root = len(entries) - 1
    loss = layers and options.level in ("auto", "layers") and entries[root].shape == ()
    for i in sorted(wanted | ({root} if loss else set())):
        members = region(entries, i)
        if len(members) > (1 if i in wanted else 3):
            groups.append(Group(region_title(entries, members), members))
    return groups


def layer_group(entries: list[Entry], members: list[int], title: str, options: Options) -> Group:
    """A layer as one box, with the parameters that only it uses."""
    inside = set(members)
    used = dict.fromkeys(
        j for i in members for j in entries[i].operands if entries[j].role == "parameter"
    )
    used |= dict.fromkeys(i for i in members if entries[i].role == "parameter")
    lines = [title.replace(" · ", ": ")]
    marks = {options.marks.get(entries[j].name, ("", []))[0] for j in used}
    mark = next((mark for mark in ("wrong", "follows", "chosen") if mark in marks), "")
    for j in used:
        entry = entries[j]
        line = f"{entry.name} {shape_text(entry.shape)}" if "shape" in options.show else entry.name
        lines.append(line + (f"   {gradient_text(entry)}" if "grad" in options.show else ""))
        lines += options.marks.get(entry.name, ("", []))[1]
    total = sum(int(np.prod(entries[j].shape)) for j in used)
    own = [j for j in used if all(user in inside for user in entries[j].users)]
    return Group([*lines, f"{total:,} params"], sorted(inside.union(own)), True, mark)


def region(entries: list[Entry], i: int) -> list[int]:
    """The operation of entry i and the unnamed ones that only it uses, outside of the layers."""
    inside = {i}
    for j in range(i - 1, -1, -1):
        entry = entries[j]
        plain = entry.rule is not None and not entry.name and not entry.layer
        if plain and entry.users and all(user in inside for user in entry.users):
            inside.add(j)
    return sorted(inside)


def region_title(entries: list[Entry], members: list[int]) -> list[str]:
    """What the operations of a region are together, if that can be told, else how many they are."""
    rules = {entries[i].rule.name for i in members}
    outside = {j for i in members for j in entries[i].operands} - set(members)
    labels = [entries[j] for j in outside if not entries[j].needs_gradient and entries[j].shape]
    regularized = any(entries[j].role == "parameter" for j in outside)
    if labels and not regularized and rules & {"mean", "sum"}:
        rules |= {entries[j].rule.name for j in outside if entries[j].rule} & {"log_softmax"}
        probable = all(np.all((entry.array >= 0) & (entry.array <= 1)) for entry in labels)
        if probable and rules & {"log", "log_softmax", "logsumexp", "softplus"}:
            return ["cross", "entropy"]
        if "subtract" in rules and rules & {"square", "power"} and len(rules) <= 5:
            return ["squared", "error"]
    return [f"{len(members)} operations"]


# --- the builder -----------------------------------------------------------------------------------


class Builder:
    """Draws the entries; ``folded`` is "" (not), "strict" (what is wired alike), or "loose"."""

    def __init__(self, entries: list[Entry], options: Options, all_layers: bool, folded: str):
        self.entries, self.options = entries, options
        self.groups = groups_of(entries, options, all_layers)
        self.root = len(entries) - 1
        self.line = spine(entries)
        self.owner = {i: k for k, group in enumerate(self.groups) for i in group.members}
        self.picture = Picture()
        self.path: dict[int, tuple[str, ...]] = {}  # of a unit: the repetitions that it is in
        self.stands_for: dict[int, int] = {}  # entries left out: the entry drawn in their place
        self.also: Counter[int] = Counter()  # leaves: how many others they stand for
        self.ends: set[tuple[str, str]] = set()  # of the edges
        if folded:
            self.fold(strict=folded == "strict")

    def build(self) -> Picture:
        for i, entry in enumerate(self.entries):
            if self.left_out(i) or (entry.rule is None and self.hidden(i)):
                continue
            if i in self.owner:
                self.add_to_group(i)
            elif entry.rule is not None:
                self.add_operation(i)
            else:
                self.add_box(i)
        self.add_loops()
        picture = self.picture
        picture.root = self.exit(self.root)
        for i, entry in enumerate(self.entries):
            keys = [self.exit(i)] + ([self.enter(self.drawn(i))] if entry.rule else [])
            picture.places[i] = [key for key in dict.fromkeys(keys) if key in picture.nodes]
        drop_empty_clusters(picture)
        return picture

    # --- folding counts units: operations and groups, each known by its last operation

    @cached_property
    def last(self) -> list[int]:
        """The unit of each group."""
        return [
            max(i for i in group.members if self.entries[i].rule is not None)
            for group in self.groups
        ]

    def unit(self, i: int) -> int:
        """The unit that entry i is part of."""
        return self.last[self.owner[i]] if i in self.owner else i

    def inputs_of(self, unit: int) -> list[int]:
        """The entries that come into a unit from outside."""
        if unit not in self.owner:
            return self.entries[unit].operands
        k = self.owner[unit]
        operands = [j for i in self.groups[k].members for j in self.entries[i].operands]
        return [j for j in operands if self.owner.get(j) != k]

    @cached_property
    def units(self) -> list[int]:
        operations = (i for i, entry in enumerate(self.entries) if entry.rule is not None)
        return [i for i in operations if self.unit(i) == i]

    def at_least(self) -> int:
        """How many nodes the picture has at least."""
        return len(self.units) - sum(unit in self.stands_for for unit in self.units)

    def fold(self, strict: bool) -> None:
        units = self.units
        if not units:
            return
        place = {unit: k for k, unit in enumerate(units)}
        blocks = []
        for k, unit in enumerate(units):
            entry = self.entries[unit]
            token: list[Any] = [entry.rule.name, entry.shape, unit in self.owner]
            reach = []
            for j in self.inputs_of(unit):
                other = self.entries[j]
                if other.rule is None:
                    token.append((other.role, other.shape))
                else:
                    far = k - place[self.unit(j)]
                    reach.append(far)
                    token.append(far if strict else "")
            blocks.append(Block(tuple(token), [unit], reach=tuple(reach)))
        result = blocks.pop()  # never left out
        for block in fold(blocks):
            self.place(block, ())
        self.path[result.units[0]] = ()
        folded = list(self.stands_for)
        for unit in folded:
            self.fold_leaves(unit)
        leaves = [j for j in self.stands_for if self.entries[j].rule is None]
        self.also = Counter(self.drawn(j) for j in leaves)
        if folded:
            self.picture.notes.append(
                f"{len(folded):,} operations that repeat the ones shown are folded (× n)."
            )

    def place(self, block: Block, path: tuple[str, ...]) -> None:
        if block.times == 1:
            self.path[block.units[0]] = path
            return
        key = f"times{block.units[0]}"
        self.picture.clusters[key] = f"× {block.times}"
        period = len(block.units) // block.times
        for n, unit in enumerate(block.units[period:]):
            self.stands_for[unit] = block.units[n % period]
        for part in block.parts:
            self.place(part, (*path, key))

    def fold_leaves(self, unit: int) -> None:
        """Leave out the leaves that only units that are left out use."""
        for j, other in zip(self.inputs_of(unit), self.inputs_of(self.stands_for[unit])):
            entry = self.entries[j]
            if entry.rule is not None or j == other:
                continue
            if all(self.unit(user) in self.stands_for for user in entry.users):
                self.stands_for.setdefault(j, other)

    def left_out(self, i: int) -> bool:
        return i in self.stands_for or self.unit(i) in self.stands_for

    def drawn(self, i: int) -> int:
        """The entry that stands for entry i in the picture."""
        while i in self.stands_for:
            i = self.stands_for[i]
        return i

    # --- which boxes there are

    def boxed(self, i: int) -> bool:
        entry = self.entries[i]
        named = entry.rule is None or bool(entry.name)
        return named or i == self.root or self.options.level == "tensors"

    def hidden(self, i: int) -> bool:
        """Whether a constant is written in its operation, or not at all."""
        entry = self.entries[i]
        if entry.role != "constant" or self.options.constants == "nodes":
            return False
        return self.options.constants == "hide" or is_inline(entry)

    def leaves_group(self, i: int) -> bool:
        """Whether entry i is a result of its group that has a box of its own. That of a layer has
        none, it is written on the edge."""
        k = self.owner[i]
        inner = any(self.owner.get(user) == k for user in self.entries[i].users)
        return not inner and self.boxed(i) and (i == self.root or not self.groups[k].layer)

    def exit(self, i: int) -> str:
        """The key of what an edge from entry i leaves."""
        i = self.drawn(i)
        if i in self.owner and not self.leaves_group(i):
            return f"group{self.owner[i]}"
        return f"tensor{i}" if self.boxed(i) else f"operation{i}"

    def enter(self, i: int) -> str:
        """The key of what computes entry i."""
        return f"group{self.owner[i]}" if i in self.owner else f"operation{i}"

    # --- drawing

    def add_to_group(self, i: int) -> None:
        k = self.owner[i]
        group, key, nodes = self.groups[k], f"group{k}", self.picture.nodes
        if key not in nodes:
            role = "group" if group.layer else "operation"
            rules = [self.entries[m].rule for m in group.members]
            tip = ", ".join(rule.name for rule in rules if rule is not None)
            path = self.path.get(self.last[k], ())
            nodes[key] = Node(key, role, group.lines, path, tip, group.mark)
        nodes[key].spine |= self.on_spine(i)
        if self.entries[i].rule is not None:
            self.connect(i, key)
            if self.leaves_group(i):
                self.add_box(i, key)

    def add_operation(self, i: int) -> None:
        key = f"operation{i}"
        label = operation_label(self.entries, i, self.options.constants == "inline")
        tip = tooltip(self.entries, i)
        self.picture.nodes[key] = Node(
            key, "operation", label, self.clusters(i, i), tip, spine=self.on_spine(i)
        )
        self.connect(i, key)
        if self.boxed(i):
            self.add_box(i, key)

    def add_box(self, i: int, made_by: str = "") -> None:
        """Draw the tensor of entry i, and the edge from the operation that made it."""
        entry = self.entries[i]
        lines = box_lines(entry, self.options.show, i == self.root)
        if others := self.also[i]:
            lines.append(f"and {others:,} more")
        mark, notes = self.options.marks.get(entry.name, ("", []))
        role = "result" if i == self.root else entry.role
        key = f"tensor{i}"
        self.picture.nodes[key] = Node(
            key,
            role,
            lines + notes,
            self.box_clusters(i),
            describe_box(entry),
            mark,
            self.on_spine(i),
        )
        if made_by:
            solid = "data" if entry.needs_gradient else "constant"
            self.edge(Edge(made_by, key, solid, spine=self.on_spine(i)))

    def box_clusters(self, i: int) -> tuple[str, ...]:
        """A layer's parameters and inner results are inside of it, its last result is outside; a
        leaf that stands for others is inside of the repetition."""
        entry = self.entries[i]
        users = [user for user in entry.users if not self.left_out(user)]
        inner = any(self.entries[user].layer == entry.layer for user in users)
        at = i if entry.rule is not None else self.unit(users[0]) if users else i
        if entry.layer and inner:
            return self.clusters(i, at)
        return self.path.get(at, ()) if entry.rule is not None or self.also[i] else ()

    def clusters(self, i: int, unit: int) -> tuple[str, ...]:
        layer = self.entries[i].layer
        if not layer:
            return self.path.get(unit, ())
        key = f"layer{layer}"
        if key not in self.picture.clusters:
            self.picture.clusters[key] = self.titles[layer]
        return (*self.path.get(unit, ()), key)

    @cached_property
    def titles(self) -> dict[str, str]:
        layers = layers_of(self.entries).items()
        return {layer: layer_title(self.entries, layer, members) for layer, members in layers}

    def on_spine(self, i: int) -> bool:
        return i == self.root or any((i, user) in self.line for user in self.entries[i].users)

    def connect(self, i: int, key: str) -> None:
        """Draw the edges from the operands of entry i."""
        operands = self.entries[i].operands
        parameters = any(self.entries[j].role == "parameter" for j in operands)
        for j in operands:
            tail = self.exit(j)
            grouped = i in self.owner
            if self.hidden(j) or (grouped and (tail == key or (tail, key) in self.ends)):
                continue
            other, straight = self.entries[j], (j, i) in self.line
            role = "parameter" if other.role == "parameter" else "data"
            if not other.needs_gradient and not straight:
                role = "constant"
            self.edge(Edge(tail, key, role, self.edge_label(j), straight, straight and parameters))

    def add_loops(self) -> None:
        """Draw what one repetition hands to the next."""
        for i in self.stands_for:
            if self.entries[i].rule is None:
                continue
            first = self.drawn(i)
            for j in self.inputs_of(i):
                ends = self.exit(j), self.enter(first)
                back = self.entries[j].rule is not None and self.drawn(j) >= first
                if back and ends not in self.ends:
                    self.edge(Edge(*ends, "loop"))

    def edge(self, edge: Edge) -> None:
        self.picture.edges.append(edge)
        self.ends.add((edge.tail, edge.head))

    def edge_label(self, j: int) -> str:
        """What is written on an edge: a result that has no box."""
        entry, show = self.entries[j], self.options.show
        if entry.rule is None:
            return ""
        if j in self.owner:
            named = f"{entry.name} {shape_text(entry.shape)}".strip()
            return "" if self.leaves_group(j) else named
        if self.boxed(j):
            return ""
        parts = []
        if "value" in show:
            parts += [shape_text(entry.shape)] if entry.shape else []
            parts.append(summary(entry.array))
        if "grad" in show and getattr(entry.value, "grad", None) is not None:
            parts.append(gradient_text(entry))
        return "\n".join(parts)


def cut(picture: Picture, limit: int) -> None:
    """Keep the nodes nearest to the root; one node stands for the rest."""
    keep = set(list(picture.nodes)[1 - limit :])
    gone = len(picture.nodes) - len(keep)
    before = Node("before", "operation", [f"… {gone:,} more"], tooltip="what was computed before")
    kept = {key: node for key, node in picture.nodes.items() if key in keep}
    picture.nodes = {"before": before} | kept
    edges, begun = picture.edges, set()
    picture.edges = []
    for edge in edges:
        if edge.head in keep and edge.tail in keep:
            picture.edges.append(edge)
        elif edge.head in keep and edge.head not in begun:
            begun.add(edge.head)
            picture.edges.append(Edge("before", edge.head, "data"))
    drop_empty_clusters(picture)
    picture.notes.append(f"The {limit} nodes nearest to the result are drawn (max_nodes).")


def drop_empty_clusters(picture: Picture) -> None:
    used = {key for node in picture.nodes.values() for key in node.clusters}
    picture.clusters = {key: title for key, title in picture.clusters.items() if key in used}
