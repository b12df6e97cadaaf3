"""Processes of the local stack: started in the background, ready when they say so or listen, stopped together."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

READY_SECONDS = 60.0
STOP_SECONDS = 5.0
POLL_SECONDS = 0.05
SUPERVISE = Path(__file__).with_name("supervise.py")
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StartError(RuntimeError):
    """A process of the stack did not start; the message says where its log is."""


def interrupt_once() -> None:
    """Raise KeyboardInterrupt at the first SIGINT, SIGTERM or SIGHUP and ignore later ones: cleanup takes seconds."""
    for number in _INTERRUPTS:
        signal.signal(number, _interrupt)


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Processes:
    """Processes that live no longer than this context, also when this process is killed.

    Each writes to a log file of its own.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._read_end, self._write_end = os.pipe()
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop(*self._running)
        os.close(self._read_end)
        os.close(self._write_end)

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Path:
        """Start a process and return its log file."""
        log = self._logs / f"{name}.log"
        with log.open("wb") as output:
            self._running[name] = subprocess.Popen(  # noqa: S603 (commands of this package)
                [sys.executable, "-I", "-S", str(SUPERVISE), str(self._read_end), *command],
                pass_fds=[self._read_end],
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return log

    def announced(self, name: str, command: Sequence[str]) -> dict[str, str]:
        """Start a process and return the JSON object that is its first line of output."""
        log = self.start(name, command)
        for _ in self._until_ready(name, log):
            line, newline, _ = log.read_text(errors="replace").partition("\n")
            if newline:
                return {key: str(value) for key, value in json.loads(line).items()}
        raise self._late(name, log)

    def listening(self, name: str, command: Sequence[str], environment: Mapping[str, str], port: int) -> None:
        """Start a process and return once it listens on the port."""
        log = self.start(name, command, environment)
        for _ in self._until_ready(name, log):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
        raise self._late(name, log)

    def pid(self, name: str) -> int:
        """Return the id of a process group: of a process and all that it started."""
        return self._running[name].pid

    def stop(self, *names: str) -> None:
        """Ask processes to end, with all they started, and end them when they do not."""
        stopping = [self._running.pop(name) for name in names]
        for process in stopping:
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in stopping:
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                _signal_group(process, signal.SIGKILL)
                process.wait()
            _signal_group(process, signal.SIGKILL)

    def _until_ready(self, name: str, log: Path) -> Iterator[None]:
        """Come back every few milliseconds while the process lives and there is time."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if (code := self._running[name].poll()) is not None:
                message = f"{name} ended with exit code {code}; see {log}"
                raise StartError(message)
            yield
            time.sleep(POLL_SECONDS)

    @staticmethod
    def _late(name: str, log: Path) -> StartError:
        return StartError(f"{name} was not ready after {READY_SECONDS:.0f} seconds; see {log}")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    for number in _INTERRUPTS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
