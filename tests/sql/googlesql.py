"""Google's own SQL analyzer and evaluator, with the real tables: says what BigQuery would say of a statement.

https://github.com/google/zetasql, the reference implementation of GoogleSQL, compiled to WebAssembly. Analyzing costs
far more than evaluating, and turning a resolved tree into Python objects costs as much again: a query is prepared once
for all its cases, and what only has to be accepted is not turned into objects.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import gettempdir
from types import MappingProxyType
from typing import Any

import wasmtime
from google.protobuf.empty_pb2 import Empty
from zetasql.api import Analyzer, CatalogBuilder, PreparedQuery, TableBuilder, TypeFactory
from zetasql.core import wasm_client
from zetasql.core.exceptions import ZetaSQLError
from zetasql.core.local_service import ZetaSqlLocalService
from zetasql.types import (
    AnalyzeRequest,
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
from zetasql.wasi._pb2.zetasql.local_service import local_service_pb2 as calls
from zetasql.wasi._pb2.zetasql.public.value_pb2 import ValueProto as Value

from dashboards.view_columns import described_columns
from tests.sql.cases import BILLING_EXPORT, BILLING_EXPORT_FIELDS, queries

type Fields = Sequence[Mapping[str, Any]]
"""The columns of a table, as BigQuery's JSON describes them."""

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


def analyze(statement: str, parameters: Mapping[str, Type], more: Mapping[str, Fields] = MappingProxyType({})) -> None:
    """Raise the analyzer's error when BigQuery would not take the statement.

    A view has the columns that it describes; test_views.py compares them with the view's text.
    """
    service, options, catalog = _service(), _options(parameters), _dataset(json.dumps({**more}))
    for each in statements(statement):
        request = AnalyzeRequest(sql_statement=each, options=options, registered_catalog_id=catalog)
        # The resolved tree is not read: as Empty it is not even parsed.
        service.wasm_client.call_grpc_func("ZetaSqlLocalService_Analyze", request.to_proto(), Empty)


def refusals(queries: Mapping[str, str], parameters: Mapping[str, Type] = MappingProxyType({})) -> dict[str, str]:
    """Return why BigQuery would not take a query, by the query's name."""
    refused = {}
    for name, query in queries.items():
        try:
            analyze(query, parameters)
        except ZetaSQLError as error:
            refused[name] = str(error)
    return refused


def analyzer_for(
    more: Iterable[SimpleTable] = (),
    *,
    prune_unused_columns: bool = False,
    parameters: Mapping[str, Type] = MappingProxyType({}),
) -> Analyzer:
    """Return an analyzer that knows the product's tables."""
    options = _options(parameters)
    options.prune_unused_columns = prune_unused_columns
    return Analyzer(options, _catalog(more), _service())


def columns_of(query: str) -> list[tuple[str, str]]:
    """Return the names and types, as BigQuery's REST API writes them, of the columns that a query yields."""
    names = {int(kind): name for name, kind in _KINDS.items()}
    request = AnalyzeRequest(sql_statement=query, options=_options({}), registered_catalog_id=_dataset())
    client = _service().wasm_client
    # Of the resolved tree only the columns are read, as they came: making objects of all of it costs as much again.
    response = client.call_grpc_func("ZetaSqlLocalService_Analyze", request.to_proto(), calls.AnalyzeResponse)
    columns = response.resolved_statement.resolved_query_stmt_node.output_column_list
    return [(column.name, names[column.column.type.type_kind]) for column in columns]


def prepare(query: str, parameters: Mapping[str, Type]) -> PreparedQuery:
    """Return a query that needs no table, analyzed once to be evaluated with many values of its parameters."""
    builder = PreparedQuery.builder().set_sql(query).set_analyzer_options(_options(parameters))
    return builder.set_service(_service()).set_registered_catalog_id(_functions_only()).prepare()


def evaluate(query: PreparedQuery, parameters: Mapping[str, Value]) -> list[str]:
    """Return the first column of a prepared query, which is a string, as Google's evaluator works it out."""
    request = calls.EvaluateQueryRequest(prepared_query_id=query.prepared_query_id)
    for name, given in parameters.items():
        request.params.add(name=name, value=given)
    client = _service().wasm_client
    response = client.call_grpc_func("ZetaSqlLocalService_EvaluateQuery", request, calls.EvaluateQueryResponse)
    return [row.cell[0].string_value for row in response.content.table_data.row]


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


