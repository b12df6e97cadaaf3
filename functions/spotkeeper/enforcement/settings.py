"""The settings of `enforce_budget_limit`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from spotkeeper.enforcement.policies import Policy
from spotkeeper.settings import (
    Clock,
    Endpoints,
    raise_problems,
    read_clock,
    read_dataset,
    read_endpoints,
    read_retry_timeout_seconds,
    setting_fields,
)
from spotkeeper.values import choice, from_text, integer, project_id


class Mode(StrEnum):
    """Whether the enforcer stops anything, or only says what it would stop."""

    DRY_RUN = "dry_run"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class EnforcerSettings:
    """Everything `enforce_budget_limit` is told by its environment."""

    project_id: str
    mode: Mode
    policy: Policy
    dataset: str = "cost_tracking"
    acting_seconds: int = 480
    parallel_stops: int = 32
    retry_timeout_seconds: int = 60
    clock: Clock = Clock.SYSTEM
    endpoints: Endpoints = field(default_factory=Endpoints)

    @classmethod
    def from_mapping(cls, variables: Mapping[str, str]) -> "EnforcerSettings":
        """Read the settings; raises SettingsError naming every variable that is wrong, and what it should be."""
        found = setting_fields(variables)
        endpoints = read_endpoints(found)
        settings = cls(
            project_id=found.required("PROJECT_ID", project_id, ""),
            mode=found.required("ENFORCEMENT_MODE", choice(Mode), Mode.DRY_RUN),
            policy=found.required("ENFORCEMENT_POLICY", lambda text: Policy.from_json(str(text)), Policy({})),
            dataset=read_dataset(found),
            acting_seconds=found.read("ACTING_SECONDS", from_text(integer(10, 540)), 480),
            parallel_stops=found.read("PARALLEL_STOPS", from_text(integer(1, 100)), 32),
            retry_timeout_seconds=read_retry_timeout_seconds(found),
            clock=read_clock(found, endpoints),
            endpoints=endpoints,
        )
        raise_problems(found)
        return settings
