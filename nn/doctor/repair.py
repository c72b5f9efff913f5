"""The learner's own code with one small change, run again: the proof that a line is the mistake.

Where the formulas of a recognised network do not explain the numbers, each line of the code is changed
a little, as people's mistakes go: a transpose, a sign, an axis, another name. A change is believed only
when it makes the gradients right on two independent probes and leaves the cost as it was.
"""

from __future__ import annotations

import ast
import copy
import gc
import linecache
import re
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nn.doctor.edits import (
    About,
    Path,
    at,
    attributes_in,
    head,
    moved_to,
    own_lines,
    put,
    statement_edits,
    statements,
)
from nn.doctor.naming import Mangled, plain, tree_of
from nn.doctor.peel import Explanation, close
from nn.doctor.report import MISSING, WRONG, Cause, Verdict
from nn.doctor.sandbox import Failure, is_his
from nn.doctor.subject import Run
from nn.doctor.trial import Trial
from nn.doctor.twin import Factor

if TYPE_CHECKING:
    from nn.doctor.diagnosis import Diagnosis

RUNS = 5000  # of the changed code, and no longer than
SECONDS = 5.0
MORE = 400
ROUNDS = 3

RARE = {"another name", "another name assigned", "index off by one"}
ORDER = (  # what is tried first: (sort, in a suspected line)
    *(("form", True), ("name", True), ("form", False)),
    *(("name", False), ("factor", True), ("factor", False)),
)


def sort_of_edit(kind: str) -> str:
    """Whether something else is done with the same names, or with one more, or another name stands.

    >>> [sort_of_edit(k) for k in ("transposed", "another name", "a term missing", "missing 1/m")]
    ['form', 'name', 'factor', 'factor']
    """
    more = re.fullmatch(
        r"(a (factor|term)|size|derivative .*) missing|missing 1/.*|1/.* too many", kind
    )
    return "name" if kind in RARE else "factor" if more else "form"


class Edit(NamedTuple):
    """One changed place of one function; two, for a statement that is moved."""

    kind: str
    code: CodeType
    path: Path
    new: ast.AST
    line: int
    before: str
    after: str
    left: tuple[Path, ast.AST] | None = None  # what is put where a statement stood that was moved


def mend(diagnosis: Diagnosis, trial: Trial, lines: Sequence[tuple[str, int]] = ()) -> bool:
    """Find the changes of the learner's code that make his gradients right; write them as causes.

    ``lines``, (function, line), are tried first.
    """
    found, left = Repair(diagnosis, trial, lines).run(MORE)
    if not found or left:
        return False
    report = diagnosis.report
    report.rows = list(trial.verdicts.values()) or report.rows
    which = "this one change" if len(found) == 1 else "these changes"
    proof = f"your code with {which} gives the right gradients in two independent experiments"
    for edits in found:
        cause = cause_of(edits[0], ", ".join(trial.wrong[-1:]) or "gradients", proof)
        cause.alternatives = [cause_of(e, cause.quantity, "") for e in edits[1:3]]
        report.causes.append(cause)
    return True


def cause_of(edit: Edit, quantity: str, proof: str) -> Cause:
    moved = edit.left is not None
    says = f"stand {edit.after}" if moved else f"be `{edit.after}`"
    return Cause(
        quantity,
        edit.kind,
        f"{edit.kind}: `{edit.before}` should {says}",
        edit.line,
        edit.code.co_name,
        edit.code.co_filename,
        linecache.getline(edit.code.co_filename, edit.line).strip(),
        fix=f"move it {edit.after}" if moved else f"write `{edit.after}`",
        proof=proof,
    )


