"""Compare what both services' books say of one reversal."""

from dataclasses import dataclass

from services.customer_charge.domain.matching import Side
from services.customer_charge.domain.reversals import ReversalState


@dataclass(frozen=True, slots=True)
class OwnReversal:
    """What this service says of a reversal, its customer entry, the entry in front of that, and its charge; amount in minor units.

    `debited` is what the reversal says of its customer, `entry` whether there is an entry for it; `entry_fits` and `entry_linked` as for
    charges. `pending`: it has a pending row. `counted`: its charge's sums are those of all its reversals. `apart`: the customer lives in
    another cell than the vendor, so that it is debited before the reversal says so, and not in one transaction.
    """

    id: str
    charge_id: str
    vendor_id: int
    customer_id: int
    amount: int
    state: int
    debited: bool
    pending: bool
    entry: bool
    entry_fits: bool
    entry_linked: bool
    counted: bool
    apart: bool = False


@dataclass(frozen=True, slots=True)
class TheirCredit:
    """What the vendor ledger credited for a reversal; amount in minor units.

    `twins`: other vendors, in other cells, who were credited for it too, where there must be none.
    """

    vendor_id: int
    amount: int
    twins: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ReversalMismatch:
    """A reversal that the books disagree about, in one sentence; `customer_id` is 0 where the reversal is not known here."""

    reversal_id: str
    vendor_id: int
    customer_id: int
    amount: int
    side: Side
    finding: str


def compare_reversal(reversal_id: str, own: OwnReversal | None, credit: TheirCredit | None) -> ReversalMismatch | None:
    """Return what is wrong with a reversal, or None. One under way may have its customer's debit and its vendor's credit or not."""
    if credit is not None and credit.twins:
        customer_id = 0 if own is None else own.customer_id
        finding = f"reversal {reversal_id}: the vendor ledger credited it in two cells"
        return ReversalMismatch(reversal_id, credit.vendor_id, customer_id, credit.amount, Side.VENDOR, finding)
    if credit is not None and not _debited_alike(own, credit):
        customer_id = 0 if own is None else own.customer_id
        finding = f"reversal {reversal_id}: the vendor was credited and the customer not debited alike"
        return ReversalMismatch(reversal_id, credit.vendor_id, customer_id, credit.amount, Side.VENDOR, finding)
    if own is None:
        return None
    if credit is None and own.state == ReversalState.SUCCEEDED:
        return _mismatch(own, Side.VENDOR, "it succeeded, and the vendor was not credited")
    finding_here = _own_side(own)
    return None if finding_here is None else _mismatch(own, Side.CUSTOMER, finding_here)


def _debited_alike(own: OwnReversal | None, credit: TheirCredit) -> bool:
    return own is not None and own.entry and (own.vendor_id, own.amount) == (credit.vendor_id, credit.amount)


def _own_side(own: OwnReversal) -> str | None:
    on_its_way = own.apart and own.state == ReversalState.ACCEPTED and not own.debited
    if (own.entry != own.debited and not on_its_way) or (own.debited and own.state == ReversalState.FAILED):
        return "its state and its customer entry disagree"
    if own.entry and not own.entry_fits:
        return "its customer entry is of another customer, vendor or amount"
    if own.entry and not own.entry_linked:
        return "its customer entry's seq or balance_after does not follow from the entry in front of it"
    if own.pending != (own.state == ReversalState.ACCEPTED):
        return "its state and its pending row disagree"
    if not own.counted:
        return f"what is reversed of charge {own.charge_id} and its reversals disagree"
    return None


def _mismatch(own: OwnReversal, side: Side, finding: str) -> ReversalMismatch:
    return ReversalMismatch(own.id, own.vendor_id, own.customer_id, own.amount, side, f"reversal {own.id}: {finding}")
