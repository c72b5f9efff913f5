"""One experiment, done: the learner's gradients against the true ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nn.doctor import twin as twins
from nn.doctor.experiment import Experiment
from nn.doctor.naming import intermediate_meant, parameter_meant, plain
from nn.doctor.peel import Explanation, Pair, explain, pair_up
from nn.doctor.reference import Truth
from nn.doctor.report import CONVENTION, MISSING, NAN, OK, SHAPE, WRONG, Verdict
from nn.doctor.sandbox import Event, Failure
from nn.doctor.subject import Run, Subject, proportional
from nn.doctor.twin import Factor, Twin

DIRECTION = "the same direction"


@dataclass
class Trial:
    """One experiment, done."""

    subject: Subject
    experiment: Experiment
    runs: list[Run]
    truths: list[Truth]
    common: Factor | None = None  # of all gradients
    verdicts: dict[str, Verdict] = field(default_factory=dict)  # none where the code fails
    twin: Twin | None = None  # the recognised network, if its gradients are those of the cost
    inferred: bool = False  # the cost was not given: it is the twin's, or ``usual``
    usual: str = ""
    decay: str = ""  # what was taken for a part of the cost besides
    another: bool = False  # than the one that the code computes
    sought: bool = False  # the twin was looked for

    @property
    def right(self) -> bool:
        return self.failure is None and not self.wrong

    @property
    def wrong(self) -> list[str]:
        """The gradients that are not right."""
        return [k for k, v in self.verdicts.items() if v.verdict not in (OK, CONVENTION)]

    @property
    def failure(self) -> Failure | None:
        return next((r.failure for r in self.runs if r.failure), None)

    @property
    def nothing(self) -> float:
        """A gradient below this is zero but for rounding, as that of a bias before normalisation, or as
        one that was read from the change of a parameter."""
        most = max(
            (np.abs(g).max() for g in self.truths[0].gradients.values() if np.size(g)), default=0
        )
        if not self.runs[0].updates:
            return float(1e-10 * most)
        sizes = [np.abs(p).max() for p in self.experiment.probes[0].params.values() if np.size(p)]
        rounding = 4 * np.finfo(float).eps * max(sizes, default=0) / self.subject.learning_rate
        return float(max(1e-10 * most, rounding / tolerance_of(self)))

    def compare(self) -> None:
        """Verdicts for the gradients of the parameters, without looking for causes."""
        self.common = None
        if self.failure:
            return
        verdicts: dict[str, Verdict] = {}
        pairs: dict[str, tuple[Pair, Pair]] = {}
        for name, truth in self.truths[0].gradients.items():
            values = [summed(r.gradients.get(name), truth) for r in self.runs]
            if values[0] is None or values[1] is None:
                if np.any(truth):
                    verdicts[name] = Verdict(name, MISSING)
                continue
            given = (np.asarray(values[0]), np.asarray(values[1]))
            right = (truth, self.truths[1].gradients[name])
            verdicts[name] = self.verdict(name, given, right)
            pairs[name] = (given, right)
        self.verdicts = verdicts
        if not self.wrong or any(v.verdict in (MISSING, SHAPE, NAN) for v in verdicts.values()):
            return
        self.common = common_factor(list(pairs.values()), self, tolerance_of(self) * 10)
        more = ""
        if self.common is None and (near := common_factor(list(pairs.values()), self, 1e-4)):
            scales = [near.value(*sizes_of(self, i)) for i in (0, 1)]
            if all(
                self.without_eps(k, [np.reshape(g, r.shape) / s for g, r, s in zip(*pair, scales)])
                for k, pair in pairs.items()
            ):
                self.common, more = near, ", without the epsilon of the cost"
        if self.common is None and same_direction(list(pairs.values()), self.experiment):
            for v in verdicts.values():
                v.verdict, v.note = CONVENTION, DIRECTION
        if self.common is not None:
            for v in verdicts.values():
                v.verdict, v.note = CONVENTION, f"times {self.common}{more}"

    def verdict(self, name: str, given: Pair, right: Pair) -> Verdict:
        tolerance = tolerance_of(self)
        if not all(np.all(np.isfinite(g)) for g in given if g.dtype.kind == "f"):
            return Verdict(name, NAN)
        note = ""
        fitted = []
        for g, r in zip(given, right):
            if g.shape != r.shape:
                note = f"{g.shape} for {r.shape}"
                try:
                    fits = r.ndim == 0 or np.broadcast_shapes(g.shape, r.shape) == r.shape
                except ValueError:
                    fits = False
                if g.size != r.size or not fits:
                    return Verdict(name, SHAPE, None, f"{g.shape}, and {name[1:]} has {r.shape}")
                g = g.reshape(r.shape)
            fitted.append(g)
        error = max(relative(g, r, self.nothing) for g, r in zip(fitted, right))
        if error <= tolerance:
            return Verdict(name, CONVENTION if note else OK, error, note)
        if error < 1e-4 and self.without_eps(name, fitted):
            return Verdict(name, CONVENTION, error, "without the epsilon of the cost")
        return Verdict(name, WRONG, error)

    def without_eps(self, name: str, given: list[Any]) -> bool:
        """Whether this is the gradient of the cost without the epsilon in its logarithm."""
        from nn.doctor.branches import gradients_without_eps

        probes = self.experiment.probes
        right: list[Any] = [gradients_without_eps(self.subject, p) for p in probes]
        if any(r is None for r in right):
            twin = self.twin_of()
            if twin is None or not twin.eps:
                return False
            right = [twins.true_gradients(twin, p, i) for i, p in enumerate(probes)]
        return all(relative(g, r[name]) < 1e-9 for g, r in zip(given, right) if name in r)

    def twin_of(self) -> Twin | None:
        """The recognised network, if its gradients are those of the learner's cost."""
        if self.twin is None and not self.sought:
            self.twin, self.sought = self.find_twin(), True
        return self.twin

    def find_twin(self) -> Twin | None:
        e = self.experiment
        seen = [[*t.values, *(ev.value for ev in r.seen)] for t, r in zip(self.truths, self.runs)]
        outputs = [None if r.output is None else r.output for r in self.runs]
        losses = [t.loss for t in self.truths]
        for n, twin in enumerate(twins.recognise(e.probes, seen, losses, outputs)):
            if n > 40:
                break
            tolerance = 1e-3 if twin.eps else max(1e-8, self.truths[0].tolerance * 20)
            try:
                if all(
                    relative(t.gradients[name], g) < tolerance
                    for i, (p, t) in enumerate(zip(e.probes, self.truths))
                    for name, g in twins.true_gradients(twin, p, i).items()
                ):
                    return twin
            except (ValueError, KeyError, TypeError):
                continue
        return None

    def inner_values(self, twin: Twin) -> tuple[dict[str, Pair], int]:
        """The true dA and dZ, and by how much the learner's numbers in dA{l} are shifted."""
        both = []
        for i, p in enumerate(self.experiment.probes):
            known, about = twins.tensors(twin, p, i, wanted=True)
            names = [n for n in known if n[0] in "AZX"]
            cost = twins.raw_cost(twin, known, about)
            scale = twin.factor.value(about["m"], about["n"])
            found = twins.gradients(cost, [known[n] for n in names])
            both.append({"dA0" if n == "X" else f"d{n}": scale * g for n, g in zip(names, found)})
        inner = {n: (both[0][n], both[1][n]) for n in both[0]}
        return inner, numbering(self, inner)

    def common_factors(self) -> dict[Factor, int]:
        """The factors between gradients and true ones, other than 1, and how many have them."""
        counts: dict[Factor, int] = {}
        for name, truth in self.truths[0].gradients.items():
            first, second = (r.gradients.get(name) for r in self.runs)
            other = self.truths[1].gradients[name]
            if first is None or second is None:
                continue
            if np.shape(first) != truth.shape or np.shape(second) != other.shape:
                continue
            f = factor_between((first, second), (truth, other), self, 1e-8)
            if f is not None and f != Factor():
                counts[f] = counts.get(f, 0) + 1
        return counts

    def common_candidates(self) -> list[Factor]:
        """Factors that several gradients have."""
        return [f for f, n in self.common_factors().items() if n >= 2]

    def explanation(self, twin: Twin, partly: bool = False) -> Explanation | None:
        names = twin.names()
        observed: dict[str, Pair] = {}
        inner, shift = self.inner_values(twin)
        shift = 0 if partly else shift
        for key, value in self.runs[0].gradients.items():
            other = self.runs[1].gradients.get(key)
            if other is None:
                continue
            if key[1:] in names:
                name = "d" + names[key[1:]]
            else:
                name = shifted(key, shift)
                if name not in inner:
                    continue
                if np.shape(value) != inner[name][0].shape and not partly:
                    continue
            given = (np.asarray(value, float), np.asarray(other, float))
            if name in observed:
                continue
            right = self.truths[0].gradients.get(key)
            if right is not None and given[0].size == right.size and given[0].shape != right.shape:
                try:
                    if np.broadcast_shapes(given[0].shape, right.shape) == right.shape:
                        given = tuple(
                            g.reshape(t.gradients[key].shape) for g, t in zip(given, self.truths)
                        )  # type: ignore[assignment]
                except ValueError:
                    pass
            observed[name] = given
        traced = pair_up([r.events for r in self.runs])
        if is_minus(traced, inner[f"dZ{twin.depth}"]):
            traced = [(negative(a), negative(b)) for a, b in traced]
        return explain(
            twin,
            self.experiment.probes,
            observed,
            traced,
            self.subject.learning_rate,
            self.common_candidates(),
            max(1e-9, tolerance_of(self) if is_float32(self) else 1e-9),
            partly,
        )

    def explanation_on_the_way(self) -> Explanation | None:
        """The explanation of what backward had computed when it stopped."""
        twin = self.twin_of()
        if twin is None:
            return None
        for run in self.runs:
            run.gradients = named_on_the_way(run.events, list(twin.names()))
        found = self.explanation(twin, partly=True) if self.runs[0].gradients else None
        return None if found is None or any(m.unexplained for m in found.marks) else found


