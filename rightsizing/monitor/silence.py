"""Silences: alerts nobody is told of for a time, for a reason. They are evaluated all the same."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import AwareDatetime, Field

from rightsizing.errors import ConfigError
from rightsizing.model.base import FrozenModel

MOST_RULE, MOST_WORKLOAD, MOST_REASON = 80, 160, 200  # characters
LONGEST_DAYS = 30  # a silence without end hides what it was made for


class Silence(FrozenModel):
    """Whom not to tell about, until when, and why. Patterns are shell-style (``*``, ``?``)."""

    id: int = Field(ge=1)
    rule: str = Field(default="*", min_length=1, max_length=MOST_RULE)
    workload: str = Field(default="*", min_length=1, max_length=MOST_WORKLOAD)
    until: AwareDatetime
    reason: str = Field(min_length=1, max_length=MOST_REASON)

    def covers(self, rule: str, workload: str, now: datetime) -> bool:
        """Whether this alert is silenced at this moment."""
        return (
            now < self.until
            and fnmatch.fnmatchcase(rule, self.rule)
            and fnmatch.fnmatchcase(workload, self.workload)
        )


class Silences(FrozenModel):
    """All of them; ended ones are dropped when another is added."""

    version: int = Field(default=1, ge=1, le=1)
    items: tuple[Silence, ...] = ()

    def cover(self, rule: str, workload: str, now: datetime) -> bool:
        """Whether any silence covers this alert."""
        return any(item.covers(rule, workload, now) for item in self.items)

    def added(
        self, *, rule: str, workload: str, now: datetime, lasting: timedelta, reason: str
    ) -> Silences:
        """With one more.

        Raises:
            ConfigError: it would last no time, or longer than LONGEST_DAYS, or a text is empty or
                too long.
        """
        if not timedelta() < lasting <= timedelta(days=LONGEST_DAYS):
            raise ConfigError(
                f"a silence of {lasting} is not possible; give more than nothing and at most "
                f"{LONGEST_DAYS} days"
            )
        for name, text, most in (
            ("rule", rule, MOST_RULE),
            ("workload", workload, MOST_WORKLOAD),
            ("reason", reason, MOST_REASON),
        ):
            if not 1 <= len(text) <= most:
                raise ConfigError(
                    f"the {name} of a silence has {len(text):,} characters; give 1 to {most}"
                )
        number = max((item.id for item in self.items), default=0) + 1
        made = Silence(id=number, rule=rule, workload=workload, until=now + lasting, reason=reason)
        return Silences(items=(*self._current(now), made))

    def without(self, number: int) -> Silences:
        """With silence ``number`` taken away.

        Raises:
            ConfigError: there is none of that number.
        """
        left = tuple(item for item in self.items if item.id != number)
        if len(left) == len(self.items):
            known = ", ".join(str(item.id) for item in self.items) or "none"
            raise ConfigError(f"there is no silence {number}; known are: {known}")
        return Silences(items=left)

    def _current(self, now: datetime) -> Sequence[Silence]:
        return [item for item in self.items if now < item.until]