class Repair:
    """The search for the changes, on one trial."""

    def __init__(self, diagnosis: Diagnosis, trial: Trial, lines: Sequence[tuple[str, int]]):
        self.subject, self.trial = diagnosis.subject, trial
        self.end, self.left = time.process_time() + SECONDS, RUNS
        self.first = set(lines)
        tracer = trial.runs[0].tracer
        frames = dict(tracer.codes) if tracer else {}
        self.ran = tracer.lines if tracer else set()
        frames |= {c: None for c in trial.runs[0].forward_codes if c not in frames}
        trees = {code: tree_of(code) for code in frames}
        self.trees = {
            c: copy.deepcopy(t) for c, t in trees.items() if isinstance(t, ast.FunctionDef)
        }
        attributes = sorted({n for tree in self.trees.values() for n in attributes_in(tree)})
        self.about = {c: About(t, frames[c], attributes) for c, t in self.trees.items()}
        self.functions: dict[CodeType, list[FunctionType]] = {}
        self.changed: list[CodeType] = []
        for f in gc.get_referrers(*self.trees) if self.trees else ():
            if isinstance(f, FunctionType) and f.__code__ in self.trees:
                self.functions.setdefault(f.__code__, []).append(f)
        self.wanted = {k for k, g in trial.truths[0].gradients.items() if np.any(g)}

    def run(self, more: int = 0) -> tuple[list[list[Edit]], list[str]]:
        """Rounds of one change each, until all gradients are right or nothing helps any more.

        After a change that makes all right, ``more`` are tried in other lines: they may do as well.
        """
        chosen: list[list[Edit]] = []
        good = right_names(self.trial.runs[0], self.trial, 0)
        for _ in range(ROUNDS):
            best: list[tuple[int, Edit, set[str]]] = []
            for edit in self.edits():
                whole = [e for n, e, _ in best if n == len(self.wanted)]
                more -= bool(whole and edit.line != whole[0].line)
                if self.is_over() or more < 0:
                    break
                now = self.tried(edit, 0)
                if now is None or not now >= good or len(now) <= len(good):
                    continue
                second = self.tried(edit, 1)
                if second is not None and second >= now:
                    if now >= self.wanted and more:
                        self.left = max(self.left, more)
                    best.append((len(now), edit, now))
            if not best:
                break
            most = max(n for n, _, _ in best)
            winners = [e for n, e, _ in best if n == most]
            chosen.append(winners)
            self.change(winners[0])
            good = next(now for n, e, now in best if e is winners[0])
            if good >= self.wanted:
                break
        return chosen, sorted(self.wanted - good) if chosen else []

    def is_over(self) -> bool:
        return self.left < 0 or time.process_time() > self.end

    def change(self, edit: Edit) -> Edit:
        """Make the change for good; the change that undoes it."""
        self.changed.append(edit.code)
        return self.put(edit)

    def put(self, edit: Edit) -> Edit:
        """Make the change in the tree; the change that undoes it."""
        tree = self.trees[edit.code]
        left = edit.left and (edit.left[0], put(tree, *edit.left))
        return edit._replace(new=put(tree, edit.path, edit.new), left=left)

    def tried(self, edit: Edit, which: int) -> set[str] | None:
        """The right gradients after this change, or None where it fails or the cost is another."""
        run = self.rerun(edit, which)
        return right_names(run, self.trial, which) if run and not run.failure else None

    def both(self, edit: Edit, stops: Sequence[tuple[str, int]], watch: bool) -> list[Run]:
        """The runs of both probes after this change; fewer where one stops in these lines again."""
        runs: list[Run] = []
        for which in (0, 1):
            run = self.rerun(edit, which, watch)
            if run is None or (run.failure and (run.failure.function, run.failure.line) in stops):
                break
            runs.append(run)
        return runs

    def rerun(self, edit: Edit, which: int, watch: bool = False) -> Run | None:
        """The code after this change, or None where its cost, or its output, is another."""
        self.left -= 1
        back = self.put(edit)
        try:
            with self.replaced(edit) as done:
                if not done:
                    return None
                probe = self.trial.experiment.probes[which]
                run = self.subject.run(probe.params, probe.X, probe.Y, watch)
        finally:
            self.put(back)
        before, output = self.trial.runs[which].loss, self.trial.runs[which].output
        try:
            if run.stage == "forward" and run.failure:
                return None
            seen = before is None and output is not None and run.output is not None
            if seen and not close(np.asarray(run.output), np.asarray(output)):
                return None
            if before is not None and not np.isclose(
                float(np.squeeze(run.loss)), float(np.squeeze(before)), rtol=1e-10
            ):
                return None
        except (TypeError, ValueError):
            return None
        return run

    @contextmanager
    def replaced(self, edit: Edit) -> Iterator[bool]:
        """The functions with the code of the changed trees, and their own again afterwards."""
        undo: list[tuple[FunctionType, CodeType]] = []
        try:
            for code in {*self.changed, edit.code}:
                new = compiled(self.trees[code], code)
                if new is None:
                    yield False
                    return
                for f in self.functions.get(code, ()):
                    undo.append((f, f.__code__))
                    f.__code__ = new
            yield True
        finally:
            for f, code in undo:
                f.__code__ = code

    def edits(self) -> Iterator[Edit]:
        """The changes of the suspected lines first, then of the functions that ran, backward first; what
        is rare at the end."""
        for sort, suspected in ORDER:
            for code, tree in self.trees.items():
                watched = {line for c, line in self.ran if c is code}
                for statement, path in statements(tree):
                    if watched.isdisjoint(own_lines(statement)) and watched:
                        continue
                    if ((code.co_name, statement.lineno) in self.first) == suspected:
                        yield from self.edits_of(code, statement, path, sort)
                        yield from self.moves(code, statement, path) if sort == "form" else ()

    def moves(self, code: CodeType, statement: Any, path: Path) -> Iterator[Edit]:
        """The statement before, or after, others of its block that use what it changes."""
        tree, text = self.trees[code], head(statement)
        *above, (name, i) = path
        block = getattr(at(tree, tuple(above)), name)
        for j in moved_to(block, i or 0):
            other = block[j]
            both = [statement, other] if j < (i or 0) else [other, statement]
            new = ast.If(ast.Constant(True), copy.deepcopy(both), [])
            ast.fix_missing_locations(ast.copy_location(new, other))
            where = f"{'before' if both[0] is statement else 'after'} line {other.lineno}"
            gone = ast.copy_location(ast.Pass(), statement)
            whole = (*above, (name, j))
            line, kind = statement.lineno, "order of statements"
            yield Edit(kind, code, whole, new, line, text, where, (path, gone))

    def edits_of(self, code: CodeType, statement: Any, path: Path, sort: str) -> Iterator[Edit]:
        tree, before = self.trees[code], head(statement)
        seen = {before}
        for kind, inner, new in list(statement_edits(statement, self.about[code])):
            if sort_of_edit(kind) != sort:
                continue
            whole = (*path, *inner)
            old = put(tree, whole, new)
            ast.fix_missing_locations(ast.copy_location(new, old))
            after = head(at(tree, path))
            put(tree, whole, old)
            if after not in seen:
                seen.add(after)
                yield Edit(kind, code, whole, new, statement.lineno, before, after)


