"""The archive of closed months on a real database: it says what the ledgers say, and shows every change."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.vendor_credit.archive import __main__ as command
from services.vendor_credit.archive.files import ENTRIES, ENTRY_COLUMNS, LEDGERS, read_entries
from services.vendor_credit.archive.statements import archived_statement
from services.vendor_credit.archive.verifying import verify_archive
from services.vendor_credit.archive.writing import archive_month
from services.vendor_credit.storage import statements
from shared.archive.errors import BadArchive, NotYet
from shared.archive.manifests import MANIFEST
from shared.archive.months import Month
from shared.archive.tables import TableWriter, sha256_of
from shared.database import Connection, Database
from shared.errors import NotFound
from tests.databases import Databases
from tests.integration.test_statements import make_vendor, post, whole

SCHEMA = "vendor_credit"
MONTHS = (Month(2026, 1), Month(2026, 2))
NOW = MONTHS[-1].stop + timedelta(days=2)


@pytest.fixture
async def database(one_cell: Databases) -> AsyncIterator[Database]:
    """Give the vendor ledger's database: an archive is of one cell, whichever."""
    opened = Database(one_cell.urls["vendor_credit"], SCHEMA, pool_size=4, application_name="test")
    await opened.open()
    yield opened
    await opened.close()


async def three_vendors(database: Database, rng: random.Random) -> list[int]:
    """Make three vendors: one busy from January to March, one with entries in February only, and one without any."""
    busy, late, idle = [await make_vendor(database) for _ in range(3)]
    seconds = sorted(rng.uniform(0, 80 * 86_400) for _ in range(300))
    await post(database, busy, [MONTHS[0].start + timedelta(seconds=moment) for moment in seconds])
    await post(database, late, [MONTHS[1].start, MONTHS[1].start + timedelta(days=3)])
    return [busy, late, idle]


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return [path.name for path in folder.iterdir()]


async def archive_both(database: Database, root: Path) -> None:
    """Archive January and February."""
    for month in MONTHS:
        await archive_month(database, root, month, schema=SCHEMA, now=NOW)


@pytest.mark.parametrize("seed", range(3))
async def test_statements_from_the_files_are_those_of_the_ledger(database: Database, tmp_path: Path, seed: int) -> None:
    """For every vendor and any period of archived months, whether it begins within one or goes over both."""
    rng = random.Random(seed)
    vendors = await three_vendors(database, rng)
    await archive_both(database, tmp_path)
    for vendor in vendors:
        cuts = sorted(MONTHS[0].start + timedelta(seconds=rng.randrange(59 * 86_400)) for _ in range(2))
        for start, stop in [(MONTHS[0].start, MONTHS[1].stop), (MONTHS[1].start, MONTHS[1].stop), (cuts[0], cuts[1])]:
            statement, entries = archived_statement(tmp_path, SCHEMA, vendor, start=start, stop=stop, now=NOW)
            assert (statement, list(entries)) == await whole(database, vendor, start, stop, now=NOW)
    assert [manifest.month for manifest in verify_archive(tmp_path, SCHEMA)] == ["2026-01", "2026-02"]


async def test_an_archived_month_is_closed(database: Database, tmp_path: Path) -> None:
    """An entry that a slow clock dates into it goes to the next, so the files stay true; archiving again changes nothing."""
    [busy, *_] = await three_vendors(database, random.Random(1))
    idle = await make_vendor(database)
    first = await archive_month(database, tmp_path, MONTHS[0], schema=SCHEMA, now=NOW)
    posted = await post(database, busy, [MONTHS[0].start]) + await post(database, idle, [MONTHS[0].start])
    assert all(entry.created_at >= MONTHS[0].stop for entry in posted)
    assert await archive_month(database, tmp_path, MONTHS[0], schema=SCHEMA, now=NOW) == first


async def test_a_vendor_that_came_later_is_no_gap(database: Database, tmp_path: Path) -> None:
    """When an earlier month is archived after a later one, it knows vendors that the later one does not; they had no entries."""
    await three_vendors(database, random.Random(1))
    await archive_month(database, tmp_path, MONTHS[1], schema=SCHEMA, now=NOW)
    await make_vendor(database)
    await archive_month(database, tmp_path, MONTHS[0], schema=SCHEMA, now=NOW)
    assert len(list(verify_archive(tmp_path, SCHEMA))) == len(MONTHS)


async def test_a_month_that_is_not_over_is_refused(database: Database, tmp_path: Path) -> None:
    """Nothing is written, and no period is closed ahead of its time."""
    vendor = await make_vendor(database)
    with pytest.raises(NotYet, match="not over"):
        await archive_month(database, tmp_path, MONTHS[0], schema=SCHEMA, now=MONTHS[0].stop)
    async with database.reading() as connection:
        assert await statements.last_entry_at(connection, vendor) == MONTHS[0].start
    assert names(tmp_path) == []


