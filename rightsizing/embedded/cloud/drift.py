"""Changes behind everybody's back: hand edits as planned, and a circuit breaker's way back.

They are calls like any other, made inside the server and written to its journal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from rightsizing.embedded.aws.clients import DEFAULT_REGION
from rightsizing.embedded.cloud.inside import InsideApi
from rightsizing.embedded.faults.book import FaultBook, call_matches
from rightsizing.embedded.faults.plan import Drift, Fault, ServiceRolledBack
from rightsizing.embedded.faults.wire import Call
from rightsizing.errors import ConfigError, EmbeddedError


class Drifter:
    """Makes the calls. ``api`` gives clients of a region that go through the journal."""

    def __init__(self, book: FaultBook, api: Callable[[str], InsideApi]) -> None:
        self._book = book
        self._api = api

    def check(self, faults: Iterable[Fault]) -> None:
        """Raise ConfigError for a drift that names no operation of boto3."""
        for fault in faults:
            if isinstance(fault, Drift):
                self._method(fault)

    def drift_now(self) -> None:
        """Make the hand edits that wait for no call. Raises EmbeddedError when one is refused."""
        while (fault := self._due(lambda fault: fault.on_call is None)) is not None:
            self._make(fault)

    def before(self, call: Call) -> None:
        """Before a call is answered: a service's deployment may have been taken back by now."""
        if (call.service, call.operation) != ("ecs", "DescribeServices"):
            return
        request = json.loads(call.body)
        for name in request.get("services", ()):
            definition = self._book.look(_short(name))
            if definition is not None:
                self._book.forget_roll_back(_short(name))
                where = {"cluster": request["cluster"]} if request.get("cluster") else {}
                self._api(DEFAULT_REGION).client("ecs").update_service(
                    service=name, taskDefinition=definition, **where
                )

    def old_definition(self, call: Call) -> str | None:
        """The task definition a service runs before an update that will be taken back."""
        if (call.service, call.operation) != ("ecs", "UpdateService"):
            return None
        request = json.loads(call.body)
        if not request.get("taskDefinition"):
            return None
        name = _short(request["service"])
        self._book.forget_roll_back(name)
        if self._book.watch(ServiceRolledBack, lambda f: f.service_contains in name) is None:
            return None
        where = {"cluster": request["cluster"]} if request.get("cluster") else {}
        described = (
            self._api(DEFAULT_REGION)
            .client("ecs")
            .describe_services(services=[request["service"]], **where)["services"]
        )
        before = str(described[0]["taskDefinition"]) if described else None
        return None if before == request["taskDefinition"] else before

    def after(self, call: Call, old_definition: str | None) -> None:
        """After a call was carried out: hand edits that wait for it, what will be taken back."""
        if old_definition is not None:
            name = _short(json.loads(call.body)["service"])
            fault = self._book.meet(
                ServiceRolledBack,
                f"the update of service {name} succeeds and is taken back",
                lambda fault: fault.service_contains in name,
            )
            if fault is not None:
                self._book.roll_back(name, old_definition, fault.looks)

        def waits(fault: Drift) -> bool:
            return fault.on_call is not None and call_matches(
                fault.on_call, call.service, call.operation, call.body
            )

        due = self._due(waits)
        if due is not None:
            self._make(due)

    def _due(self, matches: Callable[[Drift], bool]) -> Drift | None:
        fault = self._book.watch(Drift, matches)
        if fault is None:
            return None
        what = f"by hand: {fault.service} {fault.operation} {json.dumps(fault.parameters)}"
        return self._book.meet(Drift, what, matches)

    def _make(self, fault: Drift) -> None:
        try:
            self._method(fault)(**fault.parameters)
        except (BotoCoreError, ClientError) as error:
            raise EmbeddedError(
                f"the planned hand edit {fault.service} {fault.operation} was refused: {error}"
            ) from error

    def _method(self, fault: Drift) -> Any:
        try:
            found = getattr(self._api(DEFAULT_REGION).client(fault.service), fault.operation, None)
        except BotoCoreError as error:
            raise ConfigError(f"the drift's service {fault.service!r}: {error}") from error
        if not callable(found):
            raise ConfigError(
                f"boto3's {fault.service} client has no operation {fault.operation!r}; use its "
                "method name, such as update_auto_scaling_group"
            )
        return found


def _short(service: str) -> str:
    return service.rsplit("/", 1)[-1]
