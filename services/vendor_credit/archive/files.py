"""The files of one archived month of the vendor ledgers: entries and ends of ledgers, and what the manifest says of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from services.vendor_credit.domain.ledger import Entry
from shared.archive.manifests import BaseManifest
from shared.archive.tables import BYTES, INTEGER, SMALL, TEXT, TIME, columns, read_rows

ENTRIES, LEDGERS = "entries.parquet", "ledgers.parquet"
FORMAT = 1

ENTRY_COLUMNS = columns(
    vendor_id=INTEGER,
    seq=INTEGER,
    amount=INTEGER,
    balance_after=INTEGER,
    kind=SMALL,
    reference=TEXT,
    created_at=TIME,
    hash=BYTES,
)
LEDGER_COLUMNS = columns(
    vendor_id=INTEGER,
    opening_seq=INTEGER,
    opening_balance=INTEGER,
    opening_hash=BYTES,
    closing_seq=INTEGER,
    closing_balance=INTEGER,
    closing_hash=BYTES,
)


class Ledger(NamedTuple):
    """Where one vendor's ledger stood at both ends of a month; amounts in minor units."""

    vendor_id: int
    opening_seq: int
    opening_balance: int
    opening_hash: bytes
    closing_seq: int
    closing_balance: int
    closing_hash: bytes


@dataclass(frozen=True, slots=True)
class Manifest(BaseManifest):
    """What one month's files hold. Sums are in minor units, signed as in the ledger; `*_sha256` are of the whole files."""

    vendors: int
    entries: int
    amount_total: int
    closing_balance_total: int
    entries_sha256: str
    ledgers_sha256: str


def read_entries(folder: Path, vendor_id: int | None = None) -> Iterator[Entry]:
    """Yield the entries of a month in order of vendor and seq: all, or those of one vendor."""
    for row in read_rows(folder / ENTRIES, ENTRY_COLUMNS, vendor_id):
        yield Entry(*row)


def read_ledgers(folder: Path, vendor_id: int | None = None) -> Iterator[Ledger]:
    """Yield the ends of a month's ledgers in order of vendor: all, or that of one vendor."""
    for row in read_rows(folder / LEDGERS, LEDGER_COLUMNS, vendor_id):
        yield Ledger(*row)


def in_period(entry: Entry, start: datetime, stop: datetime) -> bool:
    """Tell whether an entry is dated into [start, stop)."""
    return start <= entry.created_at < stop
