"""Everything that partners and operators do to money, at once, from a seed, in a thread of its own."""

import asyncio
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Self

import httpx
import uvloop

from tests.faults.client import (
    APPROVE_PATH,
    CHARGE_PATH,
    PATIENCE_SECONDS,
    REJECT_PATH,
    RESOLVE_PATH,
    SUBMIT_PATH,
    Order,
    RetryingClient,
    Wish,
)
from tests.faults.history import History
from tests.faults.receiver import WebhookReceiver
from tests.faults.webhooks import make_endpoint
from tests.faults.world import CREDIT_LIMIT, World
from tests.support import wait_until
from tests.system.office import async_caller

AT_A_TIME = 24
ANSWERS_SECONDS = 120.0
"""In which the answers up to the next strike come, on a machine that does other things too."""

WAIT_SECONDS = 2
AMOUNT_MAX = 40
CREDIT_EVERY_SECONDS = 0.4
READ_EVERY_SECONDS = 0.1
TAKE_BACK_EVERY_SECONDS = 0.15
WHOLE_SHARE = 0.4
"""Of the reversals, those that take back all that is left."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many charges a second, how large a part of the calls is in bulk, and most charges of one such call."""

    per_second: float = 100.0
    bulk_share: float = 0.025
    bulk_max: int = 25


PACE = Pace()


