"""What ``rightsize money`` reads: steps of a plan, days a change was made, dates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rightsizing.errors import ConfigError
from rightsizing.measure.chargefile import read_charges
from rightsizing.model.base import FrozenModel
from rightsizing.model.stackconfig import parse_model
from rightsizing.plan.matchedcontrol import Array
from rightsizing.plan.savings import Become, Claim, Effect, Keep, Replace, Step, StepKind

_EFFECTS = ("keep_ratio", "becomes_usd", "replaces_usd", "saves_usd")


class StepRecord(FrozenModel):
    """One step of a steps file. Exactly one of the four effects, ``by_usd`` with the third."""

    kind: StepKind
    workload: str
    title: str
    phase: int = Field(default=0, ge=0, le=9)
    keep_ratio: Decimal | None = None
    becomes_usd: Decimal | None = None
    replaces_usd: Decimal | None = None
    by_usd: Decimal | None = None
    saves_usd: Decimal | None = None

    @model_validator(mode="after")
    def _one_effect(self) -> Self:
        given = [name for name in _EFFECTS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(_EFFECTS)}, found {len(given)}")
        if (self.by_usd is None) is (self.replaces_usd is not None):
            raise ValueError("replaces_usd and by_usd are given together")
        return self

    def step(self) -> Step:
        """As the core takes it."""
        return Step(self.kind, self.workload, self.title, self._effect(), self.phase)

    def _effect(self) -> Effect:
        if self.keep_ratio is not None:
            return Keep(self.keep_ratio)
        if self.becomes_usd is not None:
            return Become(self.becomes_usd)
        if self.replaces_usd is not None and self.by_usd is not None:
            return Replace(self.replaces_usd, self.by_usd)
        assert self.saves_usd is not None
        return Claim(self.saves_usd)


class StepFile(FrozenModel):
    """The whole document; costs are what carrying out each phase costs, by its number."""

    steps: tuple[StepRecord, ...]
    implementation_cost_usd: dict[int, Decimal] = Field(default_factory=dict)


def read_steps(path: Path) -> StepFile:
    """Read a steps file, YAML or JSON. Raises ConfigError naming file, field and value."""
    yaml = YAML(typ="safe", pure=True)
    try:
        value: Any = yaml.load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    except YAMLError as error:
        raise ConfigError(
            f"{path} is not readable as YAML: {' '.join(str(error).split())[:200]}"
        ) from None
    try:
        return parse_model(StepFile, _exact(value), path.name)
    except RecursionError:
        raise ConfigError(f"{path} contains itself through an alias; write it out") from None


def _exact(value: Any) -> Any:
    """Fractions as the text YAML printed them from, so that 0.1 is a tenth."""
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    return str(value) if isinstance(value, float) else value


def day_of(text: str, option: str) -> date:
    """A day, or the first of a month. Raises ConfigError naming the option."""
    try:
        return date.fromisoformat(f"{text}-01" if len(text) == len("2026-11") else text)
    except ValueError:
        raise ConfigError(
            f"{option} {text[:40]!r} is no date; write it as 2026-11-23 or 2026-11"
        ) from None


def applied_of(pairs: Sequence[str]) -> dict[str, date]:
    """``WORKLOAD=DATE`` pairs. Raises ConfigError for anything else."""
    found = {}
    for pair in pairs:
        name, separator, day = pair.rpartition("=")
        if not separator or not name:
            raise ConfigError(f"--applied {pair[:60]!r} must be WORKLOAD=DATE")
        found[name] = day_of(day, "--applied")
    return found


def units_of(value: float | None) -> Decimal | None:
    """A setting as an exact number."""
    try:
        return None if value is None else Decimal(str(value))
    except InvalidOperation:
        return None


def daily_costs(path: Path, tag: str) -> tuple[date, dict[str, Array]]:
    """Effective dollars a day by workload, and the first day. A day without charges is NaN."""
    charges = read_charges(path, tag, by_day=True).charges
    first, last = min(item.start for item in charges), max(item.start for item in charges)
    days = (last - first).days + 1
    sums: dict[str, dict[int, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for item in charges:
        sums[item.name][(item.start - first).days] += item.effective_usd
    found = {}
    for name, by_day in sums.items():
        series = np.full(days, np.nan)
        for day, cost in by_day.items():
            series[day] = float(cost)
        found[name] = series
    return first, found
