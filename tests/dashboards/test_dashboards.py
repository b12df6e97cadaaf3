"""The dashboards are made from one definition, and every query of theirs is one that BigQuery takes."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from dashboards.__main__ import made
from dashboards.grafana import DASHBOARD, PLUGIN, dashboard
from dashboards.panels import CHOICES, ChartKind, Condition, Group, Metric, Panel, columns_of, groups
from dashboards.queries import queries
from tests.dashboards.load import all_queries, sent
from tests.sql.googlesql import analyze, refusals

PANELS = [panel for group in groups() for panel in group.panels]


@cache
def grafana() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(dashboard(groups()))
    return found


def shown(*, closed: bool = True) -> list[Mapping[str, Any]]:
    """The panels of Grafana, by default also those of closed rows."""
    rows = [panel for panel in grafana()["panels"] if panel["type"] == "row"]
    inside = [panel for row in rows for panel in row["panels"] if closed]
    return [panel for panel in grafana()["panels"] if panel["type"] != "row"] + inside


def statement(panel: Panel, *more: Panel) -> str:
    """The query that panels share, or the only one's."""
    [query] = queries(Group("", [panel, *more]))
    return query.sql


def test_bigquery_takes_every_query() -> None:
    texts = {asked.name: sent(asked.sql) for asked in all_queries(grafana())}

    assert texts
    assert {name: odd for name, text in texts.items() if (odd := re.findall(r"\$\{|\$__", text))} == {}
    assert refusals(texts) == {}


def test_a_column_that_a_view_does_not_have_is_seen() -> None:
    panel = Panel("wrong", "budget_status", ChartKind.TABLE, [Metric("spend", "SUM")], ["period"])

    with pytest.raises(Exception, match="Unrecognized name: spend"):
        analyze(sent(statement(panel)), {})


def test_the_files_are_those_that_the_definition_makes() -> None:
    stale = [
        str(path) for path, text in made().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]

    assert stale == [], "run python -m dashboards"


def test_nothing_has_to_be_typed_after_an_import() -> None:
    """The data source has no value, for which Grafana takes the default one; every other variable has one."""
    variables = {each["name"]: each for each in grafana()["templating"]["list"]}

    assert {name: each["type"] for name, each in variables.items()} == {
        "datasource": "datasource",
        "dataset": "textbox",
        "project": "query",
        "team": "query",
    }
    assert "current" not in variables["datasource"]
    assert variables["dataset"]["current"]["value"] == "cost_tracking"
    for name in CHOICES:
        assert variables[name]["current"]["value"] == ["$__all"]
        assert (variables[name]["multi"], variables[name]["includeAll"]) == (True, True)
    assert "__inputs" not in grafana()


def test_every_query_names_its_view_by_the_dataset_alone_so_that_the_data_source_decides_the_project() -> None:
    named = {name for each in all_queries(grafana()) for name in re.findall(r"`([^`]+)`", each.sql)}

    assert {name.rpartition(".")[0] for name in named} == {"${dataset}"}


def test_a_panel_asks_the_data_source_of_the_dashboard_or_shows_the_rows_of_another_panel() -> None:
    assert len(shown()) == len(PANELS)
    by_id = {panel["id"]: panel for panel in shown()}
    for panel in shown():
        [target] = panel["targets"]
        assert target["datasource"] == panel["datasource"]
        if "panelId" in target:
            assert panel["datasource"] == DASHBOARD
            assert "rawSql" in by_id[target["panelId"]]["targets"][0], panel["title"]
        else:
            assert panel["datasource"] == {"type": PLUGIN, "uid": "${datasource}"}


def test_panels_of_a_group_that_ask_the_same_view_share_its_query() -> None:
    for group in groups():
        asked = [(query.panels[0].view, query.panels[0].day_column) for query in queries(group)]
        assert len(asked) == len(set(asked))


