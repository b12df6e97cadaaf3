"""VMs on demand beside Spot pools: the cheapest mix that holds a floor, against a calculation of every case."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.advice.mixes import MOST_POOLS, Assumptions, Mix, Pool, Wanted, cheapest_mix, outages

ONDEMAND = Decimal("0.4")
INDEPENDENT = Assumptions(1.0, 0.0)


def pool(zone: str, price: str, preemptions: int = 1, hours: int = 100) -> Pool:
    return Pool(zone.rpartition("-")[0], zone, Decimal(price), preemptions, Decimal(hours))


A, B, C = pool("us-east1-a", "0.10"), pool("us-east1-b", "0.10", 2), pool("us-west1-a", "0.12")

zones = st.sampled_from([f"{region}-{letter}" for region in ("us-east1", "us-west1") for letter in "abc"])
pools = st.lists(
    st.builds(
        pool,
        zones,
        st.sampled_from(["0.1", "0.13", "0.2", "0.39", "0.5"]),
        st.integers(0, 20),
        st.sampled_from([50, 1000]),
    ),
    max_size=3,
    unique_by=lambda each: each.zone,
)
assumptions = st.builds(Assumptions, st.sampled_from([0.1, 1.0, 5.0]), st.sampled_from([0.0, 0.5, 1.0]))
sizes = st.integers(1, 6)


def chances(chosen: Sequence[Pool], assumed: Assumptions) -> Iterator[tuple[frozenset[str], float]]:
    """Yield every set of pools that are out, and its share of the time: each region's outages are listed one by one."""
    regions = sorted({each.region for each in chosen})
    for cases in product(*(list(region_chances([p for p in chosen if p.region == r], assumed)) for r in regions)):
        chance = 1.0
        for _, each in cases:
            chance *= each
        yield frozenset().union(*(out for out, _ in cases)), chance


def region_chances(chosen: Sequence[Pool], assumed: Assumptions) -> Iterator[tuple[frozenset[str], float]]:
    shares = {each.zone: each.outage(assumed.recovery_hours) for each in chosen}
    common = assumed.correlation * min(shares.values()) if len(shares) > 1 else 0.0
    yield frozenset(shares), common
    for case in product([False, True], repeat=len(shares)):
        chance = 1 - common
        for out, share in zip(case, shares.values(), strict=True):
            alone = (share - common) / (1 - common)
            chance *= alone if out else 1 - alone
        yield frozenset(zone for out, zone in zip(case, shares, strict=True) if out), chance


def held(mix: Mix, floor: int, assumed: Assumptions) -> float:
    """Return the share of time in which a mix has as many VMs as the floor."""
    if not mix.spot:
        return float(mix.ondemand >= floor)
    counts = {each.zone: count for each, count in mix.spot}
    return sum(
        chance
        for out, chance in chances([each for each, _ in mix.spot], assumed)
        if mix.size - sum(counts[zone] for zone in out) >= floor
    )


def every_mix(available: Sequence[Pool], size: int) -> Iterator[Mix]:
    """Yield all mixes of up to three pools in which the pools differ by one VM at most."""
    yield Mix(size, (), 1.0, size * ONDEMAND)
    for number in range(1, len(available) + 1):
        for chosen in combinations(available, number):
            for ondemand in range(size):
                for counts in product(range(1, 2 * size + 1), repeat=number):
                    if max(counts) - min(counts) <= 1 and sum(counts) + ondemand >= size:
                        spot = tuple(zip(chosen, counts, strict=True))
                        cost = ondemand * ONDEMAND + sum(count * each.spot_price for each, count in spot)
                        yield Mix(ondemand, spot, 0.0, cost)


@given(pools, sizes, st.data(), assumptions, st.sampled_from([0.5, 0.9, 0.99, 0.9999]))
def test_no_other_mix_that_holds_the_floor_is_cheaper(
    available: list[Pool], size: int, data: st.DataObject, assumed: Assumptions, availability: float
) -> None:
    size = min(size, 4)
    floor = data.draw(st.integers(0, size))
    found = cheapest_mix(available, ONDEMAND, Wanted(size, floor, availability), assumed)

    close = 1e-12  # Sums of the same chances in another order.
    cheapest = min(
        each.hourly_cost for each in every_mix(available, size) if held(each, floor, assumed) >= availability + close
    )
    assert found.hourly_cost <= cheapest
    assert held(found, floor, assumed) >= availability - close
    assert found.availability == pytest.approx(held(found, floor, assumed))
    assert found.size >= size


