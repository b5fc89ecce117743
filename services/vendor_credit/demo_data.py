"""Vendor 1 of the demo data, made when there is no vendor yet."""

import asyncio

from services.vendor_credit.operations.create_vendor import create_vendor
from services.vendor_credit.operations.read_vendors import list_vendors
from services.vendor_credit.settings import VendorCreditSettings
from shared.database import Database
from shared.settings import load_settings


async def make(settings: VendorCreditSettings) -> None:
    """Create the demo vendor in an empty schema."""
    database = Database(settings.database_url, settings.database_schema, pool_size=1, application_name="demo_data")
    await database.open()
    try:
        if not await list_vendors(database, after_id=0, limit=1):
            await create_vendor(database, name="Demo vendor", credit_limit=0, principal="demo", key="vendor-1")
    finally:
        await database.close()


if __name__ == "__main__":
    loaded = load_settings(VendorCreditSettings)
    if not loaded.demo_data_allowed:
        raise SystemExit("demo data is for the development profile, or for CHARGING_DEMO_DATA=true")
    asyncio.run(make(loaded))
