"""The fleet of the demo: a month of a company that trains models, runs a web shop and loads a warehouse.

On the last afternoon a sweep of GPU VMs is left running. Nothing is drawn by chance.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from infra.local.fleet.fleet import Fleet, Gpu, Run, Vm
from infra.local.fleet.scenario import DATA, PROJECTS, RESEARCH, WEB, moment, one_vm, successive_vms, team_labels

MONTH_START = moment("01 00:00:00") - timedelta(days=7)
"""Wednesday, 24 June: the first hour that the demo records."""

AFTERNOON = moment("22 12:00:00")
"""Noon in UTC of the day on which the sweep is left running."""

SWEEP = "sweep-131"
SWEEP_START = moment("22 13:20:00")
SWEEP_VMS = 8
SWEEP_SCOPE = "zones/europe-west4-b"
TRAINING_RUN = "finetune-7b"
EXPERIMENT = "finetune-4"

_BEFORE = MONTH_START - timedelta(days=3)
_DAYS = tuple(MONTH_START + timedelta(days=number) for number in range(29))
_WORKDAYS = tuple(day for day in _DAYS if day.weekday() < 5)  # noqa: PLR2004 (Saturday)
_VISION = team_labels("vision", "detector", "cc-100", "high", "detector-v3")
_LANGUAGE = team_labels("language", "assistant", "cc-110", "high")
_SHOP = team_labels("storefront", "shop", "cc-200", "high")
_SEARCH = team_labels("search", "index", "cc-210", "medium")
_ETL = team_labels("etl", "warehouse", "cc-300", "medium")
_REPORTING = team_labels("reporting", "dashboards", "cc-310", "medium")
_CI = team_labels("storefront", "ci", "cc-200", "low")
_TRAINING_HOURS = ((9, 17.7), (17.95, 28.2), (28.5, 39.2))
"""The three attempts at a training run, in hours of its first day: two of them end with a preemption."""

_BUILDS_PER_DAY = 10
_FIRST_BUILD = 4500


def company_fleet() -> Fleet:
    """The fleet of the demo, from before its first hour to the end of the month."""
    return Fleet(PROJECTS, (*_research(), *_sweep(), *_web(), *_builds(), *_data(), *_nightly(), *_not_spot()))


def training_attempts(monday: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the start and the end of each attempt at the training run that began on this Monday."""
    for start, end in _TRAINING_HOURS:
        yield monday + timedelta(hours=start), monday + timedelta(hours=end)


def _research() -> list[Vm]:
    detector = one_vm(
        RESEARCH,
        "us-central1-a",
        "train-detector",
        "n1-standard-8",
        _VISION,
        start=_BEFORE,
        gpu=Gpu("nvidia-tesla-t4", 1),
    )
    assistants = [
        one_vm(RESEARCH, "europe-west4-a", f"assistant-{number}", "g2-standard-8", _LANGUAGE, start=_BEFORE)
        for number in (1, 2)
    ]
    notebooks = [
        one_vm(
            RESEARCH,
            "us-east1-c",
            f"notebook-{number}",
            "n2d-standard-8",
            team_labels("vision", "notebooks", "cc-100", "medium"),
            runs=tuple(
                Run(day + timedelta(hours=7, minutes=9 * number), day + timedelta(hours=17, minutes=11 * number))
                for day in _WORKDAYS
            ),
        )
        for number in (1, 2)
    ]
    return [detector, *assistants, *notebooks, *_training_runs(), *_earlier_sweep()]


def _training_runs() -> Iterator[Vm]:
    """Yield the VMs of the training runs, one run a week: each attempt but the last is preempted."""
    for number, monday in enumerate((day for day in _DAYS if day.weekday() == 0), 1):
        attempts = list(training_attempts(monday))
        for start, end in attempts:
            labels = team_labels("language", "assistant", "cc-110", "medium", f"finetune-{number}")
            yield one_vm(
                RESEARCH,
                "europe-west4-a",
                f"{TRAINING_RUN}-{number}",
                "a2-highgpu-1g",
                labels,
                start=start,
                end=end,
                preempted=end != attempts[-1][1],
                deleted=True,
            )


def _earlier_sweep() -> list[Vm]:
    labels = team_labels("vision", "detector", "cc-100", "low", "sweep-118")
    start = moment("09 08:30:00")
    return [
        one_vm(
            RESEARCH,
            "europe-west4-b",
            f"sweep-118-{number}",
            "g2-standard-8",
            labels,
            start=start,
            end=start + timedelta(hours=3, minutes=4 * number),
            deleted=True,
        )
        for number in range(1, 5)
    ]


def _sweep() -> list[Vm]:
    """The members of a group that an autoscaler keeps at its size."""
    labels = team_labels("vision", "detector", "cc-100", "low", SWEEP)
    return [
        one_vm(
            RESEARCH,
            "europe-west4-b",
            f"{SWEEP}-{number}",
            "a2-highgpu-1g",
            labels,
            start=SWEEP_START + timedelta(seconds=7 * number),
            created_by=f"projects/{RESEARCH.number}/{SWEEP_SCOPE}/instanceGroupManagers/{SWEEP}",
        )
        for number in range(1, SWEEP_VMS + 1)
    ]


