"""The command `report`: what it takes, what it refuses, and the statements it asks the views with."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spotkeeper.cli.main import main
from spotkeeper.gcp.bigquery.report_views import statement
from spotkeeper.report.rows import (
    BudgetState,
    CheaperPlace,
    CostlyVm,
    DaySavings,
    Enforced,
    EnforcedAction,
    HourBurn,
    HourQuality,
    IdleResource,
    Interruptions,
    LabelCost,
    PlaceCost,
    PriceChange,
    PriceDrift,
    PriceHeld,
    RunCost,
    Spared,
    StopEffect,
    TeamCost,
    TeamWork,
    Unattributed,
    UnattributedCreator,
    ViewRow,
    WeekCost,
)
from tests.sql.cases import queries
from tests.sql.googlesql import refusals, simple

KINDS: tuple[type[ViewRow], ...] = (
    PlaceCost,
    TeamCost,
    DaySavings,
    HourBurn,
    BudgetState,
    Unattributed,
    UnattributedCreator,
    Interruptions,
    PriceChange,
    PriceDrift,
    PriceHeld,
    CheaperPlace,
    EnforcedAction,
    Spared,
    Enforced,
    StopEffect,
    IdleResource,
    HourQuality,
    WeekCost,
    CostlyVm,
    RunCost,
    TeamWork,
    LabelCost,
)
PARAMETERS = {
    **{name: simple("DATE") for name in ("first_day", "end_day")},
    **{name: simple("TIMESTAMP") for name in ("first_time", "end_time")},
}


def test_the_views_have_every_column_that_the_report_asks_for() -> None:
    assert {kind.source.view for kind in KINDS} <= {view.stem for view in queries("views")}
    assert refusals({kind.__name__: statement(kind) for kind in KINDS}, PARAMETERS) == {}


def test_a_view_of_days_is_queried_for_days_and_no_view_for_all_columns() -> None:
    fixed = {
        "hourly_burn_rate",
        "budget_status",
        "interruptions",
        "placement_options",
        "price_drift",
        "price_history",
        "weekly_cost_by_project",
        "vm_costs",
        "cost_by_label",
        "stopped_but_costing",
        "unattributed_creators",
    }

    assert {kind.source.view for kind in KINDS if " >= @first_" not in statement(kind)} == fixed
    assert [kind.__name__ for kind in KINDS if "*" in statement(kind).replace("COUNT(*)", "")] == []


def test_an_unreadable_dataset_is_reported_in_one_sentence_and_leaves_no_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BIGQUERY_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("RETRY_TIMEOUT_SECONDS", "0")

    code = main(["report", "--project", "some-project", "--output", str(tmp_path / "report.html")])

    output = capsys.readouterr()
    assert (code, output.out, output.err.count("\n")) == (2, "", 1)
    assert output.err.startswith("spotkeeper: BigQuery: ")
    assert list(tmp_path.iterdir()) == []


def test_without_its_packages_the_command_says_what_to_install(tmp_path: Path) -> None:
    hide = "import sys; sys.modules.update(altair=None, vl_convert=None); "
    run = "from spotkeeper.cli.main import main; sys.exit(main(['report', '--project', 'some-project']))"
    ended = subprocess.run(  # noqa: S603 (a command of this test)
        [sys.executable, "-c", hide + run], cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "spotkeeper: the report needs altair and vl-convert-python, not installed here: "
        "python -m pip install altair vl-convert-python\n"
    )
