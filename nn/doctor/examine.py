"""One examination: experiments, truth, the learner's gradients, verdicts, causes."""

from __future__ import annotations

import linecache
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

import numpy as np

from nn.doctor import experiment as ex
from nn.doctor import own_names
from nn.doctor import twin as twins
from nn.doctor.experiment import Experiment, Layout
from nn.doctor.naming import (
    CannotExamine,
    Hopeless,
    Unbound,
    intermediate_meant,
    label,
    numbered,
    parameter_meant,
    plain,
)
from nn.doctor.peel import (
    Explanation,
    Mark,
    Pair,
    close,
    explain,
    fits_name,
    gap,
    multiple,
    pair_up,
)
from nn.doctor.reference import Truth, WithCost, confirm, find_truth
from nn.doctor.report import (
    CONVENTION,
    FOLLOWS,
    MISSING,
    NAN,
    OK,
    SHAPE,
    WRONG,
    Cause,
    Report,
    Verdict,
)
from nn.doctor.sandbox import Event, Failure, TooLong
from nn.doctor.subject import ObjectSubject, Run, Subject, batch_of, proportional
from nn.doctor.twin import Factor, Twin
from tinygrad_edu import Tensor

DIRECTION = "the same direction"
ENOUGH = 1e-6  # a larger relative error is wrong
HOPELESS = (
    TooLong,
    SystemExit,
    EOFError,
    OSError,
    ImportError,
    MemoryError,
    NotImplementedError,
    RecursionError,
)


@dataclass
class Trial:
    """One experiment, done."""

    experiment: Experiment
    runs: list[Run]
    truths: list[Truth]
    common: Factor | None = None  # of all gradients
    verdicts: dict[str, Verdict] | None = None
    twin: Twin | None = None  # the recognised network, if its gradients are those of the cost
    inferred: bool = False  # the cost was not given: it is the twin's, or ``usual``
    usual: str = ""
    sought: bool = False  # the twin was looked for

    @property
    def right(self) -> bool:
        return self.verdicts is not None and all(
            v.verdict in (OK, CONVENTION) for v in self.verdicts.values()
        )

    @property
    def failure(self) -> Failure | None:
        return next((r.failure for r in self.runs if r.failure), None)


