"""EC2 types for limits: the cheapest type of a region that holds the cores and the memory.

Only types that a rule could be given without knowing more of the workload: x86, current
generation, not burstable (a burstable type does not sustain its vCPUs), no accelerator, no local
disk, no bare metal, with a list price. A vCPU counts as a core of the measured machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from rightsizing.backtest.scores import Supply
from rightsizing.backtest.series import FloatArray
from rightsizing.catalog.catalog import Catalog
from rightsizing.decide.typesteps import Steps
from rightsizing.errors import CatalogError
from rightsizing.model.base import NoData
from rightsizing.model.workload import Architecture
from rightsizing.units import mib_to_bytes

_ROUNDING = 1e-9  # relative; 4.000000001 cores are 4


@dataclass(frozen=True, eq=False)
class TypeTable:
    """Types no other type beats in price, cores and memory, cheapest first."""

    region: str
    names: tuple[str, ...]
    cores: FloatArray
    memory_bytes: FloatArray
    usd_per_hour: FloatArray

    @classmethod
    def of(cls, catalog: Catalog, region: str) -> Self:
        """The table of a region. Raises CatalogError where it is unknown or has no prices."""
        found: list[tuple[float, int, int, str]] = []
        for shape in catalog.shapes(region):
            usable = (
                shape.current_generation
                and not shape.burstable
                and not shape.bare_metal
                and shape.gpu_count == 0
                and shape.local_storage_gb == 0
                and shape.architecture is Architecture.X86_64
            )
            price = catalog.price(shape.instance_type, region) if usable else None
            if price is None or isinstance(price, NoData):
                continue
            usd = float(price.usd_per_hour)
            found.append((usd, -shape.vcpus, -shape.memory_mib, shape.instance_type))
        if not found:
            raise CatalogError(
                f"the catalog holds no on-demand prices for {region}; name a region that "
                f"`rightsize catalog show` lists with prices"
            )
        kept: list[tuple[float, int, int, str]] = []
        for usd, vcpus, memory_mib, name in sorted(found):
            if not any(other[1] <= vcpus and other[2] <= memory_mib for other in kept):
                kept.append((usd, vcpus, memory_mib, name))
        return cls(
            region=region,
            names=tuple(name for _usd, _vcpus, _memory, name in kept),
            cores=np.array([-vcpus for _usd, vcpus, _memory, _name in kept], dtype=np.float64),
            memory_bytes=np.array(
                [mib_to_bytes(-memory) for _usd, _vcpus, memory, _name in kept], dtype=np.float64
            ),
            usd_per_hour=np.array([usd for usd, _vcpus, _memory, _name in kept]),
        )

    @cached_property
    def steps(self) -> Steps:
        """The types as sizes to choose from."""
        return Steps(self.cores, self.memory_bytes, self.usd_per_hour)

    def place_of(self, cpu_cores: float, memory_bytes: float) -> int | None:
        """Which type has exactly these cores and this memory; None: no type of the table."""
        return self._places.get((cpu_cores, memory_bytes))

    @cached_property
    def _places(self) -> dict[tuple[float, float], int]:
        sizes = zip(self.cores.tolist(), self.memory_bytes.tolist(), strict=True)
        return {size: place for place, size in enumerate(sizes)}

    def cheapest(self, cpu_cores: FloatArray, memory_bytes: FloatArray) -> Supply:
        """The cheapest type for each cell of (W, D) needs.

        Memory that is NaN asks for nothing. Needs that no type holds get the type with the most
        cores, so that they cost and exceed as they would. Cells with NaN cores stay NaN.
        """
        memory = np.nan_to_num(memory_bytes, nan=0.0)
        largest = int(np.lexsort((self.memory_bytes, self.cores))[-1])
        # Needs repeat from day to day, so each distinct pair is looked up once.
        pairs = np.stack([np.nan_to_num(cpu_cores, nan=-1.0).ravel(), memory.ravel()], axis=1)
        distinct, where = np.unique(pairs, axis=0, return_inverse=True)
        holds = (self.cores >= distinct[:, :1] * (1 - _ROUNDING)) & (
            self.memory_bytes >= distinct[:, 1:] * (1 - _ROUNDING)
        )
        index = np.where(holds.any(axis=1), np.argmax(holds, axis=1), largest)
        chosen = index[where.ravel()].reshape(cpu_cores.shape)
        unknown = np.isnan(cpu_cores)
        return Supply(
            cpu_cores=np.where(unknown, np.nan, self.cores[chosen]),
            memory_bytes=np.where(unknown, np.nan, self.memory_bytes[chosen]),
            price=np.where(unknown, np.nan, self.usd_per_hour[chosen]),
        )
