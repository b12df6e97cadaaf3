"""The yardstick: a budget function of the usual shape, Compute Engine imported at the top, nothing else in it."""

import base64
import json

import functions_framework
from cloudevents.http import CloudEvent
from google.cloud import compute_v1


@functions_framework.cloud_event
def enforce_budget_limit(cloud_event: CloudEvent) -> None:
    """Stop everything when the budget is exceeded; here it never is."""
    notification = json.loads(base64.b64decode(cloud_event.data["message"]["data"]))
    if notification["costAmount"] > notification["budgetAmount"]:
        compute_v1.InstancesClient()
