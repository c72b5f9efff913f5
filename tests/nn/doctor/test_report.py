"""What a report promises: order, one diagnosis, plain data, colours, and safety on a page."""

from __future__ import annotations

import html.parser
import io
import json
import re
import shutil
import subprocess

import numpy as np
import programs
import pytest

from nn import doctor
from nn.doctor.report import (
    CONVENTION,
    FOLLOWS,
    MISSING,
    NAN,
    OK,
    SHAPE,
    WRONG,
    Cause,
    Report,
    Verdict,
)

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
HOSTILE = (
    "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"
)


def wrong_planar(old: str = "dZ1 = ", new: str = "dZ1 = 2 * ") -> Report:
    room, _ = programs.load(programs.changed(programs.PLANAR, old, new)[0])
    params, X, Y = programs.columns((2, 4, 3, 1))
    names = ("forward_propagation", "compute_cost", "backward_propagation")
    return doctor.check(*(room[n] for n in names), params, X, Y)


def everything() -> Report:
    """A report in which every field says something, with a learner's code that is no HTML."""
    cause = Cause(
        "dZ1", "kind", f"says {HOSTILE}", 3, "f<x>", "x.py", "dZ = a[<b>] & c", "a<b", "c<d", "e<f", "g<h"
    )  # fmt: skip
    cause.alternatives = [Cause("dZ1", "other", f"other {HOSTILE}")]
    rows = [
        Verdict("dW1", WRONG, 1.0, HOSTILE),
        Verdict("dZ2", OK, 0.0),
        Verdict("db1", NAN, np.nan),
    ]
    rows += [Verdict("dA1", FOLLOWS, 0.5), Verdict("dW2", CONVENTION, 1e-16, "times m")]
    inner = Report(
        "Part", [Verdict("dx", SHAPE, None, "(3,) for (2,)")], not_checked=["inner rest"]
    )
    return Report(
        f"Title {HOSTILE}",
        rows,
        [cause],
        conventions=["convention"],
        notes=["note"],
        checked=["checked"],
        not_checked=["rest"],
        unexplained=[f"unexplained {HOSTILE}"],
        parts=[inner, Report("Fine", [Verdict("dx", OK, 0.0)])],
    )


# --- text -------------------------------------------------------------------------------------------


def test_backward_order_and_what_was_not_examined_last():
    lines = str(wrong_planar()).splitlines()
    rows = [line.split()[0] for line in lines if line.startswith("  d")]
    assert rows == ["dW3", "db3", "dW2", "db2", "dZ1", "dW1", "db1"]
    text = str(everything()).partition("\n")[2]
    order = ["dZ2", "dW2", "dA1", "dW1", "says", "Part", "Fine", "Not explained",
             "Convention", "Note", "Examined", "Not examined: rest"]  # fmt: skip
    found = [text.index(word) for word in order]
    assert found == sorted(found)
    assert text.splitlines()[-1] == "Not examined: rest"


def test_a_mistake_is_said_once_and_with_line_fix_and_proof():
    report = wrong_planar()
    assert report.first_wrong == "dZ1"
    [cause] = report.causes
    text = str(report)
    assert text.count("twice as large") == 1
    assert f"line {cause.line} of backward_propagation: dZ1 = 2 * " in text
    assert "  right:     dZ1 = dA1 * (1 - A1**2)" in text
    assert re.search(r"proof: +with this one change all gradients match to \d+e-1\d", text)
    assert text.splitlines()[0].endswith("a mistake in dZ1; 2 more only follow from it.")


