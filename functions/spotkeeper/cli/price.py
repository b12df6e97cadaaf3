"""`price TYPE --region R`: what a machine type costs, part by part; `price --all`: the whole table as CSV."""

import argparse
import sys

from spotkeeper.cli.catalogs import add_catalog_argument, read
from spotkeeper.cli.commands import Subparsers
from spotkeeper.cli.shapes import asked_shape, gpu_argument, local_ssd_argument, unknown
from spotkeeper.errors import RefusedRequestError
from spotkeeper.pricing.price_book import PriceBook

_TEXT, _JSON = "text", "json"


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = subparsers.add_parser(
        "price",
        help="price of a machine type per hour and month, Spot and on-demand",
        description="List prices from the Cloud Billing Catalog, with every part and its SKU. "
        "Exit code 1: a price is unknown; the reason is printed.",
    )
    parser.add_argument(
        "machine_type", metavar="TYPE", nargs="?", help="such as n2-standard-8 or n2-custom-8-16384-ext"
    )
    parser.add_argument("--region", metavar="REGION", help="such as us-central1")
    parser.add_argument("--all", action="store_true", help="every machine type where it is sold, as CSV")
    parser.add_argument("--gpu", metavar="TYPE=COUNT", type=gpu_argument, help="GPUs attached to an N1")
    parser.add_argument("--local-ssd-gib", metavar="GIB", type=local_ssd_argument, help="local SSD attached, in all")
    parser.add_argument("--format", choices=[_TEXT, _JSON], default=_TEXT)
    add_catalog_argument(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print the price or the table; 1 when the price that was asked for is unknown."""
    if arguments.all:
        return _run_all(arguments)
    if arguments.machine_type is None or arguments.region is None:
        message = "name a machine type and --region, or use --all"
        raise RefusedRequestError(message)
    from spotkeeper.cli.quotes import as_json, as_text, quote

    shape = asked_shape(arguments.machine_type, arguments.gpu, arguments.local_ssd_gib)
    catalog = read(arguments.catalog)
    book = PriceBook(catalog.reading.rates)
    _check_region(book, arguments.region)
    asked = quote(shape, arguments.region, book, catalog)
    print(as_json(asked) if arguments.format == _JSON else as_text(asked))
    return 0 if asked.is_known else 1


def _run_all(arguments: argparse.Namespace) -> int:
    if arguments.machine_type or arguments.gpu or arguments.local_ssd_gib:
        message = "--all is every machine type as it comes: it takes no TYPE, --gpu or --local-ssd-gib"
        raise RefusedRequestError(message)
    if arguments.format != _TEXT:
        message = "--all writes CSV and no other format"
        raise RefusedRequestError(message)
    from spotkeeper.cli.price_list import write_price_list

    book = PriceBook(read(arguments.catalog).reading.rates)
    if arguments.region:
        _check_region(book, arguments.region)
    write_price_list(book, [arguments.region] if arguments.region else sorted(book.regions), sys.stdout)
    return 0


def _check_region(book: PriceBook, region: str) -> None:
    if region not in book.regions:
        raise RefusedRequestError(unknown("region", region, sorted(book.regions)))
