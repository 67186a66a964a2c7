"""Which machine image an instance type can run: one id an architecture, declared, never looked up.

Image ids come from configuration, so that the same release always starts the same image. A size
that moves a fleet to another architecture needs an image built for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rightsizing.errors import ConfigError
from rightsizing.model.declaration import StackDeclaration
from rightsizing.model.rollout import Slot
from rightsizing.model.workload import Architecture
from rightsizing.sizing import Sizing

_GRAVITON = re.compile(r"^[a-z]+\d+g")  # family letters, generation, then processor "g"
_EARLY_ARM_FAMILIES = frozenset({"a1"})  # before the processor letter was part of the name


def architecture_of(instance_type: str) -> Architecture:
    """Instruction set of an instance type, read off its name.

    The letter after the generation names the processor, ``g`` for Graviton ("Amazon EC2 instance
    type naming conventions"): m7g.large, r6gd.xlarge and c7gn.metal are arm64; g5.xlarge, whose
    ``g`` is the family, is x86_64.
    """
    family = instance_type.split(".", 1)[0]
    arm = family in _EARLY_ARM_FAMILIES or _GRAVITON.match(family) is not None
    return Architecture.ARM64 if arm else Architecture.X86_64


def image_for(workload: str, instance_type: str, ami: Mapping[Architecture, str]) -> str:
    """The declared image that runs on ``instance_type``. Raises ConfigError when there is none."""
    architecture = architecture_of(instance_type)
    image = ami.get(architecture)
    if image is None:
        declared = ", ".join(sorted(item.value for item in ami)) or "none"
        raise ConfigError(
            f"rightsizing:fleets.{workload}.ami has no {architecture.value} image, which "
            f"{instance_type} needs (declared: {declared}); add ami.{architecture.value}, or run "
            f"`rightsize plan` again without that architecture"
        )
    return image


def require_images(declaration: StackDeclaration, sizing: Sizing) -> None:
    """Raise ConfigError when a slot of any fleet has no image, before anything is created."""
    for workload, item in declaration.fleets.items():
        rollout = sizing.fleet_slots(workload, item.size)
        for state in map(rollout.slot, Slot):
            if state is not None:
                image_for(workload, state.fleet_size.instance_type, item.ami)
