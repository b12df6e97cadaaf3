"""The command `doctor` against the emulator and the local BigQuery: a healthy deployment, and one problem each."""

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery

from infra.local.bigquery.tables import create_dataset
from infra.local.emulators.faults import Kind, Rule
from infra.local.emulators.platform_api import Platform
from infra.local.emulators.platform_resources import ACCOUNT, BUDGET_ID, Resources
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
from tests.infra.terraform_files import ROOT
from tests.infra.test_deploy_docs import needs_gcloud, unknown
from tests.sql.usual_rows import complete

NOW = datetime(2026, 7, 22, 5, 20, tzinfo=UTC)
REGION = "us-central1"
DATASET = "doctor"
TRACKER, ENFORCER = "functions/track-spot-costs", "functions/enforce-budget-limit"
TRACKER_URI = "https://track-spot-costs-abcdefghij-uc.a.run.app"
ENFORCER_URI = "https://enforce-budget-limit-abcdefghij-uc.a.run.app"
SUBSCRIPTION, JOB = "subscriptions/spotkeeper-enforcer", "jobs/spotkeeper-hourly"
TOPIC = f"projects/{HOME_PROJECT}/topics/spotkeeper-budget"
BILLING = "serviceAccount:billing-budget-alert@system.gserviceaccount.com"
DEPLOY = "make deploy"
AT_PROJECT = f"--project {HOME_PROJECT}"
AT_REGION = f"{AT_PROJECT} --location {REGION}"

type Printed = Mapping[str, str]


def email(name: str) -> str:
    return f"spotkeeper-{name}@{HOME_PROJECT}.iam.gserviceaccount.com"


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
            ["doctor", "--project", HOME_PROJECT, "--dataset", name, "--at", rfc3339(NOW), "--json", *arguments]
        )
        printed = capsys.readouterr()
        return Output(code, json.loads(printed.out)["findings"] if printed.out else [], printed.err)

    return run


def findings_of(platform: Platform, records: Records) -> list[Finding]:
    """Return the findings on what the services answer and on these records."""
    installation = Installation(HOME_PROJECT, DATASET)
    found = PlatformReader(installation, platform.url, timedelta(0)).read(NOW)
    return list(diagnose(installation, found, records, NOW))


def change(resource: str, **values: object) -> Callable[[Resources], None]:
    """Return what gives a resource other values; `a__b` is b within a."""

    def spoil(resources: Resources) -> None:
        for name, value in values.items():
            *path, last = name.split("__")
            place: Any = resources[resource]
            for part in path:
                place = place[part]
            place[last] = value

    return spoil


def without(resource: str, *path: str) -> Callable[[Resources], None]:
    """Return what takes a resource away, or something in it."""

    def spoil(resources: Resources) -> None:
        place: Any = resources
        for part in (resource, *path)[:-1]:
            place = place[part]
        del place[(resource, *path)[-1]]

    return spoil


def revoked(resource: str, role: str, member: str) -> Callable[[Resources], None]:
    """Return what takes a role from a member."""

    def spoil(resources: Resources) -> None:
        for binding in resources[resource]["bindings"]:
            if binding["role"] == role:
                binding["members"] = [each for each in binding["members"] if each != member]

    return spoil


def settings(function: str, **values: str) -> Callable[[Resources], None]:
    """Return what gives a function other settings."""

    def spoil(resources: Resources) -> None:
        resources[function]["serviceConfig"]["environmentVariables"].update(values)

    return spoil


def thresholds(resources: Resources) -> None:
    """Write shares as percentages, as the old flags of gcloud did."""
    resources["budgets"]["budgets"][0]["thresholdRules"] = [{"thresholdPercent": 0.5}, {"thresholdPercent": 80}]


def of_a_year(resources: Resources) -> None:
    """Have the budget count a year."""
    resources["budgets"]["budgets"][0]["budgetFilter"]["calendarPeriod"] = "YEAR"


def no_budget_reports(resources: Resources) -> None:
    """Let the budget that there is report nowhere."""
    del resources["budgets"]["budgets"][0]["notificationsRule"]


def another_budget(resources: Resources) -> None:
    """Let a budget report that the policy does not name, on the second page of the list."""
    [first] = resources["budgets"]["budgets"]
    silent = [{**first, "name": f"billingAccounts/{ACCOUNT}/budgets/b{n}", "notificationsRule": {}} for n in range(100)]
    other = {**first, "name": f"billingAccounts/{ACCOUNT}/budgets/other"}
    resources["budgets"]["budgets"] = [first, *silent, other]


