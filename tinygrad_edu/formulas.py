"""The third reading: the rules called with names instead of numbers give the formulas.

``derive(loss)`` walks the recorded graph as ``backward()`` does, through the same rules and the same
reverse walk, and returns the forward and the backward pass as text, LaTeX and NumPy source.
"""

from __future__ import annotations

import ast
import builtins
import dis
import inspect
import keyword
import re
import textwrap
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.backward import seed_of, walk
from tinygrad_edu.expressions import (
    Expression,
    Helper,
    Size,
    apply_rule,
    axis_length,
    constant,
    is_call,
    is_number,
    key_of,
    parts,
    rebuild,
    symbol,
)
from tinygrad_edu.latex import LatexPrinter, latex_name
from tinygrad_edu.tensor import Tensor

INLINE = 8  # constant arrays up to this size stand in the formula, larger ones become inputs
ALIKE = 4  # from so many equal layers on they are printed once, with the index l


class Line(NamedTuple):
    """One quantity: ``name = expression``."""

    name: str
    expression: Expression

    def __str__(self) -> str:
        return f"{self.name} = {self.expression}"


def derive(loss: Tensor, *, fused: bool = False) -> Formulas:
    """The forward and the backward pass of a recorded ``loss``, as formulas.

    Tensors keep their names; intermediate results without one are folded into the formulas that use
    them, or get a short name. ``fused`` replaces the two steps through a sigmoid and the
    cross-entropy by the one they are equal to, ``dZ = (A - Y) / m``.

    >>> W = Tensor([[1.0, 2.0]], requires_grad=True, name="W")
    >>> x = Tensor([[3.0], [4.0]], name="x")
    >>> print(derive((W @ x).sum()))
    Forward
      loss = np.sum(W @ x)                              # ()
    Backward
      dW = np.broadcast_to(1.0, (1, 1)) @ x.T           # (1, 2)

    TypeError for anything but a Tensor, ValueError where there is nothing to derive, a name cannot
    be used, or an operation hides what it does.
    """
    if not isinstance(loss, Tensor):
        raise TypeError(
            f"derive() takes the Tensor that your network computed, not {type(loss).__name__}."
        )
    if loss.rule is None:
        raise ValueError(
            f"{loss.describe()} was not computed from anything, so there is nothing to derive: pass "
            "the result of a computation on Tensors, made outside no_grad()."
        )
    return Derivation(loss).formulas(fused)


