"""A rollout as people and programs see it: its plan and preflight, where it stands, its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rightsizing.errors import ConfigError
from rightsizing.model.base import NoData
from rightsizing.model.update import Json
from rightsizing.report import jsonview
from rightsizing.report.document import (
    Bullets,
    Cell,
    Column,
    Document,
    Heading,
    Paragraph,
    Table,
    Tone,
)
from rightsizing.rollout.events import Aborted, StepApplied, StepIntended
from rightsizing.rollout.journal import ROLLOUTS_FOLDER, read_journal, rollout_ids
from rightsizing.rollout.preflight import Answer, Preflight
from rightsizing.rollout.progress import RolloutProgress, RolloutStatus
from rightsizing.rollout.prospect import Judgement, Prospect
from rightsizing.rollout.requests import read_request
from rightsizing.rollout.run import RolloutResult
from rightsizing.rollout.stages import Stage
from rightsizing.stack.applied import sizing_id
from rightsizing.stack.lease import lease_holder

_TONES = {
    Answer.PASSED: Tone.GOOD,
    Answer.NOTED: Tone.WARNING,
    Answer.FAILED: Tone.BAD,
    Answer.UNKNOWN: Tone.BAD,
}


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """What a rollout would do, and what keeps it from beginning."""

    release: str
    phase: int
    stages: Sequence[Stage]
    preflight: Preflight
    judgements: Sequence[Judgement]
    prospects: Sequence[Prospect]
    refusals: Sequence[str]
    soak_min: float
    expected_min: float
    simulated_clock: bool


def plan_page(plan: RolloutPlan) -> Document:
    """Stages, minutes, how it is judged, the preflight's answers."""
    minutes = {(item.stage, item.workload): item for item in plan.prospects}
    rows = []
    for stage in plan.stages:
        found = [item for (name, _), item in minutes.items() if name == stage.name]
        rows.append(
            (
                Cell(stage.name),
                Cell(_weights(stage)),
                Cell("; ".join(_let_in(item) for item in found) or _otherwise(stage, plan)),
                Cell("; ".join(_minutes(item.harm) for item in found)),
            )
        )
    notes = [f"{item.workload}: {note}" for item in plan.judgements for note in item.notes]
    notes += [
        f"{item.workload} is judged by {', '.join(metric.value for metric in item.policy.required)}"
        for item in plan.judgements
    ]
    if plan.refusals:
        notes.append("a person lets every step in, since " + "; ".join(plan.refusals))
    if plan.simulated_clock:
        notes.append("the local cloud's clock is simulated: minutes pass at once")
    notes.append(f"expected to take {plan.expected_min:.0f} minutes")
    checks = tuple(
        (
            Cell(check.question.value),
            Cell(check.answer.value, _TONES[check.answer]),
            Cell(check.sentence),
        )
        for check in plan.preflight.checks
    )
    return Document(
        (
            Heading(f"Rollout of release {plan.release[:12]} at phase {plan.phase}", 1),
            Table(
                (
                    Column("stage"),
                    Column("weights, old and new"),
                    Column("minutes to go on", right=True),
                    Column("minutes to see x2 harm", right=True),
                ),
                tuple(rows),
            ),
            Bullets(tuple(notes)),
            Heading("Preflight"),
            Table((Column("question"), Column("answer"), Column("what was found")), checks),
        )
    )


def plan_json(plan: RolloutPlan) -> Json:
    """The same for programs."""
    return {
        "release": plan.release,
        "phase": plan.phase,
        "stages": [
            {
                "name": stage.name,
                "kind": stage.kind.value,
                "share_pct": stage.share if stage.share >= 0 else None,
                "rollout": jsonview.plain(stage.sizing.rollout),
                "downtime": list(stage.downtime),
            }
            for stage in plan.stages
        ],
        "judgements": jsonview.plain(tuple(plan.judgements)),
        "prospects": jsonview.plain(tuple(plan.prospects)),
        "automatic_refused": list(plan.refusals),
        "preflight": jsonview.plain(plan.preflight.checks),
        "may_begin": not plan.preflight.obstacles,
        "soak_min": plan.soak_min,
        "expected_min": plan.expected_min,
        "simulated_clock": plan.simulated_clock,
    }


@dataclass(frozen=True, slots=True)
class RolloutState:
    """Where a rollout stands, from its journal alone."""

    rollout_id: str
    progress: RolloutProgress
    began: datetime
    newest: datetime
    holder: str | None
    asked: str
    torn: str | None


def read_state(record_dir: Path, rollout_id: str | None) -> RolloutState:
    """Read it; takes no lock. Raises ConfigError when there is none, StackError when corrupt."""
    known = rollout_ids(record_dir)
    if rollout_id is None and not known:
        raise ConfigError("there is no rollout of this stack; `rightsize rollout --phase N`")
    name = rollout_id or known[-1]
    reading = read_journal(record_dir, name)
    if reading.progress is None:
        raise ConfigError(f"rollout {name} never began; nothing was changed by it")
    request = read_request(record_dir, name)
    return RolloutState(
        name,
        reading.progress,
        reading.entries[0].at,
        reading.entries[-1].at,
        lease_holder(record_dir / ROLLOUTS_FOLDER),
        "" if request is None else str(request),
        reading.torn,
    )


