"""The admin activity audit log: what the instances were made as, where Cloud Asset Inventory does not know them yet."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import batched

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.compute.instances import attachments_of, to_instance
from spotkeeper.gcp.compute.lists import Json, last_part, translate_parse_errors
from spotkeeper.gcp.compute.shapes import Shapes
from spotkeeper.gcp.http_calls import HttpCalls, PageTokens, parse_each
from spotkeeper.periods import HOUR, rfc3339
from spotkeeper.ports import Report
from spotkeeper.tracking.inventory import Observation
from spotkeeper.tracking.uptime import Uptime
from spotkeeper.values import identifier, time

HOST = "logging.googleapis.com"

ENTRIES_PER_PAGE = 1000
"""The largest page of entries.list."""

IDS_PER_FILTER = 500
"""A filter may have 20,000 characters, and an id takes up to 26.
https://cloud.google.com/logging/quotas#log-limits"""

CREATED_WITHIN = timedelta(days=7)
"""How long before its hour an instance that no scan saw may have been created: scans may have failed for days."""

SERVICE = "Cloud Logging"
_INSERT = "compute.instances.insert"
_BULK_INSERTS = ("compute.instances.bulkInsert", "compute.regionInstances.bulkInsert")
CREATING_METHODS = (_INSERT, *_BULK_INSERTS)
"""What instances are created with."""

_TRIGGER = "compute.googleapis.com/root_trigger_id"
_LOCAL_SSD_GIB = 375
"""The size of an attached local SSD, which a request need not say: https://cloud.google.com/compute/docs/disks/local-ssd"""


class LogEntries:
    """Reads log entries of a project, in JSON; raises UnavailableError.

    https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list
    """

    def __init__(self, calls: HttpCalls) -> None:
        """Read through these calls."""
        self._calls = calls

    def items(self, project_id: str, conditions: Sequence[str]) -> Iterator[Json]:
        """Yield the entries that meet all conditions, oldest first; a page may be empty and yet not be the last."""
        body: dict[str, object] = {
            "resourceNames": [f"projects/{project_id}"],
            "filter": "\n".join(conditions),
            "orderBy": "timestamp asc",
            "pageSize": ENTRIES_PER_PAGE,
        }
        page_tokens = PageTokens(SERVICE)
        while True:
            page = self._calls.call("POST", "/v2/entries:list", body=body)
            entries, token = page.get("entries", []), page.get("nextPageToken", "")
            if page.keys() - {"entries", "nextPageToken"} or not _are_objects(entries) or not isinstance(token, str):
                message = f"{SERVICE}: unexpected response: {str(page)[:200]} is not a list of entries"
                raise UnavailableError(message)
            yield from entries
            if not token:
                return
            body["pageToken"] = page_tokens.follow(token)


class AuditLogHistory:
    """Reads with what type, provisioning model and labels instances were created.

    A single insert, by a person or by a managed instance group, is one entry that has all of it. A bulk insert is an
    entry that has all of it and names no instance, and one entry for each instance that has its id and nothing else.
    """

    def __init__(self, endpoint: str | None, shapes: Shapes, retry_timeout: timedelta) -> None:
        self._entries = LogEntries(HttpCalls(SERVICE, HOST, endpoint, retry_timeout))
        self._shapes = shapes

    def observations(
        self, project_id: str, uptimes: Sequence[Uptime], now: datetime, report: Report
    ) -> Iterator[Observation]:
        """Yield each instance as it was created; what was changed later is not read."""
        ids = sorted({uptime.key.instance_id for uptime in uptimes})
        first = min(uptime.hour for uptime in uptimes) - CREATED_WITHIN
        last = min(max(uptime.hour for uptime in uptimes) + HOUR, now)
        created = [
            entry
            for some in batched(ids, IDS_PER_FILTER, strict=False)
            for entry in self._entries.items(project_id, [*_inserts_of(project_id, some), *during(first, last)])
        ]
        bulk = self._bulk_requests(project_id, [entry for entry in created if _is_bulk(entry)])

        def read(entry: Json) -> Observation | None:
            return self._observation(project_id, entry, bulk, report)

        for observation in parse_each(created, read, report):
            if observation is not None and observation.instance.shape.machine_type not in self._shapes.unread:
                yield observation

    def _bulk_requests(self, project_id: str, created: Sequence[Json]) -> list[Json]:
        """The requests that these instances were made by, and others of the time."""
        if not created:
            return []
        with translate_parse_errors("audit log entry", SERVICE):
            times = [time(entry["timestamp"]) for entry in created]
        times_of = during(min(times) - HOUR, max(times))
        return list(self._entries.items(project_id, [*_bulk_inserts(project_id), *times_of]))

    def _observation(self, project_id: str, entry: Json, bulk: Sequence[Json], report: Report) -> Observation | None:
        """One instance at the time of its creation; None when the log does not say what it was made as."""
        with translate_parse_errors(f"audit log entry {str(entry.get('insertId'))[:80]}", SERVICE):
            request = _bulk_properties(entry, bulk) if _is_bulk(entry) else entry["protoPayload"]["request"]
            if request is None or "machineType" not in request:
                return None  # Made from an instance template, which may have been changed since.
            at = time(entry["timestamp"])
            described = _described(entry, request)
        attached = attachments_of(described, names_licenses=False)
        instance = to_instance(project_id, described, self._shapes, report, attached)
        return Observation(instance, at, at, created=at)


