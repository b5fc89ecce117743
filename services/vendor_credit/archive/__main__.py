"""Archive closed months of the vendor ledgers: `make archive MONTH=2026-01`, `make archive-verify`.

    python -m services.vendor_credit.archive write 2026-01 --folder /archive
    python -m services.vendor_credit.archive verify --folder /archive
    python -m services.vendor_credit.archive statement 1 2026-01-01T00:00:00Z 2026-02-01T00:00:00Z --folder /archive

`verify` and `statement` need the files and no database. Exits 0 when all is whole, 1 when it is not, 2 when it could not be asked
or the month is not over.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

try:
    from services.vendor_credit.archive.files import Manifest
except ImportError:
    raise SystemExit("the archive needs Apache Arrow; install the extra: charging[archive]") from None
from services.vendor_credit.archive.statements import archived_statement, schema_of_vendor
from services.vendor_credit.archive.verifying import verify_archive
from services.vendor_credit.archive.writing import archive_month
from services.vendor_credit.domain.ledger import EntryKind
from services.vendor_credit.settings import VendorCreditSettings
from shared.archive.commands import exit_status, for_each_schema
from shared.archive.folders import whole_schemas
from shared.archive.months import Month
from shared.cell_numbers import schemas_of
from shared.clock import utc_now
from shared.database import Database
from shared.settings import load_settings
from shared.times import rfc3339

SERVICE = "vendor_credit"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit status."""
    asked = _parser().parse_args(arguments)
    return exit_status(lambda: _carry_out(asked))


def _carry_out(asked: argparse.Namespace) -> int:
    if asked.command == "write":
        _write(load_settings(VendorCreditSettings), asked.folder, asked.month)
    elif asked.command == "verify":
        return _verify(asked.folder)
    else:
        _print_statement(asked.folder, asked.vendor, asked.start, asked.stop)
    return 0


def _write(settings: VendorCreditSettings, root: Path, month: Month) -> None:
    async def archive(database: Database, schema: str) -> Manifest:
        return await archive_month(database, root, month, schema=schema, now=utc_now())

    asyncio.run(for_each_schema(settings.database_url, schemas_of(SERVICE, settings.cells), archive, _show))


def _verify(root: Path) -> int:
    months = 0
    for schema in whole_schemas(root, SERVICE):
        for manifest in verify_archive(root, schema):
            _show(manifest)
            months += 1
    print(f"{months} months of the vendor ledgers are whole" if months else f"{root}: nothing is archived there")
    return 0 if months else 2


def _show(manifest: Manifest) -> None:
    print(
        f"{manifest.month} {manifest.schema}: {manifest.entries:,} entries of {manifest.vendors:,} vendors, "
        f"sum {manifest.amount_total:,}, balances {manifest.closing_balance_total:,}, entries sha256 {manifest.entries_sha256}"
    )


def _print_statement(root: Path, vendor_id: int, start: datetime, stop: datetime) -> None:
    """Print lines of JSON: what is signed of such a statement, then its entries."""
    schema = schema_of_vendor(root, SERVICE, vendor_id)
    statement, entries = archived_statement(root, schema, vendor_id, start=start, stop=stop, now=utc_now())
    print(json.dumps(statement.facts()))
    for entry in entries:
        kind = EntryKind(entry.kind).name.lower()
        facts = {"seq": entry.seq, "amount": entry.amount, "balance_after": entry.balance_after, "kind": kind, "reference": entry.reference}
        print(json.dumps({**facts, "created_at": rfc3339(entry.created_at), "hash": entry.hash.hex()}))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.vendor_credit.archive", description="closed months of the vendor ledgers")
    commands = parser.add_subparsers(dest="command", required=True)
    write = commands.add_parser("write", help="archive one month; one that is archived already is verified")
    write.add_argument("month", type=Month.parse, help="such as 2026-01, in UTC")
    verify = commands.add_parser("verify", help="check every archived month, and that neighbours meet")
    statement = commands.add_parser("statement", help="print a vendor's statement from the files alone")
    statement.add_argument("vendor", type=int)
    statement.add_argument("start", type=_moment, metavar="from", help="such as 2026-01-01T00:00:00Z")
    statement.add_argument("stop", type=_moment, metavar="to")
    for command in (write, verify, statement):
        command.add_argument("--folder", type=Path, required=True, help="where the archive is")
    return parser


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time has a zone")
    return moment


if __name__ == "__main__":
    sys.exit(main())
