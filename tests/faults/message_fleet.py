"""A fleet with something of everything that a plan has to tell apart; all of it stays, whatever the month."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from infra.local.fleet.fleet import STAGING_TIME, Fleet, Labels, Project, Run, Vm, instance_id
from infra.local.stack.stack import HOME_PROJECT

OWNER = Project(HOME_PROJECT, "760123984455")
OTHER = Project("web-frontend", "118805577321")
BEGAN = datetime(2026, 7, 1, tzinfo=UTC)
POOL = f"projects/{OWNER.number}/zones/us-central1-f/instanceGroupManagers/batch-pool"
GKE = f"projects/{OWNER.number}/zones/us-central1-f/instanceGroupManagers/gke-cluster-pool"
ZONES = ("us-central1-a", "us-central1-b", "europe-west1-b")
TYPES = ("e2-medium", "n2-standard-2", "n2-standard-8", "c2-standard-16", "n9-standard-4")

_PROTECTIONS = ("true", "", "do-not-stop", "2026-08-20", "2027-03-31-demo", "2026-13-45")
_NO_PROTECTIONS = ("false", "off", "2026-07-01")


def varied_fleet() -> Fleet:
    """VMs of two projects: of every priority, protected and not, in groups, in GKE, on demand."""
    return Fleet((OWNER, OTHER), tuple(_vms()))


def _vms() -> Iterator[Vm]:
    for number, priority in enumerate(("low", "low", "low", "LOW", None, None, "medium", "medium", "high", "urgent")):
        for team in ("etl", "web"):
            labels = {"team": team} | ({"priority": priority} if priority else {})
            yield _vm(OWNER, f"{team}-{number}", labels, number)
    for number, value in enumerate((*_PROTECTIONS, *_NO_PROTECTIONS)):
        labels = {"team": "etl", "priority": "low", "spotkeeper-protect": value}
        yield _vm(OWNER, f"protect-{number}", labels, number)
    yield _vm(OWNER, "gke-a", {"goog-gke-node": "", "team": "etl"}, 1)
    yield _vm(OWNER, "gke-b", {"team": "etl"}, 1, created_by=GKE)
    yield _vm(OWNER, "on-demand", {"team": "etl", "priority": "low"}, 2, model="STANDARD")
    for number in range(3):
        yield _vm(OWNER, f"pool-{number}", {"team": "etl", "priority": "low"}, 1, created_by=POOL)
        yield _vm(OTHER, f"other-{number}", {"team": "web", "priority": "low"}, number)


def _vm(  # noqa: PLR0913 (each says one thing about the VM)
    owner: Project,
    name: str,
    labels: Labels,
    number: int,
    *,
    model: str = "SPOT",
    created_by: str | None = None,
) -> Vm:
    zone = "us-central1-f" if created_by else ZONES[number % len(ZONES)]
    created = BEGAN - STAGING_TIME - timedelta(minutes=number)
    return Vm(
        project_id=owner.project_id,
        zone=zone,
        name=name,
        instance_id=instance_id(zone, name),
        created=created,
        runs=(Run(created + STAGING_TIME),),
        machine_types=((created, TYPES[number % len(TYPES)]),),
        labels=((created, labels),),
        provisioning_model=model,
        created_by=created_by,
    )