def _inserts_of(project_id: str, ids: Iterable[str]) -> list[str]:
    return [
        *first_entries(project_id, CREATING_METHODS),
        'resource.type="gce_instance"',
        f"resource.labels.instance_id={_any_of(ids)}",
    ]


def _bulk_inserts(project_id: str) -> list[str]:
    return [*first_entries(project_id, _BULK_INSERTS), 'resource.type="audited_resource"']


def first_entries(project_id: str, methods: Iterable[str]) -> list[str]:
    """Return the conditions on the first entry of each operation: the last one has no request.

    `:` finds v1 as well as beta.
    """
    return [
        f'logName="projects/{project_id}/logs/cloudaudit.googleapis.com%2Factivity"',
        f"protoPayload.methodName:{_any_of(methods)}",
        "operation.first=true",
    ]


def _any_of(values: Iterable[str]) -> str:
    return f"({' OR '.join(f'"{value}"' for value in values)})"


def during(first: datetime, last: datetime) -> list[str]:
    """Return the conditions on the time of an entry."""
    return [f'timestamp>="{rfc3339(first)}"', f'timestamp<="{rfc3339(last)}"']


def _are_objects(entries: object) -> bool:
    return isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)


def _is_bulk(entry: Json) -> bool:
    payload = entry.get("protoPayload")
    return isinstance(payload, dict) and str(payload.get("methodName")).endswith(_BULK_INSERTS)


def _bulk_properties(entry: Json, bulk: Sequence[Json]) -> Json | None:
    """The properties that an instance was made with in bulk; None unless one request, or several alike, can be it.

    Entries of one bulk insert share the id of what triggered them; older ones have none, and are matched by name.
    """
    trigger = entry.get("labels", {}).get(_TRIGGER)
    requests = [each for each in bulk if trigger and each.get("labels", {}).get(_TRIGGER) == trigger]
    requests = requests or [each for each in bulk if _makes(each, entry)]
    properties: list[Json] = [each["protoPayload"]["request"].get("instanceProperties") for each in requests]
    return properties[0] if properties and all(each == properties[0] for each in properties) else None


def _makes(request: Json, entry: Json) -> bool:
    """Whether an instance has one of the names, and the place, of a bulk insert before it."""
    zone, name = entry["resource"]["labels"]["zone"], last_part(entry["protoPayload"]["resourceName"])
    *_, place, _ = request["protoPayload"]["resourceName"].split("/")
    asked = request["protoPayload"]["request"]
    pattern = re.sub(r"(\\#)+", r"\\d+", re.escape(asked.get("namePattern", "")))
    named = name in _pairs(asked.get("perInstanceProperties", {})) or bool(re.fullmatch(pattern, name))
    return named and place in {zone, zone.rpartition("-")[0]} and request["timestamp"] <= entry["timestamp"]


def _described(entry: Json, request: Json) -> Json:
    """A request to create an instance in the form of the instance."""
    labels, group = entry["resource"]["labels"], _group(request.get("links", []))
    return {
        "id": identifier(labels["instance_id"]),
        "name": last_part(entry["protoPayload"]["resourceName"]),
        "zone": labels["zone"],
        "machineType": request["machineType"],
        "scheduling": request.get("scheduling", {}),
        "labels": _pairs(request.get("labels", {})),
        "guestAccelerators": request.get("guestAccelerators"),
        "disks": [_disk(disk) for disk in request.get("disks", ())],
        "networkInterfaces": request.get("networkInterfaces"),
        "metadata": {"items": [{"key": "created-by", "value": group}] if group else []},
    }


def _pairs(value: object) -> dict[str, str]:
    """A map; the log writes the maps of a request as lists of keys and values."""
    if isinstance(value, list):
        return {each["key"]: each.get("value", "") for each in value}
    return dict(value) if isinstance(value, dict) else {}


def _disk(disk: Json) -> Json:
    wanted = disk.get("initializeParams", {}).get("diskSizeGb", _LOCAL_SSD_GIB)
    return {"type": disk.get("type"), "diskSizeGb": disk.get("diskSizeGb", wanted)}


def _group(links: Iterable[Json]) -> str | None:
    """The managed group that makes an instance: `projects/P/locations/L/instanceGroupManagers/NAME@id` in the log."""
    for link in links:
        source = str(link.get("source", "")).partition("@")[0]
        if link.get("type") == "MEMBER_OF" and "/instanceGroupManagers/" in source:
            zonal = re.search(r"/locations/[a-z]+-[a-z]+\d+-[a-z]/", source)
            return source.replace("/locations/", "/zones/" if zonal else "/regions/")
    return None
