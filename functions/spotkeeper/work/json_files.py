"""Files of JSON, and what is wrong with them."""

import json
from collections.abc import Mapping
from typing import Any

from spotkeeper.errors import RefusedRequestError


def parsed_json(text: str, where: str) -> object:
    """Return what a text of JSON holds; raises RefusedRequestError naming where it is."""
    try:
        return json.loads(text)
    except ValueError as error:
        message = f"{where} is not JSON: {error}"
        raise RefusedRequestError(message) from error


def objects(found: object, expected: str) -> list[Mapping[str, Any]]:
    """Return a list of objects; raises RefusedRequestError when it is anything else."""
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        message = f"the file must be {expected}"
        raise RefusedRequestError(message)
    return found
