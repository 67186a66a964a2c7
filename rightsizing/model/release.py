"""A release: the complete desired sizing of a stack for all its phases, and nothing else.

Sizes only, no evidence, so that the same decision always has the same id. The id is the SHA-256 of
canonical JSON (sorted keys, no spaces, UTF-8) of integers and strings; floats are refused.
"""

from __future__ import annotations

import hashlib
import json

from pydantic import Field, field_validator

from rightsizing.errors import ReleaseTooLarge
from rightsizing.model.base import FrozenModel
from rightsizing.model.size import Size
from rightsizing.model.workload import WORKLOAD_KEY_PATTERN

# Configuration reaches a Pulumi program through one environment string; Linux limits one such
# string to 128 KiB (MAX_ARG_STRLEN). 96 KiB leaves a quarter for all other keys.
MAX_RELEASE_BYTES = 96 * 1024
LAST_PHASE = 9


class Release(FrozenModel):
    """Sizes by phase. ``baseline`` is what ran before phase 1; phases are cumulative.

    ``phases[n][workload]`` is the size from phase n on. Keys of ``phases`` are "1" to "9".
    """

    version: int = Field(default=1, ge=1, le=1, description="of this format")
    baseline: dict[str, Size] = Field(description="sizes before phase 1, by workload key")
    phases: dict[str, dict[str, Size]] = Field(
        default_factory=dict, description="by phase (1 to 9), then workload key; cumulative"
    )

    @field_validator("phases")
    @classmethod
    def _phases_are_numbers(cls, value: dict[str, dict[str, Size]]) -> dict[str, dict[str, Size]]:
        for phase in value:
            if len(phase) != 1 or phase not in "123456789":
                raise ValueError(f"phase {phase!r} must be one of 1 to {LAST_PHASE}")
        return value

    @field_validator("baseline")
    @classmethod
    def _keys_are_safe(cls, value: dict[str, Size]) -> dict[str, Size]:
        for key in value:
            if not WORKLOAD_KEY_PATTERN.match(key):
                raise ValueError(f"workload key {key[:40]!r} is not allowed")
        return value

    def canonical_json(self) -> bytes:
        """The bytes whose SHA-256 is the id."""
        text = json.dumps(
            self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        return text.encode("utf-8")

    @property
    def id(self) -> str:
        """SHA-256 of the canonical JSON, in hex."""
        return hashlib.sha256(self.canonical_json()).hexdigest()

    @property
    def short_id(self) -> str:
        """The first 12 characters of the id, for people."""
        return self.id[:12]

    def size_at(self, workload: str, phase: int) -> Size | None:
        """Size of a workload when phases 1 to ``phase`` apply; None if the release omits it."""
        for number in range(phase, 0, -1):
            size = self.phases.get(str(number), {}).get(workload)
            if size is not None:
                return size
        return self.baseline.get(workload)

    def workloads(self) -> tuple[str, ...]:
        """All workloads named anywhere, sorted."""
        named = set(self.baseline).union(*self.phases.values())
        return tuple(sorted(named))

    def last_phase(self) -> int:
        """Highest phase that changes a size; 0 when none does."""
        return max((int(phase) for phase, sizes in self.phases.items() if sizes), default=0)

    def require_fits(self) -> None:
        """Raise ReleaseTooLarge above MAX_RELEASE_BYTES, naming how to split the stack."""
        size_bytes = len(self.canonical_json())
        if size_bytes <= MAX_RELEASE_BYTES:
            return
        names = self.workloads()
        parts = -(-size_bytes // MAX_RELEASE_BYTES)
        per_part = -(-len(names) // parts)
        cuts = [names[start] for start in range(0, len(names), per_part)]
        raise ReleaseTooLarge(
            f"the release is {size_bytes:,} bytes for {len(names)} workloads, above the limit of "
            f"{MAX_RELEASE_BYTES:,}; split the stack into {parts} of at most {per_part} workloads "
            f"(for instance by name, starting new stacks at {', '.join(cuts[1:])})"
        )
