"""The emulator's fleet: everything a Spot VM can go through is in it, and its figures agree with each other."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.emulators.catalog import DATA
from infra.local.fleet.fleet import FLEET_END, FLEET_START, STOPPING_TIME, Fleet, Vm
from infra.local.fleet.lifecycle import started, stopped
from infra.local.fleet.machine_types import machine_types, read_csv
from infra.local.fleet.scenario import living_fleet, synthetic_fleet

FLEET = living_fleet()
LOOKS = [FLEET_START + timedelta(hours=hour, minutes=7) for hour in range(49)]
SECONDS = st.integers(min_value=-3600, max_value=48 * 3600)


def the(name: str) -> Vm:
    """The only VM of this name."""
    (found,) = [vm for vm in FLEET.vms if vm.name == name]
    return found


def all_named(name: str) -> list[Vm]:
    """Every VM of this name, oldest first."""
    return sorted((vm for vm in FLEET.vms if vm.name == name), key=lambda vm: vm.created)


def test_the_same_seed_makes_the_same_fleet() -> None:
    assert living_fleet(1) == FLEET
    assert living_fleet(2) != FLEET


def test_the_fleet_is_as_large_and_as_mixed_as_promised() -> None:
    spot = [vm for vm in FLEET.vms if vm.is_spot and vm.running_seconds(FLEET_START, FLEET_END)]
    assert len(spot) >= 60
    assert len({vm.project_id for vm in spot}) == 3
    assert {len(project.number) for project in FLEET.projects} == {12}
    assert len({vm.region for vm in spot}) == 5
    assert len({name for vm in spot for _, name in vm.machine_types}) >= 14
    assert all(name in machine_types() for vm in FLEET.vms for _, name in vm.machine_types)


def test_ids_are_unique_and_some_exceed_a_signed_64_bit_number() -> None:
    ids = [vm.instance_id for vm in FLEET.vms]
    assert len(ids) == len(set(ids))
    assert all(0 < number < 2**64 for number in ids)
    assert any(number > 2**63 for number in ids)


def test_no_two_vms_of_one_name_and_zone_exist_at_once() -> None:
    for look in LOOKS:
        counted = Counter((vm.project_id, vm.zone, vm.name) for vm in FLEET.vms if vm.exists(look))
        assert max(counted.values()) == 1


def test_labels_are_sometimes_missing() -> None:
    labels = [vm.labels_at(FLEET_START) for vm in FLEET.vms if vm.is_spot]
    assert any(not held for held in labels)
    assert any(held and "team" not in held for held in labels)
    for key in ("team", "project", "experiment", "cost_center", "priority", "spotkeeper-protect"):
        assert any(key in held for held in labels), key


def test_a_preempted_vm_comes_back_under_its_name_with_another_id() -> None:
    lives = all_named("sweep-worker-1")
    assert len({vm.instance_id for vm in lives}) == 4
    assert [vm.runs[-1].preempted for vm in lives] == [True, True, True, False]
    assert {operation.vm.name for operation in FLEET.preemptions("research-ml", FLEET_END)} >= {
        "sweep-worker-1",
        "trainer-a100",
    }
    assert not list(FLEET.preemptions("research-ml", FLEET_START - timedelta(days=30)))


@pytest.mark.parametrize("name", ["probe-20min", "probe-untraced", "twenty-minutes"])
def test_some_vms_live_twenty_minutes_between_two_looks(name: str) -> None:
    vm = the(name)
    assert vm.running_seconds(FLEET_START, FLEET_END) == 20 * 60
    assert not any(vm.exists(look) for look in LOOKS)


def test_one_short_lived_vm_has_no_history() -> None:
    assert [vm.name for vm in FLEET.vms if not vm.has_history] == ["probe-untraced"]


def test_members_of_groups_know_who_made_them() -> None:
    makers = {vm.created_by for vm in FLEET.vms if vm.created_by}
    assert "projects/928374650123/zones/us-east1-b/instanceGroupManagers/api-mig" in makers
    assert "projects/web-frontend/regions/europe-west1/instanceGroupManagers/web-rmig" in makers
    nodes = [vm for vm in FLEET.vms if vm.name.startswith("gke-")]
    assert nodes
    assert all("goog-gke-node" in vm.labels_at(vm.created) and vm.created_by for vm in nodes)


def test_not_everything_is_spot() -> None:
    assert not the("bastion").is_spot
    assert not the("flex-start").is_spot
    assert the("legacy-preemptible").is_spot
    assert the("legacy-preemptible").provisioning_model == ""
    assert the("legacy-preemptible-standard").provisioning_model == "STANDARD"
    assert the("legacy-preemptible-standard").is_spot


def test_labels_and_machine_types_change() -> None:
    relabelled, resized = the("notebook-relabelled"), the("etl-resized")
    assert relabelled.labels_at(datetime(2026, 7, 21, 10, 39, 59, tzinfo=UTC))["team"] == "vision"
    assert relabelled.labels_at(datetime(2026, 7, 21, 10, 40, tzinfo=UTC))["team"] == "language"
    changed = resized.machine_types[1][0]
    assert resized.status(changed) == "TERMINATED"
    assert (resized.machine_type(changed - timedelta(seconds=1)), resized.machine_type(changed)) == (
        "n2-standard-8",
        "n2-highmem-8",
    )


def test_shapes_say_what_is_priced() -> None:
    assert the("tiny-e2").shape(FLEET_START).billed_vcpus == Decimal("0.25")
    assert the("trainer-t4x2").gpus(FLEET_START) == the("trainer-t4x2").gpu
    a100 = all_named("trainer-a100")[0].gpus(FLEET_START)
    assert a100 is not None
    assert (a100.gpu_type, a100.count) == ("nvidia-tesla-a100", 1)
    assert the("shuffle-ssd").local_ssd_gib(FLEET_START) == the("shuffle-lssd").local_ssd_gib(FLEET_START) == 750
    assert the("custom-n2").shape(FLEET_START).memory_gib == 16
    assert the("early-bird").machine_type(FLEET_START) == "n9-standard-4"


def test_every_spot_vm_but_the_one_too_new_has_its_core_priced_where_it_is() -> None:
    """Families by the name of their component: `custom-…` is N1's, a shared-core f1-micro has one price."""

    def component(machine_type: str) -> str:
        family, _, size = machine_type.partition("-")
        if machine_type == "f1-micro":
            return machine_type
        return "n1-custom.core" if family == "custom" else f"{family}{'-custom' * size.startswith('custom')}.core"

    sold = {(row["component"], row["region"]) for row in read_csv(DATA / "component_rates.csv")}
    unsold = {
        vm.name
        for vm in FLEET.vms
        for _, machine_type in vm.machine_types
        if vm.is_spot and (component(machine_type), vm.region) not in sold
    }
    assert unsold == {"early-bird"}


