"""The recipe for Looker Studio, which takes no file: which view feeds which chart, and how."""

from collections.abc import Iterator, Sequence

from dashboards.panels import ChartKind, Group, Panel

_CHARTS = {
    ChartKind.NUMBER: "Scorecard",
    ChartKind.GAUGE: "Bar chart",
    ChartKind.TABLE: "Table",
    ChartKind.LINE: "Time series chart",
    ChartKind.COLUMNS: "Column chart",
    ChartKind.STACKED_COLUMNS: "Stacked column chart",
    ChartKind.BARS: "Bar chart",
}
_HEAD = """# Dashboards: Looker Studio

Looker Studio has no file to import, so this is the recipe. It is made from `dashboards/panels.json`, as
`dashboards/grafana.json` is, by `python -m dashboards`; change it there.

1. In [Looker Studio](https://lookerstudio.google.com) choose **Create**, **Data source**, **BigQuery**, and the dataset
   of spotkeeper. Add one data source for each view below. Readers need `roles/bigquery.dataViewer` on the dataset and
   `roles/bigquery.jobUser` on a project, or the data source uses the owner's credentials.
2. Where a chart below names a *date range dimension*, set it in the data source. Looker Studio then asks for the chosen
   days alone, and BigQuery reads these days alone. Views without one know their days themselves.
3. Set the type of the columns of money to **Currency (USD)**, and the aggregation as the tables say. Looker Studio adds
   up every number by default, which is wrong for shares, prices, percentages, means, ages and counts of distinct VMs:
   set **Default aggregation** to **None** for columns whose names end in `_share`, `_price`, `_percent` or
   `_hours_between`, and for `instances`, `rank`, `age_hours` and `hours_until_spent`. An average of `priced_share` over
   days or VMs is not weighted: use the field `SUM(priced_hours) / SUM(vm_hours)`.
4. Keep **data freshness** at an hour or more: the figures change once an hour.

The figures are list prices: an estimate, and not the invoice. Say so on the dashboard.
"""


def recipe(groups: Sequence[Group]) -> str:
    """Return the page of the documentation."""
    blocks = [_HEAD.rstrip()]
    for group in groups:
        blocks.append(f"## {group.title}")
        blocks += ["\n".join(_lines(panel)) for panel in group.panels]
    return "\n\n".join(blocks) + "\n"


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
