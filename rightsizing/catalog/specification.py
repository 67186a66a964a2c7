"""Reads one record of EC2's DescribeInstanceTypes into an InstanceShape.

Shared by the catalog refresh, which gets records from AWS, and by ``tools/build_catalog.py``, which
gets them from moto's bundled copy of the same call. Two facts are not in that call and are written
here with their source: the CPU baseline of burstable sizes and that of flex families.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rightsizing.errors import CatalogError
from rightsizing.model.base import NoData
from rightsizing.model.shape import InstanceShape
from rightsizing.model.workload import Architecture

BYTES_PER_S_PER_MBPS = 1_000_000 / 8  # AWS states network and EBS bandwidth in decimal megabits
MBPS_PER_GBPS = 1000

# CPU credits earned an hour, from AWS's table, as of 2026-10:
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-credits-baseline-concepts.html
# One credit is one vCPU at full speed for one minute, so baseline = credits / (60 x vCPUs).
_CREDITS_PER_HOUR: Mapping[str, Mapping[str, float]] = {
    "t2": {
        "nano": 3,
        "micro": 6,
        "small": 12,
        "medium": 24,
        "large": 36,
        "xlarge": 54,
        "2xlarge": 81.6,
    },
    **{
        family: {
            "nano": 6,
            "micro": 12,
            "small": 24,
            "medium": 24,
            "large": 36,
            "xlarge": 96,
            "2xlarge": 192,
        }
        for family in ("t3", "t3a", "t4g")
    },
}

# AWS describes flex families as sustaining 40 % of each vCPU and reaching all of it for 95 % of a
# day. No API states it and no dated page was at hand, so it is only ever used against a type.
FLEX_BASELINE_CPU_RATIO = 0.4
_FLEX_SUFFIX = "-flex"

_ARCHITECTURES = {"x86_64": Architecture.X86_64, "arm64": Architecture.ARM64}


def shape_of(record: Mapping[str, Any]) -> InstanceShape | None:
    """Read one record; None for Mac types, whose instruction sets no image here can run.

    Raises CatalogError naming the type and the field that is missing.
    """
    name = str(record.get("InstanceType", ""))
    try:
        architecture = _architecture(record["ProcessorInfo"]["SupportedArchitectures"])
        if architecture is None:
            return None
        vcpus = int(record["VCpuInfo"]["DefaultVCpus"])
        burstable = bool(record["BurstablePerformanceSupported"]) or _is_t_family(name)
        ebs = record.get("EbsInfo", {}).get("EbsOptimizedInfo")
        return InstanceShape(
            instance_type=name,
            vcpus=vcpus,
            physical_cores=int(record["VCpuInfo"].get("DefaultCores", vcpus)),
            memory_mib=int(record["MemoryInfo"]["SizeInMiB"]),
            architecture=architecture,
            current_generation=bool(record["CurrentGeneration"]),
            burstable=burstable,
            baseline_cpu_ratio=_baseline_cpu_ratio(name, vcpus, burstable=burstable),
            network_baseline_bytes_per_s=_network_baseline(name, record["NetworkInfo"]),
            ebs_baseline_bytes_per_s=_ebs_figure(
                name, ebs, "BaselineBandwidthInMbps", BYTES_PER_S_PER_MBPS
            ),
            ebs_baseline_ops_per_s=_ebs_figure(name, ebs, "BaselineIops", 1.0),
            gpu_count=_accelerators(record),
            local_storage_gb=int(record.get("InstanceStorageInfo", {}).get("TotalSizeInGB", 0)),
            bare_metal=bool(record["BareMetal"]),
        )
    except KeyError as missing:
        raise CatalogError(
            f"the specification of {name or 'an unnamed type'} has no {missing.args[0]}; "
            "the reply is not one of DescribeInstanceTypes"
        ) from None


def _architecture(names: list[str]) -> Architecture | None:
    return next((_ARCHITECTURES[name] for name in names if name in _ARCHITECTURES), None)


def _is_t_family(name: str) -> bool:
    # A new T family may come before its flag does; a missing baseline then keeps it from being
    # proposed at full speed.
    return len(name) > 1 and name[0] == "t" and name[1].isdigit()


def _baseline_cpu_ratio(name: str, vcpus: int, *, burstable: bool) -> float | NoData:
    family, _, size = name.partition(".")
    credits_per_hour = _CREDITS_PER_HOUR.get(family, {}).get(size)
    if credits_per_hour is not None:
        return round(credits_per_hour / (60 * vcpus), 6)
    if family.endswith(_FLEX_SUFFIX):
        return FLEX_BASELINE_CPU_RATIO
    if burstable:
        return NoData(f"the credit table does not list {name}")
    return NoData(f"{name} is not burstable: every vCPU is available in full")


def _network_baseline(name: str, network: Mapping[str, Any]) -> float | NoData:
    cards = [card.get("BaselineBandwidthInGbps") for card in network.get("NetworkCards", [])]
    if not cards or None in cards:
        return NoData(f"AWS gives no baseline network bandwidth for {name}")
    mbps = round(sum(cards) * MBPS_PER_GBPS, 3)
    return float(mbps * BYTES_PER_S_PER_MBPS)


def _ebs_figure(
    name: str, ebs: Mapping[str, Any] | None, field: str, bytes_or_ops: float
) -> float | NoData:
    if ebs is None or field not in ebs:
        return NoData(f"AWS gives no EBS baseline for {name}")
    return float(ebs[field]) * bytes_or_ops


def _accelerators(record: Mapping[str, Any]) -> int:
    """Devices a general workload does not ask for: GPU, inference, training, FPGA, media.

    A fraction of a GPU (g6f) counts as one.
    """
    total = 0
    for info, devices in (
        ("GpuInfo", "Gpus"),
        ("InferenceAcceleratorInfo", "Accelerators"),
        ("NeuronInfo", "NeuronDevices"),
        ("FpgaInfo", "Fpgas"),
        ("MediaAcceleratorInfo", "Accelerators"),
    ):
        found = record.get(info, {}).get(devices, [])
        counted = sum(int(device.get("Count", 1)) for device in found)
        total = max(total, counted, 1 if found else 0)
    return total
