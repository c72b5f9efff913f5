"""gradcheck is itself tested: right rules pass, and every planted mistake is caught."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import test_notebook_functions
import test_rules

import tinygrad_edu as tg
from tinygrad_edu import Tensor, backward, gradcheck
from tinygrad_edu.recording import Rule, record

caught = {"factor 1.001": 0, "dropped term": 0, "swapped arguments": 0, "missing reduction": 0}


def function(entry: Rule, values: list[Any], places: list[int]) -> Any:
    """The operation as a function of its differentiable inputs."""

    def f(*inputs: Any) -> Any:
        arguments = list(values)
        for i, x in zip(places, inputs):
            arguments[i] = x
        return record(entry, arguments)

    return f


def check(entry: Rule, mutant: Rule, values: list[Any], places: list[int]) -> Any:
    """gradcheck of the mutant's gradients against the values of the operation."""
    return gradcheck(function(mutant, values, places), *[values[i] for i in places])


def changed(entry: Rule, vjps: list[Any]) -> Rule:
    about = {"elementwise": entry.elementwise}
    return Rule(entry.name, entry.forward, vjps, **about)


def with_entries(entry: Rule) -> list[list[Any]]:
    """The samples of a rule that have a number to differentiate by."""
    samples = [test_rules.sample(entry, e) for e in test_rules.examples_of(entry)]
    places = test_rules.places_of(entry)
    return [v for v in samples if all(np.size(v[i]) for i in places)]


@pytest.mark.parametrize("name", list(test_rules.OWN))
def test_right_rules_pass_and_planted_mistakes_are_caught(name: str) -> None:
    entry = test_rules.OWN[name]
    places = test_rules.places_of(entry)
    samples = with_entries(entry)
    assert samples
    right = check(entry, entry, samples[0], places)
    assert right and not right.wrong, f"{right}"

    for i in places:
        vjp = entry.vjps[i]

        def factor(*a: Any, vjp: Any = vjp) -> Any:
            return vjp(*a) * 1.001

        def dropped(*a: Any, vjp: Any = vjp) -> Any:
            g = np.array(vjp(*a))
            if g.size:
                g.flat[int(np.argmax(np.abs(g)))] = 0.0
            return g

        for kind, mutant in (("factor 1.001", factor), ("dropped term", dropped)):
            vjps = [mutant if k == i else v for k, v in enumerate(entry.vjps)]
            reports = [check(entry, changed(entry, vjps), v, places) for v in samples]
            assert not all(reports), f"{name}: {kind} in vjp {i} was not caught"
            assert "WRONG" in str(next(r for r in reports if not r))
            caught[kind] += 1

    if places == [0, 1] and not right_when_swapped(entry, samples):
        mutant = changed(entry, [entry.vjps[1], entry.vjps[0], *entry.vjps[2:]])
        reports = [fails(entry, mutant, v, places) for v in samples]
        assert any(reports), f"{name}: swapped vjps were not caught"
        caught["swapped arguments"] += 1


def right_when_swapped(entry: Rule, samples: list[Any]) -> bool:
    """Whether both inputs have the same derivative, as in a sum."""
    for values in samples:
        g = test_rules.seed(entry, values)
        out = np.asarray(entry.forward(*values))
        try:
            a, b = (np.asarray(vjp(g, out, *values)) for vjp in entry.vjps[:2])
        except Exception:
            return False
        if a.shape != b.shape or not np.allclose(a, b):
            return False
    return True


def fails(entry: Rule, mutant: Rule, values: list[Any], places: list[int]) -> bool:
    """A swapped vjp may also be refused for the shape that it returns."""
    try:
        return not check(entry, mutant, values, places)
    except Exception:
        return True


@pytest.mark.parametrize(
    "name", [n for n, e in test_rules.OWN.items() if e.elementwise and e.takes == 2 and all(e.vjps)]
)
def test_a_missing_broadcast_reduction_is_caught(name: str, monkeypatch: Any) -> None:
    entry = test_rules.OWN[name]
    values = [
        test_rules.fill(
            np.random.default_rng(k), test_rules.Place(shape, "any", None), entry, float
        )
        for k, shape in enumerate(((2, 3), (1, 3)))
    ]
    assert check(entry, entry, values, [0, 1])
    monkeypatch.setattr(backward, "sum_to", lambda g, shape: g[:1])
    assert not check(entry, entry, values, [0, 1])
    caught["missing reduction"] += 1


def test_how_many_planted_mistakes_were_caught(publish: Callable[[str], None]) -> None:
    if not caught["factor 1.001"]:
        pytest.skip("the mistakes were not planted")
    publish(f"planted mistakes, all caught by gradcheck: {dict(caught)}")
    assert caught["factor 1.001"] == caught["dropped term"] > 100


# --- what the report says --------------------------------------------------------------------------


def planted(vjp: Any, n: int = 1) -> Any:
    return tg.rule("planted", lambda x: x * x, vjp)


