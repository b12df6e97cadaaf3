"""BigQuery on this machine: the package local-bigquery, with the changes that `patches` lists, in one region."""

import argparse
import json
import sys
from pathlib import Path

import uvicorn
from local_bigquery.engine import database
from local_bigquery.settings import settings

from infra.local.bigquery import patches
from infra.local.bigquery.empty_arrays import EmptyArrays
from infra.local.bigquery.job_requests import Regional
from infra.local.emulators.sockets import listening


def main() -> None:
    """Serve until SIGTERM; the first line printed is the address, as JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--project", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--in-memory", action="store_true", help="keep no tables once the server ends")
    parser.add_argument("--empty-arrays-as-null", action="store_true", help="deliver empty array parameters as NULL")
    parser.add_argument("--access-log", action="store_true", help="print a line for every request")
    arguments = parser.parse_args()
    settings.data_dir = arguments.data_dir
    settings.default_project_id = arguments.project
    settings.default_dataset_id = arguments.dataset
    empty_arrays = EmptyArrays(as_null=arguments.empty_arrays_as_null)
    patches.install(empty_arrays, in_memory=arguments.in_memory)
    database.connection()

    from local_bigquery.app import app  # noqa: PLC0415 (reads the settings when imported)

    listener, address = listening(arguments.port)
    sys.stdout.write(json.dumps({"bigquery": address}) + "\n")
    sys.stdout.flush()
    level = "info" if arguments.access_log else "warning"
    serving = empty_arrays.controlled(Regional(app))
    server = uvicorn.Server(uvicorn.Config(serving, log_level=level, access_log=arguments.access_log))
    server.run(sockets=[listener])
