"""Read what is pending and stopped now, and what the checks found last: at once, however large the books are."""

from dataclasses import dataclass
from datetime import datetime

from services.customer_charge.operations.finish_check import MAX_FINDINGS
from services.customer_charge.storage import books_check, pending_charges, reversal_audit, reversals_check, stops, whole_check
from shared.clock import utc_now
from shared.database import Database


@dataclass(frozen=True, slots=True)
class BooksState:
    """The state of the books; `checked_at` is None before the first check. `drift` is in minor units, ages are of what is not final.

    `findings` are those of the last check of each minute and of the last one of everything, which ended at `whole_checked_at`.
    """

    pending_charges: int
    blocked_charges: int
    oldest_pending_ms: int
    pending_reversals: int
    blocked_reversals: int
    oldest_pending_reversal_ms: int
    stopped_vendors: int
    stopped_customers: int
    checked_at: datetime | None
    drift: int
    findings: list[str]
    whole_checked_at: datetime | None


async def read_books_state(database: Database) -> BooksState:
    """Return the state."""
    async with database.reading() as connection:
        charges = await pending_charges.read_backlog(connection)
        reversals = await reversal_audit.read_backlog(connection)
        check = await books_check.read_check(connection)
        amounts = [mismatch.amount for mismatch in await books_check.read_mismatches(connection)]
        amounts += [mismatch.amount for mismatch in await reversals_check.read_mismatches(connection)]
        whole = await whole_check.read_whole_check(connection)
        stopped_customers = await stops.count_stopped(connection)
    now = utc_now()
    return BooksState(
        pending_charges=charges.pending,
        blocked_charges=charges.blocked,
        oldest_pending_ms=_age_ms(charges.oldest_at, now),
        pending_reversals=reversals.pending,
        blocked_reversals=reversals.blocked,
        oldest_pending_reversal_ms=_age_ms(reversals.oldest_at, now),
        stopped_vendors=check.stopped_vendors,
        stopped_customers=stopped_customers,
        checked_at=check.checked_at,
        drift=sum(amounts),
        findings=list(dict.fromkeys(check.findings + whole.findings))[:MAX_FINDINGS],
        whole_checked_at=whole.checked_at,
    )


def _age_ms(moment: datetime | None, now: datetime) -> int:
    return 0 if moment is None else max(0, int((now - moment).total_seconds() * 1000))
