"""What `advise` names first: cheaper and not preempted more, by whose figures, and what is not known."""

from dataclasses import replace
from decimal import Decimal

import pytest

from spotkeeper.advice.choices import MIN_OBSERVED_DAYS, Basis, Comparison, compare, first_choice
from spotkeeper.advice.placements import GoogleHistory, GoogleRate, InUse, OwnRecord, Place, Scope, advise
from spotkeeper.cli.advise_screen import advice_lines

OWN_MORE, OWN_NOT = (Comparison(Basis.OWN, is_preempted_more=more) for more in (True, False))
GOOGLE_MORE, GOOGLE_NOT = (Comparison(Basis.GOOGLE, is_preempted_more=more) for more in (True, False))
WEEK = InUse("n2-standard-8", "us-central1", Decimal(168))


def place(  # noqa: PLR0913 (a place)
    price: str = "0.2",
    region: str = "us-central1",
    *,
    rate: str | None = None,
    days: int = 29,
    own: tuple[int, int] | None = None,
    scope: Scope = Scope.NEAR,
) -> Place:
    google = None if rate is None else GoogleRate(Decimal(rate), days)
    record = None if own is None else OwnRecord(own[0], Decimal(own[1]))
    machine_type = "n2-standard-8" if scope is not Scope.OTHER_TYPE else "n2d-standard-8"
    return Place(scope, machine_type, region, "", Decimal(8), Decimal(32), Decimal(price), google=google, own=record)


@pytest.mark.parametrize(
    ("there", "here", "found"),
    [
        (place(), place(), None),
        (place(rate="0.1"), place(), None),
        (place(rate="0.1"), place(rate="0.2"), GOOGLE_NOT),
        (place(rate="0.2"), place(rate="0.2"), GOOGLE_NOT),
        (place(rate="0.3"), place(rate="0.2"), GOOGLE_MORE),
        (place(rate="0.1", days=MIN_OBSERVED_DAYS - 1), place(rate="0.2"), None),
        (
            place(rate="0.1", days=MIN_OBSERVED_DAYS),
            place(rate="0.2"),
            GOOGLE_NOT,
        ),
        # Our own come first, from enough VM-hours on both sides, and where there was any preemption.
        (
            place(rate="0.1", own=(9, 100)),
            place(rate="0.2", own=(1, 100)),
            OWN_MORE,
        ),
        (
            place(rate="0.3", own=(1, 200)),
            place(rate="0.2", own=(1, 100)),
            OWN_NOT,
        ),
        (
            place(rate="0.3", own=(0, 200)),
            place(rate="0.2", own=(0, 100)),
            GOOGLE_MORE,
        ),
        (
            place(rate="0.3", own=(0, 99)),
            place(rate="0.2", own=(9, 100)),
            GOOGLE_MORE,
        ),
        (place(own=(0, 200)), place(own=(0, 100)), None),
    ],
)
def test_places_are_compared_by_own_preemptions_and_else_by_google_s_rates(
    there: Place, here: Place, found: Comparison | None
) -> None:
    assert compare(there, here) == found


def chosen(*places: Place, here: Place) -> tuple[str, bool | None] | None:
    found = first_choice(advise(WEEK, [here, *places], Decimal(1)))
    if found is None:
        return None
    return found.place.region, None if found.comparison is None else found.comparison.is_preempted_more


def test_the_cheapest_place_that_is_not_preempted_more_comes_before_cheaper_ones() -> None:
    here = place(scope=Scope.HERE, rate="0.2")
    risky, unknown = place("0.05", "us-east1", rate="0.9"), place("0.06", "us-east4")
    safe, dearer_safe = place("0.1", "us-west1", rate="0.1"), place("0.15", "us-west4", rate="0")
    more = place("0.3", "us-south1", rate="0")

    assert chosen(risky, unknown, safe, dearer_safe, more, here=here) == ("us-west1", False)
    assert chosen(risky, unknown, more, here=here) == ("us-east1", True)
    assert chosen(unknown, more, here=here) == ("us-east4", None)
    assert chosen(more, place("0.2", "us-east5", rate="0"), here=here) is None


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (place("0.3"), ["  Nothing listed is cheaper."]),
        (place("0.1", "us-east1"), ["  Cheapest, preemptions unknown: near us-east1, 50% less, 73.00 USD a month."]),
        (
            place("0.1", rate="0.1", scope=Scope.OTHER_TYPE),
            [
                "  Cheaper, not preempted more: as n2d-standard-8, 50% less, 73.00 USD a month.",
                "  By Google's rate: 0.10 of 29 days there, 0.20 of 29 days here.",
            ],
        ),
        (
            place("0.1", "us-east1", own=(5, 100)),
            [
                "  Cheapest, but preempted more: near us-east1, 50% less, 73.00 USD a month.",
                "  By our own preemptions: 5 in 100 h there, 1 in 168 h here.",
            ],
        ),
    ],
)
def test_the_screen_says_first_where_it_is_cheaper_and_by_whose_figures(other: Place, said: list[str]) -> None:
    here = place(scope=Scope.HERE, rate="0.2", own=(1, 168))

    lines = list(advice_lines([advise(WEEK, [here, other], Decimal(1))], {}, 60))

    assert lines[1 : 1 + len(said)] == said
    assert lines[1 + len(said)].startswith("where ")


def test_a_screen_of_80_columns_has_a_line_for_each_place() -> None:
    places = [
        place("1.6928", "europe-west4", rate="0.5", own=(10, 1376), scope=Scope.HERE),
        place("1.2345", "northamerica-northeast1", rate="0.4", own=(10, 1376), scope=Scope.FAR),
        place("1.1", "us-east1", scope=Scope.FAR),
    ]

    lines = list(advice_lines([advise(WEEK, places, Decimal(1))], {}, 60, 80))

    assert max(map(len, lines)) <= 80
    assert [line.split()[:2] for line in lines if line.split()[:1] in (["here"], ["far"])] == [
        ["here", "europe-west4"],
        ["far", "us-east1"],
        ["far", "northamerica-northeast1"],
    ]


@pytest.mark.parametrize(
    ("history", "shown"),
    [
        (GoogleHistory.NOT_READ, "not read"),
        (GoogleHistory.READ, "none seen"),
        (GoogleHistory.UNSUPPORTED, "no history"),
    ],
)
def test_what_was_not_read_and_what_nobody_observed_are_not_the_same(history: GoogleHistory, shown: str) -> None:
    here = replace(place(scope=Scope.HERE), google_history=history)

    [line] = [each for each in advice_lines([advise(WEEK, [here], Decimal(1))], {}, 60) if each.startswith("here")]

    assert shown in line