class Examination:
    """Examine one subject."""

    def __init__(self, subject: Subject, title: str = "Gradient doctor"):
        self.subject = subject
        self.report = Report(title)
        self.layout: Layout | None = None
        self.stop: str = ""
        self.marks: list[Mark] = []
        self.first: Trial | None = None  # of those that are judged

    def run(self, only: Experiment | None = None) -> Report:
        """The report on the doctor's own experiments, or on this one only."""
        try:
            with np.errstate(all="ignore"):
                trials = self.trials() if only is None else self.trial_of(only)
                if trials:
                    self.judge(trials)
                else:
                    self.report.problem = self.stop or "no experiment could be run on this code."
        except CannotExamine as error:
            self.report.problem = f"{error}".rstrip(".") + "." * (not str(error).endswith("?"))
        finally:
            shorten(self.report, list(self.subject.params))
        return self.report

    def trial_of(self, e: Experiment) -> list[Trial]:
        failures: list[str] = []
        trial = self.attempt(e, failures)
        self.stop = failures[0] if failures else ""
        return [] if trial is None else [trial]

    # --- experiments

    def trials(self) -> list[Trial]:
        s = self.subject
        if not s.params:
            self.stop = "no parameters were found: pass params, a dictionary of arrays."
            return []
        first = self.first_trial()
        if first is None:
            return []
        trials = [first]
        if self.layout is None:
            return trials
        own = first.experiment.depth
        for depth, equal in ((own, True), (2, False), (3, False)):
            if (depth, equal) == (own, False):
                continue
            e = ex.experiment(self.layout, depth, equal, self.batches)
            try:
                trial = e and self.attempt(e)
            except Unbound:  # each parameter is an argument: the depth is fixed
                continue
            if trial and all_used(trial):
                trials.append(trial)
        return trials

    def first_trial(self) -> Trial | None:
        """The learner's own depth with other widths; or his own sizes, if nothing else runs."""
        s = self.subject
        failures: list[str] = []
        self.batches = ex.BATCHES
        stopped: Any = (
            None  # a layout whose backward pass stops: it may run with its own sizes only
        )
        single = np.ndim(s.X) == 2 and 1 in np.shape(s.X) and batch_of(s.X, s.Y) == 1
        if single:
            self.batches = (1, 1)
        for layout in ex.layouts(s.params, s.X, s.Y):
            e = ex.experiment(layout, len(layout.weights), False, self.batches)
            trial = e and self.attempt(e)
            if trial and all_used(trial) and (trial.failure is None or size_of(trial) > ex.LARGEST):
                self.layout = layout
                return trial
            stopped = stopped or (trial and all_used(trial) and (layout, trial))
        size = sum(np.size(v) for v in s.params.values())
        if size > ex.LARGEST * 20:
            self.stop = (
                f"the code runs only with its own sizes, and {size} parameters are too many for an "
                "experiment: pass smaller ones."
            )
            return None
        m = batch_of(s.X, s.Y)
        classes = max((np.shape(v)[-1] if np.ndim(v) else 1) for v in s.params.values())
        if s.Y is not None and np.ndim(s.Y) == 1 and np.asarray(s.Y).dtype.kind in "iu":
            classes = max(int(np.max(s.Y)) + 1, 2)
        for seeds in ((11, 12), (13, 14), (15, 16)):
            own = self.attempt(ex.same_shapes(s.params, s.X, s.Y, classes, m, seeds), failures)
            if own is None or any(np.any(g) for g in own.truths[0].gradients.values()):
                break  # else the outputs are dead: a relu is 0 for all examples
        if stopped and (own is None or own.failure is not None):
            self.layout, own = stopped
            return own
        if own is None:
            self.stop = failures[0] if failures else self.stop
            return None
        self.report.not_checked.append(
            "other layer sizes and batch sizes: the code runs only with its own"
        )
        return own

    def attempt(self, e: Experiment, failures: list[str] | None = None) -> Trial | None:
        """Truth and the learner's own gradients on both probes; None where forward does not run."""
        truths, runs = [], []
        for probe in e.probes:
            truth, failure = find_truth(self.subject, probe)
            if failure is not None:
                self.stop_for_good(failure, "forward or cost")
                if failures is not None:
                    from nn.doctor.failures import hint

                    more = hint(failure, e.depth)
                    failures.append(f"forward or cost failed, {failure.sentence}{more}.")
                return None
            if truth is not None and not np.isfinite(truth.loss):
                if failures is not None:
                    failures.append(f"the cost of random parameters is {truth.loss}.")
                return None
            run = self.subject.run(probe.params, probe.X, probe.Y)
            self.stop_for_good(run.failure, run.stage)
            if run.failure and run.stage == "forward":
                if failures is not None:
                    failures.append(f"forward failed, {run.failure.sentence}.")
                return None
            runs.append(run)
            if truth is not None:
                if run.failure is None and differs_much(run.loss, truth.loss):
                    raise Hopeless(
                        "the cost of the same numbers is another one at each run (random numbers "
                        "without a seed, or something kept from the run before), so there is no "
                        "gradient to compare with"
                    )
                truths.append(truth)
        trial = Trial(e, runs, truths)
        if not truths:
            self.infer_cost(trial)
        if len(trial.truths) == 2:
            self.compare(trial)
            found = [k for k in self.subject.params if f"d{k}" in runs[0].gradients]
            if not trial.failure and not found and not runs[0].raw:
                kind = CannotExamine if runs[0].problems else Hopeless
                raise kind(nothing_found(self.subject, runs[0]))
            return trial
        if failures is not None and not failures:
            failures.append(
                "there is no cost function, and none of the usual ones fits: give the doctor one as cost."
            )
        return None

    def stop_for_good(self, failure: Failure | None, stage: str) -> None:
        """No other numbers help where an argument is unknown, or where the code does not end, asks
        for something that is not here or is not written yet."""
        if failure is not None and isinstance(failure.error, CannotExamine):
            raise failure.error
        if failure is not None and isinstance(failure.error, HOPELESS):
            raise Hopeless(f"{stage} failed, {failure.sentence}")

    def infer_cost(self, trial: Trial) -> None:
        """Without a cost function: the usual costs, and the one that the gradients fit best."""
        e = trial.experiment
        seen = [[ev.value for ev in run.seen] for run in trial.runs]
        outputs = [None if r.output is None else np.asarray(r.output) for r in trial.runs]
        best: tuple[int, Twin, list[Truth]] | None = None
        found = twins.recognise([p.params for p in e.probes], e.probes, seen, None, outputs)
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
                score, by = self.agreement(trial)
                scale = str(candidate.factor * by)
                if by != Factor() and scale in twins.SCALES:
                    candidate = replace(candidate, scale=scale)
                    trial.truths = [scaled(t, by, trial, i) for i, t in enumerate(trial.truths)]
                if best is None or score > best[0]:
                    best = (score, candidate, trial.truths)
        if best is not None:
            _, trial.twin, trial.truths = best
            trial.inferred = trial.sought = True
        wanted = len(self.subject.params)
        if best is None or best[0] < wanted:
            self.cost_of_output(trial, 0 if best is None else best[0])

    def cost_of_output(self, trial: Trial, known: int) -> None:
        """The usual costs of the output, whatever the network; taken where more gradients are right."""
        if any(
            r.output is None or p.Y is None for r, p in zip(trial.runs, trial.experiment.probes)
        ):
            return
        before = trial.truths
        for cost, scale in twins.USUAL.items():
            subject = WithCost(self.subject, cost, twins.SCALES[scale])
            truths = [find_truth(subject, p)[0] for p in trial.experiment.probes]
            good = [t for t in truths if t is not None and np.isfinite(t.loss) and t.gradients]
            if len(good) < 2:
                continue
            trial.truths = good
            right, by = self.agreement(trial)
            if right > known or not before:
                factor = str(twins.SCALES[scale] * by)
                if by != Factor() and factor in twins.SCALES:
                    good, scale = [scaled(t, by, trial, i) for i, t in enumerate(good)], factor
                known, before = right, good
                trial.usual, trial.twin = f"{cost}, times {scale}", None
                trial.inferred, trial.sought = True, False
        trial.truths = before
        if before:
            self.compare(trial)

    def agreement(self, trial: Trial) -> tuple[int, Factor]:
        """How many gradients are the true ones, times one factor, and which."""
        self.compare(trial)
        good = sum(v.verdict in (OK, CONVENTION) for v in (trial.verdicts or {}).values())
        counts = {f: n for f, n in self.common_factors(trial).items() if n > good}
        by = max(counts, key=lambda f: counts[f], default=Factor())
        return counts.get(by, good), by

    # --- comparing

    def compare(self, trial: Trial) -> None:
        """Verdicts for the gradients of the parameters, without looking for causes."""
        trial.common = None
        if trial.failure:
            return
        verdicts: dict[str, Verdict] = {}
        pairs: dict[str, tuple[Pair, Pair]] = {}
        for name, truth in trial.truths[0].gradients.items():
            values = [r.gradients.get(name) for r in trial.runs]
            if values[0] is None or values[1] is None:
                if np.any(truth):
                    verdicts[name] = Verdict(name, MISSING)
                continue
            given = (np.asarray(values[0]), np.asarray(values[1]))
            right = (truth, trial.truths[1].gradients[name])
            verdicts[name] = self.verdict(name, given, right, trial)
            pairs[name] = (given, right)
        trial.verdicts = verdicts
        if all(v.verdict in (OK, CONVENTION) for v in verdicts.values()):
            return
        if any(v.verdict in (MISSING, SHAPE, NAN) for v in verdicts.values()):
            return
        trial.common = common_factor(list(pairs.values()), trial, tolerance_of(trial) * 10)
        more = ""
        if trial.common is None and (near := common_factor(list(pairs.values()), trial, 1e-4)):
            scales = [near.value(*sizes_of(trial, i)) for i in (0, 1)]
            if all(
                self.without_eps(
                    k, [np.reshape(g, r.shape) / s for g, r, s in zip(*pair, scales)], trial
                )
                for k, pair in pairs.items()
            ):
                trial.common, more = near, ", without the epsilon of the cost"
        if trial.common is None and same_direction(list(pairs.values())):
            for v in verdicts.values():
                v.verdict, v.note = CONVENTION, DIRECTION
        if trial.common is not None:
            for v in verdicts.values():
                v.verdict, v.note = CONVENTION, f"times {trial.common}{more}"

    def verdict(self, name: str, given: Pair, right: Pair, trial: Trial) -> Verdict:
        tolerance = tolerance_of(trial, given)
        if not all(np.all(np.isfinite(g)) for g in given if g.dtype.kind == "f"):
            return Verdict(name, NAN)
        note = ""
        fitted = []
        for g, r in zip(given, right):
            if g.shape != r.shape:
                note = f"{g.shape} for {r.shape}"
                try:
                    fits = np.broadcast_shapes(g.shape, r.shape) == r.shape
                except ValueError:
                    fits = False
                if g.size != r.size or not fits:
                    return Verdict(name, SHAPE, None, f"{g.shape}, and {name[1:]} has {r.shape}")
                g = g.reshape(r.shape)
            fitted.append(g)
        error = max(relative(g, r) for g, r in zip(fitted, right))
        if error <= tolerance:
            return Verdict(name, CONVENTION if note else OK, error, note)
        if error < 1e-4 and self.without_eps(name, fitted, trial):
            return Verdict(name, CONVENTION, error, "without the epsilon of the cost")
        return Verdict(name, WRONG, error)

    def without_eps(self, name: str, given: list[Any], trial: Trial) -> bool:
        """Whether this is the gradient of the cost without the epsilon in its logarithm."""
        from nn.doctor.branches import gradients_without_eps

        probes = trial.experiment.probes
        right: list[Any] = [gradients_without_eps(self.subject, p) for p in probes]
        if any(r is None for r in right):
            twin = self.twin_of(trial)
            if twin is None or not twin.eps:
                return False
            right = [twins.true_gradients(twin, p, i) for i, p in enumerate(probes)]
        return all(relative(g, r[name]) < 1e-9 for g, r in zip(given, right) if name in r)

    def twin_of(self, trial: Trial) -> Twin | None:
        """The recognised network, if its gradients are those of the learner's cost."""
        if trial.twin is None and not trial.sought:
            trial.twin, trial.sought = self.find_twin(trial), True
        return trial.twin

    def find_twin(self, trial: Trial) -> Twin | None:
        e = trial.experiment
        seen = [[*t.values, *(ev.value for ev in r.seen)] for t, r in zip(trial.truths, trial.runs)]
        outputs = [None if r.output is None else r.output for r in trial.runs]
        losses = [t.loss for t in trial.truths]
        for n, twin in enumerate(
            twins.recognise([p.params for p in e.probes], e.probes, seen, losses, outputs)
        ):
            if n > 40:
                break
            tolerance = 1e-3 if twin.eps else max(1e-8, trial.truths[0].tolerance * 20)
            try:
                if all(
                    relative(t.gradients[name], g) < tolerance
                    for i, (p, t) in enumerate(zip(e.probes, trial.truths))
                    for name, g in twins.true_gradients(twin, p, i).items()
                ):
                    return twin
            except (ValueError, KeyError, TypeError):
                continue
        return None

    # --- judging

    def judge(self, trials: list[Trial]) -> None:
        report = self.report
        first = self.first = trials[0]
        for trial in trials:
            report.checked.append(trial.experiment.title)
        self.describe_truth(first)
        report.graph = lambda: self.graph(first)
        self.state(trials)
        wrong = [t for t in trials if not t.right]
        if not wrong:
            report.rows = list((first.verdicts or {}).values())
            self.describe_conventions(first)
            return
        if not all(self.confirmed(t) for t in wrong[:1]):
            report.problem = (
                "the reference gradient is not confirmed by central differences of your own cost (it "
                "may be random, not continuous, or of low precision), so nothing is called wrong."
            )
            return
        usable = [t for t in wrong if t.verdicts is not None]
        if not usable and self.layout is not None and size_of(first) < ex.LARGEST:
            e = ex.experiment(self.layout, first.experiment.depth, False, self.batches, own=True)
            own = e and self.attempt(e)
            if own and own.verdicts is not None and not own.right:
                usable = [own]
                report.checked.append(own.experiment.title)
        failed = [t for t in wrong if t.failure]
        if usable:
            self.diagnose(usable, failed)
        else:
            from nn.doctor.failures import explain_failure

            explain_failure(self, failed[0])
        if first.inferred and self.decays():
            return
        if first.inferred and report.unexplained and not report.causes and not self.fits(first):
            report.rows, report.unexplained, report.notes = [], [], []
            report.problem = (
                "there is no cost function, and the gradients are those of none of the usual costs: "
                "give the doctor the right one as cost."
            )
            return
        if wrong[0] is not first or len(wrong) < len(trials):
            right = [t.experiment.title for t in trials if t.right]
            if right:
                report.notes.append(
                    "it is right for " + "; ".join(right) + ", so a test with these sizes does not "
                    "see the mistake"
                )

    def decay_only(self) -> bool:
        """Whether every wrong gradient is off by one number times its parameter, or entries of it."""
        trial = self.first
        if trial is None or trial.verdicts is None:
            return False
        numbers = []
        for name, v in trial.verdicts.items():
            for run, truth, probe in zip(trial.runs, trial.truths, trial.experiment.probes):
                if v.verdict in (OK, CONVENTION):
                    continue
                given, w = run.gradients.get(name), np.asarray(probe.params.get(name[1:], 0.0))
                if v.verdict != WRONG or given is None or given.shape != w.shape or not np.all(w):
                    return False
                ratio = ((given - truth.gradients[name]) / w).ravel()
                ratio = ratio[np.abs(ratio) > 1e-9]
                if not ratio.size or np.ptp(ratio) > 1e-7 * np.abs(ratio).max():
                    return False
                numbers.append(ratio[0] * probe.m)
        return bool(numbers) and min(numbers) > 0

    def fits(self, trial: Trial) -> bool:
        """Whether the gradient of a matrix is that of the cost which the doctor has inferred."""
        params = self.subject.params
        good = [k[1:] for k, v in (trial.verdicts or {}).items() if v.verdict in (OK, CONVENTION)]
        shapes = [params[k].shape for k in good if k in params]
        return any(len(shape) == 2 and 1 not in shape for shape in shapes)

    def decays(self) -> bool:
        """Whether only a decay of all weights sets the gradients apart from those of a cost that the
        doctor has inferred; then it is taken for a part of the cost."""
        report = self.report
        if self.decay_only():
            report.causes, report.unexplained = [], []
            report.conventions.append("the gradients are those of a cost with a decay term")
            report.rows = [replace(r, verdict=CONVENTION) if r.wrong else r for r in report.rows]
            return True
        added = [c.computed.partition(" + ")[2].replace(") / m", " / m") for c in report.causes]
        terms = {re.sub(r"\b[wW]\d+", "W", term) for term in added}
        count = sum(len(c.quantity.split(", ")) for c in report.causes)
        weights = sum(
            np.ndim(v) == 2 and 1 not in np.shape(v) for v in self.subject.params.values()
        )
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
        report.conventions.append(
            f"the gradients are those of a cost with a decay term, {terms.pop()}"
        )
        return True

    def confirmed(self, trial: Trial) -> bool:
        if trial.inferred or trial.truths[0].method == "differences":
            return True
        return confirm(self.subject, trial.experiment.probes[0], trial.truths[0])

    def describe_truth(self, trial: Trial) -> None:
        truth = trial.truths[0]
        if trial.inferred:
            twin = trial.twin
            usual = trial.usual or (f"{twin.cost}, times {twin.scale}" if twin is not None else "")
            self.report.notes.append(f"no cost was given; the doctor took the {usual}")
        elif truth.method == "differences":
            self.report.notes.append(
                "the reference is central differences of your cost, because Tensors cannot pass "
                f"through it ({truth.why.partition(': ')[0]})"
            )

    def describe_conventions(self, trial: Trial) -> None:
        report = self.report
        report.sign = -1 if trial.common is not None and trial.common.number < 0 else 1
        if report.sign < 0 and self.subject.descends:
            for row in report.rows:
                row.verdict = WRONG
            says = "the step goes up the gradient: the cost grows"
            fix = "subtract: W - learning_rate * dW"
            report.causes.append(Cause("step", "sign of the update", says, fix=fix))
        elif trial.common is not None:
            c = trial.common
            text = (
                "all gradients have the wrong sign in common: right if they are added instead of "
                "subtracted"
                if c == Factor(-1.0)
                else f"all gradients are {c} times those of the cost; the learning rate absorbs it"
                + ", if they are added instead of subtracted" * (c.number < 0)
            )
            report.conventions.append(text)
        if any(v.note == DIRECTION for v in report.rows):
            report.conventions.append(
                "all gradients have the direction of those of the cost, and a length that depends on the "
                "data, as for a cost and its square root; the learning rate absorbs it"
            )
        if any("epsilon" in v.note for v in report.rows):
            report.conventions.append(
                "the cost has a small number in its logarithm, which the gradient leaves out"
            )
        shapes = [v for v in report.rows if " for (" in v.note]
        if shapes:
            report.conventions.append(
                ", ".join(f"{v.name} has shape {v.note}" for v in shapes)
                + ": broadcasting makes the update right"
            )
        if any(r.updates for r in trial.runs):
            report.conventions.append(
                "backward updates the parameters itself; the gradients were read from their change"
            )
        self.inner_quantities(trial)

    def inner_quantities(self, trial: Trial) -> None:
        """dA and dZ that are returned: right, with the factor or the numbering named."""
        extra = [k for k in trial.runs[0].gradients if k[:2] in ("dA", "dZ") and k[2:].isdigit()]
        twin = self.twin_of(trial) if extra else None
        if twin is None:
            return
        inner, shift = self.inner_values(trial, twin)
        for key in extra:
            pair = (trial.runs[0].gradients[key], trial.runs[1].gradients.get(key))
            name = shifted(key, shift)
            if name not in inner or pair[1] is None:
                continue
            right = inner[name]
            f = factor_between(pair, right, trial, 1e-8)
            note = "" if f in (None, Factor()) else f"times {f}"
            if f is not None:
                error = gap_scaled(pair, right)
                verdict = OK if f == Factor() else CONVENTION
                self.report.rows.append(Verdict(key, verdict, error, note))
        if any(r.name[:2] in ("dA", "dZ") and r.note for r in self.report.rows):
            self.report.conventions.append(
                "dA and dZ are gradients of the sum of the losses, dW and db of their mean (the "
                "course's convention)"
            )
        if shift:
            self.report.conventions.append(
                "dA{l} is stored for the input of layer l (an older numbering of the keys)"
            )

    def inner_values(self, trial: Trial, twin: Twin) -> tuple[dict[str, Pair], int]:
        """The true dA and dZ, and by how much the learner's numbers in dA{l} are shifted."""
        both = []
        for i, p in enumerate(trial.experiment.probes):
            known, about = twins.tensors(twin, p, i, wanted=True)
            names = [n for n in known if n[0] in "AZX"]
            cost = twins.raw_cost(twin, known, about)
            scale = twin.factor.value(about["m"], about["n"])
            found = twins.gradients(cost, [known[n] for n in names])
            both.append({"dA0" if n == "X" else f"d{n}": scale * g for n, g in zip(names, found)})
        inner = {n: (both[0][n], both[1][n]) for n in both[0]}
        return inner, numbering(trial, inner)

    def state(self, trials: Sequence[Trial]) -> None:
        """What a run changed that it should not have, and whether a second call gives the same."""
        first = trials[0]
        run = first.runs[0]
        for name in dict.fromkeys(n for t in trials for r in t.runs for n in r.changed):
            self.report.notes.append(self.changed_note(name))
        if run.again is not None and run.failure is None:
            again = run.again.gradients
            off = [
                k
                for k, v in again.items()
                if k in run.gradients
                and not np.array_equal(run.gradients[k], v, equal_nan=True)
                and not close(np.asarray(run.gradients[k]), np.asarray(v), 1e-9)
            ]
            if off:
                double = all(
                    close(np.asarray(again[k]), 2 * np.asarray(run.gradients[k]), 1e-9) for k in off
                )
                says = (
                    f"a second call gives {', '.join(off)} twice as large: the gradients add up over "
                    "the calls and are never reset"
                    if double
                    else f"a second call with the same arguments gives another {', '.join(off)}: "
                    "the first one changes something that it uses"
                )
                cause = Cause(off[0], "state", says, fix="start each call with fresh arrays")
                put_place(cause, place_of(again[off[0]], run.again.events, off[0]))
                self.report.causes.append(cause)
        self.kept(first)

    def kept(self, trial: Trial) -> None:
        """What an object keeps of the data before: its gradients are not those of the new data."""
        if not isinstance(self.subject, ObjectSubject) or self.subject.data["X"] or not trial.right:
            return
        run, probes = trial.runs[0], trial.experiment.probes
        if run.updates or self.report.causes:
            return
        off: list[str] = []
        for other in (probes[1], replace(probes[0], X=np.flip(probes[0].X))):
            again = self.subject.run_after(other, probes[0])
            found = {k: np.asarray(again.gradients.get(k, np.nan)) for k in run.gradients}
            off = [k for k, v in run.gradients.items() if not close(found[k], np.asarray(v), 1e-9)]
            if off:
                break
        else:
            return
        if differs_much(again.loss, run.loss):
            says = "the object keeps a state: the cost depends on the data that it saw before"
            self.report.notes.append(says)
            return
        after = "after it was run on other data: it keeps something of them"
        which = f"another {', '.join(off)}" if again.failure is None else "no gradients"
        cause = Cause("the second call", "state", f"the same object gives {which} {after}")
        cause.fix = "let each forward pass compute and store everything anew"
        if again.failure is not None:
            cause.line, cause.function, cause.file = (
                again.failure.line,
                again.failure.function,
                again.failure.file,
            )
            cause.source = linecache.getline(cause.file, cause.line).strip()
        self.report.causes.append(cause)

    def changed_note(self, name: str) -> str:
        where = ""
        return f"{name} is changed in place by your code{where}; the caller's array changes too"

    # --- causes

    def diagnose(self, wrong: list[Trial], failed: list[Trial]) -> None:
        """Explain the numbers by mistakes; what is nan or missing is said as it is."""
        trial = next((t for t in wrong if has(t, NAN)), None)
        if trial is not None and self.explain_nan(trial):
            return
        self.explain(wrong, failed)
        if not self.report.causes and has(wrong[0], MISSING):
            self.missing(wrong[0])

    def explain_nan(self, trial: Trial) -> bool:
        """By mistakes that give nan and infinity at the same places, or else the first line with them."""
        twin = self.twin_of(trial)
        found = self.explanation(trial, twin) if twin is not None else None
        if found is None or any(m.unexplained for m in found.marks):
            return self.first_nan(trial)
        self.write(trial, found)
        return True

    def first_nan(self, trial: Trial) -> bool:
        """The first line of backward that makes nan or infinity of finite numbers."""
        if not all(np.all(np.isfinite(e.value)) for e in trial.runs[0].seen):
            return False
        for e in trial.runs[0].events:
            if e.value.dtype.kind == "f" and not np.all(np.isfinite(e.value)):
                self.report.rows = list((trial.verdicts or {}).values())
                what = "nan" if np.isnan(e.value).any() else "infinite"
                says = f"{e.name} is the first to be {what}: all that forward gave is finite"
                cause = Cause(e.name, "nan", says)
                cause.fix = "look for 0 / 0, log of 0 or of a negative number in this line"
                put_place(cause, e)
                self.report.causes.append(cause)
                return True
        return False

    def missing(self, trial: Trial) -> None:
        names = [k for k, v in (trial.verdicts or {}).items() if v.verdict == MISSING]
        given = ", ".join(k for k in trial.runs[0].gradients) or "nothing"
        text = f"backward gives no {' and no '.join(names)}; it gives {given}"
        fix = f"give {', '.join(names)} too"
        self.report.causes.append(Cause(", ".join(names), "missing", text, fix=fix))

    def explain(self, wrong: list[Trial], failed: list[Trial]) -> None:
        """On the experiment where that works best."""
        best: tuple[Any, Trial, Explanation] | None = None
        for trial in wrong[:3]:
            twin = self.twin_of(trial)
            if twin is None:
                continue
            found = self.explanation(trial, twin)
            if found is None:
                continue
            bad = sum(m.unexplained for m in found.marks)
            key = (bad, found.cost)
            if best is None or key < best[0]:
                best = (key, trial, found)
            if not bad:
                break
        if best is None or best[0][0]:
            from nn.doctor.branches import missing_branch
            from nn.doctor.repair import mend

            trial = best[1] if best else wrong[0]
            if wrong_keys(self.report, trial) or cache_too_short(self.report, trial):
                self.report.rows = list((trial.verdicts or {}).values())
                return
            if best is None and self.simple_ones(trial):
                return
            if missing_branch(self, trial):
                return
            if mend(self, trial, self.suspects(trial, best[2] if best else None)):
                return
        if best is None:
            self.plain_rows(wrong[0])
            return
        self.write(best[1], best[2])

    def suspects(self, trial: Trial, found: Explanation | None) -> list[tuple[str, int]]:
        """The lines where wrong numbers were assigned, and their callers."""
        events = trial.runs[0].events
        if found is not None:
            self.marks = found.marks
            places = [self.place(m, trial) for m in found.marks if m.unexplained or m.causes]
        else:
            wrong = [
                k for k, v in (trial.verdicts or {}).items() if v.verdict not in (OK, CONVENTION)
            ]
            values = trial.runs[0].gradients
            places = [place_of(values[k], events, k) for k in wrong if values.get(k) is not None]
        kept = [p for p in places if p is not None]
        return [x for p in kept for x in ((p.function, p.line), *p.callers)]

    def placed(self, cause: Cause, name: str, trial: Trial) -> Cause:
        """The cause with the line where this gradient was assigned."""
        value = trial.runs[0].gradients.get(name)
        if value is not None:
            put_place(cause, place_of(value, trial.runs[0].events, name))
        return cause

    def explain_partly(self, trial: Trial) -> bool:
        """Backward stopped on its way: whether what it computed before shows why; then it is said."""
        found = self.explanation_on_the_way(trial)
        if found is None or not any(m.causes and not same_shapes(m) for m in found.marks):
            return False  # mistakes with the right shapes are not what stopped it
        self.write(trial, found)
        return True

    def explanation_on_the_way(self, trial: Trial) -> Explanation | None:
        """The explanation of what backward had computed when it stopped."""
        twin = self.twin_of(trial)
        if twin is None:
            return None
        for run in trial.runs:
            run.gradients = named_on_the_way(run.events, list(twin.names()))
        found = self.explanation(trial, twin, partly=True) if trial.runs[0].gradients else None
        return None if found is None or any(m.unexplained for m in found.marks) else found

    def explanation(self, trial: Trial, twin: Twin, partly: bool = False) -> Explanation | None:
        names = twin.names()
        observed: dict[str, Pair] = {}
        inner, shift = self.inner_values(trial, twin)
        shift = 0 if partly else shift
        for key, value in trial.runs[0].gradients.items():
            other = trial.runs[1].gradients.get(key)
            if other is None:
                continue
            if key[1:] in names:
                name = "d" + names[key[1:]]
            else:
                name = shifted(key, shift)
                if name not in inner:
                    continue
                if np.shape(value) != inner[name][0].shape and not partly:
                    continue
            given = (np.asarray(value, float), np.asarray(other, float))
            if name in observed:
                continue
            right = trial.truths[0].gradients.get(key)
            if right is not None and given[0].size == right.size and given[0].shape != right.shape:
                try:
                    if np.broadcast_shapes(given[0].shape, right.shape) == right.shape:
                        given = tuple(
                            g.reshape(t.gradients[key].shape) for g, t in zip(given, trial.truths)
                        )  # type: ignore[assignment]
                except ValueError:
                    pass
            observed[name] = given
        traced = pair_up([r.events for r in trial.runs])
        if is_minus(traced, inner[f"dZ{twin.depth}"]):
            traced = [(negative(a), negative(b)) for a, b in traced]
        return explain(
            twin,
            trial.experiment.probes,
            observed,
            traced,
            self.subject.learning_rate,
            self.common_candidates(trial),
            max(1e-9, tolerance_of(trial) if is_float32(trial) else 1e-9),
            partly,
        )

    def common_candidates(self, trial: Trial) -> list[Factor]:
        """Factors that several gradients have."""
        return [f for f, n in self.common_factors(trial).items() if n >= 2]

    def common_factors(self, trial: Trial) -> dict[Factor, int]:
        """The factors between gradients and true ones, other than 1, and how many have them."""
        counts: dict[Factor, int] = {}
        for name, truth in trial.truths[0].gradients.items():
            first, second = (r.gradients.get(name) for r in trial.runs)
            other = trial.truths[1].gradients[name]
            if first is None or second is None:
                continue
            if np.shape(first) != truth.shape or np.shape(second) != other.shape:
                continue
            f = factor_between((first, second), (truth, other), trial, 1e-8)
            if f is not None and f != Factor():
                counts[f] = counts.get(f, 0) + 1
        return counts

    def write(self, trial: Trial, found: Explanation) -> None:
        """Rows and causes from the marks."""
        report, twin = self.report, self.twin_of(trial)
        assert twin is not None
        report.graph = lambda: self.graph(trial)
        theirs = {ours: t for t, ours in twin.names().items()}
        wrong = False
        self.marks = found.marks
        fine: list[float] = [m.error for m in found.marks if m.seen and not m.unexplained]
        groups: list[tuple[Cause, list[Mark]]] = []
        swapped = caches_exchanged(found.marks)
        for mark in found.marks:
            name = "d" + theirs[mark.name[1:]] if mark.name[1:] in theirs else mark.name
            verdict = self.mark_verdict(mark, name, trial, found)
            own = mark.causes or mark.unexplained
            if (mark.seen and (name in trial.runs[0].gradients or mark.name[1] in "Wb")) or own:
                report.rows.append(verdict)
            if mark.causes:
                wrong = True
                cause = self.cause(mark, name, trial, twin, theirs)
                if mark.name in swapped:
                    layer, taken = swapped[mark.name]
                    cause.kind, cause.alternatives = "cache of another layer", []
                    cause.says = (
                        f"layer {layer} is computed backward with the cache of layer {taken}"
                    )
                    cause.fix = f"give layer {layer} its own cache"
                    where = place_of(mark.value[0], trial.runs[0].events, mark.name)
                    if where is not None and where.callers:
                        function, line = where.callers[-1]
                        put_place(cause, where._replace(function=function, line=line))
                for other, marks in groups:
                    if alike(other, cause, marks[0], mark):
                        marks.append(mark)
                        other.quantity += f", {name}"
                        break
                else:
                    groups.append((cause, [mark]))
            if mark.unexplained:
                report.unexplained.append(self.unexplained(mark, name, trial))
        for name in trial.truths[0].gradients:
            if name not in report.verdicts and trial.verdicts and name in trial.verdicts:
                report.rows.append(trial.verdicts[name])
        for cause, marks in groups:
            hidden = not np.all(np.isfinite(marks[0].value[0]))
            if hidden:
                cause.says += ", which gives nan or infinity"
            if len(marks) > 1 and cause.kind != "cache of another layer":
                cause.says += "; the same in " + ", ".join(cause.quantity.split(", ")[1:])
            error = max([*fine, 0.0])
            rest = len([1 for g, _ in groups if g is not cause])
            alone = not rest and not report.unexplained
            cause.proof = (
                f"with this {'one change' if len(marks) == 1 else 'change'}"
                f"{'' if alone else ' and the others listed'} all gradients match to "
                f"{max(error, 1e-16):.0e} in two independent experiments"
                f"{', where they are finite' if hidden else ''}"
                if not report.unexplained
                else f"it gives your numbers to {max(marks[0].error, 1e-16):.0e}"
            )
            if marks[0].right is not None:
                off = gap(marks[0].right, marks[0].value) if same_shapes(marks[0]) else None
                if off:
                    cause.proof += f", and without it {marks[0].name} is off by {off:.0e}"
            if text := self.in_own_names(marks, trial, twin):
                cause.fix = f"write {text}"
            report.causes.append(cause)
        if blind := [m.name for m in found.marks if m.seen and not m.causes and blank(m.value[0])]:
            report.not_checked.append(f"{', '.join(blind)}: nan and infinity hide other mistakes")
        if found.common != Factor() and wrong:
            report.conventions.append(
                f"all gradients are {found.common} times those of the cost; the learning rate absorbs it"
            )

    def in_own_names(self, marks: list[Mark], trial: Trial, twin: Twin) -> str | None:
        """The right formula as an assignment in the function where the wrong value was assigned."""
        tracer = trial.runs[0].tracer
        known, about = twins.tensors(twin, trial.experiment.probes[0], 0)
        values: dict[str, Any] = {k: v.data for k, v in known.items()}
        values |= {m.name: m.value[0] for m in self.marks} | {k: about[k] for k in "mn"}
        formulas = {m.name: str(m.formula) for m in self.marks if not m.seen}
        for mark in marks:
            where = self.place(mark, trial)
            if where is None or tracer is None or where.name == "return":
                continue
            if np.shape(where.value) != np.shape(mark.value[0]) or not close(
                where.value, mark.value[0]
            ):
                continue  # the line computes more than this
            for code, frame in tracer.codes.items():
                if (code.co_name, code.co_filename) == (where.function, where.file):
                    text = str(mark.formula)
                    formula = own_names.in_own_names(text, values, frame, formulas)
                    if formula is not None:
                        line = linecache.getline(where.file, where.line)
                        return own_names.assignment(where.name, formula, line)
        return None

    def graph(self, trial: Trial) -> Tensor | None:
        """The cost of the recognised network on a probe, its tensors with the names of the report."""
        twin = self.twin_of(trial)
        if twin is None:
            return None
        known, about = twins.tensors(twin, trial.experiment.probes[0], 0)
        for theirs, ours in twin.names().items():
            known[ours].name = theirs
        cost = twins.raw_cost(twin, known, about) * twin.factor.value(about["m"], about["n"])
        cost.name = "cost"
        return cost

    def mark_verdict(self, mark: Mark, name: str, trial: Trial, found: Explanation) -> Verdict:
        truth = trial.truths[0].gradients.get(name)
        error = None
        if truth is not None:
            scale = [found.common.value(*sizes_of(trial, i)) for i in (0, 1)]
            rights = [t.gradients[name] * s for t, s in zip(trial.truths, scale)]
            if all(np.shape(v) == r.shape for v, r in zip(mark.value, rights)):
                error = max(relative(np.asarray(v), r) for v, r in zip(mark.value, rights))
            elif mark.causes or mark.unexplained:
                return Verdict(name, SHAPE, None, f"{np.shape(mark.value[0])}, not {truth.shape}")
        where = self.place(mark, trial)
        if not np.all(np.isfinite(mark.value[0])):
            text = f"line {where.line}" if where else ""
            own = mark.causes or mark.unexplained
            return Verdict(name, NAN, None, text) if own else Verdict(name, FOLLOWS, None, NAN)
        note = "" if mark.name[1] in "Wb" or name in trial.runs[0].gradients else "inside backward"
        if mark.causes or mark.unexplained:
            line = f"line {where.line}" if where else ""
            text = ", ".join(t for t in (note, line) if t)
            return Verdict(name, WRONG, error, text)
        if error is not None and error <= tolerance_of(trial):
            return Verdict(name, OK, error)
        if truth is None:
            inner, _ = self.inner_values(trial, self.twin_of(trial))  # type: ignore[arg-type]
            if mark.name in inner:
                f = factor_between(mark.value, inner[mark.name], trial, 1e-8)
                if f is not None:
                    e = gap_scaled(mark.value, inner[mark.name])
                    return Verdict(
                        name,
                        OK if f == Factor() else CONVENTION,
                        e,
                        "" if f == Factor() else f"times {f}",
                    )
        return Verdict(name, FOLLOWS, error)

    def cause(
        self, mark: Mark, name: str, trial: Trial, twin: Twin, theirs: Mapping[str, str]
    ) -> Cause:
        first, *rest = mark.causes
        where = self.place(mark, trial)
        shown = mark.name
        cause = Cause(
            name,
            first.kind,
            first.says,
            computed=f"{shown} = {first.formula}",
            right=f"{shown} = {mark.formula}",
            fix=f"compute {name} as {mark.formula}",
        )
        put_place(cause, where)
        names = {a.kind for a in mark.causes}
        for other in rest:
            if other.kind != first.kind and other.kind in names:
                names.discard(other.kind)
                cause.alternatives.append(
                    Cause(name, other.kind, other.says, computed=f"{shown} = {other.formula}")
                )
        return cause

    def place(self, mark: Mark, trial: Trial) -> Event | None:
        """The assignment that made this array; its caller where the line is right for other layers."""
        events = trial.runs[0].events
        alone = mark.name[1] == "Z" and not any(m.name == f"dA{mark.name[2:]}" for m in self.marks)
        where = place_of(mark.value[0], events, f"dAZ{mark.name[2:]}" if alone else mark.name)
        earlier = takewhile(lambda m: m is not mark, self.marks)
        before = [place_of(m.value[0], events, m.name) for m in earlier if not m.causes]
        if mark.causes and any(where is e for e in before):
            where = None  # a step is missing: the array is the one before it
        after = [m for m in self.marks if m.name[2:] == mark.name[2:] and m.name[1] in "ZWb"]
        for m in after if where is None and mark.name[1] in "ZAH" else ():
            where = where or place_of(m.value[0], events, m.name)  # it is part of a longer line
        if where is None or not (mark.causes or mark.unexplained):
            return where
        right = [
            place_of(m.value[0], events, m.name)
            for m in self.marks
            if m.name[1] == mark.name[1] and not m.causes and not m.unexplained
        ]
        lines = {(r.function, r.line) for r in right if r is not None}
        calls = {c for r in right if r is not None for c in r.callers}
        if (where.function, where.line) in lines:
            for function, line in where.callers:
                if (function, line) not in calls:
                    return where._replace(function=function, line=line)
        return where

    def unexplained(self, mark: Mark, name: str, trial: Trial) -> str:
        where = self.place(mark, trial)
        at = f" (line {where.line} of {where.function})" if where else ""
        if not np.all(np.isfinite(mark.value[0])):
            return f"{name}{at} is nan or infinite"
        text = f"{name}{at} is not what the formula {mark.name} = {mark.formula} gives"
        if mark.right is not None:
            text += "; " + difference(mark.value[0], mark.right[0])
        return text

    def simple_ones(self, trial: Trial) -> bool:
        """Whether every wrong gradient has a simple relation to the true one; then it is said."""
        found = []
        for name, v in (trial.verdicts or {}).items():
            if v.verdict in (OK, CONVENTION):
                continue
            values = [r.gradients.get(name) for r in trial.runs]
            rights = [t.gradients[name] for t in trial.truths]
            cause = self.subject.known_mistake(name, values, rights, trial) or simple_cause(
                name, values, rights, trial
            )
            if cause is None or cause.kind in ("missing", "swapped"):  # it may be mended
                return False
            found.append(self.placed(cause, name, trial))
        self.report.rows = list((trial.verdicts or {}).values())
        self.report.causes += found
        return bool(found)

    def plain_rows(self, trial: Trial) -> None:
        """Without formulas: verdicts, and what the gradients have in common with the right ones."""
        assert trial.verdicts is not None
        self.report.rows = list(trial.verdicts.values())
        for row in self.report.rows:
            if row.verdict in (OK, CONVENTION):
                continue
            values = [r.gradients.get(row.name) for r in trial.runs]
            rights = [t.gradients[row.name] for t in trial.truths]
            cause = simple_cause(row.name, values, rights, trial)
            if cause is not None:
                where = place_of(values[0], trial.runs[0].events, row.name)
                put_place(cause, where)
                self.report.causes.append(cause)
            elif row.verdict in (WRONG, SHAPE):
                where = place_of(values[0], trial.runs[0].events, row.name)
                at = f" (line {where.line} of {where.function})" if where else ""
                self.report.unexplained.append(
                    f"{row.name}{at}: {difference(np.asarray(values[0]), rights[0])}"
                )
        for problem in trial.runs[0].problems:
            self.report.unexplained.append(problem)


