"""The last two days of the demo on the whole stack: what is left running is stopped, a part of it after an approval."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from infra.local.bigquery.tables import create_views
from infra.local.demo.afternoon import END, NOTIFICATIONS, STOPS, afternoon_rows, run_afternoon
from infra.local.demo.month import MINUTE_OF_CALL, SETTINGS, Call, track
from infra.local.demo.summary import read_story
from infra.local.demo.work_records import load_work
from infra.local.fleet.company import AFTERNOON, EXPERIMENT, SWEEP
from infra.local.stack.stack import DATASET, HOME_PROJECT, Stack, running_stack
from spotkeeper.cli.main import main
from spotkeeper.cli.report import write_report
from spotkeeper.periods import HOUR, rfc3339

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The demo without its first weeks."""
    noon = AFTERNOON + HOUR
    with running_stack(tmp_path_factory.mktemp("demo"), extra=SETTINGS, company=True) as stack:
        track(stack, Console(file=io.StringIO()), [Call(noon + MINUTE_OF_CALL, AFTERNOON - 60 * HOUR, noon)])
        run_afternoon(stack)
        load_work(stack, END)
        create_views(stack.client(), DATASET, END)
        yield stack


def test_the_sweep_is_stopped_within_two_hours_three_vms_at_once_and_three_after_an_approval(demo: Stack) -> None:
    found = [
        (f"{row['received_at']:%H:%M}", row["verdict"], row["mode"]) for row in afternoon_rows(demo, NOTIFICATIONS)
    ]
    stops = [
        (row["instance_name"].rpartition("-")[0], row["event"], row["message_id"])
        for row in afternoon_rows(demo, STOPS)
    ]

    assert [each for each in found if each[1] != "under_budget"] == [
        ("14:07", "over_budget", "enforce"),
        ("14:20", "redelivered", "enforce"),
        ("15:07", "over_budget", "approve"),
        ("15:12", "approved", "enforce"),
    ]
    assert found[-1] == ("16:07", "under_budget", "approve")
    assert [each[:2] for each in stops] == [(SWEEP, "stopped")] * 6
    assert [each[2] == "approval" for each in stops] == [False] * 3 + [True] * 3


def test_the_story_of_the_summary_is_that_of_the_tables_and_the_group_of_the_sweep_is_frozen(demo: Stack) -> None:
    story = read_story(demo)
    groups: Any = demo.control("GET", "groups")
    [group] = [each for each in groups if each["name"] == SWEEP]

    assert [(stop.verdict, len(stop.names)) for stop in story.stops] == [
        ("over_budget", 3),
        ("over_budget", 0),
        ("approved", 3),
    ]
    assert [stop.frozen for stop in story.stops] == [1, 0, 0]
    assert group["autoscaled"] is False
    assert story.last_hour_cost < story.stops[0].budget < story.stops[0].cost
    assert story.avoided > story.cost_until_bill > 0


def test_the_cost_of_the_preempted_training_run_is_found_by_its_work(
    demo: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIGQUERY_ENDPOINT", demo.bigquery)
    assert main(["cost", "--project", HOME_PROJECT, "--work", EXPERIMENT, "--format", "line"]) == 0
    by_work = capsys.readouterr().out
    label = ["--label", f"experiment={EXPERIMENT}", "--at", f"{END:%Y-%m-%dT%H:%M:%SZ}"]
    assert main(["cost", "--project", HOME_PROJECT, *label, "--format", "line"]) == 0
    by_label = capsys.readouterr().out

    assert by_work.startswith(f"{EXPERIMENT}: ")
    assert "on 3 Spot VMs, 2 preemptions" in by_work
    assert "on 3 Spot VMs, 2 preemptions" in by_label


def test_a_drill_after_the_afternoon_reaches_the_enforcer(
    demo: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in demo.settings.items():
        monkeypatch.setenv(name, value)

    code = main(["drill", "--cost", "3600", "--budget", "3000", "--at", rfc3339(END)])

    captured = capsys.readouterr()
    assert code == 0
    assert "over_budget: 3,600.00 USD of 3,000.00 USD spent (120.0%)" in captured.out
    assert "Nothing was stopped: this was a drill." in captured.out


def test_a_report_of_the_end_of_the_records_is_the_one_of_then_and_an_earlier_one_is_refused(
    demo: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIGQUERY_ENDPOINT", demo.bigquery)
    report = ["report", "--project", HOME_PROJECT, "--output", str(tmp_path / "report.html"), "--csv"]
    variables = {"PROJECT_ID": HOME_PROJECT, "DATASET": DATASET, "BIGQUERY_ENDPOINT": demo.bigquery}
    write_report(variables, 30, END, tmp_path / "then.html", csv=tmp_path / "then")
    create_views(demo.client(), DATASET, END + 2000 * HOUR)

    assert main([*report, str(tmp_path / "at"), "--at", rfc3339(END)]) == 0
    assert main([*report, str(tmp_path / "early"), "--at", rfc3339(END - HOUR)]) == 2

    assert capsys.readouterr().err.startswith("spotkeeper: hours up to 2026-07-22T16:00:00Z are on record")
    assert (tmp_path / "report.html").read_text() == (tmp_path / "then.html").read_text()
    files = sorted(path.name for path in (tmp_path / "then").iterdir())
    assert [
        name for name in files if (tmp_path / "at" / name).read_text() != (tmp_path / "then" / name).read_text()
    ] == []
    assert (tmp_path / "at" / "places.csv").read_text().count("\n") > 10
