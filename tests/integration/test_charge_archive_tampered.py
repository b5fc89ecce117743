"""An archive that was changed is found, also where whoever changed it made the manifest and all sums fit."""

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from services.customer_charge.archive import __main__ as command
from services.customer_charge.archive.files import CHARGES as CHARGE_FILE
from services.customer_charge.archive.files import ENTRIES, LEDGERS, REVERSALS, read_charges, read_entries, read_ledgers
from services.customer_charge.archive.matching import match_archive
from services.customer_charge.archive.reading import archived_charge, archived_statement
from services.customer_charge.archive.verifying import verify_archive
from services.vendor_credit.archive import __main__ as vendor_command
from shared.archive.errors import BadArchive
from shared.archive.folders import archived_schemas
from shared.archive.manifests import MANIFEST
from tests.databases import DatabaseFactory
from tests.integration.archived_story import (
    CHARGES,
    FEBRUARY,
    JANUARY,
    VENDORS,
    archive,
    drop_row_group,
    restate,
    rewrite,
    split,
    two_months,
)
from tests.integration.money import open_money

FILES = (CHARGE_FILE, REVERSALS, ENTRIES, LEDGERS)
Rows = list[dict[str, Any]]
Change = Callable[[Path], None]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def whole(database_factory: DatabaseFactory, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """Give an archive of two months in small row groups, made once; tests change copies."""
    root = tmp_path_factory.mktemp("whole")
    databases = database_factory.clone(1)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("shared.archive.tables.ROW_GROUP", 6)
        monkeypatch.setattr("services.customer_charge.archive.writing.PAGE", 6)
        monkeypatch.setattr("services.customer_charge.archive.writing.CUSTOMERS", 1)
        async with open_money(databases) as money:
            await archive(await two_months(money, monkeypatch), root)
    database_factory.drop(databases)
    yield root


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """Give a copy of the archive."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    return tmp_path


def check(root: Path) -> None:
    """Check everything as `make archive-verify` does of this service. Raises BadArchive."""
    assert len(list(verify_archive(root, CHARGES))) == 2
    assert len(list(match_archive(root))) == 2


def test_as_it_was_written_it_is_whole(copy: Path) -> None:
    """Also when nothing is changed and only the manifest is told anew, as the tests below do."""
    check(copy)
    for month in (JANUARY, FEBRUARY):
        restate(copy / str(month) / CHARGES)
    check(copy)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_changed_byte_shows(copy: Path, name: str) -> None:
    """Whichever file it is in: the manifest names their digests, and what it says itself is counted."""
    path = copy / str(JANUARY) / CHARGES / name
    changed = bytearray(path.read_bytes())
    # In the manifest the first digit of a number.
    changed[changed.index(b'"charges": ') + 11 if name == MANIFEST else len(changed) // 2] ^= 1
    path.write_bytes(changed)
    with pytest.raises(BadArchive):
        check(copy)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_missing_file_shows(copy: Path, name: str) -> None:
    """Each of them."""
    (copy / str(JANUARY) / CHARGES / name).unlink()
    with pytest.raises(BadArchive, match=name):
        check(copy)


def at(name: str, change: Callable[[Rows], object], schema: str = CHARGES) -> Change:
    """Return what changes the rows of one file of January."""
    return lambda root: rewrite(root / str(JANUARY) / schema / name, change)


def every(*changes: Change) -> Change:
    """Return what makes all of the changes."""

    def apply(root: Path) -> None:
        for change in changes:
            change(root)

    return apply


def without_group(name: str, number: int, schema: str = CHARGES) -> Change:
    """Return what leaves out one row group of a file of January."""
    return lambda root: drop_row_group(root / str(JANUARY) / schema / name, number)


def plus(rows: Rows, place: int, **amounts: int) -> None:
    """Add to columns of a row."""
    for name, amount in amounts.items():
        rows[place][name] += amount


def without_first_customer(root: Path) -> None:
    """Leave a customer out of both months, its ledger and all of its entries."""
    for month in (JANUARY, FEBRUARY):
        for name in (ENTRIES, LEDGERS):

            def forget(rows: Rows) -> None:
                first = 1 if not rows else min(row["customer_id"] for row in rows)
                rows[:] = [row for row in rows if row["customer_id"] != first]

            rewrite(root / str(month) / CHARGES / name, forget)


def with_failed_as_succeeded(rows: Rows) -> None:
    """Let a charge succeed that was refused."""
    next(row for row in rows if row["state"] == 3).update(state=2, failure_reason=None)


def twice_the_same(rows: Rows) -> None:
    """Let two entries of one customer be of the same charge."""
    rows[1]["reference"] = rows[0]["reference"]


def late(rows: Rows) -> None:
    """Move the last entry of a customer into the next month."""
    rows[-1]["created_at"] = FEBRUARY.start


def entered_twice(root: Path) -> None:
    """Let a January charge, which has its entry, have another one at the end of a February ledger, and let that ledger end there."""
    folder = root / str(FEBRUARY) / CHARGES
    charge = next(read_charges(root / str(JANUARY) / CHARGES))
    last = list(read_entries(folder))[-1]

    def add(rows: Rows) -> None:
        rows.append(rows[-1] | {"seq": last.seq + 1, "balance_after": last.balance_after + last.amount, "reference": charge.id})

    def end_there(rows: Rows) -> None:
        place = next(at for at, row in enumerate(rows) if row["customer_id"] == last.customer_id)
        plus(rows, place, closing_seq=1, closing_balance=last.amount)

    rewrite(folder / ENTRIES, add)
    rewrite(folder / LEDGERS, end_there)


TAMPERED = {
    "an amount of a charge": (at(CHARGE_FILE, lambda rows: plus(rows, 0, amount=1)), "customer ledgers: the entry of charge"),
    "a vendor of a charge": (at(CHARGE_FILE, lambda rows: plus(rows, 0, vendor_id=1)), "customer ledgers: the entry of charge"),
    "a charge is left out": (at(CHARGE_FILE, lambda rows: rows.pop(3)), "which did not succeed or has its entry already"),
    "a charge is there twice": (at(CHARGE_FILE, lambda rows: rows.insert(3, rows[3])), "not in its place"),
    "a charge of another month": (at(CHARGE_FILE, lambda rows: rows[0].update(id="0" * 36)), "not of this month"),
    "a charge that is not final": (at(CHARGE_FILE, lambda rows: rows[0].update(state=1)), "is not final"),
    "a refused charge succeeds": (at(CHARGE_FILE, with_failed_as_succeeded), "the entry of charge .* is missing"),
    "a row group of charges": (without_group(CHARGE_FILE, 1), "which did not succeed or has its entry already"),
    "all reversals": (at(REVERSALS, lambda rows: rows.clear()), "an entry is of reversal"),
    "an amount of a reversal": (at(REVERSALS, lambda rows: plus(rows, 0, amount=1)), "the entry of reversal"),
    "a reversal of another charge": (
        at(REVERSALS, lambda rows: rows[0].update(charge_id=rows[1]["charge_id"])),
        "another vendor's or customer's",
    ),
    "an amount of an entry": (at(ENTRIES, lambda rows: plus(rows, 0, amount=1)), "entry 1 leaves"),
    "an amount and a balance of an entry": (at(ENTRIES, lambda rows: plus(rows, 0, amount=1, balance_after=1)), "entry 2 leaves"),
    "an entry is left out": (at(ENTRIES, lambda rows: rows.pop(2)), "entry 3 was expected and 4 came"),
    "a row group of entries": (without_group(ENTRIES, 0), "entry 1 was expected and 7 came"),
    "two entries of a charge": (at(ENTRIES, twice_the_same), "which did not succeed or has its entry already"),
    "an entry more of a charge of the month before": (entered_twice, "which did not succeed or has its entry already"),
    "an entry of another month": (at(ENTRIES, late), "is not of this month"),
    "a ledger is left out": (at(LEDGERS, lambda rows: rows.pop(0)), "has entries and no ledger"),
    "an end of a ledger": (at(LEDGERS, lambda rows: plus(rows, 0, closing_balance=1)), "its entries end at"),
    "a last entry and the end that it leads to": (
        every(
            at(ENTRIES, lambda rows: plus(rows, -1, amount=1, balance_after=1)),
            at(LEDGERS, lambda rows: plus(rows, -1, closing_balance=1)),
        ),
        "does not go on where the month before ends",
    ),
    "a customer is left out of every month": (without_first_customer, "customer ledgers: the entry of charge .* is missing"),
    "an entry of a vendor": (at(ENTRIES, lambda rows: rows.pop(), VENDORS), "vendor ledgers: the entry of .* is missing"),
    "an amount of a vendor's entry": (at(ENTRIES, lambda rows: plus(rows, 2, amount=1), VENDORS), "vendor ledgers: the entry of"),
    "a row group of a vendor's entries": (without_group(ENTRIES, 0, VENDORS), "vendor ledgers: the entry of .* is missing"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_was_changed_shows_under_a_manifest_that_was_made_to_fit(copy: Path, name: str) -> None:
    """The ledgers, and every charge in both of them, tell."""
    change, finding = TAMPERED[name]
    change(copy)
    with pytest.raises(BadArchive, match=finding):
        check(copy)


def test_cells_are_proved_together(whole: Path, copy: Path) -> None:
    """A charge is with its vendor and its entry with its customer, often in another schema; what one of them lacks shows."""
    split(copy)
    cells = archived_schemas(copy, CHARGES)
    assert cells == [f"{CHARGES}_00", f"{CHARGES}_01"]
    assert all(len(list(verify_archive(copy, cell))) == 2 for cell in cells)
    assert list(match_archive(copy)) == list(match_archive(whole))
    for charge in read_charges(whole / str(JANUARY) / CHARGES):
        assert archived_charge(copy, cells, charge.id) == archived_charge(whole, [CHARGES], charge.id)
    for ledger in read_ledgers(whole / str(JANUARY) / CHARGES):
        cut, entries = archived_statement(copy, cells, ledger.customer_id, JANUARY)
        assert (cut, list(entries)) == (ledger, list(read_entries(whole / str(JANUARY) / CHARGES, ledger.customer_id)))
    rewrite(copy / str(JANUARY) / cells[1] / ENTRIES, lambda rows: rows.pop(0))
    with pytest.raises(BadArchive, match=r"customer ledgers: the entry of .* is missing"):
        list(match_archive(copy))
    shutil.rmtree(copy / str(FEBRUARY) / cells[1])
    with pytest.raises(BadArchive, match=f"{cells[1]} of 2026-02 is not archived"):
        list(match_archive(copy))


def test_the_command_says_what_is_broken(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As `make archive-verify` calls it, for both services; and what is not there is not whole."""
    folder = ["--folder", str(copy)]
    assert vendor_command.main(["verify", *folder]) == command.main(["verify", *folder]) == 0
    assert "2 months of charges and customer ledgers are whole" in capsys.readouterr().out
    TAMPERED["an amount of a charge"][0](copy)
    assert command.main(["verify", *folder]) == 1
    assert capsys.readouterr().err.startswith("BROKEN  customer ledgers: the entry of charge")
    assert command.main(["verify", "--folder", str(copy / "elsewhere")]) == 2
