"""The price catalog of a command: a saved file, or Google's own."""

import argparse
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from spotkeeper.cli.catalog_files import Catalog
from spotkeeper.settings import RENAMED
from spotkeeper.tracking.settings import TrackerSettings

if TYPE_CHECKING:
    from spotkeeper.gcp.billing_catalog import BillingCatalog

LIVE = "the Cloud Billing Catalog"


def add_catalog_argument(parser: argparse.ArgumentParser) -> None:
    """Add --catalog FILE."""
    parser.add_argument(
        "--catalog",
        metavar="FILE",
        type=Path,
        help="a saved catalog (JSON as the API writes it, .gz too) in place of the live one",
    )


def read(path: Path | None) -> Catalog:
    """Return the catalog in a file, or the live one; warns when a file is not all of it."""
    if path is None:
        return Catalog(LIVE, datetime.now(UTC), live_catalog().read())
    from spotkeeper.cli.catalog_files import read_file

    catalog = read_file(path)
    if not catalog.complete:
        print(
            f"spotkeeper: warning: {path} is not the whole catalog: its last page says that another follows. "
            "Missing SKUs have no price, and a continent's price may stand in for a region's.",
            file=sys.stderr,
        )
    return catalog


def live_catalog() -> "BillingCatalog":
    """Connect to the catalog at BILLING_ENDPOINT, or to Google's."""
    from spotkeeper.gcp.billing_catalog import BillingCatalog

    names = ("BILLING_ENDPOINT", "RETRY_TIMEOUT_SECONDS", *RENAMED)
    relevant = {name: os.environ[name] for name in names if name in os.environ}
    settings = TrackerSettings.from_mapping({"PROJECT_ID": "no-project", **relevant})  # any project
    return BillingCatalog(settings.endpoints.billing, timedelta(seconds=settings.retry_timeout_seconds))
