"""Watching what an update left, without a rollout: limits held, breaches rolled back.

For the time after a rollout, and after a plain ``pulumi up``, which nobody judged. Everything the
stack declares is looked at by itself; a breach first moves the traffic where the former slot still
runs, then rolls the stack back to the last good update.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique

from rightsizing.errors import RightsizingError
from rightsizing.model.rollout import FleetRollout
from rightsizing.model.verdict import Decision, JudgePolicy, Look
from rightsizing.plan.slots import FULL_WEIGHT
from rightsizing.rollout.journal import ROLLOUTS_FOLDER
from rightsizing.rollout.restoration import RollbackOutcome
from rightsizing.rollout.rollback import rollback
from rightsizing.rollout.run import LookSource, RolloutRun
from rightsizing.rollout.soaking import judge_soak
from rightsizing.rollout.stepping import say
from rightsizing.rollout.watching import SERVING_ALONE
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.lease import hold_lease


@unique
class WatchOutcome(StrEnum):
    """How the watching ended."""

    QUIET = "quiet"
    BREACH = "breach"  # and nothing was done about it, as asked
    ROLLED_BACK = "rolled_back"
    NOT_RESTORED = "not_restored"
    NOT_MEASURED = "not_measured"


_EXIT_CODES = {
    WatchOutcome.QUIET: 0,
    WatchOutcome.BREACH: 1,
    WatchOutcome.NOT_RESTORED: 7,
    WatchOutcome.ROLLED_BACK: 9,
    WatchOutcome.NOT_MEASURED: 10,
}


@dataclass(frozen=True, slots=True)
class WatchResult:
    """The end in one sentence; seconds are the machine's, from the breach on."""

    outcome: WatchOutcome
    sentence: str
    notes: tuple[str, ...] = ()
    traffic_s: float | None = None
    configuration_s: float | None = None

    @property
    def exit_code(self) -> int:
        """Process exit code."""
        return _EXIT_CODES[self.outcome]


def watch_stack(
    run: RolloutRun, policies: Mapping[str, JudgePolicy], *, roll_back: bool = True
) -> WatchResult:
    """Watch every workload of ``policies`` for ``run.soak_s``.

    Raises:
        StackLocked: a rollout is under way, which watches by itself.
        RightsizingError: the metrics' clock cannot be read at the start.
    """
    with hold_lease(run.stack.record_dir / ROLLOUTS_FOLDER, "watch"):
        sources = {key: run.solo(key) for key in policies}
        known = {key: source for key, source in sources.items() if source is not None}
        notes = [f"{key}: nothing measures it" for key, source in sources.items() if source is None]
        if not known:
            return WatchResult(
                WatchOutcome.NOT_MEASURED, "nothing of the stack is measured", tuple(notes)
            )
        breach = _watch(run, known, policies, notes)
        if breach is None:
            silent = len([note for note in notes if "no_data" in note])
            if silent == len(known):
                sentence = "nothing was measured in all that time"
                return WatchResult(WatchOutcome.NOT_MEASURED, sentence, tuple(notes))
            sentence = f"{len(known)} workloads stayed within their limits"
            return WatchResult(WatchOutcome.QUIET, sentence, tuple(notes))
        if not roll_back:
            return WatchResult(WatchOutcome.BREACH, f"breach: {breach}", tuple(notes))
        return _go_back(run, breach, tuple(notes))


def _watch(
    run: RolloutRun,
    sources: Mapping[str, LookSource],
    policies: Mapping[str, JudgePolicy],
    notes: list[str],
) -> str | None:
    """The breach, if there is one; what could not be measured is added to ``notes``."""
    looks: dict[str, list[Look]] = {key: [] for key in sources}
    began = {key: source.server_now_ms() for key, source in sources.items()}
    state: dict[str, str] = {}
    end = run.clock.monotonic() + run.soak_s
    while (remaining := end - run.clock.monotonic()) > 0 and not run.interrupted():
        run.clock.sleep(min(run.poll_s, remaining))
        for key, source in sources.items():
            mine = looks[key]
            try:
                after_ms = mine[-1].end_ms if mine else began[key]
                mine.extend(source.read(after_ms, canary_weight=SERVING_ALONE).looks)
            except RightsizingError as error:
                state[key] = f"no_data: {error}"
                continue
            verdict = judge_soak(mine, policies[key])
            if verdict.decision is Decision.ROLL_BACK:
                return f"{key}: {verdict.reason}"
            state[key] = verdict.reason if verdict.decision is Decision.HOLD else ""
    notes += [f"{key}: {why}" for key, why in state.items() if why]
    return None


def _go_back(run: RolloutRun, breach: str, notes: tuple[str, ...]) -> WatchResult:
    began = run.machine.monotonic()
    say(run, f"breach: {breach}")
    sizing = StackFile.load(run.stack.config_path).sizing()
    moved = [_move_traffic(run, key, fleet) for key, fleet in sizing.rollout.fleets.items()]
    traffic_s = run.machine.monotonic() - began if moved and all(moved) else None
    try:
        result = rollback(
            run.driver,
            run.stack,
            read=run.read,
            confirm=lambda _plan: True,
            reason=breach,
            clock=run.clock,
            listener=run.listener,
            say=run.say,
            settle_seconds=run.settle_s,
            preview=False,
        )
    except RightsizingError as error:
        return WatchResult(
            WatchOutcome.NOT_RESTORED, f"breach: {breach}; {error}", notes, traffic_s
        )
    restored = result.outcome is RollbackOutcome.RESTORED
    return WatchResult(
        WatchOutcome.ROLLED_BACK if restored else WatchOutcome.NOT_RESTORED,
        f"breach: {breach}; {result.sentence}",
        notes,
        traffic_s,
        run.machine.monotonic() - began if restored else None,
    )


def _move_traffic(run: RolloutRun, key: str, fleet: FleetRollout) -> bool:
    """To the former slot, where it is still filled; False: the update has to do it."""
    old = fleet.live.other
    if fleet.slot(old) is None:
        return False
    try:
        watched = run.watch(key)
        weights = watched.traffic.weights()
        if old not in weights or (watched.instances and not watched.instances.healthy().get(old)):
            return False
        watched.traffic.set_weights({slot: FULL_WEIGHT if slot is old else 0 for slot in weights})
    except RightsizingError as error:
        say(run, f"traffic of {key} could not be moved at once ({error})")
        return False
    return True
