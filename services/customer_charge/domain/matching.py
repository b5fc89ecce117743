"""Compare what both services' books say of one charge."""

from dataclasses import dataclass
from enum import Enum, auto

from services.customer_charge.domain.charges import ChargeState


class Side(Enum):
    """Whose books a finding speaks of: the account that is stopped for it."""

    VENDOR = auto()
    CUSTOMER = auto()


@dataclass(frozen=True, slots=True)
class OwnFacts:
    """What this service says of a charge, its customer entry and the entry in front of that; amount in minor units.

    `entry`: there is a customer entry for the charge. `entry_fits`: it says the same customer, vendor and amount. `entry_linked`: its
    balance_after follows from the entry in front of it. Without an entry the last two are False. `apart`: the customer lives in another
    cell than the vendor, so that it is credited before the charge is final, and not in one transaction.
    """

    id: str
    vendor_id: int
    customer_id: int
    amount: int
    state: int
    entry: bool
    entry_fits: bool
    entry_linked: bool
    apart: bool = False


@dataclass(frozen=True, slots=True)
class TheirFacts:
    """What the vendor ledger decided about a charge; amount in minor units.

    `posted`: a debit has its entry. `twins`: other vendors, in other cells, of whom it was decided too, where there must be none.
    """

    vendor_id: int
    amount: int
    debited: bool
    refused: bool
    posted: bool = True
    twins: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A charge that the books disagree about, in one sentence; `customer_id` is 0 where the charge is not known here."""

    charge_id: str
    vendor_id: int
    customer_id: int
    amount: int
    side: Side
    finding: str


def compare(own: OwnFacts, theirs: TheirFacts | None) -> Mismatch | None:
    """Return what is wrong with a charge, or None. A charge under way may be decided or not."""
    finding = _vendor_side(own, theirs)
    if finding is not None:
        return _mismatch(own, Side.VENDOR, finding)
    finding = _customer_side(own)
    return None if finding is None else _mismatch(own, Side.CUSTOMER, finding)


def _vendor_side(own: OwnFacts, theirs: TheirFacts | None) -> str | None:
    credited = own.apart and own.entry and own.state == ChargeState.ACCEPTED
    if theirs is None:
        if credited:
            return "it was credited to the customer, and the vendor ledger decided nothing"
        return None if own.state == ChargeState.ACCEPTED else "it is final, and the vendor ledger decided nothing"
    if theirs.twins:
        return "the vendor ledger decided about it in two cells"
    if (theirs.vendor_id, theirs.amount) != (own.vendor_id, own.amount):
        return "the vendor ledger decided about another vendor or amount"
    if (own.state == ChargeState.SUCCEEDED and not theirs.debited) or (own.state == ChargeState.FAILED and not theirs.refused):
        return "its state and the vendor ledger's decision disagree"
    if credited and not theirs.debited:
        return "it was credited to the customer, and the vendor was not debited"
    if theirs.debited and not theirs.posted:
        return "it was debited by decision, and no entry took it from the vendor"
    return None


def _customer_side(own: OwnFacts) -> str | None:
    on_its_way = own.apart and own.state == ChargeState.ACCEPTED
    if own.entry != (own.state == ChargeState.SUCCEEDED) and not on_its_way:
        return "its state and its customer entry disagree"
    if own.entry and not own.entry_fits:
        return "its customer entry is of another customer, vendor or amount"
    if own.entry and not own.entry_linked:
        return "its customer entry's seq or balance_after does not follow from the entry in front of it"
    return None


def _mismatch(own: OwnFacts, side: Side, finding: str) -> Mismatch:
    return Mismatch(own.id, own.vendor_id, own.customer_id, own.amount, side, f"charge {own.id}: {finding}")
