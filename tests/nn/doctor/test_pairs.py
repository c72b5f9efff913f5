"""Two mistakes at once, of two kinds in two layers: both are named."""

from __future__ import annotations

import mutants

SAMPLE = 25


def test_score_of_the_pairs(publish):
    total = mutants.measure(list(mutants.pairs(SAMPLE)))
    publish(f"pairs of mistakes: {mutants.shown(total)}")
    assert total["detected"] == SAMPLE
    assert total["named"] >= 0.8 * SAMPLE