def test_the_fix_is_in_the_names_of_the_line():
    report = wrong_planar("dW2 = np.dot(dZ2, A1.T) / m", "dW2 = np.dot(dZ2, A1.T)")
    assert report.causes[0].fix == "write dW2 = dZ2 @ A1.T / m"
    source = programs.PLANAR.replace("dZ2", "delta").replace("A1", "hidden")
    changed = programs.changed(
        source, "dW2 = np.dot(delta, hidden.T) / m", "dW2 = np.dot(delta, hidden.T)"
    )
    room, _ = programs.load(changed[0])
    params, X, Y = programs.columns((2, 4, 3, 1))
    names = ("forward_propagation", "compute_cost", "backward_propagation")
    renamed = doctor.check(*(room[n] for n in names), params, X, Y)
    assert renamed.causes[0].fix == "write dW2 = delta @ hidden.T / m"


def test_one_right_part_is_one_line_and_one_part_has_one_heading(tmp_path):
    path = tmp_path / "pairs.py"
    path.write_text(
        "import numpy as np\n\ndef f(x):\n    return x ** 2\n\ndef df(x):\n    return 2 * x\n"
    )
    lines = str(doctor.check_file(path)).splitlines()
    assert len(lines) == 1 and "right, the gradient matches" in lines[0], lines


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([Verdict("dW1", OK, 0.0)], "right, the gradient matches (relative error 0)."),
        ([Verdict("dW1", OK, 0.0), Verdict("db1", OK, 0.0)], "right, all 2 gradients match."),
        ([Verdict("dW1", WRONG, 1.0), Verdict("db1", FOLLOWS, 1.0)], "a mistake in dW1; 1 more only follows from it."),
        ([Verdict("dW1", MISSING), Verdict("db1", NAN)], "a mistake in dW1, db1."),
        ([], "nothing could be examined."),
    ],
)  # fmt: skip
def test_headlines(rows, says):
    assert Report("Title", rows).heading == f"Title: {says}"


@pytest.mark.parametrize(
    ("report", "status"),
    [
        (Report("t", [Verdict("dW", OK, 0.0)]), 0),
        (Report("t", [Verdict("dW", CONVENTION, 0.0)]), 0),
        (Report("t", [Verdict("dW", FOLLOWS, 1.0)]), 1),
        (Report("t", [Verdict("dW", MISSING)]), 1),
        (Report("t", causes=[Cause("dW", "k", "says")]), 1),
        (Report("t", unexplained=["something"]), 1),
        (Report("t", problem="it does not run."), 2),
        (Report("t"), 2),
        (Report("t", parts=[Report("p", [Verdict("dW", OK, 0.0)]), Report("q", problem="no")]), 0),
        (
            Report(
                "t", parts=[Report("p", [Verdict("dW", WRONG, 1.0)]), Report("q", problem="no")]
            ),
            1,
        ),
    ],
)
def test_status(report, status):
    assert report.status == status
    assert bool(report) is report.ok is (status == 0)


# --- data -------------------------------------------------------------------------------------------


def strict(report: Report) -> dict:
    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is not JSON")

    return json.loads(json.dumps(report.as_dict()), parse_constant=refuse)


def test_as_dict_has_all_that_the_text_says():
    report = everything()
    found = strict(report)
    assert (found["ok"], found["status"], found["first_wrong"]) == (False, 1, "dW1")
    assert [r["name"] for r in found["verdicts"]] == ["dZ2", "dW2", "dA1", "dW1", "db1"]
    assert found["verdicts"][-1] == {"name": "db1", "verdict": "nan"}  # nan is not JSON
    [cause] = found["causes"]
    assert {"quantity", "kind", "says", "line", "function", "source", "computed", "right", "fix",
            "proof", "alternatives"} <= set(cause)  # fmt: skip
    for key in ("conventions", "notes", "checked", "not_checked", "unexplained"):
        assert found[key] == getattr(report, key)
    assert [p["title"] for p in found["parts"]] == ["Part", "Fine"]


def test_as_dict_of_examinations():
    wrong = strict(wrong_planar())
    assert wrong["causes"][0]["line"] > 0 and wrong["causes"][0]["proof"]
    numbers = strict(
        doctor.check_grads(
            {"dW": np.full((1, 2), np.nan)}, lambda p: np.sum(p["W"] ** 2), {"W": np.ones((1, 2))}
        )
    )
    assert numbers["verdicts"] == [{"name": "dW", "verdict": "nan"}]


