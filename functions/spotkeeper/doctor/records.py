"""The records: how fresh, how complete and how well pruned they are, the latest notification and the latest plan."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from spotkeeper.doctor.deployment import JOB, TRACKER, Installation
from spotkeeper.doctor.facts import (
    Function,
    Notification,
    OpenFreeze,
    Plan,
    Platform,
    PriceChecks,
    Pruning,
    Records,
    Run,
    Unread,
)
from spotkeeper.doctor.findings import Finding, ago, ok, problem, unknown

LATEST_RUN = timedelta(hours=2)
LATEST_PRICES = timedelta(hours=24)
LATEST_NOTIFICATION = timedelta(hours=24)
LATEST_THAW = timedelta(hours=24)
"""A freeze ends with the first message of a new period: Cloud Billing sends several a day."""

MOST_UNPRICED = 0.05
"""The default threshold of the alert policy on prices."""

_MAY_LOOK = "roles/bigquery.dataViewer on the dataset and roles/bigquery.jobUser on the project"
_DEPLOY = "make deploy"


def data(installation: Installation, platform: Platform, records: Records, now: datetime) -> Iterator[Finding]:
    """Yield how fresh and how complete the records are."""
    if records.access is None:
        yield problem("dataset", f"There is no dataset {installation.project_id}.{installation.dataset}.", _DEPLOY)
        return
    tracker = platform.functions[TRACKER]
    region = tracker.region if isinstance(tracker, Function) else installation.region or "REGION"
    run_now = f"gcloud scheduler jobs run {JOB} --project {installation.project_id} --location {region}"
    read_log = f"gcloud functions logs read {TRACKER} --project {installation.project_id} --region {region} --limit 20"
    yield from _run(records, now, run_now, read_log)
    yield from _hours(records, read_log)
    yield from _prices(records, now, read_log)
    if isinstance(tracker, Function):
        yield from _contract_prices(tracker, records, now, read_log)
    yield from _pruning(records, f"--project {installation.project_id} --dataset {installation.dataset}")
    if not platform.is_tracker_alone:
        yield from _notification(installation, records, now)
        yield from _plan(records, now)
        yield from _freezes(records, now)


def _run(records: Records, now: datetime, run_now: str, read_log: str) -> Iterator[Finding]:
    match records.run:
        case Unread() as unread:
            yield unknown("last run", unread, _MAY_LOOK)
        case None:
            yield problem("last run", "The tracker has recorded no run in the last week.", run_now)
        case Run() as run:
            when = ago(now - run.recorded_at)
            if now - run.recorded_at > LATEST_RUN:
                yield problem("last run", f"The tracker last recorded a run {when}.", read_log)
            if not run.complete:
                what = ", ".join(run.gaps) or "an unnamed source"
                yield problem(
                    "last run",
                    f"The hour of {run.hour:%Y-%m-%d %H:%M} UTC is incomplete: {what} was not read.",
                    read_log,
                )
            if run.complete and now - run.recorded_at <= LATEST_RUN:
                yield ok("last run", f"The hour of {run.hour:%Y-%m-%d %H:%M} UTC was recorded {when}, complete.")


def _hours(records: Records, read_log: str) -> Iterator[Finding]:
    hours = records.open_hours
    if isinstance(hours, Unread):
        yield unknown("hours", hours, _MAY_LOOK)
    elif hours:
        first = min(hours)
        said = f"{len(hours)} of the last 48 hours missing or incomplete, the first that of {first:%Y-%m-%d %H:%M} UTC"
        yield problem("hours", f"{said}.", read_log)
    elif isinstance(records.run, Run):
        yield ok("hours", "No hour of the last 48 is missing or incomplete.")


def _prices(records: Records, now: datetime, read_log: str) -> Iterator[Finding]:
    run, prices = records.run, records.prices
    if isinstance(run, Run) and run.prices_as_of and now - run.prices_as_of > LATEST_PRICES:
        said = f"The price catalog was last read {ago(now - run.prices_as_of)}"
        yield problem("price list", f"{said}: prices are stale.", read_log)
    elif isinstance(run, Run) and run.prices_as_of:
        yield ok("price list", f"The price catalog was read {ago(now - run.prices_as_of)}.")
    if isinstance(prices, Unread):
        yield unknown("prices", prices, _MAY_LOOK)
    elif prices.rows:
        unpriced, stale = prices.unknown / prices.rows, prices.stale / prices.rows
        if unpriced > MOST_UNPRICED:
            said = f"{prices.unknown} of {prices.rows} cost rows of the last day have no price ({unpriced:.0%})"
            yield problem("prices", f"{said}.", "make catalog-check")
        else:
            yield ok("prices", f"{1 - unpriced:.1%} of {prices.rows} cost rows of the last day have a price.")
        if prices.stale:
            yield problem("stale prices", f"{stale:.0%} of the last day's cost rows have stale prices.", read_log)
    yield from _price_checks(records.price_checks)


def _contract_prices(tracker: Function, records: Records, now: datetime, read_log: str) -> Iterator[Finding]:
    """Yield whether contract prices are read, where they are to be."""
    run, about = records.run, "contract prices"
    if tracker.environment.get("CONTRACT_PRICES") != "true" or not isinstance(run, Run):
        return
    read_at = run.contract_prices_as_of
    when = f"last read {ago(now - read_at)}" if read_at else "never read"
    if run.contract_prices_problem:
        account = tracker.environment.get("BILLING_ACCOUNT_ID", "BILLING_ACCOUNT_ID")
        allow = (
            f"gcloud billing accounts add-iam-policy-binding {account} --member serviceAccount:{tracker.account} "
            "--role roles/billing.viewer"
        )
        is_denied = " 403 " in run.contract_prices_problem
        said = f"They could not be read, and were {when}: {run.contract_prices_problem}"
        yield problem(about, said, allow if is_denied else read_log)
    elif read_at is None or now - read_at > LATEST_PRICES:
        yield problem(about, f"They were {when}: contract_cost is not known.", read_log)
    else:
        yield ok(about, f"They were {when}.")


def _price_checks(checks: PriceChecks | Unread) -> Iterator[Finding]:
    """Yield whether our prices are those of Google's own history, where that is read."""
    if isinstance(checks, Unread):
        yield unknown("price history", checks, _MAY_LOOK)
    elif checks.compared:
        agreeing = checks.compared - len(checks.differing) - checks.uncertain
        said = f"{agreeing} of {checks.compared} machine types agree with Google's own price history"
        if checks.uncertain:
            said = f"{said}, {checks.uncertain} but for hours whose price is marked as not certain"
        if checks.differing:
            yield problem("price history", f"{said}; not {', '.join(checks.differing)}.", "make catalog-check")
        else:
            yield ok("price history", f"{said}.")


