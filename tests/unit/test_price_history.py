from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.errors import UnavailableError
from spotkeeper.instances import Shape
from spotkeeper.pricing.dated_rates import DatedRates, first_needed
from spotkeeper.pricing.price_book import DatedRate, PriceBook, PriceStatus
from spotkeeper.pricing.price_history import PriceHistory, UncertainPrice
from spotkeeper.pricing.readings import Readings
from spotkeeper.pricing.skus import Market, Rate, RateUnit

START = datetime(2026, 7, 21, tzinfo=UTC)
REGION = "us-central1"
N2 = Shape("n2-standard-4", Decimal(4), Decimal(16))
NOTHING_KNOWN = PriceHistory(DatedRates((), Readings()))
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
        history = history.after(history.observe(rates(reading), read_at(number)), read_at(number))
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
        (1, "0.056", "uncertain"),
        (6, "0.056", "uncertain"),
        (7, "0.096", "uncertain"),
        (10, "0.096", "uncertain"),
        (11, "0.096", "uncertain"),
        (12, "0.096", "uncertain"),
        (20, "0.096", "uncertain"),
        (21, "0.056", "uncertain"),
        (22, "0.056", "exact"),
        (500, "0.056", "exact"),
    ],
)
def test_between_two_readings_that_differ_a_price_is_uncertain_and_counts_from_midnight_or_else_the_reading(
    number: int, price: str, status: str
) -> None:
    """Midnight in Los Angeles is 07:00 UTC: between the first two readings, and not between the last two.

    The price may have changed in the hours of the readings too, before or after their minute.
    """
    history = history_of({0: FIRST, 10: DEARER, 20: FIRST})

    assert spot(history, number) == (Decimal(price), status)


def test_two_readings_around_midnight_leave_both_their_hours_uncertain() -> None:
    """No source tells that the price changed at midnight, though Google's mostly do."""
    history = history_of({0: FIRST, 5: FIRST, 6: DEARER})

    assert [spot(history, number) for number in (5, 6, 7, 8)] == [
        (Decimal("0.056"), "exact"),
        (Decimal("0.056"), "uncertain"),
        (Decimal("0.096"), "uncertain"),
        (Decimal("0.096"), "exact"),
    ]
    assert list(history.uncertain_prices()) == [UncertainPrice("n2:core", REGION, hour(6), hour(8))]


def test_a_reading_at_a_full_hour_tells_the_price_of_the_hour_that_begins() -> None:
    history = history_of({0: FIRST})
    changed = history.after(history.observe(rates(DEARER), hour(6)), hour(6))

    assert [spot(changed, number) for number in (0, 1, 5, 6)] == [
        (Decimal("0.056"), "exact"),
        (Decimal("0.056"), "uncertain"),
        (Decimal("0.056"), "uncertain"),
        (Decimal("0.096"), "exact"),
    ]


@pytest.mark.parametrize(("last", "status"), [(168, "exact"), (169, "uncertain")])
def test_between_equal_readings_more_than_a_week_apart_a_price_may_have_changed_and_changed_back(
    last: int, status: str
) -> None:
    """Google changed no price twice in a week when measured in 2026."""
    history = history_of({0: FIRST, last: FIRST})

    assert {spot(history, number) for number in range(1, last + 2)} == {(Decimal("0.056"), status)}
    assert spot(history, last + 2) == (Decimal("0.056"), "exact")
    uncertain = [] if status == "exact" else [hour(1), hour(last + 2)]
    assert {at for each in history.uncertain_prices() for at in (each.start, each.end)} == set(uncertain)


def test_a_change_in_an_outage_of_days_counts_from_the_only_monday_in_it() -> None:
    """From Saturday to Tuesday there are three midnights; Monday's is the 27th, 07:00 UTC."""
    history = history_of({100: FIRST, 170: DEARER})
    monday = datetime(2026, 7, 27, 7, tzinfo=UTC)

    assert {history.price(N2, REGION, monday - timedelta(hours=1)).spot} == {Decimal("0.056")}
    assert {history.price(N2, REGION, monday).spot} == {Decimal("0.096")}


