"""Commands by name; each module is imported when its command is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import cast

import click


def _from(module: str, attribute: str) -> Callable[[], click.Command]:
    def load() -> click.Command:
        found = getattr(import_module(f"rightsizing.cli.commands.{module}"), attribute)
        return cast("click.Command", found)

    return load


COMMANDS: Mapping[str, Callable[[], click.Command]] = {
    "discover": _from("measuring", "discover"),
    "measure": _from("measuring", "measure"),
    "record": _from("recording", "record"),
    "store": _from("measuring", "store"),
    "recommend": _from("deciding", "recommend"),
    "explain": _from("explaining", "explain"),
    "backtest": _from("backtest", "backtest"),
    "autoscale": _from("autoscaling", "autoscale"),
    "commit": _from("committing", "commit"),
    "pack": _from("tenancy", "pack_tenants"),
    "serverless": _from("serverless", "serverless"),
    "cache": _from("caching", "cache"),
    "money": _from("money", "money"),
    "audit": _from("auditing", "audit"),
    "plan": _from("planning", "plan"),
    "check": _from("checking", "check"),
    "preview": _from("applying", "preview"),
    "apply": _from("applying", "apply"),
    "retire": _from("applying", "retire"),
    "destroy": _from("applying", "destroy"),
    "rollout": _from("rollout", "rollout"),
    "watch": _from("rollout", "watch"),
    "rollback": _from("restoring", "rollback"),
    "canary": _from("canary", "canary"),
    "load": _from("loading", "load"),
    "staging": _from("staging", "staging"),
    "history": _from("restoring", "history"),
    "status": _from("restoring", "status"),
    "quarantine": _from("restoring", "quarantine"),
    "monitor": _from("monitoring", "monitor"),
    "exporter": _from("exporting", "exporter"),
    "report": _from("reporting", "report"),
    "local": _from("local", "local"),
    "catalog": _from("catalog", "catalog"),
    "iam-policy": _from("policy", "iam_policy"),
}
