"""Random lives of a fleet: whatever happens, the enforcer holds its invariants."""

import pytest

from tests.simulation.enforcer.drawing import KINDS, story_of
from tests.simulation.enforcer.life import Life
from tests.simulation.enforcer.telling import telling

_LIVES_OF_A_KIND = 20
_LARGE_LIVES = 4


@pytest.mark.parametrize("number", range(len(KINDS)), ids=[kind.name for kind in KINDS])
def test_no_life_violates_an_invariant(number: int) -> None:
    """The same lives each time; `python -m tests.simulation.enforcer` lives as many others as wanted."""
    lives = _LARGE_LIVES if KINDS[number].name == "large" else _LIVES_OF_A_KIND
    for seed in range(number, len(KINDS) * lives, len(KINDS)):
        violated = sorted({each.name for each in Life(story_of(seed)).run()})
        assert not violated, telling(seed, violated[0])
