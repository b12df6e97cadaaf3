"""The smallest program that writes as many rows as the tracker: what any design of it in Python costs at least.

It reads the same pages, keeps a few fields of each VM, and compresses one text for each VM and each of its hours, with
constants in place of what the tracker works out: identities, prices, charges, labels, checks.
"""

import gzip
import io
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from tests.bench.reading import Reading

_LINES_PER_WRITE = 200
_CONSTANT = "x" * 116
"""Amounts and the like: the rows of a VM without disks have 213 characters on average, its observation 298."""


def smallest(reading: Reading, hour: datetime) -> int:
    """Read, keep and write; return how many rows were written."""
    instances: dict[str, dict[str, str]] = {}
    for page in reading.instance_pages():
        for scope in page["items"].values():
            for found in scope.get("instances", ()):
                instances[found["id"]] = _kept(found)
    lines = [_line(instance, "") for instance in instances.values()]
    for page in reading.uptime_pages(hour):
        for series in page.time_series:
            instance = instances[series.resource.labels["instance_id"]]
            lines += [_line(instance, str(point.value.double_value)) for point in series.points]
    _compress(lines)
    return len(lines)


def _kept(found: Mapping[str, Any]) -> dict[str, str]:
    fields = ("id", "name", "zone", "machineType", "creationTimestamp", "lastStartTimestamp")
    return {name: found[name] for name in fields if name in found}


def _line(instance: Mapping[str, str], uptime: str) -> str:
    return f'{{"id": "{instance["id"]}", "name": "{instance["name"]}", "uptime": "{uptime}", "rest": "{_CONSTANT}"}}\n'


def _compress(lines: Iterable[str]) -> None:
    waiting: list[str] = []
    with gzip.GzipFile(fileobj=io.BytesIO(), mode="wb", compresslevel=1) as file:
        for line in lines:
            waiting.append(line)
            if len(waiting) == _LINES_PER_WRITE:
                file.write("".join(waiting).encode())
                waiting.clear()
        file.write("".join(waiting).encode())
