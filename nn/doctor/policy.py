"""Policy gradients: a backward pass for the examples of an episode, which forward took one by one.

The gradient that comes in is one of the log-odds of an action, or of the logarithms of the actions'
probabilities (R. J. Williams, Simple statistical gradient-following algorithms for connectionist
reinforcement learning, Machine Learning 8, 1992). The cost whose gradient the pass has to give is their
sum, each times what comes in for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from nn.doctor.naming import Unbound, label, required, result_names, role_of
from nn.doctor.sandbox import Tracer, attempt
from nn.doctor.statements import held_in
from nn.doctor.subject import Run, Subject, as_tuple, is_arraylike, named_gradients

COMES_IN = re.compile(r"d_?log|d_?p(rob)?s?$|d_?score|d_?out|grad_?log", re.I)
STEPS = 6  # of the episode


class Policy(Subject):
    """Two functions over a dictionary of arrays, which they are given or which is a global of the file.

    X : (steps, n_x) the observations, G : (steps, n) the gradient that comes in.
    """

    own_data = True

    def __init__(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any],
        params: Mapping[str, Any],
        X: Any,
        G: Any,
        names: dict[str, Any],
        holder: str,
    ):
        super().__init__(dict(params), X, None)
        self.pair, self.G, self.names, self.holder = (forward, backward), G, names, holder

    @property
    def functions(self) -> list[Any]:
        return list(self.pair)

    def steps(self, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """What forward gives, step by step."""
        forward = self.pair[0]
        more = [dict(values)] * (len(required(forward)) - 1)
        return [as_tuple(forward(np.array(x), *more)) for x in self.X]

    def truth(self, values: Mapping[str, Any], X: Any, Y: Any) -> tuple[Any, Any]:
        with held_in(self.names, {self.holder: dict(values)}):
            shares = [first for first, *_ in self.steps(values)]
        total: Any = 0.0
        for p, g in zip(shares, self.G):
            odds = np.log(p) if g.size > 1 else np.log(p) - np.log(1 - p)
            total = total + np.sum(odds.reshape(-1) * g)
        return total, None

    def given(self, name: str, stacked: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
        """The argument, or the global, of this name of backward."""
        low = re.sub(r"^(ep|batch|all)_?|_?(batch|stack|list|history)$", "", name.lower())
        if COMES_IN.match(low):
            return self.G.copy()
        if name == self.holder or role_of(low) == "params":
            return dict(values)
        if low in stacked:
            return stacked[low]
        if role_of(low) == "X" or re.match(r"obs|state", low):
            return self.X.copy()
        if role_of(low) == "cache" or low.startswith("h"):
            return list(stacked.values())[-1]
        raise Unbound(f"{label(self.pair[1])} takes {name!r}, and nothing of that name is known")

    def run(self, values: Mapping[str, Any], X: Any, Y: Any, watch: bool = True) -> Run:
        run, tracer, backward = Run(), Tracer(watch=watch), self.pair[1]
        values = {k: np.array(v) for k, v in values.items()}
        with held_in(self.names, {self.holder: values}):
            results, run.failure = attempt(lambda: self.steps(values))
            if run.failure:
                return run
            run.stage, names = "backward", result_names(self.pair[0])
            columns = [np.vstack(list(map(np.ravel, c))) for c in zip(*results)]
            stacked = {str(n).lower(): c for n, c in zip(names, columns)}
            globals_read = (n for n in backward.__code__.co_names if n not in self.names)
            outside = {n: self.given(n, stacked, values) for n in globals_read if is_data_name(n)}
            call = {n: self.given(n, stacked, values) for n in required(backward)}
            with held_in(self.names, outside):
                result, run.failure = attempt(lambda: backward(**call), tracer=tracer, seed=8)
        run.events = run.seen = tracer.events
        run.tracer = tracer
        if run.failure is None:
            run.stage = "done"
            run.gradients, run.problems = named_gradients(result, result_names(backward), values)
        return run


def is_data_name(name: str) -> bool:
    """Whether a global that the file does not define at once is one of the episode's: epx."""
    return name.startswith("ep") or role_of(name) == "X"


def smaller(params: Mapping[str, Any]) -> dict[str, Any]:
    """Random arrays of the same form: one small size for each that is large."""
    sizes = {n for v in params.values() for n in np.shape(v) if n > 9}
    small = dict(zip(sorted(sizes), (7, 5, 6, 8)))
    rng = np.random.default_rng(2)
    return {k: rng.normal(size=[small.get(n, n) for n in np.shape(v)]) for k, v in params.items()}


def policies(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    names: dict[str, Any],
    known: Mapping[str, Any],
) -> Iterator[Policy]:
    """The subjects: with each dictionary of arrays of the file that forward reads.

    ``names`` are those in which the functions look, ``known`` those that its own run has in the end.
    """
    reads = {*forward.__code__.co_names, *required(forward)}
    holders = {k: v for k, v in known.items() if k in reads and is_network(v)}
    for holder, params in holders.items():
        made = smaller(params)
        rng = np.random.default_rng(3)
        for n_x in dict.fromkeys(n for v in made.values() for n in np.shape(v)):
            X = rng.normal(size=(STEPS, n_x))
            subject = Policy(forward, backward, made, X, np.ones((STEPS, 1)), names, holder)
            with held_in(names, {holder: made}):
                results, failure = attempt(lambda s=subject, p=made: s.steps(p))  # type: ignore[misc]
            if failure is not None:
                continue
            p = np.asarray(results[0][0])
            subject.G = rng.normal(size=(STEPS, p.size))
            if p.size > 1:  # the scores are known up to a number that all have in common
                subject.G -= subject.G.mean(axis=1, keepdims=True)
            yield subject


def is_network(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(map(is_arraylike, value.values()))
