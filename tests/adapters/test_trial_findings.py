"""What a trial prints of projects in which no Spot VM ran."""

import io
import re
from datetime import UTC, datetime, timedelta

from rich.console import Console

from infra.local.stack.stack import Stack
from infra.local.trial.findings import show_cost

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def test_a_trial_without_any_spot_vm_says_so(stack: Stack) -> None:
    screen = io.StringIO()
    hours = [LONG_AGO + timedelta(hours=number) for number in range(24)]

    cost = show_cost(stack.client(), hours, ["my-project-1"], Console(file=screen, width=200))

    assert cost == 0
    # The tables of the session's stack may hold instances of other tests.
    assert re.fullmatch(
        r"No Spot VM was found in 1 project from Wed 01 Jan 00:00 to Thu 02 Jan 00:00 UTC: \d+ VMs? on record, none of "
        r"them Spot; 0\.00 VM-hours could not be identified\.",
        screen.getvalue().strip(),
    )
