"""From the output to the input: which quantity is wrong by itself, and which only follows.

Errors travel only towards the input. Layer by layer the learner's numbers are explained by the right
formulas, applied to what he had computed so far, with as few changes as possible; what he computed,
even wrong, is then taken over for the next layer. So each quantity is judged on its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nn.doctor.hypotheses import Change, Room, changes_of, evaluate, right_formulas
from nn.doctor.sandbox import Event
from nn.doctor.twin import Factor, Twin, environment
from nn.doctor.twin import formulas as derived_formulas

FITS = 1e-9  # a hypothesis has to give the learner's numbers as exactly as this
APART = 1e-6  # and the right formula has to be off by more than this
ENTRIES = 3  # finite and not zero, that an array with nan or infinity has to have as a proof
UNEXPLAINED = 4.0
SECONDS = 6.0  # of processor time for looking for several changes at once
BEAM = 24

Pair = tuple[Any, Any]  # of the two probes


@dataclass(frozen=True)
class Mark:
    """What is known of one quantity after the search."""

    name: str
    value: Pair
    causes: tuple[Change, ...] = ()  # several: indistinguishable
    unexplained: bool = False
    seen: bool = False  # the learner's own array, not one inferred from what follows
    right: Pair | None = None  # by the right formula from what the learner had
    formula: Any = None
    error: float = 0.0  # how exactly the explanation fits


@dataclass
class State:
    cost: float
    values: tuple[dict[str, Any], dict[str, Any]]
    marks: tuple[Mark, ...] = ()

    def with_mark(self, mark: Mark, cost: float) -> State:
        values = tuple(dict(v, **{mark.name: x}) for v, x in zip(self.values, mark.value))
        return State(self.cost + cost, (values[0], values[1]), (*self.marks, mark))


@dataclass
class Explanation:
    """The best explanation of all the learner's gradients."""

    marks: list[Mark]
    cost: float
    common: Factor  # of all gradients


