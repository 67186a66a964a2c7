"""Bins, edges and merging."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.profile.histograms import (
    above,
    cpu_upper_edge,
    log_upper_edge,
    merge,
    rebinned,
    samples_in,
)


def test_cpu_bins_are_half_a_percent() -> None:
    """Of 16 cores a bin is 0.08 wide; bin 17 ends at 1.44."""
    assert cpu_upper_edge(0, 16) == pytest.approx(0.08)
    assert cpu_upper_edge(17, 16) == pytest.approx(1.44)
    assert cpu_upper_edge(199, 16) == pytest.approx(16)


def test_log_bins_are_one_percent() -> None:
    """Neighbouring edges differ by 1 %."""
    assert log_upper_edge(1000) / log_upper_edge(999) == pytest.approx(1.01)


@given(st.integers(0, 400), st.sampled_from([1, 2, 4, 7.5, 16]), st.sampled_from([1, 2, 3, 16, 96]))
def test_rebinning_never_understates_and_adds_less_than_a_bin(
    bin_index: int, old: float, new: float
) -> None:
    """The new upper edge is not below the old one, and less than one new bin above it."""
    edge = cpu_upper_edge(bin_index, old)
    moved = cpu_upper_edge(rebinned(bin_index, old, new), new)
    assert moved >= edge * (1 - 1e-9)
    assert moved < edge + new / 200 * (1 + 1e-6)


def test_rebinning_to_the_same_capacity_changes_nothing() -> None:
    """Exactly, not nearly."""
    assert all(rebinned(bin_index, 3.0, 3.0) == bin_index for bin_index in range(300))


_pairs = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=30)


@given(_pairs, _pairs, st.randoms(use_true_random=False))
def test_merging_adds_counts_in_any_order(left, right, random) -> None:
    """Merging two merged halves equals merging all, shuffled."""
    everything = [*left, *right]
    random.shuffle(everything)
    assert merge([*merge(left), *merge(right)]) == merge(everything)
    assert samples_in(merge(everything)) == sum(count for _bin, count in everything)


def test_counting_above_a_size_includes_the_bin_that_straddles_it() -> None:
    """Of 2 cores: bins end at .01, .02, .03; above .015 may lie the second and the third."""
    histogram = ((0, 5), (1, 3), (2, 1))
    assert above(histogram, 2.0, 0.015) == 4
    assert above(histogram, 2.0, 0.02) == 1
    assert above(histogram, 2.0, 0.03) == 0
