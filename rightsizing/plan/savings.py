"""Savings as a waterfall: each step is priced on what the steps before it left, so none is twice.

The order is fixed, whatever order the steps come in: terminate, resize, schedule, autoscale,
commit, then cache, serverless, tenancy, other; within a kind by phase. What need not run goes
first, and commitments cover what remains, because the reverse commits to usage that then goes.

Everything is in whole cents from the start, and every step's saving is what was left before it less
what is left after it. So the sum of all steps is the bill before less the bill after, exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum, unique
from itertools import pairwise

from rightsizing.errors import ConfigError
from rightsizing.model.base import NoData
from rightsizing.plan.figures import number, usd
from rightsizing.units import to_cents

CENT = Decimal("0.01")
ZERO = Decimal(0)


@unique
class StepKind(StrEnum):
    """Kinds of saving, in the order in which they are priced."""

    TERMINATE = "terminate"
    RESIZE = "resize"
    SCHEDULE = "schedule"
    AUTOSCALE = "autoscale"
    COMMIT = "commit"
    CACHE = "cache"
    SERVERLESS = "serverless"
    TENANCY = "tenancy"
    OTHER = "other"

    @property
    def rank(self) -> int:
        """0 is priced first."""
        return list(StepKind).index(self)


@dataclass(frozen=True, slots=True)
class Keep:
    """``ratio`` of what is left stays: 0 for terminated, hours on over all hours for a schedule."""

    ratio: Decimal


@dataclass(frozen=True, slots=True)
class Become:
    """What is left, if anything, becomes this cost a month: another size, running all hours."""

    usd_per_month: Decimal


@dataclass(frozen=True, slots=True)
class Replace:
    """Up to ``part`` of what is left goes, ``by`` comes: covered usage and what covers it."""

    part_usd_per_month: Decimal
    by_usd_per_month: Decimal


@dataclass(frozen=True, slots=True)
class Claim:
    """A saving that somebody claims; taken as true, but never above what is left."""

    usd_per_month: Decimal


Effect = Keep | Become | Replace | Claim | NoData


@dataclass(frozen=True, slots=True)
class Step:
    """One change to one workload. ``why`` explains its effect, with arithmetic where there is."""

    kind: StepKind
    workload: str
    title: str
    effect: Effect
    phase: int = 0
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PricedStep:
    """A step with the workload's cost before and after it, whole cents a month."""

    step: Step
    before_usd: Decimal
    after_usd: Decimal
    arithmetic: str
    remark: str = ""

    @property
    def saving_usd(self) -> Decimal:
        """What it takes off the bill; negative when it costs more."""
        return self.before_usd - self.after_usd

    @property
    def unknown(self) -> bool:
        """Nobody measured what it saves; it counts as nothing."""
        return isinstance(self.step.effect, NoData)


@dataclass(frozen=True, slots=True)
class Waterfall:
    """A bill, the steps, and the bill after them: workloads to whole cents a month."""

    before: Mapping[str, Decimal]
    steps: tuple[PricedStep, ...]
    after: Mapping[str, Decimal]

    @property
    def before_usd(self) -> Decimal:
        """The bill."""
        return sum(self.before.values(), ZERO)

    @property
    def after_usd(self) -> Decimal:
        """The bill once every step is done."""
        return sum(self.after.values(), ZERO)

    @property
    def saving_usd(self) -> Decimal:
        """The difference, which is the sum of the steps."""
        return self.before_usd - self.after_usd

    @property
    def unknown(self) -> tuple[PricedStep, ...]:
        """Steps that count as nothing because nothing was measured."""
        return tuple(item for item in self.steps if item.unknown)

    def saving_of(self, *, kind: StepKind | None = None, phase: int | None = None) -> Decimal:
        """Sum over the steps of a kind, of a phase, or of both."""
        return sum(
            (
                item.saving_usd
                for item in self.steps
                if kind in (None, item.step.kind) and phase in (None, item.step.phase)
            ),
            ZERO,
        )

    @property
    def phases(self) -> tuple[int, ...]:
        """Phases with a step, in order."""
        return tuple(sorted({item.step.phase for item in self.steps}))