@pytest.mark.parametrize(
    ("vjp", "words"),
    [
        (lambda g, out, x: -2 * g * x, ["-1 times", "sign"]),
        (lambda g, out, x: 4 * g * x, ["2 times", "counted twice"]),
        (lambda g, out, x: 0 * g * x, ["zero everywhere", "lost"]),
        (lambda g, out, x: 2 * g * x * np.array([1.0, 1.0, 1.5]), ["1 of 3 entries", "branch"]),
        (lambda g, out, x: 2 * g * np.log(x - 10), ["not finite"]),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_the_report_says_what_and_why(vjp: Any, words: list[str]) -> None:
    report = gradcheck(lambda x: planted(vjp)(x).sum(), Tensor([1.0, 2.0, 3.0], name="prices"))
    text = str(report)
    assert not report and "prices[" in text and "autodiff" in text
    assert all(word in text for word in words), text


def test_kinks_are_listed_and_not_failed() -> None:
    for f, x, kinks in (
        (np.abs, [1.0, 0.0, -2.0], {(1,)}),
        (tg.relu, [0.0, 0.0, 3.0], {(0,), (1,)}),
        (lambda x: np.max(x), [1.0, 3.0, 3.0], {(1,), (2,)}),
        (lambda x: np.maximum(x, 2.0), [2.0, 1.0, 5.0], {(0,)}),
    ):
        report = gradcheck(lambda x, f=f: np.sum(f(x)), np.array(x))
        assert report.ok and {e.place for e in report.kinks} == kinks, str(report)
        assert "kink" in str(report)
    assert not gradcheck(lambda x: np.sum(np.sin(x)), np.zeros(3)).kinks


def test_precision_and_big_inputs() -> None:
    random = np.random.default_rng(0)
    report = gradcheck(lambda x: np.sum(np.sin(x) * np.exp(x)), random.standard_normal(50))
    assert report and report.worst < 1e-14
    assert {e.oracle for e in report.entries} == {"complex step"}
    W, X = random.standard_normal((40, 30)), random.standard_normal((30, 20))
    report = gradcheck(lambda W, X: np.tanh(W @ X), W, X)
    assert report and any("random direction" in str(e.place) for e in report.entries)
    bad = tg.rule("bad tanh", np.tanh, lambda g, out, x: g * (1 - out**2) * 1.001)
    assert not gradcheck(lambda W, X: bad(W @ X), W, X)
    assert gradcheck(np.log, np.array([1e-8, 1e3])) and gradcheck(np.sqrt, np.array([1e-6, 1e6]))
    assert gradcheck(lambda x: np.sum(np.float32(2) * x), np.ones(3, np.float32))


def test_the_size_of_the_function_does_not_matter() -> None:
    half = tg.rule("half the slope", lambda x: x * x, lambda g, out, x: g * x)
    x = np.random.default_rng(0).normal(size=(3, 2))
    for size in (1e-12, 1e-6, 1.0, 1e9):
        assert gradcheck(lambda x, s=size: s * np.sum(x * x * x), x)
        assert not gradcheck(lambda x, s=size: s * np.sum(half(x)), x)
    # nothing is left of it but rounding, which is no mistake of the gradient
    assert gradcheck(lambda x: np.sum(np.exp(x) / np.sum(np.exp(x))), x)


@pytest.mark.parametrize("name", ["group_norm", "gaussian_process_likelihood", "cubic_spline"])
def test_textbook_functions_pass(name: str) -> None:
    """np.var takes the absolute value of complex deviations, so the complex step is only near there."""
    f, shapes = test_notebook_functions.CASES[name]
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    arrays = [rng.normal(size=shape) for shape in shapes]
    for size in (1e-9, 1.0):
        report = gradcheck(lambda *x, s=size: s * f(*x), *arrays)
        assert report, str(report)


def test_functions_that_cannot_be_checked() -> None:
    random = np.random.default_rng(0)
    with pytest.raises(ValueError, match="another value"):
        gradcheck(lambda x: x * random.random(3), np.ones(3))
    with pytest.raises(ValueError, match="not finite"), np.errstate(all="ignore"):
        gradcheck(np.log, np.array([-1.0]))
    with pytest.raises(ValueError, match="floating-point"):
        gradcheck(lambda x: x, np.arange(3))
    with pytest.raises(TypeError, match="returned a tuple: check one of its results"):
        gradcheck(lambda x: (x, 2 * x), np.ones(3))
    assert gradcheck(lambda x: x**2, Tensor(np.ones(3), requires_grad=True))
    lost = gradcheck(lambda x: x.detach() * 2 if isinstance(x, Tensor) else x * 2, np.ones(3))
    assert not lost and "lost" in str(lost)


def test_gradients_of_gradients() -> None:
    assert gradcheck(tg.grad(lambda x: np.sum(np.sin(x) ** 3)), np.array([0.3, 1.0, 2.0]))


def test_a_rule_of_ones_own_leaves_the_table_as_it_is() -> None:
    tg.rule("my tanh", np.tanh, lambda g, out, x: g * 0)
    x = Tensor([0.5], requires_grad=True)
    np.tanh(x).backward()
    np.testing.assert_allclose(x.grad, 1 - np.tanh([0.5]) ** 2)
    with pytest.raises(ValueError, match="'tanh' already"):
        tg.rule("tanh", np.tanh, lambda g, out, x: g * 0)
