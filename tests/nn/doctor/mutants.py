"""Every hypothesis of the doctor as a program: generated backprop with one formula changed.

The program's text is written from the derived formulas, so that it can be traced like a learner's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import programs

from nn import doctor
from nn.doctor.experiment import Probe
from nn.doctor.hypotheses import Change, Room, changes_of, evaluate, right_formulas
from nn.doctor.report import Report
from nn.doctor.twin import Factor, Layer, Twin, environment, formulas
from tinygrad_edu import sigmoid as tensor_sigmoid
from tinygrad_edu.rules import softmax as tensor_softmax

FORWARD = {
    "relu": "np.maximum(0, {z})",
    "tanh": "np.tanh({z})",
    "sigmoid": "1 / (1 + np.exp(-{z}))",
    "softmax": "np.exp({z}) / np.sum(np.exp({z}), axis=0, keepdims=True)",
}
COST = {
    "cross-entropy": "-np.sum(Y * np.log({a}) + (1 - Y) * np.log(1 - {a})) / m",
    "cross-entropy of classes": "-np.sum(Y * np.log({a})) / m",
    "squared error": "np.sum(({a} - Y) ** 2) / (2 * m)",
}


class Net(NamedTuple):
    twin: Twin
    probe: Probe
    lines: list[tuple[str, Any]]
    room: Room
    course: bool  # dZ and dA are m times larger

    @property
    def title(self) -> str:
        kinds = "-".join(layer.activation for layer in self.twin.layers)
        return f"{kinds}, {self.twin.cost}, {'course' if self.course else 'plain'}"


def net(depth: int, hidden: str, cost: str, course: bool) -> Net:
    output = "softmax" if "classes" in cost else "sigmoid"
    kinds = [hidden] * (depth - 1) + [output]
    layers = [Layer(f"W{i}", f"b{i}", "W @ A", kind) for i, kind in enumerate(kinds, start=1)]
    scale = "1 / (2 * m)" if cost == "squared error" else "1 / m"
    twin = Twin(layers, 0, cost, scale)
    dims = (*(4, 5, 3, 4)[:depth], 3 if output == "softmax" else 1)
    params, X, Y = programs.columns(dims, m=7, seed=5)
    params = {k: v + 0.3 * np.random.RandomState(8).randn(*v.shape) for k, v in params.items()}
    if output == "softmax":
        Y = np.eye(3)[np.arange(7) % 3].T
    probe = Probe(params, X, Y, 7)
    inner = Factor(1.0) if course else twin.factor
    room = Room(twin, environment(twin, probe, 0, 0.0173), inner, twin.factor.over(inner))
    lines = right_formulas(room, formulas(twin, probe))
    for name, f in lines:
        room.add(name, f.value)
    return Net(twin, probe, lines, room, course)


def changes(n: Net) -> list[tuple[str, Change]]:
    """(quantity, change) for every hypothesis that changes the gradients by more than a factor."""
    found = []
    for i, (name, formula) in enumerate(n.lines):
        for change in changes_of(name, formula, n.room, [m for m, _ in n.lines[:i]]):
            if counts(n, {name: change}):
                found.append((name, change))
    return found


def values(n: Net, changed: dict[str, Change]) -> dict[str, Any]:
    room = dict(n.room.values)
    found = {}
    with np.errstate(all="ignore"):
        for name, formula in n.lines:
            e = changed[name].formula if name in changed else formula
            room[name] = found[name] = np.asarray(evaluate(e, room))
    return {k: v for k, v in found.items() if k[1] in "Wb"}


def counts(n: Net, changed: dict[str, Change]) -> bool:
    """Whether the gradients can be computed, and are not all the right ones times one factor."""
    try:
        given = values(n, changed)
    except (ValueError, np.linalg.LinAlgError):
        return False
    right = values(n, {})
    if any(given[k].shape != right[k].shape for k in right):
        return True
    g = np.concatenate([given[k].ravel() for k in right])
    r = np.concatenate([right[k].ravel() for k in right])
    if not np.all(np.isfinite(g)):
        return False
    return bool(np.abs(g - (g @ r) / (r @ r) * r).max() > 1e-6 * np.abs(r).max())


def program(n: Net, changed: dict[str, Change]) -> str:
    L = n.twin.depth
    out = ["import numpy as np", "", "def forward(X, params):"]
    a = "X"
    for i, layer in enumerate(n.twin.layers, start=1):
        out.append(f"    Z{i} = params['W{i}'] @ {a} + params['b{i}']")
        out.append(f"    A{i} = " + FORWARD[layer.activation].format(z=f"Z{i}"))
        a = f"A{i}"
    names = [f"{x}{i}" for i in range(1, L + 1) for x in "ZA"]
    out.append(f"    return A{L}, " + "{" + ", ".join(f"'{x}': {x}" for x in names) + "}")
    out += ["", "def cost(AL, Y):", "    m = Y.shape[1]"]
    out += ["    return " + COST[n.twin.cost].format(a="AL")]
    out += ["", "def backward(params, cache, X, Y):"]
    out += ["    m, n, n_x, learning_rate = X.shape[1], Y.shape[0], X.shape[0], 0.0173"]
    out += [f"    {x} = cache['{x}']" for x in names]
    out += [f"    {x}{i} = params['{x}{i}']" for i in range(1, L + 1) for x in "Wb"]
    for name, formula in n.lines:
        out.append(f"    {name} = {changed[name].formula if name in changed else formula}")
    grads = [f"d{x}{i}" for i in range(L, 0, -1) for x in "Wb"]
    out.append("    return {" + ", ".join(f"'{g}': {g}" for g in grads) + "}")
    return "\n".join(out) + "\n"


def examine(n: Net, changed: dict[str, Change]) -> Report:
    room, _ = programs.load(program(n, changed))
    room["sigmoid"], room["softmax"] = tensor_sigmoid, tensor_softmax
    params = {k: v for k, v in n.probe.params.items() if k[0] in "Wb"}
    return doctor.check(
        room["forward"], room["cost"], room["backward"], params, n.probe.X, n.probe.Y
    )


def all_kinds(report: Report) -> set[tuple[str, str]]:
    """(quantity, kind) of every cause and of those that cannot be told from it."""
    found = set()
    for c in report.all_causes:
        for quantity in c.quantity.split(", "):
            found |= {(quantity, k) for k in [c.kind, *(a.kind for a in c.alternatives)]}
    return found


def is_named(report: Report, name: str, change: Change) -> bool:
    """Whether the report says this change of this quantity, or one that it cannot be told from."""
    if (name, change.kind) in all_kinds(report):
        return True
    texts = [c.computed for c in report.all_causes] + [
        a.computed for c in report.all_causes for a in c.alternatives
    ]
    return f"{name} = {change.formula}" in texts


NETS = [
    (2, "relu", "cross-entropy", True),
    (2, "sigmoid", "squared error", False),
    (2, "tanh", "cross-entropy of classes", False),
    (3, "relu", "cross-entropy", False),
    (3, "tanh", "cross-entropy", True),
    (3, "relu", "cross-entropy of classes", True),
    (4, "sigmoid", "cross-entropy", True),
    (4, "relu", "cross-entropy of classes", False),
]
