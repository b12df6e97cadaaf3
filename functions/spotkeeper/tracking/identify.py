"""Who the instances were that ran and are no longer listed: from earlier observations, else from recorded history."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched, chain, groupby

from spotkeeper.errors import UnavailableError
from spotkeeper.instances import InstanceKey
from spotkeeper.tracking.inventory import Identity, Inventory, Observation
from spotkeeper.tracking.ports import InstanceHistory, InventoryReader
from spotkeeper.tracking.run_summary import Gap, HourRuns
from spotkeeper.tracking.uptime import Uptime

RESOLVE_WITHIN = timedelta(hours=6)
"""For so long after an hour later runs ask again who ran in it: a source may learn of an instance late."""

UPTIMES_PER_REQUEST = 1000
"""So many are requested from a source at once; between two requests the deadline of the run is checked."""

type Place = tuple[InstanceKey, datetime]
"""An instance and an hour."""


@dataclass(frozen=True, slots=True)
class Identification:
    """Identifies the instances of a run that are not listed, or are listed as `changed` since earlier scans.

    What a history answers is passed to `record`, so that later runs find it in the inventory. `is_late` says whether
    the read deadline has passed, and then records the hours as a gap of the project.
    """

    inventory: InventoryReader
    changed: Mapping[InstanceKey, Observation]
    histories: Sequence[InstanceHistory]
    hours: HourRuns
    now: datetime
    is_late: Callable[[str, Iterable[datetime]], bool]
    record: Callable[[Observation], None]

    def identify(
        self, unknown: Sequence[Uptime], doubtful: Mapping[Place, Identity]
    ) -> Iterator[tuple[Uptime, Identity | None]]:
        """Yield each uptime with who its instance was, None when no source knows it.

        A doubtful identity, of one of these uptimes, holds where no history knows better. A history that fails is a gap
        of the project and hours that it was asked about. What is still unknown when runs no longer ask is a final one.
        Raises UnavailableError when the inventory cannot be read.
        """
        if not unknown:
            return
        waiting: dict[InstanceKey, list[Uptime]] = defaultdict(list)
        for uptime in unknown:
            waiting[uptime.key].append(uptime)
        unobserved: dict[str, list[Uptime]] = defaultdict(list)
        fallback = dict(doubtful)
        kept: dict[InstanceKey, Sequence[Observation]] = {}
        for key, versions in self._observed(waiting):
            observed = Inventory(self.changed, versions)
            for uptime in waiting[key]:
                place = key, uptime.hour
                identity = None if place in doubtful else observed.find(*place)
                if identity is not None and not (identity.doubtful and self.histories):
                    yield uptime, identity
                else:
                    unobserved[key.project_id].append(uptime)
                    kept[key] = versions
                    if identity is not None:
                        fallback[place] = identity
        observed = Inventory(self.changed, chain.from_iterable(kept.values()))
        for project_id, uptimes in unobserved.items():
            yield from self._from_histories(project_id, uptimes, observed, fallback)

    def _observed(
        self, waiting: Mapping[InstanceKey, Sequence[Uptime]]
    ) -> Iterator[tuple[InstanceKey, Sequence[Observation]]]:
        """Yield each instance with its observations, one at a time: after a deployment that is every instance."""
        missing = dict.fromkeys(waiting)
        first = min(uptime.hour for uptimes in waiting.values() for uptime in uptimes)
        observations = self.inventory.observations_of(list(waiting), first)
        for key, versions in groupby(observations, key=lambda each: each.instance.key):
            del missing[key]
            yield key, list(versions)
        yield from ((key, ()) for key in missing)

    def _from_histories(
        self, project_id: str, uptimes: Sequence[Uptime], observed: Inventory, fallback: Mapping[Place, Identity]
    ) -> Iterator[tuple[Uptime, Identity | None]]:
        unresolved = sorted(uptimes, key=lambda each: (each.hour, each.key.zone, each.instance_name))
        for history in self.histories:
            still_unresolved = []
            for uptime, identity in self._from_history(history, project_id, unresolved, observed):
                if identity is None:
                    still_unresolved.append(uptime)
                else:
                    yield uptime, identity
            unresolved = still_unresolved
        if self.histories:
            stays_unknown = [uptime for uptime in unresolved if (uptime.key, uptime.hour) not in fallback]
            self._record_final_gaps(project_id, stays_unknown)
        yield from ((uptime, fallback.get((uptime.key, uptime.hour))) for uptime in unresolved)

    def _from_history(
        self, history: InstanceHistory, project_id: str, uptimes: Sequence[Uptime], observed: Inventory
    ) -> Iterator[tuple[Uptime, Identity | None]]:
        """Yield each uptime with who its instance was; a source that fails is asked no more in this run."""
        oldest = self.now - history.retention
        kept = [uptime for uptime in uptimes if uptime.hour >= oldest]
        yield from ((uptime, None) for uptime in uptimes if uptime.hour < oldest)
        readable = True
        for batch in batched(kept, UPTIMES_PER_REQUEST, strict=False):
            found = None
            if readable and not self.is_late(project_id, {uptime.hour for uptime in kept}):
                found = self._request(history, project_id, batch, observed)
            readable = found is not None
            yield from ((uptime, found.find(uptime.key, uptime.hour) if found else None) for uptime in batch)

    def _request(
        self, history: InstanceHistory, project_id: str, uptimes: Sequence[Uptime], observed: Inventory
    ) -> Inventory | None:
        """What is known of these instances with what a source has on record; None when it fails, which is a gap."""
        hours = {uptime.hour for uptime in uptimes}
        report = self.hours.reporter(hours, history.name, project_id)
        observations = []
        try:
            for observation in history.observations(project_id, uptimes, self.now, report):
                self.record(observation)
                observations.append(observation)
        except UnavailableError as error:
            report(str(error))
            return None
        return observed.extended(list(dict.fromkeys(uptime.key for uptime in uptimes)), observations)

    def _record_final_gaps(self, project_id: str, unresolved: Sequence[Uptime]) -> None:
        """Record the hours of which no later run asks again; one with another gap is read again as a whole."""
        source = " and ".join(history.name for history in self.histories)
        oldest = self.now - max(history.retention for history in self.histories)
        for hour, count in Counter(uptime.hour for uptime in unresolved).items():
            run = self.hours[hour]
            if not run.resolving and run.without_gaps(frozenset({project_id})):
                why = "the hour is older than the source reaches" if hour < oldest else "no later run asks again"
                detail = f"not identified: {count} instances; {why}"
                self.hours.record_gap([hour], Gap(source, detail, project_id, final=True))
