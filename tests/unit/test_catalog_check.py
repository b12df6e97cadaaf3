import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from spotkeeper.cli.main import main
from tests.unit.saved_catalogs import resource, resources, saved, whole

SAMPLES = Path(__file__).parents[2].parent / "shared" / "data" / "catalog"
real_catalog = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason=f"THE REAL CATALOG PAGES ARE NOT CHECKED: there is no {SAMPLES}"
)


def checked(capsys: pytest.CaptureFixture[str], path: str) -> tuple[int, list[str]]:
    """The exit code and the lines of a check."""
    code = main(["catalog-check", "--catalog", path])
    return code, capsys.readouterr().out.splitlines()


def test_a_catalog_all_of_which_is_matched_passes_with_one_line_of_counts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, lines = checked(capsys, saved(tmp_path / "catalog.json", whole()))

    assert code == 0
    assert lines[-1].startswith(f"catalog-check: all matched: {len(whole())} SKUs of ")
    assert [line for line in lines[:-1] if not line.startswith("known gap: ")] == []
    assert any("A4X is billed" in line for line in lines)


INVENTED: dict[str, dict[str, Any]] = {
    "a new family": resource("C9 Instance Core running in Iowa"),
    "its memory": resource("C9 Instance Ram running in Iowa"),
    "a new family as Spot": resource("Spot Preemptible C9 Instance Ram running in Iowa", usage_type="Preemptible"),
    "a new GPU": resource("Nvidia X900 192GB GPU running in Iowa"),
    "a new GPU as Spot": resource(
        "Nvidia X900 192GB GPU attached to Spot Preemptible VMs running in Iowa", usage_type="Preemptible"
    ),
    "a new local SSD": resource("C9 Instance Local SSD running in Iowa"),
    "a known component in an unknown unit": resource("N2 Instance Core running in Iowa", unit="GiBy"),
    "a group nobody knows": resource("C9D Instance Core running in Iowa", group="Brand New"),
    "a usage type nobody knows": resource("N2 Instance Core running in Iowa", usage_type="Spot"),
}


