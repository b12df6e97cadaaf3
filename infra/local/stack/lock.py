"""One run at a time over the data of a checkout."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.stack.processes import StartError


@contextmanager
def exclusive(state: Path) -> Iterator[None]:
    """Hold the lock of a state folder; raises StartError with the process that holds it.

    The kernel releases the lock when the process ends, however it ends.
    """
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            message = (
                f"{state} is in use by make run, make serve or make report (process {lock.read()}): end that first"
            )
            raise StartError(message) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
