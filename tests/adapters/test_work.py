"""`work load` and `cost` through the real client: records of work beside the cost of their VMs."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from google.cloud import bigquery

from infra.local.bigquery.tables import create_views
from infra.local.stack.stack import HOME_PROJECT, Stack
from spotkeeper.cli.main import main
from tests.adapters.conftest import new_dataset
from tests.sql.usual_rows import Row, complete

NOW = datetime(2026, 7, 22, 6, 7, tzinfo=UTC)
AT = "2026-07-22T06:07:00Z"

COSTS: list[Row] = [
    # A training run: preempted on the first VM at 03:40, and going on with the second.
    *(
        {"usage_start_time": f"2026-07-22T0{hour}:00:00Z", "instance_id": vm, "uptime_hours": hours}
        | {"spot_price": "0.6", "ondemand_price": "1.8", "labels": [{"key": "experiment", "value": "e1"}]}
        for hour, vm, hours in ((3, "1", "0.7"), (3, "2", "0.25"), (4, "2", "1"), (5, "2", "1"))
    ),
    {"usage_start_time": "2026-07-22T04:00:00Z", "instance_id": "3", "uptime_hours": "0.1", "spot_price": "0.12"},
    {"usage_start_time": "2026-07-22T04:00:00Z", "instance_id": "4", "uptime_hours": "1"},
    {"usage_start_time": "2026-07-22T04:00:00Z", "instance_id": "5", "uptime_hours": "0.5", "spot_price": "0.2"}
    | {"ondemand_price": "0.6", "labels": [{"key": "batch-job-id", "value": "nf-a1-17531"}]},
    # It was preempted at 05:00.
    {"usage_start_time": "2026-07-22T04:00:00Z", "instance_id": "6", "uptime_hours": "0.5", "spot_price": "0.2"}
    | {"ondemand_price": "0.6", "labels": [{"key": "build", "value": "4711"}]},
]
PREEMPTIONS: list[Row] = [
    {"preempted_at": "2026-07-22T03:40:20Z", "instance_id": "1"},
    {"preempted_at": "2026-07-22T05:00:00Z", "instance_id": "6"},
]
WORK = """\
work_id,attempt,instance_id,zone,instance_name,start_time,end_time,saved_at,keys.team
run-7,1,1,,,2026-07-22T03:00:00Z,2026-07-22T03:40:00Z,2026-07-22T03:30:00Z,
run-7,2,2,,,2026-07-22T03:50:00Z,,,
build/test,1,,us-central1-a,vm-3,2026-07-22T04:10:00Z,2026-07-22T04:16:00Z,,web
build/lint,1,,us-central1-a,vm-4,2026-07-22T06:01:00+02:00,2026-07-22T06:31:00+02:00,,web
"""


type Command = Callable[..., tuple[int, str, str]]


def append(client: bigquery.Client, table: str, rows: Sequence[Row]) -> None:
    """Append rows with the usual values where they have none."""
    lines = "\n".join(json.dumps(complete(table.partition(".")[2], row)) for row in rows)
    appended = bigquery.LoadJobConfig(source_format="NEWLINE_DELIMITED_JSON")
    client.load_table_from_file(io.BytesIO(lines.encode()), table, job_config=appended).result()


@pytest.fixture(scope="module")
def dataset(stack: Stack) -> Iterator[str]:
    """A dataset with the cost of four VMs, and its views as of NOW."""
    with new_dataset(stack, "worked") as name:
        client = stack.client()
        append(client, f"{name}.spot_vm_costs", COSTS)
        append(client, f"{name}.spot_preemptions", PREEMPTIONS)
        append(client, f"{name}.tracker_runs", [{"hour": "2026-07-22T05:00:00Z"}])
        create_views(client, name, NOW)
        yield name


@pytest.fixture
def command(stack: Stack, dataset: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command on the dataset; its exit code, its output and what it said of an error."""
    monkeypatch.setenv("BIGQUERY_ENDPOINT", stack.bigquery)
    monkeypatch.setenv("RETRY_TIMEOUT_SECONDS", "1")

    def run(name: str, *arguments: str) -> tuple[int, str, str]:
        code = main([name, *arguments, "--project", HOME_PROJECT, "--dataset", dataset])
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


