"""A value that is used twice has a gradient of two parts; one of them is easily forgotten.

The recorded graph of the learner's own forward pass is walked backwards with one arrow taken out. If
that gives his gradients, the part of the gradient that flows along that arrow is what he left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nn.doctor.peel import close
from nn.doctor.report import Cause
from nn.doctor.sandbox import attempt
from tinygrad_edu import Tensor, gradients
from tinygrad_edu.backward import fit
from tinygrad_edu.formulas import history
from tinygrad_edu.recording import record

if TYPE_CHECKING:
    from nn.doctor.diagnosis import Diagnosis
    from nn.doctor.trial import Trial

MOST = 150  # arrows of a graph that are tried


def missing_branch(diagnosis: Diagnosis, trial: Trial) -> bool:
    """Name the arrow without which the true gradients are the learner's; whether there is one."""
    graphs = [graph_of(diagnosis.subject, p) for p in trial.experiment.probes]
    if any(g is None for g in graphs):
        return False
    (first, params), (second, params2) = graphs  # type: ignore[misc]
    wrong = [k for k in trial.wrong if k[1:] in params]
    given = [r.gradients for r in trial.runs]
    if not wrong or any(g.get(k) is None for g in given for k in wrong):
        return False
    nodes, nodes2 = history(first), history(second)
    if [rule_name(n) for n in nodes] != [rule_name(n) for n in nodes2]:
        return False
    names = [k for k, v in given[0].items() if k[1:] in params and v is not None]
    arrows = list(arrows_of(nodes))
    if len(arrows) > MOST:
        return False
    found = []
    for i, j in arrows:
        if matches(first, nodes, params, (i, j), given[0], names) and matches(
            second, nodes2, params2, (i, j), given[1], names
        ):
            found.append((i, j))
    if not found:
        return False
    causes = []
    for i, j in found:
        to = described(nodes[i].inputs[j], trial, params)
        where = described(nodes[i], trial, params)
        text = (
            f"{', '.join(wrong)}: the part of the gradient that flows from {where} back to {to} is "
            "missing; it is treated as a constant there"
        )
        causes.append(Cause(", ".join(wrong), "a branch missing", text))
    cause = causes[0]
    cause.proof = "without this part the true gradients are yours, in two independent experiments"
    cause.alternatives = causes[1:3]
    diagnosis.report.rows = list(trial.verdicts.values())
    diagnosis.report.causes.append(diagnosis.placed(cause, wrong[0], trial))
    return True


def graph_of(subject: Any, probe: Any) -> tuple[Tensor, dict[str, Tensor]] | None:
    params = {k: Tensor(v, requires_grad=True, name=None) for k, v in probe.params.items()}
    result, failure = attempt(lambda: subject.truth(dict(params), probe.X, probe.Y))
    if failure or not isinstance(result[0], Tensor) or not result[0].requires_grad:
        return None
    return result[0], params


def rule_name(node: Tensor) -> str:
    return node.rule.name if node.rule is not None else "leaf"


def arrows_of(nodes: Sequence[Tensor]) -> Iterator[tuple[int, int]]:
    """(node, input) of every arrow along which a gradient flows."""
    for i, node in enumerate(nodes):
        for j, x in enumerate(node.inputs):
            if isinstance(x, Tensor) and x.requires_grad and node.requires_grad:
                yield i, j


def matches(
    loss: Tensor,
    nodes: Sequence[Tensor],
    params: dict[str, Tensor],
    cut: tuple[int, int],
    given: dict[str, Any],
    names: list[str],
) -> bool:
    found = gradients_without(loss, nodes, cut)
    return all(
        np.shape(given[k]) == params[k[1:]].shape
        and close(given[k], found.get(id(params[k[1:]]), np.zeros(params[k[1:]].shape)), 1e-8)
        for k in names
    )


def gradients_without(
    loss: Tensor, nodes: Sequence[Tensor], cut: tuple[int, int]
) -> dict[int, Any]:
    """The gradients of every tensor, by id, with one arrow taken out."""
    found: dict[int, Any] = {id(loss): np.ones_like(loss.data)}
    for i in range(len(nodes) - 1, -1, -1):
        node = nodes[i]
        g = found.get(id(node))
        if g is None or node.rule is None:
            continue
        inputs = node.inputs
        values = [x.data if isinstance(x, Tensor) else x for x in inputs]
        for j, (x, vjp) in enumerate(zip(inputs, node.rule.vjps)):
            if not isinstance(x, Tensor) or not x.requires_grad or vjp is None or (i, j) == cut:
                continue
            gx = fit(np.asarray(vjp(g, node.data, *values)), x, node)
            found[id(x)] = found[id(x)] + gx if id(x) in found else gx
    return found


def gradients_without_eps(subject: Any, probe: Any) -> dict[str, Any] | None:
    """The gradients of the cost with 0 for the tiny numbers that were added in it, if there are any."""
    graph = graph_of(subject, probe)
    if graph is None:
        return None
    loss, params = graph
    new: dict[int, Any] = {id(t): t for t in params.values()}
    changed = False
    for node in history(loss):
        if id(node) in new or node.rule is None:
            continue
        inputs: list[Any] = []
        for x in node.inputs:
            tiny = isinstance(x, float | np.floating) and 0 < abs(float(x)) <= 1e-4
            tiny = tiny and node.rule.name in ("add", "subtract")
            changed = changed or tiny
            inputs.append(0.0 if tiny else new.get(id(x), x))
        new[id(node)] = record(node.rule, inputs)
    if not changed or not isinstance(new[id(loss)], Tensor):
        return None
    found = gradients(new[id(loss)], list(params.values()))
    return {f"d{k}": g for k, g in zip(params, found)}


def described(x: Any, trial: Any, params: dict[str, Tensor]) -> str:
    """A tensor by the name that the learner's code has for its value."""
    for name, tensor in params.items():
        if tensor is x:
            return name
    value = np.asarray(x.data)
    for event in trial.runs[0].seen:
        if event.name != "return" and close(event.value, value, 1e-12):
            return str(event.name)
    return f"the result of {rule_name(x)}, shape {x.shape}"
