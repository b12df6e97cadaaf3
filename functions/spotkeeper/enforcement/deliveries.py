"""One delivery of one message, as it is recorded: notification, verdict and plan."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from spotkeeper.enforcement.blockers import Blocker
from spotkeeper.enforcement.estimates.estimate import Estimate, NoEstimate
from spotkeeper.enforcement.freezes import FreezeDecision
from spotkeeper.enforcement.history import ProposedPlan
from spotkeeper.enforcement.notifications import BudgetNotification, Command, Malformed
from spotkeeper.enforcement.plans import Plan
from spotkeeper.enforcement.settings import Mode
from spotkeeper.enforcement.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of one message.

    `tracker_cost` is the cost of the same period by the tracker's rows, in USD; `gaps` says what could not be read of
    the fleet; `missing_permissions` are those that a drill found missing; `blocker` is why the rule can stop nothing.
    `estimate` is what the spending of the period is estimated at, or why it is not; None where nobody asked.
    `freezes` are the groups that are to be frozen, and those that are not, each with its reason.
    `proposed` is the plan as it waits for approval, `target` the message that this one approves, executes or undoes.
    Plans from before `overdue_since` are closed.
    """

    delivery_id: str
    received_at: datetime
    mode: Mode
    notification: BudgetNotification | Command | Malformed
    verdict: Verdict
    overdue_since: datetime
    tracker_cost: Decimal | None = None
    plan: Plan | None = None
    freezes: tuple[FreezeDecision, ...] = ()
    gaps: tuple[str, ...] = ()
    missing_permissions: tuple[str, ...] = ()
    blocker: Blocker | None = None
    estimate: Estimate | NoEstimate | None = None
    proposed: ProposedPlan | None = None
    target: str | None = None

    @property
    def message_id(self) -> str:
        """The id of the message, which all its deliveries share."""
        return self.notification.message.message_id

    @property
    def known_estimate(self) -> Estimate | None:
        """The estimate, if one could be made."""
        return self.estimate if isinstance(self.estimate, Estimate) else None
