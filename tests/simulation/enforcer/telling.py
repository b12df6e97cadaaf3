"""A violation described so that it can be repeated: the seed, the smallest story in sentences, the command."""

from tests.simulation.enforcer.drawing import kind_of, story_of
from tests.simulation.enforcer.facts import Violation
from tests.simulation.enforcer.life import Life
from tests.simulation.enforcer.shrinking import smallest
from tests.simulation.enforcer.stories import Story


def telling(seed: int, name: str) -> str:
    """Return the smallest story found in which the life of a seed violates an invariant."""
    story = smallest(story_of(seed), lambda each: bool(_violations(each, name)))
    violation = next(iter(_violations(story, name)), "nothing: the life depends on more than its story")
    lines = (
        f"Seed {seed} ({kind_of(seed)}) violates {name}:",
        *(f"  {sentence}" for sentence in story.sentences()),
        f"  Then {violation}",
        f"Repeat: python -m tests.simulation.enforcer --seed {seed} --lives 1 --only {name}",
    )
    return "\n".join(lines)


def _violations(story: Story, name: str) -> list[Violation]:
    return [each for each in Life(story).run() if each.name == name]
