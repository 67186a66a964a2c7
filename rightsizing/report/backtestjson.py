"""A back-test as JSON: every figure of every rule, comparison and calibration."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rightsizing.backtest.comparison import Comparison
from rightsizing.backtest.study import Study
from rightsizing.model.base import NoData
from rightsizing.model.update import Json
from rightsizing.report.jsonview import plain


def backtest(study: Study, notes: Sequence[str] = ()) -> Json:
    """The study's fields; comparisons say as well whether their bound is within the margin."""
    found = {field.name: plain(getattr(study, field.name)) for field in dataclasses.fields(study)}
    found["comparisons"] = [_comparison(item) for item in study.comparisons]
    found["scaled"] = [
        {
            "name": item.name,
            "factor": plain(item.factor),
            "comparison": plain(item.comparison)
            if isinstance(item.comparison, NoData)
            else _comparison(item.comparison),
        }
        for item in study.scaled
    ]
    found["notes"] = list(notes)
    return found


def _comparison(item: Comparison) -> Json:
    return {**plain(item), "within_margin": item.within_margin}