def close(a: Any, b: Any, tolerance: float = FITS) -> bool:
    """Whether two arrays are equal, relative to the largest entry; inf and nan at the same places."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape:
        return False
    # almost all that is compared differs, also in its first entry
    if a.size and abs(a.item(0) - b.item(0)) > tolerance * max(
        np.maximum.reduce(np.abs(a), axis=None), 1e-12
    ):
        return False
    with np.errstate(all="ignore"):
        finite = np.isfinite(a)
        if not finite.all():
            if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
                return False
            a, b = a[finite], b[finite]
        size = np.abs(a).max() if a.size else 0.0
        return bool(np.abs(a - b).max() <= tolerance * max(size, 1e-12)) if a.size else True


def both_close(a: Pair, b: Pair, tolerance: float = FITS) -> bool:
    return close(a[0], b[0], tolerance) and close(a[1], b[1], tolerance)


def says_something(a: Any) -> bool:
    """Whether an array can prove anything: of nan and infinity some entries have to be numbers."""
    a = np.asarray(a)
    finite = np.isfinite(a)
    return bool(finite.all() or np.count_nonzero(a[finite]) >= ENTRIES)


def broadcasts(value: Pair, right: Pair) -> bool:
    """Whether both arrays can stand where the right ones should."""
    try:
        return all(
            np.ndim(v) == np.ndim(r)
            and np.broadcast_shapes(np.shape(v), np.shape(r)) == np.shape(r)
            for v, r in zip(value, right)
        )
    except ValueError:
        return False


LETTERS = {
    "W": ("dw",),
    "b": ("db",),
    "Z": ("dz", "delta"),
    "A": ("da",),
    "H": ("dh", "da"),
    "AZ": ("da", "dz", "delta"),  # of a layer without activation
}


def fits_name(variable: str, quantity: str) -> bool:
    """Whether this is how people call it: ``self.dZ_2`` or ``delta2`` for dZ2, whatever the number."""
    low = variable.lower().replace("_", "")
    return any(p in low for p in LETTERS.get(quantity[1:].rstrip("0123456789"), ()))


def pair_up(events: Sequence[Sequence[Event]]) -> list[tuple[Event, Event]]:
    """The same assignments in the two runs."""

    def keyed(seen: Sequence[Event]) -> dict[tuple[Any, ...], Event]:
        counts: dict[tuple[Any, ...], int] = {}
        found = {}
        for e in seen:
            key = (e.function, e.line, e.name)
            counts[key] = counts.get(key, 0) + 1
            found[(*key, counts[key])] = e
        return found

    first, second = keyed(events[0]), keyed(events[1])
    return [(e, second[k]) for k, e in first.items() if k in second]


class Peel:
    """The search for one twin, one convention, and the learner's gradients on two probes."""

    def __init__(
        self,
        twin: Twin,
        bases: tuple[dict[str, Any], dict[str, Any]],
        derived: list[tuple[str, Any]],
        observed: Mapping[str, Pair],
        traced: list[tuple[Event, Event]],
        inner: Factor,
        outer: Factor,
        tolerance: float,
        partly: bool = False,
        end: float = np.inf,
    ):
        self.partly, self.end = partly, end
        self.twin, self.observed, self.tolerance = twin, observed, tolerance
        self.bases = bases
        self.traced = [(a.value, b.value) for a, b in traced]
        self.assigned = [a.name for a, _ in traced]
        self.different: dict[tuple[Any, Any], dict[Any, Pair]] = {}  # by shape, each once
        for a, b in self.traced:
            self.different.setdefault((a.shape, b.shape), {})[a.tobytes(), b.tobytes()] = a, b
        self.room = Room(twin, bases[0], inner, outer)
        self.lines = right_formulas(self.room, derived)
        self.formula = dict(self.lines)
        self.shapes = {name: (np.shape(f.value)) for name, f in self.lines}
        for name, f in self.lines:
            self.room.add(name, f.value)
        self.known = {
            name: [n for n, _ in self.lines[:i]] for i, (name, _) in enumerate(self.lines)
        }
        self.cache: dict[str, list[Change]] = {}

    def changes(self, name: str) -> list[Change]:
        if name not in self.cache:
            self.cache[name] = changes_of(name, self.formula[name], self.room, self.known[name])
        return self.cache[name]

    def value(self, formula: Any, state: State) -> Pair | None:
        try:
            with np.errstate(all="ignore"):
                found = tuple(
                    evaluate(formula, {**b, **v}) for b, v in zip(self.bases, state.values)
                )
        except (ValueError, TypeError, KeyError, IndexError, np.linalg.LinAlgError):
            return None
        return found[0], found[1]

    def blocks(self) -> Iterator[list[str]]:
        """The hidden quantities and the seen ones after them, up to the next hidden one."""
        block: list[str] = []
        for name, _ in self.lines:
            if block and name[1] in "ZAH" and block[-1][1] in "Wb":
                yield block
                block = []
            block.append(name)
        yield block

    def run(self, limit: float) -> list[State]:
        states = [State(0.0, ({}, {}))]
        for block in self.blocks():
            found: list[State] = []
            for state in states:
                if not found or state.cost < min(s.cost for s in found) + 1:
                    found += self.explain(block, state)
            if not found:
                break
            found.sort(key=lambda s: s.cost)
            states = merged([s for s in found if s.cost <= found[0].cost + 0.6])[:BEAM]
            if states[0].cost > limit:
                return []
        return states

    # --- one block

    def explain(self, block: list[str], state: State) -> list[State]:
        options = self.with_traced(block, state)
        for budget in (0, 1, 2, 3):
            if budget == 3:  # only where nothing is hidden, or it would take too long
                options = [o for o in options if all(n in o for n in block if n[1] in "ZAH")]
            found = [s for o in options for s in self.search(block, state, o, budget)]
            if found:
                best = min(s.cost for s in found)
                return [s for s in found if s.cost <= best + 0.3]
        return list(self.give_up(block, state, (options or self.with_traced(block, state))[0]))

    def with_traced(self, block: list[str], state: State) -> list[dict[str, Pair]]:
        """The observed quantities; with hidden ones that were seen being assigned, if there are.

        A traced array is taken for dZ when dW or db follows from it, or when it is the right one.
        """
        observed = {n: self.observed[n] for n in block if n in self.observed}
        hidden = [n for n in block if n not in observed]
        dZ = next((n for n in hidden if n[1] == "Z"), None)
        right = self.chain(block, observed, state) if dZ is not None and self.traced else None
        if dZ is None or right is None:
            return [observed]
        followers = [n for n in block if n in observed and n[1] in "Wb" and n[2:] == dZ[2:]]
        candidates = [
            p
            for p in self.traced
            if np.shape(p[0]) == self.shapes[dZ] and np.shape(p[1]) == np.shape(right[dZ][1])
        ]
        options = [
            dict(observed, **{dZ: p})
            for p in candidates
            if both_close(p, right[dZ]) or self.followed(dZ, p, followers, observed, state)
        ]
        different: list[dict[str, Pair]] = []
        for option in options:
            if not any(both_close(option[dZ], known[dZ]) for known in different):
                different.append(option)
        for option in different:
            if not both_close(option[dZ], right[dZ]):
                self.add_leading(
                    option, [n for n in right if n in hidden and n != dZ], dZ, right, state
                )
        return different[:4] or [observed]

    def add_leading(
        self,
        option: dict[str, Pair],
        hidden: list[str],
        dZ: str,
        right: Mapping[str, Pair],
        state: State,
    ) -> None:
        """The gradients before a traced dZ, if they were seen too."""
        follower = dZ
        for name in reversed(hidden):
            seen = [
                p
                for p, variable in zip(self.traced, self.assigned)
                if broadcasts(p, right[name]) and (np.any(p[0]) or fits_name(variable, name))
            ]
            if any(both_close(p, right[name]) for p in seen):
                option[name] = right[name]
            else:
                leading = [p for p in seen if self.followed(name, p, [follower], option, state)]
                if not leading:
                    return
                option[name] = leading[0]
            follower = name

    def followed(
        self,
        name: str,
        value: Pair,
        followers: list[str],
        observed: Mapping[str, Pair],
        state: State,
    ) -> bool:
        """Whether one of ``followers`` is what the right formula makes of ``name`` = ``value``."""
        given = state.with_mark(Mark(name, value), 0)
        for f in followers:
            if np.size(observed[f][0]) > 1 or len(followers) == 1:
                result = self.value(self.formula[f], given)
                if result is not None and both_close(result, observed[f]):
                    return True
        return False

    def chain(
        self, block: list[str], observed: Mapping[str, Pair], state: State
    ) -> dict[str, Pair] | None:
        """The right values of the hidden quantities from what the learner had before them."""
        found: dict[str, Pair] = {}
        for name in block:
            if name[1] in "Wb":
                continue
            value = observed.get(name) or self.value(self.formula[name], state)
            if value is None:
                return None
            found[name] = value
            state = state.with_mark(Mark(name, value), 0)
        return found

    def search(
        self, block: list[str], state: State, observed: Mapping[str, Pair], budget: int
    ) -> Iterator[State]:
        """The explanations of a block with exactly ``budget`` changes."""
        if budget > 1 and time.process_time() > self.end:
            return
        if not block:
            if budget == 0:
                yield state
            return
        name, rest = block[0], block[1:]
        right = self.value(self.formula[name], state)
        if right is None:
            if self.partly and not budget:
                yield state
            return
        if name in observed:
            given = observed[name]
            if both_close(given, right, self.tolerance):
                mark = Mark(
                    name,
                    given,
                    seen=True,
                    right=right,
                    formula=self.formula[name],
                    error=gap(given, right),
                )
                yield from self.search(rest, state.with_mark(mark, 0), observed, budget)
            elif budget:
                mark2 = self.named(name, given, right, state)
                if mark2 is not None:
                    cost = self.price(mark2, state) + 0.02 * (name not in self.observed)
                    yield from self.search(rest, state.with_mark(mark2, cost), observed, budget - 1)
            return
        mark = Mark(name, right, right=right, formula=self.formula[name])
        unseen = 0.0 if self.was_seen(right) else 0.03
        yield from self.search(rest, state.with_mark(mark, unseen), observed, budget)
        if budget:
            for value, causes in self.hidden_changes(name, right, state):
                mark = Mark(name, value, tuple(causes), right=right, formula=self.formula[name])
                cost = self.price(mark, state) + (0.06 if self.was_seen(value) else 0.25)
                yield from self.search(rest, state.with_mark(mark, cost), observed, budget - 1)

    def was_seen(self, value: Pair) -> bool:
        alike = self.different.get((np.shape(value[0]), np.shape(value[1])), {})
        return not self.traced or any(both_close(p, value) for p in alike.values())

    def price(self, mark: Mark, state: State) -> float:
        """A mistake that was made before, in another layer, is the less surprising."""
        kinds = {(m.name[1], c.kind) for m in state.marks for c in m.causes}
        again = any((mark.name[1], c.kind) in kinds for c in mark.causes)
        partner = any(
            m.name[2:] == mark.name[2:]
            and {m.name[1], mark.name[1]} == {"W", "b"}
            and {c.kind for c in m.causes} & {c.kind for c in mark.causes}
            for m in state.marks
        )
        return 0.55 if again or partner else 1.0

    def named(self, name: str, given: Pair, right: Pair, state: State) -> Mark | None:
        """The changes that give the learner's numbers."""
        if both_close(given, right, APART) or not all(map(says_something, given)):
            return None
        causes: list[Change] = []
        worst = 0.0
        for changes in (self.changes(name), possible(measured(name, given, right, state, self))):
            for change in changes if not causes else ():
                if np.shape(change.formula.value) != np.shape(given[0]) and np.ndim(given[0]):
                    continue
                value = self.value(change.formula, state)
                if value is not None and both_close(given, value):
                    causes.append(change)
                    worst = max(worst, gap(given, value))
        if not causes:
            return None
        return Mark(
            name,
            given,
            tuple(causes),
            seen=True,
            right=right,
            formula=self.formula[name],
            error=worst,
        )

    def hidden_changes(
        self, name: str, right: Pair, state: State
    ) -> Iterator[tuple[Pair, list[Change]]]:
        """The different values that changes of a hidden quantity give."""
        groups: list[tuple[Pair, list[Change]]] = []
        for change in self.changes(name):
            value = self.value(change.formula, state)
            if value is None or any(np.shape(v) not in ((), r.shape) for v, r in zip(value, right)):
                continue
            value = (
                np.broadcast_to(value[0], right[0].shape),
                np.broadcast_to(value[1], right[1].shape),
            )
            if not (np.all(np.isfinite(value[0])) and np.all(np.isfinite(value[1]))):
                continue
            if both_close(value, right, APART):
                continue
            for known, causes in groups:
                if both_close(known, value):
                    causes.append(change)
                    break
            else:
                groups.append((value, [change]))
        yield from groups

    def give_up(
        self, block: list[str], state: State, observed: Mapping[str, Pair]
    ) -> Iterator[State]:
        """What is observed is taken as it is; what fits by the right formula or one change is said."""
        for name in block:
            right = self.value(self.formula[name], state)
            if name in observed:
                given = observed[name]
                if right is not None and both_close(given, right, self.tolerance):
                    mark, cost = (
                        Mark(name, given, seen=True, right=right, formula=self.formula[name]),
                        0.0,
                    )
                else:
                    found = self.named(name, given, right, state) if right is not None else None
                    if found is not None:
                        mark, cost = found, self.price(found, state)
                    else:
                        mark = Mark(
                            name,
                            given,
                            unexplained=True,
                            seen=True,
                            right=right,
                            formula=self.formula[name],
                        )
                        cost = UNEXPLAINED
                if np.shape(given[0]) == self.shapes[name] or name[1] in "Wb":
                    state = state.with_mark(mark, cost)
                    continue
                state = State(state.cost + cost, state.values, (*state.marks, mark))
            if right is None:
                return
            state = state.with_mark(Mark(name, right, right=right, formula=self.formula[name]), 0)
        yield state


