"""Read what is pending and stopped now, and what the check of each minute found last: at once, however large the books are."""

from dataclasses import dataclass
from datetime import datetime

from services.customer_charge.storage import books_check, pending_charges, reversals_check, stops
from shared.clock import utc_now
from shared.database import Database


@dataclass(frozen=True, slots=True)
class BooksState:
    """The state of the books; `checked_at` is None before the first check. `drift` is in minor units."""

    pending_charges: int
    blocked_charges: int
    oldest_pending_ms: int
    stopped_vendors: int
    stopped_customers: int
    checked_at: datetime | None
    drift: int
    findings: list[str]


async def read_books_state(database: Database) -> BooksState:
    """Return the state."""
    async with database.reading() as connection:
        backlog = await pending_charges.read_backlog(connection)
        check = await books_check.read_check(connection)
        amounts = [mismatch.amount for mismatch in await books_check.read_mismatches(connection)]
        amounts += [mismatch.amount for mismatch in await reversals_check.read_mismatches(connection)]
        stopped_customers = await stops.count_stopped(connection)
    age = 0.0 if backlog.oldest_at is None else (utc_now() - backlog.oldest_at).total_seconds()
    return BooksState(
        pending_charges=backlog.pending,
        blocked_charges=backlog.blocked,
        oldest_pending_ms=max(0, int(age * 1000)),
        stopped_vendors=check.stopped_vendors,
        stopped_customers=stopped_customers,
        checked_at=check.checked_at,
        drift=sum(amounts),
        findings=check.findings,
    )
