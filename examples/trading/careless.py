"""A plan edited by hand: the news API gets a size nobody measured, half of what phase 1 gave it.

    python examples/trading/careless.py

Nothing refuses it before it runs: the type exists, costs less and is allowed. Its 8 GiB do not hold
the 9.7 GiB that the news API keeps in memory, which is for the rollout to find out.
"""

from __future__ import annotations

from pathlib import Path

from rightsizing.model.release import Release
from rightsizing.model.size import FleetSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.plan.slots import settle_rollout
from rightsizing.stack.configfile import StackFile

WORKLOAD = "news-api"
TOO_SMALL = FleetSize(instance_type="m5.large", min_instances=2, max_instances=6)


def main() -> None:
    """Write a release with the wrong size into Pulumi.dev.yaml."""
    file = StackFile.load(Path("Pulumi.dev.yaml"))
    current = file.sizing()
    assert current.release is not None  # phase 1 was rolled out
    sizes = {**current.release.phases["1"], WORKLOAD: TOO_SMALL}
    release = Release(baseline=dict(current.release.baseline), phases={"1": sizes})
    file.write_sizing(StackSizing(release, 1, settle_rollout(current, release, 1)))
    print(f"Pulumi.dev.yaml: {WORKLOAD} gets {TOO_SMALL}, which nobody measured")


if __name__ == "__main__":
    main()
