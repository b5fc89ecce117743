"""The files of one archived month of this service, and what the manifest says of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.customer_charge.domain.archived import ArchivedCharge, ArchivedReversal, Cut
from services.customer_charge.domain.ledger import Entry
from shared.archive.manifests import BaseManifest
from shared.archive.tables import FLAG, INTEGER, SMALL, TEXT, TIME, columns, optional, read_rows

CHARGES, REVERSALS, ENTRIES, LEDGERS = "charges.parquet", "reversals.parquet", "entries.parquet", "ledgers.parquet"
FORMAT = 1

CHARGE_COLUMNS = optional(
    columns(
        id=TEXT,
        vendor_id=INTEGER,
        customer_id=INTEGER,
        amount=INTEGER,
        state=SMALL,
        failure_reason=SMALL,
        available=INTEGER,
        shortfall=INTEGER,
        principal=TEXT,
        created_at=TIME,
        settled_at=TIME,
        external_id=TEXT,
        metadata=TEXT,
        allow_duplicate=FLAG,
    ),
    "failure_reason",
    "available",
    "shortfall",
    "external_id",
    "metadata",
)
REVERSAL_COLUMNS = optional(
    columns(
        id=TEXT,
        charge_id=TEXT,
        vendor_id=INTEGER,
        customer_id=INTEGER,
        amount=INTEGER,
        asked_amount=INTEGER,
        reason=TEXT,
        state=SMALL,
        failure_reason=SMALL,
        available=INTEGER,
        shortfall=INTEGER,
        principal=TEXT,
        created_at=TIME,
        debited_at=TIME,
        settled_at=TIME,
    ),
    "asked_amount",
    "failure_reason",
    "available",
    "shortfall",
    "debited_at",
)
ENTRY_COLUMNS = columns(
    customer_id=INTEGER,
    seq=INTEGER,
    vendor_id=INTEGER,
    amount=INTEGER,
    balance_after=INTEGER,
    kind=SMALL,
    reference=TEXT,
    created_at=TIME,
)
LEDGER_COLUMNS = columns(customer_id=INTEGER, opening_seq=INTEGER, opening_balance=INTEGER, closing_seq=INTEGER, closing_balance=INTEGER)


@dataclass(frozen=True, slots=True)
class Manifest(BaseManifest):
    """What one month's files hold, and when they were written (RFC 3339).

    Sums are in minor units, those of entries and balances signed as in the ledgers; `*_sha256` are of the whole files.
    """

    written_at: str
    charges: int
    charges_succeeded: int
    charged_total: int
    reversals: int
    reversals_succeeded: int
    reversed_total: int
    customers: int
    entries: int
    amount_total: int
    closing_balance_total: int
    charges_sha256: str
    reversals_sha256: str
    entries_sha256: str
    ledgers_sha256: str


def read_charges(folder: Path, charge_id: str | None = None) -> Iterator[ArchivedCharge]:
    """Yield the charges of a month in order of id: all, or the one with this id."""
    for row in read_rows(folder / CHARGES, CHARGE_COLUMNS, charge_id):
        yield ArchivedCharge(*row)


def read_reversals(folder: Path) -> Iterator[ArchivedReversal]:
    """Yield the reversals of a month in order of id."""
    for row in read_rows(folder / REVERSALS, REVERSAL_COLUMNS):
        yield ArchivedReversal(*row)


def read_entries(folder: Path, customer_id: int | None = None) -> Iterator[Entry]:
    """Yield the entries of a month in order of customer and seq: all, or those of one customer."""
    for row in read_rows(folder / ENTRIES, ENTRY_COLUMNS, customer_id):
        yield Entry(*row)


def read_ledgers(folder: Path, customer_id: int | None = None) -> Iterator[Cut]:
    """Yield both ends of a month's ledgers in order of customer: all, or those of one customer."""
    for row in read_rows(folder / LEDGERS, LEDGER_COLUMNS, customer_id):
        yield Cut(*row)
