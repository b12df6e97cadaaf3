"""Who an instance was in an hour: its shape, labels and provisioning model, from the looks taken at it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from spotkeeper.instances import Instance, InstanceKey
from spotkeeper.periods import HOUR


@dataclass(frozen=True, slots=True)
class Look:
    """An instance that was seen unchanged at `first_seen`, at `last_seen`, and at every look between."""

    instance: Instance
    first_seen: datetime
    last_seen: datetime


class Roster:
    """The instances of one project: as they are now, and as earlier looks found them."""

    def __init__(self, now: Iterable[Instance], earlier: Iterable[Look] = ()) -> None:
        self._now = {instance.key: instance for instance in now}
        self._earlier: dict[InstanceKey, list[Look]] = defaultdict(list)
        for look in sorted(earlier, key=lambda look: look.last_seen):
            self._earlier[look.instance.key].append(look)

    def find(self, key: InstanceKey, hour: datetime) -> Instance | None:
        """Return the instance as the first look after the hour found it, else as the last look before; else None.

        A change between two looks so counts from the hour in which it was first seen, whether that hour is worked out
        at once or days later.
        """
        looks = self._earlier.get(key, [])
        after = next((look.instance for look in looks if look.last_seen >= hour + HOUR), None)
        before = looks[-1].instance if looks else None
        return after or self._now.get(key) or before
