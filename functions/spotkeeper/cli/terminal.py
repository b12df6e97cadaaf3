"""The terminal that a command is used in: its width, colors, and progress of what takes longer."""

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TextIO

_PROGRESS_AFTER_SECONDS = 2.0
_ERASE_LINE = "\r\x1b[K"


class Color(IntEnum):
    """Colors by their code: https://en.wikipedia.org/wiki/ANSI_escape_code#Colors."""

    RED = 31
    GREEN = 32
    YELLOW = 33


def width() -> int | None:
    """Return the columns of the terminal; None where the output goes to a file or another program."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def painted(text: str, color: Color) -> str:
    """Return a text in color, on a terminal only and without NO_COLOR: https://no-color.org."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{int(color)}m{text}\x1b[0m"


@contextmanager
def progress(
    doing: str, stream: TextIO | None = None, after_seconds: float = _PROGRESS_AFTER_SECONDS
) -> Iterator[None]:
    """Show on a terminal what is being done and for how long, once it has taken two seconds; erase it at the end."""
    shown_on = stream or sys.stderr
    if not shown_on.isatty():
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_show, args=(doing, shown_on, after_seconds, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _show(doing: str, shown_on: TextIO, after_seconds: float, ended: threading.Event) -> None:
    began = time.monotonic()
    if ended.wait(after_seconds):
        return
    while True:
        shown_on.write(f"{_ERASE_LINE}{doing} ... {time.monotonic() - began:.0f} s")
        shown_on.flush()
        if ended.wait(1):
            break
    shown_on.write(_ERASE_LINE)
    shown_on.flush()
