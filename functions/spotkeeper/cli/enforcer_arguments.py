"""The arguments of `plan` and `drill`, and the budget notification made from them."""

import argparse
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from spotkeeper.budget_messages import SCHEMA_VERSION
from spotkeeper.cli.dataset_arguments import add_time_argument
from spotkeeper.cli.deployed_settings import add_deployment_arguments
from spotkeeper.cli.output import add_format_argument
from spotkeeper.enforcement.policies import BudgetRule
from spotkeeper.enforcement.settings import EnforcerSettings
from spotkeeper.errors import RefusedRequestError
from spotkeeper.periods import rfc3339

_LARGEST_AMOUNT = 10**18
"""The function refuses a notification of more."""


def add_budget_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the amounts, the budget and the time."""
    add_deployment_arguments(parser)
    parser.add_argument("--cost", metavar="AMOUNT", type=_spend, required=True, help="assumed spend")
    parser.add_argument("--budget", metavar="AMOUNT", type=_budget, required=True, help="assumed amount of the budget")
    parser.add_argument("--budget-id", metavar="ID", help="id of a budget in the policy; optional if it has only one")
    add_time_argument(parser, "plan as of this time")
    parser.add_argument("--all", action="store_true", help="list every spared VM, not one line for each reason")
    add_format_argument(parser)


def chosen_rule(settings: EnforcerSettings, budget_id: str | None) -> BudgetRule:
    """Return the rule of the chosen budget; raises RefusedRequestError naming the budgets of the policy."""
    budgets = settings.policy.budgets
    if budget_id is None and len(budgets) == 1:
        return next(iter(budgets.values()))
    if budget_id is None or budget_id not in budgets:
        message = f"--budget-id {budget_id or 'is missing'}: the policy has {', '.join(sorted(budgets))}"
        raise RefusedRequestError(message)
    return budgets[budget_id]


def body(arguments: argparse.Namespace, rule: BudgetRule, at: datetime) -> bytes:
    """Return a notification of these amounts in the current period of the budget."""
    fields = {
        "budgetDisplayName": "test from the command line",
        "costAmount": float(arguments.cost),
        "costIntervalStart": rfc3339(rule.period_at(at).start),
        "budgetAmount": float(arguments.budget),
        "budgetAmountType": "SPECIFIED_AMOUNT",
        "currencyCode": rule.currency,
    }
    return json.dumps(fields).encode()


def attributes(settings: EnforcerSettings, rule: BudgetRule) -> Mapping[str, str]:
    """Return the attributes that Cloud Billing would send with it."""
    return {
        "billingAccountId": settings.policy.billing_account_id or "",
        "budgetId": rule.budget_id,
        "schemaVersion": SCHEMA_VERSION,
    }


def time_of(arguments: argparse.Namespace) -> datetime:
    """Return the time to plan for."""
    return arguments.at or datetime.now(UTC)


def _spend(value: str) -> Decimal:
    amount = _amount(value)
    if amount < 0:
        message = f"{value!r} is below 0: a spend is not"
        raise argparse.ArgumentTypeError(message)
    return amount


def _budget(value: str) -> Decimal:
    amount = _amount(value)
    if amount <= 0:
        message = f"{value!r} is not above 0, as a budget is"
        raise argparse.ArgumentTypeError(message)
    return amount


def _amount(value: str) -> Decimal:
    try:
        amount = Decimal(value)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount.copy_abs() > _LARGEST_AMOUNT:
        message = f"{value!r} is not an amount such as 1200 or 99.50"
        raise argparse.ArgumentTypeError(message)
    return amount
