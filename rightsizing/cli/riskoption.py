"""``--risk``: the setting that people change most, as an option of its own."""

from __future__ import annotations

import click

risk_option = click.option(
    "--risk",
    help="Largest share of time a workload may be short of CPU: a percentage or max-savings, "
    "balanced, default, max-performance. The same as --set risk=...",
)


def with_risk(overrides: tuple[str, ...], risk: str | None) -> tuple[str, ...]:
    """The ``--set`` overrides with ``--risk``, which comes last and so wins."""
    return overrides if risk is None else (*overrides, f"risk={risk}")
