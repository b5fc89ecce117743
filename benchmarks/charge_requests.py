"""The HTTP requests of a load: ready bytes, as different from each other as real ones are."""

import random
from collections.abc import Iterator

from benchmarks.load_plan import LoadPlan
from benchmarks.world import AMOUNT_MAX

CHARGE_PATH = "/api/customer/increase-credit/"
BATCH_PATH = "/api/customer/increase-credit/batch/"


def charge_requests(plan: LoadPlan) -> Iterator[tuple[bytes, bool]]:
    """Yield requests without end, each with whether it asks to wait: random vendor, customer and amount, and a key of its own."""
    choose = random.Random(plan.run)
    pick, number = choose.random, 0
    vendors = [
        (b"%d" % vendor, _head(CHARGE_PATH, token), _head(CHARGE_PATH, token) + b"Prefer: wait=10\r\n")
        for vendor, token in zip(plan.vendors, plan.tokens, strict=True)
    ]
    customers, run = plan.customers, plan.run.encode()
    while True:
        number += 1
        waits = bool(plan.wait_every) and number % plan.wait_every == 0
        vendor, head, waiting_head = vendors[int(pick() * len(vendors))]
        body = b'{"vendor": %b, "customer": %d, "amount": %d}' % (
            vendor,
            customers[int(pick() * len(customers))],
            1 + int(pick() * AMOUNT_MAX),
        )
        key = b"Idempotency-Key: %b-%d\r\n" % (run, number)
        yield b"%b%bContent-Length: %d\r\n\r\n%b" % (waiting_head if waits else head, key, len(body), body), waits


def batch_requests(plan: LoadPlan) -> Iterator[tuple[bytes, bool]]:
    """Yield bulk requests without end, of `plan.items` charges each."""
    choose = random.Random(plan.run)
    head, number = _head(BATCH_PATH, plan.service_token), 0
    while True:
        items = [
            f'{{"vendor": {choose.choice(plan.vendors)}, "customer": {choose.choice(plan.customers)}, '
            f'"amount": {choose.randint(1, AMOUNT_MAX)}, "idempotency_key": "{plan.run}-{number + index}"}}'
            for index in range(plan.items)
        ]
        number += plan.items
        body = f'{{"items": [{", ".join(items)}]}}'.encode()
        yield b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body), False


def _head(path: str, token: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Token {token}\r\nContent-Type: application/json\r\n".encode()
