"""Cells that a spreadsheet would run: whatever stands before a formula, an apostrophe comes first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.report.csv_files import safe

SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"


@pytest.mark.parametrize("before", ["", " ", "\n", "\r\n", "\t", "\0", "\u00a0", "\u2003 "])
@pytest.mark.parametrize("sign", SIGNS)
def test_what_a_spreadsheet_skips_hides_no_formula(before: str, sign: str) -> None:
    cell = f"{before}{sign}1+1"

    assert safe(cell) == f"'{cell}"


@given(st.text())
def test_a_cell_is_what_was_written_but_for_one_apostrophe(text: str) -> None:
    assert safe(text) in (text, f"'{text}")
    assert not safe(text).lstrip().startswith(tuple(SIGNS))