def gap(a: Pair, b: Pair) -> float:
    """The difference relative to the largest entry of both; infinite for other shapes."""
    if any(np.shape(x) != np.shape(y) for x, y in zip(a, b)):
        return float("inf")
    worst = 0.0
    for x, y in zip(map(np.asarray, a), map(np.asarray, b)):
        finite = np.isfinite(x) & np.isfinite(y)
        if finite.any():
            size = max(np.abs(x[finite]).max(), np.abs(y[finite]).max(), 1e-300)
            off = np.abs(x[finite] - y[finite]).max() / size
            worst = max(worst, float(off))
    return worst


def merged(states: list[State]) -> list[State]:
    """Without states that say the same with the same numbers."""
    kept: list[State] = []
    for state in states:
        for other in kept:
            if len(other.marks) == len(state.marks) and all(
                both_close(a.value, b.value)
                and {c.kind for c in a.causes} == {c.kind for c in b.causes}
                for a, b in zip(other.marks, state.marks)
            ):
                break
        else:
            kept.append(state)
    return kept


def possible(changes: Iterator[Change]) -> Iterator[Change]:
    """The changes up to the first that cannot be computed."""
    try:
        yield from changes
    except (ValueError, KeyError, ZeroDivisionError):
        return


def measured(name: str, given: Pair, right: Pair, state: State, peel: Peel) -> Iterator[Change]:
    """Changes with one number in them that is measured: a factor, a part of W added, an updated W."""
    if any(np.shape(g) != np.shape(r) for g, r in zip(given, right)):
        return
    formula, room = peel.formula[name], peel.room
    number = multiple(given, right)
    if number is not None and abs(number + 1) > FITS:  # -1 is a wrong sign, which has a name
        says = f"{name} has a factor {number:g} too many"
        yield Change("constant factor", says, number * formula)
    rest = (np.asarray(given[0]) - right[0], np.asarray(given[1]) - right[1])
    if name[1] in "Wb":
        own = name[1:]
        weights = (peel.bases[0][own], peel.bases[1][own])
        for over, scale in (("", (1, 1)), (" / m", (peel.bases[0]["m"], peel.bases[1]["m"]))):
            k = multiple(rest, weights, scale)
            if k:
                yield Change(
                    "regularisation",
                    f"{name} has a term {k:g} * {own}{over} that the cost does not have",
                    formula + (k * room[own] / room["m"] if over else k * room[own]),
                )
    if name[1] in "ZH" and f"D{name[2:]}" in room:
        yield from another_mask(name, given, state, peel)
    W, dW = (f"{x}{int(name[2:]) + 1}" for x in ("W", "dW"))
    if name[1] in "AZ" and W in formula.symbols() and dW in state.values[0]:
        step = peel.value(formula.substitute({W: room[dW]}), state)
        k = multiple(rest, step) if step is not None else None
        if k is not None and k < 0:
            yield Change(
                "updated W",
                f"{name} is computed with {W} after its update ({W} - {-k:g} * {dW}): take all "
                "gradients first, then update",
                formula.substitute({W: room[W] + k * room[dW]}),
            )


