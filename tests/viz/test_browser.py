"""The player in a real browser: headless Chromium runs a script in the page and prints the result."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

import viz
from tinygrad_edu import Tensor

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")

OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--virtual-time-budget=20000", "--dump-dom",
]  # fmt: skip

WATCH = """<script>
window.errors = [];
addEventListener("error", e => errors.push(e.message));
const complain = console.error;
console.error = (...words) => { errors.push(words.join(" ")); complain(...words); };
</script>"""

TOOLS = """
const $$ = id => document.getElementById(id);
const wait = ms => new Promise(done => setTimeout(done, ms));
const press = (key, on = document.body) =>
  on.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const state = () => ({
  count: $$("count").textContent, phase: $$("phase").textContent, formula: $$("formula").textContent,
  says: $$("says").textContent, whole: $$("whole").textContent, check: $$("check").textContent,
  note: $$("note").textContent, line: $$("line").textContent,
  captions: [...document.querySelectorAll("#items figcaption")].map(e => e.textContent),
  words: [...document.querySelectorAll("#items figure .about")].map(e => e.textContent),
  cells: [...document.querySelectorAll("#items .map")].map(m => [...m.children].map(c => c.title)),
  on: [...document.querySelectorAll(".node.on, .edge.on")].map(e => e.id),
  valuetext: $$("slider").getAttribute("aria-valuetext"), value: $$("slider").value,
});
"""


def run(page, script, tmp_path, embedded=False, options=()):
    """What ``script`` (the body of an async function) returns in the page."""
    player = page.replace("<style>", WATCH + "<style>", 1)
    report = 'parent.postMessage(JSON.stringify(result), "*")' if embedded else (
        'const out = document.createElement("pre"); out.id = "result";'
        "out.textContent = JSON.stringify(result); document.body.append(out)"
    )  # fmt: skip
    body = (
        f"{TOOLS}(async () => {{ let result; try {{ result = await (async () => {{{script}}})() }}"
    )
    body += f" catch (e) {{ result = String(e) }} result = {{ result, errors }}; {report} }})()"
    player = player.replace("</body>", f"<script>{body}</script></body>")
    if embedded:
        player = (
            '<!DOCTYPE html><pre id="result"></pre><script>addEventListener("message", e => '
            'document.getElementById("result").textContent = e.data)</script>'
            f'<iframe srcdoc="{html.escape(player)}" style="width:100%;height:620px"></iframe>'
        )
    path = tmp_path / "player.html"
    path.write_text(player, encoding="utf-8")
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [CHROMIUM, *OPTIONS, *options, profile, path.as_uri()], capture_output=True, timeout=120
    )
    found = re.search(r'<pre id="result">(.*?)</pre>', done.stdout.decode(), re.DOTALL)
    assert found, done.stderr.decode()
    result = json.loads(html.unescape(found[1]))
    assert result["errors"] == []
    return result["result"]


@pytest.fixture
def cost(networks):
    return networks.classifier(4, 3, 1)


def test_every_button_the_slider_and_the_keyboard(cost, tmp_path):
    player = viz.play(cost)
    n = len(player.steps)
    script = """
    const seen = {}, note = name => { seen[name] = $$("count").textContent; };
    note("start");
    for (const id of ["next", "next", "back", "last", "next", "first", "back"]) {
      $$(id).click(); note(`${Object.keys(seen).length} ${id}`);
    }
    for (const key of ["ArrowRight", "ArrowRight", "ArrowLeft", "End", "Home"]) {
      press(key); note(`${Object.keys(seen).length} ${key}`);
    }
    $$("slider").value = 7; $$("slider").dispatchEvent(new Event("input")); note("slider");
    press("ArrowRight", $$("slider")); note("arrow on the slider");
    press(" ", $$("next")); note("space on a button");
    $$("play").click(); note("play"); seen.label = $$("play").textContent;
    await wait(3000); note("while playing"); press(" "); seen.paused = $$("play").textContent;
    const before = $$("count").textContent; await wait(3000);
    seen.still = before === $$("count").textContent;
    press("End"); press(" "); await wait(1500); note("played from the end"); press(" ");
    return seen;"""
    seen = run(player.html, script, tmp_path)
    counts = [
        value.split(" / ")[0] for value in seen.values() if isinstance(value, str) and "/" in value
    ]
    assert all(value.endswith(f"/ {n}") for value in seen.values() if "/" in str(value))
    assert counts[:8] == ["1", "2", "3", "2", str(n), str(n), "1", "1"]
    assert counts[8:13] == ["2", "3", "2", str(n), "1"]
    assert counts[13:17] == ["7", "7", "7", "7"]
    assert counts[17:] == ["9", "2"]
    assert "pause" in seen["label"] and "play" in seen["paused"] and seen["still"]


@pytest.mark.parametrize("embedded", [False, True], ids=["file", "iframe"])
def test_the_numbers_are_those_of_backward(cost, tmp_path, embedded):
    player = viz.play(cost)
    cost.backward()
    script = """
    const all = [];
    for (let n = 0; n < steps.length; n++) { show(n); all.push(state()); }
    return all;"""
    seen = run(player.html, script, tmp_path, embedded)
    assert [s["formula"] for s in seen] == [step["formula"] for step in player.steps]
    assert [s["count"] for s in seen] == [f"{k} / {len(seen)}" for k in range(1, len(seen) + 1)]
    last = {s["captions"][-1].removeprefix("upstream "): s for s in seen}
    tensors = {entry.name: entry.value for entry in player.entries if entry.name[:1] in "Wb"}
    for name, tensor in tensors.items():
        shown = last[f"d{name}"]
        assert shown["cells"][-1] == [f"{x:.4g}" for x in tensor.grad.ravel()]
        assert f"‖·‖ {np.linalg.norm(tensor.grad):.4g}" in shown["words"][-1] or tensor.size == 1
        assert "✓" in shown["check"]
        assert shown["phase"] == "backward"
    product = last["dW2"]
    assert product["captions"] == ["upstream du2", "A1.T", "dW2"]
    assert product["whole"] == "all together: dW2 = dZ2 @ A1.T"
    assert product["says"].endswith("backward: dW2 = du2 @ A1.T")
    assert product["valuetext"].endswith(product["formula"])
    place = {entry.name: i for i, entry in enumerate(player.entries)}
    assert {f"operation{place['u2']}", f"tensor{place['W2']}"} <= set(product["on"])
    assert f"tensor{place['W2']}-operation{place['u2']}" in product["on"]
    assert f"tensor{place['A1']}" not in product["on"]


def test_a_node_tells_its_values_gradient_and_line(networks, tmp_path):
    player = viz.play(lambda: networks.classifier(8, 6, 1, m=20))
    place = {entry.name: i for i, entry in enumerate(player.entries)}
    script = f"""
    const node = $$("tensor{place["W1"]}"), told = () => $$("node").textContent;
    node.dispatchEvent(new MouseEvent("mouseenter")); const hovered = told();
    $$("tensor{place["X"]}").dispatchEvent(new MouseEvent("click", {{ bubbles: true }}));
    const clicked = told();
    const u = $$("tensor{place["A1"]}"); u.focus(); press("Enter", u); const entered = told();
    return {{ hovered, clicked, entered, bars: document.querySelectorAll("#node .bars").length,
      focus: document.activeElement.id, roles: node.getAttribute("role"), tab: node.tabIndex,
      label: node.getAttribute("aria-label"), line: $$("line").textContent }};"""
    seen = run(player.html, script, tmp_path)
    W1 = player.entries[place["W1"]].value
    assert "W1" in seen["hovered"] and "a parameter" in seen["hovered"]
    assert f"‖·‖ {np.linalg.norm(W1.data):.4g}" in seen["hovered"]
    assert f"‖·‖ {np.linalg.norm(player.gradients[place['W1']]):.4g}" in seen["hovered"]
    assert "no gradient: it requires none" in seen["clicked"]
    assert "A1" in seen["entered"] and "relu(Z1)" in seen["entered"]
    assert seen["bars"] == 2 and seen["focus"] == f"tensor{place['A1']}"
    assert (seen["roles"], seen["tab"], seen["label"]) == ("button", 0, "W1: values and gradient")
    assert seen["line"].startswith("conftest.py:")


def test_dark_and_light(cost, tmp_path):
    script = """
    const look = () => [getComputedStyle(document.body).backgroundColor,
      getComputedStyle(document.querySelector("#graph .node > g path, #graph .node path")).fill];
    const light = look(); $$("dark").click(); const dark = look(); press("d"); const again = look();
    return { light, dark, again, pressed: $$("dark").getAttribute("aria-pressed") };"""
    seen = run(viz.play(cost).html, script, tmp_path)
    assert seen["light"][0] == "rgb(255, 255, 255)" and seen["dark"][0] == "rgb(13, 17, 23)"
    assert seen["light"] == seen["again"]
    assert seen["light"][1] != seen["dark"][1]
    assert seen["pressed"] == "false"


@pytest.mark.parametrize(
    ("options", "animation"), [((), "flow"), (("--force-prefers-reduced-motion",), "none")]
)
def test_nothing_moves_where_reduced_motion_is_asked_for(cost, tmp_path, options, animation):
    script = """
    show(1);
    return getComputedStyle(document.querySelector(".edge.on path")).animationName;"""
    assert run(viz.play(cost).html, script, tmp_path, options=options) == animation


def test_every_control_has_a_name_and_the_step_is_announced(cost, tmp_path):
    script = """
    const named = [...document.querySelectorAll("button, input")].map(e =>
      (e.getAttribute("aria-label") || e.textContent).trim());
    const maps = [...document.querySelectorAll(".map")].map(e => e.getAttribute("aria-label"));
    return { named, maps, live: $$("says").getAttribute("aria-live"), says: $$("says").textContent };"""
    seen = run(viz.play(cost).html, script, tmp_path)
    assert all(seen["named"]) and len(seen["named"]) == 7
    assert len(seen["maps"]) == 3 and all("shape" in m or "(" in m for m in seen["maps"])
    assert seen["live"] == "polite" and seen["says"] == "Step 1, forward: u1 = W1 @ X"


def test_hostile_names_run_nothing(tmp_path):
    name = '"><img src=x onerror="window.hacked=1"><b>'
    y = Tensor(1.0, requires_grad=True, name=name) * 2.0
    script = """
    for (let n = 0; n < steps.length; n++) { show(n); about(0); }
    return [window.hacked || 0, $$("node").querySelector("h2").textContent];"""
    assert run(viz.play(y).html, script, tmp_path) == [0, name[:39] + "…"]
