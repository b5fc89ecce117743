"""The files of one archived month: entries and ends of ledgers in Parquet, and the manifest that says what must be in them."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

from services.vendor_credit.domain.ledger import Entry

ENTRIES, LEDGERS, MANIFEST = "entries.parquet", "ledgers.parquet", "manifest.json"
FORMAT = 1
BATCH = 5_000
"""Rows in memory at a time."""

ROW_GROUP = 100_000
"""Rows that are read together: a reader who wants one vendor passes by the other groups, and each is a few megabytes."""

_TIME = pa.timestamp("us", tz="UTC")
ENTRY_COLUMNS = pa.schema(
    [
        pa.field("vendor_id", pa.int64(), nullable=False),
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("amount", pa.int64(), nullable=False),
        pa.field("balance_after", pa.int64(), nullable=False),
        pa.field("kind", pa.int16(), nullable=False),
        pa.field("reference", pa.string(), nullable=False),
        pa.field("created_at", _TIME, nullable=False),
        pa.field("hash", pa.binary(), nullable=False),
    ]
)
LEDGER_COLUMNS = pa.schema(
    [
        pa.field("vendor_id", pa.int64(), nullable=False),
        pa.field("opening_seq", pa.int64(), nullable=False),
        pa.field("opening_balance", pa.int64(), nullable=False),
        pa.field("opening_hash", pa.binary(), nullable=False),
        pa.field("closing_seq", pa.int64(), nullable=False),
        pa.field("closing_balance", pa.int64(), nullable=False),
        pa.field("closing_hash", pa.binary(), nullable=False),
    ]
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


class BadArchive(Exception):
    """An archive is missing, or is not what its manifest says; the message is one sentence that names the file."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one month's files hold. Sums are in minor units, signed as in the ledger; `*_sha256` are of the whole files."""

    format: int
    schema: str
    month: str
    vendors: int
    entries: int
    amount_total: int
    closing_balance_total: int
    entries_sha256: str
    ledgers_sha256: str

    def write(self, folder: Path) -> None:
        """Write it into the folder, down to the disk."""
        with (folder / MANIFEST).open("x") as file:
            json.dump(asdict(self), file, indent=2, sort_keys=True)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return the manifest of a folder. Raises BadArchive."""
        try:
            found = json.loads((folder / MANIFEST).read_text())
        except (OSError, ValueError) as error:
            raise BadArchive(f"{folder / MANIFEST} cannot be read: {error}") from error
        kinds = {field.name: field.type for field in fields(cls)}
        if not isinstance(found, dict) or found.keys() != kinds.keys():
            raise BadArchive(f"{folder / MANIFEST} is not a manifest")
        if any(type(value) is not kinds[name] for name, value in found.items()) or found["format"] != FORMAT:
            raise BadArchive(f"{folder / MANIFEST} is not a manifest of format {FORMAT}")
        return cls(**found)


class TableWriter:
    """Writes rows to one new file, a row group at a time, and down to the disk when it is closed."""

    def __init__(self, path: Path, columns: pa.Schema) -> None:
        self._columns = columns
        self._file = path.open("xb")
        self._writer = pq.ParquetWriter(self._file, columns, compression="zstd")
        self._rows: list[Sequence[Any]] = []

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Append rows, their values in the order of the columns."""
        self._rows += rows
        if len(self._rows) >= ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        values = zip(*self._rows, strict=True) if self._rows else ((),) * len(self._columns)
        arrays = [pa.array(column, type=field.type) for column, field in zip(values, self._columns, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._columns))
        self._rows = []

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Write what is left, and close the file."""
        if kind is None and self._rows:
            self._flush()
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a whole file, in hexadecimal. Raises BadArchive."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadArchive(f"{path} cannot be read: {error}") from error


def read_entries(folder: Path, vendor_id: int | None = None) -> Iterator[Entry]:
    """Yield the entries of a month in order of vendor and seq: all, or those of one vendor."""
    for row in _rows(folder / ENTRIES, ENTRY_COLUMNS, vendor_id):
        yield Entry(*row)


def read_ledgers(folder: Path, vendor_id: int | None = None) -> Iterator[Ledger]:
    """Yield the ends of a month's ledgers in order of vendor: all, or that of one vendor."""
    for row in _rows(folder / LEDGERS, LEDGER_COLUMNS, vendor_id):
        yield Ledger(*row)


def _rows(path: Path, columns: pa.Schema, vendor_id: int | None) -> Iterator[tuple[Any, ...]]:
    try:
        with pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(columns):
                raise BadArchive(f"{path} has other columns than an archive of format {FORMAT}")
            groups = [at for at in range(file.num_row_groups) if vendor_id is None or _may_hold(file.metadata.row_group(at), vendor_id)]
            for batch in file.iter_batches(batch_size=BATCH, row_groups=groups):
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    if vendor_id is None or row[0] == vendor_id:
                        yield row
    except (OSError, pa.ArrowException) as error:
        raise BadArchive(f"{path} cannot be read: {error}") from error


def _may_hold(group: Any, vendor_id: int) -> bool:
    statistics = group.column(0).statistics
    return statistics is None or not statistics.has_min_max or statistics.min <= vendor_id <= statistics.max


def in_period(entry: Entry, start: datetime, stop: datetime) -> bool:
    """Tell whether an entry is dated into [start, stop)."""
    return start <= entry.created_at < stop
