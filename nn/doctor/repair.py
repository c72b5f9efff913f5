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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from types import CodeType, FrameType, FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nn.doctor.naming import plain, tree_of
from nn.doctor.peel import Explanation
from nn.doctor.report import MISSING, WRONG, Cause, Verdict
from nn.doctor.sandbox import Failure, is_his
from nn.doctor.subject import Run
from nn.doctor.trial import Trial
from nn.doctor.twin import Factor

if TYPE_CHECKING:
    from nn.doctor.diagnosis import Diagnosis

RUNS = 800  # of the changed code, and no longer than
MORE = 400
SECONDS = 5.0
ROUNDS = 3

RARE = {"another name", "another name assigned", "index off by one"}

Path = tuple[tuple[str, int | None], ...]


class Edit(NamedTuple):
    """One changed place of one function."""

    kind: str
    code: CodeType
    path: Path
    new: ast.AST
    line: int
    before: str
    after: str


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
    return Cause(
        quantity,
        edit.kind,
        f"{edit.kind}: `{edit.before}` should be `{edit.after}`",
        edit.line,
        edit.code.co_name,
        edit.code.co_filename,
        linecache.getline(edit.code.co_filename, edit.line).strip(),
        fix=f"write `{edit.after}`",
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

    def change(self, edit: Edit) -> Any:
        """Make the change for good; what stood there."""
        self.changed.append(edit.code)
        return put(self.trees[edit.code], edit.path, edit.new)

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
        """The code after this change, or None where its cost is another."""
        self.left -= 1
        tree = self.trees[edit.code]
        old = put(tree, edit.path, edit.new)
        try:
            with self.replaced(edit) as done:
                if not done:
                    return None
                probe = self.trial.experiment.probes[which]
                run = self.subject.run(probe.params, probe.X, probe.Y, watch)
        finally:
            put(tree, edit.path, old)
        before = self.trial.runs[which].loss
        try:
            if run.stage == "forward" and run.failure:
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
        """The changes of the suspected lines first, then of the functions that ran, backward first."""
        for suspected in (True, False):
            for code, tree in self.trees.items():
                watched = {line for c, line in self.ran if c is code}
                for statement, path in statements(tree):
                    if watched.isdisjoint(own_lines(statement)) and watched:
                        continue
                    if ((code.co_name, statement.lineno) in self.first) == suspected:
                        yield from self.edits_of(code, statement, path)

    def edits_of(self, code: CodeType, statement: Any, path: Path) -> Iterator[Edit]:
        tree, before = self.trees[code], head(statement)
        seen = {before}
        made = statement_edits(statement, self.about[code])
        for kind, inner, new in sorted(made, key=lambda e: e[0] in RARE):
            whole = (*path, *inner)
            old = put(tree, whole, new)
            ast.fix_missing_locations(ast.copy_location(new, old))
            after = head(at(tree, path))
            put(tree, whole, old)
            if after not in seen:
                seen.add(after)
                yield Edit(kind, code, whole, new, statement.lineno, before, after)


def attributes_in(tree: ast.AST) -> Iterator[str]:
    """The attributes of self: "self.W", ..."""
    for n in ast.walk(tree):
        if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == "self":
            yield ast.unparse(n)


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
                old = repair.change(edit)
                if go_on(diagnosis, replace(trial, runs=runs), repair, (*done, edit)):
                    return True
                repair.change(edit._replace(new=old))
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
    """The gradients that are right; with one common factor all of them."""
    truth = trial.truths[which].gradients
    tolerance = max(1e-7, trial.truths[which].tolerance * 10)
    if run.failure is not None:
        return set()
    found = set()
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
        size = max(float(np.abs(right).max()), 1e-12)
        with np.errstate(all="ignore"):
            if np.abs(given.reshape(right.shape) - right).max() <= tolerance * size:
                found.add(name)
    return found


def compiled(tree: ast.FunctionDef, original: CodeType) -> CodeType | None:
    """The code of a changed function, with the same free variables."""
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


# --- which lines, which changes -------------------------------------------------------------------


def statements(tree: ast.FunctionDef) -> list[tuple[Any, Path]]:
    """The statements that a change is tried in, the last first: gradients go backwards."""
    kinds = (ast.Assign, ast.AugAssign, ast.Return, ast.Expr, ast.For, ast.If, ast.While)
    found = [(node, path) for path, node in parts_of(tree) if isinstance(node, kinds)]
    return [
        (node, path)
        for node, path in found[::-1]
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]


def own_lines(statement: ast.stmt) -> range:
    """The lines of a statement, without those of what it repeats or decides."""
    body = getattr(statement, "body", None)
    last = max(body[0].lineno - 1, statement.lineno) if body else statement.end_lineno
    return range(statement.lineno, (last or statement.lineno) + 1)


def head(statement: ast.stmt) -> str:
    return ast.unparse(statement).split("\n")[0]


def parts_of(node: ast.AST, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """All that is below a node, with the way to it."""
    for name, value in ast.iter_fields(node):
        for i, item in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(item, ast.AST):
                here = (*path, (name, i))
                yield here, item
                yield from parts_of(item, here)


def at(node: Any, path: Path) -> Any:
    for name, i in path:
        node = getattr(node, name) if i is None else getattr(node, name)[i]
    return node


def put(tree: ast.AST, path: Path, new: Any) -> Any:
    """Put another node at the end of the path; what stood there."""
    owner, (name, i) = at(tree, path[:-1]), path[-1]
    old = at(tree, path)
    if i is None:
        setattr(owner, name, new)
    else:
        getattr(owner, name)[i] = new
    return old


class About:
    """What the parts of a statement may be exchanged for, in one function."""

    def __init__(self, tree: ast.FunctionDef, frame: FrameType | None, attributes: list[str]):
        nodes = list(ast.walk(tree))
        arguments = [a.arg for a in (*tree.args.args, *tree.args.kwonlyargs) if a.arg != "self"]
        stored = [n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        self.assigned = set(stored)
        self.names = list(dict.fromkeys([*arguments, *stored, *attributes]))
        self.entries = list(entries_stored(nodes))
        strings = {n.value for n in nodes if isinstance(n, ast.Constant)}
        self.strings = sorted(
            {x for x in strings if isinstance(x, str)} | {"relu", "sigmoid", "tanh"}
        )
        known = dict(frame.f_locals) if frame is not None else {}
        own = getattr(known.get("self"), "__dict__", {})
        known |= {f"self.{k}": v for k, v in own.items()}
        self.sorts = {k: sort_of(v) for k, v in known.items()}
        self.helpers = sorted(
            k
            for k, v in (frame.f_globals.items() if frame is not None else ())
            if isinstance(v, FunctionType) and re.search("deriv|prime|backward|grad", k.lower())
        )

    def of_sort(self, sort: str | None) -> list[str]:
        """The names of values of this sort, and those whose values are not known."""
        return [k for k in self.names if sort is None or self.sorts.get(k, sort) == sort]

    def alike(self, text: str) -> list[str]:
        """The names that may stand in the place of this one."""
        return self.of_sort(self.sorts.get(text))


def sort_of(value: Any) -> str:
    if isinstance(value, bool | int | float | np.number):
        return "number"
    return "array" if isinstance(value, np.ndarray) else type(value).__name__


def entries_stored(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, str]]:
    """The entries that a function stores, and their neighbours, by the words of their keys:
    ("dA", "grads['dA' + str(l + 1)]") where grads["dA" + str(l)] is stored."""
    for node in nodes:
        if not (isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)):
            continue
        words = [n.value for n in ast.walk(node.slice) if isinstance(n, ast.Constant)]
        word = next((w for w in words if isinstance(w, str) and w), None)
        numbers = {n.id for n in ast.walk(node.slice) if isinstance(n, ast.Name)} - {"str"}
        text = ast.unparse(node)
        for name in sorted(numbers) if word else ():
            for new in (name, f"{name} + 1", f"{name} - 1"):
                yield str(word), re.sub(rf"\b{name}\b", new, text)


def statement_edits(statement: ast.stmt, about: About) -> Iterator[tuple[str, Path, ast.AST]]:
    """(kind, where in the statement, what to put there), one change each."""
    part = {ast.For: "iter", ast.If: "test", ast.While: "test"}.get(type(statement), "value")
    value = getattr(statement, part)
    if value is None:
        return
    yield from inner_edits(value, ((part, None),), about)
    if not isinstance(statement, ast.Assign | ast.AugAssign | ast.Return):
        return
    several = isinstance(value, ast.Tuple)
    for i, whole in enumerate(value.elts if several else [value]):
        # a variable is changed where it is assigned
        known = isinstance(whole, ast.Name) and whole.id in about.assigned
        if not known or not (several or isinstance(statement, ast.Return)):
            inside: Path = (("value", None), ("elts", i)) if several else (("value", None),)
            for kind, new in () if is_size(statement, about) else whole_edits(whole, about):
                yield kind, inside, new
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        slot: tuple[str, int | None] = ("targets", 0)
        if isinstance(target, ast.Name | ast.Attribute | ast.Subscript):
            yield "= for +=", (), ast.AugAssign(target, ast.Add(), value)
        for other in about.alike(target.id) if isinstance(target, ast.Name) else ():
            new = source(other)
            new.ctx = ast.Store()
            yield "another name assigned", (slot,), new
    elif isinstance(statement, ast.AugAssign):
        target, slot = statement.target, ("target", None)
        yield "+= for =", (), ast.Assign([target], value)
        yield "statement too many", (), ast.Pass()
        for op in (ast.Sub, ast.Add, ast.Mult):
            yield "another operation", (("op", None),), op()
    else:
        return
    if isinstance(target, ast.Subscript):
        yield from inner_edits(target.slice, (slot, ("slice", None)), about)


def is_size(statement: ast.stmt, about: About) -> bool:
    """Whether the statement assigns a whole number of things."""
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    return isinstance(target, ast.Name) and about.sorts.get(target.id) == "number"


Rule = tuple[str, ast.expr, ast.expr]


def source(text: str) -> Any:
    """The expression, without a place: it gets that of what it replaces."""
    tree = ast.parse(text, mode="eval").body
    for node in ast.walk(tree):
        for attribute in node._attributes:
            delattr(node, attribute)
    return tree


def rules(table: Mapping[str, Sequence[str]]) -> list[Rule]:
    """(kind, what stands there, what may have been meant); x, y and f stand for any expression."""
    found = []
    for kind, lines in table.items():
        for pattern, _, several in (line.partition(" -> ") for line in lines):
            found += [(kind, source(pattern), source(new)) for new in several.split(" | ")]
    return found


COMPARISONS = (">", "<", ">=", "<=")
PARTS = rules(
    {
        "transpose too many": ["x.T -> x"],
        "another operation": [
            "x + y -> x - y",
            "x - y -> x + y",
            "x * y -> x / y | x @ y",
            "x / y -> x * y",
            "x @ y -> x * y",
        ],
        "operands exchanged": [
            "x - y -> y - x",
            "x / y -> y / x",
            "x @ y -> y @ x",
            "f(x, y) -> f(y, x)",
        ],
        "something too many": [
            *(f"x {op} y -> x | y" for op in ("+", "-", "*", "/", "@", "**", "//")),
            "f(x) -> x",
        ],
        "sign": ["-x -> x"],
        "mask inverted": ["~x -> x"],
        "another comparison": [
            f"x {a} y -> x {b} y" for a in COMPARISONS for b in COMPARISONS if a != b
        ],
        "sum for mean": ["x.sum -> x.mean"],
        "mean for sum": ["x.mean -> x.sum"],
    }
)
WHOLE = rules(
    {
        "sign": ["x -> -x"],
        "transposed": ["x -> x.T"],
        "factor 2": ["x -> x * 2"],
        "factor 0.5": ["x -> x * 0.5"],
        "not summed": [
            f"x -> np.sum(x, axis={i}{more})" for i in (0, 1) for more in ("", ", keepdims=True")
        ],
    }
)
BY_NUMBER = rules({"missing 1/{}": ["x -> x / y"], "1/{} too many": ["x -> x * y"]})
BY_ARRAY = rules(
    {
        "size missing": ["x -> x / y.shape[0] | x / y.shape[1]"],
        "a factor missing": ["x -> x * y | x * (1 - y)"],
        "derivative of relu missing": ["x -> x * (y > 0)"],
        "derivative of sigmoid missing": ["x -> x * (y * (1 - y))"],
        "derivative of tanh missing": ["x -> x * (1 - y ** 2)"],
        "a term missing": ["x -> x + y"],
    }
)


def rewritten(node: ast.expr, by: Sequence[Rule], y: str = "") -> Iterator[tuple[str, ast.expr]]:
    """What these rules make of an expression, with this name for y."""
    for kind, pattern, new in by:
        found: dict[str, ast.AST] = {"y": source(y)} if y else {}
        if matches(pattern, node, found):
            yield kind.format(y), filled(new, found)


def matches(pattern: Any, node: Any, found: dict[str, ast.AST]) -> bool:
    """Whether an expression has this form; ``found``: what its x, y and f are."""
    if isinstance(pattern, ast.Name) and isinstance(node, ast.expr):
        found[pattern.id] = node
        return True
    if isinstance(pattern, list):
        pairs = zip(pattern, node, strict=False)
        return len(pattern) == len(node) and all(matches(p, n, found) for p, n in pairs)
    if not isinstance(pattern, ast.AST):
        return bool(pattern == node)
    return type(pattern) is type(node) and all(
        matches(value, getattr(node, name), found)
        for name, value in ast.iter_fields(pattern)
        if name != "ctx"
    )


def filled(template: ast.expr, parts: Mapping[str, ast.AST]) -> Any:
    """The template with these expressions in the place of its names."""

    class Fill(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.AST:
            return parts.get(node.id, node)

    return Fill().visit(copy.deepcopy(template))


def whole_edits(value: ast.expr, about: About) -> Iterator[tuple[str, ast.expr]]:
    """Something done to a whole right-hand side: a sign, a factor, a derivative."""
    yield from rewritten(value, WHOLE)
    for name in about.of_sort("number"):
        if name in about.sorts or name in ("m", "n", "N", "batch_size"):
            yield from rewritten(value, BY_NUMBER, name)
    for name in about.of_sort("array"):
        yield from rewritten(value, BY_ARRAY, name)


def inner_edits(value: ast.expr, path: Path, about: About) -> Iterator[tuple[str, Path, Any]]:
    """The expression with one change somewhere inside."""
    places: list[tuple[Path, Any]] = [((), value)]
    places += [(p, n) for p, n in parts_of(value) if isinstance(n, ast.expr)]
    for inner, node in places:
        owner = at(value, inner[:-1]) if inner else None
        called = isinstance(owner, ast.Call) and owner.func is node
        method = owner.attr if isinstance(owner, ast.Attribute) else ""
        if called and isinstance(node, ast.Name):
            others = about.helpers if node.id in about.helpers else []
            made = [("another function", source(h)) for h in others]
        elif method not in ("", "T", "shape") and is_outside(node, about):
            continue
        else:
            made = list(node_edits(node, about))
        if not called and method not in ("T", "sum", "mean") and may_be_array(node):
            made.append(("transpose missing", ast.Attribute(node, "T", ast.Load())))
        yield from ((kind, (*path, *inner), new) for kind, new in made)


def is_outside(node: ast.expr, about: About) -> bool:
    """Whether this is no variable of the function, but a module or self."""
    return isinstance(node, ast.Name) and node.id not in about.names


def may_be_array(node: ast.expr) -> bool:
    transposed = isinstance(node, ast.Attribute) and node.attr == "T"
    return isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call) and not transposed


def node_edits(node: ast.expr, about: About) -> Iterator[tuple[str, ast.expr]]:
    """One part of an expression changed: in its form, or something else in its place."""
    text = ast.unparse(node)
    if isinstance(node, ast.Call):
        yield from sum_edits(node)
    yield from rewritten(node, PARTS)
    if isinstance(node, ast.Constant):
        for kind, value in other_constants(node.value, about.strings):
            yield kind, ast.Constant(value)
    if isinstance(node, ast.Name) or text in about.names:
        for name in about.alike(text):
            yield "another name", source(name)
        for word, entry in about.entries:
            if text.lower().startswith(word.lower()):
                yield "another name", source(entry)
    if isinstance(node, ast.Name) and about.sorts.get(text, "number") == "number":
        yield "index off by one", source(f"{text} + 1")
        yield "index off by one", source(f"{text} - 1")


def other_constants(value: Any, strings: Sequence[str]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, bool):
        yield "another constant", not value
    elif isinstance(value, int):
        yield from (("another number", x) for x in (value + 1, value - 1, 2))
    elif isinstance(value, float):
        yield from (("another number", x) for x in (1 - value, 2 * value, value / 2, 1.0))
    elif isinstance(value, str):
        yield from ((f"'{value}' for '{text}'", text) for text in strings)


def sum_edits(call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """Another axis of a sum or a mean, an axis or keepdims that is missing or too many."""
    if not (isinstance(call.func, ast.Attribute) and call.func.attr in ("sum", "mean")):
        return
    kept = [k for k in call.keywords if k.arg not in ("axis", "keepdims")]
    for axis in ("axis=0", "axis=1", ""):
        for keep in ("keepdims=True", ""):
            words = source(f"f({', '.join(filter(None, (axis, keep)))})").keywords
            yield "axis or keepdims", ast.Call(call.func, call.args[:1], [*kept, *words])
