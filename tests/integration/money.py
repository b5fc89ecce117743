"""Both services' databases, opened as their runtime roles, and the steps that tests of money share."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from charging.vendor_credit.v1 import reversal_credit_pb2, vendor_credit_pb2

from services.customer_charge.domain.charge_ids import LAST_ID
from services.customer_charge.domain.charges import ChargeOrder, PendingCharge, Verdict
from services.customer_charge.domain.ledger import Entry
from services.customer_charge.domain.reversals import Credit, PendingReversal, ReversalOrder
from services.customer_charge.operations.accept_charges import Accepted, accept_charges
from services.customer_charge.operations.check_books import Books, check_books
from services.customer_charge.operations.create_customer import create_customer
from services.customer_charge.operations.reverse_charge import AcceptedReversal, reverse_charge
from services.customer_charge.operations.settle_charges import settle_slot
from services.customer_charge.operations.settle_reversals import settle_reversals
from services.customer_charge.operations.sweep_charges import sweep_charges
from services.customer_charge.storage import accounts
from services.vendor_credit.domain.debits import Debit, Outcome
from services.vendor_credit.domain.reversals import CreditOutcome, ReversalCredit
from services.vendor_credit.handlers.audit import debits_response
from services.vendor_credit.handlers.decision_messages import decision_message
from services.vendor_credit.handlers.reversal_credits import credit_message
from services.vendor_credit.operations import audit_ledgers, read_reversal_credits
from services.vendor_credit.operations.create_vendor import create_vendor
from services.vendor_credit.operations.credit_vendors import credit_vendors
from services.vendor_credit.operations.debit_vendors import debit_vendors
from services.vendor_credit.operations.decide_credit_request import approve_credit_request
from services.vendor_credit.operations.post_credit import post_credit
from services.vendor_credit.operations.submit_credit_request import submit_credit_request
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Connection, Database
from shared.errors import ChargingError
from shared.tracing.opening import open_cells
from shared.uuid7 import uuid7_text
from tests.databases import Databases

SLOTS = 4
SPENT = 99
"""A kind of customer entries that only tests make."""


class LocalReversalLedger:
    """The vendors' side of reversals without the wire."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def credit(self, debited: Sequence[PendingReversal]) -> list[Credit]:
        """Return what became of each credit."""
        due = [ReversalCredit(each.reversal_id, each.vendor_id, each.amount) for each in debited]
        results = await credit_vendors(self._cells, due)
        return [Credit(result.outcome == CreditOutcome.CREDITED, result.balance_after) for result in results]

    async def list_credits(self, after: str, limit: int) -> list[reversal_credit_pb2.ReversalCredit]:
        """Return credits in order of reversal id."""
        return [credit_message(each) for each in await read_reversal_credits.list_credits(self._cells, after=after, limit=limit)]

    async def get_credits(self, reversal_ids: Sequence[str]) -> list[reversal_credit_pb2.ReversalCredit]:
        """Return the credits that exist."""
        return [credit_message(each) for each in await read_reversal_credits.get_credits(self._cells, reversal_ids)]


class LocalVendorLedger:
    """The vendor-credit service without the wire: the same operations, called directly."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self.reversals = LocalReversalLedger(cells)

    async def debit(self, pending: Sequence[PendingCharge]) -> list[Verdict]:
        """Return one verdict per charge, in order."""
        debits = [
            Debit(charge.charge_id, charge.vendor_id, charge.amount, charge.customer_stopped, charge.customer_id, charge.allow_duplicate)
            for charge in pending
        ]
        decisions = await debit_vendors(self._cells, debits)
        return [
            Verdict(charge, debited=True, balance_after=decision.balance_after)
            if decision.outcome == Outcome.DEBITED
            else Verdict(
                charge,
                debited=False,
                reason=int(decision.reason) if decision.outcome == Outcome.REFUSED else None,
                available=decision.available,
                shortfall=decision.shortfall,
                balance_after=decision.balance_after,
            )
            for charge, decision in zip(pending, decisions, strict=True)
        ]

    async def verify_ledgers(self, timeout_seconds: float) -> vendor_credit_pb2.VerifyVendorLedgersResponse:
        """Check every vendor's ledger."""
        report = await audit_ledgers.verify_ledgers(self._cells)
        return vendor_credit_pb2.VerifyVendorLedgersResponse(
            vendors=report.vendors,
            entries=report.totals.entries,
            balance_total=report.balance_total,
            confirmed_credit_total=report.totals.confirmed_credit_total,
            debited_total=report.totals.debited_total,
            reversed_total=report.totals.reversed_total,
            findings=report.findings,
            broken_vendors=[vendor_credit_pb2.BrokenVendor(vendor_id=vendor_id, finding=finding) for vendor_id, finding in report.broken],
        )

    async def list_debits(self, after: str, limit: int, until: str = LAST_ID) -> vendor_credit_pb2.ListDebitsResponse:
        """Return debited charges in order of charge id."""
        return debits_response(await audit_ledgers.list_debits(self._cells, after=after, until=until, limit=limit))

    async def decisions(self, charge_ids: Sequence[str]) -> list[vendor_credit_pb2.DebitDecision]:
        """Return the decisions that exist."""
        return [decision_message(each) for each in await audit_ledgers.get_decisions(self._cells, charge_ids)]


