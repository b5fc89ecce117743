"""Receipts of charges that are final: which charges have one, and what is signed of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.customer_charge.domain.charges import Charge, ChargeState
from shared.errors import FailedPrecondition
from shared.times import rfc3339


@dataclass(frozen=True, slots=True)
class Receipt:
    """A final charge and when its receipt was issued. `reason` is the JSON name of why it failed, None where it succeeded."""

    charge: Charge
    settled_at: datetime
    issued_at: datetime
    reason: str | None

    def facts(self) -> dict[str, Any]:
        """Return what is signed: the receipt as JSON shows it, without the signature."""
        charge = self.charge
        facts: dict[str, Any] = {
            "id": charge.id,
            "vendor": charge.vendor_id,
            "customer": charge.customer_id,
            "amount": charge.amount,
            "status": ChargeState(charge.state).name.lower(),
            "reason": self.reason,
            "created_at": rfc3339(charge.created_at),
            "settled_at": rfc3339(self.settled_at),
            "external_id": charge.external_id,
            "issued_at": rfc3339(self.issued_at),
        }
        return {name: value for name, value in facts.items() if value is not None}


def receipt_of(charge: Charge, reason: str | None, issued_at: datetime) -> Receipt:
    """Return the receipt of a charge. Raises FailedPrecondition (CHARGE_NOT_FINAL) for one whose outcome is open."""
    if charge.settled_at is None:
        raise FailedPrecondition(
            f"charge {charge.id} is not final yet", reason="CHARGE_NOT_FINAL", metadata={"id": charge.id}, retry_after_seconds=1.0
        )
    return Receipt(charge, charge.settled_at, issued_at, reason)
