"""The floor: a function of the framework that does nothing."""

import functions_framework
from cloudevents.http import CloudEvent


@functions_framework.cloud_event
def enforce_budget_limit(cloud_event: CloudEvent) -> None:
    """Take no note."""
    del cloud_event
