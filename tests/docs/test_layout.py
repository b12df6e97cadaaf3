"""The layout in CONTRIBUTING.md is the layout of the checkout."""

import re
from collections.abc import Iterator

from tests.docs.references import ROOT, folders

SQL_CASES = "tests/sql/"
INDENT = 2


def listed_folders(text: str) -> Iterator[str]:
    """Yield the folders of the indented list under `## Layout`, as paths from the root."""
    layout = text.partition("## Layout\n\n```\n")[2].partition("```")[0]
    above: list[str] = []
    for spaces, name in re.findall(r"^( *)([\w.]+)/", layout, re.MULTILINE):
        above[len(spaces) // INDENT :] = [name]
        yield "/".join(above)


def test_the_layout_lists_every_folder_in_order_on_a_line_of_its_own() -> None:
    listed = list(listed_folders((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    expected = [folder for folder in folders() if not folder.startswith(SQL_CASES)]

    assert listed == sorted(expected)