def go_on(
    diagnosis: Diagnosis, trial: Trial, repair: Repair | None = None, done: tuple[Edit, ...] = ()
) -> bool:
    """Backward stopped: the change after which it runs and everything is explained.

    First of that line, then of those that assign what it uses, then with one more change, and then of
    any line, which has to make all right. Other mistakes may be left, and are found in the run that
    goes on; ``done`` are the changes so far.
    """
    assert trial.failure is not None
    lines = lines_of(trial.failure)
    repair = repair or Repair(diagnosis, trial, lines)
    later: list[tuple[Edit, list[Run]]] = []
    for near in [x for x in (lines, sources_of(trial.failure)) if x] + [[]]:
        if not near:
            stopped = ((e, r) for e, r in later if go_on_with(diagnosis, trial, r, (*done, e)))
            for edit, runs in islice(stopped, 6 if len(done) < 2 else 0):
                back = repair.change(edit)
                if go_on(diagnosis, replace(trial, runs=runs), repair, (*done, edit)):
                    return True
                repair.change(back)
            if done:
                return False
        repair.first, repair.left = set(near), RUNS // 2
        best: list[tuple[float, Edit, Trial, Explanation]] = []
        for edit in repair.edits():
            if repair.is_over() or (near and (edit.code.co_name, edit.line) not in repair.first):
                break
            if any(not cost and e.line != edit.line for cost, e, *_ in best):
                break  # everything is right already
            runs = repair.both(edit, lines, watch=bool(near))
            if len(runs) < 2:
                continue
            if any(r.failure for r in runs):
                later += [(edit, runs)] * bool(near)
            elif found := go_on_with(diagnosis, trial, runs, (*done, edit), bool(near)):
                best.append((found[1].cost, edit, *found))
        if best:
            best.sort(key=lambda b: b[0])
            write_change(diagnosis, [b for b in best if b[0] <= best[0][0] + 0.05], done)
            return True
    return False