def scaled(truth: Truth, by: Factor, trial: Trial, i: int) -> Truth:
    """The truth of the cost times a factor."""
    c = by.value(*sizes_of(trial, i))
    gradients = {k: c * g for k, g in truth.gradients.items()}
    return replace(truth, loss=c * truth.loss, gradients=gradients)


def same_direction(pairs: Sequence[tuple[Pair, Pair]], e: Experiment) -> bool:
    """Whether the gradients of several parameters are the true ones times a number above 0 that is
    not the same in both experiments, and no ratio of sizes: m for the number of features is wrong."""
    numbers = []
    for which in (0, 1):
        given = [np.asarray(g[which], float) for g, _ in pairs]
        right = [np.asarray(r[which], float) for _, r in pairs]
        if [g.shape for g in given] != [r.shape for r in right] or len(pairs) < 3:
            return False
        g, r = (np.concatenate([np.ravel(x) for x in xs]) for xs in (given, right))
        c = float(g @ r) / float(r @ r) if np.any(r) else 0.0
        if not (c > 0 and np.abs(g - c * r).max() <= 1e-8 * np.abs(g).max()):  # also nan
            return False
        numbers.append(c)
    sizes = [{1, p.m, *np.shape(p.X), *np.shape(p.Y)} for p in e.probes]
    ratios = [{a / b for a in s for b in s} for s in sizes]
    return not all(
        any(np.isclose(c, k * x, rtol=1e-9) for x in r for k in (0.5, 1, 2))
        for c, r in zip(numbers, ratios)
    )


