"""An aggregate of the elements of one array is translated in place, and says what a join says."""

import duckdb
import pytest
from local_bigquery.sql.dialect import DuckDBDialect
from local_bigquery.sql.translate import Context, parse
from sqlglot import exp

from infra.local.bigquery.list_aggregates import aggregate_in_place

LEAST = "SELECT ANY_VALUE(e.value HAVING MIN e.rank) FROM UNNEST(t.elements) AS e"
JOINED = "SELECT STRING_AGG(e.value, ', ' ORDER BY e.rank) FROM UNNEST(t.elements) AS e"
ARRAYS = {
    "several": "[{'rank': 2, 'value': 'b'}, {'rank': 1, 'value': 'a'}, {'rank': 3, 'value': ''}]",
    "one that the condition leaves out": "[{'rank': 1, 'value': ''}]",
    "unknown values and ranks": "[{'rank': 2, 'value': 'b'}, {'rank': 1, 'value': NULL}, {'rank': NULL, 'value': 'z'}]",
    "an empty one": "[]::STRUCT(rank INTEGER, value VARCHAR)[]",
    "none": "NULL::STRUCT(rank INTEGER, value VARCHAR)[]",
}


def translated(query: str) -> exp.Expression:
    [tree] = parse(query)
    changed: exp.Expression = tree.transform(aggregate_in_place, Context("p", "d"))
    return changed


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS.keys())
@pytest.mark.parametrize("where", ["", " WHERE e.value != t.left_out"])
@pytest.mark.parametrize("subquery", [LEAST, JOINED], ids=["least", "joined"])
def test_an_aggregate_of_an_array_is_what_the_subquery_gives(subquery: str, array: str, where: str) -> None:
    query = f"SELECT ({subquery}{where}) AS found FROM t"
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE t AS SELECT {array} AS elements, '' AS left_out")
    before, after = parse(query)[0].sql(dialect=DuckDBDialect), translated(query).sql(dialect=DuckDBDialect)

    assert "UNNEST" in before
    assert "UNNEST" not in after
    assert connection.execute(after).fetchall() == connection.execute(before).fetchall()


OTHERS = {
    "the greatest": LEAST.replace("MIN", "MAX"),
    "another aggregate": LEAST.replace("ANY_VALUE(e.value HAVING MIN e.rank)", "MAX(e.value)"),
    "texts in no order": JOINED.replace(" ORDER BY e.rank", ""),
    "texts in falling order": JOINED.replace("e.rank)", "e.rank DESC)"),
    "texts by two orders": JOINED.replace("e.rank)", "e.rank, e.value)"),
    "texts with a separator that is not given": JOINED.replace(", ', '", ""),
    "two arrays": f"{LEAST} CROSS JOIN UNNEST(t.others) AS other",
    "groups": f"{LEAST} GROUP BY e.rank",
    "a limit": f"{LEAST} LIMIT 0",
    "a table": LEAST.replace("UNNEST(t.elements)", "elements"),
    "a column that does not say whose it is": f"{LEAST} WHERE value != ''",
    "the position of an element": f"{LEAST} WITH OFFSET AS place",
}


@pytest.mark.parametrize("subquery", OTHERS.values(), ids=OTHERS.keys())
def test_a_subquery_of_any_other_form_stays_as_it_is(subquery: str) -> None:
    query = f"SELECT ({subquery}) AS found FROM t"

    assert translated(query) == parse(query)[0]
