"""VMs of the fleet in the form of Compute Engine's API."""

import base64
import hashlib
from datetime import datetime
from zoneinfo import ZoneInfo

from infra.local.fleet.fleet import Labels, Vm
from infra.local.fleet.lifecycle import termination_action
from infra.local.fleet.machine_types import LOCAL_SSD_GIB, MachineType

ROOT = "https://www.googleapis.com/compute/v1"
STARTUP_SCRIPT = "\n".join(
    (
        "#!/bin/bash",
        "set -euo pipefail",
        "exec > >(logger -t startup) 2>&1",
        *(
            f"gsutil -q cp gs://fleet-artifacts/stage-{stage:02}.tar.zst - | tar --zstd -x -C /opt/stage-{stage:02}"
            for stage in range(16)
        ),
        "systemctl enable --now worker.service",
    )
)
CALIFORNIA = ZoneInfo("America/Los_Angeles")

type Json = dict[str, object]


def instance(vm: Vm, project_number: str, at: datetime) -> Json:
    """The whole resource, as `instances.get` and the lists show it at a moment."""
    zone = f"{ROOT}/projects/{vm.project_id}/zones/{vm.zone}"
    shape = vm.shape(at)
    labels = vm.labels_at(at)
    resource: Json = {
        "kind": "compute#instance",
        "id": str(vm.instance_id),
        "creationTimestamp": pacific(vm.created),
        "name": vm.name,
        "tags": {"items": ["batch"], "fingerprint": fingerprint("tags", vm.name)},
        "machineType": f"{zone}/machineTypes/{shape.name}",
        "status": vm.status(at),
        "zone": zone,
        "canIpForward": False,
        "networkInterfaces": [_network_interface(vm)],
        "disks": _disks(vm, shape, zone),
        "metadata": {
            "kind": "compute#metadata",
            "fingerprint": metadata_fingerprint(vm),
            "items": _metadata_items(vm),
        },
        "serviceAccounts": [
            {
                "email": f"{project_number}-compute@developer.gserviceaccount.com",
                "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
            }
        ],
        "selfLink": f"{zone}/instances/{vm.name}",
        "scheduling": _scheduling(vm),
        "cpuPlatform": shape.cpu_platform,
        "labelFingerprint": fingerprint("labels", *sorted(labels)),
        "startRestricted": False,
        "deletionProtection": False,
        "shieldedInstanceConfig": {"enableSecureBoot": False, "enableVtpm": True, "enableIntegrityMonitoring": True},
        "shieldedInstanceIntegrityPolicy": {"updateAutoLearnPolicy": True},
        "fingerprint": fingerprint("instance", vm.instance_id, labels),
        "resourceStatus": {"physicalHostTopology": {}},
        "satisfiesPzi": True,
    }
    if labels:
        resource["labels"] = dict(labels)
    gpus = vm.gpus(at)
    if gpus is not None:
        accelerator = f"{ROOT}/projects/{vm.project_id}/zones/{vm.zone}/acceleratorTypes/{gpus.gpu_type}"
        resource["guestAccelerators"] = [{"acceleratorType": accelerator, "acceleratorCount": gpus.count}]
    for name, moment in (("lastStartTimestamp", vm.started(at)), ("lastStopTimestamp", vm.stopped(at))):
        if moment is not None:
            resource[name] = pacific(moment)
    return resource


def metadata_fingerprint(vm: Vm) -> str:
    """What a change of the metadata must name, so that it changes what its author saw."""
    return fingerprint("metadata", vm.name, *(vm.metadata or ()))


def machine_type(shape: MachineType, project_id: str, zone: str) -> Json:
    """A machine type, as `machineTypes.get` shows it."""
    resource: Json = {
        "kind": "compute#machineType",
        "id": str(int.from_bytes(hashlib.sha256(shape.name.encode()).digest()[:3])),
        "creationTimestamp": "1969-12-31T16:00:00.000-08:00",
        "name": shape.name,
        "description": f"{shape.guest_cpus} vCPUs, {shape.memory_mb / 1024:g} GB RAM",
        "guestCpus": shape.guest_cpus,
        "memoryMb": shape.memory_mb,
        "imageSpaceGb": 0,
        "maximumPersistentDisks": 16 if shape.shared_cpu else 128,
        "maximumPersistentDisksSizeGb": "3072" if shape.shared_cpu else "263168",
        "zone": zone,
        "selfLink": f"{ROOT}/projects/{project_id}/zones/{zone}/machineTypes/{shape.name}",
        "isSharedCpu": shape.shared_cpu,
        "architecture": shape.architecture,
    }
    if shape.gpu_count:
        resource["accelerators"] = [
            {"guestAcceleratorType": shape.gpu_type, "guestAcceleratorCount": shape.gpu_count},
        ]
    if shape.local_ssd_partitions:
        resource["bundledLocalSsds"] = {"defaultInterface": "NVME", "partitionCount": shape.local_ssd_partitions}
    return resource


