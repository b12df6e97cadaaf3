"""The command `doctor` against the emulator and the local BigQuery: a healthy deployment, and one problem each."""

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery

from infra.local.bigquery.tables import create_dataset
from infra.local.emulators.faults import Kind, Rule
from infra.local.emulators.platform_api import Platform
from infra.local.emulators.platform_resources import ACCOUNT, BUDGET_ID
from infra.local.stack.stack import HOME_PROJECT, Stack
from spotkeeper.cli.main import main
from spotkeeper.doctor.deployment import Installation
from spotkeeper.doctor.diagnosis import diagnose
from spotkeeper.doctor.facts import Records
from spotkeeper.doctor.findings import Finding
from spotkeeper.gcp.bigquery.deployment_tables import RecordsReader
from spotkeeper.gcp.deployment import PlatformReader
from spotkeeper.periods import rfc3339
from tests.adapters.conftest import new_dataset
from tests.adapters.doctor_problems import (
    AT_REGION,
    CHANGED,
    DATASET,
    DEPLOY,
    ENFORCER,
    IN_PLACE,
    JOB,
    NOW,
    PROBLEMS,
    REGION,
    TOPIC,
    TRACKER,
    change,
    email,
    no_budget_reports,
    settings,
)
from tests.infra.terraform_files import ROOT
from tests.infra.test_deploy_docs import needs_gcloud, unknown
from tests.sql.usual_rows import complete

type Printed = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Output:
    """The exit code, the findings and the error message of the command."""

    code: int
    findings: list[Printed]
    error: str

    def of(self, state: str) -> list[tuple[str, str, str]]:
        """Return the findings in one state: about what, the sentence, and the command."""
        return [(each["about"], each["sentence"], each["fix"]) for each in self.findings if each["state"] == state]


type Doctor = Callable[..., Output]


@pytest.fixture(scope="module")
def served() -> Iterator[Platform]:
    """The emulator, for all tests."""
    with Platform(HOME_PROJECT, REGION, DATASET, NOW) as platform:
        yield platform


@pytest.fixture
def platform(served: Platform) -> Platform:
    """The emulator, healthy."""
    served.restore()
    return served


def fill(client: bigquery.Client, dataset: str) -> None:
    """Record two days in a dataset, until a quarter past five."""
    hours = [NOW.replace(minute=0) - timedelta(hours=back) for back in range(1, 49)]
    runs = [{"hour": rfc3339(hour), "run_id": f"run-{rfc3339(hour)}", "prices_as_of": rfc3339(NOW)} for hour in hours]
    costs = [{"usage_start_time": rfc3339(hour), "instance_id": "1", "uptime_hours": "1"} for hour in hours]
    priced = [{**row, "spot_price": "0.1", "ondemand_price": "0.4"} for row in costs]
    message = {"delivery_id": "d1", "received_at": rfc3339(NOW - timedelta(minutes=30)), "budget_id": BUDGET_ID}
    said = {"verdict": "under_threshold", "reason": "28 % of the budget is spent", "mode": "dry_run", "drill": False}
    loaded: dict[str, list[dict[str, Any]]] = {
        "tracker_runs": runs,
        "project_hours": [{"hour": rfc3339(hour), "state": "complete"} for hour in hours],
        "spot_vm_costs": priced,
        "budget_notifications": [{**message, **said}],
    }
    for table, rows in loaded.items():
        load(client, dataset, table, rows)


def load(client: bigquery.Client, dataset: str, table: str, rows: list[dict[str, Any]]) -> None:
    """Append rows to a table, with the usual values in the other columns."""
    whole = [{key: value for key, value in complete(table, row).items() if value is not None} for row in rows]
    file = io.BytesIO("\n".join(map(json.dumps, whole)).encode())
    configuration = bigquery.LoadJobConfig(source_format="NEWLINE_DELIMITED_JSON")
    client.load_table_from_file(file, f"{dataset}.{table}", job_config=configuration).result()