def test_a_panel_and_the_one_whose_rows_it_shows_open_together() -> None:
    rows = [panel["panels"] for panel in grafana()["panels"] if panel["type"] == "row"]
    for panels in [shown(closed=False), *rows]:
        ids = {panel["id"] for panel in panels}
        assert {panel["targets"][0].get("panelId") for panel in panels} - {None} <= ids


def test_panels_that_share_a_query_agree_on_how_a_column_is_summed_up() -> None:
    mean = Panel("mean", "idle_cost", ChartKind.NUMBER, [Metric("cost", "AVG")])
    total = Panel("sum", "idle_cost", ChartKind.NUMBER, [Metric("cost", "SUM")])

    with pytest.raises(ValueError, match="sum: cost is aggregated by SUM here"):
        queries(Group("", [mean, total]))


def test_a_shared_query_reads_the_rows_that_any_of_its_panels_is_about() -> None:
    types = Panel("", "interruptions", ChartKind.BARS, [], ["machine_type"], only=Condition("grouped_by", "a"))
    hours = Panel("", "interruptions", ChartKind.BARS, [], ["hour_of_day"], only=Condition("grouped_by", "b"))
    rest = Panel("", "interruptions", ChartKind.BARS, [], ["zone"])

    assert "WHERE (grouped_by = 'a' OR grouped_by = 'b')" in statement(types, hours)
    assert "WHERE" not in statement(types, rest)


def test_a_panel_is_of_the_chosen_projects_and_teams_where_its_view_has_them() -> None:
    for panel, made_of in zip(PANELS, sorted(shown(), key=lambda each: int(each["id"])), strict=True):
        [query] = [query for group in groups() for query in queries(group) if panel in query.panels]
        for choice, column in CHOICES.items():
            chosen = f"('(all)' IN (${{{choice}:sqlstring}}) OR {column} IN (${{{choice}:sqlstring}}))"
            assert (chosen in query.sql) == (column in columns_of(panel.view)), panel.title
        assert made_of["title"] == panel.title
        assert ("Of the chosen" in made_of["description"]) == bool(panel.choices)


def test_no_series_has_a_name_that_grafana_makes_up() -> None:
    """Series of a division are named by its values, other figures by a title."""
    for panel in shown():
        overridden = {each["matcher"]["options"] for each in panel["fieldConfig"]["overrides"]}
        if panel["type"] != "timeseries":
            continue
        is_named_by_rows = "displayName" in panel["fieldConfig"]["defaults"] or any(
            step["id"] == "groupingToMatrix" for step in panel["transformations"]
        )
        assert is_named_by_rows or overridden, panel["title"]
    [teams] = [panel for panel in shown() if panel["title"] == "Cost per day and team"]
    assert teams["fieldConfig"]["defaults"]["displayName"] == "${__field.labels.team}"


def test_a_budget_is_orange_at_80_percent_and_red_when_it_is_spent() -> None:
    [gauge] = [panel for panel in shown() if panel["type"] == "bargauge"]

    assert gauge["fieldConfig"]["defaults"]["thresholds"]["steps"] == [
        {"color": "green", "value": None},
        {"color": "orange", "value": 80},
        {"color": "red", "value": 100},
    ]


def test_stops_and_price_changes_are_annotations() -> None:
    annotations = grafana()["annotations"]["list"]

    assert [each["name"] for each in annotations] == ["Stops", "Price changes"]
    assert all(each["enable"] and "AS time" in each["target"]["rawSql"] for each in annotations)


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

    ids = [panel["id"] for panel in [*grafana()["panels"], *shown()] if panel["type"] != "row"]
    assert len(set(ids)) == len(shown())


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


def test_what_reads_rows_of_vms_for_months_is_asked_when_a_reader_opens_it() -> None:
    closed = {each.view for each in all_queries(grafana()) if not each.is_loaded}

    assert closed == {"idle_cost", "cost_by_work", "unattributed_creators"}
