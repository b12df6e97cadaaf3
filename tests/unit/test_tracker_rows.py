"""The rows that a run stages by the hundred thousand are written as text; they say what an encoder of JSON would."""

import json
from copy import deepcopy
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.gcp.bigquery.instance_rows import fingerprint
from spotkeeper.gcp.bigquery.kinds import Kinds, RowKinds
from spotkeeper.gcp.bigquery.tracker_rows import staged
from spotkeeper.instances import CONFIDENTIAL, Attachments, Disk, Instance, InstanceKey, ProvisioningModel, Shape
from spotkeeper.pricing.attached_prices import NOTHING_ATTACHED, AttachedPrice, AttachedPrices, AttachedStatus
from spotkeeper.pricing.price_book import InstancePrice, PriceStatus
from spotkeeper.tracking.billing import Billed
from spotkeeper.tracking.costs import Usage, cost_row, hourly_rates
from spotkeeper.tracking.disks import DayPrice, DiskKind, DiskSighting, ListedDisk
from spotkeeper.tracking.inventory import Observation
from spotkeeper.tracking.ports import Record

NOON = datetime(2026, 7, 21, 12, tzinfo=UTC)
KEY = InstanceKey("data-platform", "europe-west4-a", "4611686018427387904")
PLAIN = Instance(KEY, "worker-1", ProvisioningModel.SPOT, Shape("n2-standard-4", Decimal(4), Decimal("16.0")))
ODD = Instance(
    KEY,
    'a "name" \\ of ünï \u2028 \U0001f680',
    ProvisioningModel.STANDARD,
    Shape("odd-\t1", None, None, "nvidia-l4", 2, 375),
    (("priorität", ""), ("team", 'x"y')),
    "projects/1/zones/z/instanceGroupManagers/g",
    Attachments(
        (
            Disk("pd-balanced", Decimal(100)),
            Disk("hyperdisk-balanced", Decimal("0.5"), 6000, 300, regional=True, users=2, special=CONFIDENTIAL),
        ),
        2,
        ("windows-cloud/windows-server-2022-dc",),
        tier_1=True,
        reserved_addresses=1,
    ),
)
DIFFERENT = (
    PLAIN,
    PLAIN._replace(name="worker-2"),
    PLAIN._replace(key=KEY._replace(instance_id="5")),
    PLAIN._replace(key=KEY._replace(zone="europe-west4-b")),
    PLAIN._replace(key=KEY._replace(project_id="data-platform-2")),
    PLAIN._replace(provisioning_model=ProvisioningModel.STANDARD),
    PLAIN._replace(shape=replace(PLAIN.shape, memory_gib=Decimal(32))),
    PLAIN._replace(shape=replace(PLAIN.shape, gpu_type="null", gpu_count=1)),
    PLAIN._replace(shape=replace(PLAIN.shape, local_ssd_gib=375)),
    PLAIN._replace(labels=(("team", ""),)),
    PLAIN._replace(labels=(("team", "null"),)),
    PLAIN._replace(managed_by="null"),
    PLAIN._replace(attachments=replace(PLAIN.attachments, disks=())),
    PLAIN._replace(attachments=replace(PLAIN.attachments, licenses=())),
    PLAIN._replace(attachments=replace(PLAIN.attachments, addresses=0)),
    PLAIN._replace(attachments=replace(PLAIN.attachments, tier_1=False)),
    PLAIN._replace(attachments=replace(PLAIN.attachments, reserved_addresses=1)),
    ODD,
)
DISKS = "pd-balanced=100 hyperdisk-balanced=0.5,iops=6000,throughput=300,regional,users=2,special=confidential"
ATTACHED: dict[str, dict[str, object]] = {
    PLAIN.name: {"addresses": None, "disks": None, "licenses": None, "reserved_addresses": 0, "tier_1": None},
    ODD.name: {
        "addresses": 2,
        "disks": DISKS,
        "licenses": "windows-cloud/windows-server-2022-dc",
        "reserved_addresses": 1,
        "tier_1": True,
    },
}
PRICES = AttachedPrices(
    AttachedPrice(Decimal("0.3"), AttachedStatus.EXACT, skus=("CORES-1", "GPUS-1")),
    AttachedPrice(Decimal("0.0025"), AttachedStatus.FALLBACK, skus=("IP-1",)),
    AttachedPrice(None, AttachedStatus.UNKNOWN, 'no "rule"'),
    NOTHING_ATTACHED,
)


