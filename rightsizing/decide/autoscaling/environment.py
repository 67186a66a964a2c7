"""What surrounds a policy: how long capacity takes, when it is full, and what it runs on."""

from __future__ import annotations

from dataclasses import dataclass

from rightsizing.catalog.credits import CreditTerms
from rightsizing.errors import ConfigError
from rightsizing.model.shape import CreditMode

DEFAULT_FULL = 0.85  # of an instance's capacity: above it, users wait; the service's own limit
DEFAULT_LAUNCH_MINUTES = 3
MOST_DELAY_MINUTES = 60


@dataclass(frozen=True, slots=True)
class WarmPool:
    """Prepared instances of an EC2 warm pool.

    It holds ``prepared`` (MaxGroupPreparedCapacity) less the instances of the group, at least
    ``least``; a prepared instance serves after ``launch_minutes``. ``usd_per_hour`` is what one
    costs while it waits: its EBS volumes and addresses when stopped or hibernated.
    """

    prepared: int
    least: int = 0
    launch_minutes: int = 1
    usd_per_hour: float = 0.0


@dataclass(frozen=True, slots=True)
class Burst:
    """CPU credits of a burstable type (see decide.burst), kept as the group's mean balance.

    New instances start without credits, as T3 and later do, and dilute the balance. In standard
    mode an instance without credits is held at its baseline, and its CPU metric cannot show more.
    """

    terms: CreditTerms
    mode: CreditMode


@dataclass(frozen=True, slots=True)
class Environment:
    """Parameters of a replay that no scaling policy decides.

    Args:
        launch_minutes: from the decision until a new instance serves; billed from its launch.
        metric_minutes: age of the newest datapoint an alarm sees, 0 being the minute just ended.
        full: share of an instance's capacity above which demand counts as unserved.
        metric_ceiling: most the metric can show; 1 for CPU, infinite for requests an instance.
        warm_pool: of the group, None for none.
        burst: credits of its type, None for types without.
    """

    launch_minutes: int = DEFAULT_LAUNCH_MINUTES
    metric_minutes: int = 0
    full: float = DEFAULT_FULL
    metric_ceiling: float = 1.0
    warm_pool: WarmPool | None = None
    burst: Burst | None = None

    def __post_init__(self) -> None:
        for name in ("launch_minutes", "metric_minutes"):
            value = getattr(self, name)
            if not 0 <= value <= MOST_DELAY_MINUTES:
                raise ConfigError(f"{name} {value} must be 0 to {MOST_DELAY_MINUTES}")
        if not 0 < self.full <= 1:
            raise ConfigError(f"full {self.full:g} must be above 0 and at most 1")
        if self.warm_pool is not None and self.warm_pool.launch_minutes > self.launch_minutes:
            raise ConfigError("a warm pool's instances start no later than new ones")
