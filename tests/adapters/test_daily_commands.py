"""`status`, `costs`, `top`, `plan` and `drill` through the real clients, on hours that the tracker recorded."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from infra.local.bigquery.tables import create_label_keys, create_views, roll_up
from infra.local.emulators.platform_api import Platform
from infra.local.stack.stack import HOME_PROJECT, Stack
from spotkeeper.cli.main import main
from spotkeeper.cli.plan import WOULD_STOP
from spotkeeper.gcp.bigquery.daily_figures import KEYS
from spotkeeper.periods import HOUR, floor_hour, rfc3339
from tests.adapters.conftest import Tracker, new_dataset, new_tracker
from tests.adapters.doctor_problems import REGION
from tests.sql.cases import SQL, rendered

LAST_HOUR = 1

type Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def recorded(stack: Stack) -> Iterator[Tracker]:
    """A dataset with two hours of the fleet, and its views."""
    with new_dataset(stack, "daily") as dataset:
        tracker = new_tracker(stack, dataset)
        for hour in range(LAST_HOUR + 1):
            tracker.run(hour)
        create_views(stack.client(), dataset, tracker.look_at(LAST_HOUR))
        yield tracker


@pytest.fixture
def command(
    stack: Stack, recorded: Tracker, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Run a command on the dataset at its last hour; its exit code, its output and what it said of an error."""
    monkeypatch.setenv("BIGQUERY_ENDPOINT", stack.bigquery)
    monkeypatch.setenv("COMPUTE_ENDPOINT", stack.rest)
    monkeypatch.setenv("RETRY_TIMEOUT_SECONDS", "1")
    monkeypatch.delenv("ENFORCEMENT_POLICY", raising=False)

    def run(name: str, *arguments: str) -> tuple[int, str, str]:
        at = rfc3339(recorded.look_at(LAST_HOUR))
        code = main([name, "--project", HOME_PROJECT, "--at", at, *arguments])
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


@pytest.mark.parametrize("by", [key if key != "label" else "label:team" for key in KEYS])
def test_the_cost_by_every_key_adds_up_to_the_cost_rows(recorded: Tracker, command: Command, by: str) -> None:
    code, output, error = command("costs", "--dataset", recorded.dataset, "--by", by, "--format", "json")
    answer = json.loads(output)
    [sums] = recorded.rows(
        "SELECT SUM(cost) AS cost, SUM(uptime_hours) AS hours, SUM(IF(cost IS NULL, uptime_hours, 0)) AS unpriced "
        "FROM spot_vm_costs WHERE usage_start_time >= '2026-07-01'"
    )

    assert (code, error) == (0, "")
    assert {name: Decimal(answer["total"][name]) for name in ("cost_usd", "vm_hours", "unpriced_hours")} == {
        "cost_usd": sums["cost"],
        "vm_hours": sums["hours"],
        "unpriced_hours": sums["unpriced"],
    }
    assert len(answer["rows"]) == answer["total"]["keys"]
    assert sum(Decimal(row["cost_usd"] or 0) for row in answer["rows"]) == sums["cost"]


def test_commands_and_rollups_follow_the_label_keys_of_the_dataset(
    stack: Stack, recorded: Tracker, command: Command
) -> None:
    dataset, day = recorded.dataset, floor_hour(recorded.look_at(LAST_HOUR)).date()

    def by_team() -> dict[str, Decimal | None]:
        rows = json.loads(command("costs", "--dataset", dataset, "--by", "team", "--format", "json")[1])["rows"]
        return {row["key"]: row["cost_usd"] and Decimal(row["cost_usd"]) for row in rows}

    def rolled_up() -> dict[str, Decimal | None]:
        rows = recorded.rows("SELECT team, SUM(cost) AS cost FROM daily_costs GROUP BY team")
        return {row["team"]: row["cost"] for row in rows if row["team"] != "(unresolved)"}

    def misplaced() -> list[str]:
        check = rendered(SQL / "checks" / "rollups_equal_rows.sql", rfc3339(recorded.look_at(LAST_HOUR)), dataset)
        return sorted(row["rollup_name"] for row in recorded.rows(check) if row["misplaced_hours"])

    before = by_team()
    other = "SELECT ',cost_center,team,' AS team, ',project,' AS project_label, ',experiment,' AS experiment"
    stack.client().query_and_wait(f"CREATE OR REPLACE VIEW {dataset}.label_keys AS {other}, ',team,' AS cost_center")
    after = by_team()
    was_rolled_up, were_misplaced = rolled_up(), misplaced()
    end = next(key for key in after if key.startswith("cc-"))
    _, of_one, _ = command("cost", "--dataset", dataset, "--label", f"team={end}", "--format", "json")
    roll_up(stack.bigquery, HOME_PROJECT, dataset, [day])
    is_rolled_up, are_misplaced = rolled_up(), misplaced()
    create_label_keys(stack.client(), dataset)
    roll_up(stack.bigquery, HOME_PROJECT, dataset, [day])

    assert (was_rolled_up, were_misplaced) == (
        before,
        ["daily_costs", "daily_vm_costs", "hourly_costs", "monthly_costs"],
    )
    assert (is_rolled_up, are_misplaced) == (after, [])
    assert before != after
    assert Decimal(json.loads(of_one)["cost_usd"]) == after[end]
    assert (by_team(), rolled_up(), misplaced()) == (before, before, [])


