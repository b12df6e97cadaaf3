"""The dashboard of Grafana, for the data source grafana-bigquery-datasource.

The data source, the project and the dataset are variables of the dashboard, so that one file serves everybody.
https://grafana.com/docs/grafana/latest/visualizations/dashboards/build-dashboards/view-dashboard-json-model/
"""

import json
from collections.abc import Sequence

from dashboards.panels import ChartKind, Group, Metric, Panel

PLUGIN = "grafana-bigquery-datasource"
MOST_ROWS = 500
_DATASOURCE = {"type": PLUGIN, "uid": "${datasource}"}
_TIME_SERIES, _TABLE = 0, 1
"""The formats of the data source: QueryFormat in its types.ts."""

_COLUMNS = 24
_UNITS = {"USD": "currencyUSD", "hours": "h", "minutes": "m", "percent": "percent", "share": "percentunit"}
_TYPES = {
    ChartKind.NUMBER: "stat",
    ChartKind.TABLE: "table",
    ChartKind.LINE: "timeseries",
    ChartKind.COLUMNS: "timeseries",
    ChartKind.STACKED_COLUMNS: "timeseries",
    ChartKind.BARS: "barchart",
}
_HEIGHTS = {ChartKind.NUMBER: 5}
_WIDTHS = {ChartKind.TABLE: 24, ChartKind.NUMBER: 6, ChartKind.BARS: 12}
_DATES = frozenset({"usage_date"})


def dashboard(groups: Sequence[Group]) -> str:
    """Return the dashboard as JSON."""
    panels: list[dict[str, object]] = []
    top = 0
    for group in groups:
        panels.append(_row(group.title, len(panels) + 1, top))
        top += 1
        left, height = 0, 0
        for panel in group.panels:
            width = _WIDTHS.get(panel.chart, 24)
            if left + width > _COLUMNS:
                top, left, height = top + height, 0, 0
            tall = _HEIGHTS.get(panel.chart, 9)
            panels.append(_panel(panel, len(panels) + 1, {"x": left, "y": top, "w": width, "h": tall}))
            left, height = left + width, max(height, tall)
        top += height
    return json.dumps(_whole(panels), indent=2, ensure_ascii=False) + "\n"


def statement(panel: Panel) -> str:
    """Return the query of a panel, with the variables and macros that Grafana fills in."""
    figures = [f"{metric.how}({metric.column}) AS {metric.name}" for metric in panel.metrics]
    time = [f"{_at(panel.time)} AS time"] if panel.time else []
    named = [*time, *(_name(each, panel.digits) for each in panel.dimensions)]
    lines = [
        f"SELECT {', '.join([*named, *figures])}",
        f"FROM `${{project}}.${{dataset}}.{panel.view}`",
    ]
    conditions = [each for each in (_chosen_days(panel.day_column), panel.only) if each]
    if conditions:
        lines.append(f"WHERE {' AND '.join(conditions)}")
    if named:
        lines.append(f"GROUP BY {', '.join(str(number + 1) for number in range(len(named)))}")
        lines.append(f"ORDER BY {_order(panel)}")
    if panel.chart is ChartKind.TABLE:
        lines.append(f"LIMIT {MOST_ROWS}")
    return "\n".join(lines)


def _name(column: str, digits: int) -> str:
    """A dimension; Grafana names bars by texts alone."""
    return f"LPAD(CAST({column} AS STRING), {digits}, '0') AS {column}" if digits else column


def _order(panel: Panel) -> str:
    if panel.time:
        return "1"
    first_is_a_time = panel.dimensions[0] in {panel.days, "month"}
    if panel.chart is ChartKind.BARS or first_is_a_time:
        return "1 DESC" if first_is_a_time else "1"
    return f"{panel.metrics[-1].name} DESC"


def _at(column: str) -> str:
    return f"TIMESTAMP({column})" if column in _DATES else column


def _chosen_days(column: str) -> str:
    """A condition on the view's own column, so that BigQuery reads the chosen days alone."""
    if not column:
        return ""
    if column in _DATES:
        first, last = (f"DATE(TIMESTAMP_MILLIS(${{__{edge}}}))" for edge in ("from", "to"))
        return f"{column} BETWEEN {first} AND {last}"
    return f"$__timeFilter({column})"


def _row(title: str, number: int, top: int) -> dict[str, object]:
    position = {"x": 0, "y": top, "w": _COLUMNS, "h": 1}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": position, "panels": []}


def _panel(panel: Panel, number: int, position: dict[str, int]) -> dict[str, object]:
    kind = _TYPES[panel.chart]
    target = {
        "refId": "A",
        "datasource": _DATASOURCE,
        "editorMode": "code",
        "format": _TIME_SERIES if kind == "timeseries" else _TABLE,
        "rawQuery": True,
        "rawSql": statement(panel),
    }
    return {
        "id": number,
        "type": kind,
        "title": panel.title,
        "description": f"From the view {panel.view}; its header says what the columns mean.",
        "datasource": _DATASOURCE,
        "gridPos": position,
        "targets": [target],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel.metrics)},
        "options": _options(panel),
    }


def _defaults(panel: Panel) -> dict[str, object]:
    if _TYPES[panel.chart] != "timeseries":
        return {}
    is_stacked = panel.chart is ChartKind.STACKED_COLUMNS
    style: dict[str, object] = {"drawStyle": "line" if panel.chart is ChartKind.LINE else "bars", "lineWidth": 1}
    style |= {"fillOpacity": 80 if panel.chart is not ChartKind.LINE else 8}
    if is_stacked:
        style["stacking"] = {"mode": "normal", "group": "A"}
    units = {metric.unit for metric in panel.metrics}
    unit = {"unit": _UNITS[units.pop()]} if len(units) == 1 and units <= _UNITS.keys() else {}
    return {"custom": style, **unit}


def _overrides(metrics: Sequence[Metric]) -> list[dict[str, object]]:
    return [
        {
            "matcher": {"id": "byName", "options": metric.name},
            "properties": [{"id": "unit", "value": _UNITS[metric.unit]}],
        }
        for metric in metrics
        if metric.unit in _UNITS
    ]


def _options(panel: Panel) -> dict[str, object]:
    if panel.chart is ChartKind.NUMBER:
        return {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "none"}
    if panel.chart is ChartKind.BARS:
        return {"xField": panel.dimensions[0], "legend": {"showLegend": False}}
    if panel.chart is ChartKind.TABLE:
        return {"showHeader": True, "cellHeight": "sm"}
    return {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}, "tooltip": {"mode": "multi"}}


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
        "templating": {
            "list": [_datasource(), _text("project", "Project", ""), _text("dataset", "Dataset", "cost_tracking")]
        },
        "annotations": {"list": []},
        "links": [],
        "panels": panels,
    }


def _datasource() -> dict[str, object]:
    return {
        "name": "datasource",
        "type": "datasource",
        "label": "Data source",
        "query": PLUGIN,
        "refresh": 1,
        "hide": 0,
    }


def _text(name: str, label: str, value: str) -> dict[str, object]:
    chosen = {"text": value, "value": value}
    return {
        "name": name,
        "type": "textbox",
        "label": label,
        "query": value,
        "current": chosen,
        "options": [],
        "hide": 0,
    }
