"""Numerical gradients: an oracle that shares no code with the rules.

The function is called with plain arrays, so NumPy alone computes the values that are differenced.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.tensor import Tensor, array_of

STEP = np.finfo(float).eps ** (1 / 3)  # where rounding and the third derivative cost the same
EVERY_ENTRY = 200  # bigger inputs are checked in random directions and in some entries
LISTED = 5  # so many wrong entries are written out


class Entry(NamedTuple):
    """One number that was checked: the derivative at ``place`` of input ``number``."""

    number: int
    place: tuple[int, ...] | str
    autodiff: float
    numeric: float
    error: float
    oracle: str


class Report:
    """Truthy when autodiff is right; ``str()`` says where it is not, by how much, and who says so."""

    def __init__(
        self,
        entries: list[Entry],
        kinks: list[Entry],
        tolerance: float,
        names: Sequence[str],
        hints: list[str],
    ):
        self.entries = entries
        self.kinks = kinks
        self.tolerance = tolerance
        self.names = names
        self.hints = hints

    @property
    def wrong(self) -> list[Entry]:
        """The entries that differ, worst first."""
        bad = [e for e in self.entries if not e.error <= self.tolerance_of(e)]
        return sorted(bad, key=lambda e: -np.nan_to_num(e.error, nan=np.inf))

    def tolerance_of(self, entry: Entry) -> float:
        """What is asked of an entry."""
        return self.tolerance * precision(entry)

    @property
    def ok(self) -> bool:
        return not self.wrong

    @property
    def worst(self) -> float:
        """The largest relative error."""
        return max((e.error for e in self.entries), default=0.0)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        oracles = " and ".join(sorted({e.oracle for e in self.entries})) or "nothing to compare"
        lines = []
        if self.ok:
            lines.append(
                f"ok: {len(self.entries)} derivatives agree with {oracles}, worst relative error "
                f"{self.worst:.1e}"
            )
        else:
            lines.append(f"WRONG: {len(self.wrong)} of {len(self.entries)} derivatives")
            lines += [
                f"  {self.names[e.number]}{_place(e.place)}: autodiff {e.autodiff:.10g}, {e.oracle} "
                f"{e.numeric:.10g}, relative error {e.error:.1e}"
                for e in self.wrong[:LISTED]
            ]
            if len(self.wrong) > LISTED:
                lines.append(f"  and {len(self.wrong) - LISTED} more")
            lines += [f"  {hint}" for hint in self.hints]
        if self.kinks:
            where = ", ".join(
                f"{self.names[e.number]}{_place(e.place)}" for e in self.kinks[:LISTED]
            )
            lines.append(
                f"not judged, because the function has a kink or a jump there: {where}"
                + (f" and {len(self.kinks) - LISTED} more" if len(self.kinks) > LISTED else "")
            )
        return "\n".join(lines)


def _place(place: tuple[int, ...] | str) -> str:
    if isinstance(place, str):
        return f" {place}"
    return f"[{', '.join(map(str, place))}]" if place else ""


def gradcheck(
    f: Callable[..., Any],
    *inputs: Any,
    argnums: Sequence[int] | None = None,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> Report:
    """Compare autodiff's gradient of ``f`` with numerical ones, in float64.

    ``f`` takes as many arrays as there are ``inputs``, and has to work on arrays and on Tensors; its
    result may have any shape. Each entry is checked by the complex step where ``f`` allows it, else
    by central differences of step 6e-6 |x|; inputs of more than 200 entries in random directions.
    ``argnums`` chooses inputs; others, and integers, are constants. ``tolerance`` is the relative
    error allowed to central differences, a thousandth of it to the complex step.

    >>> report = gradcheck(lambda x: np.sum(np.sin(x) * x), np.array([1.0, 2.0]))
    >>> report.ok, report.worst < 1e-14
    (True, True)

    ValueError where ``f`` gives another value the second time, or a value that is not finite.
    """
    arrays = [
        array_of(x.detach() if isinstance(x, Tensor) else x, f"input {i} of gradcheck")
        for i, x in enumerate(inputs)
    ]
    names = [getattr(x, "name", None) or f"input {i}" for i, x in enumerate(inputs)]
    chosen = [
        i for i, x in enumerate(arrays) if x.dtype.kind == "f" and (argnums is None or i in argnums)
    ]
    if not chosen:
        raise ValueError("gradcheck found no input of floating-point numbers to differentiate by.")
    arrays = [x.astype(np.float64) if x.dtype.kind == "f" else x for x in arrays]
    random = np.random.default_rng(seed)
    numeric = Numeric(f, arrays, random)
    gradients = autodiff(f, arrays, chosen, numeric.weights)

    entries: list[Entry] = []
    kinks: list[Entry] = []
    hints: list[str] = []
    for i in chosen:
        found = gradients[i]
        if found.shape != arrays[i].shape:
            raise ValueError(
                f"the gradient of {names[i]} has shape {found.shape}, but {names[i]} has shape "
                f"{arrays[i].shape}: the sum over the axes that broadcasting added is missing."
            )
        mine = numeric.derivatives(i, probes(arrays[i], random), found)
        scale = max((abs(e.numeric) for e, _, _ in mine if np.isfinite(e.numeric)), default=0.0)
        judged: list[Entry] = []
        for e, doubt, kink in mine:
            least = doubt / (tolerance * precision(e))  # so that what is in doubt is no error
            error = abs(e.autodiff - e.numeric) / max(
                abs(e.autodiff), abs(e.numeric), 1e-3 * scale, least
            )
            (kinks if kink else judged).append(e._replace(error=float(error)))
        entries += judged
        hints += diagnose(names[i], judged, tolerance)
    return Report(entries, kinks, tolerance, names, hints)


def precision(entry: Entry) -> float:
    """The complex step is exact, differences are not."""
    return 1e-3 if entry.oracle == "complex step" else 1.0


def probes(x: Any, random: np.random.Generator) -> list[tuple[Any, Any]]:
    """(name, direction) of each derivative to check."""
    indices = list(np.ndindex(x.shape))
    directions: list[tuple[Any, Any]] = []
    if len(indices) > EVERY_ENTRY:
        for k in range(10):
            direction = random.standard_normal(x.shape)
            directions.append(
                (f"in random direction {k + 1}", direction / np.linalg.norm(direction))
            )
        indices = [indices[k] for k in random.choice(len(indices), 20, replace=False)]
    for index in indices:
        direction = np.zeros(x.shape)
        direction[index] = 1.0
        directions.append((index, direction))
    return directions


def autodiff(f: Any, arrays: list[Any], chosen: list[int], weights: Any) -> dict[int, Any]:
    """The gradients that are to be checked, of the weighted sum of f's result."""
    from tinygrad_edu.transforms import gradients

    tensors = [Tensor(x, requires_grad=True) if i in chosen else x for i, x in enumerate(arrays)]
    result = f(*tensors)
    if not isinstance(result, Tensor) or not result.requires_grad:
        return {i: np.zeros_like(arrays[i]) for i in chosen}
    found = gradients(result, [tensors[i] for i in chosen], np.asarray(weights, result.dtype))
    return dict(zip(chosen, found))


