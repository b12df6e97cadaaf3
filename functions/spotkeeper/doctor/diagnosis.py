"""From what was found to what is said of it."""

from collections.abc import Mapping
from datetime import datetime

from spotkeeper.doctor.budgets import budgets
from spotkeeper.doctor.deployment import Installation
from spotkeeper.doctor.facts import Platform, Records, Table
from spotkeeper.doctor.findings import Finding
from spotkeeper.doctor.functions import enforcer_settings, functions, tracker_settings
from spotkeeper.doctor.messages import messages
from spotkeeper.doctor.records import data, tables
from spotkeeper.doctor.rights import dataset_access, grants, roles
from spotkeeper.doctor.services import accounts, apis, schedule


def diagnose(
    installation: Installation,
    platform: Platform,
    records: Records,
    expected: tuple[Mapping[str, Table], frozenset[str]],
    now: datetime,
) -> list[Finding]:
    """Return what is to be said of every part, in the order in which a deployment is built up.

    `expected` are the tables and the names of the views that the dataset should have.
    """
    tracker, enforcer = tracker_settings(platform), enforcer_settings(platform)
    return [
        *apis(installation, platform, asset_history=bool(tracker and tracker.asset_history)),
        *accounts(installation, platform),
        *roles(installation, platform, tracker, enforcer),
        *grants(installation, platform, tracker, enforcer),
        *dataset_access(installation, records),
        *functions(installation, platform),
        *messages(installation, platform),
        *budgets(installation, platform, tracker, enforcer),
        *schedule(installation, platform),
        *tables(installation, records, *expected),
        *data(installation, platform, records, now),
    ]
