"""Credit requests on a real database: one outcome whoever decides, two approvers where two are asked for, and credit posted once."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable
from datetime import datetime, timedelta

import pytest

from services.vendor_credit.domain.credit_requests import CreditRequest, RequestState
from services.vendor_credit.operations.decide_credit_request import approve_credit_request, cancel_credit_request, reject_credit_request
from services.vendor_credit.operations.expire_credit_requests import BATCH, expire_credit_requests
from services.vendor_credit.operations.post_credit import post_credit
from services.vendor_credit.operations.read_credit_requests import get_credit_request, list_credit_requests
from services.vendor_credit.operations.read_vendors import get_vendor, list_entries
from services.vendor_credit.operations.submit_credit_request import submit_credit_request
from shared.clock import utc_now
from shared.errors import Conflict, FailedPrecondition, IdempotencyKeyReused, NotFound, PermissionDenied
from shared.uuid7 import uuid7_text
from tests.databases import Databases
from tests.integration.money import Money, open_money

DAYS = 30
THRESHOLD = 1_000
SCHEDULER = "peer:scheduler"


@pytest.fixture
async def money(databases: Databases) -> AsyncIterator[Money]:
    """Give both services' databases, and check the books at the end of every test."""
    async with open_money(databases) as opened:
        yield opened
        assert (await opened.books()).findings == []


async def submitted(money: Money, vendor_id: int, amount: int = 100) -> int:
    """Submit a request; return its id."""
    request, _ = await submit_credit_request(money.vendors, vendor_id=vendor_id, amount=amount, principal="partner", key=uuid7_text())
    return request.id


async def now_of(money: Money, request_id: int) -> CreditRequest:
    """Return the request as it is now."""
    return await get_credit_request(money.vendors, request_id, None)


async def approve(money: Money, request_id: int, approver: str = "olga", limit: int | None = None) -> CreditRequest:
    """Approve under the rules of these tests."""
    return await approve_credit_request(
        money.vendors, request_id, approver, four_eyes=True, second_approval_above=THRESHOLD, approval_limit=limit
    )


def in_time_to_expire(request: CreditRequest) -> datetime:
    """Return the moment from which the request is overdue."""
    return request.created_at + timedelta(days=DAYS)


async def test_note_and_evidence_are_kept_and_part_of_what_the_key_stands_for(money: Money) -> None:
    """What the vendor said comes back, and the same key with other words is refused."""
    vendor_id = await money.vendor()

    async def submit(note: str) -> tuple[CreditRequest, bool]:
        return await submit_credit_request(
            money.vendors, vendor_id=vendor_id, amount=5, principal="partner", key="k", note=note, evidence_reference="bank 77"
        )

    made, replayed = await submit("for the holidays")
    assert (made.note, made.evidence_reference, replayed) == ("for the holidays", "bank 77", False)
    assert await submit("for the holidays") == (made, True)
    with pytest.raises(IdempotencyKeyReused):
        await submit("for something else")


async def test_a_cancelled_request_cannot_be_approved_and_cancelling_again_is_the_same(money: Money) -> None:
    """Cancelling ends a pending request for good."""
    vendor_id = await money.vendor()
    request_id = await submitted(money, vendor_id)
    cancelled = await cancel_credit_request(money.vendors, request_id, "partner", "a slip", [vendor_id])
    assert (cancelled.state, cancelled.decided_by, cancelled.reason) == (RequestState.CANCELLED, "partner", "a slip")
    assert await cancel_credit_request(money.vendors, request_id, "partner", "another reason", [vendor_id]) == cancelled
    for decide in (approve(money, request_id), reject_credit_request(money.vendors, request_id, "olga", "no")):
        with pytest.raises(Conflict) as refused:
            await decide
        assert (refused.value.reason, refused.value.metadata["state"]) == ("REQUEST_DECIDED", "cancelled")
    assert await post_credit(money.vendors, [vendor_id]) == 0


async def test_an_approved_request_cannot_be_cancelled(money: Money) -> None:
    """What was granted is not taken back by cancelling."""
    vendor_id = await money.vendor()
    request_id = await submitted(money, vendor_id)
    await approve(money, request_id)
    with pytest.raises(Conflict):
        await cancel_credit_request(money.vendors, request_id, "partner", None, [vendor_id])
    assert (await now_of(money, request_id)).state == RequestState.APPROVED


