"""Deliveries at the same time: each in a thread of its own, and before every call a seed decides whose turn it is."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.unit.enforcer_fakes import Gate


@dataclass
class Turns:
    """Lets one delivery at a time go on from one call to the next."""

    chance: random.Random
    alive: set[int] = field(default_factory=set)
    waiting: set[int] = field(default_factory=set)
    errors: list[BaseException] = field(default_factory=list)
    turn: int | None = None
    condition: threading.Condition = field(default_factory=threading.Condition)

    def run(self, deliveries: Sequence[Callable[[Gate], None]]) -> None:
        """Run deliveries to their ends; each is given the gate for its calls."""
        self.alive = set(range(len(deliveries)))
        threads = [
            threading.Thread(target=self._one, args=(number, delivery)) for number, delivery in enumerate(deliveries)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.errors:
            raise self.errors[0]

    def _one(self, number: int, delivery: Callable[[Gate], None]) -> None:
        try:
            delivery(lambda _: self._gate(number))
        except BaseException as error:  # noqa: BLE001 (raised again in the thread of the test)
            self.errors.append(error)
        finally:
            with self.condition:
                self.alive.discard(number)
                self._choose()

    @contextmanager
    def _gate(self, number: int) -> Iterator[None]:
        with self.condition:
            self.waiting.add(number)
            self._choose()
            self.condition.wait_for(lambda: self.turn == number)
            self.turn = None
            self.waiting.discard(number)
        yield

    def _choose(self) -> None:
        """Give the turn to one of those that wait, once all others wait too or have ended."""
        if self.alive and self.waiting == self.alive:
            self.turn = self.chance.choice(sorted(self.waiting))
            self.condition.notify_all()