def named_on_the_way(events: Sequence[Event], params: Sequence[str]) -> dict[str, Any]:
    """The gradients in assigned variables, by the names of the variables."""
    found: dict[str, Any] = {}
    for e in events:
        meant = parameter_meant(e.name, params)
        if meant is not None and plain(e.name) != plain(meant):
            found[f"d{meant}"] = e.value
        elif (inner := intermediate_meant(plain(e.name))) is not None:
            found[inner] = e.value
    return found


def scaled(truth: Truth, by: Factor, trial: Trial, i: int) -> Truth:
    """The truth of the cost times a factor."""
    c = by.value(*sizes_of(trial, i))
    gradients = {k: c * g for k, g in truth.gradients.items()}
    return replace(truth, loss=c * truth.loss, gradients=gradients)


def is_minus(traced: Sequence[tuple[Event, Event]], right: Pair) -> bool:
    """Whether the code has minus the error, Y - A, and adds what it makes of it: its first dZ."""
    found = [
        float(np.ravel(a.value) @ np.ravel(right[0]))
        for a, b in traced
        if all(
            e.value.shape == r.shape and e.value.dtype.kind == "f" and proportional(e.value, r)
            for e, r in zip((a, b), right)
        )
    ]
    return bool(found) and max(found) < 0


def negative(e: Event) -> Event:
    return e._replace(value=-e.value) if e.value.dtype.kind == "f" else e


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