class Formulas:
    """What `derive` found: ``str()``, ``.latex``, ``.source``, ``.function``, ``.expressions``."""

    def __init__(
        self,
        forward: list[Line],
        backward: list[Line],
        inputs: dict[str, Any],
        loss: str,
        gradients: list[str],
        note: str = "",
    ):
        self.forward = forward
        self.backward = backward
        self.inputs = inputs  # by name, what the function takes
        self.loss = loss
        self.gradients = gradients
        self.note = note
        self._function: Callable[..., Any] | None = None

    @property
    def lines(self) -> list[Line]:
        return self.forward + self.backward

    @property
    def expressions(self) -> dict[str, Expression]:
        """The formula of every quantity by its name."""
        return {line.name: line.expression for line in self.lines}

    def __str__(self) -> str:
        return self.text()

    def text(self, full: bool = False) -> str:
        """The formulas with the shape of each; many equal layers once, unless ``full``."""
        blocks = [
            (title, [(str(line), shape_of(line)) for line in lines])
            for title, lines in (("Forward", self.forward), ("Backward", self.backward))
        ]
        if not full:
            blocks = [(title, folded(rows)) for title, rows in blocks]
        width = min(max(len(text) for _, rows in blocks for text, shape in rows if shape), 72)
        out = []
        for title, block in blocks:
            out.append(title)
            out += [
                f"  {text:{width}}  # {shape}" if shape else f"  {text}" for text, shape in block
            ]
        return "\n".join(out + ([self.note] if self.note else []))

    @property
    def latex(self) -> str:
        """The formulas as aligned equations of LaTeX."""
        printer = LatexPrinter()
        rows = [
            rf"{latex_name(line.name)} &= {printer.text(line.expression)}" for line in self.lines
        ]
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"

    def _repr_markdown_(self) -> str:
        return f"$$\n{self.latex}\n$$"

    @property
    def source(self) -> str:
        """A NumPy function as text: the inputs by name, to the loss and a dict of gradients."""
        arguments = ", ".join(self.inputs)
        body = [f"{line}  # {shape_of(line)}".removesuffix("  # ") for line in self.forward]
        body += [""] if self.backward else []
        body += [f"{line}  # {shape_of(line)}" for line in self.backward]
        grads = ", ".join(f'"{name}": {name}' for name in self.gradients)
        head = f"def loss_and_gradients({arguments}):"
        if len(head) > 100:
            head = "def loss_and_gradients(\n    " + ",\n    ".join(self.inputs) + ",\n):"
        tail = f"return {self.loss}, {{{grads}}}"
        if len(tail) > 96:
            rows = "".join(f'    "{name}": {name},\n' for name in self.gradients)
            tail = f"return {self.loss}, {{\n{rows}}}"
        doc = f'"""Return {self.loss} and its gradients by name."""'
        code = "\n".join([head, textwrap.indent("\n".join([doc, *body, tail]), "    ")])
        helpers: dict[str, str] = {}
        for line in self.lines:
            for part in parts(line.expression):
                if isinstance(part.function, Helper):
                    helper_source(part.function.name, part.function.entry.forward, helpers)
        whole = "\n\n\n".join([*helpers.values(), code]) + "\n"
        imports = {"np.": "import numpy as np\n", "special.": "from scipy import special\n"}
        head = "".join(line for prefix, line in imports.items() if prefix in whole)
        return f"{head}\n\n{whole}" if head else whole

    @property
    def function(self) -> Callable[..., Any]:
        """``source``, compiled: the inputs by name, to ``(loss, {"dW1": ...})``."""
        if self._function is None:
            room: dict[str, Any] = {}
            exec(compile(self.source, "<derived>", "exec"), room)
            self._function = room["loss_and_gradients"]
        return self._function


def shape_of(line: Line) -> str:
    """The shape to print beside a line; a length, ``m = X.shape[1]``, has none."""
    return "" if line.expression.function is axis_length else str(line.expression.value.shape)


