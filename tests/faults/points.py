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


def sending(what: str, service: str, *, hits_max: int = 3) -> Pair:
    """Return the points before and after something else is sent: a hint that there is work, a webhook."""
    return Pair(Point(f"{what}.before_send", service), Point(f"{what}.after_send", service), hits_max)


FIRST_CHARGE = call("LookupVendors", "customer_charge", hits_max=1)
"""Reached by the first charge of each vendor only."""

UNDER_LOAD = [
    call("ExchangeEnvelopes", "gateway"),
    call("Dispatch", "gateway", hits_max=1),
    commit("accept_charges", "customer_charge"),
    sending("hint", "customer_charge"),
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
    sending("hint", "vendor_credit"),
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
    call("AppendFacts", "scheduler", hits_max=1),
]
"""The same work done by the sweeper, which alone is left when no hint arrives."""

BETWEEN_CELLS = [
    commit("credit_apart", "customer_charge.worker"),
    commit("debit_apart", "customer_charge.worker"),
    commit("release_elsewhere", "scheduler"),
]
"""What is between two cells: reached only where there are several, so it is not in the lists above."""

WEBHOOKS = [
    commit("deliver_webhooks", "customer_charge.worker"),
    sending("webhook", "customer_charge.worker"),
]
"""The way of an event to a partner's endpoint."""

SWEPT_WEBHOOKS = [
    commit("deliver_webhooks", "scheduler"),
    sending("webhook", "scheduler"),
]
"""The same by the scheduler, which finds endpoints that no hint led to."""

CHECK = "check"
"""A check of the books of these tests' own, begun when they like; see one_check.py. The scheduler makes one each minute."""

CHECKED = [
    commit("expire_credit_requests", CHECK),
    commit("check_ledgers", CHECK),
    call("GetDecisions", CHECK),
    call("ListDebits", CHECK),
    commit("check_new_charges", CHECK),
    call("ListReversalCredits", CHECK),
    commit("check_new_reversals", CHECK),
    call("VerifyVendorAuditLog", CHECK),
    call("VerifyIdentityAuditLog", CHECK),
    commit("finish_check", CHECK),
    commit("check_whole", CHECK),
]
"""What is done each minute, and the check of everything."""

CHECKED_AND_BROKEN = [
    call("GetReversalCredits", CHECK),
    commit("stop_vendors", CHECK),
    commit("stop_customers", CHECK),
]
"""What follows where the books are broken."""

PERIODIC = [
    (call("GetTrustState", "vendor_credit").before, call("GetTrustState", "customer_charge").after, call("Check", "gateway").before),
    (call("GetTrustState", "vendor_credit").after, call("GetTrustState", "customer_charge").before, call("Check", "gateway").after),
]
"""What processes ask each other by themselves, or for whoever asks whether they are ready: three that die at a time."""

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
    "change_webhooks": "customer_charge",
}
"""What operators and partners do now and then, by the process whose operation has that name."""

ASKED = {
    "create_user": call("LookupVendors", "gateway"),
    "preview_charge": call("PreviewDebits", "customer_charge"),
    "read_books": call("VerifyVendorLedgers", "customer_charge"),
}
"""What a process asks another one for somebody's sake, by what leads there."""


def all_deaths() -> set[Point]:
    """Return all points that some fault test arms, each with the process that dies there."""
    pairs = [*UNDER_LOAD, FIRST_CHARGE, *SWEPT, *BETWEEN_CELLS, *WEBHOOKS, *SWEPT_WEBHOOKS, *CHECKED, *CHECKED_AND_BROKEN, *ASKED.values()]
    pairs += [commit(operation, service) for operation, service in OFFICE.items()]
    return {point for pair in pairs for point in pair[:2]} | {point for points in PERIODIC for point in points}


def all_points() -> set[str]:
    """Return the names of all points that some fault test arms."""
    return {point.name for point in all_deaths()}
