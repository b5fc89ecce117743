"""The acceptor with spans. Imported only where traces are on."""

from collections.abc import Awaitable, Sequence
from typing import Any

from opentelemetry.trace import SpanContext, SpanKind

from services.customer_charge.acceptor import Acceptor
from services.customer_charge.domain.charges import ChargeOrder
from services.customer_charge.operations.accept_charges import Accepted
from shared.errors import ChargingError
from shared.tracing.tracing import Tracing, current_context


class TracedAcceptor(Acceptor):
    """Accepts charges; a batch gets a span in the trace of each of its calls that is kept."""

    def __init__(self, tracing: Tracing, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tracing = tracing
        self._callers: dict[str, SpanContext] = {}

    def accept(self, order: ChargeOrder) -> Awaitable[Accepted]:
        """Accept one charge; raises as the acceptor does."""
        caller = current_context()
        return super().accept(order) if caller is None else self._remembering(order, caller)

    async def _remembering(self, order: ChargeOrder, caller: SpanContext) -> Accepted:
        self._callers[order.charge_id] = caller
        try:
            return await super().accept(order)
        finally:
            self._callers.pop(order.charge_id, None)

    async def _accept_batch(self, orders: Sequence[ChargeOrder]) -> list[Accepted | ChargingError]:
        callers = [caller for order in orders if (caller := self._callers.get(order.charge_id)) is not None]
        if not callers and (caller := current_context()) is not None:  # a bulk call: its charges begin traces of their own when they settle
            callers = [caller]
        with self._tracing.batch("accept", callers, SpanKind.INTERNAL, attributes={"charging.batch_size": len(orders)}):
            return await super()._accept_batch(orders)
