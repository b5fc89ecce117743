"""The whole money path against a plain-Python model: whatever is done in whatever order, databases and model agree.

The model knows nothing of rows, locks or batches. It holds what the rules say: who has how much, which key made what, what was decided.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, multiple, rule, run_state_machine_as_test

from services.customer_charge.domain.charges import ChargeOrder
from services.customer_charge.operations.accept_charges import Accepted
from services.customer_charge.operations.read_charges import get_charge
from services.customer_charge.operations.read_customers import get_customer
from services.customer_charge.operations.settle_charges import finish
from services.vendor_credit.domain.credit_requests import RequestState
from services.vendor_credit.operations.decide_credit_request import approve_credit_request, reject_credit_request
from services.vendor_credit.operations.post_credit import post_credit
from services.vendor_credit.operations.read_credit_requests import get_credit_request
from services.vendor_credit.operations.read_vendors import get_vendor
from services.vendor_credit.operations.submit_credit_request import submit_credit_request
from services.vendor_credit.operations.update_vendor import update_vendor
from shared.errors import Conflict, FailedPrecondition, IdempotencyKeyReused
from shared.uuid7 import uuid7_text
from tests.databases import Databases
from tests.integration.money import Money, open_money
from tests.integration.money_model import INSUFFICIENT_CREDIT, Model, ModelCharge, ModelRequest, ModelVendor
from tests.integration.reversal_rules import ReversalRules

AMOUNTS = st.integers(1, 120)
"""Small against each other, so that credit runs out, limits matter and equal amounts meet."""

LIMITS = st.sampled_from([0, 60, 200])
VENDORS, CUSTOMERS, KEYS = 2, 2, 6
EXAMPLES, STEPS = 100, 30
"""Some twenty seconds; every run tries other ones."""

EMPTYING = """
SELECT format('DELETE FROM %I.%I', schemaname, tablename)
FROM pg_tables
WHERE schemaname IN ('vendor_credit', 'customer_charge')
    AND tablename NOT IN ('cell', 'audit_log_head', 'books_check') AND tablename NOT LIKE '%yoyo%'
