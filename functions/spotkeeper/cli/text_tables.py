"""Tables of plain text: columns under one another, numbers to the right."""

import textwrap
from collections.abc import Iterator, Sequence

_GAP = "  "
_NARROWEST = 24


def aligned(
    rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset(), width: int | None = None
) -> Iterator[str]:
    """Yield the rows with their cells padded to the widest of each column; `right` are the columns set to the right.

    Where a row is wider than `width`, the words of its last column go on in the next line, below its first word.
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    before = sum(widths[:-1]) + len(_GAP) * (len(widths) - 1)
    for row in rows:
        cells = [
            cell.rjust(size) if index in right else cell.ljust(size)
            for index, (cell, size) in enumerate(zip(row, widths, strict=True))
        ]
        line = _GAP.join(cells).rstrip()
        if width is None or len(line) <= width:
            yield line
        elif width - before >= _NARROWEST:
            first, *more = textwrap.wrap(row[-1], width - before, break_long_words=False, break_on_hyphens=False)
            yield f"{_GAP.join(cells[:-1])}{_GAP}{first}"
            yield from (f"{' ' * before}{words}" for words in more)
        else:
            yield from _folded(cells[:-1], row[-1], width)


def _folded(cells: Sequence[str], last: str, width: int) -> Iterator[str]:
    """Yield a row that does not fit into one line: what does not fit goes on in the next, further to the right."""
    line, indent = "", ""
    for cell in cells:
        longer = f"{line}{_GAP}{cell}" if line else cell
        if line and len(longer.rstrip()) > width:
            yield line.rstrip()
            line = indent = _GAP * 2
            line += cell.strip()
        else:
            line = longer
    if not indent:
        yield line.rstrip()
        line = ""
    yield from textwrap.wrap(
        f"{line.strip()}{_GAP}{last}".strip(),
        width,
        initial_indent=_GAP * 2,
        subsequent_indent=_GAP * 2,
        break_long_words=False,
        break_on_hyphens=False,
    )