def refill(client: bigquery.Client, dataset: str) -> None:
    """Restore the rows that a test changed."""
    for table in CHANGED:
        client.delete_table(f"{dataset}.{table}", not_found_ok=True)
    create_dataset(client, dataset)
    fill(client, dataset)


def allow(client: bigquery.Client, dataset: str) -> None:
    """Let the functions work with a dataset."""
    role = f"projects/{HOME_PROJECT}/roles/spotkeeperRecords"
    resource = client.get_dataset(dataset)
    given = [bigquery.AccessEntry(role, "userByEmail", email(name)) for name in ("tracker", "enforcer")]
    resource.access_entries = [*resource.access_entries, *given]
    client.update_dataset(resource, ["access_entries"])


@pytest.fixture(scope="module")
def dataset(stack: Stack) -> Iterator[str]:
    """The dataset of a healthy deployment; who spoils it fixs it."""
    with new_dataset(stack, DATASET):
        refill(stack.client(), DATASET)
        allow(stack.client(), DATASET)
        yield DATASET


@pytest.fixture(scope="module")
def records(dataset: str, stack: Stack) -> Records:
    """What is found of the dataset of a healthy deployment."""
    reader = RecordsReader(Installation(HOME_PROJECT, dataset), stack.bigquery, timedelta(seconds=1))
    return reader.read(NOW, "priority")


@pytest.fixture
def doctor(
    platform: Platform, stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Doctor:
    """Run the command for a program to read."""
    monkeypatch.setenv("PLATFORM_ENDPOINT", platform.url)
    monkeypatch.setenv("BIGQUERY_ENDPOINT", stack.bigquery)
    monkeypatch.setenv("RETRY_TIMEOUT_SECONDS", "0")

    def run(name: str, *arguments: str) -> Output:
        code = main(
            [
                "doctor",
                "--project",
                HOME_PROJECT,
                "--dataset",
                name,
                "--at",
                rfc3339(NOW),
                "--format",
                "json",
                *arguments,
            ]
        )
        printed = capsys.readouterr()
        return Output(code, json.loads(printed.out)["findings"] if printed.out else [], printed.err)

    return run


def findings_of(platform: Platform, records: Records) -> list[Finding]:
    """Return the findings on what the services answer and on these records."""
    installation = Installation(HOME_PROJECT, DATASET)
    found = PlatformReader(installation, platform.url, timedelta(0)).read(NOW)
    return list(diagnose(installation, found, records, NOW))


def test_a_healthy_deployment_has_no_problem_and_every_part_is_known(doctor: Doctor, dataset: str) -> None:
    found = doctor(dataset)

    assert (found.code, found.error) == (0, "")
    assert (found.of("problem"), found.of("unknown")) == ([], [])
    sentences = {about: sentence for about, sentence, _ in found.of("ok")}
    assert sentences["enforce-budget-limit settings"].startswith("ENFORCEMENT_MODE is dry_run: nothing is stopped.")
    assert sentences["last run"] == "The hour of 2026-07-22 04:00 UTC was recorded 13 min ago, complete."
    assert sentences["last notification"].startswith("Received 30 min ago, about ")
    assert sentences[f"rule {BUDGET_ID}"].startswith("Period month, in USD; billing may stop; last verdict ")
    for table in ("spot_vm_costs", "vm_inventory"):
        assert sentences[f"pruning of {table}"].startswith("Nothing to prune yet: by a dry run, ")
    assert sentences["priority labels"] == "1 of 1 Spot VMs of the last day have no label priority and count as low."


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_is_found_with_the_command_that_fixes_it(platform: Platform, records: Records, name: str) -> None:
    spoil, about, sentence, fix = PROBLEMS[name]
    spoil(platform.resources)

    findings = findings_of(platform, records)

    problems = [each for each in findings if each.state == "problem"]
    assert [each.fix for each in problems if each.about == about and each.sentence.startswith(sentence)] == [fix]
    assert {each.about for each in problems} == {about}
    assert [each for each in findings if each.state == "unknown"] == []


COMMANDS = sorted({fix for *_, fix in (*PROBLEMS.values(), *IN_PLACE.values())})


@needs_gcloud
@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("gcloud ")])
def test_gcloud_has_every_command_and_flag_that_is_printed(command: str) -> None:
    assert unknown(command.partition(" && ")[0].removeprefix("gcloud ")) == []


