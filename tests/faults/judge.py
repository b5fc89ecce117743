"""The verdict on a run: the books replayed against the model, and everything that clients were told held against the books."""

from collections.abc import Iterable, Iterator
from typing import Any

from tests.faults.facts import Facts
from tests.faults.history import Line, Story, stories_of
from tests.faults.model import CONFIRMED, ONE_EFFECT, PROMISES, REJECTED, SEALED, USED, USED_FOR_REVERSAL, Finding, replay
from tests.faults.model_duplicates import replay_duplicates
from tests.faults.model_feeds import replay_feeds
from tests.faults.model_reversals import replay_reversals

STATUSES = {1: "accepted", 2: "succeeded", 3: "failed"}
REQUEST_STATUSES = {1: "pending", 2: "approved", 3: "confirmed", 4: "rejected"}
REUSED = "422 IDEMPOTENCY_KEY_REUSED"
ITEM_REUSED = "item IDEMPOTENCY_KEY_REUSED"


def judge(facts: Facts, lines: Iterable[Line]) -> list[Finding]:
    """Return every broken promise of a run that has come to rest. Keys name one wish in a run, whatever the vendor."""
    replayed = [*replay(facts), *replay_reversals(facts), *replay_feeds(facts), *replay_duplicates(facts)]
    return [*replayed, *_promises(facts, stories_of(lines))]


def _promises(facts: Facts, stories: list[Story]) -> Iterator[Finding]:
    keys = {row.key: row for row in facts.keys}
    charges = {charge.id: charge for charge in facts.charges}
    requests = {request.id: request for request in facts.requests}
    reversals = {reversal.id: reversal for reversal in facts.reversals}
    for story in stories:
        if story.kind == "charge":
            yield from _charge_story(story, keys.get(story.key), charges)
        elif story.kind == "read":
            yield from _read_story(story, charges)
        elif story.kind in {"approve", "reject"}:
            yield from _decision_story(story, requests)
        elif story.kind == "submit":
            yield from _submit_story(story, requests)
        elif story.kind == "reverse":
            yield from _reversal_story(story, keys.get(story.key), reversals)
        elif story.kind == "resolve":
            yield from _resolution_story(story, keys.get(story.key), charges)
    yield from _breakdowns(stories)
    asked = {story.key for story in stories if story.kind in {"charge", "reverse", "resolve"}}
    for key in keys.keys() - asked:
        yield Finding(PROMISES, f"key {key} was used by nobody, and stands for something")
    yield from _requests_asked_for(stories, requests)


def _breakdowns(stories: list[Story]) -> Iterator[Finding]:
    """Yield each error that nobody foresaw: a finding, also when asking again mended it."""
    for story in stories:
        yield from (
            Finding(PROMISES, f"{story.kind} {story.key} was answered {detail}") for detail in story.doubts if detail.startswith("500")
        )


def _charge_story(story: Story, key: Any, charges: dict[str, Any]) -> Iterator[Finding]:
    ids = {told["id"] for told in story.told}
    if len(ids) > 1:
        yield Finding(ONE_EFFECT, f"key {story.key} was answered with several charges: {sorted(ids)}")
    for told in story.told:
        charge = charges.get(told["id"])
        if key is None or key.charge_id != told["id"] or charge is None:
            yield Finding(PROMISES, f"key {story.key} was told {told}, and the books hold {key} and {charge}")
        elif told["status"] not in {"accepted", STATUSES[charge.state]}:
            yield Finding(PROMISES, f"key {story.key} was told {told}, and the charge is {STATUSES[charge.state]}")
    if key is None:
        return
    payload = {"vendor": key.vendor_id, "customer": key.customer_id, "amount": key.amount}
    if key.state == USED and payload not in story.wanted:
        yield Finding(PROMISES, f"key {story.key} stands for {payload}, and asked for was {story.wanted}")
    if not story.told and not story.doubts and key.state == USED:
        yield Finding(PROMISES, f"key {story.key} was refused ({story.refusals}), and made a charge")
    if len(story.wanted) == 1 and {REUSED, ITEM_REUSED} & set(story.refusals):
        yield Finding(PROMISES, f"key {story.key} asked for one thing only, and was told that it asked for two")
    if len(story.wanted) > 1 and len(story.told) and not {REUSED, ITEM_REUSED} & set(story.refusals) and not story.doubts:
        yield Finding(ONE_EFFECT, f"key {story.key} asked for two things, and nobody was told so")


