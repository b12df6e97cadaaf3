"""The patched local BigQuery: its cache of translations gives no wrong result, and no other version is patched."""

import json
from collections.abc import Iterator
from itertools import count

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from infra.local.bigquery.patches import VIEWS, VersionError, check_version
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


VIEW = """CREATE OR REPLACE VIEW `{dataset}.late_payments` AS
SELECT payer, LENGTH(payer) AS size FROM `{dataset}.payments` WHERE paid_at > TIMESTAMP '{time}'"""


def create_late_payments(dataset: Dataset, time: str) -> list[tuple[object, ...]]:
    """Create the view and return its rows."""
    dataset.client.query(VIEW.format(dataset=dataset.name, time=time)).result()
    return dataset.run("SELECT * FROM late_payments ORDER BY payer")


def pay(dataset: Dataset, kind: str, *payers: str) -> None:
    """Make a table of payments, the first at midnight and each other one an hour later."""
    dataset.run(f"CREATE OR REPLACE TABLE payments (payer {kind}, paid_at TIMESTAMP)")
    for hour, payer in enumerate(payers):
        dataset.run(f"INSERT INTO payments (payer, paid_at) VALUES ({payer}, TIMESTAMP '2026-07-01T0{hour}:00:00Z')")


def test_a_view_that_was_created_before_reads_its_own_dataset_from_its_own_time(datasets: list[Dataset]) -> None:
    one, other = datasets
    pay(one, "STRING", "'ann'", "'bo'", "'cy'")
    pay(other, "STRING", "'di'", "'edgar'")

    rows = [
        create_late_payments(each, f"2026-0{month}-01T00:00:00Z") for each, month in ((one, 7), (one, 6), (other, 7))
    ]

    assert rows == [[("bo", 2), ("cy", 2)], [("ann", 3), ("bo", 2), ("cy", 2)], [("edgar", 5)]]


def test_a_view_of_a_table_with_other_columns_is_translated_anew(datasets: list[Dataset]) -> None:
    [dataset, _] = datasets
    before = "2026-06-01T00:00:00Z"
    pay(dataset, "STRING", "'é'")
    characters = create_late_payments(dataset, before)
    pay(dataset, "BYTES", "FROM_HEX('c3a9')")

    octets = create_late_payments(dataset, before)

    assert (characters[0][1], octets[0][1]) == (1, 2)


def test_a_known_view_is_described_as_it_was_the_first_time(datasets: list[Dataset]) -> None:
    for dataset in datasets:
        pay(dataset, "STRING", "'ann'")
        create_late_payments(dataset, "2026-07-01T00:00:00Z")

    [first, second] = [each.client.get_table(f"{each.name}.late_payments") for each in datasets]

    assert (first.table_type, first.schema) == (second.table_type, second.schema)
    assert [field.name for field in second.schema] == ["payer", "size"]
    assert f"{datasets[1].name}.payments" in second.view_query.replace("`", "")
    assert datasets[0].name not in second.view_query


def test_a_stored_translation_that_cannot_be_read_is_made_again(datasets: list[Dataset]) -> None:
    dataset = datasets[0]
    pay(dataset, "STRING", "'ann'")
    dataset.run(f"ALTER TABLE payments ADD COLUMN only_here_{dataset.name} STRING")
    VIEWS.mkdir(parents=True, exist_ok=True)
    stored = VIEWS / "late_payments.json"
    stored.write_text("[", encoding="utf-8")

    rows = create_late_payments(dataset, "2026-06-01T00:00:00Z")

    assert rows == [("ann", 3)]
    assert json.loads(stored.read_text(encoding="utf-8"))["key"]
