"""The permissions of the caller on projects and VMs; by default all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

_COMPUTE = {
    "instances": "create delete get list reset resume setLabels setMachineType setMetadata setScheduling setTags start "
    "startWithEncryptionKey stop suspend update use",
    "instanceGroupManagers": "create delete get list update use",
    "instanceGroups": "create delete get list update use",
    "addresses": "create delete get list use",
    "advice": "capacity capacityHistory",
    "autoscalers": "create delete get list update",
    "disks": "create delete get list setLabels update use",
    "machineTypes": "get list",
    "zoneOperations": "delete get list",
    "regionOperations": "delete get list",
    "globalOperations": "delete get list",
    "zones": "get list",
    "regions": "get list",
    "projects": "get setCommonInstanceMetadata",
}
_OTHERS = {
    "billing.billingAccountPrices": "list",
    "bigquery.datasets": "create get update",
    "bigquery.jobs": "create get list",
    "bigquery.tables": "create delete get getData list update updateData",
    "cloudasset.assets": "exportResource listResource searchAllResources",
    "container.clusters": "get list",
    "logging.logEntries": "create list",
    "monitoring.metricDescriptors": "create get list",
    "monitoring.timeSeries": "create list",
    "pubsub.topics": "get list publish",
    "resourcemanager.projects": "delete get getIamPolicy setIamPolicy update",
    "serviceusage.services": "enable get list use",
}

PERMISSIONS = frozenset(
    f"{resource}.{verb}"
    for resource, verbs in {**{f"compute.{name}": verbs for name, verbs in _COMPUTE.items()}, **_OTHERS}.items()
    for verb in verbs.split()
)
"""The permissions that a project knows, as far as this product could need them."""

INSTANCE_PERMISSIONS = frozenset(name for name in PERMISSIONS if name.startswith("compute.instances."))


@dataclass(frozen=True, slots=True)
class Denial:
    """What the caller may not do: the permissions `denied`, and with `granted` all but those; `*` is any."""

    project: str = "*"
    instance: str = "*"
    denied: tuple[str, ...] = ()
    granted: tuple[str, ...] | None = None

    def forbids(self, permission: str, project_id: str, instance: str) -> bool:
        """Whether it forbids something; what a VM is denied is not denied on its project."""
        if self.project not in ("*", project_id) or self.instance not in ("*", instance):
            return False
        return permission in self.denied or (self.granted is not None and permission not in self.granted)


@dataclass(slots=True)
class Permissions:
    """The denials that hold."""

    denials: Sequence[Denial] = ()

    def allow(self, permission: str, project_id: str, instance: str = "") -> bool:
        """Whether the caller has a permission on a project, or on one of its VMs."""
        return not any(denial.forbids(permission, project_id, instance) for denial in self.denials)


def denial(described: Mapping[str, object]) -> Denial:
    """Read a denial from JSON; a name or a permission nobody knows is refused."""
    unknown = described.keys() - {part.name for part in fields(Denial)}
    if unknown or not described.keys() & {"denied", "granted"}:
        message = f"a denial has a project, an instance, and denied or granted permissions, not {sorted(unknown)}"
        raise ValueError(message)
    named = {key: _known(described[key]) for key in ("denied", "granted") if key in described}
    where = {key: str(described[key]) for key in ("project", "instance") if key in described}
    return Denial(**where, **named)  # type: ignore[arg-type]  # from JSON


def _known(names: object) -> tuple[str, ...]:
    if not isinstance(names, list) or not set(names) <= PERMISSIONS:
        message = f"permissions are a list of {len(PERMISSIONS)} known ones, as compute.instances.stop, not {names!r}"
        raise ValueError(message)
    return tuple(names)
