"""`rebuild-rollups`: write the rollups of some days anew from the cost rows."""

import argparse
from datetime import UTC, date, datetime, timedelta

from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.cli.dataset_arguments import add_dataset_arguments, chosen_settings
from spotkeeper.errors import RefusedRequestError

_MOST_DAYS = 3660


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = add_command(
        subparsers,
        "rebuild-rollups",
        summary="write the rollups of some days anew from the cost rows",
        description="Write the rollups, which the views read, anew from the cost rows of the UTC days from --from to "
        "--to: after an upgrade that adds rollups, after a change of label_keys, and where the check "
        "rollups_equal_rows finds a difference. A week is one transaction; running it again changes nothing, and the "
        "tracker may run meanwhile.",
        examples=(
            "--project my-project-1 --from 2026-01-01",
            "--project my-project-1 --from 2026-07-01 --to 2026-07-31",
        ),
    )
    add_dataset_arguments(parser)
    parser.add_argument("--from", dest="first", metavar="DAY", type=_day, required=True, help="the first UTC day")
    parser.add_argument("--to", dest="last", metavar="DAY", type=_day, help="the last UTC day (default: today)")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Rebuild, and print the last day of each week that is written."""
    from spotkeeper.gcp.bigquery.jobs import Jobs
    from spotkeeper.gcp.bigquery.rollups import Rollups

    now = datetime.now(UTC)
    days = chosen_days(arguments.first, arguments.last or now.date())
    settings = chosen_settings(arguments)
    jobs = Jobs(
        settings.project_id,
        settings.dataset,
        settings.endpoints.bigquery,
        timedelta(seconds=settings.retry_timeout_seconds),
    )
    rollups = Rollups(jobs)
    first = rollups.first_day(now)
    if first is not None and days[0] < first:
        message = (
            f"--from must be {first} or later: cost rows of an earlier month have expired, and its sums would be lost"
        )
        raise RefusedRequestError(message)
    for written in rollups.rebuild(days, now):
        print(f"rollups written up to {written.isoformat()}", flush=True)
    return 0


def chosen_days(first: date, last: date) -> list[date]:
    """Return the days from the first to the last; raises RefusedRequestError when there is none, or too many."""
    count = (last - first).days + 1
    if not 1 <= count <= _MOST_DAYS:
        message = f"--from {first} to --to {last} must be 1 to {_MOST_DAYS} days, not {count}"
        raise RefusedRequestError(message)
    return [first + timedelta(days=number) for number in range(count)]


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is not a day such as 2026-07-01"
        raise argparse.ArgumentTypeError(message) from error
