"""nn.datasets: the flower, the drawn digits, and MNIST's files, whole, damaged or something else."""

import gzip
import struct

import numpy as np
import pytest

import nn
from nn.datasets import draw_digits, flatten, load_mnist, load_planar

# --- the flower ------------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [400, 4000])
def test_the_flower(m):
    X, Y = load_planar(m)
    assert X.shape == (2, m) and Y.shape == (1, m) and X.dtype == np.float64
    assert abs(Y.mean() - 0.5) < 0.01 and set(np.unique(Y)) == {0, 1}
    again, labels = load_planar(m)
    np.testing.assert_array_equal(X, again)
    np.testing.assert_array_equal(Y, labels)
    assert np.any(load_planar(m, seed=2)[0] != X)


def test_no_line_separates_the_flower_but_a_small_network_does():
    X, Y = load_planar(400)
    line = nn.LLayerModel([2, 1])
    line.fit(X, Y, 0.5, 500)
    assert line.accuracy(X, Y) < 0.7
    parameters, _ = nn.manual.planar_model(X, Y, 4, num_iterations=1500)
    assert np.mean(nn.manual.planar_predict(X, parameters) == Y) >= 0.9


def test_numbers_that_make_no_flower():
    for options in ({"m": 0}, {"petals": 0}, {"seed": -1}):
        (name,) = options
        with pytest.raises(ValueError, match=f"{name} is .*: expected a whole number"):
            load_planar(**options)
    assert load_planar(1)[0].shape == (2, 1)


# --- the drawn digits ------------------------------------------------------------------------------


def test_drawn_digits():
    digits = draw_digits(200, 50)
    train_x, train_y, test_x, test_y = digits
    assert train_x.shape == (200, 28, 28) and test_x.shape == (50, 28, 28)
    assert train_x.dtype == np.uint8 and digits.drawn and "not handwriting" in digits.source
    np.testing.assert_array_equal(np.bincount(train_y), np.full(10, 20))
    np.testing.assert_array_equal(np.bincount(test_y), np.full(10, 5))
    pictures = np.concatenate([train_x, test_x]).reshape(250, -1)
    assert len(np.unique(pictures, axis=0)) == 250
    assert pictures.max(axis=1).min() == 255 and 0.02 < (pictures > 127).mean() < 0.2
    np.testing.assert_array_equal(draw_digits(200, 50).train_x, train_x)
    with pytest.raises(ValueError, match="train is 0"):
        draw_digits(0)


def test_drawn_digits_can_be_learnt():
    digits = draw_digits(1000, 300)
    X, X_test = flatten(digits.train_x), flatten(digits.test_x)
    model = nn.Sequential(nn.Linear(784, 30, seed=1), nn.ReLU(), nn.Linear(30, 10, seed=2))
    batches = nn.MiniBatches(X, digits.train_y, 50)
    optimizer = nn.SGD(model.parameters(), 0.2, momentum=0.9)
    nn.train(model, lambda Z, t: nn.cross_entropy(Z, t, axis=0), batches, optimizer, 200)
    assert np.mean(np.argmax(model(X_test).data, axis=0) == digits.test_y) > 0.9


