"""The page: one self-contained HTML file."""

import base64
import hashlib
from dataclasses import replace
from datetime import UTC
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from spotkeeper.report import palette, wording
from spotkeeper.report.blocks import Section, Tone
from spotkeeper.report.rows import ReportRows, Scope
from spotkeeper.report.sections.budgets import budgets
from spotkeeper.report.sections.enforcement import enforcement
from spotkeeper.report.sections.headlines import headlines
from spotkeeper.report.sections.interruptions import interruptions
from spotkeeper.report.sections.labels import labels
from spotkeeper.report.sections.limits import limits
from spotkeeper.report.sections.places import places
from spotkeeper.report.sections.prices import price_changes
from spotkeeper.report.sections.projects import projects
from spotkeeper.report.sections.quality import is_stale, quality
from spotkeeper.report.sections.savings import savings
from spotkeeper.report.sections.spend import spend
from spotkeeper.report.sections.work import work


def page(rows: ReportRows, scope: Scope) -> str:
    """Return the report as HTML; without data, a page that says what to check."""
    environment = Environment(
        loader=PackageLoader("spotkeeper.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = _part("report.js")
    asked, scope = scope, recorded(rows, scope)
    return environment.get_template("report.html").render(
        scope=scope,
        asked_days=(asked.last_day - asked.first_day).days + 1,
        shown_days=(scope.last_day - scope.first_day).days + 1,
        period=wording.days(scope.first_day, scope.last_day),
        until=wording.moment(scope.as_of) if scope.as_of else None,
        written=wording.moment(scope.written_at),
        is_stale=is_stale(scope),
        ago=wording.ago(scope.written_at - scope.as_of) if scope.as_of else "",
        light=palette.LIGHT,
        dark=palette.DARK,
        style=_part("report.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        cards=headlines(rows, scope) if has_anything(rows) else (),
        sections=sections(rows, scope) if has_anything(rows) else (),
        Tone=Tone,
    )


def recorded(rows: ReportRows, scope: Scope) -> Scope:
    """Return the scope without the days before the first recorded hour: their cost is unknown, not zero."""
    known = [row.usage_date for row in rows.places] + [
        row.usage_start_time.astimezone(UTC).date() for row in rows.quality
    ]
    return replace(scope, first_day=max(scope.first_day, min(known, default=scope.first_day)))


def has_anything(rows: ReportRows) -> bool:
    """Whether there is a cost to report."""
    return bool(rows.places)


def sections(rows: ReportRows, scope: Scope) -> list[Section]:
    """Return all sections of the report, in order."""
    return [
        spend(rows, scope),
        projects(rows),
        work(rows),
        savings(rows, scope),
        budgets(rows),
        places(rows),
        *labels(rows),
        interruptions(rows),
        price_changes(rows),
        enforcement(rows),
        quality(rows, scope),
        limits(),
    ]


def _part(name: str) -> Markup:
    """A part of the page without outside text: style and script."""
    return Markup((files("spotkeeper.report") / "templates" / name).read_text())  # noqa: S704 (no part of it is input)
