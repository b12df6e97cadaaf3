"""The budgets of Cloud Billing: which of them report, and whether the policy knows them."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from spotkeeper.doctor.deployment import TOPIC, Installation
from spotkeeper.doctor.facts import Budget, Platform, Unread
from spotkeeper.doctor.findings import Finding, ok, problem, unknown
from spotkeeper.enforcement.settings import EnforcerSettings
from spotkeeper.tracking.settings import TrackerSettings

_MOST_PLAUSIBLE = Decimal(10)
"""1.0 is all of the budget; ten times as much is more than anybody sets."""

_DEPLOY = "make deploy"


def budgets(
    installation: Installation, platform: Platform, tracker: TrackerSettings | None, enforcer: EnforcerSettings | None
) -> Iterator[Finding]:
    """Yield whether a budget reports, with thresholds that are shares, and is in the policy."""
    account, found = platform.billing_account, platform.budgets
    if isinstance(account, Unread):
        yield unknown("billing", account, "roles/browser on the project")
        return
    if account is None:
        link = f"gcloud billing projects link {installation.project_id} --billing-account BILLING_ACCOUNT_ID"
        yield problem("billing", f"Project {installation.project_id} has no billing account.", link)
        return
    yield ok("billing", f"{account} pays for the project.")
    if isinstance(found, Unread):
        yield unknown("budgets", found, f"roles/billing.viewer on billing account {account}")
        return
    reporting = [each for each in found if each.topic == installation.topic]
    if not platform.is_tracker_alone:
        yield from _reporting(installation, account, found, reporting, tracker)
    for budget in reporting:
        yield from _thresholds(account, budget)
    if enforcer:
        yield from _known(reporting, tracker, enforcer)


def _reporting(
    installation: Installation,
    account: str,
    found: Sequence[Budget],
    reporting: Sequence[Budget],
    tracker: TrackerSettings | None,
) -> Iterator[Finding]:
    if reporting:
        names = ", ".join(f"{each.display_name!r} ({each.budget_id})" for each in reporting)
        yield ok("budgets", f"Reporting to {TOPIC}: {names}.")
    elif tracker and any(each.amounts_usd for _, each in tracker.budgets.each()):
        yield ok("budgets", f"No budget of Cloud Billing reports to {TOPIC}; the tracker's own does.")
    else:
        budget_id = found[0].budget_id if len(found) == 1 else "BUDGET_ID"
        connect = (
            f"gcloud billing budgets update {budget_id} --billing-account {account} "
            f"--notifications-rule-pubsub-topic {installation.topic}"
        )
        yield problem("budgets", f"None of {len(found)} budgets reports to {TOPIC}: nothing will be stopped.", connect)


def _thresholds(account: str, budget: Budget) -> Iterator[Finding]:
    high = [share for share in budget.thresholds if share > _MOST_PLAUSIBLE]
    about = f"thresholds of {budget.budget_id}"
    if high:
        said = f"{high[0]} of {budget.display_name!r} is {high[0]:.0%}: a threshold is a share, so 80 % is 0.8"
        shares = " ".join(f"--add-threshold-rule percent={_share(share)}" for share in budget.thresholds)
        fix = f"gcloud billing budgets update {budget.budget_id} --billing-account {account} --clear-threshold-rules"
        yield problem(about, f"{said}.", f"{fix} {shares}")
    else:
        yield ok(about, f"{', '.join(f'{share:.0%}' for share in budget.thresholds) or 'none'}.")


def _share(share: Decimal) -> Decimal:
    return share / 100 if share > _MOST_PLAUSIBLE else share


def _known(
    reporting: Sequence[Budget], tracker: TrackerSettings | None, enforcer: EnforcerSettings
) -> Iterator[Finding]:
    speaking = {each.budget_id for each in reporting}
    if tracker:
        speaking.update(each.budget_id for _, each in tracker.budgets.each() if each.amounts_usd)
    policy = set(enforcer.policy.budgets)
    unnamed, silent = sorted(speaking - policy), sorted(policy - speaking)
    if unnamed:
        said = f"The policy does not name {', '.join(unnamed)}: what it says is recorded as unknown_budget"
        yield problem("policy", f"{said}. Add it to enforcement_policy.budgets.", _DEPLOY)
    if silent:
        said = f"The policy names {', '.join(silent)}, and nothing reports under that id"
        yield problem("policy", f"{said}. Correct it in enforcement_policy.budgets.", _DEPLOY)
    if not unnamed and not silent:
        yield ok("policy", f"It names every budget that reports: {', '.join(sorted(policy))}.")
