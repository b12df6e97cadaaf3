"""The report of the demo, as of its end."""

from datetime import timedelta
from pathlib import Path

from infra.local.bigquery.tables import create_views, local_client
from infra.local.demo.budget_exceeded import AFTERNOON
from infra.local.stack.stack import DATASET, HOME_PROJECT
from spotkeeper.cli.report import check_packages, write_report

NOW = AFTERNOON[-1].at + timedelta(hours=1)
"""The fleet's time at the end of the demo."""

DAYS = 30


def report(endpoint: str, state: Path) -> Path:
    """Make the views, write the report from them and return its file."""
    check_packages()
    create_views(local_client(endpoint, HOME_PROJECT), DATASET, NOW)
    variables = {"PROJECT_ID": HOME_PROJECT, "DATASET": DATASET, "BIGQUERY_ENDPOINT": endpoint}
    path = state / "report.html"
    write_report(variables, DAYS, NOW, path)
    return path
