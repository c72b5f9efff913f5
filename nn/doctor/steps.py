"""The training steps of a file: on the data of its own run, of a call, or on invented ones."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from itertools import islice
from types import FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from nn.doctor import invent
from nn.doctor.handed import HandedOver, handed_over, subject_of
from nn.doctor.loops import (
    Site,
    TrainingStep,
    around,
    columns_for,
    data_name,
    is_likelihood,
    is_many,
    names_in,
    place_of,
    reads,
    receives_gradients,
    rows_with_labels,
    sites,
    stored_inside,
)
from nn.doctor.naming import free_names, label, last_name, required, role_of, source_tree
from nn.doctor.observed import Difference, ObservedStep, differences
from nn.doctor.pretend import LABELS
from nn.doctor.reading import IS, NOT, arguments, has_loop, states
from nn.doctor.rehearsal import Rehearsal, Seen
from nn.doctor.report import MISSING, Report, without_stop
from nn.doctor.sandbox import LIMIT, Failure, TooLong, attempt, limited
from nn.doctor.statements import copied, put_at, value_at
from nn.doctor.subject import RATE, Subject, arrays_of, differs, parameters_in
from nn.doctor.symmetry import several_steps

if TYPE_CHECKING:
    from nn.doctor.find import Finder

Function = Callable[..., Any]
PATIENCE = 6.0  # seconds of processor time for finding data that a step runs on
TRAINS = re.compile(r"fit|train|learn|epoch|descent|optimi", re.I)
SHORT = 4.0  # seconds for one run of a step
MANY = 1000  # numbers in targets
MORE = 60  # examples, where a few lead to no step
TRIED = 6  # invented arguments, where a step is to confirm what was found otherwise


class Steps:
    """The training steps that a finder sees, and what they say of what was found otherwise."""

    def __init__(self, finder: Finder):
        self.finder = finder
        self.origin = ""  # of the data of a step
        # by the title of a step: the functions and classes that it uses
        self.inside: dict[str, set[str]] = {}
        self.whole: set[str] = set()  # titles of steps for which the whole function is taken

    def reports(self) -> Iterator[Report]:
        """Loops that compute the gradients and update the parameters in their own lines; or in what
        they call, where nothing of that was examined as a whole."""
        titles: set[str] = set()
        covered: set[str] = set()  # backward passes that are called in what was examined
        examined: set[ast.stmt | None] = set()  # loops around steps, and functions that are steps
        for site in sorted(self.sites, key=lambda s: not s.updates):  # what updates, first
            owner = site.owner.name if site.owner is not None else ""
            done = (site.kind is None and owner in self.finder.used) or (
                site.kind,
                owner,
            ) in self.finder.methods
            done = done or receives_gradients(site)
            passes = self.backward_passes(site)
            whole = self.finder.wholes and not passes - covered - self.finder.wholes
            if done or (self.is_driver(site) if site.updates else whole):
                continue
            if site.title in titles or not examined.isdisjoint([*site.loops[-1:], site.owner]):
                continue
            with limited(min(SHORT, LIMIT.get())):
                report = self.finder.best(site.title, self.step_subjects(site))
            if report.status != 2:
                titles.add(site.title)
                covered |= passes
                examined.update(site.loops)
                examined |= {site.owner} - {None} if site.title in self.whole else set()
                self.finder.wholes |= {owner} - {""}
                self.finder.take(owner if site.kind is None else site.kind, *names_in(site.body))
                self.finder.used |= self.inside.get(site.title, set())
            if report.status != 2 or site.updates:
                yield report

    def backward_passes(self, site: Site) -> set[str]:
        """The functions and methods of the file that a step calls and that are called as a backward pass
        is."""
        calls = (n.func for s in site.body for n in ast.walk(s) if isinstance(n, ast.Call))
        names = set(map(last_name, calls))
        return {n for n in names & self.defined if IS["backward"].search(n)}

    def optimised(self) -> Iterator[Report]:
        """The costs and gradients that an optimiser is handed."""
        for site in self.handovers:
            names = names_in(site.body)
            with limited(min(SHORT, LIMIT.get())):
                report = self.finder.best(site.title, self.step_subjects(site))
            if report.status != 2:
                self.finder.take(site.kind, *names, site.owner.name if site.owner else None)
            yield report

    def is_driver(self, site: Site) -> bool:
        """Whether the gradients come from a function or a method, which is examined by itself."""
        arguments = {a.arg for a in site.owner.args.args} if site.owner is not None else set()
        for call in (n for s in site.body for n in ast.walk(s) if isinstance(n, ast.Call)):
            name = last_name(call.func)
            if name in self.finder.wholes or (
                isinstance(call.func, ast.Name) and name in arguments
            ):
                return True
        return False

    def step_subjects(self, site: Site) -> Iterator[Subject]:
        """The step with the data of the file's own run, or with invented ones."""
        yield from self.rehearsed(site)
        yield from self.driven(site)

    def rehearsed(self, site: Site) -> Iterator[TrainingStep]:
        """The step as the file itself comes to it."""
        self.origin = "the step was examined as the file's own run comes to it"
        if self.own_run.invents:
            self.origin += "; what it reads from elsewhere was invented"
        yield from self.subjects_at(site, self.own_run.seen)

    def subjects_at(self, site: Site, seen: Seen) -> Iterator[Any]:
        """What there is to examine where a run came to a step, or to the call of an optimiser."""
        if not isinstance(site, HandedOver):
            yield from self.steps_around(site, seen)
        elif site.start in seen:
            local, shared = seen[site.start]
            names = self.finder.room.names
            read = {k: v for k, v in shared.items() if k in self.globals_read}
            found = subject_of(site, names | shared | local, (names, read))
            if found is not None:
                found.origin = self.origin
                yield found

    def steps_around(self, site: Site, seen: Seen) -> Iterator[TrainingStep]:
        """The step, or the innermost of those that it is a part of that shows its output."""
        for step in around(site):
            found = list(self.steps_at(step, seen))
            for subject in found:
                self.inside.setdefault(site.title, set()).update(self.used_in(step, subject))
            shown = any(s.compared for s in found)
            if shown and step is not site and not step.loops:
                self.whole.add(site.title)
            yield from found
            if shown:
                break

    @cached_property
    def sites(self) -> list[Site]:
        return list(sites(self.finder.room))

    @cached_property
    def handovers(self) -> list[HandedOver]:
        return list(handed_over(self.finder.room))

    @cached_property
    def of_lists(self) -> bool:
        """Whether the code works on lists of numbers, without arrays."""
        return "np" not in self.finder.room.names and "numpy" not in self.finder.room.names

    @property
    def own_run(self) -> Rehearsal:
        """The file's own run; with labels of another form, where they are invented and do not do."""
        if self.finder.room.rehearsal is None:
            first = self.finder.room.rehearsal = Rehearsal(self.finder.room, self.places)
            for labels in LABELS[1:]:
                if not first.filled or self.observes(self.finder.room.rehearsal):
                    break
                self.finder.room.rehearsal = Rehearsal(self.finder.room, self.places, labels)
            else:
                if first.filled and not self.observes(self.finder.room.rehearsal):
                    self.finder.room.rehearsal = first
        return self.finder.room.rehearsal

    def observes(self, run: Rehearsal) -> bool:
        """Whether a step shows its output in this run."""
        steps = (s for site in self.sites for s in self.steps_at(site, run.seen))
        return any(s.compared for s in steps)

    def driven(self, site: Site) -> Iterator[Any]:
        """The step as a call of its function with invented arguments comes to it."""
        self.origin = (
            "the step was examined with invented arguments of the function that it stands in"
        )
        owners = list(self.owners(site))
        for owner, holder in owners:
            yield from self.with_arguments(site, owner, holder, PATIENCE / 2 / len(owners))

    def owners(self, site: Site) -> Iterator[tuple[Any, Any]]:
        """The function that a step stands in, with each object whose method it is."""
        names, owner = self.finder.room.names, site.owner.name if site.owner is not None else ""
        kind = names.get(site.kind or "")
        if owner == "__init__" and isinstance(kind, type):
            yield kind, None
        elif isinstance(kind, type) and hasattr(kind, owner):
            yield from ((getattr(kind, owner), h) for h in islice(self.finder.made(kind), 4))
        elif owner in names:
            yield names[owner], None

    def with_arguments(self, site: Site, owner: Any, holder: Any, seconds: float) -> Iterator[Any]:
        """The step, as calls of this function come to it with one kind of data after the other."""
        end = time.process_time() + seconds
        held = {} if holder is None else parameters_in(holder)
        failures: dict[Any, list[str]] = {}  # by kind of input
        kinds = self.finder.kinds_of_data(held)
        if has_loop(owner):  # several examples show more
            kinds.sort(key=lambda kind: -kind[0])
        for m, flat, columns, n_x, n_y in kinds:
            failed = failures.setdefault((m, flat, columns, n_x), [])
            X = next(invent.inputs(n_x, m, columns, flat))
            targets = list(invent.targets(n_y, X, columns, self.finder.signs))
            for Y in targets:
                if time.process_time() > end:
                    return
                if len(set(failed)) < len(failed):
                    break  # whatever the targets are
                data = {"X": X, "Y": Y, "m": m, "lr": RATE}
                if self.of_lists:
                    data |= {"X": X.tolist(), "Y": Y.tolist()}
                given = self.given(site, owner, holder, [n_x, 5, n_y], data)
                columns_of_data = columns_for(site, owner, m)
                for more in [{}, columns_of_data] if columns_of_data else [{}]:
                    seen, failure = self.own_run.drive(partial(owner, **given | more))
                    for subject in self.subjects_at(site, seen):
                        subject.lone = m == 1
                        yield subject
                if failure is None and not seen and 1 < m < MORE:
                    kinds.append((MORE, flat, columns, n_x, n_y))  # too few for one round
                if failure is not None and not isinstance(failure.error, TooLong):
                    failed.append(failure.sentence)
                    shape = compared_with(np.shape(Y), failure)
                    if shape and shape not in map(np.shape, targets):
                        new = np.random.default_rng(1).normal(size=shape) > 0
                        targets.append(1.0 * new)
                if not any(v is data["Y"] for v in given.values()):
                    failed += ["no targets are taken"] * 2

    def given(
        self, site: Site, owner: Any, holder: Any, dims: list[int], data: dict[str, Any]
    ) -> dict[str, Any]:
        """The arguments of a function that trains, for a network of these sizes."""
        found = arguments(owner, dims, data)
        held = {} if holder is None else parameters_in(holder)
        found |= {n: invent.state_for(held) for n in states(owner)}
        found |= rows_with_labels(site, np.asarray(data["X"]))
        found |= self.network_for(owner, dims) or {}
        return found | ({} if holder is None else {"self": copied({"self": holder})["self"]})

    def steps_at(self, site: Site, seen: Seen) -> Iterator[TrainingStep]:
        """The step with what the names held when a run came to it."""
        if site.start not in seen:
            return
        local, shared = seen[site.start]
        room = {**self.finder.room.names, **shared, **local}
        read = self.globals_read & set(shared) - set(local)
        where: Any = {"shared": read, "home": self.finder.room.names}
        vary_bits(site, room)
        observed = ObservedStep(site, room, **where)
        found = observed.find(self.pairs_compared)
        # of the places that the step itself updates, and those that what it calls updates
        places = list(observed.keys) if found else None
        if not (found or site.updates or site.shows_loss):
            return
        known = observed.Y if found else None
        subject = TrainingStep(site, room, targets=known, places=places, **where)
        subject.own_cost = self.cost_called(site, subject)
        if not found and np.ndim(subject.Y) == 2 and targets_like(subject) is not None:
            return  # targets that were invented, of another form
        rate: float | None = None  # one for both, as both take the same statements
        for step in (subject, observed):
            step.origin, step.compared = self.origin, found
            if step.params and step.learning_rate == 1.0:
                step.learning_rate = rate = rate or rate_seen(step)
        subject.entropy = bool(subject.params) and takes_logarithms(subject)
        known_both = subject.Y is not None and (not found or same_output(subject, observed))
        if site.inner and subject.params and not known_both and takes_steps(subject):
            return  # the loss of a loop in which there are many steps
        if subject.params and (subject.loss or known_both):
            yield subject
        loss = subject.loss or (known_both and subject.own_cost)
        if found and not (loss and subject.entropy):
            yield observed

    @cached_property
    def defined(self) -> set[str]:
        """The names of the file's functions and methods."""
        methods = {n for kind in self.finder.classes.values() for n in vars(kind)}
        return methods | self.finder.functions.keys()

    @cached_property
    def globals_read(self) -> set[str]:
        """What the functions and methods of the file do not define themselves."""
        kinds = self.finder.classes.values()
        methods: list[Function] = [
            f for k in kinds for f in vars(k).values() if isinstance(f, FunctionType)
        ]
        return set().union(*map(free_names, [*methods, *self.finder.functions.values()]))

    def arbitrated(self, found: list[Report]) -> list[Report]:
        """The reports, with what the file's own run says in place of what was found with invented data
        and is not proved: shapes that do not fit, a stop on the way, what has no explanation."""
        doubtful = [p for p in found if p.doubtful and not p.title.startswith("the training step")]
        end = time.process_time() + PATIENCE
        steps = self.sites if doubtful else []
        for site in sorted(steps, key=lambda s: not (s.owner and TRAINS.search(s.owner.name))):
            if time.process_time() > end:
                break
            subjects = list(self.rehearsed(site)) or list(islice(self.driven(site), TRIED))
            used = set().union(*(self.used_in(site, s) for s in subjects))
            mine = [p for p in doubtful if not used.isdisjoint(ends_of_title(p.title))]
            if not mine:
                continue
            with limited(min(SHORT, LIMIT.get())):
                report = self.finder.best(site.title, subjects)
            if report.ok or (report.status == 1 and not report.doubtful):
                mine = [p for p in mine if p.forms_only or p.lacks_decay or report.ok]
                mine = [p for p in mine if not p.lacks_decay or knows_decay(report)]
                given = {r.name.split(".")[-1].removeprefix("d") for r in report.rows}
                missing = {
                    r.name.removeprefix("d") for p in mine for r in p.rows if r.verdict == MISSING
                }
                mine = [p for p in mine if p.forms_only or missing <= given]
                doubtful = [p for p in doubtful if p not in mine]
                found = [p for p in found if p not in mine] + [report] * bool(mine)
                self.finder.used |= used
        return [without_stop(p) for p in found]

    def used_in(self, site: Site, subject: TrainingStep) -> set[str]:
        """The functions that a step calls, and the classes of the objects that it works with."""
        names = {*names_in(site.body), *filter(None, [site.kind])}
        called = {n for name in names for n in [name, *self.finder.reached(name)]}
        return called | {label(v) for v in objects_in(subject.room)}

    @cached_property
    def pairs_compared(self) -> dict[tuple[str, int], list[Difference]]:
        return differences(self.finder.room)

    @cached_property
    def places(self) -> list[tuple[str, int]]:
        """The first lines of all training steps."""
        steps = [s for site in self.sites for s in around(site)]
        return [s.start for s in (*steps, *self.handovers)]

    def network_for(self, owner: Any, dims: list[int]) -> dict[str, Any] | None:
        """The network that a function that trains takes, as the file makes it."""
        names = required(owner) if owner is not None else []
        names = [n for n in names if role_of(n) == "params"]
        if len(names) != 1:
            return None
        own = self.finder.room.names.get(names[0])
        if own is not None and arrays_of(SimpleNamespace(net=own), lists=True):
            return {names[0]: own}
        functions = self.finder.functions.items()
        inits: list[Any] = [f for n, f in functions if IS["init"].search(n) and not NOT.search(n)]
        for f in [*inits, *self.finder.classes.values()]:
            for call in invent.initial_calls(f, dims):
                made, failure = attempt(partial(f, **call), seconds=2)
                if failure is None and arrays_of(SimpleNamespace(net=made), lists=True):
                    return {names[0]: made}
        return None

    def cost_called(self, site: Site, subject: TrainingStep) -> ast.Call | None:
        """The call of a cost, of the targets, in the function of a training step or its loops."""
        blocks: list[ast.stmt] = [site.owner] if site.owner is not None else [*site.loops]
        for call in (n for s in blocks for n in ast.walk(s) if isinstance(n, ast.Call)):
            name = last_name(call.func)
            is_cost = IS["cost"].search(name) or is_likelihood(name)
            is_cost = is_cost and not IS["backward"].search(name)
            if is_cost and name in self.defined and reads(call) & subject.targets():
                return call
        return None


