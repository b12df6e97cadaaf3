"""Compute Engine's estimate of how likely Spot VMs can be had now."""

from collections.abc import Sequence
from datetime import timedelta

from spotkeeper.gcp.compute.capacity import SPOT
from spotkeeper.gcp.compute.lists import PROJECTS, Json, compute_calls, last_part, translate_parse_errors
from spotkeeper.tracking.capacity import Obtainability
from spotkeeper.values import number, string

_score = number(0, 1)


class ComputeObtainability:
    """Asks for a number of VMs at once; no answer is a promise.

    https://cloud.google.com/compute/docs/reference/rest/v1/advice/capacity
    """

    def __init__(self, endpoint: str | None, retry_timeout: timedelta) -> None:
        self._calls = compute_calls(endpoint, retry_timeout)

    def obtainability(
        self, project_id: str, region: str, machine_type: str, zones: Sequence[str], size: int
    ) -> Obtainability:
        """Return the estimate for VMs of a type in these zones, or anywhere in the region; raises UnavailableError."""
        body: dict[str, object] = {
            "size": size,
            "instanceProperties": SPOT,
            "instanceFlexibilityPolicy": {"instanceSelections": {"wanted": {"machineTypes": [machine_type]}}},
            "distributionPolicy": {"targetShape": "ANY", "zones": [{"zone": f"zones/{zone}"} for zone in zones]},
        }
        found = self._calls.call("POST", f"{PROJECTS}/{project_id}/regions/{region}/advice/capacity", body=body)
        with translate_parse_errors("capacity advice"):
            return _obtainability(found)


def _obtainability(found: Json) -> Obtainability:
    recommendations = found.get("recommendations", ())
    if not recommendations:
        return Obtainability(None, None, ())
    scores = recommendations[0].get("scores", {})
    uptime = scores.get("estimatedUptime")
    zones = {string(shard["zone"]) for shard in recommendations[0].get("shards", ()) if shard.get("zone")}
    return Obtainability(
        _score(scores["obtainability"]) if "obtainability" in scores else None,
        timedelta(seconds=float(string(uptime).removesuffix("s"))) if uptime is not None else None,
        tuple(sorted(map(last_part, zones))),
    )
