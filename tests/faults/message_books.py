"""What was delivered, answered, recorded and done, and everything about it that must not be."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from infra.local.fleet.fleet import Vm
from tests.faults.enforcer import OPERATIONS
from tests.faults.injection import Fault
from tests.faults.message_function import Answer
from tests.faults.message_kinds import Said, Sent
from tests.faults.message_model import MAY_STOP, Memory, Policy, day_of, may_restart, meaning_of, why_spared
from tests.faults.message_watch import VmRequest

AT_THE_SAME_TIME = re.compile(
    r"was planned for at the same time|is (TERMINATED|STOPPING|RUNNING|STAGING), but this method"
)
"""Why one of several messages is refused: another one was quicker, with its plan or with a VM of both plans."""

MOST_PER_ALERT, MOST_PER_DAY = 3, 30
type Row = Mapping[str, Any]


class End(NamedTuple):
    """What became of a VM for a budget, and when the period ends for which it was stopped."""

    happened_at: datetime
    event: str
    period_end: datetime
    message_id: str


@dataclass(frozen=True, slots=True)
class Step:
    """Messages that were delivered at the same time, and what came of them; `running` are those VMs before."""

    sent: Sequence[Sent]
    answers: Sequence[Answer]
    fault: Fault | None
    policy: Policy
    mode: str
    vm_requests: Sequence[VmRequest]
    deliveries: Sequence[Row]
    actions: Sequence[Row]
    running: Sequence[Vm] = ()

    @property
    def is_calm(self) -> bool:
        """Whether there is but one message, and nothing went wrong."""
        return self.fault is None and len(self.sent) == 1


@dataclass(slots=True)
class Books:
    """What is known of all steps so far."""

    memory: Memory = field(default_factory=Memory)
    verdicts: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    _acknowledged: Counter[str] = field(default_factory=Counter)
    _delivered: Counter[str] = field(default_factory=Counter)
    _plans: dict[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    _planned: dict[tuple[str, date], set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    _requests: dict[tuple[str, str, int], str] = field(default_factory=dict)
    _ends: dict[tuple[str, int], set[End]] = field(default_factory=lambda: defaultdict(set))

    def problems(self, step: Step) -> list[str]:
        """Say what is wrong after a step, and enter it."""
        found = [*self._of_answers(step), *self._of_deliveries(step), *self._of_plans(step)]
        found += [problem for request in step.vm_requests for problem in self._of_request(step, request)]
        for sent in step.sent:
            if any(row["message_id"] == sent.message_id for row in step.deliveries):
                self.memory.note(sent, step.policy)
        return found

    def _of_answers(self, step: Step) -> Iterator[str]:
        for sent, answer in zip(step.sent, step.answers, strict=True):
            self.counts["messages"] += 1
            self.counts["refused"] += answer.status != 200
            self._delivered[sent.message_id] += 1
            self._acknowledged[sent.message_id] += answer.status == 200
            if answer.status == 200:
                continue
            subject = f"{sent.message_id} was answered {answer.status} {answer.reasons}{answer.fault}"
            if answer.fault or not answer.reasons or answer.status != 500:
                yield f"{subject}, which names no cause"
            elif step.fault is None and not (
                len(step.sent) > 1 and all(AT_THE_SAME_TIME.search(each) for each in answer.reasons)
            ):
                yield f"{subject}, though nothing was in its way"
            elif step.fault and len(step.sent) == 1:
                service = OPERATIONS[step.fault.operation]
                if not any(service in reason for reason in answer.reasons):
                    yield f"{subject}, which does not name {service}"

    def _of_deliveries(self, step: Step) -> Iterator[str]:
        for sent in {each.message_id: each for each in step.sent}.values():
            rows = [row for row in step.deliveries if row["message_id"] == sent.message_id]
            if len(rows) < self._acknowledged[sent.message_id]:
                yield f"{sent.message_id} was acknowledged and is not on record"
            if len(rows) > self._delivered[sent.message_id]:
                yield f"{sent.message_id} is {len(rows)} times on record, and was delivered less often"
            if not sent.message_id:
                continue
            first = [row for row in rows if row["verdict"] != "redelivered"]
            if rows and len(first) != 1:
                yield f"{sent.message_id} has the verdicts {[row['verdict'] for row in rows]}"
            allowed = self.memory.verdicts(sent, step.policy, step.sent)
            if allowed != {"redelivered"}:
                self.verdicts.update(row["verdict"] for row in first)
                for row in first:
                    if row["verdict"] not in allowed:
                        yield f"{sent.message_id} is {row['verdict']} ({row['reason']}), not {allowed}: {sent.said}"

    def _of_plans(self, step: Step) -> Iterator[str]:
        said = {each.message_id: each.said for each in step.sent if each.said is not None}
        for message_id, what in said.items():
            rows = [row for row in step.actions if row["message_id"] == message_id]
            plan = frozenset((row["event"], row["instance_id"]) for row in rows if row["event"].endswith("planned"))
            yield from self._of_plan(step, message_id, what, plan, [row["mode"] for row in rows])
        for message_id, row in ((row["message_id"], row) for row in step.actions):
            if row["event"] in {"stopped", "restarted", "not_restarted"}:
                end = End(row["happened_at"], row["event"], row["period_end"], message_id)
                self._ends[row["budget_id"], int(row["instance_id"])].add(end)
            if message_id not in said:
                yield f"{message_id} led to {row['event']} of {row['instance_name']}, and says nothing"

    def _of_plan(
        self, step: Step, message_id: str, said: Said, plan: frozenset[tuple[str, str]], modes: Sequence[str]
    ) -> Iterator[str]:
        before = self._plans.get(message_id)
        if before is not None or message_id in self.memory.messages:
            if plan != (before or frozenset()):
                yield f"the plan of {message_id} has become {plan}, and was {before}"
        elif plan:
            self._plans[message_id] = plan
            mode = "dry_run" if said.drill else step.mode
            if set(modes) != {mode}:
                yield f"the plan of {message_id} is in the modes {set(modes)}, not {mode}"
            yield from self._of_new_plan(step, message_id, said, plan)
            if mode == "enforce":
                yield from self._of_day(step, message_id, said, plan)

    def _of_new_plan(self, step: Step, message_id: str, said: Said, plan: frozenset[tuple[str, str]]) -> Iterator[str]:
        verdict, rule = meaning_of(said, step.policy).verdict, step.policy["budgets"][said.budget_id]
        stops = sum(event == "planned" for event, _ in plan)
        if len(plan) > rule.get("max_stops_per_alert", MOST_PER_ALERT):
            yield f"the plan of {message_id} has {len(plan)} VMs"
        if stops and verdict not in MAY_STOP:
            yield f"the plan of {message_id}, which is {verdict}, stops {stops}"
        if len(plan) > stops and not may_restart(said, step.policy):
            yield f"the plan of {message_id} starts VMs"
        if step.is_calm and verdict == "over_budget" and stops != self._enough(step, said):
            yield f"the plan of {message_id} stops {stops} VMs, not {self._enough(step, said)}"

    def _of_day(self, step: Step, message_id: str, said: Said, plan: frozenset[tuple[str, str]]) -> Iterator[str]:
        today = self._planned[said.budget_id, day_of(said.published)]
        today |= {(message_id, number) for event, number in plan if event == "planned"}
        most = step.policy["budgets"][said.budget_id].get("max_stops_per_day", MOST_PER_DAY)
        if len(today) > most:
            yield f"{len(today)} stops of {said.budget_id} were planned on {day_of(said.published)}"

    def _enough(self, step: Step, said: Said) -> int:
        """How many VMs a message over budget stops when nothing is in its way."""
        rule = step.policy["budgets"][said.budget_id]
        fit: int = sum(not any(why_spared(vm, said, step.policy, "RUNNING")) for vm in step.running)
        planned = [
            len(each) for (budget, day), each in self._planned.items()
            if budget == said.budget_id and day >= day_of(said.published)
        ]  # fmt: skip
        left: int = rule.get("max_stops_per_day", MOST_PER_DAY) - sum(planned)
        most: int = rule.get("max_stops_per_alert", MOST_PER_ALERT)
        return max(min(fit, most, left), 0)

    def _of_request(self, step: Step, request: VmRequest) -> Iterator[str]:
        subject = f"{request.vm.name} was requested to {request.verb}"
        self.counts[request.verb] += 1
        said = {each.message_id: each.said for each in step.sent if each.said is not None}
        if step.mode != "enforce":
            yield f"{subject} in a dry run"
        if not request.plans:
            yield f"{subject} without a plan on record"
        for message_id in request.plans:
            known = self._requests.setdefault((message_id, request.verb, request.vm.instance_id), request.request_id)
            if known != request.request_id and len(request.plans) == 1:
                yield f"{subject} twice because of {message_id}"
        reasons = {message_id: list(self._why_not(step, request, said[message_id])) for message_id in request.plans}
        if reasons and all(reasons.values()):
            yield f"{subject}: {reasons}"

    def _why_not(self, step: Step, request: VmRequest, said: Said) -> Iterator[str]:
        if request.verb == "stop":
            status = request.status if len(step.sent) == 1 else "RUNNING"
            yield from why_spared(request.vm, said, step.policy, status)
            return
        ends = self._ends[said.budget_id, request.vm.instance_id]
        last = max((end for end in ends if end.message_id not in request.plans), default=None)
        if last is None or last.event != "stopped" or last.period_end > said.published:
            yield f"what came of it last is {last}"
        if not may_restart(said, step.policy):
            yield "nothing may be started"
