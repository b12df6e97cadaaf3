"""A login that signs calls which read and refuses all others, over REST and over gRPC."""

import re
from collections.abc import MutableMapping
from urllib.parse import urlsplit

from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError
from google.auth.transport import Request

READING_REST = (
    ("GET", r"/compute/v1/projects/[^/]+/aggregated/(?:addresses|disks|instances|operations)"),
    ("GET", r"/compute/v1/projects/[^/]+/zones/[^/]+/machineTypes/[^/]+"),
    ("GET", r"/v3/(?:projects|folders)"),
    ("POST", r"/v2/entries:list"),
)
"""The REST methods that a trial may call: HTTP method, and pattern of the whole path."""

READING_GRPC = frozenset(
    {
        "/google.cloud.asset.v1.AssetService/BatchGetAssetsHistory",
        "/google.cloud.billing.v1.CloudCatalog/ListSkus",
        "/google.monitoring.v3.MetricService/ListTimeSeries",
    }
)
"""The gRPC methods that a trial may call, by their full names."""

_QUOTA_PROJECT_HEADER = "x-goog-user-project"


class RefusedCallError(GoogleAuthError):
    """A call that is not on the list of reading methods; it was not sent."""


class ReadingLogin(Credentials):
    """A login that signs a call only when its method is on the list; every other one is refused before it is sent.

    Google's libraries ask the credentials to sign each request: `before_request` gets the HTTP method and the URL, and
    for gRPC the name of the method and the URL of its service. `refused` are the calls that were refused.
    """

    def __init__(self, login: Credentials) -> None:
        """Sign with this login."""
        super().__init__()
        self._login = login
        self._universe_domain = login.universe_domain
        self._sends_quota_project = True
        self.refused: list[str] = []

    @property
    def quota_project(self) -> str | None:
        """The project that the login's calls are counted for; None when it names none."""
        return getattr(self._login, "quota_project_id", None) if self._sends_quota_project else None

    def leave_out_quota_project(self) -> None:
        """Name no quota project in calls from now on: Google counts them for another one or refuses them."""
        self._sends_quota_project = False

    def refresh(self, request: Request) -> None:
        """Get a new token."""
        self._login.refresh(request)

    def before_request(self, request: Request, method: str, url: str, headers: MutableMapping[str, str]) -> None:
        """Sign a call; raises RefusedCallError unless it reads."""
        if not reads(method, url):
            call = f"{method} {url}"
            self.refused.append(call)
            message = f"{call} was not sent: it is no reading method"
            raise RefusedCallError(message)
        self._login.before_request(request, method, url, headers)
        if not self._sends_quota_project:
            headers.pop(_QUOTA_PROJECT_HEADER, None)


def reads(method: str, url: str) -> bool:
    """Whether a call is on the list: HTTP methods are written in capitals, gRPC methods are not."""
    path = urlsplit(url).path
    if method.isupper():
        return any(method == verb and re.fullmatch(pattern, path) for verb, pattern in READING_REST)
    return f"{path}/{method}" in READING_GRPC
