"""The Terraform module and the root that deploys it, read without Terraform: expressions as text."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
from hcl2 import SerializationOptions

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
DEPLOYED = INFRA / "root"
FILES = sorted(INFRA.glob("*.tf"))

_PLAIN = SerializationOptions(
    with_comments=False, strip_string_quotes=True, explicit_blocks=False, force_operation_parentheses=False
)


@dataclass(frozen=True, slots=True)
class Block:
    """One resource or data source: its type, its name, and what is in it."""

    kind: str
    name: str
    body: Mapping[str, Any]


@cache
def parsed(path: Path) -> Mapping[str, Any]:
    """Return one file; raises an error of lark when it is not HCL."""
    return hcl2.loads(path.read_text(), serialization_options=_PLAIN)


def resources() -> Sequence[Block]:
    """Return all resources of the module."""
    return _blocks("resource")


def data_sources() -> Sequence[Block]:
    """Return all data sources of the module."""
    return _blocks("data")


def resource(kind: str, name: str) -> Mapping[str, Any]:
    """Return one resource."""
    [body] = [block.body for block in resources() if (block.kind, block.name) == (kind, name)]
    return body


@cache
def variables() -> Mapping[str, Mapping[str, Any]]:
    """Return all variables of the module, in the order in which they stand."""
    return {name: body for found in _all("variable") for name, body in found.items()}


@cache
def outputs() -> Mapping[str, Mapping[str, Any]]:
    """Return all outputs of the module."""
    return {name: body for found in _all("output") for name, body in found.items()}


@cache
def local_values() -> Mapping[str, Any]:
    """Return all local values of the module."""
    return {name: value for found in _all("locals") for name, value in found.items()}


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield every attribute within a body with its path, without the places of list items: `service_config.timeout`."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        for inner in value:
            yield from leaves(inner, path)
    else:
        yield path, value


def object_fields(type_text: str) -> dict[str, str]:
    """Return the fields of the first `object({…})` in a type, with the type of each."""
    body = _inside(type_text, type_text.index("object({") + len("object({"))
    return {name.strip(): kind.strip() for name, _, kind in (each.partition("=") for each in _split(body))}


def whole_text() -> str:
    """Return all files of the module in one text."""
    return "\n".join(path.read_text() for path in FILES)


@cache
def _blocks(what: str) -> Sequence[Block]:
    return [
        Block(kind, name, body) for found in _all(what) for kind, named in found.items() for name, body in named.items()
    ]


def _all(what: str) -> Iterator[Mapping[str, Any]]:
    for path in FILES:
        yield from parsed(path).get(what, [])


def _inside(text: str, start: int) -> str:
    depth = 1
    for place in range(start, len(text)):
        depth += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(text[place], 0)
        if depth == 0:
            return text[start:place]
    message = f"a bracket is not closed: {text[start:]}"
    raise ValueError(message)


def _split(text: str) -> Iterator[str]:
    """Split at the commas and lines that are not within brackets."""
    depth, begin = 0, 0
    for place, letter in enumerate(text):
        depth += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(letter, 0)
        if depth == 0 and letter in ",\n":
            if re.search(r"\w", text[begin:place]):
                yield text[begin:place]
            begin = place + 1
    if re.search(r"\w", text[begin:]):
        yield text[begin:]