@pytest.fixture
def loaded(command: Command, tmp_path: Path) -> Path:
    """A file of work that is in the table."""
    file = tmp_path / "work.csv"
    file.write_text(WORK)
    code, output, error = command("work", "load", str(file), "--vm-project", "research")
    assert (code, error) == (0, "")
    assert output == "4 records of 4 attempts at 3 works: loaded\n"
    return file


def test_an_attempt_that_is_loaded_again_replaces_its_records(
    stack: Stack, dataset: str, command: Command, loaded: Path
) -> None:
    ended = loaded.with_suffix(".jsonl")
    fields = {"work_id": "run-7", "attempt": 2, "instance_id": "2", "start_time": "2026-07-22T03:50:00Z"}
    ended.write_text(json.dumps({**fields, "end_time": "2026-07-22T05:30:00Z"}))
    command("work", "load", str(loaded), "--vm-project", "research")
    command("work", "load", str(ended), "--vm-project", "research")
    rows = stack.client().query_and_wait(
        f"SELECT work_id, attempt, end_time FROM {dataset}.work WHERE start_time >= '2026-07-01' "
        "ORDER BY work_id, attempt"
    )
    found = [(row["work_id"], row["attempt"], row["end_time"]) for row in rows]

    assert found == [
        ("build/lint", 1, datetime(2026, 7, 22, 4, 31, tzinfo=UTC)),
        ("build/test", 1, datetime(2026, 7, 22, 4, 16, tzinfo=UTC)),
        ("run-7", 1, datetime(2026, 7, 22, 3, 40, tzinfo=UTC)),
        ("run-7", 2, datetime(2026, 7, 22, 5, 30, tzinfo=UTC)),
    ]


def test_a_file_with_a_wrong_line_is_not_loaded(stack: Stack, dataset: str, command: Command, tmp_path: Path) -> None:
    file = tmp_path / "work.csv"
    file.write_text(f"{WORK}wrong,1,,,vm-9,2026-07-22T05:00:00,,,\n".replace("run-7,", "new,"))
    code, output, error = command("work", "load", str(file), "--vm-project", "research")
    [row] = stack.client().query_and_wait(
        f"SELECT COUNT(*) AS new_rows FROM {dataset}.work WHERE work_id = 'new' AND start_time >= '2026-07-01'"
    )

    assert (code, output) == (1, "")
    assert error.splitlines() == [
        "spotkeeper: line 6: zone: is missing: a VM without instance_id is named by its zone and instance_name",
        (
            "spotkeeper: line 6: start_time: '2026-07-22T05:00:00' must be a time with its offset, "
            "such as 2026-07-22T05:00:00Z"
        ),
    ]
    assert row["new_rows"] == 0


@pytest.mark.usefixtures("loaded")
def test_the_line_of_a_run_has_its_cost_and_what_was_lost(command: Command) -> None:
    assert command("cost", "--work", "run-7", "--format", "line") == (
        0,
        "run-7: 1.70 USD on 2 Spot VMs, 1 preemption, 0.10 USD of lost work; on demand 5.10 USD\n",
        "",
    )


@pytest.mark.usefixtures("loaded")
def test_the_parts_of_a_run_are_summed_and_what_has_no_price_is_named(command: Command) -> None:
    _, line, _ = command("cost", "--work", "build", "--format", "line")
    _, output, _ = command("cost", "--work", "build", "--format", "json")
    answer = json.loads(output)

    assert line == "build: 0.01 USD on 2 Spot VMs, 0 preemptions; 0.50 VM-hours have no price\n"
    assert (answer["works"], answer["attempts"], answer["cost_usd"]) == (2, 2, "0.012")
    assert answer["unpriced_hours"] == "0.5"


