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
            yield _GAP.join(cells[:-1]).rstrip()
            yield from textwrap.wrap(
                row[-1],
                width,
                initial_indent=_GAP * 2,
                subsequent_indent=_GAP * 2,
                break_long_words=False,
                break_on_hyphens=False,
            )
