"""The table of mistakes: detected, located, named; and what is right but different: no alarm."""

from __future__ import annotations

from fnmatch import fnmatch

import examinations
import programs
import pytest
from mistakes import RIGHT_BUT_DIFFERENT, TABLE, Mistake

from nn.doctor.report import Report


def examined(m: Mistake) -> tuple[Report, int, str]:
    source, examine = examinations.RIGHT[m.form]
    text, line = programs.changed(source, m.right, m.wrong, m.occurrence)
    room, name = programs.load(text)
    return examine(room), line, name


def score(m: Mistake) -> tuple[bool, bool, bool, Report]:
    """(detected, located, named)."""
    report, line, _ = examined(m)
    kinds = m.kinds.split("|")
    if any(k.startswith(("note:", "convention:")) for k in kinds):
        texts = " ".join(t for r in [report, *report.parts] for t in [*r.notes, *r.conventions])
        words = [k.partition(":")[2] for k in kinds if ":" in k]
        found = any(w in texts for w in words)
        if found or report.ok:
            return found, found, found, report
    causes = report.all_causes
    all_kinds = [k for c in causes for k in [c.kind, *(a.kind for a in c.alternatives)]]
    named = any(fnmatch(k, pattern) for k in all_kinds for pattern in kinds)
    lines = max(m.wrong.count("\n"), m.right.count("\n")) + 1
    places = [x.line for c in causes for x in (c, *c.alternatives) if x.line is not None]
    located = any(line - 1 <= at <= line + lines for at in places)
    return not report.ok, located, named, report


def test_score_of_the_table(publish):
    results = [score(m) for m in TABLE]
    n = len(results)
    sums = [sum(r[i] for r in results) for i in range(3)]
    publish(
        f"table of mistakes: {n} programs, {sums[0]} detected, {sums[1]} located, {sums[2]} named"
    )
    assert sums[0] == n
    assert sums[1] >= 0.9 * n
    assert sums[2] >= 0.9 * n


@pytest.mark.parametrize("form", list(examinations.RIGHT))
def test_right_programs_are_right(form):
    source, examine = examinations.RIGHT[form]
    room, _ = programs.load(source)
    report = examine(room)
    assert report.ok, str(report)


@pytest.mark.parametrize(("form", "old", "new"), RIGHT_BUT_DIFFERENT)
def test_right_but_different_is_right(form, old, new):
    source, examine = examinations.RIGHT[form]
    room, _ = programs.load(programs.changed(source, old, new)[0])
    report = examine(room)
    assert report.ok, str(report)
