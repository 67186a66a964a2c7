"""All peers by name, in the order reports print them."""

from __future__ import annotations

from rightsizing.backtest.peers import (
    autopilot,
    autopilotensemble,
    azure,
    compute_optimizer,
    krr,
    oracle,
    static,
    vpa,
)
from rightsizing.backtest.rule import HindsightRule, Rule


def peers() -> tuple[Rule, ...]:
    """Every baseline that decides from the past, each with its published parameters."""
    return (
        *compute_optimizer.PRESETS,
        compute_optimizer.DEFAULT_32_DAYS,
        compute_optimizer.DEFAULT_93_DAYS,
        azure.USER_FACING,
        azure.NOT_USER_FACING,
        vpa.VPA,
        krr.SIMPLE,
        krr.SIMPLE_LIMIT,
        autopilot.WINDOW,
        autopilotensemble.EXAMPLE,
        autopilotensemble.CAUTIOUS,
        static.P95_PLUS_20,
        static.MAXIMUM_14_DAYS,
        static.MAXIMUM_14_DAYS_PLUS_5,
        static.PEAK_SO_FAR,
        static.FADING_MAXIMA,
        static.FADING_MAXIMA_PLUS_10,
    )


def oracles() -> tuple[HindsightRule, ...]:
    """The rules that see the scored period: the unit of cost, and the clairvoyant maximum."""
    return (oracle.ORACLE, oracle.CLAIRVOYANT_MAXIMUM)
