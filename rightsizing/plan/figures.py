"""How figures are written and compared: at the precision a claim was printed with.

A claim of ``$0.080`` agrees with 0.07987 and one of ``$0.0800`` does not. Rounding is half up, and
only here: everything before it is exact ``Decimal`` arithmetic.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from rightsizing.units import format_usd


def rounded(value: Decimal, places: int) -> Decimal:
    """Round half up to ``places`` decimals."""
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def number(value: Decimal, places: int = 2) -> str:
    """At most ``places`` decimals, thousands separated, no trailing zeros: ``1,234.5``."""
    text = f"{rounded(value, places):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(value_pct: Decimal, places: int = 0) -> str:
    """A percentage that is already 0-100: ``66 %``."""
    return f"{rounded(value_pct, places):,f} %"


def usd(value: Decimal, places: int = 2) -> str:
    """Dollars; with more places for rates and unit costs: ``$2.604``, ``$0.0295``."""
    if places == 2:
        return format_usd(value)
    amount = rounded(value, places)
    return f"-${-amount:,f}" if amount < 0 else f"${amount:,f}"


def agrees(claim: Decimal, computed: Decimal) -> bool:
    """Whether ``computed``, rounded as the claim was printed, is the claim."""
    exponent = claim.as_tuple().exponent
    places = -exponent if isinstance(exponent, int) else 0
    return rounded(computed, places) == claim


def between(low: Decimal | None, high: Decimal | None, unit: str) -> str:
    """A band in words: ``60-80 %``, ``at most 50 ms``."""
    text = _band(low, high)
    return f"{text} {unit}".strip()


def _band(low: Decimal | None, high: Decimal | None) -> str:
    if low is not None and high is not None:
        return f"{number(low, 4)}-{number(high, 4)}"
    if high is not None:
        return f"at most {number(high, 4)}"
    if low is not None:
        return f"at least {number(low, 4)}"
    return "anything"
