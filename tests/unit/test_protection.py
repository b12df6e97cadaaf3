from datetime import timedelta

import pytest

from spotkeeper.enforcement.protection import importance, lapsed_protection, protection
from tests.unit.enforcer_samples import HIGH, LOW, MEDIUM, NOW, at, policy


@pytest.mark.parametrize(
    ("value", "priority", "source"),
    [
        ("low", LOW, "label priority=low"),
        ("medium", MEDIUM, "label priority=medium"),
        ("HIGH", HIGH, "label priority=HIGH"),
        (" Medium ", MEDIUM, "label priority=Medium"),
        ("critical", HIGH, "label priority=critical is not low, medium, high"),
        ("", HIGH, "label priority= is not low, medium, high"),
    ],
)
def test_a_priority_is_read_in_any_case_and_an_unknown_one_counts_as_the_highest(
    value: str, priority: str, source: str
) -> None:
    found = importance([("team", "low"), ("priority", value)], policy())

    assert (found.priority, found.source) == (priority, source)


def test_what_has_no_priority_label_has_the_policys() -> None:
    assert importance([], policy()).priority is LOW
    assert importance([("team", "high")], policy(unlabelled_priority=MEDIUM)).priority is MEDIUM
    assert importance([], policy(priority_label="rank")).source == "no label rank"


def test_the_priority_label_is_the_policys_whatever_its_case() -> None:
    labels = [("priority", "low"), ("Rank", "high")]

    assert importance(labels, policy(priority_label="rank")).priority is HIGH


RANGES = (
    "2026-07-01-to-2026-12-31",
    "2026-07-01-until-31",
    "2026-07-01_2026-12-31",
    "2026-07-01-2026-12-31",
    "incident-2026-06-30",
    "demo_2026-07-20_2027-01-01",
    "2026-07-01-until-release",
    "2026-07-01-to-december",
    "2026-07-01-thru-09-30",
    "2026-07-01-onwards",
    "2026-07-01-12-31",
    "2026-07-01-20261231",
    "2026-07-01-2026-12",
)
"""Only a date at the beginning, alone or before a reason, is a last day."""


@pytest.mark.parametrize("value", ["false", "No", "OFF", "0", " False "])
def test_a_protect_label_may_say_that_it_does_not_protect(value: str) -> None:
    assert protection([("spotkeeper-protect", value)], policy(), NOW) is None


@pytest.mark.parametrize("value", ["", "true", "YES", "on", "1"])
def test_a_plain_protect_label_protects_for_ever(value: str) -> None:
    reason = protection([("spotkeeper-protect", value)], policy(), NOW + timedelta(days=100_000))

    assert reason == f"protected (label spotkeeper-protect{'=' if value else ''}{value})"


@pytest.mark.parametrize(
    "value", ["demo", "until-friday", "2026-13-01", "2026-02-30-demo", "12026-07-01", "2026-07-012", *RANGES]
)
def test_a_reason_protects_for_ever_and_so_does_a_day_that_no_calendar_has(value: str) -> None:
    reason = protection([("spotkeeper-protect", value)], policy(), NOW + timedelta(days=100_000))

    assert reason == f"protected (label spotkeeper-protect={value})"


@pytest.mark.parametrize(
    ("value", "moment", "protects"),
    [
        ("2026-07-20", "2026-07-21T06:59:59", True),
        ("2026-07-20", "2026-07-21T07:00:00", False),
        ("2026-12-31", "2027-01-01T07:59:59", True),
        ("2026-12-31", "2027-01-01T08:00:00", False),
        ("2026-03-08", "2026-03-09T06:59:59", True),
        ("2026-03-08", "2026-03-09T07:00:00", False),
        ("2026-11-01", "2026-11-02T07:59:59", True),
        ("2026-11-01", "2026-11-02T08:00:00", False),
        ("2028-02-29-demo", "2028-03-01T07:59:59", True),
        ("2028-02-29-demo", "2028-03-01T08:00:00", False),
    ],
)
def test_a_last_day_ends_at_midnight_in_los_angeles(value: str, moment: str, protects: bool) -> None:  # noqa: FBT001 (a table's column)
    reason = protection([("Spotkeeper-Protect", value)], policy(), at(moment))

    assert (reason is not None) is protects
    if reason:
        assert f"label spotkeeper-protect={value}" in reason
        assert "to the end of 20" in reason


@pytest.mark.parametrize(
    ("value", "lapsed"),
    [
        ("2026-07-20-tools-2", "protection ended on 2026-07-20 (label spotkeeper-protect=2026-07-20-tools-2)"),
        ("2026-07-20-demo", "protection ended on 2026-07-20 (label spotkeeper-protect=2026-07-20-demo)"),
        ("2026-07-21", None),
        ("true", None),
        ("incident-2026-06-30", None),
    ],
)
def test_a_protection_that_has_lapsed_is_named(value: str, lapsed: str | None) -> None:
    assert lapsed_protection([("spotkeeper-protect", value)], policy(), NOW) == lapsed


def test_the_last_day_of_all_protects_for_ever() -> None:
    reason = protection([("spotkeeper-protect", "9999-12-31")], policy(), NOW)

    assert reason == "protected to the end of 9999-12-31 (label spotkeeper-protect=9999-12-31)"


def test_the_protect_label_is_the_policys() -> None:
    assert protection([("keep", "true")], policy(), NOW) is None
    assert protection([("KEEP", "true")], policy(protect_label="keep"), NOW) == "protected (label keep=true)"
    assert protection([], policy(), NOW) is None
