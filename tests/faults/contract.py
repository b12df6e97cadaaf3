"""How a run ends that could not read contract prices, which make no hour incomplete."""

from collections.abc import Iterator
from itertools import chain

from infra.local.stack.stack import Answer
from tests.faults.injection import Kind
from tests.faults.outcomes import Outcome, Result, Story, differs, named
from tests.faults.snapshots import OF_THE_TIME, Snapshot, differences, without

_TABLE, _ROWS = "contract_prices", "spot_vm_costs"
_PREFIX = "contract_"
_OF_THE_READING = OF_THE_TIME | {"valid_from"}


def judged_contract(kind: Kind, service: str, answer: Answer, found: Story, reference: Story) -> Result:
    """Say how a run with a fault of the Pricing API ended.

    All but the contract prices is recorded as without the fault. A row has the contract costs of the undisturbed run,
    or none of the compute with a reason; the run says why, and the next reading has all prices.
    """
    if answer.status != 200 or answer.body.get("complete") is not True:
        return Result(Outcome.WRONG, f"answered {answer.status} {answer.body}")
    if problems := differs(_at_list_prices(found.after), _at_list_prices(reference.after)):
        return Result(Outcome.WRONG, f"more than the contract prices differs: {problems}")
    if problems := list(_wrong_rows(found.after, reference.after)):
        return Result(Outcome.WRONG, f"rows with contract costs that are wrong or silently missing: {problems[:2]}")
    later, wanted = (without({_TABLE: each.repaired[_TABLE]}, _OF_THE_READING) for each in (found, reference))
    if problems := differences(later, wanted):
        return Result(Outcome.WRONG, f"the next reading did not repair it: {problems}")
    causes = {
        str(run["contract_prices_problem"]) for run in found.after["tracker_runs"] if run["contract_prices_problem"]
    }
    return named(Outcome.COMPLETED, kind, service, sorted(causes)) if causes else Result(Outcome.SAME)


def _at_list_prices(found: Snapshot) -> Snapshot:
    """Return all tables without what is said of contract prices."""
    return {
        table: [{name: value for name, value in row.items() if not name.startswith(_PREFIX)} for row in rows]
        for table, rows in found.items()
        if table != _TABLE
    }


def _wrong_rows(found: Snapshot, wanted: Snapshot) -> Iterator[str]:
    """Yield the rows whose contract costs are neither those of the undisturbed run nor unknown with a reason."""
    known = set(chain(*without({_ROWS: wanted[_ROWS]}, OF_THE_TIME).values()))
    for row in found[_ROWS]:
        [written] = without({_ROWS: [row]}, OF_THE_TIME)[_ROWS]
        is_unknown = row["contract_cost"] is None and row["contract_total_cost"] is None and row["contract_reason"]
        # The hour that was recorded before contract prices were read has none.
        if not is_unknown and written not in known:
            yield written