class Numeric:
    """Derivatives of a weighted sum of f's result, from its values alone."""

    def __init__(self, f: Callable[..., Any], arrays: list[Any], random: np.random.Generator):
        self.f = f
        self.arrays = arrays
        first, second = (plain(f(*arrays)) for _ in range(2))
        if first.shape != second.shape or not np.array_equal(first, second, equal_nan=True):
            raise ValueError(
                "the function gave another value when it was called again with the same inputs: "
                "gradcheck needs one without randomness; give it a seeded generator."
            )
        if not np.all(np.isfinite(first)):
            raise ValueError(
                "the function's value is not finite at these inputs: choose a point inside its domain."
            )
        self.weights = random.uniform(0.5, 1.5, first.shape)
        self.noise = self.rounding(first, random)

    def rounding(self, value: Any, random: np.random.Generator) -> float:
        """How far rounding moves f's result: what it does when its inputs are rounded otherwise."""
        eps = np.finfo(float).eps
        moved = []
        for _ in range(5):
            signs = [random.choice([-eps, eps], x.shape) for x in self.arrays]
            inputs = [x * (1 + s) if x.dtype.kind == "f" else x for x, s in zip(self.arrays, signs)]
            with np.errstate(all="ignore"):
                moved.append(float(np.sum(np.abs(plain(self.f(*inputs)) - value))))
        typical = np.median(moved)
        return float(eps * np.sum(np.abs(value)) + (typical if np.isfinite(typical) else 0)) or eps

    def at(self, i: int, x: Any) -> Any:
        """The weighted sum with ``x`` in the place of input ``i``."""
        arrays = list(self.arrays)
        arrays[i] = x
        return np.sum(plain(self.f(*arrays)) * self.weights)

    def derivatives(
        self, i: int, directions: list[tuple[Any, Any]], gradient: Any
    ) -> list[tuple[Entry, float, bool]]:
        """Each derivative by both ways, how far its oracle can be trusted, and whether the function
        has a kink there."""
        central = [self.central(i, direction) for _, direction in directions]
        exact = [
            None if kink else self.complex_step(i, direction)
            for (_, direction), (_, _, kink) in zip(directions, central)
        ]
        # of |x|**2 and the like the complex step gives something near the derivative, in places
        analytic = all(
            kink or (e is not None and abs(e - value) <= max(10 * doubt, 1e-8 * abs(value)))
            for e, (value, doubt, kink) in zip(exact, central)
        )
        found = []
        for (place, direction), e, (value, doubt, kink) in zip(directions, exact, central):
            mine, oracle = float(np.sum(gradient * direction)), "central differences"
            if analytic and not kink:
                value, doubt, oracle = e, 10 * self.noise, "complex step"
            found.append((Entry(i, place, mine, float(value), 0.0, oracle), doubt, kink))
        return found

    def complex_step(self, i: int, direction: Any) -> Any:
        """Im f(x + ih) / h: exact to rounding, for functions that take complex numbers."""
        h = 1e-30
        try:
            with np.errstate(all="ignore"):
                value = self.at(i, self.arrays[i] + 1j * h * direction)
        except Exception:
            return None
        if not np.iscomplexobj(value) or not np.isfinite(value):
            return None
        return value.imag / h

    def central(self, i: int, direction: Any) -> tuple[Any, float, bool]:
        """The slope between both sides, at the best of three steps, how far it can be trusted, and
        whether there is a kink."""
        size = float(np.max(np.abs(self.arrays[i]) * (direction != 0), initial=0.0)) or 1.0
        best = (np.inf, np.nan, STEP)
        for reach in (max(size, 1.0), max(size, 1e-3), size, 0.01 * size):
            h = STEP * reach
            value, finer = self.slope(i, direction, h), self.slope(i, direction, h / 2)
            doubt = abs(value - finer) + self.noise / h
            if doubt < best[0]:
                best = (doubt, value, h)
            if doubt <= 1e-8 * abs(value):
                break
        doubt, value, h = best
        return value, doubt, self.has_kink(i, direction, h, value)

    def slope(self, i: int, direction: Any, h: float) -> Any:
        x = self.arrays[i]
        with np.errstate(all="ignore"):
            return (self.at(i, x + h * direction) - self.at(i, x - h * direction)) / (2 * h)

    def has_kink(self, i: int, direction: Any, h: float, value: Any) -> bool:
        """The slopes of the two sides of a smooth function come together as the step shrinks."""
        middle = self.at(i, self.arrays[i])

        def gap(h: float) -> Any:
            step = h * direction
            with np.errstate(all="ignore"):
                right, left = (self.at(i, self.arrays[i] + s) for s in (step, -step))
            return abs(right - 2 * middle + left) / h

        wide, rounding = gap(h), 20 * self.noise / h
        if not np.isfinite(wide) or wide <= max(
            rounding, 1e-3 * abs(value), 1e3 * self.noise / STEP
        ):
            return not np.isfinite(value)
        close = gap(h / 8)
        return bool(close > 0.5 * wide and close > 8 * rounding)


