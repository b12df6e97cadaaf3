"""Whatever a saved catalog holds, it is priced or refused with its place named; and so is what is asked of it."""

import argparse
import contextlib
import gzip
import io
import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spotkeeper.cli.catalog_files import read_file
from spotkeeper.cli.dataset_arguments import add_time_argument
from spotkeeper.cli.enforcer_arguments import add_budget_arguments, body
from spotkeeper.cli.main import main
from spotkeeper.cli.shapes import asked_shape, gpu_argument, local_ssd_argument
from spotkeeper.enforcement.policies import BudgetRule
from spotkeeper.errors import RefusedRequestError
from spotkeeper.pricing.catalog import read_catalog
from spotkeeper.pricing.skus import ForeignCurrencyError, MalformedSkuError, sku_from_json
from tests.unit.any_json import WORDS, any_json, nested, spoilt, written
from tests.unit.saved_catalogs import resource

SKU = resource("N1 Predefined Instance Core running in Americas")
PAGE = {"skus": [SKU, resource("N1 Predefined Instance Ram running in Americas")], "nextPageToken": ""}
LARGEST = 10**19
BYTES = st.binary(max_size=60)
PIECES = st.text(max_size=10) | st.sampled_from((*WORDS, "n1-standard-8", "us-central1", "nvidia-tesla-t4=1", "375"))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("catalogs") / "catalog.json"


def check_sku(found: Any) -> None:  # noqa: ANN401 (anything is the point)
    """A SKU is read, and its price is one that can be recorded, or the field that is wrong is named."""
    with suppress(MalformedSkuError, ForeignCurrencyError):
        for rate in read_catalog([sku_from_json(found)]).rates:
            assert 0 < rate.usd < LARGEST
            assert rate.description.encode()


def check_file(path: Path, content: bytes) -> None:
    """A file is refused by its name, or read; then commands that use it end with 0, 1 or 2 and say why."""
    path.write_bytes(content)
    try:
        assert read_file(path).reading.skus_read
    except RefusedRequestError as error:
        refusal = str(error)
    else:
        price = ["price", "n1-standard-8", "--region", "us-central1", "--catalog", str(path)]
        for command in (["catalog-check", "--catalog", str(path)], price, [*price, "--format", "json"]):
            code, said = run(command)
            assert code in {0, 1, 2}
            assert said
        return
    assert str(path) in refusal
    assert refusal.encode()


def run(arguments: Sequence[str]) -> tuple[int, bytes]:
    """Run a command as a terminal does, whose texts are in UTF-8."""
    said = io.BytesIO()
    terminal = io.TextIOWrapper(said, encoding="utf-8")
    with contextlib.redirect_stdout(terminal), contextlib.redirect_stderr(terminal):
        code = main(arguments)
    terminal.flush()
    return code, said.getvalue()


def test_the_samples_are_read(path: Path) -> None:
    check_sku(SKU)
    path.write_bytes(written(PAGE))
    assert len(read_file(path).reading.rates) >= 2


@given(spoilt([SKU]) | any_json)
@example([SKU | {"pricingInfo": "x"}])
def test_any_sku_is_read_or_refused(found: Any) -> None:  # noqa: ANN401 (anything is the point)
    check_sku(found[0] if isinstance(found, list) and len(found) == 1 else found)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("units", "9" * 5000),
        ("units", "-" + "9" * 30),
        ("units", 10**400),
        ("units", str(2**63)),
        ("nanos", 10**9),
        ("nanos", -(10**30)),
    ],
)
def test_a_price_that_the_api_cannot_hold_is_refused(field: str, value: object) -> None:
    sku = json.loads(written(SKU))
    sku["pricingInfo"][-1]["pricingExpression"]["tieredRates"][0]["unitPrice"][field] = value

    with pytest.raises(MalformedSkuError, match=field):
        sku_from_json(sku)