def go_on_with(
    diagnosis: Diagnosis, trial: Trial, runs: list[Run], done: tuple[Edit, ...], near: bool = True
) -> tuple[Trial, Explanation] | None:
    """The trial with the runs after these changes and its explanation, if what these lines compute
    is right in it."""
    mended, found = explained(trial, runs, near)
    if found is None:
        return None
    far = done[-1].kind in RARE  # then what is computed by way of the line has to be right too
    if wrong_lines(diagnosis, mended, found, far) & {e.line for e in done}:
        return None
    return mended, found


def explained(trial: Trial, runs: list[Run], near: bool) -> tuple[Trial, Explanation | None]:
    """The trial with these runs, and the explanation of all its gradients, if there is one.

    Not ``near`` the line where it stopped: only if all is right.
    """
    mended = replace(trial, runs=runs, verdicts={})
    if mended.failure:
        return mended, mended.explanation_on_the_way()
    mended.compare()
    twin = trial.twin_of()
    if twin is None or not near:
        return mended, None if mended.wrong else Explanation([], 0.0, Factor())
    if any(v.verdict == MISSING for v in mended.verdicts.values()):
        return mended, None
    found = mended.explanation(twin)
    return mended, None if found is None or any(m.unexplained for m in found.marks) else found


def wrong_lines(
    diagnosis: Diagnosis, trial: Trial, found: Explanation, callers: bool = False
) -> set[int]:
    """The lines with other mistakes, also those that call them."""
    diagnosis.marks = found.marks
    places = [p for m in found.marks if m.causes and (p := diagnosis.place(m, trial)) is not None]
    calling = {line for p in places for _, line in p.callers} if callers else set()
    return {p.line for p in places} | calling


def write_change(
    diagnosis: Diagnosis,
    best: list[tuple[float, Edit, Trial, Explanation]],
    done: tuple[Edit, ...],
) -> None:
    """The changes as causes, and the mistakes that are left."""
    _, edit, mended, found = best[0]
    rest = (
        "what is still wrong in it is explained"
        if any(m.causes for m in found.marks)
        else "gives the right gradients in two independent experiments"
    )
    proof = f"your code with {'these changes' if done else 'this change'} runs, and {rest}"
    causes = [cause_of(e, target_of(e.after), proof) for e in (*done, edit)]
    causes[-1].alternatives = [cause_of(e, causes[-1].quantity, "") for _, e, *_ in best[1:3]]
    diagnosis.report.causes += causes
    if found.marks:
        diagnosis.write(mended, found)
    else:
        diagnosis.report.rows = list(mended.verdicts.values())
    rows = diagnosis.report.rows
    for cause in causes:
        if not any(plain(row.name) == plain(cause.quantity) for row in rows):
            rows.append(Verdict(cause.quantity, WRONG))
        row = next(r for r in rows if plain(r.name) == plain(cause.quantity))
        row.verdict, row.error, row.note = WRONG, None, f"backward stops, line {cause.line}"