def knows_decay(report: Report) -> bool:
    """Whether the cost is known, or a decay of the weights was seen in the gradients."""
    notes = " ".join(report.notes)
    return "no cost was given" not in notes or "decay of the weights" in notes


def vary_bits(site: Site, room: dict[str, Any]) -> None:
    """Numbers that are not 0 for an input that is: else the first weights have no gradient."""
    read = [p for s in site.body for p in sorted(reads(s))]
    place = data_name("X", read, site, room)
    value = value_at(room, place) if place is not None else None
    X = np.asarray(value) if is_many(value) else np.ones(0)
    if place is not None and X.size and not np.any(X):
        new = X + 0.5 * np.random.default_rng(6).random(X.shape)
        holder = place.rpartition("[")[0]
        if holder:  # an entry of whole numbers
            put_at(room, holder, np.array(value_at(room, holder), float))
        put_at(room, place, new if isinstance(value, np.ndarray) else new.tolist())


def same_output(one: TrainingStep, other: TrainingStep) -> bool:
    """Whether two views of a step have the same output and targets; the first takes that of the second
    for its output where it has it under another name."""
    if one.params.keys() != other.params.keys() or not np.array_equal(one.Y, other.Y):
        return False
    result, failure = attempt(partial(other.truth, dict(one.params), other.X, other.Y))
    if failure is not None:
        return False
    room = one.start_with(one.params, one.X, one.Y)
    after, failure = attempt(partial(one.after, one.ahead, room))
    same = [k for k, v in (after or {}).items() if is_many(v) and not differs(v, result[1])]
    one.shown = one.shown if one.shown in same else next(iter(same), None)
    return one.shown is not None


