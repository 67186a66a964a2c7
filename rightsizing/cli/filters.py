"""Tag and label filters as they are typed."""

from __future__ import annotations

from collections.abc import Sequence

from rightsizing.errors import ConfigError


def parse_filters(texts: Sequence[str], option: str) -> dict[str, str | None]:
    """``key=value``, or ``key`` for any value. Raises ConfigError for an empty key."""
    filters: dict[str, str | None] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not key:
            raise ConfigError(f"{option} {text!r} must be KEY or KEY=VALUE")
        filters[key] = value if separator else None
    return filters
