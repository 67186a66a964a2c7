"""What the back-test asks of every sizing rule: limits from the past, and its own hysteresis.

A rule answers with continuous limits; the back-test turns them into sizes that can be bought. A
dimension a rule says nothing about is ``NoData``: the current size stays, and the report says so.
Only a hindsight rule sees the period it is scored on, through a method of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rightsizing.backtest.series import DemandSeries
from rightsizing.model.base import NoData


@dataclass(frozen=True, slots=True)
class Limits:
    """Cores and bytes one workload may use; ``NoData`` where the rule abstains."""

    cpu_cores: float | NoData
    memory_bytes: float | NoData


class Rule(Protocol):
    """A sizing rule that can be replayed."""

    @property
    def name(self) -> str:
        """Stable kebab-case name, as printed and as chosen on the command line."""

    @property
    def description(self) -> str:
        """One line: what the rule computes."""

    @property
    def source(self) -> str:
        """Where the rule is published."""

    @property
    def review_days(self) -> int:
        """How often it is refitted: 7 unless the peer acts more often."""

    def propose(self, past: Sequence[DemandSeries]) -> tuple[Limits, ...]:
        """What the rule says from the past alone, workload by workload."""

    def accept(self, current: Limits, proposed: Limits) -> Limits:
        """What is in force after the rule's own hysteresis."""


@runtime_checkable
class HindsightRule(Protocol):
    """A rule that is shown the scored period itself: a bound on what any rule can reach."""

    @property
    def name(self) -> str:
        """Stable kebab-case name."""

    @property
    def description(self) -> str:
        """One line: what the rule computes."""

    @property
    def source(self) -> str:
        """Where the rule is published."""

    def propose_for(self, period: Sequence[DemandSeries]) -> tuple[Limits, ...]:
        """Limits for the very period given, workload by workload."""


def proposed_or_kept(current: Limits, proposed: Limits) -> Limits:
    """The proposal, and the current limit of each dimension on which the rule abstains."""
    return Limits(
        cpu_cores=_kept_if_absent(current.cpu_cores, proposed.cpu_cores),
        memory_bytes=_kept_if_absent(current.memory_bytes, proposed.memory_bytes),
    )


def _kept_if_absent(current: float | NoData, proposed: float | NoData) -> float | NoData:
    return current if isinstance(proposed, NoData) else proposed
