"""The rules of the books in plain Python: every ledger replayed, entry by entry, from nothing.

Nothing here comes from the services' own code, not even the numbers: a mistake there must not excuse itself.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from tests.faults.facts import Facts

ACCEPTED, SUCCEEDED, FAILED = 1, 2, 3
APPROVED, CONFIRMED, REJECTED = 2, 3, 4
DEBITED, REFUSED = 1, 2
INSUFFICIENT_CREDIT = 1
CREDIT, CHARGE, REVERSAL = 1, 2, 3
CUSTOMER_CHARGE, CUSTOMER_REVERSAL = 1, 2
USED, SEALED, USED_FOR_REVERSAL = 1, 2, 3
CREDIT_CONFIRMED, BALANCE_LOW = 4, 5
DUPLICATE_CHARGE = 4


class Finding(NamedTuple):
    """One broken promise: the number of the invariant (see README.md), and a sentence."""

    invariant: int
    text: str


FINAL, ONE_EFFECT, LIMITS, LEDGERS, CONSERVATION, PROMISES = 1, 2, 3, 4, 5, 6
"""The invariants by number."""


def replay(facts: Facts) -> Iterator[Finding]:
    """Replay all ledgers and match every effect with its cause; yield what is wrong. For books at rest."""
    yield from _effects(facts)
    entries = _by(facts.vendor_entries, lambda entry: entry.vendor_id)
    for vendor in facts.vendors:
        yield from _vendor_ledger(vendor, entries[vendor.id], facts)
    credited = _by(facts.customer_entries, lambda entry: entry.customer_id)
    for customer in facts.customers:
        yield from _customer_ledger(customer, credited[customer.id], facts)
    yield from _conservation(facts)
    for account in (*facts.vendors, *facts.customers):
        if account.stop_reason is not None:
            yield Finding(PROMISES, f"an account was stopped, and its books are whole: {account.stop_reason}")


def _effects(facts: Facts) -> Iterator[Finding]:
    """One key makes one charge, one charge one decision, one entry on each side when it succeeded, and none when it failed."""
    charges = {charge.id: charge for charge in facts.charges}
    decisions = {decision.charge_id: decision for decision in facts.decisions}
    keyed: dict[str, int] = defaultdict(int)
    for key in facts.keys:
        if key.state == USED:
            keyed[key.charge_id] += 1
            charge = charges.get(key.charge_id)
            if charge is None or (charge.vendor_id, charge.customer_id, charge.amount) != (key.vendor_id, key.customer_id, key.amount):
                yield Finding(ONE_EFFECT, f"key {key.key} of vendor {key.vendor_id} stands for a charge that is not as it was ordered")
    yield from _repeated(ONE_EFFECT, "key", ((key.vendor_id, key.key) for key in facts.keys))
    yield from _repeated(ONE_EFFECT, "decision", (decision.charge_id for decision in facts.decisions))
    yield from _repeated(ONE_EFFECT, "vendor entry", ((entry.kind, entry.reference) for entry in facts.vendor_entries))
    yield from _repeated(ONE_EFFECT, "customer entry", ((entry.kind, entry.reference) for entry in facts.customer_entries))
    debited = {entry.reference: entry for entry in facts.vendor_entries if entry.kind == CHARGE}
    credited = {entry.reference: entry for entry in facts.customer_entries if entry.kind == CUSTOMER_CHARGE}
    pending = {row.charge_id for row in facts.pending}
    for charge in facts.charges:
        if keyed[charge.id] != 1:
            yield Finding(ONE_EFFECT, f"charge {charge.id} has {keyed[charge.id]} keys")
        yield from _charge(charge, decisions.get(charge.id), debited.get(charge.id), credited.get(charge.id), charge.id in pending)
    for charge_id in (decisions.keys() | debited.keys() | credited.keys()) - charges.keys():
        yield Finding(CONSERVATION, f"charge {charge_id} does not exist and had an effect")


def _charge(charge: Any, decision: Any, debit: Any, credit: Any, pending: bool) -> Iterator[Finding]:
    """Check one charge of books at rest."""
    if charge.state == ACCEPTED or pending:
        yield Finding(
            FINAL, f"charge {charge.id} is in state {charge.state}, {'pending' if pending else 'and nobody knows that it is to be done'}"
        )
        return
    wanted = DEBITED if charge.state == SUCCEEDED else REFUSED
    if decision is None or decision.outcome != wanted or (decision.vendor_id, decision.amount) != (charge.vendor_id, charge.amount):
        yield Finding(CONSERVATION, f"charge {charge.id} is in state {charge.state}, and the decision is {decision}")
    effects = (-charge.amount, charge.amount) if charge.state == SUCCEEDED else (0, 0)
    found = (debit.amount if debit else 0, credit.amount if credit else 0)
    if found != effects:
        yield Finding(CONSERVATION, f"charge {charge.id} in state {charge.state} moved {found}, not {effects}")
    if credit is not None and credit.customer_id != charge.customer_id:
        yield Finding(CONSERVATION, f"charge {charge.id} went to customer {credit.customer_id}, not {charge.customer_id}")


def _vendor_ledger(vendor: Any, entries: list[Any], facts: Facts) -> Iterator[Finding]:
    balance, digest, moment = 0, bytes(32), datetime.min.replace(tzinfo=UTC)
    available = {vendor.credit_limit}
    posted = set()
    requests = {str(request.id): request for request in facts.requests if request.vendor_id == vendor.id}
    for seq, entry in enumerate(entries, start=1):
        balance += entry.amount
        digest = sha256(digest + _canonical(entry)).digest()
        available.add(balance + vendor.credit_limit)
        where = f"vendor {vendor.id} entry {entry.seq}"
        if entry.seq != seq or entry.balance_after != balance:
            yield Finding(LEDGERS, f"{where}: seq {seq} and balance {balance} were due, not {entry.seq} and {entry.balance_after}")
        if entry.hash != digest or entry.created_at < moment:
            yield Finding(LEDGERS, f"{where}: the chain breaks, or time runs backwards")
        if balance < -vendor.credit_limit:
            yield Finding(LIMITS, f"{where}: the balance {balance} is below the limit of {-vendor.credit_limit}")
        if entry.kind == CREDIT:
            request = requests.get(entry.reference)
            posted.add(entry.reference)
            if request is None or request.state != CONFIRMED or request.amount != entry.amount:
                yield Finding(CONSERVATION, f"{where}: credit of {entry.amount} for request {request}")
        elif entry.kind not in {CHARGE, REVERSAL}:
            yield Finding(LEDGERS, f"{where}: kind {entry.kind} is not known")
        moment = entry.created_at
    if (vendor.balance, vendor.last_seq, vendor.last_hash) != (balance, len(entries), digest):
        yield Finding(
            LEDGERS,
            f"vendor {vendor.id}: the head says {vendor.balance} after {vendor.last_seq}, the ledger {balance} after {len(entries)}",
        )
    yield from _requests(requests, posted)
    for decision in facts.decisions:
        if decision.vendor_id == vendor.id and decision.outcome == REFUSED and decision.reason == INSUFFICIENT_CREDIT:
            shown = (decision.available in available, decision.available + decision.shortfall == decision.amount, decision.shortfall > 0)
            if shown != (True, True, True):
                yield Finding(PROMISES, f"charge {decision.charge_id} was refused for a balance that the ledger never had: {decision}")


def _requests(requests: Mapping[str, Any], posted: set[str]) -> Iterator[Finding]:
    for number, request in requests.items():
        if request.state == APPROVED:
            yield Finding(FINAL, f"credit request {number} is approved and was not posted")
        if request.state == CONFIRMED and number not in posted:
            yield Finding(CONSERVATION, f"credit request {number} is confirmed, and no entry says so")


def _canonical(entry: Any) -> bytes:
    since = entry.created_at - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    fields = (entry.vendor_id, entry.seq, entry.amount, entry.balance_after, entry.kind, entry.reference, microseconds)
    return "|".join(map(str, fields)).encode()


def _customer_ledger(customer: Any, entries: list[Any], facts: Facts) -> Iterator[Finding]:
    balance = 0
    for seq, entry in enumerate(entries, start=1):
        balance += entry.amount
        if entry.seq != seq or entry.balance_after != balance:
            yield Finding(LEDGERS, f"customer {customer.id} entry {entry.seq}: seq {seq} and balance {balance} were due")
        if balance < 0:
            yield Finding(LIMITS, f"customer {customer.id} entry {entry.seq}: the balance {balance} is negative")
    if (customer.balance, customer.last_seq) != (balance, len(entries)):
        yield Finding(
            LEDGERS,
            f"customer {customer.id}: {customer.balance} after {customer.last_seq} entries, the ledger {balance} after {len(entries)}",
        )


def _conservation(facts: Facts) -> Iterator[Finding]:
    confirmed = sum(request.amount for request in facts.requests if request.state == CONFIRMED)
    held = sum(vendor.balance for vendor in facts.vendors) + sum(customer.balance for customer in facts.customers)
    if confirmed != held:
        yield Finding(CONSERVATION, f"{confirmed} of credit was confirmed, and vendors and customers hold {held}")


def _repeated(invariant: int, what: str, names: Iterable[object]) -> Iterator[Finding]:
    seen: set[object] = set()
    for name in names:
        if name in seen:
            yield Finding(invariant, f"{what} {name} is there twice")
        seen.add(name)


def _by(rows: Iterable[Any], key: Callable[[Any], int]) -> dict[int, list[Any]]:
    grouped: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        grouped[key(row)].append(row)
    return grouped
