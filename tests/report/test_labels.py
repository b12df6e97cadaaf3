"""The explorer of labels: a table for each, of which a browser shows one."""

from dataclasses import replace
from datetime import date
from pathlib import Path

from spotkeeper.report.page import page
from spotkeeper.report.rows import MOST_VALUES, LabelCost
from spotkeeper.report.sections.labels import labels
from tests.report.browsers import needs_chromium, opened, running_browser
from tests.report.reading import read
from tests.report.samples import SCOPE, money, usual_rows

JULY = date(2026, 7, 1)


def value(key: str, name: str, cost: str | None) -> LabelCost:
    return LabelCost(
        JULY, key, name, money(10), money(0 if cost is None else 10), None if cost is None else money(cost)
    )


LABELS = [
    value("team", "vision", "300"),
    value("team", "search", "180"),
    value("team", "(unlabelled)", "60"),
    replace(value("team", "(unresolved)", None), vm_hours=money(0)),
    value("build", "4711", "4"),
    value("build", "(unlabelled)", "536"),
    value("build", "(unresolved)", None),
]
ROWS = replace(usual_rows(), labels=LABELS)


def test_every_label_has_a_table_that_adds_up_and_the_one_on_the_dearest_vms_comes_first() -> None:
    found = read(page(ROWS, SCOPE))

    assert found.amounts("label-0", "label_value") == {"vision": 300, "search": 180, "(unlabelled)": 60, "all": 540}
    assert found.amounts("label-1", "label_value") == {
        "(unlabelled)": 536,
        "4711": 4,
        "(unresolved)": None,
        "all": 540,
    }
    assert [row["share"] for row in found.tables["label-0"]][:1] == [str(money(300) / 540 * 100)]
    assert found.unclosed == []


def test_many_values_are_summed_up_and_it_is_said_when_not_all_were_read() -> None:
    many = [value("build", str(number), "1") for number in range(MOST_VALUES)]

    [section] = labels(replace(ROWS, labels=many))

    [table] = section.tables
    assert (table.last_rows[0][0].text, table.last_rows[0][1].text) == (f"other ({MOST_VALUES - 15})", "$285.00")
    assert table.note.startswith(f"The {MOST_VALUES} most expensive values")


def test_without_labels_there_is_no_section() -> None:
    assert labels(usual_rows()) == []


@needs_chromium
def test_a_browser_shows_the_table_of_the_chosen_label_and_prints_all(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page(ROWS, SCOPE), encoding="utf-8")

    with running_browser() as browser, opened(browser, path) as window:
        tables = [window.locator(f"#table-label-{number}") for number in (0, 1)]
        first = [table.is_visible() for table in tables]
        window.get_by_label("Label", exact=True).select_option("build")
        second = [table.is_visible() for table in tables]
        window.evaluate("dispatchEvent(new Event('beforeprint'))")
        printed = [table.is_visible() for table in tables]

    assert (first, second, printed) == ([True, False], [False, True], [True, True])
