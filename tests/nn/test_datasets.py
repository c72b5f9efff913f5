"""nn.datasets: the drawn pictures, and files that are missing, damaged or something else."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from nn import manual
from nn.datasets import flatten, load_cats

TRAIN, TEST = "train_catvnoncat.h5", "test_catvnoncat.h5"


# --- drawn ---------------------------------------------------------------------------------------


def test_the_drawn_pictures_have_the_shape_of_the_originals():
    cats = load_cats()
    train_x, train_y, test_x, test_y, classes = cats
    assert train_x.shape == (209, 64, 64, 3) and test_x.shape == (50, 64, 64, 3)
    assert train_x.dtype == test_x.dtype == np.uint8
    assert train_y.shape == (1, 209) and test_y.shape == (1, 50)
    assert (train_y.sum(), test_y.sum()) == (72, 33)
    assert set(np.unique(train_y)) == set(np.unique(test_y)) == {0, 1}
    assert classes.tolist() == [b"non-cat", b"cat"]
    assert cats.drawn and "drawn" in cats.source and "not photographs" in cats.source


def test_no_picture_is_blank_or_there_twice():
    train_x, _, test_x, _, _ = load_cats()
    pictures = np.concatenate([train_x, test_x])
    assert len(np.unique(pictures.reshape(259, -1), axis=0)) == 259
    assert pictures.std(axis=(1, 2, 3)).min() > 10


def test_they_are_the_same_in_another_process_and_after_changes():
    first = load_cats()
    reference = first.train_x.copy()
    first.train_x[:] = 0
    first.train_y[:] = 1
    np.random.seed(3)
    again = load_cats()
    np.testing.assert_array_equal(again.train_x, reference)
    assert again.train_y.sum() == 72
    code = (
        "from nn.datasets import load_cats; c = load_cats(); print(c.train_x.sum(), c.test_x.sum())"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == [str(reference.sum()), str(again.test_x.sum())]


def test_they_can_be_learnt_but_not_perfectly():
    train_x, train_y, test_x, test_y, _ = load_cats()
    dims = [12288, 20, 7, 5, 1]
    parameters, costs = manual.L_layer_model(flatten(train_x), train_y, dims, num_iterations=1200)
    assert costs[-1] < 0.4 < 0.6 < costs[0]
    assert np.mean(manual.predict(flatten(train_x), None, parameters) == train_y) > 0.9
    p = manual.predict(flatten(test_x), None, parameters)
    assert 0.66 < np.mean(p == test_y) < 0.95  # 0.66: every picture called a cat


# --- flatten -------------------------------------------------------------------------------------


def test_flatten_puts_each_picture_into_a_column():
    images = np.arange(2 * 2 * 3 * 3, dtype=np.uint8).reshape(2, 2, 3, 3) * 7
    X = flatten(images)
    assert X.shape == (18, 2)
    np.testing.assert_array_equal(X[:, 1] * 255, images[1].ravel())
    assert flatten(np.full((1, 2), 255, np.uint8)).max() == 1


@pytest.mark.parametrize("images", [np.zeros((2, 4, 4, 3)), np.zeros(4, np.uint8)])
def test_flatten_refuses_what_are_no_pictures(images):
    with pytest.raises(ValueError, match=r"images has shape .* expected pictures .* uint8"):
        flatten(images)


# --- files ---------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """A folder with two small, right files."""
    h5py = pytest.importorskip("h5py", reason="needs h5py to write the files")
    for name, part, m in ((TRAIN, "train", 4), (TEST, "test", 2)):
        with h5py.File(tmp_path / name, "w") as file:
            random = np.random.RandomState(m)
            file[f"{part}_set_x"] = random.randint(0, 256, (m, 64, 64, 3)).astype(np.uint8)
            file[f"{part}_set_y"] = np.arange(m) % 2
            file["list_classes"] = np.array([b"non-cat", b"cat"])
    return tmp_path


def change(folder, name, **datasets):
    """Replace datasets of a file; None removes one."""
    import h5py

    with h5py.File(folder / name, "a") as file:
        for key, value in datasets.items():
            del file[key]
            if value is not None:
                file[key] = value


def expect(error, folder, *words):
    with pytest.raises(error) as caught:
        load_cats(folder)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message


def test_files_of_the_course_are_read(folder):
    import h5py

    cats = load_cats(str(folder))
    train_x, train_y, test_x, test_y, classes = cats
    with h5py.File(folder / TRAIN) as file:
        np.testing.assert_array_equal(train_x, file["train_set_x"][...])
    assert train_y.tolist() == [[0, 1, 0, 1]] and test_y.tolist() == [[0, 1]]
    assert test_x.shape == (2, 64, 64, 3)
    assert classes[1].decode() == "cat"
    assert not cats.drawn and str(folder) in cats.source and "drawn" not in cats.source


def test_labels_may_be_a_column_and_the_train_file_without_classes(folder):
    change(folder, TRAIN, train_set_y=np.array([[1], [0], [1], [1]]), list_classes=None)
    assert load_cats(folder).train_y.tolist() == [[1, 0, 1, 1]]


def test_the_real_pictures(catvnoncat):
    train_x, train_y, test_x, test_y, classes = catvnoncat
    assert train_x.shape == (209, 64, 64, 3) and test_x.shape == (50, 64, 64, 3)
    assert (train_y.shape, train_y.sum()) == ((1, 209), 72)
    assert (test_y.shape, test_y.sum()) == ((1, 50), 33)
    assert classes.tolist() == [b"non-cat", b"cat"]


def test_missing_folder_file_instead_of_folder_and_missing_file(folder):
    expect(FileNotFoundError, folder / "none", folder / "none", "does not exist", TRAIN)
    expect(FileNotFoundError, folder / TRAIN, folder / TRAIN, "is a file, not a folder")
    (folder / TEST).unlink()
    expect(FileNotFoundError, folder, folder / TEST, "does not exist")


def test_an_empty_file(folder):
    (folder / TEST).write_bytes(b"")
    expect(ValueError, folder, folder / TEST, "is empty:")


@pytest.mark.parametrize("part", [0.001, 0.01, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file(folder, part):
    content = (folder / TRAIN).read_bytes()
    (folder / TRAIN).write_bytes(content[: int(part * len(content))])
    expect(ValueError, folder, folder / TRAIN, "not a complete HDF5 file")


def test_a_file_of_another_kind(folder):
    (folder / TEST).write_text("<html>Not Found</html>" * 100)
    expect(ValueError, folder, folder / TEST, "not a complete HDF5 file")


def test_an_hdf5_file_with_other_contents(folder):
    (folder / TRAIN).write_bytes((folder / TEST).read_bytes())
    expect(ValueError, folder, folder / TRAIN, "holds list_classes, test_set_x", "no train_set_x")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("train_set_x", np.zeros((4, 32, 32, 3), np.uint8), ["(4, 32, 32, 3)", "(m, 64, 64, 3)"]),
        ("train_set_x", np.zeros((4, 64, 64, 3)), ["float64", "uint8"]),
        ("train_set_x", np.zeros((0, 64, 64, 3), np.uint8), ["(0, 64, 64, 3)"]),
        ("train_set_x", np.uint8(3), ["shape ()"]),
        ("train_set_y", np.zeros(3, int), ["shape (3,)", "4 labels"]),
        ("train_set_y", np.array([0, 1, 2, 0]), ["each 0 or 1"]),
        ("train_set_y", np.array([b"a", b"b", b"c", b"d"]), ["|S1", "each 0 or 1"]),
    ],
)
def test_wrong_shapes_types_and_labels(folder, key, value, words):
    change(folder, TRAIN, **{key: value})
    expect(ValueError, folder, folder / TRAIN, key, *words)


def test_wrong_classes(folder):
    change(folder, TEST, list_classes=np.array([1, 2, 3]))
    expect(ValueError, folder, folder / TEST, "list_classes", "(3,)", "two names")


def test_without_h5py_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    expect(ImportError, tmp_path, "h5py", 'pip install "tinygrad-edu[data]"')
    assert load_cats().drawn
