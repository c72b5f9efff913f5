"""Exceptions of the learner's code, translated into their cause."""

from __future__ import annotations
from typing import Any
from nn.doctor.report import Cause


def explain_failure(examination: Any, trial: Any) -> None:
    failure = trial.failure
    examination.report.unexplained.append(f"backward failed: {failure.sentence}")
