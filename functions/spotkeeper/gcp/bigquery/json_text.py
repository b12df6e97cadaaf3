"""Values in the JSON of rows that are staged by the hundred thousand."""

import json
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring_ascii

WITHOUT_SPACES = (",", ":")
"""The separators of JSON; a run compresses every character of a row."""

NULL = "null"


def text(value: str | None) -> str:
    """Return a string as JSON has it."""
    return NULL if value is None else encode_basestring_ascii(value)


def number(value: Decimal | None) -> str:
    """Return a number as the string of its plain decimal notation, as JSON has it."""
    return NULL if value is None else f'"{value:f}"'


def skus_text(skus: tuple[str, ...]) -> str:
    """Return the ids of SKUs as one string in JSON, separated by spaces; null without any."""
    return text(" ".join(skus) or None)


@lru_cache(maxsize=4096)
def labels_text(labels: tuple[tuple[str, str], ...]) -> str:
    """Return labels as JSON has them."""
    return json.dumps([{"key": key, "value": value} for key, value in labels], separators=WITHOUT_SPACES)


def members(values: Mapping[str, str]) -> str:
    """Return members of a JSON object, with a comma after each, without those that are null: BigQuery reads them so."""
    return "".join(f'"{name}":{value},' for name, value in values.items() if value != NULL)
