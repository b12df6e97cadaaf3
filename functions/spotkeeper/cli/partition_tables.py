"""`partition-tables`: give the tables of an earlier deployment the partitions that tables have now."""

import argparse
from datetime import timedelta

from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.cli.dataset_arguments import add_dataset_arguments, chosen_settings
from spotkeeper.cli.product_files import sql_files


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = add_command(
        subparsers,
        "partition-tables",
        summary="give tables of an earlier deployment their partitions",
        description="Replace every table that an earlier deployment created without partitions by one that has them, "
        "with all rows: before an upgrade that partitions a table, since Terraform would delete the table to do so. "
        "The rows as they were stay in a table NAME_unpartitioned. A tracker run that fails meanwhile is caught up on "
        "by the next; an interrupted command is run again.",
        examples=("--project my-project-1",),
    )
    add_dataset_arguments(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Replace the tables, and print one line for each."""
    from spotkeeper.gcp.bigquery.jobs import Jobs
    from spotkeeper.gcp.bigquery.partitions import Partitions

    settings = chosen_settings(arguments)
    jobs = Jobs(
        settings.project_id,
        settings.dataset,
        settings.endpoints.bigquery,
        timedelta(seconds=settings.retry_timeout_seconds),
    )
    done = False
    for table in Partitions(jobs, sql_files("tables")).add_missing():
        done = True
        print(
            f"{table.name}: {table.rows} rows, partitioned by {table.column}; {table.kept} keeps them as they were",
            flush=True,
        )
    if not done:
        print("every table has its partitions")
    return 0
