"""The check of everything: what was tampered with behind the checkpoints stops the account concerned and no other, and stays in sight."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.customer_charge.domain.charges import ChargeState, FailureReason
from services.customer_charge.operations.check_new_charges import check_new_charges
from services.customer_charge.operations.check_new_reversals import check_new_reversals
from services.customer_charge.operations.read_books_state import read_books_state
from services.customer_charge.operations.read_charges import get_charge
from services.customer_charge.operations.read_customers import get_customer
from services.customer_charge.operations.stop_customers import release_customer
from services.scheduler.books_check import BooksChecker, BooksMetrics
from services.scheduler.whole_check import WholeChecker
from services.vendor_credit.operations.check_ledgers import check_new_entries
from services.vendor_credit.operations.read_vendors import get_vendor
from services.vendor_credit.operations.stop_vendors import release_vendor
from shared.audit_log.reading import LogFilter, list_audit_log
from shared.clock import utc_now
from shared.errors import Unavailable
from tests.databases import Databases
from tests.integration.money import Money, open_money, order
from tests.integration.test_books_check import as_owner

ACTOR = "peer:scheduler"
CREDIT, AMOUNT, PART = 1_000, 50, 20


@pytest.fixture
async def money(databases: Databases) -> AsyncIterator[Money]:
    """Give both services' databases."""
    async with open_money(databases) as opened:
        yield opened


@dataclass(frozen=True)
class Behind:
    """Books whose every row lies behind the checkpoints: a vendor and a customer with charges and a reversal, and two without blame."""

    vendor: int
    customer: int
    other_vendor: int
    other_customer: int
    charge: str
    reversal: str


async def check_minute(money: Money) -> list[str]:
    """Check what is new, also of this very moment, and return what was found."""

    async def stop(findings: Mapping[int, str]) -> None:
        assert not findings

    soon, none = utc_now() + timedelta(seconds=1), timedelta(0)
    found = [finding for broken in await money.vendors.gather(partial(check_new_entries, actor=ACTOR)) for finding in broken.values()]
    found += (await check_new_charges(money.cells, money.ledger, stop, now=soon, actor=ACTOR, grace=none)).findings
    found += (await check_new_reversals(money.cells, money.ledger.reversals, stop, now=soon, actor=ACTOR, grace=none)).findings
    return found


async def books_behind(money: Money) -> Behind:
    """Charge for two vendors and two customers, reverse a part, and move all checkpoints to the end."""
    vendor, other_vendor = await money.vendor(CREDIT), await money.vendor(CREDIT)
    customer, other_customer = await money.customer(), await money.customer()
    charge = await money.charged(vendor, customer, AMOUNT)
    made = await money.reverse(charge, PART)
    await money.settle_reversals()
    for by, to in ((vendor, customer), (other_vendor, other_customer)):
        await money.charged(by, to, AMOUNT)
    assert await check_minute(money) == []
    return Behind(vendor, customer, other_vendor, other_customer, charge, made.reversal.id)


def whole_checker(money: Money, hours: float = 24) -> WholeChecker:
    """Return a check of everything."""
    return WholeChecker(money.vendors, money.cells, money.ledger, hours, ACTOR)


async def stopped(money: Money, books: Behind) -> tuple[bool, bool, bool, bool]:
    """Tell who is stopped: the vendor, the customer, the other vendor, the other customer."""
    vendors = [(await get_vendor(money.vendors, each)).stopped for each in (books.vendor, books.other_vendor)]
    customers = [bool((await get_customer(money.cells, each, None)).stopped) for each in (books.customer, books.other_customer)]
    return vendors[0], customers[0], vendors[1], customers[1]


VENDOR, CUSTOMER = "vendor", "customer"
TAMPERING = [
    ("vendor_credit", "UPDATE vendor_entries SET amount = amount + 1 WHERE vendor_id = {vendor} AND seq = 2", VENDOR),
    ("vendor_credit", "DELETE FROM vendor_entries WHERE vendor_id = {vendor} AND seq = 2", VENDOR),
    ("vendor_credit", "UPDATE debit_decisions SET amount = amount + 1 WHERE charge_id = '{charge}'", VENDOR),
    ("vendor_credit", "UPDATE debit_decisions SET outcome = 2, reason = 1 WHERE charge_id = '{charge}'", VENDOR),
    ("vendor_credit", "DELETE FROM debit_decisions WHERE charge_id = '{charge}'", VENDOR),
    ("vendor_credit", "UPDATE reversal_credits SET amount = amount + 1 WHERE reversal_id = '{reversal}'", VENDOR),
    ("customer_charge", "UPDATE customer_entries SET amount = amount + 1 WHERE customer_id = {customer} AND seq = 1", CUSTOMER),
    (
        "customer_charge",
        "UPDATE customer_entries SET balance_after = balance_after + 1 WHERE customer_id = {customer} AND seq = 1",
        CUSTOMER,
    ),
    ("customer_charge", "DELETE FROM customer_entries WHERE customer_id = {customer} AND seq = 1", CUSTOMER),
    ("customer_charge", "UPDATE charges SET amount = amount + 1 WHERE id = '{charge}'", VENDOR),
    ("customer_charge", "DELETE FROM charges WHERE vendor_id = {vendor} AND id <> '{charge}'", VENDOR),
    ("customer_charge", "UPDATE charge_keys SET amount = amount + 1 WHERE charge_id = '{charge}'", VENDOR),
    ("customer_charge", "UPDATE charge_keys SET customer_id = customer_id + 1 WHERE charge_id = '{charge}'", VENDOR),
    ("customer_charge", "DELETE FROM charge_keys WHERE charge_id = '{charge}'", VENDOR),
    ("customer_charge", "UPDATE charge_keys SET reversal_id = gen_random_uuid() WHERE reversal_id = '{reversal}'", VENDOR),
    ("customer_charge", "DELETE FROM charge_keys WHERE reversal_id = '{reversal}'", VENDOR),
]


