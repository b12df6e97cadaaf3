"""Records what a test session puts on the wire, and compares it with Google's descriptions at its end.

A deviation without a reason fails the session like a failed test, whichever test made the call.
"""

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from infra.local.emulators.exchanges import FOLDER

_FOLDER = pytest.StashKey[tempfile.TemporaryDirectory[str]]()
_FOUND = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Let the emulators of this session, in whichever process, write to one folder."""
    if is_controller(config) and FOLDER not in os.environ:
        config.stash[_FOLDER] = tempfile.TemporaryDirectory(prefix="exchanges-")
        os.environ[FOLDER] = config.stash[_FOLDER].name


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session when something deviates."""
    config = session.config
    if not (folder := config.stash.get(_FOLDER, None)):
        return
    del os.environ[FOLDER]
    with folder as name:
        if find_spec("googleapiclient") is None:  # The tests of the judge fail then.
            return
        config.stash[_FOUND] = _judged(Path(name))
    if config.stash[_FOUND] and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what deviates."""
    if found := terminalreporter.config.stash.get(_FOUND, []):
        terminalreporter.section("deviations from Google's descriptions (tests/conformance)", red=True)
        for each in found:
            terminalreporter.write_line(each)


def is_controller(config: pytest.Config) -> bool:
    """Whether this process is not a worker of another one."""
    return not hasattr(config, "workerinput")


def _judged(folder: Path) -> list[str]:
    if not any(folder.glob("*.jsonl")):
        return []
    from tests.conformance.judge import deviations  # noqa: PLC0415 (most sessions record nothing)

    return [f"{count} times: {each}" for each, count in deviations(folder).most_common()]
