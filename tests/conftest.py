"""The local stack for tests: one for the session; each test that writes gets a dataset of its own.

Starting it costs as much as a hundred tests, and the local BigQuery keeps its translations of statements. So one worker
runs all tests that use it, one after another; they also share its clock.
"""

import gc
import re
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from infra.local.stack.stack import Stack, running_stack
from tests.conformance import session as conformance
from tests.infra.test_terraform import how_terraform_was_checked

# No test depends on how fast the machine is. `make fuzz` runs the property tests with the many examples of "fuzz".
settings.register_profile("quick", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=25)
settings.load_profile("quick")
settings.register_profile("fuzz", deadline=None, suppress_health_check=list(HealthCheck), max_examples=500)

USE_THE_STACK = ("tests/adapters/", "tests/entry/", "tests/faults/", "tests/sql/test_deployed_views.py", "tests/stack/")
"""Where the tests are that use the session's stack; one elsewhere would start a second one in another worker."""

ROOT = Path(__file__).parents[1]
_NAMES_IT = re.compile(r"\b(stack|make_enforcer)\b")


class OneStack(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """A file of tests runs in one worker, and so do all files that use the stack."""

    def _split_scope(self, nodeid: str) -> str:
        return "stack" if uses_the_stack(nodeid.partition("::")[0]) else super()._split_scope(nodeid)


@cache
def uses_the_stack(path: str) -> bool:
    """Return whether a file of tests names the stack, or a fixture that needs it."""
    return path.startswith(USE_THE_STACK) and bool(_NAMES_IT.search((ROOT / path).read_text(encoding="utf-8")))


def pytest_configure(config: pytest.Config) -> None:
    """Record what the session puts on the wire."""
    config.pluginmanager.register(conformance)
    conformance.pytest_configure(config)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without looking for garbage, and never look for it in what was collected: that stays until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneStack:
    """Return the scheduler that distributes the tests to the workers."""
    return OneStack(config, log)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole stack in processes of its own, with the fleet at its first hour."""
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how far Terraform was checked, which depends on what the machine has."""
    terminalreporter.write_line(f"Terraform: {how_terraform_was_checked()}")
