from __future__ import annotations
from typing import Any
from nn.doctor.examine import Examination
from nn.doctor.subject import Subject


def check(forward: Any = None, cost: Any = None, backward: Any = None, params: Any = None, X: Any = None, Y: Any = None, **extra: Any):
    s = Subject(params, X, Y, forward=forward, cost=cost, backward=backward, extra=extra)
    return Examination(s).run()
