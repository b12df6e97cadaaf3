"""The dashboard of Grafana by what Grafana publishes: the types of its JSON, and the code that transforms rows.

`make grafana` installs it from npm into .local/grafana.
"""

import json
import os
import re
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dashboards.grafana import dashboard
from dashboards.panels import Panel, groups
from dashboards.queries import queries

HERE = Path(__file__).parent
HOME = HERE.parents[1] / ".local" / "grafana"
WHOLE: Mapping[str, Any] = json.loads(dashboard(groups()))

MISTAKES = {
    '"schemaVersoin"': '"schemaVersion"',
    '"displayMode": "lists"': '"displayMode": "list"',
    '"sqlRaw"': '"rawSql"',
    '"withTransformations"': '"withTransforms"',
    '"cellHeight": "small"': '"cellHeight": "sm"',
    '"drawStyle": "columns"': '"drawStyle": "bars"',
    '"mode": 7': '"mode": "thresholds"',
}
"""What is wrong in a dashboard, and what is right in its place."""

type Field = Mapping[str, Any]


def panels() -> Iterator[Mapping[str, Any]]:
    """Every panel, those of closed rows too."""
    for panel in WHOLE["panels"]:
        yield from [panel] if panel["type"] != "row" else panel["panels"]


@pytest.fixture(scope="module")
def mistyped(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[str]]:
    """What the TypeScript compiler says of the dashboard, by the name of the mistake in it; "" without one."""
    folder = tmp_path_factory.mktemp("types")
    (folder / "node_modules").symlink_to(HOME / "node_modules")
    (folder / "types.ts").write_text((HERE / "types.ts").read_text())
    names = {"dashboard.ts": ""} | {f"mistake{number}.ts": wrong for number, wrong in enumerate(MISTAKES)}
    for name, wrong in names.items():
        (folder / name).write_text(typed().replace(MISTAKES.get(wrong, wrong), wrong))
    command: list[Path | str] = [
        HOME / "node_modules" / ".bin" / "tsc",
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--target",
        "es2022",
    ]
    modules = ["--module", "nodenext", "--moduleResolution", "nodenext", "--preserveSymlinks"]
    ended = subprocess.run(  # noqa: S603 (a tool of ours)
        [*command, *modules, *names], cwd=folder, capture_output=True, text=True, check=False
    )
    said: dict[str, list[str]] = {wrong: [] for wrong in names.values()}
    for line in re.findall(r"(?m)^\S.*", ended.stdout + ended.stderr):
        said[names[line.partition("(")[0]]].append(line)
    return said


def typed() -> str:
    """The dashboard as TypeScript: whole, and each query, panel and style by the type of its kind."""
    lines = ['import type * as grafana from "./types.js";']

    def add(kind: str, value: object) -> None:
        lines.append(f"export const v{len(lines)}: grafana.{kind} = {json.dumps(value)};")

    add("SchemaDashboard", WHOLE)
    add("SdkDashboard", WHOLE)
    for panel in panels():
        add(f'Options["{panel["type"]}"]', panel["options"])
        if "custom" in panel["fieldConfig"]["defaults"]:
            add(f'Style["{panel["type"]}"]', panel["fieldConfig"]["defaults"]["custom"])
        for target in panel["targets"]:
            add("SharedRows" if "panelId" in target else "Query", target)
    for variable in WHOLE["templating"]["list"]:
        if variable["type"] == "query":
            add("Query", variable["query"])
    for annotation in WHOLE["annotations"]["list"]:
        add("Query", annotation["target"])
    return "\n".join(lines) + "\n"


def test_the_dashboard_has_the_types_of_grafana(mistyped: Mapping[str, list[str]]) -> None:
    assert mistyped[""] == []


@pytest.mark.parametrize("wrong", MISTAKES)
def test_what_grafana_does_not_know_is_seen(wrong: str, mistyped: Mapping[str, list[str]]) -> None:
    assert MISTAKES[wrong] in typed()
    assert any(": error TS" in line for line in mistyped[wrong])


@pytest.fixture(scope="module")
def shared() -> list[tuple[Panel, Sequence[Field], Sequence[Field]]]:
    """Each panel that sums up shared rows, with rows made for its query and what Grafana makes of them."""
    by_title = {panel["title"]: panel for panel in panels()}
    asked = [
        (panel, _rows(query.panels))
        for group in groups()
        for query in queries(group)
        for panel in query.panels
        if query.is_shared and by_title[panel.title]["transformations"]
    ]
    steps = [{"steps": by_title[panel.title]["transformations"], "rows": rows} for panel, rows in asked]
    ended = subprocess.run(  # noqa: S603 (a tool of ours)
        ["node", HERE / "transform.cjs"],  # noqa: S607 (that of the machine)
        input=json.dumps(steps),
        env=os.environ | {"NODE_PATH": str(HOME / "node_modules")},
        capture_output=True,
        text=True,
        check=True,
    )
    return [(panel, rows, made) for (panel, rows), made in zip(asked, json.loads(ended.stdout), strict=True)]


