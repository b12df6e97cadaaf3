"""The prices of a run: what earlier runs recorded, and what is read when a newer reading is due."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from spotkeeper.errors import UnavailableError
from spotkeeper.logs import log_event
from spotkeeper.pricing.contract_history import ContractHistory
from spotkeeper.pricing.contract_prices import contract_rates
from spotkeeper.pricing.dated_rates import DatedRates, first_needed
from spotkeeper.pricing.price_history import PriceHistory
from spotkeeper.pricing.price_list import machine_type_prices
from spotkeeper.pricing.price_times import PriceTimes
from spotkeeper.pricing.readings import Readings
from spotkeeper.pricing.skus import CatalogReading
from spotkeeper.tracking.backlog import RecordedHours
from spotkeeper.tracking.ports import Ports, Stage
from spotkeeper.tracking.settings import TrackerSettings

_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class PriceReadings:
    """The prices of a run, and why what was due was not read: None when it was, or was not due.

    Hours are incomplete without the list prices. Without contract prices they are complete: the rows say what is not
    known.
    """

    history: PriceHistory
    catalog_problem: str | None
    contract_problem: str | None


def recorded_prices(settings: TrackerSettings, ports: Ports, recorded: RecordedHours, since: datetime) -> PriceHistory:
    """Return the prices that earlier runs recorded, as far as hours from `since` on need them."""
    catalog = Readings.at(recorded.catalog_readings)
    needed = first_needed(since, catalog.times)
    if not (settings.capacity_history or ports.contract_prices):
        return PriceHistory(DatedRates(ports.ledger.rates(needed), catalog))
    known = ports.ledger.known_prices(
        needed, recorded=settings.capacity_history, contract=ports.contract_prices is not None
    )
    contract = ContractHistory(known.contract, Readings.at(recorded.contract_readings))
    return PriceHistory(
        DatedRates(known.rates, catalog),
        PriceTimes(known.recorded),
        contract=contract if ports.contract_prices else None,
    )


def read_prices(
    history: PriceHistory, settings: TrackerSettings, ports: Ports, stage: Stage, now: datetime
) -> PriceReadings:
    """Read list prices and contract prices where they are due, stage the changes, and return the prices with them."""
    max_age = timedelta(hours=settings.price_refresh_hours)
    history, catalog_problem = _with_catalog(history, ports, stage, now, max_age)
    history, contract_problem = _with_contract_prices(history, ports, stage, now, max_age)
    return PriceReadings(history, catalog_problem, contract_problem)


def _with_catalog(
    history: PriceHistory, ports: Ports, stage: Stage, now: datetime, max_age: timedelta
) -> tuple[PriceHistory, str | None]:
    if not history.is_due(now, max_age):
        return history, None
    try:
        reading = ports.catalog.read()
        changes = history.observe((*reading.rates, *reading.attachments.rates), now)
    except UnavailableError as error:
        return history.without_refresh(), str(error)
    _log_catalog(reading, len(changes))
    for change in changes:
        stage.add(change)
    for price in machine_type_prices(reading, now):
        stage.add(price)
    refreshed = history.after(changes, now)
    for uncertain in refreshed.uncertain_prices():
        stage.add(uncertain)
    return refreshed, None


def _with_contract_prices(
    history: PriceHistory, ports: Ports, stage: Stage, now: datetime, max_age: timedelta
) -> tuple[PriceHistory, str | None]:
    contract, reader = history.contract, ports.contract_prices
    if contract is None or reader is None or not contract.readings.is_due(now, max_age):
        return history, None
    wanted = contract_rates(history.rates_in_force())
    try:
        reading = reader.read(wanted)
        changes = contract.observe(reading, now)
    except UnavailableError as error:
        log_event("contract prices not read", logging.WARNING, detail=str(error))
        return history.with_contract(contract.without_refresh()), str(error)
    unknown = sum(price.usd.usd is None for price in reading.values()) + len(wanted.keys() - reading.keys())
    log_event("contract prices read", prices=len(reading), changes=len(changes), unknown=unknown)
    for change in changes:
        stage.add(change)
    return history.with_contract(contract.after(changes, now)), None


def _log_catalog(reading: CatalogReading, changes: int) -> None:
    log_event(
        "price catalog read",
        rates=len(reading.rates),
        changes=changes,
        unmatched=len(reading.unmatched),
        unmatched_skus=[str(each) for each in reading.unmatched[:_MOST_NAMED]],
        duplicates=len(reading.duplicates),
        duplicate_skus=[str(each) for each in reading.duplicates[:_MOST_NAMED]],
    )
