"""A chosen policy as what a release carries: a range, a target and scheduled minima in UTC."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from rightsizing.decide.autoscaling.candidates import Candidate, Setting
from rightsizing.decide.autoscaling.choice import Choice
from rightsizing.decide.autoscaling.floors import DAYS_PER_WEEK, SLOTS_PER_DAY, Timetable
from rightsizing.decide.autoscaling.policies import SLOT_MINUTES
from rightsizing.model.base import NoData
from rightsizing.model.scaling import Predictive, ScalingPolicy, ScheduledMinimum

SECONDS_PER_MINUTE = 60


def applied_range(choice: Choice) -> tuple[int, int]:
    """Least and most instances to declare beside the policy."""
    fixed = choice.chosen.candidate.instances
    if fixed is not None:
        return fixed, fixed
    if choice.timetable is None:
        return choice.setting.least, choice.setting.most
    return min(min(row) for row in choice.timetable.least), choice.setting.most


def applied_policy(choice: Choice) -> ScalingPolicy | NoData:
    """The policy for a release; NoData where a fixed number needs none."""
    candidate: Candidate = choice.chosen.candidate
    if candidate.instances is not None:
        return NoData("a fixed number of instances needs no scaling policy")
    setting = choice.setting
    schedule: tuple[ScheduledMinimum, ...] = ()
    if choice.timetable is not None and not _constant(choice.timetable):
        schedule = scheduled_minima(choice.timetable, setting.lead_minutes)
    predictive = None
    if candidate.forecast_target is not None:
        predictive = Predictive(
            target_cpu_pct=round(candidate.forecast_target * 100),
            mode="forecast_and_scale",
            buffer_seconds=setting.lead_minutes * SECONDS_PER_MINUTE,
        )
    target = None if candidate.target is None else round(candidate.target * 100)
    if target is None and not schedule:
        return NoData("a constant minimum needs no scaling policy")
    return ScalingPolicy(
        target_cpu_pct=target,
        warmup_seconds=_warmup_seconds(setting) if target is not None else None,
        schedule=schedule,
        predictive=predictive,
    )


def scheduled_minima(timetable: Timetable, lead_minutes: int) -> tuple[ScheduledMinimum, ...]:
    """Cron times at which the minimum changes within a week, capacity asked for ahead.

    One entry for each time of day and minimum; its weekdays are listed together.
    """
    week = _week(timetable, lead_minutes)
    before = np.roll(week, 1)
    days: dict[tuple[int, int], list[int]] = defaultdict(list)
    for slot in np.flatnonzero(week != before):
        # Weekday 0 is Monday here and Sunday in cron.
        weekday = (int(slot) // SLOTS_PER_DAY + 1) % DAYS_PER_WEEK
        minute = int(slot) % SLOTS_PER_DAY * SLOT_MINUTES
        days[minute, int(week[slot])].append(weekday)
    return tuple(
        ScheduledMinimum(cron=f"{minute % 60} {minute // 60} * * {_weekdays(own)}", minimum=least)
        for (minute, least), own in sorted(days.items())
    )


def _week(timetable: Timetable, lead_minutes: int) -> np.ndarray:
    rows = {
        day: row for row, own in zip(timetable.least, timetable.groups, strict=True) for day in own
    }
    repeat = timetable.period_minutes // SLOT_MINUTES
    week = np.concatenate([np.repeat(rows[day], repeat) for day in range(DAYS_PER_WEEK)])
    led = week.copy()
    for ahead in range(1, -(-lead_minutes // SLOT_MINUTES) + 1):
        led = np.maximum(led, np.roll(week, -ahead))
    return led


def _weekdays(days: list[int]) -> str:
    return "*" if len(days) == DAYS_PER_WEEK else ",".join(str(day) for day in sorted(days))


def _constant(timetable: Timetable) -> bool:
    return len({value for row in timetable.least for value in row}) == 1


def _warmup_seconds(setting: Setting) -> int:
    return setting.warmup_minutes * SECONDS_PER_MINUTE
