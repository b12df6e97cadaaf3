"""Tables in a terminal's width, colors, and progress."""

import io
import time
from typing import override

import pytest

from spotkeeper.cli.terminal import Color, painted, progress
from spotkeeper.cli.text_tables import aligned

ROWS = [("stop", "vm-1", "low priority (label priority=low), saves 0.2372 USD/h"), ("spare", "vm-22", "protected")]


class Screen(io.StringIO):
    """A terminal that keeps what is written."""

    @override
    def isatty(self) -> bool:
        return True


def test_a_row_whose_first_columns_are_too_wide_goes_on_in_the_next_line() -> None:
    numbers = ["1816.91", "284.10", "100.0%", "679.84", "58.2%", "296.58"]
    rows = [["a-vm-of-a-managed-instance-group", *numbers, "research-ml/us-central1-c", "a2-highgpu-1g"]]

    assert list(aligned([*rows, ["total", *numbers, "", ""]], width=80)) == [
        "a-vm-of-a-managed-instance-group  1816.91  284.10  100.0%  679.84  58.2%  296.58",
        "    research-ml/us-central1-c  a2-highgpu-1g",
        "total                             1816.91  284.10  100.0%  679.84  58.2%  296.58",
    ]


@pytest.mark.parametrize("width", [80, 40, 20])
def test_a_table_is_no_wider_than_the_terminal_and_breaks_no_word(width: int) -> None:
    lines = list(aligned(ROWS, width=width))

    assert max(map(len, lines)) <= width
    assert " ".join(lines).split() == " ".join(" ".join(row) for row in ROWS).split()


def test_without_a_terminal_every_row_is_one_line() -> None:
    assert len(list(aligned(ROWS))) == len(ROWS)


def test_a_color_is_for_a_terminal_only_and_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.stdout", Screen())
    assert painted("ok", Color.GREEN) == "\x1b[32mok\x1b[0m"

    monkeypatch.setenv("NO_COLOR", "1")
    assert painted("ok", Color.GREEN) == "ok"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert painted("ok", Color.GREEN) == "ok"


def test_what_takes_long_is_shown_on_a_terminal_and_erased_at_its_end() -> None:
    screen, short, file = Screen(), Screen(), io.StringIO()

    with progress("Reading", screen, after_seconds=0.0), progress("Reading", file, after_seconds=0.0):
        while not screen.getvalue():
            time.sleep(0.001)
    with progress("Reading", short, after_seconds=60.0):
        pass

    assert "Reading ... 0 s" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")
    assert (short.getvalue(), file.getvalue()) == ("", "")
