from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest

from spotkeeper.pricing.catalog import read_catalog
from spotkeeper.pricing.reference_data import rows
from spotkeeper.pricing.skus import CatalogReading, RateUnit
from tests.unit.sku_samples import CORE, GPU, ON_DEMAND, RAM, SPOT, components, reasons, sku_of, the_component

WORDINGS = [(row["component"], RateUnit(row["unit"]), row["wording"]) for row in rows("components")]
PLACES = [
    *(f"{link} {place}" for link in (" running in", " in") for place in ("Americas", "Sydney", "Netherlands")),
    " running in Northern Virginia",
    " running in São Paulo",
    " running in Montréal",
    "",
]
CASES: list[Callable[[str], str]] = [str.upper, str.lower]
MARKET_WORDINGS: dict[str, tuple[str, Callable[[str], str]]] = {
    "on-demand": ("OnDemand", lambda wording: wording),
    "preemptible of 2021": ("Preemptible", lambda wording: f"Preemptible {wording}"),
    "Spot": ("Preemptible", lambda wording: f"Spot Preemptible {wording}"),
    "attached, of 2021": ("Preemptible", lambda wording: f"{wording} attached to Preemptible VMs"),
    "attached to Spot": ("Preemptible", lambda wording: f"{wording} attached to Spot Preemptible VMs"),
    "no market at all": ("Preemptible", lambda wording: wording),
}


@pytest.mark.parametrize("market_wording", MARKET_WORDINGS)
def test_every_wording_is_its_own_component_in_every_market_and_place(market_wording: str) -> None:
    usage_type, words = MARKET_WORDINGS[market_wording]
    misread = []

    spelled = [(place, str) for place in PLACES] + [(" running in São Paulo", case) for case in CASES]
    for (component, unit, wording), (place, case) in product(WORDINGS, spelled):
        sku = replace(sku_of(unit, case(words(wording) + place)), usage_type=usage_type)
        if [(rate.component, rate.unit) for rate in read_catalog([sku]).rates] != [(component, unit)]:
            misread.append(sku.description)

    assert misread == []


def test_no_wording_belongs_to_two_components() -> None:
    wordings = [wording.casefold() for _, _, wording in WORDINGS]

    assert len(set(wordings)) == len(wordings)


def test_a_component_has_one_unit() -> None:
    units = {(component, unit) for component, unit, _ in WORDINGS}

    assert len(units) == len({component for component, _ in units})


def test_no_wording_is_an_ignored_sku_too() -> None:
    ignored_skus = [row["words"] for row in rows("ignored_skus")]

    assert [
        (ignored_sku, wording)
        for ignored_sku, (_, _, wording) in product(ignored_skus, WORDINGS)
        if ignored_sku in wording.casefold()
    ] == []


def test_a_wording_with_a_word_more_at_either_end_is_not_matched() -> None:
    matched = [
        wording
        for component, unit, wording in WORDINGS
        if component
        in components(sku_of(unit, f"New {wording} running in Iowa"), sku_of(unit, f"{wording} New running in Iowa"))
    ]

    assert matched == []


@pytest.mark.parametrize(
    ("description", "component"),
    [
        ("N1 Predefined Instance Core running in Americas", "n1:core"),
        ("N1 Predefined Instance Ram running in Americas", "n1:ram"),
        ("Custom Instance Core running in Americas", "n1-custom:core"),
        ("Custom Instance Ram running in Americas", "n1-custom:ram"),
    ],
)
def test_n1_is_predefined_and_its_custom_types_are_bare_custom(description: str, component: str) -> None:
    n1 = replace(CORE, resource_group="N1Standard", usage_unit="GiBy.h" if component.endswith("ram") else "h")

    assert the_component(description, n1) == component


@pytest.mark.parametrize(
    ("description", "component"),
    [
        ("Custom Instance Ram running in Americas", "n1-custom:ram"),
        ("Custom Extended Instance Ram running in Americas", "n1-custom:ram-extended"),
        ("N2 Custom Instance Ram running in Americas", "n2-custom:ram"),
        ("N2 Custom Extended Instance Ram running in Americas", "n2-custom:ram-extended"),
        ("N2D AMD Custom Instance Ram running in Americas", "n2d-custom:ram"),
        ("N2D AMD Custom Extended Instance Ram running in Americas", "n2d-custom:ram-extended"),
        ("N2D AMD Custom Extended Ram running in Americas", "n2d-custom:ram-extended"),
        ("E2 Custom Instance Ram running in Americas", "e2-custom:ram"),
        ("N4 Custom Instance Ram running in Americas", "n4-custom:ram"),
        ("N4A Custom Instance Ram running in Iowa", "n4a-custom:ram"),
        ("N4D Custom Instance Ram running in Iowa", "n4d-custom:ram"),
    ],
)
def test_custom_types_have_rates_of_their_own_and_others_for_extended_memory(description: str, component: str) -> None:
    assert the_component(description, RAM) == component


