"""Two of every process behind round robin in the client: each ends by SIGTERM and is replaced, in turn, while clients charge."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from functools import partial
from itertools import cycle
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
from tests.system.stacks import audit, count
from tests.system.two_machines import SERVER_OF, Machines, calls_served, round_robin, two_machines

PER_SECOND = 60.0
CALLERS = 4
"""Of each of the four kinds: with a key and without, over REST and over gRPC."""

REST_KEYED, REST_KEYLESS, REPEATING, PLAIN = KINDS = ("REST, key", "REST, no key", "gRPC, key", "gRPC, no key")
PAUSE_OF_CALLER_SECONDS = CALLERS * len(KINDS) / PER_SECOND
CREDIT = 1_000_000

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout)
"""Nobody took the connection, so nobody has seen the request: it goes to the next address even when it carries no key."""

NOT_BEGUN = {"ConnectError", "ReadError", "RemoteProtocolError"}
"""A connection that was refused, or closed while it was idle, carried no call."""

NO_RETRIES = (
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
)
"""A plain channel as any caller opens it, which sends a call again only where gRPC knows that nobody has seen it.

Its pause before it connects again is gRPC's own, a second and more, in which the twin of a process that has just come back may leave: its
calls wait for a connection (`wait_for_ready`) and do not fail for want of one.
"""

CHARGES_OF = "SELECT count(*) FROM customer_charge.charges WHERE vendor_id = %s"


class Load:
    """Callers that go round both machines and follow the retry rule: with a key they repeat a call, without one they never do.

    `answered` counts charges by kind of caller; `failures` what a caller ended up with otherwise; `again` why a call was repeated.
    """

    def __init__(self, machines: Machines, partner: Partner) -> None:
        self.answered: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.again: Counter[str] = Counter()
        self.replayed = 0
        self._urls = [stack.environment["CHARGING_HTTP_URL"] for stack in machines]
        self._target = round_robin(machines, "customer_charge")
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
        async with AsyncExitStack() as opened:
            doors = [await opened.enter_async_context(async_caller(url, self._partner.token)) for url in self._urls]
            repeating = await opened.enter_async_context(connect_aio(self._target, token=self._partner.token))
            plain = await opened.enter_async_context(grpc.aio.insecure_channel(self._target, options=NO_RETRIES))
            bare = (("authorization", f"Token {self._partner.token}"),)
            callers = [self._over_rest(doors, keyed=keyed) for keyed in (True, False) for _ in range(CALLERS)]
            callers += [self._over_grpc(REPEATING, repeating, ()) for _ in range(CALLERS)]
            callers += [self._over_grpc(PLAIN, plain, bare) for _ in range(CALLERS)]
            await asyncio.gather(*callers)

    async def _over_rest(self, doors: list[httpx.AsyncClient], *, keyed: bool) -> None:
        """Charge at one door after the other."""
        kind, turns = REST_KEYED if keyed else REST_KEYLESS, cycle(doors)
        while not self._ending.is_set():
            key, end = {"Idempotency-Key": str(uuid4())} if keyed else {}, time.monotonic() + PATIENCE_SECONDS
            while (pause := await self._try_over_rest(kind, next(turns), key)) is not None:
                if time.monotonic() > end:
                    self.failures[f"{kind}: patience ended"] += 1
                    break
                await asyncio.sleep(pause)
            await asyncio.sleep(PAUSE_OF_CALLER_SECONDS)

    async def _try_over_rest(self, kind: str, door: httpx.AsyncClient, key: dict[str, str]) -> float | None:
        """Try once; return after how many seconds to try again, None where the call is over."""
        try:
            answer = await door.post("/api/customer/increase-credit/", json=self._partner.order(1), headers=key)
        except httpx.TransportError as error:
            if not key and not isinstance(error, NOT_SENT):
                self.failures[f"{kind}: {type(error).__name__}"] += 1
                return None
            self.again[f"{kind}: {type(error).__name__}"] += 1
            return 0 if isinstance(error, NOT_SENT) else PAUSE_SECONDS
        if key and passing(answer):
            self.again[f"{kind}: {answer.status_code} {answer.json()['reason']}"] += 1
            return float(answer.headers.get("retry-after", PAUSE_SECONDS))
        if answer.is_success:
            self.answered[kind] += 1
            self.replayed += answer.headers.get("idempotent-replayed") == "true"
        else:
            self.failures[f"{kind}: {answer.status_code} {answer.text}"] += 1
        return None

    async def _over_grpc(self, kind: str, channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...]) -> None:
        charges = ChargeServiceStub(channel)
        order = IncreaseCreditRequest(vendor_id=self._partner.vendor, customer_id=self._partner.customer, amount=1)
        while not self._ending.is_set():
            call = charges.IncreaseCredit(order, metadata=metadata, timeout=PATIENCE_SECONDS, wait_for_ready=kind == PLAIN)
            try:
                await call
            except grpc.aio.AioRpcError as error:
                self.failures[f"{kind}: {error.code().name} {reason_of(error)} {error.details()}"] += 1
            else:
                self.answered[kind] += 1
                self.replayed += ("idempotent-replayed", "true") in tuple(await call.trailing_metadata())
            await asyncio.sleep(PAUSE_OF_CALLER_SECONDS)


@pytest.fixture
def machines(server_folder: Path) -> Iterator[Machines]:
    """Give one system on two machines."""
    with two_machines(server_folder / "two") as both:
        yield both


def test_no_call_fails_while_two_of_every_process_are_replaced(machines: Machines) -> None:
    """Callers that go round both machines notice nothing, with a key or without, and both machines have their share of the calls."""
    with closing(Office(machines[0])) as office:
        partner = office.partner(CREDIT)
    with Load(machines, partner) as load:
        wait_until(lambda: all(load.answered[kind] > CALLERS for kind in KINDS), "first answers")
        took = [replace(stack, one.name) for at in range(len(machines[0].instances)) for stack in machines for one in [stack.instances[at]]]
        before = load.answered.copy()
        wait_until(lambda: all(load.answered[kind] > before[kind] + CALLERS for kind in KINDS), "last answers")
        for stack in machines:
            for service in SERVER_OF:
                wait_until(partial(_serves, stack, service), f"a share of the calls to {service}")
    print(f"{len(took)} processes replaced in {sum(took):.0f} s: {dict(load.answered)} charges, tried again: {dict(load.again)}")
    assert not load.failures
    assert load.replayed == 0, "a process began to serve a call and lost its answer"
    assert {why.partition(": ")[2] for why in load.again} <= NOT_BEGUN, "an answer said that something was wrong"
    wait_until(lambda: count_unsettled(machines[0].choices.admin_url, [partner.vendor]) == 0, "all charges to be final")
    assert count(machines[0], CHARGES_OF, (partner.vendor,)) == load.answered.total()
    audit(machines[0])


def _serves(stack: Stack, service: str) -> bool:
    """Tell whether a machine's process of a service, which has just been replaced, was given calls."""
    return calls_served(stack, service) > 0
