"""The tables in the folder `data`: facts about Google's wording and machine types that a person can read and extend."""

import csv
from collections.abc import Iterator
from importlib.resources import files


def rows(name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a table by column; lines that begin with # are for people."""
    text = (files("spotkeeper.pricing") / "data" / f"{name}.csv").read_text(encoding="utf-8")
    yield from csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
