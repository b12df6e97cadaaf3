"""Partitions of tables that an earlier deployment created without: BigQuery adds none to a table that exists.

https://cloud.google.com/bigquery/docs/creating-partitioned-tables
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spotkeeper.errors import RefusedRequestError
from spotkeeper.gcp.bigquery.jobs import Jobs


@dataclass(frozen=True, slots=True)
class Partitioned:
    """A table that was given its partitions, and the table that keeps the rows as they were."""

    name: str
    column: str
    kept: str
    rows: int


class Partitions:
    """The partitions of a dataset's tables, as the JSON definitions of the tables have them."""

    def __init__(self, jobs: Jobs, definitions: Mapping[str, str]) -> None:
        self._jobs = jobs
        self._definitions = {name: json.loads(text) for name, text in definitions.items()}

    def add_missing(self) -> Iterator[Partitioned]:
        """Replace every table without the partitions of its definition by one that has them, and yield each.

        The table is renamed first, so that a run that writes meanwhile fails as a whole and is caught up on, and its
        rows are in a table at every moment. An interrupted replacement is continued; one after which the table was
        created anew is refused, with RefusedRequestError: its rows are in the table that keeps them. Raises
        UnavailableError.
        """
        for name, definition in self._definitions.items():
            field = definition.get("timePartitioning", {}).get("field")
            kept = f"{name}_unpartitioned"
            if field is not None and self._is_to_replace(name, kept, field):
                yield Partitioned(name, field, kept, self._replace(name, kept, definition))

    def _is_to_replace(self, name: str, kept: str, field: str) -> bool:
        if not self._jobs.exists(name):
            return self._jobs.exists(kept)
        if self._jobs.partition_column(name) != field:
            return True
        here, there = self._jobs.row_count(name), self._jobs.row_count(kept)
        if here < there:
            message = (
                f"{name} has {here} rows and {kept} {there}: it was created anew after this command was interrupted; "
                f"copy the rows of {kept} into it, or delete {kept} if you do not need them"
            )
            raise RefusedRequestError(message)
        return False

    def _replace(self, name: str, kept: str, definition: Mapping[str, Any]) -> int:
        new = f"{name}_partitioned"
        if self._jobs.exists(name):
            self._rename(name, kept)
        self._jobs.drop(new)
        self._jobs.create(new, definition)
        columns = ", ".join(field.name for field in self._jobs.fields(kept))
        self._jobs.change("copy_table", filled=new, columns=columns, copied=kept)
        self._rename(new, name)
        return self._jobs.row_count(name)

    def _rename(self, table: str, name: str) -> None:
        self._jobs.change("rename_table", table=table, name=name)
