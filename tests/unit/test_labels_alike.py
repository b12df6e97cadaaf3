"""Labels whose keys are one key to people, and several to a computer: how they are sorted stops no VM."""

from collections.abc import Sequence

import pytest

from spotkeeper.enforcement.policies import Priority
from spotkeeper.enforcement.protection import importance, protection
from tests.unit.enforcer_samples import HIGH, LOW, MEDIUM, NOW, policy


@pytest.mark.parametrize(
    ("values", "priority"),
    [
        (["low", "high"], HIGH),
        (["high", "low"], HIGH),
        (["low", "medium"], MEDIUM),
        (["low", "?"], HIGH),
        (["low"], LOW),
    ],
)
def test_of_priorities_under_keys_alike_the_highest_holds(values: Sequence[str], priority: Priority) -> None:
    labels = tuple(zip(("PRIORITY", "priority"), values, strict=False))

    assert importance(labels, policy()).priority is priority


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["false", "demo"], "protected (label spotkeeper-protect=demo)"),
        (["demo", "false"], "protected (label spotkeeper-protect=demo)"),
        (["2026-07-01", "true"], "protected (label spotkeeper-protect=true)"),
        (["2026-07-01", "no"], None),
    ],
)
def test_of_protections_under_keys_alike_one_is_enough(values: Sequence[str], reason: str | None) -> None:
    labels = tuple(zip(("SpotKeeper-Protect", "spotkeeper-protect"), values, strict=True))

    assert protection(labels, policy(), NOW) == reason
