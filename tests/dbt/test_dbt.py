"""The package for dbt by dbt itself: it parses without a warning, and its tests compile to queries that BigQuery takes.

`make dbt` installs dbt into an environment of its own, .venv-dbt.
"""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dashboards.dbt import definition
from tests.sql.cases import queries, with_views
from tests.sql.googlesql import analyze

ROOT = Path(__file__).parents[2]
PROFILE = """
spotkeeper:
  target: check
  outputs:
    check: {type: bigquery, method: oauth-secrets, token: none, project: home-project, dataset: analytics, threads: 1}
"""
_DBT = ROOT / ".venv-dbt" / "bin" / "dbt"
_VARIABLES = {"spotkeeper_project": "data-platform"}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What dbt makes of the package, without a call of BigQuery; a warning of dbt is an error."""
    folder = tmp_path_factory.mktemp("dbt")
    (folder / "profiles.yml").write_text(PROFILE)
    command: list[Path | str] = [_DBT, "--warn-error", "compile", "--no-populate-cache", "--no-introspect"]
    command += ["--select", "test_type:generic", "--vars", json.dumps(_VARIABLES)]
    places: list[Path | str] = ["--project-dir", ROOT / "dbt", "--profiles-dir", folder]
    ended = subprocess.run(  # noqa: S603 (a tool of ours)
        [*command, *places, "--target-path", folder / "target", "--log-path", folder / "logs"],
        env=os.environ | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder / "target"


@pytest.fixture(scope="module")
def manifest(target: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((target / "manifest.json").read_text())
    return found


def test_dbt_reads_every_description_and_type_as_it_was_written(manifest: Mapping[str, Any]) -> None:
    read = {
        source["name"]: (
            source["description"],
            {name: (each["data_type"], each["description"]) for name, each in source["columns"].items()},
        )
        for source in manifest["sources"].values()
    }

    assert read == {
        table["name"]: (
            table["description"],
            {each["name"]: (each["data_type"], each["description"]) for each in table["columns"]},
        )
        for table in definition()["tables"]
    }


def test_the_project_is_a_variable_and_the_dataset_has_a_default(manifest: Mapping[str, Any]) -> None:
    places = {(source["database"], source["schema"]) for source in manifest["sources"].values()}

    assert places == {("data-platform", "cost_tracking")}


def test_dbt_asks_how_fresh_the_hours_are(manifest: Mapping[str, Any]) -> None:
    fresh = {
        source["name"]: (source["loaded_at_field"], source["freshness"]["error_after"]["count"])
        for source in manifest["sources"].values()
        if source["loaded_at_field"]
    }

    assert fresh == {"project_hours": ("hour", 6), "tracker_runs": ("hour", 6)}


def test_bigquery_takes_the_query_of_every_test(target: Path) -> None:
    compiled = sorted(path for path in target.glob("compiled/**/*.sql"))
    views = {path.stem: path for path in queries("views")}

    assert len(compiled) == sum(
        len(each.get("data_tests", ())) for table in definition()["tables"] for each in [table, *table["columns"]]
    )
    for path in compiled:
        text, [name] = path.read_text(), set(re.findall(r"`data-platform`\.`cost_tracking`\.`(\w+)`", path.read_text()))
        text = text.replace(f"`data-platform`.`cost_tracking`.`{name}`", name)
        # What dbt writes begins with WITH or SELECT, and both can stand in a step.
        step = f"{name} AS ({with_views(views[name])}), " if name in views else ""
        analyze(f"WITH {step}test AS ({text}) SELECT * FROM test", {})
