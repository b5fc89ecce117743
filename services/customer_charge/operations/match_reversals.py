"""Match reversals with what the vendor ledger credited for them, one by one: the one comparison behind every check of the books.

As for charges, only facts that never go away are compared. A customer's debit comes before the vendor's credit, and that before the
reversal's success; what looks wrong is read once more, each cause after its effect, and only what survives is a mismatch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from charging.vendor_credit.v1 import reversal_credit_pb2

from services.customer_charge.domain.reversal_matching import ReversalMismatch, TheirCredit, compare_reversal
from services.customer_charge.domain.reversals import ReversalState
from services.customer_charge.operations import own_facts
from shared.cells import Cells

PAGE = 5_000
"""Reversals matched at a time: a few hundred kilobytes in memory and on the wire."""


class ReversalBooks(Protocol):
    """The vendor ledger's facts about reversals."""

    async def list_credits(self, after: str, limit: int) -> list[reversal_credit_pb2.ReversalCredit]:
        """Return credits in order of reversal id, above `after`."""
        ...

    async def get_credits(self, reversal_ids: Sequence[str]) -> list[reversal_credit_pb2.ReversalCredit]:
        """Return the credits that exist for the reversals."""
        ...


@dataclass(slots=True)
class MatchedReversals:
    """What matching a range of reversals found. `under_way_total`: taken from customers and not yet credited, in minor units.

    `until`: how far it came. `customers`: whose ledgers the reversals wrote to.
    """

    until: str
    reversals: int = 0
    under_way_total: int = 0
    mismatches: list[ReversalMismatch] = field(default_factory=list)
    customers: set[int] = field(default_factory=set)


async def match_reversals_page(cells: Cells, vendor_books: ReversalBooks, *, after: str, until: str) -> MatchedReversals:
    """Match the reversals of one page from (after, until]; `matched.until` is `until` when that was the last one.

    Raises Unavailable when a side is out of reach.
    """
    page, end = await own_facts.list_reversals(cells, after=after, until=until, limit=PAGE)
    matched = MatchedReversals(end, reversals=len(page))
    credits_made = await _credits(vendor_books, after=after, until=matched.until)
    own = {each.id: each for each in page}
    suspects = [
        reversal_id
        for reversal_id in sorted(own.keys() | credits_made.keys())
        if compare_reversal(reversal_id, own.get(reversal_id), credits_made.get(reversal_id)) is not None
    ]
    matched.mismatches = await match_reversals_again(cells, vendor_books, suspects)
    matched.customers = {each.customer_id for each in page if each.entry}
    matched.under_way_total = sum(
        each.amount for each in page if each.state == ReversalState.ACCEPTED and each.entry and each.id not in credits_made
    )
    return matched


async def match_reversals_again(cells: Cells, vendor_books: ReversalBooks, reversal_ids: Sequence[str]) -> list[ReversalMismatch]:
    """Read these reversals once more and return those that the books disagree about. Raises Unavailable."""
    found: list[ReversalMismatch] = []
    for start in range(0, len(reversal_ids), PAGE):
        found += await _match_again(cells, vendor_books, reversal_ids[start : start + PAGE])
    return found


async def _match_again(cells: Cells, vendor_books: ReversalBooks, reversal_ids: Sequence[str]) -> list[ReversalMismatch]:
    before = await own_facts.get_reversals(cells, reversal_ids)
    credits_made: dict[str, TheirCredit] = {}
    _add(credits_made, await vendor_books.get_credits(reversal_ids))
    # A credit is held against what is here after it, the lack of one against what was here before.
    after = await own_facts.get_reversals(cells, sorted(credits_made))
    found = []
    for reversal_id in reversal_ids:
        credit = credits_made.get(reversal_id)
        mismatch = compare_reversal(reversal_id, (before if credit is None else after).get(reversal_id), credit)
        if mismatch is not None:
            # Each vendor is stopped, and the amount counts once.
            twins = () if credit is None else credit.twins
            found += [mismatch, *(replace(mismatch, vendor_id=vendor_id, customer_id=0, amount=0) for vendor_id in twins)]
    return found


async def _credits(vendor_books: ReversalBooks, *, after: str, until: str) -> dict[str, TheirCredit]:
    """Return the credits of reversals in (after, until], by reversal."""
    found: dict[str, TheirCredit] = {}
    while True:
        page = await vendor_books.list_credits(after, PAGE)
        _add(found, [each for each in page if each.reversal_id <= until])
        if len(page) < PAGE or page[-1].reversal_id > until:
            return found
        after = page[-1].reversal_id


def _add(credits_made: dict[str, TheirCredit], found: Sequence[reversal_credit_pb2.ReversalCredit]) -> None:
    """Add credits by reversal; one that was credited in two cells is there twice."""
    for each in found:
        known = credits_made.get(each.reversal_id)
        twins = () if known is None else (known.vendor_id, *known.twins)
        credits_made[each.reversal_id] = TheirCredit(each.vendor_id, each.amount, twins)
