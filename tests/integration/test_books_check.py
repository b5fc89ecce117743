"""The check of each minute: it finds what was tampered with, stops the account concerned and nobody else, and never cries wolf."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from services.customer_charge.domain.charges import ChargeState, FailureReason
from services.customer_charge.operations.check_new_charges import NewChargesCheck, check_new_charges
from services.customer_charge.operations.read_books_state import read_books_state
from services.customer_charge.operations.read_charges import get_charge
from services.customer_charge.operations.read_customers import get_customer
from services.customer_charge.operations.settle_charges import settle_slot
from services.customer_charge.operations.stop_customers import release_customer, stop_customers
from services.scheduler.books_check import BooksChecker, BooksMetrics
from services.vendor_credit.domain.reversals import CreditOutcome, ReversalCredit
from services.vendor_credit.operations.check_ledgers import check_new_entries
from services.vendor_credit.operations.credit_vendors import credit_vendors
from services.vendor_credit.operations.decide_credit_request import approve_credit_request
from services.vendor_credit.operations.post_credit import post_credit, sweep_unposted
from services.vendor_credit.operations.read_vendors import get_vendor
from services.vendor_credit.operations.stop_vendors import release_vendor, stop_vendors
from services.vendor_credit.operations.submit_credit_request import submit_credit_request
from services.vendor_credit.operations.update_vendor import update_vendor
from shared.audit_log.reading import LogFilter, list_audit_log
from shared.clock import utc_now
from shared.errors import FailedPrecondition, Unavailable
from shared.uuid7 import uuid7_text
from tests.databases import Databases
from tests.integration.money import Money, open_money, order

STOPPED = FailureReason.ACCOUNT_STOPPED

CREDIT, AMOUNT = 1_000, 10


@pytest.fixture
async def money(databases: Databases) -> AsyncIterator[Money]:
    """Give both services' databases."""
    async with open_money(databases) as money:
        yield money


def as_owner(databases: Databases, service: str, statement: str) -> None:
    """Do what only the owner of the database can, exactly one row at a time, in whichever cell the row is."""
    written = 0
    for schema in databases.schemas(service):
        with psycopg.connect(databases.admin_url, options=f"-c search_path={schema}", autocommit=True) as connection:
            written += connection.execute(statement.encode()).rowcount
    assert written == 1


async def check_entries(money: Money, *, actor: str) -> dict[int, str]:
    """Check what is new in the ledgers of all vendors."""
    return {
        vendor: finding
        for broken in await money.vendors.gather(partial(check_new_entries, actor=actor))
        for vendor, finding in broken.items()
    }


async def check_charges(money: Money) -> NewChargesCheck:
    """Check new charges, also those of this very moment."""
    return await check_new_charges(
        money.cells, money.ledger, _stop_nobody, now=utc_now() + timedelta(seconds=1), actor="peer:scheduler", grace=timedelta(0)
    )


async def _stop_nobody(_: Any) -> None:
    """Leave the vendors to the test."""


async def charged(money: Money, vendor_id: int, customer_id: int, amount: int = AMOUNT) -> Any:
    """Charge and settle; return the charge as it is then."""
    (accepted,) = await money.accept(order(vendor_id, customer_id, amount))
    await money.settle()
    return await get_charge(money.cells, accepted.charge.id, None)


async def test_whole_books_pass_and_are_read_once(money: Money) -> None:
    """Nothing is stopped, and the next check has nothing left to match."""
    vendor_id, customer_id = await money.vendor(CREDIT), await money.customer()
    for _ in range(3):
        await charged(money, vendor_id, customer_id)
    await charged(money, vendor_id, customer_id, CREDIT)
    assert await check_entries(money, actor="peer:scheduler") == {}
    first, second = await check_charges(money), await check_charges(money)
    assert (first.charges, first.drift, first.findings) == (4, 0, [])
    assert (second.charges, second.drift, second.findings) == (0, 0, [])


async def test_no_false_alarm_while_charges_run(money: Money) -> None:
    """Checks beside accepting and settling find nothing, whatever moment they see."""
    vendor_ids = [await money.vendor(CREDIT) for _ in range(3)]
    customer_ids = [await money.customer() for _ in range(3)]
    running = True

    async def charge() -> None:
        for number in range(60):
            await money.accept(*(order(vendor_id, customer_ids[number % 3], AMOUNT) for vendor_id in vendor_ids))
            await money.settle()

    async def check() -> int:
        checks = 0
        while running:
            assert await check_entries(money, actor="peer:scheduler") == {}
            assert (await check_charges(money)).findings == []
            checks += 1
        return checks

    checking = asyncio.create_task(check())
    await charge()
    running = False
    assert await checking > 1
    assert (await check_charges(money)).findings == []
    assert not (await money.books()).findings


