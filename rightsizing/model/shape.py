"""An EC2 instance type's specification, as DescribeInstanceTypes gives it, and its credit mode."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum, unique

from rightsizing.model.base import NoData
from rightsizing.model.workload import Architecture


@unique
class CreditMode(StrEnum):
    """A burstable instance without CPU credits: held at its baseline, or billed for the surplus."""

    STANDARD = "standard"
    UNLIMITED = "unlimited"


@dataclass(frozen=True, slots=True)
class InstanceShape:
    """One instance type. Network and EBS figures are baselines, not "up to" bursts."""

    instance_type: str
    vcpus: int
    physical_cores: int
    memory_mib: int
    architecture: Architecture
    current_generation: bool
    burstable: bool
    baseline_cpu_ratio: float | NoData  # T families: share of each vCPU earned for good
    network_baseline_bytes_per_s: float | NoData
    ebs_baseline_bytes_per_s: float | NoData
    ebs_baseline_ops_per_s: float | NoData
    gpu_count: int
    local_storage_gb: int
    bare_metal: bool

    @property
    def family(self) -> str:
        """``m7g`` of ``m7g.large``."""
        return self.instance_type.split(".", 1)[0]

    @property
    def generation(self) -> int:
        """``7`` of ``m7g``; 0 where the family's name has no number."""
        found = re.search(r"\d+", self.family)
        return int(found.group()) if found else 0

    @property
    def memory_gib(self) -> float:
        """Memory in GiB."""
        return self.memory_mib / 1024