def test_a_tier_that_starts_beyond_all_numbers_is_refused() -> None:
    sku = json.loads(written(SKU))
    sku["pricingInfo"][-1]["pricingExpression"]["tieredRates"][0]["startUsageAmount"] = 10**400

    with pytest.raises(MalformedSkuError, match="startUsageAmount"):
        sku_from_json(sku)


@given(found=spoilt([PAGE]) | any_json)
@example(found={"skus": [SKU | {"description": "\ud800 N1 Predefined Instance Core running in Americas"}]})
def test_any_json_is_a_catalog_or_refused(path: Path, found: object) -> None:
    check_file(path, written(found))


@given(
    content=st.binary(max_size=60)
    | st.binary(max_size=60).map(lambda rest: b"\x1f\x8b\x08" + rest)
    | st.text().map(str.encode)
)
@example(content=b'{"skus": [' + b"9" * 5000 + b"]}")
@example(content=gzip.compress(written(PAGE))[:-5])
@example(content=gzip.compress(written(PAGE)) + b"x")
def test_a_file_of_any_bytes_is_a_catalog_or_refused(path: Path, content: bytes) -> None:
    check_file(path, content)


@pytest.mark.parametrize("depth", [10, 900, 4_900, 9_900, 200_000])
@pytest.mark.parametrize("around", ["[]", "{}"])
def test_however_deeply_a_file_is_nested_it_is_refused(path: Path, depth: int, around: str) -> None:
    deep = nested(depth, around)
    for content in (deep, f'{{"error": {deep}}}', f'{{"skus": {deep}}}', f'{{"skus": [{{"skuId": {deep}}}]}}'):
        path.write_text(content)
        with pytest.raises(RefusedRequestError):
            read_file(path)


@given(st.lists(PIECES, max_size=2), PIECES, PIECES, PIECES)
@example(["n1-standard-8"], "us-central1", "nvidia-tesla-t4=" + "9" * 30, "9" * 30)
@example(["n1-standard-8"], "us-central1", "nvidia-tesla-t4=" + "9" * 5000, "375")
@example(["n1-standard-8"], "us-central1", "nvidia-tesla-t4", "9" * 5000)
def test_any_price_that_is_requested_is_quoted_or_refused(types: list[str], region: str, gpu: str, ssd: str) -> None:
    shape = None
    with suppress(argparse.ArgumentTypeError, RefusedRequestError):
        shape = asked_shape(types[0] if types else "", gpu_argument(gpu), local_ssd_argument(ssd))
    assert shape is None or 0 < shape.gpu_count < 10**6
    assert shape is None or 0 < shape.local_ssd_gib < 10**9
    assert region is not None


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(exit_on_error=False)
    add_budget_arguments(found)
    return found


@given(
    PIECES, PIECES, PIECES | st.sampled_from(("9999-12-31T12:00:00Z", "0001-01-02T00:00:00Z", "2026-07-21T05:00:00Z"))
)
@example("1", "1", "9999-12-31T12:00:00Z")
@example("1", "1", "0001-01-01T00:00:00Z")
@example("1e9999999", "1", "2026-07-21T05:00:00Z")
def test_any_amounts_and_times_make_a_message_or_are_refused(cost: str, budget: str, at: str) -> None:
    arguments = None
    with suppress(argparse.ArgumentError):
        arguments = parser().parse_args([f"--cost={cost}", f"--budget={budget}", f"--at={at}"])
    if arguments is not None:
        assert json.loads(body(arguments, BudgetRule("spot", ()), arguments.at))["currencyCode"] == "USD"
        assert arguments.at - timedelta(days=400) < arguments.at < arguments.at + timedelta(days=400)


def test_a_time_that_no_budget_has_is_refused_by_its_argument() -> None:
    found = argparse.ArgumentParser(exit_on_error=False)
    add_time_argument(found, "the time")

    with pytest.raises(argparse.ArgumentError, match="--at 9999-12-31T12:00:00Z is not in the years 2000 to 2999"):
        found.parse_args(["--at", "9999-12-31T12:00:00Z"])
