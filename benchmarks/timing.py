"""Timing that can be trusted: competitors take turns in one process, medians, ratios."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any


def turn_by_turn(
    competitors: dict[str, Callable[[], Any]], turns: int = 60, warm_up: int = 3
) -> dict[str, float]:
    """The median time of each, in seconds, of ``turns`` turns of all."""
    for _ in range(warm_up):
        for run in competitors.values():
            run()
    times: dict[str, list[float]] = {name: [] for name in competitors}
    for _ in range(turns):
        for name, run in competitors.items():
            start = perf_counter()
            run()
            times[name].append(perf_counter() - start)
    return {name: median(values) for name, values in times.items()}


def show(title: str, times: dict[str, float], base: str) -> None:
    """Each time, and its ratio to that of ``base``."""
    print(title)
    for name, seconds in times.items():
        print(f"  {name:34} {seconds * 1e3:9.3f} ms   {seconds / times[base]:6.2f} x {base}")
