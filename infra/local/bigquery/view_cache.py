"""Cache of the local BigQuery: the statements that create views, as DuckDB runs them.

The package takes a third of a second to parse, translate and describe one view, and the product has about forty. The
dataset and the one time that a view may name are placeholders, so that views are translated once for all datasets. The
files of a folder keep the latest translation of each view for the next server.
"""

import contextlib
import hashlib
import json
import os
import re
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Self

import duckdb
from local_bigquery.catalog import tables
from local_bigquery.engine import database
from local_bigquery.models import JobConfigurationQuery, JobStatistics2, Table, TableReference
from local_bigquery.sql.translate import Context
from sqlglot import exp

type Executed = tuple[JobStatistics2, list[JobStatistics2], TableReference | None]
type Execute = Callable[..., Executed]
type Translate = Callable[[exp.Expression, Context], tuple[str, dict[str, object]]]

_CREATE = re.compile(r"CREATE OR REPLACE VIEW `(?P<dataset>\w+)\.(?P<view>\w+)` AS\n(?P<query>.*)", re.DOTALL)
_TIME = re.compile(r"TIMESTAMP '(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)'")
_DATASET, _INSTANT = "\0dataset\0", "\0time\0"
_PACKAGES = ("duckdb", "local-bigquery", "sqlglot")


@dataclass(frozen=True, slots=True)
class _View:
    """A statement that creates a view, and the values that its placeholders stand for."""

    project_id: str
    dataset_id: str
    view_id: str
    query: str
    time: str | None

    @classmethod
    def read(cls, project_id: str, statement: str) -> Self | None:
        """Return the view that a statement creates; None for every other statement."""
        found = _CREATE.fullmatch(statement)
        if found is None:
            return None
        times = set(_TIME.findall(found["query"]))
        time = times.pop() if len(times) == 1 else None
        return cls(project_id, found["dataset"], found["view"], found["query"], time)

    @property
    def quoted_dataset(self) -> str:
        return str(database.quote(self.project_id, self.dataset_id))

    def key(self, code: str) -> str:
        """Return what decides the translation: the query, the columns of its sources, and the code that translates."""
        text = self.query.replace(f"`{self.dataset_id}.", f"`{_DATASET}.")
        text = text.replace(f"TIMESTAMP '{self.time}'", f"TIMESTAMP '{_INSTANT}'")
        sources = sorted(set(re.findall(rf"`{self.dataset_id}\.(\w+)`", self.query)))
        columns = [(name, self._columns(name)) for name in sources]
        return hashlib.sha256(repr((code, self.project_id, self.view_id, text, columns)).encode()).hexdigest()

    def generalized(self, sql: str) -> str | None:
        """Return a translation with placeholders; None when a value is left where no placeholder can stand for it."""
        general = sql.replace(self.quoted_dataset, _DATASET)
        if self.time is not None:
            general = general.replace(f"'{self.time}'", f"'{_INSTANT}'")
        left = self.dataset_id in general or (self.time is not None and self.time in general)
        return None if left or "\0" in sql else general

    def specialized(self, sql: str) -> str:
        """Return a translation with the values of this view."""
        return sql.replace(_DATASET, self.quoted_dataset).replace(_INSTANT, self.time or "")

    def _columns(self, name: str) -> list[tuple[str, str]]:
        with database.cursor() as cursor:
            try:
                found = cursor.sql(f"SELECT * FROM {self.quoted_dataset}.{database.quote(name)} LIMIT 0")  # noqa: S608
            except duckdb.Error:
                return []
            return list(zip(found.columns, map(str, found.types), strict=True))


@dataclass(frozen=True, slots=True)
class _Created:
    """A translated statement, and the tables of its dataset that it reads."""

    sql: str
    referenced: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ViewCache:
    """Views that were created before, in memory and in the files of a folder."""

    folder: Path
    _created: dict[str, _Created] = field(default_factory=dict)
    _thread: threading.local = field(default_factory=threading.local)

    def translating(self, translate: Translate) -> Translate:
        """Return the same translation, which remembers the statement that its thread translated last."""

        def translated(tree: exp.Expression, context: Context) -> tuple[str, dict[str, object]]:
            sql, values = translate(tree, context)
            self._thread.sql = sql
            return sql, values

        return translated

    def executing(self, execute: Execute) -> Execute:
        """Return the same execution, which creates a known view without parsing it."""
        code = _code()

        def executed(
            cursor: duckdb.DuckDBPyConnection,
            project_id: str,
            job_id: str | None,
            config: JobConfigurationQuery,
            **named: object,
        ) -> Executed:
            view = _View.read(project_id, config.query or "")
            if view is None or config.defaultDataset or config.queryParameters or any(named.values()):
                return execute(cursor, project_id, job_id, config, **named)
            key = view.key(code)
            created = self._created.get(key) or self._stored(view, key)
            if created is not None:
                self._created[key] = created
                return _create(cursor, view, created), [], None
            done = execute(cursor, project_id, job_id, config)
            sql = view.generalized(self._thread.sql)
            if sql is not None:
                read = tuple(each.tableId for each in done[0].referencedTables or ())
                self._created[key] = _Created(sql, read)
                self._store(view, key, self._created[key])
            return done

        return executed

    def _stored(self, view: _View, key: str) -> _Created | None:
        try:
            stored = json.loads(self._file(view).read_text(encoding="utf-8"))
            return _Created(stored["sql"], tuple(stored["referenced"])) if stored["key"] == key else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _store(self, view: _View, key: str, created: _Created) -> None:
        place = self._file(view)
        own = place.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        with contextlib.suppress(OSError):  # A checkout that cannot be written to has no files, and works.
            self.folder.mkdir(parents=True, exist_ok=True)
            own.write_text(json.dumps({"key": key, **asdict(created)}), encoding="utf-8")
            own.replace(place)

    def _file(self, view: _View) -> Path:
        return self.folder / f"{view.view_id}.json"


def _create(cursor: duckdb.DuckDBPyConnection, view: _View, created: _Created) -> JobStatistics2:
    reference = (view.project_id, view.dataset_id, view.view_id)
    operation = "REPLACE" if tables.exists(*reference) else "CREATE"
    cursor.execute(view.specialized(created.sql))
    resource = Table.model_validate({"view": {"query": view.query, "useLegacySql": False}})
    tables.record(*reference, tables.defaults(*reference).merged(resource))
    dataset = {"projectId": view.project_id, "datasetId": view.dataset_id}
    return JobStatistics2.model_validate(
        {
            "statementType": "CREATE_VIEW",
            "ddlOperationPerformed": operation,
            "ddlTargetTable": {**dataset, "tableId": view.view_id},
            "referencedTables": [{**dataset, "tableId": name} for name in created.referenced],
            "schema": {"fields": tables.fields(tables.load(*reference))},
        }
    )


def _code() -> str:
    """Return what the code that translates is known by: the versions of the packages, and the patches of them."""
    own = [path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))]
    return hashlib.sha256(repr(([version(name) for name in _PACKAGES], own)).encode()).hexdigest()
