"""A day of work comes out on Google's evaluator as it has to; tests/simulation/work has a month."""

import json
from collections.abc import Mapping
from datetime import datetime

import pytest

from spotkeeper.gcp.bigquery.work_tables import work_line
from spotkeeper.work.formats import csv_lines
from tests.simulation.work.figures import VIEWS, differences
from tests.simulation.work.month import Month, month
from tests.simulation.work.rows import RULES, cost_rows, preemptions, present, work_file
from tests.sql.cases import SQL, Case
from tests.sql.test_views_on_google import on_google
from tests.sql.usual_rows import Row, complete
from tests.unit.work_reading import read_records


@pytest.fixture(scope="module")
def one_day() -> Month:
    """Eight builds, a Slurm node, and a training run with three preemptions."""
    return month(seed=3, days=1, builds=8, nodes=1, preemptions=3)


def test_every_figure_of_one_day_of_work_is_what_it_has_to_be_on_google_s_evaluator(one_day: Month) -> None:
    tables = {
        "spot_vm_costs": [complete("spot_vm_costs", row) for row in cost_rows(one_day.vms)],
        "spot_preemptions": [complete("spot_preemptions", row) for row in preemptions(one_day.vms)],
        "job_system_rules": RULES,
        "work": _work(one_day),
    }
    views = {view: _rows(view, present(one_day), tables) for view in VIEWS}

    assert differences(one_day, views) == []


def _work(of: Month) -> list[Row]:
    """The rows as they were written while the attempts ran, and after they had ended."""
    end = datetime.fromisoformat(present(of))
    rows = []
    for attempts, at in ((of.replaced, end.replace(hour=0)), (of.attempts, end)):
        records, problems = read_records(csv_lines(work_file(attempts)), {})
        assert problems == []
        rows += [json.loads(work_line(record, at)) for record in records]
    return rows


def _rows(view: str, now: str, tables: Mapping[str, list[Row]]) -> list[dict[str, object]]:
    answer = on_google(Case(SQL / "views" / f"{view}.sql", "month", now, tables, {}, (), {}))
    rows: list[dict[str, object]] = [{name: text or None for name, text in row} for row in answer]
    return [row | {"attempts": int(str(row["attempts"] or 0))} if "attempts" in row else row for row in rows]
