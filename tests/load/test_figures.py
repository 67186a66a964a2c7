"""Figures and verdicts of load tests, from samples made by hand or by chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.load.arrivals import Schedule
from rightsizing.load.figures import blocks_of, intervals
from rightsizing.load.normalvolume import normal_volume_rps
from rightsizing.load.report import Objectives, load_report
from rightsizing.load.samples import NOT_SENT, PENDING, TIMED_OUT, Samples
from rightsizing.model.base import NoData
from rightsizing.model.loadrecord import LoadVerdict

URLS = ("http://old", "http://new")


def samples_of(
    latency_ms: np.ndarray,
    *,
    targets: int = 2,
    blocks: int = 40,
    status: np.ndarray | None = None,
    **more: Any,
) -> Samples:
    """Requests of (blocks, requests a block), targets in turn, blocks of a second."""
    count = latency_ms.shape[1]
    block = np.repeat(np.arange(blocks), count)
    due = np.arange(blocks * count) / count
    plan = Schedule(due, block % targets, block, 0.0, 1.0, blocks)
    answers = np.full(blocks * count, 200) if status is None else status.ravel()
    values = {"elapsed_s": float(blocks), "late_ms": np.zeros(blocks * count)}
    return Samples(plan, answers, latency_ms.ravel(), **{**values, **more})


def latencies(rng: np.random.Generator, new: float = 1.0, blocks: int = 40) -> np.ndarray:
    """Lognormal around 20 ms, with blocks that are slower or faster as a whole; p99 about x3.2."""
    block = np.exp(rng.normal(0, 0.05, (blocks, 1)))
    single = 20 * np.exp(rng.normal(0, 0.5, (blocks, 100)))
    single[1::2] *= new
    return block * single


def verdict_of(samples: Samples, **limits: Any) -> Any:
    return load_report(samples, URLS, 100.0, Objectives(**limits), np.random.default_rng(1))


@given(st.lists(st.floats(0.1, 1e5), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_quantiles_are_numpys(values: list[float], share: float) -> None:
    """Of all requests, with every block counted once."""
    blocks = blocks_of(samples_of(np.array([values]), targets=1, blocks=1), 0)
    wanted = np.quantile(values, share, method="inverted_cdf")
    assert blocks.quantile(share, np.ones(1)) == pytest.approx(wanted)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 3), min_size=4, max_size=4).filter(any))
def test_a_resample_is_the_blocks_written_out(times: list[int]) -> None:
    """A block drawn twice counts as if its requests were there twice."""
    data = np.random.default_rng(2).lognormal(3, 1, (4, 25))
    blocks = blocks_of(samples_of(data, targets=1, blocks=4), 0)
    written = np.concatenate([np.tile(data[index], count) for index, count in enumerate(times)])
    found = blocks.quantile(0.99, np.array(times, dtype=float))
    assert found == pytest.approx(np.quantile(written, 0.99, method="inverted_cdf"))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Of 100 tests with 20 blocks the 95 % interval of p50 holds 20 ms in 85 or more.

    Block bootstraps of few blocks are a little too narrow; 85 is 4.6 standard deviations below 95.
    """
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(100):
        blocks = blocks_of(samples_of(latencies(rng, blocks=20), targets=1, blocks=20), 0)

        def median(weights: np.ndarray, of: Any = blocks) -> float:
            return float(of.quantile(0.5, weights))

        found = intervals({"p50": median}, 20, rng, resamples=200)["p50"]
        held += found.low <= 20 <= found.high
    assert held >= 85


@pytest.mark.parametrize(
    ("slower", "verdict"),
    [
        (1.0, LoadVerdict.PASSED),
        (1.05, LoadVerdict.PASSED),
        (1.4, LoadVerdict.REGRESSED),
        (0.7, LoadVerdict.PASSED),
    ],
)
def test_a_regression_beyond_the_margin_fails(slower: float, verdict: LoadVerdict) -> None:
    """With a margin of 20 %: equal and 5 % slower pass, 40 % slower does not, faster passes."""
    rng = np.random.default_rng(11)
    found = verdict_of(samples_of(latencies(rng, slower, 120), blocks=120), margin=0.2)
    assert found.verdict is verdict, found.reasons
    assert found.ratios["p50"].low <= slower <= found.ratios["p50"].high


def test_false_alarms_are_rare() -> None:
    """Of 20 comparisons of equal targets at most 4 say regressed at a margin of nearly nothing.

    Two latencies, 2.5 % each: 20 x 0.05 = 1 expected; 4 is 3 standard deviations above.
    """
    rng = np.random.default_rng(6)
    found = [
        verdict_of(samples_of(latencies(rng)), margin=1e-9, error_margin=0.5).verdict
        for _ in range(20)
    ]
    assert found.count(LoadVerdict.REGRESSED) <= 4


