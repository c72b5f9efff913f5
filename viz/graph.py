"""Reading a graph: its tensors in an order in which inputs come first, their names and layers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_edu import Tensor

# what does not end a layer, as an activation does
ARITHMETIC = {
    "add",
    "subtract",
    "multiply",
    "divide",
    "matmul",
    "dot",
    "matvec",
    "vecmat",
    "einsum",
}


@dataclass(slots=True)
class Entry:
    """One tensor of the graph, or an array that was used without being a Tensor."""

    value: Any
    name: str = ""
    role: str = "value"  # or parameter, input, constant
    operands: list[int] = field(default_factory=list)  # where in the list they are
    settings: dict[str, Any] = field(default_factory=dict)  # axis and the like
    users: list[int] = field(default_factory=list)
    depth: int = 0  # the longest way to a leaf
    layer: str = ""

    @property
    def rule(self) -> Any:
        return getattr(self.value, "rule", None)

    @property
    def shape(self) -> tuple[int, ...]:
        return () if is_number(self.value) else self.value.shape

    @property
    def array(self) -> Any:
        """The values as a NumPy array."""
        return np.asarray(self.value.data if isinstance(self.value, Tensor) else self.value)

    @property
    def needs_gradient(self) -> bool:
        return getattr(self.value, "requires_grad", False)


def read(root: Tensor, names: Mapping[str, Any] | None = None) -> list[Entry]:
    """Every tensor that ``root`` was computed from, each once, inputs first and ``root`` last.

    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> [(entry.name, entry.role, entry.operands) for entry in read(x * x)]
    [('x', 'parameter', []), ('', 'value', [0, 0])]
    """
    called = {id(value): name for name, value in (names or {}).items() if hasattr(value, "shape")}
    entries: list[Entry] = []
    place: dict[int, int] = {}
    for value in in_order_of_creation(history(root)):
        leaves = [x for x in tensors_of(value) if getattr(x, "rule", None) is None]
        for x in [*leaves, value]:
            if id(x) not in place and not is_number(x):
                entry = entry_of(x, place, entries, called)
                place[id(x)] = len(entries)
                entries.append(entry)
    for i, entry in enumerate(entries):
        for j in entry.operands:
            entries[j].users.append(i)
    find_layers(entries)
    return entries


def history(root: Tensor) -> list[Any]:
    """Everything that ``root`` was computed from, inputs first; ValueError for a cycle."""
    found: list[Any] = []
    done = {id(root): False}
    stack = [(root, iter(tensors_of(root)))]
    while stack:
        tensor, rest = stack[-1]
        for child in rest:
            if is_number(child):
                continue
            if id(child) not in done:
                done[id(child)] = False
                stack.append((child, iter(tensors_of(child))))
                break
            if not done[id(child)]:
                raise ValueError(
                    f"{describe(child)} was computed from itself: a graph with a cycle cannot be"
                    " drawn, and has no gradient either."
                )
        else:
            stack.pop()
            done[id(tensor)] = True
            found.append(tensor)
    return found


def in_order_of_creation(found: list[Any]) -> list[Any]:
    """The computed tensors as the program computed them, which shows what repeats; a lone leaf."""
    computed = [value for value in found if getattr(value, "rule", None) is not None]
    return sorted(computed, key=lambda tensor: -tensor._made) or found


def is_number(value: Any) -> bool:
    return not hasattr(value, "shape")


def describe(value: Any) -> str:
    return value.describe() if isinstance(value, Tensor) else "an array"


def tensors_of(value: Any) -> list[Any]:
    """The operands of the operation that made ``value``: Tensors, arrays and numbers."""
    rule = getattr(value, "rule", None)
    if rule is None:
        return []
    return [x for i, x in enumerate(value.inputs) if isinstance(x, Tensor) or i < len(rule.vjps)]


def entry_of(
    value: Any, place: Mapping[int, int], entries: list[Entry], called: Mapping[int, str]
) -> Entry:
    entry = Entry(value, clean(called.get(id(value)) or getattr(value, "name", None) or ""))
    if entry.rule is not None:
        for x in tensors_of(value):
            if is_number(x):  # each use is a constant of its own
                entry.operands.append(len(entries))
                entries.append(Entry(x, role="constant"))
            else:
                entry.operands.append(place[id(x)])
        entry.depth = 1 + max([entries[i].depth for i in entry.operands], default=0)
        entry.settings = settings_of(value)
    elif entry.needs_gradient:
        entry.role = "parameter"
    else:
        given = isinstance(value, Tensor) and value.ndim > 0
        entry.role = "input" if entry.name or given else "constant"
    return entry


def settings_of(tensor: Tensor) -> dict[str, Any]:
    """What the rule was given besides its operands, by name: axes, shapes, indices."""
    rule = tensor.rule
    if rule is None:
        return {}
    values = tensor.inputs[len(rule.vjps) :]
    if not values:
        return {}
    vjp = next((vjp for vjp in rule.vjps if vjp is not None), rule.forward)
    parameters = list(inspect.signature(vjp).parameters.values())
    skip = len(rule.vjps) + (0 if vjp is rule.forward else 2)
    named = [p.name for p in parameters[skip:] if p.kind is not p.VAR_POSITIONAL]
    settings = dict(zip(named, values))
    if rest := values[len(named) :]:
        settings["index"] = rest if len(rest) > 1 else rest[0]
    return {
        name: value
        for name, value in settings.items()
        if not isinstance(value, Tensor) and value is not None and value is not False
    }


def clean(name: Any) -> str:
    """A name that fits on one line of a label.

    >>> clean("a name\\nof two lines")
    'a name of two lines'
    """
    text = "".join(c if c.isprintable() else " " for c in str(name))
    return text if len(text) <= 40 else text[:39] + "…"


def spine(entries: list[Entry]) -> set[tuple[int, int]]:
    """The straight line of the picture, from the root back to its remotest leaf: as edges."""
    line, i = set(), len(entries) - 1
    while entries[i].operands:
        j = main_operand(entries, i)
        line.add((j, i))
        i = j
    return line


def main_operand(entries: list[Entry], i: int) -> int:
    """The operand with the longest history, data rather than parameters."""
    return max(
        entries[i].operands,
        key=lambda j: (
            entries[j].depth,
            entries[j].role != "parameter" and entries[j].shape != (),
            entries[j].needs_gradient,
        ),
    )


# --- layers ----------------------------------------------------------------------------------------


def layer_named(name: str) -> str:
    """The layer that a parameter's name tells: its number, or what comes before the last dot.

    >>> layer_named("W12"), layer_named("b_3"), layer_named("layers.0.weight"), layer_named("Wxh")
    ('12', '3', 'layers.0', '')
    """
    if "." in name:
        return name.rpartition(".")[0]
    match = re.fullmatch(r"[^\W\d]+?_?(\d+)", name)
    return match[1] if match else ""


def find_layers(entries: list[Entry]) -> None:
    """Set ``entry.layer`` of the operations and parameters that belong to a layer.

    A layer begins where data meet a matrix whose name tells a layer (W1), goes on through its
    other parameters (b1) to its activation, and to the last result that carries its number (A1).
    """
    keys = [layer_named(entry.name) if entry.role == "parameter" else "" for entry in entries]
    opened: dict[str, list[int]] = {}
    last: dict[str, int] = {}
    for i, entry in enumerate(entries):
        if entry.role == "value" and entry.name:
            last[layer_named(entry.name)] = i
    active: set[str] = set()  # layers whose activation has begun
    closed: set[str] = set()
    bare = [entry.role == "parameter" for entry in entries]  # made of one parameter alone, as W.T
    for i, entry in enumerate(entries):
        if entry.rule is None:
            continue
        own = [j for j in entry.operands if bare[j]]
        data = [j for j in entry.operands if not bare[j] and entries[j].role != "constant"]
        if own and not data and len(own) == len(entry.operands):
            bare[i] = len(own) == 1
            keys[i] = keys[own[0]] if bare[i] else ""
            continue
        weights = {keys[j] for j in own if keys[j] and len(entries[j].shape) > 1}
        layers = {entries[j].layer for j in data}
        if weights and entry.rule.symbol == "@":
            entry.layer = min(weights)
            opened.setdefault(entry.layer, []).append(i)
        elif len(layers) == 1 and (layer := layers.pop()) and layer not in closed:
            activation = entry.rule.name not in ARITHMETIC and len(entry.operands) == 1
            goes_on = i <= last.get(layer, -1) or own or activation
            if goes_on and all(keys[j] in ("", layer) for j in own):
                entry.layer = layer
                if activation:
                    active.add(layer)
                if layer in active and i >= last.get(layer, -1):
                    closed.add(layer)
    shared = {layer for layer, places in opened.items() if len(places) > 1}
    for entry in entries:
        if entry.layer in shared:
            entry.layer = ""
    for i, entry in reversed(list(enumerate(entries))):
        if bare[i] and keys[i] and any(entries[j].layer == keys[i] for j in entry.users):
            entry.layer = keys[i]


def layers_of(entries: list[Entry]) -> dict[str, list[int]]:
    """The layers, and the places of their operations and parameters."""
    layers: dict[str, list[int]] = {}
    for i, entry in enumerate(entries):
        if entry.layer:
            layers.setdefault(entry.layer, []).append(i)
    return layers


def layer_title(entries: list[Entry], layer: str, members: list[int]) -> str:
    """What a layer does: ``layer 1 · linear → relu``."""
    rules = [entries[i].rule for i in members if entries[i].rule is not None]
    steps: list[str] = []
    for rule in rules:
        step = "linear" if rule.symbol == "@" else rule.name
        if steps and step == "add" and steps[-1] == "linear":
            continue
        if step not in ("T", "transpose"):
            steps.append(step)
    if {"exp", "sum", "divide"} <= set(steps):
        steps = [*steps[:1], "softmax"]
    if len(steps) > 4:
        steps = [*steps[:2], "…", steps[-1]]
    title = f"layer {layer}" if layer.isdigit() else layer
    return f"{title} · {' → '.join(steps)}"
