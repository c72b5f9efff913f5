"""Every example runs and prints the numbers of its article."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def example(monkeypatch):
    """Import an example as Python does when it is run: from its own folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


def without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)


# --- fruit -----------------------------------------------------------------------------------------

FRUIT = {
    "apple": 2.2,
    "apple_num": 110.00000000000001,
    "orange": 3.3000000000000003,
    "orange_num": 165.0,
    "tax": 650.0,
}


def test_fruit_prices(example, capsys):
    result = example("fruit_prices").main()
    assert result["price"] == result["hand_price"] == 715.0000000000001
    assert result["auto"] == result["hand"] == FRUIT
    printed = capsys.readouterr().out
    for number in (715.0000000000001, *FRUIT.values()):
        assert printed.count(repr(number)) >= 2


# --- textbook layers -------------------------------------------------------------------------------

SIGMOID = (
    "0.88079708 0.98201379 0.42555748 0.7109495",
    "0.41997434 0.03532541 -0.02444583 0.16440025",
)
WITH = (
    "2.25358384929 2.22978102389 2.13182940769 2.01975280051 1.91975287223 1.82254467599 "
    "1.72813268631 1.65593082752 1.54773595587"
)
EXACT = (
    "2.25358480147 2.22978195367 2.13183025072 2.01975355416 1.91975355416 1.82254529475 "
    "1.72813324933 1.65593135132 1.54773642595"
)
INTEGERS = {
    "Affine": {
        "dX": [[22, 28], [49, 64]],
        "dW": [[13, 17, 21], [18, 24, 30]],
        "db": [5, 7, 9],
    },
    "Relu": {"dx": [[2, 0], [0, -4]]},
    "Network of 2 layers": {
        "out": [[93, 211]],
        "dX": [[12385, 16108]],
        "dW1": [[937, 1241, 1545], [1874, 2482, 3090]],
        "db1": [[937, 1241, 1545]],
    },
    "Network of 3 layers": {
        "out": [[888, 1192, 1496]],
        "dX": [[1040872, 1343296]],
        "dW1": [[67408, 100808, 134208], [134816, 201616, 268416]],
    },
}


def test_textbook_layers(example, capsys):
    results = example("textbook_layers").main()
    printed = capsys.readouterr().out
    for title, expected in INTEGERS.items():
        for way in ("hand", "auto"):
            for name, value in expected.items():
                found = np.asarray(results[title][way][name])
                assert found.reshape(np.shape(value)).tolist() == value, (title, way, name)
                assert str(value) in printed
    assert "[[6, 13, 20]]\n[[93, 211]]" in printed
    for name, text in zip(("out", "dx"), SIGMOID):
        numbers = [float(number) for number in text.split()]
        for way in ("hand", "auto"):
            assert results["Sigmoid"][way][name].ravel().round(8).tolist() == numbers
        assert all(f"{number}" in printed for number in text.split())
    losses = results["SoftmaxWithLoss"]
    for i, (with_epsilon, exact) in enumerate(zip(WITH.split(), EXACT.split())):
        assert [f"{loss:.11f}" for loss in losses[i]] == [with_epsilon, exact, exact]
        assert with_epsilon in printed and exact in printed


# --- planar, digits, timing, cats ------------------------------------------------------------------


