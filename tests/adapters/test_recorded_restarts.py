"""What BigQuery has on record of a plan, as the enforcer takes it up again."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from spotkeeper.enforcement.notifications import BudgetNotification, read_notification
from spotkeeper.enforcement.policies import Policy
from spotkeeper.gcp.bigquery.enforcer_tables import EnforcementRecords
from spotkeeper.gcp.bigquery.jobs import Jobs, Parameter
from tests.unit.any_json import written
from tests.unit.test_fuzz_messages import BODY, envelope

NOON = datetime(2026, 7, 21, 12, tzinfo=UTC)
POLICY = Policy.from_json('{"budgets": {"spot": {"projects": ["my-project-1"]}}}')


class Answers(Jobs):
    """Answers every statement with the same rows."""

    def __init__(self, *rows: Any) -> None:  # noqa: ANN401 (whatever BigQuery may answer)
        self.rows = rows

    def query(self, statement: str, parameters: Sequence[Parameter]) -> Iterator[Any]:
        assert statement
        assert parameters
        return iter(self.rows)


def test_a_plan_of_restarts_is_distinguished_from_a_plan_of_stops() -> None:
    key = {"project_id": "p", "zone": "z", "instance_id": "1", "instance_name": "a"}
    state = {"done": False, "has_failed": False, "stopped": False, "operation": None}
    known = {"priority": "low", "rank": 1, "machine_type": "n2-standard-2", "managed_by": None, "hourly_savings": None}
    each = key | state | known | {"message_id": "1", "planned_at": NOON}
    plan = [each | {"restart": True}, each | {"instance_id": "2", "restart": False}]
    counted = {"received_before": True, "stops_of_budget": [], "stops_in_total": 0, "plans": 1, "tracker_cost": None}
    lists = (
        "newer",
        "pending_stops",
        "failed_stops",
        "unfinished",
        "billed",
        "hours",
        "uptime_shares",
        "group_stops",
        "attached",
        "proposed",
        "snoozed",
    )
    row = counted | dict.fromkeys(lists, ()) | {"plan": plan}
    notification = read_notification(envelope(written(BODY)))
    assert isinstance(notification, BudgetNotification)

    history = EnforcementRecords(Answers(row)).history(notification, POLICY.budgets["spot"], NOON)

    assert [stop.restart for stop in history.plan] == [True, False]
