"""FINISH of reversals: the one place where a reversal becomes final, whether it succeeded or failed."""

from collections.abc import Sequence
from datetime import datetime

from services.customer_charge.domain.reversals import ReversalVerdict
from services.customer_charge.operations.record_events import record_reversed
from services.customer_charge.storage import pending_reversals, reversals, reversed_charges
from shared.database import Connection


async def finish_reversals(connection: Connection, verdicts: Sequence[ReversalVerdict], now: datetime) -> list[ReversalVerdict]:
    """Give reversals their final state, in the caller's transaction, and return the verdicts that this transaction carried out.

    The caller holds the locks of the charges and the reversals. A verdict about a reversal that is final already, or that contradicts
    whether its customer was debited, is left out and changes nothing; whatever must happen once per finished reversal follows from what
    is returned.
    """
    moved = await reversals.finish_reversals(connection, verdicts, now)
    finished = [verdict for verdict in verdicts if verdict.reversal.reversal_id in moved]
    if finished:
        await reversed_charges.move_amounts(connection, finished)
        await pending_reversals.delete_pending(connection, sorted(moved))
        await record_reversed(connection, finished)
    return finished
