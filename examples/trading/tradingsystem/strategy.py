"""Which trades a cycle's scores lead to: the four symbols with the strongest mean sentiment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tradingsystem.articles import Article
from tradingsystem.orders import Order

TRADES_A_CYCLE = 4
LOT = 10


def trades(
    cycle: int, articles: Iterable[Article], scores: Mapping[str, float]
) -> tuple[Order, ...]:
    """At most four orders; the same for the same articles and scores, in whatever order."""
    by_symbol: dict[str, list[float]] = {}
    for article in articles:
        if article.id in scores:
            by_symbol.setdefault(article.symbol, []).append(scores[article.id])
    # summed in order of size, so that the order of arrival cannot change a last digit
    means = {symbol: sum(sorted(found)) / len(found) for symbol, found in by_symbol.items()}
    strongest = sorted(means, key=lambda symbol: (-abs(means[symbol]), symbol))[:TRADES_A_CYCLE]
    return tuple(
        Order(
            id=f"{cycle}-{number}",
            cycle=cycle,
            symbol=symbol,
            quantity=LOT if means[symbol] > 0 else -LOT,
            score=round(means[symbol], 6),
        )
        for number, symbol in enumerate(strongest)
    )
