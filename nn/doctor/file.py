"""One file: everything in it that can be examined, put together into one report."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from nn.doctor.find import Finder, label_of
from nn.doctor.load import Room, load
from nn.doctor.report import CONVENTION, GOOD, MISSING, STOPPED, WRONG, Cause, Report
from nn.doctor.sandbox import limited, quiet
from nn.doctor.steps import ends_of_title
from nn.doctor.usual import BY_VALUE, slope_of

Function = Callable[..., Any]
PART = r"the training step at [^.]*?\d+( of .*\..*)?$"


def check_file(
    path: str | Path,
    *,
    forward: str | None = None,
    backward: str | None = None,
    cost: str | None = None,
    update: str | None = None,
    time_limit: float = 10.0,
) -> Report:
    """Examine the functions and classes that a ``.py`` or ``.ipynb`` file defines.

    Imports, definitions and constants are executed, and of the rest what leads to one step of a training
    loop, where that is examined; nothing is written, and what is not at hand is invented. The names say
    which functions to take where the file leaves it open. Each run of one of them ends after
    ``time_limit`` seconds.

    Nothing is raised for a file that will not do: ``report.problem`` says in a sentence why.
    """
    report = Report(f"Gradient doctor, {Path(path).name}")
    chosen = {"forward": forward, "backward": backward, "cost": cost, "update": update}
    try:
        with limited(time_limit), quiet():
            room = load(path)
            examine_room(report, room, chosen)
    except (ValueError, OSError) as error:
        text = f"{path}: {error.strerror}" if isinstance(error, OSError) else str(error)
        report.problem = text if text.endswith(".") else f"{text}."
    return report


def examine_room(report: Report, room: Room, chosen: dict[str, str | None]) -> None:
    """Examine what was loaded."""
    report.notes += room.notes
    finder = Finder(room, chosen)
    for role, name in chosen.items():
        if name is not None and not finder.has(name):
            defined = ", ".join(sorted([*finder.functions, *finder.classes])) or "nothing"
            report.problem = (
                f"--{role} {name}: there is no such function; the file defines {defined}."
            )
            return
    finder, found = with_right_slopes(room, chosen) or best_choice(room, chosen)
    found = finder.steps_taken.arbitrated(found)
    report.parts = [p for p in found if p.status != 2]
    join_halves(report.parts)
    judge_signs(report.parts)
    done = finder.used | {p.title for p in report.parts}
    covered = finder.right | {end for p in report.parts for end in ends_of_title(p.title)}
    inside = finder.steps_taken.inside
    covered |= {n for p in report.parts if p.ok for n in inside.get(p.title, ())}
    failed = [
        p
        for p in found
        if p.status == 2
        and (covered if p.problem.startswith(STOPPED) else done).isdisjoint(ends_of_title(p.title))
    ]
    failed = [p for p in failed if not finder.is_part(p.title, [q.title for q in report.parts])]
    # a step of a method, or of a script, is a part of what is examined
    failed = [p for p in failed if not (finder.wholes and re.match(PART, p.title))]
    names = [p.title.partition(" with ")[0] for p in failed]
    tried = {word.strip(",") for p in failed for word in p.title.split()}
    rest = [n for n in finder.functions if n not in finder.used | tried]
    rest += [
        n for n, k in finder.classes.items() if n not in done | tried and not finder.is_base(k)
    ]
    if report.parts or len(failed) > 1:
        report.not_checked += [f"{p.title}: {p.problem}" for p in failed]
    if rest:
        report.not_checked.append(f"no gradient was recognised in {', '.join(rest)}")
    if room.left_out:
        more = len(room.left_out) - 3
        shown = "; ".join(room.left_out[:3]) + (f"; and {more} more" if more > 0 else "")
        how = "not executed" if room.rehearsal is None else "executed only up to one training step"
        report.not_checked.append(f"{how}: {shown}")
    if failed and report.parts and all(p.ok for p in report.parts):
        report.problem = (
            f"what was examined is right, but {', '.join(names)} could not be examined."
        )
    elif not report.parts and (broken := [n for n in room.notes if "not valid Python" in n]):
        report.notes.remove(broken[0])
        report.problem = f"{broken[0]}, and the rest could not be examined."
    elif len(failed) == 1 and not report.parts:
        report.problem = f"{failed[0].title}: {failed[0].problem}"
    elif not report.parts:
        nothing = not (finder.functions or finder.classes)
        report.problem = (
            f"{', '.join(names)} could not be examined."
            if failed
            else "no backward pass was found"
            + (": the file defines no function and no class." if nothing else ".")
        )


def best_choice(room: Room, chosen: dict[str, str | None]) -> tuple[Finder, list[Report]]:
    """The examinations with that meaning of names that are not in the file with which most is right."""
    tried: list[tuple[Finder, list[Report]]] = []
    for meanings in zip(*(c * 2 for c in room.choices.values())) if room.choices else [()]:
        room.names.update(zip(room.choices, meanings))
        finder = Finder(room, chosen)
        tried.append((finder, list(finder.examinations())))
        if all(p.ok for p in tried[-1][1]):
            break
    return max(tried, key=lambda t: sum(v in GOOD for p in t[1] for v in p.verdicts.values()))


def with_right_slopes(
    room: Room, chosen: dict[str, str | None]
) -> tuple[Finder, list[Report]] | None:
    """The examinations with the right derivatives in place of wrong ones; None where there is no wrong
    one, or where more is wrong. What is right then only follows from the wrong derivative."""
    first = Finder(room, chosen)
    pairs = [p for p in first.pairs() if p.status == 1]
    own = {first.slopes[p.title][0]: p for p in pairs}
    own = {k: p for k, p in own.items() if len(re.findall(rf"\b{k}\b", first.text)) > 1}
    slopes = [true_slopes(first.slopes[p.title][1]) for p in own.values()]
    before = {name: room.names[name] for name in own}
    for chosen_slopes in zip(*slopes):
        room.names.update(zip(own, chosen_slopes))
        try:
            finder = Finder(room, chosen)
            found = list(finder.examinations())
        finally:
            room.names.update(before)
        if any(p.ok for p in found) and all(p.status != 1 for p in found):
            for part in (p for p in found if p.title not in finder.slopes):
                part.notes.append(
                    f"so it is with the right derivative in place of {', '.join(own)}, which is wrong"
                )
            finder.used |= first.used
            return finder, [*found, *pairs]
    return None


def true_slopes(f: Function) -> list[Function]:
    """The derivative of f as a function of its input; of the usual ones also as of their value."""
    by_value = BY_VALUE.get(label_of(f).lower())
    return [slope_of(f), *([] if by_value is None else [by_value])]


def join_halves(parts: list[Report]) -> None:
    """A gradient that one function lacks is not missing where another function gives it."""
    given = {r.name for p in parts for r in p.rows if r.verdict in GOOD}
    for part in parts:
        elsewhere = [r for r in part.rows if r.verdict == MISSING and r.name in given]
        if elsewhere and all(r in elsewhere or r.verdict in GOOD for r in part.rows):
            part.rows = [r for r in part.rows if r not in elsewhere]
            part.causes = [c for c in part.causes if c.kind != "missing"]


def judge_signs(parts: list[Report]) -> None:
    """Gradients of minus the cost are right where the update adds them, and only there."""
    networks = [p for p in parts if p.sign]
    if not networks or any(p.sign > 0 for p in networks):
        return
    for update in (p for p in parts if p.compared == "update"):
        if update.ok:
            says = "these are the gradients of minus the cost, and the update subtracts them"
            fix = "change the sign of the gradients, or add them in the update"
            for network in networks:
                network.conventions, network.rows = (
                    [],
                    [
                        replace(r, verdict=WRONG if r.note == "times -1" else r.verdict)
                        for r in network.rows
                    ],
                )
                network.causes.append(Cause("", "sign", f"{says}: the cost grows", fix=fix))
        elif {c.kind for c in update.causes} == {"sign of the update"} and not update.unexplained:
            update.rows = [replace(r, verdict=CONVENTION) for r in update.rows]
            update.causes = []
            update.conventions.append("the gradients are those of minus the cost, and are added")