@given(pools, st.integers(0, 3), assumptions)
def test_the_shares_of_outages_are_those_of_every_case_listed_one_by_one(
    chosen: list[Pool], larger: int, assumed: Assumptions
) -> None:
    expected: dict[tuple[int, int], float] = {}
    for out, chance in chances(chosen, assumed):
        of_larger = sum(each.zone in out for each in chosen[:larger])
        counted = (len(out) - of_larger, of_larger)
        expected[counted] = expected.get(counted, 0.0) + chance

    assert outages(chosen[larger:], chosen[:larger], assumed) == pytest.approx(expected)
    assert sum(expected.values()) == pytest.approx(1)


def test_the_vm_more_is_in_the_pool_that_lasts_where_that_holds_the_floor_with_one_vm_less() -> None:
    lasting, failing = pool("us-west1-a", "0.39", 2, 1000), pool("us-east1-a", "0.13", 16, 50)

    found = cheapest_mix([lasting, failing], ONDEMAND, Wanted(4, 3, 0.99), Assumptions(0.1, 1.0))

    assert (found.ondemand, found.spot, found.hourly_cost) == (1, ((failing, 1), (lasting, 2)), Decimal("1.31"))


@given(pools.filter(bool), assumptions)
def test_each_pool_is_out_as_long_as_its_own_preemptions_say_whatever_the_correlation(
    chosen: list[Pool], assumed: Assumptions
) -> None:
    for each in chosen:
        alone = sum(chance for out, chance in chances(chosen, assumed) if each.zone in out)
        assert alone == pytest.approx(each.outage(assumed.recovery_hours))


def test_a_pool_is_out_for_the_recovery_time_after_each_preemption() -> None:
    assert pool("us-east1-a", "0.1", 1, 150).outage(1.0) == pytest.approx(0.01 / 1.01)


def test_a_pool_without_preemptions_in_few_hours_is_not_taken_for_safe() -> None:
    assert pool("us-east1-a", "0.1", 0, 5).outage(1.0) > pool("us-east1-b", "0.1", 1, 500).outage(1.0)


def test_without_a_floor_all_vms_are_in_the_cheapest_pool() -> None:
    found = cheapest_mix([C, A], ONDEMAND, Wanted(10, 0, 0.9), INDEPENDENT)

    assert (found.ondemand, found.spot, found.hourly_cost) == (0, ((A, 10),), Decimal(1))


def test_one_pool_that_fails_too_often_leaves_the_floor_on_demand_and_two_spread_it() -> None:
    one = cheapest_mix([A], ONDEMAND, Wanted(10, 2, 0.999), INDEPENDENT)
    two = cheapest_mix([A, C], ONDEMAND, Wanted(10, 2, 0.999), INDEPENDENT)

    assert (one.ondemand, one.spot, one.availability) == (2, ((A, 8),), 1.0)
    assert (two.ondemand, two.spot) == (0, ((A, 5), (C, 5)))
    assert two.hourly_cost < one.hourly_cost


def test_pools_that_are_out_together_hold_less_than_pools_of_two_regions() -> None:
    correlated = Assumptions(1.0, 1.0)

    assert outages([A, B], [], correlated)[2, 0] > outages([A, C], [], correlated)[2, 0]
    assert outages([A, B], [], INDEPENDENT)[2, 0] == pytest.approx(A.outage(1) * B.outage(1))


def test_spot_that_costs_more_than_on_demand_is_not_used() -> None:
    found = cheapest_mix([pool("us-east1-a", "0.5")], ONDEMAND, Wanted(3, 1, 0.5), INDEPENDENT)

    assert (found.ondemand, found.spot, found.availability) == (3, (), 1.0)


def test_a_thousand_vms_over_the_most_pools_are_planned_at_once() -> None:
    many = [pool(f"us-east{number}-a", f"0.1{number}") for number in range(MOST_POOLS + 2)]

    found = cheapest_mix(many, ONDEMAND, Wanted(1000, 700, 0.999), Assumptions(0.5, 0.5))

    assert found.availability >= 0.999
    assert {each.zone for each, _ in found.spot} <= {each.zone for each in many[:MOST_POOLS]}
