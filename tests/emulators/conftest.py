"""The emulators for the contract tests, one process' worth for all of them, as they were at first in each test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests
from google.auth.credentials import AnonymousCredentials
from google.cloud import compute_v1

from infra.local.emulators.cloud import FIRST_SCAN, Cloud

ANYBODY = AnonymousCredentials()  # as google-auth ships it

type Control = Callable[..., Any]
type Finished = Callable[[compute_v1.Operation], compute_v1.Operation]


@pytest.fixture(scope="session")
def running() -> Iterator[Cloud]:
    """The emulators, started once."""
    with Cloud() as cloud:
        yield cloud


@pytest.fixture
def cloud(running: Cloud) -> Cloud:
    """The emulators as they were at first."""
    running.state.clock.now = FIRST_SCAN
    running.state.reset()
    running.monitoring.written.clear()
    return running


@pytest.fixture
def control(cloud: Cloud) -> Control:
    """Calls of the control interface: a method, a path, a body."""

    def call(method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 (JSON)
        return requests.request(method, f"{cloud.rest_url}/_control/{path}", json=body, timeout=5).json()

    return call


@pytest.fixture
def make_client(cloud: Cloud) -> Iterator[Callable[..., Any]]:
    """Google's clients of Compute Engine, talking to the emulator."""
    with ExitStack() as stack:
        options = {"api_endpoint": cloud.rest_url}
        yield lambda kind: stack.enter_context(kind(transport="rest", credentials=ANYBODY, client_options=options))


@pytest.fixture
def instances(make_client: Callable[..., Any]) -> compute_v1.InstancesClient:
    """Google's client for VMs."""
    client: compute_v1.InstancesClient = make_client(compute_v1.InstancesClient)
    return client


@pytest.fixture
def zone_operations(make_client: Callable[..., Any]) -> compute_v1.ZoneOperationsClient:
    """Google's client for the operations of zones."""
    client: compute_v1.ZoneOperationsClient = make_client(compute_v1.ZoneOperationsClient)
    return client


@pytest.fixture
def finished(zone_operations: compute_v1.ZoneOperationsClient) -> Finished:
    """Wait for a zone's operation."""

    def wait(operation: compute_v1.Operation) -> compute_v1.Operation:
        project, _, zone, _, name = operation.self_link.rpartition("/projects/")[2].split("/")
        return zone_operations.wait(project=project, zone=zone, operation=name)

    return wait
