"""Saved catalogs, as curl and as `catalog-save` write them."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from spotkeeper.cli.catalog_files import read_file, write_file
from spotkeeper.errors import RefusedRequestError


def sku(sku_id: str, effective: str = "2026-07-30T07:00:00Z", **changes: object) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "skuId": sku_id,
        "description": f"N2 Instance {'Core' if sku_id == 'CORE' else 'Ram'} running in Iowa",
        "category": {"resourceFamily": "Compute", "resourceGroup": "CPU", "usageType": "OnDemand"},
        "serviceRegions": ["us-central1"],
        "pricingInfo": [
            {
                "effectiveTime": effective,
                "pricingExpression": {
                    "usageUnit": "h" if sku_id == "CORE" else "GiBy.h",
                    "tieredRates": [{"unitPrice": {"currencyCode": "USD", "units": "0", "nanos": 31_611_000}}],
                },
            }
        ],
    }
    return whole | changes


CORE, RAM = sku("CORE"), sku("RAM", effective="2026-07-31T07:00:00Z")
FIRST, SECOND = {"skus": [CORE], "nextPageToken": "more"}, {"skus": [RAM], "nextPageToken": ""}
FORMS: dict[str, str] = {
    "one page": json.dumps({"skus": [CORE, RAM]}),
    "one page, as curl prints it": json.dumps({"skus": [CORE, RAM], "nextPageToken": ""}, indent=2),
    "a list of pages": json.dumps([FIRST, SECOND]),
    "pages, one to a line": f"{json.dumps(FIRST)}\n{json.dumps(SECOND)}\n",
    "pages that follow one another": f"{json.dumps(FIRST, indent=2)}{json.dumps(SECOND, indent=2)}",
    "a list of SKUs": json.dumps([CORE, RAM]),
    "SKUs, one to a line": f"{json.dumps(CORE)}\n\n{json.dumps(RAM)}",
    "an empty page at the end": f"{json.dumps({'skus': [CORE, RAM], 'nextPageToken': 'x'})}\n{{}}",
    "with a mark of byte order": "\ufeff" + json.dumps({"skus": [CORE, RAM]}),
}
PACKINGS: dict[str, Callable[[bytes], bytes]] = {"plain": bytes, "gzipped": gzip.compress}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("form", FORMS)
def test_a_catalog_is_read_in_every_form_that_the_api_s_answers_are_kept_in(
    tmp_path: Path, form: str, packing: str
) -> None:
    path = tmp_path / "catalog"
    path.write_bytes(PACKINGS[packing](FORMS[form].encode()))

    catalog = read_file(path)

    assert [rate.component for rate in catalog.reading.rates] == ["n2:core", "n2:ram"]
    assert catalog.complete
    assert catalog.as_of == datetime(2026, 7, 31, 7, tzinfo=UTC)


@pytest.mark.parametrize("pages", [[FIRST], [SECOND, FIRST]])
def test_a_catalog_whose_last_page_names_another_is_not_complete(tmp_path: Path, pages: list[object]) -> None:
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps(pages))

    assert not read_file(path).complete


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "a null description": (
        json.dumps([FIRST, {"skus": [RAM, sku("CORE", description=None)]}]).encode(),
        "{path}, page 2, SKU number 2: SKU CORE is malformed: description is null, but must be a string",
    ),
    "a bare null": (
        json.dumps([CORE, None]).encode(),
        "{path}, page 1, SKU number 2: SKU that is none is malformed: it is null, but must be an object",
    ),
    "skus that are no list": (b'{"skus": {}}', "{path} holds a page whose skus are {{}}, not a list"),
    "no SKU": (b'{"skus": []}', "{path} holds no SKU"),
    "nothing": (b"", "{path} holds no SKU"),
    "an error of the API": (
        b'{"error": {"code": 403, "message": "denied"}}',
        '{path} holds an error in place of a page: {{"code": 403, "message": "denied"}}',
    ),
    "half a page": (b'{"skus": [', "{path} is not JSON: Expecting value: line 1 column 11 (char 10)"),
    "too deep": (b"[" * 200_000, "{path} is not JSON: "),
    "no JSON": (b"skuId,description", "{path} is not JSON: Expecting value: line 1 column 1 (char 0)"),
    "no text": (b"\xff\xfe\x00", "{path} is not UTF-8 text: invalid start byte at byte 0"),
    "half a gzip": (gzip.compress(json.dumps(SECOND).encode())[:-9], "{path} is not a whole gzip file: "),
    "other money": (
        json.dumps(SECOND).replace("USD", "EUR").encode(),
        "{path}: SKU RAM (N2 Instance Ram running in Iowa) is priced in 'EUR', not in USD",
    ),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_is_no_catalog_is_refused_with_the_file_the_place_and_the_field(tmp_path: Path, what: str) -> None:
    content, message = UNREADABLE[what]
    path = tmp_path / "catalog.json"
    path.write_bytes(content)

    with pytest.raises(RefusedRequestError) as error:
        read_file(path)

    assert str(error.value).startswith(message.format(path=path))


@pytest.mark.parametrize("name", ["catalog.json", "catalog.json.gz"])
def test_what_is_written_is_read_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / name

    pages = write_file(path, map(json.dumps, [FIRST, SECOND]))

    assert pages == 2
    assert path.read_bytes().startswith(b"\x1f\x8b") is name.endswith(".gz")
    assert read_file(path).reading.skus_read == 2


def test_a_catalog_that_breaks_off_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "catalog.json"
    path.write_text("the one of yesterday")

    with pytest.raises(RuntimeError):
        write_file(path, (json.dumps(FIRST) if number == 0 else _break() for number in range(2)))

    assert path.read_text() == "the one of yesterday"
    assert list(tmp_path.iterdir()) == [path]


def _break() -> str:
    raise RuntimeError
