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
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from nn.doctor.naming import plain, tree_of
from nn.doctor.peel import Explanation
from nn.doctor.report import MISSING, WRONG, Cause, Verdict
from nn.doctor.sandbox import Failure, is_his
from nn.doctor.subject import Run
from nn.doctor.trial import Trial

if TYPE_CHECKING:
    from nn.doctor.diagnosis import Diagnosis

RUNS = 800  # of the changed code, and no longer than
MORE = 400
SECONDS = 5.0
ROUNDS = 3

RARE = {"another name", "another attribute", "another name assigned", "index off by one"}

Path = tuple[tuple[str, int | None], ...]


class Edit(NamedTuple):
    """One changed statement of one function."""

    kind: str
    code: CodeType
    path: Path
    new: ast.stmt
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
        codes = dict(trial.runs[0].tracer.codes) if trial.runs[0].tracer else {}
        order = [*codes, *(c for c in trial.runs[0].forward_codes if c not in codes)]
        self.trees: dict[CodeType, ast.FunctionDef] = {}
        self.functions: dict[CodeType, list[FunctionType]] = {}
        for code in order:
            tree = tree_of(code)
            if isinstance(tree, ast.FunctionDef):
                self.trees[code] = copy.deepcopy(tree)
        self.changed: list[CodeType] = []
        self.helpers = derivative_functions(codes)
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
        old = at(self.trees[edit.code], edit.path)
        put(self.trees[edit.code], edit.path, edit.new)
        self.changed.append(edit.code)
        return old

    def tried(self, edit: Edit, which: int) -> set[str] | None:
        """The right gradients after this change, or None where it fails or the cost is another."""
        run = self.rerun(edit, which)
        return right_names(run, self.trial, which) if run and not run.failure else None

    def both(self, edit: Edit, stops: Sequence[tuple[str, int]]) -> list[Run]:
        """The runs of both probes after this change; fewer where one stops in these lines again."""
        runs: list[Run] = []
        for which in (0, 1):
            run = self.rerun(edit, which, watch=True)
            if run is None or (run.failure and (run.failure.function, run.failure.line) in stops):
                break
            runs.append(run)
        return runs

    def rerun(self, edit: Edit, which: int, watch: bool = False) -> Run | None:
        """The code after this change, or None where its cost is another."""
        self.left -= 1
        tree = self.trees[edit.code]
        old = at(tree, edit.path)
        put(tree, edit.path, edit.new)
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
        attributes = sorted(
            {
                n.attr
                for tree in self.trees.values()
                for n in ast.walk(tree)
                if isinstance(n, ast.Attribute)
                and isinstance(n.value, ast.Name)
                and n.value.id == "self"
            }
        )
        for suspected in (True, False):
            for code, tree in self.trees.items():
                for statement, path in statements(tree):
                    inside = (code.co_name, statement.lineno) in self.first
                    if inside != suspected:
                        continue
                    about = about_function(tree, attributes, self.helpers)
                    seen = {head(statement)}
                    made = sorted(statement_edits(statement, about), key=lambda e: e[0] in RARE)
                    for kind, new in made:
                        located(new, statement)
                        text = head(new)
                        if text not in seen:
                            seen.add(text)
                            yield Edit(
                                kind, code, path, new, statement.lineno, head(statement), text
                            )