def role(name: str) -> str:
    return f"projects/{HOME_PROJECT}/roles/{name}"


PUSH = (
    f"gcloud pubsub subscriptions modify-push-config spotkeeper-enforcer {AT_PROJECT} --push-endpoint {ENFORCER_URI} "
    f"--push-auth-service-account {email('delivery')} --push-auth-token-audience {ENFORCER_URI}"
)
TARGET = (
    f"gcloud scheduler jobs update http spotkeeper-hourly {AT_REGION} --uri {TRACKER_URI} "
    f"--oidc-service-account-email {email('scheduler')} --oidc-token-audience {TRACKER_URI}"
)
TRACKER_LOG = f"gcloud functions logs read track-spot-costs {AT_PROJECT} --limit 20 --region {REGION}"

PROBLEMS: dict[str, tuple[Callable[[Resources], None], str, str, str]] = {
    "a role lacks a permission": (
        change("roles/spotkeeperEnforcerInstances", includedPermissions=["compute.instances.list"]),
        f"role spotkeeperEnforcerInstances in {HOME_PROJECT}",
        "It lacks compute.instanceGroupManagers.update, ",
        (
            f"gcloud iam roles update spotkeeperEnforcerInstances {AT_PROJECT} --add-permissions "
            "compute.instanceGroupManagers.update,compute.instances.get,"
            "compute.instances.stop,compute.machineTypes.get,compute.regionOperations.get,"
            "compute.regionOperations.list,compute.zoneOperations.get,compute.zoneOperations.list"
        ),
    ),
    "a role is deleted": (
        change("roles/spotkeeperAlerts", deleted=True),
        f"role spotkeeperAlerts in {HOME_PROJECT}",
        f"Project {HOME_PROJECT} has no such role.",
        DEPLOY,
    ),
    "guests are to be warned without the right to": (
        settings(
            ENFORCER,
            ENFORCEMENT_POLICY=json.dumps({"budgets": {BUDGET_ID: {"projects": [HOME_PROJECT]}}, "grace_seconds": 60}),
        ),
        f"role spotkeeperEnforcerInstances in {HOME_PROJECT}",
        "It lacks compute.instances.setMetadata.",
        (
            f"gcloud iam roles update spotkeeperEnforcerInstances {AT_PROJECT} "
            "--add-permissions compute.instances.setMetadata"
        ),
    ),
    "a role is not given": (
        revoked("policy", role("spotkeeperEnforcerInstances"), f"serviceAccount:{email('enforcer')}"),
        f"rights in {HOME_PROJECT}",
        f"serviceAccount:{email('enforcer')} does not have {role('spotkeeperEnforcerInstances')}.",
        (
            f"gcloud projects add-iam-policy-binding {HOME_PROJECT} --member serviceAccount:{email('enforcer')} "
            f"--role {role('spotkeeperEnforcerInstances')} --condition None"
        ),
    ),
    "staging tables may not be deleted": (
        revoked("policy", role("spotkeeperStaging"), f"serviceAccount:{email('tracker')}"),
        f"rights in {HOME_PROJECT}",
        f"serviceAccount:{email('tracker')} does not have {role('spotkeeperStaging')}.",
        DEPLOY,
    ),
    "a function is gone": (
        without(ENFORCER),
        "enforce-budget-limit",
        "There is no function enforce-budget-limit.",
        DEPLOY,
    ),
    "a function failed": (
        change(TRACKER, state="FAILED"),
        "track-spot-costs",
        "State FAILED, not ACTIVE.",
        f"gcloud functions logs read track-spot-costs {AT_PROJECT} --region {REGION}",
    ),
    "several enforcers at once": (
        change(ENFORCER, serviceConfig__maxInstanceCount=3),
        "enforce-budget-limit",
        "max instances 3, concurrency 1, but both must be 1: two concurrent plans would stop too many VMs.",
        DEPLOY,
    ),
    "several messages at once": (
        change(ENFORCER, serviceConfig__maxInstanceRequestConcurrency=80),
        "enforce-budget-limit",
        "max instances 1, concurrency 80, but both must be 1: two concurrent plans would stop too many VMs.",
        DEPLOY,
    ),
    "a setting is wrong": (
        settings(TRACKER, CATCH_UP_HOURS="many"),
        "track-spot-costs settings",
        'The function refuses to start: CATCH_UP_HOURS is "many", but must be a whole number from 1 to ',
        DEPLOY,
    ),
    "another dataset": (
        settings(TRACKER, DATASET="elsewhere"),
        "track-spot-costs settings",
        f"It writes to dataset elsewhere, not to {DATASET}.",
        f"python -m spotkeeper doctor {AT_PROJECT} --dataset elsewhere",
    ),
    "the scheduler may not call": (
        revoked("services/track-spot-costs:policy", "roles/run.invoker", f"serviceAccount:{email('scheduler')}"),
        "track-spot-costs caller",
        f"serviceAccount:{email('scheduler')} lacks roles/run.invoker: every call is refused with 403.",
        (
            f"gcloud run services add-iam-policy-binding track-spot-costs {AT_PROJECT} --region {REGION} "
            f"--member serviceAccount:{email('scheduler')} --role roles/run.invoker"
        ),
    ),
    "no budget topic": (
        without("topics/spotkeeper-budget:policy"),
        "budget topic",
        "There is no topic spotkeeper-budget: no budget can report.",
        DEPLOY,
    ),
    "Cloud Billing may not publish": (
        revoked("topics/spotkeeper-budget:policy", "roles/pubsub.publisher", BILLING),
        "Cloud Billing",
        f"{BILLING} does not have roles/pubsub.publisher on spotkeeper-budget.",
        (
            f"gcloud pubsub topics add-iam-policy-binding spotkeeper-budget {AT_PROJECT} --member {BILLING} "
            "--role roles/pubsub.publisher"
        ),
    ),
    "the tracker may not publish": (
        revoked("topics/spotkeeper-budget:policy", role("spotkeeperAlerts"), f"serviceAccount:{email('tracker')}"),
        "alerts of the tracker",
        f"serviceAccount:{email('tracker')} does not have {role('spotkeeperAlerts')} on spotkeeper-budget.",
        (
            f"gcloud pubsub topics add-iam-policy-binding spotkeeper-budget {AT_PROJECT} "
            f"--member serviceAccount:{email('tracker')} --role {role('spotkeeperAlerts')}"
        ),
    ),
    "no subscription": (
        without(SUBSCRIPTION),
        "delivery",
        "There is no subscription spotkeeper-enforcer: nothing is delivered.",
        DEPLOY,
    ),
    "its topic was deleted": (
        change(SUBSCRIPTION, topic="_deleted-topic_"),
        "delivery",
        f"spotkeeper-enforcer is a subscription of _deleted-topic_, not of {TOPIC}.",
        f"gcloud pubsub subscriptions delete spotkeeper-enforcer {AT_PROJECT} && make deploy",
    ),
    "nothing is pushed": (
        change(SUBSCRIPTION, pushConfig={}),
        "delivery",
        "Notifications are not delivered: the subscription has no push endpoint.",
        PUSH,
    ),
    "delivered elsewhere": (
        change(SUBSCRIPTION, pushConfig__pushEndpoint="https://old.example.com"),
        "delivery",
        f"The push endpoint is https://old.example.com, but the enforcer is {ENFORCER_URI}.",
        PUSH,
    ),
    "delivered unsigned": (
        without(SUBSCRIPTION, "pushConfig", "oidcToken"),
        "delivery",
        f"Pushes are signed by nobody for audience none, not by {email('delivery')} for {ENFORCER_URI}.",
        PUSH,
    ),
    "messages were given up": (
        change("waiting", messages=4),
        "dead letters",
        "4 undelivered messages are in spotkeeper-dead-letter.",
        f"gcloud pubsub subscriptions pull spotkeeper-dead-letter {AT_PROJECT} --limit 10",
    ),
    "nobody pays": (
        change("billingInfo", billingEnabled=False),
        "billing",
        f"Project {HOME_PROJECT} has no billing account.",
        f"gcloud billing projects link {HOME_PROJECT} --billing-account BILLING_ACCOUNT_ID",
    ),
    "a threshold of 8,000 %": (
        thresholds,
        f"thresholds of {BUDGET_ID}",
        "80 of 'spotkeeper: compute' is 8000%: a threshold is a share, so 80 % is 0.8.",
        (
            f"gcloud billing budgets update {BUDGET_ID} --billing-account {ACCOUNT} --clear-threshold-rules "
            "--add-threshold-rule percent=0.5 --add-threshold-rule percent=0.8"
        ),
    ),
    "a budget that the policy does not name": (
        another_budget,
        "policy",
        "The policy does not name other: what it says is recorded as unknown_budget.",
        DEPLOY,
    ),
    "a policy for a budget that is not there": (
        settings(
            ENFORCER,
            ENFORCEMENT_POLICY=json.dumps(
                {"budgets": {name: {"projects": [HOME_PROJECT]} for name in (BUDGET_ID, "typo")}}
            ),
        ),
        "policy",
        "The policy names typo, and nothing reports under that id.",
        DEPLOY,
    ),
    "no job": (
        without(JOB),
        "schedule",
        f"There is no job spotkeeper-hourly in {REGION}: nothing calls the tracker.",
        DEPLOY,
    ),
    "the job is paused": (
        change(JOB, state="PAUSED"),
        "schedule",
        "spotkeeper-hourly is PAUSED: nothing calls the tracker.",
        f"gcloud scheduler jobs resume spotkeeper-hourly {AT_REGION}",
    ),
    "the job calls something else": (
        change(JOB, httpTarget__uri="https://old.example.com/"),
        "schedule target",
        f"spotkeeper-hourly calls https://old.example.com/, but the tracker is {TRACKER_URI}.",
        TARGET,
    ),
    "the job signs as another": (
        change(JOB, httpTarget__oidcToken={"serviceAccountEmail": "x@y.z", "audience": TRACKER_URI}),
        "schedule target",
        f"Calls of spotkeeper-hourly are signed by x@y.z for audience {TRACKER_URI}, not by {email('scheduler')}",
        TARGET,
    ),
    "the last call failed": (
        change(JOB, status={"code": 7, "message": "PERMISSION_DENIED"}),
        "schedule result",
        "The last call of spotkeeper-hourly failed: code 7 PERMISSION_DENIED.",
        TRACKER_LOG,
    ),
    "the job never ran": (
        without(JOB, "lastAttemptTime"),
        "schedule result",
        "spotkeeper-hourly has not called the tracker yet.",
        f"gcloud scheduler jobs run spotkeeper-hourly {AT_REGION}",
    ),
    "a yearly budget is under a monthly rule": (
        of_a_year,
        f"rule {BUDGET_ID}",
        "Its period is month, but that of the budget is year.",
        DEPLOY,
    ),
}
"""Each problem: its cause, the part it is reported for, how the sentence begins, and the command."""

