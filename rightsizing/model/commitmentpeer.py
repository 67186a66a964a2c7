"""What AWS itself recommends to commit, in its own figures."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from rightsizing.model.commitment import PlanKind


@dataclass(frozen=True, slots=True)
class PeerCommitment:
    """One savings plan of Cost Explorer's recommendation."""

    kind: PlanKind
    region: str | None
    family: str | None
    usd_per_hour: Decimal
    saving_usd_per_month: Decimal
    utilisation: Decimal  # 0-1, as estimated by AWS


@dataclass(frozen=True, slots=True)
class PeerCommitments:
    """All of them, and a sentence for what could not be read."""

    lookback_days: int
    found: tuple[PeerCommitment, ...]
    failures: tuple[str, ...] = ()
