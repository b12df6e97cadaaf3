"""BigQuery: the record of a delivery, which is all that most messages need; so no client library is imported here."""

from datetime import datetime, timedelta
from decimal import Decimal

from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.history import PENDING_STOP_TTL
from spotkeeper.enforcement.notifications import BudgetNotification, Command
from spotkeeper.gcp.bigquery.rest_query import RestQuery, Scalar

REDELIVERY = timedelta(days=8)
"""Pub/Sub keeps a message for seven days at most; one that old is not delivered again."""

_OPERATOR = "operator"
"""The source of a command."""

_SMALLEST = Decimal("1e-9")


class DeliveryRecords:
    """The table of deliveries; raises UnavailableError."""

    def __init__(self, query: RestQuery) -> None:
        self._query = query

    def record(self, delivery: Delivery) -> bool:
        """Record a delivery that stops nothing, and close overdue restarts.

        False if no stop of another message is unfinished, and no freeze is to be ended.

        True also if BigQuery does not say: reading the history takes longer, and is never wrong.
        """
        parameters = [*delivery_parameters(delivery), *closing(delivery)]
        return self._query.run("notification", "close_restarts", "unfinished", parameters=parameters) != "false"


def delivery_parameters(delivery: Delivery) -> list[Scalar]:
    """Return what every record of a delivery says of it."""
    message, verdict = delivery.notification.message, delivery.verdict
    said = delivery.notification if isinstance(delivery.notification, BudgetNotification) else None
    rule = verdict.rule if isinstance(delivery.notification, Command) else None
    attributes = message.attributes
    budget_id = said.budget_id if said else rule.budget_id if rule else attributes.get("budgetId")
    return [
        _string("delivery_id", delivery.delivery_id),
        _string("message_id", message.message_id),
        _time("received_at", delivery.received_at),
        _time("since", delivery.received_at - REDELIVERY),
        _time("published_at", said.published_at if said else message.published_at),
        _string("source", _source(delivery)),
        _string("billing_account_id", said.billing_account_id if said else attributes.get("billingAccountId")),
        _string("budget_id", budget_id),
        _string("budget_display_name", said.display_name if said else None),
        amount("cost", said.cost if said else None),
        amount("budget", said.budget if said else None),
        _string("currency", said.currency if said else None),
        _time("cost_interval_start", said.interval_start if said else None),
        _string("verdict", verdict.name),
        _string("reason", verdict.reason),
        _string("mode", delivery.mode),
        Scalar("drill", "BOOL", bool(said and said.drill)),
        _time("period_end", verdict.period.end if verdict.period else None),
        amount("tracker_cost", delivery.tracker_cost),
        _string("body", message.body),
        _string("target_message_id", delivery.target),
    ]


def closing(delivery: Delivery) -> list[Scalar]:
    """Return from when on a plan is not overdue, and before when the deliveries of a plan have ended."""
    return [
        _time("overdue_since", delivery.overdue_since),
        _time("settled_before", delivery.received_at - PENDING_STOP_TTL),
    ]


def amount(name: str, value: Decimal | None) -> Scalar:
    """Return money as a parameter, with the nine decimals that NUMERIC keeps."""
    return Scalar(name, "NUMERIC", None if value is None else rounded(value))


def rounded(value: Decimal) -> Decimal:
    """Return money with the nine decimals that NUMERIC keeps."""
    return value.quantize(_SMALLEST)


def _source(delivery: Delivery) -> str | None:
    match delivery.notification:
        case BudgetNotification() as said:
            return said.source
        case Command():
            return _OPERATOR
        case _:
            return None


def _string(name: str, value: str | None) -> Scalar:
    return Scalar(name, "STRING", None if value is None else str(value))


def _time(name: str, value: datetime | None) -> Scalar:
    return Scalar(name, "TIMESTAMP", value)
