"""The settings of `enforce_budget_limit`."""

import re
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
    read_dataset_location,
    read_endpoints,
    read_retry_timeout_seconds,
    setting_fields,
)
from spotkeeper.values import choice, matching, project_id

_subscription = matching(re.compile(r"projects/[^/]+/subscriptions/[^/]+"), "projects/PROJECT/subscriptions/NAME")

_topic = matching(re.compile(r"projects/[^/]+/topics/[^/]+"), "projects/PROJECT/topics/NAME")


class Mode(StrEnum):
    """Whether the enforcer stops instances by itself, once a person approved the plan, or only records its plans."""

    DRY_RUN = "dry_run"
    APPROVE = "approve"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class EnforcerSettings:
    """The environment variables of `enforce_budget_limit`.

    What the subscription `approvals_subscription` delivers are commands of operators; without one there are none.
    What happens is published as events to `events_topic`, if there is one.
    """

    project_id: str
    mode: Mode
    policy: Policy
    dataset: str = "cost_tracking"
    dataset_location: str | None = None
    retry_timeout_seconds: int = 60
    approvals_subscription: str | None = None
    events_topic: str | None = None
    clock: Clock = Clock.SYSTEM
    endpoints: Endpoints = field(default_factory=Endpoints)

    @classmethod
    def from_mapping(cls, variables: Mapping[str, str]) -> "EnforcerSettings":
        """Read the settings; raises SettingsError naming every wrong variable and what it should be."""
        found = setting_fields(variables)
        endpoints = read_endpoints(found)
        settings = cls(
            project_id=found.required("PROJECT_ID", project_id, ""),
            mode=found.required("ENFORCEMENT_MODE", choice(Mode), Mode.DRY_RUN),
            policy=found.required("ENFORCEMENT_POLICY", lambda text: Policy.from_json(str(text)), Policy({})),
            dataset=read_dataset(found),
            dataset_location=read_dataset_location(found),
            retry_timeout_seconds=read_retry_timeout_seconds(found),
            events_topic=found.read("EVENTS_TOPIC", _topic, None),
            approvals_subscription=found.read("APPROVALS_SUBSCRIPTION", _subscription, None),
            clock=read_clock(found, endpoints),
            endpoints=endpoints,
        )
        if settings.mode is Mode.APPROVE and settings.approvals_subscription is None and not found.problems:
            found.problems.append("APPROVALS_SUBSCRIPTION is missing: in the mode approve, it delivers the approvals")
        raise_problems(found)
        return settings