def without_nulls(row: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if value is not None}


def row_of(record: Record, run_id: str = "run", recorded_at: str = "now") -> dict[str, Any]:
    """A record as it is staged, with what its kinds say."""
    lines: list[str] = []
    found: dict[str, Any] = json.loads(staged(record, run_id, recorded_at, RowKinds.staged_in(lines)))
    kinds = dict(each for line in lines for each in json.loads(line).items())
    [(column, row)] = found.items()
    for name in ("vm_kind", "cost_kind"):
        if name in row:
            assert row.pop(name) == kinds[name].pop("kind_id")
            row = kinds[name] | row
    return {column: row}


def plain(instance: Instance) -> dict[str, object]:
    shape = asdict(instance.shape)
    return {
        **instance.key._asdict(),
        "region": instance.region,
        "instance_name": instance.name,
        "provisioning_model": instance.provisioning_model.value,
        "labels": [{"key": key, "value": value} for key, value in instance.labels],
        "managed_by": instance.managed_by,
        **ATTACHED[instance.name],
        **{name: str(value) if isinstance(value, Decimal) else value for name, value in shape.items()},
    }


@pytest.mark.parametrize("instance", [PLAIN, ODD])
def test_an_observation_is_that_of_an_encoder(instance: Instance) -> None:
    assert row_of(Observation(instance, NOON, NOON, None, NOON)) == {
        "observation": {
            **without_nulls(plain(instance)),
            "first_seen": "2026-07-21T12:00:00Z",
            "last_seen": "2026-07-21T12:00:00Z",
            "started_at": None,
            "created_at": "2026-07-21T12:00:00Z",
            "fingerprint": fingerprint(instance),
        }
    }


def test_fingerprints_are_equal_for_equal_instances_only() -> None:
    found = [fingerprint(each) for each in DIFFERENT]

    assert len(set(found)) == len(DIFFERENT)
    assert [fingerprint(deepcopy(each)) for each in DIFFERENT] == found


@pytest.mark.parametrize("instance", DIFFERENT)
def test_the_fingerprint_of_an_instance_with_unknown_disks_is_how_those_of_it_with_any_disks_begin(
    instance: Instance,
) -> None:
    unknown = fingerprint(instance._replace(attachments=replace(instance.attachments, disks=None)))

    for disks in ((), (Disk("pd-ssd", Decimal(10)),)):
        known = fingerprint(instance._replace(attachments=replace(instance.attachments, disks=disks)))
        assert known.startswith(unknown)
        assert known != unknown


@pytest.mark.parametrize("instance", [PLAIN, ODD])
@pytest.mark.parametrize(
    ("price", "spot", "cost"),
    [
        (
            InstancePrice(Decimal("0.0472"), Decimal("0.19424"), PriceStatus.EXACT, NOON, "", ("CORE-1",)),
            "0.047200000",
            983_333,
        ),
        (InstancePrice(None, Decimal("0.19424"), PriceStatus.UNKNOWN, None, 'no "rate"'), None, None),
    ],
)
def test_a_cost_row_is_that_of_an_encoder(
    instance: Instance, price: InstancePrice, spot: str | None, cost: int | None
) -> None:
    usage = Usage(instance, NOON, NOON + timedelta(hours=1), 30.5)

    assert row_of(
        cost_row(usage, Billed(75.0, 90.0), hourly_rates(price, PRICES)), 'run"1', "2026-07-21T13:07:00Z"
    ) == {
        "cost": {
            **without_nulls(plain(instance)),
            "usage_start_time": "2026-07-21T12:00:00Z",
            "usage_end_time": "2026-07-21T13:00:00Z",
            "uptime_hours": 8_472_222,
            "billed_hours": 20_833_333,
            **({"spot_price": spot} if spot else {}),
            "ondemand_price": "0.194240000",
            "cost": cost,
            "ondemand_cost": 4_046_667,
            "currency": "USD",
            "price_status": price.status.value,
            **({"price_reason": price.reason} if price.reason else {}),
            **({"price_as_of": "2026-07-21T12:00:00Z"} if price.as_of else {}),
            **({"compute_skus": " ".join(price.skus)} if price.skus else {}),
            "license_skus": "CORES-1 GPUS-1",
            "address_skus": "IP-1",
            "license_cost": 7_500_000,
            "license_status": "exact",
            "address_cost": 21_181,
            "address_status": "fallback",
            "disk_cost": None,
            "disk_status": "unknown",
            "bandwidth_cost": 0,
            "bandwidth_status": "none",
            "attached_reason": 'disk: no "rule"',
            "run_id": 'run"1',
            "recorded_at": "2026-07-21T13:07:00Z",
        }
    }


