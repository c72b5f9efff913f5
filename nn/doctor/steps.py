"""The training steps of a file: on the data of its own run, of a call, or on invented ones."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from types import FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from nn.doctor import invent
from nn.doctor.loops import (
    Site,
    TrainingStep,
    around,
    columns_for,
    data_name,
    has_targets,
    is_many,
    names_in,
    reads,
    receives_gradients,
    rows_with_labels,
    sites,
    surroundings,
)
from nn.doctor.naming import free_names, label, required, role_of
from nn.doctor.observed import Difference, ObservedStep, differences
from nn.doctor.reading import IS, NOT, arguments, states
from nn.doctor.rehearsal import Rehearsal, Seen
from nn.doctor.report import MISSING, Report
from nn.doctor.sandbox import LIMIT, attempt, limited
from nn.doctor.statements import copied, put_at, value_at
from nn.doctor.subject import RATE, Subject, arrays_of, is_arraylike, parameters_in

if TYPE_CHECKING:
    from nn.doctor.find import Finder

Function = Callable[..., Any]
PATIENCE = 6.0  # seconds of processor time for finding data that a step runs on
TRAINS = re.compile(r"fit|train|learn|epoch|descent|optimi", re.I)
SHORT = 4.0  # seconds for one run of a step


class Steps:
    """The training steps that a finder sees, and what they say of what was found otherwise."""

    def __init__(self, finder: Finder):
        self.finder = finder
        self.origin = ""  # of the data of a step
        self.inside: dict[
            str, set[str]
        ] = {}  # by title: the functions and classes that a step uses

    def reports(self) -> Iterator[Report]:
        """Loops that compute the gradients and update the parameters in their own lines; or in what
        they call, where nothing of that was examined as a whole."""
        titles: set[str] = set()
        examined: set[ast.stmt] = set()  # loops around steps
        for site in sites(self.finder.room):
            owner = site.owner.name if site.owner is not None else ""
            done = (site.kind is None and owner in self.finder.used) or (
                site.kind,
                owner,
            ) in self.finder.methods
            done = done or receives_gradients(site)
            if done or (self.is_driver(site) if site.updates else self.finder.wholes):
                continue
            if site.title in titles or not examined.isdisjoint(site.loops[-1:]):
                continue
            with limited(min(SHORT, LIMIT.get())):
                report = self.finder.best(site.title, self.step_subjects(site))
            if report.status != 2:
                titles.add(site.title)
                examined.update(site.loops)
                self.finder.wholes |= {owner} - {""}
                self.finder.take(owner if site.kind is None else site.kind, *names_in(site.body))
                self.finder.used |= self.inside.get(site.title, set())
            if report.status != 2 or site.updates:
                yield report

    def is_driver(self, site: Site) -> bool:
        """Whether the gradients come from a function or a method, which is examined by itself."""
        arguments = {a.arg for a in site.owner.args.args} if site.owner is not None else set()
        for call in (n for s in site.body for n in ast.walk(s) if isinstance(n, ast.Call)):
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            if name in self.finder.wholes or (
                isinstance(call.func, ast.Name) and name in arguments
            ):
                return True
        return False

    def step_subjects(self, site: Site) -> Iterator[Subject]:
        """The step with the data of the file's own run, or with invented ones."""
        yield from self.rehearsed(site)
        names = self.finder.room.names
        kind = names.get(site.kind or "")
        owner: Any = None
        if site.owner is not None:
            holder_of_it = kind if kind is not None else self.finder.room
            owner = getattr(holder_of_it, site.owner.name, names.get(site.owner.name))
        end = time.process_time() + PATIENCE / 2
        for holder in list(self.finder.made(kind)) if isinstance(kind, type) else [None]:
            own = {k: v for k, v in names.items() if k in site.updates and is_arraylike(v)}
            if not site.updates:  # of the objects that it uses
                read = {k: names.get(k) for k in names_in(site.body)}
                own = arrays_of(SimpleNamespace(**read), lists=True)
            held = own if holder is None else parameters_in(holder)
            kinds = self.finder.kinds_of_data(held)
            tried = set()
            while kinds and time.process_time() < end:
                m, flat, columns, n_x, n_y = kind_of_data = kinds.pop(0)
                if kind_of_data in tried:
                    continue
                tried.add(kind_of_data)
                X = next(invent.inputs(n_x, m, columns, flat))
                for Y in (
                    invent.targets(n_y, X, columns, self.finder.signs)
                    if has_targets(site)
                    else [None]
                ):
                    data = {"X": X, "Y": Y, "m": m, "lr": RATE}
                    given = {} if holder is None else {"self": holder}
                    given |= arguments(owner, [n_x, 5, n_y], data)
                    given |= {n: invent.state_for(held) for n in states(owner)}
                    rows = rows_with_labels(site, X)
                    given |= rows | columns_for(site, owner, m)
                    if (made := self.network_for(owner, n_x, n_y)) is not None:
                        given |= made
                    room = surroundings(site, names, given, data)
                    subject = TrainingStep(site, room, X, Y)
                    subject.own_cost = self.cost_called(site, holder)
                    if subject.params and (subject.Y is not None or Y is None or subject.loss):
                        yield subject
                        like = targets_like(subject)
                        if like is not None:
                            again = TrainingStep(site, put_in(room, Y, like), X, like)
                            again.own_cost = subject.own_cost
                            yield again
                    if not rows and not any(v is X or v is Y is not None for v in room.values()):
                        kinds = []  # it has its own data
                        break
                    if not own and holder is None and len(tried) == 1 and subject.params:
                        # weights that are made before the loop fix the sizes
                        own = subject.params
                        kinds = [*self.finder.kinds_of_data(own), *kinds]
        yield from self.driven(site, owner, kind)

    def called(self, site: Site) -> Iterator[TrainingStep]:
        """The step as a call comes to it, with the first data for which it shows its output."""
        names = self.finder.room.names
        kind = names.get(site.kind or "")
        if site.owner is not None and isinstance(kind, type):
            owner = getattr(kind, site.owner.name, None)
            found = self.driven(site, owner, kind)
            yield from (s for s, _ in zip(found, range(6)))

    def rehearsed(self, site: Site) -> Iterator[TrainingStep]:
        """The step as the file itself comes to it."""
        self.origin = "the step was examined as the file's own run comes to it"
        if self.own_run.invents:
            self.origin += "; what it reads from elsewhere was invented"
        for step in around(site):
            found = list(self.steps_at(step, self.own_run.seen))
            yield from found
            if any(isinstance(s, ObservedStep) for s in found):
                break

    @cached_property
    def of_lists(self) -> bool:
        """Whether the code works on lists of numbers, without arrays."""
        return "np" not in self.finder.room.names and "numpy" not in self.finder.room.names

    @property
    def own_run(self) -> Rehearsal:
        """The file's own run; with one-hot labels, where they are invented and classes do not do."""
        if self.finder.room.rehearsal is None:
            first = self.finder.room.rehearsal = Rehearsal(self.finder.room, self.places)
            if first.filled and not self.observes(first):
                other = Rehearsal(self.finder.room, self.places, hot=True)
                self.finder.room.rehearsal = other if self.observes(other) else first
        return self.finder.room.rehearsal

    def observes(self, run: Rehearsal) -> bool:
        """Whether a step shows its output in this run."""
        steps = (s for site in sites(self.finder.room) for s in self.steps_at(site, run.seen))
        return any(isinstance(s, ObservedStep) for s in steps)

    def driven(self, site: Site, owner: Any, kind: Any) -> Iterator[TrainingStep]:
        """The step as a call of its function with invented arguments comes to it."""
        self.origin = (
            "the step was examined with invented arguments of the function that it stands in"
        )
        end = time.process_time() + PATIENCE / 2
        made = list(self.finder.made(kind)) if isinstance(kind, type) else [None]
        for holder in made[:4] if owner is not None else ():
            held = {} if holder is None else parameters_in(holder)
            for m, flat, columns, n_x, n_y in self.finder.kinds_of_data(held):
                X = next(invent.inputs(n_x, m, columns, flat))
                for Y in invent.targets(n_y, X, columns, self.finder.signs):
                    if time.process_time() > end:
                        return
                    data = {"X": X, "Y": Y, "m": m, "lr": RATE}
                    if self.of_lists:
                        data |= {"X": X.tolist(), "Y": Y.tolist()}
                    given = arguments(owner, [n_x, 5, n_y], data)
                    given |= {} if holder is None else {"self": copied({"self": holder})["self"]}
                    seen = self.own_run.drive(partial(owner, **given))
                    for step in around(site):
                        found = list(self.steps_at(step, seen))
                        if any(isinstance(s, ObservedStep) for s in found):
                            yield from found
                            break

    def steps_at(self, site: Site, seen: Seen) -> Iterator[TrainingStep]:
        """The step with what the names held when a run came to it."""
        if site.start not in seen:
            return
        kinds = self.finder.classes.values()
        methods: list[Function] = [
            f for k in kinds for f in vars(k).values() if isinstance(f, FunctionType)
        ]
        methods += self.finder.functions.values()
        read = set().union(*map(free_names, methods))
        local, shared = seen[site.start]
        room = {**self.finder.room.names, **shared, **local}
        where: Any = {"shared": read & set(shared) - set(local), "home": self.finder.room.names}
        vary_bits(site, room)
        observed = ObservedStep(site, room, **where)
        found = observed.find(self.pairs_compared)
        # of the places that the step itself updates, and those that what it calls updates
        places = list(observed.keys) if found else None
        if not (found or site.updates or site.shows_loss):
            return
        subject = TrainingStep(site, room, places=places, **where)
        subject.own_cost = self.cost_called(site, local.get("self"))
        self.inside.setdefault(site.title, set()).update(self.used_in(site, observed))
        if not found and np.ndim(subject.Y) == 2 and targets_like(subject) is not None:
            return  # targets that were invented, of another form
        for step in (subject, observed):
            step.origin, step.own_data = self.origin, True
        if subject.params and (subject.loss or (subject.Y is not None and not found)):
            yield subject
        if found:
            yield observed

    def arbitrated(self, found: list[Report]) -> list[Report]:
        """The reports, with what the file's own run says in place of what was found with invented data
        and is not proved: shapes that do not fit, a stop on the way, what has no explanation."""
        doubtful = [p for p in found if p.doubtful and not p.title.startswith("the training step")]
        end = time.process_time() + PATIENCE
        steps = list(sites(self.finder.room)) if doubtful else []
        for site in sorted(steps, key=lambda s: not (s.owner and TRAINS.search(s.owner.name))):
            if time.process_time() > end:
                break
            subjects = list(self.rehearsed(site)) or list(self.called(site))
            used = set().union(*(self.used_in(site, s) for s in subjects))
            mine = [p for p in doubtful if not used.isdisjoint(ends_of_title(p.title))]
            if not mine:
                continue
            with limited(min(SHORT, LIMIT.get())):
                report = self.finder.best(site.title, subjects)
            if report.ok or (report.status == 1 and not report.doubtful):
                mine = [p for p in mine if p.forms_only or report.ok]
                given = {r.name.split(".")[-1].removeprefix("d") for r in report.rows}
                missing = {
                    r.name.removeprefix("d") for p in mine for r in p.rows if r.verdict == MISSING
                }
                mine = [p for p in mine if p.forms_only or missing <= given]
                doubtful = [p for p in doubtful if p not in mine]
                found = [p for p in found if p not in mine] + [report] * bool(mine)
                self.finder.used |= used
        return found

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
        return [s.start for site in sites(self.finder.room) for s in around(site)]

    def network_for(self, owner: Any, n_x: int, n_y: int) -> dict[str, Any] | None:
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
            for call in invent.initial_calls(f, [n_x, 5, n_y]):
                made, failure = attempt(partial(f, **call), seconds=2)
                if failure is None and arrays_of(SimpleNamespace(net=made), lists=True):
                    return {names[0]: made}
        return None

    def cost_called(self, site: Site, holder: Any) -> Function | None:
        """A cost of output and targets that the function of a training step calls somewhere."""
        blocks: list[ast.stmt] = [site.owner] if site.owner is not None else [*site.loops]
        calls = [n.func for s in blocks for n in ast.walk(s) if isinstance(n, ast.Call)]
        for f in calls:
            name = getattr(f, "attr", getattr(f, "id", ""))
            found = getattr(holder, name, None) if holder is not None else None
            found = self.finder.functions.get(name) if found is None else found
            if found is None or not IS["cost"].search(name) or IS["backward"].search(name):
                continue
            roles = [role_of(p) for p in required(found)]
            if len(roles) == 2 and ("Y" in roles or "output" in roles):
                return found
        return None


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


def put_in(room: Mapping[str, Any], old: Any, new: Any) -> dict[str, Any]:
    return {k: new if v is old else v for k, v in room.items()}


def ends_of_title(title: str) -> list[str]:
    """The function or the class that a report is about.

    >>> ends_of_title("backward with forward"), ends_of_title("the training step at line 3 of Net.fit")
    (['backward', 'forward'], ['the', 'Net', 'fit'])
    """
    words = title.split()
    return [words[0].strip(","), *words[-1].split(".")]
