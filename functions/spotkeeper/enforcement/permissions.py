"""Permissions: what the enforcer's calls need in a project whose instances it stops."""

from spotkeeper.enforcement.policies import Policy

STOP_PERMISSIONS = (
    "compute.instanceGroupManagers.update",
    "compute.instances.get",
    "compute.instances.list",
    "compute.instances.stop",
    "compute.machineTypes.get",
    "compute.regionOperations.get",
    "compute.regionOperations.list",
    "compute.zoneOperations.get",
    "compute.zoneOperations.list",
)
RESTART_PERMISSIONS = ("compute.instances.start",)
WARNING_PERMISSIONS = ("compute.instances.setMetadata",)
FREEZE_PERMISSIONS = ("compute.autoscalers.get", "compute.autoscalers.list", "compute.autoscalers.update")


def needed_permissions(policy: Policy, *, undo: bool = False) -> tuple[str, ...]:
    """Return the permissions that this policy needs, no more.

    Starts, also to undo stops, warnings and freezes have their own. By the reference of each method: https://cloud.google.com/compute/docs/reference/rest/v1
    """
    return (
        *STOP_PERMISSIONS,
        *(RESTART_PERMISSIONS if policy.restart or undo else ()),
        *(WARNING_PERMISSIONS if policy.grace_seconds else ()),
        *(FREEZE_PERMISSIONS if policy.freeze_groups is not None else ()),
    )
