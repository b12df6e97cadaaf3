from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.errors import UnavailableError
from spotkeeper.instances import Shape
from spotkeeper.pricing.price_book import PriceStatus
from spotkeeper.pricing.price_history import DatedRate, PriceHistory
from spotkeeper.pricing.skus import Market, Rate, RateUnit

START = datetime(2026, 7, 21, tzinfo=UTC)
REGION = "us-central1"
N2 = Shape("n2-standard-4", Decimal(4), Decimal(16))
NOTHING_KNOWN = PriceHistory((), ())
THIRD = Decimal(1) / 3

type Reading = Mapping[str, str]
"""The rates of a catalog: `n2:core` or, on demand, `n2:core on_demand`, with what they cost."""

FIRST = {"n2:core": "0.01", "n2:ram": "0.001", "n2:core on_demand": "0.03", "n2:ram on_demand": "0.004"}
DEARER = {**FIRST, "n2:core": "0.02"}


def hour(number: int) -> datetime:
    return START + timedelta(hours=number)


def read_at(number: int) -> datetime:
    """When the catalog was read, so that the reading serves this hour."""
    return hour(number + 1) + timedelta(minutes=7)


def rate(name: str, usd: str | Decimal, description: str = "") -> Rate:
    component, _, market = name.partition(" ")
    unit = RateUnit.VCPU_HOUR if component.endswith("core") else RateUnit.GIB_HOUR
    return Rate(component, Market(market or "spot"), REGION, f"sku {name}", description, unit, Decimal(usd))


def rates(reading: Reading) -> list[Rate]:
    return [rate(name, usd) for name, usd in reading.items()]


def history_of(readings: Mapping[int, Reading]) -> PriceHistory:
    """The history after readings that served these hours."""
    history = NOTHING_KNOWN
    for number, reading in readings.items():
        history = history.after(history.observe(rates(reading), hour(number)), read_at(number))
    return history


def spot(history: PriceHistory, number: int) -> tuple[Decimal | None, str]:
    price = history.price(N2, REGION, hour(number))
    return price.spot, price.status.value


def facts(changes: Iterable[DatedRate]) -> set[tuple[str, Decimal, datetime, datetime | None]]:
    return {(change.rate.sku_id, change.rate.usd, change.valid_from, change.valid_to) for change in changes}


@pytest.mark.parametrize(
    ("number", "price", "status"),
    [
        (-1, "0.056", "fallback"),
        (0, "0.056", "exact"),
        (9, "0.056", "exact"),
        (10, "0.096", "exact"),
        (19, "0.096", "exact"),
        (20, "0.056", "exact"),
        (500, "0.056", "exact"),
    ],
)
def test_an_hour_has_the_rates_that_held_in_it(number: int, price: str, status: str) -> None:
    history = history_of({0: FIRST, 10: DEARER, 20: FIRST})

    assert spot(history, number) == (Decimal(price), status)


def test_both_markets_are_priced_from_their_own_rates() -> None:
    price = history_of({0: FIRST}).price(N2, REGION, hour(0))

    assert (price.spot, price.ondemand, price.as_of, price.reason) == (
        Decimal("0.056"),
        Decimal("0.184"),
        read_at(0),
        "",
    )


def test_before_the_first_reading_the_earliest_known_rates_are_the_fallback() -> None:
    assert spot(history_of({5: DEARER, 6: FIRST}), 4) == (Decimal("0.096"), "fallback")


def test_a_component_that_was_read_first_later_makes_the_hours_before_a_fallback() -> None:
    without_ram = {name: usd for name, usd in FIRST.items() if name != "n2:ram"}
    history = history_of({0: without_ram, 10: FIRST})

    assert spot(history, 9) == (Decimal("0.056"), "fallback")
    assert spot(history, 10) == (Decimal("0.056"), "exact")


def test_a_component_that_is_gone_is_unknown_from_then_on_and_exact_before() -> None:
    without_ram = {name: usd for name, usd in FIRST.items() if name != "n2:ram"}
    history = history_of({0: FIRST, 10: without_ram, 20: DEARER})

    assert spot(history, 9) == (Decimal("0.056"), "exact")
    assert spot(history, 10) == (None, "unknown")
    assert spot(history, 20) == (Decimal("0.096"), "exact")
    assert history.price(N2, REGION, hour(10)).reason == "no Spot rate for n2:ram in us-central1"


@pytest.mark.parametrize(("number", "status"), [(-1, "fallback"), (10, "exact"), (11, "stale"), (12, "stale")])
def test_after_a_failed_refresh_the_hours_that_no_reading_served_are_stale(number: int, status: str) -> None:
    history = history_of({0: FIRST, 10: FIRST})

    assert spot(history.without_refresh(), number) == (Decimal("0.056"), status)