# --- MNIST's files ---------------------------------------------------------------------------------

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    """Four small, right files, the test files gzipped."""
    random = np.random.default_rng(0)
    for part, m in (("train", 6), ("t10k", 3)):
        files = {
            f"{part}-images-idx3-ubyte": random.integers(0, 256, (m, 4, 5), np.uint8),
            f"{part}-labels-idx1-ubyte": np.arange(m, dtype=np.uint8),
        }
        for name, array in files.items():
            if part == "train":
                (tmp_path / name).write_bytes(idx(array))
            else:
                (tmp_path / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
    return tmp_path


def expect(error, folder, *words):
    with pytest.raises(error) as caught:
        load_mnist(folder)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message


def test_idx_files_are_read(folder):
    digits = load_mnist(str(folder))
    train_x, train_y, test_x, test_y = digits
    assert train_x.shape == (6, 4, 5) and test_x.shape == (3, 4, 5) and train_x.dtype == np.uint8
    assert train_y.tolist() == [0, 1, 2, 3, 4, 5] and test_y.tolist() == [0, 1, 2]
    assert idx(train_x) == (folder / IMAGES).read_bytes()
    assert not digits.drawn and str(folder) in digits.source
    train_x[:] = 0  # the caller's own
    (folder / IMAGES).rename(folder / IMAGES.replace("-idx", ".idx"))
    assert load_mnist(folder).train_x.any()


def test_missing_files(folder):
    expect(FileNotFoundError, folder / "none", folder / "none", "does not exist", IMAGES)
    expect(FileNotFoundError, folder / IMAGES, "is a file, not a folder")
    (folder / LABELS).unlink()
    expect(FileNotFoundError, folder, folder / LABELS, "does not exist")


@pytest.mark.parametrize("part", [0, 0.01, 0.05, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", [IMAGES, LABELS, "t10k-images-idx3-ubyte.gz"])
def test_files_that_are_cut_off(folder, name, part):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(part * len(content))])
    expect(ValueError, folder, folder / name, "download it again")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (IMAGES, b"<html>Not Found</html>", ["not an IDX file of bytes with 3 axes"]),
        (LABELS, idx(np.zeros((6, 4, 5), np.uint8)), ["not an IDX file of bytes with 1 axis"]),
        (IMAGES, idx(np.zeros((6, 4, 5), np.uint8)) + b"x", ["120 values, but has more"]),
        (IMAGES, struct.pack(">BBBB3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 9), ["claims to hold"]),
        (IMAGES, struct.pack(">BBBB3I", 0, 0, 8, 3, 0, 28, 28), ["claims to hold (0, 28, 28)"]),
        (IMAGES, struct.pack(">BBBB3I", 0, 0, 13, 3, 1, 1, 1) + bytes(4), ["not an IDX file"]),
        (IMAGES, idx(np.zeros((5, 4, 5), np.uint8)), ["5 pictures", LABELS, "6 labels"]),
        (IMAGES, idx(np.zeros((6, 5, 5), np.uint8)), ["(5, 5) pixels", "(4, 5)"]),
        (LABELS, idx(np.array([1, 2, 10, 3, 4, 5], np.uint8)), ["the label 10 at position 2"]),
        ("t10k-labels-idx1-ubyte.gz", b"\x00\x00\x08\x01" * 4, ["not gzipped"]),
    ],
)
def test_files_with_other_contents(folder, name, content, words):
    (folder / name).write_bytes(content)
    expect(ValueError, folder, folder, *words)


def test_a_gzip_bomb_is_not_unpacked(folder):
    claimed = struct.pack(">BBBB3I", 0, 0, 8, 3, 6, 4, 5)
    (folder / IMAGES).unlink()
    (folder / f"{IMAGES}.gz").write_bytes(gzip.compress(claimed + bytes(50_000_000)))
    expect(ValueError, folder, "should hold 120 values, but has more")


def test_the_real_digits_are_learnt(catvnoncat_folder):
    """A tenth of the article's training; all of it is in examples/digits.py."""
    mnist = load_mnist(catvnoncat_folder.parent / "mnist")
    assert mnist.train_x.shape == (60000, 28, 28) and mnist.test_x.shape == (10000, 28, 28)
    assert mnist.train_y[:5].tolist() == [5, 0, 4, 1, 9] and mnist.test_y[:3].tolist() == [7, 2, 1]
    assert np.bincount(mnist.train_y).tolist()[:3] == [5923, 6742, 5958]
    X, X_test = flatten(mnist.train_x).T, flatten(mnist.test_x).T
    random = np.random.default_rng(1)
    model = nn.Sequential(
        nn.Affine(784, 50, init=0.01, seed=random),
        nn.ReLU(),
        nn.Affine(50, 10, init=0.01, seed=random),
    )
    batches = nn.MiniBatches(X, mnist.train_y, 100, axis=0)
    optimizer = nn.SGD(model.parameters(), 0.1)
    nn.train(model, lambda Z, t: nn.cross_entropy(Z, t, axis=1), batches, optimizer, 1000)
    assert np.mean(np.argmax(model(X_test).data, axis=1) == mnist.test_y) > 0.90
