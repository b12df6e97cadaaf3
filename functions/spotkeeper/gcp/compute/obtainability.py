"""Compute Engine's live advice on Spot capacity: whether so many VMs can be had now, and how long most of them run.

https://cloud.google.com/compute/docs/instances/view-vm-availability
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus

from spotkeeper.advice.placements import Live, LiveStatus, Place
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.compute.lists import PROJECTS, Json, compute_calls, translate_parse_errors
from spotkeeper.gcp.explanations import explained
from spotkeeper.gcp.http_calls import RATE_LIMITS, CallError
from spotkeeper.values import number, string

MOST_CALLS = 30
"""The most places that are asked about at once."""

MOST_FAILURES = 3
"""After so many failed calls in a row the service is taken as unavailable."""

_share = number(0, 1)


class Obtainability:
    """Asks for capacity in JSON: https://cloud.google.com/compute/docs/reference/rest/v1/advice/capacity."""

    def __init__(self, endpoint: str | None, retry_timeout: timedelta) -> None:
        self._calls = compute_calls(endpoint, retry_timeout)

    def of_places(self, project_id: str, places: Iterable[Place], zones: Sequence[str], size: int) -> dict[Place, Live]:
        """Return the answer for each place, once for each machine type and location; a failed call is an answer.

        A place that is a region is asked about in the zones that are given, or in any. A denied permission and an
        exhausted quota end the calls, as do three failures in a row.
        """
        found: dict[Place, Live] = {}
        asked: dict[tuple[str, str, str], Live] = {}
        failures = 0
        stopped: Live | None = None
        for place in places:
            key = (place.machine_type, place.region, place.zone)
            if key not in asked:
                if len(asked) >= MOST_CALLS:
                    stopped = Live(LiveStatus.NOT_ASKED, f"at most {MOST_CALLS} places are asked about")
                asked[key] = stopped or self._of_place(project_id, place, zones, size)
                failures = failures + 1 if asked[key].status is LiveStatus.UNAVAILABLE else 0
                if asked[key].status in (LiveStatus.DENIED, LiveStatus.QUOTA_EXHAUSTED) or failures == MOST_FAILURES:
                    stopped = asked[key]
            found[place] = asked[key]
        return found

    def _of_place(self, project_id: str, place: Place, zones: Sequence[str], size: int) -> Live:
        chosen = [place.zone] if place.zone else [each for each in zones if each.rpartition("-")[0] == place.region]
        try:
            return to_live(self._calls.call("POST", _path(project_id, place), body=_body(place, chosen, size)))
        except CallError as error:
            return Live(_status_of(error), explained(error))
        except UnavailableError as error:
            return Live(LiveStatus.UNAVAILABLE, explained(error))


def to_live(found: Json) -> Live:
    """Return the first recommendation; raises UnavailableError when it has another form than is documented."""
    with translate_parse_errors("capacity advice"):
        recommendations: Sequence[Mapping[str, Mapping[str, object]]] = found.get("recommendations", [])
        if not recommendations:
            return Live(LiveStatus.NONE, "no recommendation")
        scores = recommendations[0]["scores"]
        uptime = scores.get("estimatedUptime")
        # A score of 0 is the default of its field, which JSON leaves out.
        return Live(
            LiveStatus.KNOWN,
            obtainability=_share(scores.get("obtainability", 0)),
            uptime=None if uptime is None else timedelta(seconds=float(string(uptime).removesuffix("s"))),
        )


def _path(project_id: str, place: Place) -> str:
    return f"{PROJECTS}/{project_id}/regions/{place.region}/advice/capacity"


def _body(place: Place, zones: Sequence[str], size: int) -> dict[str, object]:
    policy: dict[str, object] = {"targetShape": "ANY"}
    if zones:
        policy["zones"] = [{"zone": f"zones/{zone}"} for zone in zones]
    return {
        "size": size,
        "instanceProperties": {"scheduling": {"provisioningModel": "SPOT"}},
        "instanceFlexibilityPolicy": {"instanceSelections": {"asked": {"machineTypes": [place.machine_type]}}},
        "distributionPolicy": policy,
    }


def _status_of(error: CallError) -> LiveStatus:
    text = str(error)
    if error.status == HTTPStatus.TOO_MANY_REQUESTS or any(reason in text for reason in RATE_LIMITS):
        return LiveStatus.QUOTA_EXHAUSTED
    if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return LiveStatus.DENIED
    if error.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND):
        return LiveStatus.UNSUPPORTED
    return LiveStatus.UNAVAILABLE
