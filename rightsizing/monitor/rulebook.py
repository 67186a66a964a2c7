"""Which rules hold for which workload: the common ones, and each workload's own objectives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rightsizing.model.alerting import AlertRule, default_rules
from rightsizing.model.workload import Workload

COMMON = ""  # the key of the rules of workloads without their own


def rules_of(workloads: Iterable[Workload]) -> Mapping[str, tuple[AlertRule, ...]]:
    """Rules by workload key; under ``COMMON`` those of every workload that is not named."""
    found = {COMMON: default_rules()}
    for workload in workloads:
        errors = workload.slos.error_max_ratio
        if errors is not None:
            found[workload.key] = default_rules(error_max_ratio=errors)
    return found


def distinct_rules(rules: Mapping[str, Iterable[AlertRule]]) -> tuple[AlertRule, ...]:
    """Every different rule once, for a rule file that holds for all workloads.

    Where workloads have different values under one name, the strictest is kept.
    """
    found: dict[str, AlertRule] = {}
    for listed in rules.values():
        for rule in listed:
            known = found.get(rule.name)
            if known is None or rule.above < known.above:
                found[rule.name] = rule
    return tuple(found.values())
