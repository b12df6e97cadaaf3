"""How many VMs on demand and how many in which Spot pools hold a floor of running VMs at the lowest list price.

The model, which errs on the side of more VMs:
- A pool is one machine type in one zone. When it is preempted, all its Spot VMs stop at once and none can be created
  until the recovery time is over. So it is out for the share r t / (1 + r t) of the time: r are its own preemptions per
  VM-hour, with half a preemption more than was counted, t is the recovery time.
- Pools of one region are out together: the correlation, 0 to 1, is how much of the smallest share is a common outage.
  Regions are independent of each other.
- VMs on demand are always there. All pools of a plan have equally many VMs, but for one more in some of them.

SkyServe (https://arxiv.org/abs/2411.01438) spreads replicas and overprovisions as well, but creates VMs on demand only
when Spot VMs are missing; here they are bought in advance, and what they cost is certain.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations

MOST_POOLS = 6
"""Pools that a plan may use: the cheapest ones are considered, and all their combinations."""

type Outages = Mapping[tuple[int, int], float]
"""The share of time in which so many of the pools are out, and so many of those that have one VM more."""

type Spread = tuple[Sequence[Pool], Sequence[Pool]]
"""Pools that have equally many VMs, and pools that have one more than those."""

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
    cheapest = Mix(wanted.size, (), 1.0, wanted.size * ondemand_price)
    considered = sorted(pools, key=lambda each: (each.spot_price, each.zone))[:MOST_POOLS]
    for usual, larger in _spreads(considered):
        chances = outages(usual, larger, assumptions)
        one_more = sum((pool.spot_price for pool in larger), Decimal(0))
        together = sum((pool.spot_price for pool in usual), one_more)
        for ondemand in range(wanted.size):
            certain = ondemand * ondemand_price + one_more
            if certain > cheapest.hourly_cost:
                break
            fewest = max(1, _quotient(wanted.size - ondemand - len(larger), len(usual) + len(larger)))
            if certain + fewest * together > cheapest.hourly_cost:
                continue
            floor = wanted.floor - ondemand
            count, availability = _vms_in_each((usual, larger), chances, floor, wanted.availability, fewest)
            if availability < wanted.availability:
                continue
            cost = certain + count * together
            if (cost, -availability) < (cheapest.hourly_cost, -cheapest.availability):
                spot = [*((each, count) for each in usual), *((each, count + 1) for each in larger)]
                ordered = tuple(sorted(spot, key=lambda each: (each[0].spot_price, each[0].zone)))
                cheapest = Mix(ondemand, ordered, availability, cost)
    return cheapest


def outages(usual: Sequence[Pool], larger: Sequence[Pool], assumptions: Assumptions) -> Outages:
    """Return the share of time in which so many of the first pools and so many of the others are out at once."""
    regions: dict[str, list[tuple[float, tuple[int, int]]]] = defaultdict(list)
    for pools, counted in ((usual, (1, 0)), (larger, (0, 1))):
        for pool in pools:
            regions[pool.region].append((pool.outage(assumptions.recovery_hours), counted))
    found: Outages = {(0, 0): 1.0}
    for members in regions.values():
        found = _sums(found, _of_region(members, assumptions.correlation))
    return found


def _of_region(members: Sequence[tuple[float, tuple[int, int]]], correlation: float) -> Outages:
    """Return how many pools of one region are out: a common outage of all, else each by itself."""
    common = correlation * min(share for share, _ in members) if len(members) > 1 else 0.0
    alone: Outages = {(0, 0): 1.0 - common}
    for share, counted in members:
        own = (share - common) / (1 - common)
        alone = _sums(alone, {(0, 0): 1 - own, counted: own})
    every = (sum(counted[0] for _, counted in members), sum(counted[1] for _, counted in members))
    return {**alone, every: alone.get(every, 0.0) + common}


def _sums(first: Outages, second: Outages) -> Outages:
    """Return the distribution of the sum of two independent counts."""
    found: dict[tuple[int, int], float] = defaultdict(float)
    for (usual, larger), chance in first.items():
        for (more_usual, more_larger), other in second.items():
            found[usual + more_usual, larger + more_larger] += chance * other
    return found


def _spreads(pools: Sequence[Pool]) -> Iterator[Spread]:
    """Yield all choices of pools, parted into those that have equally many VMs and those that have one more."""
    for number in range(1, len(pools) + 1):
        for chosen in combinations(pools, number):
            for more in range(number):
                for larger in combinations(chosen, more):
                    yield [each for each in chosen if each not in larger], larger


def _vms_in_each(spread: Spread, chances: Outages, floor: int, availability: float, fewest: int) -> tuple[int, float]:
    """Return the fewest VMs in each usual pool that are the floor for the share of time, and that share.

    A share below the wanted one means that no number of VMs is enough.
    """
    if floor <= 0:
        return fewest, 1.0
    usual, larger = len(spread[0]), len(spread[1])
    # The fewest VMs of a usual pool with which the pools that are left are the floor, for each case of an outage.
    needed = sorted(
        (_quotient(floor - (larger - out_larger), usual + larger - out_usual - out_larger), chance)
        for (out_usual, out_larger), chance in chances.items()
        if out_usual + out_larger < usual + larger
    )
    held, count = 0.0, fewest
    for least, chance in needed:
        if least > count:
            if held >= availability:
                break
            count = least
        held += chance
    return count, min(held, 1.0)


def _quotient(dividend: int, divisor: int) -> int:
    """Return the quotient, rounded up."""
    return -(-dividend // divisor)