VENDOR_TAMPERING = [
    "UPDATE vendor_entries SET amount = amount + 1 WHERE vendor_id = {vendor} AND seq = 2",
    "UPDATE vendor_entries SET balance_after = balance_after - 1 WHERE vendor_id = {vendor} AND seq = 2",
    "UPDATE vendor_entries SET reference = 'other' WHERE vendor_id = {vendor} AND seq = 2",
    "UPDATE vendor_entries SET created_at = created_at + interval '1 second' WHERE vendor_id = {vendor} AND seq = 2",
    "DELETE FROM vendor_entries WHERE vendor_id = {vendor} AND seq = 2",
    "DELETE FROM vendor_entries WHERE vendor_id = {vendor} AND seq = 3",
    "UPDATE vendors SET balance = balance + 1 WHERE id = {vendor}",
    "UPDATE vendors SET last_hash = 'x' WHERE id = {vendor}",
    "UPDATE debit_decisions SET outcome = 2, reason = 1 WHERE charge_id = '{charge}'",
    "UPDATE credit_requests SET amount = amount + 1 WHERE vendor_id = {vendor}",
]


@pytest.mark.parametrize("tampering", VENDOR_TAMPERING)
async def test_a_tampered_vendor_is_stopped_and_no_other(databases: Databases, money: Money, tampering: str) -> None:
    """Its next charge fails, its credit waits, its limit stays; the others go on; and a person's release lets it go on too."""
    victim, other, customer_id = await money.vendor(CREDIT), await money.vendor(CREDIT), await money.customer()
    first = await charged(money, victim, customer_id)
    await charged(money, victim, customer_id)
    as_owner(databases, "vendor_credit", tampering.format(vendor=victim, charge=first.id))
    broken = await check_entries(money, actor="peer:scheduler")
    assert list(broken) == [victim]
    assert (await get_vendor(money.vendors, victim)).stopped
    assert not (await get_vendor(money.vendors, other)).stopped

    failed, succeeded = await charged(money, victim, customer_id), await charged(money, other, customer_id)
    assert (failed.state, failed.failure_reason) == (ChargeState.FAILED, STOPPED)
    assert succeeded.state == ChargeState.SUCCEEDED
    await release_vendor(money.vendors, victim, reason="looked into", actor="user:1")
    assert await check_entries(money, actor="peer:scheduler") == {}
    assert (await charged(money, victim, customer_id)).state == ChargeState.SUCCEEDED


async def test_a_stopped_vendor_takes_no_other_writes(money: Money) -> None:
    """Approval and changes answer ACCOUNT_STOPPED, approved credit and credit-backs wait; suspending it is possible."""
    vendor_id = await money.vendor(CREDIT)
    waiting, _ = await submit_credit_request(money.vendors, vendor_id=vendor_id, amount=5, principal="partner", key="k")
    await money.approved_request(vendor_id, 7)
    await stop_vendors(money.vendors, {vendor_id: "broken"}, actor="peer:scheduler")
    with pytest.raises(FailedPrecondition) as refused:
        await approve_credit_request(money.vendors, waiting.id, "operator", four_eyes=True)
    assert refused.value.reason == "ACCOUNT_STOPPED"
    with pytest.raises(FailedPrecondition) as refused:
        await update_vendor(money.vendors, vendor_id, name=None, credit_limit=9, suspended=None, actor="operator")
    assert refused.value.reason == "ACCOUNT_STOPPED"
    await update_vendor(money.vendors, vendor_id, name=None, credit_limit=None, suspended=True, actor="operator")
    assert (await post_credit(money.vendors, [vendor_id]), await sweep_unposted(money.vendors)) == (0, 0)
    back = ReversalCredit(uuid7_text(), vendor_id, 1)
    assert [each.outcome for each in await credit_vendors(money.vendors, [back])] == [CreditOutcome.NOT_POSSIBLE]
    await release_vendor(money.vendors, vendor_id, reason="looked into", actor="user:1")
    assert await sweep_unposted(money.vendors) == 1
    assert [each.outcome for each in await credit_vendors(money.vendors, [back])] == [CreditOutcome.CREDITED]
    assert (await get_vendor(money.vendors, vendor_id)).balance == CREDIT + 7 + 1