def _rows(panels: Sequence[Panel]) -> list[dict[str, object]]:
    """Two times, two values of each dimension and of each condition, in all their combinations."""
    times = {panel.time for panel in panels if panel.time}
    names = dict.fromkeys([*times, *(name for panel in panels for name in panel.dimensions)])
    values: dict[str, list[object]] = {name: [1000, 2000] if name in times else ["a", "b"] for name in names}
    for panel in panels:
        if panel.only:
            values[panel.only.column] = ["other", *{each.only.value for each in panels if each.only}]
    combined: list[dict[str, object]] = [{}]
    for name, several in values.items():
        combined = [each | {name: value} for value in several for each in combined]
    metrics = dict.fromkeys(metric.name for panel in panels for metric in panel.metrics)
    fields: list[dict[str, object]] = [
        {"name": name, "type": "time" if name in times else "string", "values": [each[name] for each in combined]}
        for name in values
    ]
    figures = [[(place + 1) * (number + 7) for number in range(len(combined))] for place, _ in enumerate(metrics)]
    return fields + [
        {"name": name, "type": "number", "values": figure} for name, figure in zip(metrics, figures, strict=True)
    ]


def _expected(panel: Panel, rows: Sequence[Field]) -> dict[tuple[object, ...], list[Decimal]]:
    """The figures of a panel by what divides them, from the rows that it is about."""
    columns = {field["name"]: field["values"] for field in rows}
    found: dict[tuple[object, ...], list[list[int]]] = defaultdict(list)
    for number in range(len(rows[0]["values"])):
        row = {name: values[number] for name, values in columns.items()}
        if panel.only and (row[panel.only.column] == panel.only.value) == panel.only.is_not:
            continue
        key = tuple(row[name] for name in [*([panel.time] if panel.time else []), *panel.dimensions])
        found[key].append([row[metric.name] for metric in panel.metrics])
    of: Mapping[str, Callable[[Sequence[int]], float]] = {
        "SUM": sum,
        "COUNT": sum,
        "MAX": max,
        "MIN": min,
        "AVG": lambda each: sum(each) / len(each),
    }
    return {
        key: [
            Decimal(of[metric.how](column))
            for metric, column in zip(panel.metrics, zip(*each, strict=True), strict=True)
        ]
        for key, each in found.items()
    }


def _found(panel: Panel, made: Sequence[Field]) -> dict[tuple[object, ...], list[Decimal]]:
    """The figures that a panel shows, by what divides them."""
    if panel.time and panel.dimensions:
        times, *series = made
        return {
            (time, each["name"]): [Decimal(str(value))]
            for each in series
            for time, value in zip(times["values"], each["values"], strict=True)
        }
    keys = [field["values"] for field in made if field["type"] != "number"]
    by_name = {field["name"].split(" ")[0]: field["values"] for field in made if field["type"] == "number"}
    order = [field["name"] for field in made if field["type"] != "number"]
    wanted = [*([panel.time] if panel.time else []), *panel.dimensions]
    return {
        tuple(keys[order.index(name)][number] for name in wanted): [
            Decimal(str(by_name[metric.name][number])) for metric in panel.metrics
        ]
        for number in range(len(keys[0]))
    }


def test_panels_that_share_rows_show_the_sums_of_their_own(
    shared: list[tuple[Panel, Sequence[Field], Sequence[Field]]],
) -> None:
    assert len(shared) >= 9
    for panel, rows, made in shared:
        assert _found(panel, made) == _expected(panel, rows), panel.title


def test_a_table_of_shared_rows_begins_with_the_largest_figure(
    shared: list[tuple[Panel, Sequence[Field], Sequence[Field]]],
) -> None:
    [made] = [made for panel, _, made in shared if panel.title == "Cost by machine type and zone"]
    [cost] = [field["values"] for field in made if field["name"] == "cost (sum)"]

    assert cost == sorted(cost, reverse=True)


def test_titles_and_units_are_of_fields_that_there_are(
    shared: list[tuple[Panel, Sequence[Field], Sequence[Field]]],
) -> None:
    by_title = {panel["title"]: panel for panel in panels()}
    for panel, _, made in shared:
        overridden = {each["matcher"]["options"] for each in by_title[panel.title]["fieldConfig"]["overrides"]}
        assert overridden <= {field["name"] for field in made}, panel.title
