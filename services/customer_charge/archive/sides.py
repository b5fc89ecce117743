"""The entries that a charge or a reversal has left in the archives of both services, as far as matching needs them."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from services.customer_charge.archive.files import ENTRIES
from services.customer_charge.domain.ledger import EntryKind
from shared.archive.errors import BadArchive
from shared.archive.folders import archived_months, archived_schemas
from shared.archive.months import Month
from shared.archive.tables import INTEGER, SMALL, TEXT, between, columns, scan_rows

Key = tuple[int, str]
"""What an entry is of: the kind, as in the customer ledger, and the id of the charge or reversal."""


class Posting(NamedTuple):
    """One entry of either ledger. `amount` is signed as it is for that ledger; `customer_id` is None in a vendor's."""

    key: Key
    vendor_id: int
    customer_id: int | None
    amount: int


class Fact(NamedTuple):
    """A charge or reversal that succeeded, and so has an entry in each ledger; amount in minor units, positive."""

    key: Key
    vendor_id: int
    customer_id: int
    amount: int
    settled_at: datetime


class Side:
    """The entries of one service in an archive. `name` is for people; `kinds` maps its numbers of kinds to those of the customer ledger.

    `sign` is that of a charge's entry. The vendors' files are read by the names of their columns, which are part of the archive's format.
    """

    def __init__(self, root: Path, service: str, name: str, kinds: Mapping[int, int], sign: int, *, customers: bool) -> None:
        self.name = name
        self._root, self._kinds, self._sign = root, kinds, sign
        self.schemas = archived_schemas(root, service)
        owner = {"customer_id": INTEGER} if customers else {}
        self._columns = columns(kind=SMALL, reference=TEXT, vendor_id=INTEGER, amount=INTEGER, **owner)

    def months(self) -> list[Month]:
        """Return the months that are archived, oldest first. Raises BadArchive where one of several schemas lacks what another has."""
        archived = {schema: set(archived_months(self._root, schema)) for schema in self.schemas}
        together = set().union(*archived.values())
        for schema, months in archived.items():
            if missing := sorted(together - months):
                raise BadArchive(f"{self._root}: {schema} of {missing[0]} is not archived")
        return sorted(together)

    def expected(self, fact: Fact) -> Posting:
        """Return the entry that a charge or reversal must have here."""
        sign = self._sign if fact.key[0] == EntryKind.CHARGE else -self._sign
        owner = fact.customer_id if "customer_id" in self._columns.names else None
        return Posting(fact.key, fact.vendor_id, owner, sign * fact.amount)

    def within(self, month: Month, first: str, until: str) -> Iterator[Posting]:
        """Yield the entries of a month whose charge or reversal has an id in [first, until)."""
        return self._scan(month, lambda references: between(references, first, until))

    def beyond(self, month: Month, first: str, until: str) -> Iterator[Posting]:
        """Yield the entries of a month whose charge or reversal has an id outside of [first, until)."""
        return self._scan(month, lambda references: pc.invert(between(references, first, until)))

    def _scan(self, month: Month, wanted: Any) -> Iterator[Posting]:
        kinds = pa.array(self._kinds, type=SMALL)
        for schema in self.schemas:
            path = self._root / str(month) / schema / ENTRIES
            # Entries of other kinds, such as credit that was bought, are of no charge.
            for kind, reference, vendor_id, amount, *owner in scan_rows(
                path, self._columns, lambda batch: pc.and_(pc.is_in(batch["kind"], kinds), wanted(batch["reference"]))
            ):
                yield Posting((self._kinds[kind], reference), vendor_id, owner[0] if owner else None, amount)
