"""The report of the demo, as of its end."""

from pathlib import Path

from infra.local.bigquery.tables import create_views, local_client
from infra.local.demo.afternoon import END
from infra.local.stack.stack import DATASET, HOME_PROJECT
from spotkeeper.cli.report import check_packages, write_report

DAYS = 30


def report(endpoint: str, state: Path) -> Path:
    """Make the views, write the report from them and return its file."""
    check_packages()
    create_views(local_client(endpoint, HOME_PROJECT), DATASET, END)
    variables = {"PROJECT_ID": HOME_PROJECT, "DATASET": DATASET, "BIGQUERY_ENDPOINT": endpoint}
    path = state / "report.html"
    write_report(variables, DAYS, END, path, labels=True)
    return path
