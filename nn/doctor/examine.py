"""One examination: the experiments, and what they say of the learner's code."""

from __future__ import annotations

import linecache
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nn.doctor import experiment as ex
from nn.doctor.costs import (
    best_explained,
    fits,
    infer_cost,
    shows_cost,
    under_usual_costs,
    with_another_cost,
)
from nn.doctor.diagnosis import Diagnosis
from nn.doctor.experiment import Experiment, Layout
from nn.doctor.naming import CannotExamine, Hopeless, required, role_of
from nn.doctor.peel import close
from nn.doctor.places import place_of, put_place
from nn.doctor.reference import confirm, find_truth
from nn.doctor.report import CONVENTION, OK, WRONG, Cause, Report, Verdict
from nn.doctor.sandbox import CUT, Event, Failure, TooLong, place
from nn.doctor.simple import nothing_found
from nn.doctor.subject import ObjectSubject, Subject, batch_of
from nn.doctor.symmetry import asymmetric
from nn.doctor.trial import DIRECTION, Trial, all_used, factor_between, gap_scaled, shifted, size_of
from nn.doctor.twin import Factor

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


class Examination:
    """Examine one subject."""

    def __init__(self, subject: Subject, title: str = "Gradient doctor"):
        self.subject = subject
        self.report = Report(title)
        self.layout: Layout | None = None
        self.stop: str = ""
        self.diagnosis = Diagnosis(subject, self.report)
        CUT.clear()

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
            except CannotExamine:  # the depth is fixed
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
        for layout in () if s.own_data else ex.layouts(s.params, s.X, s.Y):
            e = ex.experiment(layout, len(layout.weights), False, self.batches)
            trial = e and self.attempt(e)
            if trial and all_used(trial) and (trial.failure is None or size_of(trial) > ex.LARGEST):
                self.layout = layout
                return trial
            stopped = stopped or (trial and all_used(trial) and (layout, trial))
        size = sum(np.size(v) for v in s.params.values())
        if size > ex.LARGEST * 100:
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
            e = ex.same_shapes(s.params, s.X, s.Y, classes, m, seeds)
            own = self.attempt(ex.with_data(e, s.X, s.Y) if s.own_data else e, failures)
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
        trial = Trial(self.subject, e, runs, truths)
        if not truths:
            infer_cost(trial)
        if len(trial.truths) == 2:
            trial.compare()
            found = [k for k in self.subject.params if f"d{k}" in runs[0].gradients]
            if not trial.failure and not found and not runs[0].raw:
                kind = CannotExamine if runs[0].problems else Hopeless
                raise kind(nothing_found(self.subject, runs[0]))
            if trial.wrong and truths and self.subject.reports_cost:
                return with_another_cost(trial)
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
        if failure is not None and not failure.function and stage == "backward":
            raise CannotExamine(f"backward could not be called: {failure.sentence}")
        if failure is not None and isinstance(failure.error, HOPELESS):
            raise Hopeless(f"{stage} failed, {failure.sentence}")

    # --- comparing

    # --- judging

    def judge(self, trials: list[Trial]) -> None:
        self.decide(trials)
        shorten(self.report, list(self.subject.params))

    def decide(self, trials: list[Trial]) -> None:
        report = self.report
        trials = best_explained(trials)
        first = trials[0]
        for trial in trials:
            report.checked.append(trial.experiment.title)
        self.describe_truth(first)
        if CUT:
            report.notes.append(
                "gradients were examined as they are before they are clipped, at "
                + ", ".join(sorted(CUT))
            )
        report.graph = lambda: self.diagnosis.graph(first)
        self.state(trials)
        wrong = [t for t in trials if not t.right]
        if not wrong:
            report.rows = list(first.verdicts.values())
            self.describe_conventions(first)
            return
        if self.without_targets(first):
            report.problem = (
                "backward gives the same whatever the targets are, so it does not get the doctor's: how "
                "they come to it was not recognised."
            )
            return
        if not all(self.confirmed(t) for t in wrong[:1]):
            report.problem = (
                "the reference gradient is not confirmed by central differences of your own cost (it "
                "may be random, not continuous, or of low precision), so nothing is called wrong."
            )
            return
        usable = [t for t in wrong if t.failure is None]
        if not usable and self.layout is not None and size_of(first) < ex.LARGEST:
            e = ex.experiment(self.layout, first.experiment.depth, False, self.batches, own=True)
            own = e and self.attempt(e)
            if own and own.failure is None and own.wrong:
                usable = [own]
                report.checked.append(own.experiment.title)
        failed = [t for t in wrong if t.failure]
        if usable:
            self.diagnosis.diagnose(usable)
        else:
            from nn.doctor.failures import explain_failure

            explain_failure(self.diagnosis, failed[0])
        unknown = first.inferred and not first.another and not fits(first)
        # a cost that is only shown may be that of other data
        unknown = unknown or (self.subject.shows_it and len(first.wrong) == len(first.verdicts))
        single = sum(map(np.size, first.experiment.probes[0].params.values())) == 1
        if unknown and (not report.causes or shows_cost(first) or single):
            self.judge_without_cost(first)
            return
        if wrong[0] is not first or len(wrong) < len(trials):
            right = [t.experiment.title for t in trials if t.right]
            if right:
                report.notes.append(
                    "it is right for " + "; ".join(right) + ", so a test with these sizes does not "
                    "see the mistake"
                )

    def without_targets(self, trial: Trial) -> bool:
        """Whether an object's gradients are the same for other targets, and those of the cost are not."""
        run, probe = trial.runs[0], trial.experiment.probes[0]
        if not isinstance(self.subject, ObjectSubject) or probe.Y is None or run.failure:
            return False
        taken = [required(f) for f in (self.subject.backward, self.subject.both) if f is not None]
        if any(role_of(n) == "Y" for names in taken for n in names):
            return False  # they come to it
        Y = np.asarray(probe.Y)
        values = np.unique(Y)
        others = (
            np.select([v == Y for v in values], np.roll(values, 1)) if values.size > 1 else Y + 1
        )
        other = replace(probe, Y=others.astype(Y.dtype))
        truth = None if trial.inferred else find_truth(self.subject, other)[0]
        if truth is not None and all(
            np.array_equal(g, truth.gradients[k]) for k, g in trial.truths[0].gradients.items()
        ):
            return False  # an autoencoder
        again = self.subject.run(other.params, other.X, other.Y, watch=False)
        pairs = [(g, again.gradients.get(k)) for k, g in run.gradients.items()]
        same = all(h is not None and np.array_equal(g, h, equal_nan=True) for g, h in pairs)
        return again.failure is None and bool(pairs) and same

    def judge_without_cost(self, trial: Trial) -> None:
        """Where none of the usual costs fits, all that can be proved is that there is none."""
        report = self.report
        pairs = asymmetric(trial)
        if pairs and report.causes:
            return
        report.rows, report.causes, report.unexplained = [], [], []
        report.notes = [self.subject.origin] * bool(self.subject.origin)
        if not pairs:
            report.problem = (
                f"there is no cost function{' but one that is shown' * self.subject.shows_it}, and the "
                "gradients are those of none of the usual costs: give the doctor the right one as cost."
            )
            return
        from nn.doctor.repair import mend

        for other in under_usual_costs(trial):
            if mend(self.diagnosis, other, self.diagnosis.suspects(other, None)):
                report.notes.append(f"no cost was given; the doctor took the {other.usual}")
                return
        names = [k for k in trial.subject.params if any(k in pair for pair in pairs)]
        report.rows = [Verdict(f"d{k}", WRONG) for k in names]
        own = [k for k in names if (k, k) in pairs] or names
        places = ", ".join(f"d{k}{self.where(k, trial)}" for k in own)
        report.unexplained.append(
            f"{places}: these are the gradients of no cost at all, whatever the cost is: the second "
            "derivatives depend on their order"
        )

    def assigned(self, name: str, trial: Trial) -> Event | None:
        """Where the gradient of a parameter is assigned."""
        value = trial.runs[0].gradients.get(f"d{name}")
        return None if value is None else place_of(value, trial.runs[0].events, f"d{name}")

    def where(self, name: str, trial: Trial) -> str:
        """The line that assigns the gradient of a parameter, in brackets."""
        found = self.assigned(name, trial)
        return f" ({place(found.file, found.line)})" if found is not None else ""

    def confirmed(self, trial: Trial) -> bool:
        if trial.inferred or trial.truths[0].method == "differences":
            return True
        return confirm(self.subject, trial.experiment.probes[0], trial.truths[0])

    def describe_truth(self, trial: Trial) -> None:
        truth = trial.truths[0]
        self.report.notes += [self.subject.origin] * bool(self.subject.origin)
        if trial.inferred:
            twin = trial.twin
            usual = trial.usual or (f"{twin.cost}, times {twin.scale}" if twin is not None else "")
            usual += trial.decay
            self.report.notes.append(
                f"the gradients are those of the {usual}; the cost that is computed is another"
                if trial.another
                else f"no cost was given; the doctor took the {usual}"
            )
        elif trial.decay:
            self.report.notes.append(f"the gradients are those of the cost{trial.decay}")
        elif truth.method == "differences":
            self.report.notes.append(
                "the reference is central differences of your cost, because Tensors cannot pass "
                f"through it ({truth.why.partition(': ')[0]})"
            )

    def describe_conventions(self, trial: Trial) -> None:
        report = self.report
        report.sign = -1 if trial.common is not None and trial.common.number < 0 else 1
        stepped = self.subject.descends or all(r.updates for r in trial.runs)
        if report.sign < 0 and stepped:
            for row in report.rows:
                row.verdict = WRONG
            ways = [("up", "cost grows", "subtract: W -"), ("down", "likelihood falls", "add: W +")]
            way, what, change = ways[self.subject.grows]
            says = f"the step goes {way} the gradient: the {what}"
            fix = f"{change} learning_rate * dW"
            cause = Cause("step", "sign of the update", says, fix=fix)
            put_place(cause, self.subject.update_at)
            report.causes.append(cause)
        elif trial.common is not None and not self.subject.absorbs(trial.common):
            for row in report.rows:
                row.verdict = WRONG
            says = f"the gradient is {trial.common} times that of the cost"
            cause = Cause(report.rows[0].name, "scale", says)
            cause.fix = "there is no learning rate here that absorbs it: give the gradient itself"
            put_place(cause, self.assigned(report.rows[0].name.removeprefix("d"), trial))
            report.causes.append(cause)
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
        twin = trial.twin_of() if extra else None
        if twin is None:
            return
        inner, shift = trial.inner_values(twin)
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

    def state(self, trials: Sequence[Trial]) -> None:
        """What a run changed that it should not have, and whether a second call gives the same."""
        first = trials[0]
        run = first.runs[0]
        for name in dict.fromkeys(n for t in trials for r in t.runs for n in r.changed):
            says = f"{name} is changed in place by your code; the caller's array changes too"
            if name in self.subject.params and not run.updates:
                cause = Cause(name, "state", f"{says}, and it is a parameter, not a gradient")
                cause.fix = f"work on a copy of {name}"
                put_place(cause, last_change(name, [*run.seen, *run.events]))
                self.report.causes.append(cause)
            else:
                self.report.notes.append(says)
        if run.again is not None and run.failure is None:
            again = run.again.gradients
            tolerance = 1e-6 if run.updates else 1e-9
            call = "round" if self.subject.descends else "call"
            off = [
                k
                for k, v in again.items()
                if k in run.gradients
                and not np.array_equal(run.gradients[k], v, equal_nan=True)
                and not close(np.asarray(run.gradients[k]), np.asarray(v), tolerance)
            ]
            if off:
                double = all(
                    close(np.asarray(again[k]), 2 * np.asarray(run.gradients[k]), tolerance)
                    for k in off
                )
                says = (
                    f"a second {call} gives {', '.join(off)} twice as large: the gradients add up over "
                    f"the {call}s and are never reset"
                    if double
                    else f"a second call with the same arguments gives another {', '.join(off)}: "
                    "the first one changes something that it uses"
                )
                cause = Cause(off[0], "state", says, fix=f"start each {call} with fresh arrays")
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

    # --- causes


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


def last_change(name: str, events: Sequence[Event]) -> Event | None:
    """The last line that changed the array of this name."""
    found = [e for e in events if e.name == name]
    return found[-1] if found else None


def differs_much(a: Any, b: Any) -> bool:
    """Whether two losses are not the same number."""
    if a is None or not np.isfinite(b):
        return False
    a = float(np.squeeze(np.asarray(a)))
    return not np.isclose(a, b, rtol=1e-6, atol=1e-12, equal_nan=True)
