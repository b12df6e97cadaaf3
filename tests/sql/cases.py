"""The cases of a view or a check: folders of small tables, beside the one that has to come out.

`tests/sql/NAME/CASE/TABLE.csv` are the rows that a table holds, `expected.csv` is the answer, and `now.txt` the present
where it is not the ordinary one; `leaves_out.txt`, such as `state=missing`, names rows of the answer that the case is
not about; `VIEW.sql` takes the place of a view that a check reads. A column that a case leaves out is empty or has its
usual value; labels and keys are written as `team=vision;priority=low`, times without a zone are UTC, and nested columns
are JSON.
"""

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from infra.local.bigquery.tables import with_label_keys
from spotkeeper.gcp.bigquery.rest_query import statement_text
from spotkeeper.gcp.bigquery.rollups import ROLLUPS
from tests.sql.usual_rows import Row, complete

SQL = Path(__file__).parents[2] / "sql"
HERE = Path(__file__).parent
NOW = "2026-07-22T05:07:00Z"
BILLING_EXPORT = "billing_export"
BILLING_EXPORT_FIELDS: Sequence[Mapping[str, Any]] = json.loads((HERE / "billing_export.json").read_text())


@dataclass(frozen=True, slots=True)
class Case:
    """One case: the rows of each table, and the rows that come out, as text by column."""

    query: Path
    name: str
    now: str
    tables: Mapping[str, Sequence[Row]]
    views: Mapping[str, Path]
    expected: Sequence[Mapping[str, str]]
    leaves_out: Mapping[str, str]

    def is_about(self, row: Mapping[str, str]) -> bool:
        """Whether a row of the answer is not left out."""
        return not self.leaves_out or any(row[name] != value for name, value in self.leaves_out.items())

    def __str__(self) -> str:
        """Name the view and the case, for the test's report."""
        return f"{self.query.stem}-{self.name}"


def queries(folder: str) -> list[Path]:
    """Return all views or all checks."""
    return sorted((SQL / folder).glob("*.sql"))


def table_fields(name: str) -> Sequence[Mapping[str, Any]]:
    """Return the columns of a table, as BigQuery's JSON describes them."""
    if name == BILLING_EXPORT:
        return BILLING_EXPORT_FIELDS
    fields: Sequence[Mapping[str, Any]] = json.loads((SQL / "tables" / f"{name}.json").read_text())["schema"]["fields"]
    return fields


def table_names() -> list[str]:
    """Return the names of the product's tables, and that of the billing export."""
    return [*sorted(path.stem for path in (SQL / "tables").glob("*.json")), BILLING_EXPORT]


def sources(query: Path) -> list[str]:
    """Return the tables and views that a query reads by name."""
    names = re.findall(r"`\$\{dataset\}\.(\w+)`", query.read_text())
    export = [BILLING_EXPORT] if "${billing_export_table}" in query.read_text() else []
    return [*dict.fromkeys(names), *export]


def sources_in_order(query: Path) -> list[str]:
    """Return the tables and views that a query reads, also by way of views; what a view reads comes before it."""
    names: dict[str, None] = {}
    for name in sources(query):
        if name not in table_names():
            names |= dict.fromkeys(sources_in_order(SQL / "views" / f"{name}.sql"))
        names[name] = None
    return list(names)


def recorded_tables(query: Path, given: Iterable[str] = ()) -> list[str]:
    """Return the tables behind a query, rollups after what they are made from; a given rollup is taken as it is."""
    names: dict[str, None] = {}

    def add(name: str) -> None:
        if name in ROLLUPS and name not in given:
            for source in rollup_sources(name):
                add(source)
        names[name] = None

    for name in sources_in_order(query):
        if name in table_names():
            add(name)
    return list(names)


def views_read(query: Path) -> list[Path]:
    """Return the views that a query reads, those that others read first."""
    return [SQL / "views" / f"{name}.sql" for name in sources_in_order(query) if name not in table_names()]


def rollup_query(name: str) -> str:
    """Return the query that a rollup is written by, of all days and with the tables it reads by their names alone."""
    statement = re.sub(r"(?m)^ *--.*\n", "", statement_text(f"rollup_{name}"))
    query = statement.partition(f"INSERT INTO {name}\n")[2].rstrip().removesuffix(";")
    all_days = {
        "IN UNNEST(@rollup_days)": "IS NOT NULL",
        "IN UNNEST(@rollup_months)": "IS NOT NULL",
        "@rollup_since": "TIMESTAMP '2000-01-01 00:00:00+00'",
        "@rollup_until": "TIMESTAMP '2100-01-01 00:00:00+00'",
        "@months_since": "DATE '2000-01-01'",
        "@months_until": "DATE '2100-01-01'",
    }
    for part, whole in all_days.items():
        query = query.replace(part, whole)
    return query


