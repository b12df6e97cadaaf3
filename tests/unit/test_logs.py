import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from spotkeeper.logs import follow_trace, log_event, write_json_lines
from spotkeeper.periods import PeriodKind

type ReadLines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[ReadLines]:
    """All lines written so far; afterwards the process logs as before."""
    logger = logging.getLogger("spotkeeper")
    before = logger.handlers[:], logger.level, logger.propagate
    logger.handlers.clear()
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    write_json_lines()
    yield lambda: [json.loads(line) for line in output.getvalue().splitlines()]
    follow_trace(None, "")
    logger.handlers[:], logger.level, logger.propagate = before


def test_an_event_is_one_line_with_its_severity_message_and_values(lines: ReadLines) -> None:
    log_event("incomplete", logging.WARNING, source="compute", detail="two\nlines")

    assert lines() == [{"severity": "WARNING", "message": "incomplete", "source": "compute", "detail": "two\nlines"}]


@pytest.mark.parametrize(("severity", "name"), [(logging.INFO, "INFO"), (logging.ERROR, "ERROR")])
def test_the_severity_is_worded_as_cloud_logging_words_it(lines: ReadLines, severity: int, name: str) -> None:
    log_event("done", severity)

    assert [line["severity"] for line in lines()] == [name]


def test_without_a_severity_an_event_is_for_information_and_debugging_is_not_written(lines: ReadLines) -> None:
    log_event("done")
    log_event("detail", logging.DEBUG)

    assert lines() == [{"severity": "INFO", "message": "done"}]


def test_a_decision_is_written_once_however_often_logging_is_set_up(lines: ReadLines) -> None:
    with redirect_stdout(io.StringIO()) as again:
        write_json_lines()
    log_event("done")

    assert (len(lines()), again.getvalue()) == (1, "")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Decimal("0.000000001"), "1E-9"),
        (Decimal("12.50"), "12.50"),
        (datetime(2026, 7, 21, 5, tzinfo=UTC), "2026-07-21T05:00:00+00:00"),
        (PeriodKind.DAY, "day"),
        (None, None),
        ([Decimal(1), {"at": datetime(2026, 7, 21, tzinfo=UTC)}], ["1", {"at": "2026-07-21T00:00:00+00:00"}]),
        (frozenset({"blue"}), "frozenset({'blue'})"),
        ("größer", "größer"),
        ("\ud800", "\ud800"),
    ],
    ids=repr,
)
def test_every_value_is_readable(lines: ReadLines, value: object, written: object) -> None:
    log_event("done", value=value)

    assert lines()[0]["value"] == written


@pytest.mark.parametrize("header", ["105445aa7843bc8bf206b12000100000/1;o=1", "105445aa7843bc8bf206b12000100000"])
def test_events_join_the_trace_of_their_request(lines: ReadLines, header: str) -> None:
    follow_trace(header, "blue")
    log_event("done")

    [line] = lines()
    assert line["logging.googleapis.com/trace"] == "projects/blue/traces/105445aa7843bc8bf206b12000100000"


@pytest.mark.parametrize("header", [None, "", "/1;o=1"])
def test_a_request_without_a_trace_leaves_that_of_the_last_one(lines: ReadLines, header: str | None) -> None:
    follow_trace("105445aa7843bc8bf206b12000100000/1;o=1", "blue")
    follow_trace(header, "blue")
    log_event("done")

    assert lines() == [{"severity": "INFO", "message": "done"}]


def test_an_exception_is_written_with_its_stack_on_the_same_line(lines: ReadLines) -> None:
    try:
        int("one")
    except ValueError:
        logging.getLogger("spotkeeper").exception("failed")

    [line] = lines()
    assert (line["severity"], line["message"]) == ("ERROR", "failed")
    assert line["stack_trace"].startswith("Traceback")
    assert "ValueError" in line["stack_trace"]
