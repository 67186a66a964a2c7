"""Names the real provider gives to resources nobody named.

Pulumi's bridge appends ``-`` and seven hex digits to the logical name, taken from the engine's
random seed, keeps the name over updates, and refuses a logical name that leaves no room
(``sdk/go/common/resource/urn.go`` NewUniqueHex). The same seed gives the same name.
"""

from __future__ import annotations

import hashlib
import os

from rightsizing.embedded.plugin.schema import Naming
from rightsizing.embedded.plugin.values import Properties

_SUFFIX_DIGITS = 7


class NameTooLong(ValueError):
    """The logical name and its suffix do not fit the service's limit."""


def choose_name(rule: Naming, logical_name: str, old: Properties, seed: bytes, urn: str) -> str:
    """The old name if there is one, else a new unique one. Raises NameTooLong."""
    kept = old.get(rule.property)
    if isinstance(kept, str) and kept:
        return kept
    name_length = len(logical_name) + 1 + _SUFFIX_DIGITS
    if name_length > rule.limit:
        raise NameTooLong(
            f"{logical_name!r} with its suffix has {name_length} characters, the service takes "
            f"{rule.limit}; use a logical name of at most {rule.limit - 1 - _SUFFIX_DIGITS} or set "
            f"{rule.property}"
        )
    # Without a seed (engines send none when they want a free choice) every name is a new one.
    digest = hashlib.sha256((seed or os.urandom(16)) + urn.encode()).hexdigest()
    return f"{logical_name}-{digest[:_SUFFIX_DIGITS]}"