def next_command(state: RolloutState) -> str:
    """What a person does next; empty: nothing."""
    status = state.progress.status
    if status is RolloutStatus.FINISHED:
        return ""
    if state.holder is not None:
        return "rightsize rollout --pause"
    return "rightsize rollout --resume"


def state_page(state: RolloutState) -> Document:
    """Where it stands, what was judged last, what to do next."""
    progress = state.progress
    target = sizing_id(progress.started.target.sizing())
    source = sizing_id(progress.started.current.sizing())
    times = f"begun {state.began:%Y-%m-%d %H:%M} UTC, last word {state.newest:%H:%M} UTC"
    lines = [f"from {source} to {target}, {times}", f"{progress}"]
    if progress.watched_until is not None:
        lines.append(f"watched until {progress.watched_until:%Y-%m-%d %H:%M} UTC")
    newest = {item.workload: item for item in progress.verdicts}
    lines += [
        f"{key} at {item.stage}: {item.decision.value} after {item.looks} looks, {item.reason}"
        for key, item in newest.items()
    ]
    lines += [f"{key} was down {took:.1f} s" for key, took in progress.downtime_s.items()]
    for event in (progress.paused, progress.aborted):
        if event is not None and progress.finished is None:
            lines.append(f"{event.kind}: {event.reason}")
    if progress.finished is not None:
        lines.append(progress.finished.sentence)
    if state.asked:
        lines.append(f"{state.asked}; obeyed at the next poll")
    if state.torn:
        lines.append(state.torn)
    if progress.status is not RolloutStatus.FINISHED:
        lines.append(f"run by {state.holder}" if state.holder else "nobody runs it")
        lines.append(f"next: {next_command(state)}")
    return Document((Heading(f"Rollout {state.rollout_id}", 1), Bullets(tuple(lines))))


def state_json(state: RolloutState) -> Json:
    """The same for programs."""
    progress = state.progress
    return {
        "rollout": state.rollout_id,
        "status": progress.status.value,
        "applied": progress.applied,
        "unfinished_step": progress.unfinished_step,
        "stages": list(progress.started.stages),
        "began": jsonview.plain(state.began),
        "newest": jsonview.plain(state.newest),
        "verdicts": jsonview.plain(progress.verdicts[-1:]),
        "paused": None if progress.paused is None else progress.paused.reason,
        "aborted": None if progress.aborted is None else progress.aborted.reason,
        "rolled_back": jsonview.plain(progress.rolled_back),
        "finished": None if progress.finished is None else progress.finished.sentence,
        "downtime_s": dict(progress.downtime_s),
        "holder": state.holder,
        "asked": state.asked,
        "next": next_command(state),
    }


def seconds_to_detect(record_dir: Path, rollout_id: str) -> float | None:
    """From the weight, or the begin of the soak, to the abort, by the rollout's own clock."""
    began: datetime | None = None
    for entry in read_journal(record_dir, rollout_id).entries:
        event = entry.event
        if isinstance(event, StepApplied) or (
            isinstance(event, StepIntended) and event.until is not None
        ):
            began = entry.at
        elif isinstance(event, Aborted):
            return None if began is None else (entry.at - began).total_seconds()
    return None


def result_page(result: RolloutResult, detected_s: float | None, *, simulated: bool) -> Document:
    """How a run ended, in one sentence, with the times of a way back."""
    lines = [result.sentence, *_times(result)]
    if detected_s is not None:
        clock = ", by a simulated clock" if simulated else ""
        lines.append(f"seen {detected_s / 60:.1f} minutes after the step began to serve{clock}")
    return Document((Paragraph(f"rollout {result.rollout_id}"), Bullets(tuple(lines))))


def result_json(result: RolloutResult, detected_s: float | None, *, simulated: bool) -> Json:
    """The same for programs."""
    return {
        "rollout": result.rollout_id,
        "outcome": result.outcome.value,
        "exit_code": result.exit_code,
        "sentence": result.sentence,
        "detected_s": detected_s,
        "simulated_clock": simulated,
        "rolled_back": jsonview.plain(result.progress.rolled_back),
        "downtime_s": dict(result.progress.downtime_s),
    }


def _times(result: RolloutResult) -> list[str]:
    back = result.progress.rolled_back
    if back is None:
        return []
    parts = []
    if back.traffic_s is not None:
        parts.append(f"traffic safe after {back.traffic_s:.1f} s")
    if back.configuration_s is not None:
        parts.append(f"configuration restored after {back.configuration_s:.1f} s")
    return [", ".join(parts)] if parts else []


def _weights(stage: Stage) -> str:
    found = []
    for key, fleet in stage.sizing.rollout.fleets.items():
        old, new = fleet.slot(fleet.live.other), fleet.slot(fleet.live)
        weights = [0 if state is None else state.weight for state in (old, new)]
        found.append(f"{key} {weights[0]} : {weights[1]}")
    return ", ".join(found)


def _otherwise(stage: Stage, plan: RolloutPlan) -> str:
    return f"{plan.soak_min:g}, watched" if not stage.needs_update else ""


def _let_in(item: Prospect) -> str:
    text = _minutes(item.let_in)
    return f"{text} without harm" if item.by_bake else text


def _minutes(value: float | NoData) -> str:
    return value.reason if isinstance(value, NoData) else f"{value:.0f}"
