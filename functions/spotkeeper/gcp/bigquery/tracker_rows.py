"""Records of the tracker as rows of BigQuery, and rows as records."""

import json
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from spotkeeper.gcp.bigquery.address_rows import staged_address
from spotkeeper.gcp.bigquery.disk_rows import staged_disk
from spotkeeper.gcp.bigquery.instance_rows import instance_text, staged_observation
from spotkeeper.gcp.bigquery.json_text import NULL, members, number, skus_text, text
from spotkeeper.gcp.bigquery.kinds import RowKinds
from spotkeeper.periods import rfc3339
from spotkeeper.pricing.contract_history import DatedContractPrice
from spotkeeper.pricing.families import ShapeComponent
from spotkeeper.pricing.price_book import DatedRate
from spotkeeper.pricing.price_history import UncertainPrice
from spotkeeper.pricing.price_list import MachineTypePrice
from spotkeeper.pricing.skus import Market
from spotkeeper.tracking.addresses import AddressSighting
from spotkeeper.tracking.costs import AttachedCosts, ContractCosts, CostRow, HourlyRates
from spotkeeper.tracking.creators import Creation
from spotkeeper.tracking.disks import DiskSighting
from spotkeeper.tracking.inventory import Observation
from spotkeeper.tracking.ports import Record
from spotkeeper.tracking.preemptions import Preemption
from spotkeeper.tracking.run_summary import HourReading, HourRun, ProjectHour
from spotkeeper.tracking.uptime import Uptime

type _Few = (
    DatedRate
    | DatedContractPrice
    | ShapeComponent
    | MachineTypePrice
    | Preemption
    | Creation
    | HourReading
    | UncertainPrice
    | ProjectHour
    | HourRun
)
"""Records of which a run has few."""

UNRESOLVED_SHOWN = 100
"""The most instances that one row of tracker_runs names; the count beside them covers all."""

_SECONDS_PER_HOUR = Decimal(3600)
_CONTRACT_COSTS = (
    "contract_cost",
    "contract_license_cost",
    "contract_address_cost",
    "contract_disk_cost",
    "contract_bandwidth_cost",
)
"""The columns of the parts of ContractCosts."""


def staged(record: Record, run_id: str, recorded_at: str, kinds: RowKinds) -> str:
    """Return a record as a row of the staging table in JSON; the table has one column for each type of record.

    The types that a run has most of come first, and are compared by identity: a match takes three times as long.
    """
    if type(record) is CostRow:
        return _cost(record, run_id, recorded_at, kinds)
    if type(record) is DiskSighting:
        return staged_disk(record, kinds.disks)
    if type(record) is Observation:
        return staged_observation(record, kinds.vms)
    if isinstance(record, AddressSighting):
        return staged_address(record)
    return _staged_by_name(record, run_id, recorded_at)


def _staged_by_name(record: _Few, run_id: str, recorded_at: str) -> str:
    """Return one of the few records as a row of the staging table in JSON."""
    by_run = {"run_id": run_id}
    at_run = {"run_id": run_id, "recorded_at": recorded_at}
    column: str
    row: dict[str, object]
    match record:
        case DatedRate():
            column, row = "price", _price(record) | by_run
        case DatedContractPrice():
            column, row = "contract_price", _contract_price(record) | by_run
        case ShapeComponent():
            column, row = "component", _component(record) | by_run
        case MachineTypePrice():
            column, row = "machine_type_price", _machine_type_price(record) | by_run
        case Preemption():
            column, row = "preemption", _preemption(record) | at_run
        case Creation():
            column, row = "creation", _creation(record) | at_run
        case HourReading() | UncertainPrice():
            column, row = _marker(record)
        case ProjectHour():
            column, row = "project_hour", _project_hour(record) | at_run
        case HourRun():
            column, row = "run", _run(record)
    return json.dumps({column: row})


def _marker(record: HourReading | UncertainPrice) -> tuple[str, dict[str, object]]:
    """A record that says which rows of the tables are concerned, and is in none itself."""
    if isinstance(record, HourReading):
        return "reading", {"project_id": record.project_id, "hour": rfc3339(record.hour)}
    times = {"first_hour": rfc3339(record.start), "end_hour": rfc3339(record.end)}
    return "uncertain", {"component": record.component, "region": record.region, **times}