def test_a_reading_after_the_failed_refresh_makes_prices_exact_again() -> None:
    history = history_of({0: FIRST}).without_refresh()

    assert spot(history.after(history.observe(rates(FIRST), hour(3)), read_at(3)), 3) == (Decimal("0.056"), "exact")


@pytest.mark.parametrize("history", [NOTHING_KNOWN, NOTHING_KNOWN.without_refresh()], ids=["unread", "unreadable"])
def test_without_rates_a_price_is_unknown_and_says_why(history: PriceHistory) -> None:
    price = history.price(N2, REGION, hour(0))

    assert (price.spot, price.ondemand, price.status, price.as_of) == (None, None, PriceStatus.UNKNOWN, None)
    assert price.reason == "no price catalog has been read yet"


def test_without_a_spot_rate_the_price_is_unknown_though_on_demand_is_known() -> None:
    on_demand_only = {name: usd for name, usd in FIRST.items() if "on_demand" in name}

    price = history_of({0: on_demand_only}).price(N2, REGION, hour(0))

    assert (price.spot, price.ondemand, price.status) == (None, Decimal("0.184"), PriceStatus.UNKNOWN)
    assert price.reason == "no Spot rate for n2:core, n2:ram in us-central1"


def test_without_an_on_demand_rate_the_spot_price_stands() -> None:
    spot_only = {name: usd for name, usd in FIRST.items() if "on_demand" not in name}

    price = history_of({0: spot_only}).price(N2, REGION, hour(0))

    assert (price.spot, price.ondemand, price.status) == (Decimal("0.056"), None, PriceStatus.EXACT)
    assert price.reason == "on-demand: no on-demand rate for n2:core, n2:ram in us-central1"


def test_the_first_reading_begins_every_rate() -> None:
    assert facts(NOTHING_KNOWN.observe(rates({"n2:core": "0.01"}), hour(3))) == {
        ("sku n2:core", Decimal("0.01"), hour(3), None)
    }


def test_an_unchanged_reading_changes_nothing() -> None:
    assert history_of({0: FIRST}).observe(rates(FIRST), hour(6)) == []


def test_another_wording_is_no_change() -> None:
    reworded = [rate(name, usd, description="Spot Preemptible N2, reworded") for name, usd in FIRST.items()]

    assert history_of({0: FIRST}).observe(reworded, hour(6)) == []


def test_a_changed_value_ends_one_rate_and_begins_another() -> None:
    assert facts(history_of({0: FIRST}).observe(rates(DEARER), hour(6))) == {
        ("sku n2:core", Decimal("0.01"), hour(0), hour(6)),
        ("sku n2:core", Decimal("0.02"), hour(6), None),
    }


def test_a_sku_that_vanished_ends() -> None:
    without_ram = {name: usd for name, usd in FIRST.items() if name != "n2:ram"}

    assert facts(history_of({0: FIRST}).observe(rates(without_ram), hour(6))) == {
        ("sku n2:ram", Decimal("0.001"), hour(0), hour(6))
    }


def test_another_value_in_the_same_hour_takes_the_place_of_the_first() -> None:
    history = history_of({0: FIRST})
    changes = history.observe(rates(DEARER), hour(0))

    assert facts(changes) == {("sku n2:core", Decimal("0.02"), hour(0), None)}
    assert spot(history.after(changes, read_at(0)), 0) == (Decimal("0.096"), "exact")


def test_a_sku_that_vanished_within_its_first_hour_holds_in_no_hour() -> None:
    history = history_of({0: FIRST})
    without_ram = {name: usd for name, usd in FIRST.items() if name != "n2:ram"}
    changes = history.observe(rates(without_ram), hour(0))

    assert facts(changes) == {("sku n2:ram", Decimal("0.001"), hour(0), hour(0))}
    assert spot(history.after(changes, read_at(0)), 0) == (None, "unknown")


@pytest.mark.parametrize(("left", "refused"), [(4, False), (2, False), (1, True), (0, True)])
def test_a_reading_that_lost_more_than_half_of_the_rates_is_refused(left: int, refused: bool) -> None:  # noqa: FBT001 (a table's column)
    history = history_of({0: FIRST})
    reading = rates(FIRST)[:left]

    if refused:
        with pytest.raises(UnavailableError, match=rf"has {left} rates and lacks {4 - left} of the 4 known ones"):
            history.observe(reading, hour(1))
    else:
        assert len(history.observe(reading, hour(1))) == 4 - left


