"""What the README says of functions, tables, settings, defaults and costs is what the code says."""

import ast
import json
import re
import subprocess
from collections.abc import Mapping

from spotkeeper.enforcement.policies import Policy, Response, Source
from spotkeeper.enforcement.settings import EnforcerSettings
from spotkeeper.pricing.sku_rates import LIST_HOURS_PER_MONTH
from spotkeeper.tracking.settings import TrackerSettings
from tests.docs.references import DOCUMENTS, ROOT
from tests.infra.test_settings_contract import LOCAL_ONLY, read_by

README = (ROOT / "README.md").read_text(encoding="utf-8")
ACCURACY = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
WORDS, WORDS_OF_ACCURACY = (re.sub(r"\s+", " ", page) for page in (README, ACCURACY))
TRACKER, ENFORCER = "track_spot_costs", "enforce_budget_limit"
PROJECT = "home-project-1"
SOURCES = {Source.BILLING: "Cloud Billing", Source.TRACKER: "the tracker"}

FILLED_BY_OTHERS = {"work", "job_system_rules"}
"""What runs on the VMs, and how to recognize whose they are."""


def function_rows() -> dict[str, str]:
    """Return the rows of the table of functions by the function's name."""
    table = README.partition("| function |")[2].partition("\n\n")[0]
    return {re.findall(r"`(\w+)`", row)[0]: row for row in table.splitlines()[2:]}


def names_of(responses: Mapping[Source, Response], response: Response) -> str:
    return " and ".join(SOURCES[source] for source in Source if responses[source] is response)


def test_the_table_of_functions_has_the_entry_points() -> None:
    tree = ast.parse((ROOT / "functions" / "main.py").read_text(encoding="utf-8"))
    entry_points = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list]

    assert [name for name in function_rows() if name not in entry_points] == []
    assert {TRACKER, ENFORCER} == set(function_rows())


def test_the_functions_write_all_tables_but_the_locks_and_those_that_others_fill() -> None:
    tables = {path.stem for path in (ROOT / "sql" / "tables").glob("*.json")}
    written = [
        name
        for page in ("tracker", "enforcer")
        for row in re.findall(r"^It writes (.*?)\.$", (ROOT / "docs" / f"{page}.md").read_text(), re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    ]

    assert sorted(written) == sorted(
        name for name in tables if name not in FILLED_BY_OTHERS and not name.endswith("_lock")
    )


def test_the_readme_repeats_the_defaults_of_the_code() -> None:
    tracker = TrackerSettings.from_mapping({"PROJECT_ID": PROJECT})
    policy = Policy.from_json(json.dumps({"budgets": {"b": {"projects": [PROJECT]}}}))
    rule = policy.budgets["b"]
    [step] = rule.steps
    *early, last = (f"{share:.0%}".replace("%", "") for share in tracker.budgets.thresholds)
    [minute] = re.findall(r'schedule += "(\d+) \* \* \* \*"', (ROOT / "infra" / "schedule.tf").read_text())
    expected = [
        f"minute {minute} of every hour",
        f"alerts at {', '.join(early)} and {last} % of a budget",
        f"stops at most {rule.caps.per_alert} VMs per alert",
        f"at most {rule.caps.per_alert} per alert and {rule.caps.per_day} per day",
        f"only VMs with {' and '.join(step.priorities)} priority, from {step.threshold:.0%}".replace("%", " %"),
        f"only for notifications of {names_of(rule.responses, Response.STOP)}",
        f"alerts of {names_of(rule.responses, Response.WARN)} warn",
        f"(`{policy.protect_label}=true`)",
        f"up to {tracker.catch_up_hours} hours back (`CATCH_UP_HOURS`)",
        f"Python {(ROOT / '.python-version').read_text().strip()}",
    ]

    assert [sentence for sentence in expected if sentence not in WORDS] == []


def test_the_page_of_accuracy_repeats_the_defaults_of_the_code() -> None:
    tracker = TrackerSettings.from_mapping({"PROJECT_ID": PROJECT})
    expected = [
        f"**Prices are read every {tracker.price_refresh_hours} hours**",
        f"two hours around midnight, up to {tracker.price_refresh_hours + 1} at another time",
        f"divide by {LIST_HOURS_PER_MONTH} hours",
    ]

    assert [sentence for sentence in expected if sentence not in WORDS_OF_ACCURACY] == []


def test_the_readme_repeats_the_monthly_sums_of_the_deployment_page() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    [used_up, free] = [re.findall(r"\*\*([\d.]+)\*\*", row) for row in re.findall(r"^\| \*\*sum.*", page, re.MULTILINE)]

    assert f"USD {used_up[0]}, {used_up[1]} or {used_up[2]} a month" in WORDS
    assert f"USD {free[0]}, {free[1]} or {free[2]} where" in WORDS


def test_the_readme_repeats_the_memory_of_the_speed_page() -> None:
    page = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    [memory, limit] = re.findall(r"the three runs after it, in one process \| (\d+ MiB)[^|]*\| (\d+ MiB)", page)[0]
    [jobs] = re.findall(r"BigQuery jobs \(requests\) \| (\d+) \(", page)

    assert f"take {memory} of the function's {limit} and {jobs} BigQuery jobs" in WORDS
    assert f'available_memory = "{limit.replace(" MiB", "Mi")}"' in re.sub(r" +", " ", _terraform("tracker.tf"))


def test_the_readme_links_to_every_page_of_the_documentation() -> None:
    pages = {str(path.relative_to(ROOT)) for path in DOCUMENTS} - {"README.md", "CHANGELOG.md"}

    assert pages <= set(re.findall(r"\]\(([^)#]+)", README))


def test_every_setting_that_the_readme_names_is_read_by_a_function() -> None:
    read = read_by(TrackerSettings) | read_by(EnforcerSettings) | LOCAL_ONLY.keys()
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`", README + ACCURACY))

    assert named
    assert sorted(named - read) == []


def _source(path: str) -> str:
    return (ROOT / "functions" / "spotkeeper" / path).read_text(encoding="utf-8")


def _terraform(name: str) -> str:
    return (ROOT / "infra" / name).read_text(encoding="utf-8")


def test_make_help_lists_every_target_within_eighty_columns() -> None:
    listed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607
    [phony] = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert [line for line in listed.splitlines() if len(line) > 80] == []
    assert sorted(re.findall(r"^  make (\S+) +\S", listed, re.MULTILINE)) == sorted(phony.split())
