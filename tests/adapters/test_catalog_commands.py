"""The commands that read the live catalog, through Google's client, against the emulator."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.emulators.cloud import Cloud
from infra.local.emulators.faults import Kind, Rule
from spotkeeper.cli.main import main

ASKED = ("price", "n2-standard-8", "--region", "us-central1", "--format", "json")


@pytest.fixture(scope="module")
def running() -> Iterator[Cloud]:
    with Cloud() as cloud:
        yield cloud


@pytest.fixture
def cloud(running: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """The emulator, where the commands look for the catalog, and nothing else set."""
    monkeypatch.setenv("BILLING_ENDPOINT", running.rest_url)
    monkeypatch.setenv("RETRY_TIMEOUT_SECONDS", "1")
    monkeypatch.delenv("PROJECT_ID", raising=False)
    running.state.faults.replace(())
    return running


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("name", ["catalog.json", "catalog.json.gz"])
def test_a_catalog_that_was_saved_gives_the_prices_of_the_live_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    path = str(tmp_path / name)

    assert [main(ASKED), main(["catalog-save", path]), main([*ASKED, "--catalog", path])] == [0, 0, 0]
    out = capsys.readouterr().out
    live, saved = (json.loads(text) for text in out.split(f"{path}: 1 page\n"))

    assert live["prices"] == saved["prices"]
    assert live["prices"]["spot"]["per_hour"] == "0.167504"
    assert (live["catalog"], saved["catalog"]) == ("the Cloud Billing Catalog", path)
    assert (live["catalog_complete"], saved["catalog_complete"]) == (True, True)
    assert saved["as_of"] == "2026-07-21T00:00:00Z"


@pytest.mark.usefixtures("cloud")
def test_a_saved_page_is_in_the_form_of_the_api(tmp_path: Path) -> None:
    path = tmp_path / "catalog.json"
    main(["catalog-save", str(path)])

    page = json.loads(path.read_text())
    (core,) = [sku for sku in page["skus"] if sku["skuId"] == "A03E-E620-7389"]
    price = core["pricingInfo"][0]["pricingExpression"]["tieredRates"][0]["unitPrice"]
    assert price == {"currencyCode": "USD", "units": "0", "nanos": 27_502_000}
    assert core["geoTaxonomy"] == {"type": "MULTI_REGIONAL", "regions": ["us-central1", "us-east1", "us-west1"]}


@pytest.mark.usefixtures("cloud")
def test_the_live_catalog_is_checked_as_the_saved_one_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = str(tmp_path / "catalog.json")
    main(["catalog-save", path])
    capsys.readouterr()

    codes = [main(["catalog-check"]), main(["catalog-check", "--catalog", path])]
    lines = capsys.readouterr().out.splitlines()

    half = len(lines) // 2
    assert codes == [1, 1]  # the emulated catalog lacks some SKUs
    assert lines[: half - 1] == lines[half:-1]
    assert lines[half - 1].replace("the Cloud Billing Catalog", path) == lines[-1]


@pytest.mark.parametrize("command", [ASKED, ("catalog-check",), ("price", "--all"), ("catalog-save", "catalog.json")])
def test_a_catalog_that_is_down_is_reported_in_one_sentence(
    cloud: Cloud,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    cloud.state.faults.replace([Rule("catalog", Kind.STATUS, status=403)])

    code = main(command)

    output = capsys.readouterr()
    assert (code, output.out, output.err.count("\n")) == (2, "", 1)
    assert output.err.startswith("spotkeeper: Cloud Billing Catalog: permission denied: ")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_setting_is_named(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLING_ENDPOINT", f"{cloud.rest_url}/v1")

    assert main(ASKED) == 2
    assert "BILLING_ENDPOINT is" in capsys.readouterr().err
