"""EventService and EventIntakeService."""

from collections.abc import AsyncIterator

from charging.customer_charge.v1 import events_pb2 as pb
from charging.customer_charge.v1 import events_pb2_grpc

from services.customer_charge.domain.events import Fact
from services.customer_charge.event_messages import event_message
from services.customer_charge.feed_watch import FeedWatches
from services.customer_charge.operations.read_events import read_events
from services.customer_charge.operations.record_events import append_facts
from shared.cells import Cells
from shared.errors import InvalidArgument
from shared.interceptors.types import Context
from shared.paging import PAGE_SIZE_MAX, page_size_of
from shared.times import from_timestamp

FACT_TYPES = frozenset({pb.EVENT_TYPE_CREDIT_CONFIRMED, pb.EVENT_TYPE_BALANCE_LOW})

SIGN_OF_LIFE_SECONDS = 10.0
"""After so long without an event the watcher hears that the stream still lives; proxies usually cut off what is silent for a minute."""


class EventServicer(events_pb2_grpc.EventServiceServicer):
    """Serves the feeds."""

    def __init__(self, cells: Cells, watch: FeedWatches) -> None:
        self._cells = cells
        self._watch = watch

    async def ListEvents(self, request: pb.ListEventsRequest, context: Context) -> pb.ListEventsResponse:
        """List events of a feed, after a number."""
        page = await read_events(
            self._cells.of(request.vendor_id),
            request.vendor_id,
            after=request.after,
            types=frozenset(request.types),
            limit=page_size_of(request.page_size),
        )
        return pb.ListEventsResponse(
            events=[event_message(event) for event in page.events], next_after=page.next_after, has_more=page.has_more
        )

    async def WatchEvents(self, request: pb.WatchEventsRequest, context: Context) -> AsyncIterator[pb.WatchEventsResponse]:
        """Stream the events of a feed, after a number, until the stream is ended from outside."""
        after, types = request.after, frozenset(request.types)
        yield pb.WatchEventsResponse(next_after=after)
        while True:
            page = await read_events(self._cells.of(request.vendor_id), request.vendor_id, after=after, types=types, limit=PAGE_SIZE_MAX)
            for event in page.events:
                yield pb.WatchEventsResponse(event=event_message(event), next_after=event.seq)
            after = page.next_after
            if not page.has_more and not await self._watch.wait(request.vendor_id, after, SIGN_OF_LIFE_SECONDS):
                yield pb.WatchEventsResponse(next_after=after)


class EventIntakeServicer(events_pb2_grpc.EventIntakeServiceServicer):
    """Takes facts of the vendor ledger."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def AppendFacts(self, request: pb.AppendFactsRequest, context: Context) -> pb.AppendFactsResponse:
        """Append facts, each once."""
        for index, fact in enumerate(request.facts):
            if fact.type not in FACT_TYPES:
                raise InvalidArgument.of_field(f"facts[{index}].type", "is not a fact of a vendor's ledger")
        facts = [
            Fact(
                vendor_id=fact.vendor_id,
                entry_seq=fact.entry_seq,
                kind=fact.type,
                vendor_balance=fact.vendor_balance,
                amount=fact.amount,
                request_id=fact.request_id,
                created_at=from_timestamp(fact.created_at),
            )
            for fact in request.facts
        ]
        return pb.AppendFactsResponse(appended=await append_facts(self._cells, facts))
