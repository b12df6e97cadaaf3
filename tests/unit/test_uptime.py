from datetime import UTC, datetime, timedelta

import pytest

from spotkeeper.instances import InstanceKey
from spotkeeper.tracking.uptime import Uptime, divided

HOUR = datetime(2026, 7, 21, 5, tzinfo=UTC)
KEY = InstanceKey("blue", "us-central1-a", "17000000000000000001")


def at(minute: float, second: float = 0) -> datetime:
    return HOUR + timedelta(minutes=minute, seconds=second)


def samples(runs: list[tuple[datetime, datetime]], lag: float) -> dict[datetime, float]:
    """The samples of some runs, each taken `lag` seconds before the minute under which it is shown."""
    found = {}
    for number in range(62):
        first = at(number, -lag)
        last = first + timedelta(minutes=1)
        seconds = sum(max((min(end, last) - max(start, first)).total_seconds(), 0) for start, end in runs)
        if seconds:
            found[at(number + 1)] = seconds
    return found


def parts(runs: list[tuple[datetime, datetime]], *starts: datetime, lag: float = 0) -> list[float]:
    shown = samples(runs, lag)
    total = sum(seconds for end, seconds in shown.items() if end <= at(60))
    return divided(Uptime(KEY, "worker", HOUR, total), shown, starts)


@pytest.mark.parametrize("lag", [0, 10, 25, 40, 59])
@pytest.mark.parametrize("gap", [60, 61, 75, 100, 179])
@pytest.mark.parametrize("second", [0, 1, 29, 35, 59])
def test_uptime_is_divided_at_a_start_at_any_second_and_whenever_samples_are_taken(
    second: int, gap: int, lag: int
) -> None:
    start = at(20, second)
    runs = [(at(-30), start - timedelta(seconds=gap)), (start, at(90))]

    before, after = parts(runs, start, lag=lag)

    assert before == pytest.approx((start - HOUR).total_seconds() - gap + lag)
    assert after == pytest.approx((at(60) - start).total_seconds() - lag)


def test_each_of_two_starts_begins_a_part() -> None:
    runs = [(at(-5), at(10)), (at(15, 30), at(30)), (at(40, 20), at(80))]

    assert parts(runs, at(15, 30), at(40, 20)) == [600, 870, 1180]


def test_a_run_that_ends_in_its_first_minute_is_of_its_own_start() -> None:
    assert parts([(at(-5), at(10)), (at(20, 10), at(20, 50))], at(20, 10)) == [600, 40]


def test_seconds_of_the_first_minute_that_do_not_fit_in_after_the_start_are_of_the_run_before() -> None:
    assert parts([(at(-5), at(20, 30)), (at(20, 45), at(80))], at(20, 45)) == [1230, 2355]


def test_a_start_in_the_last_minute_of_the_hour_takes_what_that_minute_has() -> None:
    assert parts([(at(-5), at(10)), (at(59, 30), at(90))], at(59, 30)) == [600, 30]


def test_uptime_without_a_sample_is_of_the_first_part() -> None:
    shown = samples([(at(30), at(60))], lag=0)

    assert divided(Uptime(KEY, "worker", HOUR, 2000), shown, [at(30)]) == [200, 1800]


@pytest.mark.parametrize(("total", "expected"), [(2000, [500, 1500]), (900, [0, 900])])
def test_without_samples_an_instance_ran_from_its_start_on(total: int, expected: list[float]) -> None:
    assert divided(Uptime(KEY, "worker", HOUR, total), {}, [at(35)]) == expected


def test_parts_never_add_up_to_more_than_the_uptime_of_the_hour() -> None:
    """Points may come between the two readings."""
    shown = samples([(at(0), at(10)), (at(20), at(60))], lag=0)

    assert divided(Uptime(KEY, "worker", HOUR, 1000), shown, [at(20)]) == [0, 1000]


def test_a_part_is_not_what_sums_differ_by_in_their_last_digits() -> None:
    shown = {at(21): 0.3, at(22): 60.0}

    assert divided(Uptime(KEY, "worker", HOUR, 60.30000000000001), shown, [at(20, 59.7)]) == [0, 60.3]
