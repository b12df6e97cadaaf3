"""Which package may import which, what the core may not touch, and what is deployed."""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "functions"
PRODUCT = FUNCTIONS / "spotkeeper"
CLI = [PRODUCT / "cli", PRODUCT / "__main__.py"]
EMULATORS = [ROOT / "infra" / "local" / "emulators", ROOT / "infra" / "local" / "fleet"]

MAY_IMPORT: Mapping[str, frozenset[str]] = {
    "shared": frozenset(),
    "pricing": frozenset({"shared"}),
    "tracking": frozenset({"pricing", "shared"}),
    "enforcement": frozenset({"pricing", "shared"}),
    "advice": frozenset(),
    "work": frozenset({"shared"}),
    "report": frozenset(),
    "doctor": frozenset({"enforcement", "tracking", "shared"}),
    "gcp": frozenset({"advice", "doctor", "enforcement", "pricing", "report", "tracking", "work", "shared"}),
    "main": frozenset({"enforcement", "gcp", "tracking", "shared"}),
    "cli": frozenset({"advice", "doctor", "enforcement", "gcp", "pricing", "report", "tracking", "work", "shared"}),
    "__main__": frozenset({"cli"}),
}
"""The packages of `spotkeeper` and the packages that each may import; a module beside them belongs to `shared`."""

IMPURE = {
    "datetime.now": "time is an argument",
    "datetime.today": "time is an argument",
    "datetime.utcnow": "time is an argument",
    "date.today": "time is an argument",
    "time": "time is an argument; the core does not wait",
    "os.environ": "settings come from a mapping",
    "os.getenv": "settings come from a mapping",
    "print": "the core logs events",
    "input": "a function has no keyboard",
    "open": "the core reads its own tables only",
}
"""Names that the core does not use, and what it does instead."""

REPORT_ONLY = ("altair", "jinja2", "markupsafe", "vl_convert")
CLIENTS = ("google", "grpc", "requests")
STANDARD = tuple(sys.stdlib_module_names)
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
"""Distributions whose name differs from the package that is imported."""

LOCAL_ADDRESS = re.compile(r"localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]")
REQUIREMENTS = [
    FUNCTIONS / "requirements.txt",
    *(ROOT / "requirements" / f"{name}.txt" for name in ("demo", "development")),
]


def files(*places: Path, without: Iterable[Path] = ()) -> list[Path]:
    """Return the Python files in folders, or the files themselves, except those within other places."""
    found = sorted({path for place in places for path in (place.rglob("*.py") if place.is_dir() else [place])})
    assert found
    return [path for path in found if not any(path.is_relative_to(place) for place in without)]


def core() -> list[Path]:
    """Return the files of the core: everything but the adapters, the commands and the report."""
    return files(PRODUCT, without=[PRODUCT / "gcp", PRODUCT / "report", *CLI])


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imported(path: Path) -> frozenset[str]:
    """Return the full dotted name of everything that a file imports, wherever in the file."""
    names = set[str]()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names}
    return frozenset(names)


