"""What the doctor says: one line per quantity, one diagnosis, what was not checked."""

from __future__ import annotations

import html
import math
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TextIO

from nn.doctor.sandbox import place

OK, CONVENTION, WRONG, FOLLOWS = "ok", "ok: convention", "WRONG", "follows"
SHAPE, NAN, MISSING = "shape", "nan", "missing"
GOOD = {OK, CONVENTION}
STOPPED = "it stops with data that were invented"  # a problem
COLOURS = {OK: 32, CONVENTION: 32, WRONG: 31, SHAPE: 31, NAN: 31, MISSING: 31, FOLLOWS: 33}
PAPER = {32: "#1a7f37", 31: "#cf222e", 33: "#9a6700"}  # the same on a page, white on these


@dataclass
class Verdict:
    """One quantity: what it is, whether it is right, how far it is off."""

    name: str
    verdict: str
    error: float | None = None
    note: str = ""

    @property
    def wrong(self) -> bool:
        """Whether it is wrong by a fault of its own."""
        return self.verdict not in GOOD and self.verdict != FOLLOWS

    @property
    def error_text(self) -> str:
        return "" if self.error is None else f"{self.error:.1e}" if self.error else "0"

    def as_dict(self) -> dict[str, Any]:
        found = {"name": self.name, "verdict": self.verdict, "note": self.note}
        finite = self.error is not None and math.isfinite(self.error)
        return {k: v for k, v in found.items() if v} | (
            {"error": float(self.error or 0.0)} if finite else {}
        )


