"""The wheel of the command line: built without a network, it runs in an environment of what it requires."""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from tests.unit.saved_catalogs import saved, whole

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
IMPORT_ALL = """
import importlib, pkgutil, spotkeeper
for module in pkgutil.walk_packages(spotkeeper.__path__, "spotkeeper."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments, "--no-index", "--no-deps", "--disable-pip-version-check", "-q"]
    subprocess.run(command, check=True, timeout=100)  # noqa: S603 (a command of this test)


def required(requirements: list[str]) -> dict[str, Requirement]:
    """Return the requirements of these requirements, and so on, by name."""
    found: dict[str, Requirement] = {}
    waiting = [Requirement(each) for each in requirements]
    while waiting:
        one = waiting.pop()
        extras = one.extras or {""}
        if one.name in found and extras <= (found[one.name].extras or {""}):
            continue
        found[one.name] = one
        for text in distribution(one.name).requires or ():
            other = Requirement(text)
            if other.marker is None or any(other.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
                waiting.append(other)
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", str(ROOT), "--wheel-dir", str(folder))
    [path] = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of the wheel and of what it requires, and of no other package."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)  # noqa: S603
    [packages] = folder.glob("lib/python3.*/site-packages")
    for name in required(PROJECT["dependencies"]):
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}:
            link = packages / top
            if not link.exists():
                link.symlink_to(Path(str(found.locate_file(top))))
    pip("--python", str(folder / "bin" / "python"), "install", str(wheel))
    return folder


def run(environment: Path, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(  # noqa: S603 (commands of these tests)
        [str(environment / "bin" / command[0]), *command[1:]],
        cwd=folder,
        env=variables | {"BIGQUERY_ENDPOINT": "http://127.0.0.1:9", "RETRY_TIMEOUT_SECONDS": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_wheel_has_the_package_and_the_sql_files_and_nothing_else(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    information = f"spotkeeper-{PROJECT['version']}.dist-info/"

    assert {f"spotkeeper/sql/{path.parent.name}/{path.name}" for path in (ROOT / "sql").glob("*/*")} <= set(names)
    assert "spotkeeper/gcp/bigquery/statements/commit.sql" in names
    assert [name for name in names if not name.startswith(("spotkeeper/", information))] == []
    assert [name for name in names if name.endswith((".tf", ".pyc"))] == []


def test_the_same_files_make_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    pip("wheel", str(ROOT), "--wheel-dir", str(tmp_path))

    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


def test_every_module_can_be_imported_with_what_the_wheel_requires(environment: Path, tmp_path: Path) -> None:
    ended = run(environment, tmp_path, "python", "-c", IMPORT_ALL)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert run(environment, tmp_path, "python", "-c", "import pytest").returncode == 1


def test_the_command_is_found_under_its_name_and_knows_its_version(environment: Path, tmp_path: Path) -> None:
    ended = run(environment, tmp_path, "spotkeeper", "--version")

    assert (ended.returncode, ended.stdout) == (0, f"spotkeeper {PROJECT['version']}\n")


def test_a_price_is_found_with_the_data_files_of_the_wheel(environment: Path, tmp_path: Path) -> None:
    saved(tmp_path / "catalog.json", whole())

    ended = run(environment, tmp_path, "spotkeeper", "price", "--all", "--catalog", "catalog.json")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.search(r"^n2-standard-8,", ended.stdout, re.MULTILINE)


def test_the_checks_are_found_in_the_wheel(environment: Path, tmp_path: Path) -> None:
    ended = run(environment, tmp_path, "spotkeeper", "check", "--project", "some-project")

    assert ended.returncode == 2
    assert ended.stderr.startswith("spotkeeper: BigQuery, check addresses_are_recorded_once: could not be reached")


def test_the_locked_versions_are_among_those_that_the_wheel_allows() -> None:
    lock = (ROOT / "requirements" / "demo.txt").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([a-z0-9-]+)(?:\[[^]]+])?==(\S+)", lock, re.MULTILINE))
    allowed = {each.name: each.specifier for each in map(Requirement, PROJECT["dependencies"])}

    assert [name for name, specifier in allowed.items() if locked[name] not in specifier] == []
