import csv
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.pricing.machine_types import Sizes, sizes
from spotkeeper.pricing.reference_data import rows

MACHINE_TYPES = Path(__file__).parents[2].parent / "shared" / "data" / "machine_types"
real_machine_types = pytest.mark.skipif(
    not MACHINE_TYPES.is_dir(), reason=f"THE REAL MACHINE TYPES ARE NOT COMPARED: there is no {MACHINE_TYPES}"
)

NOT_IN_OUR_TABLE = ("ct", "tpu", "a4x-maxgpu-4g-metal", "m2-ultramemx-96", "m2-ultramem2x-96")
"""TPUs have prices of their own; the others cannot be bought by the hour, or how they are billed is not published."""
RETIRED = ("z3-highmem-88", "z3-highmem-176")


@pytest.mark.parametrize(
    ("machine_type", "expected"),
    [
        ("n2-standard-8", Sizes(Decimal(8), Decimal(32))),
        ("n1-highcpu-2", Sizes(Decimal(2), Decimal("1.8"))),
        ("m1-megamem-96", Sizes(Decimal(96), Decimal("1433.6"))),
        ("g2-standard-24", Sizes(Decimal(24), Decimal(96), "nvidia-l4", 2)),
        ("a2-ultragpu-1g", Sizes(Decimal(12), Decimal(170), "nvidia-a100-80gb", 1, 375)),
        ("c4a-standard-4-lssd", Sizes(Decimal(4), Decimal(16), local_ssd_gib=375)),
        ("e2-micro", Sizes(Decimal("0.25"), Decimal(1))),
        ("e2-small", Sizes(Decimal("0.5"), Decimal(2))),
        ("e2-medium", Sizes(Decimal(1), Decimal(4))),
        ("f1-micro", Sizes(Decimal(1), Decimal("0.6"))),
        ("g1-small", Sizes(Decimal(1), Decimal("1.7"))),
        ("custom-4-8192", Sizes(Decimal(4), Decimal(8))),
        ("custom-1-7680-ext", Sizes(Decimal(1), Decimal("7.5"))),
        ("n1-custom-4-8192", Sizes(Decimal(4), Decimal(8))),
        ("n2-custom-8-16384", Sizes(Decimal(8), Decimal(16))),
        ("n2-custom-8-16384-ext", Sizes(Decimal(8), Decimal(16))),
        ("n2d-custom-96-786432", Sizes(Decimal(96), Decimal(768))),
        ("n4a-custom-6-9472", Sizes(Decimal(6), Decimal("9.25"))),
        ("e2-custom-micro-1024", Sizes(Decimal("0.25"), Decimal(1))),
        ("e2-custom-small-2048", Sizes(Decimal("0.5"), Decimal(2))),
        ("e2-custom-medium-4096", Sizes(Decimal(1), Decimal(4))),
    ],
)
def test_a_name_tells_what_is_billed(machine_type: str, expected: Sizes) -> None:
    assert sizes(machine_type) == expected


@pytest.mark.parametrize(
    "malformed",
    [
        "",
        " ",
        "custom",
        "custom-",
        "custom-4",
        "custom-4-",
        "custom--8192",
        "custom-4-8192-",
        "custom-4-8192-EXT",
        "custom-4-8192-ext-ext",
        "custom-4-8192\n",
        " custom-4-8192",
        "custom-04-8192",
        "custom-4-08192",
        "custom-4.5-8192",
        "custom-4-8192.5",
        "custom-4--8192",
        "n2-custom-0-1024",
        "n2-custom-2-0",
        "n2-custom-1000-1024",
        "n2-custom-2-999999999",
        "-custom-4-8192",
        "2-custom-4-8192",
        "N2-custom-4-8192",
        "n2-custom-small-2048",
        "custom-micro-1024",
        "e2-custom-large-4096",
        "n2-custom-\u0661-1024",
        "n2-custom-1\u0662-1024",
        "n2-custom-2-1\uff10\uff12\uff14",
        "n2-st\u00e4ndard-8",
        "N2-STANDARD-8",
        "n2-standard-8 ",
        "n2-standard-7",
        "zones/us-central1-a/machineTypes/n2-standard-8",
    ],
)
def test_no_size_is_made_up_for_a_name_that_is_none(malformed: str) -> None:
    assert sizes(malformed) is None


@given(st.text(max_size=40))
def test_any_text_has_positive_sizes_or_none(text: str) -> None:
    found = sizes(text)

    assert found is None or (found.vcpus > 0 and found.memory_gib > 0)


@given(st.sampled_from(["", "n1-", "n2-", "n2d-", "e2-", "n4-"]), st.integers(1, 999), st.integers(1, 99_999_999))
def test_a_custom_type_has_the_sizes_in_its_name(family: str, vcpus: int, memory_mib: int) -> None:
    plain, extended = (sizes(f"{family}custom-{vcpus}-{memory_mib}{end}") for end in ("", "-ext"))

    assert plain == extended == Sizes(Decimal(vcpus), Decimal(memory_mib) / 1024)


def test_no_machine_type_is_listed_twice() -> None:
    names = [row["machine_type"] for row in rows("machine_types")]

    assert len(set(names)) == len(names)


def test_a_type_has_gpus_of_a_kind_or_none_at_all() -> None:
    odd = [row for row in rows("machine_types") if bool(row["gpu_type"]) != (row["gpu_count"] != "0")]

    assert odd == []


def test_a_type_has_local_ssd_when_its_name_says_so() -> None:
    with_lssd = {row["machine_type"] for row in rows("machine_types") if "lssd" in row["machine_type"]}
    without = {name for name in with_lssd if (size := sizes(name)) and not size.local_ssd_gib}

    assert without == {"a3-edgegpu-8g-nolssd", "a3-ultragpu-8g-nolssd"}


@real_machine_types
def test_all_machine_types_that_compute_engine_lists_are_known_with_their_sizes() -> None:
    listing = (MACHINE_TYPES / "machine_types_2026-07-01.csv").read_text(encoding="utf-8").splitlines()
    unknown, different = [], []
    for row in csv.DictReader(listing, delimiter=";"):
        found = sizes(row["NAME"])
        if found is None:
            unknown.append(row["NAME"])
        else:
            same_vcpus = row["SHARED_CPU"] == "True" or found.vcpus == Decimal(row["CPUS"])
            same_memory = abs(found.memory_gib - Decimal(row["MEMORY_GB"])) <= Decimal("0.005")
            different += [] if same_vcpus and same_memory else [row["NAME"]]

    assert [name for name in unknown if not name.startswith((*NOT_IN_OUR_TABLE, *RETIRED))] == []
    assert different == []


@real_machine_types
def test_the_billed_sizes_are_those_that_were_published_except_for_fractions_of_a_gpu() -> None:
    listing = (MACHINE_TYPES / "shapes_2026-07-30.csv").read_text(encoding="utf-8").splitlines()
    different = []
    for row in csv.DictReader(listing):
        published = (
            Decimal(row["vcpu_billed"]),
            Decimal(row["ram_gib"]),
            Decimal(row["gpu_count"] or 0),
            Decimal(row["local_ssd_gib"] or 0),
        )
        found = sizes(row["machine_type"])
        if found is None or _billed(found) != published:
            different.append(row["machine_type"])

    assert sorted(different) == ["g4-standard-12", "g4-standard-24", "g4-standard-6"]


def _billed(found: Sizes) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    return found.vcpus, found.memory_gib, Decimal(found.gpu_count), Decimal(found.local_ssd_gib)