def test_the_dearest_vms_are_those_of_the_cost_rows_with_their_place(recorded: Tracker, command: Command) -> None:
    code, output, error = command("top", "--dataset", recorded.dataset, "--limit", "3", "--format", "csv")
    dearest = recorded.rows(
        "SELECT instance_name AS name, CONCAT(project_id, '/', zone) AS place, machine_type, SUM(cost) AS cost "
        "FROM spot_vm_costs WHERE usage_start_time >= '2026-07-01' "
        "GROUP BY instance_name, project_id, zone, machine_type ORDER BY cost DESC LIMIT 3"
    )

    found = list(csv.DictReader(io.StringIO(output)))
    assert (code, error) == (0, "")
    assert [(row["name"], row["place"], row["machine_type"]) for row in found] == [
        (row["name"], row["place"], row["machine_type"]) for row in dearest
    ]
    assert [Decimal(row["cost_usd"]) for row in found] == [row["cost"] for row in dearest]


def test_the_state_is_that_of_the_latest_hour(recorded: Tracker, command: Command) -> None:
    code, output, error = command("status", "--dataset", recorded.dataset, "--format", "json")
    records = json.loads(output)["records"]
    [hour] = recorded.rows(
        "SELECT MAX(usage_start_time) AS hour, SUM(IF(usage_start_time >= last.hour, cost, NULL)) AS cost, "
        "SUM(cost) AS day_cost FROM spot_vm_costs "
        "CROSS JOIN (SELECT MAX(hour) AS hour FROM tracker_runs) AS last WHERE usage_start_time >= '2026-07-01'"
    )

    assert (code, error) == (0, "")
    assert (Decimal(records["hour_cost"]), Decimal(records["day_cost"])) == (hour["cost"], hour["day_cost"])
    assert {each["period"] for each in json.loads(output)["budgets"]} == {"day", "month"}
    assert command("status", "--dataset", recorded.dataset)[1].startswith(f"dataset        {HOME_PROJECT}.daily\n")


def test_the_state_of_an_hour_of_three_days_ago_has_the_whole_day_before_it(
    recorded: Tracker, command: Command
) -> None:
    at = floor_hour(recorded.look_at(LAST_HOUR)) - HOUR + timedelta(days=3)
    _, output, _ = command("status", "--dataset", recorded.dataset, "--format", "json", "--at", rfc3339(at))
    [day] = recorded.rows("SELECT SUM(cost) AS cost FROM spot_vm_costs WHERE usage_start_time >= '2026-07-01'")

    assert Decimal(json.loads(output)["records"]["day_cost"]) == day["cost"]


def test_the_state_as_of_an_earlier_time_knows_no_later_hour(recorded: Tracker, command: Command) -> None:
    earlier = recorded.look_at(0)
    _, output, error = command("status", "--dataset", recorded.dataset, "--format", "json", "--at", rfc3339(earlier))

    assert error == ""
    assert json.loads(output)["records"]["hour"] == rfc3339(floor_hour(earlier) - HOUR)


def test_an_approved_plan_is_named_by_the_name_of_its_budget(recorded: Tracker, command: Command) -> None:
    now = recorded.look_at(LAST_HOUR)
    budget_id = "11111111-2222-3333-4444-555555555555"
    for number, (name, verdict) in enumerate([("'compute'", "over_budget"), ("NULL", "approved")]):
        recorded.rows(
            "INSERT INTO budget_notifications (delivery_id, message_id, received_at, budget_id, budget_display_name, "
            "verdict, reason, mode, drill, stops, gaps, missing_permissions) "
            f"VALUES ('d{number}', 'm{number}', '{rfc3339(now - (2 - number) * HOUR)}', '{budget_id}', {name}, "
            f"'{verdict}', '', 'approve', FALSE, 2, [], [])"
        )

    _, output, _ = command("status", "--dataset", recorded.dataset, "--format", "json")
    plan = json.loads(output)["last_plan"]
    recorded.rows("DELETE FROM budget_notifications WHERE TRUE")

    assert (plan["verdict"], plan["budget"]) == ("approved", "compute")