def test_a_task_of_a_trace_costs_what_the_vm_of_its_batch_job_did(command: Command, tmp_path: Path) -> None:
    trace = tmp_path / "trace.txt"
    trace.write_text(
        "task_id\tname\tnative_id\tstatus\texit\tstart\tcomplete\tattempt\n"
        "1\tALIGN (s1)\tnf-a1-17531/0/nf-a1-17531-9f0c\tCOMPLETED\t0\t"
        "2026-07-22 06:05:00.000\t2026-07-22 06:29:00.000\t1\n"
    )
    arguments = ("work", "load", str(trace), "--from", "nextflow", "--vm-project", "research")
    refused = command(*arguments)
    loaded = command(*arguments, "--run", "rnaseq", "--time-zone", "Europe/Berlin")
    _, line, _ = command("cost", "--work", "rnaseq", "--format", "line")

    missing = "spotkeeper: --run is missing: nextflow does not name the run, and others have the same ids\n"
    assert refused == (2, "", missing)
    assert loaded == (0, "1 record of 1 attempt at 1 work: loaded\n", "")
    assert line == "rnaseq: 0.08 USD on 1 Spot VM, 0 preemptions; on demand 0.24 USD\n"


def test_a_preemption_at_the_full_hour_loses_the_hour_that_it_ended(command: Command) -> None:
    _, line, _ = command("cost", "--label", "build=4711", "--since", "24h", "--at", AT, "--format", "line")

    assert line == ("build=4711: 0.10 USD on 1 Spot VM, 1 preemption, 0.10 USD of lost work; on demand 0.30 USD\n")


def test_a_label_needs_no_records_of_work(command: Command) -> None:
    label = ("--label", "experiment=e1", "--since", "24h", "--at", AT)
    _, line, _ = command("cost", *label, "--format", "line")
    _, table, _ = command("cost", *label)
    _, output, _ = command("cost", *label, "--format", "csv")
    [row] = csv.DictReader(io.StringIO(output))

    # Of the VM that was preempted at 03:40:20, what it ran since the full hour is lost.
    assert line == ("experiment=e1: 1.77 USD on 2 Spot VMs, 1 preemption, 0.40 USD of lost work; on demand 5.31 USD\n")
    assert table.startswith(line)
    assert "cost per hour now       0.60 USD\n" in table
    assert (Decimal(row["cost_usd"]), row["vm_hours"], row["works"]) == (Decimal("1.77"), "2.95", "")


@pytest.mark.usefixtures("loaded")
def test_the_digest_has_the_most_expensive_runs_of_each_team(command: Command) -> None:
    code, output, error = command("report", "--digest", "--days", "400")
    lines = [line for line in output.splitlines() if line.startswith(("## ", "| run", "| build"))]

    assert (code, error) == (0, "")
    assert r"| run\-7 | $1.70 | $0.10 | 2.8 | 2 | 1 |" in lines
    assert "## web: $0.01" in lines
    assert "| build | $0.01 | $0.00 | 0.6 | 2 | 0 |" in lines


def test_a_run_without_a_cost_row_says_so(command: Command) -> None:
    code, output, _ = command("cost", "--work", "unknown", "--format", "line")

    assert code == 0
    assert re.fullmatch(r"unknown: no Spot VM of it has a cost row since \d{4}-\d\d-\d\d \d\d:\d\d UTC\n", output)


def test_work_has_no_other_end_than_now(command: Command) -> None:
    code, _, error = command("cost", "--work", "run-7", "--at", AT)

    assert (code, error) == (2, "spotkeeper: --at is only for --label: the views of work are as of now\n")


def test_work_has_no_other_start_than_that_of_its_views(command: Command) -> None:
    code, _, error = command("cost", "--work", "run-7", "--since", "24h")

    assert (code, error) == (2, "spotkeeper: --since is only for --label: the views of work read 92 days\n")