def go_on(
    diagnosis: Diagnosis, trial: Trial, repair: Repair | None = None, done: tuple[Edit, ...] = ()
) -> bool:
    """Backward stopped: the change of that line after which it runs and everything is explained.

    Other mistakes may be left, and are found in the run that goes on; ``done`` are the changes so far.
    """
    assert trial.failure is not None
    lines = lines_of(trial.failure)
    repair = repair or Repair(diagnosis, trial, lines)
    later: list[tuple[Edit, list[Run]]] = []
    for near in (lines, sources_of(trial.failure)):  # what stands in a line, then what it uses
        repair.first, repair.left = set(near), RUNS // 2
        best: list[tuple[float, Edit, Trial, Explanation]] = []
        for edit in repair.edits():
            if repair.is_over() or (edit.code.co_name, edit.line) not in repair.first:
                break
            if any(not cost and e.line != edit.line for cost, e, *_ in best):
                break  # everything is right already
            runs = repair.both(edit, lines)
            if len(runs) < 2:
                continue
            stopped = any(r.failure for r in runs)
            mended, found = explained(trial, runs, stopped)
            lines_now = {e.line for e in (*done, edit)}
            far = edit.kind in RARE  # then what is computed by way of the line has to be right too
            if found is None or wrong_lines(diagnosis, mended, found, far) & lines_now:
                continue
            if stopped:
                later.append((edit, runs))
            else:
                best.append((found.cost, edit, mended, found))
        if best:
            best.sort(key=lambda b: b[0])
            write_change(diagnosis, [b for b in best if b[0] <= best[0][0] + 0.05], done)
            return True
    for edit, runs in later[:6] if len(done) < 2 else []:
        old = repair.change(edit)
        if go_on(diagnosis, replace(trial, runs=runs), repair, (*done, edit)):
            return True
        repair.change(edit._replace(new=old))
    return False


def explained(trial: Trial, runs: list[Run], stopped: bool) -> tuple[Trial, Explanation | None]:
    """The trial with these runs, and the explanation of all its gradients, if there is one."""
    twin = trial.twin_of()
    mended = replace(trial, runs=runs, verdicts={})
    if stopped:
        return mended, mended.explanation_on_the_way()
    mended.compare()
    if twin is None or any(v.verdict == MISSING for v in mended.verdicts.values()):
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
    diagnosis.write(mended, found)
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


def derivative_functions(codes: Any) -> list[str]:
    names: set[str] = set()
    for frame in codes.values():
        for k, v in frame.f_globals.items():
            if isinstance(v, FunctionType) and any(
                w in k.lower() for w in ("deriv", "prime", "backward", "grad")
            ):
                names.add(k)
    return sorted(names)


SIMPLE = (ast.Assign, ast.AugAssign, ast.Return, ast.Expr, ast.For, ast.If, ast.While)


def statements(tree: ast.FunctionDef) -> list[tuple[Any, Path]]:
    """The statements that a change is tried in, the last first: gradients go backwards."""
    found = [
        (node, path)
        for path, node in nodes_with_paths(tree)
        if isinstance(node, SIMPLE)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]
    return found[::-1]


def about_function(tree: ast.FunctionDef, attributes: list[str], helpers: list[str]) -> About:
    strings = {
        n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)
    }
    sizes = {
        n.targets[0].id
        for n in ast.walk(tree)
        if isinstance(n, ast.Assign)
        and isinstance(n.targets[0], ast.Name)
        and re.search(r"shape\[|len\(|\.size", ast.unparse(n.value))
        and "/" not in ast.unparse(n.value)
    }
    known = sorted(strings | {"relu", "sigmoid", "tanh"})
    arguments = [a.arg for a in (*tree.args.args, *tree.args.kwonlyargs) if a.arg != "self"]
    assigned = [
        n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    ]
    names = list(dict.fromkeys([*arguments, *assigned]))
    return About(names, assigned, attributes, helpers, known, sizes, list(stored(tree)))


