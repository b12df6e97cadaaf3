from datetime import UTC, datetime, timedelta

import pytest

from spotkeeper.tracking.billing import Life, billed_seconds

HOUR = datetime(2026, 7, 21, 5, tzinfo=UTC)


def at(minute: float, second: float = 0) -> datetime:
    return HOUR + timedelta(minutes=minute, seconds=second)


@pytest.mark.parametrize(
    ("seconds", "started", "later", "billed"),
    [
        (3600.0, at(-90), None, 3600.0),
        (60.0, at(20), 0.0, 60.0),
        (20.0, at(20), 0.0, 60.0),
        (20.0, at(20), None, 60.0),
        (20.0, at(0), 0.0, 60.0),
        (20.0, at(-1), 0.0, 20.0),
        (20.0, at(60), 0.0, 20.0),
        (20.0, None, 0.0, 20.0),
        (20.0, at(59, 40), 0.0, 60.0),
        (20.0, at(59, 40), 30.0, 30.0),
        (20.0, at(59, 40), 40.0, 20.0),
        (20.0, at(59, 40), 3600.0, 20.0),
        (20.0, at(59, 40), None, 20.0),
        (20.0, at(58, 39), None, 60.0),
    ],
)
def test_a_run_is_billed_for_a_minute_at_least_in_the_hour_in_which_it_began(
    seconds: float, started: datetime | None, later: float | None, billed: float
) -> None:
    assert billed_seconds(seconds, HOUR, Life(started, started), later) == billed


@pytest.mark.parametrize(
    ("seconds", "life", "billed"),
    [
        (40.0, Life(at(10, 5), at(10), at(10, 59.999)), 0.0),
        (40.0, Life(at(10, 5), at(10), at(11)), 60.0),
        (40.0, Life(at(10, 5), None, at(10, 59)), 60.0),
        (40.0, Life(None, at(10), at(10, 59)), 0.0),
        (40.0, Life(at(10, 5), at(10), None), 60.0),
        (5.0, Life(at(-1, 50), at(-1, 45), at(0, 5)), 0.0),
        (40.0, Life(at(30), at(10), at(10, 59)), 60.0),
        (40.0, Life(at(70), at(10), at(10, 59)), 0.0),
        (100.0, Life(at(30), at(10), at(10, 59)), 100.0),
    ],
    ids=[
        "in its first minute",
        "after a minute",
        "created at a time that is not known",
        "started at a time that is not known",
        "not preempted",
        "over the end of an hour",
        "started again in the hour",
        "started again in a later hour",
        "ran for longer than a minute",
    ],
)
def test_a_vm_preempted_in_the_first_minute_of_its_life_is_not_billed(
    seconds: float, life: Life, billed: float
) -> None:
    assert billed_seconds(seconds, HOUR, life, 0.0) == billed
