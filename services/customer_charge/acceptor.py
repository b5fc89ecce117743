"""Charges that arrive together are accepted together: the service's hot path in one object."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from services.customer_charge.domain.charges import ChargeOrder
from services.customer_charge.existence import Existence, missing_party
from services.customer_charge.operations.accept_charges import Accepted, accept_charges
from shared.batching import NaturalBatcher
from shared.cells import Cells
from shared.errors import ChargingError, NotFound
from shared.wakeups.after_answers import Wake

if TYPE_CHECKING:
    from shared.tracing.tracing import Tracing

MAX_BATCH = 512
"""Most charges of one transaction: past this a commit is spread thin enough, and the first caller waits for the last."""

MAX_BULK = 2_000
"""The same within one bulk call, whose caller waits for all of it anyway. As many as one settlement takes."""

MAX_QUEUE = 8_192
"""Most charges that wait for a transaction; about two seconds of work. Beyond it callers are told to come back."""

MAX_IN_FLIGHT = 1
"""Transactions under way. One: while it waits for the disk the next batch grows, and a batch twice as large costs the process less than two
at a time."""


STREAM_BATCH = 16
"""A batch of this size says that charges stream in. It is what the settlement takes for a stream too."""


class Acceptor:
    """Accepts charges of one process, in batches, and wakes the workers after the commit."""

    def __init__(
        self,
        cells: Cells,
        *,
        slots: int,
        vendors: Existence,
        customers: Existence,
        wake: Wake,
        observe: Callable[[int], None] | None = None,
    ) -> None:
        """Make batches for each cell.

        `slots` are those of each cell; `wake` takes a slot that got work, and whether much came at once; `observe` is told the
        size of every batch.
        """
        self._cells = cells
        self._slots = slots * len(cells)
        self._vendors = vendors
        self._customers = customers
        self._wake = wake
        # A batch is one transaction, so there are batches for each cell.
        self._batchers: list[NaturalBatcher[ChargeOrder, Accepted]] = [
            NaturalBatcher(
                self._accept_batch,
                name="accept",
                max_batch=MAX_BATCH,
                max_queue=MAX_QUEUE,
                max_in_flight=MAX_IN_FLIGHT,
                retry_singly=known_rollback,
                observe=observe,
            )
            for _ in cells
        ]

    def accept(self, order: ChargeOrder) -> Awaitable[Accepted]:
        """Accept one charge. Raises NotFound for an unknown vendor or customer, and what `accept_charges` says of the order."""
        if self._vendors.known(order.vendor_id) and self._customers.known(order.customer_id):
            return self._batchers[order.vendor_id % len(self._batchers)].submit(order)
        return self._accept_after_looking(order)

    async def _accept_after_looking(self, order: ChargeOrder) -> Accepted:
        await self.require_vendor(order.vendor_id)
        await self._require(self._customers, "customer", "customer_id", order.customer_id)
        return await self._batchers[order.vendor_id % len(self._batchers)].submit(order)

    async def accept_many(self, orders: Sequence[ChargeOrder]) -> list[Accepted | ChargingError]:
        """Accept the charges of one bulk call; one result per order, in order."""
        vendors = await self._vendors.find({order.vendor_id for order in orders})
        customers = await self._customers.find({order.customer_id for order in orders})
        results: list[Accepted | ChargingError] = []
        for start in range(0, len(orders), MAX_BULK):
            chunk = orders[start : start + MAX_BULK]
            refused = {
                order.charge_id: error
                for order in chunk
                if (error := missing_party(order.vendor_id, order.customer_id, vendors, customers))
            }
            good = [order for order in chunk if order.charge_id not in refused]
            accepted = iter(await self._accept_bulk(good) if good else [])
            results += [refused.get(order.charge_id) or next(accepted) for order in chunk]
        return results

    @property
    def waiting(self) -> int:
        """Return how many charges wait for a transaction."""
        return sum(batcher.waiting for batcher in self._batchers)

    async def require_vendor(self, vendor_id: int) -> None:
        """Raise NotFound for an unknown vendor, Unavailable when it is not known here and nobody can be asked."""
        await self._require(self._vendors, "vendor", "vendor_id", vendor_id)

    async def close(self) -> None:
        """Refuse new charges and wait for those under way."""
        for batcher in self._batchers:
            await batcher.close()

    async def _accept_bulk(self, orders: Sequence[ChargeOrder]) -> Sequence[Accepted | ChargingError]:
        """Accept orders of any cells, a transaction in each; raises the first error when all are done, and may be called again then."""
        return await self._cells.answer_each(orders, lambda order: order.vendor_id, lambda _, part: self._accept_batch(part))

    async def _accept_batch(self, orders: Sequence[ChargeOrder]) -> list[Accepted | ChargingError]:
        """Accept orders of one cell's vendors."""
        batch = await accept_charges(self._cells.of(orders[0].vendor_id), orders, slots=self._slots)
        for slot in batch.slots:
            self._wake(slot, stream=len(orders) >= STREAM_BATCH)
        return batch.results

    @staticmethod
    async def _require(existence: Existence, kind: str, field: str, identifier: int) -> None:
        if identifier not in await existence.find({identifier}):
            raise NotFound.of(kind, identifier, field)


def acceptor_kind(tracing: "Tracing | None") -> Callable[..., Acceptor]:
    """Return what makes an acceptor, one with spans where traces are on."""
    if tracing is None:
        return Acceptor
    from services.customer_charge.traced_acceptor import TracedAcceptor

    return partial(TracedAcceptor, tracing)


def known_rollback(error: Exception) -> bool:
    """Tell whether a failed batch certainly left nothing behind, so that its items may be tried one by one.

    `Database.transact` has repeated whatever a repetition can mend, and its own errors mean "out of reach"; what is left was raised by a
    statement before COMMIT and was rolled back.
    """
    return not isinstance(error, ChargingError)
