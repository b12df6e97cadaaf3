"""All findings about a deployment."""

from datetime import datetime

from spotkeeper.doctor.budgets import budgets
from spotkeeper.doctor.deployment import Installation
from spotkeeper.doctor.events import events
from spotkeeper.doctor.facts import Platform, Records
from spotkeeper.doctor.findings import Finding
from spotkeeper.doctor.functions import enforcer_settings, functions, tracker_settings
from spotkeeper.doctor.messages import messages
from spotkeeper.doctor.records import data
from spotkeeper.doctor.rights import dataset_access, grants, roles
from spotkeeper.doctor.rules import rules
from spotkeeper.doctor.schedule import schedule


def diagnose(installation: Installation, platform: Platform, records: Records, now: datetime) -> list[Finding]:
    """Return the findings about every part, from the rights to the latest records."""
    tracker, enforcer = tracker_settings(platform), enforcer_settings(platform)
    return [
        *roles(installation, platform, tracker, enforcer),
        *grants(installation, platform, tracker, enforcer),
        *dataset_access(installation, platform, records),
        *functions(installation, platform),
        *messages(installation, platform),
        *events(installation, platform, enforcer),
        *budgets(installation, platform, tracker, enforcer),
        *rules(platform, records, tracker, enforcer, now),
        *schedule(installation, platform, tracker),
        *data(installation, platform, records, now),
    ]
