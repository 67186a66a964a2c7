"""The data plane's and the fault book's own pages: JSON over HTTP beside the AWS APIs.

    GET, POST, DELETE /rightsizing/plane      status; load a scenario; forget it
    POST /rightsizing/plane/advance           {"minutes": 5} moves the simulated clock
    POST /rightsizing/plane/backfill          {"minutes": 60} makes history before the start
    GET, POST, PUT, DELETE /rightsizing/faults    list; replace; add; clear
    POST /rightsizing/faults/crossing         an engine's operation; answers whether it dies

A mistake in what is sent is answered with 400 and one sentence in ``error``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from rightsizing.embedded.cloud.drift import Drifter
from rightsizing.embedded.cloud.paths import (
    ADVANCE_PATH,
    BACKFILL_PATH,
    CROSSING_PATH,
    FAULTS_PATH,
    PLANE_PATH,
)
from rightsizing.embedded.cloud.plane.plane import Plane
from rightsizing.embedded.cloud.plane.scenario import Scenario
from rightsizing.embedded.faults.book import FaultBook
from rightsizing.embedded.faults.plan import (
    Crash,
    FailedOperation,
    FaultPlan,
    OperationFault,
    Phase,
)
from rightsizing.errors import RightsizingError
from rightsizing.model.base import FrozenModel


class _Advance(FrozenModel):
    minutes: float


class _Span(FrozenModel):
    minutes: int


class _Crossing(FrozenModel):
    phase: Phase
    operation: str
    urn: str


class OwnPages:
    """Answers them. Called under the application's lock."""

    def __init__(self, plane: Plane, book: FaultBook, drifter: Drifter) -> None:
        self._plane = plane
        self._book = book
        self._drifter = drifter
        self._routes: dict[tuple[str, str], Callable[[bytes], Any]] = {
            ("GET", PLANE_PATH): lambda _body: self._status(),
            ("POST", PLANE_PATH): self._load,
            ("DELETE", PLANE_PATH): lambda _body: self._stop(),
            ("POST", ADVANCE_PATH): self._advance,
            ("POST", BACKFILL_PATH): self._backfill,
            ("GET", FAULTS_PATH): lambda _body: self._faults(),
            ("POST", FAULTS_PATH): lambda body: self._plan(body, keep=False),
            ("PUT", FAULTS_PATH): lambda body: self._plan(body, keep=True),
            ("DELETE", FAULTS_PATH): lambda _body: self._clear(),
            ("POST", CROSSING_PATH): self._cross,
        }

    def serves(self, method: str, path: str) -> bool:
        """Whether a request is for one of these pages."""
        return (method, path) in self._routes

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Status and content."""
        try:
            return 200, self._routes[method, path](body)
        except ValidationError as error:
            return 400, {"error": _sentence(error)}
        except RightsizingError as error:
            return 400, {"error": str(error)}

    def _status(self) -> Any:
        return _plain(self._plane.status())

    def _load(self, body: bytes) -> Any:
        self._plane.load(Scenario.model_validate_json(body))
        return self._status()

    def _stop(self) -> Any:
        self._plane.stop()
        return self._status()

    def _advance(self, body: bytes) -> Any:
        now_ms = self._plane.advance(_Advance.model_validate_json(body).minutes)
        return {"now_ms": now_ms}

    def _backfill(self, body: bytes) -> Any:
        self._plane.backfill(_Span.model_validate_json(body).minutes)
        return self._status()

    def _faults(self) -> Any:
        return {"faults": _all(self._book.faults), "injections": _all(self._book.injections)}

    def _plan(self, body: bytes, *, keep: bool) -> Any:
        plan = FaultPlan.model_validate_json(body)
        self._drifter.check(plan.faults)
        self._book.plan(plan, keep=keep)
        self._drifter.drift_now()
        return self._faults()

    def _clear(self) -> Any:
        self._book.plan(FaultPlan())
        self._book.forget_injections()
        return self._faults()

    def _cross(self, body: bytes) -> Any:
        crossing = _Crossing.model_validate_json(body)
        name = crossing.urn.rsplit("::", 1)[-1]
        where = f"{crossing.phase.value} the {crossing.operation} of {name}"

        def matches(fault: OperationFault) -> bool:
            return (
                fault.phase is crossing.phase
                and fault.operation in ("", crossing.operation)
                and fault.urn_contains in crossing.urn
            )

        if self._book.meet(Crash, f"the engine is killed {where}", matches) is not None:
            return {"dies": True, "fails": ""}
        failure = self._book.meet(FailedOperation, f"the provider fails {where}", matches)
        return {"dies": False, "fails": failure.message if failure is not None else ""}


def _plain(model: BaseModel) -> Any:
    return json.loads(model.model_dump_json())


def _all(models: Sequence[BaseModel]) -> list[Any]:
    return [_plain(model) for model in models]


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the document"
    return f"{place} is wrong: {first['msg']}"
