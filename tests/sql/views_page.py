"""The costs and columns on docs/views.md: `python -m tests.sql.views_page` writes them from the files of the views."""

from pathlib import Path

from dashboards.view_columns import described_columns
from tests.sql.cases import queries
from tests.sql.query_costs import cost_table

PAGE = Path(__file__).parents[2] / "docs" / "views.md"
HEADING = "## Columns"


def columns_section() -> str:
    """Return the section: each view with its grain, and each column with its type and description."""
    intro = (
        "BigQuery and BI tools show the same descriptions. Written by `python -m tests.sql.views_page` from the\n"
        "comments in `sql/views/`."
    )
    return "\n\n".join([HEADING, intro, *map(_view, queries("views"))]) + "\n"


def main() -> None:
    """Write the table of costs and the section of columns anew; what stands before them stays."""
    before, _, _ = PAGE.read_text().partition("| view | days read |")
    PAGE.write_text(f"{before}{cost_table()}\n{columns_section()}")


def _view(view: Path) -> str:
    [grain] = [line for line in view.read_text().splitlines() if line.startswith("-- Grain: ")]
    rows = (
        f"| `{column.name}` | {column.type} | {column.description.replace('|', '\\|')} |"
        for column in described_columns(view)
    )
    title = f"### {view.stem}\n\n{grain.removeprefix('-- ')}"
    return "\n".join([title, "", "| column | type | description |", "|---|---|---|", *rows])


if __name__ == "__main__":
    main()
