"""The place to look at first: the cheapest one that is not preempted more, by our own preemptions or Google's rates."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeGuard

from spotkeeper.advice.placements import MIN_OWN_HOURS, Advice, GoogleRate, OwnRecord, Place, Scope

MIN_OBSERVED_DAYS = 10
"""Days, of the last 30, from which on the mean of Google's rates is compared with another."""


class Basis(StrEnum):
    """The figures that tell which of two places is preempted more."""

    OWN = "own"
    GOOGLE = "Google"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether a place is preempted more than another, and by which figures."""

    basis: Basis
    is_preempted_more: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """A place that is cheaper than here; without a comparison, nobody knows whether it is preempted more."""

    here: Place
    place: Place
    comparison: Comparison | None


def first_choice(advice: Advice) -> Choice | None:
    """Return the cheapest place that is not preempted more, else the cheapest one; None when none is cheaper."""
    places = [each.place for each in advice.places]
    here = next(place for place in places if place.scope is Scope.HERE)
    cheaper = [
        Choice(here, place, compare(place, here))
        for place in places
        if place.scope is not Scope.HERE and place.spot_price < advice.spot_price
    ]
    return min(cheaper, key=lambda each: (not _is_safe(each), each.place.spot_price), default=None)


def compare(place: Place, other: Place) -> Comparison | None:
    """Return whether a place is preempted more than another; None when neither kind of figures is of enough.

    Our own preemptions come first: Google's rates are of all its customers. They tell nothing while there was none.
    """
    if _is_enough(place.own) and _is_enough(other.own) and (place.own.preemptions or other.own.preemptions):
        return Comparison(Basis.OWN, place.own.hourly_rate > other.own.hourly_rate)
    if _is_observed(place.google) and _is_observed(other.google):
        return Comparison(Basis.GOOGLE, place.google.mean > other.google.mean)
    return None


def _is_safe(choice: Choice) -> bool:
    return choice.comparison is not None and not choice.comparison.is_preempted_more


def _is_enough(own: OwnRecord | None) -> TypeGuard[OwnRecord]:
    return own is not None and own.vm_hours >= MIN_OWN_HOURS


def _is_observed(rate: GoogleRate | None) -> TypeGuard[GoogleRate]:
    return rate is not None and rate.observed_days >= MIN_OBSERVED_DAYS
