"""The projects of a trial: those that are named, and those in folders and organizations that are named."""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from spotkeeper.gcp.http_calls import HttpCalls, PageTokens
from spotkeeper.settings import Endpoints
from spotkeeper.values import project_id

HOST = "cloudresourcemanager.googleapis.com"
PAGE = "300"
_PARENT = re.compile(r"(?:folders|organizations)/[0-9]+")


def named(text: str) -> tuple[str, ...]:
    """Return the projects, folders and organizations of a list with commas; raises ValueError naming a wrong one."""
    names = tuple(dict.fromkeys(name for each in text.split(",") if (name := each.strip())))
    if not names:
        message = f"{text!r} names no project, such as PROJECT=my-project-1,folders/123456789012"
        raise ValueError(message)
    return tuple(name if _PARENT.fullmatch(name) else _project(name) for name in names)


def expanded(names: Sequence[str], endpoints: Endpoints, retry_timeout: timedelta) -> tuple[str, ...]:
    """Return the projects, with the active ones in each folder and organization; raises UnavailableError."""
    calls = HttpCalls("Resource Manager", HOST, endpoints.resource_manager, retry_timeout)
    found: dict[str, None] = {}
    for name in names:
        found.update(dict.fromkeys(_projects(calls, name) if _PARENT.fullmatch(name) else [name]))
    return tuple(found)


def _project(name: str) -> str:
    try:
        return project_id(name)
    except ValueError as expected:
        message = f"{name!r} must be {expected}, or folders/123456789012 or organizations/123456789012"
        raise ValueError(message) from expected


def _projects(calls: HttpCalls, parent: str) -> Iterator[str]:
    """The active projects below a folder or organization, at any depth.

    https://cloud.google.com/resource-manager/reference/rest/v3/projects/list
    """
    for project in _children(calls, "projects", parent):
        if project.get("state") == "ACTIVE":
            yield str(project["projectId"])
    for folder in _children(calls, "folders", parent):
        if folder.get("state") == "ACTIVE":
            yield from _projects(calls, str(folder["name"]))


def _children(calls: HttpCalls, kind: str, parent: str) -> Iterator[dict[str, Any]]:
    query = {"parent": parent, "pageSize": PAGE}
    page_tokens = PageTokens("Resource Manager")
    while True:
        page = calls.call("GET", f"/v3/{kind}", query=query)
        yield from page.get(kind, [])
        if not page.get("nextPageToken"):
            return
        query["pageToken"] = page_tokens.follow(str(page["nextPageToken"]))
