"""The recipe for Looker Studio, which takes no file: which view feeds which chart, and how."""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlencode

from dashboards.panels import ChartKind, Group, Panel, columns_of

_CHARTS = {
    ChartKind.NUMBER: "Scorecard",
    ChartKind.GAUGE: "Bar chart",
    ChartKind.TABLE: "Table",
    ChartKind.LINE: "Time series chart",
    ChartKind.COLUMNS: "Column chart",
    ChartKind.STACKED_COLUMNS: "Stacked column chart",
    ChartKind.BARS: "Bar chart",
}
_PAGE = "https://lookerstudio.google.com/reporting/create"
_NUMBERS = {"INTEGER", "NUMERIC", "BIGNUMERIC", "FLOAT"}
_ADDS_UP = re.compile(r"(^|_)(cost|hours|savings|avoided|preemptions|works)$|cost_change$")
_DOES_NOT_ADD_UP = re.compile(r"age_hours|hours_(left|until|between)|usual_|^total_cost$")
_HEAD = """# Dashboards: Looker Studio

Looker Studio, which Google's pages call Data Studio since 2026, has no file to import, so this is the recipe. It is
made from `dashboards/panels.json`, as `dashboards/grafana.json` is, by `python -m dashboards`; change it there.

1. Open the URL that `terraform -chdir=infra/root output -raw looker_studio` prints: a new report with a BigQuery data
   source for each view below, named like the view, by the
   [Linking API](https://developers.google.com/looker-studio/integrate/linking-api). Without Terraform it is
   `dashboards/looker-studio.tftpl` with the project and the dataset filled in. **Edit and share** saves the report.
   Google documents several data sources for a report made from a template, and one for a blank report: where some of
   them are missing, add them with **Add data**, **BigQuery**. Readers need `roles/bigquery.dataViewer` on the dataset
   and `roles/bigquery.jobUser` on a project, or the data source uses the owner's credentials.
2. Where a chart below names a *date range dimension*, set it in the data source. Looker Studio then asks for the chosen
   days alone, and BigQuery reads these days alone. Views without one know their days themselves.
3. Set the type of the columns of money to **Currency (USD)**, and the default aggregation of the columns in
   [the last table](#default-aggregation) to **None**: Looker Studio adds up every number by default, which is wrong for
   shares, prices, percentages, means, ages and counts of distinct VMs. An average of `priced_share` over days or VMs is
   not weighted: use the field `SUM(priced_hours) / SUM(vm_hours)`.
4. Keep **data freshness** at an hour or more: the figures change once an hour.

The figures are list prices: an estimate, and not the invoice. Say so on the dashboard.
"""
_AGGREGATION = """## Default aggregation

The Linking API sets no aggregation, so this is set by hand, in **Resource**, **Manage added data sources**, **Edit**.

| data source | leave at Sum | set to None |
|---|---|---|
"""


def recipe(groups: Sequence[Group]) -> str:
    """Return the page of the documentation."""
    blocks = [_HEAD.rstrip()]
    for group in groups:
        blocks.append(f"## {group.title}")
        blocks += ["\n".join(_lines(panel)) for panel in group.panels]
    rows = (_aggregations(view, groups) for view in views(groups))
    return "\n\n".join(blocks) + f"\n\n{_AGGREGATION}{'\n'.join(rows)}\n"


def link(groups: Sequence[Group]) -> str:
    """Return the URL that makes a report with all data sources, as a template for Terraform.

    Its parameters are those of the Linking API; projects and datasets need no escape in a URL.
    """
    parameters = {"c.mode": "edit", "r.reportName": "spotkeeper"}
    for number, view in enumerate(views(groups)):
        source = {"datasourceName": view, "connector": "bigQuery", "type": "TABLE", "tableId": view}
        source |= {"projectId": "${project_id}", "datasetId": "${dataset}", "billingProjectId": "${project_id}"}
        parameters |= {f"ds.ds{number}.{name}": value for name, value in source.items()}
    return f"{_PAGE}?{urlencode(parameters, safe='${}')}\n"


def views(groups: Sequence[Group]) -> list[str]:
    """Return the views that any chart is of."""
    return list(dict.fromkeys(panel.view for group in groups for panel in group.panels))


def sums(view: str, groups: Sequence[Group]) -> list[str]:
    """Return the columns of a view that may be added up over its rows: none where no chart adds up any."""
    panels = [panel for group in groups for panel in group.panels if panel.view == view]
    summed = {metric.column for panel in panels for metric in panel.metrics if metric.how == "SUM"}
    return [
        name
        for name in _numbers(view)
        if name in summed or (summed and _ADDS_UP.search(name) and not _DOES_NOT_ADD_UP.search(name))
    ]


def _numbers(view: str) -> list[str]:
    return [name for name, kind in columns_of(view).items() if kind in _NUMBERS]


def _aggregations(view: str, groups: Sequence[Group]) -> str:
    added = sums(view, groups)
    others = [name for name in _numbers(view) if name not in added]
    return f"| `{view}` | {_code(added) or 'none'} | {_code(others) or 'none'} |"


def _lines(panel: Panel) -> Iterator[str]:
    yield f"**{panel.title}**: {_CHARTS[panel.chart]} of `{panel.view}`\n"
    yield "| setting | value |\n|---|---|"
    if panel.day_column:
        yield f"| date range dimension | `{panel.day_column}` |"
    if panel.time:
        yield f"| dimension | `{panel.time}` |"
        if panel.dimensions:
            yield f"| breakdown dimension | {_code(panel.dimensions)} |"
    elif panel.dimensions:
        yield f"| {'dimension' if len(panel.dimensions) == 1 else 'dimensions'} | {_code(panel.dimensions)} |"
    for metric in panel.metrics:
        unit = f", {metric.unit}" if metric.unit else ""
        yield f"| metric | `{metric.column}`, {metric.how}{unit} |"
    if panel.only:
        yield f"| filter: include | `{panel.only.sql}` |"


def _code(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
