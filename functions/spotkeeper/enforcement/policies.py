"""The policy: what the operator allows the enforcer to do, read from JSON, every problem reported at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from spotkeeper.instances import PROJECT_ID, Instance
from spotkeeper.periods import Period, PeriodKind, budget_period, end_of_day, start_of_day
from spotkeeper.values import (
    Fields,
    billing_account_id,
    boolean,
    budget_id,
    choice,
    currency_code,
    integer,
    json_object,
    label_key,
    label_value,
    names,
    number,
    share,
    string,
    time,
)

MAX_GRACE_SECONDS = 300
PRICED_CURRENCY = "USD"
"""The currency of all prices and of the tracker's rows."""

_MAX_THRESHOLD = Decimal(2)
_MIN_FLEET_SHARE = Decimal("0.00001")
"""Less allows no stop even among 100,000 instances."""

_MAX_STOPS = 1000
_MAX_AGE_MINUTES = 7 * 24 * 60
_MAX_APPROVAL_MINUTES = 3 * 24 * 60
_MAX_STOPS_OF_ALL_BUDGETS = 10_000

RENAMED = {
    "most_stops_per_alert": "max_stops_per_alert",
    "most_stops_per_day": "max_stops_per_day",
    "most_share_of_fleet": "max_fleet_share",
    "signals": "sources",
}
"""Old names of the fields of a policy and of its budgets, each with the one to use."""

REMOVED = {"without_records": "the enforcer waits for BigQuery"}


