"""Who may import whom, and what the core may not touch."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTIONS = sorted((ROOT / "functions").rglob("*.py"))
GCP = [path for path in FUNCTIONS if "gcp" in path.parts]
CLI = [path for path in FUNCTIONS if "cli" in path.parts or path.name == "__main__.py"]
ROOMS = ("pricing", "tracking", "enforcement", "doctor")
CORE = [path for path in FUNCTIONS if path.parent.name in {"spotkeeper", *ROOMS} and path not in CLI]
REPORT = [path for path in FUNCTIONS if "report" in path.parts]
REPORT_ALONE = ("altair", "jinja2", "markupsafe", "vl_convert")
READS_FOR_THE_REPORT = "report_views.py"
EMULATORS = sorted(path for room in ("emulators", "fleet") for path in (ROOT / "infra" / "local" / room).rglob("*.py"))
IMPURE = {
    "os.environ": "settings come from a mapping",
    "os.getenv": "settings come from a mapping",
    "datetime.now": "time is an argument",
    "datetime.utcnow": "time is an argument",
    "datetime.today": "time is an argument",
    "date.today": "time is an argument",
    "time.time": "time is an argument",
    "time.monotonic": "time is an argument",
    "time.sleep": "a core does not wait",
    "print": "the core logs events",
    "input": "a function has no keyboard",
    "open": "the core reads its own tables only",
}
OWN = ("spotkeeper", *sys.stdlib_module_names)
PROVIDERS = {
    "functions_framework": "functions-framework",
    "google.api": "google-api-core",
    "google.api_core": "google-api-core",
    "google.auth": "google-auth",
    "google.cloud.asset_v1": "google-cloud-asset",
    "google.cloud.bigquery": "google-cloud-bigquery",
    "google.cloud.billing_v1": "google-cloud-billing",
    "google.cloud.compute_v1": "google-cloud-compute",
    "google.cloud.monitoring_v3": "google-cloud-monitoring",
    "google.cloud.pubsub_v1": "google-cloud-pubsub",
    "google.protobuf": "protobuf",
    "grpc": "grpcio",
}
"""Where a package is of another name than the one it is installed by."""

LOCAL = re.compile(r"localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]")
REQUIREMENTS = [ROOT / "functions" / "requirements.txt", ROOT / "requirements" / "development.txt"]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(path: Path) -> Iterator[str]:
    """Every module or name that a file imports, wherever in the file, by its full dotted name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def used(path: Path) -> Iterator[str]:
    """Every name and every dotted pair of names that a file uses or imports: `print`, `os.environ`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield f"{ast.unparse(node.value).rpartition('.')[2]}.{node.attr}"
    yield from imported(path)


def strings(path: Path) -> Iterator[str]:
    """Every string of a file that is a value: docstrings are none, and messages for people have a space in them."""
    tree = ast.parse(path.read_text())
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def package_of(name: str) -> str:
    """The installed package that a name is of: its first part, or more where several share that."""
    parts = name.split(".")
    return ".".join(parts[: {"google": 2, "google.cloud": 3}.get(".".join(parts[: 1 + (parts[1:2] == ["cloud"])]), 1)])


def pinned(path: Path) -> dict[str, str]:
    """The version of each package that a requirements file locks."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+(?:\[[^]]+])?)==(\S+)", path.read_text(), re.MULTILINE))


def test_the_files_that_are_walked_are_there() -> None:
    assert {"run.py", "enforce.py", "price_book.py", "http_api.py"} <= {path.name for path in CORE}
    assert {"tracker_tables.py", "instances.py", "tracker.py"} <= {path.name for path in GCP}
    assert {"__main__.py", "main.py", "price.py", "catalog_check.py"} <= {path.name for path in CLI}
    assert {"page.py", "rows.py", "charts.py", "budgets.py"} <= {path.name for path in REPORT}
    assert {"monitoring_api.py", "reads.py", "scenario.py"} <= {path.name for path in EMULATORS}


@pytest.mark.parametrize("path", CORE, ids=named)
def test_the_core_imports_the_standard_library_and_itself(path: Path) -> None:
    foreign = [
        name
        for name in imported(path)
        if not within(name, "spotkeeper", *sys.stdlib_module_names) or within(name, "spotkeeper.gcp", "spotkeeper.cli")
    ]

    assert foreign == []


@pytest.mark.parametrize("path", CORE, ids=named)
def test_the_core_is_told_settings_and_time_and_neither_waits_nor_prints(path: Path) -> None:
    assert sorted(IMPURE.keys() & set(used(path))) == []


