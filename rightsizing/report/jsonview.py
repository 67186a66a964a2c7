"""Reports as JSON for programs: field names as keys, nothing rounded away, nothing made up.

    Decimal     string, at most six decimals ("121.118834"), so that no reader turns it into a float
    NoData      {"no_data": reason}          Never   {"never": reason}
    datetime    ISO 8601, UTC                enum    its value

Properties that people read (a release's id, whether an audit is rejected) are added by name.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from rightsizing.model.base import NoData
from rightsizing.model.facts import FactsReport
from rightsizing.model.recommendation import Recommendation
from rightsizing.model.release import Release
from rightsizing.model.update import Json, OperationResult, Step
from rightsizing.plan.audit import AuditReport
from rightsizing.plan.build import Plan
from rightsizing.plan.check import Checklist
from rightsizing.plan.figures import number
from rightsizing.plan.finance import Never
from rightsizing.plan.finding import AuditFinding
from rightsizing.report.money import MoneyLine, PreviewMoney
from rightsizing.report.stackpage import HistoryRow, RollbackSummary, StackStatus

if TYPE_CHECKING:
    from rightsizing.decide.holdout import HoldoutReport

MONEY_PLACES = 6  # a millionth of a dollar: finer than any list price


def json_text(value: object) -> str:
    """Indented JSON of any report value, ending with a line break."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n"


def plain(value: object) -> Json:
    """A report value as what ``json`` can write. Raises TypeError for a type no report holds."""
    for kind, convert in _CONVERSIONS:
        if isinstance(value, kind):
            return convert(value)
    if dataclasses.is_dataclass(value):
        return _dataclass(value)
    raise TypeError(f"a report cannot hold {type(value).__name__}")


def audit(report: AuditReport) -> Json:
    """Findings with their figures, safe plan, and whether the plan is rejected."""
    return {**_fields(report), "rejected": report.rejected}


def plan(found: Plan) -> Json:
    """The release with its id, and every phase."""
    return _fields(found)


def recommendations(items: Sequence[Recommendation]) -> Json:
    """All recommendations, each with its saving."""
    return {"recommendations": [plain(item) for item in items]}


def checklist(found: Checklist) -> Json:
    """Every check, and the overall status."""
    return {**_fields(found), "status": found.status.value}


def preview(result: OperationResult, amounts: PreviewMoney) -> Json:
    """Changing steps, each with its money line, and the totals a month."""
    steps = []
    for step in result.changes:
        line = amounts.line_of(step)
        steps.append({**plain(step), "money": None if line is None else plain(line)})
    return {
        "status": result.status.value,
        "steps": steps,
        "money": [plain(line) for line in amounts.lines],
        "usd_per_month": {
            "before": _sum(amounts.before),
            "after": _sum(amounts.after),
            "difference": _sum(amounts.difference),
        },
        "diagnostics": list(result.diagnostics),
        "pending_operations": result.pending_operations,
    }


def facts(report: FactsReport | NoData) -> Json:
    """Live facts, differences, and whether all match."""
    return plain(report)


def holdout(report: HoldoutReport) -> Json:
    """Every workload sized without its last days, and what those days say."""
    return {
        "holdout_days": report.holdout_days,
        "counts": {decision.value: count for decision, count in report.counts.items()},
        "results": [
            {
                **_fields(item),
                "cpu_above_ratio": plain(item.cpu_above_ratio),
                "cpu_breach": item.cpu_breach,
                "memory_breach": item.memory_breach,
            }
            for item in report.results
        ],
        "unsized": plain(report.unsized),
    }


def history(rows: Sequence[HistoryRow]) -> Json:
    """Updates of a stack."""
    return {"history": [plain(item) for item in rows]}


def status(found: StackStatus) -> Json:
    """Where a stack stands."""
    return _fields(found)


def rollback(summary: RollbackSummary) -> Json:
    """How a rollback ended."""
    return _fields(summary)


def _sum(known: tuple[Decimal, int]) -> Json:
    amount, unknown = known
    return {"known": plain(amount), "unknown_lines": unknown}


def _fields(value: Any) -> dict[str, Json]:
    return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}


def _dataclass(value: Any) -> Json:
    found = _fields(value)
    if isinstance(value, Recommendation):
        found["saving_usd_per_month"] = plain(value.saving_usd_per_month)
    elif isinstance(value, MoneyLine):
        found["difference_usd_per_month"] = plain(value.difference)
    elif isinstance(value, AuditFinding):
        found["figures"] = {name: plain(figure) for name, figure in value.figures}
    elif isinstance(value, Step):
        found["name"] = value.name
    elif isinstance(value, FactsReport):
        found["matches"] = value.matches
    return found


def _model(value: BaseModel) -> Json:
    found = {name: plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Release):
        found["id"] = value.id
    return found


def _decimal(value: Decimal) -> Json:
    return number(value, MONEY_PLACES).replace(",", "")


def _time(value: datetime) -> Json:
    return value.astimezone(UTC).isoformat()


def _mapping(value: Mapping[Any, Any]) -> Json:
    return {_key(key): plain(item) for key, item in value.items()}


def _key(key: object) -> str:
    return str(key.value) if isinstance(key, Enum) else str(key)


# Looked through in order: an enum may be a string too, and a datetime is a date.
_CONVERSIONS: tuple[tuple[type | tuple[type, ...], Any], ...] = (
    (NoData, lambda value: {"no_data": value.reason}),
    (Never, lambda value: {"never": value.reason}),
    (Enum, lambda value: value.value),
    ((str, bool, int, float, type(None)), lambda value: value),
    (Decimal, _decimal),
    (datetime, _time),
    (date, lambda value: value.isoformat()),
    (BaseModel, _model),
    (Mapping, _mapping),
    ((list, tuple), lambda value: [plain(item) for item in value]),
    ((set, frozenset), lambda value: sorted(plain(item) for item in value)),
)
