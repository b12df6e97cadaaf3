import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spotkeeper.cli.main import main
from tests.unit.saved_catalogs import resource, saved, whole

IOWA = "us-central1"
MORE = (
    ("C3 Instance Core", "0.03398"),
    ("C3 Instance Ram", "0.00456"),
    ("Z3 Instance Core", "0.0496"),
    ("Z3 Instance Ram", "0.0066"),
    ("N2 Custom Extended Instance Ram", "0.0079"),
)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The emulator's catalog, with some families more."""
    more = [
        resource(f"{words}{wording} running in Iowa", usage_type=usage_type, usd=usd)
        for wording, usd in MORE
        for usage_type, words in (("OnDemand", ""), ("Preemptible", "Spot Preemptible "))
    ]
    return saved(tmp_path_factory.mktemp("catalog") / "catalog.json", [*whole(), *more])


def quoted(capsys: pytest.CaptureFixture[str], catalog: str, *arguments: str) -> dict[str, Any]:
    assert main(["price", *arguments, "--region", IOWA, "--catalog", catalog, "--format", "json"]) == 0
    quote: dict[str, Any] = json.loads(capsys.readouterr().out)
    return quote


def test_a_price_is_printed_with_every_part_its_sku_the_date_and_the_saving(
    capsys: pytest.CaptureFixture[str], catalog: str
) -> None:
    assert main(["price", "n2-standard-8", "--region", IOWA, "--catalog", catalog]) == 0

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["Spot", "0.167504", "122.28", "exact"] in lines
    assert ["on-demand", "0.388472", "283.58", "exact"] in lines
    assert ["Spot", "saves", "56.88", "%"] in lines
    part = ["N2", "Instance", "Core", "running", "in", "Iowa", "0.031611", "vCPU-hour", "8", "0.252888"]
    assert ["n2:core", "C90C-BDEA-9263", *part] in lines
    assert "2026-07-21" in " ".join(lines[0])


def test_json_holds_the_same_and_amounts_as_texts(capsys: pytest.CaptureFixture[str], catalog: str) -> None:
    quote = quoted(capsys, catalog, "n2-standard-8")

    spot = quote["prices"]["spot"]
    assert (spot["per_hour"], spot["per_month"], spot["status"]) == ("0.167504", "122.27792", "exact")
    assert (quote["as_of"], quote["saving_percent"], quote["currency"]) == ("2026-07-21T00:00:00Z", "56.88", "USD")
    assert spot["components"][0] == {
        "component": "n2:core",
        "sku_id": "B11F-84B3-5F1A",
        "description": "Spot Preemptible N2 Instance Core running in Iowa",
        "rate": "0.01363",
        "unit": "vcpu_hour",
        "quantity": "8",
        "amount": "0.10904",
    }