def rate_seen(subject: TrainingStep) -> float:
    """The number between the changes of all parameters and arrays that were assigned before: the learning
    rate, where no name says it."""
    run = subject.run(subject.params, subject.X, subject.Y)
    common: list[float] | None = None
    for change in run.gradients.values():
        ratios = []
        for e in run.events:
            if e.value.size == np.size(change) and np.any(e.value) and e.value.dtype.kind == "f":
                value, found = e.value.ravel(), np.ravel(change)
                ratio = float(np.sum(found * value) / np.sum(value**2))
                if 0 < abs(ratio) < 1 and np.allclose(found, ratio * value, 1e-6, 0):
                    ratios.append(float(f"{abs(ratio):.6g}"))
        common = ratios if common is None else [r for r in common if r in ratios]
    return max(common or [], default=1.0)


def takes_logarithms(subject: TrainingStep) -> bool:
    """Whether the loss of a step is an entropy: the gradient of another cost is a mistake then."""
    made = [s for s in subject.site.body if subject.loss in map(place_of, stored_inside(s))]
    calls = [*made, *([subject.own_cost] if subject.own_cost is not None else [])]
    nodes = [n for s in calls for n in ast.walk(s)]
    names = set(map(last_name, nodes))
    home = subject.outer | vars(type(subject.room.get("self")))
    trees = [source_tree(f) for n in names if isinstance(f := home.get(n), FunctionType)]
    return any("log(" in ast.unparse(t) for t in [*made, *trees] if t is not None)


