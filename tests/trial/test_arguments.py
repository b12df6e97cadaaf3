"""What a trial refuses before it starts anything, and what it prints where there is nothing to show."""

import io
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from rich.console import Console

from infra.local.trial.__main__ import main
from infra.local.trial.access import LeftOut
from infra.local.trial.backfill import hours_of
from infra.local.trial.findings import show_gaps
from spotkeeper.tracking.run_summary import Gap


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--projects", ""], "'' names no project, such as PROJECT=my-project-1"),
        (
            ["--projects", "a-project-1,My Project"],
            ": 'My Project' must be a project id such as my-project-1, or folders/",
        ),
        (["--projects", "my-project-1", "--days", "42"], "'42' is not a number of days from 1 to 41"),
        (["--projects", "my-project-1", "--days", "0"], "'0' is not a number of days"),
        (["--projects", "my-project-1", "--budget", "-1"], "'-1' must be an amount above 0"),
        (["--projects", "my-project-1", "--at", "yesterday"], "--at"),
        (["--projects", "my-project-1", "--label", "team"], "'team' is not KEY=VALUE"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_expected(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)

    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_an_address_without_tls_is_refused_for_its_calls_would_not_be_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMPUTE_ENDPOINT", "http://127.0.0.1:8080")

    with pytest.raises(SystemExit) as stop:
        main(["--projects", "my-project-1"])

    assert stop.value.code == 2
    assert "COMPUTE_ENDPOINT is http://" in capsys.readouterr().err


@pytest.mark.parametrize(("days", "count"), [(1, 24), (41, 984)])
def test_the_hours_of_a_trial_end_with_the_latest_closed_one(days: int, count: int) -> None:
    hours = hours_of(days, datetime(2026, 7, 23, 0, 7, tzinfo=UTC))

    assert len(hours) == count
    assert hours[-1] == datetime(2026, 7, 22, 23, tzinfo=UTC)
    assert {later - earlier for earlier, later in pairwise(hours)} == {timedelta(hours=1)}


def test_gaps_and_what_is_left_out_are_listed_once_and_not_without_end() -> None:
    screen = io.StringIO()
    gaps = [Gap("monitoring", f"detail {number}", "my-project-1") for number in range(12)]

    show_gaps([*gaps, *gaps], [LeftOut("audit log", "denied", ("my-project-1",))], Console(file=screen, width=200))

    text = screen.getvalue()
    assert text.count("monitoring: my-project-1: detail 3") == 1
    assert "and 2 more" in text
    assert "audit log of my-project-1: denied; it names VMs that no longer exist" in text
