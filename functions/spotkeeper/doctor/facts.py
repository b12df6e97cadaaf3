"""What was found of a deployment. None is what is not there; Unread is what could not be looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that could not be looked at, in the words of the service; `denied` when a right to look is missing."""

    reason: str
    denied: bool = False


type Found[Fact] = Fact | Unread | None


@dataclass(frozen=True, slots=True)
class Function:
    """A function, as it is deployed."""

    region: str
    state: str
    runtime: str
    entry_point: str
    account: str
    max_instances: int
    concurrency: int
    ingress: str
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
    ack_seconds: int
    dead_letter_topic: str
    retries_slowly: bool
    detached: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget of the billing account."""

    budget_id: str
    display_name: str
    topic: str
    thresholds: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """The job of Cloud Scheduler; `failure` is the code and message of the last attempt, when that went wrong."""

    state: str
    uri: str
    account: str
    audience: str
    last_attempt_at: datetime | None
    failure: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of BigQuery: its columns by name with their types, and how it is divided."""

    columns: Mapping[str, str]
    partitioned_by: str | None
    filter_required: bool


@dataclass(frozen=True, slots=True)
class Run:
    """The latest run of the tracker that is on record, by its latest hour."""

    hour: datetime
    recorded_at: datetime
    complete: bool
    gaps: tuple[str, ...]
    prices_as_of: datetime | None


@dataclass(frozen=True, slots=True)
class Prices:
    """How many cost rows of the last day there are, and how many of them with what price."""

    rows: int
    unknown: int
    stale: int


@dataclass(frozen=True, slots=True)
class Notification:
    """The latest budget message that is on record and is no drill."""

    received_at: datetime
    budget: str
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The latest plan that is on record."""

    made_at: datetime
    stops: int
    mode: str
    drill: bool
    missing_permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Platform:
    """What Google's services say of the deployment, but for BigQuery."""

    number: str
    services: Mapping[str, bool] | Unread
    accounts: Mapping[str, Found[bool]]
    """Whether each account is enabled."""

    functions: Mapping[str, Found[Function]]
    invokers: Mapping[str, Found[Policy]]
    roles: Mapping[tuple[str, str], Found[frozenset[str]]]
    """The permissions of each role of our own, by project and id; a role that was deleted is not there."""

    policies: Mapping[str, Found[Policy]]
    """The policy of each project."""

    topic: Found[Policy]
    dead_letter: Found[Policy]
    subscription: Found[Subscription]
    subscription_policy: Found[Policy]
    dead_letters: int | Unread | None
    billing_account: Found[str]
    budgets: Sequence[Budget] | Unread
    job: Found[Job]


@dataclass(frozen=True, slots=True)
class Records:
    """What BigQuery says of the deployment."""

    access: Found[frozenset[tuple[str, str]]]
    """Role and address of everybody who may use the dataset; None when there is no dataset."""

    tables: Mapping[str, Found[Table]]
    views: Mapping[str, bool] | Unread
    run: Found[Run]
    open_hours: Sequence[datetime] | Unread
    """The hours of the last two days that are missing or incomplete, but for the latest."""

    prices: Prices | Unread
    notification: Found[Notification]
    plan: Found[Plan]
