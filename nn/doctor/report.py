"""What the doctor says: one line per quantity, one diagnosis, what was not checked."""

from __future__ import annotations

import html
import os
import sys
from dataclasses import dataclass, field
from typing import Any, TextIO

OK, CONVENTION, WRONG, FOLLOWS = "ok", "ok: convention", "WRONG", "follows"
SHAPE, NAN, MISSING = "shape", "nan", "missing"
GOOD = {OK, CONVENTION}
COLOURS = {OK: 32, CONVENTION: 32, WRONG: 31, SHAPE: 31, NAN: 31, MISSING: 31, FOLLOWS: 33}


@dataclass
class Verdict:
    """One quantity: what it is, whether it is right, how far it is off."""

    name: str
    verdict: str
    error: float | None = None
    note: str = ""


@dataclass
class Cause:
    """One mistake: where it is, what it is, how to mend it, and why it is sure."""

    quantity: str
    kind: str
    says: str
    line: int | None = None
    function: str = ""
    file: str = ""
    source: str = ""
    computed: str = ""
    right: str = ""
    fix: str = ""
    proof: str = ""
    alternatives: list[Cause] = field(default_factory=list)

    def __str__(self) -> str:
        where = f" ({self.where})" if self.line else ""
        return f"{self.says}{where}"

    @property
    def where(self) -> str:
        inside = f" of {self.function}" if self.function and self.function != "<module>" else ""
        return f"line {self.line}{inside}" if self.line else ""

    def as_dict(self) -> dict[str, Any]:
        found = {k: v for k, v in vars(self).items() if v not in ("", None) and k != "alternatives"}
        if self.alternatives:
            found["alternatives"] = [a.as_dict() for a in self.alternatives]
        return found

    def lines(self) -> list[str]:
        out = [self.says + "."]
        if self.line:
            out.append(f"  {self.where}: {self.source}" if self.source else f"  {self.where}")
        if self.computed:
            out.append(f"  computed:  {self.computed}")
        if self.right:
            out.append(f"  right:     {self.right}")
        if self.fix:
            out.append(f"  to do:     {self.fix}")
        if self.proof:
            out.append(f"  proof:     {self.proof}")
        for a in self.alternatives:
            out.append(f"  the same numbers come from another mistake: {a.says}")
        return out


@dataclass
class Report:
    """The result of an examination. Truthy when everything is right.

    ``ok``; ``verdicts``: quantity -> verdict; ``first_wrong``: the first wrong quantity, from the
    output; ``causes``: what was proved; ``status``: 0 right, 1 wrong, 2 could not be examined.
    """

    title: str = "Gradient doctor"
    rows: list[Verdict] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)
    conventions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    problem: str = ""  # why it could not be examined
    unexplained: list[str] = field(default_factory=list)
    parts: list[Report] = field(default_factory=list)

    @property
    def status(self) -> int:
        if any(p.status == 1 for p in self.parts):
            return 1
        wrong = any(r.verdict not in GOOD for r in self.rows) or self.causes or self.unexplained
        if wrong:
            return 1
        if self.problem:
            return 2
        if self.parts and not self.rows:
            return 0 if any(p.status == 0 for p in self.parts) else 2
        return 0 if self.rows else 2

    @property
    def ok(self) -> bool:
        return self.status == 0

    def __bool__(self) -> bool:
        return self.ok

    @property
    def verdicts(self) -> dict[str, str]:
        found = {r.name: r.verdict for r in self.rows}
        for part in self.parts:
            found |= {f"{part.title}: {k}": v for k, v in part.verdicts.items()}
        return found

    @property
    def first_wrong(self) -> str | None:
        for row in self.rows:
            if row.verdict not in GOOD and row.verdict != FOLLOWS:
                return row.name
        for part in self.parts:
            if part.first_wrong is not None:
                return part.first_wrong
        return next((r.name for r in self.rows if r.verdict not in GOOD), None)

    @property
    def all_causes(self) -> list[Cause]:
        return self.causes + [c for p in self.parts for c in p.all_causes]

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data, for JSON."""
        return {
            "ok": self.ok,
            "status": self.status,
            "title": self.title,
            "verdicts": [
                {k: v for k, v in vars(r).items() if v not in ("", None)} for r in self.rows
            ],
            "first_wrong": self.first_wrong,
            "causes": [c.as_dict() for c in self.causes],
            "conventions": self.conventions,
            "unexplained": self.unexplained,
            "notes": self.notes,
            "checked": self.checked,
            "not_checked": self.not_checked,
            "problem": self.problem,
            "parts": [p.as_dict() for p in self.parts],
        }

    def __str__(self) -> str:
        return self.text()

    def text(self, colour: bool = False) -> str:
        """The report; colours are for a terminal."""
        out = [paint(f"{self.title}: {self.headline}", 31 if self.status == 1 else 0, colour)]
        if self.rows:
            width = max(len(r.name) for r in self.rows)
            for r in self.rows:
                error = "" if r.error is None else f"{r.error:8.1e}"
                note = f"  {r.note}" if r.note else ""
                verdict = paint(f"{r.verdict:14}", COLOURS.get(r.verdict, 0), colour)
                out.append(f"  {r.name:{width}}  {verdict}  {error:8}{note}".rstrip())
        for i, cause in enumerate(self.causes, start=1):
            lines = cause.lines()
            head = f"{i}. " if len(self.causes) > 1 else ""
            out += ["", head + lines[0], *lines[1:]]
        out += [f"Not explained: {text}" for text in self.unexplained]
        for title, texts in (
            ("Convention", self.conventions),
            ("Note", self.notes),
            ("Examined", self.checked),
            ("Not checked", self.not_checked),
        ):
            out += [f"{title}: {text}" for text in texts]
        for part in self.parts:
            out += ["", part.text(colour)]
        return "\n".join(out)

    @property
    def headline(self) -> str:
        if self.problem:
            return self.problem
        if self.status == 2:
            return "nothing could be examined."
        if self.status == 0:
            n = len([r for r in self.rows if r.error is not None])
            if self.parts:
                return f"{len(self.parts)} examined, all right."
            return f"right. {n} gradient{'s' * (n != 1)} compared."
        if self.parts and not self.rows:
            wrong = [p.title for p in self.parts if p.status == 1]
            return "a mistake in " + ", ".join(wrong) + "."
        wrong = [r.name for r in self.rows if r.verdict not in GOOD and r.verdict != FOLLOWS]
        follow = sum(r.verdict == FOLLOWS for r in self.rows)
        text = "a mistake" + (f" in {', '.join(wrong)}" if wrong else "")
        if follow:
            text += f"; {follow} more only follow{'s' * (follow == 1)} from it"
        return text + "."

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.text())}</pre>"

    def show(self, file: TextIO | None = None) -> None:
        """Print, in colours on a terminal unless NO_COLOR is set, in ASCII where need be."""
        file = file or sys.stdout
        colour = file.isatty() and not os.environ.get("NO_COLOR")
        text = self.text(colour)
        try:
            print(text, file=file)
        except UnicodeEncodeError:
            print(text.encode("ascii", "replace").decode(), file=file)


def paint(text: str, colour: int, on: bool) -> str:
    return f"\033[{colour}m{text}\033[0m" if on and colour else text
