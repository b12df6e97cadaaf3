"""A short run of random budget messages; `python -m tests.faults --messages 60` is the long one."""

import os
from collections.abc import Iterator

import pytest

from infra.local.stack.stack import Stack
from tests.faults.message_fleet import varied_fleet
from tests.faults.messages import delivered
from tests.faults.places import Place, place

STEPS = 4
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")  # of functions-framework


@pytest.fixture
def here(stack: Stack) -> Iterator[Place]:
    before = dict(os.environ)
    with place(stack.bigquery, varied_fleet()) as found:
        yield found
    os.environ.clear()
    os.environ.update(before)


def test_no_random_message_leads_to_anything_that_must_not_be(here: Place) -> None:
    summary = delivered(here, 3, steps=STEPS)

    assert summary.problems == []
    assert summary.books.counts["messages"] >= STEPS
    assert summary.books.counts["stop"] > 0
