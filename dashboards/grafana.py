"""The dashboard of Grafana, for the data source grafana-bigquery-datasource.

The data source, the dataset and what is shown are variables of the dashboard, so that one file serves everybody.
https://grafana.com/docs/grafana/latest/visualizations/dashboards/build-dashboards/view-dashboard-json-model/
"""

import json
from collections.abc import Mapping, Sequence

from dashboards.panels import CHOICES, ChartKind, Group, Metric, Panel, column_title
from dashboards.queries import ALL, MOST_ROWS, Query, price_changes, queries, stops, values_of

PLUGIN = "grafana-bigquery-datasource"
DASHBOARD = {"type": "datasource", "uid": "-- Dashboard --"}
"""The data source that gives a panel the rows of another one."""

_DATASOURCE = {"type": PLUGIN, "uid": "${datasource}"}
_TIME_SERIES, _TABLE = 0, 1
"""The formats of the data source: QueryFormat in its types.ts."""

_COLUMNS = 24
_UNITS = {"USD": "currencyUSD", "hours": "h", "minutes": "m", "percent": "percent", "share": "percentunit"}
_TYPES = {
    ChartKind.NUMBER: "stat",
    ChartKind.GAUGE: "bargauge",
    ChartKind.TABLE: "table",
    ChartKind.LINE: "timeseries",
    ChartKind.COLUMNS: "timeseries",
    ChartKind.STACKED_COLUMNS: "timeseries",
    ChartKind.BARS: "barchart",
}
_HEIGHTS = {ChartKind.NUMBER: 5, ChartKind.GAUGE: 7}
_WIDTHS = {ChartKind.NUMBER: 6, ChartKind.BARS: 12}
_CALCULATIONS = {"SUM": "sum", "MAX": "max", "MIN": "min", "AVG": "mean", "COUNT": "sum"}
"""How Grafana makes one figure of those of several rows; counts of rows add up."""

_LIMIT_COLORS = ("green", "orange", "red")


def dashboard(groups: Sequence[Group]) -> str:
    """Return the dashboard as JSON."""
    panels: list[dict[str, object]] = []
    number, top = 1, 0
    for group in groups:
        shown, height = _placed(group, number + 1, top + 1)
        panels.append(_row(group, number, top, shown if group.is_closed else []))
        if not group.is_closed:
            panels += shown
        number += 1 + len(shown)
        top += 1 + (0 if group.is_closed else height)
    return json.dumps(_whole(panels), indent=2, ensure_ascii=False) + "\n"


def _placed(group: Group, number: int, top: int) -> tuple[list[dict[str, object]], int]:
    """Return the panels of a group, numbered and from left to right in rows, and their height together."""
    query_of = {id(panel): query for query in queries(group) for panel in query.panels}
    number_of = {id(panel): number + place for place, panel in enumerate(group.panels)}
    panels: list[dict[str, object]] = []
    y, left, height = top, 0, 0
    for panel in group.panels:
        width = _WIDTHS.get(panel.chart, _COLUMNS)
        if left + width > _COLUMNS:
            y, left, height = y + height, 0, 0
        tall = _HEIGHTS.get(panel.chart, 9)
        query = query_of[id(panel)]
        source = number_of[id(query.panels[0])]
        panels.append(_panel(panel, query, number_of[id(panel)], source, {"x": left, "y": y, "w": width, "h": tall}))
        left, height = left + width, max(height, tall)
    return panels, y + height - top


def _row(group: Group, number: int, top: int, panels: Sequence[object]) -> dict[str, object]:
    return {
        "id": number,
        "type": "row",
        "title": group.title,
        "collapsed": group.is_closed,
        "gridPos": {"x": 0, "y": top, "w": _COLUMNS, "h": 1},
        "panels": panels,
    }


def _panel(panel: Panel, query: Query, number: int, source: int, position: Mapping[str, int]) -> dict[str, object]:
    asks = number == source
    target = _target(query.sql, _format(panel, query)) if asks else _rows_of(source)
    return {
        "id": number,
        "type": _TYPES[panel.chart],
        "title": panel.title,
        "description": _description(panel),
        "datasource": _DATASOURCE if asks else DASHBOARD,
        "gridPos": position,
        "targets": [target],
        "transformations": _transformations(panel) if query.is_shared else [],
        "fieldConfig": {"defaults": _defaults(panel, query), "overrides": _overrides(panel, query)},
        "options": _options(panel, query),
    }


def _format(panel: Panel, query: Query) -> int:
    return _TIME_SERIES if panel.time and not query.is_shared else _TABLE