def target_of(statement: str) -> str:
    """What a statement assigns to."""
    target, equals, _ = statement.partition(" = ")
    return target.rpartition(".")[2] if equals else "gradients"


def lines_of(failure: Failure) -> list[tuple[str, int]]:
    """The learner's lines that the exception passed through."""
    return [
        (frame.f_code.co_name, line)
        for frame, line in traceback.walk_tb(failure.error.__traceback__)
        if is_his(frame.f_code)
    ]


def sources_of(failure: Failure) -> list[tuple[str, int]]:
    """The lines that assign what the lines of `lines_of` use."""
    found: list[tuple[str, int]] = []
    for frame, line in traceback.walk_tb(failure.error.__traceback__):
        tree = tree_of(frame.f_code) if is_his(frame.f_code) else None
        nodes = list(ast.walk(tree)) if tree is not None else []
        names = {n.id for n in nodes if isinstance(n, ast.Name) and n.lineno == line}
        stored = [n for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        found += [
            (frame.f_code.co_name, n.lineno) for n in stored if n.id in names and n.lineno != line
        ]
    return found


def right_names(run: Run, trial: Trial, which: int) -> set[str]:
    """The gradients that are right; where the cost was not given, up to one factor of all of them."""
    truth = trial.truths[which].gradients
    tolerance = max(1e-7, trial.truths[which].tolerance * 10)
    if run.failure is not None:
        return set()
    pairs: dict[str, tuple[Any, Any]] = {}
    for name, right in truth.items():
        given = run.gradients.get(name)
        if given is None or np.size(given) != np.size(right):
            continue
        given = np.asarray(given)
        try:
            if np.broadcast_shapes(given.shape, right.shape) != right.shape:
                continue
        except ValueError:
            continue
        pairs[name] = given.reshape(right.shape), right
    with np.errstate(all="ignore"):
        found = {k for k, (g, r) in pairs.items() if off_by(g, r) <= tolerance}
        if not found and trial.inferred and len(pairs) > 1:
            factors = [np.sum(g * r) / np.sum(r * r) for g, r in pairs.values() if np.any(r)]
            c = float(np.median(factors)) if factors else 0.0
            if c > 0 and all(off_by(g, c * r) <= tolerance for g, r in pairs.values()):
                return set(pairs)
    return found


def off_by(given: Any, right: Any) -> float:
    size = max(float(np.abs(right).max()), 1e-12) if right.size else 1.0
    return float(np.abs(given - right).max() / size) if right.size else 0.0


def compiled(tree: ast.FunctionDef, original: CodeType) -> CodeType | None:
    """The code of a changed function, with the same free variables."""
    *_, owner, _ = ["", *original.co_qualname.split(".")]
    if any(name.startswith(f"_{owner.lstrip('_')}__") for name in original.co_names):
        tree = Mangled(owner).visit(copy.deepcopy(tree))
    body: list[ast.stmt] = [tree]
    if original.co_freevars:
        values = [
            ast.Assign([ast.Name(n, ast.Store())], ast.Constant(None)) for n in original.co_freevars
        ]
        outer = ast.parse("def outer(): pass").body[0]
        assert isinstance(outer, ast.FunctionDef)
        outer.body = [*values, tree]
        body = [outer]
        ast.fix_missing_locations(ast.copy_location(outer, tree))
    module = ast.Module(body, [])
    tree.decorator_list, tree.args.defaults, tree.returns = [], [], None
    tree.args.kw_defaults = [None] * len(tree.args.kw_defaults)
    try:
        code = compile(module, original.co_filename, "exec")
    except (SyntaxError, ValueError, TypeError):
        return None
    stack = [code]
    while stack:
        for const in stack.pop().co_consts:
            if isinstance(const, CodeType):
                if const.co_name == original.co_name:
                    return const if const.co_freevars == original.co_freevars else None
                stack.append(const)
    return None