@pytest.mark.parametrize(
    ("arguments", "components"),
    [
        (["n2-custom-8-16384"], {"n2-custom:core": "8", "n2-custom:ram": "16"}),
        (
            ["n2-custom-2-20480-ext"],
            {"n2-custom:core": "2", "n2-custom:ram": "16", "n2-custom:ram-extended": "4"},
        ),
        (["e2-micro"], {"e2:core": "0.25", "e2:ram": "1"}),
        (["f1-micro"], {"f1-micro:instance": "1"}),
        (["a2-highgpu-1g"], {"a2:core": "12", "a2:ram": "85", "gpu:nvidia-tesla-a100": "1"}),
        (["c3-standard-4-lssd"], {"c3:core": "4", "c3:ram": "16", "local-ssd": "375"}),
        (["z3-highmem-8-highlssd"], {"z3:core": "8", "z3:ram": "64", "local-ssd": "3000"}),
        (
            ["n1-standard-4", "--gpu", "nvidia-tesla-t4=2", "--local-ssd-gib", "375"],
            {"n1:core": "4", "n1:ram": "15", "gpu:nvidia-tesla-t4": "2", "local-ssd": "375"},
        ),
        (
            ["custom-4-8192", "--gpu", "nvidia-tesla-t4"],
            {"n1-custom:core": "4", "n1-custom:ram": "8", "gpu:nvidia-tesla-t4": "1"},
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_every_kind_of_machine_type_is_quoted_with_all_its_parts(
    capsys: pytest.CaptureFixture[str], catalog: str, arguments: list[str], components: dict[str, str]
) -> None:
    found = quoted(capsys, catalog, *arguments)

    for price in found["prices"].values():
        assert {part["component"]: part["quantity"] for part in price["components"]} == components
        total = sum(Decimal(part["rate"]) * Decimal(part["quantity"]) for part in price["components"])
        assert abs(total - Decimal(price["per_hour"])) < Decimal("0.000001")


def test_an_unknown_price_says_why_in_both_formats_and_exits_1(
    capsys: pytest.CaptureFixture[str], catalog: str
) -> None:
    asked = ["price", "m2-ultramem-208", "--region", IOWA, "--catalog", catalog]
    reason = "no Spot rate for m2-premium:core, m2-premium:ram in us-central1"

    codes = [main(asked), main([*asked, "--format", "json"])]
    text, _, output = capsys.readouterr().out.partition("{")

    assert codes == [1, 1]
    assert f"unknown: {reason}" in text
    prices = json.loads("{" + output)["prices"]
    assert prices["spot"] == {
        "status": "unknown",
        "reason": reason,
        "per_hour": None,
        "per_month": None,
        "components": [],
        "attachments": {},
        "total_per_hour": None,
        "total_per_month": None,
    }
    assert prices["on_demand"]["status"] == "exact"


def test_what_is_attached_is_priced_by_itself_and_summed(capsys: pytest.CaptureFixture[str], catalog: str) -> None:
    attached = ["--disk", "pd-balanced=50", "--address", "--license", "windows-server"]

    spot = quoted(capsys, catalog, "n2-standard-8", *attached)["prices"]["spot"]

    assert {kind: price["per_hour"] for kind, price in spot["attachments"].items()} == {
        "license": "0.368",
        "address": "0.0025",
        "disk": "0.006849315",
    }
    assert (spot["per_hour"], spot["total_per_hour"]) == ("0.167504", "0.544853315")


def test_the_text_has_a_line_for_each_kind_that_is_attached_and_their_total(
    capsys: pytest.CaptureFixture[str], catalog: str
) -> None:
    assert main(["price", "n2-standard-8", "--region", IOWA, "--catalog", catalog, "--disk", "pd-standard=100"]) == 0

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines.count(["disk", "0.005479452", "4.00", "exact"]) == 2
    assert ["total", "0.172983452", "126.28"] in lines
    assert ["Spot", "saves", "56.88", "%", "of", "the", "machine", "type"] in lines


def test_an_attachment_without_a_price_says_why_and_leaves_the_total_open(
    capsys: pytest.CaptureFixture[str], catalog: str
) -> None:
    assert main(["price", "e2-medium", "--region", IOWA, "--catalog", catalog, "--license", "rhel"]) == 1

    shown = capsys.readouterr().out
    assert "unknown: no rule for the license rhel on e2-medium" in shown
    assert ["total", "-", "-"] in [line.split() for line in shown.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--disk", "pd-balanced"], "'pd-balanced' is not a type of disk and its size in GiB"),
        (["--disk", "pd-balanced=0"], "is not a type of disk and its size in GiB"),
        (["--disk", "pd-balanced=10,fast=1"], "is not a type of disk and its size in GiB"),
        (["--disk", "pd-balanced=10,regional=1"], "is not a type of disk and its size in GiB"),
        (["--disk", "hyperdisk-balanced=10,iops=many"], "iops=many is not a whole number"),
        (["--disk", "pd-balance=10"], "disk type 'pd-balance' is not known; did you mean pd-balanced"),
        (["--license", "windows"], "invalid choice: 'windows'"),
        (["--bandwidth-gbps", "-5"], "argument --bandwidth-gbps: invalid choice: "),
    ],
)
def test_an_attachment_that_nobody_sells_is_refused(
    capsys: pytest.CaptureFixture[str], catalog: str, arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["price", "n2-standard-8", "--region", IOWA, "--catalog", catalog, *arguments])

    assert message in capsys.readouterr().err


def test_a_virtual_workstation_is_quoted_as_the_plain_gpu_without_its_license(
    capsys: pytest.CaptureFixture[str], catalog: str
) -> None:
    plain, workstation = (
        quoted(capsys, catalog, "n1-standard-4", "--gpu", gpu) for gpu in ("nvidia-tesla-t4", "nvidia-tesla-t4-vws")
    )

    assert workstation["prices"] == plain["prices"]
    assert (plain["not_included"], workstation["not_included"]) == (
        "",
        "the license of nvidia-tesla-t4-vws is not priced",
    )
    assert main(["price", "n1-standard-4", "--gpu", "nvidia-tesla-t4-vws", "--region", IOWA, "--catalog", catalog]) == 0
    assert "Not included: the license of nvidia-tesla-t4-vws is not priced" in capsys.readouterr().out


def test_the_csv_has_a_row_for_the_machine_type_and_each_attachment(
    capsys: pytest.CaptureFixture[str], catalog: str
) -> None:
    asked = ["n2-standard-8", "--region", IOWA, "--catalog", catalog]

    assert main(["price", *asked, "--format", "json"]) == 0
    prices = json.loads(capsys.readouterr().out)["prices"]
    assert main(["price", *asked, "--address", "--format", "csv"]) in (0, 1)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))

    assert [(row["market"], row["item"]) for row in rows[::2]] == [(market, "n2-standard-8") for market in prices]
    assert [row["item"] for row in rows[1::2]] == ["address"] * len(prices)
    assert [row["per_hour"] for row in rows[::2]] == [price["per_hour"] for price in prices.values()]


