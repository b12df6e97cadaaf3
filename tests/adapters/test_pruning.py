"""The dry runs of `doctor` through the real client: a BigQuery that prunes partitions, and one that does not.

The local BigQuery counts no bytes, so a server here answers dry runs, and nothing else, from the sizes of partitions.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from spotkeeper.doctor.deployment import Installation
from spotkeeper.doctor.facts import Found, Pruning, Unread
from spotkeeper.gcp.bigquery.deployment_tables import RecordsReader
from tests.infra.terraform_files import ROOT

NOW = datetime(2026, 7, 22, 5, 20, tzinfo=UTC)
TODAY, YESTERDAY = NOW.date(), NOW.date() - timedelta(days=1)
TABLES = ("spot_vm_costs", "vm_inventory")
PARTITIONS = {date(2026, 6, 1): 7_000, date(2026, 7, 20): 400, YESTERDAY: 30, TODAY: 2}


@dataclass
class BigQuery:
    """Answers dry runs by the bytes of its partitions, and refuses every other request."""

    partitions: Mapping[date, int] = field(default_factory=dict)
    prunes: bool = True
    counts: bool = True
    queries: list[str] = field(default_factory=list)
    address: str = ""

    def answer(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the answer to a request; None to refuse it."""
        configuration = body.get("configuration", {})
        if not path.endswith("/jobs") or not configuration.get("dryRun"):
            return None
        query = configuration["query"]
        self.queries.append(query["query"])
        times = {each["name"]: each["parameterValue"]["value"][:10] for each in query["queryParameters"]}
        first, end = date.fromisoformat(times["since"]), date.fromisoformat(times["until"])
        size = sum(size for day, size in self.partitions.items() if not self.prunes or first <= day < end)
        statistics = {"query": {"totalBytesProcessed": str(size)} if self.counts else {}}
        return {"configuration": configuration, "statistics": statistics, "status": {"state": "DONE"}}

    def pruning(self) -> Mapping[str, Found[Pruning]]:
        """Return what the reader finds."""
        reader = RecordsReader(Installation("p", "d"), self.address, timedelta(0))
        return reader.read(NOW, "priority").pruning


@pytest.fixture
def server() -> Iterator[BigQuery]:
    serving = BigQuery()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            answer = serving.answer(self.path.partition("?")[0], body)
            text = json.dumps(answer if answer is not None else {"error": {"code": 403, "message": "no"}}).encode()
            self.send_response(200 if answer is not None else 403)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST  # noqa: N815 (as the base class names it)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (as it is declared)
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        serving.address = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield serving
        listening.shutdown()
        thread.join()


def test_a_filter_that_is_pruned_by_reads_its_partitions_only(server: BigQuery) -> None:
    server.partitions = PARTITIONS

    found = server.pruning()

    assert found == dict.fromkeys(TABLES, Pruning(YESTERDAY, recent_bytes=32, earlier_bytes=7_400, all_bytes=7_432))


def test_a_filter_without_effect_reads_as_much_as_all_rows(server: BigQuery) -> None:
    server.partitions, server.prunes = PARTITIONS, False

    found = server.pruning()

    assert found == dict.fromkeys(TABLES, Pruning(YESTERDAY, 7_432, 7_432, 7_432))


def test_each_dry_run_filters_by_the_column_of_the_partitions(server: BigQuery) -> None:
    server.pruning()

    for table in TABLES:
        column = json.loads((ROOT / "sql" / "tables" / f"{table}.json").read_text())["timePartitioning"]["field"]
        own = [query for query in server.queries if f"FROM {table} " in query]
        assert len(own) == 3
        assert all(f".{column} >= @since" in query and f".{column} < @until" in query for query in own)


def test_a_dry_run_without_a_number_of_bytes_is_unknown(server: BigQuery) -> None:
    server.counts = False

    found = server.pruning()

    reason = "BigQuery: unexpected response: a dry run without totalBytesProcessed"
    assert found == dict.fromkeys(TABLES, Unread(reason))
