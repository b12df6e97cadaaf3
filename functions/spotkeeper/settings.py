"""The settings that both functions share: how environment variables are read, and which are renamed or removed."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from ipaddress import ip_address
from typing import override

from spotkeeper.values import Fields, choice, from_text, integer, matching

RENAMED = {"CALL_PATIENCE_SECONDS": "RETRY_TIMEOUT_SECONDS"}
"""Old names of settings, each with the one to use."""

REMOVED = {
    "ACTING_SECONDS": "it is fixed, below the deadline of the function",
    "PARALLEL_STOPS": "it is fixed",
    "READING_SECONDS": "it is fixed, below the deadline of the function",
}
"""Settings that exist no more, each with the reason."""

_LOCATION = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,62}")
_DATASET = re.compile(r"[A-Za-z0-9_]{1,1024}")
_ENDPOINT = re.compile(r"(https?://)?(?P<host>[^/\s:]+)(:\d+)?")


class Clock(StrEnum):
    """Where the present time comes from."""

    SYSTEM = "system"
    SCHEDULE = "schedule"
    """The time in the schedule header is the present, however long ago: for a replay of a recorded fleet."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where each service is reached; None is Google's own address. `http://…` means no credentials and no TLS."""

    bigquery: str | None = None
    compute: str | None = None
    monitoring: str | None = None
    billing: str | None = None
    assets: str | None = None
    logging: str | None = None
    resource_manager: str | None = None

    def addresses(self) -> Mapping[str, str]:
        """Return every address that is set, by the name of its setting."""
        named = {f"{each.name.upper()}_ENDPOINT": getattr(self, each.name) for each in fields(self)}
        return {name: address for name, address in named.items() if address is not None}


def setting_fields(variables: Mapping[str, str]) -> Fields:
    """Return a reader of environment variables; an empty variable counts as unset."""
    return Fields(_NotEmpty(variables), absent="is not set")


def raise_problems(settings: Fields) -> None:
    """Raise SettingsError naming every variable that is wrong, renamed or removed; call it after all are read."""
    settings.refuse_renamed(RENAMED)
    settings.refuse_removed(REMOVED)
    settings.raise_problems()


def read_dataset(settings: Fields) -> str:
    """Return the BigQuery dataset."""
    return settings.read("DATASET", matching(_DATASET, "letters, digits and underscores"), "cost_tracking")


def read_dataset_location(settings: Fields) -> str | None:
    """Return where the dataset lies, such as `us-central1` or `EU`; None when BigQuery is to be asked."""
    return settings.read("DATASET_LOCATION", matching(_LOCATION, "a location such as us-central1 or EU"), None)


def read_retry_timeout_seconds(settings: Fields) -> int:
    """Return how long a failing call is tried again."""
    return settings.read("RETRY_TIMEOUT_SECONDS", from_text(integer(0, 300)), 60)


def read_endpoints(settings: Fields) -> Endpoints:
    """Return where each service is reached."""
    address = matching(_ENDPOINT, "an address such as http://127.0.0.1:9050")
    return Endpoints(
        bigquery=settings.read("BIGQUERY_ENDPOINT", address, None),
        compute=settings.read("COMPUTE_ENDPOINT", address, None),
        monitoring=settings.read("MONITORING_ENDPOINT", address, None),
        billing=settings.read("BILLING_ENDPOINT", address, None),
        assets=settings.read("ASSETS_ENDPOINT", address, None),
        logging=settings.read("LOGGING_ENDPOINT", address, None),
        resource_manager=settings.read("RESOURCE_MANAGER_ENDPOINT", address, None),
    )


def read_clock(settings: Fields, endpoints: Endpoints) -> Clock:
    """Return where the time comes from; whoever calls can choose it in a replay, so that needs local endpoints."""
    clock = settings.read("CLOCK", choice(Clock), Clock.SYSTEM)
    if clock is Clock.SCHEDULE:
        addresses = endpoints.addresses()
        remote = [name for name, address in addresses.items() if not _is_loopback(address)]
        if remote or not addresses:
            problem = f"{', '.join(remote)} is not on this machine" if remote else "no endpoint is set"
            settings.problems.append(
                f"CLOCK is schedule, but {problem}: a replay needs addresses such as http://127.0.0.1:9050"
            )
    return clock


class _NotEmpty(Mapping[str, str]):
    """The variables that are not empty, without the white space around them."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    @override
    def __getitem__(self, name: str) -> str:
        value = self._variables[name].strip()
        if not value:
            raise KeyError(name)
        return value

    @override
    def __iter__(self) -> Iterator[str]:
        return (name for name in self._variables if name in self)

    @override
    def __len__(self) -> int:
        return sum(1 for _ in self)


def _is_loopback(address: str) -> bool:
    found = _ENDPOINT.fullmatch(address)
    host = found["host"] if found else ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