REFUSED = [
    (["n2-standrad-8", "--region", IOWA], "machine type 'n2-standrad-8' is not known; did you mean n2-standard-8"),
    (["ct5lp-hightpu-4t", "--region", IOWA], "ct5lp-hightpu-4t is not priced: TPUs are billed by the chip"),
    (["tpu7x-standard-4t", "--region", IOWA], "tpu7x-standard-4t is not priced: TPUs are billed by the chip"),
    (["qqqq", "--region", IOWA], "machine type 'qqqq' is not known"),
    (["n2-standard-8", "--region", "us-centra1"], "region 'us-centra1' is not known; did you mean us-central"),
    (["n2-standard-8"], "name a machine type and --region, or use --all"),
    (["--region", IOWA], "name a machine type and --region, or use --all"),
    (["--all", "--region", "us-centra1"], "region 'us-centra1' is not known; did you mean us-central"),
    (["--all", "n2-standard-8"], "--all is every machine type as it comes"),
    (["--all", "--format", "json"], "--all writes CSV"),
    (
        ["n1-standard-4", "--region", IOWA, "--gpu", "nvidia-t4"],
        "GPU type 'nvidia-t4' is not known; did you mean nvidia-",
    ),
    (["n2-standard-4", "--region", IOWA, "--gpu", "nvidia-tesla-t4"], "n2-standard-4 takes none"),
    (["a2-highgpu-1g", "--region", IOWA, "--gpu", "nvidia-tesla-t4"], "a2-highgpu-1g comes with 1 nvidia-tesla-a100"),
    (
        ["c3-standard-4-lssd", "--region", IOWA, "--local-ssd-gib", "375"],
        "c3-standard-4-lssd comes with 375 GiB of local SSD",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED, ids=[" ".join(arguments) for arguments, _ in REFUSED])
def test_what_nobody_can_buy_is_refused_in_one_sentence_that_names_what_is_near(
    capsys: pytest.CaptureFixture[str], catalog: str, arguments: list[str], message: str
) -> None:
    code = main(["price", *arguments, "--catalog", catalog])

    output = capsys.readouterr()
    assert (code, output.out, output.err.count("\n")) == (2, "", 1)
    assert message in output.err


@pytest.mark.parametrize(
    "arguments",
    [["--gpu", "=1"], ["--gpu", "t4=0"], ["--gpu", "t4=many"], ["--local-ssd-gib", "-1"], ["--format", "xml"]],
)
def test_malformed_arguments_are_argparse_s_matter(
    capsys: pytest.CaptureFixture[str], catalog: str, arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["price", "n2-standard-8", "--region", IOWA, "--catalog", catalog, *arguments])

    assert stop.value.code == 2
    assert "usage: spotkeeper price" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "message"),
    [("none.json", "No such file or directory"), ("", "Is a directory")],
    ids=["absent", "a folder"],
)
def test_a_file_that_cannot_be_read_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, message: str
) -> None:
    path = tmp_path / name

    assert main(["price", "n2-standard-8", "--region", IOWA, "--catalog", str(path)]) == 2
    assert capsys.readouterr().err == f"spotkeeper: {path}: {message}\n"


def test_an_incomplete_catalog_is_named_beside_the_price(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "first-page.json"
    path.write_text(json.dumps({"skus": list(whole()), "nextPageToken": "next"}))

    assert main(["price", "n2-standard-8", "--region", IOWA, "--catalog", str(path)]) == 0
    assert f"warning: {path} is not the whole catalog" in capsys.readouterr().err


def test_the_price_list_has_every_type_where_it_is_sold_and_the_price_that_is_quoted(
    capsys: pytest.CaptureFixture[str], catalog: str
) -> None:
    assert main(["price", "--all", "--catalog", catalog]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))

    by_key = {(row["machine_type"], row["region"]): row for row in rows}
    assert len(by_key) == len(rows) > 1_000
    assert by_key["n2-standard-8", IOWA] == {
        "machine_type": "n2-standard-8",
        "region": IOWA,
        "vcpus": "8",
        "memory_gib": "32",
        "gpu": "",
        "local_ssd_gib": "",
        "spot": "0.167504",
        "ondemand": "0.388472",
        "spot_status": "exact",
        "ondemand_status": "exact",
        "reason": "",
    }
    assert by_key["a2-highgpu-1g", IOWA]["gpu"] == "nvidia-tesla-a100=1"
    unknown = by_key["m2-ultramem-208", IOWA]
    assert (unknown["spot"], unknown["spot_status"], unknown["ondemand_status"]) == ("", "unknown", "exact")
    assert unknown["reason"].startswith("no Spot rate for m2-premium:core")
    assert ("x4-480-6t-metal", IOWA) not in by_key


def test_the_price_list_of_one_region_is_that_part_of_the_whole_one(
    capsys: pytest.CaptureFixture[str], catalog: str
) -> None:
    main(["price", "--all", "--catalog", catalog])
    everywhere = capsys.readouterr().out.splitlines()
    main(["price", "--all", "--region", IOWA, "--catalog", catalog])
    there = capsys.readouterr().out.splitlines()

    assert there == [everywhere[0], *(line for line in everywhere if f",{IOWA}," in line)]
