"""Progress at a terminal and in a log: what takes longer than two seconds says so."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status

SILENT_SECONDS = 2.0
LOG_SECONDS = 15.0
"""How often a log hears of a step that goes on."""


class Step:
    """A step that is being done; `say` tells how far it is."""

    def __init__(self, console: Console, what: str, status: Status | None) -> None:
        """Begin."""
        self.started = time.monotonic()
        self._console = console
        self._what = what
        self._status = status
        self._heard = self.started

    def say(self, where: str) -> None:
        """Show how far the step is: at a terminal at once, in a log every fifteen seconds."""
        line = f"{self._what}: {where} …"
        if self._status is not None:
            self._status.update(line)
        elif time.monotonic() - self._heard >= LOG_SECONDS:
            self._heard = time.monotonic()
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def step(console: Console, what: str) -> Iterator[Step]:
    """Say what is done once it has taken two seconds, and how long it took in all; a terminal shows it meanwhile."""
    if console.is_terminal:
        with console.status(f"{what} …") as status:
            begun = Step(console, what, status)
            yield begun
    else:
        begun = Step(console, what, None)
        timer = threading.Timer(SILENT_SECONDS, lambda: console.print(f"{what} …", highlight=False, soft_wrap=True))
        timer.daemon = True
        timer.start()
        try:
            yield begun
        finally:
            timer.cancel()
    seconds = time.monotonic() - begun.started
    if seconds >= SILENT_SECONDS:
        console.print(f"{what}: {seconds:.0f} s", highlight=False, soft_wrap=True)