def test_rows_recorded_between_readings_that_differ_are_named_by_their_spot_rates() -> None:
    dearer_on_demand = {**DEARER, "n2:ram on_demand": "0.005"}
    history = history_of({0: FIRST, 5: dearer_on_demand})

    assert list(history.uncertain_prices()) == [UncertainPrice("n2:core", REGION, hour(1), hour(7))]
    assert list(history.after([], read_at(6)).uncertain_prices()) == []


def test_a_component_whose_rate_did_not_change_stays_exact() -> None:
    e2 = {"e2:core": "0.02", "e2:ram": "0.003"}
    history = history_of({0: {**FIRST, **e2}, 5: {**DEARER, **e2}})

    price = history.price(Shape("e2-standard-4", Decimal(4), Decimal(16)), REGION, hour(3))

    assert price.status is PriceStatus.EXACT
    assert spot(history, 3) == (Decimal("0.056"), "uncertain")


def test_a_higher_rate_of_another_sku_is_a_change_and_a_lower_one_is_none() -> None:
    first, other = rates(FIRST), replace(rate("n2:core", "0.02"), sku_id="another")
    lower = replace(other, usd=Decimal("0.001"))
    statuses = []
    for second in (other, lower):
        history = NOTHING_KNOWN.after(NOTHING_KNOWN.observe(first, read_at(0)), read_at(0))
        history = history.after(history.observe([*first, second], read_at(5)), read_at(5))
        statuses.append(spot(history, 3)[1])

    assert statuses == ["uncertain", "exact"]


@pytest.mark.parametrize("zone_offset", [-420, -480], ids=["summer", "winter"])
@pytest.mark.parametrize(
    ("hours_after_midnight", "last_read", "due"),
    [(-2, -7, False), (-1, -2, True), (0, -1, True), (0, -6, True), (1, 0, False), (2, -1, True), (5, 0, False)],
)
def test_the_catalog_is_read_before_and_after_midnight_in_los_angeles(
    zone_offset: int,
    hours_after_midnight: int,
    last_read: int,
    due: bool,  # noqa: FBT001 (a table's column)
) -> None:
    midnight = datetime(2026, 7 if zone_offset == -420 else 12, 14, tzinfo=UTC) - timedelta(minutes=zone_offset)
    minute = timedelta(minutes=7)
    history = NOTHING_KNOWN.after([], midnight + timedelta(hours=last_read) + minute)

    now = midnight + timedelta(hours=hours_after_midnight) + minute

    assert history.is_due(now, timedelta(hours=6)) is due


@pytest.mark.parametrize(
    ("monday", "hours"),
    [(datetime(2026, 7, 20, 7, tzinfo=UTC), 168), (datetime(2026, 3, 2, 8, tzinfo=UTC), 167)],
    ids=["an ordinary week", "the week in which clocks go forward"],
)
def test_an_hourly_tracker_reads_the_catalog_35_times_a_week_and_every_midnight_tells_its_hour(
    monday: datetime, hours: int
) -> None:
    history = NOTHING_KNOWN.after([], monday + timedelta(minutes=7))
    readings = []
    for number in range(1, hours + 1):
        now = monday + timedelta(hours=number, minutes=7)
        if history.is_due(now, timedelta(hours=6)):
            history = history.after([], now)
            readings.append(now)

    los_angeles = [reading.astimezone(ZoneInfo("America/Los_Angeles")).hour for reading in readings]
    assert len(readings) == 35
    assert los_angeles.count(23) == los_angeles.count(0) == 7


def test_rates_are_needed_from_the_last_reading_before_an_hour_on() -> None:
    readings = [read_at(0), read_at(6), read_at(12)]

    assert [first_needed(hour(number), readings) for number in (0, 7, 8, 12, 99)] == [
        hour(0),
        hour(1),
        hour(7),
        hour(7),
        hour(13),
    ]


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