def test_every_other_command_that_is_printed_is_one_of_ours() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    ours = [command for command in COMMANDS if not command.startswith("gcloud ")]
    made = {command.removeprefix("make ") for command in ours if command.startswith("make ")}

    assert {"deploy"} <= made <= targets
    assert [command for command in ours if not command.startswith(("make ", "python -m spotkeeper doctor "))] == []


def test_every_problem_in_the_dataset_is_found_at_once(doctor: Doctor, stack: Stack, dataset: str) -> None:
    *some, (empty, *nothing_recorded) = IN_PLACE.values()
    try:
        for statement, *_ in some:
            stack.client().query_and_wait(statement.format(dataset=dataset))
        found = doctor(dataset)
        stack.client().query_and_wait(empty.format(dataset=dataset))
        found_empty = doctor(dataset)
    finally:
        refill(stack.client(), dataset)

    assert found.code == 1
    assert sorted(found.of("problem")) == sorted((about, sentence, fix) for _, about, sentence, fix in some)
    assert tuple(nothing_recorded) in found_empty.of("problem")


def test_two_vms_with_one_id_in_two_zones_are_counted_as_two(doctor: Doctor, stack: Stack, dataset: str) -> None:
    hour = {"usage_start_time": rfc3339(NOW.replace(minute=0) - timedelta(hours=1)), "uptime_hours": "1"}
    labels = [{"key": "priority", "value": "high"}]
    labelled = {**hour, "instance_id": "1", "zone": "us-central1-f", "labels": labels}
    try:
        load(stack.client(), dataset, "spot_vm_costs", [labelled])
        sentences = {about: sentence for about, sentence, _ in doctor(dataset).of("ok")}
    finally:
        refill(stack.client(), dataset)

    assert sentences["priority labels"] == "1 of 2 Spot VMs of the last day have no label priority and count as low."


def test_a_dataset_that_is_not_there_is_one_problem(doctor: Doctor, platform: Platform) -> None:
    for function in (TRACKER, ENFORCER):
        settings(function, DATASET="nowhere")(platform.resources)

    found = doctor("nowhere")

    assert found.of("problem") == [("dataset", f"There is no dataset {HOME_PROJECT}.nowhere.", DEPLOY)]


def test_without_a_budget_that_reports_the_command_to_connect_the_only_one_is_printed(
    doctor: Doctor, dataset: str, platform: Platform
) -> None:
    no_budget_reports(platform.resources)

    problems = doctor(dataset).of("problem")

    assert problems[0] == (
        "budgets",
        "None of 1 budgets reports to spotkeeper-budget: nothing will be stopped.",
        (
            f"gcloud billing budgets update {BUDGET_ID} --billing-account {ACCOUNT} "
            f"--notifications-rule-pubsub-topic {TOPIC}"
        ),
    )
    assert [about for about, *_ in problems] == ["budgets", "policy"]


def test_where_nothing_is_deployed_everything_is_missing_and_nothing_crashes(
    doctor: Doctor, platform: Platform
) -> None:
    kept = {"policy", "billingInfo", "budgets", "waiting", "failed publishes"}
    for name in platform.resources.keys() - kept:
        del platform.resources[name]
    platform.resources["policy"]["bindings"] = []

    found = doctor("nowhere")

    assert found.code == 1
    assert {"track-spot-costs", "enforce-budget-limit", "budget topic", "delivery", "dataset"} <= {
        about for about, *_ in found.of("problem")
    }
    assert [(about, sentence) for about, sentence, _ in found.of("unknown")] == [
        ("schedule", "Could not be read: the region is not known; set --region.")
    ]


