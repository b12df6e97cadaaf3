"""Whatever BigQuery answers, to its client library or to ours, it is read or it is out of order."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st

from spotkeeper.enforcement.notifications import BudgetNotification, read_notification
from spotkeeper.enforcement.policies import Policy
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.bigquery.enforcer_tables import EnforcementRecords
from spotkeeper.gcp.bigquery.jobs import Jobs, Parameter
from spotkeeper.gcp.bigquery.rest_query import RestQuery
from spotkeeper.gcp.bigquery.tracker_tables import TrackerTables
from spotkeeper.gcp.client_calls import translate_errors
from tests.adapters.fuzz_answers import Answers, or_unavailable
from tests.unit.any_json import any_json, places, spoilt, written
from tests.unit.test_fuzz_messages import BODY, envelope

NOON = datetime(2026, 7, 21, 12, tzinfo=UTC)
RULE = Policy.from_json('{"budgets": {"spot": {"projects": ["my-project-1"]}}}').budgets["spot"]
KEY = {"project_id": "p", "zone": "z", "instance_id": "1", "instance_name": "a"}
PLANNED = {
    **KEY,
    "message_id": "1",
    "planned_at": NOON,
    "done": False,
    "restart": False,
    "has_failed": False,
    "stopped": False,
    "operation": None,
    "priority": "low",
    "rank": 1,
    "machine_type": "n2-standard-2",
    "managed_by": None,
    "hourly_savings": Decimal(1),
}
HISTORY = {
    "received_before": False,
    "newer": [{"published_at": NOON, "cost": Decimal(1), "budget": Decimal(2), "tracker_cost": None}],
    "stops_of_budget": [],
    "stops_in_total": 0,
    "plans": 0,
    "plan": [PLANNED],
    "pending_stops": [{**KEY, "message_id": "2"}],
    "failed_stops": [{**KEY, "failed_at": NOON, "messages": 1}],
    "unfinished": [PLANNED],
    "tracker_cost": Decimal(1),
    "billed": [{"published_at": NOON, "cost": Decimal(1)}],
    "hours": [{"start": NOON, "cost": Decimal(1), "stopped_cost": Decimal(0)}],
    "uptime_shares": [{"instance_id": "1", "uptime_share": Decimal("0.5")}],
    "attached": [{"instance_id": "1", "ending": Decimal("0.5"), "disks": None, "addresses": Decimal(0)}],
    "group_stops": [{"stopped_hour": NOON, "hourly_savings": None}],
    "proposed": [
        {
            "message_id": "1",
            "plan_hash": "0f",
            "approval_expires_at": NOON,
            "executed_by": None,
            "newer_plan": None,
            "period_end": NOON,
        }
    ],
    "proposed_stops": [{**PLANNED, "reason": "low priority", "autoscaling_mode": None}],
    "snoozed": [{**KEY, "snoozed_until": NOON}],
}
STOPPED = {
    **KEY,
    "priority": "low",
    "machine_type": "n2-standard-2",
    "managed_by": None,
    "hourly_savings": Decimal(1),
    "stopped_at": NOON,
    "tried": None,
    "starts_lately": 1,
}
RATE = {
    "component": "n2:core",
    "market": "spot",
    "region": "us-central1",
    "sku_id": "1",
    "description": "N2",
    "unit": "vcpu_hour",
    "rate": Decimal(1),
    "valid_from": NOON,
    "valid_to": None,
    "by_month": None,
}
CONTRACT_PRICE = {
    "source": "contract",
    "sku_id": "1",
    "unit": "vcpu_hour",
    "rate": Decimal(1),
    "currency": "USD",
    "origin": None,
    "by_month": False,
    "reason": None,
    "valid_from": NOON,
    "valid_to": None,
}
FINGERPRINTS = {"project_id": "p", "fingerprints": f"{KEY['instance_id']} {'0' * 32}"}
OBSERVATION = {
    **KEY,
    "provisioning_model": "SPOT",
    "machine_type": "n2-standard-2",
    "vcpus": Decimal(2),
    "memory_gib": Decimal(8),
    "gpu_type": None,
    "gpu_count": None,
    "local_ssd_gib": None,
    "labels": [{"key": "team", "value": "etl"}],
    "managed_by": None,
    "disks": "pd-balanced=100 hyperdisk-balanced=500,iops=6000,throughput=300",
    "addresses": 1,
    "licenses": "debian-cloud/debian-12-bookworm",
    "tier_1": False,
    "reserved_addresses": None,
    "first_seen": NOON,
    "last_seen": NOON,
    "started_at": NOON,
    "created_at": None,
}
HOUR = {
    "hour": NOON,
    "notified": True,
    "settled": ["p"],
    "provisional": ["q"],
    "incomplete": ["r"],
    "recorded": [{"project_id": "p", "recorded_at": NOON}],
    "unlisted": ["p"],
    "readings": [NOON],
    "contract_readings": [NOON],
}


class Rows(Jobs):
    """Answers every statement with the same row."""

    def __init__(self, row: Any) -> None:  # noqa: ANN401 (whatever BigQuery may answer)
        self.row = row

    def query(self, statement: str, parameters: Sequence[Parameter]) -> Iterator[Any]:
        assert statement
        assert parameters
        return iter([self.row])


def history(row: Any) -> object:  # noqa: ANN401 (as above)
    notification = read_notification(envelope(written(BODY)))
    assert isinstance(notification, BudgetNotification)
    return EnforcementRecords(Rows(row)).history(notification, RULE, NOON)


READERS: list[tuple[dict[str, Any], Callable[[Any], object]]] = [
    (HISTORY, history),
    (STOPPED, lambda row: EnforcementRecords(Rows(row)).stopped(RULE, NOON)),
    (RATE, lambda row: EnforcementRecords(Rows(row)).rates(NOON)),
    (RATE, lambda row: TrackerTables(Rows(row)).rates(NOON)),
    (CONTRACT_PRICE, lambda row: TrackerTables(Rows(row)).known_prices(NOON, recorded=False, contract=True)),
    (FINGERPRINTS, lambda row: list(TrackerTables(Rows(row)).comparisons(["p"], NOON))),
    (OBSERVATION, lambda row: list(TrackerTables(Rows(row)).observations_of([], NOON))),
    (HOUR, lambda row: TrackerTables(Rows(row)).hour_states(NOON)),
]


@pytest.mark.parametrize(("row", "read"), READERS)
def test_a_row_in_which_anything_is_missing_or_new_is_read_or_refused(
    row: dict[str, Any], read: Callable[[Any], object]
) -> None:
    assert read(row) is not None
    odd = [_with(row, place, value) for place in places(row) for value in (None, "", "of a later version", 5)]
    odd += [{name: value for name, value in row.items() if name != missing} for missing in row]
    for each in odd:
        or_unavailable("BigQuery", partial(read, each))


def _with(row: Any, place: Sequence[str | int], value: object) -> Any:  # noqa: ANN401 (as above)
    """A copy of a row with something else in one place."""
    if not place:
        return value
    copied: Any = dict(row) if isinstance(row, dict) else list(row)
    copied[place[0]] = _with(copied[place[0]], place[1:], value)
    return copied


def column(name: str, kind: str, mode: str = "NULLABLE") -> dict[str, str]:
    return {"name": name, "type": kind, "mode": mode}


ANSWER = {
    "kind": "bigquery#job",
    "id": "p:US.job",
    "jobReference": {"projectId": "p", "jobId": "job", "location": "US"},
    "configuration": {"jobType": "QUERY", "query": {"query": "SELECT 1"}},
    "status": {"state": "DONE"},
    "statistics": {"query": {"statementType": "SELECT"}},
    "jobComplete": True,
    "schema": {
        "fields": [
            column("rate", "NUMERIC"),
            column("valid_from", "TIMESTAMP"),
            column("count", "INTEGER"),
            column("drill", "BOOLEAN"),
            column("names", "STRING", "REPEATED"),
        ]
    },
    "totalRows": "1",
    "rows": [{"f": [{"v": "1.5"}, {"v": "1753099200000000"}, {"v": "3"}, {"v": "true"}, {"v": [{"v": "a"}]}]}],
}


class Session(requests.Session):
    """Answers every request with the same bytes."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = body

    def request(self, *_: object, **__: object) -> requests.Response:
        answer = requests.Response()
        answer.status_code = 200
        answer.headers["Content-Type"] = "application/json"
        answer._content = self.body  # noqa: SLF001 (there is no other way to make one)
        return answer


