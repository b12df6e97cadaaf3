"""VMs of the fleet in the form of Compute Engine's API."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from infra.local.fleet.fleet import Address, Disk, DiskSpec, Labels, Vm, instance_id
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


def instance(vm: Vm, project_number: str, at: datetime, attached: Sequence[Disk] = ()) -> Json:
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
        "networkInterfaces": [_network_interface(vm, vm.status(at))],
        "disks": [*_disks(vm, shape, zone), *(_attached(disk, at) for disk in attached)],
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
    if vm.tier_1:
        resource["networkPerformanceConfig"] = {"totalEgressBandwidthTier": "TIER_1"}
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


def own_disks(vm: Vm) -> list[tuple[str, DiskSpec]]:
    """The disks that are made and deleted with a VM, by name."""
    return [(f"{vm.name}-data-{number}" if number else vm.name, spec) for number, spec in enumerate(vm.disks)]


def own_disk(vm: Vm, name: str, spec: DiskSpec) -> Json:
    """A disk that was made with a VM, as `disks.aggregatedList` shows it."""
    zone = f"{ROOT}/projects/{vm.project_id}/zones/{vm.zone}"
    return {
        **_disk(vm.project_id, f"zones/{vm.zone}", name, spec, instance_id("disk", vm.instance_id, name)),
        "creationTimestamp": pacific(vm.created),
        "lastAttachTimestamp": pacific(vm.created),
        "users": [f"{zone}/instances/{vm.name}"],
        **({"licenses": [_license(each) for each in vm.licenses]} if name == vm.name else {}),
    }


def disk(found: Disk, at: datetime) -> Json:
    """A disk with a life of its own, as `disks.aggregatedList` shows it."""
    root = f"{ROOT}/projects/{found.project_id}"
    resource = _disk(found.project_id, found.scope, found.name, found.spec(at), found.disk_id)
    resource["creationTimestamp"] = pacific(found.created)
    if found.regional:
        resource["replicaZones"] = [f"{root}/zones/{found.place}-{letter}" for letter in "bc"]
    if found.labels:
        resource["labels"] = dict(found.labels)
    if users := found.users_at(at):
        resource["users"] = [f"{root}/zones/{zone}/instances/{name}" for zone, name in users]
    for name, attached in (("lastAttachTimestamp", True), ("lastDetachTimestamp", False)):
        if moment := found.last_change(at, attached=attached):
            resource[name] = pacific(moment)
    return resource


def own_address(vm: Vm) -> Address:
    """The address that was reserved for a VM, and is released with it."""
    users = ((vm.created, ((vm.zone, vm.name),)),)
    return Address(vm.project_id, vm.region, f"{vm.name}-ip", vm.created, users)


def address(found: Address, at: datetime) -> Json:
    """A reserved address, as `addresses.aggregatedList` shows it."""
    root = f"{ROOT}/projects/{found.project_id}"
    users = [f"{root}/zones/{zone}/instances/{name}" for zone, name in found.users_at(at)]
    if found.other_user:
        users.append(f"{root}/{found.other_user}")
    number = found.address_id
    resource: Json = {
        "kind": "compute#address",
        "id": str(number),
        "creationTimestamp": pacific(found.created),
        "name": found.name,
        "description": "",
        "address": f"34.{number // 256 % 250}.{number // 65536 % 250}.{number % 250}",
        "status": "IN_USE" if users else "RESERVED",
        "selfLink": f"{root}/{found.scope}/addresses/{found.name}",
        "networkTier": "PREMIUM",
        "labelFingerprint": fingerprint("labels", *sorted(found.labels)),
        "addressType": found.address_type,
    }
    optional: Json = {
        "region": f"{root}/{found.scope}" if found.region else None,
        "users": users,
        "labels": dict(found.labels),
        "ipVersion": found.ip_version,
        "ipCollection": found.ip_collection,
    }
    return resource | {name: value for name, value in optional.items() if value}


def _disk(project_id: str, scope: str, name: str, spec: DiskSpec, number: int) -> Json:
    place = f"{ROOT}/projects/{project_id}/{scope}"
    resource: Json = {
        "kind": "compute#disk",
        "id": str(number),
        "name": name,
        "sizeGb": str(spec.size_gib),
        "zone" if scope.startswith("zones/") else "region": place,
        "status": "READY",
        "selfLink": f"{place}/disks/{name}",
        "type": f"{place}/diskTypes/{spec.disk_type}",
        "labelFingerprint": fingerprint("labels"),
        "physicalBlockSizeBytes": "4096",
        "enableConfidentialCompute": False,
    }
    if spec.iops:
        resource["provisionedIops"] = str(spec.iops)
    if spec.throughput_mibps:
        resource["provisionedThroughput"] = str(spec.throughput_mibps)
    return resource


def _license(name: str) -> str:
    project_id, _, resource = name.partition("/")
    return f"{ROOT}/projects/{project_id}/global/licenses/{resource}"


def _attached(found: Disk, at: datetime) -> Json:
    return {
        "kind": "compute#attachedDisk",
        "type": "PERSISTENT",
        "mode": "READ_WRITE",
        "source": f"{ROOT}/projects/{found.project_id}/{found.scope}/disks/{found.name}",
        "deviceName": found.name,
        "boot": False,
        "autoDelete": False,
        "interface": "SCSI",
        "diskSizeGb": str(found.spec(at).size_gib),
    }


def _disks(vm: Vm, shape: MachineType, zone: str) -> list[Json]:
    boot: list[Json] = [
        {
            "kind": "compute#attachedDisk",
            "type": "PERSISTENT",
            "mode": "READ_WRITE",
            "source": f"{zone}/disks/{vm.name}",
            "deviceName": "persistent-disk-0",
            "index": 0,
            "boot": True,
            "autoDelete": True,
            "licenses": [_license(each) for each in vm.licenses],
            "interface": "SCSI",
            "guestOsFeatures": [{"type": name} for name in ("UEFI_COMPATIBLE", "VIRTIO_SCSI_MULTIQUEUE", "GVNIC")],
            "diskSizeGb": str(spec.size_gib),
            "shieldedInstanceInitialState": {},
            "architecture": shape.architecture,
        }
        for _, spec in own_disks(vm)[:1]
    ]
    data: list[Json] = [
        {
            "kind": "compute#attachedDisk",
            "type": "PERSISTENT",
            "mode": "READ_WRITE",
            "source": f"{zone}/disks/{name}",
            "deviceName": name,
            "boot": False,
            "autoDelete": True,
            "interface": "SCSI",
            "diskSizeGb": str(spec.size_gib),
        }
        for name, spec in own_disks(vm)[1:]
    ]
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
    return [*boot, *data, *scratch]


def _metadata_items(vm: Vm) -> list[Json]:
    if vm.metadata is not None:
        return [{"key": key, "value": value} if value else {"key": key} for key, value in vm.metadata]
    items: list[Json] = [{"key": "startup-script", "value": STARTUP_SCRIPT}]
    if vm.created_by is not None:
        template = f"projects/{vm.project_id}/global/instanceTemplates/{vm.created_by.rpartition('/')[2]}-v3"
        items = [{"key": "instance-template", "value": template}, {"key": "created-by", "value": vm.created_by}, *items]
    return items


def _network_interface(vm: Vm, status: str | None) -> Json:
    host = vm.instance_id % 250 + 2
    access: Json = {"kind": "compute#accessConfig", "type": "ONE_TO_ONE_NAT", "name": "External NAT"}
    if vm.address == "reserved" or status != "TERMINATED":
        access["natIP"] = f"34.{vm.instance_id // 256 % 250}.{vm.instance_id // 65536 % 250}.{host}"
    return {
        **({"accessConfigs": [access]} if vm.address else {}),
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
