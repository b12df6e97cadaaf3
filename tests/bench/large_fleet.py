"""The tracker on 100,000 VMs in one hour, as a process of its own: memory, growth and jobs."""

from collections.abc import Sequence

from tests.bench.load import Load, Requests, hour, load
from tests.bench.reading import Reading
from tests.bench.rows import Row
from tests.bench.tracker import work

SMALL, LARGE = 10_000, 100_000
_FIRST_MIB, _MOST_MIB, _MOST_GROWTH, _READING_TIMES = 250, 512, 11, 5


def rows() -> Sequence[Row]:
    """Measure a small fleet, then a large one: both in one project, which is the hardest for memory."""
    with load(SMALL) as stack:
        small, _, small_asked = _runs(stack)
    with load(LARGE) as stack:
        large, peaks, asked = _runs(stack)
        [found] = work(stack.settings)
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
        _memory("the first run", peaks[0], _FIRST_MIB),
        _memory("the three after it", max(peaks), _MOST_MIB),
        Row(
            f"{LARGE:,} VMs: own work of a later run, of plain parsing of the same pages (t0)",
            f"{found.own:.1f} CPU s = {found.own / found.plain:.1f} t0",
            f"{_READING_TIMES} t0",
            passed=found.own <= _READING_TIMES * found.plain,
        ),
    ]


def _memory(run: str, peak: float, limit: float) -> Row:
    return Row(f"{LARGE:,} VMs: peak memory of {run}", f"{peak:.0f} MiB", f"{limit} MiB", passed=peak <= limit)


def _runs(stack: Load) -> tuple[float, Sequence[float], Requests]:
    """The best time of a run that reads no prices, the peaks of each process, and what a run asks of BigQuery.

    The first run has a process of its own, and so have the three after it: a peak is that of all runs of a process.
    """
    reading = Reading(stack.settings)
    for number in range(4):
        reading.parsed(hour(number))
    [first] = stack.track([0])
    before = stack.requests()
    _, second, third = stack.track([1, 2, 3])[-3:]
    asked = stack.requests().since(before)
    return (
        min(second.seconds, third.seconds),
        (first.peak_mib, third.peak_mib),
        Requests(asked.calls // 3, asked.jobs // 3),
    )