@pytest.mark.parametrize(
    "description", ["Compute optimized Core running in Americas", "Compute optimized Instance Core running in Jakarta"]
)
def test_c2_is_spelled_in_two_ways(description: str) -> None:
    assert the_component(description) == "c2:core"


@pytest.mark.parametrize(
    ("description", "component"),
    [
        ("Memory-optimized Instance Core running in Americas", "m1:core"),
        (
            "Memory Optimized Upgrade Premium for Memory-optimized Instance Core running in Americas",
            "m2-premium:core",
        ),
        ("M3 Memory-optimized Instance Core running in Americas", "m3:core"),
        ("M4 Instance Core running in Americas", "m4:core"),
        ("M4N Instance Core running in Americas", "m4n:core"),
        ("M4Ultramem224 Instance Core running in Americas", "m4-ultramem-224:core"),
        ("M4NUltramem224 Instance Core running in Iowa", "m4n-ultramem-224:core"),
        ("M4NUltramem224Instance Core running in Iowa", "m4n-ultramem-224:core"),
        ("Z4D-HIGHMEM-HIGHLSSD Instance Core running in Iowa", "z4d-highlssd:core"),
        ("Z4D-HIGHMEM-STANDARDLSSD Instance Core running in Iowa", "z4d-standardlssd:core"),
        ("A3 Instance Core running in Americas", "a3:core"),
        ("A3Plus Instance Core running in Americas", "a3plus:core"),
        ("A3Mega Instance Core running in Americas", "a3plus:core"),
        ("A3Ultra Instance Core running in Americas", "a3ultra:core"),
    ],
)
def test_families_whose_names_contain_one_another_are_kept_apart(description: str, component: str) -> None:
    assert the_component(description) == component


@pytest.mark.parametrize(
    ("description", "component"),
    [
        (f"{words} Instance Core running in Iowa", f"{family}:core")
        for words, family in [
            ("N2", "n2"),
            ("N2D AMD", "n2d"),
            ("N2 Custom", "n2-custom"),
            ("N2D AMD Custom", "n2d-custom"),
            ("N4", "n4"),
            ("N4A", "n4a"),
            ("N4D", "n4d"),
            ("C3", "c3"),
            ("C3D", "c3d"),
            ("C4", "c4"),
            ("C4A Arm", "c4a"),
            ("C4D", "c4d"),
            ("C4N", "c4n"),
        ]
    ],
)
def test_no_family_swallows_another_that_begins_like_it(description: str, component: str) -> None:
    assert the_component(description) == component


@pytest.mark.parametrize(
    ("wording", "component"),
    [
        ("Nvidia Tesla T4 GPU", "gpu:nvidia-tesla-t4"),
        ("Nvidia Tesla A100 GPU", "gpu:nvidia-tesla-a100"),
        ("Nvidia Tesla A100 80GB GPU", "gpu:nvidia-a100-80gb"),
        ("Nvidia H100 80GB GPU", "gpu:nvidia-h100-80gb"),
        ("Nvidia H100 80GB Mega GPU", "gpu:nvidia-h100-mega-80gb"),
        ("Nvidia H100 80GB Plus GPU", "gpu:nvidia-h100-mega-80gb"),
        ("H200 141GB GPU", "gpu:nvidia-h200-141gb"),
        ("Nvidia H100 Mega 80GB GPU", "gpu:nvidia-h100-mega-80gb"),
        ("RTX 6000 96GB", "gpu:nvidia-rtx-pro-6000"),
        ("1/8 vGPU no lssd", "g4:gpu-eighth"),
    ],
)
def test_gpus_are_skus_of_their_own_and_named_in_more_than_one_way(wording: str, component: str) -> None:
    spot = replace(
        GPU, usage_type="Preemptible", description=f"{wording} attached to Spot Preemptible VMs running in Iowa"
    )
    on_demand = replace(GPU, description=f"{wording} running in Iowa")

    rates = read_catalog([spot, on_demand]).rates

    assert [(rate.component, rate.market) for rate in rates] == [(component, ON_DEMAND), (component, SPOT)]


@pytest.mark.parametrize(
    ("description", "usage_type", "component"),
    [
        ("SSD backed Local Storage", "OnDemand", "local-ssd"),
        ("SSD backed Local Storage in Northern Virginia", "OnDemand", "local-ssd"),
        ("SSD backed Local Storage attached to Spot Preemptible VMs", "Preemptible", "local-ssd"),
        ("SSD backed Local Storage attached to Spot Preemptible VMs in Sydney", "Preemptible", "local-ssd"),
        ("C4 Instance Local SSD running in Iowa", "OnDemand", "c4:local-ssd"),
        ("Spot Preemptible C4D Instance Local SSD running in Iowa", "Preemptible", "c4d:local-ssd"),
        ("vGPU G4 Instance Local SSD running in Oregon", "OnDemand", "g4-fraction:local-ssd"),
        ("Z4D-HIGHMEM-HIGHLSSD Instance Local SSD running in Iowa", "OnDemand", "z4d-highlssd:local-ssd"),
    ],
)
def test_local_ssd_is_ordinary_or_that_of_a_family(description: str, usage_type: str, component: str) -> None:
    ssd = replace(RAM, resource_group="LocalSSD", usage_type=usage_type, usage_unit="GiBy.mo")

    assert the_component(description, ssd) == component