# --- small questions ------------------------------------------------------------------------------


def shorten(report: Report, params: Sequence[str]) -> None:
    """Say dW2 for dparams['W2'], where the parameters are not confused by it."""
    last = {p: re.sub(r".*\['(\w+)'\]$|.*\.(\w+)$", r"\1\2", p) for p in params}
    if len(set(last.values())) < len(params):
        return
    causes = [c for cause in report.causes for c in (cause, *cause.alternatives)]
    for long, short in last.items():
        for holder in [*report.rows, *causes] if short != long else ():
            for field, text in vars(holder).items():
                if isinstance(text, str) and field not in ("source", "file"):
                    setattr(holder, field, text.replace(f"d{long}", f"d{short}"))
        report.unexplained = [t.replace(f"d{long}", f"d{short}") for t in report.unexplained]


def differs_much(a: Any, b: Any) -> bool:
    """Whether two losses are not the same number."""
    if a is None or not np.isfinite(b):
        return False
    a = float(np.squeeze(np.asarray(a)))
    return not np.isclose(a, b, rtol=1e-6, atol=1e-12, equal_nan=True)


def nothing_found(subject: Subject, run: Run) -> str:
    """No gradient was found in what backward returned or changed."""
    names = [label(f) for f in (subject.backward, subject.both) if f is not None]
    who = next((n for n in names if n != "<lambda>"), "backward")
    if run.problems:
        return f"{who}: {run.problems[0]}"
    return (
        f"{who} returned no gradients and changed no parameter: is its return missing? It has to give "
        f"{', '.join(f'd{k}' for k in subject.params)}"
    )


