"""Managed instance groups: which there are, follows from the VMs that say a group made them."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from infra.local.fleet.fleet import Fleet, Vm
from infra.local.fleet.lifecycle import STOPPED_STATUSES, STOPPING_STATUSES

MAKER = re.compile(r"projects/([^/]+)/((?:zones|regions)/[^/]+)/instanceGroupManagers/([^/]+)")

type Key = tuple[str, str, str]
"""A group's project id, its scope (`zones/us-east1-b`, `regions/europe-west1`), and its name."""


@dataclass(slots=True)
class Autoscaler:
    """The autoscaler of a group: its name, its mode, and the bounds of the group's size."""

    name: str
    mode: str = "ON"
    min_replicas: int = 1
    max_replicas: int = 10


@dataclass(slots=True, eq=False)
class Group:
    """A group, the names of its members by zone, and the ids of those that were stopped through the group.

    One that `repairs` makes a VM again that was stopped behind its back; one that is `autoscaled` starts VMs again that
    it was asked to stop: it has an autoscaler that is not switched off. A member is stopped `initial_delay` after it
    was created at the earliest, unless that is forced, and after its connections were drained.
    """

    project_id: str
    scope: str
    name: str
    members: set[tuple[str, str]] = field(default_factory=set)
    repairs: bool = True
    autoscaler: Autoscaler | None = None
    initial_delay: timedelta = timedelta(0)
    draining: timedelta = timedelta(0)
    held: set[int] = field(default_factory=set)

    @property
    def key(self) -> Key:
        """Its identity."""
        return self.project_id, self.scope, self.name

    @property
    def autoscaled(self) -> bool:
        """Whether an autoscaler adds VMs to it."""
        return self.autoscaler is not None and self.autoscaler.mode != "OFF"

    def hold(self, instance: int, *, kept: bool) -> None:
        """Keep a member stopped from now on, or no longer."""
        self.held = self.held | {instance} if kept else self.held - {instance}

    def stopped_size(self, fleet: Fleet, now: datetime) -> int:
        """How many VMs it keeps stopped."""
        held = map(fleet.by_id, self.held)
        return sum(1 for vm in held if vm is not None and vm.status(now) in STOPPED_STATUSES | STOPPING_STATUSES)


@dataclass(slots=True)
class Groups:
    """The groups of a fleet."""

    _groups: dict[Key, Group] = field(default_factory=dict)

    @classmethod
    def of(cls, fleet: Fleet) -> "Groups":
        """The groups that the VMs of a fleet name."""
        groups = cls()
        for vm in fleet.vms:
            key = maker(fleet, vm)
            if key is not None:
                group = groups._groups.setdefault(key, Group(*key))
                group.members.add((vm.zone, vm.name))
        return groups

    def add(self, group: Group) -> None:
        """Add a group that has no members, or put one in the place of another."""
        self._groups[group.key] = group

    def get(self, key: Key) -> Group | None:
        """The group of this project, scope and name."""
        return self._groups.get(key)

    def owner(self, fleet: Fleet, vm: Vm) -> Group | None:
        """The group a VM belongs to."""
        key = maker(fleet, vm)
        return None if key is None else self._groups.get(key)

    def all(self) -> list[Group]:
        """All groups, by project, scope and name."""
        return [self._groups[key] for key in sorted(self._groups)]


def maker(fleet: Fleet, vm: Vm) -> Key | None:
    """Which group made a VM; the project is written by its id or its number."""
    matched = MAKER.fullmatch(vm.created_by) if vm.created_by is not None else None
    project = fleet.project(matched[1]) if matched else None
    return None if matched is None or project is None else (project.project_id, matched[2], matched[3])
