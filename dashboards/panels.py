"""The definition that all dashboards are made from, read and checked."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

DEFINITION = Path(__file__).with_name("panels.json")


class ChartKind(StrEnum):
    """How a panel shows its figures."""

    NUMBER = "number"
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

    @property
    def name(self) -> str:
        """What the figure is called: a count is one of rows."""
        return "number" if self.how == "COUNT" else self.column


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
    only: str = ""
    digits: int = 0
    """How wide a number is written that names a bar; 0 where names are texts."""

    @property
    def day_column(self) -> str:
        """The column that a choice of days filters; empty where the view knows its days itself."""
        return self.time or self.days


@dataclass(frozen=True, slots=True)
class Group:
    """Panels that stand together."""

    title: str
    panels: Sequence[Panel]


def groups() -> list[Group]:
    """Return all panels of the definition."""
    return [
        Group(group["section"], [_panel(each) for each in group["panels"]])
        for group in json.loads(DEFINITION.read_text())
    ]


def _panel(fields: dict[str, Any]) -> Panel:
    dimension = fields.pop("dimension", [])
    return Panel(
        chart=ChartKind(fields.pop("chart")),
        metrics=[Metric(**metric) for metric in fields.pop("metrics")],
        dimensions=[dimension] if isinstance(dimension, str) else dimension,
        **fields,
    )
