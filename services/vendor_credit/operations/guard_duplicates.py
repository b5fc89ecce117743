"""Look up what the guard against duplicates has to know of a batch."""

from collections.abc import Mapping, Sequence

from services.vendor_credit.domain.debits import Debit
from services.vendor_credit.domain.duplicates import DuplicateGuard, watch
from services.vendor_credit.domain.ledger import Account
from services.vendor_credit.storage import guarded_debits
from shared.database import Connection


async def guard_duplicates(connection: Connection, accounts: Mapping[int, Account], debits: Sequence[Debit]) -> DuplicateGuard:
    """Return the guard of a batch. Reads nothing where no vendor has a window."""
    watched = watch(accounts, debits)
    return DuplicateGuard(watched, await guarded_debits.find_repeating(connection, watched)) if watched else DuplicateGuard()