@pytest.mark.parametrize("path", REPORT, ids=named)
def test_the_report_is_made_of_the_rows_that_it_is_given(path: Path) -> None:
    foreign = [
        name
        for name in imported(path)
        if not within(name, "spotkeeper", *REPORT_ALONE, *sys.stdlib_module_names)
        or within(name, "spotkeeper.gcp", "spotkeeper.cli")
    ]
    # It writes the CSV files that it is told to write.
    impure = sorted((IMPURE.keys() - {"open"}) & set(used(path)))

    assert (foreign, impure) == ([], [])


@pytest.mark.parametrize("path", [path for path in FUNCTIONS if path not in REPORT], ids=named)
def test_what_draws_the_report_is_loaded_by_the_report_alone(path: Path) -> None:
    packages = [name for name in imported(path) if within(name, *REPORT_ALONE)]
    report = [name for name in imported(path) if within(name, "spotkeeper.report")]

    assert packages == []
    assert report == [] or path in CLI or path.name == READS_FOR_THE_REPORT


def test_nothing_that_a_function_can_load_is_of_the_report() -> None:
    modules = {".".join(path.relative_to(ROOT / "functions").with_suffix("").parts): path for path in FUNCTIONS}
    reached, waiting = set[str](), ["main"]
    while waiting:
        module = waiting.pop()
        reached.add(module)
        found = {name if name in modules else name.rpartition(".")[0] for name in imported(modules[module])}
        waiting += sorted((found & modules.keys()) - reached)

    assert {
        "spotkeeper.tracking.run",
        "spotkeeper.enforcement.enforce",
        "spotkeeper.gcp.bigquery.tracker_tables",
    } <= reached
    assert [name for name in reached if within(name, "spotkeeper.report", "spotkeeper.gcp.bigquery.report_views")] == []
    assert [name for module in reached for name in imported(modules[module]) if within(name, *REPORT_ALONE)] == []


@pytest.mark.parametrize("path", FUNCTIONS, ids=named)
def test_google_s_clients_are_imported_by_the_adapters_alone(path: Path) -> None:
    clients = [name for name in imported(path) if within(name, "google", "grpc", "requests")]

    assert path in GCP or clients == []


@pytest.mark.parametrize("path", [path for path in FUNCTIONS if path not in CLI], ids=named)
def test_the_functions_do_not_need_the_command_line(path: Path) -> None:
    assert [name for name in imported(path) if within(name, "spotkeeper.cli")] == []


@pytest.mark.parametrize("path", CLI, ids=named)
def test_a_command_loads_the_adapters_only_when_it_runs(path: Path) -> None:
    at_once = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]

    assert [ast.unparse(node) for node in at_once if "spotkeeper.gcp" in ast.unparse(node)] == []


@pytest.mark.parametrize("path", FUNCTIONS, ids=named)
def test_what_is_deployed_imports_nothing_that_is_not(path: Path) -> None:
    assert [name for name in imported(path) if within(name, "infra", "tests") or name.startswith(".")] == []


@pytest.mark.parametrize("path", FUNCTIONS, ids=named)
def test_what_is_deployed_names_no_address_of_this_machine(path: Path) -> None:
    addresses = [text for text in strings(path) if LOCAL.search(text) and " " not in text.strip()]

    assert addresses == []


@pytest.mark.parametrize("path", EMULATORS, ids=named)
def test_a_emulator_knows_nothing_of_what_is_tested_against_it(path: Path) -> None:
    assert [name for name in imported(path) if within(name, "spotkeeper", "functions", "main")] == []


def test_every_package_that_is_deployed_and_imported_is_asked_for_by_name() -> None:
    asked = set(re.findall(r"^[a-z0-9-]+", (ROOT / "requirements" / "functions.in").read_text(), re.MULTILINE))
    others = (path for path in FUNCTIONS if path not in REPORT)
    foreign = {name for path in others for name in imported(path) if not within(name, *OWN)}
    providers = {package: PROVIDERS.get(package) or package.partition(".")[0] for package in map(package_of, foreign)}

    assert {name: provider for name, provider in providers.items() if provider not in asked} == {}


def test_tests_run_with_the_versions_that_run_in_the_cloud() -> None:
    deployed, development = (pinned(path) for path in REQUIREMENTS)

    assert "functions-framework" in deployed
    assert {name: development.get(name) for name in deployed} == deployed


@pytest.mark.parametrize("path", REQUIREMENTS, ids=named)
def test_every_package_is_locked_by_version_and_hash(path: Path) -> None:
    lines = path.read_text().replace("\\\n", " ").splitlines()
    packages = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]

    assert len(packages) > 20
    assert [line for line in packages if not re.match(r"[\w.\[\]-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)] == []
