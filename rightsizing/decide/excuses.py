"""Which rejected candidates are worth telling: cheaper or comparable ones, a few a reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from rightsizing.model.recommendation import Excuse, ExcuseCode

NAMED_PER_REASON = 3
COMPARABLE_RATIO = Decimal("1.10")  # up to a tenth dearer than the choice


@dataclass(frozen=True, slots=True)
class Rejected:
    """A candidate, its cost (None: unknown) and why it was not chosen."""

    excuse: Excuse
    cost: Decimal | None


def tell_excuses(
    rejected: Sequence[Rejected], chosen_cost: Decimal | None, *, every: bool = False
) -> tuple[Excuse, ...]:
    """For each reason the rejected candidates nearest in cost to the choice, then a count.

    Candidates that cost clearly more than the choice are left out; people do not ask about them.
    With ``every`` all candidates are told.
    """
    limit = None if chosen_cost is None or every else chosen_cost * COMPARABLE_RATIO
    by_reason: dict[ExcuseCode, list[Rejected]] = defaultdict(list)
    for item in rejected:
        if item.cost is None or limit is None or item.cost <= limit:
            by_reason[item.excuse.code].append(item)
    told: list[Excuse] = []
    for code in sorted(by_reason, key=_RANK.__getitem__):
        nearest = sorted(
            by_reason[code],
            key=lambda item: (_distance(item.cost, chosen_cost), item.excuse.candidate),
        )
        named = len(nearest) if every else NAMED_PER_REASON
        told += [item.excuse for item in nearest[:named]]
        others = len(nearest) - named
        if others > 0:
            told.append(Excuse(f"{others} more", code, "for the same reason"))
    return tuple(told)


def _distance(cost: Decimal | None, chosen_cost: Decimal | None) -> tuple[bool, Decimal]:
    """Unknown costs come last; without a choice's cost the dearest come first."""
    if cost is None:
        return True, Decimal(0)
    return False, -cost if chosen_cost is None else abs(cost - chosen_cost)


# A candidate that only missed on size surprises; one of the wrong architecture does not.
_RANK = {
    code: rank
    for rank, code in enumerate(
        (
            ExcuseCode.MEMORY_TOO_SMALL,
            ExcuseCode.CPU_TOO_SMALL,
            ExcuseCode.LATENCY,
            ExcuseCode.NETWORK_TOO_SMALL,
            ExcuseCode.EBS_TOO_SMALL,
            ExcuseCode.BURST_CREDITS,
            ExcuseCode.COSTS_MORE,
            ExcuseCode.OUT_OF_BOUNDS,
            ExcuseCode.PRICE_UNKNOWN,
            ExcuseCode.NOT_OFFERED,
            ExcuseCode.WRONG_ARCHITECTURE,
            ExcuseCode.NOT_GENERAL_PURPOSE,
            ExcuseCode.OLD_GENERATION,
        )
    )
}
