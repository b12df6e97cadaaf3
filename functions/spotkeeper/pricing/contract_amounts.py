"""What something costs by the customer's own contract with Google, or why that is not known."""

from decimal import Decimal
from typing import NamedTuple


class ContractAmount(NamedTuple):
    """An amount at contract prices in USD per hour; None where it is not known, with the reason."""

    usd: Decimal | None
    reason: str = ""