@pytest.mark.parametrize(
    ("group", "description", "component"),
    [
        ("F1Micro", "Micro Instance with burstable CPU running in Americas", "f1-micro:instance"),
        ("G1Small", "Small Instance with 1 VCPU running in Americas", "g1-small:instance"),
    ],
)
def test_a_shared_core_instance_of_the_first_generation_is_one_flat_rate(
    group: str, description: str, component: str
) -> None:
    (rate,) = read_catalog([replace(CORE, resource_group=group, description=description)]).rates

    assert (rate.component, rate.unit) == (component, RateUnit.INSTANCE_HOUR)


@pytest.mark.parametrize(
    "description",
    [
        "Sole Tenancy Instance Core running in Iowa",
        "N2 Sole Tenancy Instance Core running in Iowa",
        "M3 Memory-optimized Sole Tenancy Instance Core running in Frankfurt",
        "Sole Tenancy Premium for N4A Sole Tenancy Instance Core running in Iowa",
        "Reserved N4D Core in Iowa",
        "Reserved N2 Instance Core running in Iowa",
        "Commitment v1: N2 Cpu in Americas for 1 Year",
        "CmtCudPremium: N2 Instance Core running in Iowa",
        "VM state: Suspended Instance Ram running in Iowa",
        "Licensing Fee for Windows Server 2019 Datacenter Edition (CPU cost)",
        "N2 Instance Core with Tier_1 networking running in Iowa",
        "Calendar Mode A3 Instance Core running in Iowa",
        "DWS Calendar Mode H4D Instance Local SSD running in Iowa",
        "DWS Defined Duration A3Ultra Core",
        "N2 Instance Core free tier discount",
        "N2 Instance Core running in Iowa, reserved",
        "N2 Instance Core running in Iowa (Sole Tenancy)",
        "Nvidia L4 GPU attached to DWS Defined Duration VMs running in Iowa",
        "Nvidia Tesla T4 GPU attached to Sole Tenancy VMs running in Americas",
        "Reserved Nvidia H100 80GB Mega GPU in Americas in Calendar Mode",
        "DWS Calendar Mode A4 Nvidia B200 (1 gpu slice) running in Americas",
        "C3 Instance Local SSD attached to Calendar mode reservations running in Iowa",
        "Committed Use Discount Premium for E2 Custom Instance Core running in Johannesburg",
        "Capacity Optimized A3 Instance Core running in Iowa",
        "1/8 vGPU no lssd attached to DWS Defined Duration VMs running in Iowa",
        "Commitment v1: vGPU G4 Local SSD in Iowa for 1 Year",
        "VM state: preserved local SSD in Bangkok",
    ],
)
def test_an_ignored_sku_is_neither_a_component_nor_worth_a_report(description: str) -> None:
    assert read_catalog([replace(CORE, description=description)]) == CatalogReading(())


def test_what_is_in_no_group_of_components_is_passed_over() -> None:
    assert read_catalog([replace(CORE, resource_group="StorageImage", description="Storage Image")]) == CatalogReading(
        ()
    )


@pytest.mark.parametrize(
    "description",
    ["N2 Instance Core running in Iowa", "Nvidia X900 GPU running in Iowa", "C9 Instance Local SSD in Iowa"],
)
def test_what_is_worded_like_a_component_and_in_no_group_of_them_is_reported_and_not_read(description: str) -> None:
    odd = replace(CORE, resource_group="Brand New", description=description)

    assert components(odd) == []
    assert len(reasons(odd)) == 1


@pytest.mark.parametrize(("family", "group"), [("License", "Google"), ("Network", "VPNTunnel")])
def test_other_families_of_resources_are_passed_over_whatever_their_words(family: str, group: str) -> None:
    other = replace(CORE, resource_family=family, resource_group=group, description="Fee for a GPU")

    reading = read_catalog([other])

    assert (reading.rates, reading.unmatched, reading.attachments.rates) == ((), (), ())


def test_only_the_place_is_left_out_of_a_description() -> None:
    qualified = replace(CORE, description="N2 Instance Core in preview running in Iowa")

    assert reasons(qualified) == ["no component is worded like this"]


def test_what_looks_like_a_component_and_is_worded_as_none_is_reported_by_name() -> None:
    new_family = replace(CORE, sku_id="NEW", description="C5 Instance Core running in Iowa")

    reading = read_catalog([new_family, CORE])

    assert [rate.component for rate in reading.rates] == ["n2:core"]
    assert [(each.sku_id, each.description, each.reason) for each in reading.unmatched] == [
        ("NEW", "C5 Instance Core running in Iowa", "no component is worded like this")
    ]