def used(path: Path) -> Iterator[str]:
    """Yield every name and every dotted pair of names that a file uses or imports: `print`, `os.environ`."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield f"{ast.unparse(node.value).rpartition('.')[2]}.{node.attr}"
    yield from imported(path)


def impure(path: Path) -> set[str]:
    names = set(used(path))
    modules = {name for name in imported(path) if within(name, "time")}
    return (names & (IMPURE.keys() - {"time"})) | modules


def strings(path: Path) -> Iterator[str]:
    """Yield every string of a file that is a value: no docstring, and no message, which has a space in it."""
    tree = parsed(path)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def offenders(paths: Iterable[Path], names: Callable[[Path], Iterable[str]]) -> list[str]:
    """Return `path: name` for every name that a rule does not allow, of all files at once."""
    return [f"{path.relative_to(ROOT)}: {name}" for path in paths for name in sorted(set(names(path)))]


def imports_of(*packages: str) -> Callable[[Path], Iterable[str]]:
    return lambda path: [name for name in imported(path) if within(name, *packages)]


@cache
def modules() -> Mapping[str, Path]:
    """Return the file of each module that is deployed, by the name under which it is imported."""
    return {
        ".".join(path.relative_to(FUNCTIONS).with_suffix("").parts).removesuffix(".__init__"): path
        for path in files(FUNCTIONS)
    }


@cache
def import_graph() -> Mapping[str, frozenset[str]]:
    """Return the modules of ours that each module imports."""
    return {
        module: frozenset({name if name in modules() else name.rpartition(".")[0] for name in imported(path)})
        & (modules().keys() - {module})
        for module, path in modules().items()
    }


def package_of(module: str) -> str:
    """Return the package of `spotkeeper` that a module is in; `shared` for the modules beside them."""
    first, _, rest = module.partition(".")
    name = rest.partition(".")[0] if first == "spotkeeper" else first
    return name if name in MAY_IMPORT else "shared"


def reached_from(module: str) -> set[str]:
    reached, waiting = set[str](), [module]
    while waiting:
        reached.add(waiting[-1])
        waiting += import_graph()[waiting.pop()] - reached
    return reached


def distribution_of(name: str) -> str:
    """Return the installed package that provides a name: its first part, or more where several share that."""
    parts = name.split(".")
    package = ".".join(
        parts[: {"google": 2, "google.cloud": 3}.get(".".join(parts[: 1 + (parts[1:2] == ["cloud"])]), 1)]
    )
    return PROVIDERS.get(package) or package.partition(".")[0]


def pinned(path: Path) -> dict[str, str]:
    """Return the version of each package that a requirements file locks."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+(?:\[[^]]+])?)==(\S+)", path.read_text(), re.MULTILINE))


def test_every_package_has_a_rule_and_every_rule_a_package() -> None:
    folders = {path.parent.name for path in PRODUCT.glob("*/__init__.py")}

    assert folders | {"main", "shared", "__main__"} == MAY_IMPORT.keys()
    assert {package_of(module) for module in modules()} == MAY_IMPORT.keys()


def test_a_package_imports_only_the_packages_it_may() -> None:
    wrong = [
        f"{module} imports {other}"
        for module, others in import_graph().items()
        for other in sorted(others)
        if package_of(other) not in MAY_IMPORT[package_of(module)] | {package_of(module)}
    ]

    assert wrong == []


def test_no_module_and_no_package_imports_itself_through_others() -> None:
    packages: defaultdict[str, set[str]] = defaultdict(set)
    for module, others in import_graph().items():
        packages[package_of(module)] |= {package_of(other) for other in others} - {package_of(module)}

    # Both raise a CycleError that names the cycle.
    order = list(TopologicalSorter(import_graph()).static_order())
    assert len(order) == len(modules())
    assert set(TopologicalSorter(packages).static_order()) == MAY_IMPORT.keys()


def test_the_core_imports_the_standard_library_and_itself() -> None:
    def foreign(path: Path) -> list[str]:
        return [name for name in imported(path) if not within(name, "spotkeeper", *STANDARD)]

    assert offenders(core(), foreign) == []


def test_the_core_reads_no_clock_and_no_environment_and_neither_waits_nor_prints() -> None:
    assert offenders(core(), impure) == []


def test_a_clock_is_found_however_it_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "clocks.py"
    path.write_text("import time as t\nfrom os import environ\nimport datetime as d\nd.datetime.now()\nprint()\n")

    assert impure(path) == {"time", "os.environ", "datetime.now", "print"}


def test_the_report_is_made_of_the_rows_it_gets() -> None:
    def foreign(path: Path) -> list[str]:
        return [name for name in imported(path) if not within(name, "spotkeeper", *REPORT_ONLY, *STANDARD)]

    report = files(PRODUCT / "report")
    assert offenders(report, foreign) == []
    # It writes its own CSV files.
    assert offenders(report, lambda path: impure(path) - {"open"}) == []


