"""Read charges and customer statements back from archived months alone, without a database."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.compute as pc
from charging.customer_charge.v1 import customer_charge_pb2

from services.customer_charge.archive.files import REVERSAL_COLUMNS, REVERSALS, read_charges, read_ledgers
from services.customer_charge.archive.verifying import entries_of
from services.customer_charge.domain.archived import ArchivedCharge, ArchivedReversal, Cut, made_at
from services.customer_charge.domain.ledger import Entry
from services.customer_charge.domain.reversals import ReversalState
from shared.archive.errors import BadArchive
from shared.archive.folders import archived_months
from shared.archive.months import Month
from shared.archive.tables import scan_rows
from shared.errors import NotFound


class ArchivedStory(NamedTuple):
    """A charge and its reversals that were made before `known_until`: what was archived without a gap since the charge."""

    charge: ArchivedCharge
    reversals: list[ArchivedReversal]
    known_until: datetime

    @property
    def reversed_amount(self) -> int:
        """Return what those reversals took back that succeeded, in minor units."""
        return sum(each.amount for each in self.reversals if each.state == ReversalState.SUCCEEDED)

    @property
    def failure(self) -> str | None:
        """Return the JSON name of why the charge failed."""
        if self.charge.failure_reason is None:
            return None
        reason = customer_charge_pb2.FailureReason.ValueType(self.charge.failure_reason)
        return customer_charge_pb2.FailureReason.Name(reason).removeprefix("FAILURE_REASON_").lower()


def archived_charge(root: Path, schemas: list[str], charge_id: str) -> ArchivedStory:
    """Return a charge by its id, with what archived reversals took back of it. Raises NotFound, BadArchive where its month is missing."""
    month = Month.of(made_at(charge_id))
    _require(root, schemas, month)
    charge = next((each for schema in schemas for each in read_charges(root / str(month) / schema, charge_id)), None)
    if charge is None:
        raise NotFound.of("charge", charge_id)
    reversals: list[ArchivedReversal] = []
    while all(month in archived_months(root, schema) for schema in schemas):
        for schema in schemas:
            rows = scan_rows(
                root / str(month) / schema / REVERSALS, REVERSAL_COLUMNS, lambda batch: pc.equal(batch["charge_id"], charge_id)
            )
            reversals += [ArchivedReversal(*row) for row in rows]
        month = month.next()
    return ArchivedStory(charge, reversals, month.start)


def archived_statement(root: Path, schemas: list[str], customer_id: int, month: Month) -> tuple[Cut, Iterator[Entry]]:
    """Return where a customer's ledger stood at both ends of a month, and its entries between, oldest first, checked as they are read.

    Raises NotFound for a customer without any entry up to the month's end, BadArchive where the month is missing or not whole.
    """
    _require(root, schemas, month)
    for folder in (root / str(month) / schema for schema in schemas):
        for ledger in read_ledgers(folder, customer_id):
            return ledger, entries_of(folder, ledger, month)
    raise NotFound.of("customer", customer_id, "customer_id")


def _require(root: Path, schemas: list[str], month: Month) -> None:
    """Raise BadArchive unless the month is archived, of every schema."""
    missing: list[Any] = [schema for schema in schemas or ["customer_charge"] if month not in archived_months(root, schema)]
    if missing:
        raise BadArchive(f"{root}: {missing[0]} of {month} is not archived")
