"""The page of assumptions names every probe, and where, why and how each assumption can be checked."""

import re
from datetime import timedelta

from spotkeeper.doctor.deployment import Installation
from spotkeeper.gcp.probes import Prober
from spotkeeper.settings import Endpoints
from tests.docs.references import ROOT

LOCAL = "http://127.0.0.1:9"
SUPPORT = ("read", "discovery", "document", "recorded answer", "report", "belief")


def rows() -> list[list[str]]:
    page = (ROOT / "docs" / "verified.md").read_text()
    lines = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line] for line in lines if line[0].strip() != "assumption"]


def test_every_probe_is_on_the_page_and_every_probe_on_the_page_exists() -> None:
    everywhere = Endpoints(bigquery=LOCAL, compute=LOCAL, assets=LOCAL, logging=LOCAL, billing=LOCAL)
    probes = Prober(Installation("p", "d"), everywhere, LOCAL, timedelta(0)).probes

    named = [name for row in rows() for name in re.findall(r"probe `([\w-]+)`", row[3])]

    assert set(named) == probes.keys()


def test_every_assumption_has_a_place_in_the_code_a_support_and_a_check() -> None:
    assert len(rows()) > 20
    for assumption, place, support, check in rows():
        assert re.search(r"`[\w/.]+\.(py|sql|tf)`", place), assumption
        assert support.startswith(SUPPORT), assumption
        assert "https://" in support or not support.startswith(("read", "document")), assumption
        assert check, assumption
