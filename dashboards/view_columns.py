"""The columns of views: name, type and description, from the comments that Terraform and BigQuery get them from."""

import re
from dataclasses import dataclass
from pathlib import Path

_COLUMN = re.compile(r"(\w+),?  -- ([A-Z]+): (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a view."""

    name: str
    type: str
    """As BigQuery's REST API names it."""

    description: str


def described_columns(view: Path) -> list[Column]:
    """Return the columns that have a description, in their order."""
    return [Column(*found) for found in _COLUMN.findall(view.read_text())]
