"""What several stories of the whole stack start with."""

from collections.abc import Iterator

import pytest

from infra.local.demo.budget_topic import BudgetTopic, budget_topic
from infra.local.stack.stack import Stack


@pytest.fixture
def topic(stack: Stack) -> Iterator[BudgetTopic]:
    """The topic of budget messages, from which the tracker's alerts are pushed to the enforcer."""
    with budget_topic() as pushed:
        stack.subscribe(pushed.endpoint)
        yield pushed
        stack.unsubscribe()
