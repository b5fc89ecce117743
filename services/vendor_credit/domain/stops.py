"""What a stopped vendor may not do."""

from services.vendor_credit.domain.ledger import Account
from shared.errors import FailedPrecondition


def refuse_if_stopped(account: Account) -> None:
    """Raise FailedPrecondition (ACCOUNT_STOPPED) for a vendor whose books were found broken and that no operator has released."""
    if account.stopped:
        raise FailedPrecondition(
            f"vendor {account.vendor_id} is stopped until its books were looked into",
            reason="ACCOUNT_STOPPED",
            metadata={"vendor_id": str(account.vendor_id)},
        )
