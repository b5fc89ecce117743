"""Sending lines in batches: what is noted, sent again, split, and left for the next run."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from charging_cli.api import Body
from charging_cli.bulk.journal import Journal
from charging_cli.bulk.lines import Line
from charging_cli.bulk.results import summary, write_results
from charging_cli.bulk.sending import TRIES_MAX, Order, Sending
from charging_cli.commands.bulk import orders_of
from charging_cli.failures import Refused, Unreachable

LINES = [Line(number + 1, 1, 7, 100, f"=k-{number}") for number in range(1, 11)]
Answer = Callable[[dict[str, Any]], dict[str, Any]]


class FakeDoor:
    """Answers each item with what `answer` makes of it; refuses batches above `cost_max`, and everything after `batches_max` batches."""

    def __init__(self, answer: Answer, *, cost_max: int = 1_000, batches_max: int = 1_000) -> None:
        self.answer = answer
        self.cost_max = cost_max
        self.batches_max = batches_max
        self.items: list[dict[str, Any]] = []
        self.batches = 0

    def post(self, path: str, body: Body, *, repeatable: bool) -> dict[str, Any]:
        """Take one batch."""
        assert repeatable
        assert path == "/api/customer/increase-credit/batch/"
        if len(body["items"]) > self.cost_max:
            raise Refused(429, {"reason": "COST_ABOVE_LIMIT"})
        if self.batches >= self.batches_max:
            raise Unreachable("gone")
        self.batches += 1
        self.items += body["items"]
        return {"results": [self.answer(item) for item in body["items"]]}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Give an empty journal."""
    with Journal(tmp_path / "j", job="job", url="http://here") as opened:
        yield opened


def accepted(item: dict[str, Any]) -> dict[str, Any]:
    """Answer that the charge is accepted."""
    return {"charge": {"id": f"c-{item['idempotency_key']}", "status": "accepted", "created_at": "2026-01-31T12:00:00Z"}}


def refused(code: int, reason: str) -> dict[str, Any]:
    """Return the error of an item."""
    return {"error": {"code": code, "reason": reason, "message": "no"}}


def send(door: FakeDoor, journal: Journal, orders: list[Order] | None = None, batch_size: int = 4) -> int:
    """Send orders, by default those that the journal leaves; return how many lines were counted as done."""
    counted: list[int] = []
    sending = Sending(door, journal, batch_size=batch_size, parallel=1, advanced=counted.append)  # type: ignore[arg-type]  # a stand-in
    sending.send(orders_of(LINES, journal, retry_failed=False) if orders is None else orders)
    return sum(counted)


def test_every_line_is_sent_once_and_noted(journal: Journal) -> None:
    """A second run sends nothing."""
    door = FakeDoor(accepted)
    assert send(door, journal) == 10
    assert [item["idempotency_key"] for item in door.items] == [line.key for line in LINES]
    send(door, journal)
    assert len(door.items) == 10


def test_what_may_pass_is_sent_again_with_the_same_key(journal: Journal) -> None:
    """And noted as refused when it does not pass, for the next run to try."""
    hitches = {"=k-3": 2, "=k-4": 1_000}

    def answer(item: dict[str, Any]) -> dict[str, Any]:
        key = item["idempotency_key"]
        hitches[key] = hitches.get(key, 0) - 1
        return refused(14, "UNAVAILABLE") if hitches[key] >= 0 else accepted(item)

    door = FakeDoor(answer)
    send(door, journal)
    sent = [item["idempotency_key"] for item in door.items]
    assert (sent.count("=k-3"), sent.count("=k-4"), sent.count("=k-5")) == (3, TRIES_MAX, 1)
    assert summary(LINES, journal) == {"refused": {"lines": 1, "amount": 100}, "accepted": {"lines": 9, "amount": 900}}
    assert [order.key for order in orders_of(LINES, journal, retry_failed=False)] == ["=k-4"]


def test_a_batch_above_a_limit_is_split(journal: Journal) -> None:
    """Under a contract each item costs one unit, and waiting cannot help."""
    door = FakeDoor(accepted, cost_max=3)
    assert send(door, journal, batch_size=10) == 10
    assert sorted(item["idempotency_key"] for item in door.items) == sorted(line.key for line in LINES)


def test_what_was_answered_before_the_service_went_away_is_kept(journal: Journal, tmp_path: Path) -> None:
    """The next run sends the rest, and the results say which lines were not sent."""
    with pytest.raises(Unreachable):
        send(FakeDoor(accepted, batches_max=1), journal)
    assert len(journal.outcomes()) == 4
    write_results(tmp_path / "results.csv", LINES, journal)
    rows = (tmp_path / "results.csv").read_text().splitlines()
    assert rows[1].startswith("2,1,7,100,'=k-1,accepted"), "a spreadsheet must not run a key as a formula"
    assert rows[10].endswith(",not sent,,,")
    door = FakeDoor(accepted)
    send(door, journal)
    assert [item["idempotency_key"] for item in door.items] == [line.key for line in LINES[4:]]


def test_failed_charges_are_tried_again_only_when_asked_with_a_new_key(journal: Journal) -> None:
    """A failed charge is final, so a new wish needs a new key; asking again for the same wish does not."""

    def failed(item: dict[str, Any]) -> dict[str, Any]:
        return {"charge": {**accepted(item)["charge"], "status": "failed", "failure": {"reason": "insufficient_credit"}}}

    send(FakeDoor(failed), journal)
    assert orders_of(LINES, journal, retry_failed=False) == []
    again = orders_of(LINES, journal, retry_failed=True)
    assert [order.key for order in again] == [f"{line.key}#2" for line in LINES]
    send(FakeDoor(accepted), journal, again)
    assert summary(LINES, journal) == {"accepted": {"lines": 10, "amount": 1_000}}
