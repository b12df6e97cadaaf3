"""What a message may lead to: the rules of docs/enforcer.md once more, written without the code that they are for."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from infra.local.fleet.fleet import Vm
from tests.faults.message_kinds import PACIFIC, Said, Sent, period_of

STEPS = ((Decimal(1), ("low",)),)
MAY_STOP = ("over_budget", "nearing_budget")
type Policy = Mapping[str, Any]
type Key = tuple[str, str, datetime, datetime | None]


@dataclass(frozen=True, slots=True)
class Meaning:
    """The verdict on a message by itself, and the end of the period that it is about."""

    verdict: str
    period_end: datetime | None = None


@dataclass(slots=True)
class Memory:
    """Which messages are on record, and the newest of each budget, source and period; drills count for nobody."""

    messages: set[str] = field(default_factory=set)
    newest: dict[Key, datetime] = field(default_factory=dict)

    def verdicts(self, sent: Sent, policy: Policy, at_once: Sequence[Sent]) -> set[str]:
        """Return the verdicts that a message may get now, where others are delivered at the same time."""
        if sent.message_id in self.messages:
            return {"redelivered"}
        said, meaning = sent.said, meaning_of(sent.said, policy)
        found = {meaning.verdict}
        if said is not None and _looks_back(meaning, said, policy):
            newest = self.newest.get(_key(said, meaning))
            if newest is not None and newest > said.published:
                return {"superseded"}
            if any(_newer(each.said, said) for each in at_once):
                found.add("superseded")
        return found

    def note(self, sent: Sent, policy: Policy) -> None:
        """Remember a message that is on record now."""
        if not sent.message_id or sent.message_id in self.messages:
            return
        self.messages.add(sent.message_id)
        if sent.said is not None and not sent.said.drill:
            key = _key(sent.said, meaning_of(sent.said, policy))
            self.newest[key] = max(sent.said.published, self.newest.get(key, sent.said.published))


def meaning_of(said: Said | None, policy: Policy) -> Meaning:
    """Return what a message means by itself."""
    if said is None:
        return Meaning("malformed")
    rule = policy["budgets"].get(said.budget_id)
    if rule is None or policy.get("billing_account_id", "account") != "account":
        return Meaning("unknown_budget")
    if said.currency != rule.get("currency", "USD") or said.budget <= 0:
        return Meaning("other_currency" if said.currency != rule.get("currency", "USD") else "unusable_amount")
    start, end = period_of(said.period or rule.get("period", "month"), said.published)
    if start <= said.interval_start < min(end, start + timedelta(days=1)):
        return Meaning(_of_amounts(said, policy, rule), end)
    return Meaning(_of_another_period(said, rule, start), end)


def _of_another_period(said: Said, rule: Mapping[str, Any], present: datetime) -> str:
    """Return the verdict on a message that is not about the present period of the rule.

    One of Cloud Billing starts with a period of the rule's kind, and comes by three days after its end.
    """
    start, end = period_of(said.period or rule.get("period", "month"), said.interval_start)
    starts_with_it = said.interval_start - start < timedelta(days=1)
    if said.period is None and not (starts_with_it and said.published < end + timedelta(days=3)):
        return "period_mismatch"
    return "earlier_period" if said.interval_start < present else "malformed"


def priorities(said: Said, policy: Policy) -> set[str]:
    """Return the priorities that may be stopped at this share of the budget."""
    rule = policy["budgets"][said.budget_id]
    return {name for share, names in steps_of(rule) if said.cost >= said.budget * share for name in names}


def steps_of(rule: Mapping[str, Any]) -> list[tuple[Decimal, Sequence[str]]]:
    """Return the steps of a budget."""
    return (
        [(Decimal(str(step["threshold"])), step["priorities"]) for step in rule["steps"]]
        if "steps" in rule
        else [*STEPS]
    )


def why_spared(vm: Vm, said: Said, policy: Policy, status: str | None) -> Iterator[str]:
    """Say why a VM may not be stopped because of a message."""
    labels, now = dict(vm.labels_at(said.published)), said.published
    rule = policy["budgets"][said.budget_id]
    if not vm.is_spot:
        yield "it is no Spot VM"
    if vm.project_id not in rule["projects"] or any(labels.get(k) not in v for k, v in rule.get("labels", {}).items()):
        yield "it is out of scope"
    if any(label.startswith("goog-gke-node") for label in labels) or "/gke-" in (vm.created_by or ""):
        yield "it is a node of GKE"
    if _is_protected(labels.get(policy.get("protect_label", "spotkeeper-protect")), now):
        yield "it is protected"
    if _priority(labels, policy) not in priorities(said, policy):
        yield "its priority may not be stopped"
    if status != "RUNNING":
        yield f"it is {status}"
    youngest = now - timedelta(minutes=policy.get("minimum_age_minutes", 0))
    started = vm.started(datetime.max.replace(tzinfo=UTC))
    if started is not None and started > youngest:
        yield "it is too young"


def may_restart(said: Said, policy: Policy) -> bool:
    """Whether a message may start what was stopped: one under budget that may stop, where that is switched on."""
    return (
        meaning_of(said, policy).verdict == "under_budget"
        and bool(policy.get("restart"))
        and not _is_snoozed(said, policy)
        and _response(said, policy["budgets"][said.budget_id]) == "stop"
    )


def day_of(moment: datetime) -> date:
    """Return the day that a moment counts for in the caps."""
    return moment.astimezone(PACIFIC).date()


def _of_amounts(said: Said, policy: Policy, rule: Mapping[str, Any]) -> str:
    if all(said.cost < said.budget * share for share, _ in steps_of(rule)):
        return "under_budget"
    if _is_snoozed(said, policy):
        return "snoozed"
    if _response(said, rule) == "warn":
        return "warn_only"
    return "over_budget" if said.cost >= said.budget else "nearing_budget"


def _response(said: Said, rule: Mapping[str, Any]) -> str:
    return str(
        {"billing": "stop", "tracker": "warn"}[said.source] if "sources" not in rule else rule["sources"][said.source]
    )


def _is_snoozed(said: Said, policy: Policy) -> bool:
    until = policy.get("snooze_until")
    return until is not None and said.published < datetime.fromisoformat(until)


def _key(said: Said, meaning: Meaning) -> Key:
    return said.budget_id, said.source, said.interval_start, meaning.period_end


def _looks_back(meaning: Meaning, said: Said, policy: Policy) -> bool:
    """Whether a message is compared with what came before it."""
    return meaning.verdict in MAY_STOP or may_restart(said, policy)


def _newer(other: Said | None, said: Said) -> bool:
    if other is None or other.drill:
        return False
    return (other.budget_id, other.source) == (said.budget_id, said.source) and other.published > said.published


def _is_protected(value: str | None, now: datetime) -> bool:
    if value is None or value.lower() in {"false", "no", "off", "0"}:
        return False
    found = re.search(r"\d{4}-\d{2}-\d{2}", value)
    try:
        last = date.fromisoformat(found.group()) if found else None
    except ValueError:
        last = None
    return last is None or now.astimezone(PACIFIC).date() <= last


def _priority(labels: Mapping[str, str], policy: Policy) -> str:
    value = labels.get("priority")
    if value is None:
        return str(policy.get("unlabelled_priority", "low"))
    return value.lower() if value.lower() in {"low", "medium", "high"} else "high"
