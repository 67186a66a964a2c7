"""Which excuses are told."""

from __future__ import annotations

from decimal import Decimal

from rightsizing.decide.excuses import NAMED_PER_REASON, Rejected, tell_excuses
from rightsizing.model.recommendation import Excuse, ExcuseCode


def rejected(name: str, code: ExcuseCode, usd: str | None) -> Rejected:
    return Rejected(Excuse(name, code, "because"), None if usd is None else Decimal(usd))


def test_clearly_dearer_candidates_are_not_mentioned() -> None:
    """A tenth above the choice at 1.00 is still told, more is not; an unknown price is."""
    told = tell_excuses(
        [
            rejected("near", ExcuseCode.COSTS_MORE, "1.10"),
            rejected("far", ExcuseCode.COSTS_MORE, "1.11"),
            rejected("unknown", ExcuseCode.PRICE_UNKNOWN, None),
        ],
        Decimal(1),
    )
    assert [excuse.candidate for excuse in told] == ["near", "unknown"]


def test_long_lists_end_in_counts_by_reason() -> None:
    """Three a reason, nearest in cost to the choice first; the rest are counted."""
    candidates = [
        rejected(f"small{index:02}", ExcuseCode.CPU_TOO_SMALL, f"0.{50 - index:02}")
        for index in range(12)
    ] + [rejected(f"arm{index}", ExcuseCode.WRONG_ARCHITECTURE, "0.01") for index in range(3)]
    told = tell_excuses(candidates, Decimal(1))
    assert [excuse.candidate for excuse in told] == [
        *(f"small0{index}" for index in range(NAMED_PER_REASON)),
        "9 more",
        "arm0",
        "arm1",
        "arm2",
    ]


def test_every_candidate_is_told_on_request() -> None:
    """Also the clearly dearer ones, nearest to the choice at 1.00 first, and no count."""
    prices = ["0.50", "0.90", "3.00", "1.05", "0.80"]
    candidates = [rejected(usd, ExcuseCode.COSTS_MORE, usd) for usd in prices]
    told = tell_excuses(candidates, Decimal(1), every=True)
    assert [excuse.candidate for excuse in told] == ["1.05", "0.90", "0.80", "0.50", "3.00"]
