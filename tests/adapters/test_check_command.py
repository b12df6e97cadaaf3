"""The command `check`, on tables that the tracker wrote, as they are and with a row spoilt."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from google.cloud import bigquery

from infra.local.bigquery.tables import create_views
from infra.local.fleet.fleet import FLEET_START
from infra.local.stack.stack import HOME_PROJECT, Stack
from spotkeeper.cli.check import invariant_of
from spotkeeper.cli.main import main
from spotkeeper.cli.product_files import sql_files
from spotkeeper.errors import RefusedRequestError
from spotkeeper.periods import rfc3339
from tests.adapters.conftest import Tracker, new_dataset, new_tracker

LAST_HOUR = 1

type Output = tuple[int, list[str], str]
type Checked = Callable[..., Output]


@pytest.fixture(scope="module")
def recorded(stack: Stack) -> Iterator[Tracker]:
    """A dataset with two hours of the fleet, and its views; a test that corrupts it restores it."""
    with new_dataset(stack, "checked") as dataset:
        tracker = new_tracker(stack, dataset)
        for hour in range(LAST_HOUR + 1):
            tracker.run(hour)
        create_views(stack.client(), dataset, tracker.look_at(LAST_HOUR))
        yield tracker


@contextmanager
def changed(tracker: Tracker, assignment: str, back: str, condition: str = "TRUE") -> Iterator[None]:
    """Change rows of the cost table, and change them back."""
    update = "UPDATE spot_vm_costs SET {} WHERE usage_start_time >= '2026-07-01' AND " + condition
    tracker.rows(update.format(assignment))
    yield
    tracker.rows(update.format(back))


@pytest.fixture
def checked(stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Checked:
    """Run the command on a dataset, and return its exit code, its lines and what it said of an error."""
    monkeypatch.setenv("BIGQUERY_ENDPOINT", stack.bigquery)
    monkeypatch.setenv("RETRY_TIMEOUT_SECONDS", "1")

    def run(dataset: str, at: datetime) -> Output:
        project = stack.settings["PROJECT_ID"]
        code = main(["check", "--project", project, "--dataset", dataset, "--at", rfc3339(at)])
        output = capsys.readouterr()
        return code, output.out.splitlines(), output.err

    return run


def test_what_the_tracker_recorded_passes_every_check(recorded: Tracker, checked: Checked) -> None:
    code, lines, error = checked(recorded.dataset, recorded.look_at(LAST_HOUR))

    assert (code, error) == (0, "")
    assert [line.partition(":")[0] for line in lines[:-1]] == [f"ok  {name}" for name in sql_files("checks")]
    assert lines[-1] == f"{len(sql_files('checks'))} checks, all passed"


def test_what_was_checked_is_the_same_for_programs(
    recorded: Tracker, checked: Checked, stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked is not None
    at = rfc3339(recorded.look_at(LAST_HOUR))
    command = ["check", "--project", stack.settings["PROJECT_ID"], "--dataset", recorded.dataset, "--at", at]

    assert main([*command, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)

    assert [each["check"] for each in found] == list(sql_files("checks"))
    assert {(each["rows_found"], len(each["first_rows"])) for each in found} == {(0, 0)}


def test_a_spoilt_row_is_found_named_and_counted(recorded: Tracker, checked: Checked) -> None:
    [row, *others] = recorded.rows(
        "SELECT instance_id, COUNT(*) AS n FROM spot_vm_costs WHERE usage_start_time >= '2026-07-01' "
        "AND cost IS NOT NULL AND price_status = 'exact' GROUP BY instance_id ORDER BY instance_id"
    )

    columns = ("cost", "known_cost", "total_cost")
    spoil, restore = (", ".join(f"{name} = {name} {sign} 1" for name in columns) for sign in "+-")
    with changed(recorded, spoil, restore, f"instance_id = '{row['instance_id']}'"):
        code, lines, error = checked(recorded.dataset, recorded.look_at(LAST_HOUR))

    assert others
    assert (code, error) == (1, "")
    found = [line for line in lines if line.startswith("FOUND")]
    assert found[0] == (
        f"FOUND {row['n']} row{'' if row['n'] == 1 else 's'}  cost_is_price_times_hours: "
        "cost is billed_hours times spot_price, and ondemand_cost is billed_hours times ondemand_price."
    )
    # The rollups are those of the row as it was.
    assert [line.partition(":")[0].split()[-1] for line in found[1:]] == ["rollups_equal_rows", "views_add_up"]
    assert sum(f"instance_id={row['instance_id']}," in line for line in lines) == min(row["n"], 3)
    assert lines[-1] == f"check: FAILED: 3 of {len(sql_files('checks'))} checks found rows"


def test_of_many_rows_the_first_three_are_shown_and_all_are_counted(recorded: Tracker, checked: Checked) -> None:
    [count] = recorded.rows("SELECT COUNT(*) AS n FROM spot_vm_costs WHERE usage_start_time >= '2026-07-01'")

    with changed(recorded, "uptime_hours = uptime_hours + 1", "uptime_hours = uptime_hours - 1"):
        code, lines, _ = checked(recorded.dataset, recorded.look_at(LAST_HOUR))

    assert code == 1
    start = next(n for n, line in enumerate(lines) if "figures_are_plausible" in line)
    shown = int(lines[start].split()[1])
    assert 3 < shown <= count["n"]
    assert [line.startswith("    ") for line in lines[start + 1 : start + 6]] == [True, True, True, True, False]
    assert lines[start + 4] == f"    and {shown - 3} rows more"
    assert lines[-1].startswith("check: FAILED: ")


def test_missing_views_and_tables_are_reported_in_one_sentence(stack: Stack, checked: Checked) -> None:
    with new_dataset(stack, "without_views") as dataset:
        code, _, error = checked(dataset, FLEET_START)
        stack.client().delete_table(bigquery.DatasetReference(HOME_PROJECT, dataset).table("spot_prices"))
        without_table = checked(dataset, FLEET_START)

    assert code == 2
    assert error.startswith("spotkeeper: BigQuery, check views_add_up: ")
    assert (without_table[0], without_table[1], without_table[2].count("\n")) == (2, [], 1)
    assert without_table[2].startswith("spotkeeper: BigQuery, check ")
    assert "spot_prices" in without_table[2]


def test_an_unreachable_bigquery_is_reported_in_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIGQUERY_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("RETRY_TIMEOUT_SECONDS", "0")

    assert main(["check", "--project", "some-project"]) == 2
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert output.err.startswith("spotkeeper: BigQuery, check addresses_are_recorded_once: ")


def test_without_its_files_the_command_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(RefusedRequestError, match="install spotkeeper, or run it in a checkout"):
        sql_files("checks", tmp_path)


def test_the_header_of_every_check_has_its_invariant_and_grain() -> None:
    headers = {name: query.partition("Grain: ") for name, query in sql_files("checks").items()}
    invariants = {name: invariant_of(query) for name, query in sql_files("checks").items()}

    assert [
        name for name, (header, _, rest) in headers.items() if not header.startswith("-- Invariant: ") or not rest
    ] == []
    assert [name for name, text in invariants.items() if not text.endswith(".") or not 20 < len(text) < 220] == []
    assert [name for name, text in invariants.items() if "Invariant:" in text or "Grain:" in text] == []