class Derivation:
    """Names for the tensors of a graph, and the formulas as they arise."""

    def __init__(self, loss: Tensor):
        self.loss = loss
        self.nodes = history(loss)
        self.inputs: dict[str, Any] = {}
        self.data: set[str] = set()  # those of the inputs that are no parameters
        self.symbols: dict[Any, Any] = {}  # of tensors, and of constant arrays by identity
        self.definitions: dict[str, Expression] = {}  # in the order of the computation
        self.provisional: list[str] = []  # names of what has none, kept only if needed
        self.taken = {"np"} | {t.name for t in self.nodes if t.name is not None}
        self.backward: list[str] = []
        self.gradients: list[str] = []
        for tensor in self.nodes:
            if tensor.rule is None:
                self.enter_leaf(tensor)
            else:
                self.enter_computed(tensor)
        if loss._needs:
            self.go_back()

    # --- forward

    def enter_leaf(self, tensor: Tensor) -> None:
        if tensor.name is None and not tensor._needs and tensor.ndim == 0:
            self.symbols[tensor] = constant(tensor._data)
            return
        name = self.name_of(tensor, "p" if tensor._needs else "x")
        self.inputs[name] = tensor._data
        if not tensor._needs:
            self.data.add(name)
        self.symbols[tensor] = symbol(name, tensor._data)

    def enter_computed(self, tensor: Tensor) -> None:
        entry = tensor.rule
        assert entry is not None
        formula = self.traced(lambda: apply_rule(entry, self.read_inputs(tensor)), entry.name)
        if tensor is self.loss and tensor.name is None:
            name = self.fresh("loss", number=False)
        elif tensor.name is not None:
            name = self.name_of(tensor, "")
        else:
            name = self.fresh("t")
            self.provisional.append(name)
        self.define(name, formula)
        self.symbols[tensor] = named_as(name, tensor._data, formula)

    def read_inputs(self, tensor: Tensor) -> tuple[Any, ...]:
        return tuple(self.read_input(x) for x in tensor.inputs)

    def read_input(self, x: Any) -> Any:
        if isinstance(x, Tensor):
            return self.symbols[x]
        if isinstance(x, np.ndarray) and x.size > INLINE:
            if id(x) not in self.symbols:
                name = self.fresh("c")
                self.inputs[name] = x
                self.symbols[id(x)] = symbol(name, x)
            return self.symbols[id(x)]
        if isinstance(x, tuple):
            return tuple(self.read_input(y) for y in x)
        return x

    def define(self, name: str, formula: Expression) -> None:
        self.definitions[name] = formula

    def name_of(self, tensor: Tensor, letter: str) -> str:
        name = tensor.name
        if name is None:
            return self.fresh(letter)
        if not name.isidentifier() or keyword.iskeyword(name) or name == "np":
            raise ValueError(
                f"a tensor is called {name!r}, which cannot be a name in a formula: give it a name of "
                "letters, digits and underscores, as in Tensor(..., name='W1')."
            )
        if name in self.definitions or name in self.inputs:
            if tensor.rule is None:
                raise ValueError(
                    f"two tensors are called {name!r}, so the formulas would not say which is meant: "
                    "give each a name of its own."
                )
            return self.fresh(name + "_")
        return name

    def fresh(self, letter: str, number: bool = True) -> str:
        """A name that is not taken."""
        count = 1
        name = f"{letter}{count}" if number else letter
        while name in self.taken or f"d{name}" in self.taken:
            count += 1
            name = f"{letter}{count}"
        self.taken.add(name)
        return name

    def traced(self, compute: Callable[[], Any], rule: str) -> Expression:
        try:
            formula = compute()
        except (TypeError, AttributeError, ValueError) as error:
            raise no_formula(rule, error) from error
        return formula if isinstance(formula, Expression) else constant(np.asarray(formula))

    # --- backward

    def go_back(self) -> None:
        names = {tensor: s.name for tensor, s in self.symbols.items() if isinstance(s, Expression)}

        def named(tensor: Tensor, g: Any) -> Expression:
            """A name for the gradient of ``tensor``, unless it says as much itself."""
            own = names[tensor]
            if own in self.provisional or tensor is self.loss:
                if not isinstance(g, Expression) or g.function is None:
                    return g
                name = self.fresh("g")
                self.provisional.append(name)
            else:
                name = f"d{own}"
                if name in self.definitions or name in self.inputs:
                    raise ValueError(
                        f"a tensor is called {name!r}, which is the name of the gradient of {own!r}:"
                        " give it another name."
                    )
                self.gradients += [name] if tensor.rule is None else []
            self.define(name, g if isinstance(g, Expression) else constant(np.asarray(g)))
            self.backward.append(name)
            return named_as(name, g.value, g)

        def read(tensor: Tensor, g: Any) -> tuple[Any, Any, Any]:
            self.step = tensor.rule.name  # type: ignore[union-attr]
            return named(tensor, g), self.symbols[tensor], self.read_inputs(tensor)

        self.step = ""
        try:
            for tensor, g in walk(self.loss, constant(seed_of(self.loss)), read):
                if tensor.rule is None:
                    named(tensor, g)
        except (TypeError, AttributeError) as error:
            raise no_formula(self.step, error) from error

    # --- the result

    def formulas(self, fused: bool) -> Formulas:
        definitions = self.share(self.fold())
        note = ""
        if fused:
            note = fuse(definitions)
        backward = self.in_order(definitions)
        forward = [name for name in definitions if name not in self.backward]
        definitions, sizes = name_sizes(definitions, self.data, self.fresh)
        return Formulas(
            [*sizes, *(Line(name, definitions[name]) for name in forward)],
            [Line(name, definitions[name]) for name in backward],
            self.inputs,
            self.symbols[self.loss].name,
            [f"d{name}" for name in self.inputs if f"d{name}" in self.gradients],
            note,
        )

    def fold(self) -> dict[str, Expression]:
        """The definitions without the provisional names that are used once, or say little."""
        definitions = needed(self.definitions, set(self.provisional))
        uses = count_uses(definitions.values())
        folded: dict[str, Expression] = {}
        final: dict[str, Expression] = {}
        for name, formula in definitions.items():
            if folded and not folded.keys().isdisjoint(formula.symbols()):
                formula = rebuild(formula, lambda e: folded.get(e.name, e) if e.name else e)
            if name in self.provisional and (uses.get(name, 0) == 1 or says_little(formula)):
                folded[name] = formula
            else:
                final[name] = formula
        return renumbered(needed(final, set(self.provisional)), self.provisional, self.backward)

    def share(self, definitions: dict[str, Expression]) -> dict[str, Expression]:
        """A name for every part of some length that stands in several places."""
        while True:
            places: dict[Any, list[str]] = {}
            found: dict[Any, Expression] = {}
            for name, formula in definitions.items():
                for part in parts(formula):
                    if part.function not in (None, axis_length) and not says_little(part):
                        places.setdefault(part.key, []).append(name)
                        found[part.key] = part
            repeated = [key for key, names in places.items() if len(names) > 1]
            if not repeated:
                return definitions
            key = max(repeated, key=lambda k: sum(1 for _ in parts(found[k])))
            part, first = found[key], places[key][0]
            name = self.fresh("s")
            if first in self.backward:
                self.backward.insert(self.backward.index(first), name)
            short = symbol(name, part.value, part.sizes)

            def shorten(e: Expression, key: Any = key, short: Expression = short) -> Expression:
                return short if e.key == key else e

            changed: dict[str, Expression] = {}
            for old, formula in definitions.items():
                if old == first:
                    changed[name] = part
                changed[old] = rebuild(formula, shorten)
            definitions = changed

    def in_order(self, definitions: dict[str, Expression]) -> list[str]:
        """The backward names: the gradient of a leaf right after what it is computed from."""
        leaves = set(self.gradients)
        order = [name for name in self.backward if name in definitions and name not in leaves]
        place = {name: i for i, name in enumerate(order)}
        after: dict[int, list[str]] = {}
        for name in self.backward:
            if name in leaves and name in definitions:
                last = max((place.get(s, -1) for s in definitions[name].symbols()), default=-1)
                after.setdefault(last, []).append(name)
        result = after.get(-1, [])
        for i, name in enumerate(order):
            result += [
                name,
                *sorted(after.get(i, []), key=lambda n: list(self.inputs).index(n[1:])),
            ]
        return result


