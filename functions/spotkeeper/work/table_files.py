"""Files of rows under a header, and what is wrong with them."""

import csv
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Literal

from spotkeeper.errors import RefusedRequestError

TOO_MANY_CELLS = "(more cells than columns)"
"""The name of the cells of a row behind the last column."""

_MOST_DIGITS = 18

type Row = dict[str, str]


def header_and_rows(
    text: str | Iterable[str], *, delimiter: str = ",", quoted: bool = True
) -> tuple[tuple[str, ...], Iterator[tuple[int, Row]]]:
    """Return the columns of a text or its lines, and the rows with the number of their last line, as they are read.

    A row that is shorter lacks the last columns. Raises RefusedRequestError for a file without a header, as a command
    that failed leaves behind, for a column that is there twice, and for what the csv module cannot read.
    """
    lines = StringIO(text, newline="") if isinstance(text, str) else text
    cells = _readable(lines, delimiter, csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
    columns = tuple(next((row for _, row in cells if row), ()))
    if not columns:
        message = "the file has no header: it is empty"
        raise RefusedRequestError(message)
    for name in columns:
        if columns.count(name) > 1:
            message = f"the file has the column {name} twice"
            raise RefusedRequestError(message)
    return columns, ((number, _named(columns, row)) for number, row in cells if row)


def require_columns(columns: Iterable[str], needed: Iterable[str], remedy: str) -> None:
    """Raise RefusedRequestError naming the first column that is needed and missing, and what to do."""
    for name in needed:
        if name not in columns:
            message = f"the file has no column {name}: {remedy}"
            raise RefusedRequestError(message)


def count(cell: str) -> int | None:
    """Return a cell with a whole number of at most 18 digits; None for anything else."""
    return int(cell) if cell.isascii() and cell.isdecimal() and len(cell) <= _MOST_DIGITS else None


def _readable(lines: Iterable[str], delimiter: str, quoting: Literal[0, 3]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        message = f"line {reader.line_num}: {error}"
        raise RefusedRequestError(message) from error


def _named(columns: tuple[str, ...], row: list[str]) -> Row:
    named = dict(zip(columns, row, strict=False))
    return named | {TOO_MANY_CELLS: row[len(columns)]} if len(row) > len(columns) else named
