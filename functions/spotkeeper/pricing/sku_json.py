"""The form of a SKU in the catalog's JSON: which field of one is not as the API describes it.

https://cloud.google.com/billing/docs/reference/rest/v1/services.skus
"""

import math
import re
from collections.abc import Iterable, Iterator
from reprlib import Repr

_TEXT = "a text"
_LIST = "a list"
_OBJECT = "an object"
_KINDS: dict[str, type] = {_TEXT: str, _LIST: list, _OBJECT: dict}
_CATEGORY = ("resourceFamily", "resourceGroup", "usageType")
_WHOLE = re.compile(r"-?[0-9]{1,19}")
_LARGEST, _LARGEST_NANOS = 2**63 - 1, 10**9 - 1
"""As the API's types have it: https://cloud.google.com/billing/docs/reference/rest/Shared.Types/Money"""

_MOST_SHOWN = 60
_REPR = Repr(maxlevel=3, maxstring=_MOST_SHOWN, maxother=_MOST_SHOWN, maxlong=_MOST_SHOWN)


def fault_of(resource: object) -> str:
    """Return the first field that is wrong and how it is; empty when all that a price is made of is there."""
    return next(_faults(resource), "")


def _faults(resource: object) -> Iterator[str]:
    if not isinstance(resource, dict):
        yield f"it is {_shown(resource)}, not {_OBJECT}"
        return
    yield from _absent(resource, "", ("skuId", "description"), _TEXT)
    yield from _absent(resource, "", ("category",), _OBJECT)
    yield from _absent(resource["category"], "category.", _CATEGORY, _TEXT)
    regions = resource.get("serviceRegions", ())
    if not isinstance(regions, list | tuple):
        yield f"serviceRegions is {_shown(regions)}, not {_LIST}"
        return
    for region in regions:
        if not isinstance(region, str) or not _holds(region):
            yield f"serviceRegions has {_shown(region)} in it, not {_TEXT}"
    if resource.get("pricingInfo"):
        yield from _absent(resource, "", ("pricingInfo",), _LIST)
        yield from _price_faults(resource["pricingInfo"][-1])


def _price_faults(info: object) -> Iterator[str]:
    place = "the last pricingInfo"
    if not isinstance(info, dict):
        yield f"{place} is {_shown(info)}, not {_OBJECT}"
        return
    yield from _absent(info, f"{place}'s ", ("pricingExpression",), _OBJECT)
    expression = info["pricingExpression"]
    if not isinstance(expression.get("usageUnit", ""), str) or not _holds(expression.get("usageUnit")):
        yield f"{place}'s usageUnit is {_shown(expression['usageUnit'])}, not {_TEXT}"
    tiers = expression.get("tieredRates", [])
    if not isinstance(tiers, list):
        yield f"{place}'s tieredRates is {_shown(tiers)}, not {_LIST}"
        return
    for tier in tiers:
        yield from _tier_faults(tier)


def _tier_faults(tier: object) -> Iterator[str]:
    place = "tieredRates"
    if not isinstance(tier, dict):
        yield f"{place} has {_shown(tier)} in it, not {_OBJECT}"
        return
    start = tier.get("startUsageAmount", 0)
    if type(start) not in {int, float} or not abs(start) < math.inf or start > _LARGEST:
        yield f"{place}' startUsageAmount is {_shown(start)}, not a number"
    yield from _absent(tier, f"{place}' ", ("unitPrice",), _OBJECT)
    price = tier["unitPrice"]
    units, nanos = price.get("units", "0"), price.get("nanos", 0)
    if not _is_whole(units):
        yield f"unitPrice's units is {_shown(units)}, not a whole number"
    if type(nanos) is not int or abs(nanos) > _LARGEST_NANOS:
        yield f"unitPrice's nanos is {_shown(nanos)}, not a whole number"
    if not isinstance(price.get("currencyCode", ""), str) or not _holds(price.get("currencyCode")):
        yield f"unitPrice's currencyCode is {_shown(price['currencyCode'])}, not {_TEXT}"


def _absent(holder: dict[str, object], place: str, names: Iterable[str], kind: str) -> Iterator[str]:
    for name in names:
        if name not in holder:
            yield f"{place}{name} is missing"
        elif not isinstance(holder[name], _KINDS[kind]) or not _holds(holder[name]):
            yield f"{place}{name} is {_shown(holder[name])}, not {kind}"


def _is_whole(units: object) -> bool:
    """Whether it is a whole number of 64 bits, which JSON has as a text, or yet as a number."""
    if isinstance(units, str) and _WHOLE.fullmatch(units):
        units = int(units)
    return type(units) is int and -_LARGEST <= units <= _LARGEST


def _holds(value: object) -> bool:
    """Whether UTF-8 can hold a text: JSON lets half of a surrogate pair stand."""
    return not isinstance(value, str) or value == value.encode(errors="replace").decode()


def _shown(value: object) -> str:
    """A wrong value as JSON names it."""
    text = "null" if value is None else _REPR.repr(value)
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"