def named_as(name: str, value: Any, formula: Any) -> Expression:
    """The name of ``formula``; sizes that only the result itself tells are told by the name."""
    made = symbol(name, value)
    sizes = tuple(
        own if isinstance(n, Size) and n.source.args and n.source.args[0] is formula else n
        for n, own in zip(formula.sizes, made.sizes)
    )
    return symbol(name, value, sizes)


def no_formula(rule: str, error: Exception) -> ValueError:
    return ValueError(
        f"the operation {rule!r} has no formula, because its rule is not made of NumPy's functions "
        f"and operators alone ({error}): write it with them, or as a function of several lines that "
        "uses only np."
    )


def history(loss: Tensor) -> list[Tensor]:
    """Every tensor that ``loss`` was computed from, oldest first, and itself."""
    seen = {loss}
    stack = [loss]
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Tensor) and x not in seen:
                seen.add(x)
                stack.append(x)
    return sorted(seen, key=lambda tensor: -tensor._made)


def needed(definitions: dict[str, Expression], optional: set[str]) -> dict[str, Expression]:
    """Without the optional names that nothing uses."""
    kept: dict[str, Expression] = {}
    used: set[str] = set()
    for name, formula in reversed(definitions.items()):
        if name not in optional or name in used:
            kept[name] = formula
            used |= formula.symbols()
    return dict(reversed(kept.items()))


def count_uses(formulas: Iterable[Expression]) -> dict[str, int]:
    uses: dict[str, int] = {}
    for formula in formulas:
        for part in parts(formula):
            if part.name is not None:
                uses[part.name] = uses.get(part.name, 0) + 1
    return uses


CHEAP = {np.add, np.subtract, np.multiply, np.power, np.negative, np.transpose, np.greater, np.less}


def says_little(formula: Expression) -> bool:
    """Whether a formula reads better where it is used than under a name: ``1 - Y``, ``Z > 0``."""
    if is_call(formula, np.broadcast_to):
        return formula.args[0].ndim == 0
    return formula.function in CHEAP and sum(p.function is not None for p in parts(formula)) == 1


