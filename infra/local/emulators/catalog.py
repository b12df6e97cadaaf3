"""The price catalog: SKUs of Compute Engine as the Cloud Billing Catalog lists them at a moment.

`catalog_data/` holds the rates (`component_rates.csv`), the descriptions (`components.csv`) and, like the families
below, SKUs that a reader of the real catalog must ignore (`unrelated_skus.csv`).
"""

import functools
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path

from infra.local.fleet.clock import parse, rfc3339
from infra.local.fleet.machine_types import read_csv

DATA = Path(__file__).with_name("catalog_data")
SERVICE = "services/6F81-5844-456A"
NANO = Decimal("0.000000001")
BILLIONTHS = 1_000_000_000

UNITED_STATES = ("us-central1", "us-east1", "us-west1")
PLACES = {
    "us-central1": "Iowa",
    "us-east1": "South Carolina",
    "us-west1": "Oregon",
    "us-west4": "Las Vegas",
    "europe-west1": "Belgium",
    "europe-west3": "Frankfurt",
    "europe-west4": "Netherlands",
    "asia-east1": "Taiwan",
    "asia-southeast1": "Singapore",
    "asia-northeast1": "Japan",
}
CONTINENTS = {"europe-west1": "EMEA", "asia-east1": "APAC"}
LEGACY_REGIONS = ("asia-east1", "europe-west1", "us-central1", "us-east1", "us-west1")

UNITS = {
    "h": ("hour", "s", "second", 3600.0),
    "GiBy.h": ("gibibyte hour", "By.s", "byte second", 3865470566400.0),
    "GBy.h": ("gigabyte hour", "By.s", "byte second", 3600000000000.0),
    "GiBy.mo": ("gibibyte month", "By.s", "byte second", 2875909101101056.0),
    "GiBy": ("gibibyte", "By", "byte", 1073741824.0),
}
OTHER_FAMILIES = (
    "N2",
    "N2D AMD",
    "E2",
    "C2D AMD",
    "C3",
    "C3D",
    "C4",
    "C4A Arm",
    "C4D",
    "N4",
    "T2D AMD",
    "G2",
    "A2",
    "M3",
)
CURRENCIES = {"USD": Decimal(1), "EUR": Decimal("0.86"), "IDR": Decimal(16_350)}

type Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Sku:
    """One SKU with the price tiers it has at a moment."""

    description: str
    family: str
    group: str
    usage_type: str
    regions: tuple[str, ...]
    unit: str
    tiers: tuple[tuple[Decimal, Decimal], ...]

    @property
    def sku_id(self) -> str:
        """Its id: Google's own where it is known, else made of the description."""
        known = _known_ids().get(self.description)
        return known or _made_up_id(self.description, *self.regions)


def catalog_at(at: datetime) -> tuple[Sku, ...]:
    """Every SKU of the service as priced at a moment."""
    return _catalog(sum(change <= at for change in price_changes()))


def published_at(at: datetime) -> datetime:
    """When the catalog of a moment was published: daily, and whenever a price changes."""
    midnight = datetime.combine(at, time(), UTC)
    return max([midnight, *(change for change in price_changes() if change <= at)])


@functools.cache
def price_changes() -> tuple[datetime, ...]:
    """The moments at which a price changes, in order."""
    return tuple(
        sorted({parse(row["valid_from"]) for row in read_csv(DATA / "component_rates.csv") if row["valid_from"]})
    )


def sku_resource(sku: Sku, published: datetime, currency: str = "USD") -> Json:
    """A SKU in the API's form, with its prices in a currency."""
    rate = CURRENCIES[currency]
    unit_description, base_unit, base_description, factor = UNITS[sku.unit]
    tiers = [
        {"startUsageAmount": float(start), "unitPrice": money(price * rate, currency)} for start, price in sku.tiers
    ]
    geo = "GLOBAL" if sku.regions == ("global",) else "REGIONAL" if len(sku.regions) == 1 else "MULTI_REGIONAL"
    return {
        "name": f"{SERVICE}/skus/{sku.sku_id}",
        "skuId": sku.sku_id,
        "description": sku.description,
        "category": {
            "serviceDisplayName": "Compute Engine",
            "resourceFamily": sku.family,
            "resourceGroup": sku.group,
            "usageType": sku.usage_type,
        },
        "serviceRegions": list(sku.regions),
        "pricingInfo": [
            {
                "summary": "",
                "pricingExpression": {
                    "usageUnit": sku.unit,
                    "displayQuantity": 1,
                    "tieredRates": tiers,
                    "usageUnitDescription": unit_description,
                    "baseUnit": base_unit,
                    "baseUnitDescription": base_description,
                    "baseUnitConversionFactor": factor,
                },
                "currencyConversionRate": float(rate),
                "effectiveTime": rfc3339(published),
            }
        ],
        "serviceProviderName": "Google",
        "geoTaxonomy": {"type": geo, "regions": [] if geo == "GLOBAL" else list(sku.regions)},
    }


