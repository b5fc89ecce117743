"""The textbook way, measured by pgbench: one transaction per charge, the vendor's row locked first.

Same PostgreSQL server, same number of vendors and customers, a database of its own. There is no HTTP, token, limit, idempotency, event or
second service in it: what it does is what every such system must do at least.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from shared.local.binaries import postgres_programs

DATABASE = "textbook"
CLIENTS = 32
"""Where its throughput over many vendors stopped growing on two cores."""

THREADS = 2

TABLES = """
CREATE TABLE vendors (id bigint PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0));
CREATE TABLE customers (id bigint PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE charges (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vendor_id bigint NOT NULL REFERENCES vendors,
    customer_id bigint NOT NULL REFERENCES customers,
    amount bigint NOT NULL CHECK (amount > 0),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE ledger (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    charge_id bigint NOT NULL REFERENCES charges,
    vendor_id bigint REFERENCES vendors,
    customer_id bigint REFERENCES customers,
    amount bigint NOT NULL
);
"""

FILL = """
INSERT INTO vendors SELECT number, 1000000000000 FROM generate_series(1, %(vendors)s) AS number;
INSERT INTO customers SELECT number, 0 FROM generate_series(1, %(customers)s) AS number;
"""

CHARGE = r"""\set vendor random(1, :vendors)
\set customer random(1, :customers)
\set amount random(1, 100)
BEGIN;
SELECT (balance >= :amount::bigint)::int AS enough FROM vendors WHERE id = :vendor FOR UPDATE \gset
\if :enough
UPDATE vendors SET balance = balance - :amount WHERE id = :vendor;
UPDATE customers SET balance = balance + :amount WHERE id = :customer;
INSERT INTO charges (vendor_id, customer_id, amount) VALUES (:vendor, :customer, :amount) RETURNING id AS charge \gset
INSERT INTO ledger (charge_id, vendor_id, amount) VALUES (:charge, :vendor, -(:amount::bigint));
INSERT INTO ledger (charge_id, customer_id, amount) VALUES (:charge, :customer, :amount);
\endif
COMMIT;
"""

_RATE = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
_FAILED = re.compile(r"^number of failed transactions: ([0-9]+)", re.MULTILINE)


class TextbookFailed(Exception):
    """pgbench did not run through; the message is its own."""


@dataclass(frozen=True, slots=True)
class Textbook:
    """The baseline on the server that `admin_url` names; `folder` keeps its script."""

    admin_url: str
    folder: Path
    customers: int

    def prepare(self, vendors: int) -> None:
        """Create its database."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}".encode())
        with psycopg.connect(make_conninfo(self.admin_url, dbname=DATABASE), autocommit=True) as connection:
            connection.execute(TABLES)
            for statement in FILL.strip().splitlines():
                connection.execute(statement.encode(), {"vendors": vendors, "customers": self.customers})
            # As after the first minutes of any life: pages and statistics are there.
            connection.execute("VACUUM ANALYZE")
        (self.folder / "textbook.sql").write_text(CHARGE)

    def rate(self, vendors: int, seconds: float) -> float:
        """Return the charges per second over that many vendors. Raises TextbookFailed."""
        options = conninfo_to_dict(self.admin_url)
        environment = {
            **os.environ,
            "PGHOST": str(options["host"]),
            "PGPORT": str(options["port"]),
            "PGUSER": str(options["user"]),
            "PGPASSWORD": str(options["password"]),
            "PGDATABASE": DATABASE,
        }
        command = [str(postgres_programs() / "pgbench"), "--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", f"--jobs={THREADS}"]
        command += [f"--time={max(1, round(seconds))}", f"--define=vendors={vendors}", f"--define=customers={self.customers}"]
        command += [f"--file={self.folder / 'textbook.sql'}"]
        outcome = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - PostgreSQL's own
        found, failed = _RATE.search(outcome.stdout), _FAILED.search(outcome.stdout)
        if outcome.returncode != 0 or found is None or failed is None or int(failed[1]):
            raise TextbookFailed(f"{outcome.stdout[-500:]} {outcome.stderr[-500:]}")
        return float(found[1])
