"""A page of the report, read as a browser reads it: its tables, its headline figures and its text."""

from dataclasses import dataclass, field
from decimal import Decimal
from html.parser import HTMLParser

_NO_END = {"meta", "link", "img", "input", "br", "hr"}


@dataclass
class Read:
    """What is in a page."""

    tables: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    """The rows of each table by its id: the value of each cell by the key of its column."""

    cards: dict[str, str] = field(default_factory=dict)
    text: str = ""
    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    unclosed: list[str] = field(default_factory=list)

    def amounts(self, table: str, key: str, column: str = "cost") -> dict[str, Decimal | None]:
        """Return an amount of each row by another cell; None where none is known."""
        return {row[key]: Decimal(row[column]) if row[column] else None for row in self.tables[table]}


def read(page: str) -> Read:
    """Return what is in a page."""
    parser = _Parser()
    parser.feed(page)
    parser.close()
    parser.read.unclosed = parser.open
    return parser.read


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.read = Read()
        self.open: list[str] = []
        self._table = ""
        self._keys: list[str] = []
        self._cells: list[str] = []
        self._card = ""

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.read.tags.append((tag, {name: value or "" for name, value in attributes}))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        self.read.tags.append((tag, found))
        if tag not in _NO_END:
            self.open.append(tag)
        if tag == "table":
            self._table, self._keys = found["id"].removeprefix("table-"), []
            self.read.tables[self._table] = []
        elif tag == "tr":
            self._cells = []
        elif "data-key" in found:
            self._keys.append(found["data-key"])
        elif tag in {"td", "th"}:
            self._cells.append(found["data-value"])
        if found.get("id", "").startswith("card-"):
            self._card = found["id"].removeprefix("card-")
        elif tag == "p" and "data-value" in found:
            self.read.cards[self._card] = found["data-value"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "tr" and self._cells:
            self.read.tables[self._table].append(dict(zip(self._keys, self._cells, strict=True)))

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"script", "style"}:
            self.read.text += data