def test_a_component_that_is_gone_is_unknown_from_midnight_on_and_uncertain_before() -> None:
    without_ram = {name: usd for name, usd in FIRST.items() if name != "n2:ram"}
    history = history_of({0: FIRST, 10: without_ram, 20: DEARER})

    assert spot(history, 0) == (Decimal("0.056"), "exact")
    assert spot(history, 1) == (Decimal("0.056"), "uncertain")
    assert spot(history, 6) == (Decimal("0.056"), "uncertain")
    assert spot(history, 10) == (None, "unknown")
    assert spot(history, 21) == (Decimal("0.096"), "uncertain")
    assert spot(history, 22) == (Decimal("0.096"), "exact")
    assert history.price(N2, REGION, hour(10)).reason == "no Spot rate for n2:ram in us-central1"


@pytest.mark.parametrize(("number", "status"), [(-1, "fallback"), (10, "exact"), (11, "stale"), (12, "stale")])
def test_after_a_failed_refresh_the_hours_that_no_reading_served_are_stale(number: int, status: str) -> None:
    history = history_of({0: FIRST, 10: FIRST})

    assert spot(history.without_refresh(), number) == (Decimal("0.056"), status)


def test_a_reading_after_the_failed_refresh_makes_prices_exact_again() -> None:
    history = history_of({0: FIRST}).without_refresh()

    assert spot(history.after(history.observe(rates(FIRST), read_at(3)), read_at(3)), 3) == (Decimal("0.056"), "exact")


@pytest.mark.parametrize("history", [NOTHING_KNOWN, NOTHING_KNOWN.without_refresh()], ids=["unread", "unreadable"])
def test_without_rates_a_price_is_unknown_and_says_why(history: PriceHistory) -> None:
    price = history.price(N2, REGION, hour(0))

    assert (price.spot, price.ondemand, price.status, price.as_of) == (None, None, PriceStatus.UNKNOWN, None)
    assert price.reason == "no price catalog has been read yet"


def test_the_license_of_a_virtual_workstation_is_named_as_not_priced() -> None:
    t4 = {"gpu:nvidia-tesla-t4": "0.2", "gpu:nvidia-tesla-t4 on_demand": "0.4"}
    n1 = {f"n1:{part}{market}": "0.01" for part in ("core", "ram") for market in ("", " on_demand")}
    plain = Shape("n1-standard-4", Decimal(4), Decimal(15), "nvidia-tesla-t4", 1)
    workstation = replace(plain, gpu_type="nvidia-tesla-t4-vws")
    history = history_of({0: {**t4, **n1}})

    prices = [history.price(shape, REGION, hour(0)) for shape in (plain, workstation)]

    assert [price.reason for price in prices] == ["", "the license of nvidia-tesla-t4-vws is not priced"]
    assert prices[0].spot == prices[1].spot == Decimal("0.39")
    assert {price.status for price in prices} == {PriceStatus.EXACT}


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
    assert facts(NOTHING_KNOWN.observe(rates({"n2:core": "0.01"}), read_at(3))) == {
        ("sku n2:core", Decimal("0.01"), hour(3), None)
    }


def test_an_unchanged_reading_changes_nothing() -> None:
    assert history_of({0: FIRST}).observe(rates(FIRST), read_at(6)) == []


def test_another_wording_is_no_change() -> None:
    reworded = [rate(name, usd, description="Spot Preemptible N2, reworded") for name, usd in FIRST.items()]

    assert history_of({0: FIRST}).observe(reworded, read_at(6)) == []


def test_a_changed_value_ends_one_rate_and_begins_another() -> None:
    assert facts(history_of({0: FIRST}).observe(rates(DEARER), read_at(6))) == {
        ("sku n2:core", Decimal("0.01"), hour(0), hour(7)),
        ("sku n2:core", Decimal("0.02"), hour(7), None),
    }


