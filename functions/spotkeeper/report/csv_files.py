"""The rows of the report as CSV files that are safe to open in a spreadsheet."""

import csv
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import get_args, get_type_hints

from spotkeeper.report.blocks import plain
from spotkeeper.report.rows import ReportRows

_FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n", "\0")
"""Also their full-width forms, which some spreadsheets treat alike, and characters that are skipped before them."""


def write_csv(rows: ReportRows, folder: Path) -> list[Path]:
    """Write a file for each kind of row, with a header line, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(folder / f"{field.name}.csv", field.name, rows) for field in fields(rows)]


def safe(value: object) -> str:
    """Return a cell that no spreadsheet interprets as a formula: a text that could be one gets an apostrophe.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    if isinstance(value, str):
        risky = value.startswith(_FORMULA_STARTS) or value.lstrip().startswith(_FORMULA_STARTS)
        return f"'{value}" if risky else value
    return plain(value)  # type: ignore[arg-type] # the columns of a row are values that are shown


def _write(path: Path, name: str, rows: ReportRows) -> Path:
    found: Sequence[object] = getattr(rows, name)
    [kind] = get_args(get_type_hints(ReportRows)[name])
    names = [field.name for field in fields(kind)]
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(names)
        out.writerows([safe(getattr(row, each)) for each in names] for row in found)
    return path
