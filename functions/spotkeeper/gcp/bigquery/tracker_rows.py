"""Records of the tracker as rows of BigQuery, and rows as records."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple

from spotkeeper.gcp.bigquery.address_rows import staged_address
from spotkeeper.gcp.bigquery.disk_rows import disk_from, disks_text, labels_text, skus_text, staged_disk, text
from spotkeeper.instances import Attachments, Instance, InstanceKey, ProvisioningModel, Shape, region_of
from spotkeeper.periods import rfc3339
from spotkeeper.pricing.contract_history import DatedContractPrice
from spotkeeper.pricing.families import ShapeComponent
from spotkeeper.pricing.price_book import DatedRate
from spotkeeper.pricing.price_history import UncertainPrice
from spotkeeper.pricing.price_list import MachineTypePrice
from spotkeeper.pricing.skus import Market
from spotkeeper.tracking.addresses import AddressSighting
from spotkeeper.tracking.amounts import Billionths
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


def staged(record: Record, run_id: str, recorded_at: str) -> str:
    """Return a record as a row of the staging table in JSON; the table has one column for each kind."""
    match record:
        case CostRow():
            return _cost(record, run_id, recorded_at)
        case Observation():
            return _observation(record)
        case DiskSighting():
            return staged_disk(record)
        case AddressSighting():
            return staged_address(record)
        case _:
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


@lru_cache(maxsize=1)
def fingerprint(instance: Instance) -> str:
    """Return what is equal for equal instances only; the latest is kept, for an instance is compared, then staged.

    That of an instance whose disks were not read is how those of the same one with any disks begin.
    """
    alike, rest = _written(instance)
    digest = hashlib.blake2b(f"{alike.without_disks}{rest}".encode(), digest_size=16).hexdigest()
    return digest + alike.of_disks


def _cost(row: CostRow, run_id: str, recorded_at: str) -> str:
    start, end, instance, uptime_hours, billed_hours, rates, cost, ondemand_cost, attached, contract = row
    times, prices = _cost_alike(start, end, rates, run_id, recorded_at)
    uptime, compute = _amount(uptime_hours), _amount(cost)
    known = attached.known_billionths + (cost or 0)
    at_least = compute if known == cost else _amount(known)
    total = at_least if cost is not None and attached.complete else "null"
    return (
        f'{times}"uptime_hours": {uptime}, '
        f'"billed_hours": {uptime if billed_hours == uptime_hours else _amount(billed_hours)}, "cost": {compute}, '
        f'"ondemand_cost": {_amount(ondemand_cost)}, '
        f"{_same_costs(rates) if attached is rates.attached_costs else _attached_costs(attached)}, "
        f'"known_cost": {at_least}, "total_cost": {total}, '
        f"{_contract_costs(contract) if contract else ''}{prices}{_instance(instance)}}}"
    )


@lru_cache(maxsize=4096)
def _cost_alike(start: datetime, end: datetime, rates: HourlyRates, run_id: str, recorded_at: str) -> tuple[str, str]:
    """Return the parts of a cost row's JSON before its uptime, and between its costs and its instance."""
    times = f'{{"cost": {{"usage_start_time": "{rfc3339(start)}", "usage_end_time": "{rfc3339(end)}", '
    at_run = f'"run_id": {text(run_id)}, "recorded_at": {text(recorded_at)}'
    return times, f"{_prices(rates)}, {at_run}, "


@lru_cache(maxsize=4096)
def _same_costs(rates: HourlyRates) -> str:
    """Return the costs of attachments that are the same in every row with these rates."""
    return "" if rates.attached_costs is None else _attached_costs(rates.attached_costs)


def _attached_costs(attached: AttachedCosts) -> str:
    _, of_licenses, of_addresses, of_disks, of_bandwidth, *_ = attached
    return (
        f'"license_cost": {_amount(of_licenses)}, "address_cost": {_amount(of_addresses)}, '
        f'"disk_cost": {_amount(of_disks)}, "bandwidth_cost": {_amount(of_bandwidth)}'
    )


def _contract_costs(contract: ContractCosts) -> str:
    return (
        f'"contract_cost": {_number(contract.compute)}, "contract_license_cost": {_number(contract.license)}, '
        f'"contract_address_cost": {_number(contract.address)}, "contract_disk_cost": {_number(contract.disk)}, '
        f'"contract_bandwidth_cost": {_number(contract.bandwidth)}, "contract_total_cost": {_number(contract.total)}, '
    )


def _contract_prices(rates: HourlyRates) -> str:
    """Return the contract price that a row has, and what is said of it; nothing where none are read."""
    if rates.contract is None or rates.shown.contract is None:
        return ""
    price = _number(rates.shown.contract.usd)
    return f', "contract_price": {price}, "contract_reason": {text(rates.contract.reason or None)}'


