"""Causes that need no formula of the network: a factor, a key, a cache, a shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nn.doctor.naming import label
from nn.doctor.peel import close, multiple
from nn.doctor.places import place_of, put_place
from nn.doctor.report import Cause, Report
from nn.doctor.subject import Run, Subject
from nn.doctor.trial import Trial, factor_between, is_float32, relative, tolerance_of
from nn.doctor.twin import Factor


def undo(name: str, f: Factor) -> str:
    """How to make right what is this factor too large.

    >>> undo("dW", Factor(1.0, 1)), undo("db", Factor(1.0, -1)), undo("db", Factor(0.5))
    ('divide dW by m', 'multiply db by m', 'multiply db by 2')
    """
    less = f.parts()[0] == []
    return f"multiply {name} by {Factor().over(f)}" if less else f"divide {name} by {f}"


def simple_cause(
    name: str, values: Sequence[Any], rights: Sequence[Any], trial: Trial
) -> Cause | None:
    """A relation to the true gradient that needs no formula: a factor, a transpose, a sum."""
    if any(v is None for v in values):
        return Cause(name, "missing", f"{name} is missing from what backward gives")
    given = [np.asarray(v) for v in values]
    if not all(np.all(np.isfinite(g)) for g in given):
        return None
    proof = "it gives your numbers in two independent experiments"
    tolerance = tolerance_of(trial) if is_float32(trial) else 1e-7

    def fits(make: Any) -> bool:
        try:
            return all(close(g, make(r), tolerance) for g, r in zip(given, rights))
        except (ValueError, TypeError, IndexError):
            return False

    if not any(np.any(g) for g in given):
        return Cause(name, "zero", f"{name} is zero", proof=proof)
    if np.ndim(rights[0]) == 2 and fits(lambda r: r.T):
        return Cause(name, "transposed", f"{name} is transposed", fix=f"take {name}.T", proof=proof)
    for text, make in (
        ("summed over everything", np.sum),
        ("squeezed: it lost an axis of length 1", lambda r: np.squeeze(r)),
        ("a mean over everything", np.mean),
    ):
        if fits(make) and given[0].shape != rights[0].shape:
            return Cause(
                name,
                "squeezed" if "squeezed" in text else "sum over everything",
                f"{name} is {text}",
                fix="keep the axis, keepdims=True",
                proof=proof,
            )
    if given[0].shape != rights[0].shape:
        return None
    f = factor_between((given[0], given[1]), (rights[0], rights[1]), trial, tolerance)
    if f is not None:
        kind = {
            Factor(-1.0): "sign",
            Factor(1.0, 1): "missing 1/m",
            Factor(1.0, -1): "1/m twice",
            Factor(2.0): "factor 2",
            Factor(0.5): "factor 1/2",
        }.get(f, "constant factor")
        return Cause(
            name,
            kind,
            f"{name} is {f} times the true gradient, unlike the other gradients",
            fix=f"change the sign of {name}" if f == Factor(-1.0) else undo(name, f),
            proof=proof,
        )
    for other, truth in trial.truths[0].gradients.items():
        if other != name and truth.shape == given[0].shape and close(given[0], truth, 1e-7):
            return Cause(
                name,
                "swapped",
                f"{name} is the gradient {other}: entries are exchanged",
                proof=proof,
            )
    own = name[1:]
    if any(own not in p.params for p in trial.experiment.probes):
        return None
    W = [np.asarray(p.params[own]) for p in trial.experiment.probes]
    rest = (given[0] - rights[0], given[1] - rights[1])
    sizes = trial.experiment.probes[0].m, trial.experiment.probes[1].m
    for over, scale in (("", (1, 1)), (" / m", sizes)):
        k = multiple(rest, (W[0], W[1]), scale)
        if k is not None and all(close(x, k / s * w, 1e-7) for x, w, s in zip(rest, W, scale)):
            rate = trial.subject.learning_rate
            if trial.subject.descends and not over and abs(k * rate - 1) < 1e-6:
                says = f"the step assigns {own} anew, by its gradient alone"
                fix = f"change {own}: {own} -= ..., or {own} = {own} - ..."
                return Cause(name, "assigned anew", says, fix=fix, proof=proof)
            if W[0].size < 2 and not trial.inferred:
                return None  # a number is not decayed: another change of the code may say more
            return Cause(
                name,
                "regularisation",
                f"{name} differs from the cost's gradient by {k:.6g}{over} * {own}: the "
                "regularisation in the cost and in the gradient are not the same",
                proof=proof,
            )
    return None


def wrong_keys(report: Report, trial: Trial) -> bool:
    """Right gradients under the names of others."""
    found = []
    for name in trial.wrong:
        right = trial.truths[0].gradients[name]
        if np.size(right) < 2:
            continue
        for key, value in trial.runs[0].raw.items():
            other = trial.runs[1].raw.get(key)
            pair = (value, other)
            if other is None or np.shape(value) != right.shape or key == name:
                continue
            if factor_between(pair, (right, trial.truths[1].gradients[name]), trial, 1e-8):
                cause = Cause(
                    name,
                    "wrong key",
                    f"the gradient of {name[1:]} is stored as {key}",
                    fix=f"store it as {name}",
                    proof=f"what stands under {key} is the true gradient of {name[1:]}, "
                    "in two experiments",
                )
                put_place(cause, place_of(value, trial.runs[0].events, "grads"))
                for e in trial.runs[0].events:
                    if f"{key!r}" in e.name and close(e.value, np.asarray(value), 1e-12):
                        put_place(cause, e)
                        break
                found.append(cause)
                break
    report.causes += found
    return bool(found)


def cache_too_short(report: Report, trial: Trial) -> bool:
    """A list of caches with fewer entries than there are layers."""
    cache = trial.runs[0].cache
    depth = trial.experiment.depth
    if not isinstance(cache, list) or not 0 < len(cache) < depth or len(cache) < depth - 1:
        return False
    codes = list(trial.runs[0].forward_codes)
    cause = Cause(
        "caches",
        "cache missing",
        f"forward keeps {len(cache)} caches for {depth} layers: the cache of one layer, the last one as "
        "a rule, is not appended, so backward works with the wrong layer's",
        function=codes[0].co_name if codes else "",
        fix="append the cache of every layer, the last one too",
    )
    last = [e for e in trial.runs[0].seen if e.name == "return" and e.function == cause.function]
    if last:
        put_place(cause, last[-1])
    report.causes.append(cause)
    return True


def difference(given: Any, right: Any) -> str:
    """How two arrays differ."""
    given, right = np.asarray(given), np.asarray(right)
    if given.shape != right.shape:
        return f"its shape is {given.shape} and should be {right.shape}"
    off = ~np.isclose(given, right, rtol=1e-7, atol=1e-12)
    where = "everywhere" if off.all() else f"in {int(off.sum())} of {off.size} entries"
    if off.ndim == 2 and not off.all():
        for line, rows in (("column", off.T), ("row", off)):
            whole = np.flatnonzero(rows.all(axis=1))
            if whole.size == 1 and off.sum() == rows.shape[1]:
                where = f"in {line} {whole[0]} only"
    return f"it differs {where}, by up to {relative(given, right):.0e} of the largest"


def nothing_found(subject: Subject, run: Run) -> str:
    """No gradient was found in what backward returned or changed."""
    names = [label(f) for f in (subject.backward, subject.both) if f is not None]
    who = next((n for n in names if n != "<lambda>"), "backward")
    if run.problems:
        return f"{who}: {run.problems[0]}"
    return (
        f"{who} returned no gradients and changed no parameter: is its return missing? It has to give "
        f"{', '.join(f'd{k}' for k in subject.params)}"
    )