def test_a_reading_that_swapped_more_than_half_for_others_is_refused() -> None:
    strangers = [rate(f"other{number}:core", "0.01") for number in range(10)]

    with pytest.raises(UnavailableError, match="lacks 4 of the 4"):
        history_of({0: FIRST}).observe(strangers, hour(1))


def test_a_first_reading_without_rates_is_refused() -> None:
    with pytest.raises(UnavailableError, match="has 0 rates"):
        NOTHING_KNOWN.observe([], hour(0))


def test_a_rate_that_does_not_end_is_kept_to_eighteen_decimals_and_read_again_unchanged() -> None:
    endless = [rate("n2:core", THIRD)]
    [begun] = NOTHING_KNOWN.observe(endless, hour(0))

    assert begun.rate.usd == Decimal("0.333333333333333333")
    assert PriceHistory([begun], [read_at(0)]).observe(endless, hour(1)) == []


def test_the_history_after_a_reading_is_the_one_that_is_read_back_from_the_tables() -> None:
    changes = history_of({0: FIRST}).observe(rates(DEARER), hour(6))
    after = history_of({0: FIRST}).after(changes, read_at(6))
    stored = [*(DatedRate(each, hour(0)) for each in rates(FIRST) if each.sku_id != "sku n2:core"), *changes]
    read_back = PriceHistory(stored, [read_at(6), read_at(0), read_at(0)])

    assert after.last_covered == read_back.last_covered == hour(6)
    for number in (-1, 0, 5, 6, 7):
        assert after.price(N2, REGION, hour(number)) == read_back.price(N2, REGION, hour(number))


@pytest.mark.parametrize(("number", "read"), [(-5, 0), (0, 0), (5, 0), (6, 6), (11, 6), (12, 12), (99, 12)])
def test_a_price_is_as_of_the_last_reading_that_serves_its_hour_or_else_the_first(number: int, read: int) -> None:
    assert history_of({0: FIRST, 6: FIRST, 12: FIRST}).as_of(hour(number)) == read_at(read)


def test_without_readings_nothing_is_as_of_any_time() -> None:
    assert NOTHING_KNOWN.as_of(hour(0)) is None
    assert NOTHING_KNOWN.last_covered is None


COMPONENTS = ("n2:core", "n2:ram")
ALWAYS = {f"always{number}:core": "1" for number in range(4)}
"""Other components, so that no reading loses more than half."""

usd = st.sampled_from(["0.01", "0.011", "0.02", "0.3"])
catalogs = st.fixed_dictionaries(
    {name: st.just(value) for name, value in ALWAYS.items()}, optional=dict.fromkeys(COMPONENTS, usd)
)


def last_read(readings: Mapping[int, Reading], name: str, number: int) -> str | None:
    """The rate last read at or before the hour; before the first reading that has one, the first ever read."""
    before = [reading for served, reading in readings.items() if served <= number]
    if any(name in reading for reading in before):
        return before[-1].get(name)
    return next((reading[name] for reading in readings.values() if name in reading), None)


@given(st.dictionaries(st.integers(0, 40), catalogs, min_size=1, max_size=8), st.integers(-3, 45))
def test_every_hour_has_exactly_the_rates_last_read_at_or_before_it(
    unordered: Mapping[int, Reading], number: int
) -> None:
    readings = dict(sorted(unordered.items()))
    core, ram = (last_read(readings, name, number) for name in COMPONENTS)
    expected = None if core is None or ram is None else 4 * Decimal(core) + 16 * Decimal(ram)

    price, status = spot(history_of(readings), number)

    before = [name for served, reading in readings.items() if served <= number for name in reading]
    assert price == expected
    assert status == ("unknown" if expected is None else "exact" if set(COMPONENTS) <= set(before) else "fallback")


@given(st.dictionaries(st.integers(0, 40), catalogs, min_size=1, max_size=8))
def test_a_sku_has_never_two_rates_in_one_hour(unordered: Mapping[int, Reading]) -> None:
    history, kept = NOTHING_KNOWN, dict[tuple[str, datetime], DatedRate]()
    for number, reading in sorted(unordered.items()):
        changes = history.observe(rates(reading), hour(number))
        history = history.after(changes, read_at(number))
        kept |= {(change.rate.sku_id, change.valid_from): change for change in changes}

    for sku_id in {sku_id for sku_id, _ in kept}:
        stretches = sorted(
            (each for each in kept.values() if each.rate.sku_id == sku_id), key=lambda each: each.valid_from
        )
        for earlier, later in pairwise(stretches):
            assert earlier.valid_to is not None
            assert earlier.valid_from < earlier.valid_to <= later.valid_from
