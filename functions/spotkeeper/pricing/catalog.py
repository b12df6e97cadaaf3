"""Turn a whole Billing Catalog into rates: one for each component, market and region."""

import gc
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal

from spotkeeper.pricing.attachment_rates import AttachmentReader
from spotkeeper.pricing.sku_rates import MARKETS, Unmatched, is_tpu, rates_of
from spotkeeper.pricing.skus import COMMITMENTS, CatalogReading, DuplicateRate, Market, Rate, Sku, UnmatchedSku

type _Component = tuple[str, Market, str]
type _Offer = tuple[tuple[bool, int, Decimal, str, str], Rate]


def read_catalog(skus: Iterable[Sku]) -> CatalogReading:
    """Return the rates that a complete catalog holds, whatever the order of its SKUs.

    Of two SKUs for one component, market and region, the one whose usage type names the market is preferred to one
    whose description alone does; then the one with fewer regions, so that a region's SKU is preferred to a continent's;
    then the more expensive one, so that no cost is understated; then the lower id. Duplicates are reported for Spot
    and on-demand rates only. Raises ForeignCurrencyError when a component is not priced in US dollars.
    """
    offers: dict[_Component, list[_Offer]] = defaultdict(list)
    unmatched: set[UnmatchedSku] = set()
    attachments = AttachmentReader()
    skus_read = tpu_skus = 0
    with _without_collections():
        for skus_read, sku in enumerate(skus, start=1):  # noqa: B007 (the count is kept)
            if is_tpu(sku):
                tpu_skus += 1
                continue
            attachments.read(sku)
            found = rates_of(sku)
            if isinstance(found, Unmatched):
                unmatched.add(
                    UnmatchedSku(sku.sku_id, sku.description, found.reason, sku.usage_type, sku.service_regions)
                )
                continue
            for rate in found:
                worded_only = rate.market is not MARKETS[sku.usage_type]
                rank = worded_only, len(sku.service_regions), -rate.usd, rate.sku_id, rate.description
                offers[rate.component, rate.market, rate.region].append((rank, rate))
    rates, commitments, duplicates = [], [], []
    for component, market, region in sorted(offers):
        kept, *dropped = _best_first(offers[component, market, region])
        if market in COMMITMENTS:
            commitments.append(kept)
        else:
            rates.append(kept)
            duplicates += [DuplicateRate(kept, rate) for rate in dropped]
    ordered = sorted(
        unmatched, key=lambda each: (each.sku_id, each.description, each.reason, each.usage_type, each.regions)
    )
    return CatalogReading(
        rates=tuple(rates),
        unmatched=tuple(ordered),
        duplicates=tuple(duplicates),
        skus_read=skus_read,
        commitments=tuple(commitments),
        tpu_skus=tpu_skus,
        attachments=attachments.reading(),
    )


@contextmanager
def _without_collections() -> Iterator[None]:
    """Turn the garbage collector off: it would traverse every SKU again and again, and none is in a cycle."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _best_first(offers: list[_Offer]) -> list[Rate]:
    """The distinct rates of one component by rank: a SKU may be listed on two pages."""
    if len(offers) == 1:
        return [offers[0][1]]
    return list(dict.fromkeys(rate for _, rate in sorted(offers, key=lambda offer: offer[0])))
