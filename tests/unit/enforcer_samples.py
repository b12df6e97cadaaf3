"""Budget notifications, policies and Spot VMs for the tests of the enforcer, each with what a test leaves open."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from spotkeeper.budget_messages import SOURCE
from spotkeeper.enforcement.history import Reported
from spotkeeper.enforcement.notifications import BudgetNotification, Message
from spotkeeper.enforcement.policies import BudgetRule, Caps, Policy, Priority, Source, Step
from spotkeeper.enforcement.preconditions import StopPreconditions
from spotkeeper.enforcement.settings import EnforcerSettings, Mode
from spotkeeper.enforcement.spot_vms import SpotVm
from spotkeeper.enforcement.verdicts import first_verdict
from spotkeeper.instances import Instance, InstanceKey, ProvisioningModel, Shape
from spotkeeper.periods import Period, PeriodKind, budget_period, rfc3339
from spotkeeper.pricing.price_book import DatedRate
from spotkeeper.pricing.skus import Market, Rate, RateUnit

NOW = datetime(2026, 7, 21, 14, 15, tzinfo=UTC)
JULY = budget_period(PeriodKind.MONTH, NOW)
BUDGET_ID = "budget-1"
ACCOUNT = "000000-AAAAAA-111111"
PROJECT = "team-a-prod"
LOW, MEDIUM, HIGH = Priority
EVERYTHING = frozenset(Priority)
RATES = tuple(
    DatedRate(
        Rate(component, Market.SPOT, "us-central1", component, component, unit, Decimal(usd)),
        datetime(2026, 7, 1, tzinfo=UTC),
    )
    for component, unit, usd in (
        ("e2:core", RateUnit.VCPU_HOUR, "0.02"),
        ("e2:ram", RateUnit.GIB_HOUR, "0.005"),
    )
)
"""With these, an e2 machine of n vCPUs with 4 GiB each costs n times 0.04 USD an hour."""


def at(moment: str) -> datetime:
    """Return a time in UTC: `2026-07-21T14:15:00`."""
    return datetime.fromisoformat(moment).replace(tzinfo=UTC)


def vm(  # noqa: PLR0913 (every test names only what it is about)
    name: str = "worker-1",
    *,
    cost: str | None = "1",
    status: str = "RUNNING",
    started: datetime = NOW - timedelta(days=2),
    project: str = PROJECT,
    zone: str = "us-central1-a",
    number: str | None = None,
    labels: Mapping[str, str] | None = None,
    managed_by: str | None = None,
    vcpus: int = 25,
    machine_type: str | None = None,
) -> SpotVm:
    """Return a Spot VM whose id follows from its name, so that no two names are one VM."""
    shape = Shape(machine_type or f"e2-standard-{vcpus}", Decimal(vcpus), Decimal(4 * vcpus))
    instance = Instance(
        key=InstanceKey(project, zone, number or f"id-{name}"),
        name=name,
        provisioning_model=ProvisioningModel.SPOT,
        shape=shape,
        labels=tuple((labels or {}).items()),
        managed_by=managed_by,
    )
    return SpotVm(instance, status, started, None if cost is None else Decimal(cost))


def standard(spot: SpotVm) -> SpotVm:
    """Return the VM as one that is no Spot VM any more."""
    return replace(spot, instance=spot.instance._replace(provisioning_model=ProvisioningModel.STANDARD))


def labelled(spot: SpotVm, **labels: str) -> SpotVm:
    """Return the VM with these labels; `_` stands for `-`."""
    found = tuple((key.replace("_", "-"), value) for key, value in labels.items())
    return replace(spot, instance=spot.instance._replace(labels=found))


def rule(**changes: object) -> BudgetRule:
    """Return a rule that stops low priority at the whole budget, with these fields changed."""
    caps = Caps(per_alert=3, per_day=30, fleet_share=Decimal(1))
    return replace(BudgetRule(BUDGET_ID, (PROJECT,), caps=caps), **changes)  # type: ignore[arg-type]


def steps(*pairs: tuple[str, str]) -> tuple[Step, ...]:
    """Return steps: `("0.8", "low medium")`."""
    return tuple(Step(Decimal(share), frozenset(map(Priority, names.split()))) for share, names in pairs)


def policy(*rules: BudgetRule, **changes: object) -> Policy:
    """Return a policy of these rules, or of the plain one."""
    return replace(Policy({each.budget_id: each for each in rules or (rule(),)}), **changes)  # type: ignore[arg-type]


def preconditions(
    used: Policy | None = None,
    *,
    newer: Callable[[], tuple[Reported, ...]] = tuple,
    operation: str | None = None,
    now: datetime = NOW,
    **changes: object,
) -> StopPreconditions:
    """Return the preconditions of a notification that 120 USD of 100 are spent, or what the test says instead."""
    chosen = used or policy()
    said = notification(**changes)  # type: ignore[arg-type]
    verdict = first_verdict(said, chosen, NOW)
    assert verdict.rule is not None
    return StopPreconditions(chosen, verdict.rule, verdict, said, lambda: now, newer, lambda _vm, _id: operation)


def settings(used: Policy, mode: Mode = Mode.ENFORCE) -> EnforcerSettings:
    """Return the settings with a policy."""
    return EnforcerSettings(PROJECT, mode, used)


def notification(  # noqa: PLR0913 (every test names only what it is about)
    cost: str = "120",
    budget: str = "100",
    *,
    message_id: str = "message-1",
    published: datetime = NOW,
    source: Source = Source.BILLING,
    start: datetime = JULY.start,
    period: PeriodKind | None = None,
    currency: str = "USD",
    budget_id: str = BUDGET_ID,
    account: str = ACCOUNT,
    drill: bool = False,
) -> BudgetNotification:
    """Return a notification that 120 USD of 100 are spent in July 2026, or what the test says instead."""
    return BudgetNotification(
        message=Message(message_id, published, {}, ""),
        published_at=published,
        source=source,
        billing_account_id=account,
        budget_id=budget_id,
        display_name="Spot fleet",
        cost=Decimal(cost),
        budget=Decimal(budget),
        currency=currency,
        interval_start=start,
        period=period,
        drill=drill,
    )


def tracker_alert(kind: PeriodKind, period: Period, cost: str = "120", **changes: object) -> BudgetNotification:
    """Return the tracker's alert about a period of its own."""
    sample = notification(cost, source=Source.TRACKER, start=period.start, period=kind)
    return replace(sample, **changes)  # type: ignore[arg-type]


BODY: dict[str, object] = {
    "budgetDisplayName": "Spot fleet",
    "alertThresholdExceeded": 1.0,
    "costAmount": 120.5,
    "costIntervalStart": "2026-07-01T07:00:00Z",
    "budgetAmount": 100,
    "budgetAmountType": "SPECIFIED_AMOUNT",
    "currencyCode": "USD",
}
ATTRIBUTES: dict[str, object] = {"billingAccountId": ACCOUNT, "budgetId": BUDGET_ID, "schemaVersion": "1.0"}
TRACKER_ATTRIBUTES: dict[str, object] = {**ATTRIBUTES, "source": SOURCE, "period": "day"}


def envelope(body: object = BODY, attributes: object = ATTRIBUTES, **changes: object) -> dict[str, dict[str, object]]:
    """Return the data of a Pub/Sub CloudEvent around a body: JSON of an object, or the bytes as they are."""
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    message: dict[str, object] = {
        "data": base64.b64encode(written).decode(),
        "attributes": attributes,
        "messageId": "message-1",
        "publishTime": rfc3339(NOW),
    }
    return {"message": message | changes}
