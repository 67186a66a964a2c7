"""Speeds of a vCPU by family: the published medians, the shrinkage, the user's own figures."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.catalog.catalog import Catalog
from rightsizing.catalog.performance import (
    BUNDLED_PERFORMANCE,
    Performance,
    PerformanceFile,
    bundled_performance,
    read_performance,
)
from rightsizing.errors import CatalogError
from rightsizing.model.base import NoData

# CoreMark a vCPU over m5's, to two decimals, as tabulated from the same public runs.
PUBLISHED = {
    "m5a": 0.90, "t3": 0.98, "t4g": 1.35, "c5": 1.15, "r5": 0.99, "m6i": 1.17, "c6i": 1.20,
    "m6a": 1.42, "m6g": 1.34, "c6g": 1.38, "m7i": 1.52, "m7i-flex": 1.44, "c7i": 1.59, "m7g": 1.78,
    "c7g": 1.75, "m7a": 2.23, "c7a": 2.23, "m8i": 1.61, "c8i": 1.64, "m8g": 2.10, "c8g": 2.10,
    "m8a": 3.04, "c8a": 2.94, "m9g": 2.53,
}  # fmt: skip
FAMILIES = st.sampled_from([*sorted(PUBLISHED), "m5"])


def document(**figures: float) -> PerformanceFile:
    return PerformanceFile(
        source="by hand", as_of=date(2026, 1, 2), iterations_per_s_per_vcpu=figures
    )


@pytest.mark.parametrize("family", sorted(PUBLISHED))
def test_the_bundled_medians_are_the_published_ones(family: str) -> None:
    """m5's median is 14,397 iterations a second and vCPU; the others as tabulated."""
    text = BUNDLED_PERFORMANCE.read_text(encoding="utf-8")
    figures = PerformanceFile.model_validate_json(text).iterations_per_s_per_vcpu
    assert figures["m5"] == pytest.approx(14_397, abs=1)
    assert round(figures[family] / figures["m5"], 2) == PUBLISHED[family]


def test_ratios_are_shrunk_toward_one() -> None:
    """A family twice as fast counts as 2 ** 0.7 = 1.625; one half as fast as 0.616."""
    found = Performance.of(document(m5=100.0, m9=200.0, m1=50.0))
    assert found.ratio("m5", "m9") == pytest.approx(1.6245, abs=1e-4)
    assert found.ratio("m5", "m1") == pytest.approx(0.6156, abs=1e-4)


@given(FAMILIES, FAMILIES, FAMILIES)
def test_translations_compose(first: str, second: str, third: str) -> None:
    """There and back is 1, and a detour changes nothing: no gain from moving in circles."""
    found = bundled_performance()
    direct = found.ratio(first, third)
    assert found.ratio(first, second) * found.ratio(second, third) == pytest.approx(direct)
    assert found.ratio(first, second) * found.ratio(second, first) == pytest.approx(1)


@given(FAMILIES, FAMILIES)
def test_shrinkage_never_passes_one(first: str, second: str) -> None:
    """The faster family stays the faster one, by less than measured."""
    measured = PUBLISHED.get(second, 1.0) / PUBLISHED.get(first, 1.0)
    ratio = bundled_performance().ratio(first, second)
    low, high = sorted((measured, 1.0))
    assert low * 0.98 <= ratio <= high * 1.02  # the table has two decimals


def test_own_figures_are_taken_as_they_are() -> None:
    """A user's own 1.3 is neither shrunk nor mixed with the median."""
    found = bundled_performance().overridden({"m7g": 1.3})
    assert found.ratio("m5", "m7g") == pytest.approx(1.3)
    assert bundled_performance().ratio("m5", "m7g") != pytest.approx(1.3)


def test_an_unknown_family_is_never_faster() -> None:
    """r9g has no figure: one to one against the fastest and the slowest, with a reason."""
    found = bundled_performance()
    assert found.ratio("m5", "r9g") == found.ratio("r9g", "m5") == found.ratio("m8a", "r9g") == 1
    reason = found.unknown("m5", "r9g")
    assert reason is not None
    assert "r9g" in reason.reason
    assert found.unknown("r9g", "r9g") is None
    assert found.unknown("m5", "m7g") is None
    assert isinstance(found.speed("r9g"), NoData)


def test_every_source_is_dated() -> None:
    """The description names the project, its commit and the day."""
    description = Catalog.load().performance.description
    assert "vantage-sh/ec2instances.info" in description
    assert "4ef36cd" in description
    assert "2026-07-20" in description


@pytest.mark.parametrize("figures", [{"m6g": 2.0}, {"m5": 0.0}, {"m5": 1.0, "m6g": -1.0}])
def test_figures_that_cannot_be_compared_are_refused(figures: dict[str, float]) -> None:
    """No reference family, or a speed that is not positive."""
    with pytest.raises(CatalogError, match="must be positive and name m5"):
        Performance.of(document(**figures))


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    """The message names the file and the place."""
    path = tmp_path / "performance.json"
    with pytest.raises(CatalogError, match="cannot be read"):
        read_performance(path)
    path.write_text('{"source": "x"}', encoding="utf-8")
    with pytest.raises(CatalogError, match="damaged at as_of"):
        read_performance(path)
