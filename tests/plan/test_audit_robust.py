"""Whatever a case says, the audit answers: a report, or one sentence about what is wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.errors import ConfigError
from rightsizing.model.stackconfig import parse_model
from rightsizing.plan.audit import audit_case
from rightsizing.plan.case import Case, Safety, SummaryClaims
from rightsizing.report import jsonview
from rightsizing.report.auditpage import audit_page
from rightsizing.report.markdown import markdown

Path = tuple[str | int, ...]
EXTREMES = [Decimal(text) for text in ("0", "0.000001", "1", "100", "1000000000", "-1")]


def _numbers(value: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _numbers(item, (*path, index))
    elif isinstance(value, Decimal):
        yield path


def _put(value: Any, path: Path, new: Decimal | None) -> Any:
    if not path:
        return new
    head, *rest = path
    if isinstance(value, dict):
        return {**value, head: _put(value[head], tuple(rest), new)}
    return [_put(v, tuple(rest), new) if i == head else v for i, v in enumerate(value)]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_extreme_figures_never_crash(data, case: Case, honest: Case, catalog) -> None:
    """Up to three figures of a case replaced by 0, tiny, huge, negative or nothing."""
    raw = data.draw(st.sampled_from([case, honest])).model_dump()
    paths = sorted(_numbers(raw), key=str)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(paths))
        raw = _put(raw, path, data.draw(st.sampled_from([*EXTREMES, None])))
    with contextlib.suppress(ConfigError):
        report = audit_case(parse_model(Case, raw, "case"), catalog)
        markdown(audit_page(report))
        jsonview.json_text(jsonview.audit(report))


def test_a_case_that_claims_nothing_has_no_findings_but_its_evidence(case: Case, catalog) -> None:
    """Without phases, summary and criteria only the weak measurements remain."""
    nothing = {"phases": (), "kpis": (), "summary": SummaryClaims(), "safety": Safety()}
    bare = case.model_copy(update=nothing)
    report = audit_case(bare, catalog)
    assert [item.code.value for item in report.findings] == ["weak-evidence"]
    assert report.safe.options == ()
