"""nn.files: whole or not at all; damaged, foreign and hostile files are refused with a sentence."""

import io
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from nn import files

ARRAYS = {"0.W": np.arange(6.0).reshape(2, 3), "b": np.zeros((0, 1)), "file": np.array("text")}


def refused(path, *words):
    with pytest.raises(ValueError) as caught:
        files.load_arrays(path)
    message = str(caught.value)
    assert "\n" not in message
    assert all(str(word) in message for word in (path, "written by save()", *words)), message


def member(array, **options):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **options)
    return stream.getvalue()


def archive(path, compression=zipfile.ZIP_STORED, **members):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name.replace("_npy", ".npy"), content)


def test_what_was_saved_is_read(tmp_path):
    path = tmp_path / "arrays.npz"
    files.save_arrays(path, ARRAYS)
    found = files.load_arrays(str(path))
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    with np.load(path) as theirs:  # NumPy reads it too, and its own files are read
        assert set(theirs.files) == set(ARRAYS)
    np.savez_compressed(path, W=ARRAYS["0.W"])
    np.testing.assert_array_equal(files.load_arrays(path)["W"], ARRAYS["0.W"])


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "arrays.npz"
    files.save_arrays(path, ARRAYS)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        files.save_arrays(path, {"W": np.ones(3), "bad": np.array([object()])})
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_the_file_is_as_readable_as_any_other(tmp_path):
    files.save_arrays(tmp_path / "a.npz", ARRAYS)
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "a.npz").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_places_that_cannot_be_written(tmp_path):
    with pytest.raises(FileNotFoundError, match="none does not exist: make the folder"):
        files.save_arrays(tmp_path / "none" / "a.npz", ARRAYS)
    with pytest.raises(IsADirectoryError, match="is a folder: give the name of a file"):
        files.save_arrays(tmp_path, ARRAYS)
    assert list(tmp_path.iterdir()) == []


def test_missing_files_and_folders(tmp_path):
    for path, problem in ((tmp_path / "none.npz", "does not exist"), (tmp_path, "is a folder")):
        with pytest.raises(FileNotFoundError, match=f"{problem}: give the .npz file"):
            files.load_arrays(path)


@pytest.mark.parametrize("part", [0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_truncated(tmp_path, part):
    path = tmp_path / "a.npz"
    files.save_arrays(path, {"W": np.random.default_rng(0).normal(size=(30, 30))})
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    refused(path)


def test_a_flipped_bit_anywhere_never_gives_other_numbers(tmp_path):
    path = tmp_path / "a.npz"
    files.save_arrays(path, {"W": np.arange(20.0)})
    content = path.read_bytes()
    for i in range(0, len(content), 3):
        path.write_bytes(content[:i] + bytes([content[i] ^ 16]) + content[i + 1 :])
        try:
            found = files.load_arrays(path)
        except ValueError:
            continue
        (array,) = found.values()  # a byte that means nothing, or one of the name
        np.testing.assert_array_equal(array, np.arange(20.0))


class Trap:
    """Unpickling this writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_is_never_loaded(tmp_path):
    trap, path = Trap(tmp_path / "sprung"), tmp_path / "a.npz"
    objects = np.array([trap], dtype=object)
    archive(path, W_npy=member(objects, allow_pickle=True))
    refused(path, "allow_pickle=False")
    archive(path, W=pickle.dumps(trap))
    refused(path, "is no array")
    path.write_bytes(pickle.dumps(trap))
    refused(path)
    np.save(path.with_suffix(".npy"), objects, allow_pickle=True)
    refused(path.with_suffix(".npy"))
    assert not trap.path.exists()


def test_hostile_archives(tmp_path):
    path, good = tmp_path / "a.npz", member(np.zeros(3))
    archive(path, zipfile.ZIP_DEFLATED, W_npy=member(np.zeros(10_000_000)))
    refused(path, "far larger than the file")
    archive(path, W_npy=good + b"more")
    refused(path, "there is more in 'W.npy'")
    archive(path, W_npy=good.replace(b"(3,), }" + 15 * b" ", b"(3" + 15 * b"0" + b",), }"))
    refused(path)
    for text in (b"(-3,), }", b"(3", b"__import__('os').abort()"):
        archive(path, W_npy=good.replace(b"(3,), }", text.ljust(7)))
        refused(path)
    with zipfile.ZipFile(path, "w") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("W.npy", good)
        file.writestr("W.npy", good)
    refused(path, "there twice")
    archive(path, **{"../outside_npy": good})
    assert list(files.load_arrays(path)) == ["../outside"]  # a name and nothing more
    assert not (tmp_path.parent / "outside.npy").exists()


def test_other_files(tmp_path):
    path = tmp_path / "a.npz"
    for content in (b"", b"<html>Not Found</html>", b"PK\x03\x04" + bytes(100), os.urandom(1000)):
        path.write_bytes(content)
        refused(path)
    np.save(tmp_path / "a.npy", np.zeros(3))
    refused(tmp_path / "a.npy")


def test_leftovers_of_killed_processes_are_removed(tmp_path):
    path = tmp_path / "model[1].npz"
    for name in ("model[1].npz.123.tmp", "model[1].npz", "model1.npz.123.tmp"):
        (tmp_path / name).write_bytes(b"")
    files.remove_leftovers(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model1.npz.123.tmp", "model[1].npz"]


def test_a_process_that_dies_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.npz"
    files.save_arrays(path, ARRAYS)
    before = path.read_bytes()
    code = (
        "import os, sys, numpy as np\n"
        "from nn import files\n"
        "os.fsync = lambda number: os._exit(9)\n"
        "files.save_arrays(sys.argv[1], {'W': np.ones(100_000)})"
    )
    result = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True)
    assert result.returncode == 9, result.stderr
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 2
    files.remove_leftovers(path)
    assert list(tmp_path.iterdir()) == [path]


def test_check_arrays_names_the_first_difference():
    expected = {name: np.zeros(2) for name in "abcdefgh"}
    files.check_arrays(expected, expected, "x")
    with pytest.raises(ValueError, match="x lacks a, b, c, d, e and 3 more: it was saved by"):
        files.check_arrays({}, expected, "x")
    with pytest.raises(ValueError, match="x lacks h and has i, which this model does not have"):
        files.check_arrays({**{name: np.zeros(2) for name in "abcdefg"}, "i": 0}, expected, "x")
