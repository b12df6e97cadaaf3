"""Saved catalogs: files with the pages of the Cloud Billing Catalog API."""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from spotkeeper.errors import RefusedRequestError
from spotkeeper.periods import parse_time
from spotkeeper.pricing.catalog import read_catalog
from spotkeeper.pricing.skus import CatalogReading, ForeignCurrencyError, MalformedSkuError, Sku, sku_from_json

_GZIP_MAGIC = b"\x1f\x8b"
_LONGEST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Catalog:
    """A catalog with its source, time and completeness.

    The time is that of the reading; of a file it is the latest time at which one of its prices came into effect.
    """

    source: str
    as_of: datetime | None
    reading: CatalogReading
    complete: bool = True


@dataclass(frozen=True, slots=True)
class SavedPage:
    """One response of the API, or bare SKUs; `more` says that another page follows."""

    skus: list[Any]
    more: bool = False


def read_file(path: Path) -> Catalog:
    """Return the catalog in a file: pages or bare SKUs, as one document, a list or one after another, gzipped or not.

    Raises RefusedRequestError naming the file, the place and the field that is wrong.
    """
    pages = list(_pages(_text(path), path))
    if not any(page.skus for page in pages):
        message = f"{path} holds no SKU"
        raise RefusedRequestError(message)
    try:
        reading = read_catalog(_skus(pages, path))
    except ForeignCurrencyError as error:
        message = f"{path}: {error}"
        raise RefusedRequestError(message) from error
    return Catalog(str(path), _effective(pages), reading, complete=not pages[-1].more)


def write_file(path: Path, pages: Iterable[str]) -> int:
    """Write pages one to a line and return how many; the file appears when all are in it, or not at all."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    written = 0
    try:
        with _opened(unfinished, gzipped=path.suffix == ".gz") as out:
            for written, page in enumerate(pages, start=1):  # noqa: B007 (the count is kept)
                out.write(f"{page}\n")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return written


def _opened(path: Path, *, gzipped: bool) -> TextIO:
    if gzipped:
        return gzip.open(path, "wt", encoding="utf-8")
    return path.open("w", encoding="utf-8")


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        return (gzip.decompress(content) if content.startswith(_GZIP_MAGIC) else content).decode("utf-8-sig")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        message = f"{path} is not a whole gzip file: {error}"
    except UnicodeDecodeError as error:
        message = f"{path} is not UTF-8 text: {error.reason} at byte {error.start}"
    raise RefusedRequestError(message)


def _documents(text: str, path: Path) -> Iterator[Any]:
    """The JSON documents of a text that follow one another."""
    decoder = json.JSONDecoder()
    end = _next_word(text, 0)
    while end < len(text):
        try:
            document, end = decoder.raw_decode(text, end)
        except (ValueError, RecursionError) as error:
            message = f"{path} is not JSON: {error}"
            raise RefusedRequestError(message) from error
        yield document
        end = _next_word(text, end)


def _next_word(text: str, start: int) -> int:
    while start < len(text) and text[start].isspace():
        start += 1
    return start


def _pages(text: str, path: Path) -> Iterator[SavedPage]:
    bare: list[Any] = []
    for document in _documents(text, path):
        for part in document if isinstance(document, list) else [document]:
            if isinstance(part, dict) and "skuId" not in part and ("skus" in part or not part):
                yield _page(part, path)
            elif isinstance(part, dict) and "error" in part and "skuId" not in part:
                message = f"{path} holds an error in place of a page: {json.dumps(part['error'])[:_LONGEST_SHOWN]}"
                raise RefusedRequestError(message)
            else:
                bare.append(part)
    if bare:
        yield SavedPage(bare)


def _page(part: dict[str, Any], path: Path) -> SavedPage:
    skus = part.get("skus", [])
    if not isinstance(skus, list):
        message = f"{path} holds a page whose skus are {json.dumps(skus)[:_LONGEST_SHOWN]}, not a list"
        raise RefusedRequestError(message)
    return SavedPage(skus, more=bool(part.get("nextPageToken")))


def _skus(pages: Sequence[SavedPage], path: Path) -> Iterator[Sku]:
    for number, page in enumerate(pages, start=1):
        for position, resource in enumerate(page.skus, start=1):
            try:
                yield sku_from_json(resource)
            except MalformedSkuError as error:
                message = f"{path}, page {number}, SKU number {position}: {error}"
                raise RefusedRequestError(message) from error


def _effective(pages: Iterable[SavedPage]) -> datetime | None:
    """The latest time at which a price of these pages came into effect; what is no time with an offset is left out."""
    texts = {
        str(resource["pricingInfo"][-1].get("effectiveTime"))
        for page in pages
        for resource in page.skus
        if resource.get("pricingInfo")
    }
    times = []
    for text in texts:
        with suppress(RefusedRequestError):
            times.append(parse_time("effectiveTime", text))
    return max(times, default=None)