def test_planar_classifier(example, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="needs matplotlib for the pictures")
    results = example("planar_classifier").main(2000, sizes=(1, 2, 4, 8), folder=tmp_path)
    for m in (400, 4000):
        assert results[m]["accuracy"] >= 0.9 and results[m]["by hand"] >= 0.9
        assert results[m]["worst"] < 1e-8  # after training the gradients are small differences
    assert results["1 units"][0] < 0.8 < 0.9 <= min(results["4 units"])
    pictures = ["planar_400.png", "planar_4000.png", "planar_sizes.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == pictures
    costs = re.findall(r"cost at iteration +(?:0|1000) +(\S+) +(\S+)", capsys.readouterr().out)
    assert len(costs) == 4
    assert all(float(auto) == pytest.approx(float(hand), rel=1e-6) for auto, hand in costs)


def test_digits_without_mnist_are_drawn(example, monkeypatch, capsys):
    module = example("digits")
    monkeypatch.setattr(module, "HERE", Path("nowhere"))
    results = module.main(iterations=150)
    printed = capsys.readouterr().out
    assert "MNIST is not there (nowhere" in printed and "not handwriting" in printed
    assert "the article" not in printed  # its numbers are not those of drawings
    assert results["784-50-10 relu"]["accuracy"][1] > 0.8
    for result in results.values():
        assert result["worst"] < 1e-10 and len(result["costs"]) == 150


def test_digits_of_mnist(example, catvnoncat_folder, capsys):
    results = example("digits").main(str(catvnoncat_folder.parent / "mnist"), 300)
    assert min(results["784-50-10 relu"]["accuracy"]) > 0.85
    assert all(result["worst"] < 1e-10 for result in results.values())
    assert "the article: 0.979, 0.969" in capsys.readouterr().out


def test_gradient_timing(example, tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib for the picture")
    rows = example("gradient_timing").main(500, folder=tmp_path)
    assert [row["parameters"] for row in rows] == [51, 92, 215, 420]
    assert all(row["apart"] < 1e-7 for row in rows)
    assert rows[-1]["numerical"] > 10 * rows[-1]["backprop"]
    assert [path.name for path in tmp_path.iterdir()] == ["gradient_timing.png"]


def test_cat_classifier(example, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="needs matplotlib for the pictures")
    result = example("cat_classifier").main(iterations=101, folder=tmp_path)
    printed = capsys.readouterr().out
    assert result["worst"] < 1e-12
    costs = re.findall(r"cost at iteration +\d+: (\S+)   by hand (\S+)", printed)
    assert len(costs) == 4 and all(auto == hand for auto, hand in costs)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cat_costs.png",
        "cat_mislabelled.png",
    ]


def test_the_cats_of_the_course(example, catvnoncat_folder, monkeypatch, capsys):
    without_matplotlib(monkeypatch)
    example("cat_classifier").main(str(catvnoncat_folder), iterations=101)
    printed = capsys.readouterr().out
    for cost in ("0.693050", "0.646432", "0.771749", "0.672053"):
        assert f"{cost}   by hand {cost}" in printed
    assert "pictures need matplotlib" in printed


# --- the gradient doctor ----------------------------------------------------------------------------


def test_the_doctor_finds_what_the_usual_test_does_not_see(example, capsys):
    result = example("gradient_doctor").main()
    printed = capsys.readouterr().out
    assert result["difference"] < 1e-7
    wrong, mended = result["wrong"], result["mended"]
    assert (wrong.ok, wrong.first_wrong, mended.ok) == (False, "dZ1", True)
    [cause] = wrong.causes
    lines = (FOLDER / "gradient_doctor.py").read_text().splitlines()
    assert lines[cause.line - 1].strip() == cause.source == 'dZ = grads[f"dA{L - 1}"] * (Z > 0)'
    assert "for this layer: dZ = grads['dA1'] * (Z > 0)" in printed
    assert re.search(r"^Z1 .*dZ1 · wrong  line \d+: dZ1 is computed from dA2", printed, re.M)
    assert "Mended:\n\nGradient doctor: right, all 9 gradients match." in printed


# --- as programs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_each_example_is_a_story_with_a_main(path, example):
    module = example(path.stem)
    if path.stem != "pictures":
        assert callable(module.main)
        assert f"python examples/{path.name}" in module.__doc__


def test_an_example_runs_as_a_program():
    result = subprocess.run(
        [sys.executable, str(FOLDER / "fruit_prices.py")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(FOLDER.parent)},
    )
    assert result.returncode == 0, result.stderr
    assert "715.0000000000001" in result.stdout