async def test_anothers_request_cannot_be_cancelled(money: Money) -> None:
    """It answers as a missing one and stays pending."""
    ours, theirs = await money.vendor(), await money.vendor()
    request_id = await submitted(money, theirs)
    with pytest.raises(NotFound):
        await cancel_credit_request(money.vendors, request_id, "partner", None, [ours])
    assert (await now_of(money, request_id)).state == RequestState.PENDING


async def test_requests_expire_at_their_age_and_not_before(money: Money) -> None:
    """A pending request expires when its days are over; a decided one never does, and 0 days switch expiry off."""
    vendor_id = await money.vendor()
    old, approved = await submitted(money, vendor_id), await submitted(money, vendor_id)
    await approve(money, approved)
    due = in_time_to_expire(await now_of(money, old))
    assert await expire_credit_requests(money.vendors, days=DAYS, actor=SCHEDULER, now=due - timedelta(microseconds=1)) == 0
    assert await expire_credit_requests(money.vendors, days=0, actor=SCHEDULER, now=due + timedelta(days=365)) == 0
    assert await expire_credit_requests(money.vendors, days=DAYS, actor=SCHEDULER, now=due) == 1
    expired = await now_of(money, old)
    assert (expired.state, expired.decided_by, expired.updated_at) == (RequestState.EXPIRED, SCHEDULER, due)
    assert (await now_of(money, approved)).state == RequestState.APPROVED
    with pytest.raises(Conflict):
        await approve(money, old)


async def test_more_requests_than_a_batch_expire_in_one_sweep(money: Money) -> None:
    """A sweep goes on until nothing is overdue."""
    vendor_id = await money.vendor()
    for _ in range(BATCH + 1):
        await submitted(money, vendor_id)
    later = utc_now() + timedelta(days=DAYS)
    assert await expire_credit_requests(money.vendors, days=DAYS, actor=SCHEDULER, now=later) == BATCH + 1


async def test_a_large_request_needs_two_different_operators(money: Money) -> None:
    """The first approval leaves it pending and is shown; the same operator again changes nothing; another one approves it."""
    vendor_id = await money.vendor()
    request_id = await submitted(money, vendor_id, THRESHOLD + 1)
    for _ in range(2):
        assert (await approve(money, request_id, "olga")).state == RequestState.PENDING
        assert [each.approved_by for each in (await now_of(money, request_id)).approvals] == ["olga"]
    assert await post_credit(money.vendors, [vendor_id]) == 0
    with pytest.raises(FailedPrecondition) as refused:
        await approve(money, request_id, "partner")
    assert refused.value.reason == "FOUR_EYES"
    assert (await approve(money, request_id, "oscar")).state == RequestState.APPROVED
    assert (await approve(money, request_id, "olga")).state == RequestState.APPROVED
    whole = await now_of(money, request_id)
    assert ([each.approved_by for each in whole.approvals], whole.decided_by) == (["olga", "oscar"], "oscar")
    assert await post_credit(money.vendors, [vendor_id]) == 1
    assert (await get_vendor(money.vendors, vendor_id)).balance == THRESHOLD + 1


async def test_an_amount_at_the_threshold_needs_one(money: Money) -> None:
    """Above means above."""
    vendor_id = await money.vendor()
    request_id = await submitted(money, vendor_id, THRESHOLD)
    assert (await approve(money, request_id)).state == RequestState.APPROVED


async def test_a_request_approved_once_can_still_be_rejected(money: Money) -> None:
    """One of two approvals decides nothing."""
    request_id = await submitted(money, await money.vendor(), THRESHOLD + 1)
    await approve(money, request_id, "olga")
    assert (await reject_credit_request(money.vendors, request_id, "oscar", "no")).state == RequestState.REJECTED


