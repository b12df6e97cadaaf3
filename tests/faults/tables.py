"""The matrix as tables: operations by kinds of fault, and in each cell what came of the first, middle and last call."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tests.faults.injection import Kind
from tests.faults.matrix import Cell, Lasting, Position
from tests.faults.outcomes import Outcome, Result
from tests.faults.running import OPERATIONS, Tried

SHORT = {Outcome.SAME: "S", Outcome.COMPLETED: "C", Outcome.REFUSED: "R", Outcome.WRONG: "WRONG"}
type Results = Mapping[Cell, Result]


def tables(tried: Iterable[Tried]) -> str:
    """Return the tables of both functions in Markdown, and what a dash stands for."""
    results = {each.cell: each.result for each in tried}
    parts = []
    for function, operations in OPERATIONS.items():
        found = {cell: result for cell, result in results.items() if cell.function == function}
        if found:
            parts += [f"### The {function}\n", *_tables(found, operations), f"{_summary(found)}\n"]
    return "\n".join([*parts, "A dash, and why:\n", *_absences(results), ""])


def overview(tried: Iterable[Tried]) -> str:
    """Return one table in Markdown: kinds of fault by the services of both functions, and how each of them ended."""
    ends: dict[tuple[str, str], list[tuple[Kind, Outcome]]] = defaultdict(list)
    for name, operations in OPERATIONS.items():
        ends.update({(name, service): [] for service in operations.values()})
    for cell, result in ((each.cell, each.result) for each in tried):
        if result.outcome is not Outcome.ABSENT:
            ends[cell.function, OPERATIONS[cell.function][cell.operation]].append((cell.kind, result.outcome))
    lines = [_line("", (f"{name}: {service}" for name, service in ends)), f"|{'---|' * (len(ends) + 1)}"]
    for kind in Kind:
        found = ({outcome for struck, outcome in each if struck is kind} for each in ends.values())
        lines.append(_line(kind, (" ".join(SHORT[one] for one in SHORT if one in some) or "-" for some in found)))
    counts = (Counter(outcome for _, outcome in each) for each in ends.values())
    sums = (" ".join(f"{some[one]} {SHORT[one]}" for one in SHORT if some[one]) for some in counts)
    return "\n".join([*lines, _line("**cells**", sums), ""])


def _line(first: str, others: Iterable[str]) -> str:
    return f"| {' | '.join([first, *others])} |"


def written_between_marks(text: str, name: str, made: str) -> str:
    """Return a text with what was made put between the two marks of this name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, started, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not (started and ended):
        message = f"there is nothing between {begin} and {end}"
        raise ValueError(message)
    return f"{before}{begin}\n{made}\n{end}{after}"


def counted(results: Iterable[Result]) -> Counter[Outcome]:
    """Return how often each outcome came."""
    return Counter(result.outcome for result in results)


def _tables(results: Results, operations: Mapping[str, str]) -> Iterator[str]:
    services = list(dict.fromkeys(operations.values()))
    for service in services:
        columns = [name for name, owner in operations.items() if owner == service]
        yield f"| {service} | {' | '.join(columns)} |"
        yield f"|{'---|' * (len(columns) + 1)}"
        for kind in Kind:
            yield f"| {kind} | {' | '.join(_cell(results, name, kind) for name in columns)} |"
        yield ""


def _cell(all_results: Results, operation: str, kind: Kind) -> str:
    """What came of once, and of from then on where that is tried, each for the calls that there are."""
    results = {cell: result for cell, result in all_results.items() if (cell.operation, cell.kind) == (operation, kind)}
    parts = []
    for lasting in Lasting:
        result = [_word(results, position, lasting) for position in Position]
        there = [word for word in result if word != Outcome.ABSENT]
        if there:
            parts.append(there[0] if len(set(there)) == 1 else " / ".join(there))
    if not parts:
        return Outcome.ABSENT
    return parts[0] if len(set(parts)) == 1 else "; ".join(parts)


def _word(results: Results, position: Position, lasting: Lasting) -> str:
    found = [result.outcome for cell, result in results.items() if (cell.position, cell.lasting) == (position, lasting)]
    return found[0] if found else Outcome.ABSENT


def _summary(results: Results) -> str:
    counts = counted(results.values())
    result = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if outcome is not Outcome.ABSENT)
    return f"{sum(counts.values()) - counts[Outcome.ABSENT]} cells: {result}."


def _absences(results: Results) -> Sequence[str]:
    reasons: dict[str, set[str]] = defaultdict(set)
    for cell, result in results.items():
        if result.outcome is Outcome.ABSENT and result.reason:
            reasons[result.reason].add(f"{cell.operation}")
    return [f"- {reason}: {', '.join(sorted(names))}" for reason, names in sorted(reasons.items())]
