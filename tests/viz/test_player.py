"""The player's numbers and page; its behaviour in a browser is tested in test_browser.py."""

from __future__ import annotations

import html.parser
import json
import re

import numpy as np
import pytest

import tinygrad_edu as tg
import viz
from tinygrad_edu import Tensor
from viz.play import CELLS, LEVEL, summary_of


def steps(player, phase):
    return [step["formula"] for step in player.steps if step["phase"] == phase]


def page_data(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


@pytest.mark.parametrize("network", ["classifier", "residual", "softmax", "rnn", "apples"])
def test_every_gradient_is_that_of_backward(networks, network):
    arguments = {"classifier": (4, 3, 2, 1), "rnn": (5,)}.get(network, ())
    loss = getattr(networks, network)(*arguments)
    player = viz.play(loss)
    loss.backward()
    checked = 0
    for i, entry in enumerate(player.entries):
        if entry.needs_gradient:
            (expected,) = tg.gradients(loss, [entry.value])
            np.testing.assert_allclose(player.gradients[i], expected, rtol=1e-13, atol=0)
            if entry.rule is None:
                np.testing.assert_allclose(player.gradients[i], entry.value.grad, rtol=1e-13)
            checked += 1
    assert checked >= 8


def test_the_formulas_of_each_step(networks):
    player = viz.play(networks.classifier(4, 3, 1))
    assert steps(player, "forward")[:5] == [
        "u1 = W1 @ X", "Z1 = u1 + b1", "A1 = np.maximum(Z1, 0)", "u2 = W2 @ A1", "Z2 = u2 + b2",
    ]  # fmt: skip
    backward = steps(player, "backward")
    assert backward[0] == "dcost = 1"
    expected = ["dZ2 = dA2 * A2 * (1 - A2)", "db2 = Σ db2′ over axis 1", "dW2 = du2 @ A1.T",
                "dA1 = W2.T @ du2", "dZ1 = dA1 * (A1 > 0)", "dW1 = du1 @ X.T"]  # fmt: skip
    places = [backward.index(formula) for formula in expected]
    assert places == sorted(places)
    whole = {step.get("whole") for step in player.steps}
    assert {"dW2 = dZ2 @ A1.T", "db2 = np.sum(dZ2, axis=1, keepdims=True)"} <= whole


def test_a_value_used_twice_shows_both_contributions_and_their_sum():
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    y = x * Tensor([3.0, 5.0], name="c") + np.exp(x)
    y.name = "y"
    player = viz.play(y)
    assert steps(player, "backward")[-1] == "dx = dx₁ + dx₂"
    items = player.steps[-1]["items"]
    shown = {item[0]: player.arrays[item[1]]["numbers"] for item in items if len(item) == 2}
    either = [["3", "5"], [f"{np.exp(1.0):.4g}", f"{np.exp(2.0):.4g}"]]
    assert sorted([shown["dx₁"], shown["dx₂"]]) == sorted(either)
    assert shown["dx"] == [f"{3 + np.exp(1.0):.4g}", f"{5 + np.exp(2.0):.4g}"]


def test_many_contributions_are_shortened(networks):
    player = viz.play(networks.rnn(6))
    assert "dWh = dWh₁ + dWh₂ + … + dWh₆" in steps(player, "backward")


def test_upstream_times_local_derivative_is_the_result():
    x = Tensor([0.5, -1.0, 2.0], requires_grad=True, name="x")
    y = np.tanh(x)
    y.name = "y"
    player = viz.play((y * np.array([1.0, 2.0, 3.0])).sum())
    (step,) = [step for step in player.steps if step.get("to") == 0]
    upstream, sign, local, equals, result = step["items"]
    assert (sign, equals, local[0]) == ("×", "=", "∂y/∂x")
    numbers = [
        np.array([float(n) for n in player.arrays[k]["numbers"]])
        for _, k in (upstream, local, result)
    ]
    np.testing.assert_allclose(numbers[0], [1, 2, 3])
    np.testing.assert_allclose(numbers[1], 1 - np.tanh(x.data) ** 2, rtol=1e-3)
    np.testing.assert_allclose(numbers[2], numbers[0] * numbers[1], rtol=2e-3)


def test_a_rule_that_mixes_its_elements_has_no_local_derivative_array():
    x = Tensor([0.5, -1.0, 2.0], requires_grad=True, name="x")
    step = viz.play((tg.softmax(x, 0) * np.array([1.0, 2.0, 3.0])).sum()).steps[-1]
    assert "through the rule of softmax" in step["items"]


def test_broadcasting_back_is_a_step_of_its_own():
    b = Tensor([[1.0], [2.0]], requires_grad=True, name="b")
    player = viz.play((b + np.zeros((2, 3))).sum())
    assert steps(player, "backward")[-2:] == ["db′ = du1", "db = Σ db′ over axis 1"]
    assert "was repeated to (2, 3)" in player.steps[-1]["note"]
    assert player.arrays[player.steps[-1]["items"][-1][1]]["numbers"] == ["3", "3"]


def test_a_result_that_needs_no_gradient_and_one_that_none_reaches():
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    y = (x * (Tensor([0.0, 1.0], name="mask") > 0.5)).sum()
    data = viz.play(y).data["entries"]
    by_name = {entry["name"]: entry for entry in data}
    assert "gradient" not in by_name["mask"] and isinstance(by_name["x"]["gradient"], int)


def test_heat_maps_and_histograms():
    array = np.arange(1200.0).reshape(20, 60) - 600
    array[0, 0] = np.nan
    about = summary_of(array)
    assert about["shape"] == "(20, 60)" and about["nan"] == 1 and about["block"] == "3 × 3"
    assert (about["min"], about["max"]) == ("-599", "599")
    levels = np.array([CELLS.index(c) - LEVEL for c in about["cells"]]).reshape(8, 24)
    assert levels[0, 0] == LEVEL + 1  # not finite
    edges = [np.linspace(0, n, parts + 1).astype(int) for n, parts in ((20, 8), (60, 24))]
    means = np.array(
        [
            [array[r:s, c:d].mean() for c, d in zip(edges[1], edges[1][1:])]
            for r, s in zip(edges[0], edges[0][1:])
        ]
    )
    means[0, 0] = 0
    expected = np.rint(means / np.abs(means).max() * LEVEL)
    expected[0, 0] = LEVEL + 1
    np.testing.assert_array_equal(levels, expected)
    np.testing.assert_array_equal(about["bars"], np.histogram(array[np.isfinite(array)], 16)[0])
    assert summary_of(np.array([1.5, -2.0]))["numbers"] == ["1.5", "-2"]
    assert summary_of(np.array([np.inf]))["inf"] == 1
    assert summary_of(np.zeros((0, 3)))["shape"] == "(0, 3)"


class Page(html.parser.HTMLParser):
    """The tags and the addresses of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.addresses = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [v for k, v in attributes if k in ("src", "href", "xlink:href")]


def test_the_page_is_small_and_needs_no_network(networks):
    player = viz.play(networks.classifier(12288, 20, 7, 5, 1, m=209))
    page = player.html
    assert len(page.encode()) <= 300_000
    assert [a for a in Page(page).addresses if not a.startswith(("#", "data:"))] == []
    assert "@import" not in page and "fetch(" not in page
    assert page == player.html


def test_hostile_names_stay_names(networks, tmp_path):
    names = ["</script><script>alert(1)</script>", "/*DATA*/", "<!--GRAPH-->", "가중치", r"\u003c"]
    x = sum((Tensor(1.0, requires_grad=True, name=name) for name in names), start=Tensor(0.0))
    viz.play(x).save(tmp_path / "player.html")
    page = (tmp_path / "player.html").read_text(encoding="utf-8")
    assert Page(page).tags.count("script") == 2
    assert set(names) <= {entry["name"] for entry in page_data(page)["entries"]}


def test_values_that_are_not_finite_are_valid_json():
    x = Tensor([0.0, 1.0, np.nan], requires_grad=True, name="x")
    with np.errstate(all="ignore"):
        page = viz.play(np.log(x).sum()).html
    data = page_data(page)
    about = data["arrays"][next(e for e in data["entries"] if e["name"] == "u1")["value"]]
    assert about["inf"] == 1 and about["nan"] == 1 and about["numbers"] == ["-inf", "0", "nan"]


def test_the_line_of_the_program():
    def compute():
        x = Tensor(2.0, requires_grad=True, name="x")
        return x * x  # this line

    line = compute.__code__.co_firstlineno + 2
    entries = viz.play(compute).data["entries"]
    assert entries[-1]["line"] == f"test_player.py:{line}"
    assert "line" not in viz.play(compute()).data["entries"][-1]
    with viz.remember_lines():
        y = compute()
    assert f"test_player.py:{line}" in viz.draw(y).source  # a tooltip


def test_a_long_recording_is_folded_in_the_picture_and_limited(networks):
    page = page_data(viz.play(networks.rnn(100)).html)
    assert all(entry["nodes"] for entry in page["entries"])
    y = Tensor(1.0, requires_grad=True)
    for _ in range(1001):
        y = y * 1.0
    with pytest.raises(ValueError, match="1,001 operations, but the player steps through at most"):
        viz.play(y)


def test_without_graphviz_the_player_works_and_says_why_there_is_no_picture(networks, no_renderer):
    page = viz.play(networks.apples()).html
    assert "tinygrad-edu[render]" in page and "price" in page
    assert "iframe" in viz.play(networks.apples())._repr_mimebundle_()["text/html"]


def test_bad_input(tmp_path):
    with pytest.raises(TypeError, match="needs a Tensor"):
        viz.play(3)
    with pytest.raises(TypeError, match="needs a Tensor"):
        viz.play(lambda: 3)
    with pytest.raises(ValueError, match="nothing to play"):
        viz.play(Tensor(1.0, name="x"))
    player = viz.play(Tensor(1.0, requires_grad=True) * 2)
    with pytest.raises(ValueError, match=r"suffix has to be \.html"):
        player.save(tmp_path / "player.svg")
    with pytest.raises(OSError, match="cannot be written"):
        player.save(tmp_path / "missing" / "player.html")
    assert not list(tmp_path.iterdir())
