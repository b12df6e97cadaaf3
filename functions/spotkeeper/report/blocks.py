"""The parts of a page: sections, charts, tables and cells."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from markupsafe import Markup

from spotkeeper.report import wording

type Value = Decimal | int | str | date | datetime | None


class Tone(StrEnum):
    """The severity of a figure."""

    PLAIN = "plain"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Cell:
    """The text of a cell, and the value by which tables are sorted and copied."""

    text: str
    value: str
    tone: Tone = Tone.PLAIN
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    key: str
    title: str
    is_number: bool = False
    is_long: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `last_rows` are totals below the rows and are not sorted."""

    key: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    last_rows: Sequence[Sequence[Cell]] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A name and its colour in a chart."""

    name: str
    colour: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart in two widths, with a description of what it shows."""

    key: str
    title: str
    description: str
    wide: Markup
    narrow: Markup
    legend: Sequence[LegendEntry] = ()


@dataclass(frozen=True, slots=True)
class Gauge:
    """Spent, projected and budget amount, as shares of the largest of the three."""

    key: str
    title: str
    text: str
    spent: Decimal
    projected: Decimal
    budget: Decimal
    tone: Tone


@dataclass(frozen=True, slots=True)
class Card:
    """A headline figure."""

    key: str
    title: str
    figure: str
    detail: str
    value: str = ""
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Section:
    """A question and its answer."""

    key: str
    name: str
    question: str
    answer: Sequence[str]
    charts: Sequence[Chart] = ()
    gauges: Sequence[Gauge] = ()
    tables: Sequence[Table] = ()
    """The tables: the first is open unless a chart shows the same, the others are collapsed."""

    folds_all: bool = False

    choice: str = ""
    """What one of the tables is chosen by: a script shows that table alone; without a script all can be unfolded."""

    points: Sequence[str] = ()
    tone: Tone = Tone.PLAIN


def plain(value: Value) -> str:
    """Return a value as text without decoration: numbers with all their digits, times in UTC."""
    match value:
        case None:
            return ""
        case Decimal():
            return format(value.normalize() + 0, "f")
        case datetime() | date():
            return value.isoformat().replace("+00:00", "Z")
        case _:
            return str(value)


def cell[Shown: Value](
    value: Shown, written: Callable[[Shown], str] | None = None, tone: Tone = Tone.PLAIN, detail: str = ""
) -> Cell:
    """Return a cell formatted by `written`; an unknown value is a dash unless `written` handles None."""
    text = written(value) if written and (value is not None or written is wording.money) else plain(value)
    return Cell(text or wording.NOTHING, plain(value), tone, detail)


def named(name: str | None) -> Cell:
    """Return a cell with a name; an empty one stays empty, an unknown one is a dash."""
    return Cell("", "") if name == "" else cell(name)


def total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Return the sum of the known amounts; None when none is known."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known else None
