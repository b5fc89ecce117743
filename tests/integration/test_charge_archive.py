"""The archive of charges and customer ledgers on real databases: it says what they say, is written when all is final, and shows changes."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from services.customer_charge.archive import __main__ as command
from services.customer_charge.archive.files import read_charges, read_entries, read_reversals
from services.customer_charge.archive.matching import match_archive
from services.customer_charge.archive.reading import archived_charge, archived_statement
from services.customer_charge.archive.verifying import verify_archive
from services.customer_charge.archive.writing import archive_month
from services.customer_charge.operations.read_charges import get_charge
from services.customer_charge.storage import archived
from shared.archive.errors import BadArchive, NotYet, StillOpen
from shared.errors import NotFound
from tests.databases import Databases
from tests.integration.archived_story import CHARGES, FEBRUARY, JANUARY, MOMENT, NOW, VENDORS, Story, archive, two_months
from tests.integration.money import open_money


@pytest_asyncio.fixture
async def story(one_cell: Databases, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Story]:
    """Give two months of charges and reversals."""
    async with open_money(one_cell) as money:
        yield await two_months(money, monkeypatch)


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return [path.name for path in folder.iterdir()]


async def test_what_is_archived_is_what_the_database_has(story: Story, tmp_path: Path) -> None:
    """Every charge and reversal in the month of its id, with its final state; every entry once, in months that meet."""
    await archive(story, tmp_path)
    folders = {month: tmp_path / str(month) / CHARGES for month in (JANUARY, FEBRUARY)}
    charges = [charge for folder in folders.values() for charge in read_charges(folder)]
    reversals = [reversal for folder in folders.values() for reversal in read_reversals(folder)]
    assert {each.id for each in [*charges, *reversals]} == set(story.ids.values())
    for charge in charges:
        known = await get_charge(story.money.cells, charge.id, None)
        assert charge.as_charge() == known._replace(metadata=None, reversed_amount=0)
    assert [each.id for each in read_reversals(folders[FEBRUARY])] == [story.ids["rest"]]
    assert {each.id for each in read_charges(folders[FEBRUARY])} == {story.ids["february"], story.ids["over the last end"]}
    assert [manifest.month for manifest in verify_archive(tmp_path, CHARGES)] == ["2026-01", "2026-02"]
    ledgers = [matched.ledgers for matched in match_archive(tmp_path)]
    assert ledgers == [("customer ledgers", "vendor ledgers")] * 2


async def test_statements_from_the_files_are_the_ledger(story: Story, tmp_path: Path) -> None:
    """Of every customer, month by month: closing of one is opening of the next, and the entries between lead there."""
    await archive(story, tmp_path)
    for customer in story.customers[:3]:
        january, entries = archived_statement(tmp_path, [CHARGES], customer, JANUARY)
        february, following = archived_statement(tmp_path, [CHARGES], customer, FEBRUARY)
        assert (january.opening_seq, january.opening_balance) == (0, 0)
        assert (january.closing_seq, january.closing_balance) == (february.opening_seq, february.opening_balance)
        told = [*entries, *following]
        assert [entry.seq for entry in told] == list(range(1, february.closing_seq + 1))
        async with story.money.charges.reading() as connection:
            cut = (await archived.list_cuts(connection, after=customer - 1, start=JANUARY.start, stop=NOW, limit=1))[0]
            kept = [page async for page in archived.read_entries(connection, [cut], page=7)]
        assert told == [entry for page in kept for entry in page if entry.created_at < FEBRUARY.stop]
    with pytest.raises(NotFound):
        archived_statement(tmp_path, [CHARGES], story.customers[3], JANUARY)
    with pytest.raises(BadArchive, match="2025-12 is not archived"):
        archived_statement(tmp_path, [CHARGES], story.customers[0], JANUARY.previous())


async def test_a_charge_is_read_with_the_reversals_known_since(story: Story, tmp_path: Path) -> None:
    """A reversal of a later month adds to what an archived charge says, and changes none of its files."""
    await archive(story, tmp_path, [JANUARY])
    early = archived_charge(tmp_path, [CHARGES], story.ids["noted"])
    assert (early.charge.external_id, json.loads(early.charge.metadata or "")) == ("order-7", {"till": "4"})
    assert (early.reversed_amount, early.known_until) == (30, JANUARY.stop)
    before = {path: path.read_bytes() for path in (tmp_path / str(JANUARY)).rglob("*.*")}
    await archive(story, tmp_path, [FEBRUARY])
    late = archived_charge(tmp_path, [CHARGES], story.ids["noted"])
    assert (late.reversed_amount, late.known_until) == (70, FEBRUARY.stop)
    assert {path: path.read_bytes() for path in (tmp_path / str(JANUARY)).rglob("*.*")} == before
    assert archived_charge(tmp_path, [CHARGES], story.ids["refused"]).failure == "insufficient_credit"
    unpaid = archived_charge(tmp_path, [CHARGES], story.ids["january 29"])
    assert (len(unpaid.reversals), unpaid.reversed_amount) == (1, 0)
    with pytest.raises(NotFound):
        archived_charge(tmp_path, [CHARGES], story.ids["noted"][:-4] + "0000")


async def test_a_month_with_an_open_charge_is_refused_and_named(story: Story, tmp_path: Path) -> None:
    """Nothing is written until it is final; then its entry is of the month that it was settled in."""
    story.clock.now = JANUARY.stop - timedelta(days=1)
    waiting = await story.accept("waiting", story.vendors[1], story.customers[0], 17)
    with pytest.raises(StillOpen, match=f"2026-01 is still open: charges {waiting} not final") as refused:
        await archive(story, tmp_path, [JANUARY])
    assert (refused.value.kind, refused.value.ids, refused.value.count) == ("charges", [waiting], 1)
    assert names(tmp_path / str(JANUARY)) == [VENDORS]
    story.clock.now = FEBRUARY.start + timedelta(days=20)
    await story.money.settle()
    story.clock.now = NOW
    await archive(story, tmp_path)
    assert waiting in {entry.reference for entry in read_entries(tmp_path / str(FEBRUARY) / CHARGES)}
    assert len(list(match_archive(tmp_path))) == 2


async def test_all_that_is_open_is_counted_and_the_first_are_named(story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few charges are read at a time: it is asked before any is."""
    monkeypatch.setattr("services.customer_charge.archive.writing.PAGE", 3)
    waiting = []
    for hour in range(archived.NAMED + 2):
        story.clock.now = JANUARY.start + timedelta(hours=hour)
        waiting.append(await story.accept(f"waiting {hour}", story.vendors[1], story.customers[0], 1))
    with pytest.raises(StillOpen, match="and 2 more not final") as refused:
        await archive(story, tmp_path, [JANUARY])
    assert (refused.value.ids, refused.value.count) == (waiting[: archived.NAMED], len(waiting))


