"""How many VMs on demand and how many in which Spot pools hold a floor of running VMs at the lowest list price.

The model, which errs on the side of more VMs:
- A pool is one machine type in one zone. When it is preempted, all its Spot VMs stop at once and none can be created
  until the recovery time is over. So it is out for the share r t / (1 + r t) of the time: r are its own preemptions per
  VM-hour, with half a preemption more than was counted, t is the recovery time.
- Pools of one region are out together: the correlation, 0 to 1, is how much of the smallest share is a common outage.
  Regions are independent of each other.
- VMs on demand are always there. All pools of a plan have equally many VMs, but for one more.

SkyServe (https://arxiv.org/abs/2411.01438) spreads replicas and overprovisions as well, but creates VMs on demand only
when Spot VMs are missing; here they are bought in advance, and what they cost is certain.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, groupby

MOST_POOLS = 6
"""Pools that a plan may use: the cheapest ones are considered, and all their combinations."""

_UNCOUNTED = Decimal("0.5")
"""Added to a count of preemptions (the prior of Jeffreys for a rate): no preemption in few hours does not mean none."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A machine type in a zone: our own preemptions in so many VM-hours, and its Spot price per VM-hour in USD."""

    region: str
    zone: str
    spot_price: Decimal
    preemptions: int
    vm_hours: Decimal

    def outage(self, recovery_hours: float) -> float:
        """Return the share of time in which the pool has no VM."""
        expected = float((self.preemptions + _UNCOUNTED) / self.vm_hours) * recovery_hours
        return expected / (1 + expected)


@dataclass(frozen=True, slots=True)
class Wanted:
    """VMs that should run (`size`), how many of them must (`floor`), and the share of time in which they must."""

    size: int
    floor: int
    availability: float


@dataclass(frozen=True, slots=True)
class Assumptions:
    """The hours until preempted VMs are replaced, and the correlation of the pools of one region."""

    recovery_hours: float
    correlation: float


@dataclass(frozen=True, slots=True)
class Mix:
    """VMs on demand and in each pool, the share of time in which they hold the floor, and their USD per hour."""

    ondemand: int
    spot: tuple[tuple[Pool, int], ...]
    availability: float
    hourly_cost: Decimal

    @property
    def size(self) -> int:
        """VMs in all, while no pool is out."""
        return self.ondemand + sum(count for _, count in self.spot)


def cheapest_mix(pools: Sequence[Pool], ondemand_price: Decimal, wanted: Wanted, assumptions: Assumptions) -> Mix:
    """Return the cheapest mix that holds the floor for the share of time; all on demand when no other does.

    Of equal cost, the one that holds it longer. Considered are the cheapest MOST_POOLS pools.
    """
    nothing_spot = Mix(wanted.size, (), 1.0, wanted.size * ondemand_price)
    considered = sorted(pools, key=lambda each: (each.spot_price, each.zone))[:MOST_POOLS]
    mixes = (
        mix
        for count in range(1, len(considered) + 1)
        for chosen in combinations(considered, count)
        for mix in _mixes(chosen, ondemand_price, wanted, assumptions)
    )
    return min((nothing_spot, *mixes), key=lambda each: (each.hourly_cost, -each.availability))


def outages(pools: Iterable[Pool], assumptions: Assumptions) -> list[float]:
    """Return the share of time in which 0, 1, 2 … of the pools are out at once."""
    total = [1.0]
    for _, group in groupby(sorted(pools, key=lambda each: each.region), key=lambda each: each.region):
        total = _sums(total, _of_region([each.outage(assumptions.recovery_hours) for each in group], assumptions))
    return total


def _of_region(shares: Sequence[float], assumptions: Assumptions) -> list[float]:
    """Return how many pools of one region are out: a common outage of all, else each by itself."""
    common = assumptions.correlation * min(shares) if len(shares) > 1 else 0.0
    alone = [1.0]
    for share in shares:
        own = (share - common) / (1 - common)
        alone = _sums(alone, [1 - own, own])
    found = [each * (1 - common) for each in alone]
    found[-1] += common
    return found


def _sums(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """Return the distribution of the sum of two independent counts."""
    found = [0.0] * (len(first) + len(second) - 1)
    for left, chance in enumerate(first):
        for right, other in enumerate(second):
            found[left + right] += chance * other
    return found


def _mixes(pools: Sequence[Pool], ondemand_price: Decimal, wanted: Wanted, assumptions: Assumptions) -> Iterator[Mix]:
    """Yield the cheapest mix of these pools, one of each number on demand that improves on the one before."""
    out = outages(pools, assumptions)
    # Pools that may be out at once: fewer need fewer VMs. When all may, the floor is on demand.
    tolerated = next((n for n in range(len(pools)) if sum(out[: n + 1]) >= wanted.availability), len(pools))
    together = sum((pool.spot_price for pool in pools), Decimal(0))
    cheapest: Decimal | None = None
    first = wanted.floor if tolerated == len(pools) else 0
    for ondemand in range(first, wanted.size):
        total = _total(len(pools), tolerated, wanted.size - ondemand, wanted.floor - ondemand)
        each, more = divmod(total, len(pools))
        cost = ondemand * ondemand_price + each * together + sum(pool.spot_price for pool in pools[:more])
        if cheapest is None or cost < cheapest:
            cheapest = cost
            counts = [each + (number < more) for number in range(len(pools))]
            held = sum(out[: _most_out(len(pools), total, wanted.floor - ondemand) + 1])
            yield Mix(ondemand, tuple(zip(pools, counts, strict=True)), min(held, 1.0), cost)


def _total(pools: int, tolerated: int, wanted: int, floor: int) -> int:
    """Return the fewest Spot VMs: so many in all, one in each pool, and the floor without the largest pools."""
    total = max(wanted, pools)
    if floor > 0:
        total = max(total, floor * pools // (pools - tolerated) - pools)
    while total - _largest(total, pools, tolerated) < floor:
        total += 1
    return total


def _most_out(pools: int, total: int, floor: int) -> int:
    """Return how many pools may be out while the others still are the floor."""
    return max(count for count in range(pools + 1) if count == 0 or total - _largest(total, pools, count) >= floor)


def _largest(total: int, pools: int, count: int) -> int:
    """Return the VMs of the largest pools."""
    each, more = divmod(total, pools)
    return count * each + min(count, more)