async def test_every_changed_byte_of_the_files_shows(database: Database, tmp_path: Path) -> None:
    """Whichever file it is in: the manifest names their digests, and what it says itself is counted."""
    await three_vendors(database, random.Random(2))
    await archive_both(database, tmp_path)
    folder = tmp_path / "2026-01" / SCHEMA
    for name in (ENTRIES, LEDGERS, MANIFEST):
        whole_file = (folder / name).read_bytes()
        changed = bytearray(whole_file)
        # In the manifest the first digit of the number of entries.
        place = whole_file.index(b'"entries": ') + 11 if name == MANIFEST else len(whole_file) // 2
        changed[place] ^= 1
        (folder / name).write_bytes(changed)
        with pytest.raises(BadArchive):
            list(verify_archive(tmp_path, SCHEMA))
        (folder / name).write_bytes(whole_file)
    assert len(list(verify_archive(tmp_path, SCHEMA))) == len(MONTHS)


async def test_an_altered_entry_shows_under_a_manifest_that_was_made_to_fit(database: Database, tmp_path: Path) -> None:
    """The chain tells, also when a statement is read."""
    [busy, *_] = await three_vendors(database, random.Random(3))
    await archive_both(database, tmp_path)
    folder = tmp_path / "2026-01" / SCHEMA
    entries = list(read_entries(folder))
    entries[5] = entries[5]._replace(reference="another")
    (folder / ENTRIES).unlink()
    with TableWriter(folder / ENTRIES, ENTRY_COLUMNS) as writer:
        writer.add(entries)
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | {"entries_sha256": sha256_of(folder / ENTRIES)}))
    with pytest.raises(BadArchive, match="entry 6: the hash chain breaks here"):
        list(verify_archive(tmp_path, SCHEMA))
    with pytest.raises(BadArchive, match="entry 6"):
        archived_statement(tmp_path, SCHEMA, busy, start=MONTHS[0].start, stop=MONTHS[0].stop, now=NOW)


async def test_files_that_are_not_what_the_database_has_get_no_name(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written is compared with the database once more before it counts."""
    await three_vendors(database, random.Random(4))

    async def one_more(connection: Connection, *, start: datetime, stop: datetime) -> tuple[int, int]:
        return 1, 1

    monkeypatch.setattr("services.vendor_credit.archive.writing.archived.count_entries", one_more)
    with pytest.raises(BadArchive, match="the database has 1 of 1"):
        await archive_month(database, tmp_path, MONTHS[0], schema=SCHEMA, now=NOW)
    assert names(tmp_path / "2026-01") == []


async def test_a_period_that_is_not_all_archived_has_no_statement(database: Database, tmp_path: Path) -> None:
    """Rather none than one with a gap; and a vendor that never was is not found."""
    [busy, *_] = await three_vendors(database, random.Random(5))
    await archive_month(database, tmp_path, MONTHS[1], schema=SCHEMA, now=NOW)
    with pytest.raises(BadArchive, match="2026-01 is not archived"):
        archived_statement(tmp_path, SCHEMA, busy, start=MONTHS[0].start, stop=MONTHS[1].stop, now=NOW)
    with pytest.raises(NotFound):
        archived_statement(tmp_path, SCHEMA, 10**9, start=MONTHS[1].start, stop=MONTHS[1].stop, now=NOW)


async def test_the_command_archives_verifies_and_prints(
    database: Database, one_cell: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `make archive` and its like call it; one who names no month gets usage and no traceback."""
    [busy, *_] = await three_vendors(database, random.Random(6))
    monkeypatch.setenv("CHARGING_VENDOR_CREDIT_DATABASE_URL", one_cell.urls["vendor_credit"])
    monkeypatch.setenv("CHARGING_CELLS", str(one_cell.cells))
    folder = ["--folder", str(tmp_path)]
    assert await asyncio.to_thread(command.main, ["write", "2026-01", *folder]) == 0
    assert command.main(["verify", *folder]) == 0
    capsys.readouterr()
    assert command.main(["statement", str(busy), "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", *folder]) == 0
    facts, *lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    statement, entries = await whole(database, busy, MONTHS[0].start, MONTHS[0].stop, now=datetime.now(UTC))
    assert facts | {"issued_at": ""} == statement.facts() | {"issued_at": ""}
    assert [line["hash"] for line in lines] == [entry.hash.hex() for entry in entries]
    assert await asyncio.to_thread(command.main, ["write", "2999-01", *folder]) == 2
    with pytest.raises(SystemExit):
        command.main(["write", "2026-13", *folder])
