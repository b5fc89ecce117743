"""A history of two months in both services, made by their own operations on a clock that the test sets, and ways to spoil its archive."""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.customer_charge.archive.files import Manifest
from services.customer_charge.archive.writing import archive_month as archive_charges
from services.customer_charge.domain.charges import ChargeOrder, ChargeState
from services.customer_charge.domain.reversals import ReversalOrder
from services.customer_charge.operations.reverse_charge import reverse_charge
from services.vendor_credit.archive.writing import archive_month as archive_vendors
from shared.archive.manifests import MANIFEST
from shared.archive.months import Month
from shared.archive.tables import sha256_of
from shared.uuid7 import Uuid7Sequence
from tests.integration.money import Money

CHARGES, VENDORS = "customer_charge", "vendor_credit"
JANUARY, FEBRUARY = Month(2026, 1), Month(2026, 2)
NOW = FEBRUARY.stop + timedelta(days=2)
MOMENT = timedelta(milliseconds=50)
"""Longer than a charge takes in these tests, shorter than anything at a month's end."""


@dataclass
class Clock:
    """The time that every operation of both services sees."""

    now: datetime

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Replace the clock of all modules that were imported."""
        for name, module in list(sys.modules.items()):
            if name.startswith(("services.", "tests.integration.money")) and hasattr(module, "utc_now"):
                monkeypatch.setattr(module, "utc_now", lambda: self.now)

    def new_id(self) -> str:
        """Return an id of this time."""
        return Uuid7Sequence(now_ns=lambda: round(self.now.timestamp() * 1e9)).next_text()


@dataclass
class Story:
    """What was made: ids of charges and reversals by name, vendors and customers."""

    money: Money
    clock: Clock
    vendors: list[int]
    customers: list[int]
    ids: dict[str, str]

    async def accept(self, name: str, vendor: int, customer: int, amount: int, **notes: Any) -> str:
        """Accept a charge at the clock's time and leave it there."""
        charge_id = self.clock.new_id()
        await self.money.accept(ChargeOrder(charge_id, vendor, customer, amount, f"key-{charge_id}", "user:1", **notes))
        self.ids[name] = charge_id
        return charge_id

    async def charge(self, name: str, vendor: int, customer: int, amount: int, **notes: Any) -> str:
        """Accept a charge at the clock's time and settle it a moment later."""
        charge_id = await self.accept(name, vendor, customer, amount, **notes)
        self.clock.now += MOMENT
        await self.money.settle()
        return charge_id

    async def reverse(self, name: str, of: str, amount: int | None) -> str:
        """Reverse a charge at the clock's time, settled a moment later."""
        reversal_id = self.clock.new_id()
        order = ReversalOrder(reversal_id, self.ids[of], amount, "a mistake", f"key-{reversal_id}", "user:1")
        await reverse_charge(self.money.cells, order, None)
        self.ids[name] = reversal_id
        self.clock.now += MOMENT
        await self.money.settle_reversals()
        return reversal_id


async def two_months(money: Money, monkeypatch: pytest.MonkeyPatch) -> Story:
    """Charge and reverse in January and February, within them and over the end between them."""
    clock = Clock(JANUARY.start + timedelta(hours=1))
    clock.install(monkeypatch)
    vendors = [await money.vendor(10_000), await money.vendor(500)]
    customers = [await money.customer() for _ in range(4)]
    story = Story(money, clock, vendors, customers, {})
    for day in range(2, 30):
        clock.now = JANUARY.start + timedelta(days=day)
        await story.charge(f"january {day}", vendors[day % 2], customers[day % 3], day)
    await story.charge("noted", vendors[0], customers[0], 70, external_id="order-7", metadata={"till": "4"})
    await story.charge("refused", vendors[1], customers[1], 10_000)
    await story.reverse("part", "noted", 30)
    await money.spend(customers[2], sum(day for day in range(2, 30) if day % 3 == 2))
    await story.reverse("unpaid", "january 29", None)
    clock.now = JANUARY.stop - MOMENT / 2
    await story.charge("over the end", vendors[0], customers[1], 11)
    clock.now = FEBRUARY.start + timedelta(days=9)
    await story.charge("february", vendors[1], customers[0], 5)
    await story.reverse("rest", "noted", None)
    clock.now = FEBRUARY.stop - MOMENT / 2
    await story.charge("over the last end", vendors[0], customers[0], 13)
    clock.now = NOW
    return story


async def archive(story: Story, root: Path, months: Sequence[Month] = (JANUARY, FEBRUARY)) -> list[Manifest]:
    """Archive months of both services, as `make archive` does, and return the manifests of this one."""
    manifests = []
    for month in months:
        await archive_vendors(story.money.vendors.first, root, month, schema=VENDORS, now=NOW)
        manifests.append(await archive_charges(story.money.charges, root, month, schema=CHARGES, now=NOW))
    return manifests


def rewrite(path: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Change the rows of a file, and what the manifest says of the month, as somebody would who knows the format."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    restate(path.parent)


def drop_row_group(path: Path, number: int) -> None:
    """Leave out a row group of a file, and change what the manifest says of the month."""
    with pq.ParquetFile(path) as file:
        kept = [file.read_row_group(at) for at in range(file.num_row_groups) if at != number]
    pq.write_table(pa.concat_tables(kept), path)
    restate(path.parent)


def restate(folder: Path) -> None:
    """Have the manifest of a folder say what is in it: everything of this service's, and of the vendors' only the digests."""
    manifest = json.loads((folder / MANIFEST).read_text())
    tables = {path.stem: pq.read_table(path).to_pylist() for path in sorted(folder.glob("*.parquet"))}
    manifest |= {f"{name}_sha256": sha256_of(folder / f"{name}.parquet") for name in tables}
    manifest["schema"] = folder.name
    if folder.name.startswith(CHARGES):
        for name, total in (("charges", "charged_total"), ("reversals", "reversed_total")):
            done = [row["amount"] for row in tables[name] if row["state"] == ChargeState.SUCCEEDED]
            manifest |= {name: len(tables[name]), f"{name}_succeeded": len(done), total: sum(done)}
        manifest |= {"entries": len(tables["entries"]), "amount_total": sum(row["amount"] for row in tables["entries"])}
        closing = sum(row["closing_balance"] for row in tables["ledgers"])
        manifest |= {"customers": len(tables["ledgers"]), "closing_balance_total": closing}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def split(root: Path) -> None:
    """Divide an archive as two cells of each service would have written it: by vendor, and customers' ledgers by customer."""
    for folder in [path for path in sorted(root.glob("*/*")) if path.is_dir()]:
        for cell in range(2):
            part = folder.with_name(f"{folder.name}_{cell:02}")
            shutil.copytree(folder, part)
            for path in sorted(part.glob("*.parquet")):
                owner = "customer_id" if part.name.startswith(CHARGES) and path.stem in {"entries", "ledgers"} else "vendor_id"
                rewrite(path, partial(_keep, owner, cell))
        shutil.rmtree(folder)


def _keep(owner: str, cell: int, rows: list[dict[str, Any]]) -> None:
    rows[:] = [row for row in rows if row[owner] % 2 == cell]
