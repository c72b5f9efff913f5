"""The command, as a user runs it: in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import nn

COMMAND = [sys.executable, "-m", "nn.command"]
QUICK = ["--iterations", "3", "--layers", "4,3"]


def run(*arguments, cwd):
    environment = {**os.environ, "PYTHONPATH": str(nn.__path__[0]) + "/.."}
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=120,
    )


def test_the_drawn_pictures(tmp_path):
    pytest.importorskip("matplotlib")
    done = run("cats", *QUICK, "--output", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "drawn" in done.stdout and "not photographs" in done.stdout
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["layers_dims"] == [12288, 4, 3, 1] and summary["drawn"]
    assert summary["comparison"]["worst"] <= 1e-12
    for name in ("costs.png", "mislabelled.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")
    assert "digraph" in (tmp_path / "out" / "graph.dot").read_text()
    page = (tmp_path / "out" / "index.html").read_text()
    assert "drawn" in page and repr(summary["accuracy"]["test"]) in page and "dW1" in page
    for name in ("costs.png", "mislabelled.png", "player.html"):
        assert f'src="{name}"' in page
    assert set(summary["files"]) == {p.name for p in (tmp_path / "out").iterdir()}
    # the saved parameters are those that the printed accuracy belongs to
    model = nn.LLayerModel.load(tmp_path / "out" / "parameters.npz")
    data = nn.datasets.load_cats()
    accuracy = model.accuracy(nn.datasets.flatten(data.test_x), data.test_y)
    assert accuracy == summary["accuracy"]["test"]
    assert f"test pictures: {accuracy}" in done.stdout
    assert repr(summary["costs"]["0"]) in done.stdout
    # and three steps by hand give the same
    by_hand = nn.manual.L_layer_model(
        nn.datasets.flatten(data.train_x), data.train_y, [12288, 4, 3, 1], 0.0075, 3
    )[0]
    for name, tensor in model.parameters().items():
        np.testing.assert_allclose(tensor.data, by_hand[name], rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--layers", "20,x"], ["--layers", "'x'", "whole number"]),
        (["--layers", "20,0"], ["--layers", "0", "1 or greater"]),
        (["--learning-rate", "-1"], ["--learning-rate", "-1"]),
        (["--learning-rate", "nan"], ["--learning-rate", "nan"]),
        (["--iterations", "2.5"], ["--iterations", "2.5"]),
        (["--data", "nowhere"], ["nowhere"]),
        (["--data", "empty"], ["train_catvnoncat.h5"]),
        (["--data", "cut"], ["train_catvnoncat.h5"]),
        (["--output", "file/below"], ["--output", "file/below", "cannot be written"]),
    ],
)
def test_bad_input_ends_with_one_sentence_and_status_2(tmp_path, arguments, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut").mkdir()
    for part in ("train", "test"):
        (tmp_path / "cut" / f"{part}_catvnoncat.h5").write_bytes(b"\x89HDF\r\n\x1a\n\0\0")
    (tmp_path / "file").write_text("")
    done = run("cats", *QUICK, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr, done.stderr
    assert all(word in done.stderr for word in words), done.stderr


def test_a_truncated_file_of_real_pictures(tmp_path, catvnoncat_folder):
    for part in ("train", "test"):
        name = f"{part}_catvnoncat.h5"
        content = (catvnoncat_folder / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
    done = run("cats", *QUICK, "--data", tmp_path, cwd=tmp_path)
    assert done.returncode == 2 and "train_catvnoncat.h5" in done.stderr
    assert done.stderr.count("\n") == 1


def test_ctrl_c_leaves_what_was_learnt(tmp_path):
    process = subprocess.Popen(
        [*COMMAND, "cats", "--iterations", "100000", "--output", "out"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(nn.__path__[0]) + "/.."},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Cost at iteration"):
            break
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Interrupted after" in rest and "saved" in rest
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["interrupted"] and 1 <= summary["iterations"] < 100000
    model = nn.LLayerModel.load(tmp_path / "out" / "parameters.npz")
    data = nn.datasets.load_cats()
    X = nn.datasets.flatten(data.train_x)
    assert model.accuracy(X, data.train_y) == summary["accuracy"]["train"]
    start = nn.LLayerModel(summary["layers_dims"])
    start.fit(X, data.train_y, 0.0075, summary["iterations"])
    for name, tensor in start.parameters().items():
        np.testing.assert_array_equal(model.parameters()[name].data, tensor.data)


def test_version_and_help(tmp_path):
    assert run("--version", cwd=tmp_path).stdout == "tinygrad-edu 0.1.0\n"
    text = run("cats", "--help", cwd=tmp_path).stdout
    for option in ("--data", "--layers", "--iterations", "--learning-rate", "--output"):
        assert option in text


def test_derive_prints_text_latex_and_numpy(tmp_path):
    text = run("derive", "--layers", "12288,20,7,5,1", cwd=tmp_path).stdout
    for line in ("dW4 = dZ4 @ A3.T", "dA1 = W2.T @ dZ2", "dZ1 = dA1 * (A1 > 0)", "# (20, 12288)"):
        assert line in text
    latex = run("derive", "--layers", "4,3,1", "--latex", cwd=tmp_path).stdout
    assert r"dW^{[2]} &= dZ^{[2]} \, A^{[1]\top}" in latex
    source = run("derive", "--layers", "4,3,1", "--examples", "6", "--numpy", cwd=tmp_path).stdout
    room = {}
    exec(source, room)
    random = np.random.RandomState(0)
    parameters = nn.manual.initialize_parameters_deep([4, 3, 1])
    X, Y = random.randn(4, 6), np.array([[0, 1, 1, 0, 1, 0]])
    _, grads = room["loss_and_gradients"](X=X, Y=Y, **parameters)
    AL, caches = nn.manual.L_model_forward(X, parameters)
    by_hand = nn.manual.L_model_backward(AL, Y, caches)
    for name, g in grads.items():
        np.testing.assert_allclose(g, by_hand[name], rtol=1e-12)
    assert (
        "dZ2 = (A2 - Y) / m" in run("derive", "--layers", "4,3,1", "--fused", cwd=tmp_path).stdout
    )


@pytest.mark.parametrize("layers", ["4", "4,0,1", "4,3,2", "a,b"])
def test_derive_refuses_sizes_that_are_none(tmp_path, layers):
    done = run("derive", "--layers", layers, cwd=tmp_path)
    assert done.returncode == 2 and "--layers" in done.stderr and done.stderr.count("\n") == 1