def multiple(given: Pair, of: Pair, scales: tuple[float, float] = (1, 1)) -> float | None:
    """k to ten digits, if the part of ``given`` along ``of`` is k / scale times it on both probes."""
    found = []
    with np.errstate(all="ignore"):
        for g, a, scale in zip(given, of, scales):
            g, a = np.ravel(np.asarray(g, float)), np.ravel(np.asarray(a, float))
            found.append(float(g @ a / (a @ a)) * scale)
    alike = np.isclose(found[0], found[1], rtol=1e-8, atol=1e-12)
    return float(f"{found[0]:.10g}") if alike else None


def another_mask(name: str, given: Pair, state: State, peel: Peel) -> Iterator[Change]:
    """A dropout mask of 0 and 1 that is not the one of the forward pass."""
    D, other = f"D{name[2:]}", f"D{name[2:]}_again"
    formula = peel.formula[name]
    if D not in formula.symbols():
        formula = formula.substitute({f"dH{name[2:]}": peel.formula[f"dH{name[2:]}"]})
    whole = peel.value(formula.substitute({D: peel.room[D] ** 0}), state)
    if whole is None:
        return
    masks = []
    for g, w in zip(given, whole):
        if np.shape(g) != np.shape(w):
            return
        mask = (np.asarray(g) != 0).astype(float)
        if not close(g, mask * w):
            return
        masks.append(mask)
    for base, mask in zip(peel.bases, masks):
        base[other] = mask
    peel.room.add(other, masks[0])
    yield Change(
        "mask drawn again",
        f"{name} has another dropout mask than the forward pass: keep the mask and use it again",
        formula.substitute({D: peel.room[other]}),
    )


