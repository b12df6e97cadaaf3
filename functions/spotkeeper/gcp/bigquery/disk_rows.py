"""Disks as rows of the staging table, and as the text that a row of their VM has."""

import json
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from google.cloud.bigquery import SchemaField

from spotkeeper.gcp.bigquery.json_text import WITHOUT_SPACES, labels_text, members, number, text
from spotkeeper.gcp.bigquery.kinds import Kinds
from spotkeeper.instances import Disk, Instance
from spotkeeper.latest import kept_for_the_latest
from spotkeeper.periods import rfc3339
from spotkeeper.tracking.disks import DayPrice, DiskKind, DiskSighting

LABELS = SchemaField(
    "labels", "RECORD", "REPEATED", fields=(SchemaField("key", "STRING"), SchemaField("value", "STRING"))
)
DAYS = SchemaField(
    "days",
    "RECORD",
    "REPEATED",
    fields=(
        SchemaField("day_start", "TIMESTAMP"),
        SchemaField("day_end", "TIMESTAMP"),
        SchemaField("price", "NUMERIC"),
        SchemaField("price_status", "STRING"),
        SchemaField("price_reason", "STRING"),
        SchemaField("skus", "STRING"),
    ),
)
DISK = SchemaField(
    "disk",
    "RECORD",
    fields=(
        SchemaField("kind_id", "INTEGER"),
        *(SchemaField(name, "STRING") for name in ("disk_id", "disk_name")),
        SchemaField(
            "attached_to",
            "RECORD",
            "REPEATED",
            fields=tuple(
                SchemaField(name, "STRING") for name in ("instance_id", "instance_name", "provisioning_model")
            ),
        ),
        LABELS,
        *(SchemaField(name, "TIMESTAMP") for name in ("created_at", "last_detached_at")),
    ),
)
"""A disk as a scan found it."""

DISK_KIND = SchemaField(
    "disk_kind",
    "RECORD",
    fields=(
        SchemaField("kind_id", "INTEGER"),
        *(SchemaField(name, "STRING") for name in ("project_id", "place", "region", "disk_type")),
        SchemaField("size_gib", "NUMERIC"),
        SchemaField("provisioned_iops", "INTEGER"),
        SchemaField("provisioned_throughput_mibps", "INTEGER"),
        SchemaField("regional", "BOOLEAN"),
        SchemaField("special", "STRING"),
        *(SchemaField(name, "TIMESTAMP") for name in ("since", "seen_at")),
        DAYS,
    ),
)
"""What alike disks have in common, and their price in each day since; a run stages it once."""


def disk_from(text: str) -> Disk:
    """Return a disk that `disk_text` wrote."""
    what, *options = text.split(",")
    disk_type, _, size_gib = what.partition("=")
    given = dict(option.partition("=")[::2] for option in options)
    return Disk(
        disk_type,
        Decimal(size_gib),
        int(given.get("iops", 0)),
        int(given.get("throughput", 0)),
        regional="regional" in given,
        users=int(given.get("users", 1)),
        special=given.get("special", ""),
    )


def disk_text(disk: Disk) -> str:
    """Return a disk as an operator writes it: `pd-balanced=100` or `hyperdisk-balanced=500,iops=6000,users=2`."""
    options = (
        f",iops={disk.iops}" if disk.iops else "",
        f",throughput={disk.throughput_mibps}" if disk.throughput_mibps else "",
        ",regional" if disk.regional else "",
        f",users={disk.users}" if disk.users > 1 else "",
        f",special={disk.special}" if disk.special else "",
    )
    return f"{disk.disk_type}={disk.size_gib:f}{''.join(options)}"


@lru_cache(maxsize=4096)
def disks_text(disks: tuple[Disk, ...]) -> str:
    """Return the disks of a VM, separated by spaces."""
    return " ".join(map(disk_text, disks))


def staged_disk(sighting: DiskSighting, kinds: Kinds) -> str:
    """Return a disk as a row of the staging table in JSON, without spaces and nulls: a run compresses every row."""
    (_, _, disk_id, name, _, created, _, labels, detached), users, kind = sighting
    attached = _attached(users[0]) if len(users) == 1 else ",".join(map(_attached, users))
    labelled = f'"labels":{labels_text(labels)},' if labels else ""
    last_detached = f'"last_detached_at":"{rfc3339(detached)}",' if detached else ""
    return (
        f'{{"disk":{{"kind_id":{kinds.number(_described(kind))},"disk_id":{encode_basestring_ascii(disk_id)},'
        f'"disk_name":{encode_basestring_ascii(name)},"attached_to":[{attached}],{labelled}{last_detached}'
        f'"created_at":"{rfc3339(created)}"}}}}'
    )


@kept_for_the_latest
def _attached(instance: Instance) -> str:
    """Return an instance as the disks that it has attached name it; the latest is kept, for it may have several."""
    key, name, model = instance[:3]
    return (
        f'{{"instance_id":{encode_basestring_ascii(key[2])},"instance_name":{encode_basestring_ascii(name)},'
        f'"provisioning_model":"{model}"}}'
    )


@lru_cache(maxsize=4096)
def _described(kind: DiskKind) -> str:
    """Return a kind of disks as members of a JSON object."""
    disk = kind.disk
    described = members(
        {
            "project_id": text(kind.project_id),
            "place": text(kind.place),
            "region": text(kind.region),
            "disk_type": text(disk.disk_type),
            "size_gib": number(disk.size_gib),
            "provisioned_iops": str(disk.iops),
            "provisioned_throughput_mibps": str(disk.throughput_mibps),
            "regional": json.dumps(disk.regional),
            "special": text(disk.special or None),
            "since": text(rfc3339(kind.since)),
            "seen_at": text(rfc3339(kind.seen)),
        }
    )
    return f'{described}"days":{days_json(kind.prices)}'


@lru_cache(maxsize=4096)
def days_json(days: tuple[DayPrice, ...]) -> str:
    """Return the prices of the days that a run records as JSON."""
    prices = [
        {
            "day_start": rfc3339(day.start),
            "day_end": rfc3339(day.end),
            "price": None if day.price.usd is None else format(day.price.usd, "f"),
            "price_status": day.price.status,
            "price_reason": day.price.reason or None,
            "skus": " ".join(day.price.skus) or None,
        }
        for day in days
    ]
    return json.dumps(prices, separators=WITHOUT_SPACES)
