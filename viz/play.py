"""``play``: step through the forward and the backward pass, in one self-contained HTML page."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu import Tensor, derive
from tinygrad_edu.backward import sum_to
from tinygrad_edu.expressions import apply_rule, symbol
from viz import dot as dots
from viz import render
from viz.drawing import Drawing, image, recorded
from viz.graph import Entry, read
from viz.labels import number, shape_text, short
from viz.lines import line_of, remember_lines
from viz.picture import Options

MOST = 1000  # operations; a longer recording is not something to step through
ROWS, COLUMNS, BARS = 8, 24, 16  # of a heat map, and of a histogram
EXACT = 36  # arrays up to this size show their numbers


def play(loss: Any, *inputs: Any, names: Mapping[str, Any] | None = None) -> Player:
    """Step through how ``loss`` was computed and how its gradients come about, in a browser.

    ``loss`` is a Tensor, a function without arguments that computes one (then each step also names
    the line of your program), or a model, with its ``inputs``. Save the page with
    ``play(loss).save("player.html")``; in a notebook it shows itself.

    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> [step["formula"] for step in play(x * x + x).steps]
    ['u1 = x * x', 'loss = u1 + x', 'dloss = 1', 'du1 = dloss', 'dx₁ = dloss', \
'dx₂ = du1 * x', 'dx₃ = du1 * x', 'dx = dx₁ + dx₂ + dx₃']

    TypeError for something else, ValueError for a Tensor that was computed from nothing, or in more
    than 1000 operations.
    """
    if callable(loss) and not inputs and not isinstance(loss, Tensor | type):
        with remember_lines():
            loss = loss()
    if inputs:
        with remember_lines():
            root, names = recorded(loss, inputs, names)
    else:
        root, names = recorded(loss, inputs, names)
    if root.rule is None:
        raise ValueError(
            f"{root.describe()} was not computed from anything, so there is nothing to play: pass "
            "the result of a computation on Tensors, made outside no_grad()."
        )
    return Player(read(root, names))


class Player:
    """The page: ``html``, ``save(path)``; ``steps`` is what it shows, ``gradients`` by position."""

    def __init__(self, entries: list[Entry]):
        operations = sum(entry.rule is not None for entry in entries)
        if operations > MOST:
            raise ValueError(
                f"This was computed in {operations:,} operations, but the player steps through at "
                f"most {MOST:,}: play a smaller example, or draw() it."
            )
        self.entries = entries
        name_all(entries)
        self.root = len(entries) - 1
        self.whole = derived(entries)
        self.arrays: list[dict[str, Any]] = []
        self.steps: list[dict[str, Any]] = []
        self.gradients: dict[int, Any] = {}
        self.values = [self.array(entry.array) for entry in entries]
        for i, entry in enumerate(entries):
            if entry.rule is not None:
                self.forward(i)
        if entries[self.root].needs_gradient:
            self.backward()
        self.shown = {i: self.array(gradient) for i, gradient in self.gradients.items()}
        options = Options(level="operations", max_nodes=300)
        self.drawing = Drawing(entries, options, "right", "light")

    # --- the steps

    def step(self, phase: str, i: int, formula: str, items: list[Any], **more: Any) -> None:
        """One step: items are arrays with their captions, and the signs between them."""
        whole = self.whole.get(formula.split(" = ")[0], formula)
        more["whole"] = "" if whole == formula else whole
        self.steps.append(
            {"phase": phase, "entry": i, "formula": formula, "items": items}
            | {key: value for key, value in more.items() if value or key == "to"}
        )

    def array(self, array: Any) -> int:
        self.arrays.append(summary_of(np.asarray(array)))
        return len(self.arrays) - 1

    def forward(self, i: int) -> None:
        entry = self.entries[i]
        items: list[Any] = []
        for k, j in enumerate(entry.operands):
            if k:
                items.append(entry.rule.symbol if len(entry.operands) == 2 else ",")
            items.append([self.entries[j].name, self.values[j]])
        if len(entry.operands) != 2 or not items:
            items = [entry.rule.symbol, *items]
        items += ["=", [entry.name, self.values[i]]]
        self.step(
            "forward", i, formula_of_step(self.entries, i), items,
            note=", ".join(f"{key} = {short(v)}" for key, v in entry.settings.items()),
        )  # fmt: skip

    def backward(self) -> None:
        """Follow the rules from the root to the leaves, one operand at a time."""
        root = self.entries[self.root]
        parts: dict[int, list[Any]] = {self.root: [np.ones_like(root.array)]}
        seed = self.array(parts[self.root][0])
        self.step("backward", self.root, f"d{root.name} = 1", [[f"d{root.name}", seed]])
        expected = self.contributions()
        for i in range(self.root, -1, -1):
            if i not in parts:
                continue
            entry = self.entries[i]
            gradient = self.gradients[i] = sum(parts[i][1:], parts[i][0])
            if len(parts[i]) > 1:
                self.add_up(i, parts[i], gradient)
            if entry.rule is None:
                continue
            values = [x.data if isinstance(x, Tensor) else x for x in entry.value.inputs]
            for k, (j, vjp) in enumerate(zip(entry.operands, entry.rule.vjps)):
                if vjp is None or not self.entries[j].needs_gradient:
                    continue
                known = parts.setdefault(j, [])
                several = expected[j] > 1
                known.append(self.pull(i, j, k, gradient, values, len(known) + 1 if several else 0))

    def contributions(self) -> dict[int, int]:
        """How many gradients arrive at each entry."""
        reached, count = {self.root}, dict.fromkeys(range(len(self.entries)), 0)
        for i in range(self.root, -1, -1):
            entry = self.entries[i]
            if i in reached and entry.rule is not None:
                for j, vjp in zip(entry.operands, entry.rule.vjps):
                    if vjp is not None and self.entries[j].needs_gradient:
                        reached.add(j)
                        count[j] += 1
        return count

    def pull(self, i: int, j: int, k: int, g: Any, values: list[Any], part: int) -> Any:
        """The gradient that operand k of entry i, entry j, gets from it; shown as steps."""
        entry, operand = self.entries[i], self.entries[j]
        vjp = entry.rule.vjps[k]
        out = entry.array
        raw = np.asarray(vjp(g, out, *values))
        fitted = sum_to(raw, operand.shape).astype(operand.value.dtype, copy=False)
        name = f"d{operand.name}" + (subscript(part) if part else "")
        upstream = [f"d{entry.name}", self.array(g)]
        items = self.local(i, k, vjp, g, raw, out, values)
        items.insert(len(items) if items[-1] == "@" else 0, upstream)
        formula = formula_of_step(self.entries, i, k, part)
        summed = raw.shape != operand.shape
        if summed:
            formula = formula.replace(" = ", "′ = ", 1)
        items += ["=", [f"{name}′" if summed else name, self.array(raw)]]
        self.step("backward", i, formula, items, to=j, half=summed)
        if summed:
            axes = summed_axes(raw.shape, operand.shape)
            self.step(
                "backward", i, f"{name} = Σ {name}′ over {axes}",
                [items[-1], f"Σ over {axes} =", [name, self.array(fitted)]],
                to=j,
                note=f"{operand.name} {shape_text(operand.shape)} was repeated to "
                f"{shape_text(raw.shape)} on the way forward, so its gradient is the sum over {axes}.",
            )  # fmt: skip
        return fitted

    def local(
        self, i: int, k: int, vjp: Callable[..., Any], g: Any, raw: Any, out: Any, values: list[Any]
    ) -> list[Any]:
        """The local derivative, if it is an array to multiply with."""
        entry = self.entries[i]
        if entry.rule.symbol == "@" and len(values) == 2 and raw.ndim == 2 and g.ndim == 2:
            j = entry.operands[1 - k]
            other = [f"{self.entries[j].name}.T", self.array(self.entries[j].array.T)]
            return ["@", other] if k == 0 else [other, "@"]
        with np.errstate(all="ignore"):
            ones = np.asarray(vjp(np.ones_like(g), out, *values))
            probe = np.random.default_rng(0).standard_normal(g.shape).astype(g.dtype)
            pulled = np.asarray(vjp(probe, out, *values))
            single = g.size == 1 and raw.size >= 1
            if single or (
                raw.shape == g.shape and np.allclose(pulled, probe * ones, equal_nan=True)
            ):
                name = self.entries[entry.operands[k]].name
                return ["×", [f"∂{entry.name}/∂{name}", self.array(ones)]]
        return [f"through the rule of {entry.rule.name}"]

    def add_up(self, i: int, parts: list[Any], total: Any) -> None:
        name = f"d{self.entries[i].name}"
        items: list[Any] = []
        shown = parts if len(parts) <= 4 else [*parts[:2], parts[-1]]
        for n, part in enumerate(shown, start=1):
            last = n == len(shown)
            place = len(parts) if last else n
            items += ["+ … +" if last and len(shown) < len(parts) else "+"] * (n > 1)
            items.append([name + subscript(place), self.array(part)])
        items += ["=", [name, self.array(total)]]
        numbers = range(1, len(parts) + 1)
        terms = [name + subscript(n) for n in numbers]
        if len(terms) > 4:
            terms = [*terms[:2], "…", terms[-1]]
        self.step(
            "backward", i, f"{name} = {' + '.join(terms)}", items, total=True,
            note=f"{self.entries[i].name} is used {len(parts)} times, so its gradient is the sum.",
        )  # fmt: skip

    # --- the page

    @property
    def data(self) -> dict[str, Any]:
        """Everything that the page knows, ready for JSON."""
        places = self.drawing.picture.places
        entries = []
        for i, entry in enumerate(self.entries):
            about: dict[str, Any] = {
                "name": entry.name,
                "role": entry.role,
                "dtype": str(getattr(entry.value, "dtype", "a Python number")),
                "value": self.values[i],
                "nodes": places[i],
            }
            if entry.rule is not None:
                about["rule"] = entry.rule.name
                about["from"] = entry.operands
            if entry.needs_gradient:
                about["gradient"] = self.shown.get(i)
            if line := line_of(entry.value):
                about["line"] = line
            entries.append(about)
        return {"entries": entries, "steps": self.steps, "arrays": self.arrays}

    def picture(self) -> str:
        try:
            return self.drawing.svg()
        except RuntimeError as error:
            return f"<p>{html.escape(str(error))}</p><pre>{html.escape(str(self.drawing))}</pre>"

    @property
    def html(self) -> str:
        """The page."""
        template = files("viz").joinpath("player.html").read_text(encoding="utf-8")
        data = json.dumps(self.data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        parts = {
            "<!--TITLE-->": html.escape(f"{self.entries[self.root].name}, step by step"),
            "/*DARK*/": dark_rules(),
            "<!--GRAPH-->": self.picture(),
            "/*DATA*/": data.replace("<", "\\u003c"),
        }
        return re.sub("|".join(map(re.escape, parts)), lambda match: parts[match[0]], template)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page; ValueError for a suffix other than html, OSError where that fails."""
        suffix = Path(path).suffix.lower()
        if suffix not in (".html", ".htm"):
            raise ValueError(
                f"{os.fspath(path)}: the player is a page, its suffix has to be .html."
            )
        render.write(path, self.html.encode("utf-8"))

    def __str__(self) -> str:
        width = max(len(step["formula"]) for step in self.steps)
        return "\n".join(
            f"{n:3}  {step['phase']:8}  {step['formula']:{width}}".rstrip()
            for n, step in enumerate(self.steps, start=1)
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """For notebooks: the page in a frame, and a still picture where frames are not shown."""
        try:
            plain = str(self)
            frame = (
                f'<iframe title="the player" srcdoc="{html.escape(self.html)}" '
                'style="width:100%;height:620px;border:0" loading="lazy"></iframe>'
            )
            try:
                still = image(self.drawing.render("svg"), str(self.drawing))
            except RuntimeError as error:
                still = f"<p>{html.escape(str(error))}</p>"
            details = f"<details><summary>the graph as a still picture</summary>{still}</details>"
            return {"text/plain": plain, "text/html": frame + details}
        except Exception as error:
            return {"text/plain": f"The player cannot be shown: {error}"}


def name_all(entries: list[Entry]) -> None:
    """Give every tensor a name that formulas can use: u1, u2, ... and c1, ... where there is none."""
    taken = {entry.name for entry in entries}
    counts = {"u": 0, "c": 0}
    for i, entry in enumerate(entries):
        if entry.name:
            continue
        if i == len(entries) - 1 and "loss" not in taken:
            entry.name = "loss"
        elif entry.shape == () and entry.role == "constant":
            entry.name = number(entry.array.item())
        else:  # not derive's t1, t2, which are other tensors
            letter = "u" if entry.rule is not None else "c"
            while not entry.name or entry.name in taken:
                counts[letter] += 1
                entry.name = f"{letter}{counts[letter]}"


def derived(entries: list[Entry]) -> dict[str, str]:
    """The formulas that ``derive`` finds, by the quantity's name, where they speak of named things."""
    try:
        formulas = derive(entries[-1].value).expressions
    except (ValueError, TypeError):
        return {}
    known = {entry.name for entry in entries} | {f"d{entry.name}" for entry in entries}
    known |= {name for name, formula in formulas.items() if ".shape[" in str(formula)}
    return {
        name: f"{name} = {formula}"
        for name, formula in formulas.items()
        if formula.symbols() <= known
    }


def formula_of_step(entries: list[Entry], i: int, k: int | None = None, part: int = 0) -> str:
    """What the operation of entry i computes; with k, the gradient that its operand k gets from it.

    The rule is read with names, as ``derive`` reads it.
    """
    entry = entries[i]
    names = {id(entries[j].value): entries[j].name for j in entry.operands}
    inputs = [
        symbol(names[id(x)], x.data if isinstance(x, Tensor) else x)
        if id(x) in names and hasattr(x, "shape")
        else x
        for x in entry.value.inputs
    ]
    target = entry.name
    try:
        if k is None:
            formula = apply_rule(entry.rule, tuple(inputs))
        else:
            target = f"d{entries[entry.operands[k]].name}" + (subscript(part) if part else "")
            g, out = symbol(f"d{entry.name}", entry.array), symbol(entry.name, entry.array)
            formula = entry.rule.vjps[k](g, out, *inputs)
    except Exception:  # a rule that cannot be read with names
        formula = f"d{entry.name} through {entry.rule.name}"
        if k is None:
            formula = f"{entry.rule.name}({', '.join(names.values())})"
    return f"{target} = {formula}"


def subscript(n: int) -> str:
    return "".join("₀₁₂₃₄₅₆₇₈₉"[int(digit)] for digit in str(n))


def summed_axes(given: tuple[int, ...], shape: tuple[int, ...]) -> str:
    added = len(given) - len(shape)
    axes = [*range(added)]
    axes += [a + added for a, n in enumerate(shape) if n == 1 and given[a + added] != 1]
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {', '.join(map(str, axes))}"


def summary_of(array: Any) -> dict[str, Any]:
    """What the page shows of an array: its shape, a heat map, a histogram; numbers if it is small."""
    array = array.astype(float)
    finite = array[np.isfinite(array)]
    about: dict[str, Any] = {"shape": shape_text(array.shape) if array.ndim else "a number"}
    if nan := int(np.isnan(array).sum()):
        about["nan"] = nan
    if inf := int(np.isinf(array).sum()):
        about["inf"] = inf
    if finite.size:
        with np.errstate(over="ignore"):
            norm = float(np.linalg.norm(finite))
        about |= {"min": number(finite.min()), "max": number(finite.max()), "norm": number(norm)}
    if array.size <= EXACT:
        about["numbers"] = [number(x) for x in array.ravel()]
    elif finite.size:
        with np.errstate(all="ignore"):
            low, high = float(finite.min()), float(finite.max())
            if high > low and np.isfinite(high - low):
                about["bars"] = np.histogram(finite, BARS, (low, high))[0].tolist()
    grid = array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array.reshape(1, -1)
    if array.size:
        rows, columns = min(ROWS, grid.shape[0]), min(COLUMNS, grid.shape[1])
        if array.size <= EXACT:
            rows, columns = grid.shape
        elif (rows, columns) != grid.shape:
            about["block"] = f"{-(-grid.shape[0] // rows)} × {-(-grid.shape[1] // columns)}"
        grid = blocks(grid, rows, columns)
        with np.errstate(all="ignore"):
            top = float(np.max(np.abs(grid[np.isfinite(grid)]), initial=0.0)) or 1.0
            level = np.where(np.isfinite(grid), np.rint(grid / top * LEVEL), LEVEL + 1)
        about["columns"] = columns
        about["cells"] = "".join(CELLS[int(x) + LEVEL] for x in level.ravel())
    return about


CELLS = [chr(c) for c in range(35, 126) if c not in (60, 92)] + ["!"]  # no < and no backslash
LEVEL = 44  # of the strongest colour; the cell of a level l is CELLS[l + LEVEL]


def blocks(grid: Any, rows: int, columns: int) -> Any:
    """The means of rows x columns blocks that cover the grid; nan where a block holds one."""
    for axis, n in ((0, rows), (1, columns)):
        if grid.shape[axis] > n:
            edges = np.linspace(0, grid.shape[axis], n + 1).astype(int)
            with np.errstate(all="ignore"):
                sums = np.add.reduceat(grid, edges[:-1], axis=axis)
            sizes = np.diff(edges)
            grid = sums / (sizes[:, None] if axis == 0 else sizes)
    return grid


def dark_rules() -> str:
    """The light colours of the picture, replaced in the dark."""
    rules = []
    for role, light in dots.LIGHT.items():
        dark = dots.DARK[role]
        pairs = zip(light, dark) if isinstance(light, tuple) else [(light, dark)]
        for old, new in pairs:
            for attribute in ("fill", "stroke"):
                rules.append(f'.dark svg [{attribute}="{old}"]{{{attribute}:{new}}}')
    return "\n".join(dict.fromkeys(rules))
