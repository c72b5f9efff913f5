"""What there is to examine among the functions and classes of a file, by names and shapes."""

from __future__ import annotations

import ast
import inspect
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, partial
from itertools import chain, pairwise, product
from types import FunctionType
from typing import Any

import numpy as np

from nn.doctor import invent
from nn.doctor.examine import Examination
from nn.doctor.handed import Numbers, numbers_in
from nn.doctor.layer_functions import (
    check_cost_functions,
    check_layer_functions,
    is_cost_pair,
    takes_upstream,
)
from nn.doctor.layers import Layer, Local, check_layers, examine_local, probabilities
from nn.doctor.load import DEFINITIONS, Room, harmless
from nn.doctor.loops import (
    place_of,
)
from nn.doctor.loops import stored as assigned
from nn.doctor.naming import (
    CannotExamine,
    Hopeless,
    Unbound,
    flatten,
    free_names,
    last_name,
    names_returned,
    parameter_meant,
    rate_of,
    required,
    result_names,
    role_of,
    source_tree,
)
from nn.doctor.pairs import check_pair
from nn.doctor.policy import COMES_IN, policies
from nn.doctor.reading import (
    BACKWARD,
    IS,
    NOT,
    SLOPE,
    WEIGHTS,
    accumulators,
    batch_methods,
    called_in,
    cost_method,
    ends_of,
    first_method,
    forward_for,
    gives_loss_too,
    has_loop,
    has_parameters,
    has_weights,
    holds_functions,
    is_activation,
    is_layer,
    is_unrolled,
    keeps_weights,
    method_of,
    names_stored,
    nearest,
    one_by_one,
    repeats,
    runs_forward,
    sizes_of_ends,
    takes_results,
    takes_words,
    updated_by,
)
from nn.doctor.report import GOOD, MISSING, SHAPE, Report, without_stop
from nn.doctor.sandbox import Failure, attempt, place
from nn.doctor.steps import Steps
from nn.doctor.subject import (
    RATE,
    GlobalSubject,
    ObjectSubject,
    Subject,
    hold_arrays,
    parameters_in,
)
from nn.doctor.trial import Trial, all_used, has
from nn.doctor.updates import check_step, check_update
from nn.doctor.usual import ACTIVATIONS, LAYERS

Function = Callable[..., Any]
PATIENCE = 6.0  # seconds of processor time for finding data that the code runs on
MORE = 1.0  # seconds of processor time for finding data that it is right on
STEPS = ("train_step", "step", "train_on_batch", "partial_fit", "train", "fit", "learn")
EXTRA: dict[str, Any] = {
    "epochs": 1, "num_iterations": 1, "iterations": 1, "n_iter": 1, "num_epochs": 1, "n_epochs": 1,
    "num_iters": 1, "n_iters": 1, "lambd": 0.7, "lambda_": 0.7, "lam": 0.7, "Lambda": 0.7, "reg": 0.1,
    "keep_prob": 0.8, "print_cost": False, "verbose": False, "momentum": 0.9, "threshold": 0.5,
    "sparsity_param": 0.1, "sparsityParam": 0.1, "rho": 0.1,
    "beta": 0.9, "decay": 0.1, "epsilon": 1e-8, "C": 1.3, "margin": 1.0, "delta": 1.0,
}  # fmt: skip


