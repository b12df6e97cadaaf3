"""A fleet that is small, and in which yet something of everything happens within four hours."""

import random
from dataclasses import replace
from datetime import datetime, timedelta

from infra.local.fleet.fleet import (
    FLEET_START,
    STAGING_TIME,
    STOPPING_TIME,
    Address,
    Fleet,
    Gpu,
    Labels,
    Project,
    Run,
    Vm,
    instance_id,
)
from infra.local.stack.stack import HOME_PROJECT

OWNER = Project(HOME_PROJECT, "760123984455")
BEFORE = FLEET_START - timedelta(hours=20)
BATCH = {"team": "etl", "priority": "low", "scope": "batch"}
SERVING = {"team": "web", "priority": "high"}
POOL = f"projects/{OWNER.number}/zones/us-central1-f/instanceGroupManagers/batch-pool"


def at(hour: int, minute: int = 0) -> datetime:
    """Return a time of the fleet."""
    return FLEET_START + timedelta(hours=hour, minutes=minute)


def small_fleet() -> Fleet:
    """VMs of one project: nine that stay, one of them in a group, and some that come, change and go.

    Three are known to the audit log alone. Two have reserved addresses, and one reserved address is in use by no VM.
    """
    steady = [
        one_vm("us-central1-a", "steady-1", "n2-standard-8", BATCH, address="reserved"),
        one_vm("us-central1-a", "steady-2", "e2-medium", BATCH),
        one_vm("us-central1-b", "steady-3", "c2-standard-16", BATCH, address="ephemeral"),
        one_vm("us-central1-b", "steady-4", "n1-standard-8", SERVING, gpu=Gpu("nvidia-tesla-t4", 1)),
        one_vm("europe-west1-b", "steady-5", "n2-highmem-8", SERVING),
        one_vm("europe-west1-c", "steady-6", "n2-standard-2", {}, address="reserved"),
        one_vm("europe-west1-c", "on-demand", "n2-standard-8", {}, provisioning_model="STANDARD"),
        one_vm("us-central1-f", "unheard-of", "n9-standard-4", BATCH),
        one_vm("us-central1-f", "pool-1", "n2-standard-2", BATCH, created_by=POOL),
    ]
    moving = [
        one_vm("us-central1-a", "again", "n2-standard-2", BATCH, end=at(1, 40)),
        one_vm("us-central1-a", "again", "n2-standard-2", BATCH, start=at(1, 44)),
        one_vm("us-central1-b", "newcomer", "n2-standard-2", SERVING, start=at(2, 20)),
        one_vm("europe-west1-c", "never-seen", "n2-standard-2", BATCH, start=at(1, 20), end=at(1, 50)),
        one_vm("europe-west1-b", "seen-once", "e2-medium", BATCH, start=at(2, 5), end=at(4, 30)),
    ]
    unrecorded = [
        one_vm("us-central1-b", "unrecorded", "n2-standard-2", BATCH, start=at(2, 20), end=at(2, 50)),
        *(
            one_vm("us-central1-b", f"bulk-{number}", "e2-medium", BATCH, start=at(2, 20), end=at(2, 50))
            for number in (1, 2)
        ),
    ]
    in_log = [
        replace(vm, has_history=False, bulk_insert="bulk-#" if vm.name.startswith("bulk-") else "") for vm in unrecorded
    ]
    idle = Address(OWNER.project_id, "us-central1", "idle", BEFORE)
    return Fleet((OWNER,), (*steady, *moving, *in_log), addresses=(idle,))


def living_fleet(days: int, seed: int) -> Fleet:
    """Three VMs that stay, and three a day that come at any minute, live for half an hour up to a day and go."""
    chance = random.Random(seed)  # noqa: S311 (the same fleet each time)
    steady = [one_vm("us-central1-a", f"steady-{number}", "n2-standard-2", BATCH) for number in range(3)]
    passing = []
    for number in range(days * 3):
        start = at(0) + timedelta(minutes=chance.randrange(days * 24 * 60))
        end = start + timedelta(minutes=chance.randrange(30, 24 * 60))
        labels = chance.choice((BATCH, SERVING, {}))
        passing.append(one_vm("us-central1-b", f"passing-{number}", "e2-medium", labels, start=start, end=end))
    return Fleet((OWNER,), (*steady, *passing))


def one_vm(  # noqa: PLR0913 (each says one thing about the VM)
    zone: str,
    name: str,
    machine_type: str,
    labels: Labels,
    *,
    start: datetime = BEFORE,
    end: datetime | None = None,
    gpu: Gpu | None = None,
    provisioning_model: str = "SPOT",
    created_by: str | None = None,
    address: str = "",
) -> Vm:
    """Return a VM that is preempted at its end, if it has one."""
    created = start - STAGING_TIME
    return Vm(
        project_id=OWNER.project_id,
        zone=zone,
        name=name,
        instance_id=instance_id(zone, name, start),
        created=created,
        runs=(Run(start, end, preempted=end is not None),),
        machine_types=((created, machine_type),),
        labels=((created, labels),),
        deleted=end + STOPPING_TIME if end else None,
        gpu=gpu,
        provisioning_model=provisioning_model,
        created_by=created_by,
        address=address,
    )