def has(trial: Trial, verdict: str) -> bool:
    return any(v.verdict == verdict for v in (trial.verdicts or {}).values())


def size_of(trial: Trial) -> int:
    return sum(np.size(v) for v in trial.experiment.probes[0].params.values())


def all_used(trial: Trial) -> bool:
    """Whether every weight matters, so that the code is meant for this depth."""
    found = trial.truths[0].gradients
    params = trial.experiment.probes[0].params
    return all(np.any(found.get(f"d{k}", 0)) for k, v in params.items() if np.size(v) > 1)


def relative(g: Any, r: Any) -> float:
    if np.size(r) == 0:
        return 0.0
    with np.errstate(all="ignore"):
        off = np.abs(np.asarray(g, float) - r).max()
        size = np.abs(r).max() or off  # of nothing, all that is there is off
        return float(off / max(size, 1e-12))


def is_float32(trial: Trial) -> bool:
    return any(
        np.asarray(g).dtype in (np.float32, np.float16)
        for r in trial.runs
        for g in r.gradients.values()
    )


def tolerance_of(trial: Trial, given: Any = None) -> float:
    if is_float32(trial):
        return 3e-4
    return max(1e-7, trial.truths[0].tolerance * 10)


def sizes_of(trial: Trial, i: int) -> tuple[float, float]:
    """The examples and the outputs of a probe."""
    p = trial.experiment.probes[i]
    output = trial.runs[i].output
    shape = np.shape(output) if output is not None else np.shape(p.Y)
    others = [n for n in shape if n != p.m]
    return float(p.m), float(others[0] if others else 1)