@functools.cache
def _catalog(changes_made: int) -> tuple[Sku, ...]:
    moment = price_changes()[changes_made - 1] if changes_made else datetime.min.replace(tzinfo=UTC)
    skus = [*_components(moment), *_commitments(moment), *_unrelated(), *_other_usage()]
    return tuple(sorted({sku.sku_id: sku for sku in skus}.values(), key=lambda sku: sku.sku_id))


def _components(at: datetime) -> Iterator[Sku]:
    prices = prices_at(at)
    for row in read_csv(DATA / "components.csv"):
        component = row["component"]
        for usage_type, words in (("OnDemand", row["on_demand"]), ("Preemptible", row["spot"])):
            regions = [region for key, region, usage in prices if key == component and usage == usage_type]
            for place, members in _sold_as(row["spread"], regions):
                price = prices[component, members[0], usage_type]
                description = f"{words}{row['tail']}{place}" if place else words
                tiers = ((Decimal(0), price),)
                yield Sku(description, row["family"], row["group"], usage_type, members, row["unit"], tiers)


def _commitments(at: datetime) -> Iterator[Sku]:
    """What a component costs that is committed to, at the discounts that Google gives for most families."""
    prices = prices_at(at)
    for row in read_csv(DATA / "components.csv"):
        regions = [region for key, region, usage in prices if key == row["component"] and usage == "OnDemand"]
        for place, members in _sold_as(row["spread"], regions) if row["commitment"] else ():
            for term, usage_type, percent in (("1 Year", "Commit1Yr", 63), ("3 Years", "Commit3Yr", 45)):
                description = f"Commitment v1: {row['commitment']} in {place or 'Americas'} for {term}"
                group = {"N1Standard": "CPU" if row["unit"] == "h" else "RAM"}.get(row["group"], row["group"])
                price = prices[row["component"], members[0], "OnDemand"] * percent / 100
                tiers = ((Decimal(0), price),)
                yield Sku(description, row["family"], group, usage_type, members, row["unit"], tiers)


def prices_at(at: datetime) -> dict[tuple[str, str, str], Decimal]:
    """Prices per component, region and usage type; the file has later ones after earlier ones."""
    return {
        (row["component"], row["region"], row["usage_type"]): Decimal(row["usd_per_unit"])
        for row in read_csv(DATA / "component_rates.csv")
        if not row["valid_from"] or parse(row["valid_from"]) <= at
    }


def _sold_as(spread: str, regions: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the places under which a component is sold, and the regions each one covers."""
    covered: set[str] = set()
    if spread == "legacy":
        covered = set(LEGACY_REGIONS)
        yield "", LEGACY_REGIONS
    elif spread in ("americas", "continents"):
        covered = set(UNITED_STATES)
        yield "Americas", UNITED_STATES
    for region in regions:
        if region not in covered:
            yield CONTINENTS.get(region, PLACES[region]) if spread == "continents" else PLACES[region], (region,)


def _unrelated() -> Iterator[Sku]:
    for row in read_csv(DATA / "unrelated_skus.csv"):
        tiers = tuple(_tier(text) for text in row["tiers"].split())
        regions = tuple(row["regions"].split())
        yield Sku(row["description"], row["family"], row["group"], row["usage_type"], regions, row["unit"], tiers)


def _tier(text: str) -> tuple[Decimal, Decimal]:
    start, price = text.split("=")
    return Decimal(start), Decimal(price)


def _other_usage() -> Iterator[Sku]:
    """Sole tenancy and reserved capacity of every family and place: none is the price of a Spot VM."""
    for family in OTHER_FAMILIES:
        for region, place in PLACES.items():
            short = family.split()[0]
            for part, group, unit, price in (
                ("Core", "CPU", "h", Decimal("0.0331")),
                ("Ram", "RAM", "GiBy.h", Decimal("0.0044")),
            ):
                sold = {
                    f"{family} Sole Tenancy Instance {part} running in {place}": price,
                    f"Sole Tenancy Premium for {family} Sole Tenancy Instance {part} running in {place}": price / 10,
                    f"Reserved {short} {part} in {place}": Decimal(0),
                }
                for description, asked in sold.items():
                    yield Sku(description, "Compute", group, "OnDemand", (region,), unit, ((Decimal(0), asked),))


def money(amount: Decimal, currency: str) -> Json:
    """Return an amount as Google does, split: whole units as a text, the rest in billionths."""
    nanos = int((amount / NANO).to_integral_value())
    units, rest = divmod(abs(nanos), BILLIONTHS)
    sign = -1 if nanos < 0 else 1
    return {"currencyCode": currency, "units": str(sign * units), "nanos": sign * rest}


@functools.cache
def _known_ids() -> dict[str, str]:
    return {row["description"]: row["sku_id"] for row in read_csv(DATA / "known_sku_ids.csv")}


def _made_up_id(*parts: str) -> str:
    digits = hashlib.sha256("|".join(parts).encode()).hexdigest()[:12].upper()
    return f"{digits[:4]}-{digits[4:8]}-{digits[8:]}"
