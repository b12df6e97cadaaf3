"""CSV files of the rows: all of them, and no cell that a spreadsheet would run."""

import csv
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.report.csv_files import safe, write_csv
from spotkeeper.report.rows import ReportRows
from tests.report.samples import HOSTILE, hostile_rows, usual_rows

SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_row_is_written_with_all_its_digits(tmp_path: Path) -> None:
    rows = usual_rows()

    files = write_csv(rows, tmp_path / "new")

    assert {path.stem: len(rows_of(path)) for path in files} == {
        each.name: len(getattr(rows, each.name)) for each in fields(rows)
    }
    assert rows_of(tmp_path / "new" / "price_changes.csv")[1]["monthly_cost_change"] == "-4.25"
    assert rows_of(tmp_path / "new" / "burn.csv")[0]["usage_start_time"] == "2026-07-01T00:00:00Z"
    assert sum(Decimal(row["cost"]) for row in rows_of(tmp_path / "new" / "teams.csv")) == 540


def test_a_file_without_rows_names_its_columns(tmp_path: Path) -> None:
    write_csv(ReportRows(), tmp_path)

    assert (tmp_path / "teams.csv").read_text().startswith("usage_date,team,vm_hours,")


def test_a_text_that_could_be_a_formula_begins_with_an_apostrophe() -> None:
    skipped = ["", " ", "\n", "\r\n", "\t", "\0", "\u00a0", "\u2003 "]
    cells = [f"{before}{sign}1+1" for before in skipped for sign in SIGNS] + ["\t1+1", "\r1+1"]

    assert [cell for cell in cells if safe(cell) != f"'{cell}"] == []


@given(st.text())
def test_a_cell_is_what_was_written_but_for_one_apostrophe(text: str) -> None:
    assert safe(text) in (text, f"'{text}")
    assert not safe(text).lstrip().startswith(tuple(SIGNS))


@pytest.mark.parametrize(
    ("value", "written"), [(Decimal("-5.030"), "-5.03"), (None, ""), (True, "True"), ("a=1", "a=1")]
)
def test_what_is_no_formula_stays_as_it_is(value: object, written: str) -> None:
    assert safe(value) == written


def test_hostile_names_come_back_as_they_are_but_for_the_apostrophe(tmp_path: Path) -> None:
    write_csv(hostile_rows(), tmp_path)

    found = {row["team"] for row in rows_of(tmp_path / "teams.csv")}
    assert found == {f"'{name}" if name.startswith("=") else name for name in HOSTILE}
