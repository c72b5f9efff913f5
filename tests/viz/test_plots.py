"""The plots: what is on the Axes."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import viz
from tinygrad_edu import Tensor

matplotlib = pytest.importorskip("matplotlib", reason="needs matplotlib")
matplotlib.use("agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_costs():
    ax = viz.plot_costs([3.0, 2.0, np.nan, 1.0], learning_rate=0.01, every=100)
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xdata(), [0, 100, 200, 300])
    np.testing.assert_array_equal(line.get_ydata(), [3, 2, np.nan, 1])
    assert "0.01" in ax.get_title() and ax.get_xlabel() == "iteration"
    _, given = plt.subplots()
    assert viz.plot_costs([1.0], ax=given) is given
    assert len(viz.plot_costs(np.ones((1, 5))).lines[0].get_xdata()) == 5


def test_mislabelled_pictures_are_the_wrong_ones():
    rng = np.random.default_rng(0)
    X = rng.random((4 * 4 * 3, 6))
    y, p = np.array([[0, 1, 1, 0, 1, 0]]), np.array([[0, 0, 1, 1, 1, 0]])
    ax = viz.plot_mislabeled([b"non-cat", "cat"], X, y, p)
    assert [child.get_title() for child in ax.child_axes] == [
        "non-cat, in truth cat", "cat, in truth non-cat",
    ]  # fmt: skip
    shown = [child.images[0].get_array() for child in ax.child_axes]
    for picture, i in zip(shown, (1, 3)):
        np.testing.assert_array_equal(picture, X[:, i].reshape(4, 4, 3))
    assert ax.get_title() == "2 of 6 mislabelled"


def test_pictures_of_whole_numbers_grey_ones_and_many():
    X = np.full((16, 30), 255, np.uint8)
    ax = viz.plot_mislabeled(["a", "b"], X, np.zeros((1, 30), int), np.ones((1, 30), int), limit=3)
    assert len(ax.child_axes) == 3 and ax.get_title() == "30 of 30 mislabelled, 3 shown"
    assert ax.child_axes[0].images[0].get_array().max() == 1
    none = viz.plot_mislabeled(["a", "b"], X, np.zeros((1, 30)), np.zeros((1, 30)))
    assert not none.child_axes and none.texts


def test_the_decision_boundary_lies_where_the_prediction_changes():
    X = np.array([[0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
    asked = []

    def predict(points):
        asked.append(points)
        return Tensor((points[:1] > 0.5).astype(float))

    ax = viz.plot_decision_boundary(predict, X, [[0, 1, 0, 1]], points=50)
    assert asked[0].shape == (2, 2500) and asked[0].min() < 0 and asked[0].max() > 1
    levels = next(c for c in ax.collections if hasattr(c, "levels"))
    for path, level in zip(levels.get_paths(), levels.levels):
        if len(path.vertices) and level < 0.5:
            assert path.vertices[:, 0].min() < 0.55
    points = next(c for c in ax.collections if not hasattr(c, "levels")).get_offsets()
    np.testing.assert_array_equal(points, X.T)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: viz.plot_costs([]), "costs has to be a list of numbers"),
        (lambda: viz.plot_costs(np.ones((2, 2))), "costs has to be a list of numbers"),
        (lambda: viz.plot_mislabeled("ab", np.ones((5, 2)), [0, 1], [1, 1]), "no square picture"),
        (lambda: viz.plot_mislabeled("ab", np.ones((4, 2)), [0], [1, 1]), "m labels in y and p"),
        (lambda: viz.plot_decision_boundary(np.sum, np.ones((5, 2)), np.ones(5)), "X.T would fit"),
        (lambda: viz.plot_decision_boundary(np.sum, np.ones((2, 5)), np.ones(5)), "returned 1 val"),
    ],
)
def test_bad_input_is_explained(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "tinygrad-edu\[plot\]"'):
        viz.plot_costs([1.0])