class Finder:
    """The functions and classes of one file."""

    def __init__(self, room: Room, chosen: dict[str, str | None]):
        self.room, self.chosen = room, chosen
        self.functions: dict[str, Function] = {
            n: v
            for n, v in room.names.items()
            if isinstance(v, FunctionType) and v.__globals__ is room.names
        }
        self.classes = {
            n: v for n, v in room.names.items() if isinstance(v, type) and v.__module__ == "learner"
        }
        for kind in list(self.classes.values()):
            self.functions |= functions_of(kind, self.functions)
        self.steps_taken = Steps(self)
        self.used: set[str] = set()
        self.methods: set[tuple[str, str]] = set()  # backward of a layer that is examined
        self.right: set[str] = set()  # parts of what is right as a whole, and layers
        self.wholes: set[str] = set()  # what computes all gradients of something, and is examined
        self.slopes: dict[str, tuple[str, Function]] = {}  # by title: a derivative and its function
        self.own_data: dict[int, tuple[Any, Any]] = {}
        self.calls = {n: called_in(f, room.names) for n, f in self.functions.items()}
        self.text = " ".join(ast.unparse(t) for t in room.trees)
        self.elsewhere: set[str] = set()  # variables of a function, which no other can read
        self.outside = self.unloaded()
        # numbers of classes that stand in the code: np.zeros(10), np.eye(10)
        counts = re.findall(r"(?:zeros|eye|range)\(\(?(?:[\w.\[\]]+, )?(\d+)\)", self.text)
        self.counts = sorted({int(n) for n in counts if 4 < int(n) <= 20})
        self.signs = bool(re.search(r"hinge|svm|margin", self.text, re.I))  # labels -1 and 1
        # examples one by one if the file does so, else a batch first
        self.one_by_one = one_by_one(room.statements)
        batch, single = [(6, False)], [(1, False), (1, True)]  # (examples, whether X is a vector)
        self.batches = [*single, *batch] if self.one_by_one else [*batch, *single]

    def is_part(self, name: str, titles: list[str]) -> bool:
        """Whether a class is used inside of a class that is examined as a whole."""
        kinds = [self.classes[t] for t in titles if t in self.classes and t != name]
        methods = [f for k in kinds for f in vars(k).values() if isinstance(f, FunctionType)]
        return name in self.classes and any(name in free_names(f) for f in methods)

    def unloaded(self) -> dict[str, str]:
        """The data that the functions read as globals and that are not loaded, by what they mean."""
        found: dict[str, str] = {}
        kinds = self.classes.values()
        methods = [f for k in kinds for f in vars(k).values() if isinstance(f, FunctionType)]
        everything: list[Function] = [*self.functions.values(), *methods]
        stored = {n: names_stored(t) for n, f in self.functions.items() if (t := source_tree(f))}
        outside = [s for s in self.room.statements if not isinstance(s, DEFINITIONS)]
        kept = set().union(*map(names_stored, outside))
        if "*" not in self.room.missing:
            self.elsewhere = set().union(*stored.values()) - kept
        for f in everything:
            if repeats(f):
                continue  # it trains; its data are not those of what it calls
            for name in free_names(f):
                if name in self.elsewhere:
                    continue
                if name not in self.room.names and name not in found:
                    counted = re.search(rf"range\({name}\)|/ \(?{name}\b", self.text)
                    found[name] = role_of(name) or ("m" if counted else "X")
        return found

    def own_parameters(self, functions: Iterable[Function]) -> list[str]:
        """The arrays of the file that the functions read or change and give gradients of."""
        trees = [t for f in functions for t in [source_tree(f), *self.trees_called(f)] if t]
        nodes = [n for t in trees for n in ast.walk(t)]
        read = {n.id for n in nodes if isinstance(n, ast.Name)}
        arrays = [
            k
            for k, v in self.room.names.items()
            if k in read
            and isinstance(v, np.ndarray | float)
            and np.asarray(v).dtype.kind == "f"
            and role_of(k) not in ("X", "Y", "lr", "eps", "lambd")
        ]
        changed = {str(place_of(t)) for n in nodes if isinstance(n, ast.stmt) for t in assigned(n)}
        return [
            k
            for k in arrays
            if k in changed or any(n != k and parameter_meant(n, arrays) == k for n in changed)
        ]

    def trees_called(self, function: Function) -> list[ast.AST]:
        called = self.reached(function.__name__)
        return [t for n in called if (t := source_tree(self.functions[n])) is not None]

    def has(self, name: str) -> bool:
        return name in self.functions or any(hasattr(c, name) for c in self.classes.values())

    def examinations(self) -> Iterator[Report]:
        """All reports, one after the other: what is examined as a whole is left out of what follows."""
        chosen, steps = self.chosen["backward"], self.steps_taken
        functions = [self.networks, self.loss_and_gradient, self.steps_of_numbers, self.steps]
        functions += [self.policy_gradients, self.layer_functions, self.updates]
        ways = [steps.optimised] * (chosen is None)
        if chosen is None or chosen in self.functions:
            ways += functions
        if chosen is None or chosen not in self.functions:
            ways.append(self.objects)
        ways += [steps.reports] * (chosen is None)
        for way in [*ways, self.pairs]:
            yield from guarded(way(), way.__name__.replace("_", " "))

    # --- functions

    def of_role(self, role: str) -> list[str]:
        """The functions of a role that no other of that role calls: the outermost."""
        if self.chosen.get(role):
            return [str(self.chosen[role])]
        names = [n for n in self.functions if IS[role].search(n) and not NOT.search(n)]
        if role in ("forward", "cost"):
            names = [n for n in names if not IS["backward"].search(n) and not SLOPE.search(n)]
        if role in ("forward", "backward"):
            names = [n for n in names if not is_activation(n)]
        names = [n for n in names if not self.drives(n, names)]
        inner = {c for n in names for c in self.reached(n)}
        return [n for n in names if n not in inner] or names

    def drives(self, name: str, others: list[str]) -> bool:
        """Whether this function trains: it calls a forward pass and a backward pass."""
        called = self.reached(name)
        ahead = any(IS["forward"].search(c) and not IS["backward"].search(c) for c in called)
        back = any(IS["backward"].search(c) and not is_activation(c) for c in called)
        return ahead and back and any(c in others for c in called)

    def reached(self, name: str) -> set[str]:
        found: set[str] = set()
        stack = [name]
        while stack:
            for c in self.calls.get(stack.pop(), ()):
                if c in self.functions and c not in found and c != name:
                    found.add(c)
                    stack.append(c)
        return found

    def computes_output(self, name: str) -> bool:
        """Whether this can be a forward pass of another name: it takes X and weights, and no Y."""
        function = self.functions[name]
        roles = {role_of(p) for p in required(function)}
        kinds = ("backward", "cost", "update", "init")
        other = any(IS[kind].search(name) for kind in kinds) or NOT.search(name) is not None
        fits = "X" in roles and has_weights(function) and not roles & {"Y", "grads", "lr"}
        return fits and not other and not repeats(function)

    def kinds_of_data(self, params: Mapping[str, Any]) -> list[tuple[int, bool, bool, int, int]]:
        """(examples, whether X is a vector, whether examples are columns, inputs, outputs)."""
        n_xs, n_ys = ends_of(params)
        without = [n - 1 for n in n_xs if n > 4]  # where the code adds a column of ones
        sizes = product(self.batches, (False, True), [*n_xs, 2, 3, *without], n_ys)
        return [(m, flat, columns, n_x, n_y) for (m, flat), columns, n_x, n_y in sizes]

    def take(self, *names: str | None) -> None:
        """These functions, and those that they call, are examined."""
        for n in names:
            if n in self.functions or n in self.classes:
                self.used |= {n} | self.reached(n)

    def networks(self) -> Iterator[Report]:
        forwards, costs = self.of_role("forward"), self.of_role("cost")
        parts = {n for c in costs for n in self.reached(c) if IS["cost"].search(n)}
        costs += [n for n in self.functions if n in parts and n not in costs]
        forwards.sort(key=lambda n: "predict" in n.lower())
        forwards = forwards or [n for n in self.functions if self.computes_output(n)]
        inner = [n for f in forwards for n in self.reached(f)]
        inner = [n for n in inner if IS["forward"].search(n) and not IS["backward"].search(n)]
        for b in self.of_role("backward"):
            function = self.functions[b]
            needed = set(required(function))
            gives = [n for n in inner if needed & set(result_names(self.functions[n]))]
            if self.chosen["backward"] is None and (
                b in self.used
                or (gives_loss_too(function) and not takes_results(function))
                or takes_upstream(function)
                or self.is_of_cost(b)
                or not (has_parameters(function) or self.own_parameters([function]))
            ):
                continue
            trained = self.called_beside(b)
            near = sorted(nearest(b, costs), key=lambda c: c not in trained)
            outer = [
                n for n in nearest(b, forwards) if needed & set(result_names(self.functions[n]))
            ]
            ahead = outer or [*gives, *nearest(b, forwards)]
            report, f, c = self.network(b, list(dict.fromkeys(ahead)), near)
            if report.status != 2:
                self.wholes.add(b)
                self.take(f, c, b)
            if report.ok:
                self.right |= self.reached(b)
            yield report

    def called_beside(self, name: str) -> set[str]:
        """What is called by the functions and the loops that call this function."""
        blocks = [t for n in self.functions if (t := source_tree(self.functions[n])) is not None]
        blocks += [s for s in self.room.statements if isinstance(s, ast.For | ast.While | ast.If)]
        found: set[str] = set()
        for block in blocks:
            called = {n.id for n in ast.walk(block) if isinstance(n, ast.Name)}
            found |= called if name in called else set()
        return found

    def network(
        self, b: str, forwards: list[str], costs: list[str]
    ) -> tuple[Report, str | None, str | None]:
        """The examination of a backward with the forward and the cost that go with it."""
        ways: list[tuple[str | None, str | None]] = [
            (f, c) for f in forwards[:2] for c in costs[:2]
        ]
        if not self.chosen["forward"]:
            ways += [(None, c) for c in costs[:2]]
        if not self.chosen["cost"]:
            ways += [(f, None) for f in forwards[:2]]
        first: Report | None = None
        wrong: tuple[Report, str | None, str | None] | None = None
        for f, c in ways:
            if c is None and wrong is not None:
                break  # with the file's own cost
            if first is not None and first.final and None in (f, c):
                break  # what does not end with them does not end without
            others = " and ".join(n for n in (f, c) if n)
            title = f"{b} with {others}{'' if c else ', no cost function'}"
            report = self.best(title, self.function_subjects(f, c, b))
            if report.ok and wrong is not None and wrong[2] in self.called_beside(b):
                wrong[0].notes.append(
                    f"the gradients are those of {c}; the training goes by {wrong[2]}"
                )
                return wrong
            if report.ok:
                if first is not None and costs and c is None:
                    report.notes.append(f"{costs[0]} was not used: {first.problem}")
                return report, f, c
            if report.status == 1:
                wrong = wrong or (report, f, c)
                continue
            if first is None or (unbound(first) and not unbound(report)):
                first = report
        if wrong is not None:
            return wrong
        if first is None:
            first = Report(b, problem="no forward pass and no cost function go with it.")
        return first, None, None

    def function_subjects(self, f: str | None, c: str | None, b: str) -> Iterator[Subject]:
        forward, cost, backward = (self.functions.get(n or "") for n in (f, c, b))
        functions = [g for g in (forward, backward, cost) if g is not None]
        yield from self.subjects(functions, forward=forward, cost=cost, backward=backward)

    def subjects(self, functions: list[Function], **roles: Any) -> Iterator[Subject]:
        """These functions with parameters that they are given, or with those of the file."""
        extra = self.extra(functions)
        if vectors := [p for f in functions for p in required(f) if is_unrolled(f, p)]:
            yield from self.unrolled(functions, vectors[0], extra, roles)
            return
        own = [] if any(map(has_weights, functions)) else self.own_parameters(functions)
        if not own:
            for params, X, Y in self.data(functions):
                yield Subject(params, X, Y, **roles, extra=extra)
            return
        names = self.room.names
        given = {k: np.array(names[k], float) for k in own}
        words = (
            chain(map(invent.tokens, ends_of(given)[0])) if any(map(takes_words, functions)) else ()
        )
        for X, Y in chain(words, self.data_of_own(given)):
            for n in {p for f in functions for p in required(f)} - set(extra):
                if invent.kind_of(n, 1) == "state":
                    extra[n] = invent.state_for(given)
            yield GlobalSubject(names, given, X, Y, **roles, extra=extra)

    def unrolled(
        self, functions: list[Function], vector: str, extra: dict[str, Any], roles: dict[str, Any]
    ) -> Iterator[Subject]:
        """All parameters in one vector, which the functions cut into matrices by sizes."""
        takes = {role_of(p) for f in functions for p in required(f)}
        dims, known = [4, 5, 3 if "Y" in takes else 4], {}  # without targets: an autoencoder
        for n in dict.fromkeys(p for f in functions for p in required(f)):
            hidden = dims[1:-1]
            size = None if n == vector else invent.size_called(n, dims, hidden)
            if size is not None and role_of(n) not in ("X", "Y", "m"):
                known[n] = size
        if not known:  # they are constants of the file
            sizes = [
                n for f in functions for n in free_names(f) if type(self.room.names.get(n)) is int
            ]
            dims = [self.room.names[n] for n in dict.fromkeys(sizes) if role_of(n) != "m"] or dims
        pairs = list(pairwise(dims))
        with_bias, without = sum((a + 1) * b for a, b in pairs), sum(a * b for a, b in pairs)
        for length in (with_bias, without, dims[0], dims[0] + 1):
            for m, columns in ((6, False), (6, True)):
                X = next(invent.inputs(dims[0], m, columns, flat=False))
                for Y in invent.targets(dims[-1] if length > dims[0] + 1 else 1, X, columns):
                    theta = invent.with_numbers(np.zeros(length))
                    subject = Subject(theta, X, Y, extra=extra | known, **roles)
                    subject.cut()
                    yield subject

    def data_of_own(self, params: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
        """Inputs and labels for parameters whose sizes are fixed."""
        n_xs, n_ys = ends_of(params)
        for (m, flat), columns, n_x, n_y in product(self.batches, (False, True), n_xs, n_ys):
            for X in invent.inputs(n_x, m, columns, flat):
                for Y in invent.targets(n_y, X, columns, self.signs):
                    yield X, Y

    def extra(self, functions: list[Function]) -> dict[str, Any]:
        """Arguments that are neither data nor parameters; also constants of the file of that name."""
        names = {p for f in functions for p in inspect.signature(f).parameters} - set(EXTRA)
        data = ("params", "X", "Y", "cache", "grads", "output")  # these are invented
        own = {n: self.room.names.get(n) for n in names}
        own = {n: v for n, v in own.items() if role_of(n) not in data or holds_functions(v)}
        kinds = (list, tuple, dict, str, FunctionType)
        usual = {"lambd": 0.7, "keep_prob": 0.8}
        found = {n: v for n, v in self.settings.items() if n in names and role_of(n) is None}
        found |= {n: usual[r] for n in names if (r := role_of(n)) in usual}
        for n, v in own.items():
            if isinstance(v, int | float) and role_of(n) is None and not WEIGHTS.match(n):
                found[n] = v
        found |= self.callables_for(functions, {})
        return EXTRA | found | {n: v for n, v in own.items() if isinstance(v, kinds)}

    def callables_for(self, functions: list[Function], names: dict[str, Any]) -> dict[str, Any]:
        """The functions that these functions are given in the file for arguments that they call."""
        found: dict[str, Any] = {}
        for function in functions:
            tree, takes = source_tree(function), list(inspect.signature(function).parameters)
            calls = [
                n.func for n in ast.walk(tree or ast.Module([], [])) if isinstance(n, ast.Call)
            ]
            called = {f.id for f in calls if isinstance(f, ast.Name)} & set(takes)
            takes = takes[takes[:1] == ["self"] :]
            for given in self.arguments_in_file(label_of(function), takes) if called else ():
                for name in called & given.keys():
                    value, _ = attempt(partial(value_of, given[name], self.room.names | names))
                    if callable(value):
                        found.setdefault(name, value)
        return found

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What arguments are elsewhere in the file, as a default or in a call: dropout=0.3."""
        nodes = [n for t in self.room.statements for n in ast.walk(t)]
        pairs = [(n.arg, n.value) for n in nodes if isinstance(n, ast.keyword) and n.arg]
        for f in (n.args for n in nodes if isinstance(n, ast.FunctionDef)):
            names = [a.arg for a in f.args]
            pairs += zip(names[len(names) - len(f.defaults) :], f.defaults)
        kinds = (float, str, bool)
        return {n: v for n, e in pairs if isinstance(v := getattr(e, "value", None), kinds)}

    def loss_and_gradient(self) -> Iterator[Report]:
        for name, function in self.functions.items():
            if name in self.used or NOT.search(name) or takes_results(function):
                continue
            if gives_loss_too(function):
                inputs = (
                    Subject(*given, both=function, extra=EXTRA)
                    for given in data_for_inputs(function)
                )
                report = self.best(name, chain(self.subjects([function], both=function), inputs))
                if report.status != 2:
                    self.wholes.add(name)
                    self.take(name)
                yield report

    def best(self, title: str, subjects: Iterable[Subject]) -> Report:
        """The examination with the kind of data that the code is right on; else with the one that it
        runs on with the smallest share of wrong gradients. Data that it stops at are not meant for it.
        """
        reason, own = "", False  # why not; whether its own sizes are needed
        runs: list[tuple[float, Examination, list[Trial]]] = []
        stopped: tuple[Examination, list[Trial]] | None = None
        fitted: int | None = None  # the number of outputs where the labels fit the output
        end = time.process_time() + PATIENCE
        for subject in up_to_a_failure(subjects):
            if isinstance(subject, Exception):
                return Report(title, problem=failed_here(subject))
            if time.process_time() > end:
                break
            if runs and runs[0][1].subject.origin != subject.origin:
                break  # its own data are the right ones
            if (
                runs
                and alone(subject)
                and not alone(runs[0][1].subject)
                and (counts_examples(subject) or not any(has(t, SHAPE) for t in runs[0][2]))
            ):
                break  # one example hides what is wrong for a batch
            subject.outside = (self.room.names, self.outside)
            examination = Examination(subject, title)
            try:
                with np.errstate(all="ignore"):
                    trials = examination.trials()
                    done = [r for t in trials for r in t.runs if r.failure is None]
                    if isinstance(subject, ObjectSubject) and done and subject.hold(done):
                        examination = Examination(subject, title)
                        trials = examination.trials()
            except CannotExamine as error:
                if isinstance(error, Unbound | Hopeless):
                    if runs:
                        break  # other data are not meant for it
                    final = isinstance(error, Hopeless)
                    return Report(title, problem=sentence(error), final=final)
                reason = reason or sentence(error)
                continue
            except Exception as error:  # one part that the doctor cannot do does not end the others
                return Report(title, problem=failed_here(error))
            reason = reason or examination.stop
            fixed = isinstance(subject, GlobalSubject | ObjectSubject)  # its number of layers
            if not trials or not (fixed or all_used(trials[0])):
                continue
            if trials[0].failure is not None:
                if size := self.own_size(trials[0].failure, trials[0]):
                    reason, own = f"the code runs only with its own sizes, such as {size}.", True
                    continue
                meant = np.ndim(subject.X) != 1 or self.one_by_one  # else not for a vector
                if meant and (stopped is None or progress(trials) > progress(stopped[1])):
                    stopped = examination, trials
                continue
            verdicts = [v.verdict for t in trials for v in t.verdicts.values()]
            wrong = sum(v not in GOOD for v in verdicts) / max(len(verdicts), 1)
            probe, output = trials[0].experiment.probes[0], trials[0].runs[0].output
            outputs = np.size(output) // probe.m
            if fitted not in (None, outputs) and output is not None:
                continue  # right for another number of outputs is not right
            runs.append((wrong, examination, trials))
            if all(t.right for t in trials):
                break
            end = min(end, time.process_time() + MORE)
            if np.shape(output) == np.shape(probe.Y):
                fitted = outputs
        if not runs and stopped is None:
            why = "it does not run on any of the usual kinds of data."
            return Report(title, problem=reason or why, final=own)
        _, examination, trials = min(runs, key=fitness) if runs else (0, *stopped)  # type: ignore[misc]
        if not runs and (absent := missing_name(trials[0], self.elsewhere)):
            return Report(title, problem=absent)
        with np.errstate(all="ignore"):
            examination.judge(trials)
        report, subject = examination.report, examination.subject
        if runs and stopped is not None and shapes(subject) != shapes(stopped[0].subject):
            output, Y = stopped[1][0].runs[0].output, stopped[1][0].experiment.probes[0].Y
            if np.shape(output) == np.shape(Y):  # else the fault is that of the targets
                report.notes.append(stops_for(*stopped))
        if reason and alone(subject) and not self.one_by_one:
            report.notes.append(f"examined with one example; with 6 it cannot be: {reason}")
        return without_stop(report)

    def own_size(self, failure: Failure, trial: Trial) -> int | None:
        """A size that stands in the code as a number, and that is not one of the experiment's."""
        if not isinstance(failure.error, ValueError | IndexError):
            return None
        named = [int(n) for n in re.findall(r"\d+", str(failure.error))]
        probe = trial.experiment.probes[0]
        shapes_used = [*map(np.shape, probe.params.values()), np.shape(probe.X), np.shape(probe.Y)]
        used = {n for shape in shapes_used for n in shape}
        constants = {v for v in self.room.names.values() if type(v) is int}
        constants |= {int(n) for n in re.findall(r"\b\d{2,6}\b", self.text)}
        own = [n for n in named if n > 9 and n in constants and n not in used]
        return own[0] if own else None

    def data(self, functions: list[Function]) -> Iterator[tuple[Any, Any, Any]]:
        """Parameters, inputs and labels of the usual kinds, invented."""
        classes = [3, 1] if "softmax" in self.text.lower() else [1, 3]
        classes += self.counts
        arguments = [p for f in functions for p in inspect.signature(f).parameters]
        kinds = product((False, True), self.batches, invent.FORMS, classes, (True, False))
        for turned, (m, flat), form, n_y, columns in kinds:  # turned: weights that X.T goes into
            for params in self.parameters(arguments, n_y, columns, form):
                numbers = form == "number"
                n_in, n_out = sizes_of_ends(flatten(params), 4, n_y, columns)
                n_in -= form == "augmented" and n_in > 4
                for X in invent.inputs(n_in, m, columns != turned, flat, numbers):
                    for Y in invent.targets(n_out, X, columns != turned, self.signs):
                        yield params, X, Y

    def parameters(self, arguments: list[str], n_y: int, columns: bool, form: str) -> Iterator[Any]:
        """What the file's own initialisation gives, or arrays by the names that the code uses."""
        dims = [4, 5, 3, n_y]
        for name, function in self.functions.items():
            if IS["init"].search(name) and not NOT.search(name) and form == "matrix":
                for call in invent.initial_calls(function, dims):
                    made, failure = attempt(partial_call(function, call), seconds=2)
                    if isinstance(made, tuple) and made and isinstance(made[0], Mapping):
                        made = made[0]
                    if failure is None and isinstance(made, Mapping | list | tuple) and made:
                        self.used.add(name)
                        if isinstance(made, tuple):
                            names = names_returned(source_tree(function) or ast.Module([], []))
                            if len(names) == len(made) and all(names):
                                made = invent.as_floats({str(n): v for n, v in zip(names, made)})
                        yield invent.with_numbers(made)
        keys = self.keys_used(arguments)
        if keys:
            yield from invent.invented(keys, dims, columns, form)

    def keys_used(self, arguments: list[str]) -> list[str]:
        """W1, b1, ... as they stand in the code."""
        pattern = re.compile(r"^(W|w|b|B|theta|Theta|beta|coef|weights?|bias|biases|V|U)_?\d*$")
        own = [a for a in dict.fromkeys(arguments) if pattern.match(a) and role_of(a) != "Y"]
        single = [a for a in own if not a[-1].isdigit() and role_of(a) == "params"]
        if own and (len(own) > len(single) or len(own) > 1):
            return own
        strings = dict.fromkeys(re.findall(r"""\[['"]((?:W|w|b|B)_?\d?)['"]\]""", self.text))
        if numbered := [k for k in strings if k[-1].isdigit()]:
            return sorted(numbered, key=lambda k: (int(k[-1]), k[0].lower() == "b"))
        if strings:
            return sorted(strings, key=lambda k: k[0].lower() == "b")
        if re.search(r"""['"]W['"] \+ str|f['"]W\{""", self.text):
            return ["W1", "b1", "W2", "b2", "W3", "b3"]
        return own

    def steps_of_numbers(self) -> Iterator[Report]:
        """step_gradient(b, m, points, rate), which gives the new numbers, and the cost of a line."""
        steps = [
            n for n in self.functions if IS["step"].search(n) and not repeats(self.functions[n])
        ]
        for name, c in product(steps, self.of_role("cost")):
            step, cost = self.functions[name], self.functions[c]
            if name in self.used or not (names := numbers_in(cost, step)):
                continue
            report = self.best(f"{name} with {c}", [Numbers(cost, step, names)])
            if report.status != 2:
                self.wholes.add(name)
                self.take(name, c)
                yield report

    def steps(self) -> Iterator[Report]:
        """A function that takes or changes the parameters and computes its gradients inside."""
        costs = self.of_role("cost")
        for name, function in self.functions.items():
            if not IS["step"].search(name) or name in self.used or repeats(function):
                continue
            roles = {role_of(p) for p in inspect.signature(function).parameters}
            if "grads" in roles or not has_parameters(function) or not costs:
                continue
            c = nearest(name, costs)[0]
            ahead = self.of_role("forward") if "output" in roles else []
            forward = self.functions[ahead[0]] if ahead else None
            if "X" in roles:
                given = {"forward": forward, "cost": self.functions[c], "backward": function}
                functions = [f for f in given.values() if f is not None]
                subjects = (
                    Subject(params, X, Y, **given, extra=EXTRA)
                    for params, X, Y in self.data(functions)
                )
                report = self.best(f"{name} with {c}", subjects)
            else:
                report = self.bare_step(name, c)
            if report.status != 2:
                self.wholes.add(name)
                self.take(name, c)
                yield report

    def bare_step(self, name: str, c: str) -> Report:
        """step(params) and cost(params) over the file's own X and Y."""
        step, cost = self.functions[name], self.functions[c]
        own = {role_of(k): v for k, v in self.room.names.items() if isinstance(v, np.ndarray)}
        report = Report(f"{name} with {c}", problem="the data that it uses are not in the file.")
        if own.get("X") is None or own["X"].ndim != 2:
            return report
        arguments = [p for f in (step, cost) for p in inspect.signature(f).parameters]
        Y = own.get("Y")
        shape = () if Y is None else Y.shape
        sizes = [n for n in shape if n != len(own["X"])] or [1, 3]
        for n_y in sizes:
            for columns in (False, True):
                dims = [own["X"].shape[0 if columns else 1], 5, 3, n_y]
                for params in invent.invented(self.keys_used(arguments), dims, columns, "matrix"):
                    made = check_step(step, params, cost, rate_of([step]) or 0.1)
                    if not made.problem:
                        made.title = f"{name} with {c}"
                        return made
        return report

    def layer_functions(self) -> Iterator[Report]:
        """One layer as two functions: affine_forward(x, W, b) and affine_backward(dout, cache)."""
        for name, function in self.functions.items():
            if name in self.used:
                continue
            own = self.partner(name, ("forward", "fwd", ""))
            partner = own or LAYERS.get(name.partition("_")[0].lower())
            if partner is None or len(inspect.signature(partner).parameters) < 1:
                continue
            title = f"{name} with {partner.__name__}"
            if takes_upstream(function):
                report = check_layer_functions(partner, function, title)
            elif self.is_of_cost(name):
                report = check_cost_functions(partner, function, title)
            else:
                continue
            if own is None:
                report.notes.append(
                    f"{partner.__name__} is not in the file; what is usually called so was taken"
                )
            if report.status != 2:
                self.take(name, partner.__name__)
                self.right.add(name)  # it need not be examined again
            if report.status != 2 or not is_activation(name):
                yield report

    def is_of_cost(self, name: str) -> bool:
        """Whether this is cross_entropy_backward(cache) beside cross_entropy_forward(x, labels)."""
        own = self.partner(name, ("forward", "fwd"))
        if own is None or not IS["backward"].search(name):
            return False
        return is_cost_pair(own, self.functions[name])

    def policy_gradients(self) -> Iterator[Report]:
        """policy_forward(x) for one step, and policy_backward(eph, epdlogp) for all of an episode."""
        for name, function in self.functions.items():
            if name in self.used or not IS["backward"].search(name):
                continue
            if not any(COMES_IN.search(n) for n in required(function)):
                continue
            for ahead in nearest(name, self.of_role("forward"))[:1]:
                forward = self.functions[ahead]
                title = f"{name} with {ahead}"
                names = self.steps_taken.own_run.last | self.room.names
                report = self.best(title, policies(forward, function, self.room.names, names))
                if report.status != 2:
                    self.wholes.add(name)
                    self.take(name, ahead)
                yield report

    def partner(self, name: str, endings: tuple[str, ...]) -> Function | None:
        """The function whose derivative this is, by its name."""
        low = name.lower()
        stem = SLOPE.sub("", low).strip("_")
        for ending in endings:
            inside = re.sub(r"backwards?|backprop|bwd", ending, low)  # conv_backward_naive
            forms = [f.replace("_", "") for f in (stem + ending, inside)]
            for n, f in self.functions.items():
                if n != name and n.lower().replace("_", "") in forms:
                    return f
        return None

    def updates(self) -> Iterator[Report]:
        for name in self.of_role("update"):
            if name in self.used:
                continue
            function = self.functions[name]
            names = list(inspect.signature(function).parameters)
            if len(names) < 2 or not has_weights(function):
                continue
            if any(
                a in inspect.signature(function).parameters
                for a in ("v", "s", "t", "velocity", "cache")
            ):
                continue
            tree = source_tree(function)
            counted = tree is None or "len(" in ast.unparse(tree)
            for layers in (2, 3, 4, 1):
                keys = [] if has_weights(function) else self.keys_used(names)
                params = updated_by(function, keys, layers)
                grads = {f"d{k}": np.ones_like(v) for k, v in params.items()}
                report = check_update(function, params, grads, 0.1)
                if counted or "KeyError" not in " ".join(c.says for c in report.causes):
                    break  # else it is written for another number of layers
            if not report.problem and not asks_for_more(report):
                self.used.add(name)
                yield report

    def pairs(self) -> Iterator[Report]:
        """A function and its derivative: sigmoid and sigmoid_prime, f and df, mse and mse_prime."""
        chosen = self.chosen["backward"]
        for name, function in self.functions.items():
            if (name in self.used and not is_activation(name)) or chosen not in (None, name):
                continue
            if name in self.right:
                continue
            slope = SLOPE.search(name) or re.match(r"d[_A-Z]|d.$|d(?=sigm|tanh|relu|soft)", name)
            stem = SLOPE.sub("", name).strip("_") if SLOPE.search(name) else name[1:].strip("_")
            if not slope or not stem or "linear" in stem:
                continue
            partner = next(
                (f for n, f in self.functions.items() if n.lower() == stem.lower() and n != name),
                None,
            )
            note = ""
            if partner is None and stem.lower() in ACTIVATIONS:
                partner, note = ACTIVATIONS[stem.lower()], f"{stem} itself is not in the file"
            if partner is None:
                continue
            report = self.pair(partner, function)
            if not report.problem:
                report.title = f"{name}, the derivative of {label_of(partner)}"
                self.slopes[report.title] = name, partner
                report.notes += [note] * bool(note)
                self.used |= {name, label_of(partner)}
                yield report
            elif not is_activation(name):
                yield Report(name, problem=report.problem)

    def pair(self, f: Function, g: Function) -> Report:
        """By entries; of two arguments; of numbers only; of a vector, to a number."""
        report = check_pair(f, g)
        if report.problem and len(required(g)) == 1:
            by_numbers = check_pair(by_entries(f), by_entries(g))
            if not by_numbers.problem:
                return by_numbers
            for shape in ((2,), (3,), (4,), (5,), (3, 4)):
                field = ScalarField(f, g)
                value, failure = attempt(lambda s=shape, h=field: h.forward(np.ones(s)))  # type: ignore[misc]
                if failure is None and np.shape(value) == ():
                    report = examine_local(Local(Layer(field), np.ones(shape), np.asarray(1.5)), "")
                    report.checked = [f"two random x of shape {shape}"]
                    return report
        return report

    # --- classes

    def is_base(self, kind: type) -> bool:
        return any(kind in k.__mro__[1:] for k in self.classes.values())

    def objects(self) -> Iterator[Report]:
        for name, kind in self.classes.items():
            if not self.is_base(kind) and not repeats(
                getattr(kind, "__init__", None)
            ):  # of bases, what is made of them
                yield from guarded(self.object(name, kind), name)

    def object(self, name: str, kind: type) -> Iterator[Report]:
        """One class: a network or a layer, or nothing of the kind."""
        together = [
            n
            for n, f in vars(kind).items()
            if isinstance(f, FunctionType) and gives_loss_too(f) and not NOT.search(n)
        ]
        if together and not self.chosen["backward"]:
            report = self.best(name, self.object_subjects(list(self.made(kind)), None, together[0]))
            self.wholes |= {together[0]} if report.status != 2 else set()
            yield report
            return
        backward = self.chosen["backward"] or method_of(kind, BACKWARD, "backward")
        forward = self.chosen["forward"] or forward_for(kind, backward)
        if backward is not None and repeats(getattr(kind, backward, None)):
            backward = None  # it trains
        step = first_method(kind, STEPS, own=True)
        if step is not None and has_loop(getattr(kind, step)):
            step = None  # a step of its loop is taken out
        if forward is None or (backward is None and step is None):
            return
        if not hasattr(kind, forward) or not hasattr(kind, backward or str(step)):
            return
        made = list(self.made(kind))
        if not made:
            yield Report(
                name, problem="no object could be made: its constructor takes other things."
            )
            return
        if backward is not None and is_layer(kind, forward, backward, made[0]):
            report = self.layer(name, made, forward)
            self.methods |= {(name, backward)} if report.status != 2 else set()
            yield report
            return
        subjects = self.object_subjects(made, forward, backward or str(step))
        report = self.best(name, subjects)
        if report.ok and (deeper := list(self.deeper(kind, made))):
            batches = self.batches
            if any(n.startswith("examined with one example") for n in report.notes):
                self.batches = [b for b in batches if b[0] == 1]
            subjects = self.object_subjects(deeper, forward, backward or str(step))
            other = self.best(name, subjects)
            self.batches = batches
            if other.status == 1 and "shape" not in other.verdicts.values():  # else other data
                right = (
                    "it is right with fewer layers, so a test with those does not see the mistake"
                )
                report, other.notes = other, [*other.notes, right]
            elif other.ok:
                report.checked += other.checked
        if report.status != 2:
            self.wholes.add(backward or str(step))
            self.methods.add((name, backward or str(step)))
        yield report
        for batch in batch_methods(kind, str(backward)) if report.ok else ():
            other = self.best(f"{name}.{batch}", self.batch_subjects(made, forward, batch))
            if other.status != 2:
                self.methods.add((name, batch))
                yield other

    def made(self, kind: type) -> Iterator[Any]:
        """Objects of a class: those of the file, and new ones."""
        for v in self.room.names.values():
            if type(v) is kind and parameters_in(hold_arrays(v)):
                yield v
        words = self.words_for(kind)
        for n_y in (3, 1, *self.counts):
            for call in invent.initial_calls(kind, [4, 5, n_y]):
                made, failure = attempt(partial_call(kind, call | words), seconds=2)
                if failure is None:
                    yield hold_arrays(made)
        for call in self.calls_in_file(kind):
            usual = next(invent.initial_calls(kind, [4, 5, 3]), {})
            made, failure = attempt(partial_call(kind, usual | call), seconds=2)
            if failure is None:
                yield hold_arrays(made)
        if {role_of(p) for p in inspect.signature(kind).parameters} >= {"X", "Y"}:
            rng = np.random.default_rng(0)
            X, Y = rng.normal(size=(6, 4)), np.array([[0.0], [1], [1], [0], [1], [0]])
            takes = inspect.signature(kind).parameters
            needed = {n for n, p in takes.items() if p.default is p.empty}
            pictures = {"X": rng.normal(size=(6, 2, 2)), "Y": rng.integers(0, 10, 6)}
            pairs: list[dict[Any, Any]] = [{"X": X, "Y": Y}, {"X": X.T, "Y": Y.T}, pictures]
            for pair in pairs:
                call = {p: pair[r] for p in takes if (r := role_of(p)) in pair}
                usual = next(invent.initial_calls(kind, [4, 5, 1]), {})
                usual = {k: usual.get(k, 5) for k in takes if k not in call}
                for given in (
                    call,
                    call | {k: usual[k] for k in usual if k in needed},
                    call | usual,
                ):
                    made, failure = attempt(partial_call(kind, given), seconds=2)
                    if failure is None and parameters_in(made):
                        self.own_data[id(made)] = (pair["X"], pair["Y"])
                        yield made
                        break

    def calls_in_file(self, function: Any) -> Iterator[dict[str, Any]]:
        """The arguments with which the file calls it, where they are constants; with small sizes."""
        takes = [p for p in inspect.signature(function).parameters if p != "self"]
        for given in self.arguments_in_file(function.__name__, takes):
            values = {}
            for name, e in given.items():
                value, failure = attempt(partial(constant, e, self.room.names), seconds=1)
                if failure is None and name in takes:
                    values[name] = shrunk(value)
            if values:
                yield values

    def arguments_in_file(self, name: str, takes: list[str]) -> Iterator[dict[str, ast.expr]]:
        """What stands in the calls of a function or a method of this name, by argument."""
        nodes = (n for s in self.room.statements for n in ast.walk(s) if isinstance(n, ast.Call))
        for call in nodes:
            if last_name(call.func) == name:
                yield dict(zip(takes, call.args)) | {str(k.arg): k.value for k in call.keywords}

    def words_for(self, kind: type) -> dict[str, str]:
        """Texts for the arguments of a constructor that the file compares with texts."""
        nodes = [n for t in self.room.trees for n in ast.walk(t)]
        found = {n: invent.compared_with(nodes, n) for n in required(kind)}
        return {n: texts[0] for n, texts in found.items() if texts}

    def deeper(self, kind: type, made: list[Any]) -> Iterator[Any]:
        """Objects with a layer more, of a class that takes a list of sizes."""
        for n_y in (3, 1):
            for call in invent.initial_calls(kind, [4, 6, 5, n_y]):
                new, failure = attempt(partial_call(kind, call), seconds=2)
                if failure is None and len(parameters_in(new)) > len(parameters_in(made[-1])):
                    yield new

    def object_subjects(
        self, made: list[Any], forward: str | None, backward: str
    ) -> Iterator[Subject]:
        for holder in made:
            if not parameters_in(holder):
                continue
            own: Any = cost_method(type(holder))
            costs: list[Any] = [own] if own is not None else self.costs_for(type(holder))
            held = parameters_in(holder)
            extra = EXTRA | accumulators(getattr(type(holder), backward), held)
            methods = [getattr(type(holder), n) for n in (forward, backward) if n is not None]
            extra |= self.callables_for(methods, {"self": holder})
            roles: dict[str, Any] = {"forward": forward, "backward": backward, "extra": extra}
            roles |= {"cost": costs[0]}
            # whether the cost is one of X and Y, whatever forward is
            whole = own is not None and {*map(role_of, required(getattr(holder, own)))} == {
                "X",
                "Y",
            }
            if forward is None:
                roles = {"both": backward, "extra": extra}
            if id(holder) in self.own_data:
                yield ObjectSubject(holder, *self.own_data[id(holder)], **roles)
                continue
            if forward is not None and takes_words(getattr(type(holder), forward)):
                for without in (False, True):
                    for n in ends_of(held)[0]:
                        words = roles | ({"cost": None} if without else {})
                        yield ObjectSubject(holder, *invent.tokens(n), **words)
            n_xs, n_ys = ends_of(held)
            sizes = product(self.batches, (False, True), n_xs, n_ys)
            for (m, flat), columns, n_x, n_y in sizes:
                for X in invent.inputs(n_x, m, columns, flat):
                    if forward is not None and not runs_forward(holder, forward, X):
                        for Y in invent.targets(n_y, X, columns, self.signs) if whole else ():
                            yield ObjectSubject(holder, X, Y, **(roles | {"forward": None}))
                        continue
                    for Y, cost in product(invent.targets(n_y, X, columns, self.signs), costs):
                        yield ObjectSubject(
                            holder, X, Y, **(roles | ({"cost": cost} if forward else {}))
                        )

    def costs_for(self, kind: type) -> list[Function | None]:
        """The costs of a file for a class that has none: first the one that its constructor takes."""
        given = [p.default for p in inspect.signature(kind).parameters.values()]
        found = [self.functions[n] for n in self.of_role("cost")]
        return [*sorted(found, key=lambda f: f not in given)[:2]] or [None]

    def batch_subjects(self, made: list[Any], forward: str, batch: str) -> Iterator[Subject]:
        """A method that updates by the gradients of several examples, pairs of columns."""

        def backward(model: Any, X: Any, Y: Any) -> Any:
            method = getattr(model, batch)
            pairs = [(X[:, i : i + 1], Y[:, i : i + 1]) for i in range(X.shape[1])]
            first, *others = required(method)
            given = {n: EXTRA.get(n, RATE if role_of(n) == "lr" else X.shape[1]) for n in others}
            return method(**{first: pairs}, **given)

        for holder in made:
            n_xs, n_ys = ends_of(parameters_in(holder))
            for n_x, n_y in product(n_xs, n_ys):
                X = next(invent.inputs(n_x, 6, True, False))
                if runs_forward(holder, forward, X):
                    Y = next(invent.targets(n_y, X, True))
                    subject = ObjectSubject(holder, X, Y, forward=forward, backward=backward)
                    if "lr" in map(role_of, required(getattr(holder, batch))):
                        subject.learning_rate = RATE
                    yield subject

    def layer(self, name: str, made: list[Any], forward: str) -> Report:
        reason = ""
        failed: Report | None = None
        tried: tuple[int, ...] = ()
        end = time.process_time() + PATIENCE
        for holder, shape in ((h, s) for h in made for s in self.layer_shapes(h)):
            if failed is not None and time.process_time() > end:
                break
            report = layer_report(name, holder, forward, shape)
            part = report.parts[0] if report.parts else report
            if part.problem:
                reason = reason or part.problem
                continue
            part.title = name
            if part.ok:
                if failed is not None:
                    part.notes.append(f"it works for input of shape {shape}, not of {tried}")
                return part
            if not (stops(part) or shapes_off(part)):
                return part
            if failed is None:
                failed, tried = part, shape
        if failed is not None and shapes_off(failed):
            return Report(
                name, problem="its gradients have other shapes than the data it was given."
            )
        return failed if failed is not None else Report(name, problem=reason)

    def layer_shapes(self, holder: Any) -> list[tuple[int, ...]]:
        """Shapes of the input: the usual ones, and those that the first matrix fixes."""
        shapes = [*invent.SHAPES, (4,)]
        first = next((v.shape for v in parameters_in(holder).values() if v.ndim == 2), ())
        if first and 4 not in first:
            shapes = [s for n in first for s in ((6, n), (n, 6), (n,))] + shapes
        return sorted(shapes, key=lambda s: 1 not in s) if self.one_by_one else shapes


def fitness(run: tuple[float, Examination, list[Trial]]) -> tuple[float, bool]:
    """How little is wrong with one kind of data; gradients of another shape are a sign of other data."""
    return run[0], any(has(t, SHAPE) for t in run[2])


def progress(trials: list[Trial]) -> int:
    """How far a backward pass came that stops: with the right kind of data it comes further."""
    return len(trials[0].runs[0].events)


def asks_for_more(update: Report) -> bool:
    """Whether an update stopped at once for a key that the invented parameters do not have."""
    errors = {"KeyError", "AttributeError", "IndexError", "TypeError"}
    stopped = errors & {c.kind for c in update.causes}
    return bool(stopped) and all(r.verdict == MISSING for r in update.rows)


def guarded(reports: Iterable[Report], title: str) -> Iterator[Report]:
    """The reports, up to one where the doctor itself fails: nobody is called wrong for that."""
    try:
        yield from reports
    except Exception as error:
        yield Report(title, problem=failed_here(error))


def up_to_a_failure(subjects: Iterable[Subject]) -> Iterator[Subject | Exception]:
    """The subjects, up to one that cannot be made, and why."""
    try:
        yield from subjects
    except Exception as error:
        yield error


def failed_here(error: Exception) -> str:
    return f"the doctor itself failed here ({type(error).__name__}: {error})."


def data_for_inputs(function: Function) -> Iterator[tuple[Any, Any, Any]]:
    """For a loss that gives the gradients of its inputs: ``loss, dx = softmax_loss(x, y)``."""
    arguments = required(function)
    tree = source_tree(function)
    given = [n for n in (names_returned(tree) if tree is not None else []) if n]
    found = {parameter_meant(n, arguments) for n in given if n not in arguments}
    rng = np.random.default_rng(0)
    for n_y in (3, 1):
        for columns in (False, True):
            x = rng.normal(size=(n_y, 6) if columns else (6, n_y))
            for Y in invent.targets(n_y, x, columns):
                yield {n: x.copy() for n in arguments if n in found}, x, Y


def layer_report(name: str, holder: Any, forward: str, shape: tuple[int, ...]) -> Report:
    """The examination of a layer object for an input of this shape."""
    rng = np.random.default_rng(0)
    needed = required(getattr(holder, forward))
    second = needed[1] if len(needed) > 1 else ""
    x = rng.normal(size=shape)
    if "Y" in map(role_of, needed[:2]) or "loss" in name.lower():
        if len(shape) != 2:
            return Report(name, problem="it is a cost.")
        labels = rng.integers(0, shape[1], shape[0])
        rows, columns = np.eye(shape[1])[labels], np.eye(shape[0])[np.arange(shape[1]) % shape[0]].T
        reports = []
        for T, given in product((rows, labels, columns), (x, probabilities(x))):
            report = check_layers([], holder, given, T)
            reports.append(report)
            if report.ok:
                break
        report = min(reports, key=lambda r: r.status if r.status != 2 else 0.5)
        if report.parts and "expected one number" in report.parts[0].problem:
            return check_layers([holder], None, (x, rng.normal(size=shape)))
        return report
    return check_layers([holder], None, (x, rng.normal(size=shape)) if second else x)


def stops(report: Report) -> bool:
    return any(c.says.startswith("backward stops") for c in report.causes)


def shapes_off(report: Report) -> bool:
    """Whether several gradients have other shapes: the data are not meant for it, which one gradient of
    another shape does not say."""
    return sum(r.verdict == SHAPE for r in report.rows) > 1


class ScalarField:
    """A function from a vector to a number and its gradient, as a layer."""

    def __init__(self, f: Function, g: Function):
        self.f, self.g = f, g

    def forward(self, x: Any) -> Any:
        self.x = x
        return self.f(x)

    def backward(self, dout: Any) -> Any:
        return dout * np.asarray(self.g(self.x))


def functions_of(kind: type, known: Mapping[str, Function]) -> dict[str, Function]:
    """The methods of a class that holds no parameters but is given them, as functions."""
    methods = {
        n: f for n, f in vars(kind).items() if isinstance(f, FunctionType) and n not in known
    }
    given = [n for n, f in methods.items() if "params" in map(role_of, required(f))]
    if not any(IS["backward"].search(n) for n in given) or keeps_weights(methods):
        return {}
    made, failure = attempt(kind, seconds=2)
    if failure is not None or parameters_in(made):
        return {}
    return {n: getattr(made, n) for n in methods if not n.startswith("__")}


def constant(e: ast.expr, names: Mapping[str, Any]) -> Any:
    """The value of an expression that only computes; ValueError for another one."""
    if not harmless(e):
        raise ValueError
    return value_of(e, names)


def value_of(e: ast.expr, names: Mapping[str, Any]) -> Any:
    return eval(compile(ast.Expression(e), "<call>", "eval"), dict(names))


def shrunk(value: Any) -> Any:
    """Sizes of 4 to 19 for larger ones, one for one."""
    if type(value) is int:
        return value if value < 20 else 4 + value % 16
    return type(value)(map(shrunk, value)) if type(value) in (list, tuple) else value


def by_entries(f: Function) -> Function:
    return np.vectorize(f, otypes=[float])


def partial_call(function: Any, arguments: Mapping[str, Any]) -> Function:
    return lambda: function(**arguments)


def label_of(function: Any) -> str:
    return str(getattr(function, "__name__", function))


def unbound(report: Report) -> bool:
    return "nothing of that name is known" in report.problem


def alone(subject: Subject) -> bool:
    """Whether X is one example: a row or a column, or a vector where w is one too."""
    vectors = any(map(np.ndim, subject.params.values()))
    if subject.own_data:
        return subject.lone
    return 1 in np.shape(subject.X) or (np.ndim(subject.X) == 1 and vectors)


def sentence(error: Exception) -> str:
    text = str(error)
    return text if text.endswith(("?", ".")) else f"{text}."


def shapes(subject: Subject) -> str:
    return ", ".join(f"{k} {np.shape(v)}" for k, v in subject.params.items())


def counts_examples(subject: Subject) -> bool:
    """Whether the gradients are summed or averaged over the examples somewhere in the code."""
    texts = [ast.unparse(t) for f in subject.functions if (t := source_tree(f)) is not None]
    return bool(re.search(r"axis=|mean\(|/ \(?m\b|shape\[|len\([xXyY]\)", " ".join(texts)))


def missing_name(trial: Trial, elsewhere: set[str]) -> str:
    """A global that the file does not define: its data, as a rule, which are not loaded."""
    failure = trial.failure
    if failure is None or type(failure.error) is not NameError or failure.error.name in elsewhere:
        return ""
    name, where = failure.error.name, place(failure.file, failure.line)
    return (
        f"{failure.function} uses {name} ({where}), which is neither an argument nor a variable of it, "
        "nor defined by the imports, definitions and constants of the file."
    )


def stops_for(examination: Examination, trials: list[Trial]) -> str:
    failure = trials[0].failure
    assert failure is not None
    return f"backward stops where the shapes are {shapes(examination.subject)}: {failure.sentence}"
