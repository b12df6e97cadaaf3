"""Structured logs: one JSON line for each decision, as Cloud Logging reads them from standard output."""

import json
import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import datetime
from decimal import Decimal

_TRACE: ContextVar[str | None] = ContextVar("trace", default=None)
_FIELDS = "spotkeeper_fields"


def log_event(message: str, severity: int = logging.INFO, /, **fields: object) -> None:
    """Log one decision with the values it rests on."""
    logging.getLogger("spotkeeper").log(severity, message, extra={_FIELDS: fields})


def follow_trace(header: str | None, project_id: str) -> None:
    """Join the events of this request to its trace, from the header `X-Cloud-Trace-Context: TRACE/SPAN;o=1`.

    https://cloud.google.com/logging/docs/structured-logging
    """
    trace = (header or "").partition("/")[0]
    _TRACE.set(f"projects/{project_id}/traces/{trace}" if trace else None)


def write_json_lines() -> None:
    """Send the events of this process to standard output."""
    logger = logging.getLogger("spotkeeper")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(_JsonFormatter())
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields: Mapping[str, object] = getattr(record, _FIELDS, {})
        line: dict[str, object] = {"severity": record.levelname, "message": record.getMessage(), **fields}
        if trace := _TRACE.get():
            line["logging.googleapis.com/trace"] = trace
        if record.exc_info:
            line["stack_trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=_plain)


def _plain(value: object) -> str:
    return (
        value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, Decimal) else repr(value)
    )
