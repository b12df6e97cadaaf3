"""Who an instance was in an hour: its shape, labels and provisioning model, from the observations of it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from spotkeeper.instances import Instance, InstanceKey
from spotkeeper.periods import HOUR


@dataclass(frozen=True, slots=True)
class Observation:
    """An instance that was the same at `first_seen`, at `last_seen`, and at every scan between."""

    instance: Instance
    first_seen: datetime
    last_seen: datetime


class Inventory:
    """The instances of one project: as they are listed now, and as they were observed earlier."""

    def __init__(self, listed: Iterable[Instance], observations: Iterable[Observation] = ()) -> None:
        self._listed = {instance.key: instance for instance in listed}
        self._observations: dict[InstanceKey, list[Observation]] = defaultdict(list)
        for observation in sorted(observations, key=lambda each: each.last_seen):
            self._observations[observation.instance.key].append(observation)

    def find(self, key: InstanceKey, hour: datetime) -> Instance | None:
        """Return the instance as first observed after the hour, else as last observed before it; None when never.

        A change between two scans so counts from the hour of the scan that first saw it, whether the hour is worked
        out at once or days later.
        """
        observations = self._observations.get(key, [])
        after = next((each.instance for each in observations if each.last_seen >= hour + HOUR), None)
        before = observations[-1].instance if observations else None
        return after or self._listed.get(key) or before
