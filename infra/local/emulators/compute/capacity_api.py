"""Compute Engine's advice on Spot capacity: the history of prices and preemptions, and what can be had now.

Prices are those of the price catalog, over a year; preemption rates are drawn from the names of the type and the place.
Equal rates of neighbouring days come as one interval, as Google gives them; money leaves out zero units, and its nanos
are text.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from starlette.routing import Route

from infra.local.emulators import catalog
from infra.local.emulators.compute.access import REGION, VISIBLE_ZONES, Access, known_region, not_found
from infra.local.emulators.rest import ApiError, Call
from infra.local.emulators.state import CloudState
from infra.local.fleet.clock import rfc3339
from infra.local.fleet.machine_types import MachineType, machine_types

PRICE_DAYS, PREEMPTION_DAYS = 365, 30

DISAGREES = ("n2d-standard-8", "us-central1")
"""The type in whose history the price is a percent higher than in the catalog, so that a comparison finds one."""

_LOS_ANGELES = ZoneInfo("America/Los_Angeles")
_LOCATION = re.compile(r"(?:.*/)?zones/([a-z0-9-]+)")
_GPUS = {"a2": "a100.gpu", "g2": "l4.gpu"}
_GIB_PER_GB = Decimal("1.073741824")
_NOT_OBSERVED = 6
_LARGEST_SIZE = 1000
_SHAPES = {"ANY", "ANY_SINGLE_ZONE", "BALANCED"}

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CapacityApi:
    """The two methods of the resource `advice`."""

    state: CloudState

    def routes(self) -> list[Route]:
        """The paths it answers."""
        route = Access(self.state).route
        return [
            route(f"{REGION}/advice/capacityHistory", "advice.capacityHistory", self.history, "POST"),
            route(f"{REGION}/advice/capacity", "advice.capacity", self.capacity, "POST"),
        ]

    def history(self, call: Call) -> bytes:
        """`advice.capacityHistory` of one machine type in a region or one of its zones."""
        call.only()
        Access(self.state).project(call, "compute.advice.capacityHistory")
        region, body = known_region(call.path["region"]), call.json()
        _only(body, "types", "instanceProperties", "locationPolicy")
        properties = body.get("instanceProperties", {})
        _only(properties, "machineType", "scheduling")
        _spot(properties)
        types = body.get("types", [])
        if not types or not set(types) <= {"PREEMPTION", "PRICE"}:
            _refuse("types", types)
        name = properties.get("machineType", "")
        shape = _supported(call, name)
        zone = _zone(body.get("locationPolicy", {}), region)
        if zone and "PRICE" in types:
            _refuse("types", types)
        place = f"zones/{zone}" if zone else f"regions/{region}"
        project = call.path["project"]
        now = self.state.clock.now
        found: Json = {
            "machineType": name,
            "location": f"https://www.googleapis.com/compute/v1/projects/{project}/{place}",
        }
        if "PREEMPTION" in types:
            found["preemptionHistory"] = list(_preemptions(name, zone or region, now))
        if "PRICE" in types:
            found["priceHistory"] = list(_prices(shape, region, now))
        return json.dumps(found).encode()

    def capacity(self, call: Call) -> bytes:
        """`advice.capacity`: more VMs are harder to have, and no answer is a promise."""
        call.only()
        Access(self.state).project(call, "compute.advice.capacity")
        region, body = known_region(call.path["region"]), call.json()
        _only(body, "size", "instanceProperties", "instanceFlexibilityPolicy", "distributionPolicy")
        _spot(body.get("instanceProperties", {}))
        size = body.get("size", 0)
        if not isinstance(size, int) or not 0 < size <= _LARGEST_SIZE:
            _refuse("size", size)
        selections = body.get("instanceFlexibilityPolicy", {}).get("instanceSelections", {})
        names = [name for each in selections.values() for name in each.get("machineTypes", [])]
        if len(names) != 1:
            _refuse("instanceFlexibilityPolicy", names)
        _supported(call, names[0])
        policy = body.get("distributionPolicy", {})
        if policy.get("targetShape") not in _SHAPES:
            _refuse("distributionPolicy.targetShape", policy.get("targetShape"))
        asked = [_zone({"location": each.get("zone", "")}, region) for each in policy.get("zones", [])]
        zones = asked or [zone for zone in VISIBLE_ZONES if zone.rpartition("-")[0] == region]
        zone = min(zones, key=lambda each: _draw(names[0], each, "now"))
        score = max(0.1, round(0.95 - size / _LARGEST_SIZE - _draw(names[0], zone, "now") % 20 / 100, 2))
        shard = {"zone": zone, "machineType": names[0], "instanceCount": size, "provisioningModel": "SPOT"}
        # Google estimates an hour or ten minutes: https://cloud.google.com/compute/docs/instances/view-vm-availability
        scores = {
            "obtainability": score,
            "estimatedUptime": "600s" if _draw(names[0], zone, "up") % 3 == 0 else "3600s",
        }
        return json.dumps({"recommendations": [{"scores": scores, "shards": [shard]}]}).encode()


def _only(found: Mapping[str, object], *known: str) -> None:
    unknown = sorted(found.keys() - set(known))
    if unknown:
        message = f'Invalid JSON payload received. Unknown name "{unknown[0]}": Cannot find field.'
        raise ApiError(400, message)


def _refuse(field: str, value: object) -> NoReturn:
    message = f"Invalid value for field '{field}': '{value}'."
    raise ApiError(400, message)


def _spot(properties: Mapping[str, Any]) -> None:
    model = properties.get("scheduling", {}).get("provisioningModel")
    if model != "SPOT":
        _refuse("scheduling.provisioningModel", model)


def _supported(call: Call, name: str) -> MachineType:
    """The machine type; custom types have no history, and a name that nobody knows is not found."""
    if "custom-" in name:
        _refuse("machineType", name)
    if name not in machine_types():
        raise not_found(call.path["project"], f"machineTypes/{name}")
    return machine_types()[name]


def _zone(policy: Mapping[str, str], region: str) -> str:
    location = policy.get("location", "")
    if not location:
        return ""
    found = _LOCATION.fullmatch(location)
    if found and found[1] in VISIBLE_ZONES and found[1].rpartition("-")[0] == region:
        return found[1]
    _refuse("location", location)


def _draw(*names: str) -> int:
    return int(hashlib.sha256("|".join(names).encode()).hexdigest()[:8], 16)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), _LOS_ANGELES).astimezone(UTC)


def _preemptions(name: str, place: str, now: datetime) -> Iterator[Json]:
    """Yield the rates of the last days; some places are not observed at all."""
    if _draw(name, place) % _NOT_OBSERVED == 0:
        return
    today = now.astimezone(_LOS_ANGELES).date()
    merged: list[tuple[date, date, int]] = []
    for age in range(PREEMPTION_DAYS - 1, -1, -1):
        day = today - timedelta(days=age)
        # A rate of a tenth for each of ten steps makes equal neighbours common.
        rate = _draw(name, place, str(day.toordinal() // 2)) % 10
        if merged and merged[-1][2] == rate:
            merged[-1] = (merged[-1][0], day, rate)
        else:
            merged.append((day, day, rate))
    for first, last, rate in merged:
        interval = {"startTime": rfc3339(_midnight(first)), "endTime": rfc3339(_midnight(last + timedelta(days=1)))}
        yield {"interval": interval, **({"preemptionRate": rate / 10} if rate else {})}


def _prices(shape: MachineType, region: str, now: datetime) -> Iterator[Json]:
    start = now - timedelta(days=PRICE_DAYS)
    moments = [start, *(change for change in catalog.price_changes() if start < change <= now)]
    spans: list[tuple[datetime, Decimal]] = []
    for moment in moments:
        price = _price(shape, region, moment)
        if price is not None and (not spans or spans[-1][1] != price):
            spans.append((moment, price))
    for (first, price), (end, _) in pairwise([*spans, (now, Decimal(0))]):
        yield {"interval": {"startTime": rfc3339(first), "endTime": rfc3339(end)}, "listPrice": _money(price)}


def _price(shape: MachineType, region: str, at: datetime) -> Decimal | None:
    """What the vCPUs, the memory and the bundled GPUs of a type cost as Spot; None where it is not sold."""
    rates = catalog.prices_at(at)
    family = shape.name.partition("-")[0]
    if shape.name == "f1-micro":
        return rates.get((shape.name, region, "Preemptible"))
    gib = shape.memory_gib * (_GIB_PER_GB if family == "c4" else 1)
    parts = [(f"{family}.core", shape.billed_vcpus), (f"{family}.ram", gib)]
    if shape.gpu_count and family in _GPUS:
        parts.append((_GPUS[family], Decimal(shape.gpu_count)))
    costs = [
        rate * quantity for name, quantity in parts if (rate := rates.get((name, region, "Preemptible"))) is not None
    ]
    if len(costs) < len(parts):
        return None
    price = sum(costs, Decimal(0)).quantize(catalog.NANO)
    return (price * Decimal("1.01")).quantize(catalog.NANO) if (shape.name, region) == DISAGREES else price


def _money(price: Decimal) -> Json:
    units, nanos = divmod(int(price / catalog.NANO), catalog.BILLIONTHS)
    return {"currencyCode": "USD", **({"units": str(units)} if units else {}), "nanos": str(nanos)}