async def test_a_month_with_an_open_reversal_is_refused_and_named(story: Story, tmp_path: Path) -> None:
    """Its vendor is not credited yet: one side of it would be missing."""
    settle, story.money.settle_reversals = story.money.settle_reversals, _later  # type: ignore[method-assign]
    story.clock.now = JANUARY.stop - timedelta(days=1)
    waiting = await story.reverse("waiting", "january 3", None)
    with pytest.raises(StillOpen, match=f"reversals {waiting} not final"):
        await archive(story, tmp_path, [JANUARY])
    await settle()
    await archive(story, tmp_path, [JANUARY])


async def _later() -> int:
    return 0


async def test_a_month_that_is_not_over_is_not_archived(story: Story, tmp_path: Path) -> None:
    """Clocks may differ by an hour."""
    with pytest.raises(NotYet, match="not over"):
        await archive_month(story.money.charges, tmp_path, JANUARY, schema=CHARGES, now=JANUARY.stop + timedelta(minutes=59))
    assert names(tmp_path) == []


async def test_an_entry_that_a_slow_clock_dates_into_an_archived_month_is_of_the_next(story: Story, tmp_path: Path) -> None:
    """What was written stays true, and no entry is left out; months may be archived in any order before."""
    await archive(story, tmp_path, [JANUARY])
    story.clock.now = FEBRUARY.start + timedelta(hours=2)
    late = await story.accept("late", story.vendors[1], story.customers[0], 19)
    story.clock.now = JANUARY.stop - timedelta(minutes=5)
    await story.money.settle()
    story.clock.now = NOW
    await archive(story, tmp_path)
    assert late in {entry.reference for entry in read_entries(tmp_path / str(FEBRUARY) / CHARGES)}
    assert [manifest.month for manifest in verify_archive(tmp_path, CHARGES)] == ["2026-01", "2026-02"]
    assert len(list(match_archive(tmp_path))) == 2


