"""Google's discovery documents, as the package google-api-python-client ships them: what a REST call may look like.

https://developers.google.com/discovery/v1/reference/apis
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from infra.local.emulators.rest import ApiError, Mask, mask

type Schema = Mapping[str, Any]

_WIDTHS = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
_DURATION = re.compile(r"-?\d+(\.\d+)?s")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Document:
    """One API: its methods and schemas."""

    name: str
    content: Schema

    patterns: Mapping[str, Sequence[tuple[re.Pattern[str], Schema]]]

    def method(self, verb: str, path: str) -> Schema | None:
        """Return the method that a call is of; None when the API has no such method."""
        found = [(pattern, method) for pattern, method in self.patterns.get(verb, ()) if pattern.fullmatch(path)]
        # Of `topics/{topic}` and `topics/{topic}:getIamPolicy` it is the one that says more.
        return max(found, key=lambda each: len(each[0].pattern))[1] if found else None

    def parameter_faults(self, method: Schema, query: Mapping[str, Sequence[str]]) -> Iterator[str]:
        """Yield what is wrong with the query parameters of a call."""
        own = {name: each for name, each in method.get("parameters", {}).items() if each["location"] == "query"}
        known = {**self.content.get("parameters", {}), **own}
        for name, values in query.items():
            schema = known.get(name.removeprefix("$"), known.get(name))
            if schema is None:
                yield f"{name} is not a parameter"
                continue
            if len(values) > 1 and not schema.get("repeated"):
                yield f"{name} is given more than once"
            for value in values:
                yield from (f"parameter {name} {fault}" for fault in _text_faults(value, schema))
        yield from (f"{name} is missing" for name, each in own.items() if each.get("required") and name not in query)
        for text in query.get("fields", ()):
            yield from self._mask_faults(text, method.get("response", {}))

    def body_faults(self, schema: Schema, value: object, *, answer: bool) -> Iterator[str]:
        """Yield what is wrong with a body; int64 must be text in an answer, and may be a number in a request."""
        yield from self._faults(value, schema, "", answer=answer)

    def _mask_faults(self, text: str, schema: Schema) -> Iterator[str]:
        try:
            yield from self._unknown(mask(text), schema, "")
        except ApiError as error:
            yield f"fields {error}"

    def _unknown(self, tree: Mask, schema: Schema, where: str) -> Iterator[str]:
        schema = self._resolved(schema)
        while schema.get("type") == "array":
            schema = self._resolved(schema["items"])
        for name, below in tree.items():
            properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
            if name == "*" and rest is None:
                for each in properties.values():
                    yield from self._unknown(below, each, f"{where}/*")
            elif found := (rest if name == "*" else properties.get(name, rest)):
                yield from self._unknown(below, found, f"{where}/{name}")
            else:
                yield f"fields names {where}/{name}, which the response does not have"

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self.content["schemas"][schema["$ref"]]
        return schema

    def _faults(self, value: object, schema: Schema, where: str, *, answer: bool) -> Iterator[str]:
        schema = self._resolved(schema)
        match schema.get("type"), value:
            case "any", _:
                return
            case _, None:
                # In a request, null is a field that is not set: https://protobuf.dev/programming-guides/json/
                if answer:
                    yield f"{where} is null"
            case "object", dict():
                for name, each in value.items():
                    inner = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
                    if inner is None:
                        yield f"{where}.{name} is not a field"
                    else:
                        yield from self._faults(each, inner, f"{where}.{name}", answer=answer)
            case "array", list():
                for each in value:
                    yield from self._faults(each, schema["items"], f"{where}[]", answer=answer)
            case _:
                yield from (f"{where} {fault}" for fault in _scalar_faults(value, schema, answer=answer))


@cache
def document(name: str) -> Document:
    """Return the document of an API, such as compute.v1."""
    documents = files("googleapiclient") / "discovery_cache" / "documents"
    content = json.loads((documents / f"{name}.json").read_text())
    patterns: dict[str, list[tuple[re.Pattern[str], Schema]]] = {}
    for method in _methods(content):
        for template in _templates(content, method):
            patterns.setdefault(method["httpMethod"], []).append((_pattern(template), method))
    return Document(name, content, patterns)


def _templates(content: Schema, method: Schema) -> Iterator[str]:
    yield f"/{content['servicePath']}{method.get('flatPath') or method['path']}"
    yield from (each["path"] for each in method.get("mediaUpload", {}).get("protocols", {}).values())


def _methods(part: Schema) -> Iterator[Schema]:
    yield from part.get("methods", {}).values()
    for each in part.get("resources", {}).values():
        yield from _methods(each)


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile("[^/]+".join(map(re.escape, re.split(r"\{[^}]*\}", template))))


def _text_faults(value: str, schema: Schema) -> Iterator[str]:
    """Yield what is wrong with a query parameter, which is text whatever it means."""
    kind = schema.get("type")
    if kind == "boolean":
        if value not in {"true", "false"}:
            yield f"is {value!r}, which is not true or false"
    elif kind == "integer":
        least, most = (
            int(schema.get(name, bound))
            for name, bound in zip(("minimum", "maximum"), _WIDTHS[schema["format"]], strict=True)
        )
        if not re.fullmatch(r"-?\d+", value) or not least <= int(value) <= most:
            yield f"is {value!r}, which is not from {least} to {most}"
    else:
        yield from _scalar_faults(value, schema, answer=True)


def _scalar_faults(value: object, schema: Schema, *, answer: bool) -> Iterator[str]:
    kind, form = schema.get("type"), schema.get("format", "")
    match kind, value:
        case "boolean", bool():
            return
        case "integer", int() if not isinstance(value, bool):
            least, most = _WIDTHS[form]
            if not least <= value <= most:
                yield f"is {value}, beyond {form}"
        case "number", int() | float() if not isinstance(value, bool):
            return
        case "string", str():
            if (known := schema.get("enum")) and value not in known:
                yield f"is {value!r}, which is no member of its enum"
            elif not _has_form(value, form):
                yield f"is {value!r}, which is no {form}"
        case "string", int() if form in _WIDTHS and not answer:
            return
        case _:
            yield f"is {str(value)[:60]!r}, which is no {form or kind}"


def _has_form(value: str, form: str) -> bool:
    match form:
        case "int64" | "uint64":
            least, most = _WIDTHS[form]
            return bool(re.fullmatch(r"-?\d+", value)) and least <= int(value) <= most
        case "google-datetime" | "date-time":
            return bool(_TIME.fullmatch(value)) and _is_time(value)
        case "google-duration":
            return bool(_DURATION.fullmatch(value))
        case "byte":
            return _is_base64(value)
    return True


def _is_time(value: str) -> bool:
    try:
        datetime.fromisoformat(re.sub(r"\.\d+", "", value))
    except ValueError:
        return False
    return True


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error:
        return False
    return True
