"""The tables in the folder `data`: Google's wording and machine types, for people to read and extend."""

import csv
from collections.abc import Iterator
from importlib.resources import files


def rows(name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a table by column; lines that begin with # are comments."""
    text = (files("spotkeeper.pricing") / "data" / f"{name}.csv").read_text(encoding="utf-8")
    yield from csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
