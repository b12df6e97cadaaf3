"""Disks as rows of the staging table, and as the text that a row of their VM has."""

import hashlib
import json
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from google.cloud.bigquery import SchemaField

from spotkeeper.gcp.bigquery.json_text import WITHOUT_SPACES, labels_text, text
from spotkeeper.instances import Disk, ProvisioningModel, region_of
from spotkeeper.periods import rfc3339
from spotkeeper.tracking.disks import DayPrice, DiskSighting, DiskUser, PricedTime

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
        LABELS,
        SchemaField("fingerprint", "STRING"),
        *(SchemaField(name, "TIMESTAMP") for name in ("created_at", "last_detached_at", "since", "seen_at")),
        DAYS,
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
    """Return a disk as a row of the staging table in JSON, without spaces and nulls: a run compresses every row."""
    listed, users, time = sighting
    project_id, place, disk_id, name, disk, created, _, labels, detached = listed
    before_name, after_name, after_users = _alike_disks(project_id, place, disk, labels)
    attached, spot_user = _one_user(users[0]) if len(users) == 1 else _several_users(users)
    described = f"{before_name}{encode_basestring_ascii(name)}{after_name}{attached}{after_users}"
    digest = hashlib.blake2b(described.encode(), digest_size=16).hexdigest()
    last_detached = f'"last_detached_at":"{rfc3339(detached)}",' if detached else ""
    return (
        f'{{"disk":{{"disk_id":{encode_basestring_ascii(disk_id)},{described},"fingerprint":"{digest}",{spot_user}'
        f'"created_at":"{rfc3339(created)}",{last_detached}{_recorded(time)}}}}}'
    )


@lru_cache(maxsize=4096)
def _alike_disks(project_id: str, place: str, disk: Disk, labels: tuple[tuple[str, str], ...]) -> tuple[str, str, str]:
    """Return the parts of a disk's JSON before its name, between that and its users, and after these."""
    region = place if disk.regional else region_of(place)
    special = f'"special":{text(disk.special)},' if disk.special else ""
    after_name = (
        f',"region":{text(region)},"disk_type":{text(disk.disk_type)},"size_gib":"{disk.size_gib:f}",'
        f'"provisioned_iops":{disk.iops},"provisioned_throughput_mibps":{disk.throughput_mibps},'
        f'"regional":{json.dumps(disk.regional)},{special}"attached_to":['
    )
    before_name = f'"project_id":{text(project_id)},"place":{text(place)},"disk_name":'
    return before_name, after_name, f'],"labels":{labels_text(labels)}'


def _one_user(user: DiskUser) -> tuple[str, str]:
    """Return a user as the row has it, and as the Spot VM that the disk is recorded for; that is empty for others."""
    instance_id, instance_name, model = user
    quoted_id, quoted_name = encode_basestring_ascii(instance_id), encode_basestring_ascii(instance_name)
    attached = f'{{"instance_id":{quoted_id},"instance_name":{quoted_name},"provisioning_model":"{model}"}}'
    if model is not ProvisioningModel.SPOT:
        return attached, ""
    return attached, f'"spot_instance_id":{quoted_id},"spot_instance_name":{quoted_name},'


def _several_users(users: tuple[DiskUser, ...]) -> tuple[str, str]:
    """Return the users, and the Spot VM that the disk is recorded for: the first by its name; empty without any."""
    written = {user: _one_user(user) for user in users}
    spot_users = (spot for user in sorted(users, key=_name) if (spot := written[user][1]))
    return ",".join(written[user][0] for user in users), next(spot_users, "")


def _name(user: DiskUser) -> str:
    return user.instance_name


@lru_cache(maxsize=4096)
def _recorded(time: PricedTime) -> str:
    """Return the time that a disk is recorded for, and its price in each day of it."""
    return f'"since":"{rfc3339(time.since)}","seen_at":"{rfc3339(time.seen)}","days":{days_json(time.prices)}'


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
