"""Systematic mistakes in right programs: a sample of them; `mutants.py` measures all."""

from __future__ import annotations

import mutants
import pytest
import right_programs

ALL = mutants.all_mutants()
SAMPLE = 120


@pytest.mark.parametrize("network", right_programs.networks(), ids=lambda w: w.title)
def test_the_unchanged_program_is_right_and_called_right(network):
    assert mutants.is_right(network), "the program itself is wrong"
    report, _ = mutants.examine(network)
    assert report.ok, str(report)


def test_score_of_the_mutants(publish):
    chosen = mutants.sample(ALL, SAMPLE)
    total = mutants.measure([[m] for m in chosen])
    publish(f"of {len(ALL)} mutants {SAMPLE}: {mutants.shown(total)}")
    assert total["detected"] >= 0.99 * total["mutants"]
    assert total["named"] >= 0.95 * total["mutants"]
    assert total["equal, alarm"] == 0


def test_the_sample_has_every_mistake():
    assert {m.mistake.split()[0] for m in mutants.sample(ALL, SAMPLE)} == {
        m.mistake.split()[0] for m in ALL
    }


def test_a_mutant_that_is_not_one_is_told_apart():
    network = right_programs.hand_written(2, "relu", "sigmoid", "entropy", "columns")
    by_text = {m.text: m for m in mutants.mutants(network)}
    equal = by_text["dA1 * (Z1 >= 0)"]
    wrong = by_text["dA1 * (Z1 < 0)"]
    assert mutants.is_equal(network, [equal])
    assert not mutants.is_equal(network, [wrong])
