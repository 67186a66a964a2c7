"""One rollout at a time, and nothing else beside it: what is typed by hand waits for it.

A rollout holds a lease of its own for hours and the stack's lease only for each step, so that an
update between two steps would be possible and would be judged as part of the canary.
"""

from __future__ import annotations

from rightsizing.errors import StackLocked
from rightsizing.rollout.journal import ROLLOUTS_FOLDER
from rightsizing.stack.driver import StackRef
from rightsizing.stack.lease import lease_holder


def require_no_running_rollout(stack: StackRef) -> None:
    """Raise StackLocked, naming the process, while a rollout of the stack runs."""
    holder = lease_holder(stack.record_dir / ROLLOUTS_FOLDER)
    if holder is not None:
        raise StackLocked(
            f"{holder} is rolling out on this stack; nothing was changed by this command, "
            "`rightsize rollout --status` shows where it stands and `--abort` takes it back"
        )
