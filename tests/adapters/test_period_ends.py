"""Alerts around the ends of days and months in Los Angeles: each once, and about the right one, whatever clocks do."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from infra.local.emulators.cloud import Cloud
from infra.local.fleet.clock import Clock
from infra.local.fleet.fleet import Fleet, Run, Vm, instance_id
from infra.local.stack.stack import HOME_PROJECT, Stack
from spotkeeper.periods import HOUR, hours_between, rfc3339
from spotkeeper.tracking.run import TrackRequest, track
from spotkeeper.tracking.run_summary import Summary
from tests.adapters.conftest import Tracker, new_dataset, new_tracker
from tests.faults.fleets import OWNER

LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)

type Told = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Year:
    """One VM that runs all the time, and a tracker that looks at it whenever a test says so."""

    tracker: Tracker
    cloud: Cloud

    def with_budgets(self, **hours: str) -> "Year":
        """Return the same with budgets of so many of the VM's hours."""
        budgets = {f"{kind}_BUDGET_USD": str(Decimal(number) * self.hourly()) for kind, number in hours.items()}
        return replace(self, tracker=new_tracker(self.tracker.stack, self.tracker.dataset, budgets))

    def hourly(self) -> Decimal:
        """Return what an hour of the VM costs."""
        [row] = self.tracker.rows("SELECT MAX(cost) AS cost FROM spot_vm_costs WHERE usage_start_time >= '2025-01-01'")
        found: Decimal = row["cost"]
        return found

    def run(self, moment: datetime, start: datetime | None = None, end: datetime | None = None) -> list[Told]:
        """Run at a moment, for all that is due or for some hours, and return what was told."""
        self.cloud.state.clock.now = moment
        hours = hours_between(start, end) if start and end else ()
        summary = track(
            self.tracker.settings, self.tracker.ports, f"run-{moment:%Y%m%d%H%M%S}", TrackRequest(moment, moment, hours)
        )
        assert summary.complete
        return told(summary)


def told(summary: Summary) -> list[Told]:
    """Return the alerts of a run: the kind of period, its start, and the highest share."""
    return [(alert.period.kind, rfc3339(alert.period.start), str(alert.thresholds[-1])) for alert in summary.alerts]


def at(moment: str) -> datetime:
    return datetime.fromisoformat(moment)


@pytest.fixture(scope="module")
def year(stack: Stack) -> Iterator[Year]:
    """The VM, with one hour on record, by which budgets are measured."""
    vm = Vm(
        project_id=HOME_PROJECT,
        zone="us-central1-a",
        name="always",
        instance_id=instance_id("always"),
        created=LONG_AGO,
        runs=(Run(LONG_AGO),),
        machine_types=((LONG_AGO, "n2-standard-2"),),
        labels=((LONG_AGO, {}),),
    )
    first = at("2026-02-01T12:00:00Z")
    with Cloud(Fleet((OWNER,), (vm,)), Clock(first)) as cloud, new_dataset(stack, "period_ends") as dataset:
        own = dict.fromkeys(("COMPUTE_ENDPOINT", "BILLING_ENDPOINT", "ASSETS_ENDPOINT"), cloud.rest_url)
        own |= {"MONITORING_ENDPOINT": f"http://{cloud.grpc_target}", "PROJECTS": HOME_PROJECT}
        own |= {"CUSTOM_METRICS": "false", "BUDGET_TOPIC": "", "BUDGET_ID": "", "CATCH_UP_HOURS": "2"}
        own |= {"DAILY_BUDGET_USD": "", "MONTHLY_BUDGET_USD": "", "PRICE_REFRESH_HOURS": "168"}
        there = replace(stack, rest=cloud.rest_url, grpc=cloud.grpc_target, settings={**stack.settings, **own})
        found = Year(new_tracker(there, dataset), cloud)
        found.run(first + timedelta(minutes=7))
        yield found


@pytest.mark.parametrize(
    ("start", "hours", "share"),
    [("2026-03-08T08:00:00Z", 23, "0.8"), ("2026-11-01T07:00:00Z", 25, "1.0")],
    ids=["spring", "autumn"],
)
def test_a_day_has_the_hours_that_the_clocks_in_los_angeles_give_it(
    year: Year, start: str, hours: int, share: str
) -> None:
    """Its last hour passes a share of the budget that all others leave alone."""
    day = at(start)
    end = day + hours * HOUR
    budget = {"0.8": Decimal(hours) / Decimal("0.8"), "1.0": Decimal(hours)}[share] - Decimal("0.5")
    there = year.with_budgets(DAILY=str(budget))

    before = there.run(end - HOUR + timedelta(minutes=7), day, end - HOUR)
    last = there.run(end + timedelta(minutes=7))

    assert [each for each in before if each[2] == share] == []
    assert last == [("day", rfc3339(day), share)]


def test_a_budget_that_is_passed_in_a_missed_hour_is_told_though_its_day_and_month_are_over(year: Year) -> None:
    over = at("2027-01-01T08:00:00Z")
    there = year.with_budgets(HOURLY="1", DAILY="3", MONTHLY="3")
    seven = timedelta(minutes=7)

    before = there.run(over - HOUR + seven, over - 3 * HOUR, over - HOUR)
    caught_up = there.run(over + HOUR + seven)
    again = there.run(over + HOUR + 2 * seven)

    assert [each for each in before if each[2] == "1.0"] == [("hour", rfc3339(over - 2 * HOUR), "1.0")]
    assert sorted(caught_up) == [
        ("day", "2026-12-31T08:00:00Z", "1.0"),
        ("hour", rfc3339(over - HOUR), "1.0"),
        ("hour", rfc3339(over), "1.0"),
        ("month", "2026-12-01T08:00:00Z", "1.0"),
    ]
    assert again == []
