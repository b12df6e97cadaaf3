"""How long it takes to read a large price catalog and to price every machine type wherever it is sold."""

import json
from collections.abc import Iterable, Sequence

from google.cloud import billing_v1

from spotkeeper.gcp.billing_catalog import skus_of
from spotkeeper.instances import Shape
from spotkeeper.pricing.catalog import read_catalog
from spotkeeper.pricing.machine_types import known_machine_types, sizes
from spotkeeper.pricing.price_book import PriceBook
from spotkeeper.pricing.skus import PAID_BY_USE, CatalogReading, Market, sku_from_json
from tests.bench.large_catalog import pages
from tests.bench.rows import Row, medians

PAIRS = 17_669
"""The machine types and regions with a published price, 2026-07-30."""

_SHARE, _EXTRA_SECONDS = 1.5, 1.0


def rows() -> Sequence[Row]:
    """Measure the product on JSON against merely parsing it, and on protobufs against merely deserialising them."""
    texts = pages()
    messages = [
        billing_v1.ListSkusResponse.serialize(billing_v1.ListSkusResponse.from_json(text, ignore_unknown_fields=True))
        for text in texts
    ]
    reading = _read_json(texts)
    pairs = _pairs(PriceBook(reading.rates))
    took = medians(
        json=lambda: _parse(texts),
        json_priced=lambda: _price(_read_json(texts), pairs),
        protobuf=lambda: _deserialize(messages),
        protobuf_priced=lambda: _price(_read_protobuf(messages), pairs),
    )
    limit = _SHARE * took["json"] + _EXTRA_SECONDS
    return [
        Row("SKUs", f"{reading.skus_read:,}"),
        Row("rates", f"{len(reading.rates):,}"),
        Row("machine types x regions", f"{len(pairs):,}", f"{PAIRS:,}", passed=len(pairs) == PAIRS),
        Row("json.loads of all pages (t0)", f"{took['json']:.3f} s"),
        Row(
            "the same, read and priced, Spot and on demand",
            f"{took['json_priced']:.3f} s",
            f"1.5 t0 + 1 s = {limit:.3f} s",
            passed=took["json_priced"] < limit,
        ),
        Row("protobufs deserialised", f"{took['protobuf']:.3f} s"),
        Row(
            "the same, read and priced",
            f"{took['protobuf_priced']:.3f} s",
            f"{took['protobuf_priced'] / took['protobuf']:.1f} times that",
        ),
    ]


def _parse(texts: Iterable[str]) -> None:
    for text in texts:
        json.loads(text)


def _deserialize(messages: Iterable[bytes]) -> None:
    for message in messages:
        billing_v1.ListSkusResponse.deserialize(message)


def _read_json(texts: Iterable[str]) -> CatalogReading:
    return read_catalog(sku_from_json(sku) for text in texts for sku in json.loads(text)["skus"])


def _read_protobuf(messages: Iterable[bytes]) -> CatalogReading:
    return read_catalog(sku for each in messages for sku in skus_of(billing_v1.ListSkusResponse.deserialize(each)))


def _price(reading: CatalogReading, pairs: Iterable[tuple[Shape, str]]) -> None:
    book = PriceBook(reading.rates)
    for shape, region in pairs:
        for market in PAID_BY_USE:
            book.price(shape, region, market)


def _pairs(book: PriceBook) -> list[tuple[Shape, str]]:
    found = [(name, size) for name in known_machine_types() if (size := sizes(name))]
    shapes = [
        Shape(name, size.vcpus, size.memory_gib, size.gpu_type, size.gpu_count, size.local_ssd_gib)
        for name, size in found
    ]
    return [
        (shape, region)
        for region in sorted(book.regions)
        for shape in shapes
        if book.price(shape, region, Market.SPOT).usd_per_hour is not None
    ][:PAIRS]
