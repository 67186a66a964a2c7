"""What the data plane says of itself: mode, clock, and requests by arm."""

from __future__ import annotations

from pydantic import BaseModel, Field

from rightsizing.embedded.cloud.plane.scenario import PlaneMode


class ArmTotals(BaseModel):
    """Requests of one arm since the scenario was loaded."""

    workload: str
    slot: str
    requests: int = 0
    served: int = 0
    failed: int = 0
    oom_kills: int = 0


class PlaneStatus(BaseModel):
    """What the plane says of itself."""

    simulated: bool = True
    mode: PlaneMode | None  # None: no scenario is loaded
    now_ms: int  # of the local cloud's clock
    ahead_ms: int  # of the wall clock
    minutes: int = 0  # simulated so far
    arms: dict[str, ArmTotals] = Field(default_factory=dict)
