"""Compute Engine: the disks of a project."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import lru_cache, partial

from spotkeeper.gcp.compute.instances import labels_of, time_from
from spotkeeper.gcp.compute.lists import PARSE_ERRORS, DiskList, Json, compute_calls, last_part, unexpected
from spotkeeper.gcp.http_calls import parse_each
from spotkeeper.instances import CONFIDENTIAL, IN_STORAGE_POOL, Disk
from spotkeeper.ports import Report
from spotkeeper.tracking.disks import ListedDisk
from spotkeeper.values import count, identifier, optional_boolean, size, string, time

_DISK_FIELDS = (
    "id,name,type,sizeGb,users,labels,creationTimestamp,lastDetachTimestamp,"
    "provisionedIops,provisionedThroughput,storagePool,enableConfidentialCompute"
)


class ComputeDisks:
    """Lists the disks of a project over all zones and regions, attached or not."""

    def __init__(self, endpoint: str | None, retry_timeout: timedelta) -> None:
        self._list = DiskList(compute_calls(endpoint, retry_timeout), _DISK_FIELDS)

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters that choose what is read."""
        return self._list.query

    def disks(self, project_id: str, report: Report) -> Iterator[ListedDisk]:
        """Yield every disk; a zone that does not answer, and one that cannot be read, is reported."""
        return parse_each(self._list.items_by_scope(project_id, report), partial(to_disk, project_id), report)


def to_disk(project_id: str, listed: tuple[str, Json]) -> ListedDisk:
    """Return what is kept of a disk as Compute Engine describes it, in JSON; its parts that others have are shared.

    It is listed with its scope: `zones/us-central1-a`, or `regions/us-central1` for one that is kept in two zones. Two
    hundred thousand disks are read in one run: what few of them have is not worked out for all.
    """
    scope, found = listed
    try:
        urls = found.get("users", ())
        users = (_user(urls[0]),) if len(urls) == 1 else tuple(sorted(map(_user, urls)))
        place, disk = _alike(
            found["type"],
            found["sizeGb"],
            scope,
            found.get("provisionedIops", 0),
            found.get("provisionedThroughput", 0),
            len(users),
            found.get("storagePool"),
            found.get("enableConfidentialCompute"),
        )
        created = time(found["creationTimestamp"])
        return ListedDisk(
            project_id,
            place,
            identifier(found["id"]),
            string(found["name"]),
            disk,
            created.replace(microsecond=0) if created.microsecond else created,
            users,
            labels_of(found["labels"]) if "labels" in found else (),
            None if users else time_from(found.get("lastDetachTimestamp")),
        )
    except PARSE_ERRORS as error:
        raise unexpected(error, f"disk {str(found.get('name'))[:80]!a}") from error


def _user(url: str) -> tuple[str, str]:
    """The zone and the name of an instance: `…/projects/P/zones/ZONE/instances/NAME`."""
    _, zone, kind, name = url.rsplit("/", 3)
    if kind != "instances" or not zone or not name:
        expected = "the URL of an instance"
        raise ValueError(expected)
    return _shared(zone), name


@lru_cache(maxsize=4096)
def _alike(  # noqa: PLR0913, PLR0917 (the fields of a disk)
    disk_type: str,
    size_gb: object,
    scope: str,
    iops: object,
    throughput: object,
    users: int,
    pool: object,
    confidential: object,
) -> tuple[str, Disk]:
    """Return where a disk is and what it is billed for; those of alike ones are one object."""
    kind, _, place = scope.partition("/")
    if kind not in {"zones", "regions"} or not place:
        expected = "in a zone or a region"
        raise ValueError(expected)
    special = IN_STORAGE_POOL if pool else CONFIDENTIAL if optional_boolean(confidential) else ""
    disk_type, regional = string(last_part(disk_type)), kind == "regions"
    return place, Disk(disk_type, size(size_gb), count(iops), count(throughput), regional, users or 1, special)


_shared = lru_cache(maxsize=4096)(str)
