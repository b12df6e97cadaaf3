"""Google's own SQL analyzer and evaluator, with the real tables: says what BigQuery would say of a statement.

https://github.com/google/zetasql, the reference implementation of GoogleSQL, compiled to WebAssembly.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import wasmtime
from zetasql.api import Analyzer, CatalogBuilder, PreparedQuery, TableBuilder, TypeFactory
from zetasql.core import wasm_client
from zetasql.types import (
    AnalyzerOptions,
    LanguageOptions,
    NameResolutionMode,
    ProductMode,
    SimpleCatalog,
    SimpleTable,
    Type,
    TypeKind,
    ZetaSQLBuiltinFunctionOptions,
)

TABLES = Path(__file__).parents[2] / "sql" / "tables"

_KINDS = {
    "STRING": TypeKind.TYPE_STRING,
    "INTEGER": TypeKind.TYPE_INT64,
    "BOOLEAN": TypeKind.TYPE_BOOL,
    "TIMESTAMP": TypeKind.TYPE_TIMESTAMP,
    "DATE": TypeKind.TYPE_DATE,
    "NUMERIC": TypeKind.TYPE_NUMERIC,
    "BIGNUMERIC": TypeKind.TYPE_BIGNUMERIC,
    "FLOAT": TypeKind.TYPE_DOUBLE,
}


def table_fields(name: str) -> Sequence[Mapping[str, Any]]:
    """Return the columns of a table of the product, as BigQuery's JSON describes them."""
    fields: Sequence[Mapping[str, Any]] = json.loads((TABLES / f"{name}.json").read_text())["schema"]["fields"]
    return fields


def analyze(statement: str, parameters: Mapping[str, Type], more: Sequence[SimpleTable] = ()) -> None:
    """Raise the analyzer's error when BigQuery would not take the statement."""
    analyzer = Analyzer(_options(parameters), _catalog(more))
    for each in statements(statement):
        analyzer.analyze_statement(each)


def analyzer_for(more: Sequence[SimpleTable] = (), *, prune_unused_columns: bool = False) -> Analyzer:
    """Return an analyzer that knows the product's tables."""
    options = _options({})
    options.prune_unused_columns = prune_unused_columns
    return Analyzer(options, _catalog(more))


def evaluate(query: str) -> list[str]:
    """Return the first column of a query that needs no table, as Google's evaluator works it out; it is a string."""
    builder = PreparedQuery.builder().set_sql(query).set_analyzer_options(_options({})).set_catalog(_no_tables())
    with builder.prepare() as prepared:
        content = prepared.execute().content.table_data
    return [row.cell[0].string_value for row in content.row] if content else []


def statements(script: str) -> list[str]:
    """Return the statements of a script without its comments; none of ours has a semicolon or dashes in a string."""
    code = "\n".join(line for line in script.splitlines() if not line.strip().startswith("--"))
    return [each.strip() for each in code.split(";") if each.strip()]


def table(name: str, fields: Sequence[Mapping[str, Any]]) -> SimpleTable:
    """Return a table that exists only in a test."""
    builder = TableBuilder(name)
    for field in fields:
        builder.add_column(field["name"], bigquery_type(field))
    return builder.build()


def bigquery_type(field: Mapping[str, Any]) -> Type:
    """Return the analyzer's type of a column in BigQuery's JSON."""
    if field["type"] == "RECORD":
        kind = TypeFactory.create_struct_type([(each["name"], bigquery_type(each)) for each in field["fields"]])
    else:
        kind = simple(field["type"])
    return TypeFactory.create_array_type(kind) if field.get("mode") == "REPEATED" else kind


def simple(name: str) -> Type:
    """Return the analyzer's type of a simple type in BigQuery's JSON."""
    return TypeFactory.create_simple_type(_KINDS[name])


def _table(name: str) -> SimpleTable:
    return table(name, table_fields(name))


def _options(parameters: Mapping[str, Type]) -> AnalyzerOptions:
    return AnalyzerOptions(
        language_options=_language(),
        default_timezone="UTC",
        query_parameters=[AnalyzerOptions.QueryParameter(name=name, type=kind) for name, kind in parameters.items()],
    )


def _catalog(more: Sequence[SimpleTable]) -> SimpleCatalog:
    tables = _functions()
    for path in sorted(TABLES.glob("*.json")):
        tables.add_table(_table(path.stem))
    for each in more:
        tables.add_table(each)
    return tables.build()


@cache
def _no_tables() -> SimpleCatalog:
    return _functions().build()


def _functions() -> CatalogBuilder:
    return CatalogBuilder("cost_tracking").with_builtin_functions(
        ZetaSQLBuiltinFunctionOptions(language_options=_language())
    )


@cache
def _language() -> LanguageOptions:
    """BigQuery's dialect: every feature that is out, external product mode, QUALIFY reserved."""
    _cache_compiled_module()
    options = LanguageOptions.maximum_features()
    options.product_mode = ProductMode.PRODUCT_EXTERNAL
    options.name_resolution_mode = NameResolutionMode.NAME_RESOLUTION_DEFAULT
    options.reserved_keywords = ["QUALIFY"]
    return options


def _cache_compiled_module() -> None:
    """Compile the analyzer once for each machine instead of once for each process: 20 seconds become less than one."""

    def cached_config() -> wasmtime.Config:
        config = wasmtime.Config()
        config.cache = True
        return config

    wasm_client.Config = cached_config
