"""One delivery of one message, as it is recorded: what it said, what was made of it, and the money side of that."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from spotkeeper.enforcement.notifications import BudgetNotification, Malformed
from spotkeeper.enforcement.plans import Plan
from spotkeeper.enforcement.settings import Mode
from spotkeeper.enforcement.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message on its way through the enforcer.

    `tracker_cost` is what our own rows say was spent in the same period, in USD; `gaps` is what could not be read of
    the fleet; `missing_permissions` is what a drill found the function may not do.
    """

    delivery_id: str
    received_at: datetime
    mode: Mode
    notification: BudgetNotification | Malformed
    verdict: Verdict
    tracker_cost: Decimal | None = None
    plan: Plan | None = None
    gaps: tuple[str, ...] = ()
    missing_permissions: tuple[str, ...] = ()

    @property
    def message_id(self) -> str:
        """The id of the message, which all its deliveries share."""
        return self.notification.message.message_id
