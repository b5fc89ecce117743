"""Compare a caller's own list of charges with ours, page by page."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from services.customer_charge.domain.charge_ids import first_id_at, id_before
from services.customer_charge.domain.reconciliation import Comparison, Discrepancy, Found, Kind, Ours, Row, compare
from services.customer_charge.storage import reconciliation
from shared.database import Connection, Database

NAME_MARGIN = timedelta(days=1)
"""How far from the period an external id still means a charge: the caller's day may begin and end at other times than ours."""

CLOCK_MARGIN = timedelta(minutes=5)
"""How far the time in a charge's id may be from that of its acceptance, by the way it took and by two machines' clocks."""

TIMES = datetime(1970, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)
"""Between these a margin can be added to a time, and the result is one that ids can be of."""

SPARE = 5
"""Charges looked at beyond the number of rows with the same external id, because failed tries often share it."""

CHUNK = 5_000
SCANNED_MAX = 50_000
"""Charges of the period that one page looks at: what bounds its time when nearly all of them are in the list."""


class Position(NamedTuple):
    """Where a page begins: at a row of the list, or behind a charge of the period once `after_id` is set."""

    row: int = 0
    after_id: str = ""


class Page(NamedTuple):
    """One page of discrepancies, `counts` of all rows by what became of them, and where the next page begins (None: nowhere)."""

    discrepancies: list[Discrepancy]
    counts: Counter[Kind]
    next: Position | None


async def reconcile_charges(
    database: Database,
    *,
    vendor_id: int,
    start: datetime,
    stop: datetime,
    rows: Sequence[Row],
    state: int,
    position: Position,
    limit: int,
) -> Page:
    """Return up to `limit` discrepancies from `position` on; only charges of ours in `state` (0: any) count as only ours."""
    async with database.reading() as connection:
        found = await _found(connection, vendor_id, start, stop, rows)
        # Twenty thousand rows take long enough to hold up everybody else's calls.
        compared = await asyncio.to_thread(compare, rows, found)
        counts = Counter(discrepancy.kind for _, discrepancy in compared.discrepancies)
        page: list[Discrepancy] = []
        if not position.after_id:
            waiting = [each for each in compared.discrepancies if each[0] >= position.row]
            page = [discrepancy for _, discrepancy in waiting[:limit]]
            if len(waiting) > limit:
                return Page(page, counts, Position(row=waiting[limit][0]))
            position = Position(after_id=id_before(_id_at(start, -CLOCK_MARGIN)))
        if len(page) == limit:
            return Page(page, counts, position)
        ours, after_id = await _only_ours(connection, vendor_id, start, stop, state, compared, position.after_id, limit - len(page))
    page += [Discrepancy(Kind.ONLY_OURS, None, each) for each in ours]
    return Page(page, counts, Position(after_id=after_id) if after_id else None)


async def _found(connection: Connection, vendor_id: int, start: datetime, stop: datetime, rows: Sequence[Row]) -> Found:
    """Look up every charge that the rows name."""
    names = Counter(row.external_id for row in rows if row.external_id)
    ids, keys = {row.charge_id for row in rows if row.charge_id}, {row.key for row in rows if row.key}
    return Found(
        await reconciliation.charges_by_id(connection, vendor_id, ids) if ids else {},
        await reconciliation.charges_by_key(connection, vendor_id, keys) if keys else {},
        await reconciliation.charges_by_external_id(
            connection,
            vendor_id,
            {name: rows_of_name + SPARE for name, rows_of_name in names.items()},
            first_id=_id_at(start, -NAME_MARGIN),
            stop_id=_id_at(stop, NAME_MARGIN),
        )
        if names
        else {},
    )


async def _only_ours(
    connection: Connection,
    vendor_id: int,
    start: datetime,
    stop: datetime,
    state: int,
    compared: Comparison,
    after_id: str,
    limit: int,
) -> tuple[list[Ours], str]:
    """Return charges of the period that no row has, and the id behind which the next page begins; an empty one at the end."""
    stop_id = _id_at(stop, CLOCK_MARGIN)
    ours: list[Ours] = []
    for _ in range(0, SCANNED_MAX, CHUNK):
        chunk = await reconciliation.charges_between(connection, vendor_id, after_id=after_id, stop_id=stop_id, limit=CHUNK)
        for each in chunk:
            after_id = each.id
            if each.id in compared.taken or not start <= each.created_at < stop or (state and each.state != state):
                continue
            ours.append(each)
            if len(ours) == limit:
                return ours, after_id
        if len(chunk) < CHUNK:
            return ours, ""
    return ours, after_id


def _id_at(moment: datetime, margin: timedelta) -> str:
    """Return the smallest id of a moment moved by a margin."""
    earliest, latest = TIMES
    return first_id_at(min(max(moment, earliest), latest) + margin)
