"""EventService and EventIntakeService."""

from collections.abc import AsyncIterator

from charging.customer_charge.v1 import customer_charge_pb2 as charge_pb
from charging.customer_charge.v1 import events_pb2 as pb
from charging.customer_charge.v1 import events_pb2_grpc

from services.customer_charge.domain.charges import Charge
from services.customer_charge.domain.events import Event, EventType, Fact
from services.customer_charge.feed_watch import FeedWatch
from services.customer_charge.operations.read_events import read_events
from services.customer_charge.operations.record_events import append_facts
from shared.database import Database
from shared.errors import InvalidArgument
from shared.interceptors.types import Context
from shared.paging import PAGE_SIZE_MAX, page_size_of
from shared.times import from_timestamp, to_timestamp

FACT_TYPES = frozenset({pb.EVENT_TYPE_CREDIT_CONFIRMED, pb.EVENT_TYPE_BALANCE_LOW})

SIGN_OF_LIFE_SECONDS = 10.0
"""After so long without an event the watcher hears that the stream still lives; proxies usually cut off what is silent for a minute."""


class EventServicer(events_pb2_grpc.EventServiceServicer):
    """Serves the feeds."""

    def __init__(self, database: Database, watch: FeedWatch) -> None:
        self._database = database
        self._watch = watch

    async def ListEvents(self, request: pb.ListEventsRequest, context: Context) -> pb.ListEventsResponse:
        """List events of a feed, after a number."""
        page = await read_events(
            self._database,
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
            page = await read_events(self._database, request.vendor_id, after=after, types=types, limit=PAGE_SIZE_MAX)
            for event in page.events:
                yield pb.WatchEventsResponse(event=event_message(event), next_after=event.seq)
            after = page.next_after
            if not page.has_more and not await self._watch.wait(request.vendor_id, after, SIGN_OF_LIFE_SECONDS):
                yield pb.WatchEventsResponse(next_after=after)


class EventIntakeServicer(events_pb2_grpc.EventIntakeServiceServicer):
    """Takes facts of the vendor ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
        return pb.AppendFactsResponse(appended=await append_facts(self._database, facts))


def event_message(event: Event) -> pb.Event:
    """Return the wire form of an event: the same for everybody who may see it, and the same for ever."""
    message = pb.Event(
        id=f"evt_{event.vendor_id}_{event.seq}",
        vendor_id=event.vendor_id,
        seq=event.seq,
        type=pb.EventType.ValueType(event.type),
        created_at=to_timestamp(event.created_at),
        vendor_balance=event.vendor_balance,
    )
    if event.charge is not None:
        message.charge.CopyFrom(_charge_message(event.charge))
    elif event.fact is not None and event.type is EventType.CREDIT_CONFIRMED:
        message.credit.CopyFrom(pb.EventCredit(request_id=event.fact.request_id, amount=event.fact.amount))
    elif event.fact is not None:
        message.low_balance.CopyFrom(pb.EventThreshold(threshold=event.fact.amount))
    return message


def _charge_message(charge: Charge) -> pb.EventCharge:
    failure = None
    if charge.failure_reason is not None:
        failure = charge_pb.ChargeFailure(
            reason=charge_pb.FailureReason.ValueType(charge.failure_reason),
            available=charge.available or 0,
            shortfall=charge.shortfall or 0,
        )
    return pb.EventCharge(
        id=charge.id,
        customer_id=charge.customer_id,
        amount=charge.amount,
        accepted_at=to_timestamp(charge.created_at),
        failure=failure,
        external_id=charge.external_id,
        metadata=charge.metadata,
    )