def plain(value: Any) -> Any:
    """The result as an array, also where f returned a Tensor."""
    if isinstance(value, tuple | list | dict):
        raise TypeError(
            f"gradcheck needs a function that returns one array, but it returned a "
            f"{type(value).__name__}: check one of its results at a time."
        )
    return np.asarray(value.detach().data if isinstance(value, Tensor) else value)


def diagnose(name: str, entries: list[Entry], tolerance: float) -> list[str]:
    """What the differences of one input usually mean."""
    wrong = [e for e in entries if not e.error <= tolerance]
    if not wrong:
        return []
    mine = np.array([e.autodiff for e in entries])
    right = np.array([e.numeric for e in entries])
    if not np.all(np.isfinite(mine)):
        return [f"{name}: a gradient that is not finite, often 0 * inf or 0 / 0 in the rule"]
    if np.all(mine == 0):
        return [f"{name}: the gradient is zero everywhere, so it is lost on the way"]
    used = np.abs(right) > 1e-9 * np.max(np.abs(right), initial=0)
    ratios = mine[used] / right[used]
    if ratios.size and np.ptp(ratios) <= 1e-5 * abs(ratios[0]):
        factor = float(ratios[0])
        means = {-1.0: "the sign is wrong", 2.0: "it is counted twice", 0.5: "half of it is lost"}
        text = means.get(round(factor, 6), "a factor is missing or one too many")
        return [f"{name}: every entry is {factor:.6g} times the right value: {text}"]
    if len(wrong) < len(entries):
        return [
            f"{name}: {len(wrong)} of {len(entries)} entries are wrong, the others right: look at a "
            "branch, an index or a mask"
        ]
    if np.allclose(np.sort(mine), np.sort(right), rtol=1e-5):
        return [f"{name}: the right numbers in the wrong places, as after a missing transpose"]
    return [f"{name}: no simple pattern; a term is missing or operands are exchanged"]
