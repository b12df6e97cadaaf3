"""What one load of the Grafana dashboard reads: `python -m tests.dashboards.load` prints it, query by query.

Panels in a closed row ask when a reader opens it; those that show the rows of another panel do not ask.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.sql.cases import queries, with_views
from tests.sql.query_costs import FLEETS, bytes_of, usd

MACROS = {
    r"\$__timeFilter\((\w+)\)": r"\1 >= '2026-07-01T00:00:00Z' AND \1 <= '2026-07-31T00:00:00Z'",
    r"\$\{__from\}": "1782864000000",
    r"\$\{__to\}": "1785456000000",
    r"\$\{(?:project|team):sqlstring\}": "'data-platform','(unlabelled)'",
    r"`\$\{dataset\}\.(\w+)`": r"\1",
}
"""What Grafana puts in the place of its macros and of the dashboard's variables.

https://github.com/grafana/grafana-plugin-sdk-go/blob/main/data/sqlutil/macros.go
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A query of the dashboard: what asks it, and whether a load does."""

    name: str
    sql: str
    is_loaded: bool = True

    @property
    def view(self) -> str:
        """The view or table that it asks."""
        [name] = re.findall(r"FROM `\$\{dataset\}\.(\w+)`", self.sql)
        return str(name)


def filled(sql: str) -> str:
    """Return a query of the dashboard over the view's own text; a table is a table."""
    view = Asked("", sql).view
    texts = [with_views(path) for path in queries("views") if path.stem == view]
    return f"WITH {view} AS ({texts[0]}) {sent(sql)}" if texts else sent(sql)


def sent(sql: str) -> str:
    """Return a query of the dashboard as BigQuery gets it, with its view or table named alone."""
    for macro, value in MACROS.items():
        sql = re.sub(macro, value, sql)
    return sql


def all_queries(dashboard: Mapping[str, Any]) -> Iterator[Asked]:
    """Return every query of the dashboard: of variables, annotations and panels."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield Asked(f"choice of {variable['name']}", variable["query"]["rawSql"])
    for annotation in dashboard["annotations"]["list"]:
        yield Asked(f"annotation: {annotation['name']}", annotation["target"]["rawSql"])
    for panel in dashboard["panels"]:
        yield from _of([panel], is_loaded=True)
        yield from _of(panel.get("panels", ()), is_loaded=False)


def bytes_of_load(asked: Sequence[Asked], vms: int) -> float:
    """Return how many bytes a load reads."""
    return sum(bytes_of(filled(each.sql), each.view, vms) for each in asked if each.is_loaded)


def _of(panels: Sequence[Mapping[str, Any]], *, is_loaded: bool) -> Iterator[Asked]:
    for panel in panels:
        for target in panel.get("targets", ()):
            if "rawSql" in target:
                yield Asked(panel["title"], target["rawSql"], is_loaded)


def main(dashboard: Mapping[str, Any]) -> None:
    """Print what each query reads, and all that a load asks."""
    asked = list(all_queries(dashboard))
    for each in asked:
        cells = " ".join(f"{bytes_of(filled(each.sql), each.view, vms) / 1024**3:10.3f}" for vms in FLEETS)
        sys.stdout.write(f"{cells} GiB  {each.name}{'' if each.is_loaded else ' (when opened)'}\n")
    for vms in FLEETS:
        size = bytes_of_load(asked, vms)
        sys.stdout.write(f"one load at {vms:,} VMs: {size / 1024**3:.3f} GiB, ${usd(size):.4f}\n")


if __name__ == "__main__":
    import json

    from dashboards.__main__ import ROOT

    main(json.loads((ROOT / "dashboards" / "grafana.json").read_text()))