def _cost(row: CostRow, run_id: str, recorded_at: str, kinds: RowKinds) -> str:
    """Return a cost as a row of the staging table in JSON, without spaces and with few nulls, in whole billionths.

    It has the parts of the cost; BigQuery adds them up. Hours are billed as the VM ran unless the row says otherwise.
    """
    start, end, instance, uptime_hours, billed_hours, rates, cost, ondemand_cost, attached, contract = row
    kind = kinds.costs.number(_described(start, end, rates, run_id, recorded_at))
    billed = "" if billed_hours == uptime_hours else f'"billed_hours":{billed_hours},'
    of_attached = "" if attached is rates.attached_costs else _attached_costs(attached, rates)
    return (
        f'{{"cost":{{"cost_kind":{kind},"uptime_hours":{uptime_hours},{billed}'
        f'"cost":{NULL if cost is None else cost},'
        f'"ondemand_cost":{NULL if ondemand_cost is None else ondemand_cost},{of_attached}'
        f"{_contract_costs(contract) if contract else ''}{instance_text(instance, kinds.vms)}}}}}"
    )


@lru_cache(maxsize=4096)
def _described(start: datetime, end: datetime, rates: HourlyRates, run_id: str, recorded_at: str) -> str:
    """Return what the costs of an hour at these rates have in common, as members of a JSON object.

    What is not attached, or has no known price, costs the same in every row.
    """
    times = members({"usage_start_time": text(rfc3339(start)), "usage_end_time": text(rfc3339(end))})
    by_kind = {"license": rates.license, "address": rates.address, "disk": rates.disk, "bandwidth": rates.bandwidth}
    same = "".join(f'"{kind}_cost":{NULL if rate is None else rate},' for kind, rate in by_kind.items() if not rate)
    return f'{times}{same}{members(_prices(rates))}"run_id":{text(run_id)},"recorded_at":{text(recorded_at)}'


def _attached_costs(attached: AttachedCosts, rates: HourlyRates) -> str:
    """Return the costs of what is attached, those apart that are the same in every row with these rates."""
    _, of_licenses, of_addresses, of_disks, of_bandwidth = attached
    costs = ""
    if rates.license:
        costs += f'"license_cost":{of_licenses},'
    if rates.address:
        costs += f'"address_cost":{of_addresses},'
    if rates.disk:
        costs += f'"disk_cost":{of_disks},'
    if rates.bandwidth:
        costs += f'"bandwidth_cost":{of_bandwidth},'
    return costs


def _contract_costs(contract: ContractCosts) -> str:
    """Return the costs at contract prices that are known."""
    named = zip(_CONTRACT_COSTS, contract, strict=True)
    return "".join(f'"{name}":{cost},' for name, cost in named if cost is not None)


def _contract_prices(rates: HourlyRates) -> dict[str, str]:
    """Return the contract price that a row has, and what is said of it; nothing where none are read."""
    if rates.contract is None or rates.shown.contract is None:
        return {}
    return {"contract_price": number(rates.shown.contract.usd), "contract_reason": text(rates.contract.reason or None)}


def _prices(rates: HourlyRates) -> dict[str, str]:
    """Return the prices that a row has, and what is said of them, as JSON."""
    price, attached = rates.shown, rates.attached
    of_kinds = attached.by_kind().items()
    return {
        "spot_price": number(price.spot),
        "ondemand_price": number(price.ondemand),
        "currency": text("USD"),
        "price_status": text(price.status),
        "price_reason": text(price.reason or None),
        "compute_skus": skus_text(price.skus),
        "price_as_of": text(rfc3339(price.as_of) if price.as_of else None),
        **{f"{kind}_status": text(each.status) for kind, each in of_kinds},
        **{f"{kind}_skus": skus_text(each.skus) for kind, each in of_kinds},
        "attached_reason": text(attached.reason or None),
        **_contract_prices(rates),
    }


def _price(dated: DatedRate) -> dict[str, object]:
    return {
        "sku_id": dated.rate.sku_id,
        "region": dated.rate.region,
        "component": dated.rate.component,
        "market": dated.rate.market,
        "unit": dated.rate.unit,
        "rate": _plain(dated.rate.usd),
        "currency": "USD",
        "description": dated.rate.description,
        "valid_from": rfc3339(dated.valid_from),
        "valid_to": rfc3339(dated.valid_to) if dated.valid_to else None,
        "by_month": dated.rate.by_month,
    }


