"""`catalog-save FILE`: keep the live price catalog in a file."""

import argparse
from pathlib import Path

from spotkeeper.cli.catalogs import live_catalog
from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.cli.terminal import progress


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = add_command(
        subparsers,
        "catalog-save",
        summary="download the price catalog into a file",
        description="Download the price catalog of Compute Engine into a file for --catalog, one page per line.",
        examples=("catalog.json.gz",),
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="file to write; gzipped when its name ends in .gz")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Write the file, complete or not at all."""
    from spotkeeper.cli.catalog_files import write_file

    with progress("Downloading the price catalog"):
        pages = write_file(arguments.file, live_catalog().pages_as_json())
    print(f"{arguments.file}: {pages} page{'' if pages == 1 else 's'}")
    return 0
