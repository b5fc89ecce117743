"""Sends lines through the batch endpoint: a few batches at a time, each outcome noted before its batch counts as done."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from charging_cli.api import Api
from charging_cli.bulk.journal import Journal, Outcome
from charging_cli.bulk.lines import Line
from charging_cli.failures import Failure, Refused

PATH = "/api/customer/increase-credit/batch/"
TRIES_MAX = 5
"""How often a line is sent whose failure may pass; then it is noted as refused, and the next run tries again."""

PASSING = frozenset({2, 4, 8, 13, 14})
"""google.rpc.Code of failures that say nothing against the line: unknown, deadline, exhausted, internal, unavailable."""

PASSING_REASON = "IDEMPOTENCY_KEY_RUNNING"


@dataclass(frozen=True, slots=True)
class Order:
    """A line to send, the number of the charge that is tried for it, and how often it was sent in this run."""

    line: Line
    attempt: int = 1
    tries: int = 0

    @property
    def key(self) -> str:
        """Return the key sent: another one for each charge that is tried, the same one however often that charge is sent."""
        return self.line.key if self.attempt == 1 else f"{self.line.key}#{self.attempt}"

    def outcome(self, state: str, **known: Any) -> Outcome:
        """Return an outcome of this order."""
        return Outcome(self.line.vendor, self.line.key, state, self.attempt, **known)


class Sending:
    """Sends orders in batches of `batch_size`, at most `parallel` at a time. `advanced` is called with the number of lines just noted."""

    def __init__(self, api: Api, journal: Journal, *, batch_size: int, parallel: int, advanced: Callable[[int], None]) -> None:
        self._api = api
        self._journal = journal
        self._batch_size = batch_size
        self._parallel = parallel
        self._advanced = advanced
        self._waiting: deque[Order] = deque()

    def send(self, orders: Sequence[Order]) -> None:
        """Send all orders. Raises Failure when the service cannot be reached or refuses whole batches; what was noted stays noted.

        Ctrl-C ends it likewise, after the batches under way.
        """
        self._waiting.extend(orders)
        running: dict[Future[dict[str, Any]], list[Order]] = {}
        with ThreadPoolExecutor(self._parallel) as pool:
            try:
                while self._waiting or running:
                    while self._waiting and len(running) < self._parallel:
                        batch = [self._waiting.popleft() for _ in range(min(self._batch_size, len(self._waiting)))]
                        running[pool.submit(self._post, batch)] = batch
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._finish(future, running.pop(future))
            except BaseException:
                # What is under way may have been accepted: its answers are worth waiting for.
                self._finish_all(running)
                raise

    def _post(self, batch: Sequence[Order]) -> dict[str, Any]:
        items = [
            {"vendor": each.line.vendor, "customer": each.line.customer, "amount": each.line.amount, "idempotency_key": each.key}
            for each in batch
        ]
        return self._api.post(PATH, {"items": items}, repeatable=True)

    def _finish(self, future: Future[dict[str, Any]], batch: list[Order]) -> None:
        try:
            results = future.result()["results"]
        except Refused as refused:
            if refused.reason != "COST_ABOVE_LIMIT" or len(batch) == 1:
                raise
            self._batch_size = max(1, min(self._batch_size, len(batch) // 2))
            self._waiting.extendleft(reversed(batch))
            return
        if len(results) != len(batch):
            raise Failure(f"{len(results)} results came back for {len(batch)} lines", 1)
        pairs = [(order, _outcome(order, result)) for order, result in zip(batch, results, strict=True)]
        noted = [outcome for _, outcome in pairs if outcome is not None]
        self._journal.note(noted)
        self._advanced(len(noted))
        self._waiting.extend(Order(order.line, order.attempt, order.tries + 1) for order, outcome in pairs if outcome is None)

    def _finish_all(self, running: dict[Future[dict[str, Any]], list[Order]]) -> None:
        for future, batch in running.items():
            if future.cancel():
                continue
            try:
                self._finish(future, batch)
            except Failure:
                continue  # the first failure is the one that is told


def _outcome(order: Order, result: dict[str, Any]) -> Outcome | None:
    """Return what became of an order, None when it is to be sent again."""
    charge = result.get("charge")
    if charge:
        failure = charge.get("failure") or {}
        return order.outcome(
            charge["status"],
            charge_id=charge["id"],
            created_at=charge["created_at"],
            reason=failure.get("reason", ""),
            replayed=bool(result.get("replayed")),
        )
    error = result["error"]
    passing = error["code"] in PASSING or error["reason"] == PASSING_REASON
    if passing and order.tries + 1 < TRIES_MAX:
        return None
    return order.outcome("refused", reason=error["reason"], message=error.get("message", ""))
