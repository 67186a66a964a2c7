"""A component deployed as a Lambda function, as stack configuration can hold it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rightsizing.model.base import FrozenModel
from rightsizing.model.workload import Architecture


class ScheduleTrigger(FrozenModel):
    """Invoked by the clock."""

    kind: Literal["schedule"] = Field(default="schedule", description="which kind of trigger")
    expression: str = Field(
        pattern=r"^(rate|cron)\(.+\)$", description="such as rate(1 hour) or cron(0 * * * ? *)"
    )


class QueueTrigger(FrozenModel):
    """Invoked with batches of messages of a queue."""

    kind: Literal["queue"] = Field(default="queue", description="which kind of trigger")
    batch_size: int = Field(default=10, ge=1, le=10_000, description="most messages a batch")
    window_seconds: int = Field(
        default=0, ge=0, le=300, description="how long a batch is collected"
    )


FunctionTrigger = Annotated[ScheduleTrigger | QueueTrigger, Field(discriminator="kind")]


class FunctionConfig(FrozenModel):
    """One function: its size, and what starts it."""

    memory_mib: int = Field(ge=128, le=10_240, description="memory; CPU comes with it")
    architecture: Architecture = Field(
        default=Architecture.X86_64, description="of the deployed image"
    )
    timeout_seconds: int = Field(ge=1, le=900, description="after which a run is ended")
    ephemeral_mib: int = Field(default=512, ge=512, le=10_240, description="size of /tmp")
    trigger: FunctionTrigger = Field(description="what starts it")


class ServerlessConfig(FrozenModel):
    """Components that run as functions, by name."""

    version: Literal[1] = Field(default=1, description="of this format")
    functions: dict[str, FunctionConfig] = Field(description="by component")
