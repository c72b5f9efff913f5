"""Exceptions of the learner's code, translated into their cause."""

from __future__ import annotations

import ast
import linecache
import re
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from nn.doctor.repair import go_on
from nn.doctor.report import MISSING, SHAPE, Cause, Verdict
from nn.doctor.sandbox import Failure, TooLong
from nn.doctor.simple import cache_too_short
from nn.doctor.trial import Trial

if TYPE_CHECKING:
    from nn.doctor.diagnosis import Diagnosis


def explain_failure(diagnosis: Diagnosis, trial: Trial) -> None:
    """Backward raised an exception: where, with which shapes, and the change that mends it."""
    failure, report = trial.failure, diagnosis.report
    assert failure is not None
    names = [n for n, g in trial.truths[0].gradients.items() if np.any(g)]
    done = trial.runs[0].gradients
    report.rows = [Verdict(n, MISSING) for n in names if n not in done]
    if cache_too_short(report, trial):
        return
    rows, report.rows = report.rows, []
    if diagnosis.explain_partly(trial):
        report.rows += [row for row in rows if row.name not in report.verdicts]
        for cause in report.causes:
            cause.says += f"; so backward stops with {type(failure.error).__name__}"
        return
    says = f"backward stops with {type(failure.error).__name__}: {plain_message(failure)}"
    if go_on(diagnosis, trial):
        report.causes[0].says = f"{says}; {report.causes[0].says}"
        return
    report.rows = rows
    source = linecache.getline(failure.file, failure.line).strip() if failure.line else ""
    shapes = shapes_in(failure)
    cause = Cause(
        ", ".join(names[-1:]),
        SHAPE if isinstance(failure.error, ValueError) else type(failure.error).__name__,
        says,
        failure.line or None,
        failure.function,
        failure.file,
        source,
    )
    if shapes:
        cause.says += f" ({shapes})"
    cause.fix = advice(failure)
    report.causes.append(cause)


def one_layer_too_many(failure: Any, L: int) -> int | None:
    """The line with ``len(parameters)``, where the missing key is that of layer L + 1."""
    if not re.fullmatch(rf"'[A-Za-z_]*{L + 1}'", str(failure.error)) or failure.frame is None:
        return None
    lines = linecache.getlines(failure.file)
    start = failure.frame.f_code.co_firstlineno
    for number in range(start, failure.line + 1):
        if number <= len(lines) and re.search(r"len\(\w+\)(?!\s*//)", lines[number - 1]):
            return number
    return None


def hint(failure: Failure, L: int) -> str:
    """What is known about an exception of the forward pass of L layers, to go on a sentence with."""
    line = one_layer_too_many(failure, L)
    if line is None:
        return ""
    return (
        f"; len() of the parameters in line {line} counts the W and the b of each layer: "
        "write len(...) // 2"
    )


def plain_message(failure: Failure) -> str:
    text = str(failure.error) or "no message"
    if isinstance(failure.error, TooLong):
        return "it did not end within the time limit"
    if isinstance(failure.error, KeyError):
        return f"there is no key {text}"
    return text.split("(Python builtin")[0].strip()


def advice(failure: Failure) -> str:
    error = failure.error
    if isinstance(error, KeyError):
        keys = keys_near(failure)
        return "check the key" + (f"; the dictionary has {keys}" if keys else "")
    if isinstance(error, ValueError) and ("matmul" in str(error) or "shapes" in str(error)):
        return "compare the shapes with the formula: a transpose is missing, or the wrong array is used"
    if isinstance(error, IndexError) and "boolean" in str(error):
        return "compare the shapes: the mask is that of another layer than the array"
    if isinstance(error, IndexError):
        return "count the layers and the caches: one index is beyond the end"
    if isinstance(error, UnboundLocalError):
        return (
            "it has no value yet at this line: assign it first, or use the name that was assigned"
        )
    if isinstance(error, NameError):
        return "the name is not defined here: a variable of another function has to be an argument"
    return ""


def keys_near(failure: Failure) -> str:
    if failure.frame is None:
        return ""
    found = [v for v in failure.frame.f_locals.values() if isinstance(v, dict) and v]
    return ", ".join(sorted(map(str, found[-1]))[:12]) if found else ""


def shapes_in(failure: Failure) -> str:
    """The shapes of the arrays that the failing line names."""
    if failure.frame is None or not failure.line:
        return ""
    text = linecache.getline(failure.file, failure.line).strip()
    try:
        tree = ast.parse(textwrap.dedent(text))
    except SyntaxError:
        return ""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(
            getattr(node, "ctx", None), ast.Load
        ):
            name = ast.unparse(node)
            value = looked_up(node, failure.frame.f_locals)
            if isinstance(value, np.ndarray):
                found[name] = f"{name} has shape {value.shape}"
    return ", ".join(found.values())


def looked_up(node: ast.AST, names: dict[str, Any]) -> Any:
    """The value of a name, an attribute or an entry, without calling anything."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = looked_up(node.value, names)
        if isinstance(owner, np.ndarray):
            return owner.T if node.attr == "T" else None
        return getattr(owner, "__dict__", {}).get(node.attr)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        owner = looked_up(node.value, names)
        if isinstance(owner, dict):
            return owner.get(node.slice.value)
    return None