def test_few_blocks_are_inconclusive() -> None:
    """However equal they look."""
    rng = np.random.default_rng(1)
    found = verdict_of(samples_of(latencies(rng, blocks=8), blocks=8), margin=0.5)
    assert found.verdict is LoadVerdict.INCONCLUSIVE
    assert "4 blocks a target are too few" in found.reasons[0]


def test_failures_are_a_regression_of_their_own() -> None:
    """3 % of the new one's requests time out, none of the old one's: at least 0.5 % more.

    Their time is in no quantile, and they are no throughput.
    """
    rng = np.random.default_rng(9)
    status = np.full((120, 100), 200)
    status[1::2, ::33] = TIMED_OUT  # 4 of 100
    found = verdict_of(samples_of(latencies(rng, blocks=120), blocks=120, status=status))
    assert found.verdict is LoadVerdict.REGRESSED
    assert found.reasons == ("4.00% more requests fail, at least 4.00%",)
    assert found.targets[1].failed == 240
    assert found.ratios["throughput"].estimate == pytest.approx(0.96)


def test_no_failure_seen_is_not_none_at_all() -> None:
    """Of 2,000 requests without a failure up to 3 / 2,000 may fail (rule of three)."""
    found = verdict_of(samples_of(latencies(np.random.default_rng(2))), margin=0.5)
    assert found.targets[1].figures["errors"].high == pytest.approx(0.0015)
    assert found.ratios["errors"].high == pytest.approx(0.0015)


def test_an_objective_judges_one_target_alone() -> None:
    """p99 of 20 ms x 3.2 = 64 ms: within 100, over 40."""
    samples = samples_of(latencies(np.random.default_rng(5)), targets=1)

    def judged(limit: float) -> LoadVerdict:
        objectives = Objectives(max_p99_ms=limit)
        rng = np.random.default_rng(1)
        return load_report(samples, URLS[:1], 100.0, objectives, rng).verdict

    assert judged(100.0) is LoadVerdict.PASSED
    assert judged(40.0) is LoadVerdict.REGRESSED


def test_a_generator_that_cannot_keep_up_shows_nothing() -> None:
    """Requests that were not sent, or sent late, are the generator's fault."""
    data = latencies(np.random.default_rng(5))
    status = np.full(data.shape, 200)
    status[0, 0] = NOT_SENT
    found = verdict_of(samples_of(data, status=status), margin=0.5)
    assert "1 requests were not sent" in found.reasons[0]
    late = np.full(data.size, 50.0)
    found = verdict_of(samples_of(data, late_ms=late), margin=0.5)
    assert found.verdict is LoadVerdict.INCONCLUSIVE
    assert "50.0 ms late" in found.reasons[0]


def test_an_interrupted_test_reports_the_blocks_that_were_whole() -> None:
    """Ended after 20.5 of 40 blocks: 10 of each target, and no verdict."""
    data = latencies(np.random.default_rng(5))
    status = np.full(data.shape, 200)
    status[20, 50:] = PENDING
    status[21:] = PENDING
    samples = samples_of(data, status=status, elapsed_s=20.5, interrupted=True)
    found = verdict_of(samples)
    assert found.verdict is LoadVerdict.INTERRUPTED
    assert [blocks_of(samples, target).count for target in (0, 1)] == [10, 10]
    assert found.requests == 2050


def rows(hours: dict[int, float], instances: int = 2) -> tuple[np.ndarray, ...]:
    """Five-minute rows of instances that share each hour's rate (hour since 1970: rate)."""
    start, count = [], []
    for hour, rate in hours.items():
        for step in range(12):
            for _ in range(instances):
                start.append(hour * 3_600_000 + step * 300_000)
                count.append(rate * 300 / instances)
    return np.array(start), np.full(len(start), 300.0), np.array(count)


def test_normal_volume_is_a_usual_days_busiest_hour() -> None:
    """Busiest hours of three days: 30, 20 and 90 a second; their median is 30."""
    hours = {0: 5.0, 1: 30.0, 24: 20.0, 25: 10.0, 48: 90.0}
    assert normal_volume_rps(*rows(hours)) == pytest.approx(30.0)


def test_what_was_not_measured_is_no_volume() -> None:
    """No column, or less than an hour."""
    start, length, count = rows({0: 5.0})
    unknown = normal_volume_rps(start, length, np.full(len(count), np.nan))
    assert unknown == NoData("no requests were measured")
    short = normal_volume_rps(start[:10], length[:10], count[:10])
    assert short == NoData("no whole hour was measured")
