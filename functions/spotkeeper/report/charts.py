"""The charts of the report, each in two widths: for a page and for a phone."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import altair as alt

from spotkeeper.report.blocks import Chart, LegendEntry
from spotkeeper.report.canvas import (
    HOURS,
    ROUNDING,
    Canvas,
    Drawing,
    band,
    days_axis,
    drawn_twice,
    hours_axis,
    labels_of,
    money_axis,
    names_axis,
    over,
)
from spotkeeper.report.drawing import printable
from spotkeeper.report.palette import HEAT_STEPS, LIGHT_HEAT_STEPS, NONE, REST, SERIES, colour
from spotkeeper.report.wording import UNKNOWN, money, rate, short_day, short_moment

_SAID = alt.Description("said:N")
_WIDEST_BAR, _AXIS_ROOM = 72, 45
_DAYS_NAMED_EACH = 16
_HOUR = 3_600_000.0
"""In milliseconds."""

_MONTH = "utcFormat(datum.value, utcmonth(datum.value) === 0 ? '%Y' : '%b')"
_DAY_OR_HOUR = "utcFormat(datum.value, utchours(datum.value) ? '%H:%M' : '%-d %b')"


def stacked_days(  # noqa: PLR0913, PLR0917 (each says one thing about the chart)
    key: str,
    title: str,
    description: str,
    days: Sequence[date],
    names: Sequence[str],
    amounts: Mapping[tuple[date, str], Decimal],
    colours: Mapping[str, str] | None = None,
) -> Chart:
    """Draw a stacked bar for each day, an amount of US dollars for each name, the first at the bottom."""
    chosen = colours or dict(zip(names, _series(names), strict=True))
    points = [
        {
            "at": number,
            "name": printable(name),
            "usd": float(amount),
            "rank": rank,
            "said": printable(f"{short_day(day)}, {name}: {money(amount)}"),
        }
        for number, day in enumerate(days)
        for rank, name in enumerate(names)
        if (amount := amounts.get((day, name)))
    ]

    def draw(canvas: Canvas) -> Drawing:
        room = 0.75 * (canvas.width - _AXIS_ROOM) / len(days)
        drawn: Drawing = (
            over(points)
            .mark_bar(stroke=colour("surface"), strokeWidth=0.75, size=min(_WIDEST_BAR, room))
            .encode(
                description=_SAID,
                x=alt.X("at:O", axis=days_axis(days, canvas), scale=band(len(days))),
                y=alt.Y("usd:Q", stack=True, axis=money_axis(canvas)),
                color=alt.Color(
                    "name:N", scale=alt.Scale(domain=[*map(printable, names)], range=[colour(chosen[n]) for n in names])
                ),
                order=alt.Order("rank:Q"),
            )
        )
        return drawn

    legend = [LegendEntry(name, colour(chosen[name])) for name in names]
    return drawn_twice(key, title, description, draw, legend)


def burn_down(  # noqa: PLR0913, PLR0917 (each says one thing about the chart)
    key: str,
    title: str,
    description: str,
    spent: Sequence[tuple[datetime, Decimal]],
    projected: tuple[datetime, Decimal],
    budget: Decimal,
    period: tuple[datetime, datetime],
) -> Chart:
    """Draw the spend since the start of a period, its projection, and the budget."""
    known = [{"at": _clock(at), "usd": float(usd)} for at, usd in spent]
    ahead = [known[-1], {"at": _clock(projected[0]), "usd": float(projected[1])}] if known else []
    limit = [{"usd": float(budget)}]
    scale = alt.Scale(type="utc", domain=[_clock(at) for at in period])

    def draw(canvas: Canvas) -> Drawing:
        x = alt.X(
            "at:Q",
            scale=scale,
            axis=alt.Axis(
                tickCount=4 if canvas.is_narrow else 8, labelExpr="utcFormat(datum.value, '%-d %b')", labelOverlap=True
            ),
        )
        y = alt.Y("usd:Q", axis=money_axis(canvas), scale=alt.Scale(zero=True))
        area = over(known).mark_area(color=colour("heat-1"), aria=False)
        line = over(known).mark_line(color=colour("series-1"), strokeWidth=2, aria=False)
        lead = over(ahead).mark_line(color=colour("series-1"), strokeWidth=2, strokeDash=[5, 4], aria=False)
        rule = over(limit).mark_rule(color=colour("bad"), strokeWidth=1.5, aria=False)
        return alt.layer(
            area.encode(x=x, y=y), rule.encode(y=alt.Y("usd:Q")), line.encode(x=x, y=y), lead.encode(x=x, y=y)
        )

    legend = [
        LegendEntry("spent", colour("series-1")),
        LegendEntry("projected (dashed)", colour("series-1")),
        LegendEntry("budget", colour("bad")),
    ]
    return drawn_twice(key, title, description, draw, legend)


def hourly_costs(
    key: str,
    title: str,
    description: str,
    hours: Sequence[tuple[datetime, Decimal | None]],
    events: Sequence[tuple[datetime, str]] = (),
) -> Chart:
    """Draw a bar for each hour, and a line with a flag where something happened."""
    points = [
        {
            "at": _clock(at),
            "end": _clock(at) + _HOUR,
            "usd": float(usd),
            "said": f"{short_moment(at)} UTC: {money(usd)}",
        }
        for at, usd in hours
        if usd is not None
    ]
    flags = [{"at": _clock(at), "said": printable(f"{short_moment(at)} UTC: {what}")} for at, what in events]
    scale = alt.Scale(type="utc", domain=[_clock(hours[0][0]), _clock(hours[-1][0]) + _HOUR])

    def draw(canvas: Canvas) -> Drawing:
        every = 24 if canvas.is_narrow else 12
        ticks = [_clock(at) for at, _ in hours if at.astimezone(UTC).hour % every == 0]
        axis = alt.Axis(values=ticks, labelExpr=_DAY_OR_HOUR, labelOverlap=True)
        x = alt.X("at:Q", scale=scale, axis=axis)
        bars = over(points).mark_bar(color=colour("series-1"), stroke=colour("surface"), strokeWidth=0.5)
        layers = [
            bars.encode(x=x, x2="end:Q", y=alt.Y("usd:Q", axis=money_axis(canvas)), y2=alt.datum(0), description=_SAID)
        ]
        if flags:
            lines = over(flags).mark_rule(color=colour("bad"), strokeWidth=1.5, aria=False).encode(x=x)
            tops = over(flags).mark_point(shape="triangle-down", filled=True, size=90, opacity=1, color=colour("bad"))
            layers += [lines, tops.encode(x=x, y=alt.value(0), description=_SAID)]
        return alt.layer(*layers)

    legend = [LegendEntry("cost of the hour", colour("series-1"))]
    legend += [LegendEntry("VMs stopped", colour("bad"))] if flags else []
    return drawn_twice(key, title, description, draw, legend, (200, 160))


def price_steps(  # noqa: PLR0913, PLR0917 (each says one thing about the chart)
    key: str,
    title: str,
    description: str,
    first: datetime,
    last: datetime,
    prices: Sequence[tuple[datetime, datetime, Decimal]],
) -> Chart:
    """Draw a price per hour while it held, as a line in steps, with a dot where it changed."""
    points = [
        {
            "at": _clock(start),
            "end": _clock(end),
            "usd": float(price),
            "said": f"{short_day(start.date())} to {short_day(end.date())}: {rate(price)}",
        }
        for start, end, price in prices
    ]
    steps = [{"at": after["at"], "usd": before["usd"], "to": after["usd"]} for before, after in pairwise(points)]
    scale = alt.Scale(type="utc", domain=[_clock(first), _clock(last)])

    def draw(canvas: Canvas) -> Drawing:
        ticks = [_clock(at) for at in _months(first, last) if not canvas.is_narrow or at.month % 3 == 1]
        axis = alt.Axis(values=ticks, labelExpr=_MONTH, labelOverlap=True, labelAngle=0)
        x = alt.X("at:Q", scale=scale, axis=axis)
        y = alt.Y("usd:Q", axis=money_axis(canvas), scale=alt.Scale(zero=True))
        line = colour("series-1")
        held = over(points).mark_rule(color=line, strokeWidth=2, aria=False).encode(x=x, x2="end:Q", y=y)
        layers: list[alt.Chart] = [held]
        if steps:
            changes = over(steps).mark_rule(color=line, strokeWidth=1, aria=False)
            dots = over(points[1:]).mark_point(shape="circle", filled=True, size=36, opacity=1, color=line)
            layers += [changes.encode(x=x, y=y, y2="to:Q"), dots.encode(x=x, y=y, description=_SAID)]
        return alt.layer(*layers)

    return drawn_twice(key, title, description, draw, heights=(110, 100))


def heat(  # noqa: PLR0913, PLR0917 (each says one thing about the chart)
    key: str,
    title: str,
    description: str,
    rows: Sequence[str],
    columns: Sequence[str],
    amounts: Mapping[tuple[str, str], Decimal | None],
) -> Chart:
    """Draw a heat map: a cell for each row and column, darker for a higher cost, with the amount where it fits.

    An amount of None is one that is unknown.

    The steps are even in the root of the amount: one dear place would leave all others alike.
    """
    highest = max((amount for amount in amounts.values() if amount is not None), default=Decimal(0))
    points = [
        {
            "row": number,
            "column": place,
            "step": _step(amount, highest),
            "text": _short_money(amount),
            "said": printable(f"{row}, {column}: {money(amount)}"),
            "ink": _step(amount, highest) >= LIGHT_HEAT_STEPS,
        }
        for number, row in enumerate(rows)
        for place, column in enumerate(columns)
        if (row, column) in amounts
        for amount in [amounts[row, column]]
    ]

    def draw(canvas: Canvas) -> Drawing:
        base = over(points).encode(
            x=alt.X(
                "column:O",
                axis=names_axis(columns, canvas, is_above=True),
                scale=alt.Scale(domain=[*range(len(columns))], padding=0.06),
            ),
            y=alt.Y("row:O", axis=names_axis(rows, canvas), scale=alt.Scale(domain=[*range(len(rows))], padding=0.08)),
        )
        fields = base.mark_rect(cornerRadius=ROUNDING).encode(
            description=_SAID,
            color=alt.Color(
                "step:O",
                scale=alt.Scale(
                    domain=[*range(HEAT_STEPS)], range=[colour(f"heat-{step}") for step in range(HEAT_STEPS)]
                ),
            ),
        )
        if canvas.is_narrow:
            return alt.layer(fields)
        inks = alt.Scale(domain=[False, True], range=[colour("heat-low-text"), colour("heat-high-text")])
        texts = base.mark_text(fontSize=11, aria=False).encode(text="text:N", color=alt.Color("ink:N", scale=inks))
        layers: Drawing = alt.layer(fields, texts).resolve_scale(color="independent")
        return layers

    return drawn_twice(key, title, description, draw, heights=(28 * len(rows) or 28, 22 * len(rows) or 22))


def bars_of_hours(key: str, title: str, description: str, amounts: Mapping[int, Decimal]) -> Chart:
    """Draw a bar for each hour of the day."""
    points = [
        {"hour": hour, "amount": float(amount), "said": f"{hour:02}:00 UTC: {amount:,.0f}"}
        for hour in HOURS
        for amount in [amounts.get(hour, Decimal(0))]
    ]

    def draw(canvas: Canvas) -> Drawing:
        drawn: Drawing = (
            over(points)
            .mark_bar(color=colour("series-1"), cornerRadius=ROUNDING)
            .encode(
                description=_SAID,
                x=alt.X("hour:O", axis=hours_axis(canvas), scale=band(24)),
                y=alt.Y("amount:Q", axis=alt.Axis(tickCount=4, format="~s")),
            )
        )
        return drawn

    return drawn_twice(key, title, description, draw, heights=(180, 150))


def gains_and_losses(key: str, title: str, description: str, amounts: Sequence[tuple[str, Decimal]]) -> Chart:
    """Draw a bar to the right for each increase, and to the left for each decrease."""
    points = [
        {
            "row": number,
            "usd": float(amount),
            "more": amount > 0,
            "text": f"{amount:+,.2f}".replace("-", "\N{MINUS SIGN}"),
        }
        for number, (_, amount) in enumerate(amounts)
    ]
    names = [name for name, _ in amounts]
    reach = max((abs(float(amount)) for _, amount in amounts), default=1.0) * 1.35 or 1.0

    def draw(canvas: Canvas) -> Drawing:
        rows = alt.Y("row:O", axis=names_axis(names, canvas, letters=40), scale=alt.Scale(domain=[*range(len(names))]))
        across = alt.X("usd:Q", axis=None, scale=alt.Scale(domain=[-reach, reach]))
        shades = alt.Scale(domain=[True, False], range=[colour("series-3"), colour("series-2")])
        base = over(points).encode(x=across, y=rows)
        bars = base.mark_bar(cornerRadius=ROUNDING, height={"band": 0.62}, aria=False).encode(
            color=alt.Color("more:N", scale=shades)
        )
        texts = base.encode(text="text:N")
        right, left = (texts.transform_filter(said) for said in ("datum.more", "!datum.more"))
        style: dict[str, Any] = {"fontSize": 11, "color": colour("text"), "aria": False}
        zero = over([{"usd": 0}]).mark_rule(color=colour("line"), aria=False).encode(x=across)
        return alt.layer(
            zero, bars, right.mark_text(align="left", dx=5, **style), left.mark_text(align="right", dx=-5, **style)
        )

    legend = [LegendEntry("costs more", colour("series-3")), LegendEntry("costs less", colour("series-2"))]
    return drawn_twice(key, title, description, draw, legend, (28 * len(names), 28 * len(names)))


def hour_grid(
    key: str, title: str, description: str, days: Sequence[date], states: Mapping[tuple[date, int], str]
) -> Chart:
    """Draw a cell for each hour of each day, coloured by its state."""
    kinds = {
        "fine": "complete",
        "fair": "provisional, or complete with a caveat",
        "poor": "incomplete",
        "missing": "missing",
    }
    found = [kind for kind in kinds if kind in states.values()]
    points = [
        {
            "hour": hour,
            "row": number,
            "state": states[day, hour],
            "said": f"{short_day(day)}, {hour:02}:00 UTC: {kinds[states[day, hour]]}",
        }
        for number, day in enumerate(days)
        for hour in HOURS
        if (day, hour) in states
    ]

    def draw(canvas: Canvas) -> Drawing:
        every = 1 if len(days) <= _DAYS_NAMED_EACH else 2
        axis = alt.Axis(
            values=[number for number in range(len(days)) if number % every == 0],
            labelExpr=labels_of([short_day(day) for day in days]),
        )
        drawn: Drawing = (
            over(points)
            .mark_rect(cornerRadius=1)
            .encode(
                description=_SAID,
                x=alt.X(
                    "hour:O",
                    axis=hours_axis(canvas, is_above=True),
                    scale=alt.Scale(domain=[*HOURS], padding=0.12),
                ),
                y=alt.Y("row:O", axis=axis, scale=alt.Scale(domain=[*range(len(days))], padding=0.16)),
                color=alt.Color(
                    "state:N", scale=alt.Scale(domain=[*kinds], range=[colour(f"hour-{kind}") for kind in kinds])
                ),
            )
        )
        return drawn

    legend = [LegendEntry(kinds[kind], colour(f"hour-{kind}")) for kind in found]
    height = max(len(days), 1)
    return drawn_twice(key, title, description, draw, legend, (14 * height + 6, 11 * height + 6))


def _series(names: Sequence[str]) -> list[str]:
    """The colours of teams: the last two are for the rest and for VMs without a team."""
    fixed = {"(unlabelled)": NONE}
    free = iter(SERIES)
    return [fixed.get(name) or (REST if name.startswith("other (") else next(free, REST)) for name in names]


def _months(first: datetime, last: datetime) -> Iterator[datetime]:
    """Yield the beginning of each month between two times, in UTC."""
    at = first.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while at <= last:
        if at >= first:
            yield at
        at = at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)


def _clock(at: datetime) -> float:
    return at.timestamp() * 1000


def _step(amount: Decimal | None, highest: Decimal) -> int:
    if not highest or amount is None or amount <= 0:
        return 0
    return min(HEAT_STEPS - 1, int((amount / highest).sqrt() * (HEAT_STEPS - 1)) + 1)


def _short_money(amount: Decimal | None) -> str:
    if amount is None:
        return UNKNOWN
    if amount >= 10_000:  # noqa: PLR2004 (from here on thousands are enough)
        return f"${amount / 1000:,.0f}k"
    return f"${amount:,.0f}" if amount >= 100 else f"${amount:,.2f}"  # noqa: PLR2004 (from here on cents do not matter)
