"""The values of `price_status` are the same in the code, the checks, the tables and the pages."""

import json
import re
from pathlib import Path

from spotkeeper.pricing.price_book import PriceStatus

ROOT = Path(__file__).parents[2]
KNOWN = [status.value for status in PriceStatus]


def test_the_page_of_the_tracker_says_what_each_price_status_means() -> None:
    page = (ROOT / "docs" / "tracker.md").read_text()
    table = page[page.index("| `price_status` | meaning |") :].split("\n\n")[0]

    assert re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE) == ["price_status", *KNOWN]


def test_the_check_of_cost_rows_knows_each_price_status() -> None:
    check = (ROOT / "sql" / "checks" / "price_status_is_consistent.sql").read_text()
    [values] = re.findall(r"price_status NOT IN \(([^)]*)\)", check)

    assert re.findall(r"'([a-z_]+)'", values) == KNOWN


def test_the_column_names_each_price_status() -> None:
    table = json.loads((ROOT / "sql" / "tables" / "spot_vm_costs.json").read_text())
    [column] = [field for field in table["schema"]["fields"] if field["name"] == "price_status"]

    assert re.findall(r"([a-z_]+) \(", column["description"]) == KNOWN


def test_the_description_of_the_response_names_each_price_status() -> None:
    page = json.loads((ROOT / "docs" / "track_spot_costs.openapi.json").read_text())
    found = re.findall(r'"price_statuses": \{.*?"enum": (\[[^\]]*\])', json.dumps(page))

    assert [json.loads(values) for values in found] == [KNOWN]


def test_no_statement_or_view_compares_with_another_price_status() -> None:
    files = [*(ROOT / "sql").rglob("*.sql"), *(ROOT / "functions/spotkeeper/gcp/bigquery/statements").glob("*.sql")]
    compared = {
        value
        for file in files
        for value in re.findall(r"price_status (?:!?=|IN \() ?'([a-z_]+)'", file.read_text(), re.IGNORECASE)
    }

    assert compared
    assert compared <= set(KNOWN)