def has(trial: Trial, verdict: str) -> bool:
    return any(v.verdict == verdict for v in trial.verdicts.values())


def summed(given: Any, right: Any) -> Any:
    """The sum of gradients that are kept step by step of a sequence: (steps, *shape) for a matrix."""
    steps = np.ndim(given) == 3 and np.ndim(right) == 2 and np.shape(given)[1:] == np.shape(right)
    return np.sum(given, axis=0) if steps else given


def size_of(trial: Trial) -> int:
    return sum(np.size(v) for v in trial.experiment.probes[0].params.values())


def all_used(trial: Trial) -> bool:
    """Whether every weight matters, so that the code is meant for this depth."""
    found = trial.truths[0].gradients
    params = trial.experiment.probes[0].params
    return all(np.any(found.get(f"d{k}", 0)) for k, v in params.items() if np.size(v) > 1)


def is_float32(trial: Trial) -> bool:
    return any(
        np.asarray(g).dtype in (np.float32, np.float16)
        for r in trial.runs
        for g in r.gradients.values()
    )


def tolerance_of(trial: Trial) -> float:
    if is_float32(trial):
        return 3e-4
    return max(1e-7, trial.truths[0].tolerance * 10)


def sizes_of(trial: Trial, i: int) -> tuple[float, float]:
    """The examples and the outputs of a probe."""
    p = trial.experiment.probes[i]
    output = trial.runs[i].output
    shape = np.shape(output) if output is not None else np.shape(p.Y)
    others = [n for n in shape if n != p.m]
    return float(p.m), float(others[0] if others else 1)