def _web() -> list[Vm]:
    zonal = f"projects/{WEB.number}/zones/us-east1-b/instanceGroupManagers/api-mig"
    regional = f"projects/{WEB.project_id}/regions/europe-west1/instanceGroupManagers/web-rmig"
    members = (("b", "k3xw"), ("c", "p90d"), ("d", "zz1q"))
    taken = (moment("03 08:41:20"), moment("14 19:02:50"))
    shop = replace(
        one_vm(WEB, "us-east1-d", "storefront-win", "n2-standard-8", _SHOP, start=_BEFORE),
        licenses=("windows-cloud/windows-server-2019-dc",),
        address="ephemeral",
    )
    return [
        *(
            one_vm(WEB, "us-east1-b", f"api-mig-{suffix}", "e2-standard-4", _SHOP, start=_BEFORE, created_by=zonal)
            for suffix in ("4r7t", "b81m")
        ),
        *successive_vms(
            WEB,
            "us-east1-b",
            "api-mig-9bcd",
            "e2-standard-4",
            _SHOP,
            (
                (_BEFORE, taken[0]),
                (taken[0] + timedelta(seconds=102), taken[1]),
                (taken[1] + timedelta(seconds=96), None),
            ),
            created_by=zonal,
        ),
        *(
            one_vm(
                WEB,
                f"europe-west1-{letter}",
                f"web-rmig-{suffix}",
                "n2-standard-2",
                _SHOP,
                start=_BEFORE,
                created_by=regional,
            )
            for letter, suffix in members
        ),
        *(
            one_vm(WEB, "us-central1-b", f"search-{number}", "n2-highmem-8", _SEARCH, start=_BEFORE)
            for number in (1, 2)
        ),
        replace(
            one_vm(WEB, "us-east1-c", "load-test", "t2d-standard-4", {"project": "shop"}, start=moment("13 09:00:00")),
            user="sam@example.com",
        ),
        shop,
    ]


def _builds() -> Iterator[Vm]:
    """Yield the VMs of CI builds, each of which lives for some minutes; the asset inventory does not know one."""
    builds = [
        day + timedelta(hours=8, minutes=47 * number + 3 * day.day % 40)
        for day in _WORKDAYS
        for number in range(_BUILDS_PER_DAY)
    ]
    for number, start in enumerate(builds, _FIRST_BUILD):
        yield one_vm(
            WEB,
            "us-central1-b",
            f"ci-{number}",
            "e2-standard-4",
            _CI | {"build": str(number)},
            start=start,
            end=start + timedelta(minutes=11 + number * 7 % 13),
            deleted=True,
            has_history=number != _FIRST_BUILD + 64,
        )


def _data() -> list[Vm]:
    node = _ETL | {"goog-gke-node": "", "goog-k8s-cluster-name": "etl", "goog-k8s-node-pool-name": "spot-pool"}
    pool = f"projects/{DATA.number}/zones/us-central1-b/instanceGroupManagers/gke-etl-spot-pool-6f1c2a9e-grp"
    return [
        *(
            one_vm(
                DATA,
                "us-central1-b",
                f"gke-etl-spot-pool-6f1c2a9e-{suffix}",
                "n2d-standard-8",
                node,
                start=_BEFORE,
                created_by=pool,
            )
            for suffix in ("1xq8", "7jjm")
        ),
        one_vm(DATA, "us-central1-c", "warehouse-loader", "n2-standard-8", _ETL, start=_BEFORE),
        one_vm(DATA, "us-central1-a", "dashboards", "c2d-standard-8", _REPORTING, start=_BEFORE),
        one_vm(DATA, "europe-west4-b", "shuffle-ssd", "n2-standard-8", _ETL, start=_BEFORE, attached_local_ssds=2),
        one_vm(
            DATA,
            "europe-west1-b",
            "backfill",
            "c3-standard-8",
            _ETL | {"spotkeeper-protect": "2026-08-15-backfill"},
            start=moment("20 06:00:00"),
        ),
        one_vm(DATA, "us-central1-f", "early-adopter", "n9-standard-4", _REPORTING, start=moment("22 09:00:00")),
    ]


def _nightly() -> Iterator[Vm]:
    """Yield the workers of the nightly load; every fifth night one is preempted and made again."""
    for night, day in enumerate(_DAYS):
        start, end = day + timedelta(hours=1), day + timedelta(hours=4, minutes=20 + night % 5 * 6)
        for number in range(1, 5):
            cut = start + timedelta(hours=1, minutes=13 * number)
            is_preempted = (night + number) % 5 == 0
            lives = ((start, cut), (cut + timedelta(seconds=130), end)) if is_preempted else ((start, end),)
            for life in lives:
                yield one_vm(
                    DATA,
                    "us-central1-a",
                    f"etl-worker-{number}",
                    "c2d-standard-8",
                    _ETL,
                    start=life[0],
                    end=life[1],
                    preempted=life[1] == cut,
                    deleted=True,
                )


def _not_spot() -> list[Vm]:
    labels = team_labels("storefront", "shop", "cc-200")
    return [
        one_vm(WEB, zone, name, machine_type, labels, start=_BEFORE, provisioning_model="STANDARD")
        for zone, name, machine_type in (
            ("us-east1-b", "bastion", "e2-micro"),
            ("europe-west1-b", "db-primary", "n2-highmem-8"),
        )
    ]
