"""The definition that all dashboards are made from, read and checked."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from dashboards.view_columns import described_columns

DEFINITION = Path(__file__).with_name("panels.json")
VIEWS = Path(__file__).parents[1] / "sql" / "views"
CHOICES = {"project": "project_id", "team": "team"}
"""What a reader of a dashboard chooses, and the column of a view that the choice filters."""

_LABELS = {
    "as_of": "Known until",
    "changed_at": "Since",
    "counts_from": "Counts from",
    "created_by": "Creator",
    "created_by_group": "Instance group",
    "creator_kind": "Kind of creator",
    "planned_at": "Planned",
    "project_id": "Project",
    "rate": "New rate",
    "start_time": "Started",
    "usage_start_time": "Hour (UTC)",
    "vm_hours": "VM-hours",
    "work_id": "Work",
}


class ChartKind(StrEnum):
    """How a panel shows its figures."""

    NUMBER = "number"
    GAUGE = "gauge"
    TABLE = "table"
    LINE = "line"
    COLUMNS = "columns"
    STACKED_COLUMNS = "stacked columns"
    BARS = "bars"


@dataclass(frozen=True, slots=True)
class Metric:
    """A column of figures, and what makes one of many."""

    column: str
    how: str
    unit: str = ""
    label: str = ""
    thresholds: Sequence[float] = ()
    """From where on a figure is a warning, and from where on it is past a limit; empty for a figure without limits."""

    @property
    def name(self) -> str:
        """What the figure is called in a query: a count is one of rows."""
        return "number" if self.how == "COUNT" else self.column

    @property
    def title(self) -> str:
        """What a reader sees as its name."""
        return self.label or column_title(self.name)


@dataclass(frozen=True, slots=True)
class Condition:
    """The rows that a panel is about: those with the value, or all others."""

    column: str
    value: str
    is_not: bool = False

    @property
    def sql(self) -> str:
        """The condition in GoogleSQL."""
        return f"{self.column} {'!=' if self.is_not else '='} '{self.value}'"


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart: one view, what divides its rows, and which figures of them.

    `time` is the column along the bottom; `days` is the one that the chosen days are of where there is no such axis.
    """

    title: str
    view: str
    chart: ChartKind
    metrics: Sequence[Metric]
    dimensions: Sequence[str] = ()
    time: str = ""
    days: str = ""
    only: Condition | None = None
    digits: int = 0
    """How wide a number is written that names a bar; 0 where names are texts."""

    colors: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The color of each value of a dimension whose values are states."""

    note: str = ""
    """What a reader has to know of the figures beside what the view says."""

    @property
    def day_column(self) -> str:
        """The column that a choice of days filters; empty where the view knows its days itself."""
        return self.time or self.days

    @property
    def choices(self) -> list[str]:
        """The choices that the view has a column for."""
        return [choice for choice, column in CHOICES.items() if column in columns_of(self.view)]


@dataclass(frozen=True, slots=True)
class Group:
    """Panels that stand together; those of a closed group are asked when a reader opens it."""

    title: str
    panels: Sequence[Panel]
    is_closed: bool = False


@cache
def columns_of(view: str) -> dict[str, str]:
    """Return the columns of a view with their types."""
    return {column.name: column.type for column in described_columns(VIEWS / f"{view}.sql")}


def column_title(column: str) -> str:
    """Return what a reader sees as the name of a column."""
    return _LABELS.get(column) or column.replace("_", " ").capitalize()


def groups() -> list[Group]:
    """Return all panels of the definition."""
    return [
        Group(group["section"], [_panel(each) for each in group["panels"]], group.get("closed", False))
        for group in json.loads(DEFINITION.read_text())
    ]


def _panel(fields: dict[str, Any]) -> Panel:
    dimension = fields.pop("dimension", [])
    only = fields.pop("only", None)
    return Panel(
        chart=ChartKind(fields.pop("chart")),
        metrics=[Metric(**metric) for metric in fields.pop("metrics")],
        dimensions=[dimension] if isinstance(dimension, str) else dimension,
        only=Condition(**only) if only else None,
        **fields,
    )