def renumbered(
    definitions: dict[str, Expression], provisional: list[str], backward: list[str]
) -> dict[str, Expression]:
    """The provisional names that were kept, counted from 1."""
    backward[:] = [name for name in backward if name in definitions]
    letters: dict[str, int] = {}
    names: dict[str, str] = {}
    for name in definitions:
        if name in provisional:
            letter = name.rstrip("0123456789")
            letters[letter] = letters.get(letter, 0) + 1
            names[name] = f"{letter}{letters[letter]}"
    if all(old == new for old, new in names.items()):
        return definitions
    taken = set(definitions) - set(names)
    if taken & set(names.values()):
        return definitions
    backward[:] = [names.get(name, name) for name in backward]
    provisional[:] = [names.get(name, name) for name in provisional]

    def rename(e: Expression) -> Expression:
        return symbol(names[e.name], e.value, e.sizes) if e.name in names else e

    return {names.get(name, name): rebuild(f, rename) for name, f in definitions.items()}


def name_sizes(
    definitions: dict[str, Expression], data: set[str], fresh: Callable[..., str]
) -> tuple[dict[str, Expression], list[Line]]:
    """A name, ``m = X.shape[1]``, for each length of the data that the formulas use."""
    lines: dict[Any, Line] = {}

    def rename(e: Expression) -> Expression:
        if e.function is axis_length and e.args[0].name in data:
            if e.key not in lines:
                lines[e.key] = Line(fresh("m", number=False), e)
            return symbol(lines[e.key].name, np.asarray(e.value), ())
        return e

    changed = {name: rebuild(formula, rename) for name, formula in definitions.items()}
    return changed, list(lines.values())


def helper_source(name: str, function: Any, written: dict[str, str]) -> None:
    """Add the text of ``function`` to ``written``, after that of the functions it uses."""
    function = function.rule.forward if hasattr(function, "rule") else function
    try:
        text = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        text = ""
    if not text.startswith("def ") or function.__closure__:
        raise ValueError(
            f"the operation {name!r} cannot be written out, because the text of its forward function "
            "is not to be had: write it as a function of its own (def), in a file."
        )
    for used in sorted(globals_of(function.__code__)):
        value = function.__globals__.get(used)
        if used in written or used == "np" or hasattr(builtins, used) or value is function:
            continue
        if isinstance(value, int | float):
            written[used] = f"{used} = {value!r}"
        elif hasattr(value, "rule") or inspect.isfunction(value):
            helper_source(used, value, written)
        else:
            raise ValueError(
                f"the operation {name!r} cannot be written out, because its forward function uses "
                f"{used} from outside: it may use only np, its arguments, numbers and functions."
            )
    definition = ast.parse(text).body[0]
    statements = definition.body  # type: ignore[attr-defined]
    first = statements[1 if ast.get_docstring(definition) else 0]  # type: ignore[arg-type]
    body = "\n".join(text.splitlines()[first.lineno - 1 :]).rstrip()
    plain = ", ".join(
        ("*" if p.kind is p.VAR_POSITIONAL else "") + p.name
        for p in inspect.signature(function).parameters.values()
    )
    written[name] = f"def {name}({plain}):\n{body}"


