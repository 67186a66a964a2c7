"""How fast one vCPU of a family is, compared with one of another: measured, shrunk, overridable.

The bundled figures are medians, over the sizes of a family that are not bare metal, of CoreMark
iterations a second divided by vCPUs, every vCPU busy at once (``data/performance.json`` names its
source, commit and date). CoreMark runs from the first-level cache, so it shows more of a difference
than most programs meet; a ratio is therefore raised to ``SHRINKAGE_EXPONENT``. That exponent is a
heuristic, not a measurement. Whoever has measured the own program states its ratios instead, and
those are taken as they are. A family without a figure is taken to be as fast as any other, never
faster.

A vCPU that is one of two threads of a core serves more at half load than half of what it serves at
full load, so use of such a vCPU understates work; the shrinkage is the only allowance made for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError

from rightsizing.errors import CatalogError
from rightsizing.model.base import FrozenModel, NoData

BUNDLED_PERFORMANCE = Path(__file__).parent / "data" / "performance.json"
REFERENCE_FAMILY = "m5"  # one vCPU of it has speed 1
SHRINKAGE_EXPONENT = 0.7


class PerformanceFile(FrozenModel):
    """The bundled figures: CoreMark iterations a second of one vCPU, by family."""

    source: str
    as_of: date
    iterations_per_s_per_vcpu: dict[str, float] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Performance:
    """Speeds of one vCPU by family, one of m5 being 1: shrunk medians, or the user's own."""

    speeds: Mapping[str, float]
    description: str

    @classmethod
    def of(cls, document: PerformanceFile) -> Self:
        """Speeds from a parsed file. Raises CatalogError if it lacks the reference family."""
        figures = document.iterations_per_s_per_vcpu
        if REFERENCE_FAMILY not in figures or min(figures.values()) <= 0:
            raise CatalogError(
                f"the performance figures of {document.source} must be positive and name "
                f"{REFERENCE_FAMILY}, which the others are compared with"
            )
        reference = figures[REFERENCE_FAMILY]
        return cls(
            {
                family: (figure / reference) ** SHRINKAGE_EXPONENT
                for family, figure in figures.items()
            },
            f"{document.source}, {document.as_of}",
        )

    def overridden(self, ratios: Mapping[str, float]) -> Performance:
        """The same with the user's own ratios to m5 for some families, each positive."""
        return replace(self, speeds={**self.speeds, **ratios}) if ratios else self

    def speed(self, family: str) -> float | NoData:
        """Speed of one vCPU where one of m5 is 1."""
        found = self.speeds.get(family)
        return found or NoData(f"no performance figure for {family} ({self.description})")

    def ratio(self, measured_on: str, candidate: str) -> float:
        """Cores of the family ``measured_on`` that one vCPU of ``candidate`` stands for.

        1 within a family, and where either family has no figure (see ``unknown``).
        """
        if measured_on == candidate:
            return 1.0
        before, after = self.speeds.get(measured_on), self.speeds.get(candidate)
        return 1.0 if before is None or after is None else after / before

    def unknown(self, measured_on: str, candidate: str) -> NoData | None:
        """Why ``ratio`` had to be 1 between two families; None when it is known."""
        if measured_on == candidate:
            return None
        for family in (measured_on, candidate):
            speed = self.speed(family)
            if isinstance(speed, NoData):
                return speed
        return None


@cache
def bundled_performance() -> Performance:
    """The figures that come with the package. Raises CatalogError if the file is damaged."""
    return read_performance(BUNDLED_PERFORMANCE)


def read_performance(path: Path) -> Performance:
    """Read figures from a file. Raises CatalogError naming the file and what is wrong in it."""
    try:
        document = PerformanceFile.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CatalogError(
            f"the performance figures {path} cannot be read ({error.strerror}); install the "
            "package again"
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise CatalogError(
            f"the performance figures {path} are damaged at {place} ({first['msg']}); install "
            "the package again"
        ) from None
    return Performance.of(document)
