"""What a login may not read is named and left out; the rest is read."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import override

import pytest
from google.auth.credentials import AnonymousCredentials, CredentialsWithQuotaProject
from google.auth.transport.requests import Request

from infra.local.emulators.cloud import FIRST_SCAN, Cloud
from infra.local.emulators.faults import Kind, Rule
from infra.local.trial.access import Access, LeftOut, readable, usable_quota_project
from infra.local.trial.reading import ReadingLogin
from spotkeeper.gcp.compute.lists import compute_calls
from spotkeeper.gcp.http_calls import CallError
from spotkeeper.gcp.tracker import tracker_ports
from spotkeeper.instances import InstanceKey
from spotkeeper.periods import HOUR, latest_closed_hour
from spotkeeper.settings import Endpoints
from spotkeeper.tracking.settings import TrackerSettings
from spotkeeper.tracking.uptime import Uptime

NO_RETRY = timedelta(0)
PROJECTS = ("research-ml", "web-frontend")
HOUR_NOW = latest_closed_hour(FIRST_SCAN)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """The emulators at the first scan."""
    with Cloud() as running:
        yield running


def access(cloud: Cloud, *refused: Rule, projects: tuple[str, ...] = PROJECTS) -> Access:
    """Return what a login may read that these rules refuse."""
    endpoints = Endpoints(
        compute=cloud.rest_url,
        monitoring=f"http://{cloud.grpc_target}",
        assets=cloud.rest_url,
        logging=cloud.rest_url,
        bigquery=cloud.rest_url,
    )
    settings = TrackerSettings(
        "home-project-1",
        projects,
        audit_log_history=True,
        custom_metrics=False,
        retry_timeout_seconds=0,
        endpoints=endpoints,
    )
    cloud.state.faults.replace(refused)
    return readable(projects, tracker_ports(settings), compute_calls(cloud.rest_url, NO_RETRY), FIRST_SCAN)


def refusal(service: str, method: str, project: str = "*") -> Rule:
    return Rule(service, Kind.STATUS, method=method, project=project, status=403, message="Permission denied by rule")


def test_nothing_is_left_out_where_everything_may_be_read(cloud: Cloud) -> None:
    found = access(cloud)

    assert (found.projects, found.left_out) == (PROJECTS, ())
    assert [each.name for each in found.ports.histories] == ["asset history", "audit log"]
    assert found.ports.preemption_log is not None


@pytest.mark.parametrize(
    ("service", "method", "source", "reason"),
    [
        ("compute", "instances.aggregatedList", "instances", "Permission denied by rule"),
        ("monitoring", "ListTimeSeries", "uptime", "monitoring.ListTimeSeries: PERMISSION_DENIED on demand"),
    ],
)
def test_a_project_whose_instances_or_uptime_may_not_be_read_is_left_out(
    cloud: Cloud, service: str, method: str, source: str, reason: str
) -> None:
    found = access(cloud, refusal(service, method, "research-ml"))

    assert found.projects == ("web-frontend",)
    assert [(each.source, each.projects) for each in found.left_out] == [(source, ("research-ml",))]
    assert str(found.left_out[0]).startswith(f"{source} of research-ml: {reason}; nothing is read there")


def test_a_project_that_is_not_visible_is_left_out(cloud: Cloud) -> None:
    found = access(cloud, projects=("web-frontend", "unknown-project"))

    assert found.projects == ("web-frontend",)
    assert [(each.source, each.projects) for each in found.left_out] == [("instances", ("unknown-project",))]


def test_a_history_that_may_not_be_read_in_one_project_is_asked_about_the_others(cloud: Cloud) -> None:
    found = access(cloud, refusal("assets", "batchGetAssetsHistory", "research-ml"))
    cloud.state.faults.replace(())
    assets = found.ports.histories[0]
    answers = {}
    for project in PROJECTS:
        vm = next(each for each in cloud.state.fleet.of_project(project) if each.has_history)
        uptime = Uptime(InstanceKey(project, vm.zone, str(vm.instance_id)), vm.name, HOUR_NOW, 1.0)
        answers[project] = list(assets.observations(project, [uptime], FIRST_SCAN, pytest.fail))

    assert found.projects == PROJECTS
    assert [(each.source, each.projects) for each in found.left_out] == [("asset history", ("research-ml",))]
    assert answers["research-ml"] == []
    assert answers["web-frontend"] != []


def test_a_history_that_may_be_read_nowhere_is_not_asked(cloud: Cloud) -> None:
    found = access(cloud, refusal("assets", "batchGetAssetsHistory"), refusal("logging", "entries.list"))

    assert found.ports.histories == []
    assert found.ports.preemption_log is None
    assert [(each.source, each.projects) for each in found.left_out] == [
        ("asset history", PROJECTS),
        ("audit log", PROJECTS),
    ]


def test_preemptions_that_may_not_be_read_are_left_out(cloud: Cloud) -> None:
    found = access(cloud, refusal("compute", "*perations.aggregatedList"))
    listed = list(found.ports.preemptions.preemptions("research-ml", HOUR_NOW, HOUR_NOW + HOUR, pytest.fail))

    assert listed == []
    assert [(each.source, each.projects) for each in found.left_out] == [("preemptions", PROJECTS)]


def test_a_source_of_many_projects_is_one_line() -> None:
    left = LeftOut("asset history", "Permission denied.", ("a", "b", "c"))

    assert str(left) == (
        "asset history of a and 2 more projects: Permission denied; short-lived VMs stay unidentified without it "
        "(roles/cloudasset.viewer)"
    )


@dataclass
class _Counted(CredentialsWithQuotaProject):
    """A login with a quota project, which names it in each call."""

    quota: str

    def __post_init__(self) -> None:
        super().__init__()
        self._quota_project_id = self.quota

    @override
    def refresh(self, request: Request) -> None:
        self.token = "token"  # noqa: S105 (not secret)

    @override
    def before_request(self, request: Request, method: str, url: str, headers: dict[str, str]) -> None:
        headers["x-goog-user-project"] = self.quota


def headers_of(login: ReadingLogin) -> dict[str, str]:
    headers: dict[str, str] = {}
    login.before_request(Request(), "POST", "https://logging.googleapis.com/v2/entries:list", headers)
    return headers


def failing(message: str) -> object:
    raise CallError(message, 403)


def test_a_quota_project_that_is_refused_is_left_out_of_all_later_calls() -> None:
    login = ReadingLogin(_Counted("shared"))
    assert headers_of(login) == {"x-goog-user-project": "shared"}

    left = usable_quota_project(login, [lambda: failing("403: needs serviceusage.services.use on shared")])

    assert [(each.source, each.projects) for each in left] == [("quota project", ("shared",))]
    assert headers_of(login) == {}


@pytest.mark.parametrize("message", ["403: compute.instances.list denied", "503: unavailable"])
def test_a_call_that_fails_for_another_reason_keeps_the_quota_project(message: str) -> None:
    login = ReadingLogin(_Counted("shared"))

    assert usable_quota_project(login, [lambda: failing(message)]) == ()
    assert headers_of(login) == {"x-goog-user-project": "shared"}


def test_a_login_without_a_quota_project_is_not_asked_about_one() -> None:
    assert usable_quota_project(ReadingLogin(AnonymousCredentials()), [lambda: pytest.fail("asked")]) == ()
