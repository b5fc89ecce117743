"""Charges under a fault: a partner's load in a thread of its own, and the judgement of its history."""

import asyncio
import threading
from collections import defaultdict
from pathlib import Path
from typing import Self

from shared.local.stack import Stack
from tests.faults.client import PATIENCE_SECONDS, History, Line, Order, PartnerClient
from tests.support import wait_until
from tests.system.office import FINAL, Office, Partner, async_caller

AT_A_TIME = 16
CHARGES_PER_SECOND = 150
"""Slow enough for a fault to hit the run and not its end, fast enough for batches to form."""

WAITS_EVERY = 10
WAIT_SECONDS = 2


class Load:
    """A number of charges of one partner, each with a key of its own. Entering starts it; leaving waits until every one is answered."""

    def __init__(self, stack: Stack, partner: Partner, history: Path, *, charges: int, amount: int = 1) -> None:
        self.partner = partner
        self.orders = [
            Order(f"load-{number}", partner.vendor, partner.customer, amount, WAIT_SECONDS if number % WAITS_EVERY == 0 else 0)
            for number in range(charges)
        ]
        self.history = History(history)
        self.gave_up: list[str] = []
        self._url = stack.environment["CHARGING_HTTP_URL"]
        self._answered = 0
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def __enter__(self) -> Self:
        """Begin to charge."""
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Wait for the last answer."""
        self._thread.join(2 * PATIENCE_SECONDS)
        self.history.__exit__()
        assert not self._thread.is_alive(), "the load did not end"

    def wait_answered(self, number: int) -> None:
        """Return once so many charges were answered: a moment that is the same in every run of a seed."""
        wait_until(lambda: self._answered >= number, f"{number} answers", PATIENCE_SECONDS)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(self._charge_all())

    async def _charge_all(self) -> None:
        slots = asyncio.Semaphore(AT_A_TIME)
        async with async_caller(self._url, self.partner.token, connections=AT_A_TIME) as http, asyncio.TaskGroup() as tasks:
            client = PartnerClient(http, self.history)
            for order in self.orders:
                await slots.acquire()
                tasks.create_task(self._charge(client, order, slots))
                await asyncio.sleep(1 / CHARGES_PER_SECOND)

    async def _charge(self, client: PartnerClient, order: Order, slots: asyncio.Semaphore) -> None:
        if await client.charge(order):
            self._answered += 1
        else:
            self.gave_up.append(order.key)
        slots.release()


def check_history(load: Load, office: Office, *, final_within_seconds: float = 10.0) -> None:
    """Judge what the client was told against what is: every promise holds, every unknown is resolved, nothing was done twice."""
    vendor = load.partner.vendor
    wait_until(lambda: not office.charges(vendor, "accepted"), "every charge to be final", final_within_seconds)
    charges = {charge["id"]: charge for charge in office.charges(vendor)}
    assert {charge["status"] for charge in charges.values()} <= FINAL

    assert load.gave_up == [], "charges that were never answered"
    told: dict[str, list[Line]] = defaultdict(list)
    for line in load.history.lines:
        assert line.event != "fail", f"refused for good: {line}"
        if line.event == "ok":
            told[line.key].append(line)
    assert set(told) == {order.key for order in load.orders}
    promised = {line.charge for lines in told.values() for line in lines}
    assert len(promised) == len(load.orders), "one charge for each key"
    assert promised == set(charges), "no charge that nobody was told of"
    for line in (line for lines in told.values() for line in lines):
        assert line.status in {"accepted", charges[line.charge]["status"]}, f"told otherwise before: {line}"
