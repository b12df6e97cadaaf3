"""What it costs to ask: `python -m tests.sql.query_costs` prints what a query of each view over 30 days reads.

Google's analyzer says which columns a view needs; BigQuery reads those and nothing else, and charges by their logical
size (https://cloud.google.com/bigquery/pricing#data). Texts and labels are as long as those of the fleet that `make
run` plays, names of VMs twice that. Every VM is taken to run all the time. Each scan of a table counts, and each table
with at least 10 MB.
"""

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from zetasql.api import Analyzer, ResolvedNodeVisitor
from zetasql.types import ResolvedTableScan, SimpleTable, Type

from tests.sql.cases import BILLING_EXPORT, queries, table_fields, with_views
from tests.sql.googlesql import analyzer_for, statements, table

USD_PER_TIB = 6.25
"""On demand in the US since 5 July 2023, the first TiB of a month free: https://cloud.google.com/bigquery/pricing."""

FLEETS = (1_000, 10_000, 100_000)
DAYS = 30
LEAST_BYTES = 10 * 1024**2

_FIXED_DAYS = {
    "billing_reconciliation": 35,
    "budget_status": 33,
    "chargeback": 396,
    "commitment_comparison": 30,
    "cost_by_experiment": 92,
    "cost_by_job_system": 92,
    "cost_by_label": 396,
    "cost_by_work": 92,
    "data_quality": 45,
    "enforcement_effect": 62,
    "existing_vms": 2,
    "fleet_mix": 30,
    "hourly_burn_rate": 35,
    "idle_cost": 92,
    "interruptions": 90,
    "lost_work_by_team": 30,
    "monthly_cost_by_team": 396,
    "placement_options": 30,
    "price_changes": 3,
    "price_drift": 2,
    "price_history": 2,
    "spot_adoption_by_team": 2,
    "stopped_but_costing": 62,
    "team_forecast": 40,
    "unattributed_creators": 31,
    "unit_costs": 396,
    "unusual_cost_by_team": 29,
    "vm_costs": 92,
    "vm_owners": 92,
    "weekly_cost_by_project": 14,
    "work_hours": 92,
}
"""The days that a view reads whatever is asked of it: a filter on its day, if it has one, does not reach the table."""

_SIZES = {"TIMESTAMP": 8, "NUMERIC": 16, "BIGNUMERIC": 32, "INTEGER": 8, "FLOAT": 8, "BOOLEAN": 1, "DATE": 8}
_TEXT = 16
_TEXTS = {
    "budget_id": 36,
    "component": 9,
    "created_by_group": 24,
    "currency": 3,
    "delivery_id": 32,
    "description": 49,
    "event": 8,
    "gpu_type": 1,
    "instance_id": 19,
    "instance_name": 24,
    "key": 8,
    "machine_type": 13,
    "managed_by": 40,
    "market": 7,
    "operation_id": 19,
    "price_status": 5,
    "project_id": 12,
    "reason": 80,
    "region": 11,
    "run_id": 32,
    "value": 6,
    "zone": 13,
}
_REPEATS = {"keys": 2, "labels": 4.2, "gaps": 0.1, "credits": 1.0}
VMS_OF_A_KIND = 10
"""VMs with the same project, zone, machine type and labels, which share a row of `daily_costs`: an assumption."""

_PREEMPTIONS_A_DAY = 0.1
_CREATORS_DAYS = 400
"""The days of creations that are read: a preempted VM is created again."""

_SKUS_OF_A_VM = 3
_PLANS_A_DAY = 0.1
_STARTED_AGAIN = 0.1
"""The share of stopped VMs that somebody starts again, for a day."""

_PROJECTS = 10
_TEAMS_OF_A_PROJECT = 5
_LABEL_VALUES = 100
"""Values in use at once of all labels that label_keys names."""
_MACHINES = 200
"""Machine types and regions in use together."""


