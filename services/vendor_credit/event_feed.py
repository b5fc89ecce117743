"""The customer-charge service, as this service sees it: where facts of the ledger become events."""

from collections.abc import Callable, Sequence

import grpc
from charging.customer_charge.v1 import events_pb2, events_pb2_grpc

from services.vendor_credit.domain.facts import Fact
from shared.errors import Unavailable
from shared.times import to_timestamp

APPEND_TIMEOUT_SECONDS = 10.0
"""A page takes milliseconds; who waits longer than this sends it again at the next turn."""


class EventFeedClient:
    """Calls the customer-charge service with this process's own token."""

    def __init__(self, channel: grpc.aio.Channel, peer_token: Callable[[], str]) -> None:
        self._intake = events_pb2_grpc.EventIntakeServiceStub(channel)
        self._peer_token = peer_token

    async def append(self, facts: Sequence[Fact]) -> None:
        """Append facts, each once, whatever was appended before. Raises Unavailable; asking again is always safe."""
        request = events_pb2.AppendFactsRequest(facts=[fact_message(fact) for fact in facts])
        metadata = (("authorization", f"Token {self._peer_token()}"),)
        try:
            await self._intake.AppendFacts(request, timeout=APPEND_TIMEOUT_SECONDS, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise Unavailable(
                f"the customer-charge service did not take the facts: {error.code().name}",
                reason="EVENT_FEED_UNAVAILABLE",
                metadata={"code": error.code().name},
                retry_after_seconds=1.0,
            ) from error


def fact_message(fact: Fact) -> events_pb2.VendorFact:
    """Return the wire form of a fact."""
    return events_pb2.VendorFact(
        vendor_id=fact.vendor_id,
        entry_seq=fact.entry_seq,
        type=events_pb2.EventType.ValueType(fact.kind),
        vendor_balance=fact.balance_after,
        amount=fact.amount,
        request_id=fact.request_id,
        created_at=to_timestamp(fact.created_at),
    )
