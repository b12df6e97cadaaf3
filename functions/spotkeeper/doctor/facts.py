"""The state of a deployment as it was read: None is what does not exist, Unread what could not be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from spotkeeper.doctor.deployment import ENFORCER, TRACKER
from spotkeeper.enforcement.policies import CustomPeriod
from spotkeeper.periods import PeriodKind


@dataclass(frozen=True, slots=True)
class Unread:
    """A part that could not be read, with the message of the service; `denied` when the caller lacks a permission."""

    reason: str
    denied: bool = False


type Found[Fact] = Fact | Unread | None


@dataclass(frozen=True, slots=True)
class Function:
    """A function, as it is deployed."""

    region: str
    state: str
    account: str
    max_instances: int
    concurrency: int
    uri: str
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Binding:
    """One member of one role in a policy, with or without a condition."""

    role: str
    member: str
    conditional: bool = False


type Policy = frozenset[Binding]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription of Pub/Sub."""

    topic: str
    state: str
    endpoint: str
    account: str
    audience: str
    detached: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget of the billing account."""

    budget_id: str
    display_name: str
    topic: str
    thresholds: tuple[Decimal, ...]
    period: PeriodKind | CustomPeriod = PeriodKind.MONTH
    currency: str = ""
    projects: tuple[str, ...] = ()
    """The numbers of the projects whose cost it counts; all of the billing account when it is empty."""

    services: tuple[str, ...] = ()
    labels: Mapping[str, frozenset[str]] = field(default_factory=dict)
    last_period_amount: bool = False
    counts_credits: bool = True


@dataclass(frozen=True, slots=True)
class Job:
    """A Cloud Scheduler job; `failure` is the code and message of the last attempt when it failed.

    `body` is what it sends.
    """

    state: str
    uri: str
    account: str
    audience: str
    last_attempt_at: datetime | None
    failure: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """The latest recorded run of the tracker, by its latest hour.

    `contract_prices_problem` is why contract prices that were due could not be read in it.
    """

    hour: datetime
    recorded_at: datetime
    complete: bool
    gaps: tuple[str, ...]
    prices_as_of: datetime | None
    contract_prices_as_of: datetime | None = None
    contract_prices_problem: str | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """The cost rows of the last day, and how many have an unknown or a stale price."""

    rows: int
    unknown: int
    stale: int


@dataclass(frozen=True, slots=True)
class PriceChecks:
    """The machine types in use, by region, compared with Google's own price history, and those that differ.

    `uncertain` is how many differ only in hours whose price is marked as not certain.
    """

    compared: int = 0
    differing: tuple[str, ...] = ()
    uncertain: int = 0


@dataclass(frozen=True, slots=True)
class Notification:
    """The latest recorded budget notification that is not a drill."""

    received_at: datetime
    budget: str
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class LastVerdict:
    """The last verdict on record about one budget, and the cost that its message reported."""

    verdict: str
    reason: str
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """How many Spot VMs have a cost row of the last day, and how many of them no priority label."""

    instances: int
    unlabelled: int


@dataclass(frozen=True, slots=True)
class Pruning:
    """The bytes that one query on a partitioned table would read, by dry runs that differ in the filter alone.

    `recent_bytes` of the rows from `since` on, `earlier_bytes` of those before, `all_bytes` of both together.
    """

    since: date
    recent_bytes: int
    earlier_bytes: int
    all_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The latest recorded plan."""

    made_at: datetime
    stops: int
    mode: str
    drill: bool
    missing_permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpenFreeze:
    """A managed instance group whose autoscaler is switched off, by its partial URL, and when its period ends."""

    group: str
    period_end: datetime


@dataclass(frozen=True, slots=True)
class Platform:
    """The deployment outside BigQuery."""

    functions: Mapping[str, Found[Function]]
    invokers: Mapping[str, Found[Policy]]
    roles: Mapping[tuple[str, str], Found[frozenset[str]]]
    """The permissions of each custom role by project and id; None for a deleted one."""

    policies: Mapping[str, Found[Policy]]
    """The IAM policy of each project."""

    topic: Found[Policy]
    subscription: Found[Subscription]
    dead_letters: int | Unread | None
    numbers: Mapping[str, Found[str]]
    """The number of each project that the policy names."""

    billing_account: Found[str]
    budgets: Sequence[Budget] | Unread
    job: Found[Job]
    interim_job: Found[Job] = None
    events_topic: Found[Policy] = None
    failed_events: int | Unread = 0
    """The requests to publish on the topic of events that failed in the last day."""

    @property
    def is_tracker_alone(self) -> bool:
        """Whether there is a tracker, but neither an enforcer nor its subscription: a deployment in mode off."""
        has_tracker = isinstance(self.functions[TRACKER], Function)
        return has_tracker and self.functions[ENFORCER] is None and self.subscription is None


@dataclass(frozen=True, slots=True)
class Records:
    """The dataset of the deployment and the latest records in it."""

    access: Found[frozenset[tuple[str, str]]]
    """Role and email of every access entry; None when there is no dataset."""

    run: Found[Run]
    open_hours: Sequence[datetime] | Unread
    """The missing or incomplete hours of the last two days, without the latest hour."""

    prices: Prices | Unread
    notification: Found[Notification]
    verdicts: Mapping[str, LastVerdict] | Unread
    """The last verdict of the last week on each budget, by its id."""

    unlabelled: Found[Unlabelled]
    plan: Found[Plan]
    price_checks: PriceChecks | Unread
    pruning: Mapping[str, Found[Pruning]]
    """How the partitions of the tables that grow are read, by table; None for a table that does not exist."""

    freezes: Sequence[OpenFreeze] | Unread = ()
    """The freezes that have not ended."""