def test_a_single_unmatched_sku_fails_the_check(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, lines = checked(capsys, saved(tmp_path / "catalog.json", [*whole(), INVENTED["a new family"]]))

    assert code == 1
    assert lines[-1].startswith("catalog-check: FAILED: 1 unmatched SKU, 0 machine types unpriced")


def test_unmatched_skus_of_every_kind_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, lines = checked(capsys, saved(tmp_path / "catalog.json", [*whole(), *INVENTED.values()]))

    unmatched = [line for line in lines if line.startswith("UNMATCHED")]
    expected = [
        f"{new['skuId']} {new['description']!r} ({new['category']['usageType']}, 1 region)" for new in INVENTED.values()
    ]
    assert (code, len(unmatched)) == (1, len(INVENTED))
    assert [said for said in expected if sum(said in line for line in unmatched) != 1] == []


IGNORED = (
    ("C9 Sole Tenancy Instance Core running in Iowa", "OnDemand"),
    ("Sole Tenancy Premium for C9 Sole Tenancy Instance Core running in Iowa", "OnDemand"),
    ("Reserved C9 Core in Iowa", "OnDemand"),
    ("Commitment v1: C9 Cpu in Iowa for 1 Year", "Commit1Yr"),
    ("Commitment v1: C9 Core in Iowa for 5 Years", "Commit"),
    ("Committed Use Discount Premium for C9 Instance Core running in Iowa", "CmtCudPremium"),
    ("Licensing Fee for Windows Server 2019 Datacenter Edition (CPU cost)", "OnDemand"),
    ("DWS Defined Duration C9 Core running in Iowa", "OnDemand"),
    ("Nvidia X900 GPU attached to DWS Defined Duration VMs running in Iowa", "OnDemand"),
    ("DWS Calendar Mode C9 Instance Local SSD running in Iowa", "OnDemand"),
    ("VM state: preserved local SSD in Iowa", "OnDemand"),
    ("Network Internet Data Transfer Out from Iowa to Americas", "OnDemand"),
    ("Storage PD Snapshot in Iowa", "OnDemand"),
    ("TpuV7 running in Iowa", "OnDemand"),
)
GROUPS = {"Network": "PremiumInternetEgress", "Storage": "PDStandard", "TpuV7": "TPU"}


def test_ignored_skus_of_every_kind_do_not_fail(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ignored_skus = [
        resource(words, usage_type=usage_type, group=GROUPS.get(words.split()[0], "CPU"))
        for words, usage_type in IGNORED
    ]

    code, lines = checked(capsys, saved(tmp_path / "catalog.json", [*whole(), *ignored_skus]))

    assert code == 0
    assert f"{len(whole()) + len(IGNORED)} SKUs" in lines[-1]
    assert "known gap: 1 SKUs of TPUs are not priced" in lines
    assert "known gap: ct…: TPUs are billed by the chip and have SKUs of their own" in lines


def test_machine_types_that_are_sold_and_lack_a_part_fail_and_are_named_with_part_and_regions(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    without = [sku for sku in whole() if sku["description"] != "Spot Preemptible E2 Instance Ram running in Americas"]

    code, lines = checked(capsys, saved(tmp_path / "catalog.json", without))

    (unpriced,) = [line for line in lines if line.startswith("UNPRICED")]
    assert code == 1
    assert unpriced.startswith("UNPRICED: 17 machine types have no Spot price: no SKU for e2:ram: e2-highcpu-16, ")
    assert "e2-micro" in unpriced
    assert unpriced.endswith("; in us-central1, us-east1, us-west1")


def test_the_emulator_s_own_catalog_sells_some_families_by_halves(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, lines = checked(capsys, saved(tmp_path / "catalog.json", resources()))

    missing = [line.partition(": no SKU for ")[2].partition(":")[0] for line in lines if line.startswith("UNPRICED")]
    assert code == 1
    assert sorted(set(missing)) == ["c4", "m1"]


def test_a_part_that_is_known_to_lack_is_a_gap_in_its_own_region_only(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def c4(region: str) -> list[dict[str, Any]]:
        return [resource(f"C4 Instance {part} running in {region}", regions=(region,)) for part in ("Core", "Ram")]

    gap = checked(capsys, saved(tmp_path / "gap.json", [*whole(), *c4("asia-southeast3")]))
    trouble = checked(capsys, saved(tmp_path / "trouble.json", [*whole(), *c4("asia-southeast2")]))

    assert (gap[0], trouble[0]) == (0, 1)
    assert "known gap: Google lists no SKU for the local SSD of C4 in Bangkok (22 prices)" in gap[1]
    assert [line.endswith("; in asia-southeast2") for line in trouble[1] if line.startswith("UNPRICED")] == [True]


def test_duplicates_are_printed_with_the_rule_and_do_not_fail(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    twin = resource("N2 Instance Core running in Council Bluffs", usd="0.04")

    code, lines = checked(capsys, saved(tmp_path / "catalog.json", [*whole(), *([twin] * 2)]))

    place = next(index for index, line in enumerate(lines) if line.startswith("duplicates: of two SKUs"))
    assert code == 0
    assert lines[place + 1] == (
        f"  n2:core on-demand, 1 region: {twin['skuId']} 'N2 Instance Core running in Council Bluffs' at 0.04 is used, "
        "C90C-BDEA-9263 'N2 Instance Core running in Iowa' at 0.031611 is ignored"
    )
    assert lines[-1].endswith("1 duplicate")


def test_a_catalog_that_cannot_be_read_is_neither_passed_nor_failed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "catalog.json"
    path.write_text('{"skus": [null]}')

    assert main(["catalog-check", "--catalog", str(path)]) == 2
    assert capsys.readouterr().out == ""


def test_a_catalog_that_sells_nothing_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, lines = checked(capsys, saved(tmp_path / "catalog.json", [resource("Reserved N2 Core in Iowa")]))

    assert code == 1
    assert lines[0] == "no SKU is sold as Spot: is this the whole catalog?"


@real_catalog
@pytest.mark.parametrize("name", ["opencost_n4_skus.json", "fixinventory_skus.json"])
def test_real_pages_pass(capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, lines = checked(capsys, str(SAMPLES / name))

    assert (code, lines[-1].partition(": ")[2].partition(":")[0]) == (0, "all matched")


def test_the_findings_are_the_same_for_programs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    saved(tmp_path / "catalog.json", [*whole(), resource("N9 Predefined Instance Core running in Americas")])
    command = ["catalog-check", "--catalog", str(tmp_path / "catalog.json"), "--format"]

    codes = [main([*command, "json"]), main([*command, "csv"])]
    output = capsys.readouterr().out
    answer, end = json.JSONDecoder().raw_decode(output)
    rows = list(csv.DictReader(io.StringIO(output[end:].strip())))

    assert codes == [1, 1]
    assert answer["complete"] is False
    assert answer["summary"].startswith("catalog-check: FAILED: 1 unmatched SKU")
    assert "unmatched" in {each["finding"] for each in answer["findings"]}
    assert rows == answer["findings"]
