"""What no stack operation can undo is never done by one."""

from __future__ import annotations

from rightsizing.awscalls import CHANGE_CALLS, policy_document, read_actions
from rightsizing.provisionactions import provision_actions


def test_no_action_buys_a_commitment() -> None:
    """No purchase of reserved instances or savings plans is in any policy it asks for."""
    allowed = {*read_actions(), *provision_actions(), *(call.action for call in CHANGE_CALLS)}
    buying = ("Purchase", "CreateSavingsPlan", "AcceptReserved", "ModifyReserved")
    assert not [name for name in allowed if name.split(":")[1].startswith(buying)]
    assert "*" not in policy_document(applying=True).split('"Action"')[1].split("]")[0]
