"""`price TYPE --region R`: what a machine type costs, part by part; `price --all`: the whole table as CSV."""

import argparse
import sys

from spotkeeper.cli.catalogs import add_catalog_argument, read
from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.cli.contracts import add_contract_argument, read_contract
from spotkeeper.cli.output import Format, add_format_argument, as_csv
from spotkeeper.cli.shapes import asked_shape, disk_argument, gpu_argument, local_ssd_argument, unknown
from spotkeeper.cli.terminal import progress
from spotkeeper.errors import RefusedRequestError
from spotkeeper.instances import Attachments
from spotkeeper.pricing.attachments import bandwidths, license_names
from spotkeeper.pricing.price_book import PriceBook

_OF_ONE_VM = {
    "machine_type": "TYPE",
    "gpu": "--gpu",
    "local_ssd_gib": "--local-ssd-gib",
    "disk": "--disk",
    "address": "--address",
    "license": "--license",
    "bandwidth_gbps": "--bandwidth-gbps",
    "contract": "--contract",
}


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = add_command(
        subparsers,
        "price",
        summary="price of a machine type per hour and month, Spot and on-demand",
        description="List prices from the Cloud Billing Catalog, with every part and its SKU. "
        "Disks, addresses and licenses are priced beside the machine type, each by itself, and summed. "
        "Exit code 1: a price is unknown; the reason is printed.",
        examples=(
            "n2-standard-8 --region us-central1",
            "n1-standard-8 --region us-central1 --gpu nvidia-tesla-t4=2 --disk pd-balanced=100",
            "--all --region us-central1 > prices.csv",
        ),
    )
    parser.add_argument(
        "machine_type", metavar="TYPE", nargs="?", help="such as n2-standard-8 or n2-custom-8-16384-ext"
    )
    parser.add_argument("--region", metavar="REGION", help="such as us-central1")
    parser.add_argument("--all", action="store_true", help="every machine type where it is sold, as CSV")
    parser.add_argument("--gpu", metavar="TYPE=COUNT", type=gpu_argument, help="GPUs attached to an N1")
    parser.add_argument("--local-ssd-gib", metavar="GIB", type=local_ssd_argument, help="local SSD attached, in all")
    parser.add_argument(
        "--disk",
        metavar="TYPE=GIB[,OPTION]",
        type=disk_argument,
        action="append",
        help="a disk such as pd-balanced=100; options: regional, iops=N, throughput=MIBPS; once for each disk",
    )
    parser.add_argument("--address", action="count", default=0, help="an external IPv4 address; once for each")
    parser.add_argument(
        "--license",
        metavar="NAME",
        choices=license_names(),
        action="append",
        help=f"of the operating system: {', '.join(license_names())}",
    )
    parser.add_argument(
        "--bandwidth-gbps",
        metavar="N",
        type=int,
        choices=bandwidths(),
        default=0,
        help=f"Tier_1 network bandwidth up to so many Gbps: {', '.join(map(str, bandwidths()))}",
    )
    add_contract_argument(parser)
    add_format_argument(parser)
    add_catalog_argument(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print the price or the table; 1 when the price that was asked for is unknown."""
    if arguments.all:
        return _run_all(arguments)
    if arguments.machine_type is None or arguments.region is None:
        message = "name a machine type and --region, or use --all"
        raise RefusedRequestError(message)
    from spotkeeper.cli.quotes import QUOTE_FIELDS, as_json, as_rows, as_text, quote

    shape = asked_shape(arguments.machine_type, arguments.gpu, arguments.local_ssd_gib)
    with progress("Reading the price catalog"):
        catalog = read(arguments.catalog)
    book = PriceBook(catalog.reading.rates)
    _check_region(book, arguments.region)
    attached = Attachments(
        tuple(arguments.disk or ()), arguments.address, tuple(arguments.license or ()), arguments.bandwidth_gbps
    )
    agreed = None
    if arguments.contract:
        with progress("Reading the contract prices"):
            agreed = read_contract(arguments.contract, (*catalog.reading.rates, *catalog.reading.attachments.rates))
    asked = quote(shape, arguments.region, book, catalog, attached, agreed)
    match Format(arguments.format):
        case Format.JSON:
            print(as_json(asked))
        case Format.CSV:
            print(as_csv(QUOTE_FIELDS, as_rows(asked)))
        case Format.TABLE:
            print(as_text(asked))
    return 0 if asked.is_known else 1


def _run_all(arguments: argparse.Namespace) -> int:
    if any(getattr(arguments, name) for name in _OF_ONE_VM):
        message = f"--all is every machine type as it comes: it takes no {', '.join(_OF_ONE_VM.values())}"
        raise RefusedRequestError(message)
    if arguments.format == Format.JSON:
        message = "--all writes CSV and no other format"
        raise RefusedRequestError(message)
    from spotkeeper.cli.price_list import write_price_list

    with progress("Reading the price catalog"):
        book = PriceBook(read(arguments.catalog).reading.rates)
    if arguments.region:
        _check_region(book, arguments.region)
    write_price_list(book, [arguments.region] if arguments.region else sorted(book.regions), sys.stdout)
    return 0


def _check_region(book: PriceBook, region: str) -> None:
    if region not in book.regions:
        raise RefusedRequestError(unknown("region", region, sorted(book.regions)))
