"""A few cells of the matrix: each way to carry out a fault and each outcome, for both functions."""

from tests.faults.injection import Kind
from tests.faults.matrix import Cell, Lasting, Position
from tests.faults.outcomes import Outcome

FIRST, LAST, ONCE, ON = Position.FIRST, Position.LAST, Lasting.ONCE, Lasting.ON

SAMPLE = {
    Cell("tracker", "uptime", Kind.RESET, FIRST, ONCE): Outcome.SAME,  # a gRPC connection that breaks
    Cell("tracker", "uptime", Kind.EMPTY, LAST, ONCE): Outcome.SAME,  # a page that was announced and comes empty
    Cell("tracker", "instances", Kind.PARTIAL, FIRST, ONCE): Outcome.COMPLETED,
    Cell("tracker", "commit", Kind.LOST, FIRST, ONCE): Outcome.SAME,  # BigQuery did it, and nobody heard
    Cell("tracker", "figures", Kind.DENIED, FIRST, ONCE): Outcome.SAME,  # no metrics, and complete tables
    Cell("tracker", "query", Kind.UNAVAILABLE, FIRST, ON): Outcome.REFUSED,
    Cell("enforcer", "stop", Kind.LOST, FIRST, ONCE): Outcome.SAME,  # an HTTP connection that breaks
    Cell("enforcer", "instances", Kind.DENIED, FIRST, ONCE): Outcome.REFUSED,
    Cell("enforcer", "freeze", Kind.DENIED, FIRST, ONCE): Outcome.COMPLETED,
    Cell("enforcer", "events", Kind.DENIED, FIRST, ONCE): Outcome.SAME,  # no events, and the same stops
}
"""Each cell with its outcome; tests/unit/test_run.py holds the gaps of the other services, on fakes of the ports."""
