"""``rightsize rollout`` and ``watch``: a resize on a share of the traffic, judged and undone."""

from __future__ import annotations

import getpass
from contextlib import ExitStack
from datetime import timedelta

import click

from rightsizing.cli.rolloutrun import MINUTES_AN_UPDATE, Options, RolloutSetup
from rightsizing.cli.rolloutview import (
    RolloutPlan,
    plan_json,
    plan_page,
    read_state,
    result_json,
    result_page,
    seconds_to_detect,
    state_json,
    state_page,
)
from rightsizing.cli.session import Session
from rightsizing.cli.stackview import sizing_to_plan_from
from rightsizing.errors import ConfigError, PlanRejected, TelemetryError
from rightsizing.model.base import NoData
from rightsizing.model.release import Release
from rightsizing.report import jsonview, terminal
from rightsizing.rollout.beginning import find_beginning, require_no_other
from rightsizing.rollout.controller import resume_rollout, stages_of, start_rollout
from rightsizing.rollout.events import Paused
from rightsizing.rollout.interruption import Interruption
from rightsizing.rollout.journal import (
    ROLLOUTS_FOLDER,
    claim_journal,
)
from rightsizing.rollout.preflight import Answer, Check, Preflight, Question
from rightsizing.rollout.prospect import Judgement, Prospect, prospects
from rightsizing.rollout.readiness import check_readiness
from rightsizing.rollout.requests import RequestKind, RolloutRequest, put_request
from rightsizing.rollout.run import RolloutResult, RolloutRun
from rightsizing.rollout.stages import Stage
from rightsizing.rollout.staging import require_staging_pass
from rightsizing.rollout.stagingrecord import read_staging
from rightsizing.rollout.watch import WatchResult, watch_stack
from rightsizing.stack.lease import hold_lease, lease_holder

CANNOT_BEGIN = 3  # as every plan its evidence forbids


@click.command(epilog="Example: rightsize rollout --phase 1 --explain")
@click.option(
    "--phase", type=click.IntRange(1, 9), help="Phase to roll out.  [default: the file's]"
)
@click.option("--explain", is_flag=True, help="Show stages, minutes and preflight; change nothing.")
@click.option("--status", is_flag=True, help="Show where the newest rollout stands.")
@click.option("--resume", is_flag=True, help="Go on with the one that was paused or killed.")
@click.option("--pause", is_flag=True, help="Ask the running one to stop where it is.")
@click.option("--abort", is_flag=True, help="Take it back, also while another process runs it.")
@click.option("--reason", default="", help="Why it is paused or taken back; kept in the journal.")
@click.option("--yes", is_flag=True, help="Do not ask before it begins.")
@click.option("--automatic", is_flag=True, help="Refuse to begin where a person has to decide.")
@click.option("--steps", help="Weights in %, by capacity, ending at 100.  [default: setting]")
@click.option(
    "--soak", type=float, help="Minutes at 100 % before the old slot goes.  [default: setting]"
)
@click.option("--poll", type=float, default=60, show_default=True, help="Seconds between looks.")
@click.option("--staging", help="Stack in which this release has to have passed first.")
@click.option("--allow-dirty", is_flag=True, help="Begin with uncommitted changes of the program.")
@click.option("--set", "overrides", multiple=True, help="A setting: NAME=VALUE (docs/reference).")
@click.pass_obj
def rollout(session: Session, /, overrides: tuple[str, ...], **given: object) -> int:
    """Try a phase on a share of real traffic, judge it, promote it or take it back.

    Fills a second slot with the new size, moves weight to it in steps, compares both slots minute
    by minute, and retires the old one after a soak. Harm moves the traffic back at once and then
    restores the stack. Ctrl-C pauses; a killed rollout is resumed. Exits with 0 finished, 9 rolled
    back, 10 paused, 6 traffic is back but the stack is not, 7 nothing is back.
    """
    session.overrides = overrides
    chosen = [name for name in _MODES if given[name]]
    if len(chosen) > 1:
        raise ConfigError(f"--{chosen[0]} and --{chosen[1]} cannot be given together")
    options = _Given(session, given)
    match chosen[0] if chosen else "":
        case "status":
            return _status(session)
        case "pause":
            return _pause(session, options.reason)
        case "abort":
            return _go_on(options, abort=options.reason or "asked for by a person")
        case "resume":
            return _go_on(options, abort=None)
        case "explain":
            return _start(options, explain=True)
    return _start(options, explain=False)


