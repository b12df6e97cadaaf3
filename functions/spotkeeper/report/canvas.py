"""What all charts share: two widths, one style, and axes with names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import altair as alt

from spotkeeper.report.blocks import Chart, LegendEntry
from spotkeeper.report.drawing import picture, printable
from spotkeeper.report.palette import colour
from spotkeeper.report.wording import short_day

HOURS = range(24)
ROUNDING = 2
_WIDE, _NARROW = 800, 340
_TALL, _LOW = 240, 190
_MOST_LETTERS = 22
_MEASURED_AS = "Verdana, DejaVu Sans, sans-serif"
"""A wide font: the reader's own font is rarely wider, so no name is cut off."""

type Points = Sequence[Mapping[str, object]]
type Drawing = alt.Chart | alt.LayerChart | alt.FacetChart


@dataclass(frozen=True, slots=True)
class Canvas:
    """The width and height of a chart, in pixels."""

    width: int
    height: int
    is_narrow: bool


def drawn_twice(  # noqa: PLR0913, PLR0917 (each says one thing about the chart)
    key: str,
    title: str,
    description: str,
    draw: Callable[[Canvas], Drawing],
    legend: Sequence[LegendEntry] = (),
    heights: tuple[int, int] = (_TALL, _LOW),
) -> Chart:
    """Draw in both widths."""
    canvases = (Canvas(_WIDE, heights[0], is_narrow=False), Canvas(_NARROW, heights[1], is_narrow=True))
    wide, narrow = (
        picture(_styled(draw(canvas), canvas), f"{key}-{'narrow' if canvas.is_narrow else 'wide'}", title, description)
        for canvas in canvases
    )
    return Chart(key, title, description, wide, narrow, legend)


def _styled(chart: Drawing, canvas: Canvas) -> Drawing:
    sized = chart.properties(
        width=canvas.width,
        height=canvas.height,
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        padding={"left": 2, "right": 6, "top": 6, "bottom": 2},
        config=alt.Config(font=_MEASURED_AS),
    )
    styled: Drawing = (
        sized.configure_view(stroke=None)
        .configure_axis(
            labelColor=colour("quiet"),
            labelFontSize=12,
            labelPadding=6,
            title=None,
            ticks=False,
            domain=False,
            gridColor=colour("grid"),
        )
        .configure_axisX(grid=False)
        .configure_legend(disable=True)
    )
    return styled


def over(points: Points) -> alt.Chart:
    """Return a chart of these points."""
    return alt.Chart({"values": list(points)})


def band(number: int) -> alt.Scale:
    """Return the scale for a number of bars."""
    return alt.Scale(domain=[*range(number)], paddingInner=0.25, paddingOuter=0.1)


def days_axis(days: Sequence[date], canvas: Canvas) -> alt.Axis:
    """Return an axis of days, with as many labels as fit."""
    room = canvas.width // 62
    every = max(1, -(-len(days) // room))
    shown = [number for number in range(len(days)) if number % every == 0]
    return alt.Axis(
        values=shown, labelExpr=labels_of([short_day(day) for day in days]), labelAngle=0, labelOverlap=True
    )


def money_axis(canvas: Canvas) -> alt.Axis:
    """Return an axis of US dollars."""
    return alt.Axis(
        tickCount=4,
        labelExpr="datum.value === 0 ? '$0' : '$' + format(datum.value, datum.value < 10 ? ',.2~f' : ',.3~s')",
        zindex=0,
        labelLimit=canvas.width // 4,
    )


def names_axis(
    names: Sequence[str], canvas: Canvas, *, is_above: bool = False, letters: int = _MOST_LETTERS
) -> alt.Axis:
    """Return an axis whose labels are looked up by number, with long names shortened."""
    most = min(letters, 24 if letters > _MOST_LETTERS else 16) if canvas.is_narrow else letters
    labels = labels_of([_shortened(printable(name), most) for name in names])
    angle = -90 if is_above and canvas.is_narrow else (-35 if is_above and len(names) > 6 else 0)  # noqa: PLR2004 (as many as fit)
    return alt.Axis(
        orient="top" if is_above else "left",
        labelExpr=labels,
        labelAngle=angle,
        labelAlign="left" if angle else alt.Undefined,
        labelBaseline="middle" if angle else alt.Undefined,
        labelLimit=canvas.width * 0.45,
        labelOverlap=False,
    )


def labels_of(names: Sequence[str]) -> str:
    """The Vega expression that returns the label of a number; names are string literals in it."""
    texts = ",".join("'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'" for name in names)
    return f"[{texts}][datum.value]"


def hours_axis(canvas: Canvas, *, is_above: bool = False) -> alt.Axis:
    """Return an axis of the hours of a day, some of them labelled."""
    return alt.Axis(
        orient="top" if is_above else "bottom",
        values=[hour for hour in HOURS if hour % (6 if canvas.is_narrow else 3) == 0],
        labelExpr="format(datum.value, '02') + ':00'",
        labelAngle=0,
    )


def _shortened(name: str, letters: int) -> str:
    return name if len(name) <= letters else f"{name[: letters - 1]}…"
