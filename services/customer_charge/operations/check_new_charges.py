"""Check what is new in the books since the last check: each minute, in a time that does not grow with the books."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.customer_charge.domain.charge_ids import first_id_at, id_before
from services.customer_charge.domain.matching import Mismatch, Side
from services.customer_charge.operations import heads, own_facts
from services.customer_charge.operations.match_charges import DecidedCharges, match_again, match_page
from services.customer_charge.operations.stop_customers import stop_customers
from services.customer_charge.storage import books_check
from shared.cells import Cells
from shared.database import Connection

GRACE = timedelta(minutes=2)
"""Charge ids are made at the door, before the charge is accepted: past every deadline and repetition of a door no id of that time can still
come. What comes later all the same is found by the check of everything."""

PAGES = 100
"""Most pages of charges in one check, for each cell: half a million charges a minute is more than a machine accepts."""

CUSTOMERS = 10_000
"""Customers with nothing new whose heads are looked at in one check, in rotation."""


@dataclass(slots=True)
class NewChargesCheck:
    """What the check found. `drift` is the sum of the amounts that the books disagree about, now and since earlier checks, in minor units.

    `vendors` and `customers`: the accounts concerned, one sentence each.
    """

    charges: int = 0
    drift: int = 0
    vendors: dict[int, str] = field(default_factory=dict)
    customers: dict[int, str] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)


StopVendors = Callable[[Mapping[int, str]], Awaitable[object]]
"""Stops vendors, each for its finding: their ledger is another service's."""


async def check_new_charges(
    cells: Cells, decided: DecidedCharges, stop_vendors: StopVendors, *, now: datetime, actor: str, grace: timedelta = GRACE
) -> NewChargesCheck:
    """Match the charges that became final since the last check, look at the customers concerned, and stop the accounts that are broken.

    Charges are taken in order of id up to the oldest that is still under way, those of all cells together: how far that came, and what is
    known to be wrong, is in the first cell. Raises Unavailable when a side or a cell is out of reach; what was checked stays checked.
    """
    check = NewChargesCheck()
    async with cells.first.reading() as connection:
        last = await books_check.read_check(connection)
        known = await books_check.read_mismatches(connection)
    until = await _frontier(cells, now - grace)
    still = await match_again(cells, decided, [mismatch.charge_id for mismatch in known])
    mended = sorted({mismatch.charge_id for mismatch in known} - {mismatch.charge_id for mismatch in still})
    after, touched, found = last.charge_id, set[int](), list[Mismatch]()
    for _ in range(PAGES * len(cells)):
        if after >= until:
            break
        matched = await match_page(cells, decided, after=after, until=until)
        check.charges += matched.charges
        touched |= matched.customers
        found += matched.mismatches
        after = matched.until
    next_customer = await _look_at_heads(cells, check, touched, last.customer_id)
    _sum_up(check, still, found)
    # First, for a mismatch that is known stops nobody any more: whoever dies here finds it anew.
    await stop_customers(cells, check.customers, actor=actor)
    await stop_vendors(check.vendors)

    async def work(connection: Connection) -> None:
        await books_check.write_mismatches(connection, found, mended, now)
        await books_check.move_checkpoint(connection, charge_id=after, customer_id=next_customer)

    await cells.first.transact(work)
    return check


async def _frontier(cells: Cells, before: datetime) -> str:
    """Return the id up to which every charge is final or set aside.

    One set aside does not hold the rest back: the checkpoint passes it, and once it is released the check of everything matches it.
    """
    oldest = await own_facts.oldest_pending_charge(cells)
    latest = first_id_at(before)
    return latest if oldest is None else min(latest, id_before(oldest))


async def _look_at_heads(cells: Cells, check: NewChargesCheck, touched: set[int], after_id: int) -> int:
    """Look at the customers concerned and at the next ones in rotation; return where the rotation goes on."""
    slice_, next_customer = await heads.next_heads(cells, after_id=after_id, limit=CUSTOMERS)
    check.customers.update(heads.findings(slice_ + await heads.heads_of(cells, touched)))
    return next_customer


def _sum_up(check: NewChargesCheck, known: list[Mismatch], found: list[Mismatch]) -> None:
    """Add up drift and findings. Accounts stop for what was found now; for what is known a person has been called already."""
    check.drift = sum(mismatch.amount for mismatch in (*known, *found))
    check.findings = list(dict.fromkeys([*(mismatch.finding for mismatch in (*known, *found)), *check.customers.values()]))
    for mismatch in found:
        if mismatch.side is Side.VENDOR:
            check.vendors.setdefault(mismatch.vendor_id, mismatch.finding)
        elif mismatch.customer_id:
            check.customers.setdefault(mismatch.customer_id, mismatch.finding)
