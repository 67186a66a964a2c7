"""A stack's state on disk: its resources, the operations in flight, and how secrets are kept.

The layout follows Pulumi's deployment format (version 3) closely enough to be read by eye. Secrets
are ciphertext in the file and markers with clear values in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum, unique
from pathlib import Path

from rightsizing.embedded.engine.durable import write_durably
from rightsizing.embedded.engine.passphrase import PassphraseCipher
from rightsizing.embedded.engine.properties import (
    MASKED_SECRET,
    Properties,
    secret,
    transform_secrets,
)
from rightsizing.errors import EmbeddedError, StackMissing
from rightsizing.model.update import Json

PROVIDER_TYPE_PREFIX = "pulumi:providers:"
STACK_TYPE = "pulumi:pulumi:Stack"


@unique
class PendingKind(StrEnum):
    """Operations that a killed update leaves behind."""

    CREATING = "creating"
    UPDATING = "updating"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class Pending:
    """An operation that was begun; whether it happened only the cloud knows."""

    kind: PendingKind
    urn: str


@dataclass(frozen=True, slots=True)
class Record:
    """One resource as last known. ``delete`` marks an original whose replacement exists."""

    urn: str
    type: str
    custom: bool
    id: str = ""
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    parent: str = ""
    provider: str = ""  # URN of the provider resource
    dependencies: tuple[str, ...] = ()
    ignore_changes: tuple[str, ...] = ()
    protect: bool = False
    retain_on_delete: bool = False
    delete: bool = False
    pending_replacement: bool = False  # the original is gone, the replacement not made yet

    @property
    def is_provider(self) -> bool:
        """Whether this is an explicit provider."""
        return self.type.startswith(PROVIDER_TYPE_PREFIX)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything state holds. ``serial`` counts updates that began, finished or not."""

    serial: int = 0
    resources: tuple[Record, ...] = ()
    pending: tuple[Pending, ...] = ()


_ADVICE = (
    "nothing was changed and what runs goes on; put back a copy of it, then run `rightsize status`"
)


class StateFile:
    """The state file of one stack."""

    def __init__(self, path: Path, passphrase: str | None, salt: str | None) -> None:
        self.path = path
        self._passphrase = passphrase
        self.cipher = PassphraseCipher(passphrase, salt)

    def load(self) -> Checkpoint:
        """Read the state. Raises StackMissing without a file, EmbeddedError when it is damaged."""
        return self._parse(self._read(), self._opened)

    def load_masked(self) -> Checkpoint:
        """Read the state with secrets masked, which needs no passphrase. Raises as ``load``."""
        return self._parse(self._read(), lambda _marker: MASKED_SECRET)

    def _read(self) -> dict[str, Json]:
        try:
            raw = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise StackMissing(
                f"there is no embedded stack {self.path.parent.name!r} in "
                f"{self.path.parent.parent}; make it with `rightsize local up`"
            ) from error
        except (OSError, ValueError) as error:
            raise EmbeddedError(
                f"the state file {self.path} cannot be read: {error}; {_ADVICE}"
            ) from (error)
        if not isinstance(raw, dict):
            raise EmbeddedError(f"the state file {self.path} is damaged: no object; {_ADVICE}")
        return raw

    def _parse(
        self, raw: dict[str, Json], open_secret: Callable[[dict[str, Json]], Json]
    ) -> Checkpoint:
        try:
            kept = raw.get("secrets_providers")
            if self.cipher.salt is None and kept:
                self.cipher = PassphraseCipher(self._passphrase, kept["state"]["salt"])
            return Checkpoint(
                raw["serial"],
                tuple(_record(item, open_secret) for item in raw["resources"]),
                tuple(
                    Pending(PendingKind(item["kind"]), item["urn"])
                    for item in raw["pending_operations"]
                ),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise EmbeddedError(
                f"the state file {self.path} is damaged: {error!r}; {_ADVICE}"
            ) from error

    def save(self, checkpoint: Checkpoint) -> None:
        """Write the state durably. Raises EmbeddedError when the disk refuses."""
        resources = [
            self._encrypted(_without_defaults(asdict(item))) for item in checkpoint.resources
        ]
        salt = self.cipher.salt
        content = {
            "version": 3,
            "serial": checkpoint.serial,
            "secrets_providers": {"type": "passphrase", "state": {"salt": salt}} if salt else None,
            "resources": resources,
            "pending_operations": [asdict(item) for item in checkpoint.pending],
        }
        write_durably(self.path, json.dumps(content, indent=1))

    def _encrypted(self, value: Json) -> Json:
        def seal(marker: dict[str, Json]) -> Json:
            kept = {key: item for key, item in marker.items() if key != "value"}
            return {**kept, "ciphertext": self.cipher.encrypt(json.dumps(marker["value"]))}

        return transform_secrets(value, seal)

    def _opened(self, marker: dict[str, Json]) -> Json:
        return secret(json.loads(self.cipher.decrypt(marker["ciphertext"])))


def _record(raw: Mapping[str, Json], open_secret: Callable[[dict[str, Json]], Json]) -> Record:
    values = transform_secrets(dict(raw), open_secret)
    for key in ("dependencies", "ignore_changes"):
        values[key] = tuple(values.get(key, ()))
    return Record(**values)


def _without_defaults(values: dict[str, Json]) -> dict[str, Json]:
    return {
        key: value
        for key, value in values.items()
        if key in ("urn", "type", "custom") or (value not in ("", False, {}, ()))
    }
