"""The error budget in docs/accuracy.md names worlds that exist, and every world that there is."""

import re
from pathlib import Path

from tests.simulation.tracker.worlds import WORLDS

PAGE = Path(__file__).parents[3] / "docs" / "accuracy.md"
COMBINED = {"everything"}


def test_the_error_budget_names_every_world_and_no_other() -> None:
    page = PAGE.read_text(encoding="utf-8")
    lines = page.partition("## Error budget")[2].partition("## What is attached to a VM")[0].splitlines()
    budget = [line for line in lines if line.startswith("| ")]
    measured_by = re.findall(r"`([^`]+)`", "".join(line.rsplit("|", 2)[1] for line in budget if line.endswith(" |")))

    named = set(measured_by) & set(WORLDS)
    in_prose = {world for world in WORLDS if f"`{world}`" in page}

    assert sorted(set(measured_by) - named) == []
    assert sorted(set(WORLDS) - in_prose - COMBINED) == []