def _target(sql: str, rows: int = _TABLE, number: str = "A") -> dict[str, object]:
    return {
        "refId": number,
        "datasource": _DATASOURCE,
        "editorMode": "code",
        "format": rows,
        "rawQuery": True,
        "rawSql": sql,
    }


def _rows_of(source: int) -> dict[str, object]:
    return {"refId": "A", "datasource": DASHBOARD, "panelId": source, "withTransforms": False}


def _description(panel: Panel) -> str:
    named = {"project": "projects", "team": "teams"}
    chosen = " and ".join(named[choice] for choice in panel.choices)
    unchosen = " and ".join(named[choice] for choice in CHOICES if choice not in panel.choices)
    of = f"Of the chosen {chosen}" if chosen else f"Of all {unchosen}"
    of += f", all {unchosen}." if chosen and unchosen else "."
    note = f" {panel.note}" if panel.note else ""
    return f"{of}{note} From the view {panel.view}; its header says what the columns mean."


def _transformations(panel: Panel) -> list[dict[str, object]]:
    """What a panel makes of rows that it shares with others: its own, summed up by what divides them here."""
    steps: list[dict[str, object]] = []
    if panel.only:
        test = {"id": "notEqual" if panel.only.is_not else "equal", "options": {"value": panel.only.value}}
        filters = [{"fieldName": panel.only.column, "config": test}]
        steps.append({"id": "filterByValue", "options": {"type": "include", "match": "all", "filters": filters}})
    keys = [*([panel.time] if panel.time else []), *panel.dimensions]
    if not keys:
        return steps
    fields: dict[str, object] = {key: {"operation": "groupby", "aggregations": []} for key in keys}
    for metric in panel.metrics:
        fields[metric.name] = {"operation": "aggregate", "aggregations": [_CALCULATIONS[metric.how]]}
    steps.append({"id": "groupBy", "options": {"fields": fields}})
    figure = _field_name(panel.metrics[-1], panel, is_shared=True)
    if panel.time and panel.dimensions:
        matrix = {"columnField": panel.dimensions[0], "rowField": panel.time, "valueField": figure}
        steps.append({"id": "groupingToMatrix", "options": {**matrix, "emptyValue": "null"}})
    elif not panel.time:
        by_time = panel.dimensions[0] in {panel.days, "month"}
        order = {"field": panel.dimensions[0] if by_time or panel.chart is ChartKind.BARS else figure}
        is_descending = by_time or panel.chart is not ChartKind.BARS
        steps.append({"id": "sortBy", "options": {"fields": {}, "sort": [{**order, "desc": is_descending}]}})
        steps.append({"id": "limit", "options": {"limitField": MOST_ROWS}})
    return steps


def _field_name(metric: Metric, panel: Panel, *, is_shared: bool) -> str:
    """The field of a figure: groupBy adds the calculation to its name."""
    is_grouped = is_shared and (panel.time or panel.dimensions)
    return f"{metric.name} ({_CALCULATIONS[metric.how]})" if is_grouped else metric.name


def _defaults(panel: Panel, query: Query) -> dict[str, object]:
    units = {metric.unit for metric in panel.metrics}
    unit = {"unit": _UNITS[units.pop()]} if len(units) == 1 and units <= _UNITS.keys() else {}
    if panel.chart is ChartKind.GAUGE:
        return {**unit, **_limits(panel.metrics[0]), "min": 0, "max": 100}
    if _TYPES[panel.chart] != "timeseries":
        return {}
    is_stacked = panel.chart is ChartKind.STACKED_COLUMNS
    style: dict[str, object] = {"drawStyle": "line" if panel.chart is ChartKind.LINE else "bars", "lineWidth": 1}
    style |= {"fillOpacity": 80 if panel.chart is not ChartKind.LINE else 8}
    if is_stacked:
        style["stacking"] = {"mode": "normal", "group": "A"}
    # Else a series is named by its column and its labels.
    named = {"displayName": f"${{__field.labels.{panel.dimensions[0]}}}"} if _has_labels(panel, query) else {}
    return {"custom": style, **unit, **named}


def _has_labels(panel: Panel, query: Query) -> bool:
    return bool(panel.time and panel.dimensions) and not query.is_shared


def _limits(metric: Metric) -> dict[str, object]:
    edges = zip(_LIMIT_COLORS, [None, *metric.thresholds], strict=True)
    steps = [{"color": color, "value": edge} for color, edge in edges]
    return {"color": {"mode": "thresholds"}, "thresholds": {"mode": "absolute", "steps": steps}}


def _overrides(panel: Panel, query: Query) -> list[dict[str, object]]:
    found = []
    if not (panel.time and panel.dimensions):
        found += [_override(name, _column_properties(panel, name)) for name in panel.dimensions]
        for metric in panel.metrics:
            name = _field_name(metric, panel, is_shared=query.is_shared)
            found.append(_override(name, _figure_properties(panel, metric)))
    return [each for each in found if each["properties"]]


