"""Whatever Cloud Monitoring, the price catalog, Asset Inventory and all others answer, it is read or refused."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.cloud import asset_v1, billing_v1
from google.cloud.monitoring_v3 import ListTimeSeriesResponse
from google.protobuf.struct_pb2 import Struct
from hypothesis import example, given
from hypothesis import strategies as st

from infra.local.emulators.platform_api import Platform
from spotkeeper.cli.doctor import as_object, lines
from spotkeeper.doctor.deployment import Installation
from spotkeeper.doctor.diagnosis import diagnose
from spotkeeper.doctor.facts import PriceChecks, Prices, Records
from spotkeeper.gcp.assets import AssetHistory
from spotkeeper.gcp.billing_catalog import skus_of
from spotkeeper.gcp.deployment import HOSTS, PlatformReader
from spotkeeper.gcp.http_calls import HttpCalls
from spotkeeper.gcp.monitoring import _uptimes
from spotkeeper.instances import InstanceKey
from spotkeeper.pricing.catalog import read_catalog
from spotkeeper.pricing.skus import ForeignCurrencyError
from spotkeeper.tracking.uptime import Uptime
from tests.adapters.fuzz_answers import Answers, nothing, or_unavailable
from tests.adapters.test_fuzz_compute import INSTANCE, shapes
from tests.unit.any_json import any_json, spoilt

NOON = datetime(2026, 7, 21, 12, tzinfo=UTC)
KEY = InstanceKey("my-project-1", "us-central1-a", "17000000000000000001")
WORDS = st.text(max_size=4)
INT64 = st.integers(-(2**63), 2**63 - 1)
LABELS = st.dictionaries(st.sampled_from(("project_id", "zone", "instance_id")), WORDS)
VALUES = st.one_of(
    st.builds(lambda number: {"double_value": number}, st.floats()),
    st.builds(lambda number: {"int64_value": number}, INT64),
    st.builds(lambda text: {"string_value": text}, WORDS),
    st.builds(lambda truth: {"bool_value": truth}, st.booleans()),
    st.just({}),
)


@given(LABELS | st.just(KEY._asdict()), st.lists(VALUES, max_size=3))
@example(KEY._asdict(), [{"double_value": math.nan}, {"double_value": 0.0}, {"double_value": -0.0}])
@example(KEY._asdict(), [{"double_value": -60.0}])
@example(KEY._asdict(), [{"int64_value": 2**63 - 1}])
@example(KEY._asdict(), [{"bool_value": True}])
@example(KEY._asdict(), [{"string_value": "60"}])
def test_any_time_series_has_the_uptime_of_its_points_or_is_refused(
    labels: dict[str, str], values: list[dict[str, Any]]
) -> None:
    points = [{"interval": {"end_time": NOON}, "value": value} for value in values]
    series = {"resource": {"labels": labels}, "points": points}
    [found] = ListTimeSeriesResponse.pb(ListTimeSeriesResponse(time_series=[series])).time_series

    read = or_unavailable("Cloud Monitoring", lambda: _uptimes(found, {int(NOON.timestamp()): NOON}))

    seconds = [number for value in values for number in value.values()]
    readable = all(labels.get(name) for name in KEY._fields) and {} not in values
    assert (read is not None) == (readable and not any(isinstance(each, str | bool) for each in seconds))
    for uptime in read or ():
        assert (uptime.key._asdict(), uptime.hour) == (labels, NOON)
    assert read is None or repr([each.seconds for each in read]) == repr([float(each) for each in seconds if each])


INT32 = st.integers(-(2**31), 2**31 - 1)


@given(INT64, INT32, st.floats(), st.sampled_from(("h", "GiBy.mo", "")), st.sampled_from(("USD", "EUR", "")))
@example(2**63 - 1, 999_999_999, 0.0, "h", "USD")
@example(0, 1, math.nan, "h", "USD")
def test_any_price_of_the_live_catalog_is_a_rate_or_reported(
    units: int, nanos: int, start: float, unit: str, currency: str
) -> None:
    price = {"units": units, "nanos": nanos, "currency_code": currency}
    tier = {"start_usage_amount": start, "unit_price": price}
    sku = {
        "sku_id": "1",
        "description": "N1 Predefined Instance Core running in Americas",
        "category": {"resource_family": "Compute", "resource_group": "N1Standard", "usage_type": "OnDemand"},
        "service_regions": ["us-central1"],
        "pricing_info": [{"pricing_expression": {"usage_unit": unit, "tiered_rates": [tier]}}],
    }
    page = billing_v1.ListSkusResponse(skus=[sku, sku | {"pricing_info": []}])
    try:
        rates = read_catalog(skus_of(page)).rates
    except ForeignCurrencyError as error:
        refusal = str(error)
    else:
        assert all(0 < rate.usd < 10**19 for rate in rates)
        return
    assert "not in USD" in refusal


HISTORY = AssetHistory("http://127.0.0.1:9", shapes(), timedelta(0))
WINDOW = {"start_time": NOON, "end_time": NOON + timedelta(hours=1)}


def observations(data: Any, window: dict[str, Any]) -> None:  # noqa: ANN401 (anything is the point)
    struct = Struct()
    struct.update(data)
    version = asset_v1.TemporalAsset(window=window)
    asset_v1.TemporalAsset.pb(version).asset.resource.data.CopyFrom(struct)
    HISTORY._versions = lambda *_: iter([version])  # type: ignore[method-assign]  # noqa: SLF001 (there is no other way in)
    uptime = Uptime(KEY, "trainer", NOON, 60.0)
    now = NOON + timedelta(minutes=67)
    found = or_unavailable("C", lambda: list(HISTORY.observations(KEY.project_id, [uptime], now, nothing)))
    for observation in found or ():
        assert observation.first_seen.tzinfo is UTC
        assert observation.instance.name


FIELDS = st.dictionaries(
    st.sampled_from(sorted(INSTANCE)),
    st.none() | st.booleans() | st.floats() | WORDS | st.lists(st.floats() | WORDS, max_size=2),
)


@given(FIELDS, st.sampled_from((WINDOW, {}, {"start_time": NOON})))
@example({}, WINDOW)
@example({"id": math.nan}, WINDOW)
def test_any_version_of_an_asset_is_an_observation_or_an_unexpected_response(
    data: dict[str, Any], window: dict[str, Any]
) -> None:
    observations({**INSTANCE, **data}, window)


HERE = Installation("home-project", "cost_tracking", "us-central1")
RECORDS = Records(frozenset(), None, [], Prices(0, 0, 0), None, {}, None, None, PriceChecks(), {})


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """What all services say of a healthy deployment, by path."""
    responses: dict[str, Any] = {}
    with Platform(HERE.project_id, "us-central1", HERE.dataset, NOON) as served:
        reader = PlatformReader(HERE, served.url, timedelta(seconds=1))
        for name, calls in reader._services.items():  # noqa: SLF001 (there is no other way in)
            reader._services[name] = Recorded(calls, responses)  # noqa: SLF001 (as above)
        reader.read(NOON)
    return responses


class Recorded(HttpCalls):
    """Keeps what a service answers."""

    def __init__(self, calls: HttpCalls, responses: dict[str, Any]) -> None:
        self.calls, self.responses = calls, responses

    def call(self, method: str, path: str, **asked: Any) -> dict[str, Any]:  # noqa: ANN401 (as HttpCalls takes it)
        self.responses[path] = self.calls.call(method, path, **asked)
        found: dict[str, Any] = self.responses[path]
        return found


def finding_lines(answer: Callable[[str], Any]) -> list[str] | None:
    """What the doctor says of a deployment."""
    reader = PlatformReader(HERE, "http://127.0.0.1:9", timedelta(0))
    reader._services = dict.fromkeys(HOSTS, Answers(answer))  # noqa: SLF001 (there is no other way in)
    platform = or_unavailable("Resource Manager", lambda: reader.read(NOON))
    if platform is None:
        return None
    findings = diagnose(HERE, platform, RECORDS, NOON)
    json.dumps(as_object(HERE, findings, findings))
    return list(lines(findings, findings))


def test_the_recorded_answers_are_of_a_healthy_deployment(answers: dict[str, Any]) -> None:
    said = finding_lines(answers.__getitem__) or []

    assert len(answers) > 12
    assert not any("unexpected response" in line for line in said)


@given(data=st.data())
def test_any_wrong_response_is_reported_by_the_doctor(answers: dict[str, Any], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(answers)))
    odd = data.draw(spoilt(answers[path]) if answers[path] else any_json)

    changed = answers | {path: odd if isinstance(odd, dict) else {}}

    said = finding_lines(lambda asked: changed.get(asked, {}))

    assert said is None or said[-1].startswith("doctor: ")


@pytest.mark.parametrize("share", [math.nan, math.inf, -1.0, "NaN"])
def test_a_threshold_that_is_no_number_is_reported(answers: dict[str, Any], share: object) -> None:
    path = next(path for path in answers if path.endswith("/budgets"))
    budgets = [budget | {"thresholdRules": [{"thresholdPercent": share}]} for budget in answers[path]["budgets"]]

    said = finding_lines(lambda asked: {"budgets": budgets} if asked == path else answers[asked])

    assert said is not None
    assert any(line.startswith("unknown") and "budgets" in line for line in said)


def test_a_function_without_its_location_is_reported(answers: dict[str, Any]) -> None:
    path = next(path for path in answers if path.endswith("/functions"))
    nowhere = {"functions": [{**each, "name": "track-spot-costs"} for each in answers[path]["functions"]]}

    said = finding_lines(lambda asked: nowhere if asked == path else answers[asked])

    assert said is not None
