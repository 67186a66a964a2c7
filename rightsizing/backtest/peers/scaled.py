"""A rule whose limits are multiplied, so that rules can be compared at the same exceedance.

The rule itself does not notice: its hysteresis sees the current limits divided by the factors, and
a limit it keeps stays bit for bit what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rightsizing.backtest.rule import Limits, Rule
from rightsizing.backtest.series import DemandSeries
from rightsizing.model.base import NoData


@dataclass(frozen=True, slots=True)
class ScaledLimits(Limits):
    """Scaled limits, with what the rule said before they were."""

    unscaled: Limits


@dataclass(frozen=True, slots=True)
class ScaledRule:
    """``rule`` with CPU and memory limits multiplied by positive factors."""

    rule: Rule
    cpu_factor: float
    memory_factor: float = 1.0

    def __post_init__(self) -> None:
        """Refuse factors that are not above zero."""
        if not (self.cpu_factor > 0 and self.memory_factor > 0):
            raise ValueError(f"factors {self.cpu_factor}, {self.memory_factor}: not above zero")

    @property
    def name(self) -> str:
        """The rule's name with the factors, such as ``vpa-x1.3`` or ``vpa-x1.3-memory-x1.1``."""
        memory = "" if self.memory_factor == 1 else f"-memory-x{self.memory_factor:g}"
        return f"{self.rule.name}-x{self.cpu_factor:g}{memory}"

    @property
    def description(self) -> str:
        """The rule's description with the factors."""
        return (
            f"{self.rule.description}; CPU x {self.cpu_factor:g}, memory x {self.memory_factor:g}"
        )

    @property
    def source(self) -> str:
        """The rule's source."""
        return self.rule.source

    @property
    def review_days(self) -> int:
        """The rule's."""
        return self.rule.review_days

    def propose(self, past: Sequence[DemandSeries]) -> tuple[ScaledLimits, ...]:
        """The rule's proposals, multiplied."""
        return tuple(
            ScaledLimits(
                cpu_cores=_times(said.cpu_cores, self.cpu_factor),
                memory_bytes=_times(said.memory_bytes, self.memory_factor),
                unscaled=said,
            )
            for said in self.rule.propose(past)
        )

    def accept(self, current: Limits, proposed: Limits) -> Limits:
        """The rule's own hysteresis, on limits divided by the factors."""
        before = Limits(
            cpu_cores=_times(current.cpu_cores, 1 / self.cpu_factor),
            memory_bytes=_times(current.memory_bytes, 1 / self.memory_factor),
        )
        said = proposed.unscaled if isinstance(proposed, ScaledLimits) else proposed
        after = self.rule.accept(before, said)
        return Limits(
            cpu_cores=current.cpu_cores
            if after.cpu_cores == before.cpu_cores
            else _times(after.cpu_cores, self.cpu_factor),
            memory_bytes=current.memory_bytes
            if after.memory_bytes == before.memory_bytes
            else _times(after.memory_bytes, self.memory_factor),
        )


def scaled(rule: Rule, factor: float, memory_factor: float = 1.0) -> ScaledRule:
    """``rule`` with CPU limits times ``factor`` and memory limits times ``memory_factor``."""
    return ScaledRule(rule, factor, memory_factor)


def _times(value: float | NoData, factor: float) -> float | NoData:
    return value if isinstance(value, NoData) else value * factor