def test_the_packages_that_draw_the_report_are_imported_by_the_report_only() -> None:
    others = files(FUNCTIONS, without=[PRODUCT / "report"])
    readers = [*CLI, PRODUCT / "gcp" / "bigquery" / "report_views.py"]

    assert offenders(others, imports_of(*REPORT_ONLY)) == []
    assert offenders(files(FUNCTIONS, without=[PRODUCT / "report", *readers]), imports_of("spotkeeper.report")) == []


def test_no_module_that_a_function_can_load_belongs_to_the_report_the_doctor_or_the_commands() -> None:
    reached = reached_from("main")

    assert {"spotkeeper.tracking.run", "spotkeeper.enforcement.enforce", "spotkeeper.gcp.tracker"} <= reached
    assert [module for module in sorted(reached) if package_of(module) in {"report", "doctor", "cli"}] == []
    assert "spotkeeper.gcp.bigquery.report_views" not in reached


def test_google_s_clients_are_imported_by_the_adapters_only() -> None:
    assert offenders(files(FUNCTIONS, without=[PRODUCT / "gcp"]), imports_of(*CLIENTS)) == []


def test_a_command_loads_the_adapters_only_when_it_runs() -> None:
    def at_import(path: Path) -> list[str]:
        top = [node for node in parsed(path).body if isinstance(node, ast.Import | ast.ImportFrom)]
        return [text for text in map(ast.unparse, top) if "spotkeeper.gcp" in text]

    assert offenders([*files(*CLI), FUNCTIONS / "main.py"], at_import) == []


def test_what_is_deployed_imports_nothing_that_is_not() -> None:
    def not_deployed(path: Path) -> list[str]:
        return [name for name in imported(path) if within(name, "infra", "tests") or name.startswith(".")]

    assert offenders(files(FUNCTIONS), not_deployed) == []


def test_what_is_deployed_names_no_local_address() -> None:
    def addresses(path: Path) -> list[str]:
        return [text for text in strings(path) if LOCAL_ADDRESS.search(text) and " " not in text.strip()]

    # The settings recognize a local endpoint, because only there the clock may be replayed.
    assert offenders(files(FUNCTIONS, without=[PRODUCT / "settings.py"]), addresses) == []


def test_an_emulator_knows_nothing_of_what_is_tested_against_it() -> None:
    assert offenders(files(*EMULATORS), imports_of("spotkeeper", "functions", "main")) == []


def test_every_package_that_is_deployed_and_imported_is_required_by_name() -> None:
    required = set(re.findall(r"^[a-z0-9-]+", (ROOT / "requirements" / "functions.in").read_text(), re.MULTILINE))

    def missing(path: Path) -> list[str]:
        foreign = [name for name in imported(path) if not within(name, "spotkeeper", *STANDARD)]
        return [name for name in foreign if distribution_of(name) not in required]

    # The report and the completion are commands, with packages of their own: the wheel requires them.
    commands_alone = [PRODUCT / "report", PRODUCT / "cli" / "completion.py"]
    assert offenders(files(FUNCTIONS, without=commands_alone), missing) == []


def test_tests_and_the_demo_run_with_the_versions_that_run_in_the_cloud() -> None:
    deployed, demo, development = (pinned(path) for path in REQUIREMENTS)

    assert "functions-framework" in deployed
    assert {name: development.get(name) for name in deployed} == deployed
    assert {name: demo.get(name) for name in deployed} == deployed
    assert {name: development.get(name) for name in demo} == demo


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_every_package_is_locked_by_version_and_hash(path: Path) -> None:
    lines = path.read_text().replace("\\\n", " ").splitlines()
    packages = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]

    assert len(packages) > 20
    assert [line for line in packages if not re.match(r"[\w.\[\]-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)] == []
