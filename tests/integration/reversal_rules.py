"""The steps of reversals for the model test: whatever is reversed, repeated, cut short and done twice, databases and model agree."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, multiple, rule

from services.customer_charge.domain.charges import ChargeState
from services.customer_charge.operations.read_charges import get_charge
from services.customer_charge.operations.read_reversals import get_reversal
from services.customer_charge.operations.reverse_charge import reverse_charge
from services.customer_charge.operations.settle_reversals import debit_customers, finish
from shared.errors import FailedPrecondition, IdempotencyKeyReused
from tests.integration.money import Money, reversal_order
from tests.integration.money_model import Model, ModelCharge, ModelReversal

T = TypeVar("T")

SHARES = st.none() | st.integers(1, 120)
REVERSAL_KEYS = 12
"""Half of them are keys that charges use too."""


class ReversalRules(RuleBasedStateMachine):
    """The rules; `charges` is the bundle of the machine that these are mixed into, which also makes the model."""

    money: Money
    runner: asyncio.Runner
    model: Model

    charges = Bundle("charges")
    reversals = Bundle("reversals")
    taken = Bundle("taken")

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one operation to its end."""
        return self.runner.run(work)

    @rule(target=reversals, charge=charges, asked=SHARES, number=st.integers(1, REVERSAL_KEYS))
    def reverse(self, charge: ModelCharge, asked: int | None, number: int) -> Any:
        """ACCEPT of a reversal: once per key, only of what succeeded, and never more than is left."""
        order = reversal_order(charge.id, asked, f"key-{number}")
        known, left = self.model.keys.get((charge.vendor.id, order.key)), self.model.left_of(charge)
        accept = reverse_charge(self.money.cells, order, None)
        if isinstance(known, ModelReversal) and (known.charge, known.asked) == (charge, asked):
            found = self.do(accept)
            assert (found.reversal.id, found.reversal.state, found.replayed) == (known.id, known.state, True)
            return multiple()
        if known is not None:
            with pytest.raises(IdempotencyKeyReused):
                self.do(accept)
            return multiple()
        if charge.state != ChargeState.SUCCEEDED or left == 0 or (asked or 0) > left:
            with pytest.raises(FailedPrecondition) as refused:
                self.do(accept)
            assert refused.value.reason == ("REVERSAL_EXCEEDS_CHARGE" if charge.state == ChargeState.SUCCEEDED else "CHARGE_NOT_SUCCEEDED")
            return multiple()
        accepted = self.do(accept).reversal
        assert (accepted.id, accepted.amount) == (order.reversal_id, asked or left)
        made = ModelReversal(accepted.id, charge, asked or left, asked)
        self.model.keys[charge.vendor.id, order.key] = self.model.reversals[made.id] = made
        return made

    @rule(target=taken, batch=st.lists(reversals, min_size=1, max_size=4, unique_by=id))
    def take(self, batch: list[ModelReversal]) -> Any:
        """DEBIT a batch, in any order, again and long after it was settled too."""
        fresh = [each for each in batch if each.debited is None]
        self.model.take(batch)
        debited, failed = self.do(debit_customers(self.money.cells, [each.pending for each in batch]))
        assert [each.reversal_id for each in debited] == [each.id for each in batch if not each.final]
        expected = [(each.id, each.available, each.amount - each.available) for each in fresh if not each.debited]
        assert [(each.reversal.reversal_id, each.available, each.shortfall) for each in failed] == expected
        return multiple(*[each for each in batch if each.debited])

    @rule(batch=st.lists(taken, min_size=1, max_size=4, unique_by=id), finishing=st.booleans())
    def give(self, batch: list[ModelReversal], finishing: bool) -> None:
        """CREDIT what was debited, with repetitions, and go on to FINISH or die before it."""
        pending = [each.pending for each in batch]
        self.model.give(batch)
        credits_made = self.do(self.money.ledger.reversals.credit(pending))
        assert [(each.given, each.vendor_balance_after) for each in credits_made] == [(True, each.balance_after) for each in batch]
        if finishing:
            expected = self.model.close(batch)
            finished = self.do(finish(self.money.cells.of(pending[0].vendor_id), pending, credits_made))
            assert {each.reversal.reversal_id for each in finished} == expected

    @rule()
    def settle_all_reversals(self) -> None:
        """Settle all reversals, oldest first."""
        left = sorted((each for each in self.model.reversals.values() if not each.final), key=lambda each: each.id)
        self.model.take(left)
        self.model.give([each for each in left if each.debited])
        self.model.close([each for each in left if each.debited])
        assert self.do(self.money.settle_reversals()) == len(left)

    @rule(customer=st.integers(0, 1), amount=st.integers(1, 120))
    def spend(self, customer: int, amount: int) -> None:
        """Let a customer use credit, so that some reversals find too little."""
        customer_id = list(self.model.customers)[customer]
        if amount <= self.model.customers[customer_id]:
            self.do(self.money.spend(customer_id, amount))
            self.model.customers[customer_id] -= amount

    def reversals_agree(self) -> None:
        """Assert that all reversals, and what the charges show of them, are what the model says. Only for a settled machine."""
        for reversal in self.model.reversals.values():
            found = self.do(get_reversal(self.money.cells, reversal.id, None))
            assert (found.state, found.amount, found.available) == (
                reversal.state,
                reversal.amount,
                None if reversal.debited else reversal.available,
            )
        for charge in self.model.charges.values():
            done = sum(each.amount for each in self.model.reversals.values() if each.charge is charge and each.debited)
            assert self.do(get_charge(self.money.cells, charge.id, None)).reversed_amount == done <= charge.amount
