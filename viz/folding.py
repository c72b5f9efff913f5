"""What repeats is drawn once: finding the repetitions in a sequence."""

from __future__ import annotations

from collections.abc import Sequence
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
    reach: tuple[int, ...] = ()  # how far back its inputs are


def repeats(tokens: list[int], reach: Sequence[tuple[int, ...]] = ()) -> list[tuple[int, int, int]]:
    """Where the sequence repeats itself at least three times: (start, period, times).

    ``reach`` says how far back each takes its inputs from: a repetition begins where it takes the
    fewest from the one before.

    >>> repeats([9, 1, 2, 1, 2, 1, 2, 5])
    [(1, 2, 3)]
    """
    row = np.asarray(tokens)
    n = len(row)
    found = []
    for period in range(1, min(n // 3, max(64, 20_000_000 // max(n, 1))) + 1):
        same = np.flatnonzero(np.diff(np.r_[False, row[:-period] == row[period:], False])).tolist()
        for start, end in zip(same[::2], same[1::2]):
            times, rest = divmod(end + period - start, period)
            if times >= 3 and (times - 1) * period >= 3:
                found.append(((times - 1) * period, period, start, times, rest))
    found.sort(key=lambda f: (-f[0], f[1], f[2]))
    taken = np.zeros(n, bool)
    chosen = []
    for _, period, start, times, rest in found:
        if not taken[start : start + period * times + rest].any():
            taken[start : start + period * times + rest] = True
            starts = (
                range(start, start + rest + 1) if reach and rest * period < 100_000 else [start]
            )
            chosen.append((min(starts, key=lambda s: crossing(reach, s, period)), period, times))
    return sorted(chosen)


def crossing(reach: Sequence[tuple[int, ...]], start: int, period: int) -> int:
    """How many inputs a repetition that begins there takes from the ones before."""
    second = reach[start + period : start + 2 * period]
    return sum(distance > k for k, distances in enumerate(second) for distance in distances)


def fold(blocks: list[Block]) -> list[Block]:
    """Fold what repeats, then what repeats among the folded, and inside them."""
    ids: dict[Any, int] = {}
    tokens = [ids.setdefault(block.token, len(ids)) for block in blocks]
    folds = repeats(tokens, [block.reach for block in blocks])
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
