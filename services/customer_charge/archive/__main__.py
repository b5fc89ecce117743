"""Archive closed months of charges and customer ledgers: `make archive MONTH=2026-01`, `make archive-verify`.

    python -m services.customer_charge.archive write 2026-01 --folder /archive
    python -m services.customer_charge.archive verify --folder /archive
    python -m services.customer_charge.archive statement 1 2026-01 --folder /archive
    python -m services.customer_charge.archive charge 01a20a01-0d2f-75aa-babb-13881e61f002 --folder /archive

All but `write` need the files and no database. Exits 0 when all is whole, 1 when it is not, 2 when it could not be asked or the month is
not over.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

try:
    from services.customer_charge.archive.files import Manifest
except ImportError:
    raise SystemExit("the archive needs Apache Arrow; install the extra: charging[archive]") from None
from services.customer_charge.archive.matching import match_archive
from services.customer_charge.archive.reading import archived_charge, archived_statement
from services.customer_charge.archive.verifying import verify_archive
from services.customer_charge.archive.writing import archive_month
from services.customer_charge.domain.archived import ArchivedReversal
from services.customer_charge.domain.ledger import EntryKind
from services.customer_charge.domain.receipts import receipt_of
from services.customer_charge.domain.reversals import ReversalState
from services.customer_charge.settings import CustomerChargeSettings
from shared.archive.commands import exit_status, for_each_schema
from shared.archive.folders import archived_schemas, whole_schemas
from shared.archive.months import Month
from shared.cell_numbers import schemas_of
from shared.clock import utc_now
from shared.database import Database
from shared.settings import load_settings
from shared.times import rfc3339

SERVICE = "customer_charge"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit status."""
    asked = _parser().parse_args(arguments)
    return exit_status(lambda: _carry_out(asked))


def _carry_out(asked: argparse.Namespace) -> int:
    if asked.command == "write":
        _write(load_settings(CustomerChargeSettings), asked.folder, asked.month)
        # What lies at the ends of a month has its entries in its neighbours.
        _match(asked.folder, {asked.month.previous(), asked.month, asked.month.next()})
    elif asked.command == "verify":
        return _verify(asked.folder)
    elif asked.command == "statement":
        _print_statement(asked.folder, asked.customer, asked.month)
    else:
        _print_charge(asked.folder, str(asked.id))
    return 0


def _write(settings: CustomerChargeSettings, root: Path, month: Month) -> None:
    async def archive(database: Database, schema: str) -> Manifest:
        return await archive_month(database, root, month, schema=schema, now=utc_now())

    asyncio.run(for_each_schema(settings.database_url, schemas_of(SERVICE, settings.cells), archive, _show))


def _verify(root: Path) -> int:
    months = 0
    for schema in whole_schemas(root, SERVICE):
        for manifest in verify_archive(root, schema):
            _show(manifest)
            months += 1
    if not months:
        print(f"{root}: nothing is archived there")
        return 2
    _match(root)
    print(f"{months} months of charges and customer ledgers are whole")
    return 0


def _match(root: Path, among: Collection[Month] | None = None) -> None:
    for month, charges, reversals, ledgers in match_archive(root, among):
        print(
            f"{month}: {charges:,} charges and {reversals:,} reversals that succeeded have their entries in the {' and the '.join(ledgers)}"
        )


def _show(manifest: Manifest) -> None:
    told = asdict(manifest)
    numbers = ", ".join(
        f"{name.replace('_', ' ')} {value:,}" for name, value in told.items() if isinstance(value, int) and name != "format"
    )
    digests = ", ".join(f"{name.removesuffix('_sha256')} {value}" for name, value in told.items() if name.endswith("_sha256"))
    print(f"{manifest.month} {manifest.schema}: {numbers}; sha256 of {digests}")


def _print_statement(root: Path, customer_id: int, month: Month) -> None:
    """Print lines of JSON: both ends of the ledger in the month, then its entries."""
    ledger, entries = archived_statement(root, archived_schemas(root, SERVICE), customer_id, month)
    opening = {"seq": ledger.opening_seq, "balance": ledger.opening_balance}
    closing = {"seq": ledger.closing_seq, "balance": ledger.closing_balance}
    print(json.dumps({"customer": customer_id, "month": str(month), "opening": opening, "closing": closing}))
    for entry in entries:
        kind = EntryKind(entry.kind).name.lower()
        facts = {"seq": entry.seq, "vendor": entry.vendor_id, "amount": entry.amount, "balance_after": entry.balance_after, "kind": kind}
        print(json.dumps({**facts, "reference": entry.reference, "created_at": rfc3339(entry.created_at)}))


def _print_charge(root: Path, charge_id: str) -> None:
    """Print one object of JSON: what a receipt says of the charge, its notes, and what archived reversals took back."""
    story = archived_charge(root, archived_schemas(root, SERVICE), charge_id)
    charge = story.charge
    facts = receipt_of(charge.as_charge(), story.failure, charge.settled_at).facts()
    del facts["issued_at"]
    notes = {} if charge.metadata is None else {"metadata": json.loads(charge.metadata)}
    known = {"reversed_amount": story.reversed_amount, "reversals_known_until": rfc3339(story.known_until)}
    print(json.dumps({**facts, **notes, **known, "reversals": [_reversal(each) for each in story.reversals]}))


def _reversal(reversal: ArchivedReversal) -> dict[str, Any]:
    facts = {"id": reversal.id, "amount": reversal.amount, "status": ReversalState(reversal.state).name.lower(), "reason": reversal.reason}
    return {**facts, "created_at": rfc3339(reversal.created_at), "settled_at": rfc3339(reversal.settled_at)}


def _parser() -> argparse.ArgumentParser:
    description = "closed months of charges and customer ledgers"
    parser = argparse.ArgumentParser(prog="python -m services.customer_charge.archive", description=description)
    commands = parser.add_subparsers(dest="command", required=True)
    write = commands.add_parser("write", help="archive one month; one that is archived already is verified")
    verify = commands.add_parser("verify", help="check every archived month, that neighbours meet, and each charge in both ledgers")
    statement = commands.add_parser("statement", help="print a customer's ledger in a month from the files alone")
    charge = commands.add_parser("charge", help="print a charge and its archived reversals from the files alone")
    statement.add_argument("customer", type=int)
    for command in (write, statement):
        command.add_argument("month", type=Month.parse, help="such as 2026-01, in UTC")
    charge.add_argument("id", type=UUID)
    for command in (write, verify, statement, charge):
        command.add_argument("--folder", type=Path, required=True, help="where the archive is")
    return parser


if __name__ == "__main__":
    sys.exit(main())
