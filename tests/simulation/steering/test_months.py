"""Months under the product beside an ideal controller: a sample; `make simulate-steering` plays more."""

import ast
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulation.steering.fleets import Vm
from tests.simulation.steering.ideal import ideal_course
from tests.simulation.steering.judge import Judgement, play
from tests.simulation.steering.months import Message, Month
from tests.simulation.steering.product import Product
from tests.simulation.steering.scenarios import Delay, Disturbance, Scenario, Shape

RESTLESS = Scenario(Delay.VARYING, 0.3, 1.0, Shape.STEADY, "low at 0.8", 28, 1)
"""The bill is 6 to 24 hours late, and three tenths of it are not Spot."""

DISCOUNTED = Scenario(Delay.VARYING, 0.0, 0.75, Shape.STEADY, "low at 0.5", 28, 1)
"""Contract prices are a quarter below list prices."""


def played(scenario: Scenario, *, estimating: bool = True) -> Judgement:
    return play(scenario, lambda month: Product(month, estimating=estimating).decide)


@pytest.mark.parametrize("scenario", [RESTLESS, DISCOUNTED], ids=["not only Spot", "contract prices"])
def test_the_estimate_ends_a_month_within_its_budget_and_the_forecast_does_not(scenario: Scenario) -> None:
    steered, forecast = played(scenario), played(scenario, estimating=False)

    assert steered.is_keepable
    assert steered.is_in_band, steered.course.end
    assert not forecast.is_in_band, forecast.course.end


def test_a_fleet_that_works_by_night_loses_hardly_more_than_it_has_to() -> None:
    nightly = played(replace(RESTLESS, shape=Shape.NIGHTLY, steps="low at 0.5", rest=0.15))

    assert nightly.is_keepable
    assert nightly.is_in_band
    assert nightly.is_frugal
    assert not nightly.stops_higher_for_nothing


def test_what_a_group_starts_again_is_not_stopped_over_and_over() -> None:
    refilled = replace(RESTLESS, disturbance=Disturbance.REFILLED)

    assert _requests(refilled, estimating=True) < 0.75 * _requests(refilled, estimating=False)


def test_a_controller_that_does_nothing_or_everything_misses_the_goals() -> None:
    """So no goal is met because nothing could miss it."""
    idle = play(RESTLESS, lambda _: lambda _: ())
    hasty = play(RESTLESS, _stop_everything)

    assert not idle.is_in_band
    assert not hasty.is_in_band
    assert not hasty.is_frugal
    assert hasty.stops_higher_for_nothing
    assert hasty.course.disorder


def test_the_ideal_keeps_the_budget_with_no_vm_too_many() -> None:
    ideal = ideal_course(RESTLESS)

    assert 0.99 <= ideal.end <= 1.0
    assert 0 < ideal.stopped["low"] < 40
    assert not ideal.stopped["medium"]


def test_only_one_module_knows_the_product() -> None:
    """The judge knows the future, and is made without the product."""
    knowing = {path.name for path in Path(__file__).parent.glob("*.py") if _imports_product(path)}
    assert knowing == {"product.py"}


def _stop_everything(month: Month) -> Callable[[Message], Iterable[Vm]]:
    return lambda message: [vm for vm in reversed(month.fleet) if month.runs(vm, message.received)]


def _requests(scenario: Scenario, *, estimating: bool) -> int:
    months: list[Month] = []

    def controller(month: Month) -> Callable[[Message], Iterable[Vm]]:
        months.append(month)
        return Product(month, estimating=estimating).decide

    play(scenario, controller)
    return len(months[0].requests)


def _imports_product(path: Path) -> bool:
    nodes = ast.walk(ast.parse(path.read_text()))
    modules = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return any(name.startswith(("spotkeeper", "tests.unit")) for name in modules)
