"""What is archived of charges, reversals and customer ledgers: only what never changes again."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from services.customer_charge.domain.charges import Charge

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ArchivedCharge(NamedTuple):
    """A final charge; amounts in minor units, `metadata` is JSON.

    What reversals took back is not here: it may still grow. The reversals say it, each in the month that it was made in.
    """

    id: str
    vendor_id: int
    customer_id: int
    amount: int
    state: int
    failure_reason: int | None
    available: int | None
    shortfall: int | None
    principal: str
    created_at: datetime
    settled_at: datetime
    external_id: str | None
    metadata: str | None
    allow_duplicate: bool

    def as_charge(self) -> Charge:
        """Return it as the rest of the service knows it, as if never reversed and without metadata."""
        final = (self.state, self.failure_reason, self.available, self.shortfall, self.created_at, self.settled_at, self.external_id)
        return Charge(self.id, self.vendor_id, self.customer_id, self.amount, *final)


class ArchivedReversal(NamedTuple):
    """A final reversal; amounts in minor units."""

    id: str
    charge_id: str
    vendor_id: int
    customer_id: int
    amount: int
    asked_amount: int | None
    reason: str
    state: int
    failure_reason: int | None
    available: int | None
    shortfall: int | None
    principal: str
    created_at: datetime
    debited_at: datetime | None
    settled_at: datetime


class Cut(NamedTuple):
    """Where one customer's ledger is cut for a month: after `opening_seq`, to `closing_seq` and with it; balances in minor units."""

    customer_id: int
    opening_seq: int
    opening_balance: int
    closing_seq: int
    closing_balance: int


class Counted(NamedTuple):
    """How many charges, or reversals, have ids of a month, how many of them succeeded, and what those amount to in minor units."""

    rows: int
    succeeded: int
    succeeded_total: int


def made_at(identifier: str) -> datetime:
    """Return when an id was made: UUIDs of version 7 begin with it (RFC 9562, 5.7)."""
    return _EPOCH + timedelta(milliseconds=int(identifier[:8] + identifier[9:13], 16))
