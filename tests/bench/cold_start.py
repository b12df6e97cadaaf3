"""Run as a process: load a function, call it, and print for each call its status, its seconds and the peak memory.

    python -m tests.bench.cold_start SOURCE TARGET (http|cloudevent) < CALLS

CALLS is a JSON list of `{"headers": {…}, "json": …}`. The first call counts from the start of the process.
"""

import json
import re
import sys
import time
from pathlib import Path

from functions_framework import create_app

_KIB_PER_MIB = 1024


NOT_DEPLOYED = ("google.cloud.bigquery_storage_v1", "numpy", "pandas", "pyarrow")
"""Packages of development that google-cloud-bigquery imports where it finds them, and that are not deployed."""


def main() -> None:
    """Answer the calls from standard input, one line for each."""
    source, target, kind = sys.argv[1:]
    modules: dict[str, object] = sys.modules  # type: ignore[assignment]
    modules.update(dict.fromkeys(NOT_DEPLOYED))  # None makes an import fail
    calls = json.loads(sys.stdin.read())
    client = create_app(target, source, kind).test_client()
    began = _started()
    for call in calls:
        answer = client.post("/", json=call["json"], headers=call["headers"])
        ended = time.time()
        measured = {"status": answer.status_code, "seconds": ended - began, "peak_mib": _peak_mib()}
        print(json.dumps({**measured, "body": answer.get_data(as_text=True)}), flush=True)
        began = time.time()


def _peak_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / _KIB_PER_MIB


def _started() -> float:
    """When this process started; Linux tells it to a hundredth of a second."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    booted = time.time() - float(Path("/proc/uptime").read_text().split()[0])
    return booted + ticks / 100


if __name__ == "__main__":
    main()
