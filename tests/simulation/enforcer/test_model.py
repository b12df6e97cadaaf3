"""The model that judges the lives: it sees what is wrong, tells it briefly, and knows nothing of the product."""

import ast
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.simulation.enforcer.careless import CarelessFunction, IdleFunction, TiringFunction
from tests.simulation.enforcer.drawing import KINDS, kind_of, story_of
from tests.simulation.enforcer.invariants import NAMES
from tests.simulation.enforcer.life import Deliverable, Life
from tests.simulation.enforcer.shrinking import smallest
from tests.simulation.enforcer.stories import Story

_HERE = Path(__file__).parent


def test_a_function_that_does_everything_wrong_violates_every_invariant() -> None:
    """So no invariant holds only because nothing could break it."""
    month_ends = [seed for seed in range(400) if kind_of(seed) in ("month end", "freezes")]
    seeds: dict[Callable[[Life], Deliverable], Iterable[int]] = {
        CarelessFunction: [
            *(seed for seed in range(40) if seed < 10 or kind_of(seed) != "large"),
            *(seed for seed in range(40, 200) if kind_of(seed) == "approvals"),
        ],
        IdleFunction: range(10),
        TiringFunction: month_ends,
    }
    violated = {
        each.name
        for function, wanted in seeds.items()
        for seed in wanted
        for each in Life(story_of(seed), function).run()
    }
    assert violated == set(NAMES)


def test_the_same_seed_tells_the_same_story() -> None:
    """A failure can be repeated."""
    assert [*story_of(25).sentences()] == [*story_of(25).sentences()]
    assert kind_of(5) == kind_of(5 + len(KINDS)) == "troubles"


def test_a_story_shrinks_to_what_it_takes() -> None:
    """Few VMs and messages are enough to stop a GKE node; the story drawn has many."""

    def stops_a_gke_node(story: Story) -> bool:
        return any(each.name == "gke_nodes_keep_running" for each in Life(story, CarelessFunction).run())

    story = next(story for story in map(story_of, range(100)) if stops_a_gke_node(story))
    shrunk = smallest(story, stops_a_gke_node)
    assert stops_a_gke_node(shrunk)
    assert len(shrunk.fleet) <= 4
    assert len(shrunk.happenings) <= 2


def test_only_the_adapter_knows_the_product() -> None:
    """The model judges the product, so it is made without it."""
    knowing = {path.name for path in _HERE.glob("*.py") if _imports_product(path)}
    assert knowing == {"adapter.py"}


def _imports_product(path: Path) -> bool:
    nodes = ast.walk(ast.parse(path.read_text()))
    modules = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return any(name.startswith(("spotkeeper", "tests.unit")) for name in modules)