async def test_stop_and_release_are_in_the_audit_log_once(money: Money) -> None:
    """Stopping again and releasing again change nothing."""
    vendor_id, customer_id = await money.vendor(), await money.customer()
    for _ in range(2):
        await stop_vendors(money.vendors, {vendor_id: "broken"}, actor="peer:scheduler")
        await stop_customers(money.cells, {customer_id: "broken too"}, actor="peer:scheduler")
    for _ in range(2):
        await release_vendor(money.vendors, vendor_id, reason="mended", actor="user:1")
        await release_customer(money.cells, customer_id, reason="mended too", actor="user:2")
    for database, target, finding, reason, actor in (
        (money.vendors.of(vendor_id), f"vendor:{vendor_id}", "broken", "mended", "user:1"),
        (money.cells.of(customer_id), f"customer:{customer_id}", "broken too", "mended too", "user:2"),
    ):
        kind = target.partition(":")[0]
        found = await list_audit_log(database, LogFilter(target=target), before_seq=2**63 - 1, limit=10)
        assert [
            (entry.actor, entry.action, entry.facts) for entry in reversed(found) if "stop" in entry.action or "release" in entry.action
        ] == [
            ("peer:scheduler", f"stop_{kind}", {"finding": finding}),
            (actor, f"release_{kind}", {"reason": reason}),
        ]


CUSTOMER_TAMPERING = [
    ("UPDATE customers SET balance = balance + 1 WHERE id = {customer}", 0),
    ("UPDATE customers SET last_seq = last_seq - 1 WHERE id = {customer}", 0),
    ("UPDATE customer_entries SET balance_after = balance_after + 1 WHERE customer_id = {customer} AND seq = 1", 1),
    ("UPDATE customer_entries SET amount = amount + 1 WHERE customer_id = {customer} AND seq = 2", 1),
    ("DELETE FROM customer_entries WHERE customer_id = {customer} AND seq = 2", 1),
    ("UPDATE customer_entries SET vendor_id = vendor_id + 1 WHERE customer_id = {customer} AND seq = 2", 1),
]


@pytest.mark.parametrize(("tampering", "drifts"), CUSTOMER_TAMPERING)
async def test_a_tampered_customer_is_stopped_and_no_other(databases: Databases, money: Money, tampering: str, drifts: int) -> None:
    """Charges for it fail, those for others succeed, and what the books disagree about is drift."""
    vendor_id, victim, other = await money.vendor(CREDIT), await money.customer(), await money.customer()
    for _ in range(2):
        await charged(money, vendor_id, victim)
    as_owner(databases, "customer_charge", tampering.format(customer=victim))
    check = await check_charges(money)
    assert list(check.customers) == [victim]
    assert check.vendors == {}
    assert (check.drift > 0) == bool(drifts)
    assert (await get_customer(money.cells, victim, None)).stopped
    failed, succeeded = await charged(money, vendor_id, victim), await charged(money, vendor_id, other)
    assert (failed.state, failed.failure_reason) == (ChargeState.FAILED, STOPPED)
    assert succeeded.state == ChargeState.SUCCEEDED


DRIFT = [
    ("customer_charge", "UPDATE charges SET amount = amount + 1 WHERE id = '{charge}'"),
    ("customer_charge", "UPDATE charges SET state = 3, failure_reason = 1 WHERE id = '{charge}'"),
    ("customer_charge", "DELETE FROM charges WHERE id = '{charge}'"),
    ("vendor_credit", "UPDATE debit_decisions SET amount = amount + 1 WHERE charge_id = '{charge}'"),
    ("vendor_credit", "DELETE FROM debit_decisions WHERE charge_id = '{charge}'"),
    ("vendor_credit", "DELETE FROM vendor_entries WHERE reference = '{charge}'"),
]


KEPT = {"customer_charge": ["charges"], "vendor_credit": ["debit_decisions", "vendor_entries"]}
"""What is tampered with, by service."""


