"""A cost for code that comes without one: the usual cost that the gradients fit best."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from nn.doctor import twin as twins
from nn.doctor.peel import close
from nn.doctor.reference import Truth, WithCost, find_truth
from nn.doctor.trial import DIRECTION, Trial, scaled
from nn.doctor.twin import Factor, Twin

PATIENCE = 6.0  # seconds of processor time for finding the cost that explains most


def infer_cost(trial: Trial) -> None:
    """Without a cost function: the usual costs, and the one that the gradients fit best."""
    e = trial.experiment
    run = trial.runs[0]
    sizes = [
        (np.asarray(run.gradients.get(f"d{k}")).size, np.size(v))
        for k, v in e.probes[0].params.items()
    ]
    if run.failure is None and all(given != own for given, own in sizes):
        return  # data of a form that is not meant for this code
    seen = [[ev.value for ev in run.seen] for run in trial.runs]
    outputs = [None if r.output is None else np.asarray(r.output) for r in trial.runs]
    best: tuple[int, Twin, list[Truth]] | None = None
    found = twins.recognise(e.probes, seen, None, outputs)
    for twin in [t for t, _ in zip(found, range(4))]:
        last = twin.layers[-1].activation
        order = {
            "sigmoid": ("cross-entropy", "squared error"),
            "softmax": ("cross-entropy of classes", "squared error"),
        }.get(last, ("squared error", "cross-entropy"))
        if last == "softmax" and np.shape(e.probes[0].Y)[0:1] == ():
            continue
        for cost in order:
            fitted = with_cost(trial, twin, cost, twins.USUAL[cost])
            if fitted is not None and (best is None or fitted[0] > best[0]):
                best = fitted
    if best is not None:
        _, trial.twin, trial.truths = best
        trial.inferred = trial.sought = True
    wanted = len(trial.subject.params)
    if best is None or best[0] < wanted:
        cost_of_output(trial, 0 if best is None else best[0])
    if trial.inferred and trial.verdicts and trial.wrong and not trial.failure:
        with_decay(trial)


def with_cost(
    trial: Trial, twin: Twin, cost: str, scale: str
) -> tuple[int, Twin, list[Truth]] | None:
    """How many gradients fit this cost of the recognised network, the network with it, the truths."""
    candidate = Twin(twin.layers, twin.features, cost, scale)
    if not gives(candidate, trial):
        return None
    probes = trial.experiment.probes
    try:
        gs = [twins.true_gradients(candidate, p, i) for i, p in enumerate(probes)]
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    trial.truths = [Truth(0.0, g, "a usual cost", 1e-9) for g in gs]
    score, by = agreement(trial)
    scale = str(candidate.factor * by)
    if by != Factor() and scale in twins.SCALES:
        candidate = replace(candidate, scale=scale)
        trial.truths = [scaled(t, by, trial, i) for i, t in enumerate(trial.truths)]
    return score, candidate, trial.truths


def best_explained(trials: list[Trial]) -> list[Trial]:
    """Where no cost fits: the same with the usual cost under which the fewest mistakes explain all of
    the first trial."""
    first = trials[0]
    if not first.inferred or first.right or first.twin is None or first.failure or fits(first):
        return trials
    best, chosen, end = np.inf, ("", ""), time.process_time() + PATIENCE
    for cost, scale in chain(twins.USUAL.items(), twins.SUMMED.items()):
        if time.process_time() > end:
            break
        other = under(first, cost, scale)
        found = other.explanation(other.twin) if other is not first and other.twin else None
        if found is None or any(m.unexplained for m in found.marks):
            continue
        if scale != twins.USUAL[cost] and sum(bool(m.causes) for m in found.marks) > 1:
            continue  # an unusual cost with several mistakes explains nothing
        if found.cost < best:
            best, chosen = found.cost, (cost, scale)
    return [t if t.right else under(t, *chosen) for t in trials] if chosen[0] else trials


def under(trial: Trial, cost: str, scale: str) -> Trial:
    """The trial with this cost of its output, if it can have it."""
    other = replace(trial, verdicts={})
    fitted = None if trial.twin is None else with_cost(other, trial.twin, cost, scale)
    if fitted is None:
        return trial
    _, other.twin, other.truths = fitted
    other.compare()
    return other


def usual_truths(trial: Trial) -> Iterator[tuple[str, str, list[Truth]]]:
    """The usual costs of the output, whatever the network, how each is scaled, and its gradients."""
    for run, probe in zip(trial.runs, trial.experiment.probes):
        if run.output is None or (probe.Y is None and np.size(probe.X) != np.size(run.output)):
            return
    outputs = [np.asarray(r.output) for r in trial.runs]
    shares = all(np.all((a > 0) & (a < 1)) for a in outputs)  # else no probabilities
    usual = sorted(twins.USUAL.items(), key=lambda u: (u[0] == "squared error") == shares)
    for cost, scale in usual:
        subject = WithCost(trial.subject, cost, twins.SCALES[scale])
        truths = [find_truth(subject, p)[0] for p in trial.experiment.probes]
        good = [t for t in truths if t is not None and np.isfinite(t.loss) and t.gradients]
        if len(good) == 2:
            yield cost, scale, good


def cost_of_output(trial: Trial, known: int) -> None:
    """The usual cost of the output of which more gradients are right than are ``known`` to be."""
    before = trial.truths
    for cost, scale, good in usual_truths(trial):
        trial.truths = good
        right, by = agreement(trial)
        if right > known or not (before or trial.another):
            factor = str(twins.SCALES[scale] * by)
            # the others are judged by these
            some = 0 < right < len(trial.subject.params) and (right > 1 or by.number > 0)
            if by != Factor() and (factor in twins.SCALES or some):
                good, scale = [scaled(t, by, trial, i) for i, t in enumerate(good)], factor
            known, before = right, good
            trial.usual, trial.twin = f"{cost}, times {scale}", None
            trial.inferred, trial.sought = True, False
    trial.truths = before
    if before:
        trial.compare()


def under_usual_costs(trial: Trial) -> Iterator[Trial]:
    """The same with each of the usual costs in turn."""
    for cost, scale, good in usual_truths(trial):
        other = replace(trial, truths=good, verdicts={}, twin=None, sought=True, inferred=True)
        other.usual = f"{cost}, times {scale}"
        other.compare()
        yield other


def with_another_cost(trial: Trial) -> Trial:
    """The same with the usual cost of which more gradients are those of the step, if there is one:
    where the cost is only shown, it need not be the one that is descended. Squared errors are shown for
    a cross-entropy; not the other way round: then the slope of the output is a mistake."""
    with_decay(trial)
    if not trial.wrong:
        return trial
    other = Trial(trial.subject, trial.experiment, trial.runs, [], another=True)
    cost_of_output(other, len(trial.verdicts) - len(trial.wrong))
    if other.inferred and other.wrong:
        with_decay(other)
    twin = trial.twin_of() if other.usual.startswith("squared") else None
    stays = trial.subject.entropy or (twin is not None and twin.cost.startswith("cross"))
    stays = stays and other.usual.startswith("squared")
    return other if other.inferred and not stays else trial


def agreement(trial: Trial) -> tuple[int, Factor]:
    """How many gradients are the true ones, times one factor, and which."""
    trial.compare()
    if any(v.note == DIRECTION for v in trial.verdicts.values()):
        return 1, Factor()  # so would be any cost of one output
    good = len(trial.verdicts) - len(trial.wrong)
    counts = {f: n for f, n in trial.common_factors().items() if n > good}
    by = max(counts, key=lambda f: (counts[f], f.number > 0), default=Factor())
    return counts.get(by, good), by


def fits(trial: Trial) -> bool:
    """Whether the gradient of some array is that of the cost which the doctor has inferred."""
    good = [k[1:] for k in trial.verdicts if k not in trial.wrong]
    return any(np.size(trial.subject.params.get(k, 0)) > 1 for k in good)


def shows_cost(trial: Trial) -> bool:
    """Whether the first gradient of the backward pass is that of the cost alone, without a slope of an
    activation: another one than expected may be that of another cost."""
    return trial.twin is not None and trial.twin.layers[-1].activation == "identity"


def with_decay(trial: Trial) -> None:
    """Take a decay of the weights for a part of the cost that was inferred, where fewer gradients are
    wrong then."""
    probes = trial.experiment.probes
    found: dict[str, list[tuple[float, Any]]] = {}
    for name in trial.wrong:
        parts = [
            decay_in(run.gradients.get(name), truth.gradients[name], p.params[name[1:]], trial)
            for run, truth, p in zip(trial.runs, trial.truths, probes)
        ]
        kept = [part for part in parts if part is not None]
        if len(kept) == 2:
            found[name] = kept
    for mean in (False, True):
        sizes = [p.m if mean else 1 for p in probes]
        numbers = {k: [c * n for (c, _), n in zip(v, sizes)] for k, v in found.items()}
        same = {k: v[0] for k, v in numbers.items() if np.isclose(v[0], v[1], rtol=1e-6)}
        number = max(
            same.values(), key=lambda c: sum(np.isclose(c, d) for d in same.values()), default=0
        )
        if number * trial.subject.learning_rate > 0.5 and trial.subject.descends:
            continue  # the parameters were not changed but assigned
        names = [k for k, c in same.items() if np.isclose(c, number, rtol=1e-6)]
        if number > 0 and sum(np.sum(found[k][0][1]) for k in names) > 1:
            decayed(trial, number, mean, {k: [mask for _, mask in found[k]] for k in names})
            return


def decay_in(given: Any, right: Any, w: Any, trial: Trial) -> tuple[float, Any] | None:
    """By which number times its parameter a gradient is off, and in which entries; None for others."""
    w = np.asarray(w)
    if given is None or np.shape(given) != w.shape or w.size < 2 or not np.all(np.isfinite(given)):
        return None
    noise = max(trial.nothing, 1e-9 * np.abs(right).max())
    off = np.asarray(given) - right
    kept = np.abs(off) > 10 * noise
    if not kept.any():
        return None
    number = float(off[kept] @ w[kept]) / float(w[kept] @ w[kept])
    fits = np.abs(off - number * w) <= 10 * noise + 1e-7 * np.abs(off)
    return (number, fits) if np.all(fits[kept]) else None


def decayed(trial: Trial, number: float, mean: bool, masks: Mapping[str, list[Any]]) -> None:
    """The trial against a cost with this decay, if that is a better one."""
    before, twin, wrong = trial.truths, trial.twin, len(trial.wrong)
    whole = all(np.all(mask) for pair in masks.values() for mask in pair)
    matrices = [k for k, v in trial.subject.params.items() if np.ndim(v) == 2 and 1 not in v.shape]
    truths = []
    for i, (truth, probe) in enumerate(zip(before, trial.experiment.probes)):
        every = {f"d{k}": np.ones(np.shape(probe.params[k])) for k in matrices}
        every |= {k: pair[i] for k, pair in masks.items()}
        share = number / (probe.m if mean else 1)
        more = {k: share * mask * probe.params[k[1:]] for k, mask in every.items()}
        gradients = {k: g + more.get(k, 0) for k, g in truth.gradients.items()}
        truths.append(replace(truth, gradients=gradients))
    trial.truths = truths
    trial.compare()
    if len(trial.wrong) >= wrong:
        trial.truths = before
        trial.compare()
        return
    trial.decay = f" and a decay of the weights by {number:.4g}" + " / m" * mean
    if twin is not None and whole:
        trial.twin = replace(twin, decay=number, decay_mean=mean)
    elif twin is not None:
        trial.usual, trial.twin = f"{twin.cost}, times {twin.scale}", None


def gives(twin: Twin, trial: Trial) -> bool:
    """Whether the twin's output, or its last Z, is the output of the learner's forward pass."""
    for i, (probe, run) in enumerate(zip(trial.experiment.probes, trial.runs)):
        if run.output is None:
            continue
        known, about = twins.tensors(twin, probe, i)
        ends = [about["output"], known[f"Z{twin.depth}"]]
        if not any(close(np.asarray(run.output), np.asarray(e.data), 1e-9) for e in ends):
            return False
    return True