def _contract_price(dated: DatedContractPrice) -> dict[str, object]:
    price = dated.price
    return {
        "sku_id": price.sku_id,
        "unit": price.unit,
        "rate": _plain(price.amount),
        "currency": price.currency,
        "origin": price.origin or None,
        "by_month": price.by_month,
        "reason": price.reason or None,
        "valid_from": rfc3339(dated.valid_from),
        "valid_to": rfc3339(dated.valid_to) if dated.valid_to else None,
    }


def _component(part: ShapeComponent) -> dict[str, object]:
    return {
        "machine_type": part.shape.machine_type,
        "gpu_type": part.shape.gpu_type,
        "gpu_count": part.shape.gpu_count,
        "local_ssd_gib": part.shape.local_ssd_gib,
        "component": part.component,
        "quantity": _plain(part.quantity),
    }


def _machine_type_price(record: MachineTypePrice) -> dict[str, object]:
    shape = record.shape
    return {
        "machine_type": shape.machine_type,
        "region": record.region,
        "vcpus": _plain(shape.vcpus),
        "memory_gib": _plain(shape.memory_gib),
        "gpu_type": shape.gpu_type,
        "gpu_count": shape.gpu_count,
        "local_ssd_gib": shape.local_ssd_gib,
        "architecture": record.architecture,
        "spot_price": _plain(record.prices[Market.SPOT]),
        "ondemand_price": _plain(record.prices[Market.ON_DEMAND]),
        "commitment_1yr_price": _plain(record.prices[Market.COMMITMENT_1YR]),
        "commitment_3yr_price": _plain(record.prices[Market.COMMITMENT_3YR]),
        "as_of": rfc3339(record.as_of),
    }


def _preemption(record: Preemption) -> dict[str, object]:
    return {
        "preempted_at": rfc3339(record.preempted_at),
        **record.key._asdict(),
        "region": record.key.region,
        "instance_name": record.instance_name,
        "operation_id": record.operation_id,
        "operation_name": record.operation_name,
    }


def _creation(record: Creation) -> dict[str, object]:
    return {
        "created_at": rfc3339(record.created_at),
        **record.key._asdict(),
        "instance_name": record.instance_name,
        "created_by": record.created_by,
        "created_by_source": record.source,
    }


def _project_hour(record: ProjectHour) -> dict[str, object]:
    return {
        "hour": rfc3339(record.hour),
        "project_id": record.project_id,
        "state": record.state,
        "unresolved": record.unresolved,
        "unresolved_hours": _plain(record.unresolved_hours),
        "resources_listed": record.listed,
    }


def _run(run: HourRun) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "hour": rfc3339(run.hour),
        "recorded_at": rfc3339(run.recorded_at),
        "provisional": run.provisional,
        "complete": run.complete,
        "projects": sorted(run.projects),
        "prices_as_of": rfc3339(run.prices_as_of) if run.prices_as_of else None,
        "contract_prices_as_of": rfc3339(run.contract_prices_as_of) if run.contract_prices_as_of else None,
        "contract_prices_problem": run.contract_prices_problem,
        "row_count": run.rows,
        "cost": _plain(run.cost),
        "ondemand_cost": _plain(run.ondemand_cost),
        "price_statuses": [{"status": status, "row_count": count} for status, count in sorted(run.statuses.items())],
        "unpriced": run.unpriced.total(),
        "unpriced_machine_types": [
            {"machine_type": each.machine_type, "region": each.region, "reason": each.reason, "row_count": count}
            for each, count in run.unpriced.items()
        ],
        "unresolved": len(run.unresolved),
        "unresolved_instances": [_unresolved(uptime) for uptime in run.unresolved[:UNRESOLVED_SHOWN]],
        "gaps": [
            {"source": gap.source, "project_id": gap.project_id, "detail": gap.detail, "final": gap.final}
            for gap in run.gaps
        ],
        "duration_seconds": f"{run.duration.total_seconds():.3f}",
    }


def _unresolved(uptime: Uptime) -> dict[str, object]:
    hours = Decimal(repr(uptime.seconds)) / _SECONDS_PER_HOUR
    return {
        **uptime.key._asdict(),
        "instance_name": uptime.instance_name,
        "uptime_hours": f"{hours:.9f}",
    }


def _plain(amount: Decimal | None) -> str | None:
    """Return a decimal without an exponent, as NUMERIC is read."""
    return None if amount is None else format(amount, "f")
