"""The tracker on 100,000 VMs in one hour, as a process of its own: memory, growth and jobs."""

from collections.abc import Sequence

from tests.bench.load import Load, Requests, hour, load
from tests.bench.reading import Reading
from tests.bench.rows import Row
from tests.bench.tracker import against_reading

SMALL, LARGE = 10_000, 100_000
_MOST_MIB, _MOST_GROWTH = 250, 11


def rows() -> Sequence[Row]:
    """Measure a small fleet, then a large one: both in one project, which is the hardest for memory."""
    with load(SMALL) as stack:
        small, _, small_asked = _runs(stack)
    with load(LARGE) as stack:
        large, peak, asked = _runs(stack)
        compared = against_reading(stack.settings, LARGE)
    return [
        Row(f"{SMALL:,} VMs: one hourly run", f"{small:.2f} s, {small_asked.jobs} jobs"),
        Row(
            f"{LARGE:,} VMs: one hourly run",
            f"{large:.1f} s = {large / small:.1f} times that",
            f"{_MOST_GROWTH} times",
            passed=large <= _MOST_GROWTH * small,
        ),
        Row(
            f"{LARGE:,} VMs: BigQuery jobs (requests)",
            f"{asked.jobs} ({asked.calls})",
            f"{small_asked.jobs} jobs",
            passed=asked.jobs == small_asked.jobs,
        ),
        Row(f"{LARGE:,} VMs: peak memory", f"{peak:.0f} MiB", f"{_MOST_MIB} MiB", passed=peak <= _MOST_MIB),
        *compared,
    ]


def _runs(stack: Load) -> tuple[float, float, Requests]:
    """The best time of a run that reads no prices, the peak of its fresh process, and what a run asks of BigQuery."""
    reading = Reading(stack.settings)
    for number in range(4):
        reading.parsed(hour(number))
    stack.track([0])
    before = stack.requests()
    _, second, third = stack.track([1, 2, 3])[-3:]
    asked = stack.requests().since(before)
    return min(second.seconds, third.seconds), third.peak_mib, Requests(asked.calls // 3, asked.jobs // 3)
