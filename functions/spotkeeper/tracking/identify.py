"""Who the instances were that ran and are no longer listed: from earlier observations, else from recorded history."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched

from spotkeeper.errors import UnavailableError
from spotkeeper.instances import Instance
from spotkeeper.tracking.inventory import Inventory, Observation
from spotkeeper.tracking.ports import InstanceHistory, InventoryReader
from spotkeeper.tracking.run_summary import Gap, HourRuns
from spotkeeper.tracking.uptime import Uptime

RESOLVE_WITHIN = timedelta(hours=6)
"""For so long after an hour later runs ask again who ran in it: a source may learn of an instance late."""

UPTIMES_PER_REQUEST = 1000
"""So many are requested from a source at once; between two requests the deadline of the run is checked."""


@dataclass(frozen=True, slots=True)
class Identification:
    """Identifies the instances of a run.

    What a history answers is passed to `record`, so that later runs find it in the inventory. `is_late` says whether
    the read deadline has passed, and then records the hours as a gap of the project.
    """

    inventory: InventoryReader
    histories: Sequence[InstanceHistory]
    hours: HourRuns
    now: datetime
    is_late: Callable[[str, Iterable[datetime]], bool]
    record: Callable[[Observation], None]

    def identify(self, unknown: Sequence[Uptime]) -> Iterator[tuple[Uptime, Instance | None]]:
        """Yield each uptime with its instance, None when no source knows it.

        A history that fails is a gap of the project and hours that it was asked about. What is still unknown when runs
        no longer ask is a final one. Raises UnavailableError when the inventory cannot be read.
        """
        if not unknown:
            return
        keys = list(dict.fromkeys(uptime.key for uptime in unknown))
        observed = Inventory((), self.inventory.observations_of(keys))
        unobserved: dict[str, list[Uptime]] = defaultdict(list)
        for uptime in unknown:
            if instance := observed.find(uptime.key, uptime.hour):
                yield uptime, instance
            else:
                unobserved[uptime.key.project_id].append(uptime)
        for project_id, uptimes in unobserved.items():
            yield from self._from_histories(project_id, uptimes)

    def _from_histories(self, project_id: str, uptimes: Sequence[Uptime]) -> Iterator[tuple[Uptime, Instance | None]]:
        unresolved = sorted(uptimes, key=lambda each: (each.hour, each.key.zone, each.instance_name))
        for history in self.histories:
            still_unresolved = []
            for uptime, instance in self._from_history(history, project_id, unresolved):
                if instance is None:
                    still_unresolved.append(uptime)
                else:
                    yield uptime, instance
            unresolved = still_unresolved
        if self.histories:
            self._record_final_gaps(project_id, unresolved)
        yield from ((uptime, None) for uptime in unresolved)

    def _from_history(
        self, history: InstanceHistory, project_id: str, uptimes: Sequence[Uptime]
    ) -> Iterator[tuple[Uptime, Instance | None]]:
        """Yield each uptime with its instance; a source that fails is asked no more in this run."""
        oldest = self.now - history.retention
        kept = [uptime for uptime in uptimes if uptime.hour >= oldest]
        yield from ((uptime, None) for uptime in uptimes if uptime.hour < oldest)
        readable = True
        for batch in batched(kept, UPTIMES_PER_REQUEST, strict=False):
            found = None
            if readable and not self.is_late(project_id, {uptime.hour for uptime in kept}):
                found = self._request(history, project_id, batch)
            readable = found is not None
            yield from ((uptime, found.find(uptime.key, uptime.hour) if found else None) for uptime in batch)

    def _request(self, history: InstanceHistory, project_id: str, uptimes: Sequence[Uptime]) -> Inventory | None:
        """What a source has on record of these instances; None when it fails, which is a gap."""
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
        return Inventory((), observations)

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