def conventions(twin: Twin, common: Sequence[Factor]) -> Iterator[tuple[Factor, Factor, float]]:
    """(inner, outer, price): where the cost's factor is carried out, and a common factor of all."""
    N = twin.factor
    for c in [Factor(), *common]:
        total = N * c
        seen = []
        for inner in (
            N,
            Factor(),
            Factor(N.number),
            Factor(1.0, N.m_power, N.n_power),
            Factor(-1.0) if total.number < 0 else Factor(),
            total,
        ):
            if inner in seen:
                continue
            seen.append(inner)
            outer = total.over(inner)
            price = 0.0 if inner in (N, Factor()) else 0.05
            yield inner, outer, price + (0.9 if c != Factor() else 0.0)


def explain(
    twin: Twin,
    probes: Sequence[Any],
    observed: Mapping[str, Pair],
    traced: list[tuple[Event, Event]],
    rate: float,
    common: Sequence[Factor] = (),
    tolerance: float = FITS,
    partly: bool = False,
) -> Explanation | None:
    """The explanation of the learner's gradients with the fewest mistakes, over the conventions.

    ``partly``: his code stopped on the way, and what follows is not known.
    """
    bases = (environment(twin, probes[0], 0, rate), environment(twin, probes[1], 1, rate))
    derived = derived_formulas(twin, probes[0])
    best: Explanation | None = None
    end = time.process_time() + SECONDS
    for inner, outer, price in conventions(twin, common):
        limit = best.cost - price if best is not None else np.inf
        if limit <= 0:
            continue
        peel = Peel(twin, bases, derived, observed, traced, inner, outer, tolerance, partly, end)
        states = peel.run(limit)
        if states and (best is None or states[0].cost + price < best.cost):
            best = Explanation(list(states[0].marks), states[0].cost + price, peel.room.common)
    return best