@pytest.mark.parametrize(
    ("disk", "disk_cost"),
    [(NOTHING_ATTACHED, 0), (AttachedPrice(None, AttachedStatus.UNKNOWN, "no rule"), None)],
)
def test_a_cost_row_whose_attachments_cost_the_same_in_every_hour_has_what_is_said_of_them(
    disk: AttachedPrice, disk_cost: int | None
) -> None:
    price = InstancePrice(Decimal("0.0472"), Decimal("0.19424"), PriceStatus.EXACT, NOON)
    rates = hourly_rates(price, AttachedPrices(NOTHING_ATTACHED, NOTHING_ATTACHED, disk, NOTHING_ATTACHED))
    usage = Usage(PLAIN, NOON, NOON + timedelta(hours=1), 3.6)

    row = row_of(cost_row(usage, Billed(3.6, 3.6), rates))["cost"]

    assert {name: value for name, value in row.items() if name.endswith(("_cost", "_hours")) or name == "cost"} == {
        "uptime_hours": 1_000_000,
        "cost": 47_200,
        "ondemand_cost": 194_240,
        "license_cost": 0,
        "address_cost": 0,
        "disk_cost": disk_cost,
        "bandwidth_cost": 0,
    }
    assert (row["disk_status"], row.get("attached_reason")) == (
        disk.status,
        f"disk: {disk.reason}" if disk.reason else None,
    )


def test_a_disk_is_that_of_an_encoder() -> None:
    disk = Disk("hyperdisk-balanced", Decimal("0.5"), 6000, 300, regional=True, users=2, special=CONFIDENTIAL)
    labels = (("priorität", ""), ("team", 'x"y'))
    listed = ListedDisk("data-platform", "europe-west4", "71", 'a "disk" ü', disk, NOON, labels=labels)
    users = tuple(
        PLAIN._replace(key=KEY._replace(instance_id=name), name=f'{name} "ü"', provisioning_model=model)
        for name, model in (("3", ProvisioningModel.STANDARD), ("2", ProvisioningModel.SPOT))
    )
    price = AttachedPrice(Decimal("0.0012"), AttachedStatus.FALLBACK, 'no "rate"', ("D-1", "D-2"))
    days = (DayPrice(NOON, NOON + timedelta(hours=12), price),)
    attached = (users, users[:1], users[1:], users[:1], ())
    kind = DiskKind(listed.project_id, listed.place, disk, NOON, NOON + timedelta(hours=1), days)

    lines: list[str] = []
    kinds = RowKinds.staged_in(lines)
    rows = [json.loads(staged(DiskSighting(listed, some, kind), "run", "now", kinds)) for some in attached]
    [described] = map(json.loads, lines)

    assert described["disk_kind"] == {
        "kind_id": 0,
        "project_id": "data-platform",
        "place": "europe-west4",
        "region": "europe-west4",
        "disk_type": "hyperdisk-balanced",
        "size_gib": "0.5",
        "provisioned_iops": 6000,
        "provisioned_throughput_mibps": 300,
        "regional": True,
        "special": CONFIDENTIAL,
        "since": "2026-07-21T12:00:00Z",
        "seen_at": "2026-07-21T13:00:00Z",
        "days": [
            {
                "day_start": "2026-07-21T12:00:00Z",
                "day_end": "2026-07-22T00:00:00Z",
                "price": "0.0012",
                "price_status": "fallback",
                "price_reason": 'no "rate"',
                "skus": "D-1 D-2",
            }
        ],
    }
    assert [row["disk"] for row in rows] == [
        {
            "kind_id": 0,
            "disk_id": "71",
            "disk_name": 'a "disk" ü',
            "attached_to": [
                {
                    "instance_id": each.key.instance_id,
                    "instance_name": each.name,
                    "provisioning_model": each.provisioning_model,
                }
                for each in some
            ],
            "labels": [{"key": key, "value": value} for key, value in labels],
            "created_at": "2026-07-21T12:00:00Z",
        }
        for some in attached
    ]


