"""What `doctor` says: at its limits, and of what a deployment is made of."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from spotkeeper.cli.doctor import as_object, lines
from spotkeeper.doctor import deployment
from spotkeeper.doctor.budgets import budgets
from spotkeeper.doctor.deployment import ROLES, TRACKER, TRACKER_HOME, TRACKER_INSTANCES, Installation
from spotkeeper.doctor.diagnosis import diagnose
from spotkeeper.doctor.events import events
from spotkeeper.doctor.facts import (
    Binding,
    Budget,
    Function,
    Job,
    Notification,
    OpenFreeze,
    Plan,
    Platform,
    PriceChecks,
    Prices,
    Pruning,
    Records,
    Run,
    Subscription,
    Unread,
)
from spotkeeper.doctor.findings import Finding, State, ago, ok, problem, unknown
from spotkeeper.doctor.messages import messages
from spotkeeper.doctor.records import data
from spotkeeper.doctor.rights import grants, needed_roles, roles
from spotkeeper.doctor.schedule import schedule
from spotkeeper.enforcement.permissions import (
    FREEZE_PERMISSIONS,
    RESTART_PERMISSIONS,
    WARNING_PERMISSIONS,
    needed_permissions,
)
from spotkeeper.enforcement.settings import EnforcerSettings
from spotkeeper.tracking.settings import TrackerSettings
from tests.infra.terraform_files import local_values, resource, variables

NOW = datetime(2026, 7, 22, 5, 20, tzinfo=UTC)
HERE = Installation("home-project", "cost_tracking", "us-central1")
SUFFIX = "${var.custom_role_suffix}"
SECOND = timedelta(seconds=1)
RUN = Run(NOW - timedelta(hours=2), NOW - timedelta(minutes=13), complete=True, gaps=(), prices_as_of=NOW)
SAID = Notification(NOW - timedelta(hours=1), "compute", "under_threshold", "little is spent")
RECORDS = Records(
    access=frozenset(),
    run=RUN,
    open_hours=(),
    prices=Prices(100, 0, 0),
    notification=SAID,
    verdicts={},
    unlabelled=None,
    plan=None,
    price_checks=PriceChecks(),
    pruning={},
)
POLICY = '{"budgets": {"b1": {"projects": ["home-project", "other-project"]}}}'
DENIED = Unread("IAM: no", denied=True)


def platform(**values: object) -> Platform:
    """Return what was found where nothing is deployed, but for these."""
    nothing = dict.fromkeys((TRACKER, deployment.ENFORCER))
    empty: dict[str, object] = {
        "functions": nothing,
        "invokers": {},
        "roles": {},
        "policies": {},
        "topic": None,
        "subscription": None,
        "dead_letters": None,
        "numbers": {},
        "billing_account": "ACCOUNT",
        "budgets": (),
        "job": None,
    }
    return Platform(**{**empty, **values})  # type: ignore[arg-type] # as the test has them


def tracker(**variables: str) -> TrackerSettings:
    return TrackerSettings.from_mapping({"PROJECT_ID": "home-project", **variables})


def enforcer(policy: str = POLICY) -> EnforcerSettings:
    given = {"PROJECT_ID": "home-project", "ENFORCEMENT_MODE": "enforce", "ENFORCEMENT_POLICY": policy}
    return EnforcerSettings.from_mapping(given)


def states(found: list[Finding]) -> dict[str, list[str]]:
    """Return the states by what they are about."""
    result: dict[str, list[str]] = {}
    for each in found:
        result.setdefault(each.about, []).append(str(each.state))
    return result


def of_records(**changed: object) -> dict[str, list[str]]:
    return states(list(data(HERE, platform(), replace(RECORDS, **changed), NOW)))  # type: ignore[arg-type] # as above


@pytest.mark.parametrize(
    ("age", "state"),
    [(timedelta(0), "ok"), (timedelta(hours=2), "ok"), (timedelta(hours=2) + SECOND, "problem")],
)
def test_a_run_is_late_after_two_hours(age: timedelta, state: str) -> None:
    assert of_records(run=replace(RUN, recorded_at=NOW - age))["last run"] == [state]


def test_an_incomplete_run_says_what_it_lacks() -> None:
    records = replace(RECORDS, run=replace(RUN, complete=False, gaps=("compute", "monitoring")))

    [found] = [each for each in data(HERE, platform(), records, NOW) if each.about == "last run"]

    assert (found.state, found.sentence) == (
        State.PROBLEM,
        "The hour of 2026-07-22 03:20 UTC is incomplete: compute, monitoring was not read.",
    )
    assert (
        found.fix
        == "gcloud functions logs read track-spot-costs --project home-project --region us-central1 --limit 20"
    )


REFUSED = "Cloud Billing Pricing API: 403 Forbidden: The caller does not have permission"


@pytest.mark.parametrize(
    ("age", "reason", "state", "fix"),
    [
        (timedelta(hours=24), None, "ok", ""),
        (timedelta(hours=24) + SECOND, None, "problem", "gcloud functions logs read"),
        (None, None, "problem", "gcloud functions logs read"),
        (timedelta(hours=1), REFUSED, "problem", "gcloud billing accounts add-iam-policy-binding 012345-6789AB-CDEF01"),
        (None, "Cloud Billing Pricing API: 503 Unavailable", "problem", "gcloud functions logs read"),
    ],
)
def test_contract_prices_that_are_not_read_are_a_problem_where_they_are_to_be(
    age: timedelta | None, reason: str | None, state: str, fix: str
) -> None:
    run = replace(RUN, contract_prices_as_of=None if age is None else NOW - age, contract_prices_problem=reason)
    environment = {"CONTRACT_PRICES": "true", "BILLING_ACCOUNT_ID": "012345-6789AB-CDEF01"}
    function = Function("us-central1", "ACTIVE", "tracker@home", 2, 1, "https://tracker", environment)
    switched_on = platform(functions={TRACKER: function, deployment.ENFORCER: None})

    found = {each.about: each for each in data(HERE, switched_on, replace(RECORDS, run=run), NOW)}["contract prices"]

    assert (found.state, found.fix.startswith(fix)) == (state, True)
    assert "contract prices" not in of_records(run=run)


@pytest.mark.parametrize(
    ("age", "state"),
    [(timedelta(hours=24), "ok"), (timedelta(hours=24) + SECOND, "problem")],
)
def test_prices_and_notifications_are_old_after_a_day(age: timedelta, state: str) -> None:
    assert of_records(run=replace(RUN, prices_as_of=NOW - age))["price list"] == [state]
    assert of_records(notification=replace(SAID, received_at=NOW - age))["last notification"] == [state]


@pytest.mark.parametrize(
    ("unpriced", "state"),
    [(0, "ok"), (5, "ok"), (6, "problem")],
)
def test_up_to_a_twentieth_may_be_without_a_price(unpriced: int, state: str) -> None:
    assert of_records(prices=Prices(100, unpriced, 0))["prices"] == [state]


def test_a_single_stale_price_is_reported() -> None:
    assert of_records(prices=Prices(100, 0, 1))["stale prices"] == ["problem"]
    assert "stale prices" not in of_records()


AGREE = "machine types agree with Google's own price history"


@pytest.mark.parametrize(
    ("checks", "state", "said"),
    [
        (PriceChecks(9), "ok", f"9 of 9 {AGREE}."),
        (
            PriceChecks(9, ("n2-standard-8 in us-central1",)),
            "problem",
            f"8 of 9 {AGREE}; not n2-standard-8 in us-central1.",
        ),
        (
            PriceChecks(9, uncertain=2),
            "ok",
            f"7 of 9 {AGREE}, 2 but for hours whose price is marked as not certain.",
        ),
    ],
)
def test_prices_are_compared_with_google_s_own_history(checks: PriceChecks, state: str, said: str) -> None:
    found = [
        each
        for each in data(HERE, platform(), replace(RECORDS, price_checks=checks), NOW)
        if each.about == "price history"
    ]

    assert [(each.state, each.sentence) for each in found] == [(state, said)]
    assert "price history" not in of_records()


@pytest.mark.parametrize(
    ("recent", "earlier", "everything", "state", "said"),
    [
        (1 << 20, 9 << 20, 10 << 20, "ok", "A query on the rows since 2026-07-21 reads 1.0 MiB of 10.0 MiB."),
        (0, 10 << 20, 10 << 20, "ok", "A query on the rows since 2026-07-21 reads 0.0 MiB of 10.0 MiB."),
        (
            10 << 20,
            10 << 20,
            10 << 20,
            "problem",
            (
                "A query on the rows since 2026-07-21 reads 10.0 MiB, as much as one on all rows: "
                "the partitions are not pruned."
            ),
        ),
        (10 << 20, 0, 10 << 20, "ok", "Nothing to prune yet: no partition is older than 2026-07-21."),
        (0, 0, 0, "ok", "Nothing to prune yet: by a dry run, a query on all rows reads no bytes."),
    ],
)
def test_a_filter_that_reads_as_much_as_all_rows_is_a_problem_where_older_partitions_exist(
    recent: int, earlier: int, everything: int, state: str, said: str
) -> None:
    pruning = {"vm_inventory": Pruning(date(2026, 7, 21), recent, earlier, everything)}

    [found] = [
        each
        for each in data(HERE, platform(), replace(RECORDS, pruning=pruning), NOW)
        if each.about == "pruning of vm_inventory"
    ]

    fix = "python -m spotkeeper partition-tables --project home-project --dataset cost_tracking"
    assert (found.state, found.sentence, found.fix) == (state, said, fix if state == "problem" else "")


def test_a_table_whose_dry_run_is_refused_is_unknown_and_one_that_does_not_exist_says_nothing() -> None:
    found = of_records(pruning={"spot_vm_costs": DENIED, "vm_inventory": None})

    assert found["pruning of spot_vm_costs"] == ["unknown"]
    assert "pruning of vm_inventory" not in found


def test_an_hour_without_rows_says_nothing_of_prices() -> None:
    assert "prices" not in of_records(prices=Prices(0, 0, 0))


def test_permissions_that_the_last_drill_missed_are_a_problem() -> None:
    plan = Plan(NOW, 0, "dry_run", drill=True, missing_permissions=("other: compute.instances.stop",))

    assert of_records(plan=plan)["last plan"] == ["problem"]
    assert of_records(plan=replace(plan, missing_permissions=()))["last plan"] == ["ok"]
    assert of_records(plan=None)["last plan"] == ["ok"]


@pytest.mark.parametrize("part", ["run", "open_hours", "prices", "notification", "plan"])
def test_records_that_may_not_be_read_are_unknown(part: str) -> None:
    assert ["unknown"] in of_records(**{part: DENIED}).values()


@pytest.mark.parametrize(
    ("share", "state", "command"),
    [
        ("0.8", State.OK, ""),
        ("10", State.OK, ""),
        ("10.01", State.PROBLEM, "--add-threshold-rule percent=0.1001"),
        ("80", State.PROBLEM, "--add-threshold-rule percent=0.8"),
    ],
)
def test_a_threshold_above_ten_is_a_percentage_by_mistake(share: str, state: State, command: str) -> None:
    budget = Budget("b1", "compute", HERE.topic, (Decimal(share),))

    result = list(budgets(HERE, platform(budgets=(budget,)), None, None))

    [found] = [each for each in result if each.about == "thresholds of b1"]
    assert found.state is state
    assert found.fix.endswith(command)


def test_the_tracker_s_own_budget_is_one_that_reports() -> None:
    own = tracker(MONTHLY_BUDGET_USD="10", BUDGET_ID="b1", BUDGET_TOPIC=HERE.topic)

    found = states(list(budgets(HERE, platform(), own, enforcer())))

    assert found == {"billing": ["ok"], "budgets": ["ok"], "policy": ["ok"]}


def test_of_several_budgets_none_is_chosen_to_be_connected() -> None:
    silent = (Budget("b1", "one", "", ()), Budget("b2", "two", "projects/p/topics/other", ()))

    found = list(budgets(HERE, platform(budgets=silent), None, None))

    assert found[-1].fix.startswith("gcloud billing budgets update BUDGET_ID ")


def test_dead_letters_of_which_there_is_no_figure_are_unknown() -> None:
    def states_with(count: int | None) -> list[str]:
        return states(list(messages(HERE, platform(dead_letters=count))))["dead letters"]

    assert (states_with(None), states_with(0), states_with(1)) == (["unknown"], ["ok"], ["problem"])


def test_the_settings_decide_what_a_role_has_to_hold() -> None:
    policy = '{"budgets": {"b": {"projects": ["p-one-1"]}}, "grace_seconds": 30}'
    plain = needed_roles(HERE, tracker(CUSTOM_METRICS="false", ASSET_HISTORY="false"), None)
    full = needed_roles(HERE, tracker(AUDIT_LOG_HISTORY="true"), enforcer(policy))

    assert plain[HERE.project_id, TRACKER_HOME] == ROLES[TRACKER_HOME]
    assert plain[HERE.project_id, TRACKER_INSTANCES] == ROLES[TRACKER_INSTANCES]
    assert full[HERE.project_id, TRACKER_INSTANCES] == (
        *ROLES[TRACKER_INSTANCES],
        "cloudasset.assets.exportResource",
        "logging.logEntries.list",
    )
    assert full[HERE.project_id, TRACKER_HOME] == ("bigquery.jobs.create", "monitoring.timeSeries.create")
    assert set(full["p-one-1", deployment.ENFORCER_INSTANCES]) == {
        *ROLES[deployment.ENFORCER_INSTANCES],
        "compute.instances.setMetadata",
    }


@pytest.mark.parametrize(
    ("said", "extra"),
    [
        ("", set()),
        (', "restart": true', {"compute.instances.start"}),
        (', "grace_seconds": 30', {"compute.instances.setMetadata"}),
        (', "restart": true, "grace_seconds": 30', {"compute.instances.start", "compute.instances.setMetadata"}),
    ],
)
def test_a_role_holds_what_the_policy_needs_and_nothing_else(said: str, extra: set[str]) -> None:
    settings = enforcer(f'{{"budgets": {{"b": {{"projects": ["home-project"]}}}}{said}}}')
    place = ("home-project", deployment.ENFORCER_INSTANCES)
    needed = {*ROLES[deployment.ENFORCER_INSTANCES], *extra}

    def result(held: set[str]) -> tuple[str, str]:
        found = roles(HERE, platform(roles={place: frozenset(held)}), None, settings)
        [finding] = [each for each in found if each.about == f"role {place[1]} in {place[0]}"]
        return str(finding.state), finding.sentence

    assert set(needed_permissions(settings.policy)) == needed
    assert result(needed)[0] == "ok"
    assert result(needed - {"compute.instances.stop"}) == ("problem", "It lacks compute.instances.stop.")
    assert result(needed | {"compute.instances.delete"}) == (
        "problem",
        "It holds compute.instances.delete, which this policy does not need.",
    )


def test_where_a_folder_may_give_the_right_its_lack_is_unknown() -> None:
    several = tracker(PROJECTS="p-one-1,p-two-2", ASSET_HISTORY="false")
    given = {("p-one-1", TRACKER_INSTANCES): frozenset(ROLES[TRACKER_INSTANCES])}

    nowhere = states(list(roles(HERE, platform(), several, None)))
    in_one = states(list(roles(HERE, platform(roles=given), several, None)))

    assert nowhere["rights of the tracker"] == ["unknown"]
    assert f"role {TRACKER_INSTANCES} in p-one-1" not in nowhere
    assert in_one[f"role {TRACKER_INSTANCES} in p-one-1"] == ["ok"]
    assert in_one[f"role {TRACKER_INSTANCES} in p-two-2"] == ["problem"]


def test_a_project_whose_policy_may_not_be_read_is_unknown() -> None:
    found = states(list(grants(HERE, platform(policies={"home-project": DENIED}), None, enforcer())))

    assert found == {"rights in home-project": ["unknown"], "rights in other-project": ["unknown"]}


def test_a_right_without_its_condition_is_wide_and_enough() -> None:
    members = {name: HERE.member(name) for name in ("tracker", "enforcer")}
    everything = frozenset(
        {
            Binding(HERE.role(TRACKER_HOME), members["tracker"]),
            Binding(HERE.role(deployment.ENFORCER_HOME), members["enforcer"]),
            Binding(HERE.role(deployment.STAGING), members["tracker"]),
            Binding(HERE.role(deployment.STAGING), members["enforcer"], conditional=True),
            *(Binding(role, HERE.member("builder")) for role in deployment.BUILDER_ROLES),
        }
    )
    lesser = everything - {Binding(HERE.role(TRACKER_HOME), members["tracker"])} | {
        Binding(HERE.role(TRACKER_HOME), members["tracker"], conditional=True)
    }

    assert states(list(grants(HERE, platform(policies={"home-project": everything}), None, None))) == {
        "rights in home-project": ["ok"]
    }
    assert states(list(grants(HERE, platform(policies={"home-project": lesser}), None, None))) == {
        "rights in home-project": ["problem"]
    }


@pytest.mark.parametrize(
    ("age", "message"),
    [
        (timedelta(seconds=-5), "0 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=1), "1 h 0 min ago"),
        (timedelta(hours=23, minutes=59), "23 h 59 min ago"),
        (timedelta(days=2, hours=3, minutes=9), "2 d 3 h ago"),
        (timedelta(days=2), "2 d ago"),
    ],
)
def test_how_long_ago_something_was_is_worded(age: timedelta, message: str) -> None:
    assert ago(age) == message


def test_findings_are_summed_up_for_people_and_for_programs() -> None:
    found = [ok("a", "Good."), problem("b", "Bad.", "make deploy"), unknown("c", DENIED, "roles/x")]

    assert list(lines(found, found)) == [
        "ok       a: Good.",
        "problem  b: Bad.",
        "         -> make deploy",
        "unknown  c: Could not be read: IAM: no. Ask for roles/x.",
        "doctor: 1 ok, 1 problem, 1 unknown",
    ]
    assert list(lines(found, found[1:2]))[-1] == "doctor: 1 ok, 1 problem, 1 unknown"
    document = as_object(HERE, found, found)
    assert (document["ok_count"], document["problem_count"], document["unknown_count"]) == (1, 1, 1)
    assert document["findings"] == [
        {"about": "a", "state": "ok", "sentence": "Good.", "fix": ""},
        {"about": "b", "state": "problem", "sentence": "Bad.", "fix": "make deploy"},
        {
            "about": "c",
            "state": "unknown",
            "sentence": "Could not be read: IAM: no. Ask for roles/x.",
            "fix": "",
        },
    ]


PERMISSION_LISTS: Mapping[str, tuple[str, ...]] = {
    "tracker_instance_permissions": ROLES[TRACKER_INSTANCES],
    "enforcer_instance_permissions": ROLES[deployment.ENFORCER_INSTANCES],
    "tracker_home_permissions": ROLES[TRACKER_HOME],
    "enforcer_home_permissions": ROLES[deployment.ENFORCER_HOME],
    "records_permissions": ROLES[deployment.RECORDS],
    "staging_permissions": ROLES[deployment.STAGING],
    "alert_permissions": ROLES[deployment.ALERTS],
    "asset_history_permissions": deployment.ASSET_HISTORY_PERMISSIONS,
    "audit_log_permissions": deployment.AUDIT_LOG_PERMISSIONS,
    "capacity_history_permissions": deployment.CAPACITY_HISTORY_PERMISSIONS,
    "metrics_permissions": deployment.METRICS_PERMISSIONS,
    "freeze_permissions": FREEZE_PERMISSIONS,
    "restart_permissions": RESTART_PERMISSIONS,
    "warning_permissions": WARNING_PERMISSIONS,
}


def test_the_permissions_that_are_looked_for_are_those_that_terraform_gives() -> None:
    given = {name: tuple(value) for name, value in local_values().items() if name.endswith("_permissions")}

    assert given == PERMISSION_LISTS


ACCOUNTS = ("tracker", "enforcer", "scheduler", "delivery", "builder")


@pytest.mark.parametrize(
    ("kind", "name", "attribute", "value"),
    [
        ("google_pubsub_topic", "budget", "name", deployment.TOPIC),
        ("google_pubsub_topic", "dead_letter", "name", deployment.DEAD_LETTER),
        ("google_pubsub_subscription", "dead_letter", "name", deployment.DEAD_LETTER),
        ("google_pubsub_subscription", "enforcer", "name", deployment.SUBSCRIPTION),
        ("google_cloud_scheduler_job", "hourly", "name", deployment.JOB),
        ("google_cloud_scheduler_job", "interim", "name", deployment.INTERIM_JOB),
        ("google_cloudfunctions2_function", "tracker", "name", deployment.TRACKER),
        ("google_cloudfunctions2_function", "enforcer", "name", deployment.ENFORCER),
        ("google_project_iam_custom_role", "tracker_instances", "role_id", f"{deployment.TRACKER_INSTANCES}{SUFFIX}"),
        ("google_project_iam_custom_role", "enforcer_instances", "role_id", f"{deployment.ENFORCER_INSTANCES}{SUFFIX}"),
        ("google_project_iam_custom_role", "tracker_home", "role_id", f"{deployment.TRACKER_HOME}{SUFFIX}"),
        ("google_project_iam_custom_role", "enforcer_home", "role_id", f"{deployment.ENFORCER_HOME}{SUFFIX}"),
        ("google_project_iam_custom_role", "records", "role_id", f"{deployment.RECORDS}{SUFFIX}"),
        ("google_project_iam_custom_role", "staging", "role_id", f"{deployment.STAGING}{SUFFIX}"),
        ("google_project_iam_custom_role", "alerts", "role_id", f"{deployment.ALERTS}{SUFFIX}"),
        *(("google_service_account", name, "account_id", f"spotkeeper-{name}") for name in ACCOUNTS),
    ],
)
def test_what_is_looked_for_has_the_name_that_terraform_gives(
    kind: str, name: str, attribute: str, value: object
) -> None:
    assert resource(kind, name)[attribute] == value


def test_the_roles_of_the_builder_and_the_account_of_cloud_billing_are_those_of_terraform() -> None:
    builder = str(resource("google_project_iam_member", "builder")["for_each"])

    assert set(re.findall(r"roles/[\w.]+", builder)) == set(deployment.BUILDER_ROLES)
    assert variables()["budget_publisher"]["default"] == deployment.BUDGET_PUBLISHER


def deployed(**environment: str) -> Function:
    return Function(
        "us-central1", "ACTIVE", "account", 2, 1, "https://tracker", {"PROJECT_ID": "home-project"} | environment
    )


def tracker_alone(**values: object) -> Platform:
    """Return what a deployment in mode off looks like: no enforcer, no subscription, no role of the enforcer."""
    installed = {name: HERE.member(name) for name in ("tracker", "builder")}
    home = {
        Binding(HERE.role(TRACKER_HOME), installed["tracker"]),
        Binding(HERE.role(deployment.STAGING), installed["tracker"], conditional=True),
        Binding(HERE.role(TRACKER_INSTANCES), installed["tracker"]),
        *(Binding(role, installed["builder"]) for role in deployment.BUILDER_ROLES),
    }
    topic = {
        Binding(HERE.role(deployment.ALERTS), installed["tracker"]),
        Binding("roles/pubsub.publisher", deployment.BUDGET_PUBLISHER),
    }
    held = needed_roles(HERE, tracker(), None)
    uri = "https://tracker"
    found: dict[str, object] = {
        "functions": {
            TRACKER: Function("us-central1", "ACTIVE", "account", 2, 1, uri, {"PROJECT_ID": "home-project"}),
            deployment.ENFORCER: None,
        },
        "job": Job("ENABLED", uri, HERE.email("scheduler"), uri, NOW, ""),
        "invokers": {TRACKER: frozenset({Binding("roles/run.invoker", HERE.member("scheduler"))})},
        "roles": {key: frozenset(held[key]) for key in held if key[1] != deployment.ENFORCER_HOME},
        "policies": {"home-project": frozenset(home)},
        "topic": frozenset(topic),
    }
    return platform(**{**found, **values})


def not_ok(found: Platform) -> list[Finding]:
    access = frozenset({(HERE.records_role, HERE.email("tracker"))})
    findings = diagnose(HERE, found, replace(RECORDS, access=access, notification=None), NOW)
    return [each for each in findings if each.state is not State.OK]


def test_a_deployment_of_the_tracker_alone_has_no_problem() -> None:
    found = tracker_alone()

    assert not_ok(found) == []
    [said] = [each for each in diagnose(HERE, found, RECORDS, NOW) if each.about == deployment.ENFORCER]
    assert said == ok(deployment.ENFORCER, "Not deployed, as in enforcement_mode off: nothing can be stopped.")


def test_an_enforcer_that_is_gone_while_its_subscription_is_there_is_a_problem() -> None:
    subscription = Subscription("topic", "ACTIVE", "https://enforcer", "account", "audience")

    about = {each.about for each in not_ok(tracker_alone(subscription=subscription))}

    assert about >= {
        deployment.ENFORCER,
        "delivery",
        "role spotkeeperEnforcerHome in home-project",
        "last notification",
    }


URI = "https://tracker.example"
INTERIM = Job("ENABLED", URI, HERE.email("scheduler"), URI, NOW, "", '{"check": "interim"}')


def of_interim(job: object, **variables: str) -> list[Finding]:
    """Return what is said of interim checks, where the hourly job is as it should be."""
    served = Function("us-central1", "ACTIVE", "tracker@x", 1, 1, URI, {})
    found = platform(functions={TRACKER: served, deployment.ENFORCER: None}, job=replace(INTERIM, body=""))
    found = replace(found, interim_job=job)  # type: ignore[arg-type] # as the test has it
    return [each for each in schedule(HERE, found, tracker(**variables)) if "interim" in each.about]


@pytest.mark.parametrize(
    ("job", "about", "says"),
    [
        (INTERIM, "interim checks", "spotkeeper-interim is enabled and calls the tracker as"),
        (None, "interim checks", "There is no job spotkeeper-interim in us-central1: nothing checks the budgets"),
        (Unread("403", denied=True), "interim checks", "403"),
        (replace(INTERIM, state="PAUSED"), "interim checks", "spotkeeper-interim is PAUSED: nothing checks"),
        (replace(INTERIM, uri="https://old"), "interim checks target", "spotkeeper-interim calls https://old"),
        (replace(INTERIM, body=""), "interim checks target", "spotkeeper-interim sends nothing, but must send"),
        (replace(INTERIM, body="{"), "interim checks target", "spotkeeper-interim sends {, but must send"),
        (replace(INTERIM, failure="code 14"), "interim checks result", "The last call of spotkeeper-interim failed"),
        (replace(INTERIM, last_attempt_at=None), "interim checks result", "spotkeeper-interim has not called"),
    ],
)
def test_the_job_of_interim_checks_is_looked_at_where_they_are_on(job: object, about: str, says: str) -> None:
    [found] = of_interim(job, INTERIM_CHECKS="true")

    assert found.about == about
    assert says in found.sentence


def test_without_interim_checks_no_job_is_missed_and_one_that_is_there_is_a_problem() -> None:
    assert of_interim(None) == []
    assert of_interim(Unread("403")) == []
    [found] = of_interim(INTERIM)
    assert found.state is State.PROBLEM
    assert "refuses" in found.sentence


EVENTS = replace(enforcer(), events_topic="projects/home-project/topics/spotkeeper-events")
MAY_PUBLISH = frozenset({Binding(HERE.role(deployment.ALERTS), HERE.member("enforcer"))})


@pytest.mark.parametrize(
    ("policy", "failed", "expected"),
    [
        (MAY_PUBLISH, 0, {"events topic": ["ok"], "events of the enforcer": ["ok"], "published events": ["ok"]}),
        (MAY_PUBLISH, 3, {"events topic": ["ok"], "events of the enforcer": ["ok"], "published events": ["problem"]}),
        (
            frozenset(),
            0,
            {"events topic": ["ok"], "events of the enforcer": ["problem"], "published events": ["ok"]},
        ),
        (
            MAY_PUBLISH,
            DENIED,
            {"events topic": ["ok"], "events of the enforcer": ["ok"], "published events": ["unknown"]},
        ),
        (None, 0, {"events topic": ["problem"]}),
        (DENIED, 0, {"events topic": ["unknown"]}),
    ],
)
def test_the_topic_of_events_is_there_is_granted_and_takes_what_is_published(
    policy: object, failed: object, expected: dict[str, list[str]]
) -> None:
    found = platform(events_topic=policy, failed_events=failed)

    assert states(list(events(HERE, found, EVENTS))) == expected


def test_without_a_topic_of_events_nothing_is_said_of_it() -> None:
    assert list(events(HERE, platform(), enforcer())) == []
    assert list(events(HERE, platform(), None)) == []


GROUP = "projects/p/zones/us-central1-a/instanceGroupManagers/workers"


@pytest.mark.parametrize(
    ("since_end", "state"),
    [(-timedelta(days=3), "ok"), (timedelta(hours=24), "ok"), (timedelta(hours=24) + SECOND, "problem")],
)
def test_a_freeze_is_overdue_a_day_after_its_period(since_end: timedelta, state: str) -> None:
    assert of_records(freezes=(OpenFreeze(GROUP, NOW - since_end),))["freezes"] == [state]


def test_each_overdue_freeze_has_its_command_and_the_others_are_not_named() -> None:
    regional = "projects/p/regions/us-east1/instanceGroupManagers/trainers"
    ended = NOW - timedelta(days=2)
    freezes = (OpenFreeze(GROUP, ended), OpenFreeze(regional, ended - SECOND), OpenFreeze("x", NOW))

    found = [each for each in data(HERE, platform(), replace(RECORDS, freezes=freezes), NOW) if each.about == "freezes"]

    assert [each.fix for each in found] == [
        "gcloud compute instance-groups managed update-autoscaling trainers --region us-east1 --project p --mode on",
        "gcloud compute instance-groups managed update-autoscaling workers --zone us-central1-a --project p --mode on",
    ]


def test_freezes_that_cannot_be_read_are_unknown_and_none_are_nothing() -> None:
    assert of_records(freezes=DENIED)["freezes"] == ["unknown"]
    assert "freezes" not in of_records()
