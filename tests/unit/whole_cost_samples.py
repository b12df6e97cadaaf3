"""A catalog that sells what is attached to VMs, and disks of 100 GiB."""

from dataclasses import replace
from decimal import Decimal

from spotkeeper.pricing.skus import Market, Rate, RateUnit
from tests.unit.tracker_fakes import RATES, ZONE, StoredDisk, at, rate

WINDOWS = ("windows-cloud/windows-server-2022-dc",)
GIB_MONTH = Decimal("0.1")
JULY_HOURS = 744
"""Of July in Los Angeles: the real length of the month."""

ATTACHED_RATES = (
    rate("pd-balanced:capacity", Market.ON_DEMAND, RateUnit.GIB_HOUR, "0"),
    rate("address:spot", Market.ON_DEMAND, RateUnit.ADDRESS_HOUR, "0.0025"),
    rate("address:reserved", Market.ON_DEMAND, RateUnit.ADDRESS_HOUR, "0.01"),
    rate("windows-server:cores", Market.ON_DEMAND, RateUnit.VCPU_HOUR, "0.046"),
)
BY_MONTH = replace(ATTACHED_RATES[0], usd=GIB_MONTH / 730, by_month=True)
SOLD: tuple[Rate, ...] = (*RATES, BY_MONTH, *ATTACHED_RATES[1:])
DISK_HOUR = (GIB_MONTH * 100 / JULY_HOURS).quantize(Decimal("1e-9"))
"""What an hour of 100 GiB costs in July."""


def disk(name: str, *users: str, **more: object) -> StoredDisk:
    """Return a disk of 100 GiB that these VMs have had for ever."""
    places = tuple((ZONE, user) for user in users)
    return replace(StoredDisk(name, users=((at(-999), places),) if places else ()), **more)  # type: ignore[arg-type]
