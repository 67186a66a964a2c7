"""Limits of a part of a fleet at once: what ``decide.recommend`` does for one workload, in arrays.

For each workload and resource: the rule's target, the move from the present capacity to it, and
what forbids a move down. Sizes are continuous (cores, bytes); rounding to steps, instance types and
prices come later and only for the workloads that change.

A capacity stays while it is tolerated: it is raised when the newest day showed demand above it, or
when even the loosest reading of the evidence asks for more, and lowered when that saves enough and
nothing forbids it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rightsizing.decide.cpu import cpu_targets
from rightsizing.decide.fleetguards import CENSORED, FleetGuards, Guard, GuardArray, fleet_guards
from rightsizing.decide.limits import Move
from rightsizing.decide.memory import ALARM_RATIO, memory_days_of, memory_targets
from rightsizing.decide.regime import cpu_regime
from rightsizing.decide.risk import Risk, RiskPreset
from rightsizing.errors import ConfigError
from rightsizing.model.recommendation import ReasonCode
from rightsizing.profile.daytable import DayTable, cpu_days_of
from rightsizing.profile.rows import BoolArray, FloatArray
from rightsizing.units import BYTES_PER_MIB

MOVES = tuple(Move)  # what the codes of ``Limits.move`` stand for
_CODE = {move: code for code, move in enumerate(MOVES)}
# CPU is counted in bins of 0.5 % of the capacity, so a target so little above it is only rounding.
CPU_GRAIN_RATIO = 0.005
_ROUNDING = 1e-9  # relative, of products of ratios


@dataclass(frozen=True, slots=True)
class FleetPolicy:
    """How a fleet is sized. Raises ConfigError for values that no fleet can have."""

    risk: Risk = field(default_factory=lambda: Risk.parse(RiskPreset.DEFAULT))
    memory_reference_bytes: float | None = None  # see ``decide.memory.fleet_reference_bytes``
    minimum_days: int = 7  # full days of measurements before anything is reduced
    minimum_change_ratio: float = 0.10  # smallest reduction worth making
    minimum_cores: float = 0.05  # smallest limits, as SizingPolicy's
    minimum_bytes: float = 64.0 * BYTES_PER_MIB

    def __post_init__(self) -> None:
        if self.minimum_days < 1:
            raise ConfigError(f"{self.minimum_days} days are too few to reduce on; give 1 or more")
        if not 0 <= self.minimum_change_ratio < 1:
            raise ConfigError(
                f"a smallest change of {self.minimum_change_ratio:g} is no share of a size; give "
                f"at least 0 and less than 1"
            )


DEFAULT_POLICY = FleetPolicy()


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """One resource of W workloads, in cores or bytes; NaN where the present size is unknown.

    ``lower <= target <= upper``. Where nothing moves ``target`` is the present capacity.
    """

    target: FloatArray  # (W,) from now on
    lower: FloatArray  # (W,)
    upper: FloatArray  # (W,)
    wanted: FloatArray  # (W,) what the rule asks for, before the brakes; NaN not measured
    move: npt.NDArray[np.int8]  # (W,) index into MOVES
    guards: GuardArray  # (W,) flags of ``Guard`` against a reduction

    def moves(self, move: Move) -> BoolArray:
        """(W,) True where this happened."""
        found: BoolArray = self.move == _CODE[move]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class FleetDecisions:
    """Limits of W workloads, in the order of the table."""

    workloads: tuple[str, ...]
    cpu: Limits  # cores
    memory: Limits  # bytes
    cpu_short_ratio: FloatArray  # (W,) predicted share of time above ``cpu.wanted``
    memory_failure_ratio: FloatArray  # (W,) predicted probability of a kill a month at its wanted

    def reasons(self, row: int) -> tuple[ReasonCode, ...]:
        """Why the workload at this row gets what it gets; never empty."""
        cpu = _reasons(
            self.cpu,
            row,
            over=ReasonCode.CPU_OVERPROVISIONED,
            under=ReasonCode.CPU_UNDERPROVISIONED,
            unmeasured=ReasonCode.NO_MEASUREMENTS,
        )
        memory = _reasons(
            self.memory,
            row,
            over=ReasonCode.MEMORY_OVERPROVISIONED,
            under=ReasonCode.MEMORY_UNDERPROVISIONED,
            unmeasured=ReasonCode.MEMORY_UNMEASURED,
        )
        return tuple(dict.fromkeys(cpu + memory)) or (ReasonCode.ALREADY_CHEAPEST,)


def decide_limits(table: DayTable, policy: FleetPolicy = DEFAULT_POLICY) -> FleetDecisions:
    """CPU and memory of every workload of a table; each row depends on that row alone.

    Args:
        table: daily statistics up to today, of at least one day.
        policy: risk and brakes.
    """
    days = cpu_days_of(table)
    regime = cpu_regime(days)
    cpu = cpu_targets(days, policy.risk, regime.start)
    memory = memory_targets(
        memory_days_of(table),
        price=policy.risk.memory_price,
        reference_bytes=policy.memory_reference_bytes,
    ).clear_of_alarm()
    found = fleet_guards(table, regime.start, memory.changed_day, minimum_days=policy.minimum_days)
    guards = FleetGuards(
        cpu=found.cpu | np.where(regime.pending, np.uint8(Guard.PENDING), np.uint8(0)),
        memory=found.memory | np.where(memory.is_moving, np.uint8(Guard.PENDING), np.uint8(0)),
    )
    return FleetDecisions(
        workloads=table.workloads,
        cpu=_settled(
            table.cpu_capacity_cores,
            _Asked(
                cpu.target_cores,
                cpu.lower_cores,
                cpu.upper_cores,
                cpu.last_day_max_cores,
                CPU_GRAIN_RATIO,
            ),
            guards.cpu,
            minimum=policy.minimum_cores,
            minimum_change_ratio=policy.minimum_change_ratio,
        ),
        memory=_settled(
            table.memory_capacity_bytes,
            _Asked(
                memory.target_bytes,
                memory.lower_bytes,
                memory.upper_bytes,
                memory.last_day_max_bytes / ALARM_RATIO,
                _ROUNDING,
            ),
            guards.memory,
            minimum=policy.minimum_bytes,
            minimum_change_ratio=policy.minimum_change_ratio,
        ),
        cpu_short_ratio=cpu.short_ratio,
        memory_failure_ratio=memory.failure_ratio,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What a rule says of one resource of W workloads; NaN not measured."""

    target: FloatArray
    lower: FloatArray
    upper: FloatArray
    alarm: FloatArray  # a capacity below this was too little on the newest day
    grain_ratio: float  # a target so little above the capacity does not raise it