async def test_months_archived_in_reverse_order_meet(story: Story, tmp_path: Path) -> None:
    """Each is cut by time where its neighbour is not there yet."""
    await archive(story, tmp_path, [FEBRUARY, JANUARY])
    in_order = tmp_path / "in order"
    await archive(story, in_order)
    for month in (JANUARY, FEBRUARY):
        assert list(read_entries(tmp_path / str(month) / CHARGES)) == list(read_entries(in_order / str(month) / CHARGES))
    assert len(list(match_archive(tmp_path))) == 2


async def test_archiving_again_changes_nothing_and_looks_at_the_database(story: Story, tmp_path: Path) -> None:
    """A charge that appears in an archived month afterwards is told, not left out in silence."""
    first = await archive(story, tmp_path)
    assert await archive(story, tmp_path) == first
    story.clock.now = JANUARY.start + timedelta(days=3) + MOMENT
    await story.charge("forged", story.vendors[0], story.customers[0], 1)
    with pytest.raises(BadArchive, match="the database has"):
        await archive(story, tmp_path)


async def test_the_vendors_files_may_come_later(story: Story, tmp_path: Path) -> None:
    """Until then charges are matched with the customers' entries alone."""
    await archive(story, tmp_path)
    vendors = tmp_path / str(FEBRUARY) / VENDORS
    shutil.move(vendors, tmp_path / "aside")
    assert [matched.ledgers for matched in match_archive(tmp_path)] == [("customer ledgers", "vendor ledgers"), ("customer ledgers",)]
    shutil.move(tmp_path / "aside", vendors)
    assert [len(matched.ledgers) for matched in match_archive(tmp_path)] == [2, 2]


async def test_small_pages_and_chunks_say_the_same(story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However little is in memory at a time, which bounds it for months of any size."""
    await archive(story, tmp_path / "large")
    for name, size in (("writing.PAGE", 3), ("writing.CUSTOMERS", 2), ("matching.CHUNK", 4)):
        monkeypatch.setattr(f"services.customer_charge.archive.{name}", size)
    monkeypatch.setattr("shared.archive.tables.ROW_GROUP", 6)
    await archive(story, tmp_path / "small")
    for month in (JANUARY, FEBRUARY):
        folders = [tmp_path / size / str(month) / CHARGES for size in ("large", "small")]
        for read in (read_charges, read_reversals, read_entries):
            large, small = [list(read(folder)) for folder in folders]  # type: ignore[operator]
            assert large == small
    assert list(match_archive(tmp_path / "small")) == list(match_archive(tmp_path / "large"))


async def test_the_command_archives_and_prints(
    story: Story, one_cell: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `make archive` calls it; a month that is not final is an answer, not a breakage."""
    monkeypatch.setenv("CHARGING_CUSTOMER_CHARGE_DATABASE_URL", one_cell.urls["customer_charge"])
    monkeypatch.setenv("CHARGING_CELLS", str(one_cell.cells))
    folder = ["--folder", str(tmp_path)]
    for month in ("2026-01", "2026-02"):
        assert await asyncio.to_thread(command.main, ["write", month, *folder]) == 0
        assert f"{month}: 30 charges" in capsys.readouterr().out or month == "2026-02"
    assert command.main(["charge", story.ids["noted"], *folder]) == 0
    charge = json.loads(capsys.readouterr().out)
    assert (charge["status"], charge["metadata"], charge["reversed_amount"]) == ("succeeded", {"till": "4"}, 70)
    assert [reversal["id"] for reversal in charge["reversals"]] == [story.ids["part"], story.ids["rest"]]
    assert command.main(["statement", str(story.customers[0]), "2026-02", *folder]) == 0
    facts, *lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert facts["opening"]["balance"] + sum(line["amount"] for line in lines) == facts["closing"]["balance"]
    assert facts["closing"]["seq"] - facts["opening"]["seq"] == len(lines)
    assert await asyncio.to_thread(command.main, ["write", "2999-01", *folder]) == 2
    with pytest.raises(SystemExit):
        command.main(["charge", "no-id", *folder])
