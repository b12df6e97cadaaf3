"""Reserved addresses as rows of the staging table."""

import hashlib
import json
from datetime import datetime

from google.cloud.bigquery import SchemaField

from spotkeeper.gcp.bigquery.disk_rows import DAYS, LABELS, days_json
from spotkeeper.gcp.bigquery.json_text import labels_text
from spotkeeper.periods import rfc3339
from spotkeeper.tracking.addresses import AddressSighting, AddressUse

ADDRESS = SchemaField(
    "address",
    "RECORD",
    fields=(
        *(
            SchemaField(name, "STRING")
            for name in (
                "address_id",
                "project_id",
                "region",
                "address_name",
                "held_by",
                "instance_id",
                "instance_name",
            )
        ),
        LABELS,
        SchemaField("fingerprint", "STRING"),
        *(SchemaField(name, "TIMESTAMP") for name in ("created_at", "begun_at", "stopped_at", "since", "seen_at")),
        DAYS,
    ),
)
"""A reserved address as a scan found it, and its price in each day since."""


def staged_address(sighting: AddressSighting) -> str:
    """Return an address as a row of the staging table in JSON."""
    listed, holder = sighting.listed, sighting.holder
    described = {
        "project_id": listed.project_id,
        "region": listed.region,
        "address_name": listed.name,
        "held_by": holder.use,
        "instance_id": holder.instance_id,
        "instance_name": holder.instance_name,
    }
    text = f'{json.dumps(described)[1:-1]}, "labels": {labels_text(listed.labels)}'
    digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    stopped = holder.stopped if holder.use is AddressUse.STOPPED_VM else None
    times = {
        "created_at": rfc3339(listed.created),
        "begun_at": _time(sighting.begun),
        "stopped_at": _time(stopped),
        "since": rfc3339(sighting.since),
        "seen_at": rfc3339(sighting.seen),
    }
    return (
        f'{{"address": {{"address_id": {json.dumps(listed.address_id)}, {text}, "fingerprint": "{digest}", '
        f'{json.dumps(times)[1:-1]}, "days": {days_json(sighting.prices)}}}}}'
    )


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
