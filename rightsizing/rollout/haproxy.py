"""Weights of containers behind HAProxy, by its runtime API: ``Traffic`` for a Docker engine.

HAProxy's weights are 0 to 256, so a share is exact to 0.4 %. A change lasts until HAProxy is
restarted or reloaded, whose configuration has to say the same (HAProxy 2.6 management guide,
section 9.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rightsizing.errors import ConfigError, StackError
from rightsizing.model.rollout import Slot
from rightsizing.rollout.haproxysocket import HaproxySocket
from rightsizing.rollout.traffic import TrafficChange, Weights

MAX_HAPROXY_WEIGHT = 256
_MAINTENANCE, _DRAIN = 0x01, 0x08  # SRV_ADMF_FMAINT and SRV_ADMF_FDRAIN: forced by somebody


@dataclass(frozen=True, slots=True)
class HaproxyTraffic:
    """Slots as servers of one backend."""

    address: str
    backend: str
    servers: Mapping[Slot, str]

    def weights(self) -> dict[Slot, int]:
        """HAProxy's own weights (0-256); 0 for a server in drain or maintenance.

        Raises StackError when the socket does not answer or a server does not exist.
        """
        rows = self._states()
        found: dict[Slot, int] = {}
        for slot, server in self.servers.items():
            row = rows.get(server)
            if row is None:
                raise StackError(
                    f"HAProxy's backend {self.backend} has no server {server}; it has "
                    + (", ".join(sorted(rows)) or "none")
                )
            forced = int(row["srv_admin_state"]) & (_MAINTENANCE | _DRAIN)
            found[slot] = 0 if forced else int(row["srv_uweight"])
        return found

    def set_weights(self, weights: Weights) -> TrafficChange:
        """Scale the weights to HAProxy's range and set them, those that rise first.

        A server that gets weight is made ready; one at 0 keeps its open connections.

        Raises:
            ConfigError: the weights do not name the servers, or nobody would serve.
            StackError: HAProxy refused, or has other weights afterwards.
        """
        if set(weights) != set(self.servers) or not any(weights.values()):
            raise ConfigError(
                f"weights must name {', '.join(sorted(self.servers))} and leave somebody to serve"
            )
        before = self.weights()
        wanted = scaled(weights)
        # rising first: at no moment is there nobody to serve
        for slot in sorted(wanted, key=lambda slot: before[slot] - wanted[slot]):
            if before[slot] == wanted[slot]:
                continue
            name = f"{self.backend}/{self.servers[slot]}"
            if wanted[slot]:
                HaproxySocket(self.address).tell(f"set server {name} state ready")
            HaproxySocket(self.address).tell(f"set server {name} weight {wanted[slot]}")
        after = self.weights()
        if after != wanted:
            raise StackError(
                f"HAProxy's weights of {self.backend} are {_shown(after)} and not "
                f"{_shown(wanted)}; run `rightsize rollback` again"
            )
        return TrafficChange(before, after)

    def _states(self) -> dict[str, dict[str, str]]:
        """Rows of ``show servers state`` by server; the columns are named in its second line."""
        lines = HaproxySocket(self.address).ask(f"show servers state {self.backend}").splitlines()
        header = next((line for line in lines if line.startswith("# ")), "")
        names = header.removeprefix("# ").split()
        rows = [line.split() for line in lines if line and not line.startswith("#")]
        found = {}
        for row in rows:
            if len(row) >= len(names) > 0:
                fields = dict(zip(names, row, strict=False))
                found[fields["srv_name"]] = fields
        if not found:
            said = lines[0] if lines else "nothing"
            raise StackError(f"HAProxy knows no backend {self.backend} (it says: {said})")
        return found


def scaled(weights: Weights) -> dict[Slot, int]:
    """The same shares with the largest weight at 256; a weight over 0 stays over 0."""
    largest = max(weights.values())
    return {
        slot: max(round(weight * MAX_HAPROXY_WEIGHT / largest), 1) if weight else 0
        for slot, weight in weights.items()
    }


def _shown(weights: Weights) -> str:
    return ", ".join(f"{slot.value}={weight}" for slot, weight in sorted(weights.items()))
