"""The named crash points, and the process that is to die at each. What leads there: see the test that uses the list."""

from typing import NamedTuple


class Point(NamedTuple):
    """A crash point, and the process that is to die there."""

    name: str
    service: str


class Pair(NamedTuple):
    """Two points around one thing: a COMMIT, an RPC, the sending of a hint. `hits_max`: struck at its first to so manieth time."""

    before: Point
    after: Point
    hits_max: int = 3


def commit(operation: str, service: str, *, hits_max: int = 3) -> Pair:
    """Return the points before and after the COMMIT of an operation, by the name of its file."""
    return Pair(Point(f"{operation}.before_commit", service), Point(f"{operation}.after_commit", service), hits_max)


def call(method: str, service: str, *, hits_max: int = 3) -> Pair:
    """Return the points before and after an RPC that leaves a process."""
    return Pair(Point(f"{method}.before_call", service), Point(f"{method}.after_call", service), hits_max)


def hint(service: str) -> Pair:
    """Return the points before and after a server tells workers that there is work."""
    return Pair(Point("hint.before_send", service), Point("hint.after_send", service))


FIRST_CHARGE = call("LookupVendors", "customer_charge", hits_max=1)
"""Reached by the first charge of each vendor only."""

UNDER_LOAD = [
    call("Dispatch", "gateway"),
    commit("accept_charges", "customer_charge"),
    hint("customer_charge"),
    call("DebitVendors", "customer_charge.worker"),
    commit("debit_vendors", "vendor_credit"),
    commit("settle_charges", "customer_charge.worker"),
    commit("resolve_charge", "customer_charge", hits_max=1),
    commit("reverse_charge", "customer_charge"),
    commit("settle_reversals", "customer_charge.worker"),
    call("CreditVendors", "customer_charge.worker"),
    commit("credit_vendors", "vendor_credit"),
    commit("submit_credit_request", "vendor_credit"),
    commit("decide_credit_request", "vendor_credit"),
    hint("vendor_credit"),
    commit("post_credit", "vendor_credit.worker", hits_max=1),
    commit("relay_facts", "vendor_credit.worker", hits_max=1),
    call("AppendFacts", "vendor_credit.worker", hits_max=1),
    commit("record_events", "customer_charge", hits_max=1),
]
"""The life of a charge, a reversal and of credit, from the door to the books and the feed."""

SWEPT = [
    call("DebitVendors", "scheduler", hits_max=1),
    commit("settle_charges", "scheduler", hits_max=1),
    commit("settle_reversals", "scheduler", hits_max=2),
    call("CreditVendors", "scheduler", hits_max=1),
    commit("post_credit", "scheduler", hits_max=1),
    commit("relay_facts", "scheduler", hits_max=1),
]
"""The same work done by the sweeper, which alone is left when no hint arrives."""

RARE = {
    "expire_credit_requests": "once a minute, on requests that are a month old: tests/integration/test_credit_requests.py",
    "check_ledgers": "once a minute, and again from the same checkpoint: tests/integration/test_books_check.py",
    "check_new_charges": "as check_ledgers",
    "finish_check": "as check_ledgers",
    "stop_vendors": "only where books are broken: tests/integration/test_books_check.py",
    "stop_customers": "as stop_vendors",
    "change_webhooks": "keyed as other writes are: tests/integration/test_webhooks.py",
    "deliver_webhooks": "leases and repeated deliveries: tests/integration/test_webhooks.py",
}
"""What no workload leads to in the time of a test, and where it is tested instead."""

OFFICE = {
    "create_vendor": "vendor_credit",
    "update_vendor": "vendor_credit",
    "read_statement": "vendor_credit",
    "create_customer": "customer_charge",
    "create_user": "gateway",
    "create_user_token": "gateway",
    "create_token": "gateway",
    "disable_user": "gateway",
    "revoke_token": "gateway",
    "rotate_signing_key": "gateway",
}
"""What operators and partners do now and then, by the process whose operation has that name."""