class Workload:
    """A stream of charges of every manner; beside it credit is asked for, granted and rejected, charges are reversed, promises are read.

    Entering starts it; leaving begins nothing more and waits until every wish is answered or given up. `receiver` takes webhooks, of these
    `types` or all, until it is closed.
    """

    def __init__(
        self,
        url: str,
        world: World,
        history: Path,
        *,
        seed: int,
        pace: Pace = PACE,
        types: tuple[str, ...] = (),
    ) -> None:
        self.world = world
        self.history = History(history)
        self.findings: list[str] = []
        self.receiver = WebhookReceiver()
        self.types = types
        self.sent = 0
        self.answered = 0
        self._url = url
        self._random = Random(seed)
        self._name = f"{history.stem}-{seed}"
        self._pace = pace
        self._ending = threading.Event()
        self._told: list[str] = []
        self._slots = asyncio.Semaphore(AT_A_TIME)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="workload", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        for vendor in self.world.vendors:
            wanted = {"requester": vendor, "amount": self.world.credit}
            self.history.add("invoke", "submit", f"initial-{vendor}", wanted=wanted)
        self.receiver.__enter__()
        make_endpoint(self._url, self.world.partner, self.world.told, self.receiver.url, self.types)
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """End, and wait for the last answer."""
        self._ending.set()
        self._thread.join(3 * PATIENCE_SECONDS)
        self.history.__exit__()
        if self._error is not None:
            raise self._error
        assert not self._thread.is_alive(), "the workload did not end"

    def wait_answered(self, number: int) -> None:
        """Return once so many charges were answered: a moment that is the same in every run of a seed."""
        wait_until(lambda: self.answered >= number or not self._thread.is_alive(), f"{number} answers", ANSWERS_SECONDS)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._play())
        except BaseException as error:
            self._error = error

    async def _play(self) -> None:
        world = self.world
        async with (
            async_caller(self._url, world.partner, connections=AT_A_TIME + 2) as partner,
            async_caller(self._url, world.submitter) as submitter,
            async_caller(self._url, world.approver) as approver,
            asyncio.TaskGroup() as tasks,
        ):
            beside = [
                tasks.create_task(self._ask_for_credit(RetryingClient(submitter, self.history), RetryingClient(approver, self.history))),
                tasks.create_task(self._read(partner)),
                tasks.create_task(self._take_back(RetryingClient(partner, self.history))),
            ]
            await self._charge(RetryingClient(partner, self.history))
            await asyncio.wait(beside)

    async def _charge(self, client: RetryingClient) -> None:
        async with asyncio.TaskGroup() as tasks:
            while not self._ending.is_set():
                await self._slots.acquire()
                wish, size = self._next_wish(client)
                self.sent += size
                tasks.create_task(self._counted(wish, size))
                await asyncio.sleep(size / self._pace.per_second)

    async def _counted(self, wish: Coroutine[Any, Any, None], size: int) -> None:
        await wish
        self.answered += size
        self._slots.release()

    def _next_wish(self, client: RetryingClient) -> tuple[Coroutine[Any, Any, None], int]:
        """Return the next thing that the partner does, and how many charges it is."""
        random = self._random
        if random.random() < self._pace.bulk_share:
            orders = [self._order() for _ in range(random.randint(5, self._pace.bulk_max))]
            return client.charge_many(orders), len(orders)
        manner = random.random()
        order = self._order(WAIT_SECONDS if manner < 0.1 else 0)
        if manner < 0.14:
            return self._plain(client, order), 1
        if manner < 0.18:
            return self._given_up(client, order, random.uniform(0.01, 0.3)), 1
        if manner < 0.24:
            return self._doubled(client, order), 1
        if manner < 0.27:
            return self._reused(client, order), 1
        return self._plain(client, order), 1

    def _order(self, wait_seconds: int = 0) -> Order:
        self._orders = getattr(self, "_orders", 0) + 1
        random, world = self._random, self.world
        key = f"{self._name}-{self._orders}"
        return Order(key, random.choice(world.vendors), random.choice(world.customers), random.randint(1, AMOUNT_MAX), wait_seconds)

    async def _plain(self, client: RetryingClient, order: Order) -> None:
        answer = await client.charge(order)
        if answer is not None:
            self._told.append(answer["data"]["id"])

    async def _doubled(self, client: RetryingClient, order: Order) -> None:
        """Send the same wish twice at once, as two threads of a partner might."""
        await asyncio.gather(self._plain(client, order), self._plain(client, order))

    async def _given_up(self, client: RetryingClient, order: Order, timeout_seconds: float) -> None:
        """Hang up, and now and then ask what became of it and send it once more: sealed or made, it stays so."""
        await client.charge_once(order, timeout_seconds=timeout_seconds)
        if order.amount % 2:
            wish = Wish("resolve", order.key, RESOLVE_PATH, {"vendor": order.vendor, "idempotency_key": order.key})
            await asyncio.gather(client.write(wish), client.charge_once(order, timeout_seconds=timeout_seconds))

    async def _take_back(self, client: RetryingClient) -> None:
        """Reverse charges, in part, whole and more than whole, each wish once or twice at once."""
        random = Random(self._name)
        number = 0
        while not self._ending.is_set():
            await asyncio.sleep(TAKE_BACK_EVERY_SECONDS)
            if not self._told:
                continue
            number += 1
            path = f"/api/customer/charges/{random.choice(self._told)}/reverse/"
            amount: dict[str, Any] = {} if random.random() < WHOLE_SHARE else {"amount": random.randint(1, AMOUNT_MAX // 2)}
            wishes = [
                Wish("reverse", f"{self._name}-reverse-{number}-{which}", path, {"reason": "wrong number", **amount})
                for which in random.choice(["a", "aa", "ab"])
            ]
            await asyncio.gather(*[client.write(wish) for wish in wishes])

    async def _reused(self, client: RetryingClient, order: Order) -> None:
        """Use a key again for another amount: one of the two is refused, always the same one."""
        await self._plain(client, order)
        await self._plain(client, Order(order.key, order.vendor, order.customer, order.amount + 1))

    async def _ask_for_credit(self, submitter: RetryingClient, approver: RetryingClient) -> None:
        number = 0
        random = Random(self._name)
        while not self._ending.is_set():
            number += 1
            body = {"requester": random.choice(self.world.vendors), "amount": random.randint(1, 50 * AMOUNT_MAX)}
            request = await submitter.write(Wish("submit", f"{self._name}-submit-{number}", SUBMIT_PATH, body))
            if request is not None:
                approve = Wish("approve", f"approve-{request['id']}", APPROVE_PATH, {"request_credit_id": request["id"]})
                reject = Wish("reject", f"reject-{request['id']}", REJECT_PATH, {"request_credit_id": request["id"], "reason": "too much"})
                wishes = random.choice([[approve], [approve], [approve, approve], [reject], [approve, reject]])
                await asyncio.gather(*[approver.write(wish) for wish in wishes])
            await asyncio.sleep(CREDIT_EVERY_SECONDS)

    async def _read(self, http: httpx.AsyncClient) -> None:
        """Look at promises and balances all the time: none is taken back, none is below its limit."""
        random = Random(self._name)
        while not self._ending.is_set():
            await asyncio.sleep(READ_EVERY_SECONDS)
            vendor = random.choice(self.world.vendors)
            try:
                answer = await http.get(f"/api/vendor/{vendor}/")
                balance = answer.json()["data"]["balance"] if answer.is_success else 0
                if balance < (-CREDIT_LIMIT if vendor == self.world.limited else 0):
                    self.findings.append(f"vendor {vendor} was seen with a balance of {balance}")
                if self._told:
                    charge = random.choice(self._told)
                    answer = await http.get(f"{CHARGE_PATH.removesuffix('increase-credit/')}charges/{charge}/")
                    if answer.is_success:
                        self.history.add("ok", "read", charge, told={"status": answer.json()["data"]["status"]})
                    elif not answer.is_server_error:
                        self.findings.append(f"charge {charge} was promised, and reading it answered {answer.status_code}")
            except httpx.TransportError:
                continue