def backward_order(rows: list[Verdict]) -> list[Verdict]:
    """From the output to the input, by the numbers of the layers: dZ2, dW2, db2, dA1, ...

    >>> [r.name for r in backward_order([Verdict(n, OK) for n in ("dW1", "db1", "dW2", "dA1", "dZ2")])]
    ['dZ2', 'dW2', 'dA1', 'dW1', 'db1']
    """
    found = [re.fullmatch(r"d?(\D+)(\d+)\D*", r.name) for r in rows]
    if any(m is None for m in found):
        return rows
    kinds = {"A": 0, "Z": 1}
    keys = {id(r): (-int(m[2]), kinds.get(m[1], 2)) for r, m in zip(rows, found) if m}
    return sorted(rows, key=lambda r: keys[id(r)])


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
        return f"{place(self.file, self.line)}{inside}" if self.line else ""

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
        if self.fix and self.fix != f"compute {self.right.replace(' = ', ' as ', 1)}":
            out.append(f"  to do:     {self.fix}")
        if self.proof:
            out.append(f"  proof:     {self.proof}")
        out += [f"  or:        {a.says}" for a in self.alternatives]
        if self.alternatives:
            out.append("             (the same numbers: they cannot be told apart)")
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
    final: bool = False  # and no other data would help
    unexplained: list[str] = field(default_factory=list)
    parts: list[Report] = field(default_factory=list)
    compared: str = "gradient"  # what the rows are; "update" of the parameters
    graph: Callable[[], Any] | None = field(default=None, repr=False, compare=False)
    sign: int = 0  # of a network's gradients in common, -1 where all are those of minus the cost

    @property
    def doubtful(self) -> bool:
        """Whether something is wrong that may come of data which are not meant for the code."""
        lacks = any(r.verdict == MISSING for r in self.rows)
        return self.status == 1 and (lacks or self.forms_only or self.lacks_decay)

    @property
    def lacks_decay(self) -> bool:
        """Whether all that is wrong is a decay of the weights, which may be added by who calls it."""
        kinds = {c.kind for c in self.causes}
        return kinds == {"regularisation missing"} and not self.unexplained

    @property
    def forms_only(self) -> bool:
        """Whether shapes do not fit, the code stops, or something has no explanation."""
        forms = any(r.verdict in (SHAPE, NAN) for r in self.rows)
        stops = any(c.says.startswith("backward stops") for c in self.causes)
        return bool(forms or stops or self.unexplained)

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
        found = {r.name: r.verdict for r in backward_order(self.rows)}
        for part in self.parts:
            found |= {f"{part.title}: {k}": v for k, v in part.verdicts.items()}
        return found

    @property
    def first_wrong(self) -> str | None:
        rows = backward_order(self.rows)
        found = [r.name for r in rows if r.wrong]
        found += [name for p in self.parts if (name := p.first_wrong) is not None]
        found += [r.name for r in rows if r.verdict not in GOOD]
        return found[0] if found else None

    @property
    def all_causes(self) -> list[Cause]:
        return self.causes + [c for p in self.parts for c in p.all_causes]

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data, for JSON."""
        return {
            "ok": self.ok,
            "status": self.status,
            "title": self.title,
            "verdicts": [r.as_dict() for r in backward_order(self.rows)],
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

    def to_draw(self) -> tuple[Any, Report]:
        """What ``viz.draw(report)`` draws: the cost of the network as a Tensor, and the part of the
        report that is about it, the first wrong one. ValueError where no network was recognised."""
        for report in sorted([self, *self.all_parts], key=lambda r: not r.first_wrong):
            cost = report.graph() if report.graph is not None else None
            if cost is not None:
                return cost, report
        raise ValueError(
            f"{self.title}: no network was recognised that could be drawn; draw your own cost with "
            "highlight=report."
        )

    @property
    def all_parts(self) -> list[Report]:
        return [x for p in self.parts for x in (p, *p.all_parts)]

    def __str__(self) -> str:
        return self.text()

    def text(self, colour: bool = False) -> str:
        """The report; colours are for a terminal."""
        heading = paint(self.heading, 31 if self.status == 1 else 0, colour)
        first, *rest = self.paragraphs(colour)
        return "\n\n".join("\n".join(lines) for lines in ([heading, *first], *rest) if lines)

    def paragraphs(self, colour: bool) -> list[list[str]]:
        """The lines below the heading: the table, each cause, each part, the remarks."""
        table: list[str] = []
        if self.rows and not self.is_brief:
            width = max(len(r.name) for r in [*self.rows, Verdict("quantity", "")])
            table.append(f"  {'quantity':{width}}  {'verdict':14}  relative error")
            for r in backward_order(self.rows):
                verdict = paint(f"{r.verdict:14}", COLOURS.get(r.verdict, 0), colour)
                line = f"  {r.name:{width}}  {verdict}  {r.error_text:7}  {r.note}"
                table.append(line.rstrip())
        found = [table]
        for i, cause in enumerate(self.causes, start=1):
            number = f"{i}. " if len(self.causes) > 1 else ""
            found.append([number + cause.lines()[0], *cause.lines()[1:]])
        if self.is_one:
            found = self.parts[0].paragraphs(colour)
        else:
            found += [[p.text(colour)] for p in self.parts]
        remarks = [f"{title}: {text}" for title, texts in self.remarks() for text in texts]
        if len(found) == 1:
            found[0] += remarks
        else:
            found.append(remarks)
        return found

    def remarks(self) -> list[tuple[str, list[str]]]:
        """What else there is to say, what was not examined last."""
        found = [
            ("Not explained", self.unexplained),
            ("Convention", self.conventions),
            ("Note", self.notes),
            ("Examined", self.checked),
            ("Not examined", self.not_checked),
        ]
        return found[:3] + found[4:] if self.is_brief else found

    @property
    def is_brief(self) -> bool:
        """Whether the heading says it all: one quantity, and it is right."""
        return [r.verdict for r in self.rows] == [OK]

    @property
    def is_one(self) -> bool:
        """Whether this is about one part only, whose result is the whole result."""
        return len(self.parts) == 1 and not (self.rows or self.causes or self.problem)

    @property
    def heading(self) -> str:
        """The title, and in a few words the result."""
        says = self.parts[0].heading if self.is_one else self.headline
        return f"{self.title}: {says}"

    @property
    def headline(self) -> str:
        if self.problem:
            return self.problem
        if self.status == 2:
            return "nothing could be examined."
        if self.parts and not self.rows:
            wrong = [p.title for p in self.parts if p.status == 1]
            end = f"a mistake in {'; '.join(wrong)}." if wrong else "all right."
            return f"{len(self.parts)} examined, {end}"
        if self.status == 0:
            errors = [r.error_text for r in self.rows if r.error is not None]
            what = self.compared
            if len(errors) == 1:
                off = f" (relative error {errors[0]})" * self.is_brief
                return f"right, the {what} matches{off}."
            return f"right, all {len(errors)} {what}s match."
        wrong = [r.name for r in backward_order(self.rows) if r.wrong]
        follow = sum(r.verdict == FOLLOWS for r in self.rows)
        wrong = wrong or [c.quantity for c in self.causes if c.quantity]
        text = "a mistake" + (f" in {', '.join(wrong)}" if wrong else "")
        if follow:
            text += f"; {follow} more only follow{'s' * (follow == 1)} from it"
        return text + "."

    def _repr_html_(self) -> str:
        """The same for a notebook; everything that comes from the learner's file is escaped."""
        says = html.escape(self.heading.removeprefix(self.title))
        title = f"<p><b>{html.escape(self.title)}</b>{says}</p>"
        return f"<div>{title}{self.body_html()}</div>"

    def body_html(self) -> str:
        esc = html.escape
        left = 'style="text-align:left'
        out = []
        if self.rows and not self.is_brief:
            heads = ("quantity", "verdict", "relative error", "")
            cells = "".join(f'<th {left}">{h}</th>' for h in heads)
            out.append(f"<table><thead><tr>{cells}</tr></thead><tbody>")
            for r in backward_order(self.rows):
                colour = PAPER[COLOURS.get(r.verdict, 33)]
                badge = (
                    f"background:{colour};color:#fff;padding:0 .5em;border-radius:.5em;"
                    "white-space:nowrap"
                )
                cells = "".join(
                    f'<td {left}">{cell}</td>'
                    for cell in (
                        f"<code>{esc(r.name)}</code>",
                        f'<span style="{badge}">{esc(r.verdict)}</span>',
                        r.error_text,
                        esc(r.note),
                    )
                )
                out.append(f"<tr>{cells}</tr>")
            out.append("</tbody></table>")
        for cause in self.causes:
            first, *rest = cause.lines()
            lines = esc("\n".join(rest))
            style = "white-space:pre-wrap;overflow-wrap:anywhere"
            out.append(f'<p><b>{esc(first)}</b></p><pre style="{style}">{lines}</pre>')
        out += [self.parts[0].body_html()] if self.is_one else [p._repr_html_() for p in self.parts]
        found = [f"<li>{t}: {esc(text)}</li>" for t, texts in self.remarks() for text in texts]
        out += [f"<ul>{''.join(found)}</ul>"] * bool(found)
        return "".join(out)

    def show(self, file: TextIO | None = None, plain: bool = False) -> None:
        """Print, in colours on a terminal unless NO_COLOR is set; ``plain``: no colours, ASCII."""
        file = file or sys.stdout
        text = self.text(file.isatty() and not plain and not os.environ.get("NO_COLOR"))
        encoding = "ascii" if plain else getattr(file, "encoding", None) or "utf-8"
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=file)


def paint(text: str, colour: int, on: bool) -> str:
    return f"\033[{colour}m{text}\033[0m" if on and colour else text


def without_stop(report: Report) -> Report:
    """Nothing is called wrong because it stops with data that were invented: it may have been written
    for others. Where one change of the code proves it, it is, and where a variable has no value yet."""
    stops = [c for c in report.causes if c.says.startswith("backward stops") and not c.proof]
    if not stops or stops[0].kind == "UnboundLocalError":
        return report
    return Report(report.title, problem=f"{STOPPED}: {stops[0].says}")
