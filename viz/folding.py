"""What repeats is drawn once: finding the repetitions in a sequence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(slots=True)
class Block:
    """A place in the sequence of units: one unit, or ``times`` alike blocks, drawn as the first."""

    token: Any
    units: list[int]  # all of them, those left out too
    parts: list[Block] = field(default_factory=list)
    times: int = 1


def repeats(tokens: list[int]) -> list[tuple[int, int, int]]:
    """Where the sequence repeats itself at least three times: (start, period, times).

    >>> repeats([9, 1, 2, 1, 2, 1, 2, 5])
    [(1, 2, 3)]
    """
    row = np.asarray(tokens)
    n = len(row)
    found = []
    for period in range(1, min(n // 3, max(64, 20_000_000 // max(n, 1))) + 1):
        same = np.flatnonzero(np.diff(np.r_[False, row[:-period] == row[period:], False]))
        starts, ends = same[::2], same[1::2]
        for start, end in zip(starts, ends):
            times = (end - start) // period + 1
            if times >= 3 and (times - 1) * period >= 3:
                found.append((int((times - 1) * period), period, int(start), int(times)))
    found.sort(key=lambda f: (-f[0], f[1], f[2]))
    taken = np.zeros(n, bool)
    chosen = []
    for _, period, start, times in found:
        if not taken[start : start + period * times].any():
            taken[start : start + period * times] = True
            chosen.append((start, period, times))
    return sorted(chosen)


def fold(blocks: list[Block]) -> list[Block]:
    """Fold what repeats, then what repeats among the folded, and inside them."""
    ids: dict[Any, int] = {}
    folds = repeats([ids.setdefault(block.token, len(ids)) for block in blocks])
    if not folds:
        return blocks
    result, i = [], 0
    for start, period, times in folds:
        result += blocks[i:start]
        i = start + period * times
        parts = fold(blocks[start : start + period])
        token = (times, tuple(block.token for block in blocks[start : start + period]))
        units = [unit for block in blocks[start:i] for unit in block.units]
        result.append(Block(token, units, parts, times))
    return fold(result + blocks[i:])
