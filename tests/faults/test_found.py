"""What the matrix found in lists, in the small: every one of these answers was once taken for a good one."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.cloud.monitoring_v3 import ListTimeSeriesResponse

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.assets import _merged
from spotkeeper.gcp.client_calls import translate_errors
from spotkeeper.gcp.compute.instances import ComputeInstances
from spotkeeper.gcp.compute.lists import InstanceList
from spotkeeper.gcp.compute.shapes import MachineTypes, Shapes
from spotkeeper.gcp.http_calls import CallError, HttpCalls, PageTokens
from spotkeeper.gcp.monitoring import _uptimes
from spotkeeper.instances import Instance, InstanceKey, ProvisioningModel, Shape
from spotkeeper.tracking.inventory import Observation

ZONE = "https://www.googleapis.com/compute/v1/projects/p/zones/us-central1-a"
NOON = datetime(2026, 7, 21, 12, tzinfo=UTC)


class Answers(HttpCalls):
    """Answers lists in turn, and says of no machine type what it is."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.refused = 0

    def call(
        self, method: str, path: str, *, body: object = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        assert (method, body) == ("GET", None)
        if "/machineTypes/" in path:
            assert query is None
            self.refused += 1
            message = "Compute Engine: 503"
            raise CallError(message, 503)
        return {"kind": InstanceList.kind, **self.answers.pop(0)}


def ignored(_: str) -> None:
    pass


def test_a_list_that_comes_back_to_a_page_it_had_is_refused() -> None:
    answers = Answers({"items": {}, "nextPageToken": "t"}, {"items": {}, "nextPageToken": "t"})

    with pytest.raises(UnavailableError, match="was returned twice"):
        list(InstanceList(answers, "id").items("p", ignored))


def test_pages_are_followed_by_their_tokens() -> None:
    page_tokens = PageTokens("somewhere")

    assert [page_tokens.follow(token) for token in "abc"] == ["a", "b", "c"]


def test_an_answer_that_does_not_say_it_is_a_list_is_no_empty_fleet() -> None:
    with pytest.raises(UnavailableError, match="is not a compute#instanceAggregatedList"):
        list(InstanceList(Answers({"kind": None}), "id").items("p", ignored))


def test_an_instance_whose_size_cannot_be_read_now_is_left_for_a_later_scan() -> None:
    odd = {"zone": ZONE, "machineType": f"{ZONE}/machineTypes/n9-standard-4"}
    known = {"zone": ZONE, "machineType": f"{ZONE}/machineTypes/e2-standard-4"}
    found = [{"id": "1", "name": "a", **odd}, {"id": "2", "name": "b", **odd}, {"id": "3", "name": "c", **known}]
    answers = Answers({"items": {"zones/us-central1-a": {"instances": found}}})
    instances = ComputeInstances("http://127.0.0.1:9", timedelta(0), attachments=True)
    instances._list = InstanceList(answers, "id")  # noqa: SLF001 (the list alone is answered here)
    instances.shapes = Shapes(MachineTypes(answers))
    problems: list[str] = []

    listed = [sighting.instance.name for sighting in instances.instances("p", problems.append)]

    assert (listed, len(problems), answers.refused) == (["c"], 1, 1)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"metric": {"labels": {"instance_name": "a"}}},
        {
            "resource": {"labels": {"project_id": "p", "zone": "z", "instance_id": "1"}},
            "points": [{"interval": {"end_time": NOON}, "value": {"string_value": "a while"}}],
        },
    ],
    ids=["without labels", "no number"],
)
def test_uptime_that_cannot_be_read_is_not_none(spoilt: dict[str, object]) -> None:
    page = ListTimeSeriesResponse.pb(ListTimeSeriesResponse(time_series=[spoilt]))

    with pytest.raises(UnavailableError, match="Cloud Monitoring"):
        _uptimes(page.time_series[0], {int(NOON.timestamp()): NOON})


def test_versions_of_an_instance_that_differ_in_no_recorded_field_are_one_observation() -> None:
    small, large = (
        Instance(InstanceKey("p", "z", "1"), "a", ProvisioningModel.SPOT, Shape(name, None, None))
        for name in ("small", "large")
    )
    hours = [NOON + timedelta(hours=number) for number in range(5)]
    observations = [
        Observation(which, *hours[place : place + 2]) for place, which in enumerate((small, small, large, small))
    ]

    assert list(_merged(observations)) == [
        Observation(small, hours[0], hours[2]),
        Observation(large, hours[2], hours[3]),
        Observation(small, hours[3], hours[4]),
    ]


def test_what_a_client_library_stumbles_over_names_the_service() -> None:
    def read_an_answer_of_nothing() -> None:
        with translate_errors("BigQuery"):
            answer: dict[str, str] = {}
            answer["jobReference"].upper()

    with pytest.raises(UnavailableError, match="BigQuery: unexpected response: KeyError"):
        read_an_answer_of_nothing()