def stored(tree: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    """The entries that a function stores, and their neighbours, by the words of their keys:
    ("dA", "grads['dA' + str(l + 1)]") where grads["dA" + str(l)] is stored."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)):
            continue
        words = [n.value for n in ast.walk(node.slice) if isinstance(n, ast.Constant)]
        word = next((w for w in words if isinstance(w, str) and w), None)
        numbers = {n.id for n in ast.walk(node.slice) if isinstance(n, ast.Name)} - {"str"}
        text = ast.unparse(node)
        for name in sorted(numbers) if word else ():
            for new in (name, f"{name} + 1", f"{name} - 1"):
                yield str(word), re.sub(rf"\b{name}\b", new, text)


def head(statement: ast.stmt) -> str:
    return ast.unparse(statement).split("\n")[0]


class About(NamedTuple):
    names: list[str]
    assigned: list[str]
    attributes: list[str]
    helpers: list[str]
    strings: list[str]
    sizes: set[str]
    stored: list[tuple[str, str]]


def nodes_with_paths(node: ast.AST, path: Path = ()) -> Iterator[tuple[Path, ast.AST]]:
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            here = (*path, (name, None))
            yield here, value
            yield from nodes_with_paths(value, here)
        elif isinstance(value, list):
            for i, item in enumerate(value):
                if isinstance(item, ast.AST):
                    here = (*path, (name, i))
                    yield here, item
                    yield from nodes_with_paths(item, here)


def at(node: Any, path: Path) -> Any:
    for name, i in path:
        node = getattr(node, name) if i is None else getattr(node, name)[i]
    return node


def located(new: ast.stmt, old: ast.stmt) -> None:
    """Give a new statement the line of the old one."""
    if not hasattr(new, "lineno"):
        ast.copy_location(new, old)
    ast.fix_missing_locations(new)


def put(tree: ast.AST, path: Path, new: Any) -> None:
    owner = at(tree, path[:-1])
    name, i = path[-1]
    if i is None:
        setattr(owner, name, new)
    else:
        getattr(owner, name)[i] = new


def with_part(node: Any, path: Path, new: Any) -> Any:
    """The tree with another part at ``path``; what is not on the path is shared with the old one."""
    if not path:
        return new
    name, i = path[0]
    old = getattr(node, name)
    if i is None:
        return changed(node, **{name: with_part(old, path[1:], new)})
    return changed(node, **{name: [*old[:i], with_part(old[i], path[1:], new), *old[i + 1 :]]})


def statement_edits(statement: ast.stmt, about: About) -> Iterator[tuple[str, ast.stmt]]:
    """The statement with one change in it."""
    if isinstance(statement, ast.For | ast.If | ast.While):
        part = "iter" if isinstance(statement, ast.For) else "test"
        for kind, new in expression_edits(getattr(statement, part), about):
            yield kind, changed(statement, **{part: new})
        return
    value = getattr(statement, "value", None)
    if value is None:
        return
    for kind, new in expression_edits(value, about):
        yield kind, changed(statement, value=new)
    if isinstance(statement, ast.Assign):
        yield from assignment_edits(statement, about)
    elif isinstance(statement, ast.Return) and not is_assigned(value, about):
        yield from side_edits(statement, value, about)
    elif isinstance(statement, ast.AugAssign):
        yield from side_edits(statement, value, about)
        target = statement.target
        if isinstance(target, ast.Subscript):
            for kind, index in expression_edits(target.slice, about):
                yield kind, changed(statement, target=changed(target, slice=index))
        yield "+= for =", ast.Assign([target], value)
        yield "statement too many", ast.Pass()
        for op in (ast.Sub, ast.Add, ast.Mult):
            if not isinstance(statement.op, op):
                yield "another operation", changed(statement, op=op())


def side_edits(
    statement: ast.stmt, value: ast.expr, about: About
) -> Iterator[tuple[str, ast.stmt]]:
    """Something done to the right-hand side, or to one of its parts."""
    if not isinstance(value, ast.Tuple):
        for kind, new in whole_edits(value, about):
            yield kind, changed(statement, value=new)
        return
    for i, part in enumerate(value.elts):
        for kind, new in () if is_assigned(part, about) else whole_edits(part, about):
            elements = [*value.elts[:i], new, *value.elts[i + 1 :]]
            yield kind, changed(statement, value=ast.Tuple(elements, ast.Load()))


def is_assigned(value: ast.expr, about: About) -> bool:
    """Whether this is a variable of the function: changes are tried where it is assigned."""
    return isinstance(value, ast.Name) and value.id in about.assigned


def assignment_edits(statement: ast.Assign, about: About) -> Iterator[tuple[str, ast.stmt]]:
    target, value = statement.targets[0], statement.value
    if not (isinstance(target, ast.Name) and target.id in about.sizes):
        yield from side_edits(statement, value, about)
    if len(statement.targets) > 1:
        return
    if isinstance(target, ast.Name | ast.Attribute | ast.Subscript):
        yield "= for +=", ast.AugAssign(target, ast.Add(), value)
    if isinstance(target, ast.Name):
        for name in about.names:
            if name != target.id:
                yield "another name assigned", ast.Assign([ast.Name(name, ast.Store())], value)
    if isinstance(target, ast.Subscript):
        for kind, index in expression_edits(target.slice, about):
            yield kind, ast.Assign([changed(target, slice=index)], value)


Node = TypeVar("Node", bound=ast.AST)


def changed(node: Node, **parts: Any) -> Node:
    """The node with other parts; the rest is shared with the old one."""
    new = copy.copy(node)
    for name, part in parts.items():
        setattr(new, name, part)
    return new


def source(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def whole_edits(value: ast.expr, about: About) -> Iterator[tuple[str, ast.expr]]:
    """Something done to a whole right-hand side: a sign, a factor, a derivative."""

    def times(op: ast.operator, other: ast.expr) -> ast.expr:
        return ast.BinOp(value, op, other)

    yield "sign", ast.UnaryOp(ast.USub(), value)
    yield "transposed", ast.Attribute(value, "T", ast.Load())
    for number in (2, 0.5):
        yield f"factor {number:g}", times(ast.Mult(), ast.Constant(number))
    for name in about.names:
        n = ast.Name(name, ast.Load())
        if name in about.sizes or name in ("m", "n", "N", "batch_size"):
            yield f"missing 1/{name}", times(ast.Div(), n)
            yield f"1/{name} too many", times(ast.Mult(), n)
        yield "size missing", times(ast.Div(), source(f"{name}.shape[0]"))
        yield "size missing", times(ast.Div(), source(f"{name}.shape[1]"))
    arrays = [*about.names, *(f"self.{a}" for a in about.attributes)]
    for name in arrays:
        for kind, text in (
            ("a factor missing", name),
            ("a factor missing", f"(1 - {name})"),
            ("derivative of relu missing", f"({name} > 0)"),
            ("derivative of sigmoid missing", f"({name} * (1 - {name}))"),
            ("derivative of tanh missing", f"(1 - {name} ** 2)"),
        ):
            yield kind, times(ast.Mult(), source(text))
        yield "a term missing", times(ast.Add(), source(name))
    for axis in (0, 1):
        for keep in ("", ", keepdims=True"):
            call = source(f"np.sum(x, axis={axis}{keep})")
            assert isinstance(call, ast.Call)
            call.args[0] = value
            yield "not summed", call


def expression_edits(value: ast.expr, about: About) -> Iterator[tuple[str, ast.expr]]:
    """The expression with one change somewhere inside."""
    places: list[tuple[Path, Any, bool]] = [((), value, False)]
    places += [
        (path, node, is_function(value, path))
        for path, node in nodes_with_paths(value)
        if isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), ast.Store)
    ]
    for path, node, function in places:
        made = [] if not isinstance(node, ast.Call) else list(call_edits(node))
        if not function or getattr(node, "id", "") in about.helpers:
            made += node_edits(node, about)
        for kind, new in made:
            if path:
                yield kind, with_part(value, path, new)
            else:
                yield kind, new


def is_function(value: ast.expr, path: Path) -> bool:
    """Whether this part is a function that is called, or the module or object before a dot."""
    name = path[-1][0]
    owner = at(value, path[:-1])
    if isinstance(owner, ast.Call) and name == "func":
        return isinstance(at(value, path), ast.Name)
    return isinstance(owner, ast.Attribute) and owner.attr not in ("T", "shape")


OTHER: dict[type, list[type]] = {
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Div, ast.MatMult],
    ast.Div: [ast.Mult],
    ast.MatMult: [ast.Mult],
}
COMPARE: list[type[ast.cmpop]] = [ast.Gt, ast.Lt, ast.GtE, ast.LtE]


def node_edits(node: ast.expr, about: About) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield "transpose too many", node.value
        return
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
        yield "transpose missing", ast.Attribute(node, "T", ast.Load())
    if isinstance(node, ast.Name):
        for name in about.names:
            if name != node.id:
                yield "another name", ast.Name(name, ast.Load())
        for attribute in about.attributes:
            yield "another name", source(f"self.{attribute}")
        for word, entry in about.stored:
            if node.id.lower().startswith(word.lower()):
                yield "another name", source(entry)
        for helper in about.helpers:
            if helper != node.id and node.id in about.helpers:
                yield "another function", ast.Name(helper, ast.Load())
        for op in (ast.Add(), ast.Sub()):
            yield "index off by one", ast.BinOp(node, op, ast.Constant(1))
    elif isinstance(node, ast.Attribute):
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            for attribute in about.attributes:
                if attribute != node.attr:
                    yield "another attribute", source(f"self.{attribute}")
            for name in about.names:
                yield "another name", ast.Name(name, ast.Load())
        elif node.attr in ("sum", "mean"):
            other = {"sum": "mean", "mean": "sum"}[node.attr]
            yield f"{node.attr} for {other}", ast.Attribute(node.value, other, ast.Load())
    elif isinstance(node, ast.BinOp):
        for new in OTHER.get(type(node.op), []):
            yield "another operation", ast.BinOp(node.left, new(), node.right)
        if isinstance(node.op, ast.Sub | ast.Div | ast.MatMult):
            yield "operands exchanged", ast.BinOp(node.right, node.op, node.left)
        yield "something too many", node.left
        yield "something too many", node.right
    elif isinstance(node, ast.UnaryOp):
        yield "mask inverted" if isinstance(node.op, ast.Invert) else "sign", node.operand
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for cmp in COMPARE:
            if not isinstance(node.ops[0], cmp):
                yield "another comparison", ast.Compare(node.left, [cmp()], node.comparators)
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield "another constant", ast.Constant(not node.value)
        elif isinstance(node.value, int):
            for number in (node.value + 1, node.value - 1, 2):
                if number != node.value:
                    yield "another number", ast.Constant(number)
        elif isinstance(node.value, float):
            for x in (1 - node.value, 2 * node.value, node.value / 2, 1.0):
                yield "another number", ast.Constant(x)
        elif isinstance(node.value, str):
            for text in about.strings:
                if text != node.value:
                    yield f"'{node.value}' for '{text}'", ast.Constant(text)


def call_edits(call: Any) -> Iterator[tuple[str, ast.expr]]:
    """Exchanged arguments, another axis, an axis or keepdims that is missing."""
    if len(call.args) == 2:
        yield "operands exchanged", ast.Call(call.func, call.args[::-1], call.keywords)
    if len(call.args) == 1 and not call.keywords:
        yield "something too many", call.args[0]
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if name == "sum" or name == "mean":
        kept = [k for k in call.keywords if k.arg not in ("axis", "keepdims")]
        for axis in (0, 1, None):
            for keep in (True, False):
                words = list(kept)
                if axis is not None:
                    words.append(ast.keyword("axis", ast.Constant(axis)))
                if keep:
                    words.append(ast.keyword("keepdims", ast.Constant(True)))
                yield "axis or keepdims", ast.Call(call.func, call.args[:1], words)
        if isinstance(call.func, ast.Attribute):
            other = "sum" if name == "mean" else "mean"
            function = ast.Attribute(call.func.value, other, ast.Load())
            yield f"{name} for {other}", ast.Call(function, call.args, call.keywords)
    for i, k in enumerate(call.keywords):
        if k.arg == "axis" and isinstance(k.value, ast.Constant) and k.value.value in (0, 1):
            words = list(call.keywords)
            words[i] = ast.keyword("axis", ast.Constant(1 - k.value.value))
            yield "wrong axis", ast.Call(call.func, call.args, words)
