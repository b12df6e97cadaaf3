"""Caches of the local BigQuery: parsed statements, and their translations into DuckDB's SQL.

A parsed statement carries its text, in which a placeholder stands for the name of its staging table, and the names of
its tables: a statement that comes again is neither parsed nor searched again.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import duckdb
from local_bigquery.engine import database
from local_bigquery.sql.translate import Context
from sqlglot import exp

type Parse = Callable[[str], list[exp.Expression]]
type Translate = Callable[[exp.Expression, Context], tuple[str, dict[str, object]]]

_STAGING = re.compile(r"\bstaging_\w+")
_ANY_STAGING = "staging_0"
_CACHED = (exp.Query, exp.Insert, exp.Update, exp.Delete)
_SOURCE = "source"


@dataclass(frozen=True, slots=True)
class _Source:
    """What a statement is known by: its text and its tables, all of the default dataset."""

    text: str
    named: tuple[str, ...]
    staging: str = _ANY_STAGING


@dataclass(frozen=True, slots=True)
class _Translation:
    sql: str
    used: tuple[str, ...]
    referenced: frozenset[tuple[str, str, str]]


def cached_parse(parse: Parse) -> Parse:
    """Return the same parser with a cache of the statements that the package does not change after parsing them."""
    known: dict[str, exp.Expression] = {}

    def parsed(sql: str) -> list[exp.Expression]:
        staging = _staging(sql)
        if staging is None:
            return parse(sql)
        text = sql.replace(staging, _ANY_STAGING)
        tree = known.get(text)
        if tree is None:
            trees = parse(text)
            if len(trees) != 1 or not isinstance(trees[0], _CACHED) or _tables(trees[0]) is None:
                return trees if text == sql else parse(sql)
            tree = known[text] = trees[0]
            tree.meta[_SOURCE] = _Source(text, _tables(tree) or ())
        return [tree if staging == _ANY_STAGING else _renamed(tree, staging)]

    return parsed


def cached(translate: Translate) -> Translate:
    """Return the same translation with a cache.

    The key is the text of a statement, the types of its parameters and the columns of its tables; placeholders stand
    for the names of staging tables and of the default dataset.
    """
    known: dict[tuple[object, ...], _Translation] = {}

    def translated(tree: exp.Expression, context: Context) -> tuple[str, dict[str, object]]:
        source = tree.meta.get(_SOURCE)
        if source is None or _has_state(context):
            return translate(tree, context)
        staging, here = source.staging, _quoted(context)
        key = _key(source, context)
        found = known.get(key)
        if found is None:
            before = set(context.referenced)
            sql, values = translate(tree, context)
            added = {(project, "", name) for project, _, name in context.referenced - before}
            known[key] = _Translation(
                sql.replace(here, "\0").replace(staging, _ANY_STAGING), tuple(values), frozenset(added)
            )
            return sql, values
        context.used.clear()
        context.used.update(found.used)
        context.referenced.update(
            (project, str(context.dataset_id), name.replace(_ANY_STAGING, staging))
            for project, _, name in found.referenced
        )
        sql = found.sql.replace("\0", here).replace(_ANY_STAGING, staging)
        return sql, {name: context.values[name] for name in found.used}

    return translated


def _staging(sql: str) -> str | None:
    """Return the name of the staging table in a statement, a placeholder without one, None when there are several."""
    names = set(_STAGING.findall(sql))
    return None if len(names) > 1 else next(iter(names), _ANY_STAGING)


def _tables(tree: exp.Expression) -> tuple[str, ...] | None:
    """Return the names of a statement's tables; None when one of them names its dataset, or when there is none."""
    tables = list(tree.find_all(exp.Table))
    if not tables or any(table.db for table in tables):
        return None
    return tuple(sorted({table.name for table in tables}))


def _renamed(tree: exp.Expression, staging: str) -> exp.Expression:
    """Return a copy of a statement with another staging table."""
    tree = tree.copy()
    for identifier in tree.find_all(exp.Identifier):
        if identifier.this == _ANY_STAGING:
            identifier.set("this", staging)
    tree.meta[_SOURCE] = replace(tree.meta[_SOURCE], staging=staging)
    return tree


def _has_state(context: Context) -> bool:
    """Whether more than the statement and its parameters decides how it is translated."""
    return bool(
        context.dataset_id is None or context.variables or context.temporary or context.functions or context.position
    )


def _key(source: _Source, context: Context) -> tuple[object, ...]:
    types = tuple(sorted((name, str(kind)) for name, kind in context.parameters.items()))
    columns = tuple(_columns(context, name.replace(_ANY_STAGING, source.staging)) for name in source.named)
    return source.text, context.project_id, types, columns


def _columns(context: Context, name: str) -> tuple[object, ...]:
    """The columns of a table of the default dataset; none of what is no table, such as a part of a WITH."""
    with database.cursor() as cursor:
        try:
            found = cursor.sql(f"SELECT * FROM {_quoted(context)}.{database.quote(name)} LIMIT 0")  # noqa: S608
        except duckdb.Error:
            return ()
        return tuple(zip(found.columns, map(str, found.types), strict=True))


def _quoted(context: Context) -> str:
    return f'"{context.project_id}"."{context.dataset_id}"'
