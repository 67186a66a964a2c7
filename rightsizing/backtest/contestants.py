"""Which rules take part in a back-test: ours at several risks, peers by name, and hindsight."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase

from rightsizing.backtest.ec2types import TypeTable
from rightsizing.backtest.ours import Readings, RiskRule
from rightsizing.backtest.ourtypes import TypeRule
from rightsizing.backtest.peers.registry import oracles, peers
from rightsizing.backtest.rule import Rule
from rightsizing.backtest.study import Contestants
from rightsizing.decide.risk import Risk
from rightsizing.errors import ConfigError

# Shares of time that span what the peers come to: from safer than the peak so far to riskier than
# any peer, in idle workloads too. Where the peers are, neighbours differ by a factor of two at
# most, so that interpolation is short.
FRONTIER_PERCENTAGES = (
    0.001,
    0.003,
    0.01,
    0.03,
    0.06,
    0.1,
    0.2,
    0.35,
    0.6,
    1.0,
    2.0,
    3.5,
    6.0,
    10.0,
    17.0,
    30.0,
    50.0,
    70.0,
    85.0,
    90.0,
)


def contestants(
    rules: Sequence[str] = (), risks: Sequence[str] = (), *, types: TypeTable | None = None
) -> Contestants:
    """The rules of a back-test.

    Args:
        rules: names of peers, or patterns such as ``krr-*``; all by default.
        risks: presets or percentages of time for ours; the frontier's by default.
        types: what ours chooses from; None: continuous limits.

    Raises:
        ConfigError: no peer has such a name, or a risk is out of its bounds.
    """
    return Contestants(ours=ours(risks, types=types), peers=_named(rules), oracles=oracles())


def ours(risks: Sequence[str] = (), *, types: TypeTable | None = None) -> tuple[Rule, ...]:
    """Our rule at these risks, which share what they have read of the past.

    Of limits, or of ``types``.
    """
    wanted = risks or [f"{percentage:g}" for percentage in FRONTIER_PERCENTAGES]
    readings = Readings()
    found: dict[str, Rule] = {}
    for text in wanted:
        label, risk = text if text.isalpha() or "-" in text else "", Risk.parse(text)
        rule: Rule = (
            RiskRule(risk, label=label, readings=readings)
            if types is None
            else TypeRule(risk, types, label=label, readings=readings)
        )
        found[rule.name] = rule
    return tuple(found.values())


def _named(patterns: Sequence[str]) -> tuple[Rule, ...]:
    known = peers()
    if not patterns:
        return known
    names = [rule.name for rule in known]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            near = difflib.get_close_matches(pattern, names, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"
            raise ConfigError(f"no rule is called {pattern!r}; {hint}")
    return tuple(
        rule for rule in known if any(fnmatchcase(rule.name, pattern) for pattern in patterns)
    )
