"""What is attached to VMs where a scan of it was lost: unknown, or as in the undisturbed run, never another figure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from operator import itemgetter

from tests.faults.snapshots import Row, Snapshot

PARTS = ("license", "address", "disk", "bandwidth")
COLUMNS = frozenset(
    {"disks", "licenses", "addresses", "reserved_addresses", "tier_1", "known_cost", "total_cost", "attached_reason"}
    | {f"{part}_{kind}" for part in PARTS for kind in ("cost", "status", "skus")}
    | {"fully_priced_hours", "partly_priced_hours", "priced_known_cost"}
)
"""What only a scan sees, and what rollups count of it.

Of a VM that no scan saw, recorded histories have no disks, and the audit log no licenses.
"""

_NANO = Decimal("1e-9")


def was_seen(found: Snapshot, reference: Snapshot) -> bool:
    """Whether as much is known of what is attached as in the undisturbed run; then all of it is compared."""
    return _unknown(found) == _unknown(reference)


def comparable(found: Snapshot) -> Snapshot:
    """Return the tables without what a lost scan may leave unknown, and one row for versions that are then the same.

    A disk that only the lost scan found is not in the idle resources of its hours either, nor in what is spent of a
    budget: of those the addresses and the budgets' amounts stay.
    """
    rest = {name: [_without(row, COLUMNS | {"fingerprint"}) for row in rows] for name, rows in found.items()}
    versions = {str(sorted(_without(row, {"first_seen", "last_seen"}).items())): row for row in rest["vm_inventory"]}
    idle = [
        _without(row, {"cost", "disk_cost", "unpriced_hours"})
        for row in found.get("hourly_idle_resources", ())
        if row["address_cost"] is not None
    ]
    budgets = [_without(row, {"cost", "next_threshold"}) for row in found.get("budgets", ())]
    alerts = [_without(row, {"cost", "partial_share"}) for row in found.get("budget_alerts", ())]
    changed = {"vm_inventory": list(versions.values()), "hourly_idle_resources": idle}
    return {**rest, **changed, "budgets": budgets, "budget_alerts": alerts, "disk_costs": []}


def wrong_figures(found: Snapshot, reference: Snapshot) -> Iterator[str]:
    """Yield what is neither unknown nor as in the undisturbed run, dearer disks, and rollups unlike their rows."""
    wanted = {_key(row): row for row in reference["spot_vm_costs"]}
    for row in found["spot_vm_costs"]:
        other = wanted.get(_key(row))
        if other is None:
            continue
        for part in PARTS:
            if row[f"{part}_cost"] not in (None, other[f"{part}_cost"]):
                yield f"{part}_cost of {row['instance_name']} is {row[f'{part}_cost']}, not {other[f'{part}_cost']}"
        if row["total_cost"] not in (None, other["total_cost"]):
            yield f"total_cost of {row['instance_name']} is {row['total_cost']}, not {other['total_cost']}"
    costs, most = _costs_of_disks(found), _costs_of_disks(reference)
    for disk_id, cost in costs.items():
        if cost > most.get(disk_id, Decimal(0)) + _NANO:
            yield f"disk {disk_id} costs {cost}, and not {most.get(disk_id)} at most"
    priced = {"spot_vm_costs": [row for row in found["spot_vm_costs"] if row["total_cost"] is not None]}
    rows = _by_hour(priced, "spot_vm_costs", "usage_start_time", "uptime_hours")
    rolled_up = _by_hour(found, "hourly_costs", "usage_hour", "fully_priced_hours")
    if rows != rolled_up:
        yield f"{rolled_up} hours of rollups are fully priced, and {rows} of their rows"


def _unknown(found: Snapshot) -> tuple[int, int, Mapping[str, str]]:
    """Count what is not known of VMs, and the hours without known disks; say up to when each disk is on record."""
    versions = sum(row[kind] is None for row in found["vm_inventory"] for kind in ("disks", "licenses", "addresses"))
    hours = sum(row["disk_status"] == "unknown" for row in found["spot_vm_costs"])
    rows = sorted(found["disk_costs"], key=itemgetter("usage_end_time"))
    return versions, hours, {row["disk_id"]: row["usage_end_time"] for row in rows}


def _costs_of_disks(found: Snapshot) -> dict[str, Decimal]:
    costs: dict[str, Decimal] = defaultdict(Decimal)
    for row in found["disk_costs"]:
        costs[row["disk_id"]] += Decimal(str(row["cost"] or 0))
    return costs


def _by_hour(found: Snapshot, table: str, column: str, hours: str) -> dict[str, Decimal]:
    summed: dict[str, Decimal] = defaultdict(Decimal)
    for row in found[table]:
        summed[row[column]] += Decimal(str(row[hours]))
    return {hour: number for hour, number in summed.items() if number}


def _key(row: Row) -> tuple[object, ...]:
    return row["usage_start_time"], row["project_id"], row["zone"], row["instance_id"]


def _without(row: Row, columns: frozenset[str] | set[str]) -> Row:
    return {name: value for name, value in row.items() if name not in columns}