def _scheduling(vm: Vm) -> Json:
    if not vm.is_spot and vm.provisioning_model == "STANDARD":
        return {
            "onHostMaintenance": "MIGRATE",
            "automaticRestart": True,
            "preemptible": False,
            "provisioningModel": "STANDARD",
        }
    scheduling: Json = {"onHostMaintenance": "TERMINATE", "automaticRestart": False, "preemptible": vm.is_spot}
    if vm.provisioning_model:
        scheduling["provisioningModel"] = vm.provisioning_model
    if vm.provisioning_model == "SPOT":
        scheduling["instanceTerminationAction"] = termination_action(vm)
    if vm.graceful_shutdown:
        seconds = int(vm.graceful_shutdown.total_seconds())
        scheduling["gracefulShutdown"] = {"enabled": True, "maxDuration": {"seconds": str(seconds)}}
    return scheduling


def _disks(vm: Vm, shape: MachineType, zone: str) -> list[Json]:
    boot: Json = {
        "kind": "compute#attachedDisk",
        "type": "PERSISTENT",
        "mode": "READ_WRITE",
        "source": f"{zone}/disks/{vm.name}",
        "deviceName": "persistent-disk-0",
        "index": 0,
        "boot": True,
        "autoDelete": True,
        "licenses": [f"{ROOT}/projects/debian-cloud/global/licenses/debian-12-bookworm"],
        "interface": "SCSI",
        "guestOsFeatures": [{"type": name} for name in ("UEFI_COMPATIBLE", "VIRTIO_SCSI_MULTIQUEUE", "GVNIC")],
        "diskSizeGb": "50",
        "shieldedInstanceInitialState": {},
        "architecture": shape.architecture,
    }
    scratch: list[Json] = [
        {
            "kind": "compute#attachedDisk",
            "type": "SCRATCH",
            "mode": "READ_WRITE",
            "deviceName": f"local-ssd-{index}",
            "index": index + 1,
            "boot": False,
            "autoDelete": True,
            "interface": "NVME",
            "diskSizeGb": str(LOCAL_SSD_GIB),
        }
        for index in range(vm.attached_local_ssds + shape.local_ssd_partitions)
    ]
    return [boot, *scratch]


def _metadata_items(vm: Vm) -> list[Json]:
    if vm.metadata is not None:
        return [{"key": key, "value": value} if value else {"key": key} for key, value in vm.metadata]
    items: list[Json] = [{"key": "startup-script", "value": STARTUP_SCRIPT}]
    if vm.created_by is not None:
        template = f"projects/{vm.project_id}/global/instanceTemplates/{vm.created_by.rpartition('/')[2]}-v3"
        items = [{"key": "instance-template", "value": template}, {"key": "created-by", "value": vm.created_by}, *items]
    return items


def _network_interface(vm: Vm) -> Json:
    host = vm.instance_id % 250 + 2
    return {
        "kind": "compute#networkInterface",
        "network": f"{ROOT}/projects/{vm.project_id}/global/networks/default",
        "subnetwork": f"{ROOT}/projects/{vm.project_id}/regions/{vm.region}/subnetworks/default",
        "networkIP": f"10.128.{vm.instance_id // 256 % 250}.{host}",
        "name": "nic0",
        "fingerprint": fingerprint("nic", vm.instance_id),
        "stackType": "IPV4_ONLY",
        "nicType": "GVNIC",
    }


def fingerprint(*parts: object | Labels) -> str:
    """A fingerprint as the API shows it: it changes with what it stands for."""
    return base64.b64encode(hashlib.sha256(repr(parts).encode()).digest()[:8]).decode()


def pacific(moment: datetime) -> str:
    """Write a moment as Compute Engine does: in California's time, with its offset."""
    return moment.astimezone(CALIFORNIA).isoformat(timespec="milliseconds")
