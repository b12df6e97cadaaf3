"""What the pages on views, the deployment and security repeat of SQL, Terraform and the policy is what stands there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from spotkeeper.enforcement.blockers import Blocker
from spotkeeper.enforcement.policies import Policy
from spotkeeper.enforcement.recording import RECORDS_UNAVAILABLE
from spotkeeper.enforcement.verdicts import VerdictName
from tests.docs.references import ROOT
from tests.infra.terraform_files import DEPLOYED, INFRA, object_fields, outputs, parsed, variables

DOCS = ROOT / "docs"
VIEWS = sorted((ROOT / "sql" / "views").glob("*.sql"))
OF_TERRAFORM = {"deletion_protection"}
NUMBERS = {"three": 3, "thirty": 30}


def test_the_page_of_views_repeats_the_question_of_every_view_and_gives_its_cost() -> None:
    questions, _, costs = _text("views.md").partition("## What a query costs")
    listed = dict(re.findall(r"^\| `(\w+)` \| ([^?|]+\?)", questions, re.MULTILINE))
    asked = {view.stem: view.read_text().splitlines()[0].removeprefix("-- ") for view in VIEWS}

    assert listed == asked
    assert re.findall(r"^\| `(\w+)` \| \d+ \|", costs, re.MULTILINE) == sorted(asked)


def test_the_verdicts_are_listed_in_the_table_and_on_the_page_of_the_enforcer() -> None:
    table = json.loads((ROOT / "sql" / "tables" / "budget_notifications.json").read_text())
    [description] = [field["description"] for field in table["schema"]["fields"] if field["name"] == "verdict"]
    [on_page] = re.findall(r"`budget_notifications`: ([^.]+)\.", _text("enforcer.md"))
    of_code = list(VerdictName)

    assert _names(description.partition(": ")[2]) == of_code
    assert _names(on_page) == of_code


def test_the_page_of_the_enforcer_says_what_each_verdict_means_and_which_events_raise_an_alert() -> None:
    page = _text("enforcer.md")
    _, _, table = page.partition("| verdict | meaning |")
    rows = re.findall(r"^\| (`[^|]+) \|", table.partition("\n\n")[0], re.MULTILINE)
    explained = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    [unfit] = re.findall(r"\^budget notification: \(([a-z_|]{40,})\)", (INFRA / "alerts.tf").read_text())
    [alerting] = re.findall(r"^(`malformed`, .+?) raise an alert", page, re.MULTILINE)

    assert sorted(explained) == sorted(VerdictName)
    assert re.findall(r"`(\w+)`", alerting) == unfit.split("|")
    assert [event for event in (*Blocker, RECORDS_UNAVAILABLE) if f"`{event}`" not in page] == []


def test_the_page_of_alerts_has_a_section_for_every_alert() -> None:
    alerts = (INFRA / "alerts.tf").read_text()
    titles = re.findall(r'^      title +"?= +"(.+)"$', alerts, re.MULTILINE)

    assert len(titles) > 12
    assert sorted(re.findall(r"^### (.+)$", _text("alerts.md"), re.MULTILINE)) == sorted(titles)


def test_the_security_page_names_the_limits_on_what_a_forged_message_can_do() -> None:
    _, _, forged = _text("security.md").partition("can still do:")

    assert {"max_stops_per_day", "max_stops_per_day_total", "min_share_of_tracker_cost", "restart"} <= set(
        re.findall(r"`(\w+)`", forged)
    )


def test_the_first_blocks_of_settings_hold_all_that_has_no_default() -> None:
    required = {name for name, body in variables().items() if "default" not in body}
    example = (INFRA / "example.tfvars").read_text()
    tracker_alone, dry_run = re.findall(r"```hcl\n(.*?)```", _text("deploy.md"), re.DOTALL)
    first_block = example.partition("\n\n")[2].partition("\n\n")[0]

    assert _assigned(first_block) == required
    assert required <= _assigned(tracker_alone) <= variables().keys()
    assert {"enforcement_mode", "enforcement_policy"} <= _assigned(dry_run) <= variables().keys()


def test_the_example_repeats_the_defaults_of_what_an_operator_rarely_changes() -> None:
    example = parsed(INFRA / "example.tfvars")
    usual = example.keys() - {
        "analysts",
        "approvers",
        "billing_account_id",
        "billing_budgets",
        "daily_budget_hour_share",
        "daily_budget_projection_share",
        "daily_budget_usd",
        "dataset_location",
        "enforcement_mode",
        "enforcement_policy",
        "hourly_budget_usd",
        "label_budgets",
        "label_keys",
        "monthly_budget_usd",
        "notification_emails",
        "projects",
    }

    differing = [name for name in usual if example[name] != variables()[name].get("default", example[name])]
    assert sorted(differing) == []


def test_every_variable_policy_field_output_and_column_that_a_page_names_exists() -> None:
    policy = object_fields(str(variables()["enforcement_policy"]["type"]))
    known = {
        *variables(),
        *parsed(DEPLOYED / "adopt.tf")["variable"][0],
        *policy,
        *object_fields(policy["budgets"]),
        *outputs(),
        *(path.stem for path in (ROOT / "sql").glob("*/*.*")),
        *_columns(),
        *OF_TERRAFORM,
    }
    named = {
        page: set(re.findall(r"`([a-z]+(?:_[a-z]+)+)(?: = [^`]*)?`", _text(page)))
        for page in ("deploy.md", "security.md", "without-terraform.md")
    }

    assert named["deploy.md"]
    assert {page: sorted(names - known) for page, names in named.items() if names - known} == {}


def test_the_security_page_repeats_the_default_limits() -> None:
    policy = Policy.from_json(json.dumps({"budgets": {"b": {"projects": ["home-project-1"]}}}))
    caps = policy.budgets["b"].caps
    [per_alert, per_day] = re.findall(r"at most (\w+) stops per\s+alert and (\w+) (?:a|per) day", _text("security.md"))[
        0
    ]

    assert (NUMBERS[per_alert], NUMBERS[per_day]) == (caps.per_alert, caps.per_day)


def _text(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def _names(listed: str) -> list[str]:
    return re.findall(r"[a-z]+(?:_[a-z]+)*", re.sub(r"\bor\b", "", listed))


def _assigned(settings: str) -> set[str]:
    return set(re.findall(r"^(\w+) += ", settings, re.MULTILINE))


def _columns() -> Iterator[str]:
    for path in sorted((ROOT / "sql" / "tables").glob("*.json")):
        yield from (field["name"] for field in _fields(path))
    for path in sorted((ROOT / "sql" / "views").glob("*.sql")):
        yield from re.findall(r"(\w+),? +-- [A-Z0-9<>]+: ", path.read_text(encoding="utf-8"))


def _fields(path: Path) -> list[dict[str, str]]:
    fields: list[dict[str, str]] = json.loads(path.read_text())["schema"]["fields"]
    return fields
