"""The contract prices of a command: those of a billing account that the operator may read."""

import argparse
import os
from collections.abc import Iterable, Mapping
from datetime import timedelta

from spotkeeper.pricing.contract_prices import ContractPrice, contract_rates
from spotkeeper.pricing.skus import Rate
from spotkeeper.settings import RENAMED
from spotkeeper.tracking.settings import TrackerSettings
from spotkeeper.values import billing_account_id, parsed


def add_contract_argument(parser: argparse.ArgumentParser) -> None:
    """Add --contract ACCOUNT."""
    parser.add_argument(
        "--contract",
        metavar="ACCOUNT",
        type=_account,
        help="also the Spot price by the contract of a billing account such as 012345-6789AB-CDEF01",
    )


def read_contract(account: str, rates: Iterable[Rate]) -> Mapping[str, ContractPrice]:
    """Return the contract prices of the SKUs that Spot VMs are billed by; raises UnavailableError."""
    from spotkeeper.gcp.billing_prices import BillingPrices

    names = ("BILLING_ENDPOINT", "RETRY_TIMEOUT_SECONDS", *RENAMED)
    relevant = {name: os.environ[name] for name in names if name in os.environ}
    settings = TrackerSettings.from_mapping({"PROJECT_ID": "no-project", **relevant})  # any project
    retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
    return BillingPrices(account, settings.endpoints.billing, retry_timeout).read(contract_rates(rates))


def _account(text: str) -> str:
    try:
        return parsed("--contract", text, billing_account_id)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem
