"""Compares what the views say of a month with what is true of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from tests.simulation.work import truth
from tests.simulation.work.month import Month
from tests.simulation.work.truth import Figure, Figures, Key, Part

type Rows = Sequence[Mapping[str, Any]]

VIEWS = ("cost_by_work", "idle_cost", "cost_by_job_system", "cost_by_experiment", "work_hours")

_COARSE = {
    "recommended_minutes": Fraction(1, 100),
    "checkpoint_minutes": Fraction(1, 100),
    "mean_hours_between": Fraction(1, 100),
    "unrecorded_hours": Fraction(1, 10**6),
    "interval_excess_cost": Fraction(1, 10**6),
}
"""By how much figures may differ that a view rounds to fewer decimals."""


def differences(month: Month, views: Mapping[str, Rows]) -> list[str]:
    """Return every figure of the views that is not what it has to be.

    Each of the parts of a figure is rounded to nine decimals, and so is each uptime: that is all they may differ by.
    """
    found = truth.parts(month)
    close = Fraction(4 * max(len(month.attempts), 20), 10**9)
    rows = views["cost_by_work"]
    compared: Iterable[tuple[str, Mapping[Any, Figures], Rows, Callable[[Mapping[str, Any]], Any]]] = (
        ("work", truth.works(month, found), [row for row in rows if row["attempts"]], lambda row: row["work_id"]),
        (
            "idle",
            truth.idle_by_owner(found),
            [row for row in rows if not row["attempts"]],
            lambda row: (row["system"], row["cluster"], row["team"]),
        ),
        ("idle_cost", truth.days(found, _owner_and_team), views["idle_cost"], _by_day("system", "cluster", "team")),
        ("system", truth.days(found, _owner), views["cost_by_job_system"], _by_day("system", "cluster", "job")),
        (
            "experiment",
            truth.experiments(month, found),
            views["cost_by_experiment"],
            lambda row: (row["experiment"], row["team"]),
        ),
    )
    return [
        text
        for name, expected, given, key in compared
        for text in _unlike(name, expected, {key(row): row for row in given}, close)
    ] + list(_unlike_in_all(found, views["work_hours"]))


def _unlike(name: str, expected: Mapping[Any, Figures], given: Mapping[Any, Any], close: Fraction) -> Iterator[str]:
    if expected.keys() != given.keys():
        yield f"{name}: missing {sorted(map(str, expected.keys() - given.keys()))[:5]}"
        yield f"{name}: unexpected {sorted(map(str, given.keys() - expected.keys()))[:5]}"
    for key in expected.keys() & given.keys():
        for column, figure in expected[key].items():
            if column in given[key] and not _equal(column, figure, given[key][column], close):
                yield f"{name} {key}: {column} is {given[key][column]}, not {_shown(figure)}"


def _unlike_in_all(found: Sequence[Part], rows: Rows) -> Iterator[str]:
    """All rows together are the cost of the VMs to the last digit."""
    in_hours = {(part.vm.id, part.hour) for part in found}
    vms = {part.vm.id: part.vm for part in found}
    for column, name in (("cost", "cost"), ("ondemand_cost", "ondemand"), ("known_cost", "known")):
        amounts = [truth.amounts(vms[vm], hour)[name] for vm, hour in in_hours]
        expected = sum(Fraction(amount) for amount in amounts if amount is not None)
        given = sum(Fraction(str(row[column])) for row in rows if row[column] is not None)
        if given != expected:
            yield f"all: {column} is {float(given)}, not {float(expected)}"


def _equal(column: str, expected: Figure, given: object, close: Fraction) -> bool:
    if expected is None or given is None or isinstance(expected, str):
        return expected == given
    return abs(Fraction(str(given)) - Fraction(expected)) <= max(close, _COARSE.get(column, close))


def _shown(figure: Figure) -> object:
    return float(figure) if isinstance(figure, Fraction) else figure


def _owner(part: Part) -> Key:
    return truth.owner(part.vm)


def _owner_and_team(part: Part) -> Key:
    system, cluster, _ = truth.owner(part.vm)
    return (system, cluster, part.team)


def _by_day(*columns: str) -> Callable[[Mapping[str, Any]], Key]:
    return lambda row: (str(row["usage_date"]), str(row["billing_date"]), *(row[column] for column in columns))
