"""Records of work and problems, as two lists."""

from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo

from spotkeeper.work.records import Line, Problem, WorkRecord, checked_records


def read_records(
    lines: Iterable[Line], defaults: Mapping[str, str], time_zone: ZoneInfo | None = None
) -> tuple[list[WorkRecord], list[Problem]]:
    """Return all records, and all problems."""
    found = list(checked_records(lines, defaults, time_zone))
    return (
        [each for each in found if isinstance(each, WorkRecord)],
        [each for each in found if isinstance(each, Problem)],
    )
