"""Disks as rows of the staging table, and as the text that a row of their VM has."""

import hashlib
import json
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from google.cloud.bigquery import SchemaField

from spotkeeper.instances import Disk
from spotkeeper.periods import rfc3339
from spotkeeper.tracking.disks import DayPrice, DiskSighting, DiskUser

_LABEL = (SchemaField("key", "STRING"), SchemaField("value", "STRING"))
DISK = SchemaField(
    "disk",
    "RECORD",
    fields=(
        *(
            SchemaField(name, "STRING")
            for name in ("disk_id", "project_id", "place", "disk_name", "region", "disk_type")
        ),
        SchemaField("size_gib", "NUMERIC"),
        SchemaField("provisioned_iops", "INTEGER"),
        SchemaField("provisioned_throughput_mibps", "INTEGER"),
        SchemaField("regional", "BOOLEAN"),
        SchemaField("special", "STRING"),
        SchemaField(
            "attached_to",
            "RECORD",
            "REPEATED",
            fields=tuple(
                SchemaField(name, "STRING") for name in ("instance_id", "instance_name", "provisioning_model")
            ),
        ),
        *(SchemaField(name, "STRING") for name in ("spot_instance_id", "spot_instance_name")),
        SchemaField("labels", "RECORD", "REPEATED", fields=_LABEL),
        SchemaField("fingerprint", "STRING"),
        *(SchemaField(name, "TIMESTAMP") for name in ("created_at", "last_detached_at", "since", "seen_at")),
        SchemaField(
            "days",
            "RECORD",
            "REPEATED",
            fields=(
                SchemaField("day_start", "TIMESTAMP"),
                SchemaField("day_end", "TIMESTAMP"),
                SchemaField("price", "NUMERIC"),
                SchemaField("price_status", "STRING"),
                SchemaField("price_reason", "STRING"),
            ),
        ),
    ),
)
"""A disk as a scan found it, and its price in each day since."""


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


def staged_disk(sighting: DiskSighting) -> str:
    """Return a disk as a row of the staging table in JSON."""
    listed, disk = sighting.listed, sighting.listed.disk
    detached = listed.last_detached
    described = (
        f'"project_id": {text(listed.project_id)}, "place": {text(listed.place)}, '
        f'"disk_name": {encode_basestring_ascii(listed.name)}, {_alike_disks(disk, listed.region)}, '
        f'"attached_to": {_users(sighting.users)}, "labels": {labels_text(listed.labels)}'
    )
    spot = min((each for each in sighting.users if each.provisioning_model == "SPOT"), key=_name, default=None)
    digest = hashlib.blake2b(described.encode(), digest_size=16).hexdigest()
    return (
        f'{{"disk": {{"disk_id": {text(listed.disk_id)}, {described}, "fingerprint": "{digest}", '
        f'"spot_instance_id": {text(spot and spot.instance_id)}, '
        f'"spot_instance_name": {text(spot and spot.instance_name)}, '
        f'"created_at": "{rfc3339(listed.created)}", '
        f'"last_detached_at": {text(rfc3339(detached) if detached else None)}, '
        f'"since": "{rfc3339(sighting.since)}", "seen_at": "{rfc3339(sighting.seen)}", '
        f'"days": {_days(sighting.prices)}}}}}'
    )


@lru_cache(maxsize=4096)
def _alike_disks(disk: Disk, region: str) -> str:
    return (
        f'"region": {text(region)}, "disk_type": {text(disk.disk_type)}, "size_gib": "{disk.size_gib:f}", '
        f'"provisioned_iops": {disk.iops}, "provisioned_throughput_mibps": {disk.throughput_mibps}, '
        f'"regional": {json.dumps(disk.regional)}, "special": {text(disk.special or None)}'
    )


def _name(user: DiskUser) -> str:
    return user.instance_name


def _users(users: tuple[DiskUser, ...]) -> str:
    return f"[{', '.join(map(_user, users))}]"


def _user(user: DiskUser) -> str:
    return (
        f'{{"instance_id": {text(user.instance_id)}, "instance_name": {text(user.instance_name)}, '
        f'"provisioning_model": "{user.provisioning_model}"}}'
    )


@lru_cache(maxsize=4096)
def _days(days: tuple[DayPrice, ...]) -> str:
    return json.dumps(
        [
            {
                "day_start": rfc3339(day.start),
                "day_end": rfc3339(day.end),
                "price": None if day.price.usd is None else format(day.price.usd, "f"),
                "price_status": day.price.status,
                "price_reason": day.price.reason or None,
            }
            for day in days
        ]
    )


@lru_cache(maxsize=4096)
def labels_text(labels: tuple[tuple[str, str], ...]) -> str:
    """Return labels as JSON has them."""
    return json.dumps([{"key": key, "value": value} for key, value in labels])


def text(value: str | None) -> str:
    """Return a string as JSON has it."""
    return "null" if value is None else encode_basestring_ascii(value)
