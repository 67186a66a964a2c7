"""A cost budget, and alarms when commitments cover or are used less than they should be.

AWS Budgets watches all of it: a share below its least in the running month, or cost above the
budget, is told by mail. It judges once or twice a day, so these are slow alarms.
"""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.components.naming import stack_scoped
from rightsizing.model.phased import BudgetsDeclaration

_FORECAST_PCT = 100.0  # told when the month's forecast passes the budget
# AWS refuses these four types with any other set (AWS Budgets user guide, "RI utilization").
_COVERAGE_COSTS = aws.budgets.BudgetCostTypesArgs(
    include_credit=False,
    include_discount=False,
    include_other_subscription=False,
    include_recurring=False,
    include_refund=False,
    include_subscription=True,
    include_support=False,
    include_tax=False,
    include_upfront=False,
    use_blended=False,
)


class Coverage(pulumi.ComponentResource):
    """The budgets of one stack; ``name`` is part of theirs."""

    def __init__(
        self, name: str, declared: BudgetsDeclaration, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rightsizing:index:Coverage", name, None, opts)
        self._declared = declared
        self._own = pulumi.ResourceOptions(parent=self)
        if declared.monthly_usd is not None:
            self._make_budget(declared.monthly_usd)
        for budget_type, least in declared.minima():
            self._make_alarm(budget_type, least)
        self.register_outputs({})

    def _make_budget(self, monthly_usd: str) -> None:
        aws.budgets.Budget(
            "monthly-cost",
            name=_name("monthly-cost"),
            budget_type="COST",
            limit_amount=monthly_usd,
            limit_unit="USD",
            time_unit="MONTHLY",
            notifications=[
                self._notification("ACTUAL", "GREATER_THAN", self._declared.alert_pct),
                self._notification("FORECASTED", "GREATER_THAN", _FORECAST_PCT),
            ],
            opts=self._own,
        )

    def _make_alarm(self, budget_type: str, least_pct: int) -> None:
        label = budget_type.lower().replace("_", "-")
        reserved = budget_type.startswith("RI_")
        aws.budgets.Budget(
            label,
            name=_name(label),
            budget_type=budget_type,
            limit_amount="100",
            limit_unit="PERCENTAGE",
            time_unit="MONTHLY",
            cost_types=_COVERAGE_COSTS,
            cost_filters=(
                [
                    aws.budgets.BudgetCostFilterArgs(
                        name="Service", values=[self._declared.reserved_service]
                    )
                ]
                if reserved
                else None
            ),
            notifications=[self._notification("ACTUAL", "LESS_THAN", least_pct)],
            opts=self._own,
        )

    def _notification(
        self, kind: str, comparison: str, threshold_pct: float
    ) -> aws.budgets.BudgetNotificationArgs:
        return aws.budgets.BudgetNotificationArgs(
            notification_type=kind,
            comparison_operator=comparison,
            threshold=threshold_pct,
            threshold_type="PERCENTAGE",
            subscriber_email_addresses=list(self._declared.emails),
        )


def _name(label: str) -> str:
    """A name of its own: budgets are named in the account, not in a region."""
    return stack_scoped(label, pulumi.get_project(), pulumi.get_stack())
