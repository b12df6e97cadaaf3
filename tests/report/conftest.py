"""Two pages, written once: of a fleet as it should be, and of one whose names mean harm."""

from pathlib import Path

import pytest

from spotkeeper.report.page import page
from tests.report.samples import SCOPE, hostile_rows, usual_rows


@pytest.fixture(scope="session")
def usual_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the usual rows."""
    path = tmp_path_factory.mktemp("usual") / "report.html"
    path.write_text(page(usual_rows(), SCOPE), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the hostile rows."""
    path = tmp_path_factory.mktemp("hostile") / "report.html"
    path.write_text(page(hostile_rows(), SCOPE), encoding="utf-8")
    return path
