"""A cache of the local BigQuery's translations into DuckDB's SQL."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import duckdb
from local_bigquery.engine import database
from local_bigquery.sql.translate import Context
from sqlglot import exp

type Translate = Callable[[exp.Expression, Context], tuple[str, dict[str, object]]]

_STAGING = re.compile(r"\bstaging_\w+")
_ANY_STAGING = "staging_0"
_CACHED = (exp.Query, exp.Insert, exp.Update, exp.Delete)


@dataclass(frozen=True, slots=True)
class _Translation:
    sql: str
    used: tuple[str, ...]
    referenced: frozenset[tuple[str, str, str]]


def cached(translate: Translate) -> Translate:
    """Return the same translation with a cache.

    The key is the text of a statement, the types of its parameters and the columns of its tables; placeholders stand
    for the names of staging tables and of the default dataset.
    """
    known: dict[tuple[object, ...], _Translation] = {}

    def translated(tree: exp.Expression, context: Context) -> tuple[str, dict[str, object]]:
        key = _key(tree, context)
        if key is None:
            return translate(tree, context)
        staging = next(iter(_STAGING.findall(str(key[0]))), _ANY_STAGING)
        key = (_STAGING.sub(_ANY_STAGING, str(key[0])), *key[1:])
        here = _quoted(context)
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


def _key(tree: exp.Expression, context: Context) -> tuple[object, ...] | None:
    """Return the key of a statement; None when its translation is not cached."""
    if not isinstance(tree, _CACHED) or context.dataset_id is None:
        return None
    if context.variables or context.temporary or context.functions or context.position:
        return None
    named = sorted({table.name for table in tree.find_all(exp.Table) if not table.db})
    if not named or any(table.db for table in tree.find_all(exp.Table)):
        return None
    columns = tuple(_columns(context, name) for name in named)
    text = tree.sql(dialect="bigquery")
    if len(set(_STAGING.findall(text))) > 1:
        return None
    types = tuple(sorted((name, str(kind)) for name, kind in context.parameters.items()))
    return text, type(tree), context.project_id, types, columns


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
