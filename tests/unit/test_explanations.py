"""The failures of Google's services as the command line prints them."""

import pytest
import requests
from google.api_core.exceptions import BadRequest, Forbidden, InternalServerError, NotFound, RetryError
from google.auth.exceptions import DefaultCredentialsError, RefreshError

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.client_calls import translate_errors
from spotkeeper.gcp.explanations import LOGIN, explained
from spotkeeper.gcp.http_calls import CallError

REFUSED = "GET https://bigquery.googleapis.com/v2/projects/p: Access Denied: Project p: no bigquery.jobs.create"
LOST = NotFound("POST https://bigquery.googleapis.com/x: Not found: Table p:d.spot_prices\n\nLocation: US\nJob ID: 7")
NOT_REACHED = "BigQuery: could not be reached, or did not respond in time"


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (Forbidden(REFUSED), "BigQuery: permission denied: Access Denied: Project p: no bigquery.jobs.create"),
        (LOST, "BigQuery: Not found: Table p:d.spot_prices"),
        (
            BadRequest("GET https://x/y: Unrecognized name: cost; reason: invalidQuery, location: query"),
            "BigQuery: Unrecognized name: cost",
        ),
        (InternalServerError("try later"), "BigQuery: unavailable (500): try later"),
        (requests.ConnectionError("HTTPConnectionPool(host='127.0.0.1', port=9): Max retries"), NOT_REACHED),
        (RetryError("Timeout of 60.0s exceeded", requests.ConnectionError("refused")), NOT_REACHED),
        (TimeoutError(), NOT_REACHED),
        (RefreshError("Reauthentication is needed. Please run"), f"Reauthentication is needed. Log in: {LOGIN}"),
        (DefaultCredentialsError("None found. See https://x"), f"None found. Log in: {LOGIN}"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_failure_of_a_client_library_is_one_sentence_without_class_names(failure: Exception, sentence: str) -> None:
    with pytest.raises(UnavailableError) as raised, translate_errors("BigQuery"):
        raise failure

    assert explained(raised.value) == f"BigQuery: {sentence.removeprefix('BigQuery: ')}"


@pytest.mark.parametrize(
    "said",
    [
        "Query error: Unrecognized name: total_cost at [3:5]",
        "Query error: Column total_cost is not present in table spot_vm_costs at [7:1]",
        "Name total_cost not found inside costs at [2:9]",
    ],
)
def test_a_table_of_an_earlier_version_is_named_with_its_column_and_its_fix(said: str) -> None:
    with pytest.raises(UnavailableError) as raised, translate_errors("BigQuery"):
        raise BadRequest(said)

    assert "the tables lack the column total_cost: they are of an earlier version" in str(raised.value)
    assert "make deploy" in str(raised.value)


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (CallError('IAM: 403 Forbidden: {"error": {"message": "no"}}', 403), "IAM: permission denied: no"),
        (CallError('IAM: 401 Unauthorized: {"error": {"message": "no"}}', 401), LOGIN),
        (CallError("IAM: ProtocolError: ('Connection aborted.', None)", 0), "IAM: could not be reached"),
        (CallError("IAM: page token 'x' was returned twice", 0), "IAM: page token 'x' was returned twice"),
        (UnavailableError("project p does not exist"), "project p does not exist"),
    ],
)
def test_a_failure_of_a_plain_call_is_one_sentence_without_class_names(
    failure: UnavailableError, sentence: str
) -> None:
    assert sentence in explained(failure)
    assert "Error" not in explained(failure)


def test_what_a_reader_said_itself_about_a_call_stays() -> None:
    own = UnavailableError("project p does not exist, or you may not see it: IAM: no")
    own.__cause__ = CallError('IAM: 403 Forbidden: {"error": {"message": "no"}}', 403)

    assert explained(own) == str(own)
