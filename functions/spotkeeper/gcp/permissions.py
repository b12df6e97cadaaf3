"""Resource Manager: whether this function may do what it needs to."""

from collections.abc import Iterable, Sequence

from google.auth.transport.requests import AuthorizedSession

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.client_calls import TIMEOUT, credentials, translate_errors

ADDRESS = "https://cloudresourcemanager.googleapis.com"


class ProjectPermissions:
    """Asks for each project; raises UnavailableError.

    https://cloud.google.com/resource-manager/reference/rest/v3/projects/testIamPermissions
    """

    def __init__(self, endpoint: str | None) -> None:
        self._address = endpoint or ADDRESS
        self._session = AuthorizedSession(credentials(endpoint))

    def missing(self, projects: Iterable[str], needed: Sequence[str]) -> tuple[str, ...]:
        """Return which of these permissions this function does not have, as `PROJECT: permission`."""
        return tuple(
            f"{project_id}: {permission}"
            for project_id in projects
            for permission in sorted(set(needed) - self._granted(project_id, needed))
        )

    def _granted(self, project_id: str, asked: Sequence[str]) -> set[str]:
        address = f"{self._address}/v3/projects/{project_id}:testIamPermissions"
        with translate_errors("Resource Manager"):
            answer = self._session.post(address, json={"permissions": list(asked)}, timeout=TIMEOUT)
            answer.raise_for_status()
            granted = answer.json().get("permissions", [])
        if not isinstance(granted, list):
            message = f"Resource Manager: permissions is {granted!r}"
            raise UnavailableError(message)
        return {str(permission) for permission in granted}
