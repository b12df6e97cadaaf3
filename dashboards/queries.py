"""The queries of the dashboard of Grafana: one for panels of a group that ask the same view.

Grafana fills in its macros and the variables of the dashboard. A choice of all is written as the value '(all)', so that
rows without a value are in it. https://grafana.com/docs/grafana/latest/datasources/google-bigquery/
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dashboards.panels import CHOICES, ChartKind, Group, Metric, Panel, columns_of

MOST_ROWS = 500
ALL = "'(all)'"
"""What Grafana puts in the place of a choice of all."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query, and the panels that show its rows; several sum them up themselves, each in its own way."""

    sql: str
    panels: Sequence[Panel]

    @property
    def is_shared(self) -> bool:
        """Whether several panels show its rows."""
        return len(self.panels) > 1


def queries(group: Group) -> list[Query]:
    """Return the queries of a group: panels of the same view and days share one."""
    same: dict[tuple[str, str], list[Panel]] = {}
    for panel in group.panels:
        same.setdefault((panel.view, panel.day_column), []).append(panel)
    return [Query(_statement(panels), panels) for panels in same.values()]


def stops() -> str:
    """Return the query of the stops that were carried out, as annotations."""
    return "\n".join(
        [
            "SELECT happened_at AS time, CONCAT('Stopped ', instance_name, ': ', reason) AS text, 'stop' AS tags",
            f"FROM {_view('enforcement_actions')}",
            "WHERE $__timeFilter(happened_at) AND event = 'stopped'",
            f"  AND {_chosen('project')}",
            "ORDER BY 1 DESC",
            f"LIMIT {MOST_ROWS}",
        ]
    )


def price_changes() -> str:
    """Return the query of the hours in which Spot rates changed, as annotations."""
    count = "CAST(COUNT(*) AS STRING)"
    cost = "IFNULL(CONCAT(', ', FORMAT('%+.2f', SUM(monthly_cost_change)), ' USD a month for the VMs in use'), '')"
    return "\n".join(
        [
            f"SELECT changed_at AS time, CONCAT('Spot rates that changed: ', {count}, {cost}) AS text, 'price' AS tags",
            f"FROM {_view('price_changes')}",
            f"WHERE {_chosen_days('price_changes', 'changed_at')} AND market = 'spot'",
            "GROUP BY 1",
            "ORDER BY 1 DESC",
            f"LIMIT {MOST_ROWS}",
        ]
    )


def values_of(choice: str) -> str:
    """Return the query of the values to choose from: those with cost in the chosen days."""
    column = CHOICES[choice]
    # The rollup that views of days read: one table, where the view of teams reads three.
    return f"SELECT DISTINCT {column}\nFROM {_view('daily_costs')}\nWHERE {_within('usage_date')}\nORDER BY 1"


def _statement(panels: Sequence[Panel]) -> str:
    first = panels[0]
    named = {name: _name(name, panels) for name in _names(panels)}
    figures = [f"{metric.how}({metric.column}) AS {metric.name}" for metric in _metrics(panels)]
    lines = [f"SELECT {', '.join([*named.values(), *figures])}", f"FROM {_view(first.view)}"]
    conditions = [
        each
        for each in (
            _chosen_days(first.view, first.day_column),
            _only(panels),
            *(_chosen(choice) for choice in first.choices),
        )
        if each
    ]
    if conditions:
        lines.append(f"WHERE {'\n  AND '.join(conditions)}")
    if named:
        lines.append(f"GROUP BY {', '.join(str(number + 1) for number in range(len(named)))}")
        lines.append(f"ORDER BY {_order(panels)}")
    if len(panels) == 1 and first.chart is ChartKind.TABLE:
        lines.append(f"LIMIT {MOST_ROWS}")
    return "\n".join(lines)


def _view(name: str) -> str:
    """A view by its dataset alone is in the default project of the data source.

    Its own name would hide a column of that name.
    """
    return f"`${{dataset}}.{name}` AS asked"


def _names(panels: Sequence[Panel]) -> list[str]:
    """What divides the rows of all panels, the time first: Grafana takes the points of a series in the rows' order."""
    times = [panel.time for panel in panels if panel.time]
    dimensions = [name for panel in panels for name in panel.dimensions]
    # Each of several panels picks its rows.
    picked = [panel.only.column for panel in panels if panel.only] if len(panels) > 1 else []
    return list(dict.fromkeys([*times, *dimensions, *picked]))


def _metrics(panels: Iterable[Panel]) -> list[Metric]:
    metrics: dict[str, Metric] = {}
    for panel in panels:
        for metric in panel.metrics:
            if metrics.setdefault(metric.name, metric).how != metric.how:
                message = f"{panel.title}: {metric.name} is aggregated by {metric.how} here, and otherwise elsewhere"
                raise ValueError(message)
    return list(metrics.values())


def _only(panels: Sequence[Panel]) -> str:
    """The rows that any of the panels is about."""
    conditions = [panel.only for panel in panels if panel.only]
    if len(conditions) < len(panels):
        return ""
    either = " OR ".join(condition.sql for condition in conditions)
    return f"({either})" if len(conditions) > 1 else either


def _name(column: str, panels: Iterable[Panel]) -> str:
    """A dimension; a time is a TIMESTAMP, and Grafana names bars by texts alone."""
    digits = max((panel.digits for panel in panels if column in panel.dimensions), default=0)
    if digits:
        return f"LPAD(CAST({column} AS STRING), {digits}, '0') AS {column}"
    if any(panel.time == column and columns_of(panel.view)[column] == "DATE" for panel in panels):
        return f"TIMESTAMP({column}) AS {column}"
    return column


def _order(panels: Sequence[Panel]) -> str:
    first = panels[0]
    if len(panels) > 1 or first.time:
        return "1"
    first_is_a_time = first.dimensions[0] in {first.days, "month"}
    if first.chart is ChartKind.BARS or first_is_a_time:
        return "1 DESC" if first_is_a_time else "1"
    return f"{first.metrics[-1].name} DESC"


def _chosen(choice: str) -> str:
    chosen = f"${{{choice}:sqlstring}}"
    return f"({ALL} IN ({chosen}) OR {CHOICES[choice]} IN ({chosen}))"


def _chosen_days(view: str, column: str) -> str:
    """A condition on the view's own column, so that BigQuery reads the chosen days alone."""
    if not column:
        return ""
    return _within(column) if columns_of(view)[column] == "DATE" else f"$__timeFilter({column})"


def _within(column: str) -> str:
    first, last = (f"DATE(TIMESTAMP_MILLIS(${{__{edge}}}))" for edge in ("from", "to"))
    return f"{column} BETWEEN {first} AND {last}"
