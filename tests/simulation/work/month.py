"""A month of work on Spot VMs: CI builds, a Slurm partition and a training run; who used each second is known."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random

HOUR = 3600
DAY = 24 * HOUR
FIRST_DAY = 1_782_864_000
"""2026-07-01T00:00:00Z, in seconds since 1970."""

_CI_TEAMS = ("web", "mobile", "data")


@dataclass(frozen=True, slots=True)
class Vm:
    """One Spot VM and when it ran, in seconds; prices in USD an hour, None where they are not known."""

    id: str
    name: str
    start: int
    end: int
    spot: Decimal | None
    ondemand: Decimal | None
    license: Decimal | None = None
    disk: Decimal | None = None
    labels: tuple[tuple[str, str], ...] = ()
    preempted: bool = False
    project: str = "research"
    zone: str = "us-central1-a"

    def label(self, key: str) -> str | None:
        """Return the value of a label."""
        return dict(self.labels).get(key)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at work on one VM as it was recorded; `vm` None: one that nobody tracked.

    `known_by` is how its record names the VM: id, name, or the label `run`. An `end` of None was never recorded.
    """

    work: str
    number: int
    vm: Vm | None
    start: int
    end: int | None
    weight: int | None = None
    outcome: str | None = None
    saved_at: int | None = None
    keys: tuple[tuple[str, str], ...] = ()
    interval: int | None = None
    checkpoint: int | None = None
    known_by: str = "id"
    kind: str = "ci"

    @property
    def preempted(self) -> bool:
        """Whether a preemption ended it: its record says so, or its VM was preempted and the record says nothing."""
        return self.outcome == "preempted" or (self.outcome is None and self.vm is not None and self.vm.preempted)

    @property
    def real_end(self) -> int:
        """The end that was recorded, or that of its VM."""
        if self.end is not None:
            return self.end
        assert self.vm is not None
        return self.vm.end


@dataclass(slots=True)
class Month:
    """All VMs and attempts, records that later ones replace, and the end of it."""

    end: int
    vms: list[Vm] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    replaced: list[Attempt] = field(default_factory=list)