def _pruning(records: Records, dataset: str) -> Iterator[Finding]:
    """Yield whether a query reads the partitions within its filter only.

    Without pruning every filter reads the whole table. Then the query on earlier rows reads bytes too, as it does with
    pruning only where an earlier partition exists: without one the filtered query rightly reads everything.
    """
    for table, found in sorted(records.pruning.items()):
        about = f"pruning of {table}"
        match found:
            case Unread() as unread:
                yield unknown(about, unread, _MAY_LOOK)
            case Pruning(all_bytes=0):
                yield ok(about, "Nothing to prune yet: by a dry run, a query on all rows reads no bytes.")
            case Pruning(earlier_bytes=0) as pruning:
                yield ok(about, f"Nothing to prune yet: no partition is older than {pruning.since}.")
            case Pruning() as pruning:
                filtered, total = _shown_bytes(pruning.recent_bytes), _shown_bytes(pruning.all_bytes)
                if pruning.recent_bytes < pruning.all_bytes:
                    yield ok(about, f"A query on the rows since {pruning.since} reads {filtered} of {total}.")
                else:
                    said = f"A query on the rows since {pruning.since} reads {filtered}, as much as one on all rows"
                    fix = f"python -m spotkeeper partition-tables {dataset}"
                    yield problem(about, f"{said}: the partitions are not pruned.", fix)


def _shown_bytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def _notification(installation: Installation, records: Records, now: datetime) -> Iterator[Finding]:
    look = f"gcloud pubsub subscriptions describe spotkeeper-enforcer --project {installation.project_id}"
    match records.notification:
        case Unread() as unread:
            yield unknown("last notification", unread, _MAY_LOOK)
        case None:
            said = "No budget notification was recorded in the last week"
            yield problem("last notification", f"{said}: check that a budget publishes to the topic.", look)
        case Notification() as last:
            when, said = ago(now - last.received_at), f"about {last.budget}: {last.verdict} ({last.reason})"
            if now - last.received_at > LATEST_NOTIFICATION:
                sentence = f"The last notification is from {when}; Cloud Billing sends several per day."
                yield problem("last notification", sentence, look)
            else:
                yield ok("last notification", f"Received {when}, {said}.")


def _plan(records: Records, now: datetime) -> Iterator[Finding]:
    match records.plan:
        case Unread() as unread:
            yield unknown("last plan", unread, _MAY_LOOK)
        case None:
            yield ok("last plan", "None in the last week: no budget was exceeded, and there was no drill.")
        case Plan() as plan:
            what = f"{plan.stops} stops, {'drill' if plan.drill else plan.mode}"
            if plan.missing_permissions:
                lacks = ", ".join(plan.missing_permissions)
                yield problem("last plan", f"The enforcer lacked {lacks} {ago(now - plan.made_at)}.", _DEPLOY)
            else:
                yield ok("last plan", f"Made {ago(now - plan.made_at)}: {what}.")


def _freezes(records: Records, now: datetime) -> Iterator[Finding]:
    """Yield the groups that were to be thawed since: they neither grow nor replace what they lose."""
    if isinstance(records.freezes, Unread):
        yield unknown("freezes", records.freezes, _MAY_LOOK)
        return
    overdue = sorted((each for each in records.freezes if now - each.period_end > LATEST_THAW), key=_by_end)
    for each in overdue:
        said = f"{each.group} is frozen still, though its budget period ended {ago(now - each.period_end)}"
        yield problem("freezes", f"{said}: set its autoscaler on.", _switch_on(each.group))
    if records.freezes and not overdue:
        yield ok("freezes", f"{len(records.freezes)} groups are frozen, each within its budget period.")


def _by_end(freeze: OpenFreeze) -> tuple[datetime, str]:
    return freeze.period_end, freeze.group


def _switch_on(group: str) -> str:
    """Return the command that sets the autoscaler of a group on; the path is that of GroupKey."""
    _, project_id, scope, place, _, name = group.split("/")
    where = f"--{scope.removesuffix('s')} {place} --project {project_id}"
    return f"gcloud compute instance-groups managed update-autoscaling {name} {where} --mode on"
