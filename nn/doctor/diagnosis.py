"""From explained numbers to causes: what is wrong, on which line, because of what, with which proof."""

from __future__ import annotations

import linecache
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

import numpy as np

from nn.doctor import own_names
from nn.doctor import twin as twins
from nn.doctor.naming import tree_of
from nn.doctor.peel import Explanation, Mark, close, gap
from nn.doctor.places import place_of, put_place
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
from nn.doctor.sandbox import Event
from nn.doctor.simple import cache_too_short, difference, simple_cause, wrong_keys
from nn.doctor.subject import Subject
from nn.doctor.trial import (
    Trial,
    factor_between,
    gap_scaled,
    has,
    relative,
    scaled,
    sizes_of,
    tolerance_of,
)
from nn.doctor.twin import Factor, Twin
from tinygrad_edu import Tensor


class Diagnosis:
    """The causes of the wrong gradients of one subject, written into its report."""

    def __init__(self, subject: Subject, report: Report):
        self.subject, self.report = subject, report
        self.marks: list[Mark] = []

    def diagnose(self, wrong: list[Trial]) -> None:
        """Explain the numbers by mistakes; what is nan or missing is said as it is."""
        wrong = [self.in_proportion(t) for t in wrong]
        trial = next((t for t in wrong if has(t, NAN)), None)
        if trial is not None and self.explain_nan(trial):
            return
        self.explain(wrong)
        if not self.report.causes and has(wrong[0], MISSING):
            self.missing(wrong[0])

    def in_proportion(self, trial: Trial) -> Trial:
        """Against the truth times a factor that most gradients have: it is no mistake, the others are."""
        counts = (
            {} if has(trial, NAN) or trial.failure or trial.twin_of() else trial.common_factors()
        )
        good = len(trial.verdicts) - len(trial.wrong)
        factor = max(counts, key=lambda f: counts[f], default=Factor())
        if counts.get(factor, 0) < max(2, good + 1):
            return trial
        truths = [scaled(t, factor, trial, i) for i, t in enumerate(trial.truths)]
        other = replace(trial, truths=truths, verdicts={})
        other.compare()
        if len(other.wrong) >= len(trial.wrong):
            return trial
        self.report.conventions.append(
            f"{counts[factor]} gradients are {factor} times those of the cost, and the others are "
            "compared so; the learning rate absorbs it"
        )
        return other

    def explain_nan(self, trial: Trial) -> bool:
        """By mistakes that give nan and infinity at the same places, or else the first line with them."""
        twin = trial.twin_of()
        found = trial.explanation(twin) if twin is not None else None
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
                self.report.rows = list(trial.verdicts.values())
                what = "nan" if np.isnan(e.value).any() else "infinite"
                says = f"{e.name} is the first to be {what}: all that forward gave is finite"
                cause = Cause(e.name, "nan", says)
                cause.fix = "look for 0 / 0, log of 0 or of a negative number in this line"
                put_place(cause, e)
                self.report.causes.append(cause)
                return True
        return False

    def missing(self, trial: Trial) -> None:
        names = [k for k, v in trial.verdicts.items() if v.verdict == MISSING]
        given = ", ".join(k for k in trial.runs[0].gradients) or "nothing"
        text = f"backward gives no {' and no '.join(names)}; it gives {given}"
        fix = f"give {', '.join(names)} too"
        self.report.causes.append(Cause(", ".join(names), "missing", text, fix=fix))

    def explain(self, wrong: list[Trial]) -> None:
        """On the experiment where that works best."""
        best: tuple[Any, Trial, Explanation] | None = None
        for trial in wrong[:3]:
            twin = trial.twin_of()
            if twin is None:
                continue
            found = trial.explanation(twin)
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
                self.report.rows = list(trial.verdicts.values())
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
            given = trial.runs[0].gradients
            wrong = [k for k in trial.wrong if given.get(k) is not None]
            places = [place_of(given[k], events, k) for k in wrong]
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
        found = trial.explanation_on_the_way()
        if found is None or not any(m.causes and not same_shapes(m) for m in found.marks):
            return False  # mistakes with the right shapes are not what stopped it
        self.write(trial, found)
        return True

    def write(self, trial: Trial, found: Explanation) -> None:
        """Rows and causes from the marks."""
        report, twin = self.report, trial.twin_of()
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
                cause = self.cause(mark, name, trial)
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
                cause.fix = text
            report.causes.append(cause)
        if blind := [m.name for m in found.marks if m.seen and not m.causes and blank(m.value[0])]:
            report.not_checked.append(f"{', '.join(blind)}: nan and infinity hide other mistakes")
        if found.common != Factor() and wrong:
            report.conventions.append(
                f"all gradients are {found.common} times those of the cost; the learning rate absorbs it"
            )

    def in_own_names(self, marks: list[Mark], trial: Trial, twin: Twin) -> str | None:
        """What to write: the right formula as an assignment where the wrong value was assigned."""
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
                    if formula is None:
                        continue
                    line = linecache.getline(where.file, where.line)
                    found = own_names.assignment(where.name, formula, line)
                    once = own_names.of_one_step(formula, tree_of(code), where.line, frame)
                    return found and ("for this layer: " if once else "write ") + found
        return None

    def graph(self, trial: Trial) -> Tensor | None:
        """The cost of the recognised network on a probe, its tensors with the names of the report."""
        twin = trial.twin_of()
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
            inner, _ = trial.inner_values(trial.twin_of())  # type: ignore[arg-type]
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

    def cause(self, mark: Mark, name: str, trial: Trial) -> Cause:
        first, *rest = mark.causes
        values = [r.gradients.get(name) for r in trial.runs]
        rights = [t.gradients.get(name) for t in trial.truths]
        if first.kind == "zero" and (
            known := self.subject.known_mistake(name, values, rights, trial)
        ):
            return known
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
        for name in trial.wrong:
            values = [r.gradients.get(name) for r in trial.runs]
            rights = [t.gradients[name] for t in trial.truths]
            cause = self.subject.known_mistake(name, values, rights, trial) or simple_cause(
                name, values, rights, trial
            )
            if cause is None or cause.kind in ("missing", "swapped"):  # it may be mended
                return False
            found.append(self.placed(cause, name, trial))
        self.report.rows = list(trial.verdicts.values())
        self.report.causes += found
        return bool(found)

    def plain_rows(self, trial: Trial) -> None:
        """Without formulas: verdicts, and what the gradients have in common with the right ones."""
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
