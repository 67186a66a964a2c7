"""When requests are due, and which target each one asks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from rightsizing.errors import ConfigError
from rightsizing.load.arrivals import Spacing, schedule, turn_of


def plan(rate_rps: float = 50.0, **more: object):  # type: ignore[no-untyped-def]
    values = {"targets": 2, "blocks": 20, "block_s": 2.0, "warm_up_s": 4.0}
    return schedule(rate_rps, rng=np.random.default_rng(3), **{**values, **more})


def test_poisson_arrivals_have_the_rate_and_independent_gaps() -> None:
    """44 s at 50 a second: 2,200; gaps have a mean of 20 ms.

    Both targets' blocks of a round are alike, so the number scatters by at most sqrt(2 x 2,200) =
    66, five times of which is 330.

    Exponential gaps have a standard deviation equal to their mean.
    """
    due = plan().due_s
    assert abs(len(due) - 2200) < 330
    gaps = np.diff(due)
    assert (gaps >= 0).all()
    assert gaps.mean() == pytest.approx(0.02, rel=0.1)
    assert gaps.std() == pytest.approx(0.02, rel=0.1)


def test_even_arrivals_are_one_gap_apart() -> None:
    """No chance in it."""
    due = plan(spacing=Spacing.EVEN).due_s
    assert np.allclose(np.diff(due), 0.02)
    assert len(due) == 2200


def test_targets_take_turns_and_a_drift_falls_on_both() -> None:
    """Old new, new old: the mean time of both targets' blocks is the same."""
    assert [turn_of(block, 2) for block in range(6)] == [0, 1, 1, 0, 0, 1]
    found = plan()
    own = found.block >= 0
    for target in (0, 1):
        blocks = np.unique(found.block[own & (found.target == target)])
        assert len(blocks) == 10
        assert blocks.mean() == pytest.approx(9.5, abs=0.5)
    for block in range(20):
        assert len(set(found.target[found.block == block])) == 1


def test_both_targets_get_the_same_bursts() -> None:
    """The same moments in the two blocks of a round."""
    found = plan()
    for first in range(0, 20, 2):
        one, other = (
            found.due_s[found.block == number] - 4 - 2 * number for number in (first, first + 1)
        )
        assert np.allclose(one, other)


def test_the_warm_up_asks_all_and_counts_for_none() -> None:
    """Both targets are warm when they are measured."""
    found = plan()
    warming = found.block == -1
    assert set(found.target[warming]) == {0, 1}
    assert (found.due_s[warming] < 4).all()
    assert (found.due_s[~warming] >= 4).all()
    assert found.duration_s == 40


def test_blocks_follow_each_other() -> None:
    """Each is as long as the others."""
    found = plan()
    starts = [found.due_s[found.block == block].min() for block in range(20)]
    assert all(0 < low - high < 4 for high, low in pairwise(starts))


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_no_load_is_refused(rate: float) -> None:
    """Nothing to measure."""
    with pytest.raises(ConfigError, match="are no load"):
        plan(rate)


def test_too_many_requests_are_refused_before_any_memory_is_taken() -> None:
    """The limit and what to do."""
    with pytest.raises(ConfigError, match="more than 5000000"):
        plan(1e9)
