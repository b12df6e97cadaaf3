"""What the local stack starts ends with it, whichever way that ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.local.stack.lock import exclusive
from infra.local.stack.processes import Processes, StartError

STARTER = """
import sys, time
from pathlib import Path
from infra.local.stack.lock import exclusive
from infra.local.stack.processes import Processes
with Processes(Path(sys.argv[1])) as processes:
    processes.start("one", ["sh", "-c", f"echo $$ > {sys.argv[1]}/one.pid; sleep 600 & wait"])
    processes.start("two", ["sh", "-c", f"trap '' TERM; echo $$ > {sys.argv[1]}/two.pid; exec sleep 600"])
    time.sleep(600)
"""

INTERRUPTED = """
import sys
from pathlib import Path
from infra.local.stack.processes import Processes, interrupt_once
interrupt_once()
try:
    with Processes(Path(sys.argv[1])) as processes:
        processes.start("slow", ["sh", "-c", f"trap '' TERM; echo $$ > {sys.argv[1]}/slow.pid; exec sleep 600"])
        sys.stdin.read()
except KeyboardInterrupt:
    print("cleaned up", flush=True)
"""


def test_a_killed_starter_leaves_no_process_behind(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path)]) as starter:  # noqa: S603 (our own program)
        pids = [_pid(tmp_path / "one.pid"), _pid(tmp_path / "two.pid")]
        assert all(map(_lives, pids))
        starter.send_signal(signal.SIGKILL)

    deadline = time.monotonic() + 20
    while any(map(_lives, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_lives, pids))


def test_a_second_interrupt_does_not_cut_the_cleanup_short(tmp_path: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:  # noqa: S603 (our own program)
        pid = _pid(tmp_path / "slow.pid")
        starter.send_signal(signal.SIGINT)
        time.sleep(0.5)  # the process ignores SIGTERM, so that the cleanup is still waiting for it
        starter.send_signal(signal.SIGINT)
        output, _ = starter.communicate(timeout=30)

    assert (starter.returncode, output) == (0, b"cleaned up\n")
    assert not _lives(pid)


def test_a_second_run_over_the_same_data_is_refused_with_the_process_of_the_first(tmp_path: Path) -> None:
    refusal = rf"in use by make run, .* \(process {os.getpid()}\): end that first"
    with exclusive(tmp_path), pytest.raises(StartError, match=refusal), exclusive(tmp_path):
        pass

    with exclusive(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_a_process_that_does_not_start_is_reported_with_its_exit_code(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes, pytest.raises(StartError, match="ended with exit code 7"):
        processes.announced("broken", ["sh", "-c", "exit 7"])


def _pid(file: Path) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if file.exists() and (text := file.read_text().strip()):
            return int(text)
        time.sleep(0.05)
    raise TimeoutError(file)


_PROCESSES = Path("/proc/self")


def _lives(pid: int) -> bool:
    """Whether a process exists and is not only waiting to be collected."""
    try:
        os.kill(pid, 0)
        if not _PROCESSES.exists():  # Not Linux.
            return True
        # It may end between these lines: then its file is gone while it is read.
        return (_PROCESSES.parent / f"{pid}" / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
