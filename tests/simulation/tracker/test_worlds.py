"""The tracker's records against worlds whose truth is known: small ones; CI lives through large ones."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from tests.simulation.tracker.judgements import JUDGEMENTS, Outcome
from tests.simulation.tracker.play import outcome_of
from tests.simulation.tracker.records import CostRow, ProjectHour, Records
from tests.simulation.tracker.worlds import SMALL, WORLDS, NamedWorld

SHOWN = 5


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_the_records_of_a_world_keep_every_promise(world: NamedWorld) -> None:
    outcome = outcome_of(world.parameters)

    broken = {
        name: [finding.what for finding in findings[:SHOWN]]
        for name, judgement in JUDGEMENTS.items()
        if name not in world.pending and (findings := list(judgement(outcome)))
    }

    assert len(outcome.records.rows) > 20
    assert broken == {}


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return outcome_of(replace(SMALL, budgets="constant"))


def with_row(change: Callable[[CostRow], CostRow]) -> Callable[[Records], Records]:
    """Change a row of a full hour."""

    def tampered(records: Records) -> Records:
        position = next(number for number, row in enumerate(records.rows) if row.uptime_hours == 1 and row.labels)
        rows = list(records.rows)
        rows[position] = change(rows[position])
        return replace(records, rows=rows)

    return tampered


def without_row(records: Records) -> Records:
    return replace(records, rows=records.rows[1:])


def with_row_twice(records: Records) -> Records:
    return replace(records, rows=[*records.rows, records.rows[0]])


def with_hour(state: ProjectHour | None) -> Callable[[Records], Records]:
    """Put another state in the place of that of the first row's hour."""

    def tampered(records: Records) -> Records:
        key = records.rows[0].project_id, records.rows[0].hour
        hours = {other: each for other, each in records.hours.items() if other != key}
        return replace(records, hours=hours if state is None else {**hours, key: state})

    return tampered


def with_unresolved(records: Records) -> Records:
    key = records.rows[0].project_id, records.rows[0].hour
    state = replace(records.hours[key], unresolved={records.rows[0].instance_id: Fraction(60)})
    return replace(records, hours={**records.hours, key: state})


def with_row_billed_less(records: Records) -> Records:
    """Bill nothing of a VM that ran within one hour."""
    of_one = Counter(row.instance_id for row in records.rows)
    rows = list(records.rows)
    position = next(number for number, row in enumerate(rows) if of_one[row.instance_id] == 1)
    rows[position] = replace(rows[position], billed_hours=Decimal(0))
    return replace(records, rows=rows)


def with_reads(records: Records) -> Records:
    return replace(records, reads={**records.reads, (records.rows[0].project_id, records.rows[0].hour): 3})


def without_alert(records: Records) -> Records:
    return replace(records, alerts=[alert for alert in records.alerts if alert.kind != "month"])


def with_alert_twice(records: Records) -> Records:
    return replace(records, alerts=[*records.alerts, records.alerts[0]])


TAMPERED: Mapping[str, Callable[[Records], Records]] = {
    "rows_have_uptime": with_row(lambda row: replace(row, hour=row.hour - timedelta(days=9))),
    "rows_are_unique": with_row_twice,
    "rows_hold_what_was_metered": with_row(lambda row: replace(row, uptime_hours=Decimal("0.999999998"))),
    "seconds_are_accounted_for": without_row,
    "rows_are_within_one_sample": with_row(lambda row: replace(row, uptime_hours=Decimal("0.98"))),
    "unresolved_seconds_are_true": with_unresolved,
    "vms_are_identified": with_unresolved,
    "hours_are_filled": with_hour(None),
    "labels_are_as_observed": with_row(lambda row: replace(row, labels={"team": "nobody"})),
    "prices_are_true_or_marked": with_row(lambda row: replace(row, price=(row.price or 0) + Decimal("0.000000001"))),
    "all_machines_are_priced": with_row(lambda row: replace(row, price=None)),
    "costs_are_price_times_billed_hours": with_row(
        lambda row: replace(row, cost=(row.cost or 0) + Decimal("0.000000002"))
    ),
    "first_minute_is_billed_as_google_does": with_row_billed_less,
    "complete_hours_are_not_read_again": with_reads,
    "alerts_are_sent": without_alert,
    "alerts_are_sent_once": with_alert_twice,
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_judgement_finds_what_breaks_its_promise(outcome: Outcome, name: str) -> None:
    judgement = JUDGEMENTS[name]

    tampered = Outcome(outcome.world, TAMPERED[name](outcome.records), outcome.calls)

    assert list(judgement(outcome)) == []
    assert list(judgement(tampered)) != []


def test_a_doubtful_price_that_google_recorded_is_found() -> None:
    outcome = outcome_of(WORLDS["prices moved at odd minutes, with their history"].parameters)
    judgement = JUDGEMENTS["moves_that_google_recorded_are_priced"]
    found = Counter(row.price_status for row in outcome.records.rows)
    of_history = [row for row in outcome.records.rows if row.price_status in {"confirmed", "from_history"}]
    rows = [replace(row, price_status="uncertain") for row in of_history]

    tampered = Outcome(outcome.world, replace(outcome.records, rows=rows), outcome.calls)

    assert min(found["confirmed"], found["from_history"]) > 10
    assert len(list(judgement(tampered))) == len(rows)
