"""What Looker Studio takes: a URL that makes the data sources, and a recipe for the rest."""

import re
from urllib.parse import parse_qs, urlsplit

from dashboards.looker_studio import link, recipe, sums, views
from dashboards.panels import columns_of, groups

MOST_CHARACTERS = 8_000
"""Google states no limit for the URL; web servers commonly take requests whose first line has 8 KiB."""


def parameters(project_id: str = "data-platform", dataset: str = "cost_tracking") -> dict[str, str]:
    """The parameters of the URL as Terraform fills it in."""
    address = urlsplit(link(groups()).replace("${project_id}", project_id).replace("${dataset}", dataset).strip())
    assert (address.scheme, address.netloc, address.path) == ("https", "lookerstudio.google.com", "/reporting/create")
    return {name: value for name, [value] in parse_qs(address.query, strict_parsing=True).items()}


def test_the_url_makes_a_data_source_for_each_view_of_the_recipe() -> None:
    found = parameters()
    named = re.findall(r"(?m)^\*\*.+\*\*: .+ of `(\w+)`$", recipe(groups()))
    sources = [name.split(".")[1] for name in found if name.endswith(".tableId")]

    assert [found[f"ds.{source}.tableId"] for source in sources] == list(dict.fromkeys(named)) == views(groups())
    for source in sources:
        assert {name: value for name, value in found.items() if name.startswith(f"ds.{source}.")} == {
            f"ds.{source}.connector": "bigQuery",
            f"ds.{source}.type": "TABLE",
            f"ds.{source}.projectId": "data-platform",
            f"ds.{source}.datasetId": "cost_tracking",
            f"ds.{source}.tableId": found[f"ds.{source}.tableId"],
            f"ds.{source}.billingProjectId": "data-platform",
            f"ds.{source}.datasourceName": found[f"ds.{source}.tableId"],
        }
    assert {name: value for name, value in found.items() if not name.startswith("ds.")} == {
        "c.mode": "edit",
        "r.reportName": "spotkeeper",
    }


def test_the_url_of_the_longest_project_and_a_long_dataset_is_one_that_servers_take() -> None:
    """A project id has at most 30 characters."""
    filled = link(groups()).replace("${project_id}", "p" * 30).replace("${dataset}", "d" * 40)

    assert len(filled) <= MOST_CHARACTERS


def test_every_number_of_a_data_source_is_left_at_sum_or_set_to_none() -> None:
    rows = re.findall(r"(?m)^\| `(\w+)` \| (.+) \| (.+) \|$", recipe(groups()).partition("## Default aggregation")[2])
    kinds = {"INTEGER", "NUMERIC", "BIGNUMERIC", "FLOAT"}

    assert [view for view, _, _ in rows] == views(groups())
    for view, left, cleared in rows:
        summed, rest = re.findall(r"`(\w+)`", left), re.findall(r"`(\w+)`", cleared)
        assert summed == sums(view, groups())
        assert sorted([*summed, *rest]) == sorted(name for name, kind in columns_of(view).items() if kind in kinds)


def test_no_share_price_or_count_of_vms_is_added_up() -> None:
    wrong = re.compile(r"share|percent|price$|mean|daly|young|rank|age|instances|budget|spent|until|minutes|total_cost")

    assert [(view, name) for view in views(groups()) for name in sums(view, groups()) if wrong.search(name)] == []
    assert sums("budget_status", groups()) == []
    assert {"cost", "vm_hours", "priced_hours"} <= set(sums("daily_cost_by_team", groups()))