SERVICES = {
    "iam": (
        {
            *(f"role spotkeeper{name} in {HOME_PROJECT}" for name in ("TrackerHome", "EnforcerHome", "Records")),
            *(f"role spotkeeper{name} in {HOME_PROJECT}" for name in ("Staging", "Alerts", "TrackerInstances")),
            f"role spotkeeperEnforcerInstances in {HOME_PROJECT}",
        },
        "roles/iam.",
    ),
    "functions": ({"track-spot-costs", "enforce-budget-limit", "schedule"}, "roles/cloudfunctions.viewer"),
    "run": ({"track-spot-costs caller", "enforce-budget-limit caller"}, "roles/run.viewer"),
    "pubsub": ({"budget topic", "delivery"}, "roles/pubsub.viewer"),
    "monitoring": ({"dead letters"}, "roles/monitoring.viewer"),
    "billing": ({"billing"}, "roles/browser"),
    "budgets": ({"budgets"}, "roles/billing.viewer on billing account"),
    "scheduler": ({"schedule"}, "roles/cloudscheduler.viewer"),
}


@pytest.mark.parametrize("service", SERVICES)
def test_what_one_may_not_look_at_is_unknown_with_the_role_to_ask_for(
    platform: Platform, records: Records, service: str
) -> None:
    parts, asked = SERVICES[service]
    refused = f"Permission '{service}.get' denied on resource (or it may not exist)."
    platform.state.faults.replace([Rule(service, Kind.STATUS, status=403, message=refused)])

    found = findings_of(platform, records)

    unknown = {each.about: each.sentence for each in found if each.state == "unknown"}
    assert [each for each in found if each.state == "problem"] == []
    assert set(unknown) == parts
    denied = [sentence for sentence in unknown.values() if "--region" not in sentence]
    assert all(refused in sentence and f"Ask for {asked}" in sentence for sentence in denied)


@pytest.mark.parametrize("service", SERVICES)
def test_an_answer_that_cannot_be_read_is_unknown_and_no_problem(
    platform: Platform, records: Records, service: str
) -> None:
    for kind in (Kind.WRONG_JSON, Kind.NO_BODY, Kind.TRUNCATED, Kind.RESET):
        platform.state.faults.replace([Rule(service, kind)])

        found = findings_of(platform, records)

        assert [each for each in found if each.state == "problem"] == []
        assert {each.about for each in found if each.state == "unknown"} == SERVICES[service][0]


def test_roles_with_a_suffix_are_looked_for_under_their_own_names(platform: Platform, records: Records) -> None:
    for name in [name for name in platform.resources if name.startswith("roles/")]:
        platform.resources[f"{name}2"] = platform.resources.pop(name)
    platform.resources["roles/spotkeeperAlerts2"] = {**platform.resources["roles/spotkeeperAlerts2"], "deleted": True}
    installation = Installation(HOME_PROJECT, DATASET, role_suffix="2")

    found = PlatformReader(installation, platform.url, timedelta(0)).read(NOW)
    roles = {each.about: each.state for each in diagnose(installation, found, records, NOW) if "role " in each.about}

    assert [about for about, state in roles.items() if state != "ok"] == [f"role spotkeeperAlerts2 in {HOME_PROJECT}"]
    assert len(roles) > 5
    assert all("2 in " in about for about in roles)


def test_without_a_point_in_cloud_monitoring_dead_letters_are_unknown(platform: Platform, records: Records) -> None:
    platform.resources["waiting"]["messages"] = None

    [unknown] = [each for each in findings_of(platform, records) if each.state == "unknown"]

    assert unknown.sentence == "Could not be read: Cloud Monitoring has no data point for the last 30 minutes."


def test_a_region_that_cannot_be_reached_is_no_function_that_is_missing(platform: Platform, records: Records) -> None:
    platform.unreachable = (REGION,)

    findings = findings_of(platform, records)

    assert {each.about for each in findings if each.state == "unknown"} == SERVICES["functions"][0]
    assert [each for each in findings if each.state == "problem"] == []


