"""The columns of the tracker's staging table: one for each type of record, and for what alike records share."""

from collections.abc import Callable, Collection, Sequence

from google.cloud.bigquery import SchemaField

from spotkeeper.gcp.bigquery.address_rows import ADDRESS
from spotkeeper.gcp.bigquery.disk_rows import DISK, DISK_KIND

RECORD_TABLES = {
    "cost": "spot_vm_costs",
    "observation": "vm_inventory",
    "price": "spot_prices",
    "contract_price": "contract_prices",
    "run": "tracker_runs",
    "project_hour": "project_hours",
    "component": "shape_components",
    "machine_type_price": "machine_type_prices",
    "preemption": "spot_preemptions",
    "creation": "vm_creators",
}
"""The records of the staging table that are rows of tables; each has the columns of its table, as they are deployed."""

_KIND_COLUMNS = {
    "vm_kind": frozenset(
        {
            "project_id",
            "zone",
            "region",
            "machine_type",
            "provisioning_model",
            "vcpus",
            "memory_gib",
            "gpu_type",
            "gpu_count",
            "local_ssd_gib",
            "labels",
            "managed_by",
            "licenses",
            "addresses",
            "disks",
            "reserved_addresses",
            "tier_1",
        }
    ),
    "cost_kind": frozenset(
        {
            "usage_start_time",
            "usage_end_time",
            "spot_price",
            "ondemand_price",
            "currency",
            "price_status",
            "price_reason",
            "price_as_of",
            "run_id",
            "recorded_at",
            "license_status",
            "address_status",
            "disk_status",
            "bandwidth_status",
            "attached_reason",
            "compute_skus",
            "license_skus",
            "address_skus",
            "disk_skus",
            "bandwidth_skus",
            "contract_price",
            "contract_reason",
            "license_cost",
            "address_cost",
            "disk_cost",
            "bandwidth_cost",
        }
    ),
}
"""What alike VMs, and the costs of an hour at the same prices, have in common: the columns of their kinds."""

_OF_KINDS = {"cost": ("vm_kind", "cost_kind"), "observation": ("vm_kind",)}
"""The records that refer to kinds."""

_OWN_COLUMNS = frozenset({"license_cost", "address_cost", "disk_cost", "bandwidth_cost"})
"""Columns that a cost has of its own where they differ between those at the same prices."""

_IN_BILLIONTHS = frozenset(
    {
        "uptime_hours",
        "billed_hours",
        "cost",
        "ondemand_cost",
        "license_cost",
        "address_cost",
        "disk_cost",
        "bandwidth_cost",
        "contract_cost",
        "contract_license_cost",
        "contract_address_cost",
        "contract_disk_cost",
        "contract_bandwidth_cost",
    }
)
"""Hours and parts of costs are staged as whole billionths, which are shorter than nine decimals."""

_ADDED_UP = frozenset({"known_cost", "total_cost", "contract_total_cost"})
"""The sums of the parts of a cost, which BigQuery works out."""

_READING = SchemaField(
    "reading", "RECORD", fields=(SchemaField("project_id", "STRING"), SchemaField("hour", "TIMESTAMP"))
)
_UNCERTAIN = SchemaField(
    "uncertain",
    "RECORD",
    fields=(
        SchemaField("component", "STRING"),
        SchemaField("region", "STRING"),
        SchemaField("first_hour", "TIMESTAMP"),
        SchemaField("end_hour", "TIMESTAMP"),
    ),
)


def staging_schema(
    columns_of: Callable[[str], Sequence[SchemaField]], left_out: Collection[str] = ()
) -> list[SchemaField]:
    """Return the columns of the staging table, without some records; `columns_of` returns those of a table."""
    records = {name: table for name, table in RECORD_TABLES.items() if name not in left_out}
    return [
        *(_record(name, columns_of(table)) for name, table in records.items()),
        *(_kind(name, columns_of("spot_vm_costs")) for name in _KIND_COLUMNS),
        _READING,
        _UNCERTAIN,
        DISK,
        DISK_KIND,
        ADDRESS,
    ]


def _record(name: str, columns: Sequence[SchemaField]) -> SchemaField:
    """Return the column of a record: the columns of its table but those of its kinds, and their numbers."""
    kinds = _OF_KINDS.get(name, ())
    shared = frozenset[str]().union(*(_KIND_COLUMNS[kind] for kind in kinds)) - _OWN_COLUMNS
    own = [column for column in columns if column.name not in shared]
    if name == "cost":
        own = [_of_costs(column) for column in own if column.name not in _ADDED_UP]
    return SchemaField(name, "RECORD", fields=(*own, *(SchemaField(kind, "INTEGER") for kind in kinds)))


def _kind(name: str, columns: Sequence[SchemaField]) -> SchemaField:
    shared = (_of_costs(column) for column in columns if column.name in _KIND_COLUMNS[name])
    return SchemaField(name, "RECORD", fields=(SchemaField("kind_id", "INTEGER"), *shared))


def _of_costs(column: SchemaField) -> SchemaField:
    return SchemaField(column.name, "INTEGER") if column.name in _IN_BILLIONTHS else column