CHANGED = ("budget_notifications", "project_hours", "spot_vm_costs", "tracker_runs")
"""The tables whose rows a test changes."""

IN_PLACE: dict[str, tuple[str, str, str, str]] = {
    "an hour is missing and one is incomplete for a project": (
        (
            "DELETE FROM {dataset}.tracker_runs WHERE hour = TIMESTAMP '2026-07-21T09:00:00Z'; "
            "UPDATE {dataset}.project_hours SET state = 'incomplete' WHERE hour = TIMESTAMP '2026-07-21T11:00:00Z'"
        ),
        "hours",
        "2 of the last 48 hours missing or incomplete, the first that of 2026-07-21 09:00 UTC.",
        f"gcloud functions logs read track-spot-costs {AT_PROJECT} --region {REGION} --limit 20",
    ),
    "prices are stale": (
        "UPDATE {dataset}.spot_vm_costs SET price_status = 'stale' WHERE usage_start_time >= '2026-07-22'",
        "stale prices",
        "22% of the last day's cost rows have stale prices.",
        f"gcloud functions logs read track-spot-costs {AT_PROJECT} --region {REGION} --limit 20",
    ),
    "no message came": (
        "DELETE FROM {dataset}.budget_notifications WHERE TRUE",
        "last notification",
        "No budget notification was recorded in the last week: check that a budget publishes to the topic.",
        f"gcloud pubsub subscriptions describe spotkeeper-enforcer {AT_PROJECT}",
    ),
    "nothing was ever recorded": (
        "DELETE FROM {dataset}.tracker_runs WHERE TRUE",
        "last run",
        "The tracker has recorded no run in the last week.",
        f"gcloud scheduler jobs run spotkeeper-hourly {AT_REGION}",
    ),
}
"""What goes wrong in the dataset; the last one hides the first."""


def test_a_healthy_deployment_has_no_problem_and_every_part_is_known(doctor: Doctor, dataset: str) -> None:
    found = doctor(dataset)

    assert (found.code, found.error) == (0, "")
    assert (found.of("problem"), found.of("unknown")) == ([], [])
    sentences = {about: sentence for about, sentence, _ in found.of("ok")}
    assert sentences["enforce-budget-limit settings"].startswith("ENFORCEMENT_MODE is dry_run: nothing is stopped.")
    assert sentences["last run"] == "The hour of 2026-07-22 04:00 UTC was recorded 13 min ago, complete."
    assert sentences["last notification"].startswith("Received 30 min ago, about ")
    assert sentences[f"rule {BUDGET_ID}"].startswith("Period month, in USD; billing may stop; last verdict ")
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
    kept = {"policy", "billingInfo", "budgets", "waiting"}
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
