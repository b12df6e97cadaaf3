"""How answers are printed: as a table for people, or as JSON or CSV for programs."""

import argparse
import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from spotkeeper.cli.amounts import exact
from spotkeeper.periods import rfc3339

type Row = Mapping[str, object]


class Format(StrEnum):
    """What `--format` takes."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def add_format_argument(parser: argparse.ArgumentParser) -> None:
    """Add --format."""
    parser.add_argument(
        "--format",
        choices=[str(each) for each in Format],
        default=str(Format.TABLE),
        help="table for people, json or csv for programs (default: %(default)s)",
    )


def as_json(answer: object) -> str:
    """Return an answer as JSON; amounts are strings, so that no digit is lost, and unknown is null."""
    return json.dumps(answer, indent=2, default=_plain)


def as_csv(fields: Sequence[str], rows: Sequence[Row]) -> str:
    """Return rows as CSV with a header; unknown is an empty cell, a list is joined by semicolons."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(fields)
    writer.writerows([_cell(row[name]) for name in fields] for row in rows)
    return text.getvalue().removesuffix("\n")


def _cell(value: object) -> object:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list() | tuple():
            return "; ".join(str(each) for each in value)
        case Decimal() | date():
            return _plain(value)
        case _:
            return value


def _plain(value: object) -> str:
    match value:
        case Decimal():
            return exact(value)
        case datetime():
            return rfc3339(value)
        case date():
            return value.isoformat()
        case _:
            return str(value)
