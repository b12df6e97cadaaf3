from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from tests.bench.__main__ import main
from tests.bench.rows import ROUNDS, Row, medians


@dataclass(frozen=True)
class Measured:
    """A bench whose figures are known."""

    passed: bool | None

    def rows(self) -> Sequence[Row]:
        return [Row("duration", "2 s", "1 s", self.passed)]


BENCHES = {"good": Measured(passed=True), "slow": Measured(passed=False), "free": Measured(passed=None)}


@pytest.mark.parametrize(
    ("names", "code"),
    [([], 1), (["good"], 0), (["slow"], 1), (["free"], 0), (["slow", "good"], 1), (["good", "free"], 0)],
)
def test_the_benches_that_are_named_are_run_and_one_beyond_its_limit_fails(
    capsys: pytest.CaptureFixture[str], names: list[str], code: int
) -> None:
    assert main(names, BENCHES) == code

    output = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line and not line.startswith(" ")]
    assert output == (names or list(BENCHES))


def test_a_bench_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["fast"], BENCHES)

    assert stop.value.code == 2
    assert "there is no bench 'fast': choose from good, slow, free" in capsys.readouterr().err


def test_what_is_compared_takes_turns() -> None:
    turns: list[str] = []

    medians(one=lambda: turns.append("one"), other=lambda: turns.append("other"))

    assert turns == ["one", "other"] * ROUNDS