def test_a_service_that_is_down_leaves_the_rest_known(doctor: Doctor, dataset: str, platform: Platform) -> None:
    platform.state.faults.replace([Rule("scheduler", Kind.STATUS, status=503, message="It is away.")])

    found = doctor(dataset)

    assert found.code == 0
    assert found.of("unknown") == [("schedule", "Could not be read: Cloud Scheduler: It is away.", "")]


def test_a_bigquery_that_is_down_leaves_the_rest_known(
    doctor: Doctor, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIGQUERY_ENDPOINT", "http://127.0.0.1:9")

    found = doctor(dataset)

    assert (found.code, found.of("problem")) == (0, [])
    assert {"hours", "last run", "last notification", "last plan"} <= {each[0] for each in found.of("unknown")}


def test_an_unreachable_google_cloud_is_reported_in_one_sentence(
    doctor: Doctor, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATFORM_ENDPOINT", "http://127.0.0.1:9")

    found = doctor(dataset)

    assert (found.code, found.findings, found.error.count("\n")) == (2, [], 1)
    assert found.error.startswith("spotkeeper: Resource Manager: ")


def test_a_project_that_may_not_be_read_is_reported_in_one_sentence(
    doctor: Doctor, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor is not None
    assert main(["doctor", "--project", "another-project"]) == 2
    assert capsys.readouterr().err.startswith(
        "spotkeeper: project another-project does not exist, or you may not see it: Resource Manager: The caller does"
    )


def test_problems_come_first_and_can_be_had_alone(doctor: Doctor, dataset: str, platform: Platform) -> None:
    del platform.resources["topics/spotkeeper-budget:policy"]

    states = [each["state"] for each in doctor(dataset).findings]
    alone = doctor(dataset, "--problems")

    assert states == sorted(states, key=["problem", "unknown", "ok"].index)
    assert {"problem", "ok"} <= set(states)
    assert [each["state"] for each in alone.findings] == ["problem"] * states.count("problem")


def test_the_region_that_is_asked_for_is_the_one_that_is_looked_at(doctor: Doctor, dataset: str) -> None:
    assert doctor(dataset, "--region", REGION).code == 0
    elsewhere = doctor(dataset, "--region", "europe-west4").of("problem")

    assert [about for about, *_ in elsewhere] == ["track-spot-costs", "enforce-budget-limit", "schedule"]
    assert elsewhere[0][1] == "There is no function track-spot-costs in europe-west4."


def test_a_person_reads_a_line_for_each_finding_and_the_command_below_it(
    doctor: Doctor, dataset: str, platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    change(JOB, state="PAUSED")(platform.resources)
    assert doctor is not None

    code = main(["doctor", "--project", HOME_PROJECT, "--dataset", dataset, "--at", rfc3339(NOW)])

    lines = capsys.readouterr().out.splitlines()
    place = lines.index("problem  schedule: spotkeeper-hourly is PAUSED: nothing calls the tracker.")
    assert code == 1
    assert lines[place + 1] == f"         -> gcloud scheduler jobs resume spotkeeper-hourly {AT_REGION}"
    assert lines[-1].endswith(" ok, 1 problem, 0 unknown")


def test_nothing_is_changed_by_looking(doctor: Doctor, dataset: str, platform: Platform) -> None:
    before = json.dumps(platform.resources, sort_keys=True)

    doctor(dataset)

    assert json.dumps(platform.resources, sort_keys=True) == before
    assert platform.state.calls == []


def test_a_wrong_endpoint_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_ENDPOINT", "http://127.0.0.1:9/v1")

    assert main(["doctor", "--project", "some-project"]) == 2
    assert "PLATFORM_ENDPOINT is 'http://127.0.0.1:9/v1'" in capsys.readouterr().err


def test_without_credentials_the_command_says_how_to_get_some(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("PLATFORM_ENDPOINT", "BIGQUERY_ENDPOINT", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")

    assert [main(["doctor", "--project", "some-project"]), main(["check", "--project", "some-project"])] == [2, 2]
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("spotkeeper: Google Cloud: Your default credentials were not found.")
    assert "Your default credentials were not found." in second
