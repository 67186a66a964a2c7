"""Usage as it will be once sizes are applied: commitments are bought for what remains.

Hours of a workload that the release resizes move to its new instance type, in the proportion of
its least instances before and after. Hours without a workload, or of one the release does not name,
stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from rightsizing.model.hourlyusage import Usage
from rightsizing.model.release import LAST_PHASE, Release
from rightsizing.model.size import FleetSize


@dataclass(frozen=True, slots=True)
class SizedUsage:
    """The usage after sizing, which workloads moved, and why others did not."""

    usage: Usage
    moved: tuple[str, ...]
    notes: tuple[str, ...]


def after_sizing(
    usage: Usage,
    release: Release,
    price_of: Callable[[str, str], float | None],
    phase: int = LAST_PHASE,
) -> SizedUsage:
    """Apply a release to the usage.

    Args:
        usage: with workloads on its SKUs.
        release: what ``rightsize plan`` wrote.
        price_of: on-demand dollars an hour of a type in a region; None: unknown.
        phase: sizes of phases up to this one.
    """
    skus = list(usage.skus)
    quantity = usage.quantity.copy()
    moved: set[str] = set()
    notes: list[str] = []
    for place, sku in enumerate(usage.skus):
        if sku.workload is None or sku.workload not in release.workloads():
            continue
        before = release.baseline.get(sku.workload)
        after = release.size_at(sku.workload, phase)
        if not isinstance(before, FleetSize) or not isinstance(after, FleetSize) or before == after:
            continue
        if sku.name != before.instance_type:
            notes.append(
                f"{sku.workload} ran {sku.name}, not the {before.instance_type} the release starts "
                "from; its hours are kept as they were"
            )
            continue
        price = price_of(after.instance_type, sku.region)
        if price is None:
            notes.append(
                f"{after.instance_type} in {sku.region} has no price; the hours of {sku.workload} "
                "are kept as they were"
            )
            continue
        if before.min_instances:
            quantity[:, place] *= after.min_instances / before.min_instances
        skus[place] = replace(sku, name=after.instance_type, usd_per_unit=price)
        moved.add(sku.workload)
    found = Usage(tuple(skus), np.asarray(quantity), usage.first_hour)
    return SizedUsage(found, tuple(sorted(moved)), tuple(dict.fromkeys(notes)))
