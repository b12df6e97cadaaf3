"""The dashboards are made from one definition, and every query of theirs is one that BigQuery takes."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from dashboards.__main__ import made
from dashboards.grafana import dashboard, statement
from dashboards.panels import ChartKind, Metric, Panel, groups
from tests.sql.cases import queries, with_views
from tests.sql.googlesql import analyze

PANELS = [panel for group in groups() for panel in group.panels]
MACROS = {
    r"\$__timeFilter\((\w+)\)": r"\1 >= '2026-07-01T00:00:00Z' AND \1 <= '2026-07-31T00:00:00Z'",
    r"\$\{__from\}": "1782864000000",
    r"\$\{__to\}": "1785456000000",
    r"`\$\{project\}\.\$\{dataset\}\.(\w+)`": r"\1",
}
"""What Grafana puts in the place of its macros and of the dashboard's variables.

https://github.com/grafana/grafana-plugin-sdk-go/blob/main/data/sqlutil/macros.go
"""


def filled(panel: Panel) -> str:
    """The query of a panel as BigQuery gets it, over the view's own text."""
    text = statement(panel)
    for macro, value in MACROS.items():
        text = re.sub(macro, value, text)
    [view] = [path for path in queries("views") if path.stem == panel.view]
    return f"WITH {panel.view} AS ({with_views(view)}) {text}"


@cache
def grafana() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(dashboard(groups()))
    return found


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_bigquery_takes_the_query_of_every_panel(panel: Panel) -> None:
    text = filled(panel)

    assert re.findall(r"\$\{|\$__", text) == []
    analyze(text, {})


def test_a_column_that_a_view_does_not_have_is_seen() -> None:
    panel = Panel("wrong", "budget_status", ChartKind.TABLE, [Metric("spend", "SUM")], ["period"])

    with pytest.raises(Exception, match="Unrecognized name: spend"):
        analyze(filled(panel), {})


def test_the_files_are_those_that_the_definition_makes() -> None:
    stale = [
        str(path) for path, text in made().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]

    assert stale == [], "run python -m dashboards"


def test_every_panel_asks_the_data_source_of_the_dashboard_in_its_project_and_dataset() -> None:
    shown = [panel for panel in grafana()["panels"] if panel["type"] != "row"]
    variables = {each["name"]: each["type"] for each in grafana()["templating"]["list"]}

    assert variables == {"datasource": "datasource", "project": "textbox", "dataset": "textbox"}
    assert len(shown) == len(PANELS)
    for panel in shown:
        assert panel["datasource"] == {"type": "grafana-bigquery-datasource", "uid": "${datasource}"}
        [target] = panel["targets"]
        assert target["datasource"] == panel["datasource"]
        assert "`${project}.${dataset}." in target["rawSql"]


def test_panels_do_not_lie_on_one_another_and_have_ids_of_their_own() -> None:
    fields: set[tuple[int, int]] = set()
    for panel in grafana()["panels"]:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & fields, panel["title"]
        assert place["x"] + place["w"] <= 24
        fields |= own

    ids = [panel["id"] for panel in grafana()["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("panel", [panel for panel in PANELS if panel.day_column], ids=lambda panel: panel.title)
def test_a_panel_reads_the_chosen_days_alone(panel: Panel) -> None:
    """A function around the column would keep BigQuery from leaving out partitions."""
    [condition] = re.findall(r"WHERE (.*)", statement(panel))

    assert condition.startswith((f"{panel.day_column} BETWEEN DATE(", f"$__timeFilter({panel.day_column})"))


def test_no_share_or_price_is_summed_up() -> None:
    odd = [
        (panel.title, metric.column)
        for panel in PANELS
        for metric in panel.metrics
        if metric.how == "SUM" and re.search(r"share|percent|price|mean|daly", metric.column)
    ]

    assert odd == []
