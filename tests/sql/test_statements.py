"""The functions' own statements are ones that BigQuery takes."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from google.cloud.bigquery import SchemaField
from zetasql.api import TypeFactory
from zetasql.core.exceptions import ZetaSQLError
from zetasql.types import Type

from spotkeeper.gcp.bigquery.capacity_tables import CAPACITY_RECORDS
from spotkeeper.gcp.bigquery.daily_figures import KEYS, costs_statement
from spotkeeper.gcp.bigquery.rest_query import statement_text
from spotkeeper.gcp.bigquery.staging_schema import RECORD_TABLES, staging_schema
from tests.sql.googlesql import analyze, simple, table_fields

STATEMENTS = Path(__file__).parents[2] / "functions" / "spotkeeper" / "gcp" / "bigquery" / "statements"


EXAMPLES = {
    "{dataset}.": "",
    "{filled}": "vm_inventory",
    "{copied}": "vm_inventory",
    "{columns}": "project_id, zone, region, instance_id, first_seen, last_seen, instance_name, fingerprint",
    "{table}": "vm_inventory",
    "{name}": "vm_inventory_unpartitioned",
}
"""Tables and columns for the statements that are filled in with them."""


def staging_fields() -> list[dict[str, object]]:
    """The columns of the staging table: a record for each table, and for each kind of alike ones."""
    schema = staging_schema(lambda table: [SchemaField.from_api_repr(dict(field)) for field in table_fields(table)])
    return [column.to_api_repr() for column in schema]


def capacity_fields() -> list[dict[str, object]]:
    """The columns of the staging table of the daily capacity history."""
    return [
        {"name": column, "type": "RECORD", "fields": table_fields(name)} for column, name in CAPACITY_RECORDS.items()
    ]


def struct_array(**fields: str) -> Type:
    return TypeFactory.create_array_type(
        TypeFactory.create_struct_type([(name, simple(kind)) for name, kind in fields.items()])
    )


def parameters() -> Mapping[str, Type]:
    times = ["since", "hour", "first_hour", "last_hour", "recorded_at", "received_at", "published_at"]
    times += ["cost_interval_start", "period_end", "runs_out_at", "runs_out_at_with_plan", "now", "pending_since"]
    times += [
        "periods_start",
        "periods_end",
        "counted_since",
        "uncertain_since",
        "disks_since",
        "addresses_since",
        "alerts_since",
        "created_since",
        "observed_since",
        "reserved_until",
    ]
    times += ["first_start", "last_start", "attached_since", "day_start", "waiting_since", "failures_since"]
    times += ["overdue_since", "settled_before"]
    times += ["approval_expires_at", "snoozed_until"]
    lists = (
        "projects",
        "instance_ids",
        "labels",
        "counted_keys",
        "unread",
        "missing_permissions",
        "machine_types",
        "zones",
    )
    strings = {name: TypeFactory.create_array_type(simple("STRING")) for name in lists}
    texts = ["run_id", "delivery_id", "message_id", "source", "billing_account_id", "budget_id", "budget_display_name"]
    texts += ["currency", "verdict", "reason", "mode", "body", "estimate_basis", "covers"]
    texts += ["plan_hash", "target_message_id"]
    amounts = ["cost", "budget", "tracker_cost", "min_share", "hourly_cost", "hourly_savings"]
    amounts += ["estimated_spent", "estimated_spent_sd", "estimated_end", "estimated_end_sd", "estimated_rate"]
    amounts += ["contract_factor", "contract_factor_sd", "other_rate", "other_rate_sd", "bill_delay_hours"]
    counts = ["label_keys", "plans", "newer", "stops", "deferred", "unpriced", "project_count"]
    return {
        **{name: simple("TIMESTAMP") for name in times},
        **strings,
        **{name: simple("STRING") for name in texts},
        **{name: simple("NUMERIC") for name in amounts},
        **{name: simple("INTEGER") for name in counts},
        **{name: simple("TIMESTAMP") for name in ("first_time", "end_time")},
        **{name: simple("TIMESTAMP") for name in ("in_use_since", "checked_since")},
        "day": simple("DATE"),
        **{name: simple("STRING") for name in ("label", "machine_type")},
        "value": simple("STRING"),
        "work": simple("STRING"),
        **{name: simple("INTEGER") for name in ("most", "most_types", "most_places")},
        **{name: simple("BOOLEAN") for name in ("drill", "recorded", "contract")},
        **{name: simple("TIMESTAMP") for name in ("rollup_since", "rollup_until")},
        **{name: TypeFactory.create_array_type(simple("DATE")) for name in ("rollup_days", "rollup_months")},
        **{name: simple("DATE") for name in ("months_since", "months_until")},
        "again": simple("BOOLEAN"),
        "outcomes": struct_array(
            message_id="STRING",
            project_id="STRING",
            instance_id="STRING",
            happened_at="TIMESTAMP",
            event="STRING",
            reason="STRING",
            operation="STRING",
            error="STRING",
        ),
        "instances": struct_array(project_id="STRING", zone="STRING", instance_id="STRING"),
        "gaps": struct_array(source="STRING", project_id="STRING", detail="STRING", final="BOOLEAN"),
        "budgets": struct_array(
            period="STRING",
            budget="NUMERIC",
            budget_id="STRING",
            display_name="STRING",
            label_key="STRING",
            label_value="STRING",
            period_start="TIMESTAMP",
            cost="NUMERIC",
            next_threshold="NUMERIC",
        ),
        "alerts": struct_array(
            period="STRING",
            period_start="TIMESTAMP",
            kind="STRING",
            threshold="NUMERIC",
            budget="NUMERIC",
            cost="NUMERIC",
            unseen_share="NUMERIC",
            counts_from="TIMESTAMP",
            covers="STRING",
            partial_share="NUMERIC",
            total_from="TIMESTAMP",
            unpriced_resource_hours="NUMERIC",
            label_budget="STRING",
            estimated_at="TIMESTAMP",
            repeated="BOOLEAN",
            message_id="STRING",
        ),
    }


@pytest.mark.parametrize("path", sorted(STATEMENTS.glob("*.sql")), ids=lambda path: path.stem)
def test_every_statement_passes_google_s_analyzer(path: Path) -> None:
    statement = costs_statement("vm") if path.stem == "costs" else statement_text(path.stem)
    statement = statement.replace("{staging}", "`staging_1`")
    for placeholder, name in EXAMPLES.items():
        statement = statement.replace(placeholder, name)

    of_others = {
        "plan": table_fields("enforcement_actions"),
        "commit_capacity": capacity_fields(),
        "commit_work": table_fields("work"),
    }
    fields = of_others.get(path.stem) or staging_fields()

    analyze(statement, parameters(), {"staging_1": fields})


@pytest.mark.parametrize("by", KEYS)
def test_the_cost_by_every_key_passes_google_s_analyzer(by: str) -> None:
    analyze(costs_statement(by), parameters())


def test_the_analyzer_refuses_a_column_that_is_not_there() -> None:
    with pytest.raises(ZetaSQLError, match="Unrecognized name: price_today"):
        analyze("SELECT price_today FROM spot_prices", {})


@pytest.mark.parametrize(
    "name", [*RECORD_TABLES.values(), "budgets", "budget_alerts", "disk_costs", "address_costs", "work"]
)
def test_every_column_of_a_table_is_written(name: str) -> None:
    """An INSERT without a list of columns takes all of them, from the record that is staged for the table."""
    statements = "".join(path.read_text() for path in STATEMENTS.glob("*.sql"))
    [(columns, selected)] = re.findall(rf"INSERT INTO {name}(?: \(([^)]*)\))?\nSELECT\s+(\S+)", statements)

    if columns:
        named = [column.strip() for column in columns.split(",")]
        assert set(named) == {field["name"] for field in table_fields(name)}
        if name in STAGED:
            assert selected == "staged.*"
            assert selected_columns(STAGED[name]) == named
    else:
        record = next(record for record, table in RECORD_TABLES.items() if table == name)
        assert selected == f"{record}.*" or (name, selected) == ("shape_components", "staged.*")


STAGED = {"spot_vm_costs": "staged_costs", "vm_inventory": "staged_observations"}
"""The tables whose rows are put together of a staged record and its kinds, and the queries that do so."""


def selected_columns(query: str) -> list[str]:
    """The names of the columns that a query yields, in order."""
    [columns] = re.findall(r"^SELECT\n(.*?)\nFROM", statement_text(query), flags=re.DOTALL | re.MULTILINE)
    whole = re.sub(r"^  \(\n.*?\n  \)", "  sum", columns, flags=re.DOTALL | re.MULTILINE)
    return [re.split(r"[. ]", line.rstrip(","))[-1] for line in whole.splitlines()]


def test_a_known_state_is_updated_in_every_column_but_its_key() -> None:
    statement = (STATEMENTS / "commit.sql").read_text()
    [update] = re.findall(r"UPDATE project_hours AS recorded\nSET\n(.*?)\nFROM", statement, flags=re.DOTALL)
    updated = re.findall(r"^  (\w+) = ", update, flags=re.MULTILINE)

    assert ["hour", "project_id", *updated] == [field["name"] for field in table_fields("project_hours")]


def test_every_column_says_what_it_holds() -> None:
    names = [path.stem for path in (Path(__file__).parents[2] / "sql" / "tables").glob("*.json")]

    silent = [
        f"{name}.{field['name']}" for name in names for field in table_fields(name) if not field.get("description")
    ]

    assert len(names) == 34
    assert silent == []
