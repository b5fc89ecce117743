"""Settling writes each charge's new version beside the old one, so that no index of the table is written to."""

import psycopg
import pytest

from tests.cells import rows_in_cells
from tests.databases import Databases
from tests.integration.money import open_money, order

CHARGES = 300
"""Enough to fill several pages."""


def pages(databases: Databases) -> dict[str, int]:
    """Return the page that each charge lies on."""
    with psycopg.connect(databases.admin_url, autocommit=True) as admin:
        return dict(rows_in_cells(admin, "SELECT id::text, (ctid::text::point)[0]::int FROM customer_charge.charges"))


@pytest.mark.parametrize("credit", [CHARGES, 0], ids=["succeeded", "refused"])
async def test_charges_stay_on_their_pages_when_they_are_settled(databases: Databases, credit: int) -> None:
    """A page that is filled with charges has room for the final version of each."""
    async with open_money(databases) as money:
        vendor_id, customer_id = await money.vendor(credit), await money.customer()
        await money.accept(*[order(vendor_id, customer_id, 1) for _ in range(CHARGES)])
        before = pages(databases)
        assert await money.settle() == CHARGES
        moved = [charge_id for charge_id, page in pages(databases).items() if page != before[charge_id]]
    assert len(set(before.values())) > 1
    assert moved == []
