"""The sources of dbt: every table and view with its columns, and as tests what the checks in sql/checks promise.

https://docs.getdbt.com/reference/source-properties
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from dashboards.panels import VIEWS
from dashboards.view_columns import described_columns
from spotkeeper.enforcement.actions import ActionEvent
from spotkeeper.periods import PeriodKind
from spotkeeper.pricing.price_book import PriceStatus
from spotkeeper.pricing.skus import Market, RateUnit
from spotkeeper.tracking.run_summary import Completeness
from spotkeeper.tracking.settings import Covers

TABLES = VIEWS.parent / "tables"
_KEYS = VIEWS.parent / "checks" / "keys_are_unique.sql"
_DAYS = 45
"""The days that tests read of a table that grows by the day: those that the checks read."""

_VALUES: Mapping[tuple[str, str], type[StrEnum]] = {
    ("budgets", "covers"): Covers,
    ("budgets", "period"): PeriodKind,
    ("enforcement_actions", "event"): ActionEvent,
    ("project_hours", "state"): Completeness,
    ("spot_prices", "market"): Market,
    ("spot_prices", "unit"): RateUnit,
    ("spot_vm_costs", "price_status"): PriceStatus,
}
_STATES = {"decision", "state"}
"""The columns of views that a test reads: of views that read little."""

_FRESHNESS = {"warn_after": {"count": 3, "period": "hour"}, "error_after": {"count": 6, "period": "hour"}}
"""An hour is recorded within the next one, so that the latest is two hours old at most."""

_HOURLY = {"project_hours", "tracker_runs"}
"""The tables that get rows every hour, also when no Spot VM runs."""

_HEAD = """# Written by `python -m dashboards` from sql/tables, sql/views and sql/checks: change these.
"""

type Properties = dict[str, Any]


def sources() -> str:
    """Return models/sources.yml. Texts are quoted as in JSON, which YAML is a superset of."""
    return f"{_HEAD}{'\n'.join(_lines({'version': 2, 'sources': [definition()]}, 0))}\n"


def definition() -> Properties:
    """Return the source with its tables and views, as dbt reads it."""
    tables = [_table(name, json.loads((TABLES / f"{name}.json").read_text())) for name in _names(TABLES, "json")]
    return {
        "name": "spotkeeper",
        "description": "What Spot VMs cost at list price, hour by hour: an estimate, not the invoice.",
        "database": "{{ var('spotkeeper_project', target.database) }}",
        "schema": "{{ var('spotkeeper_dataset', 'cost_tracking') }}",
        "tables": [*tables, *map(_view, _names(VIEWS, "sql"))],
    }


def keys() -> dict[str, str]:
    """Return the key of each table that has to be unique, as an expression, from the check that promises it."""
    found = re.findall(
        r"'(\w+)' AS table_name,\s+(.+?) AS row_key\s+FROM `\$\{dataset\}\.\1` AS (\w+)", _KEYS.read_text(), re.DOTALL
    )
    return {
        table: re.sub(r"\s+", " ", expression.replace(f"{alias}.", "")).replace("( ", "(").replace(" )", ")")
        for table, expression, alias in found
    }


def values(view: str) -> dict[str, list[str]]:
    """Return the states of a view that are written out in it, each with its values."""
    found = re.findall(
        r"CASE(?: \w[\w.]*)?\n((?:(?!\bCASE\b).)+?)\n  END AS (\w+),?  -- STRING:", _text(view), re.DOTALL
    )
    listed = {}
    for branches, column in found:
        results = re.findall(r"\b(?:THEN|ELSE)\s+('[^']*'|\S+)", branches)
        if column in _STATES and all(result.startswith("'") for result in results):
            listed[column] = list(dict.fromkeys(result.strip("'") for result in results))
    return listed


def _names(folder: Path, ending: str) -> list[str]:
    return sorted(path.stem for path in folder.glob(f"*.{ending}"))


def _text(view: str) -> str:
    return (VIEWS / f"{view}.sql").read_text()


def _table(name: str, table: Mapping[str, Any]) -> Properties:
    where = _recent(table)
    key = keys().get(name, "")
    columns = [_column(name, field, key, where) for field in table["schema"]["fields"]]
    described: Properties = {"name": name, "description": table["description"]}
    if name in _HOURLY:
        latest = "hour >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 2 DAY)"
        described["config"] = {"loaded_at_field": "hour", "freshness": {**_FRESHNESS, "filter": latest}}
    if key:
        described["data_tests"] = [_test("unique", {"column_name": key}, where)]
    return described | {"columns": columns}


def _column(table: str, field: Mapping[str, Any], key: str, where: str) -> Properties:
    name = field["name"]
    tests = []
    if re.search(rf"\b{name}\b", key) and field.get("mode") == "REQUIRED":
        # A key of which a part is NULL would be NULL, and unique for dbt.
        tests.append(_test("not_null", {}, where))
    if (table, name) in _VALUES:
        accepted = [each.value for each in _VALUES[table, name]]
        tests.append(_test("accepted_values", {"values": accepted}, where))
    return _described(name, _data_type(field), field["description"], tests)


def _view(name: str) -> Properties:
    question, grain = re.findall(r"(?m)^-- (?:Grain: )?(.+)$", _text(name))[:2]
    accepted = values(name)
    columns = [
        _described(
            column.name,
            _SQL_NAMES.get(column.type, column.type),
            column.description,
            [_test("accepted_values", {"values": accepted[column.name]}, "")] if column.name in accepted else [],
        )
        for column in described_columns(VIEWS / f"{name}.sql")
    ]
    return {"name": name, "description": f"{question} Grain: {grain}", "columns": columns}


_SQL_NAMES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}


def _data_type(field: Mapping[str, Any]) -> str:
    kind = _SQL_NAMES.get(field["type"], field["type"])
    if kind == "RECORD":
        kind = f"STRUCT<{', '.join(f'{each["name"]} {_data_type(each)}' for each in field['fields'])}>"
    return f"ARRAY<{kind}>" if field.get("mode") == "REPEATED" else kind


def _recent(table: Mapping[str, Any]) -> str:
    partitions = table.get("timePartitioning")
    if not partitions:
        return ""
    column = partitions["field"]
    [kind] = [field["type"] for field in table["schema"]["fields"] if field["name"] == column]
    now = "CURRENT_DATE()" if kind == "DATE" else "CURRENT_TIMESTAMP()"
    return f"{column} >= {kind}_SUB({now}, INTERVAL {_DAYS} DAY)"


def _test(name: str, arguments: Mapping[str, object], where: str) -> Properties:
    test: Properties = {"arguments": arguments} if arguments else {}
    if where:
        test["config"] = {"where": where}
    return {name: test}


def _described(name: str, kind: str, description: str, tests: Sequence[Properties]) -> Properties:
    described: Properties = {"name": name, "data_type": kind, "description": description}
    return described | {"data_tests": list(tests)} if tests else described


def _lines(value: Mapping[str, Any] | Sequence[Any], depth: int) -> Iterator[str]:
    """Write a block of YAML."""
    indent = "  " * depth
    if isinstance(value, Mapping):
        for key, each in value.items():
            if isinstance(each, Mapping | list) and each:
                yield f"{indent}{key}:"
                yield from _lines(each, depth + 1)
            else:
                yield f"{indent}{key}: {json.dumps(each, ensure_ascii=False)}"
        return
    for each in value:
        if isinstance(each, Mapping):
            first, *rest = _lines(each, depth + 1)
            yield f"{indent}- {first.lstrip()}"
            yield from rest
        else:
            yield f"{indent}- {json.dumps(each, ensure_ascii=False)}"