# --- colours ----------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("out", "plain", "no_colour", "coloured"),
    [
        (Terminal, False, None, True),
        (Terminal, False, "1", False),
        (Terminal, False, "", True),
        (Terminal, True, None, False),
        (io.StringIO, False, None, False),
    ],
)
def test_colour_only_on_a_terminal(monkeypatch, out, plain, no_colour, coloured):
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_colour is not None:
        monkeypatch.setenv("NO_COLOR", no_colour)
    file = out()
    everything().show(file, plain=plain)
    assert ("\033[31mWRONG" in file.getvalue()) is coloured
    assert ("\033" in file.getvalue()) is coloured


def test_the_colours_change_nothing_else():
    report = everything()
    assert re.sub(r"\033\[\d+m", "", report.text(colour=True)) == str(report)


def test_plain_and_old_terminals():
    report = Report("Prüfung", [Verdict("dW", OK, 0.0, "größer → kleiner")])
    file = io.StringIO()
    report.show(file, plain=True)
    assert file.getvalue().isascii() and "Pr\\xfcfung" in file.getvalue()
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    Report("Prüfung →", [Verdict("dW", OK, 0.0)]).show(latin)
    latin.flush()
    assert latin.buffer.getvalue().decode("latin-1").startswith("Prüfung \\u2192: right")


# --- a page -----------------------------------------------------------------------------------------


class Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


@pytest.mark.parametrize("make", [everything, wrong_planar])
def test_the_page_says_what_the_text_says_and_nothing_of_the_learners_is_html(make):
    report = make()
    page = Tags()
    page.feed(report._repr_html_())
    assert page.open == []
    assert set(page.tags) <= {
        "div",
        "p",
        "b",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "code",
        "span",
        "pre",
        "ul",
        "li",
    }
    words = re.findall(r"[\w.+*-]+", str(report))
    shown = re.findall(r"[\w.+*-]+", page.text)
    assert set(words) - set(shown) == set()


@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
@pytest.mark.parametrize("theme", ["background:#fff;color:#111", "background:#111;color:#eee"])
def test_in_a_browser_nothing_runs_all_is_legible_and_fits(theme, tmp_path):
    """Light and dark, in the width of a narrow notebook cell."""
    long = Cause("dW1", "k", "says", 1, "f", "x.py", "x" * 300, proof="p" * 300)
    report = everything()
    report.causes.append(long)
    script = """
    const rgb = c => c.match(/[\\d.]+/g).map(Number);
    const light = c => { const [r, g, b] = rgb(c).map(x => x / 255).map(
      x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4); return .2126*r + .7152*g + .0722*b; };
    const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
    const behind = e => { while (e && /^rgba.*, 0\\)$/.test(getComputedStyle(e).backgroundColor)) e = e.parentElement;
      return e ? getComputedStyle(e).backgroundColor : "rgb(255, 255, 255)"; };
    const all = [...document.querySelectorAll("#cell *")].filter(e => e.childNodes.length && e.textContent.trim());
    const worst = Math.min(...all.map(e => contrast(getComputedStyle(e).color, behind(e))));
    const cell = document.getElementById("cell");
    document.title += JSON.stringify({worst, wide: cell.scrollWidth - cell.clientWidth});
    """
    path = tmp_path / "page.html"
    path.write_text(
        f"<!doctype html><meta charset='utf-8'><title>ours</title><body style='{theme}'>"
        f"<div id='cell' style='width:420px;overflow:auto'>{report._repr_html_()}</div>"
        f"<script>{script}</script>",
        encoding="utf-8",
    )
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000",
         "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    title = html.unescape(re.search(r"<title>(.*?)</title>", done.stdout, re.S)[1])
    assert title.startswith("ours{"), title
    measured = json.loads(title.removeprefix("ours"))
    assert measured["worst"] >= 4.5, measured
    assert measured["wide"] <= 0, measured
