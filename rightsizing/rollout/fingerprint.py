"""What must stay as it is during a rollout: the program, and the declaration it is run with.

A change that lands meanwhile would be applied by the next step together with a weight, and the
verdict would be about something else. Both halves are told apart: the declaration is looked at with
every poll, the program, which takes longer to hash, before every step.
"""

from __future__ import annotations

import hashlib
import json

from rightsizing.model.base import NoData
from rightsizing.model.declaration import SETTINGS_KEY
from rightsizing.model.update import SIZING_KEYS
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.driver import StackRef
from rightsizing.stack.provenance import hash_program

_DIGITS = 16  # 64 bits: against accidents


def take_fingerprint(stack: StackRef) -> str:
    """``declaration:program``; the half that cannot be read is empty."""
    found = hash_program(stack.project_dir)
    program = "" if isinstance(found, NoData) else found[:_DIGITS]
    return f"{declaration_hash(stack)}:{program}"


def declaration_hash(stack: StackRef) -> str:
    """Hash of the stack file without the sizing keys and without the tool's own settings."""
    values = StackFile.load(stack.config_path).values()
    kept = {
        key: value
        for key, value in values.items()
        if key not in SIZING_KEYS and key != SETTINGS_KEY
    }
    text = json.dumps(kept, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:_DIGITS]


def what_changed(stack: StackRef, fingerprint: str, *, program: bool) -> str:
    """Which half is not as the fingerprint says, as a sentence; empty: none, or no fingerprint."""
    if not fingerprint:
        return ""
    declared, _, then = fingerprint.partition(":")
    if declaration_hash(stack) != declared:
        return f"{stack.config_path.name} was changed since the rollout began"
    if program and then:
        now = hash_program(stack.project_dir)
        if not isinstance(now, NoData) and now[:_DIGITS] != then:
            return f"the program in {stack.project_dir.name} was changed since the rollout began"
    return ""