pytestmark = pytest.mark.filterwarnings("ignore:Unknown type:FutureWarning")  # of the client library
JOBS = Jobs("p", "d", "http://127.0.0.1:9", timedelta(0))


def rows_of(body: bytes) -> list[Any] | None:
    JOBS._client._http_internal = Session(body)  # noqa: SLF001 (there is no other way in)
    return or_unavailable("BigQuery", _rows)


def _rows() -> list[Any]:
    """The rows, read as every verb does."""
    with translate_errors("BigQuery"):
        return [dict(row) for row in JOBS.query("rates", [])]


def test_the_sample_is_a_row() -> None:
    [row] = rows_of(written(ANSWER)) or []

    assert (row["rate"], row["count"], row["drill"], row["names"]) == (Decimal("1.5"), 3, True, ["a"])


def value(place: int, odd: object) -> dict[str, Any]:
    """The sample with another value in one column."""
    found: dict[str, Any] = json.loads(written(ANSWER))
    found["rows"][0]["f"][place]["v"] = odd
    return found


@given(
    st.builds(value, st.integers(0, 4), any_json)
    | spoilt({name: ANSWER[name] for name in ("schema", "rows", "totalRows", "jobComplete")}).map(
        lambda odd: ANSWER | odd
    )
)
@example(value(0, "abc"))
@example(value(1, "9" * 30))
@example(value(1, "9" * 5000))
def test_any_answer_to_the_client_library_is_rows_or_out_of_order(found: Any) -> None:  # noqa: ANN401 (as above)
    rows = rows_of(written(found))

    assert rows is None or all(isinstance(row, dict) for row in rows)


@pytest.mark.parametrize("error", [IndexError("x"), RecursionError("x"), OverflowError("x"), Decimal])
def test_whatever_a_client_library_stumbles_over_the_service_is_out_of_order(error: Any) -> None:  # noqa: ANN401 (as above)
    def read() -> None:
        with translate_errors("BigQuery"):
            if error is Decimal:
                Decimal("abc")
            raise error

    with pytest.raises(UnavailableError, match="BigQuery: unexpected response"):
        read()


FINISHED = {"jobComplete": False, "jobReference": {"projectId": "p", "jobId": "job", "location": "US"}}


@given(spoilt(FINISHED) | st.dictionaries(st.sampled_from(("jobComplete", "jobReference", "rows")), any_json))
def test_any_answer_to_a_statement_is_its_end_or_out_of_order(found: dict[str, Any]) -> None:
    query = RestQuery("p", "d", "http://127.0.0.1:9", timedelta(0))
    query._calls = Answers(lambda _: found)  # noqa: SLF001 (there is no other way in)

    or_unavailable("BigQuery", lambda: query.run("notification", parameters=[]))