def test_two_vms_share_a_name_in_two_zones() -> None:
    assert {vm.zone for vm in all_named("twin")} == {"us-central1-a", "europe-west1-b"}


def test_stopped_vms_stay_and_deleted_ones_vanish() -> None:
    noon = datetime(2026, 7, 21, 12, tzinfo=UTC)
    assert the("stopped-at-noon").status(noon - timedelta(seconds=1)) == "RUNNING"
    assert the("stopped-at-noon").status(noon) == "STOPPING"
    assert the("stopped-at-noon").status(noon + timedelta(hours=1)) == "TERMINATED"
    assert the("asleep-at-night").status(datetime(2026, 7, 22, tzinfo=UTC)) == "SUSPENDED"
    assert the("parked").status(FLEET_END) == "TERMINATED"
    assert the("probe-20min").status(FLEET_END) is None


def test_a_vm_is_made_before_it_runs() -> None:
    vm = the("midnight-starter")
    start = vm.runs[0].start
    seconds = [-21, -20, -16, -1, 0]
    statuses = [vm.status(start + timedelta(seconds=second)) for second in seconds]
    assert statuses == [None, "PROVISIONING", "STAGING", "STAGING", "RUNNING"]


@pytest.mark.parametrize("vm", FLEET.vms, ids=lambda vm: f"{vm.name}-{vm.instance_id}")
def test_points_add_up_to_the_running_time_less_the_gaps(vm: Vm) -> None:
    lost = sum((vm.running_seconds(gap.after, gap.until) for gap in vm.gaps), start=Decimal(0))
    points = [seconds for _, seconds in vm.uptime_points(FLEET_START, FLEET_END)]
    assert sum(points) == vm.running_seconds(FLEET_START, FLEET_END) - lost
    assert sum(points) == vm.uptime_seconds(FLEET_START, FLEET_END)
    assert all(0 < seconds <= 60 for seconds in points)


@given(st.sampled_from(FLEET.vms), SECONDS, st.integers(min_value=0, max_value=3 * 3600))
def test_the_sum_of_any_stretch_is_the_sum_of_its_points(vm: Vm, offset: int, length: int) -> None:
    start = FLEET_START + timedelta(seconds=offset)
    end = start + timedelta(seconds=length)
    points = list(vm.uptime_points(start, end))
    assert vm.uptime_seconds(start, end) == sum(seconds for _, seconds in points)
    assert all(start < stamp <= end for stamp, _ in points)


