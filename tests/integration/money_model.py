"""The rules of money in plain Python: what the system must do, without rows, locks or batches."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.customer_charge.domain.charges import ChargeState, PendingCharge, Verdict
from services.customer_charge.domain.reversals import PendingReversal, ReversalState
from services.vendor_credit.domain.credit_requests import RequestState

INSUFFICIENT_CREDIT, SUSPENDED = 1, 2
"""The numbers of charging.customer_charge.v1.FailureReason."""


@dataclass(slots=True)
class ModelVendor:
    """What the rules say a vendor has."""

    id: int
    credit_limit: int
    balance: int = 0
    suspended: bool = False


@dataclass(slots=True)
class ModelRequest:
    """A credit request and its state."""

    id: int
    vendor: ModelVendor
    amount: int
    state: RequestState = RequestState.PENDING


@dataclass(slots=True)
class ModelCharge:
    """A charge: what was ordered, what was decided for ever, and whether that has reached the customer."""

    id: str
    vendor: ModelVendor
    customer_id: int
    amount: int
    debited: bool | None = None
    reason: int | None = None
    available: int = 0
    final: bool = False

    @property
    def pending(self) -> PendingCharge:
        """Return it as a worker reads it."""
        return PendingCharge(self.id, self.vendor.id, self.customer_id, self.amount)

    @property
    def verdict(self) -> Verdict:
        """Return what a worker that has debited it knows. Only for a decided charge."""
        assert self.debited is not None
        return Verdict(self.pending, debited=self.debited, reason=self.reason, available=self.available)

    @property
    def state(self) -> ChargeState:
        """Return the state that its readers must see."""
        if not self.final:
            return ChargeState.ACCEPTED
        return ChargeState.SUCCEEDED if self.debited else ChargeState.FAILED


@dataclass(slots=True, eq=False)
class ModelReversal:
    """A reversal: what was asked for and taken, whether the customer paid, and what the vendor held after it got its credit back."""

    id: str
    charge: ModelCharge
    amount: int
    asked: int | None
    debited: bool | None = None
    available: int = 0
    balance_after: int | None = None
    final: bool = False

    @property
    def pending(self) -> PendingReversal:
        """Return it as a worker reads it."""
        return PendingReversal(self.id, self.charge.id, self.charge.vendor.id, self.charge.customer_id, self.amount)

    @property
    def state(self) -> ReversalState:
        """Return the state that its readers must see."""
        if not self.final:
            return ReversalState.ACCEPTED
        return ReversalState.SUCCEEDED if self.debited else ReversalState.FAILED


@dataclass(slots=True)
class Model:
    """Everything there is, by id or key."""

    vendors: list[ModelVendor] = field(default_factory=list)
    customers: dict[int, int] = field(default_factory=dict)
    requests: dict[str, ModelRequest] = field(default_factory=dict)
    charges: dict[str, ModelCharge] = field(default_factory=dict)
    reversals: dict[str, ModelReversal] = field(default_factory=dict)
    keys: dict[tuple[int, str], ModelCharge | ModelReversal] = field(default_factory=dict)

    def post(self, vendor_ids: set[int]) -> None:
        """Confirm what is approved for these vendors."""
        for request in self.requests.values():
            if request.vendor.id in vendor_ids and request.state == RequestState.APPROVED:
                request.state = RequestState.CONFIRMED
                request.vendor.balance += request.amount

    def debit(self, charges: Sequence[ModelCharge]) -> None:
        """Decide charges in this order; what is decided stays decided."""
        fresh = [charge for charge in charges if charge.debited is None]
        if fresh:
            self.post({charge.vendor.id for charge in charges})
        for charge in fresh:
            if charge.debited is not None:
                continue  # the same charge twice in one batch
            vendor = charge.vendor
            charge.available = vendor.balance + vendor.credit_limit
            charge.reason = SUSPENDED if vendor.suspended else INSUFFICIENT_CREDIT if charge.available < charge.amount else None
            charge.debited = charge.reason is None
            if charge.debited:
                vendor.balance -= charge.amount

    def finish(self, charges: Sequence[ModelCharge]) -> set[str]:
        """Make decided charges final; return the ids of those that were not yet."""
        moved = {charge.id: charge for charge in charges if not charge.final}
        for charge in moved.values():
            charge.final = True
            if charge.debited:
                self.customers[charge.customer_id] += charge.amount
        return set(moved)

    def left_of(self, charge: ModelCharge) -> int:
        """Return how much of a charge no reversal has taken, done or on its way."""
        return charge.amount - sum(each.amount for each in self.reversals.values() if each.charge is charge and each.debited is not False)

    def take(self, reversals: Sequence[ModelReversal]) -> None:
        """Debit customers in this order; who holds too little fails the reversal for ever."""
        for each in reversals:
            if each.debited is None:
                each.available = self.customers[each.charge.customer_id]
                each.debited = each.available >= each.amount
                each.final = not each.debited
                if each.debited:
                    self.customers[each.charge.customer_id] -= each.amount

    def give(self, reversals: Sequence[ModelReversal]) -> None:
        """Credit vendors with what was taken, once."""
        for each in reversals:
            if each.balance_after is None:
                each.charge.vendor.balance += each.amount
                each.balance_after = each.charge.vendor.balance

    def close(self, reversals: Sequence[ModelReversal]) -> set[str]:
        """Make credited reversals final; return the ids of those that were not yet."""
        moved = {each.id for each in reversals if not each.final}
        for each in reversals:
            each.final = True
        return moved