def rollup_sources(name: str) -> list[str]:
    """Return the tables that a rollup is made from."""
    return [each for each in table_names() if re.search(rf"(FROM|JOIN) {each} AS", rollup_query(name))]


def rendered(query: Path, now: str, dataset: str = "") -> str:
    """Return the query as Terraform makes it, at a fixed time; without a dataset the tables are named alone."""
    prefix = f"{dataset}." if dataset else ""
    return (
        with_label_keys(query.read_text())
        .replace("${billing_account}", "")
        .replace("${dataset}.", prefix)
        .replace("${billing_export_table}", f"{prefix}{BILLING_EXPORT}")
        .replace("${now}", f"TIMESTAMP '{now}'")
    )


def with_views(query: Path) -> str:
    """Return a query without its comments, with the views it reads inside it."""
    steps = "".join(f"{path.stem} AS (\n{rendered(path, NOW)}\n),\n" for path in views_read(query))
    return re.sub(r"(?m)--( .*)?$", "", f"WITH {steps} answer AS (\n{rendered(query, NOW)}\n)\nSELECT * FROM answer")


def cases(folder: str) -> list[Case]:
    """Return the cases of all views or of all checks."""
    return [
        _case(query, path)
        for query in queries(folder)
        for path in sorted((HERE / query.stem).glob("*"))
        if (path / "expected.csv").exists()
    ]


def canonical(value: object) -> str:
    """Return a value as a case writes it: numbers without spare digits, times with Z, nothing for NULL."""
    match value:
        case None:
            text = ""
        case bool():
            text = str(value).lower()
        case int() | float() | Decimal():
            text = format(Decimal(str(value)).normalize() + 0, "f")
        case datetime():
            text = value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            text = value.isoformat()
        case str():
            text = value or '""'
        case _:
            text = json.dumps(value, default=canonical, separators=(",", ":"))
    return text


def answer(rows: Iterable[Mapping[str, str]]) -> list[tuple[tuple[str, str], ...]]:
    """Return rows in a form that compares, whatever their order."""
    return sorted(tuple(row.items()) for row in rows)


def _case(query: Path, path: Path) -> Case:
    now = path / "now.txt"
    return Case(
        query,
        path.name,
        now.read_text().strip() if now.exists() else NOW,
        {file.stem: _table(file) for file in sorted(path.glob("*.csv")) if file.stem != "expected"},
        {file.stem: file for file in sorted(path.glob("*.sql"))},
        _lines(path / "expected.csv"),
        _left_out(path / "leaves_out.txt"),
    )


def _left_out(path: Path) -> dict[str, str]:
    pairs = (line.partition("=") for line in path.read_text().splitlines()) if path.exists() else ()
    return {name: value for name, _, value in pairs}


def _lines(path: Path) -> list[dict[str, str]]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return list(csv.DictReader(lines))


def _table(path: Path) -> list[Row]:
    fields = {field["name"]: field for field in table_fields(path.stem)}
    rows = []
    for line in _lines(path):
        unknown = line.keys() - fields.keys()
        assert not unknown, f"{path}: no such columns: {unknown}"
        rows.append(complete(path.stem, {name: _value(fields[name], text) for name, text in line.items()}))
    return [{name: row.get(name, [] if _repeated(field) else None) for name, field in fields.items()} for row in rows]


def _repeated(field: Mapping[str, Any]) -> bool:
    return field.get("mode") == "REPEATED"


def _value(field: Mapping[str, Any], text: str) -> object:
    if field["name"] in {"labels", "keys"}:
        pairs = (pair.partition("=") for pair in text.split(";") if pair)
        return [{"key": key, "value": value} for key, _, value in pairs]
    if _repeated(field) or field["type"] == "RECORD":
        return json.loads(text or "[]") if _repeated(field) else json.loads(text or "null")
    if not text:
        return None
    if field["type"] == "TIMESTAMP":
        return _time(text)
    if field["type"] == "BOOLEAN":
        return text == "true"
    return int(text) if field["type"] == "INTEGER" else text


def _time(text: str) -> str:
    at = datetime.fromisoformat(text)
    return canonical(at if at.tzinfo else at.replace(tzinfo=UTC))