def factor_between(given: Pair, right: Pair, trial: Trial, tolerance: float) -> Factor | None:
    return common_factor([(given, right)], trial, tolerance)


def common_factor(
    pairs: Sequence[tuple[Pair, Pair]], trial: Trial, tolerance: float
) -> Factor | None:
    """The one factor between all of the learner's gradients and the true ones, on both probes."""
    ratios = []
    for which in (0, 1):
        g = np.concatenate([np.ravel(np.asarray(given[which], float)) for given, _ in pairs])
        r = np.concatenate([np.ravel(right[which]) for _, right in pairs])
        size = float(r @ r)
        if g.shape != r.shape or size == 0:
            return None
        c = float(g @ r) / size
        if c == 0 or not np.isfinite(c) or np.abs(g - c * r).max() > tolerance * np.abs(g).max():
            return None
        ratios.append(c)
    (m1, n1), (m2, n2) = sizes_of(trial, 0), sizes_of(trial, 1)
    for power_n in (0, -1, 1):
        plain = m1 != m2 or np.isclose(abs(ratios[0]), (0.5, 1, 2), rtol=1e-6).any()
        for power_m in (0, 1, -1, 2, -2) if plain else (1, -1, 2, -2, 0):
            numbers = [
                ratios[0] / (m1**power_m * n1**power_n),
                ratios[1] / (m2**power_m * n2**power_n),
            ]
            if np.isclose(numbers[0], numbers[1], rtol=max(1e-9, tolerance)):
                number = float(f"{numbers[0]:.11g}")
                digits = 6 if tolerance < 1e-5 else 3
                if abs(number - round(number, digits)) < tolerance * abs(number):
                    number = round(number, digits)
                if (power_m or power_n) and number != round(number, 2):
                    continue  # a coincidence
                return Factor(number, power_m, power_n)
    return None


def gap_scaled(given: Any, right: Any) -> float:
    g, r = np.asarray(given[0]), right[0]
    c = float(g.ravel() @ r.ravel() / (r.ravel() @ r.ravel()))
    return relative(g, c * r)


def relative(g: Any, r: Any, floor: float = 1e-12) -> float:
    """The largest difference, relative to the largest entry or to ``floor``."""
    if np.size(r) == 0:
        return 0.0
    with np.errstate(all="ignore"):
        off = np.abs(np.asarray(g, float) - r).max()
        size = np.abs(r).max() or off  # of nothing, all that is there is off
        return float(off / max(size, floor, 1e-12))


def numbering(trial: Trial, inner: Mapping[str, Pair]) -> int:
    """1 where dA{l} is the gradient of layer l's input, 0 where it is that of its output."""
    scores = {0: 0, 1: 0}
    for shift in scores:
        for key, value in trial.runs[0].gradients.items():
            name = shifted(key, shift)
            if key[:2] == "dA" and name in inner and np.shape(value) == inner[name][0].shape:
                other = trial.runs[1].gradients.get(key)
                fits = other is not None and np.shape(other) == inner[name][1].shape
                exact = fits and factor_between((value, other), inner[name], trial, 1e-8)
                scores[shift] += 1 + 10 * bool(exact) if fits else 0
    return int(scores[1] > scores[0])


def shifted(key: str, shift: int) -> str:
    if key[:2] == "dA" and key[2:].isdigit() and shift:
        return f"dA{int(key[2:]) - shift}"
    return key


def named_on_the_way(events: Sequence[Event], params: Sequence[str]) -> dict[str, Any]:
    """The gradients in assigned variables, by the names of the variables."""
    found: dict[str, Any] = {}
    for e in events:
        meant = parameter_meant(e.name, params)
        if meant is not None and plain(e.name) != plain(meant):
            found[f"d{meant}"] = e.value
        elif (inner := intermediate_meant(plain(e.name))) is not None:
            found[inner] = e.value
    return found


def is_minus(traced: Sequence[tuple[Event, Event]], right: Pair) -> bool:
    """Whether the code has minus the error, Y - A, and adds what it makes of it: its first dZ."""
    found = [
        float(np.ravel(a.value) @ np.ravel(right[0]))
        for a, b in traced
        if all(
            e.value.shape == r.shape and e.value.dtype.kind == "f" and proportional(e.value, r)
            for e, r in zip((a, b), right)
        )
    ]
    return bool(found) and max(found) < 0


def negative(e: Event) -> Event:
    return e._replace(value=-e.value) if e.value.dtype.kind == "f" else e
