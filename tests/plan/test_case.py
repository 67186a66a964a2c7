"""Reading a case: digits kept, mistakes named."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rightsizing.errors import ConfigError
from rightsizing.plan.case import Case, load_case


def test_figures_keep_their_digits(case: Case) -> None:
    """$0.080 was printed with three decimals and is compared with three."""
    assert str(case.summary.cost_per_unit_before_usd) == "0.080"
    assert case.phases[0].saving_usd_per_month == Decimal("145.02")


@pytest.mark.parametrize(
    ("was", "now", "message"),
    [
        ("memory_pct: 75", "memory_pct: 140", r"case\.utilisation\.memory_pct.*140"),
        ("memory_pct: 75", "memory_pct: -1", r"memory_pct.*-1"),
        ("cpu_peak_pct: 9", "cpu_peak_pct: 7", "below cpu_mean_pct"),
        ("cpu_mean_pct: 8", "cpu_mean_pct: .nan", "finite number"),
        ("title: An", "titel: An", r"case\.(title|titel)"),
        ("number: 2", "number: 1", "rise and not repeat"),
        ("logical_cores: 16", "logical_cores: many", "logical_cores.*many"),
        ("minimum: 60, maximum: 80", "minimum: 80, maximum: 60", "above maximum"),
    ],
)
def test_a_wrong_value_is_named(honest_text: str, was: str, now: str, message: str) -> None:
    """One sentence with the field and the value."""
    with pytest.raises(ConfigError, match=message):
        load_case(honest_text.replace(was, now, 1))


@pytest.mark.parametrize(
    "text", ["", "- a\n- b", "a: [", "just text", "a: 1\na: 2", "!!python/x y"]
)
def test_what_is_no_case_is_refused(text: str) -> None:
    """Empty, a list, broken YAML, repeated keys, foreign tags."""
    with pytest.raises(ConfigError, match="mine"):
        load_case(text, "mine")


def test_a_huge_file_is_refused() -> None:
    """A review is a page."""
    with pytest.raises(ConfigError, match="limit of 1 MiB"):
        load_case("a: " + "b" * 2**20)