def waterfall(bill: Mapping[str, Decimal], steps: Iterable[Step]) -> Waterfall:
    """Price ``steps`` on a month's bill by workload, in the fixed order.

    A step that is optional and would cost more than it saves on what is left is left out, and says
    so; another size may cost more, because what runs may be too small.

    Raises ConfigError for a negative cost, a step about a workload that is not on the bill, one
    given twice, or an effect out of bounds.
    """
    left = in_cents(bill)
    before = dict(left)
    priced = []
    for step in _in_order(steps):
        if step.workload not in left:
            raise ConfigError(
                f"step {step.title!r} is about {step.workload!r}, which the bill does not name; "
                f"it names {', '.join(sorted(left))[:200]}"
            )
        result = _priced(step, left[step.workload])
        left[step.workload] = result.after_usd
        priced.append(result)
    return Waterfall(before, tuple(priced), left)


def in_cents(bill: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Costs in whole cents whose sum is the rounded sum: the largest remainders are rounded up.

    Raises ConfigError for a cost below 0 or that is no number.
    """
    for name, cost in bill.items():
        if not cost.is_finite() or cost < 0:
            raise ConfigError(
                f"{name} costs {cost} a month, must be 0 or more; leave credits and refunds out "
                "of what is to be saved from"
            )
    down = {name: cost.quantize(CENT, rounding=ROUND_FLOOR) for name, cost in sorted(bill.items())}
    missing = int((to_cents(sum(bill.values(), ZERO)) - sum(down.values(), ZERO)) / CENT)
    by_remainder = sorted(down, key=lambda name: (down[name] - bill[name], name))
    for name in by_remainder[:missing]:
        down[name] += CENT
    return down


def _in_order(steps: Iterable[Step]) -> Sequence[Step]:
    found = sorted(steps, key=lambda item: (item.kind.rank, item.phase, item.workload, item.title))
    for one, two in pairwise(found):
        if _name(one) == _name(two):
            raise ConfigError(
                f"{two.kind.value} step {two.title!r} of {two.workload} is given twice; give it "
                "once"
            )
    return found


def _name(step: Step) -> tuple[StepKind, int, str, str]:
    return (step.kind, step.phase, step.workload, step.title)


def _priced(step: Step, before: Decimal) -> PricedStep:
    effect = step.effect
    if isinstance(effect, NoData):
        return PricedStep(step, before, before, f"{usd(before)} left", effect.reason)
    _check(step)
    if before == 0:
        return PricedStep(step, before, before, "$0.00 left", "nothing is left to save")
    raw, arithmetic, remark = _after(effect, before)
    after = to_cents(raw)
    if after > before and step.kind is not StepKind.RESIZE:
        return PricedStep(
            step, before, before, arithmetic, f"left out: it costs {usd(after - before)} more"
        )
    return PricedStep(step, before, after, arithmetic, remark)


def _after(effect: Keep | Become | Replace | Claim, before: Decimal) -> tuple[Decimal, str, str]:
    """Cost after, unrounded; how it was computed; what to know."""
    if isinstance(effect, Keep):
        after = before * effect.ratio
        return after, f"{usd(before)} x {number(effect.ratio, 4)} = {usd(after)}", ""
    if isinstance(effect, Become):
        after = effect.usd_per_month
        return after, f"{usd(before)} - {usd(after)} = {usd(before - after)}", ""
    if isinstance(effect, Replace):
        part = min(effect.part_usd_per_month, before)
        after = before - part + effect.by_usd_per_month
        line = f"{usd(before)} - {usd(part)} + {usd(effect.by_usd_per_month)} = {usd(after)}"
        short = effect.part_usd_per_month - part
        covers_nothing = f"{usd(short)} of it covers nothing that is left"
        return after, line, covers_nothing if short >= CENT else ""
    saved = min(effect.usd_per_month, before)
    line = f"{usd(before)} - {usd(saved)} = {usd(before - saved)}"
    if saved == effect.usd_per_month:
        return before - saved, line, ""
    return (
        before - saved,
        line,
        f"{usd(effect.usd_per_month)} are claimed, but only {usd(before)} are left on the bill",
    )


def _check(step: Step) -> None:
    effect = step.effect
    assert not isinstance(effect, NoData)
    amounts = (
        (effect.ratio,)
        if isinstance(effect, Keep)
        else (effect.part_usd_per_month, effect.by_usd_per_month)
        if isinstance(effect, Replace)
        else (effect.usd_per_month,)
    )
    for amount in amounts:
        if not amount.is_finite() or amount < 0:
            raise ConfigError(
                f"{step.kind.value} step {step.title!r} of {step.workload} has {amount}, must be 0 "
                "or more"
            )
    if isinstance(effect, Keep) and effect.ratio > 1:
        raise ConfigError(
            f"{step.kind.value} step {step.title!r} of {step.workload} keeps {effect.ratio} of the "
            "cost, must be 0 to 1"
        )
