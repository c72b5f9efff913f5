"""Programs in the idioms of public code: no alarm where they are right; how far a mistake is explained."""

from __future__ import annotations

import re
from fnmatch import fnmatch

from programs import changed
from wild import KINDS, PROGRAMS, Bug, Program

from nn import doctor
from nn.doctor.report import Cause, Report

BUGS = [(p, b) for p in PROGRAMS for b in p.bugs]
RIGHT = 41  # the others cannot be examined yet
FIXES = 12
DETECTED, LOCATED, NAMED = 0.9, 0.8, 0.81


def examined(source: str, folder) -> Report:
    path = folder / "network.py"
    path.write_text(source)
    return doctor.check_file(path)


def score(program: Program, bug: Bug, folder) -> tuple[bool, bool, bool, bool | None]:
    """(detected, located, named, mended): the last where the report says what to write instead."""
    text, line = changed(program.source, bug.right, bug.wrong)
    report = examined(text, folder)
    causes = report.all_causes
    kinds = [k for c in causes for k in (c.kind, *(a.kind for a in c.alternatives))]
    named = any(fnmatch(k, pattern) for k in kinds for pattern in KINDS[bug.sort].split("|"))
    located = any(c.line is not None and abs(c.line - line) <= 1 for c in causes)
    detected = report.status == 1
    return detected, detected and located, detected and named, mended(text, causes, folder)


def mended(text: str, causes: list[Cause], folder) -> bool | None:
    """Whether the program is right with the line that the report says to write.

    What stands in `quotes` was tried by the doctor itself.
    """
    if len(causes) != 1 or not causes[0].line or not re.match("write [^`]", causes[0].fix):
        return None
    lines = text.splitlines(keepends=True)
    old = lines[causes[0].line - 1]
    indent = old[: len(old) - len(old.lstrip())]
    lines[causes[0].line - 1] = f"{indent}{causes[0].fix.removeprefix('write ')}\n"
    return examined("".join(lines), folder).status != 1


def test_a_right_program_is_never_called_wrong(tmp_path, publish):
    reports = {p.name: examined(p.source, tmp_path) for p in PROGRAMS}
    right = sum(r.ok for r in reports.values())
    publish(f"programs of public idioms: {len(PROGRAMS)}, {right} called right")
    assert {name: str(r) for name, r in reports.items() if r.status == 1} == {}
    assert right >= RIGHT


def test_score_of_the_planted_mistakes(tmp_path, publish):
    results = [score(p, b, tmp_path) for p, b in BUGS]
    detected, located, named = (sum(r[i] for r in results) for i in range(3))
    n = len(results)
    fixes = [r[3] for r in results if r[3] is not None]
    publish(
        f"mistakes in {len(PROGRAMS)} programs of public idioms: {n}, "
        f"{detected} detected, {located} located, {named} named; "
        f"{len(fixes)} times a line to write instead, {sum(fixes)} times it makes the program right"
    )
    assert len(fixes) >= FIXES and all(fixes)
    assert detected >= DETECTED * n and located >= LOCATED * n and named >= NAMED * n
