"""Check the reversals that are new in the books since the last check: each minute, in a time that does not grow with the books."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.customer_charge.domain.charge_ids import first_id_at, id_before
from services.customer_charge.domain.matching import Side
from services.customer_charge.domain.reversal_matching import ReversalMismatch
from services.customer_charge.operations import heads, own_facts
from services.customer_charge.operations.check_new_charges import GRACE, StopVendors
from services.customer_charge.operations.match_reversals import ReversalBooks, match_reversals_again, match_reversals_page
from services.customer_charge.operations.stop_customers import stop_customers
from services.customer_charge.storage import reversals_check
from shared.cells import Cells
from shared.database import Connection

PAGES = 100
"""Most pages of reversals in one check, for each cell, as for charges."""


@dataclass(slots=True)
class NewReversalsCheck:
    """What the check found. `drift` is the sum of the amounts that the books disagree about, now and since earlier checks, in minor units.

    `vendors` and `customers`: the accounts concerned, one sentence each.
    """

    reversals: int = 0
    drift: int = 0
    vendors: dict[int, str] = field(default_factory=dict)
    customers: dict[int, str] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)


async def check_new_reversals(
    cells: Cells, vendor_books: ReversalBooks, stop_vendors: StopVendors, *, now: datetime, actor: str, grace: timedelta = GRACE
) -> NewReversalsCheck:
    """Match the reversals that became final since the last check, look at the customers concerned, and stop the accounts that are broken.

    Reversals are taken in order of id up to the oldest that is still under way: their ids too are made at the door. Raises Unavailable
    when a side is out of reach; what was checked stays checked.
    """
    check = NewReversalsCheck()
    async with cells.first.reading() as connection:
        after = await reversals_check.read_checkpoint(connection)
        known = await reversals_check.read_mismatches(connection)
    oldest = await own_facts.oldest_pending_reversal(cells)
    until = first_id_at(now - grace) if oldest is None else min(first_id_at(now - grace), id_before(oldest))
    still = await match_reversals_again(cells, vendor_books, [mismatch.reversal_id for mismatch in known])
    mended = sorted({mismatch.reversal_id for mismatch in known} - {mismatch.reversal_id for mismatch in still})
    touched, found = set[int](), list[ReversalMismatch]()
    for _ in range(PAGES * len(cells)):
        if after >= until:
            break
        matched = await match_reversals_page(cells, vendor_books, after=after, until=until)
        check.reversals += matched.reversals
        touched |= matched.customers
        found += matched.mismatches
        after = matched.until
    check.customers.update(heads.findings(await heads.heads_of(cells, touched)))
    _sum_up(check, still, found)
    # First, as for charges: whoever dies here finds it anew.
    await stop_customers(cells, check.customers, actor=actor)
    await stop_vendors(check.vendors)

    async def work(connection: Connection) -> None:
        await reversals_check.write_mismatches(connection, found, mended, now)
        await reversals_check.move_checkpoint(connection, after)

    await cells.first.transact(work)
    return check


def _sum_up(check: NewReversalsCheck, known: list[ReversalMismatch], found: list[ReversalMismatch]) -> None:
    """Add up drift and findings. Accounts stop for what was found now; for what is known a person has been called already."""
    check.drift = sum(mismatch.amount for mismatch in (*known, *found))
    check.findings = list(dict.fromkeys([*(mismatch.finding for mismatch in (*known, *found)), *check.customers.values()]))
    for mismatch in found:
        if mismatch.side is Side.VENDOR:
            check.vendors.setdefault(mismatch.vendor_id, mismatch.finding)
        elif mismatch.customer_id:
            check.customers.setdefault(mismatch.customer_id, mismatch.finding)
