"""Which driver a stack belongs to: a marker file beside the stack's records.

The two engines keep separate state, so a stack made by one and updated by the other would be made
twice. The first that changes a stack marks it; the other refuses it by name.
"""

from __future__ import annotations

import json
from pathlib import Path

from rightsizing.errors import DriverMismatch, StackError
from rightsizing.stack.driver import DriverName, StackRef
from rightsizing.stack.durable import create_file

MARKER_NAME = "driver.json"


def marker_path(stack: StackRef) -> Path:
    """Where the marker is."""
    return stack.record_dir / MARKER_NAME


def owner_of(stack: StackRef) -> DriverName | None:
    """The driver a stack belongs to; None for one nobody marked. Raises StackError when damaged."""
    path = marker_path(stack)
    try:
        return DriverName(json.loads(path.read_text(encoding="utf-8"))["driver"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StackError(
            f"{path} does not name a driver ({error}); write "
            '{"driver": "cli"} or {"driver": "embedded"} into it'
        ) from error


def check_owner(stack: StackRef, driver: DriverName) -> None:
    """Raise DriverMismatch when the stack belongs to the other driver."""
    owner = owner_of(stack)
    if owner is not None and owner is not driver:
        raise DriverMismatch(
            f"stack {stack.project}/{stack.name} belongs to the {owner.value} driver, not "
            f"{driver.value}; choose {owner.value}, or destroy the stack with it and remove "
            f"{marker_path(stack)} to move"
        )


def claim(stack: StackRef, driver: DriverName) -> None:
    """Mark the stack as this driver's. Raises DriverMismatch when it is the other's."""
    check_owner(stack, driver)
    content = json.dumps({"driver": driver.value}) + "\n"
    if not create_file(marker_path(stack), content.encode("utf-8")):
        check_owner(stack, driver)  # somebody may have been quicker
