"""Tables of an archive: rows to one Parquet file and back, a bounded number of them in memory at a time."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shared.archive.errors import BadArchive

BATCH = 5_000
"""Rows in memory at a time."""

ROW_GROUP = 100_000
"""Rows that are read together: a reader who wants one ledger passes by the other groups, and each is a few megabytes."""

TIME = pa.timestamp("us", tz="UTC")
"""A time, to the microsecond as PostgreSQL keeps it."""

INTEGER, SMALL, TEXT, BYTES, FLAG = pa.int64(), pa.int16(), pa.string(), pa.binary(), pa.bool_()


def columns(**types: pa.DataType) -> pa.Schema:
    """Return columns that always have a value, in the order given."""
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in types.items()])


def optional(schema: pa.Schema, *names: str) -> pa.Schema:
    """Return the columns with some that may have none."""
    return pa.schema([field.with_nullable(field.name in names) for field in schema])


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


def read_rows(path: Path, columns: pa.Schema, first: int | str | None = None) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a file in their order, all or those with one value in the first column, which is sorted. Raises BadArchive."""
    try:
        with pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(columns):
                raise BadArchive(f"{path} has other columns than an archive of this format")
            groups = [at for at in range(file.num_row_groups) if first is None or _may_hold(file.metadata.row_group(at), first)]
            for batch in file.iter_batches(batch_size=BATCH, row_groups=groups):
                wanted = batch if first is None else batch.filter(pc.equal(batch.column(0), first))
                yield from zip(*(column.to_pylist() for column in wanted.columns), strict=True)
    except (OSError, pa.ArrowException) as error:
        raise BadArchive(f"{path} cannot be read: {error}") from error


def scan_rows(path: Path, columns: pa.Schema, keep: Callable[[pa.RecordBatch], Any]) -> Iterator[tuple[Any, ...]]:
    """Yield those columns of those rows of a file, in order, that `keep` wants: it is given batches and returns an Arrow array of flags.

    Reads no other columns, and makes Python objects of what is wanted only. Raises BadArchive.
    """
    try:
        with pq.ParquetFile(path) as file:
            found = {field.name: field.type for field in file.schema_arrow}
            if any(found.get(field.name) != field.type for field in columns):
                raise BadArchive(f"{path} has other columns than an archive of this format")
            for batch in file.iter_batches(batch_size=ROW_GROUP, columns=columns.names):
                wanted = batch.select(columns.names).filter(keep(batch))
                yield from zip(*(column.to_pylist() for column in wanted.columns), strict=True)
    except (OSError, pa.ArrowException) as error:
        raise BadArchive(f"{path} cannot be read: {error}") from error


def between(column: Any, first: str, until: str) -> Any:
    """Return which values of a column lie in [first, until), as an Arrow array of flags."""
    return pc.and_(pc.greater_equal(column, first), pc.less(column, until))


def _may_hold(group: Any, value: Any) -> bool:
    statistics = group.column(0).statistics
    return statistics is None or not statistics.has_min_max or statistics.min <= value <= statistics.max
