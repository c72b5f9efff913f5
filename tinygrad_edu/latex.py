"""Expressions as LaTeX, in the course's notation: ``dW^{[2]} = dZ^{[2]} A^{[1]\\top}``."""

from __future__ import annotations

import operator
import re
from typing import Any

import numpy as np

from tinygrad_edu.expressions import (
    ATOM,
    INFIX,
    Expression,
    Printer,
    axis_length,
    function_name,
    is_call,
    parameter_names,
    value_of,
)

SIGNS = {
    np.greater: ">",
    np.greater_equal: r"\geq",
    np.less: "<",
    np.less_equal: r"\leq",
    np.equal: "=",
    np.not_equal: r"\neq",
    np.add: "+",
    np.subtract: "-",
}
KNOWN = {
    "np.exp": r"\exp",
    "np.log": r"\log",
    "np.tanh": r"\tanh",
    "np.sin": r"\sin",
    "np.cos": r"\cos",
    "np.maximum": r"\max",
    "np.minimum": r"\min",
    "sigmoid": r"\sigma",
}


def latex_name(name: str) -> str:
    """``W1`` as the course writes it, with the layer in brackets above."""
    match = re.fullmatch(r"([A-Za-z]+)(\d+)", name)
    if match and match[1] in "tgscpxm":  # the short names that `derive` gives, no layers
        return f"{match[1]}_{{{match[2]}}}"
    if match:
        return f"{letters(match[1])}^{{[{match[2]}]}}"
    return letters(name)


def letters(name: str) -> str:
    if len(name) == 1 or re.fullmatch(r"d[A-Za-z]", name):
        return name
    return roman(name) if name.isascii() else rf"\text{{{name}}}"


def roman(text: str) -> str:
    escaped = text.replace("_", r"\_")
    return rf"\mathrm{{{escaped}}}"


def computed(e: Any) -> bool:
    """Whether ``e`` is more than a name or a number."""
    return isinstance(e, Expression) and e.function is not None


class LatexPrinter(Printer):
    """Expressions as LaTeX."""

    def write(self, e: Any) -> tuple[str, int]:
        if isinstance(e, Expression) and e.name is not None:
            return latex_name(e.name), ATOM
        return super().write(e)

    def written(self, e: Expression) -> tuple[str, int]:
        function, args = e.function, e.args
        if function is np.divide and self.is_scalar(args[1]) and computed(args[0]):
            above, rest = "1", args[0]
            if is_call(rest, np.multiply) and not isinstance(rest.args[0], Expression):
                above, rest = self.text(rest.args[0]), rest.args[1]
            factor = rf"\frac{{{above}}}{{{self.text(args[1])}}}"
            return rf"{factor} \, {self.inside(rest, 12)}", 12
        if function is np.divide:
            return rf"\frac{{{self.text(args[0])}}}{{{self.text(args[1])}}}", ATOM - 1
        if function is np.power:
            return f"{self.base(args[0])}^{{{self.text(args[1])}}}", 14
        if function is np.matmul:
            return rf"{self.inside(args[0], 12)} \, {self.inside(args[1], 13)}", 12
        if function is np.multiply:
            arrays = all(isinstance(a, Expression) and a.ndim for a in args)
            sign = r"\odot" if arrays else r"\,"
            return f"{self.inside(args[0], 12)} {sign} {self.inside(args[1], 13)}", 12
        if function in SIGNS and len(args) == 2:
            binds = INFIX[function][1]
            left, right = self.inside(args[0], binds), self.inside(args[1], binds + 1)
            text = f"{left} {SIGNS[function]} {right}"
            return (rf"\mathbf{{1}}[{text}]", ATOM) if binds == 6 else (text, binds)
        if function is np.transpose and len(args) == 1:
            inner = self.inside(args[0], ATOM)
            if inner.endswith("]}"):
                return rf"{inner[:-1]}\top}}", ATOM
            return rf"{inner}^{{\top}}", ATOM
        if function is axis_length:
            return rf"\mathrm{{size}}_{{{args[1]}}}({self.text(args[0])})", ATOM
        if function is operator.getitem:
            return rf"{self.inside(args[0], ATOM)}_{{{self.index(args[1])}}}", ATOM
        if function is np.negative:
            return f"-{self.inside(args[0], 12)}", 12
        if function is np.square:
            return f"{self.base(args[0])}^{{2}}", 14
        if function is np.sqrt:
            return rf"\sqrt{{{self.text(args[0])}}}", ATOM
        if function is np.absolute:
            return rf"|{self.text(args[0])}|", ATOM
        name = function_name(function)
        if name in ("np.sum", "np.mean"):
            return self.total(name, e)
        head = KNOWN.get(name)
        if head is None:
            head = roman(name.removeprefix("np.").removeprefix("special."))
        named = parameter_names(e)
        words = [self.text(a) for a in args[: len(args) - len(named)]]
        words += [
            rf"\mathrm{{{k}}}={self.text(v)}" for k, v in zip(named, args[len(args) - len(named) :])
        ]
        words += [
            rf"\mathrm{{{k}}}={self.text(v)}"
            for k, v in e.kwargs.items()
            if v is not None and v is not False
        ]
        return rf"{head}\left({', '.join(words)}\right)", ATOM

    def is_scalar(self, e: Any) -> bool:
        """Whether ``e`` is one number: then it stands as a factor before what it divides."""
        return np.ndim(value_of(e)) == 0

    def base(self, e: Any) -> str:
        """What a power stands at; a superscript of its own needs brackets around it."""
        text = self.inside(e, ATOM)
        return rf"\left({text}\right)" if "^" in text and not text.endswith(")") else text

    def total(self, name: str, e: Expression) -> tuple[str, int]:
        axis = e.kwargs.get("axis", e.args[1] if len(e.args) > 1 else None)
        inner = self.inside(e.args[0], 12)
        if name == "np.mean":
            return rf"\mathrm{{mean}}\left({self.text(e.args[0])}\right)", ATOM
        below = "" if axis is None else rf"_{{\mathrm{{axis}}\ {self.text(axis)}}}"
        return rf"\sum{below} {inner}", 12

    def literal(self, x: Any) -> tuple[str, int]:
        text, binds = super().literal(x)
        if binds == ATOM and not re.fullmatch(r"[\d.]+", text):
            text = roman(text)
        return text, binds