def a_disk_kind(**changes: Any) -> DiskKind:  # noqa: ANN401 (any field)
    price = AttachedPrice(Decimal("0.0012"), AttachedStatus.EXACT, "", ("D-1",))
    days = (DayPrice(NOON, NOON + timedelta(hours=1), price),)
    disk = Disk("pd-balanced", Decimal(9))
    kind = DiskKind("data-platform", "europe-west4-a", disk, NOON, NOON + timedelta(hours=1), days)
    return replace(kind, **changes)


def test_a_row_of_a_disk_has_no_spaces_and_leaves_out_what_is_null() -> None:
    kind = a_disk_kind()
    plain = ListedDisk("data-platform", "europe-west4-a", "71", "plain", kind.disk, NOON)
    detached = plain._replace(last_detached=NOON + timedelta(minutes=1))

    lines: list[str] = []
    rows = [staged(DiskSighting(each, (), kind), "run", "now", RowKinds.staged_in(lines)) for each in (plain, detached)]

    assert not any(" " in row for row in (*rows, *lines))
    found = [json.loads(row)["disk"] for row in rows]
    assert {"labels", "last_detached_at"}.isdisjoint(found[0])
    assert "special" not in json.loads(lines[0])["disk_kind"]
    assert found[1] == {**found[0], "last_detached_at": "2026-07-21T12:01:00Z"}


def test_alike_disks_share_a_kind_and_others_do_not() -> None:
    kind = a_disk_kind()
    others: list[dict[str, Any]] = [
        {"project_id": "ci-runners"},
        {"place": "europe-west4-b"},
        {"since": NOON + timedelta(minutes=1)},
        {"seen": NOON + timedelta(hours=2)},
        {"prices": ()},
        *(
            {"disk": replace(kind.disk, **change)}
            for change in (
                {"disk_type": "pd-ssd"},
                {"size_gib": Decimal(10)},
                {"iops": 1},
                {"throughput_mibps": 1},
                {"regional": True},
                {"special": CONFIDENTIAL},
            )
        ),
    ]
    kinds = [kind, *(replace(kind, **change) for change in others)]

    listed, lines = ListedDisk("data-platform", "europe-west4-a", "71", "plain", kind.disk, NOON), list[str]()
    staged_kinds = RowKinds.staged_in(lines)

    numbers = [
        json.loads(staged(DiskSighting(listed, (), each), "run", "now", staged_kinds))["disk"]["kind_id"]
        for each in (*kinds, *(replace(each) for each in kinds))
    ]

    assert numbers == [*range(len(kinds)), *range(len(kinds))]
    assert [json.loads(line)["disk_kind"]["kind_id"] for line in lines] == [*range(len(kinds))]


def test_what_alike_vms_and_costs_share_is_staged_once() -> None:
    price = InstancePrice(Decimal("0.0472"), Decimal("0.19424"), PriceStatus.EXACT, NOON)
    rates, lines = hourly_rates(price, PRICES), list[str]()
    kinds = RowKinds.staged_in(lines)
    vms = [PLAIN._replace(key=KEY._replace(instance_id=str(number)), name=f"worker-{number}") for number in range(3)]
    costs = [
        cost_row(Usage(vm, at, at + timedelta(hours=1), 60.0), Billed(60.0, 60.0), rates)
        for vm in (*vms, PLAIN._replace(labels=(("team", "a"),)))
        for at in (NOON, NOON + timedelta(hours=1))
    ]

    rows = [json.loads(staged(each, "run", "now", kinds))["cost"] for each in costs]

    assert [(row["vm_kind"], row["cost_kind"]) for row in rows] == [(0, 0), (0, 1)] * 3 + [(1, 0), (1, 1)]
    assert [next(iter(json.loads(line))) for line in lines] == ["cost_kind", "vm_kind", "cost_kind", "vm_kind"]
    assert not {*rows[0]} & {*json.loads(lines[1])["vm_kind"]}


