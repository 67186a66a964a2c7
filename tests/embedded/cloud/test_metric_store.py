"""The metric store against NumPy's and hand-made answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.embedded.cloud.metricstore import MetricStore, SeriesKey, Window

KEY = SeriesKey("us-east-1", "AWS/EC2", "CPUUtilization", (("InstanceId", "i-1"),))
HOUR = Window(0, 3600, 300)


def _point(at: float, *values: float) -> list[float]:
    return [at, len(values), sum(values), min(values), max(values)]


@pytest.fixture
def store(tmp_path: Path) -> MetricStore:
    """An empty store."""
    return MetricStore(tmp_path / "metrics.jsonl")


def test_statistics_of_two_points_in_one_period(store: MetricStore) -> None:
    """(1, 2, 3) and (10): mean 16/4 = 4, sum 16, minimum 1, maximum 10, count 4."""
    store.put([(KEY, "", _point(0, 1, 2, 3)), (KEY, "", _point(299, 10))])
    expected = {"Average": 4.0, "Sum": 16.0, "Minimum": 1.0, "Maximum": 10.0, "SampleCount": 4.0}
    found = {name: store.statistic(KEY, name, HOUR) for name in expected}
    assert {name: result.values for name, result in found.items()} == {
        name: (value,) for name, value in expected.items()
    }
    assert found["Average"].period_starts_s == (0,)


def test_empty_periods_are_left_out(store: MetricStore) -> None:
    """Points in the first and the fourth five minutes only."""
    store.put([(KEY, "", _point(900, 7)), (KEY, "", _point(0, 5))])
    result = store.statistic(KEY, "Average", HOUR)
    assert (result.period_starts_s, result.values) == ((0, 900), (5.0, 7.0))


def test_the_end_is_exclusive(store: MetricStore) -> None:
    """A point at the end belongs to the next window."""
    store.put([(KEY, "", _point(3600, 5))])
    assert store.statistic(KEY, "Average", HOUR).values == ()


def test_percentile_needs_single_values(store: MetricStore) -> None:
    """A statistic set hides its values, so its period has no p99."""
    store.put([(KEY, "", _point(0, 1)), (KEY, "", _point(300, 1, 9))])
    result = store.statistic(KEY, "p99", HOUR)
    assert (result.period_starts_s, result.values) == ((0,), (1.0,))


def test_unknown_statistic(store: MetricStore) -> None:
    """Trimmed means are not served, and say so."""
    with pytest.raises(ValueError, match="tm90"):
        store.statistic(KEY, "tm90", HOUR)


def test_units_apart_and_together(store: MetricStore) -> None:
    """With a unit only its points count; without one all do."""
    store.put([(KEY, "Percent", _point(0, 2)), (KEY, "Count", _point(0, 4))])
    assert store.statistic(KEY, "Average", HOUR, "Percent").values == (2.0,)
    assert store.statistic(KEY, "Average", HOUR).values == (3.0,)


def test_restored_from_its_file(tmp_path: Path, store: MetricStore) -> None:
    """Another store over the same file answers the same; a cut-off last line is ignored."""
    store.put([(KEY, "", _point(0, 5))])
    path = tmp_path / "metrics.jsonl"
    with path.open("a") as file:
        file.write('{"series":["us-east-1","AWS')
    assert MetricStore(path).statistic(KEY, "Average", HOUR).values == (5.0,)


def test_a_whole_series_loaded_twice_is_loaded_once(tmp_path: Path, store: MetricStore) -> None:
    """Sums do not double, neither in memory nor in the file."""
    for _ in range(2):
        store.replace(KEY, "", [_point(0, 5)])
    again = MetricStore(tmp_path / "metrics.jsonl")
    assert [item.statistic(KEY, "Sum", HOUR).values for item in (store, again)] == [(5.0,)] * 2


POINTS = st.lists(st.tuples(st.integers(0, 3599), st.floats(-1e6, 1e6)), min_size=1, max_size=40)


@given(points=POINTS)
def test_bins_equal_a_plain_loop(
    tmp_path_factory: pytest.TempPathFactory, points: list[tuple[int, float]]
) -> None:
    """Any order of points, compared with grouping them one by one."""
    store = MetricStore(tmp_path_factory.mktemp("bins") / "metrics.jsonl")
    store.put((KEY, "", _point(at, value)) for at, value in points)
    groups: dict[int, list[float]] = {}
    for at, value in points:
        groups.setdefault(at // 300 * 300, []).append(value)
    for name, function in (("Average", np.mean), ("Maximum", np.max), ("Minimum", np.min)):
        result = store.statistic(KEY, name, HOUR)
        assert result.period_starts_s == tuple(sorted(groups))
        expected = [function(groups[start]) for start in sorted(groups)]
        np.testing.assert_allclose(result.values, expected, rtol=1e-9, atol=1e-6)


@given(points=POINTS, percent=st.sampled_from([50, 90, 99, 99.9, 100]))
def test_percentile_is_the_nearest_rank(
    tmp_path_factory: pytest.TempPathFactory, points: list[tuple[int, float]], percent: float
) -> None:
    """The smallest value that at least p % of the values do not exceed."""
    store = MetricStore(tmp_path_factory.mktemp("ranks") / "metrics.jsonl")
    store.put((KEY, "", _point(0, value)) for _, value in points)
    values = np.array([value for _, value in points])
    expected = np.percentile(values, percent, method="inverted_cdf")
    assert store.statistic(KEY, f"p{percent:g}", HOUR).values == (expected,)