@click.command(epilog="Example: rightsize watch --minutes 30")
@click.option("--minutes", type=float, default=60, show_default=True, help="How long to watch.")
@click.option("--poll", type=float, default=60, show_default=True, help="Seconds between looks.")
@click.option("--only-tell", is_flag=True, help="Report a breach, do not roll back.")
@click.pass_obj
def watch(session: Session, minutes: float, poll: float, only_tell: bool) -> int:
    """Watch what the newest update left, and roll it back when it breaches its limits.

    For after a rollout or a plain `pulumi up`: out of memory, crash loops, CPU and memory over
    their alerts, failing health checks, and the workloads' own objectives. Exits with 0 when all
    was well, 9 rolled back, 10 when nothing could be measured, 7 not restored.
    """
    with ExitStack() as stack:
        interruption = stack.enter_context(Interruption())
        setup = RolloutSetup(session, interruption)
        stack.enter_context(setup.listening())
        cores = setup.cores([session.sizing], session.sizing.release or Release(baseline={}))
        options = Options(shares=(100.0,), soak_s=minutes * 60, poll_s=poll)
        found = watch_stack(
            setup.run(options, cores), setup.absolute_policies(), roll_back=not only_tell
        )
    session.show(_watched_text(found), jsonview.plain(found))
    return found.exit_code


_MODES = ("explain", "status", "resume", "pause", "abort")


class _Given:
    """The options as types; settings where an option was left out."""

    def __init__(self, session: Session, given: dict[str, object]) -> None:
        self.session = session
        self.phase = given["phase"] if isinstance(given["phase"], int) else None
        self.reason = str(given["reason"])
        self.yes, self.automatic = bool(given["yes"]), bool(given["automatic"])
        self.allow_dirty = bool(given["allow_dirty"])
        self.staging = None if given["staging"] is None else str(given["staging"])
        self._steps, self._soak = given["steps"], given["soak"]
        self.poll_s = float(str(given["poll"]))
        if self.poll_s <= 0:
            raise ConfigError(f"--poll {self.poll_s:g} must be more than 0 seconds")

    @property
    def shares(self) -> tuple[float, ...]:
        text = str(self._steps or self.session.settings.rollout_steps)
        try:
            return tuple(float(part) for part in text.split(","))
        except ValueError as error:
            raise ConfigError(
                f"the steps {text!r} must be percentages such as 5,25,50,100"
            ) from error

    @property
    def soak_min(self) -> float:
        found = self.session.settings.rollout_soak_min if self._soak is None else self._soak
        minutes = float(str(found))
        if minutes < 0:
            raise ConfigError(f"--soak {minutes:g} must be 0 minutes or more")
        return minutes

    def options(self, *, by_person: bool) -> Options:
        let_in = self._ask if by_person else None
        return Options(self.shares, self.soak_min * 60, self.poll_s, let_in)

    def _ask(self, sentence: str) -> bool:
        """A person on a terminal; anywhere else nobody answers, and the rollout pauses."""
        if self.yes or not self.session.messages.is_terminal:
            return False
        return click.confirm(f"{sentence}\nGo on?", err=True)


def _status(session: Session) -> int:
    state = read_state(session.stack.record_dir, None)
    session.show(terminal.renderable(state_page(state)), state_json(state))
    return 0


def _pause(session: Session, reason: str) -> int:
    record_dir = session.stack.record_dir
    state = read_state(record_dir, None)
    if state.progress.finished is not None:
        raise ConfigError(f"rollout {state.rollout_id} is finished; there is nothing to pause")
    if state.holder is not None:
        request = RolloutRequest(kind=RequestKind.PAUSE, reason=reason, by=getpass.getuser())
        put_request(record_dir, state.rollout_id, request)
        session.show(
            f"asked {state.holder} to pause rollout {state.rollout_id}; it obeys at its next poll",
            {"rollout": state.rollout_id, "asked": "pause"},
        )
        return 0
    if state.progress.paused is None and state.progress.aborted is None:
        from rightsizing.stack.clock import SystemClock

        with hold_lease(record_dir / ROLLOUTS_FOLDER, "rollout"):
            writer = claim_journal(record_dir, state.rollout_id, SystemClock())
            writer.append(Paused(reason=reason or "asked for while nobody ran it"))
    session.show(
        f"rollout {state.rollout_id} is paused; `rightsize rollout --resume` goes on",
        {"rollout": state.rollout_id, "asked": "", "status": "paused"},
    )
    return 0


def _go_on(options: _Given, *, abort: str | None) -> int:
    session = options.session
    record_dir = session.stack.record_dir
    state = read_state(record_dir, None)
    if abort is not None and state.progress.finished is not None:
        raise ConfigError(
            f"rollout {state.rollout_id} is finished; `rightsize rollback` goes back from it"
        )
    if abort is not None and lease_holder(record_dir / ROLLOUTS_FOLDER) is not None:
        request = RolloutRequest(kind=RequestKind.ABORT, reason=abort, by=getpass.getuser())
        put_request(record_dir, state.rollout_id, request)
        session.show(
            f"asked {state.holder} to take rollout {state.rollout_id} back; it obeys at its next "
            "poll, `rightsize rollout --status` tells",
            {"rollout": state.rollout_id, "asked": "abort"},
        )
        return 0
    if abort is not None:
        session.confirm(f"Take rollout {state.rollout_id} back?", yes=options.yes)
    started = state.progress.started
    with ExitStack() as stack:
        interruption = stack.enter_context(Interruption())
        setup = RolloutSetup(session, interruption, started=started)
        stack.enter_context(setup.listening())
        run = setup.run(options.options(by_person=started.by_person), started.cores)
        result = resume_rollout(run, state.rollout_id, abort=abort)
    return _show(setup, result)


