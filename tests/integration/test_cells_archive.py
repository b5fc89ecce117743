"""The archive of vendor ledgers in four cells: all vendors are in it, each by its own cell, and a cell that is missing is noticed."""

import asyncio
import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from services.vendor_credit.archive import __main__ as command
from shared.archive.months import Month
from shared.tracing.opening import open_cells
from tests.databases import Databases
from tests.integration.test_statements import make_vendor, post

MONTH = Month(2026, 1)


@pytest.fixture
async def vendors(four_cells: Databases, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Make a vendor with entries in each cell, and tell the command where they are; return their ids."""
    monkeypatch.setenv("CHARGING_VENDOR_CREDIT_DATABASE_URL", four_cells.urls["vendor_credit"])
    monkeypatch.setenv("CHARGING_CELLS", str(four_cells.cells))
    cells = open_cells(
        None, four_cells.urls["vendor_credit"], "vendor_credit", four_cells.cells, pool_size=2 * four_cells.cells, application_name="test"
    )
    await cells.open()
    made = [await make_vendor(database) for database in cells]
    for vendor_id in made:
        await post(cells.of(vendor_id), vendor_id, [MONTH.start + timedelta(days=day) for day in range(3)])
    await cells.close()
    return made


async def test_every_cell_is_written_and_verified_and_its_vendors_have_statements(
    vendors: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who leaves out a cell leaves out its vendors."""
    folder = ["--folder", str(tmp_path)]
    assert await asyncio.to_thread(command.main, ["write", str(MONTH), *folder]) == 0
    assert command.main(["verify", *folder]) == 0
    capsys.readouterr()
    for vendor_id in vendors:
        assert command.main(["statement", str(vendor_id), "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", *folder]) == 0
        _, *entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert len(entries) == 3
        assert entries[-1]["reference"] == f"{vendor_id}-3"


async def test_a_month_that_lacks_a_cell_is_not_called_whole(
    vendors: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One more run writes what is missing."""
    folder = ["--folder", str(tmp_path)]
    assert await asyncio.to_thread(command.main, ["write", "2025-12", *folder]) == 0
    assert await asyncio.to_thread(command.main, ["write", str(MONTH), *folder]) == 0
    shutil.rmtree(tmp_path / str(MONTH) / "vendor_credit_02")
    capsys.readouterr()
    assert command.main(["verify", *folder]) == 1
    assert f"vendor_credit_02 of {MONTH} is not archived" in capsys.readouterr().err
    assert await asyncio.to_thread(command.main, ["write", str(MONTH), *folder]) == 0
    assert command.main(["verify", *folder]) == 0
