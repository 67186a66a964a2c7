"""A canary's judging and back-test as JSON; looks once a stage, not once a verdict."""

from __future__ import annotations

from rightsizing.model.recomputation import CanaryRun, JudgedStage, Recomputed
from rightsizing.model.update import Json
from rightsizing.report.canarypage import decisive_sentence
from rightsizing.report.jsonview import plain


def canary_run(run: CanaryRun) -> Json:
    """The run; ``equal`` says whether every verdict is as it was recorded."""
    return {
        "rollout_id": run.rollout_id,
        "began": plain(run.began),
        "standing": run.standing,
        "torn": run.torn,
        "verdicts": run.verdicts,
        "equal": not run.differing,
        "policy": plain(run.policy),
        "calibration": plain(run.calibration),
        "stages": [_stage(stage) for stage in run.stages],
    }


def _stage(stage: JudgedStage) -> Json:
    return {
        "stage": stage.stage,
        "workload": stage.workload,
        "looks": [plain(look) for look in stage.looks],
        "verdicts": [_verdict(item) for item in stage.verdicts],
        "alone": stage.alone,
    }


def _verdict(item: Recomputed) -> Json:
    computed = {
        key: value for key, value in plain(item.computed).items() if key != "evidence"
    }  # the looks are beside it
    return {
        "line": item.line,
        "at": plain(item.at),
        "looks": item.looks,
        "recorded": plain(item.recorded),
        "computed": computed,
        "differences": list(item.differences),
        "decisive": decisive_sentence(item),
    }
