"""``rightsize iam-policy``: the least privilege the toolkit needs, as a policy document."""

from __future__ import annotations

import click

from rightsizing.awscalls import policy_document
from rightsizing.cli.session import Session


@click.command(epilog="Example: rightsize iam-policy --applying > rightsizing-policy.json")
@click.option("--applying", is_flag=True, help="Also what `pulumi up` of infra/ needs.")
@click.pass_obj
def iam_policy(session: Session, applying: bool) -> None:
    """Print the IAM policy that allows exactly the calls the toolkit makes.

    Reading only by default: discovery, measuring, live facts and prices change nothing.
    """
    del session  # the policy is JSON with and without --json
    click.echo(policy_document(applying=applying))
