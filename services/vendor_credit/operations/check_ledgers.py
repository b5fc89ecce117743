"""Check the vendor ledgers: all of them from their first entry, or what is new since the last check."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.vendor_credit.domain.ledger import Account, ChainCheck, Checkpoint, genesis
from services.vendor_credit.operations.stop_vendors import stop_vendors_of_cell
from services.vendor_credit.storage import accounts, entry_causes, stops
from shared.database import Connection, Database

FROM_THE_START: Mapping[int, Checkpoint] = {}


@dataclass(slots=True)
class LedgerCheck:
    """What checking found: `broken` is one sentence for each vendor whose ledger is not whole; `whole` how far the others were checked."""

    heads: list[Account]
    broken: dict[int, str] = field(default_factory=dict)
    whole: list[Checkpoint] = field(default_factory=list)


async def check_ledgers(connection: Connection, checkpoints: Mapping[int, Checkpoint] = FROM_THE_START) -> LedgerCheck:
    """Check every vendor's ledger on from its checkpoint, or from its first entry, up to its head. Needs a snapshot.

    Sum, gap-free seq, balance_after, hash chain, order of times, the balance against its limit, and the cause of every entry: a debited
    decision, a confirmed request or a credited reversal of the same vendor and amount.
    """
    check = LedgerCheck(await accounts.read_heads(connection))
    for head in check.heads:
        start = checkpoints.get(head.vendor_id) or genesis(head.vendor_id)
        chain = ChainCheck(start)
        if head.last_seq != start.seq:
            async for entry in accounts.stream_entries(connection, head.vendor_id, after_seq=start.seq):
                chain.add(entry)
        chain.finish(head)
        if chain.finding is None and head.last_seq > start.seq:
            reference = await entry_causes.find_baseless_entry(connection, head.vendor_id, after_seq=start.seq)
            if reference is not None:
                chain.finding = f"vendor {head.vendor_id}: nothing that was decided accounts for its entry for {reference}"
        if chain.finding is not None:
            check.broken[head.vendor_id] = chain.finding
        elif head.last_seq > start.seq:
            check.whole.append(chain.checkpoint)
    return check


async def check_new_entries(database: Database, *, actor: str) -> dict[int, str]:
    """Check what is new in a cell since the last check, stop the vendors whose ledger is broken, and remember how far the others are whole.

    Returns what is broken, one sentence for each vendor, also for those that were stopped before. A vendor's own head is looked at even
    when it has nothing new.
    """
    async with database.reading() as connection, connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        check = await check_ledgers(connection, await stops.read_checkpoints(connection))
    if check.whole:

        async def work(connection: Connection) -> None:
            await stops.write_checkpoints(connection, check.whole)

        await database.transact(work)
    await stop_vendors_of_cell(database, check.broken, actor=actor)
    return check.broken
