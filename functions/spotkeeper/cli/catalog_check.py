"""`catalog-check`: fail when the price catalog sells something that our tables do not cover."""

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from spotkeeper.cli.amounts import exact
from spotkeeper.cli.catalogs import add_catalog_argument, read
from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.cli.output import Format, Row, add_format_argument, as_csv, as_json
from spotkeeper.cli.terminal import progress
from spotkeeper.pricing.price_book import MARKET_WORDS

if TYPE_CHECKING:
    from spotkeeper.pricing.coverage import Coverage, DuplicateSku

_MOST_NAMED = 8
FIELDS = ("finding", "about", "sentence")
"""The fields of a finding in JSON and CSV."""

_RULE = (
    "of two SKUs for one component, the one whose usage type names the market is used, then the one with fewer "
    "regions, then the more expensive, then the lower id"
)


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = add_command(
        subparsers,
        "catalog-check",
        summary="check that everything in the price catalog can be priced",
        description="Compare the price catalog with the tables in spotkeeper/pricing/data. Exit code 0: everything "
        "that is sold on demand or as Spot is matched and priced, known gaps apart; 1: something is not; 2: not read.",
        examples=("", "--catalog catalog.json.gz --format csv"),
    )
    add_catalog_argument(parser)
    add_format_argument(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print the findings and a summary; 1 when something must be added to the tables."""
    from spotkeeper.pricing.coverage import coverage_of

    with progress("Reading the price catalog"):
        catalog = read(arguments.catalog)
        found = coverage_of(catalog.reading)
    reading = catalog.reading
    summary = _summary(found, skus=reading.skus_read, rates=len(reading.rates), source=catalog.source)
    match Format(arguments.format):
        case Format.JSON:
            print(as_json({"complete": found.is_complete, "summary": summary, "findings": list(_rows(found))}))
        case Format.CSV:
            print(as_csv(FIELDS, list(_rows(found))))
        case Format.TABLE:
            for line in _lines(found):
                print(line)
            print(summary)
    return 0 if found.is_complete else 1


def _rows(found: "Coverage") -> Iterator[Row]:
    """The findings for a program: the kind of each, what it is about, and its sentence in the table."""
    for market in found.unsold:
        yield _row("unsold", MARKET_WORDS[market], "no SKU is sold")
    for sku in found.unmatched:
        yield _row("unmatched", sku.sku_id, sku.reason)
    for each in found.unpriced:
        for name in each.machine_types:
            yield _row("unpriced", name, f"no {MARKET_WORDS[each.market]} SKU for {', '.join(each.missing)}")
    for gap in found.gaps:
        yield _row("known gap", gap.partition(": ")[0], gap.partition(": ")[2])
    for pair in found.duplicates:
        yield _row("duplicate", pair.dropped.sku_id, _duplicate(pair))


def _row(kind: str, about: str, sentence: str) -> Row:
    return dict(zip(FIELDS, (kind, about, sentence), strict=True))


def _lines(found: "Coverage") -> Iterator[str]:
    for market in found.unsold:
        yield f"no SKU is sold as {MARKET_WORDS[market]}: is this the whole catalog?"
    for sku in found.unmatched:
        yield (
            f"UNMATCHED: {sku.sku_id} {sku.description!r} ({sku.usage_type}, {_count(len(sku.regions), 'region')}): "
            f"{sku.reason}"
        )
    for each in found.unpriced:
        yield (
            f"UNPRICED: {_count(len(each.machine_types), 'machine type')} "
            f"{'has' if len(each.machine_types) == 1 else 'have'} no {MARKET_WORDS[each.market]} price: "
            f"no SKU for {', '.join(each.missing)}: {', '.join(each.machine_types)}; in {_named(each.regions)}"
        )
    for gap in found.gaps:
        yield f"known gap: {gap}"
    if found.duplicates:
        yield f"duplicates: {_RULE}"
    for pair in found.duplicates:
        yield f"  {_duplicate(pair)}"


def _duplicate(pair: "DuplicateSku") -> str:
    kept, dropped = pair.kept, pair.dropped
    return (
        f"{kept.component} {MARKET_WORDS[kept.market]}, {_count(pair.regions, 'region')}: "
        f"{kept.sku_id} {kept.description!r} at {exact(kept.usd)} is used, "
        f"{dropped.sku_id} {dropped.description!r} at {exact(dropped.usd)} is ignored"
    )


def _summary(found: "Coverage", *, skus: int, rates: int, source: str) -> str:
    counts = (
        f"{skus} SKUs of {source}, {rates} rates in {found.regions} regions, {found.priced} prices, "
        f"{_count(len(found.gaps), 'known gap')}, {_count(len(found.duplicates), 'duplicate')}"
    )
    if found.is_complete:
        return f"catalog-check: all matched: {counts}"
    missing = (
        _count(len(found.unmatched), "unmatched SKU"),
        f"{_count(len({name for each in found.unpriced for name in each.machine_types}), 'machine type')} unpriced",
    )
    return f"catalog-check: FAILED: {', '.join(missing)}: {counts}"


def _named(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