@pytest.mark.parametrize(("schema", "tampering", "account"), TAMPERING)
async def test_tampering_behind_the_checkpoints_stops_the_account_and_no_other(
    databases: Databases, money: Money, schema: str, tampering: str, account: str
) -> None:
    """The check of each minute does not read it again; that of everything stops who is concerned, once, and the audit log says why."""
    books = await books_behind(money)
    as_owner(databases, schema, tampering.format(**vars(books)))
    assert await check_minute(money) == []
    await whole_checker(money).run_once()
    assert await stopped(money, books) == (account == VENDOR, account == CUSTOMER, False, False)

    refused, passing = await money.accept(
        order(books.vendor, books.customer, AMOUNT), order(books.other_vendor, books.other_customer, AMOUNT)
    )
    await money.settle()
    failed, succeeded = [await get_charge(money.cells, each.charge.id, None) for each in (refused, passing)]
    assert (failed.state, failed.failure_reason) == (ChargeState.FAILED, FailureReason.ACCOUNT_STOPPED)
    assert succeeded.state == ChargeState.SUCCEEDED

    cells, target = (money.vendors, books.vendor) if account == VENDOR else (money.cells, books.customer)
    log = LogFilter(target=f"{account}:{target}", action=f"stop_{account}")
    (entry,) = await list_audit_log(cells.of(target), log, before_seq=2**63 - 1, limit=10)
    assert entry.actor == ACTOR
    assert entry.facts["finding"]

    if account == VENDOR:
        await release_vendor(money.vendors, books.vendor, reason="looked into", actor="user:1")
    else:
        await release_customer(money.cells, books.customer, reason="looked into", actor="user:1")
    await whole_checker(money).run_once()
    assert await stopped(money, books) == (False, False, False, False)


@pytest.mark.parametrize(("schema", "tampering"), [each[:2] for each in TAMPERING])
async def test_the_metrics_show_it_until_it_is_no_longer_found(databases: Databases, money: Money, schema: str, tampering: str) -> None:
    """The check of each minute, which finds nothing, does not hide what the check of everything found."""
    books = await books_behind(money)
    registry = CollectorRegistry()
    logs: Any = SimpleNamespace(check=_no_logs)
    minute = BooksChecker(money.vendors, money.cells, money.ledger, logs, BooksMetrics(registry), actor=ACTOR)

    def shown(name: str) -> float:
        return registry.get_sample_value(f"charging_books_{name}") or 0.0

    await minute.run_once()
    assert (shown("findings"), shown("drift"), shown("last_whole_check_timestamp_seconds")) == (0, 0, 0)
    as_owner(databases, schema, tampering.format(**vars(books)))
    found = await whole_checker(money).run_once()
    for _ in range(2):
        await minute.run_once()
        assert shown("stopped_vendors") + shown("stopped_customers") == 1
        assert shown("findings") > 0
        assert shown("drift") == found.drift
    assert shown("last_whole_check_timestamp_seconds") == pytest.approx(found.checked_at.timestamp(), abs=1)


async def test_a_clean_check_of_everything_ends_the_alarm(databases: Databases, money: Money) -> None:
    """And what is broken anew after it was mended stops the account anew."""
    books = await books_behind(money)
    change = f"UPDATE charge_keys SET amount = amount + {{}} WHERE charge_id = '{books.charge}'"
    for _ in range(2):
        as_owner(databases, "customer_charge", change.format(1))
        await whole_checker(money).run_once()
        assert await stopped(money, books) == (True, False, False, False)
        assert (await read_books_state(money.cells)).findings
        as_owner(databases, "customer_charge", change.format(-1))
        assert (await whole_checker(money).run_once()).findings == []
        assert (await read_books_state(money.cells)).findings == []
        await release_vendor(money.vendors, books.vendor, reason="mended", actor="user:1")


async def test_drift_that_was_mended_ends_with_the_next_minute(databases: Databases, money: Money) -> None:
    """What the services disagree about is looked at again each minute, wherever it lies."""
    books = await books_behind(money)
    change = f"UPDATE debit_decisions SET amount = amount + {{}} WHERE charge_id = '{books.charge}'"
    as_owner(databases, "vendor_credit", change.format(1))
    assert (await whole_checker(money).run_once()).drift == AMOUNT
    await check_minute(money)
    assert (await read_books_state(money.cells)).drift == AMOUNT
    as_owner(databases, "vendor_credit", change.format(-1))
    await check_minute(money)
    assert (await read_books_state(money.cells)).drift == 0


async def test_it_is_due_once_in_so_many_hours(money: Money) -> None:
    """A restart of the scheduler does not make it due, and one that did not come to its end leaves it due."""
    vendor, customer = await money.vendor(CREDIT), await money.customer()
    await money.charged(vendor, customer, AMOUNT)

    async def nobody_answers(timeout_seconds: float) -> Any:
        raise Unavailable("the vendor ledger is out of reach")

    answer, money.ledger.verify_ledgers = money.ledger.verify_ledgers, nobody_answers  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await whole_checker(money).run_if_due()
    money.ledger.verify_ledgers = answer  # type: ignore[method-assign]
    assert await whole_checker(money).run_if_due() == 1
    assert await whole_checker(money).run_if_due() == 0
    assert await whole_checker(money, hours=1e-9).run_if_due() == 1


async def _no_logs(**_: Any) -> list[Any]:
    return []
