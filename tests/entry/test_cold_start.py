"""What each function loads: its own half of the package, and nothing of the other."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).parents[2] / "functions"
SETTINGS = {
    "PROJECT_ID": "data-platform",
    "PROJECTS": "data-platform",
    "ENFORCEMENT_MODE": "enforce",
    "ENFORCEMENT_POLICY": json.dumps({"budgets": {"budget-1": {"projects": ["data-platform"]}}}),
    "RETRY_TIMEOUT_SECONDS": "0",
    **{
        f"{service}_ENDPOINT": "http://127.0.0.1:9"
        for service in ("BIGQUERY", "COMPUTE", "MONITORING", "BILLING", "ASSETS", "LOGGING", "RESOURCE_MANAGER")
    },
}
OVER_BUDGET = """
import base64, json
body = {"costAmount": 2, "budgetAmount": 1, "currencyCode": "USD", "costIntervalStart": "2026-07-01T07:00:00Z"}
attributes = {"budgetId": "budget-1", "schemaVersion": "1.0"}
data = base64.b64encode(json.dumps(body).encode()).decode()
message = {"data": data, "attributes": attributes, "messageId": "1", "publishTime": "2026-07-21T05:00:00Z"}
call = {"message": message}
import spotkeeper.gcp.bigquery.enforcer_tables, spotkeeper.gcp.compute.actuator, spotkeeper.gcp.permissions
"""
"""A message that would stop VMs, and the adapters that an enforcer with BigQuery in reach would load for it."""

LATEST_HOUR = """
call = {}
import spotkeeper.gcp.bigquery.tracker_tables
"""
CALL = """
import json, sys
import functions_framework
{prepared}
application = functions_framework.create_app({target!r}, "main.py")
application.test_client().post("/", json=call)
print(json.dumps(sorted(name for name in sys.modules if name.startswith("spotkeeper"))))
"""


@pytest.mark.parametrize(
    ("target", "prepared", "own", "foreign"),
    [
        ("enforce_budget_limit", OVER_BUDGET, "spotkeeper.enforcement", "spotkeeper.tracking"),
        ("track_spot_costs", LATEST_HOUR, "spotkeeper.tracking", "spotkeeper.enforcement"),
    ],
)
def test_a_function_loads_no_module_of_the_other(target: str, prepared: str, own: str, foreign: str) -> None:
    script = CALL.format(prepared=prepared, target=target)
    command = [sys.executable, "-c", script]
    variables = {**SETTINGS, "FUNCTION_TARGET": target, "PYTHONPATH": str(FUNCTIONS)}
    ended = subprocess.run(  # noqa: S603 (our own script)
        command, cwd=FUNCTIONS, env=variables, capture_output=True, text=True, check=True
    )

    loaded = json.loads(ended.stdout.splitlines()[-1])
    assert [name for name in loaded if name.startswith(own)] != []
    assert [name for name in loaded if name.startswith(foreign)] == []