def test_of_many_kinds_each_row_refers_to_its_own_and_only_some_are_kept() -> None:
    lines: list[str] = []
    kinds = Kinds("vm_kind", lines)
    described = [f'"name":"{number % 10_000}"' for number in range(15_000)]

    numbers = [kinds.number(each) for each in described]

    rows = [json.loads(line)["vm_kind"] for line in lines]
    assert [(row["kind_id"], f'"name":"{row["name"]}"') for row in rows] == list(zip(numbers, described, strict=True))
    assert len(lines) == len({*numbers}) == 15_000


SECONDS = st.floats(0, 3600) | st.integers(0, 3600).map(float) | st.decimals(0, 3600, places=6).map(float)
USD = st.none() | st.decimals(Decimal("-0.5"), Decimal(1000), places=9)


@given(SECONDS, SECONDS, SECONDS, st.tuples(*(USD,) * 6))
def test_the_amounts_of_a_row_are_the_exact_ones_rounded_once(
    ran: float, billed: float, licensed: float, usd: tuple[Decimal | None, ...]
) -> None:
    spot, ondemand, *attached = usd
    price = InstancePrice(spot, ondemand, PriceStatus.EXACT, NOON)
    rates = hourly_rates(price, AttachedPrices(*(AttachedPrice(each, AttachedStatus.EXACT) for each in attached)))
    usage = Usage(PLAIN, NOON, NOON + timedelta(hours=1), ran)

    row = cost_row(usage, Billed(billed, licensed), rates)

    charged = zip((spot, ondemand, *attached), (billed, billed, licensed, ran, ran, billed), strict=True)
    exact = [None if usd is None else nine_decimals(Fraction(usd), seconds) for usd, seconds in charged]
    cost, _, *of_attached = exact
    parts = [cost, *of_attached]
    known = sum((part for part in parts if part is not None), Decimal(0))
    amounts = {
        "uptime_hours": nine_decimals(Fraction(1), ran),
        "billed_hours": nine_decimals(Fraction(1), billed),
        **dict(zip(AMOUNTS, exact, strict=True)),
    }
    staged_row = row_of(row)["cost"]
    assert {"billed_hours": staged_row["uptime_hours"], **staged_row}.items() >= {
        name: None if amount is None else int(amount.scaleb(9)) for name, amount in amounts.items()
    }.items()
    assert (row.known_cost, row.total_cost) == (known, None if None in parts else known)


AMOUNTS = ("cost", "ondemand_cost", "license_cost", "address_cost", "disk_cost", "bandwidth_cost")


def nine_decimals(usd_per_hour: Fraction, seconds: float) -> Decimal:
    """What seconds come to, as they are written, rounded half up."""
    exact = Fraction(repr(seconds)) / 3600 * usd_per_hour
    return Decimal(floor(exact * 10**9 + Fraction(1, 2))).scaleb(-9)


def test_rows_of_the_same_price_in_two_runs_and_two_hours_have_their_own_times() -> None:
    rates = hourly_rates(InstancePrice(Decimal("0.0472"), None, PriceStatus.EXACT, NOON), PRICES)
    later = NOON + timedelta(hours=1)

    rows = [
        row_of(cost_row(Usage(PLAIN, at, at + timedelta(hours=1), 60.0), Billed(60.0, 60.0), rates), run, now)
        for at, run, now in ((NOON, "run1", "now"), (later, "run1", "now"), (later, "run2", "then"))
    ]

    assert [(row["cost"]["usage_start_time"], row["cost"]["run_id"], row["cost"]["recorded_at"]) for row in rows] == [
        ("2026-07-21T12:00:00Z", "run1", "now"),
        ("2026-07-21T13:00:00Z", "run1", "now"),
        ("2026-07-21T13:00:00Z", "run2", "then"),
    ]