def _start(options: _Given, *, explain: bool) -> int:
    session = options.session
    release, phase = _what(options)
    with ExitStack() as stack:
        interruption = stack.enter_context(Interruption())
        setup = RolloutSetup(session, interruption)
        stack.enter_context(setup.listening())
        cores = setup.cores([session.sizing], release)
        first = setup.run(options.options(by_person=False), cores)
        require_no_other(first)
        beginning = find_beginning(first)
        stages = stages_of(first, beginning.current, release, phase)
        traffic = None
        try:
            setup.judgements = setup.judge_by(stages, cores)
        except TelemetryError as error:
            traffic = Check(Question.TRAFFIC, Answer.UNKNOWN, str(error))
        refusals = setup.refusals()
        if options.automatic and refusals:
            raise PlanRejected(
                f"automatic mode is refused: {'; '.join(refusals)}; roll out with a person to "
                "confirm, without --automatic"
            )
        run = setup.run(options.options(by_person=bool(refusals)), cores)
        plan = _plan(setup, run, options, release, phase, stages, traffic)
        if explain:
            session.show(terminal.renderable(plan_page(plan)), plan_json(plan))
            return CANNOT_BEGIN if plan.preflight.obstacles else 0
        if not (session.as_json and options.yes):
            show = session.messages.print if session.as_json else session.print
            show(terminal.renderable(plan_page(plan)))
        plan.preflight.require()
        session.confirm(f"Roll this out on {session.stack.name}?", yes=options.yes)
        result = start_rollout(run, release, phase)
    return _show(setup, result)


def _what(options: _Given) -> tuple[Release, int]:
    """The release to roll out, and the phase."""
    session = options.session
    if not session.driver.exists(session.stack):
        raise ConfigError(
            f"stack {session.stack.name} does not exist yet; run `rightsize apply` first"
        )
    _, release = sizing_to_plan_from(session)
    if release is None:
        raise ConfigError("no release is planned; run `rightsize plan` first")
    phase = session.sizing.phase if options.phase is None else options.phase
    if phase == 0:
        raise ConfigError("phase 0 is what runs without a release; say which --phase")
    return release, phase


def _plan(
    setup: RolloutSetup,
    run: RolloutRun,
    options: _Given,
    release: Release,
    phase: int,
    stages: tuple[Stage, ...],
    traffic: Check | None,
) -> RolloutPlan:
    judgements: list[Judgement] = list(setup.judgements.values())
    found: list[Prospect] = []
    for judgement in judgements:
        if judgement.rates:
            found.extend(prospects(judgement, stages))
    expected = _expected_min(stages, found, options.soak_min)
    conditions = setup.conditions(
        timedelta(minutes=expected), run.cores, allow_dirty=options.allow_dirty
    )
    beginning = find_beginning(run)
    preflight = check_readiness(run, beginning.current, stages, release, conditions)
    more = [] if traffic is None else [traffic]
    if options.staging is not None:
        more.append(_staged(run, options.staging, release, phase))
    more += _unsure(found)
    return RolloutPlan(
        release=release.id,
        phase=phase,
        stages=stages,
        preflight=Preflight((*preflight.checks, *more)),
        judgements=judgements,
        prospects=found,
        refusals=setup.refusals(),
        soak_min=options.soak_min,
        expected_min=expected,
        simulated_clock=setup.simulated,
    )


def _staged(run: RolloutRun, staging: str, release: Release, phase: int) -> Check:
    passed = require_staging_pass(read_staging(run.stack, staging), release, phase)
    return Check(Question.STAGING, Answer.PASSED, passed.sentence)


def _unsure(found: list[Prospect]) -> list[Check]:
    """Traffic that does not suffice for a verdict is said before, and holds the rollout later."""
    return [
        Check(
            Question.TRAFFIC,
            Answer.NOTED,
            f"{item.workload} at {item.stage}: nine in ten good canaries are not shown safe within "
            "the horizon; the rollout would hold there, unless a person lets it in",
        )
        for item in found
        if isinstance(item.let_in, NoData)
    ]


def _expected_min(stages: tuple[Stage, ...], found: list[Prospect], soak_min: float) -> float:
    """Minutes the rollout takes: updates, the slowest workload of each stage, the soak."""
    minutes = soak_min + MINUTES_AN_UPDATE * sum(stage.needs_update for stage in stages)
    for stage in stages:
        known = [
            item.let_in
            for item in found
            if item.stage == stage.name and not isinstance(item.let_in, NoData)
        ]
        minutes += max(known, default=0.0)
    return minutes


def _show(setup: RolloutSetup, result: RolloutResult) -> int:
    session, simulated = setup.session, setup.simulated
    detected_s = seconds_to_detect(session.stack.record_dir, result.rollout_id)
    session.show(
        terminal.renderable(result_page(result, detected_s, simulated=simulated)),
        result_json(result, detected_s, simulated=simulated),
    )
    return result.exit_code


def _watched_text(found: WatchResult) -> str:
    return "\n".join([found.sentence, *found.notes])
