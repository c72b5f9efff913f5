"""Gradients of no cost at all: a test that needs no cost.

Second derivatives do not depend on their order. If ``g`` is the gradient of any cost, its change along
``v``, seen along ``u``, is its change along ``u``, seen along ``v``. A field that breaks this is the
gradient of nothing, whatever cost the learner had in mind.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations_with_replacement, pairwise
from typing import Any

import numpy as np

from nn.doctor.naming import plain, source_tree
from nn.doctor.sandbox import GRADIENT
from nn.doctor.subject import Run, Subject
from nn.doctor.trial import Trial

BROKEN = 1e-3  # the share by which the two numbers differ
STEPS = (1e-5, 1e-6)  # where the ends of one have a kink of relu between them, the other has none
FEW = 12  # parameters


def asymmetric(trial: Trial) -> list[tuple[str, str]]:
    """Pairs of parameters whose gradients belong to no cost, the same in both experiments.

    Empty also where it cannot be told: outputs and targets of different shapes, several steps in one
    run, gradients that are clipped otherwise than by np.clip, which is left out.
    """
    found: list[set[tuple[str, str]]] = []
    trees = [source_tree(f) for f in trial.subject.functions]
    lines = [x for t in trees if t is not None for x in ast.unparse(t).splitlines()]
    if any("clip" in x and not GRADIENT.search(x) for x in lines):
        return []
    for run, probe in zip(trial.runs, trial.experiment.probes):
        if np.shape(run.output) != np.shape(probe.Y) or several_steps(run, probe.params):
            return []
        for h in STEPS:
            found.append(broken_at(trial.subject, probe, h))
    both = set.intersection(*found) if found else set()
    return sorted(both)


def several_steps(run: Run, params: Mapping[str, Any], most: int = 1) -> bool:
    """Whether an entry of a parameter is changed more often than this: the sum of several steps is the
    gradient of nothing."""
    if not run.updates:
        return False
    for name, start in params.items():
        seen = [e.value for e in run.events if plain(e.name) == plain(name) and e.name != "return"]
        values = [start, *(v for v in seen if v.shape == np.shape(start))]
        changes = sum((a != b).astype(int) for a, b in pairwise(map(np.asarray, values)))
        if np.any(np.asarray(changes) > most):
            return True
    return False


def broken_at(subject: Subject, probe: Any, h: float) -> set[tuple[str, str]]:
    """The pairs of parameters for which the order of the derivatives matters."""
    if len(probe.params) > FEW:
        return set()
    rng = np.random.default_rng(4)
    directions = [{k: rng.normal(size=np.shape(v)) for k, v in probe.params.items()} for _ in "uv"]
    changes = []
    for direction in directions:
        along = {}
        for name, d in direction.items():
            ends = [gradients_at(subject, probe, name, sign * h * d) for sign in (1, -1)]
            if ends[0].keys() != probe.params.keys() or ends[1].keys() != ends[0].keys():
                return set()
            along[name] = {k: (ends[0][k] - ends[1][k]) / (2 * h) for k in ends[0]}
        changes.append(along)
    (u, v), (by_u, by_v) = directions, changes
    sizes: dict[tuple[str, str], tuple[float, float]] = {}
    for p, q in combinations_with_replacement(probe.params, 2):
        try:
            sizes[p, q] = float(np.sum(u[p] * by_v[q][p])), float(np.sum(v[q] * by_u[p][q]))
        except ValueError:  # a gradient of another shape
            return set()
    most = max(abs(x) for pair in sizes.values() for x in pair)
    return {
        pair
        for pair, (a, b) in sizes.items()
        if abs(a - b) > BROKEN * max(abs(a), abs(b)) and abs(a - b) > BROKEN * most
    }


def gradients_at(subject: Subject, probe: Any, name: str, step: Any) -> dict[str, Any]:
    """The learner's gradients with one parameter moved, by parameter."""
    moved = replace(probe, params={**probe.params, name: probe.params[name] + step})
    run = subject.run(moved.params, moved.X, moved.Y, watch=False)
    return {k: np.asarray(run.gradients[f"d{k}"]) for k in probe.params if f"d{k}" in run.gradients}