def test_an_empty_dataset_has_no_cost_and_an_old_state(stack: Stack, command: Command) -> None:
    with new_dataset(stack, "daily_empty") as dataset:
        create_views(stack.client(), dataset, new_tracker(stack, dataset).look_at(LAST_HOUR))

        assert command("top", "--dataset", dataset)[:2][1].startswith("No Spot VM has a cost row from ")
        code, output, error = command("status", "--dataset", dataset)

    assert (code, error) == (1, "")
    assert "none recorded in three days" in output


def test_vms_of_one_id_in_two_zones_are_two(stack: Stack, command: Command) -> None:
    with new_dataset(stack, "daily_same_id") as dataset:
        stack.client().query_and_wait(f"""
            INSERT INTO `{dataset}.spot_vm_costs` (
              usage_start_time, usage_end_time, project_id, zone, region, instance_id, instance_name, machine_type,
              provisioning_model, gpu_count, local_ssd_gib, uptime_hours, cost, currency, price_status, run_id,
              recorded_at
            )
            SELECT
              TIMESTAMP '2026-07-21 04:00:00+00', TIMESTAMP '2026-07-21 05:00:00+00', 'research', zone, 'us-central1',
              '7', CONCAT('vm-', zone), 'e2-medium', 'SPOT', 0, 0, 1, 2, 'USD', 'exact', 'r1',
              TIMESTAMP '2026-07-21 05:07:00+00'
            FROM UNNEST(['us-central1-a', 'us-central1-b']) AS zone""")
        arguments = ("--dataset", dataset, "--at", "2026-07-21T06:00:00Z", "--format", "csv")
        _, output, _ = command("top", *arguments)
        _, by_project, _ = command("costs", *arguments, "--by", "project")

    places = ["research/us-central1-a", "research/us-central1-b"]
    assert [(row["key"], row["place"], Decimal(row["cost_usd"])) for row in csv.DictReader(io.StringIO(output))] == [
        ("7", place, Decimal(2)) for place in places
    ]
    assert [row["vms"] for row in csv.DictReader(io.StringIO(by_project))] == ["2"]


def test_a_dataset_that_is_not_there_is_one_sentence(command: Command) -> None:
    code, output, error = command("costs", "--dataset", "nowhere")

    assert (code, output, error.count("\n")) == (2, "", 1)
    assert error.startswith("spotkeeper: BigQuery: ")
    assert "Error" not in error


@pytest.fixture(scope="module")
def platform(recorded: Tracker) -> Iterator[Platform]:
    """A deployment whose functions write to the dataset."""
    with Platform(HOME_PROJECT, REGION, recorded.dataset, recorded.look_at(LAST_HOUR)) as found:
        yield found


def test_a_plan_is_that_of_the_deployed_function_and_has_an_exit_code_of_its_own(
    platform: Platform, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATFORM_ENDPOINT", platform.url)

    over, output, error = command("plan", "--cost", "1200", "--budget", "1000", "--format", "json")
    under, text, _ = command("plan", "--cost", "10", "--budget", "1000")

    answer = json.loads(output)
    assert (over, error, answer["verdict"]) == (WOULD_STOP, "", "over_budget")
    assert answer["stops"] == sum(vm["decision"] == "stop" for vm in answer["vms"]) > 0
    assert {vm["project_id"] for vm in answer["vms"]} == {HOME_PROJECT}
    assert (under, text.partition(":")[0]) == (0, "under_budget")


def test_spared_vms_are_grouped_by_reason_unless_all_are_asked_for(
    platform: Platform, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATFORM_ENDPOINT", platform.url)
    amounts = ("--cost", "1200", "--budget", "1000")

    _, grouped, _ = command("plan", *amounts)
    _, whole, _ = command("plan", *amounts, "--all")

    count = len([line for line in whole.splitlines() if line.startswith("spare")])
    groups = [line for line in grouped.splitlines() if line.startswith("spare")]
    assert 0 < len(groups) < count
    totals = [line for line in grouped.splitlines() if line.startswith("Stops 3 of ")]
    assert totals == [grouped.splitlines()[-1]] * 2
    assert whole.splitlines()[-1] == totals[0]


def test_a_project_without_the_function_is_one_sentence(
    platform: Platform, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATFORM_ENDPOINT", platform.url)

    code, _, error = command("plan", "--cost", "1", "--budget", "1", "--region", "asia-east1")

    assert (code, error.count("\n")) == (2, 1)
    assert "has no function enforce-budget-limit in asia-east1" in error


def test_a_drill_without_a_topic_that_can_be_reached_is_one_sentence(
    platform: Platform, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATFORM_ENDPOINT", platform.url)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:9")

    code, output, error = command("drill", "--cost", "1", "--budget", "1")

    assert (code, output) == (2, "")
    assert error == "spotkeeper: Pub/Sub: could not be reached, or did not respond in time\n"