def takes_steps(subject: TrainingStep) -> bool:
    """Whether the parameters are changed again and again."""
    run = subject.run(subject.params, subject.X, subject.Y)
    return several_steps(run, subject.params, 2)


def objects_in(room: Mapping[str, Any], depth: int = 4) -> Iterator[Any]:
    """The classes of the objects that can be reached, and the functions that they hold."""
    for value in list(room.values()):
        parts = value if isinstance(value, list | tuple) else [value]
        for part in parts[:50]:
            if isinstance(part, FunctionType):
                yield part
            elif type(part).__module__ == "learner" and depth:
                yield type(part)
                yield from objects_in(getattr(part, "__dict__", {}), depth - 1)


def targets_like(subject: Subject) -> Any:
    """Targets of the output's shape, where the ones that it has are of another."""
    result, failure = attempt(lambda: subject.truth(dict(subject.params), subject.X, subject.Y))
    shape = np.shape(result[1]) if failure is None else ()
    if not shape or subject.Y is None or shape == np.shape(subject.Y):
        return None
    return 1.0 * (np.random.default_rng(1).normal(size=shape) > 0)


def compared_with(shape: tuple[int, ...], failure: Failure) -> tuple[int, ...] | None:
    """The shape that an array of this shape did not fit to: that of the output, for targets."""
    found = re.findall(r"\((\d+(?:,\d+)*),?\)", str(failure.error))
    shapes = [tuple(map(int, text.split(","))) for text in found]
    others = [s for s in shapes if s != shape and np.prod(s) < MANY]
    return others[0] if shape in shapes and others else None


def ends_of_title(title: str) -> list[str]:
    """The function or the class that a report is about.

    >>> ends_of_title("backward with forward"), ends_of_title("the training step at line 3 of Net.fit")
    (['backward', 'forward'], ['the', 'Net', 'fit'])
    """
    words = title.split()
    return [words[0].strip(","), *words[-1].split(".")]