def _settled(
    current: FloatArray,
    asked: _Asked,
    guards: GuardArray,
    *,
    minimum: float,
    minimum_change_ratio: float,
) -> Limits:
    """The moves of one resource: the rules of ``decide.limits.settle`` without its steps."""
    known = np.isfinite(current) & np.isfinite(asked.target)
    flags = guards | np.where(known, np.uint8(0), np.uint8(Guard.UNMEASURED))
    now = np.where(known, current, 1.0)
    wanted = np.where(known, np.maximum(asked.target, minimum), 1.0)
    tolerated = np.fmax(asked.lower, np.fmin(asked.alarm, wanted))
    less = wanted < now * (1 - _ROUNDING)
    enough = wanted <= now * (1 - minimum_change_ratio)
    grown = now * (1 + asked.grain_ratio)
    more = (tolerated > grown) & (wanted > grown)
    move = np.select(
        [~known, less & (flags != 0), less & ~enough, less, more],
        [
            _CODE[Move.UNMEASURED],
            _CODE[Move.REFUSED],
            _CODE[Move.TOO_SMALL],
            _CODE[Move.DOWN],
            _CODE[Move.UP],
        ],
        _CODE[Move.FITS],
    ).astype(np.int8)
    moved = known & ((move == _CODE[Move.DOWN]) | (move == _CODE[Move.UP]))
    target = np.where(moved, wanted, current)
    return Limits(
        target=target,
        lower=np.where(known, np.fmin(asked.lower, target), current),
        upper=np.where(known, np.fmax(asked.upper, target), current),
        wanted=np.where(known, wanted, np.nan),
        move=move,
        guards=flags,
    )


def _reasons(
    limits: Limits, row: int, *, over: ReasonCode, under: ReasonCode, unmeasured: ReasonCode
) -> tuple[ReasonCode, ...]:
    move = MOVES[int(limits.move[row])]
    match move:
        case Move.DOWN:
            return (over,)
        case Move.UP:
            return (under,)
        case Move.TOO_SMALL:
            return (ReasonCode.CHANGE_TOO_SMALL,)
        case Move.FITS:
            return ()
        case Move.REFUSED | Move.UNMEASURED:
            return _against(Guard(int(limits.guards[row])), unmeasured)


def _against(guards: Guard, unmeasured: ReasonCode) -> tuple[ReasonCode, ...]:
    """Reasons of a refusal. A level that moved days ago is evidence too weak to size on."""
    found = []
    if guards & (Guard.WEAK_EVIDENCE | Guard.PENDING):
        found.append(ReasonCode.EVIDENCE_TOO_WEAK)
    if guards & CENSORED:
        found.append(ReasonCode.DEMAND_CENSORED)
    if guards & Guard.UNMEASURED:
        found.append(unmeasured)
    return tuple(found)
