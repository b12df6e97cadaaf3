"""The yardstick: an hourly function as tutorials have it, with its price from a dictionary and one insert for each VM.

The shape is found wherever Cloud Functions write to BigQuery: `errors = client.insert_rows_json(table_id, [row])` in a
loop, one streaming insert for one row, as Google's own first sample had it (`stream_row_to_bigquery` of
python-docs-samples, bigquery/api/streaming.py); and prices by machine type as a dictionary in the code. It does less
than the tracker: no uptime, no region, no second price, no repeated run, no labels that changed.
"""

import os
from datetime import UTC, datetime

import flask
import functions_framework
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, compute_v1

HOURLY_USD = {"e2-standard-4": 0.04, "n2-standard-8": 0.09, "c3-standard-8": 0.1}
USUAL_USD = 0.05


@functions_framework.http
def track_spot_costs(request: flask.Request) -> flask.typing.ResponseReturnValue:
    """Write a row for every Spot VM of a project."""
    project = os.environ["PROJECT_ID"]
    signer = AnonymousCredentials()
    instances = compute_v1.InstancesClient(
        credentials=signer, client_options={"api_endpoint": os.environ["COMPUTE_ENDPOINT"]}
    )
    warehouse = bigquery.Client(
        project=project, credentials=signer, client_options={"api_endpoint": os.environ["BIGQUERY_ENDPOINT"]}
    )
    table = f"{project}.{os.environ['DATASET']}.vm_costs"
    most = int(request.headers.get("X-Most-Rows", "0"))
    rows = 0
    for _, scope in instances.aggregated_list(project=project):
        for instance in scope.instances:
            if instance.scheduling.provisioning_model != "SPOT" or (most and rows >= most):
                continue
            machine_type = instance.machine_type.rpartition("/")[2]
            row = {
                "timestamp": datetime.now(UTC).isoformat(),
                "project_id": project,
                "instance_name": instance.name,
                "zone": instance.zone.rpartition("/")[2],
                "machine_type": machine_type,
                "hourly_cost": HOURLY_USD.get(machine_type, USUAL_USD),
            }
            if errors := warehouse.insert_rows_json(table, [row]):
                print(f"Errors: {errors}")
            rows += 1
    return {"rows": rows}