def value(field: Mapping[str, Any], given: Any) -> Value:  # noqa: ANN401 (a value of any type)
    """Return the evaluator's form of a value of a column; `given` is as JSON has it, None for NULL."""
    if field.get("mode") == "REPEATED":
        one = {**field, "mode": "NULLABLE"}
        return Value(array_value=Value.Array(element=[value(one, each) for each in given or ()]))
    if given is None:
        return Value()
    if field["type"] == "RECORD":
        inner = [value(each, given.get(each["name"])) for each in field["fields"]]
        return Value(struct_value=Value.Struct(field=inner))
    return _VALUES[field["type"]](given)


def rows_type(fields: Sequence[Mapping[str, Any]]) -> Type:
    """Return the type of the rows of a table: an array of structs."""
    return bigquery_type({"type": "RECORD", "mode": "REPEATED", "fields": fields})


def rows_value(fields: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> Value:
    """Return the rows of a table as one value of that type."""
    return value({"type": "RECORD", "mode": "REPEATED", "fields": fields}, rows)


def _scaled(given: object, digits: int) -> bytes:
    """A decimal as the evaluator stores it: the scaled integer, little-endian, in two's complement."""
    scaled = int(Decimal(str(given)).scaleb(digits))
    return scaled.to_bytes(scaled.bit_length() // 8 + 1, "little", signed=True)


def _timestamp(given: str) -> Value:
    found = Value()
    found.timestamp_value.FromDatetime(datetime.fromisoformat(given).astimezone(UTC))
    return found


_VALUES: Mapping[str, Callable[[Any], Value]] = {
    "STRING": lambda given: Value(string_value=str(given)),
    "INTEGER": lambda given: Value(int64_value=int(given)),
    "BOOLEAN": lambda given: Value(bool_value=given),
    "TIMESTAMP": _timestamp,
    "DATE": lambda given: Value(date_value=(date.fromisoformat(given) - date(1970, 1, 1)).days),
    "NUMERIC": lambda given: Value(numeric_value=_scaled(given, 9)),
    "BIGNUMERIC": lambda given: Value(bignumeric_value=_scaled(given, 38)),
    "FLOAT": lambda given: Value(double_value=float(given)),
}


def _options(parameters: Mapping[str, Type]) -> AnalyzerOptions:
    return AnalyzerOptions(
        language_options=_language(),
        default_timezone="UTC",
        query_parameters=[AnalyzerOptions.QueryParameter(name=name, type=kind) for name, kind in parameters.items()],
    )


def _catalog(more: Iterable[SimpleTable]) -> SimpleCatalog:
    tables = _functions()
    for each in (*_tables(), *more):
        tables.add_table(each)
    return tables.build()


@cache
def _tables() -> Sequence[SimpleTable]:
    return [table(path.stem, table_fields(path.stem)) for path in sorted(TABLES.glob("*.json"))]


@cache
def _functions_only() -> int:
    """The id of a catalog without tables, known to the evaluator so that it is not built again for each query."""
    return _registered(_functions().build())


@cache
def _dataset(more: str = "{}") -> int:
    """The id of a catalog of the product's tables and views, the billing export, and tables that are given as JSON."""
    views = {
        view.stem: [{"name": column.name, "type": column.type} for column in described_columns(view)]
        for view in queries("views")
    }
    fields = {**views, BILLING_EXPORT: BILLING_EXPORT_FIELDS, **json.loads(more)}
    return _registered(_catalog([table(name, columns) for name, columns in fields.items()]))


def _registered(catalog: SimpleCatalog) -> int:
    registered: int = _service().register_catalog(simple_catalog=catalog).registered_id
    return registered


def _functions() -> CatalogBuilder:
    return CatalogBuilder("cost_tracking").with_builtin_functions(
        ZetaSQLBuiltinFunctionOptions(language_options=_language())
    )


@cache
def _language() -> LanguageOptions:
    """BigQuery's dialect: every feature that is out, external product mode, QUALIFY reserved."""
    _service()
    options = LanguageOptions.maximum_features()
    options.product_mode = ProductMode.PRODUCT_EXTERNAL
    options.name_resolution_mode = NameResolutionMode.NAME_RESOLUTION_DEFAULT
    options.reserved_keywords = ["QUALIFY"]
    return options


@cache
def _service() -> ZetaSqlLocalService:
    """The one analyzer of this process, compiled once for each machine: 20 seconds become less than one.

    A second process waits for the first one's compilation, which uses all cores, rather than compile it as well.
    """

    def cached_config() -> wasmtime.Config:
        config = wasmtime.Config()
        config.cache = True
        return config

    wasm_client.Config = cached_config
    with (Path(gettempdir()) / f"spotkeeper-analyzer-{os.getuid()}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return ZetaSqlLocalService.get_instance()
