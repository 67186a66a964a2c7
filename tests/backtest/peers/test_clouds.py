"""Compute Optimizer's and Azure Advisor's rules, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rightsizing.backtest.peers import compute_optimizer as co
from rightsizing.backtest.peers.azure import NOT_USER_FACING, USER_FACING
from rightsizing.model.base import NoData

GIB = 1024**3
FORTNIGHT = 14 * 288


def _published_example() -> np.ndarray:
    """CPU of an m5.2xlarge (8 vCPU): P90 15 %, P99.5 30 %, a maximum of 95 %.

    Of 4,032 intervals the 3,629th is the P90 and the 4,012th the P99.5.
    """
    cpu = np.full(FORTNIGHT, 0.15 * 8)
    cpu[3629:4012] = 0.30 * 8
    cpu[4012:] = 0.95 * 8
    return np.random.default_rng(1).permutation(cpu)


def test_published_example_of_the_default(track) -> None:
    """2.4 cores / 0.8 = 3.0 vCPU and 9 / 0.8 = 11.25 GiB: an m5.xlarge at 60 % and 56 %."""
    series = track(cpu=_published_example(), memory=np.full(FORTNIGHT, 9.0 * GIB))
    demand, limits = co.DEFAULT.demand(series), co.DEFAULT.propose([series])[0]
    assert limits.cpu_cores == pytest.approx(3.0)
    assert limits.memory_bytes == pytest.approx(11.25 * GIB)
    assert demand.cpu_cores / 4 == pytest.approx(0.60)  # type: ignore[operator]
    assert demand.memory_bytes / (16 * GIB) == pytest.approx(0.5625)  # type: ignore[operator]
    # the next size down fits neither: 2 vCPU < 3.0, 8 GiB < 11.25


def test_published_example_of_maximum_savings(track) -> None:
    """P90 15 %: 1.2 cores fit 2 vCPU; 9 / 0.9 = 10 GiB fit r5.large's 16, not m5.large's 8."""
    series = track(cpu=_published_example(), memory=np.full(FORTNIGHT, 9.0 * GIB))
    limits = co.MAX_SAVINGS.propose([series])[0]
    assert limits.cpu_cores == pytest.approx(1.2)
    assert limits.memory_bytes == pytest.approx(10 * GIB)


@pytest.mark.parametrize(
    ("rule", "cpu", "memory_gib"),
    [
        # P95 is 2.4 too: / 0.7 = 3.43; 9 / 0.7 = 12.86
        (co.BALANCED, 2.4 / 0.7, 9 / 0.7),
        (co.MAX_PERFORMANCE, 2.4 / 0.7, 9 / 0.7),
    ],
)
def test_the_other_presets(track, rule, cpu, memory_gib) -> None:
    """Headroom of 30 % on both."""
    series = track(cpu=_published_example(), memory=np.full(FORTNIGHT, 9.0 * GIB))
    limits = rule.propose([series])[0]
    assert limits.cpu_cores == pytest.approx(cpu)
    assert limits.memory_bytes == pytest.approx(memory_gib * GIB)


def test_compute_optimizer_waits_for_thirty_hours(track) -> None:
    """359 intervals of 5 minutes are 29.9 hours; 360 are 30."""
    short, enough = track(cpu=np.full(359, 1.0)), track(cpu=np.full(360, 1.0))
    limits = co.DEFAULT.propose([short, enough])
    assert isinstance(limits[0].cpu_cores, NoData)
    assert "29.9 h" in limits[0].cpu_cores.reason
    assert limits[1].cpu_cores == pytest.approx(1.25)


def test_compute_optimizer_looks_back_as_far_as_told(track) -> None:
    """A peak 20 days ago is seen by 32 days and not by 14."""
    cpu = np.full(40 * 288, 1.0)
    cpu[20 * 288 : 21 * 288] = 4.0
    series = track(cpu=cpu)
    assert co.DEFAULT.propose([series])[0].cpu_cores == pytest.approx(1.25)
    assert co.DEFAULT_32_DAYS.propose([series])[0].cpu_cores == pytest.approx(5.0)


def test_compute_optimizer_takes_maxima_of_five_minutes(track) -> None:
    """At 1 minute, one busy minute in five makes the five minutes busy: P99.5 is 2 either way."""
    minutes = np.tile([1.0, 1.0, 2.0, 1.0, 1.0], 14 * 288)
    assert co.MAX_SAVINGS.propose([track(cpu=minutes, interval_s=60)])[0].cpu_cores == 2.0


@pytest.mark.parametrize(("busy_blocks", "expected"), [(16, 2.5), (17, 5.0)])
def test_azure_reads_p95_of_half_hours(track, busy_blocks, expected) -> None:
    """336 half hours in 7 days: rank ceil(319.2) = 320.

    With 16 of them at 2 cores P95 is 1, with 17 it is 2; user-facing: divided by 0.4.
    """
    cpu = np.full(7 * 288, 1.0)
    cpu[: busy_blocks * 6 : 6] = 2.0
    assert USER_FACING.propose([track(cpu=cpu)])[0].cpu_cores == pytest.approx(expected)


def test_azure_targets(track) -> None:
    """6 GiB at most 60 % of memory is 10 GiB; at most 80 % is 7.5 GiB. CPU 1 / 0.8 = 1.25."""
    series = track(cpu=np.full(7 * 288, 1.0), memory=np.full(7 * 288, 6.0 * GIB))
    assert USER_FACING.propose([series])[0].memory_bytes == pytest.approx(10 * GIB)
    other = NOT_USER_FACING.propose([series])[0]
    assert other.memory_bytes == pytest.approx(7.5 * GIB)
    assert other.cpu_cores == pytest.approx(1.25)


def test_azure_forgets_after_seven_days(track) -> None:
    """A day at 4 cores eight days ago is out of the window."""
    cpu = np.concatenate([np.full(288, 4.0), np.full(7 * 288, 1.0)])
    assert NOT_USER_FACING.propose([track(cpu=cpu)])[0].cpu_cores == pytest.approx(1.25)


def test_azure_waits_for_a_day(track) -> None:
    """287 intervals are 23.9 hours."""
    assert isinstance(USER_FACING.propose([track(cpu=np.full(287, 1.0))])[0].cpu_cores, NoData)
