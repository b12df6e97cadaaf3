"""Run a command until it ends or the process that started it does, however that one ended.

    python supervise.py FD COMMAND...

FD is the reading end of a pipe whose writing end only the starter has: it is closed when the starter is killed too.
"""

import os
import signal
import subprocess
import sys
import threading
import time

GRACE_SECONDS = 5.0


def main() -> int:
    """Start the command and return its exit code."""
    pipe, *command = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: None)  # it reaches the command too, which ends
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as child:  # noqa: S603 (what the stack starts)
        threading.Thread(target=_end_with, args=(int(pipe),), daemon=True).start()
        code = child.wait()
    return code if code >= 0 else 128 - code


def _end_with(pipe: int) -> None:
    """Wait for the end of the starter, then end this process group, which holds all that the command started."""
    os.read(pipe, 1)
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    raise SystemExit(main())
