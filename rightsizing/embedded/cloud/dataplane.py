"""DataPlane: the local cloud's simulated traffic, for those who want it to happen."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from rightsizing.embedded.cloud.loopback import require_loopback
from rightsizing.embedded.cloud.paths import ADVANCE_PATH, BACKFILL_PATH, PLANE_PATH
from rightsizing.embedded.cloud.plane.scenario import Scenario
from rightsizing.embedded.cloud.plane.status import PlaneStatus
from rightsizing.embedded.faults.client import request_json

_ADVANCE_TIMEOUT_S = 600.0  # a month of minutes takes some; chosen by us


class DataPlane:
    """The data plane of the local cloud at ``url``; loopback only.

    Every method raises EmbeddedError when no local cloud answers, ConfigError for a mistake.
    """

    def __init__(self, url: str) -> None:
        self._url = require_loopback(url, "the local cloud's address")

    def load(self, scenario: Scenario) -> PlaneStatus:
        """Begin a scenario now; an earlier one is forgotten, its metrics are kept."""
        answer = request_json(self._url, "POST", PLANE_PATH, scenario.model_dump_json().encode())
        return PlaneStatus.model_validate(answer)

    def advance(self, minutes: float) -> int:
        """Move the simulated clock and publish the minutes that are over; the new time in ms."""
        body = json.dumps({"minutes": minutes}).encode()
        answer = request_json(self._url, "POST", ADVANCE_PATH, body, _ADVANCE_TIMEOUT_S)
        return int(answer["now_ms"])

    def backfill(self, minutes: int) -> None:
        """Make metrics of the minutes before the scenario's start, by what runs now.

        Only before the first ``advance``. A day of two arms takes about two seconds and 16 MB.
        """
        body = json.dumps({"minutes": minutes}).encode()
        request_json(self._url, "POST", BACKFILL_PATH, body, _ADVANCE_TIMEOUT_S)

    def status(self) -> PlaneStatus:
        """Mode, clock and requests so far; ``simulated`` is always true."""
        return PlaneStatus.model_validate(request_json(self._url, "GET", PLANE_PATH))

    def now_ms(self) -> int:
        """The local cloud's clock: simulated, or the machine's."""
        return self.status().now_ms

    def stop(self) -> None:
        """Forget the scenario; the clock is the machine's again."""
        request_json(self._url, "DELETE", PLANE_PATH)


class SimulatedClock:
    """The data plane's time as a clock to wait by: waiting makes the minutes pass at once.

    Has the methods of ``rightsizing.stack.clock.Clock``. Its seconds are simulated; who shows a
    duration measured with it has to say so.
    """

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.fromtimestamp(self.monotonic(), UTC)

    def monotonic(self) -> float:
        """Seconds; a simulated clock never runs backwards."""
        return self._plane.now_ms() / 1000

    def sleep(self, seconds: float) -> None:
        """Let simulated time pass."""
        self._plane.advance(max(seconds, 0.0) / 60)