"""


class MoneyMachine(ReversalRules):
    """Drives the operations and the model side by side, each example on empty tables.

    `money`, `runner` and `forget`, which empties the tables, are given by the fixture.
    """

    money: Money
    runner: asyncio.Runner
    forget: Callable[[], object]

    charges = Bundle("charges")
    requests = Bundle("requests")
    verdicts = Bundle("verdicts")

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        # At the beginning, not at the end: what a failed example left behind must not fail the next one.
        self.forget()

    @initialize(beginnings=st.lists(st.tuples(st.sampled_from([0, 100, 300]), LIMITS), min_size=VENDORS, max_size=VENDORS))
    def make_vendors_and_customers(self, beginnings: list[tuple[int, int]]) -> None:
        """Begin with vendors that hold some credit or none, and customers without balance."""
        for credit, limit in beginnings:
            self.model.vendors.append(ModelVendor(self.do(self.money.vendor(credit, credit_limit=limit)), limit, credit))
        for _ in range(CUSTOMERS):
            self.model.customers[self.do(self.money.customer())] = 0

    @rule(target=requests, vendor=st.integers(0, VENDORS - 1), amount=AMOUNTS, number=st.integers(1, KEYS))
    def submit_request(self, vendor: int, amount: int, number: int) -> Any:
        """Submit: a key makes one request; with the same values it is that request again, with others it is refused."""
        owner = self.model.vendors[vendor]
        key = f"request-{self.model.vendors[0].id}-{number}"
        known = self.model.requests.get(key)
        submit = submit_credit_request(self.money.vendors, vendor_id=owner.id, amount=amount, principal="partner", key=key)
        if known is not None and (known.vendor is not owner or known.amount != amount):
            with pytest.raises(IdempotencyKeyReused):
                self.do(submit)
            return multiple()
        request, replayed = self.do(submit)
        assert replayed == (known is not None)
        if known is not None:
            assert request.id == known.id
            return multiple()
        self.model.requests[key] = ModelRequest(request.id, owner, amount)
        return self.model.requests[key]

    @rule(request=requests)
    def approve(self, request: ModelRequest) -> None:
        """Approving is for pending requests, harmless for approved ones, refused for rejected ones."""
        approve = approve_credit_request(self.money.vendors, request.id, "operator", four_eyes=True)
        if request.state == RequestState.REJECTED:
            with pytest.raises(Conflict):
                self.do(approve)
            return
        self.do(approve)
        if request.state == RequestState.PENDING:
            request.state = RequestState.APPROVED

    @rule(request=requests)
    def reject(self, request: ModelRequest) -> None:
        """Rejecting is for pending requests, harmless for rejected ones, refused after approval."""
        reject = reject_credit_request(self.money.vendors, request.id, "operator", "no")
        if request.state in (RequestState.APPROVED, RequestState.CONFIRMED):
            with pytest.raises(Conflict):
                self.do(reject)
            return
        self.do(reject)
        request.state = RequestState.REJECTED

    @rule(vendor=st.integers(0, VENDORS - 1))
    def post(self, vendor: int) -> None:
        """Post approved credit, as the worker does, as often as it likes."""
        owner = self.model.vendors[vendor]
        self.do(post_credit(self.money.vendors, [owner.id]))
        self.model.post({owner.id})

    @rule(
        target=charges,
        vendor=st.integers(0, VENDORS - 1),
        customer=st.integers(0, CUSTOMERS - 1),
        items=st.lists(st.tuples(AMOUNTS, st.integers(1, KEYS)), min_size=1, max_size=5),
    )
    def accept(self, vendor: int, customer: int, items: list[tuple[int, int]]) -> Any:
        """ACCEPT a batch, keys repeated within and across batches: the first order of a key makes the charge."""
        owner, customer_id = self.model.vendors[vendor], list(self.model.customers)[customer]
        orders = [ChargeOrder(uuid7_text(), owner.id, customer_id, amount, f"key-{number}", "user:1") for amount, number in items]
        results = self.do(self.money.accept_batch(orders))
        made = []
        for order, result in zip(orders, results, strict=True):
            known = self.model.keys.get((owner.id, order.key))
            if known is None:
                assert isinstance(result, Accepted)
                assert (result.charge.id, result.replayed) == (order.charge_id, False)
                charge = ModelCharge(order.charge_id, owner, customer_id, order.amount)
                self.model.keys[owner.id, order.key] = self.model.charges[charge.id] = charge
                made.append(charge)
            elif isinstance(known, ModelCharge) and (known.customer_id, known.amount) == (customer_id, order.amount):
                assert isinstance(result, Accepted)
                assert (result.charge.id, result.charge.state, result.replayed) == (known.id, known.state, True)
            else:
                assert isinstance(result, IdempotencyKeyReused)
        return multiple(*made)

    @rule(target=verdicts, batch=st.lists(charges, min_size=1, max_size=5))
    def debit(self, batch: list[ModelCharge]) -> list[ModelCharge]:
        """DEBIT a batch, in any order, with repetitions, long after it was settled too: decisions are sticky and explain themselves."""
        self.model.debit(batch)
        for charge, verdict in zip(batch, self.do(self.money.ledger.debit([each.pending for each in batch])), strict=True):
            shortfall = charge.amount - charge.available if charge.reason == INSUFFICIENT_CREDIT else 0
            assert (verdict.debited, verdict.reason) == (charge.debited, charge.reason)
            if not verdict.debited:
                assert (verdict.available, verdict.shortfall) == (charge.available, shortfall)
        return batch

    @rule(batch=verdicts)
    def finish(self, batch: list[ModelCharge]) -> None:
        """CREDIT and FINISH what was decided, now or much later, once or again, by a worker that knows no better."""
        for slot in sorted({charge.vendor.id % self.money.slots for charge in batch}):
            mine = list({charge.id: charge for charge in batch if charge.vendor.id % self.money.slots == slot}.values())
            decided = [charge.verdict for charge in mine]
            assert self.do(finish(self.money.cells, slot, decided)) == self.model.finish(mine)

    @rule()
    def settle(self) -> None:
        """Settle every slot, oldest charge first."""
        left = sorted((charge for charge in self.model.charges.values() if not charge.final), key=lambda charge: charge.id)
        self.model.debit(left)
        assert self.do(self.money.settle()) == len(self.model.finish(left))

    @rule(vendor=st.integers(0, VENDORS - 1), suspended=st.booleans())
    def suspend(self, vendor: int, suspended: bool) -> None:
        """Stop a vendor, or let it go on."""
        owner = self.model.vendors[vendor]
        self.do(update_vendor(self.money.vendors, owner.id, name=None, credit_limit=None, suspended=suspended, actor="operator"))
        owner.suspended = suspended

    @rule(vendor=st.integers(0, VENDORS - 1), limit=LIMITS)
    def change_limit(self, vendor: int, limit: int) -> None:
        """Change a limit; one below what is used is refused."""
        owner = self.model.vendors[vendor]
        change = update_vendor(self.money.vendors, owner.id, name=None, credit_limit=limit, suspended=None, actor="operator")
        if limit < -owner.balance:
            with pytest.raises(FailedPrecondition):
                self.do(change)
            return
        self.do(change)
        owner.credit_limit = limit

    @invariant()
    def balances_agree(self) -> None:
        """Every balance is what the model says, after every step."""
        for vendor in self.model.vendors:
            assert self.do(get_vendor(self.money.vendors, vendor.id)).balance == vendor.balance
        for customer_id, balance in self.model.customers.items():
            assert self.do(get_customer(self.money.cells, customer_id, None)).balance == balance

    def teardown(self) -> None:
        """Settle what is left; then every charge and request is what the model says, and the books are whole."""
        self.settle()
        self.settle_all_reversals()
        self.balances_agree()
        self.reversals_agree()
        for charge in self.model.charges.values():
            found = self.do(get_charge(self.money.cells, charge.id, None))
            assert (found.state, found.failure_reason) == (charge.state, charge.reason)
        for request in self.model.requests.values():
            assert self.do(get_credit_request(self.money.vendors, request.id, None)).state == request.state
        books = self.do(self.money.books())
        assert (books.findings, books.drift, books.pending_charges, books.pending_reversals) == ([], 0, 0, 0)


@pytest.fixture
def machine(databases: Databases) -> Iterator[type[MoneyMachine]]:
    """Give the machine with databases to drive."""
    with (
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
        psycopg.connect(databases.admin_url, autocommit=True) as admin,
    ):
        # Whole tables go, so what refers to what does not matter.
        admin.execute("SET session_replication_role = replica")
        statements = [row[0] for row in admin.execute(EMPTYING).fetchall()]
        resources = AsyncExitStack()
        money = runner.run(resources.enter_async_context(open_money(databases)))
        given = {"money": money, "runner": runner, "forget": lambda _: admin.execute(";".join(statements))}
        yield type("DrivenMoneyMachine", (MoneyMachine,), given)
        runner.run(resources.aclose())


@pytest.mark.timeout(400)  # a failure is made as small as it can be, for up to five minutes
def test_databases_and_model_agree_whatever_is_done(machine: type[MoneyMachine]) -> None:
    """Requests, approvals, charges, reversals, retries, debits and settlements in any order, suspensions and limits."""
    bounds = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    run_state_machine_as_test(machine, settings=bounds)
