"""Would the charges be better off in partitions, one a month? Run as `python -m benchmarks.partitioning`; decision 44 has the figures.

Two tables like `charges` hold the same two years, one whole, the other in 24 partitions by range of the id, which begins with the time.
Both are asked what the system asks all day. Rows by ROWS (1,000,000), the server's memory by SHARED_BUFFERS (32MB: indexes do not fit into
it, as after years).
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from shared.local.ports import free_port
from shared.local.postgres import DURABLE_SETTINGS, Postgres

ROWS = int(os.environ.get("ROWS", "1000000"))
MONTHS = 24
BATCH = 100
ROUNDS = 200

COLUMNS = """(
    id uuid PRIMARY KEY, vendor_id bigint NOT NULL, customer_id bigint NOT NULL, amount bigint NOT NULL, state smallint NOT NULL,
    principal text NOT NULL, created_at timestamptz NOT NULL, settled_at timestamptz
)"""
ID = """
(lpad(to_hex({ms}), 12, '0') || '7' || substr(md5(({n})::text), 1, 3) || '8' || substr(md5(({n} + 1)::text), 1, 15))::uuid
"""
FIRST_MS = 1_700_000_000_000
MONTH_MS = 30 * 24 * 3_600_000
OLD_MS = f"{FIRST_MS} + n * {MONTHS * MONTH_MS} / {ROWS}"
NEW_MS = f"{FIRST_MS + MONTHS * MONTH_MS} - 1000000 + %(round)s * 10 + n / 10"
FILL = f"""
INSERT INTO {{table}} SELECT {ID.format(ms=OLD_MS, n="n")},
    n % 50 + 1, n % 100000 + 1, 10, 2, 'partner', now(), now() FROM generate_series(0::bigint, {ROWS - 1}) AS n
"""  # noqa: S608 - constants of this file
ADD = f"""
INSERT INTO {{table}} SELECT {ID.format(ms=NEW_MS, n="n + %(round)s * 1000 + 7")},
    n %% 50 + 1, n %% 100000 + 1, 10, 1, 'partner', now(), NULL FROM generate_series(1::bigint, {BATCH}) AS n RETURNING id
"""  # noqa: S608 - constants of this file
SETTLE = "UPDATE {table} SET state = 2, settled_at = now() WHERE id = ANY(%(ids)s)"
READ = "SELECT id, amount FROM {table} WHERE id = ANY(%(ids)s)"
LIST = "SELECT id, amount FROM {table} WHERE vendor_id = %(vendor)s AND id < %(before)s ORDER BY id DESC LIMIT 50"
SAMPLE = "SELECT id FROM whole ORDER BY md5(id::text) LIMIT %s"
SIZE = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND starts_with(relname, %s)"


def main() -> None:
    """Fill, measure and print."""
    with tempfile.TemporaryDirectory(prefix="charging-bench-") as folder:
        settings = {**DURABLE_SETTINGS, "shared_buffers": os.environ.get("SHARED_BUFFERS", "32MB")}
        server = Postgres(Path(folder) / "data", free_port(), password="bench", log=Path(folder) / "log", settings=settings)  # noqa: S106
        server.start()
        try:
            with psycopg.connect(server.url(), autocommit=True) as connection:
                fill(connection)
                for name, work in measures(connection).items():
                    print(
                        f"{name:<44}" + "".join(f"{table} {median_ms(connection, table, work):8.2f} ms   " for table in TABLES), flush=True
                    )
                for table in TABLES:
                    size = connection.execute(SIZE.encode(), (table,)).fetchall()[0][0]
                    print(f"{table}: {int(size) / 1e6:.0f} MB")
                away(connection)
        finally:
            server.stop()


TABLES = ("whole", "monthly")


def fill(connection: psycopg.Connection) -> None:
    """Make both tables with the same rows and indexes."""
    connection.execute(f"CREATE TABLE whole {COLUMNS} WITH (fillfactor = 80)".encode())
    connection.execute(f"CREATE TABLE monthly {COLUMNS} PARTITION BY RANGE (id)".encode())
    for month in range(MONTHS):
        ends = [f"{FIRST_MS + each * MONTH_MS:012x}" + "0" * 20 for each in (month, month + 1)]
        name = f"monthly_{month:02}"
        connection.execute(
            f"CREATE TABLE {name} PARTITION OF monthly FOR VALUES FROM ('{ends[0]}') TO ('{ends[1]}') WITH (fillfactor = 80)".encode()
        )
    for table in TABLES:
        connection.execute(FILL.format(table=table).encode())
        connection.execute(f"CREATE INDEX ON {table} (vendor_id, id)".encode())
        connection.execute(f"CREATE INDEX ON {table} (customer_id, id)".encode())
        connection.execute(f"ANALYZE {table}".encode())
    connection.execute("CHECKPOINT")


Work = Callable[[psycopg.Connection, str, int], None]


def median_ms(connection: psycopg.Connection, table: str, work: Work) -> float:
    """Return the median of some rounds."""
    taken = []
    for number in range(ROUNDS):
        begun = time.perf_counter()
        work(connection, table, number)
        taken.append((time.perf_counter() - begun) * 1000)
    return statistics.median(taken)


def accept_and_settle(connection: psycopg.Connection, table: str, number: int) -> None:
    """Add a batch at the end of time, and settle it."""
    with connection.transaction():
        ids = [row[0] for row in connection.execute(ADD.format(table=table).encode(), {"round": number}).fetchall()]
    with connection.transaction():
        connection.execute(SETTLE.format(table=table).encode(), {"ids": ids})


def read_old(ids: list[Any]) -> Work:
    """Return the reading of batches of these by id."""

    def read(connection: psycopg.Connection, table: str, number: int) -> None:
        batch = ids[number * BATCH : (number + 1) * BATCH]
        connection.execute(READ.format(table=table).encode(), {"ids": batch}).fetchall()

    return read


def list_newest(connection: psycopg.Connection, table: str, number: int) -> None:
    """List a vendor's newest."""
    parameters = {"vendor": number % 50 + 1, "before": "f" * 32}
    connection.execute(LIST.format(table=table).encode(), parameters).fetchall()


def list_rare(connection: psycopg.Connection, table: str, number: int) -> None:
    """List those of a vendor that has none: every partition is asked."""
    connection.execute(LIST.format(table=table).encode(), {"vendor": -number - 1, "before": "f" * 32}).fetchall()


def measures(connection: psycopg.Connection) -> dict[str, Work]:
    """Return what is measured, by name."""
    ids = [row[0] for row in connection.execute(SAMPLE.encode(), (ROUNDS * BATCH,)).fetchall()]
    return {
        f"accept and settle {BATCH}": accept_and_settle,
        f"read {BATCH} by id, all over two years": read_old(ids),
        "list a vendor's newest 50": list_newest,
        "list those of a vendor without any": list_rare,
    }


def away(connection: psycopg.Connection) -> None:
    """Take the oldest month away from both, and print how long it takes."""
    begun = time.perf_counter()
    connection.execute("DROP TABLE monthly_00")
    dropped = time.perf_counter() - begun
    begun = time.perf_counter()
    connection.execute("DELETE FROM whole WHERE id < %s", (f"{FIRST_MS + MONTH_MS:012x}" + "0" * 20,))
    connection.execute("VACUUM whole")
    print(f"take the oldest month away: whole {time.perf_counter() - begun:.2f} s, monthly {dropped:.2f} s")


if __name__ == "__main__":
    main()
