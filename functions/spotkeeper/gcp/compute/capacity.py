"""Compute Engine's history of Spot prices and preemptions."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.compute.lists import PROJECTS, Json, compute_calls, last_part, translate_parse_errors
from spotkeeper.gcp.http_calls import RATE_LIMITS, CallError, HttpCalls
from spotkeeper.tracking.capacity import Reading, ReadingStatus, Target
from spotkeeper.tracking.capacity_days import PreemptionSpan
from spotkeeper.tracking.capacity_prices import PriceSpan
from spotkeeper.values import from_text, integer, number, string, time

_BILLIONTH = Decimal("1e-9")
_LARGEST = 10**9
_units = from_text(integer(0, _LARGEST))
_nanos = from_text(integer(0, _LARGEST - 1))
_rate = number(0, 1)


class CapacityAdvice:
    """The history in JSON: https://cloud.google.com/compute/docs/reference/rest/v1/advice/capacityHistory."""

    def __init__(self, calls: HttpCalls) -> None:
        """Prepare to ask."""
        self._calls = calls

    def history(self, project_id: str, target: Target) -> Json:
        """Return the history of a machine type: of a zone its preemptions, of a region its prices as well."""
        body: dict[str, object] = {
            "types": ["PREEMPTION"] if target.zone else ["PREEMPTION", "PRICE"],
            "instanceProperties": {"machineType": target.machine_type, "scheduling": {"provisioningModel": "SPOT"}},
        }
        if target.zone:
            body["locationPolicy"] = {"location": f"zones/{target.zone}"}
        return self._calls.call(
            "POST", f"{PROJECTS}/{project_id}/regions/{target.region}/advice/capacityHistory", body=body
        )


class ComputeCapacity:
    """Reads what Google recorded of Spot capacity."""

    def __init__(self, endpoint: str | None, retry_timeout: timedelta) -> None:
        self._advice = CapacityAdvice(compute_calls(endpoint, retry_timeout))

    def history(self, project_id: str, target: Target) -> Reading:
        """Return the history of a target; a call that failed is a reading with its status."""
        try:
            found = self._advice.history(project_id, target)
            return to_reading(target, found)
        except CallError as error:
            return Reading(target, _status_of(error), str(error))
        except UnavailableError as error:
            return Reading(target, ReadingStatus.UNAVAILABLE, str(error))


def to_reading(target: Target, found: Json) -> Reading:
    """Return a history as Compute Engine describes it; raises UnavailableError.

    A history of another machine type or place than was asked for is refused.
    """
    with translate_parse_errors(f"history of {target.machine_type}"):
        place = last_part(string(found.get("location", "") or target.zone or target.region))
        if (found.get("machineType", target.machine_type), place) != (
            target.machine_type,
            target.zone or target.region,
        ):
            message = f"of {target.machine_type} in {target.zone or target.region}"
            raise ValueError(message)
        return Reading(
            target,
            ReadingStatus.READ,
            preemptions=tuple(map(_preemption_span, found.get("preemptionHistory", ()))),
            prices=_prices(found.get("priceHistory", ())),
        )


def _preemption_span(found: Json) -> PreemptionSpan:
    interval = found["interval"]
    # A rate of 0 is the default of its field, which JSON leaves out.
    rate = _rate(found.get("preemptionRate", 0))
    return PreemptionSpan(time(interval["startTime"]), time(interval["endTime"]), rate)


def _prices(found: Sequence[Json]) -> tuple[PriceSpan, ...]:
    """Return the prices in order. A price of 0 is none, as in the catalog: nothing is known of its time."""
    spans = sorted(map(_price_span, found), key=lambda each: each.start)
    if any(span.end is None for span in spans[:-1]):
        expected = "an interval with an end, before the latest one"
        raise ValueError(expected)
    return tuple(span for span in spans if span.usd and span.end != span.start)


def _price_span(found: Json) -> PriceSpan:
    interval = found["interval"]
    start, end = time(interval["startTime"]), interval.get("endTime")
    span = PriceSpan(start, time(end) if end is not None else None, _dollars(found["listPrice"]))
    if span.end is not None and span.end < start:
        expected = "an interval that ends after its start"
        raise ValueError(expected)
    return span


def _dollars(money: Mapping[str, object]) -> Decimal:
    """Return an amount: units and nanos are left out when they are 0, and either may be text."""
    if money.get("currencyCode") != "USD":
        expected = "an amount in USD"
        raise ValueError(expected)
    return _units(money.get("units", 0)) + _nanos(money.get("nanos", 0)) * _BILLIONTH


def _status_of(error: CallError) -> ReadingStatus:
    text = str(error)
    if error.status == HTTPStatus.TOO_MANY_REQUESTS or any(reason in text for reason in RATE_LIMITS):
        return ReadingStatus.QUOTA_EXHAUSTED
    if error.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND):
        return ReadingStatus.UNSUPPORTED
    return ReadingStatus.UNAVAILABLE
