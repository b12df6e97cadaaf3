"""Words that Google's API takes a choice of: the provider checks them in code, when it is too late."""

import ast
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from tests.infra.terraform_files import FILES, INFRA, ROOT, leaves, local_values, parsed, resources

ENTRY_POINTS = {
    node.name
    for node in ast.parse((ROOT / "functions" / "main.py").read_text()).body
    if isinstance(node, ast.FunctionDef) and any("functions_framework" in ast.unparse(d) for d in node.decorator_list)
}

CHOICES: Mapping[str, Mapping[str, AbstractSet[object]]] = {
    "google_bigquery_dataset": {"max_time_travel_hours": {"48", "72", "96", "120", "144", "168"}},
    "google_bigquery_table": {"view.use_legacy_sql": {False}},
    "google_billing_budget": {
        "all_updates_rule.schema_version": {"1.0"},
        "budget_filter.credit_types_treatment": {
            "INCLUDE_ALL_CREDITS",
            "EXCLUDE_ALL_CREDITS",
            "INCLUDE_SPECIFIED_CREDITS",
        },
        "threshold_rules.spend_basis": {"CURRENT_SPEND", "FORECASTED_SPEND"},
    },
    "google_cloud_scheduler_job": {
        "http_target.http_method": {"POST", "GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"},
        "http_target.headers.Content-Type": {"application/json"},
        "schedule": {"7 * * * *", "*/5 * * * *"},
        "time_zone": {"Etc/UTC"},
    },
    "google_cloudfunctions2_function": {
        "build_config.entry_point": ENTRY_POINTS,
        "build_config.runtime": {"python312", "python313", "python314"},
        "service_config.available_cpu": {"1", "2", "4"},
        "service_config.available_memory": {"256Mi", "512Mi", "1Gi", "2Gi"},
        "service_config.ingress_settings": {"ALLOW_ALL", "ALLOW_INTERNAL_ONLY", "ALLOW_INTERNAL_AND_GCLB"},
    },
    "google_logging_metric": {
        "name": {"spotkeeper/prices_that_differ", "spotkeeper/records_unavailable"},
        "metric_descriptor.metric_kind": {"DELTA"},
        "metric_descriptor.unit": {"1"},
        "metric_descriptor.value_type": {"INT64", "DISTRIBUTION"},
    },
    "google_monitoring_alert_policy": {
        "combiner": {"AND", "OR", "AND_WITH_MATCHING_RESOURCE"},
        "documentation.mime_type": {"text/markdown"},
    },
    "google_monitoring_metric_descriptor": {
        "labels.value_type": {"STRING", "BOOL", "INT64"},
        "metric_kind": {"GAUGE", "DELTA", "CUMULATIVE"},
        "value_type": {"BOOL", "INT64", "DOUBLE", "STRING", "DISTRIBUTION"},
    },
    "google_monitoring_notification_channel": {"type": {"email", "slack", "pagerduty"}},
    "google_pubsub_subscription": {"expiration_policy.ttl": {""}},
    "google_storage_bucket": {
        "lifecycle_rule.action.type": {"Delete", "SetStorageClass", "AbortIncompleteMultipartUpload"},
        "public_access_prevention": {"enforced", "inherited"},
    },
}
"""By the reference of each resource; every path named here has to be there."""

SECONDS: Mapping[str, tuple[int, int]] = {
    "google_cloud_scheduler_job.attempt_deadline": (15, 1800),
    "google_cloud_scheduler_job.retry_config.max_backoff_duration": (5, 3600),
    "google_cloud_scheduler_job.retry_config.min_backoff_duration": (5, 3600),
    "google_monitoring_alert_policy.alert_strategy.auto_close": (1800, 604800),
    "google_monitoring_alert_policy.alert_strategy.notification_rate_limit.period": (300, 172800),
    "google_monitoring_alert_policy.conditions.condition_prometheus_query_language.evaluation_interval": (30, 84600),
    "google_pubsub_subscription.message_retention_duration": (600, 2678400),
    "google_pubsub_subscription.retry_policy.maximum_backoff": (0, 600),
    "google_pubsub_subscription.retry_policy.minimum_backoff": (0, 600),
}
"""Durations and what Google takes for them."""