class _Scans(ResolvedNodeVisitor):  # type: ignore[misc] # the package has no types
    """Collects the columns of every scan of a table."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[str]]] = []

    def visit_ResolvedTableScan(self, node: ResolvedTableScan) -> None:  # noqa: N802 (the package's name)
        self.found.append((node.table.name, [column.name for column in node.column_list or ()]))


def bytes_read(view: Path, vms: int, days_asked: int = DAYS) -> float:
    """Return how many bytes a query of a view over 30 days, or as many as are asked for, reads with so many VMs."""
    return bytes_of(with_views(view), view.stem, vms, days_asked)


def bytes_of(sql: str, view: str, vms: int, days_asked: int = DAYS) -> float:
    """Return how many bytes a query of one view, which is inside it, reads."""
    scans = _Scans()
    scans.visit(_analyzer().analyze_statement(sql))
    days = _FIXED_DAYS.get(view, days_asked)
    sizes: dict[str, float] = defaultdict(float)
    for name, columns in scans.found:
        sizes[name] += _rows(name, vms, days) * _row_size(name, columns)
    return sum(max(size, LEAST_BYTES) for size in sizes.values())


@cache
def _analyzer() -> Analyzer:
    return analyzer_for([table(BILLING_EXPORT, table_fields(BILLING_EXPORT))], prune_unused_columns=True)


def row_bytes(statement: str, name: str, parameters: Mapping[str, Type], more: Sequence[SimpleTable]) -> float:
    """Return how many bytes each row of a table adds to what a script reads, all of its scans together."""
    analyzer: Analyzer = analyzer_for(more, prune_unused_columns=True, parameters=parameters)
    scans = _Scans()
    for each in statements(statement):
        if name in each:
            scans.visit(analyzer.analyze_statement(each))
    return sum(_row_size(name, columns) for scanned, columns in scans.found if scanned == name)


def whole_row_bytes(name: str) -> float:
    """Return the size of a row with all of its columns."""
    return _row_size(name, [field["name"] for field in table_fields(name)])


def usd(size: float) -> float:
    """Return what reading so many bytes costs."""
    return size / 1024**4 * USD_PER_TIB


def cost_table() -> str:
    """Return the table of docs/views.md."""
    sizes = " | ".join(f"{vms:,} VMs" for vms in FLEETS)
    lines = [f"| view | days read | {sizes} |", f"|---|---|{'---|' * len(FLEETS)}"]
    for view in queries("views"):
        cells = " | ".join(_cell(bytes_read(view, vms)) for vms in FLEETS)
        lines.append(f"| `{view.stem}` | {_FIXED_DAYS.get(view.stem, DAYS)} | {cells} |")
    return "\n".join(lines) + "\n"


def _cell(size: float) -> str:
    return f"{size / 1024**3:,.2f} GiB, ${usd(size):.4f}"


def _rows(name: str, vms: int, days: int) -> float:
    """How many rows of a table a scan of so many days reads; small tables are read whole."""
    return {
        "spot_vm_costs": vms * 24 * days,
        BILLING_EXPORT: vms * 24 * days * _SKUS_OF_A_VM,
        # A UTC day is part of two days of Cloud Billing.
        "daily_vm_costs": vms * 2 * days,
        "daily_costs": vms / VMS_OF_A_KIND * 2 * days,
        "monthly_costs": vms / VMS_OF_A_KIND * (days / 30),
        "hourly_costs": 24 * days * _PROJECTS * _TEAMS_OF_A_PROJECT,
        "hourly_label_costs": 24 * days * _LABEL_VALUES,
        "hourly_fleet": 24 * days * min(vms, _MACHINES),
        "hourly_idle_resources": 24 * days * _PROJECTS,
        "hourly_preemptions": vms * days * _PREEMPTIONS_A_DAY,
        "stopped_vm_costs": vms * 24 * days * _PLANS_A_DAY * _STARTED_AGAIN,
        "tracker_runs": 24 * days,
        "project_hours": 24 * days * _PROJECTS,
        "spot_preemptions": vms * days * _PREEMPTIONS_A_DAY,
        "vm_creators": vms * (1 + _CREATORS_DAYS * _PREEMPTIONS_A_DAY),
        "vm_inventory": vms * (1 + DAYS * _PREEMPTIONS_A_DAY),
        "enforcement_actions": vms * days * _PLANS_A_DAY,
        "budget_notifications": 48 * days,
        "work": vms * days,
        "machine_type_prices": 600 * 45,
        "spot_prices": 30_000,
    }.get(name, 1_000)


def _row_size(name: str, columns: list[str]) -> float:
    return sum(_size(field) for field in table_fields(name) if field["name"] in columns)


def _size(field: Mapping[str, Any]) -> float:
    times = _REPEATS.get(field["name"], 1) if field.get("mode") == "REPEATED" else 1
    if field["type"] == "RECORD":
        return times * sum(_size(each) for each in field["fields"])
    return times * (_SIZES.get(field["type"]) or 2 + _TEXTS.get(field["name"], _TEXT))


if __name__ == "__main__":
    sys.stdout.write(cost_table())
