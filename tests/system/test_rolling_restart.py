"""A rolling restart, as every release is one: each process ends by SIGTERM and is replaced, one after the other, while clients charge."""

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Self
from uuid import uuid4

import grpc
import httpx
import pytest
from charging.client import connect_aio, reason_of
from charging.customer_charge.v1.customer_charge_pb2 import IncreaseCreditRequest
from charging.customer_charge.v1.customer_charge_pb2_grpc import ChargeServiceStub

from shared.local.stack import Stack
from tests.faults.client import PATIENCE_SECONDS, PAUSE_SECONDS, passing
from tests.faults.facts import count_unsettled
from tests.support import wait_until
from tests.system.office import Office, Partner, async_caller
from tests.system.replacing import replace
from tests.system.stacks import audit, count, new_stack

PER_SECOND = 60.0
CALLERS = 8
CREDIT = 1_000_000
EVERY_PROCESS = bool(os.environ.get("EVERY_PROCESS"))
"""Whether the twins are replaced too, which takes twice as long; else one of each kind, beside its twin that stays."""

NOT_BEGUN = {"ConnectError", "ReadError", "RemoteProtocolError"}
"""A connection that was refused, or closed while it was idle, carried no call."""

CHARGES_OF = "SELECT count(*) FROM customer_charge.charges WHERE vendor_id = %s"


class Load:
    """Clients that charge, each call with a key of its own, and follow the retry rule; notes what failed all the same.

    `replayed` counts calls that were answered as a replay: a process had carried out an earlier try, and lost its answer.
    """

    def __init__(self, stack: Stack, partner: Partner) -> None:
        self.answered = 0
        self.replayed = 0
        self.failures: Counter[str] = Counter()
        self.again: Counter[str] = Counter()
        self._environment = stack.environment
        self._partner = partner
        self._ending = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """End, and wait for the last answer."""
        self._ending.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    async def _run(self) -> None:
        async with async_caller(self._environment["CHARGING_HTTP_URL"], self._partner.token) as http:
            await asyncio.gather(*[self._over_rest(http) for _ in range(CALLERS)], *[self._over_grpc() for _ in range(CALLERS)])

    async def _over_rest(self, http: httpx.AsyncClient) -> None:
        while not self._ending.is_set():
            key, end = {"Idempotency-Key": str(uuid4())}, time.monotonic() + PATIENCE_SECONDS
            while (pause := await self._try_over_rest(http, key)) is not None:
                if time.monotonic() > end:
                    self.failures["REST: patience ended"] += 1
                    break
                await asyncio.sleep(pause)
            await asyncio.sleep(CALLERS / PER_SECOND)

    async def _try_over_rest(self, http: httpx.AsyncClient, key: dict[str, str]) -> float | None:
        """Try once; return after how many seconds to try again, None where there is an answer."""
        try:
            answer = await http.post("/api/customer/increase-credit/", json=self._partner.order(1), headers=key)
        except httpx.TransportError as error:
            self.again[type(error).__name__] += 1
            return PAUSE_SECONDS
        if passing(answer):
            self.again[f"{answer.status_code} {answer.json()['reason']}"] += 1
            return float(answer.headers.get("retry-after", PAUSE_SECONDS))
        if answer.is_success:
            self.answered += 1
            self.replayed += answer.headers.get("idempotent-replayed") == "true"
        else:
            self.failures[f"REST: {answer.status_code} {answer.text}"] += 1
        return None

    async def _over_grpc(self) -> None:
        """Charge by the client of the stubs, which repeats by itself."""
        order = IncreaseCreditRequest(vendor_id=self._partner.vendor, customer_id=self._partner.customer, amount=1)
        async with connect_aio(self._environment["CHARGING_CUSTOMER_CHARGE_ADDRESS"], token=self._partner.token) as channel:
            charges = ChargeServiceStub(channel)
            while not self._ending.is_set():
                call = charges.IncreaseCredit(order, metadata=(("idempotency-key", str(uuid4())),))
                try:
                    await call
                except grpc.aio.AioRpcError as error:
                    self.failures[f"gRPC: {error.code().name} {reason_of(error)} {error.details()}"] += 1
                else:
                    self.answered += 1
                    self.replayed += ("idempotent-replayed", "true") in tuple(await call.trailing_metadata())
                await asyncio.sleep(CALLERS / PER_SECOND)


@pytest.fixture
def doubled(server_folder: Path) -> Iterator[Stack]:
    """Give a stack with two processes of everything but the scheduler."""
    with new_stack(server_folder / "rolling", {"CHARGING_PROCESSES": "2"}) as stack:
        yield stack


def test_no_call_fails_while_every_process_is_replaced(doubled: Stack) -> None:
    """Clients of both doors that follow the retry rule notice nothing, and no call that a process has begun to serve is lost in it."""
    names = [one.name for one in doubled.instances if EVERY_PROCESS or one.name == one.program.name]
    with closing(Office(doubled)) as office:
        partner = office.partner(CREDIT)
    with Load(doubled, partner) as load:
        wait_until(lambda: load.answered > CALLERS, "first answers")
        took = [replace(doubled, name) for name in names]
        answered = load.answered
        wait_until(lambda: load.answered > answered + CALLERS, "last answers")
    print(f"{len(took)} processes replaced in {sum(took):.0f} s: {load.answered} charges, tried again: {dict(load.again)}")
    assert not load.failures
    assert load.replayed == 0, "a process began to serve a call and lost its answer"
    assert set(load.again) <= NOT_BEGUN, "an answer said that something was wrong"
    wait_until(lambda: count_unsettled(doubled.choices.admin_url, [partner.vendor]) == 0, "all charges to be final")
    assert count(doubled, CHARGES_OF, (partner.vendor,)) == load.answered
    audit(doubled)
