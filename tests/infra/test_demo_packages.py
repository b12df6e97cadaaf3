"""The demo and a trial run with the packages of their own lock, which leaves out most of development's."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from google.cloud import bigquery

from infra.local.bigquery.absent import LEFT_OUT
from infra.local.bigquery.tables import local_client
from infra.local.stack.processes import Processes

ROOT = Path(__file__).parents[2]
DEMO = (ROOT / "requirements" / "demo.txt").read_text(encoding="utf-8")
IMPORT_ALL = """
import importlib, pathlib, sys
for root in map(pathlib.Path, sys.argv[1:]):
    for path in sorted(root.rglob("*.py")):
        name = ".".join(path.relative_to(root if root.name == "functions" else root.parents[1]).with_suffix("").parts)
        if not name.startswith("infra.local.bigquery") and not name.endswith("__main__"):
            importlib.import_module(name.removesuffix(".__init__"))
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of the demo's lock, and no other, as far as folders are not shared."""
    folder = tmp_path_factory.mktemp("packages")
    for name in re.findall(r"^([a-z0-9-]+)(?:\[[^]]+])?==", DEMO, re.MULTILINE):
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}:
            link = folder / top
            if not link.exists():
                link.symlink_to(Path(str(found.locate_file(top))))
    return folder


@pytest.fixture
def environment(packages: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a Python that finds these packages only, once it is started with -S."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(packages), str(ROOT), str(ROOT / "functions")]))
    return dict(os.environ)


def imports(name: str, environment: dict[str, str]) -> bool:
    command = [sys.executable, "-S", "-c", f"import {name}"]
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0  # noqa: S603


def test_the_packages_that_are_left_out_are_not_found(environment: dict[str, str]) -> None:
    assert [name for name in (*LEFT_OUT, "numpy", "pytest", "zetasql") if imports(name, environment)] == []
    assert imports("sqlglot", environment)


def test_everything_but_the_tests_can_be_imported(environment: dict[str, str]) -> None:
    folders = [str(ROOT / "functions"), str(ROOT / "infra" / "local")]
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-S", "-c", IMPORT_ALL, *folders],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )

    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.fixture
def client(environment: dict[str, str], tmp_path: Path) -> Iterator[bigquery.Client]:
    """A client of a local BigQuery that has these packages only."""
    with Processes(tmp_path / "logs") as processes:
        options = ["--data-dir", str(tmp_path / "data"), "--project", "p-demo-1", "--dataset", "d", "--in-memory"]
        command = [sys.executable, "-S", "-m", "infra.local.bigquery", *options]
        assert environment["PYTHONPATH"] == os.environ["PYTHONPATH"]
        yield local_client(processes.announced("bigquery", command)["bigquery"], "p-demo-1")


def test_the_local_bigquery_needs_none_of_the_packages_that_are_left_out(
    client: bigquery.Client,
) -> None:
    client.create_dataset("d", exists_ok=True)
    rows = [{"name": "a", "amount": "1.50"}, {"name": "b", "amount": "2.25"}]
    schema = [bigquery.SchemaField("name", "STRING"), bigquery.SchemaField("amount", "NUMERIC")]
    configuration = bigquery.LoadJobConfig(schema=schema)
    client.load_table_from_json(rows, "p-demo-1.d.amounts", job_config=configuration).result()

    wanted = bigquery.QueryJobConfig(query_parameters=[bigquery.ArrayQueryParameter("names", "STRING", ["a", "b"])])
    query = "SELECT COUNT(*) AS rows_, SUM(amount) AS total FROM d.amounts WHERE name IN UNNEST(@names)"

    [row] = client.query(query, job_config=wanted).result()

    assert (row["rows_"], str(row["total"])) == (2, "3.75")
    script = """
    BEGIN TRANSACTION;
    DELETE FROM d.amounts WHERE name = 'a';
    COMMIT TRANSACTION;
    SELECT [STRUCT(name AS name, amount AS amount)] AS pairs FROM d.amounts;
    """
    [row] = client.query(script, job_config=bigquery.QueryJobConfig(default_dataset="p-demo-1.d")).result()
    assert [(pair["name"], str(pair["amount"])) for pair in row["pairs"]] == [("b", "2.25")]
