"""Who an instance was in an hour: its shape, labels and provisioning model, from the observations of it."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from itertools import pairwise
from typing import NamedTuple, final

from spotkeeper.instances import Instance, InstanceKey
from spotkeeper.periods import HOUR

_FIRST_START_WITHIN = timedelta(minutes=1)
"""An instance that started later than this after its creation may have run, and been another machine, before."""

_LONGEST_BETWEEN_SCANS = timedelta(minutes=100)
"""Runs are an hour apart, and may be late; in a longer time without a scan several starts may be missed."""

OBSERVATION_REACH = timedelta(days=7)
"""An instance that was last observed so long before an hour counts as not observed: scans of its project are missing.

The table of observations is read by the days on which they were last made, so that a run reads a week of it, not years.
"""

_ALWAYS = datetime.min.replace(tzinfo=UTC)


@final
class Observation(NamedTuple):
    """An instance that was the same at `first_seen`, at `last_seen`, and at every scan between.

    `started` is its last start that was known at `first_seen`, `created` its creation; None where nobody said.
    """

    instance: Instance
    first_seen: datetime
    last_seen: datetime
    started: datetime | None = None
    created: datetime | None = None


def is_unchanged(earlier: Instance, later: Instance) -> bool:
    """Whether an instance is as it was, as far as the later observation says: its disks may not have been read."""
    if later.attachments.disks is None and earlier.attachments.disks is not None:
        return earlier._replace(attachments=replace(earlier.attachments, disks=None)) == later
    return earlier == later


class Identity(NamedTuple):
    """Who an instance was in one hour: each machine that it was, with the time from which it was that one.

    Machine type, GPUs, local SSD and provisioning model change only while an instance is stopped, so that each later
    machine begins with a start. `started` and `created` are the last start and the creation, as far as they are known.
    A `doubtful` one was started anew before anybody observed it, or while scans were missing: it may have been other
    machines before that start.
    """

    machines: tuple[tuple[datetime, Instance], ...]
    started: datetime | None = None
    created: datetime | None = None
    doubtful: bool = False


class Since(Enum):
    """What an instance that is listed was since an hour began, when it was not observed once, always the same."""

    NEW = auto()
    """It was not observed."""
    CHANGED = auto()
    """It was observed otherwise than it is listed: its observations have to be read."""


type Comparison = Callable[[Instance], Since | datetime]
"""From when on an instance was observed as it is listed now, not before the hour from which on it is compared."""


class Inventory:
    """The instances of one project: as they are listed now, and as they were observed earlier."""

    def __init__(self, listed: Mapping[InstanceKey, Observation], observations: Iterable[Observation] = ()) -> None:
        self._listed = listed
        self._observations: dict[InstanceKey, list[Observation]] = defaultdict(list)
        for observation in sorted(observations, key=lambda each: each.last_seen):
            self._observations[observation.instance.key].append(observation)

    def find(self, key: InstanceKey, hour: datetime) -> Identity | None:
        """Return who the instance was in this hour; None when it was never observed.

        Its labels and attachments are those of the first observation after the hour, else of the last one before it: a
        change between two scans counts from the hour of the scan that first saw it, whether the hour is worked out at
        once or days later. A change of the machine counts from the start with which it took effect.
        """
        versions = self._versions(key)
        if len(versions) == 1:
            instance, first_seen, _, started, created = versions[0]
            doubtful = _restarted_unobserved(first_seen, started, created, hour)
            return Identity(((hour, instance),), started, created, doubtful)
        if not versions:
            return None
        latest = versions[-1]
        later = [each.instance for each in versions if each.last_seen >= hour + HOUR]
        earlier = [each.instance for each in versions if each.last_seen < hour + HOUR]
        found = _with_disks([*later, *reversed(earlier)])
        return Identity(
            _machines(versions, found, hour),
            latest.started,
            latest.created,
            _is_doubtful(versions, hour),
        )

    def extended(self, keys: Collection[InstanceKey], observations: Iterable[Observation]) -> "Inventory":
        """Return what is known of these instances with more observations of them."""
        listed = {key: self._listed[key] for key in keys if key in self._listed}
        known = (each for key in keys for each in self._observations.get(key, ()))
        return Inventory(listed, [*known, *observations])

    def _versions(self, key: InstanceKey) -> Sequence[Observation]:
        """Every observation of an instance in order; the list is the last one."""
        listed = self._listed.get(key)
        if listed is not None and not self._observations:  # Most are known by the list alone.
            return (listed,)
        observations = self._observations.get(key, ())
        return observations if listed is None else (*observations, listed)


def _with_disks(instances: Sequence[Instance]) -> Instance:
    """The first instance, with the disks of the first one that has them: a recorded history does not."""
    first = instances[0]
    disks = next((each.attachments.disks for each in instances if each.attachments.disks is not None), None)
    if first.attachments.disks is not None or disks is None:
        return first
    return first._replace(attachments=replace(first.attachments, disks=disks))


def _machines(
    versions: Sequence[Observation], found: Instance, hour: datetime
) -> tuple[tuple[datetime, Instance], ...]:
    """The machines that an instance was in an hour, with the labels of it."""
    begun = [(_ALWAYS, versions[0].instance)]
    for earlier, later, following in zip(versions, versions[1:], [*versions[2:], None], strict=False):
        if _is_other_machine(earlier.instance, later.instance):
            begun.append((max(_begin(earlier, later, following), begun[-1][0]), later.instance))
    ends = [*(since for since, _ in begun[1:]), hour + HOUR]
    return tuple(
        (max(since, hour), _as_machine(found, machine))
        for (since, machine), end in zip(begun, ends, strict=True)
        if since < hour + HOUR and end > hour and since < end
    )


def _begin(earlier: Observation, later: Observation, following: Observation | None) -> datetime:
    """From when on an instance was another machine: its start after it was last seen as the earlier one.

    Without one it was changed and not started yet: all that ran before ran as the earlier machine. A recorded history
    has the start in the version that follows at once.
    """
    if later.started is not None and later.started > earlier.last_seen:
        return later.started
    if following is not None and following.first_seen == later.last_seen and following.started == following.first_seen:
        return following.first_seen
    return later.first_seen


def _is_other_machine(one: Instance, other: Instance) -> bool:
    return one.shape != other.shape or one.provisioning_model is not other.provisioning_model


def _as_machine(found: Instance, machine: Instance) -> Instance:
    if not _is_other_machine(found, machine):
        return found
    return found._replace(shape=machine.shape, provisioning_model=machine.provisioning_model)


def _is_doubtful(versions: Sequence[Observation], hour: datetime) -> bool:
    """Whether other machines may have run in an hour than those that were observed."""
    _, first_seen, _, started, created = versions[0]
    return _restarted_unobserved(first_seen, started, created, hour) or any(
        restarted_in_gap(earlier.last_seen, later) and earlier.last_seen < hour + HOUR and later.first_seen > hour
        for earlier, later in pairwise(versions)
    )


def restarted_in_gap(last_seen: datetime, later: Observation) -> bool:
    """Whether an instance was started after it was last seen, and not seen again for longer than between two scans."""
    return (
        later.started is not None
        and later.started > last_seen
        and later.first_seen - last_seen > _LONGEST_BETWEEN_SCANS
    )


def _restarted_unobserved(
    first_seen: datetime, started: datetime | None, created: datetime | None, hour: datetime
) -> bool:
    """Whether an instance was started anew in an hour, or after it, before it was observed first."""
    if started is None or started <= hour or created is None or first_seen < started:
        return False
    return started - created > _FIRST_START_WITHIN
