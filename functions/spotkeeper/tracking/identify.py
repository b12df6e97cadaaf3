"""Who the instances were that ran and are no longer listed: from earlier observations, else from asset history."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from spotkeeper.errors import UnavailableError
from spotkeeper.instances import Instance
from spotkeeper.tracking.inventory import Inventory, Observation
from spotkeeper.tracking.ports import AssetHistory, InventoryReader
from spotkeeper.tracking.run_summary import Gap, HourRuns
from spotkeeper.tracking.uptime import Uptime

_SOURCE = "asset history"


def identify(
    unknown: Sequence[Uptime],
    inventory: InventoryReader,
    assets: AssetHistory | None,
    hours: HourRuns,
    record: Callable[[Observation], None],
) -> Iterator[tuple[Uptime, Instance | None]]:
    """Yield each uptime with its instance, None when no source knows it.

    What asset history answers is recorded, so that later runs find it in the inventory; a failure of asset history is a
    gap of the hours it was asked about. Raises UnavailableError when the inventory cannot be read.
    """
    if not unknown:
        return
    keys = list(dict.fromkeys(uptime.key for uptime in unknown))
    observed = Inventory((), inventory.observations_of(keys))
    unobserved: dict[str, list[Uptime]] = defaultdict(list)
    for uptime in unknown:
        if instance := observed.find(uptime.key, uptime.hour):
            yield uptime, instance
        else:
            unobserved[uptime.key.project_id].append(uptime)
    for project_id, uptimes in unobserved.items():
        history = Inventory((), () if assets is None else _from_assets(assets, project_id, uptimes, hours, record))
        yield from ((uptime, history.find(uptime.key, uptime.hour)) for uptime in uptimes)


def _from_assets(
    assets: AssetHistory,
    project_id: str,
    uptimes: Sequence[Uptime],
    hours: HourRuns,
    record: Callable[[Observation], None],
) -> Iterator[Observation]:
    concerned = {uptime.hour for uptime in uptimes}
    try:
        for observation in assets.observations(project_id, uptimes, hours.reporter(concerned, _SOURCE, project_id)):
            record(observation)
            yield observation
    except UnavailableError as error:
        hours.record_gap(concerned, Gap(_SOURCE, str(error), project_id))
