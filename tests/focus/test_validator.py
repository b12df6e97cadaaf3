"""The view `focus_costs` and the validator of the FinOps Foundation: FOCUS 1.2, dataset Cost and Usage."""

import csv
import re
import subprocess
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from infra.local.bigquery.tables import create_views
from infra.local.stack.stack import Stack
from spotkeeper.periods import rfc3339
from tests.adapters.conftest import new_dataset, new_tracker

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".venv-focus"
VERSION = "1.2.0.1"

NOT_MET = {
    "CapacityReservationStatus-C-004-C": "asked for where there is a CapacityReservationId, of which there is none",
    "CommitmentDiscountStatus-C-004-C": "asked for where there is a CommitmentDiscountId, of which there is none",
    "InvoiceId-C-005-C": "asked for where a charge is on an invoice, and list prices are not",
}
"""The rules whose condition the validator leaves out, so that it finds every row to violate them."""

type Rows = list[dict[str, object]]


@pytest.fixture(scope="module")
def rows(stack: Stack) -> Iterator[Rows]:
    """The costs of the fleet in two hours, as the tracker recorded them."""
    with new_dataset(stack, "focus") as dataset:
        tracker = new_tracker(stack, dataset)
        for hour in range(2):
            tracker.run(hour)
        create_views(stack.client(), dataset, tracker.look_at(1))
        yield [dict(row.items()) for row in tracker.rows("SELECT * FROM focus_costs")]


def verdicts(rows: Rows, folder: Path) -> dict[str, str]:
    """Return what the validator says of each rule that is not made of others: PASS, FAIL or SKIPPED."""
    data = folder / "focus.csv"
    with data.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({name: _written(value) for name, value in row.items()} for row in rows)
    [packages] = HOME.glob("lib/python3.*/site-packages")
    command: list[Path | str] = [HOME / "bin" / "focus-validator", "--data-file", data, "--validate-version", VERSION]
    ended = subprocess.run(  # noqa: S603 (a tool of ours)
        [*command, "--block-download", "--focus-dataset", "CostAndUsage", "--applicability-criteria", "ALL"],
        cwd=packages,  # It looks for its list of currencies there.
        capture_output=True,
        text=True,
        check=False,
    )
    found = dict(re.findall(r"([\w-]+-\d{3}-\w): (PASS|FAIL|SKIPPED) (?!.*AND failed)", ended.stdout))
    assert found, ended.stdout + ended.stderr
    return found


def test_the_view_passes_every_rule_that_applies_to_list_prices(rows: Rows, tmp_path: Path) -> None:
    found = verdicts(rows, tmp_path)

    assert {rule for rule, verdict in found.items() if verdict == "FAIL"} == set(NOT_MET)
    assert len([rule for rule, verdict in found.items() if verdict == "PASS"]) > 300


def test_a_cost_that_is_unknown_would_not_pass(rows: Rows, tmp_path: Path) -> None:
    found = verdicts([{**rows[0], "BilledCost": None}, *rows[1:]], tmp_path)

    assert found["BilledCost-C-003-M"] == "FAIL"


def test_compute_has_a_row_for_each_sku(rows: Rows) -> None:
    parts = [row for row in rows if row["x_Component"] is not None]

    assert {row["SkuMeter"] for row in parts} >= {"vCPU", "Memory", "GPU"}
    assert [row["ResourceName"] for row in parts if row["SkuId"] is None] == []


def _written(value: object) -> object:
    match value:
        case datetime():
            return rfc3339(value)
        case Decimal():
            return format(value, "f")
    return value
