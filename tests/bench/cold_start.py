"""Run as a process: load a function, give it one message from standard input, and print seconds and peak memory."""

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
    """Answer one message and say what it took; the time is counted from the start of the process."""
    source, target = sys.argv[1:]
    modules: dict[str, object] = sys.modules  # type: ignore[assignment]
    modules.update(dict.fromkeys(NOT_DEPLOYED))  # None makes an import fail
    answer = create_app(target, source, "cloudevent").test_client().post("/", json=json.loads(sys.stdin.read()))
    peak = int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) / _KIB_PER_MIB
    print(json.dumps({"status": answer.status_code, "seconds": time.time() - _started(), "peak_mib": peak}))


def _started() -> float:
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    booted = time.time() - float(Path("/proc/uptime").read_text().split()[0])
    return booted + ticks / 100


if __name__ == "__main__":
    main()
