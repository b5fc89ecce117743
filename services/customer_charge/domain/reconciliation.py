"""A caller's own list of charges beside ours: which row means which charge, and what they do not agree about."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

LOOKAHEAD = 50
"""Charges of one external id that a row is compared with to find the one it means: enough for retries, and bounded for a careless name."""


class Kind(IntEnum):
    """The numbers of charging.customer_charge.v1.DiscrepancyKind."""

    ONLY_YOURS = 1
    ONLY_OURS = 2
    DIFFERING = 3
    DUPLICATE = 4


class Differing(IntEnum):
    """The numbers of charging.customer_charge.v1.DifferingField."""

    CHARGE = 1
    IDEMPOTENCY_KEY = 2
    EXTERNAL_ID = 3
    CUSTOMER = 4
    AMOUNT = 5
    STATUS = 6
    REVERSED_AMOUNT = 7


class Row(NamedTuple):
    """A charge as the caller knows it; amounts in minor units. An empty text, 0 and a `reversed_amount` of None are not known."""

    line: int
    charge_id: str
    key: str
    external_id: str
    customer_id: int
    amount: int
    state: int
    reversed_amount: int | None


class Ours(NamedTuple):
    """A charge as we have it; amounts in minor units."""

    id: str
    customer_id: int
    amount: int
    state: int
    external_id: str | None
    reversed_amount: int
    created_at: datetime


class Found(NamedTuple):
    """The vendor's charges that the rows name. `by_key` has the charge that each key made; those of an external id are oldest first."""

    by_id: Mapping[str, Ours]
    by_key: Mapping[str, Ours]
    by_external_id: Mapping[str, Sequence[Ours]]


class Discrepancy(NamedTuple):
    """Something that is not the same in both lists; `row` or `ours` is None for what only one of them has."""

    kind: Kind
    row: Row | None
    ours: Ours | None
    fields: tuple[Differing, ...] = ()
    first_line: int | None = None


class Comparison(NamedTuple):
    """What became of the rows: what was found, by the row's place in the list, and the ids of all charges that rows have."""

    discrepancies: list[tuple[int, Discrepancy]]
    taken: frozenset[str]


def compare(rows: Sequence[Row], found: Found) -> Comparison:
    """Give each row its charge and compare them.

    A row has the charge of its id, else that of its key. Rows with neither share the charges of their external id, one each: a row takes
    one that agrees with it, if there is one, else the oldest that is left. A charge belongs to the first row that has it.
    """
    owners: dict[str, int] = {}
    results: dict[int, Discrepancy] = {}
    by_name: defaultdict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        ours = found.by_id.get(row.charge_id) or found.by_key.get(row.key)
        if ours is not None:
            _settle(place, rows, ours, found, owners, results)
        elif row.external_id in found.by_external_id:
            by_name[row.external_id].append(place)
        else:
            results[place] = Discrepancy(Kind.ONLY_YOURS, row, None)
    for external_id, places in by_name.items():
        charges = found.by_external_id[external_id]
        for place, ours in _shared_out(places, rows, [each for each in charges if each.id not in owners]):
            _settle(place, rows, ours or charges[0], found, owners, results)
    return Comparison(sorted(results.items()), frozenset(owners))


def _settle(place: int, rows: Sequence[Row], ours: Ours, found: Found, owners: dict[str, int], results: dict[int, Discrepancy]) -> None:
    """Compare a row with its charge, unless another row has that already."""
    owner = owners.setdefault(ours.id, place)
    if owner != place:
        results[place] = Discrepancy(Kind.DUPLICATE, rows[place], ours, first_line=rows[owner].line)
    elif fields := _differences(rows[place], ours, found):
        results[place] = Discrepancy(Kind.DIFFERING, rows[place], ours, fields)


def _shared_out(places: Sequence[int], rows: Sequence[Row], left: list[Ours]) -> list[tuple[int, Ours | None]]:
    """Give charges of one external id to the rows of that name; None to those for which none is left."""
    given: list[tuple[int, Ours | None]] = []
    waiting = []
    for place in places:
        agreeing = next((index for index, ours in enumerate(left[:LOOKAHEAD]) if not _contents_differ(rows[place], ours)), None)
        if agreeing is None:
            waiting.append(place)
        else:
            given.append((place, left.pop(agreeing)))
    rest: list[Ours | None] = [*left, *[None] * len(waiting)]
    return given + list(zip(waiting, rest, strict=False))


def _differences(row: Row, ours: Ours, found: Found) -> tuple[Differing, ...]:
    fields = []
    if row.charge_id and row.charge_id != ours.id:
        fields.append(Differing.CHARGE)
    if row.key and (made := found.by_key.get(row.key)) != ours and (made is None or made.id != ours.id):
        fields.append(Differing.IDEMPOTENCY_KEY)
    if row.external_id and row.external_id != ours.external_id:
        fields.append(Differing.EXTERNAL_ID)
    return (*fields, *_contents_differ(row, ours))


def _contents_differ(row: Row, ours: Ours) -> list[Differing]:
    fields = []
    if row.customer_id and row.customer_id != ours.customer_id:
        fields.append(Differing.CUSTOMER)
    if row.amount != ours.amount:
        fields.append(Differing.AMOUNT)
    if row.state and row.state != ours.state:
        fields.append(Differing.STATUS)
    if row.reversed_amount is not None and row.reversed_amount != ours.reversed_amount:
        fields.append(Differing.REVERSED_AMOUNT)
    return fields
