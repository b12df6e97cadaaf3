"""Files of JSON, and what is wrong with them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from spotkeeper.errors import RefusedRequestError


def parsed_json(text: str, where: str) -> object:
    """Return what a text of JSON holds; raises RefusedRequestError naming where it is."""
    try:
        return json.loads(text)
    except ValueError as error:
        message = f"{where} is not JSON: {error}"
        raise RefusedRequestError(message) from error
    except RecursionError as error:
        raise _too_deep(where) from error


def json_values(text: str, where: str) -> Iterator[object]:
    """Yield values of JSON that follow one another; raises RefusedRequestError, also when there is none."""
    decoder, rest = json.JSONDecoder(), text.strip()
    if not rest:
        message = f"{where} is empty"
        raise RefusedRequestError(message)
    at = 0
    while at < len(rest):
        try:
            found, at = decoder.raw_decode(rest, at)
        except ValueError as error:
            message = f"{where} is not JSON: {error}"
            raise RefusedRequestError(message) from error
        except RecursionError as error:
            raise _too_deep(where) from error
        yield found
        while at < len(rest) and rest[at].isspace():
            at += 1


def objects(found: object, expected: str) -> list[Mapping[str, Any]]:
    """Return a list of objects; raises RefusedRequestError when it is anything else."""
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        message = f"the file must be {expected}"
        raise RefusedRequestError(message)
    return found


def _too_deep(where: str) -> RefusedRequestError:
    return RefusedRequestError(f"{where} is not readable: its JSON is nested too deeply")
