"""The right formula in the learner's own names: dW = dZ @ A_prev.T / m, as it would stand in his line."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from types import FrameType
from typing import Any

import numpy as np

from nn.doctor.naming import plain
from nn.doctor.peel import close, fits_name
from nn.doctor.sandbox import arrays_in


def in_own_names(
    formula: str,
    values: Mapping[str, Any],
    frame: FrameType,
    formulas: Mapping[str, str] | None = None,
) -> str | None:
    """``formula`` with the variables of ``frame`` that hold the ``values`` of its symbols.

    For a symbol that is in no variable its own one of the ``formulas`` is written; None if it has none.

    >>> import sys
    >>> dZ, A_prev, m = np.ones((2, 3)), np.zeros((4, 3)), 3
    >>> in_own_names("dZ2 @ A1.T / m", {"dZ2": dZ, "A1": A_prev, "m": 3}, sys._getframe())
    'dZ @ A_prev.T / m'
    """
    arrays = dict(arrays_in(frame.f_locals))
    sizes = {k: v for k, v in frame.f_locals.items() if type(v) in (int, float)}
    for layer in re.findall(r"\bA(\d+) > 0", formula):
        if named(f"A{layer}", values, arrays) is None:  # relu's mask, which Z gives as well
            formula = formula.replace(f"A{layer} > 0", f"Z{layer} > 0")
    found = {}
    for symbol in symbols(formula):
        if symbol not in values:
            if symbol in frame.f_globals or symbol in frame.f_locals:
                continue  # a function such as sigmoid
            return None
        value = values[symbol]
        if np.ndim(value):
            name = named(symbol, values, arrays)
        else:
            name = next((k for k, v in sizes.items() if v == value), None)
        if name is None and formulas and symbol in formulas:
            inner = in_own_names(formulas[symbol], values, frame)
            name = f"({inner})" if inner is not None else None
        if name is None:
            return None
        found[symbol] = name
    words = "|".join(sorted(map(re.escape, found), key=len, reverse=True))
    return re.sub(rf"(?<![\w.])({words})(?!\w)", lambda m: found[m[1]], formula) if found else None


def symbols(formula: str) -> set[str]:
    """The names in a formula, without NumPy's.

    >>> sorted(symbols("np.sum(dZ1, axis=0) / m"))
    ['dZ1', 'm']
    """
    tree = ast.parse(formula, mode="eval")
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} - {"np"}


def assignment(name: str, formula: str, line: str) -> str | None:
    """The formula assigned to the variable that the line assigns to, else None.

    What the line had made the variable of stands for the variable in the formula.

    >>> assignment("dZ1", "dZ1 * (1 - A1**2)", "    dZ1 = W2.T @ dZ2")
    'dZ1 = (W2.T @ dZ2) * (1 - A1**2)'
    >>> assignment("dW1", "dZ1 @ X.T", "    params['W1'] += rate * dW1") is None
    True
    """
    try:
        statement = ast.parse(line.strip()).body[0]
    except (SyntaxError, IndexError):
        return None
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    target, value = ast.unparse(statement.targets[0]), ast.unparse(statement.value)
    if re.split(r"[\[.]", target)[0] != re.split(r"[\[.]", name)[0] or ("[" in target) > (
        "[" in name
    ):
        return None  # it assigns to something else, or to a part
    if not isinstance(statement.value, ast.Call | ast.Name | ast.Attribute | ast.Subscript):
        value = f"({value})"
    return f"{target} = " + re.sub(rf"(?<![\w.]){re.escape(name)}(?!\w)", lambda m: value, formula)


def of_one_step(formula: str, tree: ast.AST | None, line: int, frame: FrameType) -> bool:
    """Whether a formula is that of one round of the loop in which the line stands: it names an entry by
    its number, ``grads['dA1']``, or an array that is the same in all rounds, the input."""
    loops = [n for n in ast.walk(tree) if isinstance(n, ast.For | ast.While)] if tree else []
    around = [n for n in loops if n.lineno < line <= (n.end_lineno or n.lineno)]
    inside = [n for loop in around for n in ast.walk(loop) if isinstance(n, ast.Name)]
    stored = {n.id for n in inside if isinstance(n.ctx, ast.Store)}
    parsed = list(ast.walk(ast.parse(formula, mode="eval")))
    holders = {id(n.value) for n in parsed if isinstance(n, ast.Subscript | ast.Attribute)}
    owners = {id(n.value) for n in parsed if isinstance(n, ast.Attribute) and n.attr == "T"}
    whole = [n.id for n in parsed if isinstance(n, ast.Name) and id(n) not in holders - owners]
    same = [n for n in whole if n not in stored and np.ndim(frame.f_locals.get(n, 0)) > 0]
    numbered_entry = re.search(r"\[[^\]]*\d[^\]]*\]", formula) is not None
    return bool(around) and (bool(same) or numbered_entry)


def named(symbol: str, values: Mapping[str, Any], arrays: Mapping[str, Any]) -> str | None:
    """The variable that holds this symbol's value: of a fitting name, the shortest."""
    value = values.get(symbol)
    if value is None:
        return None
    found = [k for k, v in arrays.items() if np.shape(v) == np.shape(value) and close(v, value)]
    order = {k: (plain(k) != plain(symbol), not fits_name(k, f"d{symbol}"), len(k)) for k in found}
    return min(found, key=lambda k: order[k], default=None)
