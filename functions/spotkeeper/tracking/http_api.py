"""The request and the response of `track_spot_costs`."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from spotkeeper.errors import RefusedRequestError
from spotkeeper.logs import log_event
from spotkeeper.periods import RETENTION, parse_time, requested_hours, rfc3339
from spotkeeper.settings import Clock
from spotkeeper.tracking.alerts import Alert
from spotkeeper.tracking.interim import InterimRequest, InterimSummary
from spotkeeper.tracking.run import TrackRequest
from spotkeeper.tracking.run_summary import Gap, Summary
from spotkeeper.tracking.settings import Budgets
from spotkeeper.values import json_object, parsed, shown, string

if TYPE_CHECKING:
    from spotkeeper.tracking.capacity import CapacitySummary

SCHEDULE_HEADER = "X-CloudScheduler-ScheduleTime"
"""Set by Cloud Scheduler to the time a call was due, also on a retry; with the offset of the job's time zone.

What it holds on a forced run is not documented: it may be the next time that the job is due, which is in the future.
https://cloud.google.com/scheduler/docs/reference/rpc/google.cloud.scheduler.v1#httptarget
"""

SCHEDULED_LATER = "scheduled in the future: taken as now"
"""The log event of a call whose schedule time is in the future."""

INTERIM = "interim"
"""The check that a request may name."""

_RANGE = ("start", "end")
_CHECK = "check"
_CLOCK_SKEW = timedelta(minutes=10)
_MOST_NAMED = 20


def decode(
    headers: Mapping[str, str], query: Mapping[str, Sequence[str]], body: bytes, system_time: datetime, clock: Clock
) -> TrackRequest | InterimRequest:
    """Return the request of a call: a run, or an interim check; raises RefusedRequestError naming the wrong value.

    A call that is due in the future is due now.
    """
    header = next((value for name, value in headers.items() if name.lower() == SCHEDULE_HEADER.lower()), None)
    scheduled = parse_time(SCHEDULE_HEADER, header) if header else system_time
    now = scheduled if clock is Clock.SCHEDULE else system_time
    if scheduled > now + _CLOCK_SKEW:
        log_event(SCHEDULED_LATER, scheduled=rfc3339(scheduled))
    if scheduled < now - RETENTION:
        message = f"{SCHEDULE_HEADER} {header} is too old: Cloud Monitoring keeps the uptime metric for six weeks"
        raise RefusedRequestError(message)
    fields = _fields(query, body)
    if not fields:
        return TrackRequest(now, min(scheduled, now))
    if _CHECK in fields:
        if fields.keys() != {_CHECK} or fields[_CHECK] != INTERIM:
            message = f"{_CHECK} must be {INTERIM}, without {' and '.join(_RANGE)}"
            raise RefusedRequestError(message)
        return InterimRequest(now)
    if lacking := [name for name in _RANGE if name not in fields]:
        message = f"{lacking[0]} is missing: give both start and end, or neither"
        raise RefusedRequestError(message)
    return TrackRequest(now, min(scheduled, now), requested_hours(fields["start"], fields["end"], now))


def response_body(summary: Summary, capacity: "CapacitySummary | None" = None) -> dict[str, object]:
    """Return the response: counts of everything, and the first twenty unresolved or unpriced items by name.

    `capacity` is the daily reading of Google's capacity history; it is none of what makes an hour complete.
    """
    status = "nothing_to_do" if not summary.hours else "complete" if summary.complete else "incomplete"
    unresolved = {uptime.key: uptime.instance_name for uptime in summary.unresolved}
    return {
        "status": status,
        "run_id": summary.run_id,
        "hours": [rfc3339(hour.hour) for hour in summary.hours],
        "provisional_hours": [rfc3339(hour.hour) for hour in summary.hours if hour.provisional],
        "rows": summary.rows,
        "total_cost": format(summary.cost, "f"),
        "ondemand_cost": format(summary.ondemand_cost, "f"),
        "currency": "USD",
        "complete": summary.complete,
        "unresolved": len(unresolved),
        "unresolved_hours": format(summary.unresolved_hours, "f"),
        "unresolved_instances": [f"{key.project_id}/{key.zone}/{name}" for key, name in unresolved.items()][
            :_MOST_NAMED
        ],
        "unpriced": summary.unpriced.total(),
        "unpriced_machine_types": [
            {"machine_type": each.machine_type, "region": each.region, "reason": each.reason, "rows": count}
            for each, count in summary.unpriced.most_common(_MOST_NAMED)
        ],
        "price_statuses": dict(summary.statuses),
        "gaps": _gaps(summary.gaps),
        "alerts": _alerts(summary.alerts),
        "metrics_error": summary.metrics_error,
        "capacity_history": _capacity(capacity) if capacity else None,
    }


def interim_body(summary: InterimSummary, budgets: Budgets) -> dict[str, object]:
    """Return the response to an interim check: each budget with its recorded and its estimated spend."""
    by_id = budgets.by_id()
    return {
        "status": summary.status,
        "run_id": summary.run_id,
        "recorded_until": rfc3339(summary.since) if summary.since else None,
        "currency": "USD",
        "estimates": [
            {
                "label_budget": spend.label_budget or None,
                "period": spend.period.kind,
                "period_start": rfc3339(spend.period.start),
                "budget": format(budget, "f"),
                "estimated_cost": format(spend.cost_usd, "f"),
            }
            for spend in summary.estimates
            if (budget := by_id[spend.label_budget].amounts_usd.get(spend.period.kind))
        ],
        "instances": summary.instances,
        "unpriced": summary.unpriced,
        "undated": summary.undated,
        "gaps": _gaps(summary.gaps),
        "alerts": _alerts(summary.alerts),
    }


def _gaps(gaps: Sequence[Gap]) -> list[dict[str, object]]:
    return [
        {"source": gap.source, "project_id": gap.project_id, "detail": gap.detail, "final": gap.final} for gap in gaps
    ]


def _alerts(alerts: Sequence[Alert]) -> list[dict[str, object]]:
    return [
        {
            "kind": alert.kind,
            "label_budget": alert.label_budget or None,
            "period": alert.period.kind,
            "period_start": rfc3339(alert.period.start),
            "threshold": str(alert.thresholds[-1]),
        }
        for alert in alerts
    ]


def _capacity(summary: "CapacitySummary") -> dict[str, object]:
    return {
        "status": summary.status,
        "calls": {status.value: summary.calls[status] for status in sorted(summary.calls)},
        "stopped": summary.stopped or None,
        "prices_compared": summary.check.compared,
        "prices_that_differ": [
            {
                "machine_type": each.machine_type,
                "region": each.region,
                "day": each.day.isoformat(),
                "our_price": format(each.our_price, "f"),
                "google_price": format(each.google_price, "f"),
            }
            for each in summary.check.differences[:_MOST_NAMED]
        ],
    }


def _fields(query: Mapping[str, Sequence[str]], body: bytes) -> dict[str, str]:
    given: dict[str, list[object]] = {name: list(values) for name, values in query.items()}
    for name, value in (json_object(body, "the body", RefusedRequestError) if body.strip() else {}).items():
        given.setdefault(name, []).append(value)
    fields = {}
    for name, values in given.items():
        if name not in (*_RANGE, _CHECK):
            message = f"{shown(name)} is not a field of this request: it takes start and end, or check"
            raise RefusedRequestError(message)
        if len(values) > 1:
            message = f"{name} is given {len(values)} times"
            raise RefusedRequestError(message)
        fields[name] = parsed(name, values[0], string, RefusedRequestError)
    return fields
