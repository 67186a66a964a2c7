"""Bins, edges and merging."""

from __future__ import annotations

import math

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.profile.histograms import (
    cpu_bin,
    cpu_upper_edge,
    log_bin,
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
    moved = cpu_upper_edge(int(rebinned(np.array([bin_index]), old, new)[0]), new)
    assert moved >= edge * (1 - 1e-9)
    assert moved < edge + new / 200 * (1 + 1e-6)


def test_rebinning_to_the_same_capacity_changes_nothing() -> None:
    """Exactly, not nearly."""
    bins = np.arange(300)
    assert (rebinned(bins, 3.0, 3.0) == bins).all()


_pairs = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=30)


@given(_pairs, _pairs, st.randoms(use_true_random=False))
def test_merging_adds_counts_in_any_order(left, right, random) -> None:
    """Merging two merged halves equals merging all, shuffled."""
    everything = [*left, *right]
    random.shuffle(everything)
    assert merge([*merge(left), *merge(right)]) == merge(everything)
    assert samples_in(merge(everything)) == sum(count for _bin, count in everything)


def test_no_single_lies_so_near_an_edge_that_logarithms_could_differ() -> None:
    """Around each edge up to 1e38, the two singles' ln / ln 1.01 is 70 last places away from it.

    Engines' logarithms are within one or two last places of the true one.
    """
    for edge in range(1, 8790):
        value = 1.01**edge
        nearest = np.float32(value)
        below, above = (np.nextafter(nearest, np.float32(side)) for side in (0, np.inf))
        for single in (below, nearest, above):
            ratio = math.log(float(single)) / math.log(1.01)
            assert abs(ratio - edge) > 70 * np.spacing(ratio)


def test_log_bins_hold_their_edges() -> None:
    """Just above an edge DuckDB gives its bin, clearly below it the one before."""
    edges = 1.01 ** np.arange(1, 4000)
    values = np.concatenate((edges * (1 + 2e-7), edges * (1 - 2e-7), [0.0, 0.5, 1.0]))
    found = ibis.memtable(pa.table({"value": values})).select(bin=log_bin(ibis._.value))
    wanted = [*range(1, 4000), *range(3999), 0, 0, 0]
    assert found.to_pyarrow()["bin"].to_pylist() == wanted


@given(st.floats(0, 1e6), st.sampled_from([0.5, 1.0, 3.0, 7.5, 96.0, 1e-6]))
def test_cpu_bins_are_plain_division(cores: float, capacity: float) -> None:
    """floor(200 x cores / capacity) in double precision, as numpy computes it."""
    table = ibis.memtable(pa.table({"cores": [cores], "capacity": [capacity]}))
    found = table.select(bin=cpu_bin(table.cores, table.capacity)).to_pyarrow()["bin"][0].as_py()
    assert found == int(np.floor(np.float64(cores) * 200 / np.float64(capacity)))
