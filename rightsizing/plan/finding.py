"""What an audit says about one claim: how bad, what comes out instead, and the arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique


@unique
class Severity(StrEnum):
    """How far a claim is from what the case's own figures allow, worst first."""

    REFUSED = "refused"  # the evidence forbids it; applying it would break the workload
    WRONG = "wrong"  # the case's own figures give another number, or contradict each other
    UNPROVEN = "unproven"  # may be true, but nothing in the case shows it
    NOTE = "note"  # right or harmless, but not what it seems to say

    @property
    def rank(self) -> int:
        """0 is worst."""
        return list(Severity).index(self)


@unique
class FindingCode(StrEnum):
    """Stable name of each check, for scripts."""

    MEMORY_LIMIT_BELOW_USE = "memory-limit-below-use"
    MEMORY_CUT_UNMEASURED = "memory-cut-unmeasured"
    MEMORY_CLAIM = "memory-utilisation-claim"
    CPU_LIMIT_BELOW_DEMAND = "cpu-limit-below-demand"
    CPU_CRITERION = "cpu-criterion-unreachable"
    MARGIN_OVER_PEAK = "margin-over-peak"
    OVERPROVISIONED = "overprovisioned-share"
    WRONG_FAMILY = "wrong-instance-family"
    INSTANCE_TOO_SMALL = "instance-below-demand"
    NO_BURST_CREDITS = "family-without-burst-credits"
    NOT_AN_EC2_SHAPE = "host-is-no-ec2-shape"
    CRITERION_ALREADY_BROKEN = "criterion-already-broken"
    ALERT_INSIDE_TARGET = "alert-inside-target"
    BILL_LINES = "bill-lines"
    SAVING_AT_OWN_RATES = "saving-at-own-rates"
    SAVING_AT_LIST_PRICE = "saving-at-list-price"
    SAVING_NOT_REALISED = "saving-not-realised"
    COST_AFTER = "cost-after"
    SAVING_PARTS = "saving-parts"
    SAVINGS_SUM = "savings-sum"
    SAVINGS_ABOVE_BILL = "savings-above-bill"
    SAVING_SHARE = "saving-share"
    ANNUAL_COST = "annual-cost"
    SAVING_PERIOD = "saving-period"
    IMPLEMENTATION_COST = "implementation-cost"
    ROI = "roi"
    NO_PAYBACK = "no-payback"
    COST_PER_UNIT = "cost-per-unit"
    UNITS_OF_WORK = "units-of-work"
    GROWTH_UNPROVEN = "growth-unproven"
    NOT_IN_BILL = "saving-not-in-bill"
    CACHE_REUSE = "cache-reuse-unproven"
    EFFECT = "speed-up"
    WEAK_EVIDENCE = "weak-evidence"
    CONFIDENCE = "confidence-unproven"
    NOTHING_MEASURED = "nothing-measured"
    SINGLETON_CANARY = "singleton-canary"


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One finding. ``figures`` are the computed numbers by name, unrounded, for programs."""

    code: FindingCode
    severity: Severity
    subject: str  # "phase 1", "summary", "measurements"
    claim: str
    computed: str
    arithmetic: tuple[str, ...]
    instead: str
    figures: tuple[tuple[str, Decimal], ...] = ()

    def figure(self, name: str) -> Decimal:
        """A computed number by name; KeyError when this finding has none of that name."""
        return dict(self.figures)[name]
