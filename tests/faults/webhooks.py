"""The webhook of a run: its endpoint, and what the tests may do to its row in place of an hour's wait."""

import time

import psycopg
import pytest

from shared.local.stack import Stack
from tests.cells import change_in_cells, rows_in_cells
from tests.system.office import caller

WEBHOOKS_PATH = "/api/webhooks/"
PATIENCE_SECONDS = 60.0
"""Without a message for this long, nobody delivers any more. They come one by one: hours of load leave many."""

LOOK_SECONDS = 0.2
IDLE_SECONDS = 1.0
"""Without a message for this long, whoever holds the lease is taken for dead."""

LET_TIME_PASS = """
UPDATE customer_charge.webhook_endpoints SET leased_until = created_at, next_attempt_at = created_at WHERE vendor_id = %s
"""

LEFT = """
SELECT endpoint.delivered_seq FROM customer_charge.webhook_endpoints AS endpoint
JOIN customer_charge.event_heads AS head ON head.vendor_id = endpoint.vendor_id
WHERE endpoint.vendor_id = %s AND endpoint.delivered_seq < head.last_seq
"""


def make_endpoint(url: str, token: str, vendor: int, receiver_url: str, types: tuple[str, ...]) -> None:
    """Have all events of a vendor, or those of the types, brought to the receiver, from the first one on."""
    body = {"vendor": vendor, "url": receiver_url, "types": list(types), "after": 0}
    with caller(url, token) as client:
        answer = client.post(WEBHOOKS_PATH, json=body)
    assert answer.is_success, answer.text


def let_time_pass(stack: Stack, vendor: int) -> None:
    """Let the lease of one who died have ended, and the pause after a failure be over: both are a minute's wait."""
    with psycopg.connect(stack.choices.admin_url, autocommit=True) as connection:
        change_in_cells(connection, LET_TIME_PASS, (vendor,))


def wait_delivered(stack: Stack, vendor: int) -> None:
    """Return when the vendor's webhook has all events. Who holds its lease and sends nothing loses it: sooner than a minute's wait."""
    while (seen := _delivered(stack, vendor)) is not None:
        moved_at = pushed_at = time.monotonic()
        while _delivered(stack, vendor) == seen:
            now = time.monotonic()
            if now - moved_at > PATIENCE_SECONDS:
                pytest.fail(f"waited {PATIENCE_SECONDS:g} s for a webhook of vendor {vendor} after number {seen}", pytrace=False)
            if now - pushed_at > IDLE_SECONDS:
                let_time_pass(stack, vendor)
                pushed_at = now
            time.sleep(LOOK_SECONDS)


def _delivered(stack: Stack, vendor: int) -> int | None:
    """Return how far the vendor's webhook has come; None when it has everything."""
    with psycopg.connect(stack.choices.admin_url, autocommit=True) as connection:
        left = rows_in_cells(connection, LEFT, (vendor,))
    return int(left[0][0]) if left else None
