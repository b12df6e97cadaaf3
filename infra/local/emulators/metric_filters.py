"""Cloud Monitoring filters, as far as the product and its tests use them; every other form is refused."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

TERM = re.compile(
    r"""\s*(?P<name>[a-z_]+(?:\.[a-z_]+)*)\s*=\s*
    (?:"(?P<value>[^"]*)"|(?P<function>one_of|starts_with)\((?P<arguments>\s*"[^"]*"(?:\s*,\s*"[^"]*")*\s*)\))
    \s*(?:\bAND\b|$)?""",
    re.VERBOSE,
)
WRONG_COMBINATION = (
    "The supplied filter does not specify a valid combination of metric and monitored resource descriptors. "
    "The query will not return any time series."
)


@dataclass(frozen=True, slots=True)
class Filter:
    """One metric type and what its labels have to be."""

    metric_type: str
    tests: Mapping[str, Callable[[str], bool]]

    def accepts(self, values: Mapping[str, str]) -> bool:
        """Whether the labels, named in full, are those wanted; a label that is not there is empty."""
        return all(test(values.get(name, "")) for name, test in self.tests.items())


def read(text: str) -> Filter:
    """Read a filter; it has to name exactly one metric type."""
    tests: dict[str, Callable[[str], bool]] = {}
    metric_types: list[str] = []
    position = 0
    while position < len(text.rstrip()):
        term = TERM.match(text, position)
        if term is None:
            message = f'Field filter had an invalid value of "{text}": could not be parsed.'
            raise ValueError(message)
        position = term.end()
        name = re.sub(r"^(metric|resource)\.label\.", r"\1.labels.", term["name"])
        if name == "metric.type" and term["value"] is not None:
            metric_types.append(term["value"])
        else:
            tests[name] = _test(term)
    if len(metric_types) != 1:
        message = f'Field filter had an invalid value of "{text}": must specify exactly one metric type.'
        raise ValueError(message)
    return Filter(metric_types[0], tests)


def _test(term: re.Match[str]) -> Callable[[str], bool]:
    if term["value"] is not None:
        return term["value"].__eq__
    arguments = tuple(re.findall(r'"([^"]*)"', term["arguments"]))
    if term["function"] == "starts_with":
        return lambda value: value.startswith(arguments)
    return lambda value: value in arguments