@dataclass
class Money:
    """Both sides of the books, and the usual steps. `vendors` are the cells of vendor_credit, `cells` those of customer_charge."""

    vendors: Cells
    cells: Cells
    ledger: LocalVendorLedger
    spent: int = 0

    @property
    def charges(self) -> Database:
        """Return the first cell of customer_charge, the only one where there are no more."""
        return self.cells.first

    async def vendor(self, credit: int = 0, *, credit_limit: int = 0) -> int:
        """Make a vendor that holds `credit`; return its id."""
        vendor, _ = await create_vendor(self.vendors, name="v", credit_limit=credit_limit, principal="test", key=uuid7_text())
        if credit:
            await self.approved_request(vendor.id, credit)
            await post_credit(self.vendors, [vendor.id])
        return vendor.id

    async def approved_request(self, vendor_id: int, amount: int) -> int:
        """Submit and approve a request, without posting it; return its id."""
        request, _ = await submit_credit_request(self.vendors, vendor_id=vendor_id, amount=amount, principal="partner", key=uuid7_text())
        await approve_credit_request(self.vendors, request.id, "operator", four_eyes=True)
        return request.id

    async def customer(self) -> int:
        """Make a customer; return its id."""
        number = uuid7_text().replace("-", "")
        return (await create_customer(self.cells, f"+9{int(number, 16) % 10**11:011}", [], None)).id

    async def accept(self, *orders: ChargeOrder) -> list[Accepted]:
        """Accept the orders, all of which must be accepted."""
        results = await self.accept_batch(orders)
        assert all(isinstance(result, Accepted) for result in results), results
        return [result for result in results if isinstance(result, Accepted)]

    async def accept_batch(self, orders: Sequence[ChargeOrder]) -> Sequence[Accepted | ChargingError]:
        """Accept the orders, a transaction in each cell, and return what became of them, in order."""

        async def work(database: Database, part: Sequence[ChargeOrder]) -> Sequence[Accepted | ChargingError]:
            return (await accept_charges(database, part, slots=self.slots)).results

        return await self.cells.answer_each(orders, lambda order: order.vendor_id, work)

    @property
    def slots(self) -> int:
        """Return the number of slots of all cells."""
        return SLOTS * len(self.cells)

    async def settle(self) -> int:
        """Settle every slot; return how many charges became final."""
        return sum([await settle_slot(self.cells, self.ledger, slot, limit=100) for slot in range(self.slots)])

    async def sweep(self) -> int:
        """Sweep every cell; return how many charges became final."""
        return sum([await sweep_charges(self.cells, cell, self.ledger, limit=100) for cell in range(len(self.cells))])

    async def charged(self, vendor_id: int, customer_id: int, amount: int) -> str:
        """Make a charge that succeeded; return its id."""
        (accepted,) = await self.accept(order(vendor_id, customer_id, amount))
        await self.settle()
        return accepted.charge.id

    async def reverse(self, charge_id: str, amount: int | None = None, *, key: str | None = None) -> AcceptedReversal:
        """Accept a reversal, which must be accepted."""
        return await reverse_charge(self.cells, reversal_order(charge_id, amount, key), None)

    async def settle_reversals(self) -> int:
        """Settle all reversals; return how many became final."""
        return sum([await settle_reversals(self.cells, cell, self.ledger.reversals, limit=100) for cell in range(len(self.cells))])

    async def spend(self, customer_id: int, amount: int) -> None:
        """Let a customer use some of its credit: something that this system does not do yet, and that a ledger of it would look like."""

        async def work(connection: Connection) -> None:
            locked = await accounts.lock_accounts(connection, [customer_id])
            account = locked[customer_id]
            account.balance, account.last_seq = account.balance - amount, account.last_seq + 1
            entry = Entry(customer_id, account.last_seq, 0, -amount, account.balance, SPENT, uuid7_text(), utc_now())
            await accounts.write_postings(connection, [account], [entry])

        await self.cells.of(customer_id).transact(work)
        self.spent += amount

    async def books(self) -> Books:
        """Check all books."""
        return await check_books(self.cells, self.ledger, timeout_seconds=60)


def order(vendor_id: int, customer_id: int, amount: int, key: str | None = None) -> ChargeOrder:
    """Return an order with a new charge id, and a new key unless one is given."""
    charge_id = uuid7_text()
    return ChargeOrder(charge_id, vendor_id, customer_id, amount, key or f"key-{charge_id}", "user:1")


def reversal_order(charge_id: str, amount: int | None = None, key: str | None = None, reason: str = "a mistake") -> ReversalOrder:
    """Return an order with a new reversal id, and a new key unless one is given."""
    reversal_id = uuid7_text()
    return ReversalOrder(reversal_id, charge_id, amount, reason, key or f"key-{reversal_id}", "user:1")


@asynccontextmanager
async def open_money(databases: Databases) -> AsyncIterator[Money]:
    """Open both services' databases as their own roles."""
    vendors, charges = (
        open_cells(None, databases.urls[service], service, databases.cells, pool_size=8 * databases.cells, application_name="test")
        for service in ("vendor_credit", "customer_charge")
    )
    await vendors.open()
    await charges.open()
    try:
        yield Money(vendors, charges, LocalVendorLedger(vendors))
    finally:
        await vendors.close()
        await charges.close()