def _reversal_story(story: Story, key: Any, reversals: dict[str, Any]) -> Iterator[Finding]:
    for told in story.told:
        reversal = reversals.get(told["id"])
        if key is None or key.reversal_id != told["id"] or reversal is None:
            yield Finding(PROMISES, f"key {story.key} was told {told}, and the books hold {key} and {reversal}")
        elif told["status"] not in {"accepted", STATUSES[reversal.state]}:
            yield Finding(PROMISES, f"key {story.key} was told {told}, and the reversal is {STATUSES[reversal.state]}")
    if key is not None and key.state == USED_FOR_REVERSAL and not story.told and not story.doubts:
        yield Finding(PROMISES, f"key {story.key} was refused ({story.refusals}), and reversed something")


def _resolution_story(story: Story, key: Any, charges: dict[str, Any]) -> Iterator[Finding]:
    """Whoever was told `sealed` is told so for ever; whoever was told of a charge finds it."""
    for told in story.told:
        if told["status"] == "sealed":
            if key is None or key.state != SEALED:
                yield Finding(PROMISES, f"key {story.key} was said to be sealed, and the books hold {key}")
        elif key is None or key.charge_id != told["id"] or told["status"] not in {"accepted", STATUSES[charges[told["id"]].state]}:
            yield Finding(PROMISES, f"key {story.key} was resolved as {told}, and the books hold {key}")


def _read_story(story: Story, charges: dict[str, Any]) -> Iterator[Finding]:
    final = STATUSES[charges[story.key].state] if story.key in charges else "missing"
    seen = [told["status"] for told in story.told]
    if any(status not in {"accepted", final} for status in seen) or seen != sorted(seen, key=lambda status: status != "accepted"):
        yield Finding(PROMISES, f"charge {story.key} was read as {seen} and is {final}")


def _submit_story(story: Story, requests: dict[int, Any]) -> Iterator[Finding]:
    ids = {told["id"] for told in story.told}
    if len(ids) > 1:
        yield Finding(ONE_EFFECT, f"key {story.key} was answered with several credit requests: {sorted(ids)}")
    for number in ids:
        request = requests.get(number)
        if request is None or {"requester": request.vendor_id, "amount": request.amount} not in story.wanted:
            yield Finding(PROMISES, f"key {story.key} was told of credit request {number}, and the books hold {request}")


def _decision_story(story: Story, requests: dict[int, Any]) -> Iterator[Finding]:
    """Stories of decisions are named after the request: `approve-17`."""
    request = requests.get(int(story.key.rpartition("-")[2]))
    wanted = CONFIRMED if story.kind == "approve" else REJECTED
    if story.told and (request is None or request.state != wanted):
        state = REQUEST_STATUSES[request.state] if request is not None else "missing"
        yield Finding(PROMISES, f"{story.key} was answered, and the request is {state}")
    if not story.told and not story.doubts and request is not None and request.state == wanted:
        yield Finding(PROMISES, f"{story.key} was refused ({story.refusals}), and was done")


def _requests_asked_for(stories: list[Story], requests: dict[int, Any]) -> Iterator[Finding]:
    """Each wish for credit made one request at most: as many requests of a vendor and amount as there were wishes for it, or fewer."""
    wished: dict[tuple[int, int], int] = {}
    for story in stories:
        if story.kind == "submit":
            name = (story.wanted[0]["requester"], story.wanted[0]["amount"])
            wished[name] = wished.get(name, 0) + 1
    made: dict[tuple[int, int], int] = {}
    for request in requests.values():
        made[request.vendor_id, request.amount] = made.get((request.vendor_id, request.amount), 0) + 1
    for name, count in made.items():
        if count > wished.get(name, 0):
            yield Finding(
                ONE_EFFECT, f"{count} credit requests of (vendor, amount) {name} exist, and {wished.get(name, 0)} were wished for"
            )