FORMS = {
    "account_id": r"[a-z][a-z0-9-]{4,28}[a-z0-9]",
    "description": r"[^<>]{1,256}",
    "display_name": r"[^<>]{1,100}",
    "error_message": r"[A-Z].+[.?]",
    "name": r"[a-z][a-z0-9-]{1,61}[a-z0-9]",
    "role": r"roles/[a-z]+(\.[a-zA-Z]+)+",
    "role_id": r"[a-zA-Z0-9_.]{3,64}",
    "table_id": r"[a-zA-Z0-9_]{1,1024}",
    "title": r".{1,100}",
}
"""What is free to choose, and the form that Google takes it in."""

ALIGNERS = {"ALIGN_MAX", "ALIGN_MEAN", "ALIGN_SUM", "ALIGN_DELTA", "ALIGN_RATE", "ALIGN_PERCENTILE_99"}
REDUCERS = {"REDUCE_MAX", "REDUCE_MEAN", "REDUCE_SUM"}
SEVERITIES = {"CRITICAL", "ERROR", "WARNING"}
FUNCTIONS = {"absent_over_time", "last_over_time", "max_over_time", "min_over_time", "sum", "sum_over_time"}
METRICS = {
    "pubsub.googleapis.com/subscription/num_undelivered_messages",
    "pubsub.googleapis.com/topic/send_message_operation_count",
    "run.googleapis.com/request_count",
    "run.googleapis.com/request_latencies",
}
"""Metrics of Google's own that are used: https://cloud.google.com/monitoring/api/metrics_gcp"""

DISTRIBUTIONS = {"run.googleapis.com/request_latencies"}
COUNTERS = {"run.googleapis.com/request_count", "pubsub.googleapis.com/topic/send_message_operation_count"}


def found(kind: str) -> list[tuple[str, object]]:
    """Return every attribute of all resources of a kind; what a dynamic block holds counts as the block's."""
    pairs = [pair for block in resources() if block.kind == kind for pair in leaves(block.body)]
    return [(re.sub(r"dynamic\.(\w+)\.content\.", r"\1.", path), value) for path, value in pairs]


def test_every_file_is_hcl_and_of_a_size_to_read() -> None:
    """The files of variables are as long as what they refuse."""
    files = [*FILES, INFRA / "example.tfvars"]
    long = [path.name for path in files if len(path.read_text().splitlines()) >= 300]

    assert [path.name for path in files if not parsed(path)] == []
    assert set(long) <= {"policy.tf", "variables.tf"}


def test_every_choice_is_set_to_one_of_those_that_there_are() -> None:
    odd = {
        f"{kind}.{path}": values
        for kind, choices in CHOICES.items()
        for path, allowed in choices.items()
        if not (values := {value for where, value in found(kind) if where == path}) or values - allowed
    }

    assert odd == {}


def test_every_duration_is_one_that_google_takes() -> None:
    odd = {
        where: values
        for where, (least, most) in SECONDS.items()
        if not (values := _values_at(where))
        or not all(re.fullmatch(r"\d+s", value) and least <= int(value[:-1]) <= most for value in values)
    }

    assert odd == {}


def test_an_alert_waits_a_time_that_google_takes() -> None:
    # https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies#PrometheusQueryLanguageCondition
    for name, alert in local_values()["alerts"].items():
        assert re.fullmatch(r"\d+s", alert["duration"]), name
        assert int(alert["duration"][:-1]) % 60 == 0, name
        assert int(alert["duration"][:-1]) <= 23.5 * 3600, name


def test_every_duration_is_looked_at() -> None:
    pairs = [(f"{block.kind}.{path}", value) for block in resources() for path, value in leaves(block.body)]

    assert {where for where, value in pairs if re.fullmatch(r"\d+s", str(value))} == SECONDS.keys()


def test_every_word_is_a_choice_a_duration_or_free() -> None:
    odd = {
        f"{kind}.{path}": value
        for kind in {block.kind for block in resources()}
        for path, value in found(kind)
        if isinstance(value, str) and "${" not in value
        if path not in CHOICES.get(kind, {}) and f"{kind}.{path}" not in SECONDS
        if not re.fullmatch(FORMS.get(path.rpartition(".")[2], r"(?!)"), value)
    }

    assert odd == {}