def test_a_sku_that_vanished_ends() -> None:
    without_ram = {name: usd for name, usd in FIRST.items() if name != "n2:ram"}

    assert facts(history_of({0: FIRST}).observe(rates(without_ram), read_at(6))) == {
        ("sku n2:ram", Decimal("0.001"), hour(0), hour(7))
    }


def test_another_value_within_an_hour_counts_from_its_start() -> None:
    history = history_of({0: FIRST})
    changes = history.observe(rates(DEARER), read_at(0) + timedelta(minutes=20))

    assert facts(changes) == {
        ("sku n2:core", Decimal("0.01"), hour(0), hour(1)),
        ("sku n2:core", Decimal("0.02"), hour(1), None),
    }


@pytest.mark.parametrize(("left", "refused"), [(4, False), (2, False), (1, True), (0, True)])
def test_a_reading_that_lost_more_than_half_of_the_rates_is_refused(left: int, refused: bool) -> None:  # noqa: FBT001 (a table's column)
    history = history_of({0: FIRST})
    reading = rates(FIRST)[:left]

    if refused:
        with pytest.raises(UnavailableError, match=rf"has {left} rates and lacks {4 - left} of the 4 known ones"):
            history.observe(reading, read_at(1))
    else:
        assert len(history.observe(reading, read_at(1))) == 4 - left


def test_a_reading_that_swapped_more_than_half_for_others_is_refused() -> None:
    strangers = [rate(f"other{number}:core", "0.01") for number in range(10)]

    with pytest.raises(UnavailableError, match="lacks 4 of the 4"):
        history_of({0: FIRST}).observe(strangers, read_at(1))


def test_a_first_reading_without_rates_is_refused() -> None:
    with pytest.raises(UnavailableError, match="has 0 rates"):
        NOTHING_KNOWN.observe([], read_at(0))


def test_a_rate_that_does_not_end_is_kept_to_eighteen_decimals_and_read_again_unchanged() -> None:
    endless = [rate("n2:core", THIRD)]
    [begun] = NOTHING_KNOWN.observe(endless, read_at(0))

    assert begun.rate.usd == Decimal("0.333333333333333333")
    assert PriceHistory(DatedRates([begun], Readings.at([read_at(0)]))).observe(endless, read_at(1)) == []


def test_the_history_after_a_reading_is_the_one_that_is_read_back_from_the_tables() -> None:
    changes = history_of({0: FIRST}).observe(rates(DEARER), read_at(6))
    after = history_of({0: FIRST}).after(changes, read_at(6))
    stored = [*(DatedRate(each, hour(0)) for each in rates(FIRST) if each.sku_id != "sku n2:core"), *changes]
    read_back = PriceHistory(DatedRates(stored, Readings.at([read_at(6), read_at(0), read_at(0)])))

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


def change_of(earlier: int, later: int) -> int:
    """The hour from which a change between two readings counts; midnight in Los Angeles is 7 hours after UTC's."""
    midnights = [number for number in range(earlier + 2, later + 2) if number % 24 == 7]
    return midnights[0] if len(midnights) == 1 else later + 1


def rate_of(readings: Mapping[int, Reading], name: str, number: int) -> str | None:
    """The rate that holds in an hour; None while there is none."""
    found, earlier = None, None
    for served, reading in readings.items():
        known = earlier is not None and name in readings[earlier]
        since = change_of(earlier, served) if earlier is not None and known else served
        if since <= number:
            found = reading.get(name)
        earlier = served
    return found


def status_of(readings: Mapping[int, Reading], number: int) -> str:
    """The status of a known price."""
    if any(rate_of_first(readings, name) > number for name in COMPONENTS):
        return "fallback"
    for earlier, later in pairwise(readings):
        # The reading of `earlier` is in the hour after it.
        if earlier + 1 <= number <= later + 1:
            for name in COMPONENTS:
                before, after = (rate_of(readings, name, each + 1) for each in (earlier, later))
                if before is not None and before != after:
                    return "uncertain"
    return "exact"


