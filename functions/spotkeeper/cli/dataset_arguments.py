"""The arguments of commands that read recorded data: project, dataset and time, and the settings for BigQuery."""

import argparse
import os
from collections.abc import Mapping
from datetime import datetime

from spotkeeper.errors import RefusedRequestError
from spotkeeper.periods import parse_time
from spotkeeper.settings import RENAMED
from spotkeeper.tracking.settings import TrackerSettings

_DATASET = "cost_tracking"
_READ = (
    "PROJECT_ID",
    "DATASET",
    "DATASET_LOCATION",
    "BIGQUERY_ENDPOINT",
    "COMPUTE_ENDPOINT",
    "RETRY_TIMEOUT_SECONDS",
    *RENAMED,
)


def add_dataset_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the project and the dataset."""
    parser.add_argument(
        "--project", metavar="ID", default=os.environ.get("PROJECT_ID"), help="project of the dataset (PROJECT_ID)"
    )
    parser.add_argument(
        "--dataset",
        metavar="NAME",
        default=os.environ.get("DATASET", _DATASET),
        help=f"(DATASET; default: {_DATASET})",
    )


def add_time_argument(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Add a time; None stands for now."""
    parser.add_argument("--at", metavar="TIME", type=_time, help=f"{meaning} (default: now)")


def chosen_project(arguments: argparse.Namespace) -> str:
    """Return the project; raises RefusedRequestError when it is missing."""
    if not arguments.project:
        message = "--project is missing: name the project of the dataset, or set PROJECT_ID"
        raise RefusedRequestError(message)
    return str(arguments.project)


def chosen_variables(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the environment with the project and dataset of the arguments; raises RefusedRequestError without one."""
    return {**os.environ, "PROJECT_ID": chosen_project(arguments), "DATASET": arguments.dataset}


def chosen_settings(arguments: argparse.Namespace) -> TrackerSettings:
    """Return the settings for reading the dataset of the arguments; raises RefusedRequestError and SettingsError."""
    return dataset_settings(chosen_variables(arguments))


def dataset_settings(variables: Mapping[str, str], more: Mapping[str, str] | None = None) -> TrackerSettings:
    """Return the settings as far as reading a dataset needs them, and more of them; raises SettingsError."""
    needed = {name: variables[name] for name in _READ if variables.get(name)}
    return TrackerSettings.from_mapping({**needed, **(more or {})})


def _time(value: str) -> datetime:
    try:
        return parse_time("--at", value)
    except RefusedRequestError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
