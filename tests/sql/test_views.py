"""What stands in the files of the views and checks; test_views_on_google.py runs them."""

import re
from pathlib import Path

import pytest

from dashboards.view_columns import described_columns
from tests.sql.cases import NOW, SQL, cases, queries, rendered, table_names
from tests.sql.googlesql import columns_of
from tests.sql.views_page import HEADING, PAGE, columns_section


@pytest.mark.parametrize("view", queries("views"), ids=lambda path: path.stem)
def test_every_column_of_a_view_has_a_description_and_the_type_that_google_s_analyzer_finds(view: Path) -> None:
    described = described_columns(view)

    assert [(column.name, column.type) for column in described] == columns_of(rendered(view, NOW))
    assert [column for column in described if not re.fullmatch(r"\S.{5,}\.", column.description)] == []


def test_the_page_of_views_describes_every_column() -> None:
    page = PAGE.read_text()

    assert page[page.index(HEADING) :] == columns_section()


def test_a_query_says_what_it_answers_and_its_grain() -> None:
    silent = [
        query.name
        for query in (*queries("views"), *queries("checks"))
        if not re.match(r"-- .+\n(-- .*\n)*-- Grain: .+\.\n", query.read_text())
    ]

    assert silent == []


def test_a_query_is_a_template_that_terraform_can_fill() -> None:
    of_label_keys = {f"{column.name}_keys" for column in described_columns(SQL / "views" / "label_keys.sql")}
    placeholders = {"dataset", "now", "billing_account", "billing_export_table"}
    odd = [
        query.name
        for query in (*queries("views"), *queries("checks"))
        if not (
            {"dataset"} <= (named := set(re.findall(r"\$\{(.*?)\}", text := query.read_text()))) <= placeholders
            or (query.stem == "label_keys" and named == of_label_keys)
        )
        or re.search(r"%\{|CURRENT_", text)
    ]

    assert odd == []


def test_every_table_of_a_case_is_a_table_of_the_product() -> None:
    named = {name for case in (*cases("views"), *cases("checks")) for name in case.tables}

    assert named <= set(table_names())
