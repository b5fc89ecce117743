"""The vendor-credit service, as reversals see it: where vendors are credited back, and what the audit asks about it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

import grpc
from charging.vendor_credit.v1 import reversal_credit_pb2 as pb
from charging.vendor_credit.v1 import reversal_credit_pb2_grpc

from services.customer_charge.domain.reversals import Credit, PendingReversal
from shared.errors import Unavailable

TIMEOUT_SECONDS = 10.0
"""As for debits: a batch takes well under a second; a worker that waits longer looks again instead."""

T = TypeVar("T")


class Ask(Protocol):
    """Awaits a call; raises Unavailable in place of the wire's errors."""

    async def __call__(self, call: Awaitable[T]) -> T:
        """Return the answer."""
        ...


class ReversalCreditClient:
    """Calls ReversalCreditService. `metadata` names the caller, `ask` waits for answers."""

    def __init__(self, channel: grpc.aio.Channel, metadata: Callable[[], tuple[tuple[str, str], ...]], ask: Ask) -> None:
        self._stub = reversal_credit_pb2_grpc.ReversalCreditServiceStub(channel)
        self._metadata = metadata
        self._ask = ask

    async def credit(self, debited: Sequence[PendingReversal]) -> list[Credit]:
        """Credit each reversal's vendor once and return what became of each, in order. Repeatable.

        Raises Unavailable, also for an answer that is not about these reversals in this order: what it says is believed of none of them.
        """
        request = pb.CreditVendorsRequest(
            credits=[pb.ReversalCredit(reversal_id=each.reversal_id, vendor_id=each.vendor_id, amount=each.amount) for each in debited]
        )
        response = await self._ask(self._stub.CreditVendors(request, timeout=TIMEOUT_SECONDS, metadata=self._metadata()))
        if not _answers(debited, response.results):
            raise Unavailable(
                "the vendor-credit service answered another question",
                reason="VENDOR_CREDIT_UNAVAILABLE",
                metadata={"service": "vendor_credit"},
                retry_after_seconds=1.0,
            )
        return [_credit(result) for result in response.results]

    async def list_credits(self, after: str, limit: int) -> list[pb.ReversalCredit]:
        """Return credits in order of reversal id, above `after`. Raises Unavailable."""
        request = pb.ListReversalCreditsRequest(after_reversal_id=after, page_size=limit)
        response = await self._ask(self._stub.ListReversalCredits(request, timeout=TIMEOUT_SECONDS, metadata=self._metadata()))
        return list(response.credits)

    async def get_credits(self, reversal_ids: Sequence[str]) -> list[pb.ReversalCredit]:
        """Return the credits that exist for the reversals. Raises Unavailable."""
        request = pb.GetReversalCreditsRequest(reversal_ids=reversal_ids)
        response = await self._ask(self._stub.GetReversalCredits(request, timeout=TIMEOUT_SECONDS, metadata=self._metadata()))
        return list(response.credits)


def _answers(debited: Sequence[PendingReversal], results: Sequence[pb.CreditResult]) -> bool:
    """Return whether there is one result for each reversal, in order. A server of an earlier release does not name them."""
    return len(results) == len(debited) and all(
        not result.HasField("reversal_id") or result.reversal_id == each.reversal_id for each, result in zip(debited, results, strict=True)
    )


def _credit(result: pb.CreditResult) -> Credit:
    if result.outcome != pb.CREDIT_OUTCOME_CREDITED:
        return Credit(given=False)
    return Credit(given=True, vendor_balance_after=result.balance_after)
