"""The settings of `enforce_budget_limit`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from spotkeeper.enforcement.policies import Policy
from spotkeeper.settings import Clock, Endpoints, _dataset, _endpoints, _one_of, _patience, _project, _Reader, _whole


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
    call_patience_seconds: int = 60
    clock: Clock = Clock.SYSTEM
    endpoints: Endpoints = field(default_factory=Endpoints)

    @classmethod
    def from_mapping(cls, variables: Mapping[str, str]) -> "EnforcerSettings":
        """Read the settings; raises SettingsError naming every variable that is wrong, and what it should be."""
        reader = _Reader(variables)
        settings = cls(
            project_id=reader.required("PROJECT_ID", _project, ""),
            mode=reader.required("ENFORCEMENT_MODE", _one_of(Mode), Mode.DRY_RUN),
            policy=reader.required("ENFORCEMENT_POLICY", Policy.from_json, Policy({})),
            dataset=_dataset(reader),
            acting_seconds=reader.optional("ACTING_SECONDS", _whole(10, 540), 480),
            parallel_stops=reader.optional("PARALLEL_STOPS", _whole(1, 100), 32),
            call_patience_seconds=_patience(reader),
            clock=reader.optional("CLOCK", _one_of(Clock), Clock.SYSTEM),
            endpoints=_endpoints(reader),
        )
        reader.raise_faults()
        return settings