def test_a_function_has_less_time_than_google_gives() -> None:
    times = [
        int(str(value)) for path, value in found("google_cloudfunctions2_function") if path.endswith("timeout_seconds")
    ]

    assert len(times) == 2
    assert max(times) <= 3600


def test_alerts_and_charts_are_about_the_functions_by_their_names() -> None:
    names = {value for path, value in found("google_cloudfunctions2_function") if path == "name"}
    text = "".join((INFRA / file).read_text().replace("\\", "") for file in ("alerts.tf", "dashboard.tf"))
    asked = re.findall(r'service_name=(?:monitoring\.regex\.full_match\()?"([a-z|-]+)"', text)

    assert len(asked) == 5
    assert {name for each in asked for name in each.split("|")} == names


def test_a_chart_is_drawn_in_a_way_there_is() -> None:
    assert set(re.findall(r'plotType = "(\w+)"', (INFRA / "dashboard.tf").read_text())) <= {"LINE", "STACKED_BAR"}


def test_alerts_are_as_severe_as_can_be_said_and_are_evaluated_in_steps_of_half_a_minute() -> None:
    severities = [alert["severity"] for name in ("alerts", "logged_alerts") for alert in local_values()[name].values()]
    intervals = [
        str(value) for path, value in found("google_monitoring_alert_policy") if path.endswith("evaluation_interval")
    ]

    assert set(severities) <= SEVERITIES
    assert len(severities) == 16
    assert [interval for interval in intervals if int(interval[:-1]) % 30] == []


def test_every_chart_shows_a_metric_there_is_in_a_way_that_fits_it() -> None:
    own = {f"custom.googleapis.com/spotkeeper/{name}" for name in local_values()["metrics"]}
    charts = {chart["title"]: chart for chart in local_values()["charts"]}

    assert len(charts) == len(local_values()["charts"]) > 1
    assert {title: odd for title, chart in charts.items() if (odd := _odd_in_chart(chart, METRICS | own))} == {}


def _odd_in_chart(chart: Mapping[str, str], metrics: AbstractSet[str]) -> list[str]:
    [metric] = re.findall(r'metric\.type="([^"]+)"', chart["filter"])
    fits = {
        "metric": metric in metrics,
        "aligner": chart["aligner"] in ALIGNERS,
        "reducer": chart["reducer"] in REDUCERS,
        "percentile": (metric in DISTRIBUTIONS) == chart["aligner"].startswith("ALIGN_PERCENTILE"),
        "sum": (metric in COUNTERS) == (chart["aligner"] == "ALIGN_SUM"),
        "period": bool(re.fullmatch(r"\d+s", chart["period"])) and int(chart["period"][:-1]) % 60 == 0,
    }
    return [name for name, right in fits.items() if not right]


def test_every_query_is_of_a_metric_there_is_and_its_brackets_are_closed() -> None:
    queries = {name: str(alert["query"]) for name, alert in local_values()["alerts"].items()}

    assert len(queries) > 1
    assert {name: odd for name, query in queries.items() if (odd := _odd_in_query(query))} == {}


def _odd_in_query(query: str) -> list[str]:
    query = query.replace("${local.heartbeat}", str(local_values()["heartbeat"]))
    own = set(re.findall(r"\$\{local\.metric\.(\w+)}", query))
    others = set(re.findall(r"\b(\w+_googleapis_com:\w+)", query))
    known = {metric.replace("/", ":", 1).replace(".", "_").replace("/", "_") for metric in METRICS}
    fits = {
        "no metric": own | others,
        "own metric": own <= set(local_values()["metrics"]),
        "Google's metric": others <= known,
        "bracket": all(query.count(opening) == query.count(closing) for opening, closing in ("()", "{}", "[]")),
        "function": set(re.findall(r"\b([a-z_]+)\(", query)) <= FUNCTIONS,
        "window": re.findall(r"\[(\d+[mhd])]", query),
    }
    return [name for name, right in fits.items() if not right]


def _values_at(where: str) -> list[str]:
    kind, _, path = where.partition(".")
    return [str(value) for each, value in found(kind) if each == path]