def factor_between(given: Pair, right: Pair, trial: Trial, tolerance: float) -> Factor | None:
    return common_factor([(given, right)], trial, tolerance)


def common_factor(
    pairs: Sequence[tuple[Pair, Pair]], trial: Trial, tolerance: float
) -> Factor | None:
    """The one factor between all of the learner's gradients and the true ones, on both probes."""
    ratios = []
    for which in (0, 1):
        g = np.concatenate([np.ravel(np.asarray(given[which], float)) for given, _ in pairs])
        r = np.concatenate([np.ravel(right[which]) for _, right in pairs])
        size = float(r @ r)
        if g.shape != r.shape or size == 0:
            return None
        c = float(g @ r) / size
        if c == 0 or not np.isfinite(c) or np.abs(g - c * r).max() > tolerance * np.abs(g).max():
            return None
        ratios.append(c)
    (m1, n1), (m2, n2) = sizes_of(trial, 0), sizes_of(trial, 1)
    for power_n in (0, -1, 1):
        plain = m1 != m2 or np.isclose(abs(ratios[0]), (0.5, 1, 2), rtol=1e-6).any()
        for power_m in (0, 1, -1, 2, -2) if plain else (1, -1, 2, -2, 0):
            numbers = [
                ratios[0] / (m1**power_m * n1**power_n),
                ratios[1] / (m2**power_m * n2**power_n),
            ]
            if np.isclose(numbers[0], numbers[1], rtol=max(1e-9, tolerance)):
                number = float(f"{numbers[0]:.11g}")
                digits = 6 if tolerance < 1e-5 else 3
                if abs(number - round(number, digits)) < tolerance * abs(number):
                    number = round(number, digits)
                if (power_m or power_n) and number != round(number, 2):
                    continue  # a coincidence
                return Factor(number, power_m, power_n)
    return None


