"""The rules of the policy, each compared with the budget that it is about."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime

from spotkeeper.doctor.facts import Budget, Found, LastVerdict, Platform, Records, Unread
from spotkeeper.doctor.findings import Finding, ok, problem, unknown
from spotkeeper.enforcement.policies import BudgetRule, CustomPeriod, Policy, Response, Source
from spotkeeper.enforcement.settings import EnforcerSettings
from spotkeeper.enforcement.verdicts import VerdictName
from spotkeeper.periods import end_of_day
from spotkeeper.tracking.settings import TrackerSettings

_COMPUTE_ENGINE = "services/6F81-5844-456A"
_DEPLOY = "make deploy"
_MAY_READ = "roles/bigquery.dataViewer on the dataset and roles/bigquery.jobUser on the project"
_UNFIT = frozenset(
    {
        VerdictName.UNKNOWN_BUDGET,
        VerdictName.OTHER_CURRENCY,
        VerdictName.PERIOD_MISMATCH,
        VerdictName.UNUSABLE_AMOUNT,
        VerdictName.MALFORMED,
    }
)


def rules(
    platform: Platform,
    records: Records,
    tracker: TrackerSettings | None,
    enforcer: EnforcerSettings | None,
    now: datetime,
) -> Iterator[Finding]:
    """Yield what keeps each rule from acting on its budget, and what share of the fleet has no priority."""
    if enforcer is None:
        return
    policy = enforcer.policy
    found = {} if isinstance(platform.budgets, Unread) else {each.budget_id: each for each in platform.budgets}
    for budget_id, rule in sorted(policy.budgets.items()):
        about, budget = f"rule {budget_id}", found.get(budget_id)
        problems = [*_of_rule(rule, tracker, now), *_of_label(rule, tracker), *_of_verdict(records.verdicts, budget_id)]
        if budget is not None:
            problems += _of_budget(rule, budget, platform.numbers)
            problems += _of_account(policy, platform.billing_account)
            yield from _unread_numbers(about, rule, platform.numbers)
        yield from (problem(about, sentence, _DEPLOY) for sentence in problems)
        if not problems:
            yield ok(about, _summary(rule, budget, records.verdicts))
    if isinstance(records.verdicts, Unread):
        yield unknown("last verdicts", records.verdicts, _MAY_READ)
    yield from _unlabelled(policy, records)


def _of_rule(rule: BudgetRule, tracker: TrackerSettings | None, now: datetime) -> Iterator[str]:
    if isinstance(rule.period, CustomPeriod) and end_of_day(rule.period.last_day) <= now:
        yield f"Its period ended on {rule.period.last_day}: take it out of the policy, or write its present dates."
    if tracker is None or rule.responses[Source.TRACKER] is not Response.STOP:
        return
    labelled = {each.budget_id: (label, each) for label, each in tracker.budgets.each()}
    label, own = labelled.get(rule.budget_id, (None, None))
    if own is None or not own.amounts_usd:
        if rule.responses[Source.BILLING] is not Response.STOP:
            yield "Only the tracker may stop, and it never speaks of this budget: set BUDGET_ID and an amount."
        return
    if unheard := [step.threshold for step in rule.steps if step.threshold not in own.stop_thresholds]:
        thresholds = ", ".join(map(str, unheard))
        where = "stop_thresholds in LABEL_BUDGETS" if label else "STOP_THRESHOLDS"
        yield f"The tracker repeats no message at {thresholds}: add the step to {where}."


def _of_label(rule: BudgetRule, tracker: TrackerSettings | None) -> Iterator[str]:
    """Yield that a rule covers other VMs than the budget of a label value counts."""
    for label in tracker.budgets.labels if tracker else ():
        if label.budget_id == rule.budget_id and rule.labels.get(label.label, frozenset()) != frozenset({label.value}):
            yield f"The tracker counts VMs with the label {label.name}, but the rule covers others: set labels to it."


def _of_budget(rule: BudgetRule, budget: Budget, numbers: Mapping[str, Found[str]]) -> Iterator[str]:
    if budget.period != rule.period:
        yield f"Its period is {_shown(rule.period)}, but that of the budget is {_shown(budget.period)}."
    if budget.currency and budget.currency != rule.currency:
        yield f"Its currency is {rule.currency}, but that of the budget is {budget.currency}."
    outside = [
        project
        for project in rule.projects
        if budget.projects
        and isinstance(number := numbers.get(project), str)
        and not {project, number} & set(budget.projects)
    ]
    if outside:
        yield f"It stops VMs in {', '.join(outside)}, whose cost the budget does not count."
    if budget.services and _COMPUTE_ENGINE not in budget.services:
        yield "The budget counts services without Compute Engine, so that stopping VMs does not lower it."
    narrower = [
        f"{key}={'|'.join(sorted(values))}"
        for key, values in budget.labels.items()
        if not rule.labels.get(key, frozenset()) or not rule.labels[key] <= values
    ]
    if narrower:
        yield f"The budget counts only what has the label {', '.join(narrower)}, but the rule covers other VMs too."


def _of_account(policy: Policy, account: Found[str]) -> Iterator[str]:
    if isinstance(account, str) and policy.billing_account_id not in (None, account):
        yield f"The policy takes messages of billing account {policy.billing_account_id}, but {account} sends them."


def _of_verdict(verdicts: Mapping[str, LastVerdict] | Unread, budget_id: str) -> Iterator[str]:
    last = None if isinstance(verdicts, Unread) else verdicts.get(budget_id)
    if last is not None and last.verdict in _UNFIT:
        yield f"The last message about it was {last.verdict}: {last.reason}."


def _unread_numbers(about: str, rule: BudgetRule, numbers: Mapping[str, Found[str]]) -> Iterator[Finding]:
    for project in rule.projects:
        number = numbers.get(project)
        if not isinstance(number, str):
            unread = number or Unread(f"project {project} does not exist or is not visible to you", denied=True)
            yield unknown(about, unread, f"roles/browser on project {project}")


def _summary(rule: BudgetRule, budget: Budget | None, verdicts: Mapping[str, LastVerdict] | Unread) -> str:
    sources = [source for source in Source if rule.responses[source] is Response.STOP]
    parts = [f"Period {_shown(rule.period)}, in {rule.currency}; {' and '.join(sources)} may stop"]
    if budget is None and sources == [Source.BILLING]:
        parts.append("no budget of Cloud Billing was found under this id, so nothing is stopped for it")
    if budget is not None and budget.last_period_amount:
        parts.append("its amount is what the period before cost")
    last = None if isinstance(verdicts, Unread) else verdicts.get(rule.budget_id)
    if last is not None:
        parts.append(f"last verdict {last.verdict}")
        if budget is not None and budget.counts_credits and last.cost is not None and last.cost <= 0:
            parts.append("credits lower its cost to nothing: exclude them in the budget to count what VMs cost")
    return f"{'; '.join(parts)}."


def _unlabelled(policy: Policy, records: Records) -> Iterator[Finding]:
    about, found = "priority labels", records.unlabelled
    if isinstance(found, Unread):
        yield unknown(about, found, _MAY_READ)
    elif found is not None and found.instances:
        sentence = f"{found.unlabelled} of {found.instances} Spot VMs of the last day have no label"
        yield ok(about, f"{sentence} {policy.priority_label} and count as {policy.unlabelled_priority}.")


def _shown(period: object) -> str:
    if isinstance(period, CustomPeriod):
        last = "no end" if period.last_day == date.max else str(period.last_day)
        return f"{period.first_day} to {last}"
    return str(period)