@given(st.sampled_from(FLEET.vms), SECONDS)
def test_a_description_changes_only_where_it_says_so(vm: Vm, offset: int) -> None:
    moment = FLEET_START + timedelta(seconds=offset)
    if not vm.exists(moment):
        return
    since = max(change for change in vm.changes() if change <= moment)
    for seen in (vm.status, vm.machine_type, vm.labels_at, vm.started, vm.stopped):
        assert seen(since) == seen(moment)


def test_a_changed_vm_takes_the_place_of_the_old_one() -> None:
    old = the("bastion")
    changed = synthetic_fleet(1).vms[0]
    new = Vm(old.project_id, old.zone, old.name, old.instance_id, old.created, (), changed.machine_types, old.labels)
    fleet: Fleet = FLEET.replaced([new])
    assert new in fleet.vms
    assert old not in fleet.vms
    assert len(fleet.vms) == len(FLEET.vms)


def test_vms_that_are_new_or_gone_keep_the_fleet_in_order() -> None:
    old = the("bastion")
    new = replace(old, instance_id=7, zone="us-central1-a")
    fleet = FLEET.replaced([new], gone=[old])
    assert fleet.by_id(7) is new
    assert fleet.by_id(old.instance_id) is None
    assert new in fleet.of_project("web-frontend")
    assert [vm.place for vm in fleet.vms] == sorted(vm.place for vm in fleet.vms)
    assert fleet.of_project("research-ml") == FLEET.of_project("research-ml")


def test_a_changed_vm_is_found_every_way() -> None:
    old = the("bastion")
    new = replace(old, shown_status="HOVERING")
    fleet = FLEET.replaced([new])
    assert fleet.named(old.project_id, old.zone, old.name) == (new,)
    assert fleet.by_id(old.instance_id) is new
    assert new in fleet.of_project(old.project_id)
    assert fleet == Fleet(FLEET.projects, tuple(new if vm is old else vm for vm in FLEET.vms))
    assert FLEET.by_id(old.instance_id) is old


def test_every_life_of_a_name_is_found_oldest_first() -> None:
    assert list(FLEET.named("research-ml", "us-central1-a", "sweep-worker-1")) == all_named("sweep-worker-1")
    assert FLEET.named("research-ml", "us-central1-a", "sweep-worker") == ()


@given(st.sampled_from(FLEET.vms), SECONDS, st.integers(min_value=0, max_value=600))
def test_a_vm_that_is_stopped_is_up_until_then_and_terminated_from_the_end(vm: Vm, offset: int, length: int) -> None:
    stopped_at = FLEET_START + timedelta(seconds=offset)
    terminated_at = stopped_at + timedelta(seconds=length)
    if vm.created > stopped_at or (vm.deleted is not None and vm.deleted <= stopped_at):
        return
    after = stopped(vm, stopped_at, terminated_at)
    week = timedelta(days=7)
    assert after.running_seconds(FLEET_START - week, stopped_at) == vm.running_seconds(FLEET_START - week, stopped_at)
    assert after.running_seconds(stopped_at, stopped_at + week) == 0
    assert after.status(terminated_at + STOPPING_TIME) == "TERMINATED"
    assert after.changes() == sorted(after.changes())


@given(st.sampled_from(FLEET.vms), SECONDS)
def test_a_vm_that_is_started_runs_from_then_on(vm: Vm, offset: int) -> None:
    stopped_at = FLEET_START + timedelta(seconds=offset)
    if vm.created > stopped_at:
        return
    after = started(stopped(vm, stopped_at, stopped_at), stopped_at + timedelta(hours=1))
    assert after.running_seconds(stopped_at, stopped_at + timedelta(hours=3)) == 2 * 3600
    assert after.status(stopped_at + timedelta(days=9)) == "RUNNING"


def test_a_fleet_of_a_hundred_thousand_is_made_quickly() -> None:
    fleet = synthetic_fleet(100_000, projects=10)
    assert len(fleet.vms) == len({vm.instance_id for vm in fleet.vms}) == 100_000
    assert {len(fleet.of_project(project.project_id)) for project in fleet.projects} == {10_000}
    hour = (FLEET_START, FLEET_START + timedelta(hours=1))
    assert {vm.uptime_seconds(*hour) for vm in fleet.vms[:1000]} == {Decimal(3600), Decimal(1780)}
