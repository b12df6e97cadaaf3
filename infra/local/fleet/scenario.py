"""The fleets the emulators serve: the small one in which everything happens, and big ones for load tests.

The small one spans two days. Its VMs are scanned in minute 7 of every hour; its special cases stand below by name,
the rest is drawn from the seed.
"""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from infra.local.fleet.fleet import (
    FLEET_START,
    STAGING_TIME,
    STOPPING_TIME,
    DiskSpec,
    Fleet,
    Gap,
    Gpu,
    Labels,
    Project,
    Run,
    Vm,
    instance_id,
)

RESEARCH = Project("research-ml", "415104041262")
WEB = Project("web-frontend", "928374650123")
DATA = Project("data-platform", "760123984455")
PROJECTS = (RESEARCH, WEB, DATA)

ZONES = (
    *(f"us-central1-{letter}" for letter in "abcf"),
    *(f"{region}-{letter}" for region in ("us-east1", "europe-west1") for letter in "bcd"),
    *(f"{region}-{letter}" for region in ("europe-west4", "asia-east1") for letter in "abc"),
)
NOT_SOLD = {"t2a-standard-4": ("asia-east1", "europe-west1")}

ORDINARY_TYPES = (
    "n1-standard-8",
    "n2-standard-8",
    "n2-standard-8",
    "n2-highmem-8",
    "n2-standard-2",
    "n2d-standard-8",
    "n2d-highmem-8",
    "e2-medium",
    "e2-standard-4",
    "c2-standard-16",
    "c2d-standard-8",
    "c3-standard-8",
    "c4-standard-8",
    "t2d-standard-4",
    "t2a-standard-4",
)
TEAMS = {
    "research-ml": (("vision", "cc-100"), ("language", "cc-110")),
    "web-frontend": (("storefront", "cc-200"), ("search", "cc-210")),
    "data-platform": (("etl", "cc-300"), ("reporting", "cc-310")),
}
ORDINARY_VMS = 54
LICENSES = {
    "web-frontend": ("windows-cloud/windows-server-2019-dc",),
    "data-platform": ("rhel-cloud/rhel-9-server",),
}
"""The operating systems that the important VMs of a project run, whose licenses cost; they have an address, too."""

LICENSED_TYPES = frozenset({"n1-standard-8", "n2-standard-8", "n2-highmem-8", "n2d-standard-8", "n2-standard-2"})
BEFORE = FLEET_START - timedelta(hours=20)


def living_fleet(seed: int = 1) -> Fleet:
    """The small fleet in which everything happens that can happen to a Spot VM."""
    special = [*_research(), *_web(), *_data(), *_not_spot()]
    return Fleet(PROJECTS, (*special, *_ordinary(random.Random(seed))))  # noqa: S311 (a scenario, not a secret)


def synthetic_fleet(vms: int, projects: int = 1, start: datetime = FLEET_START, *, attached: bool = True) -> Fleet:
    """A fleet of any size for load tests: all Spot and long running; every tenth starts half an hour late.

    Each VM has two disks and every other one an address, unless nothing is to be attached.
    """
    owners = tuple(Project(f"load-{number:03}", str(100_000_000_000 + number)) for number in range(projects))
    types = tuple(name for name in ORDINARY_TYPES if name not in NOT_SOLD)
    births = (start + timedelta(minutes=30), *(start - timedelta(days=1),) * 9)
    fleet = tuple(_synthetic(owners, types, births, number) for number in range(vms))
    return Fleet(owners, fleet if attached else tuple(replace(vm, disks=(), address="") for vm in fleet))


def _synthetic(owners: tuple[Project, ...], types: tuple[str, ...], births: tuple[datetime, ...], number: int) -> Vm:
    ordinal, owner = divmod(number, len(owners))
    created = births[ordinal % len(births)]
    return Vm(
        project_id=owners[owner].project_id,
        zone=ZONES[ordinal % len(ZONES)],
        name=f"load-{number:06}",
        instance_id=2**62 + number * 7919,
        created=created,
        runs=(Run(created + STAGING_TIME),),
        machine_types=((created, types[ordinal % len(types)]),),
        labels=((created, {"team": f"team-{ordinal % 20}", "priority": "low"}),),
        disks=(DiskSpec(), DiskSpec("pd-ssd", 100 + ordinal % 7 * 50)),
        address="ephemeral" if ordinal % 2 else "",
    )


