"""CPU time and memory of the local BigQuery: of all processes of its group, as Linux counts them."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_KIB = 1024
_RESET_PEAK = "5"
"""What resets the peak of a process's memory: https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html"""


@dataclass(frozen=True, slots=True)
class Engine:
    """A process group; wall time says more of what else runs on the machine than its CPU time does."""

    group: int

    def cpu_seconds(self) -> float:
        """Return the CPU time so far: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html."""
        ticks = 0
        for process in self._processes():
            with suppress(FileNotFoundError, ProcessLookupError):
                fields = _fields(process)
                ticks += int(fields[11]) + int(fields[12])
        return ticks / _TICKS

    def reset_peak(self) -> None:
        """Let `peak_bytes` count from here."""
        for process in self._processes():
            (process / "clear_refs").write_text(_RESET_PEAK)

    def peak_bytes(self) -> int:
        """Return the largest resident size of its largest process since the peak was reset."""
        return max(
            int(line.split()[1]) * _KIB
            for process in self._processes()
            for line in (process / "status").read_text().splitlines()
            if line.startswith("VmHWM:")
        )

    def _processes(self) -> Iterator[Path]:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(FileNotFoundError, ProcessLookupError):
                if int(_fields(process)[2]) == self.group:
                    yield process


def _fields(process: Path) -> list[str]:
    return (process / "stat").read_text().rpartition(")")[2].split()