def rate_of_first(readings: Mapping[int, Reading], name: str) -> int:
    return next(served for served, reading in readings.items() if name in reading)


@given(st.dictionaries(st.integers(0, 40), catalogs, min_size=1, max_size=8), st.integers(-3, 45))
def test_every_hour_has_exactly_the_rates_that_held_in_it(unordered: Mapping[int, Reading], number: int) -> None:
    readings = dict(sorted(unordered.items()))
    parts = []
    for name in COMPONENTS:
        first = next((served for served, reading in readings.items() if name in reading), None)
        early = first is not None and number < first
        parts.append(readings[first][name] if early and first is not None else rate_of(readings, name, number))
    core, ram = parts
    expected = None if core is None or ram is None else 4 * Decimal(core) + 16 * Decimal(ram)

    price, status = spot(history_of(readings), number)

    assert price == expected
    assert status == ("unknown" if expected is None else status_of(readings, number))


@given(st.dictionaries(st.integers(0, 40), catalogs, min_size=1, max_size=8))
def test_a_sku_has_never_two_rates_in_one_hour(unordered: Mapping[int, Reading]) -> None:
    history, kept = NOTHING_KNOWN, dict[tuple[str, datetime], DatedRate]()
    for number, reading in sorted(unordered.items()):
        changes = history.observe(rates(reading), read_at(number))
        history = history.after(changes, read_at(number))
        kept |= {(change.rate.sku_id, change.valid_from): change for change in changes}

    for sku_id in {sku_id for sku_id, _ in kept}:
        stretches = sorted(
            (each for each in kept.values() if each.rate.sku_id == sku_id), key=lambda each: each.valid_from
        )
        for earlier, later in pairwise(stretches):
            assert earlier.valid_to is not None
            assert earlier.valid_from < earlier.valid_to <= later.valid_from


@pytest.mark.parametrize(
    ("at", "hours"),
    [("2026-02-10T00:00:00Z", 672), ("2026-03-01T07:00:00Z", 672), ("2026-03-01T08:00:00Z", 743)],
    ids=["February", "its last hour in Los Angeles", "March"],
)
def test_what_is_sold_by_the_month_costs_by_the_length_of_the_hour_s_month(at: str, hours: int) -> None:
    """List prices divide by 730 hours; memory and cores are sold by the hour."""
    month = replace(rate("local-ssd", Decimal("0.0730") / 730), by_month=True)
    shape = replace(N2, local_ssd_gib=375)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    history = PriceHistory(
        DatedRates([DatedRate(each, begin) for each in (*rates(FIRST), month)], Readings.at([begin]))
    )

    found = history.price(shape, REGION, datetime.fromisoformat(at)).spot
    listed = PriceBook([*rates(FIRST), month]).price(shape, REGION, Market.SPOT).usd_per_hour

    without = history.price(N2, REGION, datetime.fromisoformat(at)).spot
    assert without is not None
    assert found == pytest.approx(without + Decimal("0.0730") * 375 / hours, abs=Decimal("1e-18"))
    assert listed == without + Decimal("0.0730") * 375 / 730


def test_a_rate_that_is_known_to_be_one_of_a_month_only_now_begins_anew_with_the_same_price() -> None:
    """Rows recorded by an earlier version do not say so."""
    history = history_of({0: {**FIRST, "local-ssd": "0.0001"}})
    read = [*rates(FIRST), replace(rate("local-ssd", "0.0001"), by_month=True)]

    changes = history.observe(read, read_at(30))

    assert {(each.rate.component, each.rate.by_month) for each in changes} == {
        ("local-ssd", False),
        ("local-ssd", True),
    }
    assert list(history.after(changes, read_at(30)).uncertain_prices()) == []
