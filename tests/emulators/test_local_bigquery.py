"""The patched local BigQuery: its cache of translations gives no wrong result, and no other version is patched."""

from collections.abc import Iterator
from itertools import count

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from infra.local.bigquery.patches import VersionError, check_version
from infra.local.stack.stack import Stack

STATEMENT = "SELECT amount / 2 AS half, (SELECT COUNT(*) FROM {staging}) AS staged FROM payments WHERE day = @day"
_numbers = count()


class Dataset:
    """A dataset of its own, and statements in it."""

    def __init__(self, stack: Stack) -> None:
        self.client = stack.client()
        self.name = f"memory_{next(_numbers)}"
        self.client.create_dataset(self.name)

    def run(self, statement: str, *parameters: bigquery.ScalarQueryParameter) -> list[tuple[object, ...]]:
        """Run a statement with this dataset as the default one."""
        configuration = bigquery.QueryJobConfig(
            default_dataset=f"{self.client.project}.{self.name}", query_parameters=list(parameters)
        )
        return [tuple(row.values()) for row in self.client.query(statement, job_config=configuration).result()]

    def has(self, kind: str, staging: dict[str, int]) -> "Dataset":
        """Make a table of payments with amounts of some kind, and staging tables of so many rows."""
        self.run(f"CREATE TABLE payments (day STRING, amount {kind})")
        self.run("INSERT INTO payments (day, amount) VALUES ('mon', 3), ('tue', 5)")
        for name, rows in staging.items():
            self.run(f"CREATE TABLE {name} AS SELECT number FROM UNNEST(GENERATE_ARRAY(1, {rows})) AS number")
        return self


@pytest.fixture
def datasets(stack: Stack) -> Iterator[list[Dataset]]:
    made = [Dataset(stack) for _ in range(2)]
    yield made
    for each in made:
        each.client.delete_dataset(each.name, delete_contents=True)


def day(value: str) -> bigquery.ScalarQueryParameter:
    return bigquery.ScalarQueryParameter("day", "STRING", value)


def test_the_same_words_mean_each_dataset_s_own_tables_and_each_staging_table(datasets: list[Dataset]) -> None:
    one, other = datasets
    one.has("FLOAT64", {"staging_a": 1, "staging_b": 2})
    other.has("FLOAT64", {"staging_a": 3})
    other.run("UPDATE payments SET amount = amount * 10 WHERE TRUE")

    answers = [
        each.run(STATEMENT.format(staging=staging), day(when))
        for each, staging, when in (
            (one, "staging_a", "mon"),
            (one, "staging_b", "mon"),
            (one, "staging_b", "tue"),
            (other, "staging_a", "mon"),
        )
    ]

    assert answers == [[(1.5, 1)], [(1.5, 2)], [(2.5, 2)], [(15.0, 3)]]


def test_a_table_that_was_made_anew_with_another_type_is_translated_anew(datasets: list[Dataset]) -> None:
    dataset = datasets[0].has("INT64", {})
    before = dataset.run("SELECT amount + amount FROM payments WHERE day = 'mon'")
    dataset.run("DROP TABLE payments")
    dataset.run("CREATE TABLE payments (day STRING, amount STRING)")
    dataset.run("INSERT INTO payments (day, amount) VALUES ('mon', 'x')")

    after = dataset.run("SELECT CONCAT(amount, amount) FROM payments WHERE day = 'mon'")
    with pytest.raises(BadRequest, match=r"amount|operator"):
        dataset.run("SELECT amount + amount FROM payments WHERE day = 'mon'")

    assert (before, after) == ([(6,)], [("xx",)])


def test_a_parameter_of_another_type_is_another_statement(datasets: list[Dataset]) -> None:
    dataset = datasets[0].has("INT64", {})
    statement = "SELECT @value AS value FROM payments WHERE day = 'mon'"

    whole = dataset.run(statement, bigquery.ScalarQueryParameter("value", "INT64", 2))
    text = dataset.run(statement, bigquery.ScalarQueryParameter("value", "STRING", "2"))

    assert (whole, text) == ([(2,)], [("2",)])


def test_a_star_leaves_out_the_time_at_which_rows_were_loaded(datasets: list[Dataset]) -> None:
    dataset = datasets[0]
    dataset.run("CREATE TABLE arrivals (name STRING) PARTITION BY _PARTITIONDATE")
    dataset.run("INSERT INTO arrivals (name) VALUES ('one')")

    assert dataset.run("SELECT * FROM arrivals") == [("one",)]
    assert dataset.run("SELECT COUNT(*) FROM arrivals WHERE _PARTITIONTIME IS NOT NULL") == [(1,)]


def test_another_version_of_the_package_is_refused_with_the_file_to_review() -> None:
    check_version()

    with pytest.raises(VersionError, match=r"local-bigquery 0\.5\.0 is installed.*patches\.py was written for 0\.4\.0"):
        check_version("0.5.0")
