"""What the sources say of the projects and hours of one run: instances, uptime, preemptions and samples.

A source that cannot be read is a gap of the project and hours concerned; without the inventory there is no run.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

from spotkeeper.errors import UnavailableError
from spotkeeper.instances import Instance, InstanceKey, Sighting
from spotkeeper.logs import log_event
from spotkeeper.periods import HOUR, latest_closed_hour, rfc3339, spans
from spotkeeper.pricing.price_history import PriceHistory
from spotkeeper.tracking.addresses import AddressPricing, AddressScan, holder_of
from spotkeeper.tracking.backlog import Backlog, EarlierRuns, projects_of
from spotkeeper.tracking.disks import DiskKinds, DiskPricing, DiskScan, DiskSighting, Place
from spotkeeper.tracking.inventory import Comparison, Observation, Since
from spotkeeper.tracking.ports import Ports, PreemptionReader, Stage
from spotkeeper.tracking.preemptions import OPERATIONS_KEPT, OPERATIONS_TRUSTED
from spotkeeper.tracking.run_summary import Gap, HourRuns
from spotkeeper.tracking.uptime import Ran, Totals, Uptime, silent_hours, valid_seconds

HOURS_IN_MEMORY = 4
"""The most hours of one project that are held at once while a run catches up; more would only cost memory."""

_HOURS_OF_A_PUNCTUAL_RUN = 2
"""The latest one, and the one before for the second time."""

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class Sources:
    """Reads the sources of one run, and stages the instances and preemptions as they are read.

    `is_late` says whether the read deadline has passed, and then records the hours as a gap of the project. Disks and
    addresses were listed after the latest hour of each project that an `earlier` run recorded; those that a list lacked
    are recorded since the latest hour after which a list was full. `unlisted` are the projects of which this run lacks
    some.
    `running_since` is from when on something ran in each project, `preempted` the first preemption of each instance in
    the hours that are read.
    """

    ports: Ports
    stage: Stage
    backlog: Backlog
    hours: HourRuns
    now: datetime
    is_late: Callable[[str, Iterable[datetime]], bool]
    earlier: EarlierRuns
    unlisted: set[str] = field(default_factory=set)
    running_since: dict[str, datetime] = field(default_factory=dict)
    preempted: dict[InstanceKey, datetime] = field(default_factory=dict)

    def projects(self, *, scanned_before: bool) -> Iterator[tuple[str, Comparison]]:
        """Every project with pending hours, and what compares its instances with earlier scans."""
        projects = projects_of(self.backlog)
        comparisons: Iterator[tuple[str, Comparison]] = iter(())
        if scanned_before and projects:
            comparisons = self.ports.inventory.comparisons(projects, min(self.backlog))
        coming = list(islice(comparisons, 1))  # At most one: each holds a text for every instance of its project.
        for project_id in projects:
            if coming and coming[0][0] == project_id:
                yield coming.pop()
                coming.extend(islice(comparisons, 1))
            else:
                yield project_id, _is_new

    def list_instances(
        self,
        project_id: str,
        hours: Sequence[datetime],
        compare: Comparison,
        changed: dict[InstanceKey, Observation],
        prices: PriceHistory,
    ) -> Mapping[InstanceKey, Observation]:
        """List the instances, addresses and disks of a project, and stage each once, though a list may name it twice.

        Return the instances that an hour can be worked out for from the list alone, and add the others to `changed`.
        """
        sightings: dict[Place, Sighting] = {}
        replaced: list[Sighting] = []
        report = self.hours.reporter(hours, "compute", project_id)
        try:
            for sighting in self.ports.instances.instances(project_id, report):
                place = sighting.instance.key.zone, sighting.instance.name
                earlier = sightings.setdefault(place, sighting)
                if earlier.instance.key != sighting.instance.key:  # It was recreated between two pages.
                    replaced.append(earlier)
                    sightings[place] = sighting
        except UnavailableError as error:
            report(str(error))
        self._list_addresses(project_id, hours, sightings, prices.reserved_address_price)
        scan = self._list_disks(project_id, hours, sightings, prices.disk_price)
        listed: dict[InstanceKey, Observation] = {}
        # In a time without scans an instance may have been another one, and be the same again.
        catching_up = bool(self.ports.histories) and len(hours) > _HOURS_OF_A_PUNCTUAL_RUN
        unchanged_since, first_recorded = min(self.backlog), self.earlier.first.get(project_id)
        for instance, sighting in scan.instances(replaced):
            since, started, created = sighting.running_since, sighting.started, sighting.created
            observation = Observation(instance, self.now, self.now, started, created)
            match compare(instance):
                case Since.NEW:
                    listed[instance.key] = observation
                case datetime() as first_seen if _is_all(
                    observation, first_seen, unchanged_since, first_recorded, catching_up=catching_up
                ):
                    listed[instance.key] = Observation(instance, first_seen, self.now, started, created)
                case _:
                    changed[instance.key] = observation
            self.stage.add(observation)
            if since is not None and since < self.running_since.get(project_id, _NEVER):
                self.running_since[project_id] = since
        return listed

    def _list_addresses(
        self, project_id: str, hours: Sequence[datetime], sightings: Mapping[Place, Sighting], pricing: AddressPricing
    ) -> None:
        """List the reserved addresses of a project, and stage those that are recorded.

        A list that fails is no gap of the hours: the next full list records the time of an address that it leaves out.
        """
        scan = AddressScan(pricing, self._unlisted_since(project_id, hours), self.now.replace(microsecond=0))

        def report(detail: str) -> None:
            self.unlisted.add(project_id)
            log_event("addresses not read in full", logging.WARNING, project_id=project_id, detail=detail)

        try:
            for listed in self.ports.addresses.addresses(project_id, report):
                holder = holder_of(listed, sightings)
                if holder is not None:
                    self.stage.add(scan.sighting(listed, holder))
        except UnavailableError as error:
            report(str(error))

    def _list_disks(
        self, project_id: str, hours: Sequence[datetime], sightings: dict[Place, Sighting], pricing: DiskPricing
    ) -> DiskScan:
        """List the disks of a project, stage those that are recorded, and match them with its instances.

        A list that fails is no gap of the hours: the disks of the instances are then those of an earlier scan, or
        unknown. The next full list records the time of a disk that this one leaves out.
        """
        scan, now = DiskScan(sightings), self.now.replace(microsecond=0)
        kinds = DiskKinds(pricing, self._unlisted_since(project_id, hours), now)

        def report(detail: str) -> None:
            self.unlisted.add(project_id)
            log_event("disks not read in full", logging.WARNING, project_id=project_id, detail=detail)

        try:
            for listed in self.ports.disks.disks(project_id, report):
                users = scan.users(listed)
                if users is not None:
                    self.stage.add(DiskSighting(listed, users, kinds.of(listed)))
        except UnavailableError as error:
            report(str(error))
        return scan

    def _unlisted_since(self, project_id: str, hours: Sequence[datetime]) -> datetime:
        """Return the start of the time of which disks and addresses are recorded: what was listed before stays."""
        # One hour more than was not listed, so that rows go on from the last list; more, where lists lacked some.
        # A run of an earlier moment that comes late ends before hours that are recorded: it begins before its own end.
        recorded = min(self.earlier.latest.get(project_id, min(hours)), latest_closed_hour(self.now))
        since = max(min(hours), recorded)
        return min(since, self.earlier.listed.get(project_id, since))

    def read_uptime(self, project_id: str, hours: Sequence[datetime]) -> Iterator[Ran]:
        """Yield the uptime of every instance and hour once, as far as it is known, a few hours at a time."""
        for span in spans(hours, HOURS_IN_MEMORY):
            remaining = [hour for hour in hours if hour >= span[0]]
            if self.is_late(project_id, remaining):
                return
            totals = Totals()
            report = self.hours.reporter(span, "monitoring", project_id)
            try:
                for series in self.ports.uptime.uptime(project_id, span, report):
                    if not totals.add(series):
                        self._record_invalid(series)
            except UnavailableError as error:
                self.hours.record_gap(remaining, Gap("monitoring", str(error), project_id))
                yield from totals.ran(())
                return
            self._flag_silent_hours(project_id, span, totals)
            yield from totals.ran(span)

    def record_preemptions(self, project_id: str, hours: Sequence[datetime]) -> None:
        """Stage the preemptions from the first hour to the last; reading an hour between them again loses nothing.

        Hours whose operations Compute Engine may have forgotten are read from the log. Without a log, a final gap
        names those that it has forgotten.
        """
        log = self.ports.preemption_log
        oldest = self.now - (OPERATIONS_TRUSTED if log else OPERATIONS_KEPT)
        if listed := [hour for hour in hours if hour + HOUR > oldest]:
            self._stage_preemptions(self.ports.preemptions, project_id, listed)
        if not (older := [hour for hour in hours if hour + HOUR <= oldest]):
            return
        if log:
            self._stage_preemptions(log, project_id, older)
        else:
            detail = f"Compute Engine lists the operations of {OPERATIONS_KEPT.days} days at most"
            self.hours.record_gap(older, Gap("preemptions", detail, project_id, final=True))

    def _stage_preemptions(self, reader: PreemptionReader, project_id: str, hours: Sequence[datetime]) -> None:
        report = self.hours.reporter(hours, "preemptions", project_id)
        try:
            for preemption in reader.preemptions(project_id, min(hours), max(hours) + HOUR, report):
                self.stage.add(preemption)
                first = self.preempted.get(preemption.key, preemption.preempted_at)
                self.preempted[preemption.key] = min(first, preemption.preempted_at)
        except UnavailableError as error:
            report(str(error))

    def read_samples(
        self, project_id: str, hour: datetime, keys: Sequence[InstanceKey]
    ) -> Mapping[InstanceKey, Mapping[datetime, float]]:
        """Return the seconds of each minute of these instances, by the end of the minute."""
        found: dict[InstanceKey, dict[datetime, float]] = defaultdict(lambda: defaultdict(float))
        report = self.hours.reporter([hour], "monitoring", project_id)
        try:
            for sample in self.ports.uptime.samples(project_id, keys, hour, report):
                if valid_seconds(sample.seconds):
                    found[sample.key][sample.end] += sample.seconds
        except UnavailableError as error:
            report(str(error))
        return found

    def _record_invalid(self, series: Uptime) -> None:
        detail = f"uptime of {series.instance_name} is {series.seconds} seconds"
        self.hours.record_gap([series.hour], Gap("monitoring", detail, series.key.project_id))

    def _flag_silent_hours(self, project_id: str, hours: Sequence[datetime], totals: Totals) -> None:
        since = self.running_since.get(project_id)
        for hour in silent_hours(hours, totals, since):
            detail = f"Cloud Monitoring: no uptime at all, though an instance has run since {rfc3339(since or hour)}"
            self.hours.record_gap([hour], Gap("monitoring", detail, project_id))


def _is_new(_instance: Instance) -> Since:
    return Since.NEW


def _is_all(
    listed: Observation, first_seen: datetime, since: datetime, first_recorded: datetime | None, *, catching_up: bool
) -> bool:
    """Whether an instance was nothing else since an hour began than what was observed from its first scan on.

    One that was created since then has no earlier observations, nor has one that was first seen in the hour after the
    first that any run recorded of its project: a run looks when the hours that it records are over. One that has not
    been started since its first scan has been the same machine.
    """
    restarted = listed.started is not None and listed.started > first_seen
    if first_seen <= since:
        return not (catching_up and restarted)
    is_new = listed.created is not None and listed.created >= since
    seen_at_once = first_recorded is not None and first_seen < first_recorded + 2 * HOUR
    return not restarted and (is_new or seen_at_once)
