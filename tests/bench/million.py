"""A million VMs over 40 projects: memory is bounded by the largest project, not by the fleet."""

from collections.abc import Sequence

from tests.bench.load import load
from tests.bench.rows import Row

EACH, PROJECTS = 25_000, 40
_UPLOAD_MIB = 100
"""The client of BigQuery reads the file to be loaded in pieces of 100 MB; nothing else may grow with the fleet."""


def rows() -> Sequence[Row]:
    """Compare one project of 25,000 with 40 of them, each in a fresh process and on the same pages."""
    with load(EACH) as stack:
        [one] = stack.track([0])
    with load(EACH, PROJECTS, copies=True) as stack:
        [all_of_them] = stack.track([0])
    most = one.peak_mib + _UPLOAD_MIB
    return [
        Row(f"1 project of {EACH:,} VMs: peak memory", f"{one.peak_mib:.0f} MiB in {one.seconds:.0f} s"),
        Row(
            f"{PROJECTS} projects of {EACH:,} VMs: peak memory",
            f"{all_of_them.peak_mib:.0f} MiB in {all_of_them.seconds:.0f} s",
            f"that + {_UPLOAD_MIB} MiB",
            passed=all_of_them.peak_mib <= most,
        ),
    ]