def moment(text: str) -> datetime:
    """Return a moment of the scenario from its day of July 2026 and time: `21 14:23:17`."""
    return datetime.strptime(f"2026-07-{text}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)


def one_vm(  # noqa: PLR0913 (each says one thing about the VM)
    project: Project,
    zone: str,
    name: str,
    machine_type: str,
    labels: Labels,
    *,
    start: datetime = BEFORE,
    end: datetime | None = None,
    preempted: bool = False,
    deleted: bool = False,
    provisioning_model: str = "SPOT",
    legacy_preemptible: bool = False,
    gpu: Gpu | None = None,
    attached_local_ssds: int = 0,
    created_by: str | None = None,
    runs: tuple[Run, ...] | None = None,
    gaps: tuple[Gap, ...] = (),
    has_history: bool = True,
) -> Vm:
    """One VM that runs once, from `start` to `end`, unless its runs are given."""
    runs = runs if runs is not None else (Run(start, end, preempted=preempted),)
    created = runs[0].start - STAGING_TIME if runs else start
    return Vm(
        project_id=project.project_id,
        zone=zone,
        name=name,
        instance_id=instance_id(project.project_id, zone, name, created),
        created=created,
        runs=runs,
        machine_types=((created, machine_type),),
        labels=((created, labels),),
        deleted=end + STOPPING_TIME if deleted and end is not None else None,
        provisioning_model=provisioning_model,
        legacy_preemptible=legacy_preemptible,
        gpu=gpu,
        attached_local_ssds=attached_local_ssds,
        created_by=created_by,
        gaps=gaps,
        has_history=has_history,
    )


def team_labels(team: str, project: str, cost_center: str, priority: str = "", experiment: str = "") -> dict[str, str]:
    labels = {"team": team, "project": project, "cost_center": cost_center}
    return labels | ({"priority": priority} if priority else {}) | ({"experiment": experiment} if experiment else {})


def successive_vms(  # noqa: PLR0913, PLR0917 (as above)
    project: Project,
    zone: str,
    name: str,
    machine_type: str,
    labels: Labels,
    lives: tuple[tuple[datetime, datetime | None], ...],
    created_by: str | None = None,
) -> list[Vm]:
    """One name and several VMs: each but the last is preempted and gone, and the next has another id."""
    return [
        one_vm(
            project,
            zone,
            name,
            machine_type,
            labels,
            start=start,
            end=end,
            preempted=end is not None,
            deleted=True,
            created_by=created_by,
        )
        for start, end in lives
    ]


def _research() -> list[Vm]:
    vision = team_labels("vision", "resnet", "cc-100", "high", "exp-042")
    language = team_labels("language", "llm-distill", "cc-110", "medium", "exp-107")
    sweep = team_labels("vision", "resnet", "cc-100", "low", "exp-043")
    relabelled = one_vm(
        RESEARCH, "us-east1-c", "notebook-relabelled", "n2d-standard-8", team_labels("vision", "eda", "cc-100")
    )
    return [
        one_vm(RESEARCH, "us-central1-a", "trainer-t4", "n1-standard-8", vision, gpu=Gpu("nvidia-tesla-t4", 1)),
        one_vm(RESEARCH, "europe-west4-b", "trainer-t4x2", "n1-highmem-8", sweep, gpu=Gpu("nvidia-tesla-t4", 2)),
        *successive_vms(
            RESEARCH,
            "us-central1-c",
            "trainer-a100",
            "a2-highgpu-1g",
            vision,
            ((BEFORE, moment("21 14:23:17")), (moment("21 14:31:05"), None)),
        ),
        one_vm(RESEARCH, "europe-west4-a", "infer-l4", "g2-standard-8", language),
        *successive_vms(
            RESEARCH,
            "us-central1-a",
            "sweep-worker-1",
            "n2-standard-8",
            sweep,
            (
                (BEFORE, moment("21 03:47:12")),
                (moment("21 03:55:40"), moment("21 11:19:51")),
                (moment("21 11:21:09"), moment("22 07:02:33")),
                (moment("22 07:15:00"), None),
            ),
        ),
        one_vm(
            RESEARCH,
            "us-central1-b",
            "probe-20min",
            "e2-standard-4",
            sweep,
            start=moment("21 10:12:30"),
            end=moment("21 10:32:30"),
            deleted=True,
        ),
        one_vm(
            RESEARCH,
            "us-central1-b",
            "probe-untraced",
            "e2-standard-4",
            sweep,
            start=moment("21 13:20:00"),
            end=moment("21 13:40:00"),
            deleted=True,
            has_history=False,
        ),
        replace(
            relabelled,
            labels=(
                *relabelled.labels,
                (moment("21 10:40:00"), team_labels("language", "eda", "cc-110", "medium")),
            ),
        ),
        one_vm(
            RESEARCH,
            "us-central1-f",
            "gappy",
            "n2-standard-2",
            sweep,
            gaps=(
                Gap(moment("21 15:05:00"), moment("21 15:12:00")),
                Gap(moment("21 17:55:00"), moment("21 18:05:00")),
            ),
        ),
        one_vm(RESEARCH, "us-east1-b", "early-bird", "n9-standard-4", language),
        one_vm(RESEARCH, "us-central1-a", "protected-run", "c2-standard-16", vision | {"spotkeeper-protect": "true"}),
        one_vm(RESEARCH, "asia-east1-b", "unlabelled", "n2-standard-8", {}),
        one_vm(
            RESEARCH,
            "us-central1-a",
            "midnight-starter",
            "c4-standard-8",
            language,
            start=moment("21 23:59:30"),
            end=moment("22 12:00:00"),
        ),
    ]


def _web() -> list[Vm]:
    storefront = team_labels("storefront", "shop", "cc-200", "high")
    search = team_labels("search", "index", "cc-210", "low")
    zonal = f"projects/{WEB.number}/zones/us-east1-b/instanceGroupManagers/api-mig"
    regional = f"projects/{WEB.project_id}/regions/europe-west1/instanceGroupManagers/web-rmig"
    members = [("b", "k3xw"), ("c", "p90d"), ("d", "zz1q")]
    return [
        one_vm(WEB, "us-east1-b", "api-mig-4r7t", "e2-standard-4", storefront, created_by=zonal),
        *successive_vms(
            WEB,
            "us-east1-b",
            "api-mig-9bcd",
            "e2-standard-4",
            storefront,
            ((BEFORE, moment("21 08:41:20")), (moment("21 08:43:02"), None)),
            created_by=zonal,
        ),
        *(
            one_vm(
                WEB, f"europe-west1-{letter}", f"web-rmig-{suffix}", "n2-standard-2", storefront, created_by=regional
            )
            for letter, suffix in members
        ),
        one_vm(WEB, "europe-west1-c", "tiny-e2", "e2-micro", search),
        one_vm(WEB, "us-east1-d", "tiny-f1", "f1-micro", search),
        one_vm(WEB, "europe-west1-d", "protected-cache", "n2-highmem-8", storefront | {"spotkeeper-protect": "true"}),
        one_vm(WEB, "us-east1-c", "no-team", "t2d-standard-4", {"project": "shop", "cost_center": "cc-200"}),
        one_vm(WEB, "us-central1-f", "arm-build", "t2a-standard-4", search),
        one_vm(WEB, "europe-west4-c", "steady-eu", "n2-standard-8", search),
        one_vm(WEB, "us-central1-b", "steady-us", "n2-standard-8", search),
        one_vm(
            WEB,
            "us-east1-b",
            "stopped-at-noon",
            "n2d-standard-8",
            search,
            runs=(Run(BEFORE, moment("21 12:00:00")), Run(moment("22 09:30:00"))),
        ),
        one_vm(
            WEB,
            "europe-west1-b",
            "asleep-at-night",
            "n2d-standard-8",
            search,
            runs=(Run(BEFORE, moment("21 20:00:00"), suspended=True), Run(moment("22 06:00:00"))),
        ),
        one_vm(WEB, "us-central1-b", "parked", "n2-standard-8", search, end=FLEET_START - timedelta(hours=3)),
    ]


def _data() -> list[Vm]:
    etl = team_labels("etl", "warehouse", "cc-300", "medium")
    reporting = team_labels("reporting", "dashboards", "cc-310", "low")
    node = etl | {"goog-gke-node": "", "goog-k8s-cluster-name": "etl", "goog-k8s-node-pool-name": "spot-pool"}
    pool = f"projects/{DATA.number}/zones/us-central1-b/instanceGroupManagers/gke-etl-spot-pool-6f1c2a9e-grp"
    resized = one_vm(
        DATA,
        "us-central1-c",
        "etl-resized",
        "n2-standard-8",
        etl,
        runs=(Run(BEFORE, moment("21 12:20:00")), Run(moment("21 13:40:00"))),
    )
    return [
        *(
            one_vm(DATA, "us-central1-b", f"gke-etl-spot-pool-6f1c2a9e-{end}", "n2d-standard-8", node, created_by=pool)
            for end in ("1xq8", "7jjm")
        ),
        *successive_vms(
            DATA,
            "us-central1-b",
            "gke-etl-spot-pool-6f1c2a9e-v2w4",
            "n2d-standard-8",
            node,
            ((BEFORE, moment("22 01:10:11")), (moment("22 01:11:40"), None)),
            created_by=pool,
        ),
        replace(
            resized,
            machine_types=(*resized.machine_types, (moment("21 13:20:00"), "n2-highmem-8")),
        ),
        one_vm(DATA, "us-central1-a", "twin", "c2d-standard-8", reporting),
        one_vm(DATA, "europe-west1-b", "twin", "c2d-standard-8", etl),
        one_vm(DATA, "us-central1-f", "custom-n2", "n2-custom-8-16384", etl),
        one_vm(DATA, "asia-east1-c", "custom-n1", "custom-4-8192", reporting),
        one_vm(DATA, "us-central1-a", "shuffle-lssd", "c3-standard-8-lssd", etl),
        one_vm(DATA, "europe-west4-b", "shuffle-ssd", "n2-standard-8", etl, attached_local_ssds=2),
        one_vm(DATA, "asia-east1-a", "protected-backfill", "c3-standard-8", etl | {"spotkeeper-protect": "true"}),
        one_vm(
            DATA,
            "asia-east1-a",
            "legacy-preemptible",
            "n1-standard-4",
            reporting,
            start=moment("21 06:00:00"),
            end=moment("22 05:58:21"),
            preempted=True,
            provisioning_model="",
            legacy_preemptible=True,
        ),
        one_vm(
            DATA,
            "asia-east1-b",
            "legacy-preemptible-standard",
            "n1-standard-4",
            {},
            start=moment("22 02:15:00"),
            end=moment("22 21:30:00"),
            preempted=True,
            provisioning_model="STANDARD",
            legacy_preemptible=True,
        ),
        one_vm(
            DATA,
            "europe-west4-a",
            "twenty-minutes",
            "n2-highmem-8",
            reporting,
            start=moment("22 15:25:10"),
            end=moment("22 15:45:10"),
            deleted=True,
        ),
    ]


def _not_spot() -> list[Vm]:
    on_demand = {"team": "storefront", "project": "shop", "cost_center": "cc-200"}
    return [
        one_vm(WEB, "us-east1-b", "bastion", "e2-micro", on_demand, provisioning_model="STANDARD"),
        one_vm(WEB, "europe-west1-b", "db-primary", "n2-highmem-8", on_demand, provisioning_model="STANDARD"),
        one_vm(DATA, "us-central1-a", "scheduler", "e2-medium", {}, provisioning_model="STANDARD"),
        one_vm(RESEARCH, "us-central1-c", "flex-start", "g2-standard-8", {}, provisioning_model="FLEX_START"),
    ]


def _ordinary(chance: random.Random) -> list[Vm]:
    """VMs that come and go as chance has it, the same for the same seed."""
    vms: list[Vm] = []
    for number in range(ORDINARY_VMS):
        project = PROJECTS[number % len(PROJECTS)]
        machine_type = chance.choice(ORDINARY_TYPES)
        zone = chance.choice([z for z in ZONES if z[:-2] not in NOT_SOLD.get(machine_type, ())])
        team, cost_center = chance.choice(TEAMS[project.project_id])
        labels = team_labels(team, f"{team}-{number % 3}", cost_center, chance.choice(("", "low", "medium", "high")))
        name = f"{team}-{number:02}"
        lives = successive_vms(project, zone, name, machine_type, labels, _drawn_lives(chance))
        licenses = LICENSES.get(project.project_id)
        if licenses and labels.get("priority") == "high" and machine_type in LICENSED_TYPES:
            lives = [replace(vm, licenses=licenses, address="ephemeral") for vm in lives]
        vms += lives
    return vms


def _drawn_lives(chance: random.Random) -> tuple[tuple[datetime, datetime | None], ...]:
    start = FLEET_START + timedelta(seconds=chance.randrange(-24 * 3600, 40 * 3600))
    lives: list[tuple[datetime, datetime | None]] = []
    while chance.random() < 0.5:  # noqa: PLR2004 (an even chance of one more preemption)
        end = start + timedelta(seconds=chance.randrange(1800, 18 * 3600))
        lives.append((start, end))
        start = end + timedelta(seconds=chance.randrange(90, 3600))
    comes_back = not lives or chance.random() < 0.7  # noqa: PLR2004 (three in ten are not made again)
    return (*lives, (start, None)) if comes_back else tuple(lives)
