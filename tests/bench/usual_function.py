"""The yardstick: a budget function of the usual shape, Compute Engine imported at the top, nothing else in it."""

import base64
import json

import flask
import functions_framework
from google.cloud import compute_v1


@functions_framework.http
def enforce_budget_limit(request: flask.Request) -> str:
    """Stop everything when the budget is exceeded; here it never is."""
    notification = json.loads(base64.b64decode(request.get_json()["message"]["data"]))
    if notification["costAmount"] > notification["budgetAmount"]:
        compute_v1.InstancesClient()
    return "OK"