def _override(name: str, properties: Mapping[str, object]) -> dict[str, object]:
    listed = [{"id": key, "value": value} for key, value in properties.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": listed}


def _column_properties(panel: Panel, name: str) -> dict[str, object]:
    if panel.chart is not ChartKind.TABLE:
        return {}
    properties: dict[str, object] = {"displayName": column_title(name)}
    if name in panel.colors:
        colors = panel.colors[name].items()
        options = {value: {"color": color, "index": place} for place, (value, color) in enumerate(colors)}
        properties["mappings"] = [{"type": "value", "options": options}]
        properties["custom.cellOptions"] = {"type": "color-background"}
    return properties


def _figure_properties(panel: Panel, metric: Metric) -> dict[str, object]:
    properties: dict[str, object] = {"unit": _UNITS[metric.unit]} if metric.unit in _UNITS else {}
    if panel.chart is ChartKind.GAUGE:
        # The bars are named by the rows.
        return properties
    properties["displayName"] = metric.title
    if metric.thresholds:
        properties |= _limits(metric) | {"custom.cellOptions": {"type": "color-background"}}
    return properties


def _options(panel: Panel, query: Query) -> dict[str, object]:
    figure = f"/^{panel.metrics[0].name}$/" if query.is_shared else ""
    match panel.chart:
        case ChartKind.NUMBER:
            calculation = _CALCULATIONS[panel.metrics[0].how] if query.is_shared else "lastNotNull"
            reduced = {"calcs": [calculation], "fields": figure, "values": False}
            return {"reduceOptions": reduced, "colorMode": "none"}
        case ChartKind.GAUGE:
            reduced = {"calcs": ["lastNotNull"], "fields": "", "values": True}
            return {"reduceOptions": reduced, "orientation": "horizontal", "displayMode": "basic"}
        case ChartKind.BARS:
            return {"xField": panel.dimensions[0], "legend": _legend(is_shown=False)}
        case ChartKind.TABLE:
            return {"showHeader": True, "cellHeight": "sm"}
        case _:
            return {"legend": _legend(is_shown=True), "tooltip": {"mode": "multi", "sort": "desc"}}


def _legend(*, is_shown: bool) -> dict[str, object]:
    return {"displayMode": "list", "placement": "bottom", "showLegend": is_shown, "calcs": []}


def _whole(panels: list[dict[str, object]]) -> dict[str, object]:
    return {
        "title": "spotkeeper",
        "uid": "spotkeeper",
        "description": "What Spot VMs cost at list price: an estimate, not the invoice.",
        "tags": ["spotkeeper", "finops"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "timezone": "utc",
        "refresh": "",
        "time": {"from": "now-30d", "to": "now"},
        "templating": {"list": [_datasource(), _dataset(), *map(_choice, CHOICES)]},
        "annotations": {
            "list": [
                _annotation("Stops", "red", stops()),
                _annotation("Price changes", "purple", price_changes()),
            ]
        },
        "links": [],
        "panels": panels,
    }


def _annotation(name: str, color: str, sql: str) -> dict[str, object]:
    target = _target(sql, number="Anno")
    return {"name": name, "datasource": _DATASOURCE, "enable": True, "iconColor": color, "target": target}


def _datasource() -> dict[str, object]:
    """Without a current value Grafana takes the default data source of the type, or the first one."""
    return {
        "name": "datasource",
        "type": "datasource",
        "label": "Data source",
        "query": PLUGIN,
        "regex": "",
        "multi": False,
        "includeAll": False,
        "options": [],
        "refresh": 1,
        "hide": 0,
    }


def _dataset() -> dict[str, object]:
    dataset = "cost_tracking"
    return {
        "name": "dataset",
        "type": "textbox",
        "label": "Dataset",
        "description": "PROJECT.DATASET where it is not in the default project of the data source.",
        "query": dataset,
        "current": {"text": dataset, "value": dataset},
        "options": [],
        "hide": 0,
    }


def _choice(name: str) -> dict[str, object]:
    sql = values_of(name)
    return {
        "name": name,
        "type": "query",
        "label": name.capitalize(),
        "datasource": _DATASOURCE,
        "query": _target(sql, number=name),
        "multi": True,
        "includeAll": True,
        "allowCustomValue": False,
        "allValue": ALL,
        "current": {"text": ["All"], "value": ["$__all"]},
        "options": [],
        "refresh": 2,
        "sort": 1,
        "regex": "",
        "hide": 0,
    }