def globals_of(code: Any) -> set[str]:
    """The global names that a function's code reads, also from functions inside it."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
    for constant_ in code.co_consts:
        if hasattr(constant_, "co_code"):
            names |= globals_of(constant_)
    return names


def fuse(definitions: dict[str, Expression]) -> str:
    """Replace ``dZ = dA * A * (1 - A)`` by ``(A - Y) / m`` where dA is that of the cross-entropy."""
    for name, formula in definitions.items():
        match = sigmoid_step(formula)
        if match is None or match[0] not in definitions:
            continue
        dA, A = match
        found = cross_entropy_step(definitions[dA], definitions, A.name)
        if found is None:
            continue
        Y, m = found
        definitions[name] = (A - Y) / m
        if count_uses(definitions.values()).get(dA, 0) == 0:
            del definitions[dA]
        return (
            f"{name} in one step: the cross-entropy gives {dA} = ((1 - {Y}) / (1 - {A}) - {Y} / {A}) "
            f"/ m = ({A} - {Y}) / ({A} * (1 - {A})) / m, and the sigmoid's slope {A} * (1 - {A}) "
            f"cancels the denominator."
        )
    return ""


def sigmoid_step(formula: Expression) -> tuple[str, Expression] | None:
    """(dA, A) of ``dA * A * (1 - A)``."""
    if not is_call(formula, np.multiply) or not is_call(formula.args[0], np.multiply):
        return None
    (dA, A), rest = formula.args[0].args, formula.args[1]
    named = isinstance(dA, Expression) and dA.name and isinstance(A, Expression) and A.name
    if not named or not is_call(rest, np.subtract) or not is_number(rest.args[0], 1):
        return None
    return (dA.name, A) if key_of(rest.args[1]) == A.key else None


def cross_entropy_step(
    formula: Expression, definitions: dict[str, Expression], A: str | None
) -> tuple[Any, Any] | None:
    """(Y, m) of ``((1 - Y) / (1 - P) - Y / P) / m``, where P is A or A kept inside (0, 1)."""
    if not is_call(formula, np.divide) or not is_call(formula.args[0], np.subtract):
        return None
    (no, yes), m = formula.args[0].args, formula.args[1]
    if not (is_call(yes, np.divide) and is_call(no, np.divide)):
        return None
    Y, P = yes.args
    other, rest = no.args
    guarded = P
    if P.name is not None and P.name != A and P.name in definitions:
        maker = definitions[P.name]
        guarded = maker.args[0] if isinstance(maker.function, Helper) else P
    same = (
        guarded.name == A
        and is_call(other, np.subtract)
        and is_call(rest, np.subtract)
        and is_number(other.args[0], 1)
        and is_number(rest.args[0], 1)
        and key_of(other.args[1]) == key_of(Y)
        and key_of(rest.args[1]) == key_of(P)
    )
    return (Y, m) if same else None


# --- layers alike ---------------------------------------------------------------------------------


def folded(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The rows with runs of equal layers printed once, for l = first, ..., last."""
    result: list[tuple[str, str]] = []
    i = 0
    while i < len(rows):
        runs = [
            (count, period, step)
            for period in range(1, min(12, (len(rows) - i) // ALIKE) + 1)
            for step in (1, -1)
            if (count := repetitions(rows, i, period, step)) >= ALIKE
        ]
        if not runs:
            result.append(rows[i])
            i += 1
            continue
        count, period, step = max(runs, key=lambda run: run[0] * run[1])
        for later in range(1, period):  # begin where a layer begins: with Z[l], not with A[l-1]
            if repetitions(rows, i + later, period, step) >= count and not any(
                "[l+" in general(text, base_of(rows[i + later]))
                for text, _ in rows[i + later : i + later + period]
            ):
                result += rows[i : i + later]
                i += later
                break
        first = base_of(rows[i])
        result.append((f"for l = {first}, ..., {first + step * (count - 1)}:", ""))
        result += [(f"  {general(text, first)}", shape) for text, shape in rows[i : i + period]]
        i += count * period
    return result


def repetitions(rows: list[tuple[str, str]], i: int, period: int, step: int) -> int:
    """How many times in a row the ``period`` rows from ``i`` on stand there, each time with the
    numbers in their names ``step`` further."""
    count = 1
    while i + (count + 1) * period <= len(rows) and all(
        relative(rows[i + count * period + k], rows[i + k], step * count) for k in range(period)
    ):
        count += 1
    return count


NUMBERED = re.compile(r"\b([A-Za-z_]+?)(\d+)\b(?!\()")


def base_of(row: tuple[str, str]) -> int:
    """The number in the name that the row defines, or 0."""
    match = NUMBERED.match(row[0])
    return int(match[2]) if match else 0


def relative(row: tuple[str, str], first: tuple[str, str], shift: int) -> bool:
    """Whether ``row`` is ``first`` with every numbered name shifted."""
    if row[1] != first[1] or not NUMBERED.match(first[0]):
        return False
    return row[0] == NUMBERED.sub(lambda m: f"{m[1]}{int(m[2]) + shift}", first[0])


def general(text: str, first: int) -> str:
    def index(match: re.Match[str]) -> str:
        offset = int(match[2]) - first
        return f"{match[1]}[l{f'{offset:+d}' if offset else ''}]"

    return NUMBERED.sub(index, text)