async def test_nobody_approves_beyond_their_own_limit(money: Money) -> None:
    """The limit holds for each approval, is told, and changes nothing; up to it all is well."""
    request_id = await submitted(money, await money.vendor(), 500)
    with pytest.raises(PermissionDenied) as refused:
        await approve(money, request_id, limit=499)
    assert refused.value.reason == "APPROVAL_LIMIT"
    assert refused.value.metadata == {"id": str(request_id), "amount": "500", "approval_limit": "499"}
    assert (await now_of(money, request_id)).approvals == ()
    assert (await approve(money, request_id, limit=500)).state == RequestState.APPROVED


async def test_lists_filter_by_every_state(money: Money) -> None:
    """Each state finds exactly its requests."""
    vendor_id = await money.vendor()
    ids = {state: await submitted(money, vendor_id) for state in RequestState}
    await reject_credit_request(money.vendors, ids[RequestState.REJECTED], "olga", "no")
    await cancel_credit_request(money.vendors, ids[RequestState.CANCELLED], "partner", None, None)
    await approve(money, ids[RequestState.CONFIRMED])
    await post_credit(money.vendors, [vendor_id])
    await approve(money, ids[RequestState.APPROVED])
    # Only the one that is to expire is pending when the others' time has not come.
    overdue = await now_of(money, ids[RequestState.EXPIRED])
    await cancel_credit_request(money.vendors, ids[RequestState.PENDING], "partner", None, None)
    await expire_credit_requests(money.vendors, days=DAYS, actor=SCHEDULER, now=in_time_to_expire(overdue))
    ids[RequestState.PENDING] = await submitted(money, vendor_id)
    for state in RequestState:
        found = await list_credit_requests(money.vendors, before_id=2**62, vendor_ids=[vendor_id], state=state, limit=10)
        assert ids[state] in {request.id for request in found}
        assert {request.state for request in found} == {state}


@pytest.mark.parametrize("seed", range(8))
async def test_of_all_who_decide_at_once_one_wins_and_credit_is_posted_once(money: Money, seed: int) -> None:
    """Approve, reject, cancel and expire in parallel: one outcome, no decision after it, and one entry where it is approved."""
    rng = random.Random(seed)
    vendor_id = await money.vendor()
    request_ids = [await submitted(money, vendor_id, rng.choice((100, THRESHOLD + 1))) for _ in range(12)]
    due = utc_now() + timedelta(days=DAYS)

    async def tried(decision: Awaitable[object]) -> object:
        try:
            return await decision
        except Conflict as refused:
            return refused

    def deciders(request_id: int) -> list[Awaitable[object]]:
        return [
            approve(money, request_id, "olga"),
            approve(money, request_id, "oscar"),
            reject_credit_request(money.vendors, request_id, "olga", "no"),
            cancel_credit_request(money.vendors, request_id, "partner", None, [vendor_id]),
        ]

    everything: list[Awaitable[object]] = [each for request_id in request_ids for each in deciders(request_id)]
    everything += [expire_credit_requests(money.vendors, days=DAYS, actor=SCHEDULER, now=due) for _ in range(3)]
    everything += [post_credit(money.vendors, [vendor_id]) for _ in range(6)]
    rng.shuffle(everything)
    outcomes = await asyncio.gather(*map(tried, everything))

    answered: dict[int, set[int]] = {request_id: set() for request_id in request_ids}
    for outcome in outcomes:
        if isinstance(outcome, CreditRequest) and outcome.state != RequestState.PENDING:
            answered[outcome.id].add(RequestState.APPROVED if outcome.state == RequestState.CONFIRMED else outcome.state)
    await post_credit(money.vendors, [vendor_id])
    final = {request_id: await now_of(money, request_id) for request_id in request_ids}
    for request_id, told in answered.items():
        state = final[request_id].state
        assert told <= {RequestState.APPROVED if state == RequestState.CONFIRMED else state}
        if state == RequestState.CONFIRMED and final[request_id].amount > THRESHOLD:
            assert {each.approved_by for each in final[request_id].approvals} == {"olga", "oscar"}
    confirmed = {str(each.id): each.amount for each in final.values() if each.state == RequestState.CONFIRMED}
    entries = await list_entries(money.vendors, vendor_id, before_seq=2**62, start=None, stop=None, limit=100)
    assert {entry.reference: entry.amount for entry in entries} == confirmed
    assert len(entries) == len(confirmed)
    assert (await get_vendor(money.vendors, vendor_id)).balance == sum(confirmed.values())