def same_direction(pairs: Sequence[tuple[Pair, Pair]]) -> bool:
    """Whether the gradients of several parameters are the true ones times a number above 0 that is
    not the same in both experiments."""
    for which in (0, 1):
        given = [np.asarray(g[which], float) for g, _ in pairs]
        right = [np.asarray(r[which], float) for _, r in pairs]
        if [g.shape for g in given] != [r.shape for r in right] or len(pairs) < 3:
            return False
        g, r = (np.concatenate([np.ravel(x) for x in xs]) for xs in (given, right))
        c = float(g @ r) / float(r @ r) if np.any(r) else 0.0
        if c <= 0 or np.abs(g - c * r).max() > 1e-8 * np.abs(g).max():
            return False
    return True


def gap_scaled(given: Any, right: Any) -> float:
    g, r = np.asarray(given[0]), right[0]
    c = float(g.ravel() @ r.ravel() / (r.ravel() @ r.ravel()))
    return relative(g, c * r)


def numbering(trial: Trial, inner: Mapping[str, Pair]) -> int:
    """1 where dA{l} is the gradient of layer l's input, 0 where it is that of its output."""
    scores = {0: 0, 1: 0}
    for shift in scores:
        for key, value in trial.runs[0].gradients.items():
            name = shifted(key, shift)
            if key[:2] == "dA" and name in inner and np.shape(value) == inner[name][0].shape:
                other = trial.runs[1].gradients.get(key)
                fits = other is not None and np.shape(other) == inner[name][1].shape
                exact = fits and factor_between((value, other), inner[name], trial, 1e-8)
                scores[shift] += 1 + 10 * bool(exact) if fits else 0
    return int(scores[1] > scores[0])


def shifted(key: str, shift: int) -> str:
    if key[:2] == "dA" and key[2:].isdigit() and shift:
        return f"dA{int(key[2:]) - shift}"
    return key


def place_of(value: Any, events: Sequence[Event], name: str) -> Event | None:
    """The first assignment of this array, of a variable with a fitting name if there is one.

    Failing that, of a multiple of it: -dW where a step adds, m * dZ where only dW is divided by m.
    """
    value = np.asarray(value)
    alike = [e for e in events if e.value.shape == value.shape]
    found = [e for e in alike if close(e.value, value, 1e-12)]
    found = found or [e for e in alike if value.size > 1 and proportional(e.value, value)]
    if not found:
        return None
    fitting = [e for e in found if fits_name(e.name, name)]
    own = [e for e in fitting if numbered(e.name)[1] in (None, numbered(name)[1])]
    exact = [e for e in found if plain(e.name) == plain(name) and "[" not in e.name]
    named = [e for e in found if e.name != "return"]
    best = (exact or own or fitting or named or found)[0]
    at = next(i for i, e in enumerate(events) if e is best)
    before = events[at - 1] if at else best
    same = before.value.shape == value.shape and close(before.value, best.value, 1e-12)
    return before if before.name == "return" and same else best  # made in the function called


