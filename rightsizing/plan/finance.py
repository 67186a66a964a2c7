"""Money over time, with one definition of each word wherever the toolkit prints it.

    ROI          net, first year: (12 * monthly saving - cost) / cost
    payback      cost / monthly saving, in months
    NPV          -cost + sum of the monthly saving, discounted, paid at each month's end, 36 months
    cost a unit  monthly cost / units of work a month (a trade, a request, a job)

All amounts are ``Decimal`` US dollars, unrounded. An unknown saving or cost makes the figure
unknown (``NoData``), never 0. Nothing here knows where a saving comes from.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from rightsizing.errors import ConfigError
from rightsizing.model.base import NoData
from rightsizing.units import MONTHS_PER_YEAR, format_usd

NPV_MONTHS = 36
# Chosen by us: between a risk-free rate and a typical corporate hurdle rate. Always printed.
DEFAULT_DISCOUNT_RATE = Decimal("0.08")

Amount = Decimal | NoData
UNKNOWN_COST = NoData("the cost after the change is not known")
UNKNOWN_UNITS = NoData("units of work a month are not known")


@dataclass(frozen=True, slots=True)
class Never:
    """A cost that the saving does not pay back, with the reason."""

    reason: str

    def __bool__(self) -> bool:
        return False


Payback = Decimal | Never | NoData


@dataclass(frozen=True, slots=True)
class Appraisal:
    """One investment: what it saves, costs and returns. Ratios are 0-1 (2.48 is 248 %)."""

    saving_usd_per_month: Amount
    cost_usd: Amount
    roi_net_first_year: Amount
    payback_months: Payback
    npv_usd: Amount
    discount_rate: Decimal
    cost_per_unit_usd: Amount


def roi_net_first_year(saving_usd_per_month: Amount, cost_usd: Amount) -> Amount:
    """Return (12 * saving - cost) / cost as a ratio; NoData when unknown or the cost is 0."""
    known = _known(saving_usd_per_month, cost_usd)
    if isinstance(known, NoData):
        return known
    saving, cost = known
    if cost == 0:
        return NoData("ROI is a ratio to the cost, and the cost is $0")
    return (MONTHS_PER_YEAR * saving - cost) / cost


def roi_gross_first_year(saving_usd_per_month: Amount, cost_usd: Amount) -> Amount:
    """Return 12 * saving / cost. Not our definition; kept to recognise claims that use it."""
    known = _known(saving_usd_per_month, cost_usd)
    if isinstance(known, NoData):
        return known
    saving, cost = known
    if cost == 0:
        return NoData("ROI is a ratio to the cost, and the cost is $0")
    return MONTHS_PER_YEAR * saving / cost


def payback_months(saving_usd_per_month: Amount, cost_usd: Amount) -> Payback:
    """Months until the savings equal the cost; ``Never`` when there is no positive saving."""
    known = _known(saving_usd_per_month, cost_usd)
    if isinstance(known, NoData):
        return known
    saving, cost = known
    if saving < 0:
        return Never(f"it costs {format_usd(-saving)} more a month")
    if cost == 0:
        return Decimal(0)
    if saving == 0:
        return Never("it saves nothing")
    return cost / saving


def npv(
    saving_usd_per_month: Amount,
    cost_usd: Amount,
    *,
    discount_rate: Decimal = DEFAULT_DISCOUNT_RATE,
    months: int = NPV_MONTHS,
) -> Amount:
    """Net present value of ``months`` equal savings against a cost paid today.

    ``discount_rate`` is effective, per year: a month discounts by (1 + rate) ** (1/12). The annuity
    is summed in closed form, saving * (1 - (1 + m) ** -months) / m. Raises ConfigError for a rate
    of -100 % or less.
    """
    if discount_rate <= -1:
        raise ConfigError(f"the discount rate is {discount_rate}, must be above -1 (-100 %)")
    known = _known(saving_usd_per_month, cost_usd)
    if isinstance(known, NoData):
        return known
    saving, cost = known
    if discount_rate == 0:
        return saving * months - cost
    monthly = (1 + discount_rate) ** (Decimal(1) / MONTHS_PER_YEAR) - 1
    return saving * (1 - (1 + monthly) ** -months) / monthly - cost


def cost_per_unit(cost_usd_per_month: Amount, units_per_month: Amount) -> Amount:
    """Cost of one unit of work; NoData when either is unknown or no unit was done."""
    if isinstance(cost_usd_per_month, NoData):
        return cost_usd_per_month
    if isinstance(units_per_month, NoData):
        return units_per_month
    if units_per_month <= 0:
        return NoData(f"{units_per_month} units of work a month have no cost each")
    return cost_usd_per_month / units_per_month


def appraise(
    saving_usd_per_month: Amount,
    cost_usd: Amount,
    *,
    discount_rate: Decimal = DEFAULT_DISCOUNT_RATE,
    cost_after_usd_per_month: Amount = UNKNOWN_COST,
    units_per_month: Amount = UNKNOWN_UNITS,
) -> Appraisal:
    """Compute every figure of one investment. Raises ConfigError for a negative cost."""
    return Appraisal(
        saving_usd_per_month=saving_usd_per_month,
        cost_usd=cost_usd,
        roi_net_first_year=roi_net_first_year(saving_usd_per_month, cost_usd),
        payback_months=payback_months(saving_usd_per_month, cost_usd),
        npv_usd=npv(saving_usd_per_month, cost_usd, discount_rate=discount_rate),
        discount_rate=discount_rate,
        cost_per_unit_usd=cost_per_unit(cost_after_usd_per_month, units_per_month),
    )


def total(amounts: tuple[Amount, ...]) -> Amount:
    """Sum, unknown as soon as one part is; an empty sum is 0."""
    unknown = [amount for amount in amounts if isinstance(amount, NoData)]
    if unknown:
        return NoData(f"{len(unknown)} of {len(amounts)} parts unknown: {unknown[0].reason}")
    return sum((amount for amount in amounts if not isinstance(amount, NoData)), Decimal(0))


def _known(saving: Amount, cost: Amount) -> tuple[Decimal, Decimal] | NoData:
    if isinstance(cost, Decimal) and cost < 0:
        raise ConfigError(f"an implementation cost of {format_usd(cost)} is below 0")
    if isinstance(saving, NoData):
        return saving
    if isinstance(cost, NoData):
        return cost
    return saving, cost
