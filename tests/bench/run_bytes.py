"""Bytes that a run of the tracker reads of the tables that grow, by the columns that Google's analyzer says it needs.

A run with VMs to identify, of a deployment that is a year old: what BigQuery would bill with the partitions that the
statements ask for, and what it would read of the same tables as a whole. An UPDATE is billed all columns of the
partitions that it changes: https://cloud.google.com/bigquery/docs/data-manipulation-language
"""

from collections.abc import Sequence

from spotkeeper.gcp.bigquery.rest_query import statement_text
from spotkeeper.tracking.inventory import OBSERVATION_REACH
from tests.bench.rows import Row
from tests.sql.googlesql import table
from tests.sql.query_costs import LEAST_BYTES, row_bytes, usd, whole_row_bytes
from tests.sql.test_statements import parameters, staging_fields

SHORT_LIVED_AN_HOUR = 1_000
VMS = 10_000
TEAMS = 50
"""Projects and teams together that have rows in an hour."""

_RUNS_A_MONTH = 730
_YEAR, _MONTH = 365, 31
_REACH = OBSERVATION_REACH.days + 1
_CHANGED = 2
"""A run changes rows of today, and after midnight those of yesterday."""


def rows() -> Sequence[Row]:
    """Return the bytes of the inventory and of the spending of a month, a run and a month of runs."""
    a_day = SHORT_LIVED_AN_HOUR * 24
    read = {name: _row_bytes(name, "vm_inventory") for name in ("fingerprints", "observations_of", "commit")}
    changed = whole_row_bytes("vm_inventory")
    whole = a_day * _YEAR * (sum(read.values()) + changed)
    pruned = a_day * (read["fingerprints"] + _REACH * (read["observations_of"] + read["commit"]) + _CHANGED * changed)
    raw = VMS * 24 * _MONTH * _row_bytes("spent_hours", "spot_vm_costs")
    rolled_up = TEAMS * 24 * _MONTH * _row_bytes("commit", "hourly_costs", after="COMMIT TRANSACTION;")
    return [
        _row(f"vm_inventory, a year of {SHORT_LIVED_AN_HOUR:,} short-lived VMs an hour, whole", whole),
        _row("the same, by the partitions that the statements ask for", pruned, whole / 10),
        _row(f"spending of a month with {VMS:,} VMs, from cost rows", raw),
        _row("the same, from hourly_costs", rolled_up, raw / 10),
    ]


def _row_bytes(statement: str, name: str, after: str = "") -> float:
    script = statement_text(statement).rpartition(after)[2] if after else statement_text(statement)
    script = script.replace("{staging}", "`staging_1`")
    return row_bytes(script, name, parameters(), [table("staging_1", staging_fields())])


def _row(what: str, size: float, most: float | None = None) -> Row:
    size = max(size, LEAST_BYTES)
    figure = f"{size / 1024**2:,.0f} MiB a run, {usd(size * _RUNS_A_MONTH):,.2f} USD a month"
    if most is None:
        return Row(what, figure)
    return Row(what, figure, f"{most / 1024**2:,.0f} MiB", passed=size <= most)
