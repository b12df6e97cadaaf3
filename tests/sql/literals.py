"""Tables written into the query itself, for Google's evaluator, which has no others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.sql.cases import SQL, Case, rendered, sources, table_fields


def self_contained(case: Case) -> str:
    """Return a query that yields each row of a case as JSON, with the tables and views it reads inside."""
    steps = "".join(f"{name} AS (\n{_source(name, case)}\n),\n" for name in _sources_in_order(case.query))
    return f"WITH {steps} answer AS (\n{rendered(case.query, case.now)}\n)\nSELECT TO_JSON_STRING(answer) FROM answer"


def _sources_in_order(query: Path) -> list[str]:
    names: dict[str, None] = {}
    for name in sources(query):
        view = _view(name)
        if view.exists():
            names |= dict.fromkeys(_sources_in_order(view))
        names[name] = None
    return list(names)


def _view(name: str) -> Path:
    return SQL / "views" / f"{name}.sql"


def _source(name: str, case: Case) -> str:
    view = case.views.get(name, _view(name))
    if view.exists():
        return rendered(view, case.now)
    fields = table_fields(name)
    rows = ",\n".join(
        f"({', '.join(_literal(field, row[field['name']]) for field in fields)})" for row in case.tables.get(name, ())
    )
    return f"SELECT * FROM UNNEST(ARRAY<{_struct(fields)}>[{rows}])"


def _struct(fields: Sequence[Mapping[str, Any]]) -> str:
    return f"STRUCT<{', '.join(f'{field["name"]} {_type(field)}' for field in fields)}>"


def _type(field: Mapping[str, Any]) -> str:
    kind = _struct(field["fields"]) if field["type"] == "RECORD" else _NAMES.get(field["type"], field["type"])
    return f"ARRAY<{kind}>" if field.get("mode") == "REPEATED" else kind


def _literal(field: Mapping[str, Any], value: Any) -> str:  # noqa: ANN401 (a value of any type)
    if field.get("mode") == "REPEATED":
        one = {**field, "mode": "NULLABLE"}
        return f"{_type(field)}[{', '.join(_literal(one, each) for each in value or ())}]"
    if value is None:
        return "NULL"
    match field["type"]:
        case "RECORD":
            values = ", ".join(_literal(each, value.get(each["name"])) for each in field["fields"])
            return f"{_type(field)}({values})"
        case "INTEGER" | "BOOLEAN" | "FLOAT":
            return str(value)
        case "STRING":
            return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
        case kind:
            return f"{kind} '{value}'"


_NAMES = {"INTEGER": "INT64", "BOOLEAN": "BOOL", "FLOAT": "FLOAT64"}
