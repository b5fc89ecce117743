"""Dry runs: what would become of charges as things are now. They leave no row, no key and no claim behind."""

from collections.abc import Sequence
from typing import Protocol

from services.customer_charge.domain.charges import FailureReason, PendingCharge, Verdict
from services.customer_charge.existence import Existence, missing_party
from shared.errors import ChargingError, FailedPrecondition, NotFound


class PreviewingLedger(Protocol):
    """Where debits are previewed."""

    async def preview(self, pending: Sequence[PendingCharge]) -> list[Verdict]:
        """Return how each charge would be decided, in order. Raises Unavailable."""
        ...


class DryRuns:
    """Checks charges without making them."""

    def __init__(self, *, vendors: Existence, customers: Existence, ledger: PreviewingLedger) -> None:
        self._vendors = vendors
        self._customers = customers
        self._ledger = ledger

    async def check(self, charges: Sequence[PendingCharge]) -> list[ChargingError | None]:
        """Return for each charge, in order, the error that it would end with; None for one that would succeed.

        Each is checked as if those before it had been charged. Raises Unavailable when a part that has to be asked is out of reach.
        """
        vendors = await self._vendors.find({charge.vendor_id for charge in charges})
        customers = await self._customers.find({charge.customer_id for charge in charges})
        missing = {charge.charge_id: missing_party(charge.vendor_id, charge.customer_id, vendors, customers) for charge in charges}
        asked = [charge for charge in charges if missing[charge.charge_id] is None]
        verdicts = {verdict.charge.charge_id: verdict for verdict in await self._ledger.preview(asked)} if asked else {}
        return [missing[charge.charge_id] or _refusal(verdicts[charge.charge_id]) for charge in charges]


def _refusal(verdict: Verdict) -> ChargingError | None:
    if verdict.debited:
        return None
    vendor = {"vendor_id": str(verdict.charge.vendor_id)}
    if verdict.reason == FailureReason.INSUFFICIENT_CREDIT:
        return FailedPrecondition(
            f"vendor {verdict.charge.vendor_id} can charge {verdict.available}, which is {verdict.shortfall} short",
            reason="INSUFFICIENT_CREDIT",
            metadata={**vendor, "available": str(verdict.available), "shortfall": str(verdict.shortfall)},
        )
    if verdict.reason == FailureReason.VENDOR_SUSPENDED:
        return FailedPrecondition(f"vendor {verdict.charge.vendor_id} is suspended", reason="VENDOR_SUSPENDED", metadata=vendor)
    if verdict.reason == FailureReason.ACCOUNT_STOPPED:
        return FailedPrecondition(f"vendor {verdict.charge.vendor_id} is stopped", reason="ACCOUNT_STOPPED", metadata=vendor)
    if verdict.reason == FailureReason.DUPLICATE_CHARGE:
        charge = verdict.charge
        return FailedPrecondition(
            f"vendor {charge.vendor_id} has just charged customer {charge.customer_id} the same amount of {charge.amount}",
            reason="DUPLICATE_CHARGE",
            metadata={**vendor, "customer_id": str(charge.customer_id), "amount": str(charge.amount)},
        )
    return NotFound.of("vendor", verdict.charge.vendor_id, "vendor_id")
