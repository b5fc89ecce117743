"""Vendor 1 of the demo data, made when there is no vendor yet."""

import asyncio

from services.vendor_credit.operations.create_vendor import create_vendor
from services.vendor_credit.operations.read_vendors import list_vendors
from services.vendor_credit.settings import VendorCreditSettings
from shared.cells import Cells
from shared.settings import load_settings
from shared.tracing.opening import open_cells

VENDOR_ID = 1


async def make(settings: VendorCreditSettings) -> None:
    """Create the demo vendor where there is none."""
    cells = open_cells(None, settings.database_url, "vendor_credit", settings.cells, pool_size=1, application_name="demo_data")
    await cells.open()
    try:
        if not await list_vendors(cells, after_id=0, limit=1):
            # In the cell whose first id is the one that every example names.
            cell = Cells([cells.of(VENDOR_ID)])
            await create_vendor(cell, name="Demo vendor", credit_limit=0, principal="demo", key="vendor-1")
    finally:
        await cells.close()


if __name__ == "__main__":
    loaded = load_settings(VendorCreditSettings)
    if not loaded.demo_data_allowed:
        raise SystemExit("demo data is for the development profile, or for CHARGING_DEMO_DATA=true")
    asyncio.run(make(loaded))
