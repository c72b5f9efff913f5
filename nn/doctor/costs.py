"""A cost for code that comes without one: the usual cost that the gradients fit best."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from nn.doctor import twin as twins
from nn.doctor.peel import close
from nn.doctor.reference import Truth, WithCost, find_truth
from nn.doctor.report import CONVENTION, OK, WRONG, Report
from nn.doctor.trial import DIRECTION, Trial, scaled
from nn.doctor.twin import Factor, Twin


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
            candidate = Twin(twin.layers, twin.features, cost, twins.USUAL[cost])
            if not gives(candidate, trial):
                continue
            try:
                gs = [twins.true_gradients(candidate, p, i) for i, p in enumerate(e.probes)]
            except (ValueError, TypeError, KeyError, AttributeError):
                continue
            trial.truths = [Truth(0.0, g, "a usual cost", 1e-9) for g in gs]
            score, by = agreement(trial)
            scale = str(candidate.factor * by)
            if by != Factor() and scale in twins.SCALES:
                candidate = replace(candidate, scale=scale)
                trial.truths = [scaled(t, by, trial, i) for i, t in enumerate(trial.truths)]
            if best is None or score > best[0]:
                best = (score, candidate, trial.truths)
    if best is not None:
        _, trial.twin, trial.truths = best
        trial.inferred = trial.sought = True
    wanted = len(trial.subject.params)
    if best is None or best[0] < wanted:
        cost_of_output(trial, 0 if best is None else best[0])


def cost_of_output(trial: Trial, known: int) -> None:
    """The usual costs of the output, whatever the network; taken where more gradients are right."""
    for run, probe in zip(trial.runs, trial.experiment.probes):
        if run.output is None or (probe.Y is None and np.size(probe.X) != np.size(run.output)):
            return
    before = trial.truths
    outputs = [np.asarray(r.output) for r in trial.runs]
    shares = all(np.all((a > 0) & (a < 1)) for a in outputs)  # else no probabilities
    usual = sorted(twins.USUAL.items(), key=lambda u: (u[0] == "squared error") == shares)
    for cost, scale in usual:
        subject = WithCost(trial.subject, cost, twins.SCALES[scale])
        truths = [find_truth(subject, p)[0] for p in trial.experiment.probes]
        good = [t for t in truths if t is not None and np.isfinite(t.loss) and t.gradients]
        if len(good) < 2:
            continue
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


def with_another_cost(trial: Trial) -> Trial:
    """The same with the usual cost of which more gradients are those of the step, if there is one:
    where the cost is only shown, it need not be the one that is descended."""
    other = Trial(trial.subject, trial.experiment, trial.runs, [], another=True)
    cost_of_output(other, len(trial.verdicts) - len(trial.wrong))
    return other if other.inferred else trial


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
    """Whether the gradient of a matrix is that of the cost which the doctor has inferred."""
    params = trial.subject.params
    good = [k[1:] for k in trial.verdicts if k not in trial.wrong]
    shapes = [params[k].shape for k in good if k in params]
    return any(len(shape) == 2 and 1 not in shape for shape in shapes)


def shows_cost(trial: Trial) -> bool:
    """Whether the first gradient of the backward pass is that of the cost alone, without a slope of an
    activation: another one than expected may be that of another cost."""
    return trial.twin is not None and trial.twin.layers[-1].activation == "identity"


def decay_only(trial: Trial) -> bool:
    """Whether every wrong gradient is off by one number times its parameter, or entries of it."""
    numbers, entries = [], 0
    for name, v in trial.verdicts.items():
        for run, truth, probe in zip(trial.runs, trial.truths, trial.experiment.probes):
            if v.verdict in (OK, CONVENTION):
                continue
            given, w = run.gradients.get(name), np.asarray(probe.params.get(name[1:], 0.0))
            if v.verdict != WRONG or given is None or given.shape != w.shape or not np.all(w):
                return False
            right = truth.gradients[name]
            noise = max(trial.nothing, 1e-9 * np.abs(right).max())
            off = given - right
            kept = np.abs(off) > 10 * noise
            if not kept.any():
                return False
            off, w = off[kept], w[kept]
            number = (off @ w) / (w @ w)
            if np.any(np.abs(off - number * w) > 10 * noise + 1e-7 * np.abs(off)):
                return False
            numbers.append(number * probe.m)
            entries = max(entries, off.size)
    return entries > 1 and min(numbers) > 0  # one entry alone is any number times itself


def decays(report: Report, trial: Trial) -> bool:
    """Whether only a decay of all weights sets the gradients apart from those of a cost that the
    doctor has inferred; then it is taken for a part of the cost."""
    if decay_only(trial):
        report.causes, report.unexplained = [], []
        report.conventions.append("the gradients are those of a cost with a decay term")
        report.rows = [replace(r, verdict=CONVENTION) if r.wrong else r for r in report.rows]
        return True
    added = [c.computed.partition(" + ")[2].replace(") / m", " / m") for c in report.causes]
    terms = {re.sub(r"\b[wW]\d+", "W", term) for term in added}
    count = sum(len(c.quantity.split(", ")) for c in report.causes)
    weights = sum(np.ndim(v) == 2 and 1 not in np.shape(v) for v in trial.subject.params.values())
    if (
        report.unexplained
        or {c.kind for c in report.causes} != {"regularisation"}
        or len(terms) > 1
        or count < weights
    ):
        return False
    report.causes.clear()
    for row in report.rows:
        row.verdict = CONVENTION if row.verdict == WRONG else row.verdict
    report.conventions.append(f"the gradients are those of a cost with a decay term, {terms.pop()}")
    return True


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
