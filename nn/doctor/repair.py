"""x"""
from typing import Any


def mend(examination: Any, trial: Any) -> bool:
    return False
