"""A service's past dealt into two equal arms."""

from __future__ import annotations

import numpy as np
import pytest

from rightsizing.model.servicepast import PastRow, ServicePast, past_of
from rightsizing.model.verdict import Metric
from rightsizing.rollout.judge.past import arms_of


def past(replicas: dict[str, int], minutes: int = 4, step_s: int = 60) -> ServicePast:
    """Replicas by their requests a minute, of which 1 % fail; p99 is 50 ms and the minute."""
    return past_of(
        (
            PastRow(
                resource=name,
                start_ms=minute * step_s * 1000,
                requests=requests,
                errors=requests / 100,
                latency_p99_ms=50.0 + minute,
            )
            for name, requests in replicas.items()
            for minute in range(minutes)
        ),
        "test",
    )


def test_halves_serve_alike() -> None:
    """500 to one; 400 to the other, then 300 to it too (400 < 500), 200 to the first: 700 each."""
    arms = arms_of(past({"a": 500, "b": 400, "c": 300, "d": 200}))
    assert arms.is_real
    assert arms.halves == (("a", "d"), ("b", "c"))
    errors = arms.counts[Metric.ERRORS]
    np.testing.assert_array_equal(errors.first_exposure, [700] * 4)
    np.testing.assert_array_equal(errors.second_exposure, [700] * 4)
    np.testing.assert_allclose(errors.first_events, [7.0] * 4)


def test_what_one_replica_did_not_report_is_left_out_of_its_half() -> None:
    """Its requests too, else its failures would seem to be none."""
    rows = [
        PastRow("a", 0, requests=100, errors=5),
        PastRow("b", 0, requests=100, errors=None),
        PastRow("c", 0, requests=150, errors=3),
        PastRow("a", 60_000, requests=100, errors=5),
        PastRow("c", 60_000, requests=150, errors=3),
    ]
    arms = arms_of(past_of(rows, "test"))
    assert arms.halves == (("c",), ("a", "b"))
    errors = arms.counts[Metric.ERRORS]
    np.testing.assert_array_equal(errors.second_exposure, [100, 100])
    np.testing.assert_array_equal(errors.second_events, [5, 5])


def test_gauges_are_the_worst_of_each_half() -> None:
    """Equal arms: log ratio 0; a missing minute is no data."""
    found = past({"a": 10, "b": 10})
    found.latency_p99_ms[1, 2] = np.nan
    ratio = arms_of(found).gauges[Metric.LATENCY_P99]
    np.testing.assert_array_equal(ratio, [0, 0, np.nan, 0])


def test_one_resource_stands_in_for_two_by_its_steps() -> None:
    """Even against odd minutes, and said not to be two arms."""
    arms = arms_of(past({"a": 100}, minutes=5))
    assert not arms.is_real
    assert "one resource" in arms.stand_in[0]
    assert len(arms.counts[Metric.ERRORS].first_events) == 2
    # minutes 0 and 2 (50, 52 ms) against 1 and 3 (51, 53 ms)
    np.testing.assert_allclose(arms.gauges[Metric.LATENCY_P99], [np.log(50 / 51), np.log(52 / 53)])


def test_other_steps_than_a_minute_are_not_a_rollouts() -> None:
    """Five-minute rows show another noise than one-minute looks have."""
    arms = arms_of(past({"a": 100, "b": 100}, step_s=300))
    assert arms.stand_in == (
        "its past is of 300 s steps, and a rollout is judged by steps of 60 s",
    )


def test_a_replica_that_never_served_still_makes_a_half() -> None:
    """Two resources, one without requests: no half is empty."""
    arms = arms_of(past({"a": 100, "b": 0}))
    assert arms.halves == (("a",), ("b",))
    assert set(arms.counts) == {Metric.ERRORS}


@pytest.mark.parametrize("figure", ["slow", "cpu_share"])
def test_what_was_not_measured_is_not_there(figure: str) -> None:
    """No figure is made up."""
    found = past({"a": 100, "b": 100})
    assert not found.measured(figure)
    assert Metric.SLOW not in arms_of(found).counts