class Priority(StrEnum):
    """How important an instance is; the least important ones are stopped first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """Its position in the order of stopping, from 0."""
        return _RANKS[self]


NOT_PROTECTED = frozenset({"false", "no", "off", "0"})
"""Values of the protect label that protect nothing."""

_RANKS = {priority: rank for rank, priority in enumerate(Priority)}


class Source(StrEnum):
    """Who reports spending: Cloud Billing, up to a day late, or our own tracker, within the hour."""

    BILLING = "billing"
    TRACKER = "tracker"


class Response(StrEnum):
    """What a source may lead to."""

    STOP = "stop"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Step:
    """From this share of the budget on, instances of these priorities may be stopped; 1 is all of the budget."""

    threshold: Decimal
    priorities: frozenset[Priority]


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits on stops: per alert, per day, and per day as a share of the running Spot VMs in scope."""

    per_alert: int = 3
    per_day: int = 30
    fleet_share: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class CustomPeriod:
    """The first and the last day of a budget with fixed dates."""

    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """What one budget covers and allows. An instance matches `labels` if it has every key with one of its values."""

    budget_id: str
    projects: tuple[str, ...]
    labels: Mapping[str, frozenset[str]] = field(default_factory=dict)
    currency: str = "USD"
    period: PeriodKind | CustomPeriod = PeriodKind.MONTH
    steps: tuple[Step, ...] = (Step(Decimal(1), frozenset({Priority.LOW})),)
    caps: Caps = field(default_factory=Caps)
    responses: Mapping[Source, Response] = field(
        default_factory=lambda: {Source.BILLING: Response.STOP, Source.TRACKER: Response.WARN}
    )

    def covers(self, instance: Instance) -> bool:
        """Whether the instance counts against this budget."""
        if instance.key.project_id not in self.projects:
            return False
        if not self.labels:
            return True
        labels = dict(instance.labels)
        return all(labels.get(key) in values for key, values in self.labels.items())

    def period_at(self, at: datetime) -> Period:
        """Return the budget period that `at` is in; one of fixed dates is always the same."""
        if isinstance(self.period, CustomPeriod):
            start, end = start_of_day(self.period.first_day), end_of_day(self.period.last_day)
            return Period(PeriodKind.CUSTOM, start, end)
        return budget_period(self.period, at)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the enforcer may do: a rule per budget id, and what all budgets share.

    A message older than `max_message_age_minutes` stops and starts nothing. One whose cost is less than
    `min_share_of_tracker_cost` of what the tracker's rows say contradicts them: it starts, supersedes and cancels
    nothing. `max_stops_per_day_total` limits the stops of all budgets together in 24 hours.
    With `burst`, one alert may stop those of a day when the budget is used up within the hour.
    From `freeze_groups` of the budget on, autoscalers of groups in scope are switched off until the period ends.
    In the mode `approve`, a plan waits for `approval_minutes`; with `execute_unapproved` the next message then executes
    it, else nothing does.
    """

    budgets: Mapping[str, BudgetRule]
    billing_account_id: str | None = None
    priority_label: str = "priority"
    unlabelled_priority: Priority = Priority.LOW
    protect_label: str = "spotkeeper-protect"
    minimum_age_minutes: int = 0
    snooze_until: datetime | None = None
    restart: bool = False
    grace_seconds: int = 0
    max_message_age_minutes: int = 120
    max_stops_per_day_total: int = 50
    min_share_of_tracker_cost: Decimal = Decimal("0.1")
    spare_local_ssd: bool = False
    burst: bool = False
    freeze_groups: Decimal | None = None
    approval_minutes: int = 240
    execute_unapproved: bool = False

    @classmethod
    def from_json(cls, text: str) -> "Policy":
        """Read a policy; raises SettingsError naming every wrong field and what it should be."""
        fields = Fields(json_object(text))
        policy = _policy(fields)
        fields.raise_problems()
        return policy

    def snoozed(self, now: datetime) -> bool:
        """Whether nothing may be stopped or started yet."""
        return self.snooze_until is not None and now < self.snooze_until

    def is_news(self, published_at: datetime, now: datetime) -> bool:
        """Whether a message is new enough to stop or start something."""
        return now - published_at <= timedelta(minutes=self.max_message_age_minutes)


def _policy(fields: Fields) -> Policy:
    unset = BudgetRule("", ())
    shared = _Shared(
        steps=fields.read("steps", _steps, unset.steps),
        caps=_caps(fields, unset.caps),
        responses=_responses(fields.inner("sources"), unset.responses),
    )
    budgets = fields.inner("budgets")
    rules = {name: _rule(name, budgets.inner(name), shared) for name in budgets.names()}
    budgets.check_names(budget_id)
    if not rules and not any(problem.startswith("budgets is ") for problem in fields.problems):
        fields.problems.append("budgets is empty, but must name at least one budget by its id")
    without = Policy({})
    policy = Policy(
        budgets=rules,
        billing_account_id=fields.read("billing_account_id", billing_account_id, None),
        priority_label=fields.read("priority_label", label_key, without.priority_label),
        unlabelled_priority=fields.read("unlabelled_priority", choice(Priority), without.unlabelled_priority),
        protect_label=fields.read("protect_label", label_key, without.protect_label),
        minimum_age_minutes=fields.read(
            "minimum_age_minutes", integer(0, _MAX_AGE_MINUTES), without.minimum_age_minutes
        ),
        snooze_until=fields.read("snooze_until", time, None),
        restart=fields.read("restart", boolean, without.restart),
        grace_seconds=fields.read("grace_seconds", integer(0, MAX_GRACE_SECONDS), without.grace_seconds),
        max_message_age_minutes=fields.read(
            "max_message_age_minutes", integer(10, _MAX_AGE_MINUTES), without.max_message_age_minutes
        ),
        max_stops_per_day_total=fields.read(
            "max_stops_per_day_total", integer(1, _MAX_STOPS_OF_ALL_BUDGETS), without.max_stops_per_day_total
        ),
        min_share_of_tracker_cost=fields.read(
            "min_share_of_tracker_cost", number(0, 1), without.min_share_of_tracker_cost
        ),
        spare_local_ssd=fields.read("spare_local_ssd", boolean, without.spare_local_ssd),
        burst=fields.read("burst", boolean, without.burst),
        freeze_groups=fields.read("freeze_groups", share(_MAX_THRESHOLD), None),
        approval_minutes=fields.read("approval_minutes", integer(10, _MAX_APPROVAL_MINUTES), without.approval_minutes),
        execute_unapproved=fields.read("execute_unapproved", boolean, without.execute_unapproved),
    )
    if policy.priority_label == policy.protect_label:
        fields.add_problem("protect_label", policy.protect_label, "another label than priority_label")
    _check_scopes(policy, budgets)
    fields.refuse_renamed(RENAMED)
    fields.refuse_removed(REMOVED)
    fields.refuse_others()
    return policy


def _check_scopes(policy: Policy, budgets: Fields) -> None:
    """Collect the scopes of which no instance is ever stopped, whatever is spent."""
    for name, rule in policy.budgets.items():
        labels = budgets.inner(name).inner("labels")
        priorities, protecting = rule.labels.get(policy.priority_label), rule.labels.get(policy.protect_label)
        stopped = frozenset[Priority]().union(*(step.priorities for step in rule.steps))
        if priorities and stopped.isdisjoint(map(priority_of, priorities)):
            expected = f"a priority that a step stops: {', '.join(each for each in Priority if each in stopped)}"
            labels.add_problem(policy.priority_label, sorted(priorities), expected)
        if protecting and not any(value.lower() in NOT_PROTECTED or value[:1].isdigit() for value in protecting):
            expected = (
                f"left out: an instance with this label is protected, unless it is {', '.join(sorted(NOT_PROTECTED))}"
            )
            labels.add_problem(policy.protect_label, sorted(protecting), expected)


def priority_of(value: str) -> Priority:
    """Return the priority that the value of a label gives; an unknown one counts as high."""
    return Priority(value.lower()) if value.lower() in Priority else Priority.HIGH


@dataclass(frozen=True, slots=True)
class _Shared:
    """The defaults of every budget."""

    steps: tuple[Step, ...]
    caps: Caps
    responses: Mapping[Source, Response]


def _rule(name: str, fields: Fields, shared: _Shared) -> BudgetRule:
    labels = fields.inner("labels")
    labels.check_names(label_key)
    rule = BudgetRule(
        budget_id=name,
        projects=fields.required("projects", _projects, ()),
        labels={key: labels.read(key, _label_values, frozenset[str]()) for key in labels.names()},
        currency=fields.read("currency", currency_code, "USD"),
        period=fields.read("period", _period, PeriodKind.MONTH),
        steps=fields.read("steps", _steps, shared.steps),
        caps=_caps(fields, shared.caps),
        responses=_responses(fields.inner("sources"), shared.responses),
    )
    _check_together(rule, fields)
    fields.refuse_renamed(RENAMED)
    fields.refuse_others()
    return rule


def _check_together(rule: BudgetRule, fields: Fields) -> None:
    """Collect what each field allows, but not both together."""
    lowest = rule.steps[0].threshold
    if lowest < 1 and rule.currency != PRICED_CURRENCY:
        expected = (
            f"1 or more in {rule.currency}: below the budget a forecast decides, and prices are in {PRICED_CURRENCY}"
        )
        fields.add_problem("steps", lowest, f"thresholds of {expected}")
    stopping = [source for source, response in rule.responses.items() if response is Response.STOP]
    if stopping == [Source.TRACKER] and rule.currency != PRICED_CURRENCY:
        expected = (
            f"{PRICED_CURRENCY} where only the tracker may stop: it reports in {PRICED_CURRENCY} and reaches no step"
        )
        fields.add_problem("currency", rule.currency, expected)
    if not stopping:
        expected = "stop for one source at least: for plans without stops, set ENFORCEMENT_MODE to dry_run"
        responses = {source.value: response.value for source, response in rule.responses.items()}
        fields.add_problem("sources", responses, expected)


def _caps(fields: Fields, unset: Caps) -> Caps:
    return Caps(
        per_alert=fields.read("max_stops_per_alert", integer(1, _MAX_STOPS), unset.per_alert),
        per_day=fields.read("max_stops_per_day", integer(1, _MAX_STOPS), unset.per_day),
        fleet_share=fields.read("max_fleet_share", _fleet_share, unset.fleet_share),
    )


def _fleet_share(value: object) -> Decimal:
    found = share(Decimal(1))(value)
    if found < _MIN_FLEET_SHARE:
        expected = f"a share of at least {_MIN_FLEET_SHARE}, which is one instance of 100,000"
        raise ValueError(expected)
    return found


def _responses(fields: Fields, unset: Mapping[Source, Response]) -> Mapping[Source, Response]:
    responses = {source: fields.read(source.value, choice(Response), unset[source]) for source in Source}
    fields.refuse_others()
    return responses


def _projects(value: object) -> tuple[str, ...]:
    found = names(value)
    if not all(PROJECT_ID.fullmatch(name) for name in found):
        expected = "a list of project ids such as my-project-1 (not numbers, not names)"
        raise ValueError(expected)
    return found


def _label_values(value: object) -> frozenset[str]:
    return frozenset(map(label_value, names([value] if isinstance(value, str) else value)))


def _period(value: object) -> PeriodKind | CustomPeriod:
    expected = 'month, quarter, year or {"first_day": "2026-11-01", "last_day": "2026-12-31"}'
    if isinstance(value, dict) and value.keys() == {"first_day", "last_day"}:
        try:
            days = [date.fromisoformat(string(value[name])) for name in ("first_day", "last_day")]
        except ValueError:
            raise ValueError(expected) from None
        if days[0] <= days[1]:
            return CustomPeriod(days[0], days[1])
    if value in (PeriodKind.MONTH, PeriodKind.QUARTER, PeriodKind.YEAR):
        return PeriodKind(str(value))
    raise ValueError(expected)


def _steps(value: object) -> tuple[Step, ...]:
    expected = 'a list such as [{"threshold": 1.0, "priorities": ["low"]}]'
    if not isinstance(value, list) or not value:
        raise ValueError(expected)
    steps = sorted((_step(each, expected) for each in value), key=lambda step: step.threshold)
    if len({step.threshold for step in steps}) < len(steps):
        expected = "a list in which every threshold is named once"
        raise ValueError(expected)
    _check_order(steps)
    return tuple(steps)


def _check_order(steps: Iterable[Step]) -> None:
    """Raise ValueError unless every step allows more than those below it, the least important priorities first."""
    allowed = frozenset[Priority]()
    for step in steps:
        if step.priorities <= allowed:
            expected = f"steps that each allow another priority: at {step.threshold}, none is added"
            raise ValueError(expected)
        allowed |= step.priorities
        if allowed != frozenset(tuple(Priority)[: len(allowed)]):
            least = next(priority for priority in Priority if priority not in allowed)
            expected = f"steps in order of priority: at {step.threshold}, {least} is not allowed yet"
            raise ValueError(expected)


def _step(value: object, expected: str) -> Step:
    if isinstance(value, dict) and "share" in value:
        renamed = f"{expected}: instead of share, write threshold"
        raise ValueError(renamed)
    if not isinstance(value, dict) or value.keys() != {"threshold", "priorities"}:
        raise ValueError(expected)
    try:
        reached = share(_MAX_THRESHOLD)(value["threshold"])
    except ValueError as problem:
        message = f"{expected}, and each threshold is {problem}"
        raise ValueError(message) from None
    return Step(reached, frozenset(choice(Priority)(name) for name in names(value["priorities"])))
