"""CPU and memory between Pulumi's units and Docker's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.embedded.docker.limits import bytes_of, cpus_text, mib_of, nano_cpus
from rightsizing.errors import EmbeddedError


@pytest.mark.parametrize(
    ("text", "nano"),
    [("1.75", 1_750_000_000), ("0.01", 10_000_000), ("16", 16_000_000_000), ("0", 0)],
)
def test_cpus(text: str, nano: int) -> None:
    """Exact decimal figures, both ways."""
    assert nano_cpus(text) == nano
    assert cpus_text(nano) == text


@given(st.integers(0, 10**13))
def test_cpus_round_trip(nano: int) -> None:
    """Every whole number of billionths survives its text."""
    assert nano_cpus(cpus_text(nano)) == nano


@given(st.integers(-1, 10**7))
def test_memory_round_trip(mib: int) -> None:
    """Whole MiB survive; -1 (unlimited swap) and 0 (no limit) keep their meaning."""
    assert mib_of(bytes_of(mib)) == mib


@pytest.mark.parametrize("text", ["half", "-1", "0.0000000001", ""])
def test_bad_cpus(text: str) -> None:
    """Not a number, negative, finer than a billionth, empty."""
    with pytest.raises(EmbeddedError, match="cpus"):
        nano_cpus(text)
