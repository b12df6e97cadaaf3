"""The smallest story in which something still happens."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from tests.simulation.enforcer.policies import Policy, Rule
from tests.simulation.enforcer.stories import Message, Story

type Check = Callable[[Story], bool]


def smallest(story: Story, still: Check) -> Story:
    """Return a story from which nothing can be left out without `still` being false."""
    found = story
    while (smaller := _smaller(found, still)) != found:
        found = smaller
    return found


def _smaller(story: Story, still: Check) -> Story:
    story = replace(story, happenings=_fewest(story.happenings, lambda left: still(replace(story, happenings=left))))
    story = replace(story, fleet=_fewest(story.fleet, lambda left: still(replace(story, fleet=left))))
    for candidate in _simpler(story):
        if candidate(story) != story and still(candidate(story)):
            story = candidate(story)
    return story


def _fewest[T](items: tuple[T, ...], still: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    """Leave out as many items as possible, first in large pieces."""
    size = len(items)
    while size:
        place = 0
        while place < len(items):
            left = items[:place] + items[place + size :]
            if still(left):
                items = left
            else:
                place += size
        size //= 2
    return items


def _simpler(story: Story) -> Iterator[Callable[[Story], Story]]:
    """Changes that make a story simpler."""
    unset = Policy()
    for field in (
        "minimum_age_minutes",
        "grace_seconds",
        "restart",
        "unlabelled",
        "snoozed_until",
        "mode",
        "per_day_total",
        "max_age_minutes",
    ):
        yield _with_policy(**{field: getattr(unset, field)})
    for budget in story.policy.rules:
        plain = Rule(budget, ())
        for field in ("values", "thresholds", "per_alert", "per_day", "fleet_share", "billing", "tracker", "period"):
            yield _with_rule(budget, **{field: getattr(plain, field)})
        yield _without_rule(budget)
    yield lambda each: replace(each, attempts=2)
    for number, happening in enumerate(story.happenings):
        if isinstance(happening, Message):
            for change in _plainer(happening):
                yield _with_message(number, change)
    for number, vm in enumerate(story.fleet):
        for changes in ({"created_by": None, "refilled": False}, {"labels": (("priority", "low"),)}, {"vcpus": 4}):
            yield _with_vm(number, replace(vm, **changes))


def _plainer(message: Message) -> Iterator[Message]:
    yield replace(message, own=message.spent)
    yield replace(message, kind="month", early=timedelta(0))
    yield replace(message, last_period=False)
    for delay in message.delays:
        yield replace(message, delays=(delay,))
    yield replace(message, delays=(timedelta(seconds=1),))
    yield replace(message, at=timedelta(hours=round(message.at / timedelta(hours=1))))


def _with_policy(**changes: object) -> Callable[[Story], Story]:
    return lambda story: replace(story, policy=replace(story.policy, **changes))  # type: ignore[arg-type]


def _with_rule(budget: str, **changes: object) -> Callable[[Story], Story]:
    def change(story: Story) -> Story:
        rule = replace(story.policy.rules[budget], **changes)  # type: ignore[arg-type]
        return replace(story, policy=replace(story.policy, rules={**story.policy.rules, budget: rule}))

    return lambda story: change(story) if budget in story.policy.rules else story


def _without_rule(budget: str) -> Callable[[Story], Story]:
    def change(story: Story) -> Story:
        rules = {name: rule for name, rule in story.policy.rules.items() if name != budget}
        used = {getattr(each, "budget", None) for each in story.happenings}
        return replace(story, policy=replace(story.policy, rules=rules)) if rules and budget not in used else story

    return change


def _with_message(number: int, message: Message) -> Callable[[Story], Story]:
    def change(story: Story) -> Story:
        happenings: Sequence[object] = story.happenings
        return replace(story, happenings=(*happenings[:number], message, *happenings[number + 1 :]))  # type: ignore[arg-type]

    return change


def _with_vm(number: int, vm: object) -> Callable[[Story], Story]:
    return lambda story: replace(story, fleet=(*story.fleet[:number], vm, *story.fleet[number + 1 :]))  # type: ignore[arg-type]
