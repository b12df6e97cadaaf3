"""The settings of the enforcer that a command plans for: those of the deployed function, or of the environment."""

import argparse
import os
import re
from collections.abc import Mapping
from datetime import timedelta

from spotkeeper.doctor.deployment import ENFORCER, Installation
from spotkeeper.doctor.facts import Function, Unread
from spotkeeper.enforcement.settings import EnforcerSettings, Mode
from spotkeeper.errors import RefusedRequestError, SettingsError, UnavailableError

RETRY_TIMEOUT_SECONDS = "10"
"""The default of RETRY_TIMEOUT_SECONDS for an interactive command."""

_REGION = re.compile(r"([a-z]+-)?[a-z]+-[a-z]+\d+")
_ENDPOINT = re.compile(r"[A-Z_]+_ENDPOINT")
_POLICY = "ENFORCEMENT_POLICY"


def add_deployment_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the project of the function, and its region."""
    parser.add_argument(
        "--project",
        metavar="ID",
        help=f"project of the deployed function, whose settings are used (PROJECT_ID, unless {_POLICY} is set)",
    )
    add_region_argument(parser)


def add_region_argument(parser: argparse.ArgumentParser) -> None:
    """Add the region of the functions."""
    parser.add_argument(
        "--region", metavar="R", type=_region, help="region of the functions (default: where they are found)"
    )


def deployed_project(arguments: argparse.Namespace, variables: Mapping[str, str]) -> str | None:
    """Return the project whose function is read; None when the environment has the policy itself.

    Raises RefusedRequestError when there is neither.
    """
    if arguments.project or not variables.get(_POLICY):
        project = arguments.project or variables.get("PROJECT_ID")
        if not project:
            message = f"--project is missing: name the project of the function, or set PROJECT_ID or {_POLICY}"
            raise RefusedRequestError(message)
        return str(project)
    return None


def enforcer_settings(arguments: argparse.Namespace) -> EnforcerSettings:
    """Return the settings; raises SettingsError, RefusedRequestError and UnavailableError.

    Emulators and the timeout of retries are those of the environment; the mode of the environment makes no difference.
    """
    project = deployed_project(arguments, os.environ)
    if project is None:
        return EnforcerSettings.from_mapping({"ENFORCEMENT_MODE": Mode.DRY_RUN, **os.environ})
    own = {name: value for name, value in os.environ.items() if _ENDPOINT.fullmatch(name)}
    timeout = os.environ.get("RETRY_TIMEOUT_SECONDS") or RETRY_TIMEOUT_SECONDS
    deployed = _function(Installation(project, "", arguments.region), timeout).environment
    try:
        return EnforcerSettings.from_mapping({**deployed, **own, "RETRY_TIMEOUT_SECONDS": timeout})
    except SettingsError as error:
        message = f"the settings of {ENFORCER} in {project}: {error}"
        raise SettingsError(message) from error


def platform_endpoint(variables: Mapping[str, str]) -> str | None:
    """Return the address of an emulator that serves all services but BigQuery; None means Google's."""
    address = variables.get("PLATFORM_ENDPOINT", "").strip() or None
    if address and not re.fullmatch(r"(https?://)?[^/\s:]+(:\d+)?", address):
        message = f"PLATFORM_ENDPOINT is {address!r}, but must be an address such as http://127.0.0.1:9050"
        raise SettingsError(message)
    return address


def _function(installation: Installation, timeout_seconds: str) -> Function:
    from spotkeeper.gcp.deployment import PlatformReader

    if not timeout_seconds.isdecimal():
        message = f"RETRY_TIMEOUT_SECONDS is {timeout_seconds!r}, but must be a whole number from 0 to 300"
        raise SettingsError(message)
    reader = PlatformReader(installation, platform_endpoint(os.environ), timedelta(seconds=int(timeout_seconds)))
    match reader.functions()[ENFORCER]:
        case Function() as found:
            return found
        case Unread() as unread:
            asked = " Ask for roles/cloudfunctions.viewer on the project." if unread.denied else ""
            message = f"the settings of {ENFORCER} in {installation.project_id}: {unread.reason}.{asked}"
            raise UnavailableError(message)
        case None:
            where = f" in {installation.region}" if installation.region else ""
            message = f"project {installation.project_id} has no function {ENFORCER}{where}: is it deployed there?"
            raise RefusedRequestError(message)


def _region(value: str) -> str:
    if not _REGION.fullmatch(value):
        message = f"{value!r} is not a region such as us-central1"
        raise argparse.ArgumentTypeError(message)
    return value