@pytest.mark.parametrize(("schema", "tampering"), DRIFT)
async def test_what_the_services_disagree_about_is_drift_until_it_is_mended(
    databases: Databases, money: Money, schema: str, tampering: str
) -> None:
    """The vendor is stopped once; the drift stays in sight after that, and after the release, until both sides agree again."""
    vendor_id, customer_id = await money.vendor(CREDIT), await money.customer()
    await charged(money, vendor_id, customer_id)
    charge = await charged(money, vendor_id, customer_id)
    for kept_of, tables in KEPT.items():
        for table in tables:
            databases.rows(kept_of, f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")
    as_owner(databases, schema, tampering.format(charge=charge.id))
    check = await check_charges(money)
    assert list(check.vendors) == [vendor_id]
    assert check.drift >= AMOUNT
    again = await check_charges(money)
    assert (again.vendors, again.drift) == ({}, check.drift)
    assert (await read_books_state(money.cells)).drift == check.drift

    table = tampering.partition("FROM ")[2].split()[0] if "FROM" in tampering else tampering.split()[1]
    key = {"charges": "id", "debit_decisions": "charge_id", "vendor_entries": "reference"}[table]
    databases.rows(schema, f"DELETE FROM {table} WHERE {key} = '{charge.id}'")
    databases.rows(schema, f"INSERT INTO {table} SELECT * FROM kept_{table} WHERE {key} = '{charge.id}'")
    assert (await check_charges(money)).drift == 0
    assert (await read_books_state(money.cells)).drift == 0


async def test_a_charge_debited_while_its_customer_is_stopped_waits_for_the_release(money: Money) -> None:
    """What was taken from the vendor is neither lost nor credited to a broken ledger; the release takes it on."""
    vendor_id, customer_id, other = await money.vendor(CREDIT), await money.customer(), await money.customer()

    ledger = money.ledger

    class StopsMeanwhile:
        """Debits, and sees the customer stopped before the answer comes."""

        async def debit(self, pending: Any) -> Any:
            verdicts = await ledger.debit(pending)
            await stop_customers(money.cells, {customer_id: "broken"}, actor="peer:scheduler")
            return verdicts

    waiting, passing = await money.accept(order(vendor_id, customer_id, AMOUNT), order(vendor_id, other, AMOUNT))
    for slot in range(money.slots):
        await settle_slot(money.cells, StopsMeanwhile(), slot, limit=100)
    assert (await get_charge(money.cells, waiting.charge.id, None)).state == ChargeState.ACCEPTED
    assert (await get_charge(money.cells, passing.charge.id, None)).state == ChargeState.SUCCEEDED
    await money.settle()
    assert (await get_customer(money.cells, customer_id, None)).balance == 0
    await release_customer(money.cells, customer_id, reason="looked into", actor="user:1")
    await money.settle()
    assert (await get_charge(money.cells, waiting.charge.id, None)).state == ChargeState.SUCCEEDED
    assert (await get_customer(money.cells, customer_id, None)).balance == AMOUNT
    books = await money.books()
    assert (books.drift, books.findings) == (0, [])


async def test_the_metrics_tell_of_a_broken_account(databases: Databases, money: Money) -> None:
    """The alarm rises with the check that finds it, and the operator's view says the same."""
    vendor_id, customer_id = await money.vendor(CREDIT), await money.customer()
    await charged(money, vendor_id, customer_id)
    registry = CollectorRegistry()
    logs: Any = SimpleNamespace(check=_no_logs)
    checker = BooksChecker(money.vendors, money.cells, money.ledger, logs, BooksMetrics(registry), actor="peer:scheduler")

    def shown() -> tuple[float | None, ...]:
        names = ("stopped_vendors", "findings", "drift")
        return tuple(registry.get_sample_value(f"charging_books_{name}") for name in names)

    await checker.run_once()
    assert shown() == (0, 0, 0)
    as_owner(databases, "vendor_credit", f"UPDATE vendors SET balance = balance + 1 WHERE id = {vendor_id}")
    await checker.run_once()
    assert shown() == (1, 1, 0)
    state = await read_books_state(money.cells)
    assert (state.stopped_vendors, len(state.findings)) == (1, 1)
    assert registry.get_sample_value("charging_books_last_check_timestamp_seconds") == pytest.approx(utc_now().timestamp(), abs=60)


async def test_the_alarm_does_not_wait_for_a_service_out_of_reach(databases: Databases, money: Money) -> None:
    """What was found before somebody did not answer is shown at once; without a finding such a check is none."""

    async def nobody_answers(**_: Any) -> list[Any]:
        raise Unavailable("the audit log is out of reach")

    vendor_id = await money.vendor(CREDIT)
    registry = CollectorRegistry()
    logs: Any = SimpleNamespace(check=nobody_answers)
    checker = BooksChecker(money.vendors, money.cells, money.ledger, logs, BooksMetrics(registry), actor="peer:scheduler")
    with pytest.raises(Unavailable):
        await checker.run_once()
    assert (await read_books_state(money.cells)).checked_at is None
    as_owner(databases, "vendor_credit", f"UPDATE vendors SET balance = balance + 1 WHERE id = {vendor_id}")
    with pytest.raises(Unavailable):
        await checker.run_once()
    shown = [registry.get_sample_value(f"charging_books_{name}") for name in ("stopped_vendors", "findings")]
    assert shown == [1, 1]


async def _no_logs(**_: Any) -> list[Any]:
    return []