def wrong_keys(report: Report, trial: Trial) -> bool:
    """Right gradients under the names of others."""
    found = []
    for name, v in (trial.verdicts or {}).items():
        right = trial.truths[0].gradients[name]
        if v.verdict in (OK, CONVENTION) or np.size(right) < 2:
            continue
        for key, value in trial.runs[0].raw.items():
            other = trial.runs[1].raw.get(key)
            pair = (value, other)
            if other is None or np.shape(value) != right.shape or key == name:
                continue
            if factor_between(pair, (right, trial.truths[1].gradients[name]), trial, 1e-8):
                cause = Cause(
                    name,
                    "wrong key",
                    f"the gradient of {name[1:]} is stored as {key}",
                    fix=f"store it as {name}",
                    proof=f"what stands under {key} is the true gradient of {name[1:]}, "
                    "in two experiments",
                )
                put_place(cause, place_of(value, trial.runs[0].events, "grads"))
                for e in trial.runs[0].events:
                    if f"{key!r}" in e.name and close(e.value, np.asarray(value), 1e-12):
                        put_place(cause, e)
                        break
                found.append(cause)
                break
    report.causes += found
    return bool(found)


def caches_exchanged(marks: Sequence[Mark]) -> dict[str, tuple[int, int]]:
    """Quantities of a layer that were all computed with what another layer's cache holds.

    The cache of layer k holds its input, its W and its Z. By quantity: the layer, the other layer.
    """
    owners: dict[int, list[tuple[str, set[int]]]] = {}
    for mark in marks:
        if not mark.causes or mark.name[1] not in "ZWA":
            continue
        layer = int(mark.name[2:]) + (mark.name[1] == "A")
        own = mark.formula.symbols()
        found = {
            k
            for change in mark.causes
            for s in change.formula.symbols() - own
            if (k := owner_of(s)) is not None and k != layer
        }
        owners.setdefault(layer, []).append((mark.name, found))
    result: dict[str, tuple[int, int]] = {}
    for layer, parts in owners.items():
        common = set.intersection(*(found for _, found in parts))
        if len(parts) > 1 and len(common) == 1:
            result |= {name: (layer, next(iter(common))) for name, _ in parts}
    return result


def owner_of(symbol: str) -> int | None:
    """The layer whose cache holds this array."""
    if symbol == "X":
        return 1
    if symbol[0] in "ZWb" and symbol[1:].isdigit():
        return int(symbol[1:])
    return int(symbol[1:]) + 1 if symbol[0] == "A" and symbol[1:].isdigit() else None


def cache_too_short(report: Report, trial: Trial) -> bool:
    """A list of caches with fewer entries than there are layers."""
    cache = trial.runs[0].cache
    depth = trial.experiment.depth
    if not isinstance(cache, list) or not 0 < len(cache) < depth or len(cache) < depth - 1:
        return False
    codes = list(trial.runs[0].forward_codes)
    cause = Cause(
        "caches",
        "cache missing",
        f"forward keeps {len(cache)} caches for {depth} layers: the cache of one layer, the last one as "
        "a rule, is not appended, so backward works with the wrong layer's",
        function=codes[0].co_name if codes else "",
        fix="append the cache of every layer, the last one too",
    )
    last = [e for e in trial.runs[0].seen if e.name == "return" and e.function == cause.function]
    if last:
        put_place(cause, last[-1])
    report.causes.append(cause)
    return True


def put_place(cause: Cause, where: Event | None) -> None:
    if where is not None:
        cause.line, cause.function, cause.file = where.line, where.function, where.file
        cause.source = linecache.getline(where.file, where.line).strip()


def alike(a: Cause, b: Cause, first: Mark, second: Mark) -> bool:
    """Whether two marks show one mistake: in a formula that two layers, or dW and db, share."""
    if a.kind != b.kind:
        return False
    if a.kind == "cache of another layer" and a.says == b.says:
        return True
    letters = {first.name[1], second.name[1]}
    same_line = a.line is not None and a.line == b.line
    return same_line or (len(letters) == 1 and a.line is None and b.line is None)


def blank(value: Any) -> bool:
    """Whether there is no number among the entries."""
    return not np.any(np.isfinite(value))


def same_shapes(mark: Mark) -> bool:
    return mark.right is not None and np.shape(mark.right[0]) == np.shape(mark.value[0])


def difference(given: Any, right: Any) -> str:
    """How two arrays differ."""
    given, right = np.asarray(given), np.asarray(right)
    if given.shape != right.shape:
        return f"its shape is {given.shape} and should be {right.shape}"
    off = ~np.isclose(given, right, rtol=1e-7, atol=1e-12)
    where = "everywhere" if off.all() else f"in {int(off.sum())} of {off.size} entries"
    return f"it differs {where}, by up to {relative(given, right):.0e} of the largest"


def simple_cause(
    name: str, values: Sequence[Any], rights: Sequence[Any], trial: Trial
) -> Cause | None:
    """A relation to the true gradient that needs no formula: a factor, a transpose, a sum."""
    if any(v is None for v in values):
        return Cause(name, "missing", f"{name} is missing from what backward gives")
    given = [np.asarray(v) for v in values]
    if not all(np.all(np.isfinite(g)) for g in given):
        return None
    proof = "it gives your numbers in two independent experiments"
    tolerance = tolerance_of(trial) if is_float32(trial) else 1e-7

    def fits(make: Any) -> bool:
        try:
            return all(close(g, make(r), tolerance) for g, r in zip(given, rights))
        except (ValueError, TypeError, IndexError):
            return False

    if not any(np.any(g) for g in given):
        return Cause(name, "zero", f"{name} is zero", proof=proof)
    if np.ndim(rights[0]) == 2 and fits(lambda r: r.T):
        return Cause(name, "transposed", f"{name} is transposed", fix=f"take {name}.T", proof=proof)
    for text, make in (
        ("summed over everything", np.sum),
        ("squeezed: it lost an axis of length 1", lambda r: np.squeeze(r)),
        ("a mean over everything", np.mean),
    ):
        if fits(make) and given[0].shape != rights[0].shape:
            return Cause(
                name,
                "squeezed" if "squeezed" in text else "sum over everything",
                f"{name} is {text}",
                fix="keep the axis, keepdims=True",
                proof=proof,
            )
    if given[0].shape != rights[0].shape:
        return None
    f = factor_between((given[0], given[1]), (rights[0], rights[1]), trial, tolerance)
    if f is not None:
        kind = {
            Factor(-1.0): "sign",
            Factor(1.0, 1): "missing 1/m",
            Factor(1.0, -1): "1/m twice",
            Factor(2.0): "factor 2",
            Factor(0.5): "factor 1/2",
        }.get(f, "constant factor")
        return Cause(
            name,
            kind,
            f"{name} is {f} times the true gradient, unlike the other gradients",
            fix=f"change the sign of {name}" if f == Factor(-1.0) else f"divide {name} by {f}",
            proof=proof,
        )
    for other, truth in trial.truths[0].gradients.items():
        if other != name and truth.shape == given[0].shape and close(given[0], truth, 1e-7):
            return Cause(
                name,
                "swapped",
                f"{name} is the gradient {other}: entries are exchanged",
                proof=proof,
            )
    own = name[1:]
    if any(own not in p.params for p in trial.experiment.probes):
        return None
    W = [np.asarray(p.params[own]) for p in trial.experiment.probes]
    rest = (given[0] - rights[0], given[1] - rights[1])
    sizes = trial.experiment.probes[0].m, trial.experiment.probes[1].m
    for over, scale in (("", (1, 1)), (" / m", sizes)):
        k = multiple(rest, (W[0], W[1]), scale)
        if k is not None and all(close(x, k / s * w, 1e-7) for x, w, s in zip(rest, W, scale)):
            return Cause(
                name,
                "regularisation",
                f"{name} differs from the cost's gradient by {k:.6g}{over} * {own}: the "
                "regularisation in the cost and in the gradient are not the same",
                proof=proof,
            )
    return None
