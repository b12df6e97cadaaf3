"""The metadata of workflows of Cromwell, which Terra runs too: each attempt of each call on its VM."""

from collections.abc import Iterator, Mapping
from typing import Any

from spotkeeper.errors import RefusedRequestError
from spotkeeper.work.json_files import json_values, objects
from spotkeeper.work.records import Line

_OUTCOMES = {"Done": "succeeded", "Failed": "failed", "Aborted": "cancelled"}
"""By executionStatus. RetryableFailure is left open: its VM may have been preempted."""

_OWN_LABEL = "cromwell-workflow-id"
_VM_BLOCKS = ("jes", "gcpBatch")
"""What Cromwell says of the VM: `jes` with the Life Sciences API, `gcpBatch` with Batch, where it names none."""


def cromwell_lines(text: str) -> Iterator[Line]:
    """Yield the attempts of calls of one or more workflows; the number of a line is the place of the attempt.

    https://cromwell.readthedocs.io/en/stable/api/RESTAPI/: GET /api/workflows/v1/ID/metadata?expandSubWorkflows=true.
    A call with Batch ran on the VMs that have the label of its job. What was taken from the cache or ran elsewhere than
    on a VM of Google is left out. The VM's own times count where Cromwell knows them, else those of the call.
    """
    number = 0
    for workflow in json_values(text, "the file"):
        if not isinstance(workflow, Mapping) or not workflow.get("id") or "calls" not in workflow:
            message = "the file must be the metadata of workflows: objects with an id and calls"
            raise RefusedRequestError(message)
        for path, call in _attempts(workflow, str(workflow["id"])):
            number += 1
            if fields := _fields(call):
                keys = {**_labels(workflow), "task": path.rpartition(".")[2].partition("/")[0]}
                if name := workflow.get("workflowName"):
                    keys["workflow"] = str(name)
                yield Line(number, {"work_id": path, "kind": "cromwell", "keys": keys, **fields})


def _attempts(workflow: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The attempts of a workflow with their paths: its id, its calls, and the shards of scattered ones."""
    calls = workflow.get("calls")
    if not isinstance(calls, Mapping):
        message = f"the calls of the workflow {workflow.get('id')} must be an object"
        raise RefusedRequestError(message)
    for name, listed in calls.items():
        for call in objects(listed, "metadata with a list of attempts for each call"):
            shard = call.get("shardIndex", -1)
            of_call = f"{path}/{name}" + (f"/{shard}" if shard != -1 else "")
            inner = call.get("subWorkflowMetadata")
            if isinstance(inner, Mapping):
                yield from _attempts(inner, of_call)
            elif call.get("subWorkflowId"):
                message = (
                    f"{of_call} is a workflow whose calls are left out: get the metadata with expandSubWorkflows=true"
                )
                raise RefusedRequestError(message)
            else:
                yield of_call, call


def _fields(call: Mapping[str, Any]) -> dict[str, object]:
    """The fields of a record; empty for a call that ran on no VM of Google."""
    caching, status = call.get("callCaching"), str(call.get("executionStatus"))
    is_cached = isinstance(caching, Mapping) and caching.get("hit") is True
    vm = _vm(call, is_finished=status == "Done")
    if is_cached or not vm or not call.get("start"):
        return {}
    is_preempted = "Preempted" in (call.get("backendStatus"), status)
    return {
        "attempt": call.get("attempt", 1),
        "start_time": call.get("vmStartTime") or call["start"],
        "end_time": call.get("vmEndTime") or call.get("end"),
        "outcome": "preempted" if is_preempted else _OUTCOMES.get(status),
        **vm,
    }


def _vm(call: Mapping[str, Any], *, is_finished: bool) -> dict[str, object]:
    """The VM by its name or the label of its job; empty where there is none."""
    blocks = [call[name] for name in _VM_BLOCKS if isinstance(call.get(name), Mapping)]
    for block in blocks:
        if block.get("instanceName") not in (None, "unknown"):
            return _in_project(block.get("googleProject")) | {
                "zone": block.get("zone"),
                "instance_name": block["instanceName"],
            }
    match str(call.get("jobId")).split("/"):
        case ["projects", project, "locations", _, "jobs", job]:
            return {**_in_project(project), "vm_label": f"batch-job-id={job}"}
    # A call that succeeded had a VM: without its name it is refused. One that failed may have got none.
    return {"instance_name": None} if blocks and is_finished else {}


def _in_project(project: object) -> dict[str, object]:
    return {} if project is None or str(project).isdecimal() else {"project_id": project}


def _labels(workflow: Mapping[str, Any]) -> dict[str, str]:
    labels = workflow.get("labels")
    found = labels if isinstance(labels, Mapping) else {}
    return {str(key): str(value) for key, value in found.items() if key != _OWN_LABEL}