def _prices(rates: HourlyRates) -> str:
    """Return the prices that a row has, and what is said of them."""
    price, attached = rates.shown, rates.attached
    statuses = ", ".join(
        f'"{kind}_status": "{each.status}", "{kind}_skus": {skus_text(each.skus)}'
        for kind, each in attached.by_kind().items()
    )
    return (
        f'"spot_price": {_number(price.spot)}, "ondemand_price": {_number(price.ondemand)}, "currency": "USD", '
        f'"price_status": "{price.status}", "price_reason": {text(price.reason or None)}, '
        f'"compute_skus": {skus_text(price.skus)}, '
        f'"price_as_of": {text(rfc3339(price.as_of) if price.as_of else None)}, '
        f'{statuses}, "attached_reason": {text(attached.reason or None)}{_contract_prices(rates)}'
    )


def _observation(observation: Observation) -> str:
    instance, first_seen, last_seen, started, created = observation
    return (
        f'{{"observation": {{"first_seen": "{_time(first_seen)}", "last_seen": "{_time(last_seen)}", '
        f'"fingerprint": "{fingerprint(instance)}", "started_at": {_quoted(started)}, '
        f'"created_at": {_quoted(created)}, {_instance(instance)}}}'
    )


_time = lru_cache(maxsize=64)(rfc3339)
"""The time of a run, which all that it lists has."""


def _quoted(at: datetime | None) -> str:
    return f'"{rfc3339(at)}"' if at else "null"


def _instance(instance: Instance) -> str:
    """Return an instance as JSON, without the brace that it begins with."""
    alike, rest = _written(instance)
    return f"{alike.with_disks}{rest}"


class _Alike(NamedTuple):
    """What the JSON of many instances has alike, its names in order: before the id, and after the name.

    What comes before the id is once with and once without the disks: without them, the digest of the JSON is how a
    fingerprint begins. `of_disks` is what it ends with for these, nothing when they are unknown.
    """

    with_disks: str
    without_disks: str
    after_name: str
    of_disks: str


@lru_cache(maxsize=4)
def _written(instance: Instance) -> tuple[_Alike, str]:
    """Return what an instance has alike with others, and its JSON from its id on.

    It is compared, and staged in an observation and in the cost of each hour: the latest are kept. Most of what a run
    stages is this text.
    """
    (project_id, zone, instance_id) = instance.key
    alike = _alike(
        project_id,
        zone,
        instance.provisioning_model,
        instance.shape,
        instance.labels,
        instance.managed_by,
        instance.attachments,
    )
    rest = (
        f'{encode_basestring_ascii(instance_id)}, "instance_name": '
        f"{encode_basestring_ascii(instance.name)}{alike.after_name}"
    )
    return alike, rest


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
    addresses = f'"addresses": {json.dumps(attachments.addresses)}, "disks": '
    gpus = f', "gpu_count": {shape.gpu_count}, "gpu_type": {text(shape.gpu_type)}, "instance_id": '
    disks = None if attachments.disks is None else disks_text(attachments.disks)
    licenses = None if attachments.licenses is None else " ".join(attachments.licenses)
    after_name = (
        f', "labels": {labels_text(labels)}, "licenses": {text(licenses)}, "local_ssd_gib": {shape.local_ssd_gib}, '
        f'"machine_type": {text(shape.machine_type)}, "managed_by": {text(managed_by)}, '
        f'"memory_gib": {_number(shape.memory_gib)}, "project_id": {text(project_id)}, '
        f'"provisioning_model": "{model}", "region": {text(region_of(zone))}, '
        f'"reserved_addresses": {attachments.reserved_addresses}, "tier_1": {json.dumps(attachments.tier_1)}, '
        f'"vcpus": {_number(shape.vcpus)}, "zone": {text(zone)}}}'
    )
    return _Alike(
        with_disks=f"{addresses}{text(disks)}{gpus}",
        without_disks=f"{{{addresses}null{gpus}",
        after_name=after_name,
        of_disks="" if disks is None else f"-{hashlib.blake2b(disks.encode(), digest_size=4).hexdigest()}",
    )


def _amount(billionths: Billionths | None) -> str:
    """Return an amount as the string of its nine decimals, as JSON has it."""
    if billionths is None:
        return "null"
    digits = str(billionths).zfill(10 if billionths >= 0 else 11)
    return f'"{digits[:-9]}.{digits[-9:]}"'


def _number(value: Decimal | None) -> str:
    """Return a number as the string of its plain decimal notation, as JSON has it."""
    return "null" if value is None else f'"{value:f}"'


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