def month(seed: int, days: int, builds: int, nodes: int = 4, preemptions: int = 12) -> Month:
    """Return a month, or fewer days: so many builds, Slurm nodes, and preemptions of a training run."""
    random = Random(seed)  # noqa: S311 (no secret)
    found = Month(FIRST_DAY + days * DAY)
    for vm, attempt in _builds(random, days, builds):
        found.vms.append(vm)
        found.attempts.append(attempt)
    for node in range(nodes):
        _slurm_node(found, random, node, days)
    _training(found, random, days, preemptions)
    _never_tracked(found, random, days)
    found.replaced = [_stale(each) for each in random.sample(found.attempts, len(found.attempts) // 20)]
    return found


def _builds(random: Random, days: int, builds: int) -> Iterator[tuple[Vm, Attempt]]:
    """Each build on a VM of its own: the VM starts before, ends after; some clocks and ends are wrong."""
    for number in range(builds):
        start = FIRST_DAY + random.randrange(days * DAY - 2 * HOUR)
        end = start + random.randint(3 * 60, 40 * 60)
        preempted = random.random() < 0.06
        labels = (("team", random.choice(_CI_TEAMS)),) if random.random() < 0.9 else ()
        priced = random.random() < 0.95
        vm = Vm(
            id=str(1_000_000 + number),
            name=f"ci-runner-{number % 40}-{number}",
            start=start,
            end=end,
            spot=Decimal(random.randint(40, 900)) / 1000 if priced else None,
            ondemand=Decimal(random.randint(901, 2000)) / 1000 if random.random() < 0.95 else None,
            license=Decimal("0.046") if random.random() < 0.1 else None,
            disk=Decimal("0.0137") if random.random() < 0.8 else None,
            labels=(*labels, ("run", f"build-{number}")),
            preempted=preempted,
        )
        yield vm, _build(random, vm, number)


def _build(random: Random, vm: Vm, number: int) -> Attempt:
    """Mostly within the VM; one in ten a few seconds beside it, one in fifty ten minutes longer."""
    boot, rest = random.randint(20, 60), random.randint(0, 30)
    attempt = Attempt(
        work=f"{number // 8}/job-{number % 8}",
        number=1,
        vm=vm,
        start=vm.start + boot,
        end=vm.end if vm.preempted else max(vm.end - rest, vm.start + boot + 1),
        outcome=None if vm.preempted else "succeeded",
        keys=(("team", "release"),) if random.random() < 0.1 else (),
        known_by=random.choice(("id", "name", "run")),
    )
    drawn = random.random()
    if drawn < 0.1:
        return replace(attempt, start=vm.start - random.randint(1, 5), end=vm.end + random.randint(1, 5))
    if drawn < 0.12:
        return replace(attempt, end=vm.end + 600)
    if drawn < 0.2 and vm.preempted:
        return replace(attempt, end=None)
    return attempt


def _slurm_node(found: Month, random: Random, node: int, days: int) -> None:
    """A node that is made again under its name after preemptions; its jobs share it by their CPUs."""
    at, until, made = FIRST_DAY + random.randrange(2 * HOUR), FIRST_DAY + days * DAY - HOUR, 0
    while at < until:
        end = min(at + random.randint(5 * HOUR, 30 * HOUR), until)
        vm = Vm(
            id=str(2_000_000 + node * 1000 + made),
            name=f"hpc-spot-{node}",
            start=at,
            end=end,
            spot=Decimal("0.24"),
            ondemand=Decimal("0.776"),
            disk=Decimal("0.0411"),
            labels=(("slurm_cluster_name", "hpc"), ("team", "physics")),
            preempted=end < until,
        )
        found.vms.append(vm)
        found.attempts += _slurm_jobs(random, vm, node, made)
        made += 1
        # A group makes the VM again within minutes: often in the hour of the preemption.
        at = end + random.randint(120, 900)


def _slurm_jobs(random: Random, vm: Vm, node: int, made: int) -> Iterator[Attempt]:
    """Up to three jobs at a time, of 2 to 16 CPUs; those that the preemption ends say so, or nothing."""
    for lane in range(3):
        at, count = vm.start + random.randint(60, 4000), 0
        while at < vm.end - 120:
            end = min(at + random.randint(600, 4 * HOUR), vm.end)
            cut = end == vm.end and vm.preempted
            experiment = f"sweep-{random.randint(1, 3)}"
            yield Attempt(
                work=f"slurm-{node}-{made}-{lane}-{count}",
                number=1,
                vm=vm,
                start=at,
                end=end,
                weight=random.choice((2, 4, 8, 16)),
                outcome=random.choice((None, "preempted")) if cut else random.choice(("succeeded", "failed")),
                keys=(("experiment", experiment), ("team", "physics")),
                interval=1200,
                checkpoint=45,
                known_by="name",
                kind="slurm",
            )
            at, count = end + random.randint(0, 1800), count + 1


def _training(found: Month, random: Random, days: int, preemptions: int) -> None:
    """One run that goes on with the next VM after each of its preemptions."""
    at = FIRST_DAY + 3 * HOUR + 17 * 60
    # What is left of the month, in as many parts as there are VMs.
    most = (days * DAY - 6 * HOUR) // (preemptions + 1)
    for number in range(1, preemptions + 2):
        last = number == preemptions + 1
        end = at + random.randint(most // 3, most - 1200)
        vm = Vm(
            id=str(3_000_000 + number),
            name=f"train-{number}",
            start=at,
            end=end,
            spot=Decimal("1.2345678"),
            ondemand=Decimal("3.6730"),
            disk=Decimal("0.0274"),
            labels=(("experiment", "ablation-7"), ("team", "ml")),
            preempted=not last,
        )
        start = at + random.randint(60, 300)
        attempt = Attempt(
            work="train/ablation-7",
            number=number,
            vm=vm,
            start=start,
            end=end if last or number % 3 else None,
            outcome="succeeded" if last else random.choice((None, "preempted")),
            saved_at=None if number == 2 else start + (end - start) // 1800 * 1800,
            interval=1800,
            checkpoint=90,
            known_by=random.choice(("id", "name")),
            kind="training",
        )
        found.vms.append(vm)
        found.attempts.append(attempt)
        at = end + random.randint(120, 1100)


def _never_tracked(found: Month, random: Random, days: int) -> None:
    """Work on VMs that have no cost row: nobody knows what it cost."""
    for number in range(5):
        start = FIRST_DAY + random.randrange(days * DAY - 3 * HOUR)
        end = start + random.randint(HOUR, 2 * HOUR)
        found.attempts.append(Attempt(f"elsewhere-{number}", 1, None, start, end, outcome="succeeded"))


def _stale(attempt: Attempt) -> Attempt:
    """What was recorded of an attempt before, while it ran."""
    return replace(attempt, end=None, outcome=None, saved_at=None, weight=None)
