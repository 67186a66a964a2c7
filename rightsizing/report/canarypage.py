"""A canary's judging as a document: verdicts against the record, the decisive test, each look."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from rightsizing.model.recomputation import CanaryRun, JudgedStage, Recomputed
from rightsizing.model.verdict import (
    ArmLook,
    Calibration,
    Decision,
    JudgePolicy,
    Look,
    MetricTest,
)
from rightsizing.report.document import (
    Block,
    Bullets,
    Cell,
    Column,
    Document,
    Heading,
    Paragraph,
    Table,
    Tone,
    counted,
    row,
)

NOT_MEASURED = "-"
MOST_WRITTEN_EVIDENCE = 20.0  # e to this is half a billion to one; more is no clearer
_TONES = {
    Decision.PROMOTE: Tone.GOOD,
    Decision.ROLL_BACK: Tone.BAD,
    Decision.HOLD: Tone.WARNING,
    Decision.CONTINUE: Tone.PLAIN,
}


def canary_page(run: CanaryRun, *, newest_looks: int | None = None) -> Document:
    """The whole judging; of each stage only the newest looks where a number is given."""
    blocks: list[Block] = [
        Heading(f"Canary of rollout {run.rollout_id}", 1),
        Paragraph(f"Began {run.began:%Y-%m-%d %H:%M:%S} UTC; {run.standing}."),
        _comparison(run),
    ]
    if run.torn is not None:
        blocks.append(Paragraph(f"{run.torn}.", Tone.WARNING))
    if run.differing:
        blocks.append(_differences(run))
    for stage in run.stages:
        blocks += _stage(stage, newest_looks)
    blocks += [Heading("Judged by"), Bullets((*_policy(run.policy), *_noise(run.calibration)))]
    return tuple(blocks)


def decisive_sentence(item: Recomputed) -> str:
    """What the verdict hangs on, with its numbers."""
    verdict, test = item.computed, item.decisive
    if verdict.tripwires:
        return f"a tripwire decided, no test: {', '.join(verdict.tripwires)}"
    if verdict.quality.blocks_rollback:
        return f"the data decided, no test: {verdict.quality.value}, {verdict.quality_reason}"
    if test is None:
        return f"no test decided: {verdict.quality.value}, {verdict.quality_reason}"
    return f"{test.metric.value}, {test.test} test: {_numbers(test)}"


def _comparison(run: CanaryRun) -> Paragraph:
    if not run.verdicts:
        return Paragraph("No verdict was made, so there is none to compute again.")
    counts = f"{counted(run.verdicts, 'verdict')} computed again from what was seen"
    if not run.differing:
        return Paragraph(f"{counts}: equal to what was recorded.", Tone.GOOD)
    return Paragraph(
        f"{counts}: {len(run.differing)} not as recorded. The judge was another version, or the "
        "journal was made by something else; do not rely on these.",
        Tone.BAD,
    )


def _differences(run: CanaryRun) -> Table:
    columns = (Column("line", right=True), Column("difference"))
    rows = (
        row(str(item.line), sentence) for item in run.differing for sentence in item.differences
    )
    return Table(columns, tuple(rows), "Not as recorded")


def _stage(stage: JudgedStage, newest_looks: int | None) -> list[Block]:
    blocks: list[Block] = [Heading(f"{stage.workload} at {stage.stage}")]
    if stage.verdicts:
        last = stage.verdicts[-1]
        verdict = last.computed
        blocks += [
            Paragraph(
                f"{verdict.decision.value} after {counted(last.looks, 'look')}: {verdict.reason}.",
                _TONES[verdict.decision],
            ),
            Paragraph(f"Decisive: {decisive_sentence(last)}."),
            _tests(verdict.tests),
        ]
    if stage.alone is not None:
        blocks.append(Paragraph(f"Served alone, held against its limits: {stage.alone}."))
    if stage.looks:
        blocks.append(_looks(stage, newest_looks))
    return blocks


def _tests(tests: tuple[MetricTest, ...]) -> Table:
    columns = (
        Column("metric"),
        Column("test"),
        Column("looks", right=True),
        Column("canary", right=True),
        Column("baseline", right=True),
        Column("ratio or figure", right=True),
        Column("between", right=True),
        Column("harm, to 1", right=True),
        Column("needed", right=True),
        Column("safe, to 1", right=True),
        Column("needed", right=True),
    )
    return Table(columns, tuple(_test_row(test) for test in tests), "Tests at the last look")


def _test_row(test: MetricTest) -> tuple[Cell, ...]:
    between = NOT_MEASURED
    if test.low is not None:
        high = "not bounded" if test.high is None else f"{test.high:.3g}"
        between = f"{test.low:.3g} to {high}"
    return row(
        test.metric.value,
        test.test,
        str(test.looks),
        _events(test.canary_events, test.canary_exposure),
        _events(test.baseline_events, test.baseline_exposure),
        NOT_MEASURED if test.estimate is None else f"{test.estimate:.3g}",
        between,
        Cell(odds(test.log_harm), Tone.BAD if test.harmed else Tone.PLAIN),
        odds(test.log_harm_needed),
        Cell(odds(test.log_safe), Tone.GOOD if test.safe else Tone.PLAIN),
        odds(test.log_safe_needed),
    )


def odds(log_evidence: float | None) -> str:
    """An e-value as the odds people read, from its natural logarithm."""
    if log_evidence is None:
        return NOT_MEASURED
    if log_evidence > MOST_WRITTEN_EVIDENCE:
        return f"over {math.exp(MOST_WRITTEN_EVIDENCE):.0e}"
    return f"{math.exp(log_evidence):.3g}"


def _events(events: float | None, exposure: float | None) -> str:
    if events is None or exposure is None:
        return NOT_MEASURED
    return f"{events:,.0f} of {exposure:,.0f}"


def _numbers(test: MetricTest) -> str:
    parts = []
    if test.canary_events is not None:
        parts.append(f"canary {_events(test.canary_events, test.canary_exposure)}")
    if test.baseline_events is not None:
        parts.append(f"baseline {_events(test.baseline_events, test.baseline_exposure)}")
    if test.estimate is not None:
        parts.append(f"{'x' if test.test == 'relative' else ''}{test.estimate:.3g}")
    if test.log_harm is not None:
        parts.append(f"harm {odds(test.log_harm)} to 1, {odds(test.log_harm_needed)} needed")
    if test.log_safe is not None:
        parts.append(f"safe {odds(test.log_safe)} to 1, {odds(test.log_safe_needed)} needed")
    return "; ".join(parts) or "not measured"


def _looks(stage: JudgedStage, newest: int | None) -> Table:
    columns = (
        Column("look", right=True),
        Column("began, UTC"),
        Column("weight", right=True),
        Column("requests", right=True),
        Column("errors", right=True),
        Column("slow", right=True),
        Column("p99, ms", right=True),
        Column("CPU", right=True),
        Column("verdict"),
    )
    made = {item.looks: item.computed.decision for item in stage.verdicts}
    first = 0 if newest is None else max(len(stage.looks) - newest, 0)
    rows = []
    for number, look in enumerate(stage.looks[first:], start=first + 1):
        decision = made.get(number)
        word = "" if decision is None else decision.value
        tone = Tone.PLAIN if decision is None else _TONES[decision]
        rows.append(row(str(number), *_look_cells(look), Cell(word, tone)))
    left_out = f", the newest {len(rows)} of {len(stage.looks)}" if first else ""
    return Table(columns, tuple(rows), f"Looks, canary / baseline{left_out}")


def _look_cells(look: Look) -> tuple[str, ...]:
    began = datetime.fromtimestamp(look.start_ms / 1000, UTC)
    arms = (look.canary, look.baseline)
    return (
        f"{began:%Y-%m-%d %H:%M:%S}",
        f"{look.canary_weight:.1%}",
        _pair(*(_count(arm.requests) for arm in arms)),
        _pair(*(_count(arm.errors) for arm in arms)),
        _pair(*(_count(arm.slow) for arm in arms)),
        _pair(*(_latency(arm) for arm in arms)),
        _pair(*(_cpu(arm) for arm in arms)),
    )


def _pair(canary: str, baseline: str) -> str:
    return f"{canary} / {baseline}"


def _count(value: int | None) -> str:
    return NOT_MEASURED if value is None else f"{value:,}"


def _latency(arm: ArmLook) -> str:
    return NOT_MEASURED if arm.latency_p99_ms is None else f"{arm.latency_p99_ms:.3g}"


def _cpu(arm: ArmLook) -> str:
    return NOT_MEASURED if arm.cpu_share is None else f"{arm.cpu_share:.0%}"


def _policy(policy: JudgePolicy) -> tuple[str, ...]:
    metrics = ", ".join(metric.value for metric in policy.required)
    errors = (
        f"false roll-backs at most {policy.alpha_harm:.3g} of rollouts, wrong promotions at most "
        f"{policy.alpha_promote:.3g}"
    )
    looks = (
        f"{policy.warm_up_looks} warm-up looks left out; undecided after {policy.horizon_looks} "
        "looks it holds"
    )
    ceilings = (
        f"load coverage at least {policy.min_load_coverage:.0%}, CPU ceiling "
        f"{policy.cpu_ceiling:.0%}, memory ceiling {policy.memory_ceiling:.0%}"
    )
    absolute = [f"absolute limit of {name.value}: {at:g}" for name, at in policy.absolute_limits]
    return (
        f"required metrics: {metrics}; a canary worse by x{policy.margin:g} is not let in",
        errors,
        looks,
        ceilings,
        *absolute,
    )


def _noise(calibration: Calibration) -> tuple[str, ...]:
    if not calibration.metrics:
        return ("noise between equal arms: assumed, the service's own past was not replayed",)
    return tuple(
        f"noise between equal arms in {item.metric.value}: spread {item.spread:.3g}, persistence "
        f"{item.persistence:.3g}, scatter {item.scatter:.3g}, by the service's own past"
        for item in calibration.metrics
    )
