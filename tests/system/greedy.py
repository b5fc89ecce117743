"""What every test of greedy clients watches: the memory of all processes, and somebody else who wants to be served meanwhile."""

import asyncio
import statistics
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import uuid4

import httpx
import psutil
from charging.client import connect
from charging.customer_charge.v1.customer_charge_pb2 import IncreaseCreditRequest
from charging.customer_charge.v1.customer_charge_pb2_grpc import ChargeServiceStub

from shared.local.stack import Stack
from tests.support import wait_until
from tests.system.office import Office, Partner, caller

GREEDY = "127.0.0.66"
"""The address that greedy clients call from; their neighbour has another."""

SERVED_SECONDS_MAX = 3.0
"""Longest that the neighbour waits for an answer, on a machine that the greedy client and the tests themselves keep busy too."""

GROWTH_MIB_MAX = 120
"""Of one process, whatever is thrown at it: some tens of MiB of calls and connections, and what the allocator keeps of them."""

SERVERS = ("gateway", "customer_charge", "vendor_credit")


class Neighbour:
    """Charges one after the other at both doors, in a thread, and notes how long each took."""

    def __init__(self, stack: Stack, partner: Partner) -> None:
        self.seconds: list[float] = []
        self.failures: list[str] = []
        self._stack, self._partner = stack, partner
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._charge, name="neighbour", daemon=True)

    def begin(self) -> None:
        """Begin, and return once the first charge is answered."""
        self._thread.start()
        wait_until(lambda: bool(self.seconds or self.failures), "a first charge")

    def end(self) -> None:
        """End, and fail the test if a charge failed or took too long."""
        self._leaving.set()
        self._thread.join(30)
        assert self.failures == []
        assert not self._thread.is_alive(), "the neighbour waits and waits"
        print(f"neighbour: {len(self.seconds)} charges, p50 {statistics.median(self.seconds):.3f} s, max {max(self.seconds):.3f} s")
        assert max(self.seconds) < SERVED_SECONDS_MAX

    def _charge(self) -> None:
        partner, environment = self._partner, self._stack.environment
        order = IncreaseCreditRequest(vendor_id=partner.vendor, customer_id=partner.customer, amount=1)
        address = environment["CHARGING_CUSTOMER_CHARGE_ADDRESS"]
        with caller(environment["CHARGING_HTTP_URL"], partner.token) as http, connect(address, token=partner.token) as channel:
            charges = ChargeServiceStub(channel)
            while not self._leaving.wait(0.02):
                for charge in (lambda: _over_rest(http, partner), lambda: charges.IncreaseCredit(order)):
                    began = time.monotonic()
                    try:
                        charge()
                    except Exception as error:
                        self.failures.append(repr(error))
                        return
                    self.seconds.append(time.monotonic() - began)


@contextmanager
def others_are_served(stack: Stack, office: Office) -> Iterator[None]:
    """Fail the test if, while the block runs, a neighbour is not served or a process dies or takes much more memory than before."""
    neighbour = Neighbour(stack, office.partner(credit=1_000_000))
    neighbour.begin()
    pids, before = stack.pids(), memory_mib(stack)
    most = dict(before)
    leaving = threading.Event()

    def measure() -> None:
        while not leaving.wait(0.05):
            most.update({name: max(most[name], mib) for name, mib in memory_mib(stack).items()})

    measuring = threading.Thread(target=measure, daemon=True)
    measuring.start()
    try:
        yield
    finally:
        leaving.set()
        measuring.join()
        neighbour.end()
    assert stack.pids() == pids, "nobody died"
    print("memory in MiB before, most and after:", {name: (before[name], most[name], mib) for name, mib in memory_mib(stack).items()})
    assert {name: most[name] - before[name] for name in SERVERS if most[name] - before[name] > GROWTH_MIB_MAX} == {}


def memory_mib(stack: Stack) -> dict[str, int]:
    """Return the resident memory of each server."""
    pids = stack.pids()
    return {name: psutil.Process(pids[name]).memory_info().rss >> 20 for name in SERVERS}


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Return as soon as the condition holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the other end of a connection gives no sign
            await asyncio.sleep(0.05)


@asynccontextmanager
async def all_of(openings: list[Any]) -> AsyncIterator[list[Any]]:
    """Give things that were opened one after the other, and close them in the end."""
    opened: list[Any] = []
    try:
        opened.extend([await opening for opening in openings])
        yield opened
    finally:
        for each in opened:
            await each.close()


def _over_rest(http: httpx.Client, partner: Partner) -> None:
    answer = http.post("/api/customer/increase-credit/", json=partner.order(1), headers={"Idempotency-Key": str(uuid4())})
    assert answer.is_success, answer.text
