"""Match charges with what the vendor ledger decided about them, charge by charge: the one comparison behind every check of the books.

Exact, and without false alarms while charges run: only facts that never go away are compared. A page of charges is read first and what was
decided about them after, so that a decision is never missing merely because it was read too early; what looks wrong is read once more, and
only what survives is a mismatch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from charging.vendor_credit.v1 import vendor_credit_pb2

from services.customer_charge.domain.charge_ids import LAST_ID, id_before
from services.customer_charge.domain.charges import ChargeState
from services.customer_charge.domain.matching import Mismatch, OwnFacts, Side, TheirFacts, compare
from services.customer_charge.operations import own_facts
from shared.cells import Cells

PAGE = 5_000
"""Charges matched at a time: a few hundred kilobytes in memory and on the wire."""

DEBITS_PAGE = 10_000
"""Debits asked for at a time: the most that the vendor ledger gives."""


class DecidedCharges(Protocol):
    """What the vendor ledger decided."""

    async def list_debits(self, after: str, limit: int, until: str = LAST_ID) -> vendor_credit_pb2.ListDebitsResponse:
        """Return debited charges with ids in (after, until], in order, and which of them no entry took from the vendor."""
        ...

    async def decisions(self, charge_ids: Sequence[str]) -> list[vendor_credit_pb2.DebitDecision]:
        """Return the decisions that exist for the charges."""
        ...


@dataclass(slots=True)
class Matched:
    """What matching a range of charges found. `under_way_total`: debited and not credited yet, in minor units. `until`: how far it came."""

    until: str
    charges: int = 0
    under_way_total: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)
    customers: set[int] = field(default_factory=set)


async def match_page(cells: Cells, decided: DecidedCharges, *, after: str, until: str) -> Matched:
    """Match the charges of one page from (after, until]; `matched.until` is `until` when that was the last one.

    Raises Unavailable when a side is out of reach.
    """
    page, end = await own_facts.list_charges(cells, after=after, until=until, limit=PAGE)
    matched = Matched(end, charges=len(page))
    theirs = await _their_facts(decided, [own.id for own in page])
    debits, unposted = await _debits(decided, after=after, until=matched.until)
    suspects = [own.id for own in page if compare(own, _with_posting(own.id, theirs, unposted)) is not None]
    suspects += sorted(debits.keys() - {own.id for own in page})
    idle = [own.id for own in page if own.state == ChargeState.ACCEPTED]
    matched.mismatches = await match_again(cells, decided, suspects + idle, unposted)
    matched.customers = {own.customer_id for own in page if own.entry}
    wrong = {mismatch.charge_id for mismatch in matched.mismatches}
    matched.under_way_total = sum(
        own.amount for own in page if own.state == ChargeState.ACCEPTED and not own.entry and own.id in debits and own.id not in wrong
    )
    return matched


async def match_again(cells: Cells, decided: DecidedCharges, charge_ids: Sequence[str], unposted: set[str] | None = None) -> list[Mismatch]:
    """Read these charges once more, this side first, and return those that the books disagree about.

    `unposted` are debits that no entry took from the vendor; None asks for them again.
    """
    if not charge_ids:
        return []
    own = await own_facts.get_charges(cells, charge_ids)
    idle = [facts.id for facts in own.values() if facts.state == ChargeState.ACCEPTED]
    workless = set(idle) - await own_facts.with_work(cells, idle)
    if workless:
        # Settled between the two statements: then it is final now. What is not has no work left that would ever settle it.
        own |= await own_facts.get_charges(cells, sorted(workless))
    theirs = await _their_facts(decided, charge_ids)
    if unposted is None:
        unposted = set()
        for charge_id in charge_ids:
            unposted |= (await _debits(decided, after=id_before(charge_id), until=charge_id))[1]
    found = []
    # One that was accepted in two cells was listed twice.
    for charge_id in dict.fromkeys(charge_ids):
        mismatch = _judge(charge_id, own.get(charge_id), _with_posting(charge_id, theirs, unposted), workless)
        if mismatch is not None:
            found += [mismatch, *_of_twins(mismatch, theirs.get(charge_id))]
    return found


def _of_twins(mismatch: Mismatch, theirs: TheirFacts | None) -> list[Mismatch]:
    """Return the same for every other vendor of whom it was decided: each is stopped, and the amount counts once."""
    if theirs is None or not theirs.twins:
        return []
    others = sorted({*_vendors(theirs)} - {mismatch.vendor_id})
    return [Mismatch(mismatch.charge_id, vendor_id, 0, 0, Side.VENDOR, mismatch.finding) for vendor_id in others]


def _judge(charge_id: str, own: OwnFacts | None, theirs: TheirFacts | None, workless: set[str]) -> Mismatch | None:
    if own is not None and own.state == ChargeState.ACCEPTED and charge_id in workless:
        finding = f"charge {charge_id}: its state and its pending row disagree"
        return Mismatch(charge_id, own.vendor_id, own.customer_id, own.amount, Side.CUSTOMER, finding)
    if own is not None:
        return compare(own, theirs)
    if theirs is None or not theirs.debited:
        return None
    finding = f"charge {charge_id}: the vendor was debited and the charge is not succeeded or under way"
    return Mismatch(charge_id, theirs.vendor_id, 0, theirs.amount, Side.VENDOR, finding)


async def _their_facts(decided: DecidedCharges, charge_ids: Sequence[str]) -> dict[str, TheirFacts]:
    if not charge_ids:
        return {}
    found: dict[str, TheirFacts] = {}
    for each in await decided.decisions(charge_ids):
        found[each.charge_id] = TheirFacts(
            each.vendor_id,
            each.amount,
            debited=each.outcome == vendor_credit_pb2.DEBIT_OUTCOME_DEBITED,
            refused=each.outcome == vendor_credit_pb2.DEBIT_OUTCOME_REFUSED,
            twins=_vendors(found.get(each.charge_id)),
        )
    return found


def _vendors(theirs: TheirFacts | None) -> tuple[int, ...]:
    return () if theirs is None else (theirs.vendor_id, *theirs.twins)


async def _debits(decided: DecidedCharges, *, after: str, until: str) -> tuple[dict[str, int], set[str]]:
    """Return the debited amounts in (after, until], by charge, and which of them no entry took from the vendor."""
    amounts: dict[str, int] = {}
    unposted: set[str] = set()
    while True:
        answer = await decided.list_debits(after, DEBITS_PAGE, until)
        amounts |= {debit.charge_id: debit.amount for debit in answer.debits}
        unposted |= set(answer.unposted_charge_ids)
        if len(answer.debits) < DEBITS_PAGE:
            return amounts, unposted
        after = answer.debits[-1].charge_id


def _with_posting(charge_id: str, theirs: dict[str, TheirFacts], unposted: set[str]) -> TheirFacts | None:
    facts = theirs.get(charge_id)
    if facts is None or charge_id not in unposted:
        return facts
    return replace(facts, posted=False)
