"""Instances as rows of BigQuery: as observations and cost rows have them, and their fingerprints."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple

from spotkeeper.gcp.bigquery.disk_rows import disk_from, disks_text
from spotkeeper.gcp.bigquery.json_text import labels_text, members, number, text
from spotkeeper.gcp.bigquery.kinds import Kinds
from spotkeeper.instances import Attachments, Instance, InstanceKey, ProvisioningModel, Shape, region_of
from spotkeeper.latest import kept_for_the_latest
from spotkeeper.periods import rfc3339
from spotkeeper.tracking.inventory import Observation


def observation_from(row: Mapping[str, Any]) -> Observation:
    """Return a row of vm_inventory as an observation."""
    shape = _shape(
        row["machine_type"],
        row["vcpus"],
        row["memory_gib"],
        row["gpu_type"],
        row["gpu_count"] or 0,
        row["local_ssd_gib"] or 0,
    )
    instance = Instance(
        key=InstanceKey(row["project_id"], row["zone"], row["instance_id"]),
        name=row["instance_name"],
        provisioning_model=ProvisioningModel(row["provisioning_model"]),
        shape=shape,
        labels=tuple((label["key"], label["value"]) for label in row["labels"]),
        managed_by=row["managed_by"],
        attachments=_attachments(
            row["disks"], row["addresses"], row["licenses"], row["tier_1"], row["reserved_addresses"]
        ),
    )
    return Observation(instance, row["first_seen"], row["last_seen"], row["started_at"], row["created_at"])


_shape = lru_cache(maxsize=4096)(Shape)


@lru_cache(maxsize=4096)
def _attachments(
    disks: str | None,
    addresses: int | None,
    licenses: str | None,
    tier_1: bool | None,  # noqa: FBT001 (a column)
    reserved: int | None,
) -> Attachments:
    return Attachments(
        disks=None if disks is None else tuple(map(disk_from, disks.split())),
        addresses=addresses,
        licenses=None if licenses is None else tuple(licenses.split()),
        tier_1=tier_1,
        reserved_addresses=reserved or 0,
    )


def staged_observation(observation: Observation, kinds: Kinds) -> str:
    """Return an observation as a row of the staging table in JSON, without spaces and with few nulls."""
    instance, first_seen, last_seen, started, created = observation
    return (
        f'{{"observation":{{"first_seen":"{_time(first_seen)}","last_seen":"{_time(last_seen)}",'
        f'"fingerprint":"{fingerprint(instance)}","started_at":{_quoted(started)},'
        f'"created_at":{_quoted(created)},{instance_text(instance, kinds)}}}}}'
    )


_time = lru_cache(maxsize=64)(rfc3339)
"""The time of a run, which all that it lists has."""


def _quoted(at: datetime | None) -> str:
    return f'"{rfc3339(at)}"' if at else "null"


def instance_text(instance: Instance, kinds: Kinds) -> str:
    """Return an instance as members of a JSON object: its id, its name, and the number of its kind."""
    alike, named = _written(instance)
    return f'{named},"vm_kind":{kinds.number(alike.described)}'


@kept_for_the_latest
def fingerprint(instance: Instance) -> str:
    """Return what is equal for equal instances only; the latest is kept, for an instance is compared, then staged.

    That of an instance whose disks were not read is how those of the same one with any disks begin.
    """
    alike = _written(instance)[0]
    name = f"{instance.key.instance_id} {instance.name}".encode()
    return hashlib.blake2b(alike.digest + name, digest_size=16).hexdigest() + alike.of_disks


class _Alike(NamedTuple):
    """What many instances have alike: members of their JSON, and the digest of them without the disks.

    `of_disks` is what a fingerprint ends with for the disks, nothing when they are unknown.
    """

    described: str
    digest: bytes
    of_disks: str


@kept_for_the_latest
def _written(instance: Instance) -> tuple[_Alike, str]:
    """Return what an instance has alike with others, and its id and name as JSON.

    It is compared, and staged in an observation; later it is staged in the cost of each hour.
    """
    (project_id, zone, instance_id), name, model, shape, labels, managed_by, attachments = instance
    alike = _alike(project_id, zone, model, shape, labels, managed_by, attachments)
    quoted_id, quoted_name = encode_basestring_ascii(instance_id), encode_basestring_ascii(name)
    return alike, f'"instance_id":{quoted_id},"instance_name":{quoted_name}'


@lru_cache(maxsize=4096)
def _alike(  # noqa: PLR0913, PLR0917 (all but the id and the name)
    project_id: str,
    zone: str,
    model: ProvisioningModel,
    shape: Shape,
    labels: tuple[tuple[str, str], ...],
    managed_by: str | None,
    attachments: Attachments,
) -> _Alike:
    """Return what instances have alike."""
    licenses = None if attachments.licenses is None else " ".join(attachments.licenses)
    without_disks = members(
        {
            "addresses": json.dumps(attachments.addresses),
            "gpu_count": str(shape.gpu_count),
            "gpu_type": text(shape.gpu_type),
            "labels": labels_text(labels),
            "licenses": text(licenses),
            "local_ssd_gib": str(shape.local_ssd_gib),
            "machine_type": text(shape.machine_type),
            "managed_by": text(managed_by),
            "memory_gib": number(shape.memory_gib),
            "project_id": text(project_id),
            "provisioning_model": text(model),
            "region": text(region_of(zone)),
            "reserved_addresses": str(attachments.reserved_addresses),
            "tier_1": json.dumps(attachments.tier_1),
            "vcpus": number(shape.vcpus),
        }
    )
    disks = None if attachments.disks is None else disks_text(attachments.disks)
    return _Alike(
        described=f'{members({"disks": text(disks)})}{without_disks}"zone":{text(zone)}',
        digest=hashlib.blake2b(f"{zone} {without_disks}".encode(), digest_size=16).digest(),
        of_disks="" if disks is None else f"-{hashlib.blake2b(disks.encode(), digest_size=4).hexdigest()}",
    )
