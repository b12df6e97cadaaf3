"""Queries and statements on the pages: Google's analyzer takes each over the tables and views as they are."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sql.googlesql import analyze

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def statements_on(page: Path) -> Iterator[str]:
    """Yield the blocks of SQL on a page, and its queries within sentences."""
    text = page.read_text()
    yield from re.findall(r"^```sql\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    yield from re.findall(r"`(SELECT [^`]+)`", text)


FOUND = [(page.name, statement) for page in PAGES for statement in statements_on(page)]


@pytest.mark.parametrize(
    "statement", [statement for _, statement in FOUND], ids=[f"{page}-{at}" for at, (page, _) in enumerate(FOUND)]
)
def test_bigquery_takes_what_a_page_tells_to_run(statement: str) -> None:
    analyze(re.sub(r"`[^`]+\.(\w+)`", r"\1", statement), {})


def test_the_pages_with_statements_are_found() -> None:
    assert {page for page, _ in FOUND} >= {"alerts.md", "enforcer.md", "views.md", "work.md"}
