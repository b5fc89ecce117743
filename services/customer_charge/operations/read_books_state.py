"""Read what is pending and stopped now, and what the checks found last: at once, however large the books are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.customer_charge.operations.finish_check import MAX_FINDINGS
from services.customer_charge.storage import books_check, pending_charges, reversal_audit, reversals_check, stops, whole_check
from services.customer_charge.storage.pending_charges import Backlog
from services.customer_charge.storage.reversal_audit import ReversalBacklog
from shared.cells import Cells
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


async def read_books_state(cells: Cells) -> BooksState:
    """Return the state: sums over the cells, and the check, which is one. Raises Unavailable."""
    states = await cells.gather(_read_cell)
    async with cells.first.reading() as connection:
        check = await books_check.read_check(connection)
        amounts = [mismatch.amount for mismatch in await books_check.read_mismatches(connection)]
        amounts += [mismatch.amount for mismatch in await reversals_check.read_mismatches(connection)]
        whole = await whole_check.read_whole_check(connection)
    now = utc_now()
    charges, reversals = [state.charges for state in states], [state.reversals for state in states]
    return BooksState(
        pending_charges=sum(each.pending for each in charges),
        blocked_charges=sum(each.blocked for each in charges),
        oldest_pending_ms=_age_ms([each.oldest_at for each in charges], now),
        pending_reversals=sum(each.pending for each in reversals),
        blocked_reversals=sum(each.blocked for each in reversals),
        oldest_pending_reversal_ms=_age_ms([each.oldest_at for each in reversals], now),
        stopped_vendors=check.stopped_vendors,
        stopped_customers=sum(state.stopped_customers for state in states),
        checked_at=check.checked_at,
        drift=sum(amounts),
        findings=list(dict.fromkeys(check.findings + whole.findings))[:MAX_FINDINGS],
        whole_checked_at=whole.checked_at,
    )


@dataclass(frozen=True, slots=True)
class _CellState:
    charges: Backlog
    reversals: ReversalBacklog
    stopped_customers: int


async def _read_cell(database: Database) -> _CellState:
    async with database.reading() as connection:
        return _CellState(
            await pending_charges.read_backlog(connection),
            await reversal_audit.read_backlog(connection),
            await stops.count_stopped(connection),
        )


def _age_ms(oldest: Sequence[datetime | None], now: datetime) -> int:
    """Return the age of the oldest of the cells' oldest, 0 where there is none."""
    moment = min((each for each in oldest if each is not None), default=now)
    return max(0, int((now - moment).total_seconds() * 1000))
