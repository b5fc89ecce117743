"""Customers 1..10 of the demo data, made when there is no customer yet."""

import asyncio

from services.customer_charge.operations.create_customer import create_customer
from services.customer_charge.operations.read_customers import list_customers
from services.customer_charge.settings import CustomerChargeSettings
from shared.database import Database
from shared.settings import load_settings

CUSTOMERS = 10


async def make(settings: CustomerChargeSettings) -> None:
    """Create the demo customers in an empty schema."""
    database = Database(settings.database_url, settings.database_schema, pool_size=1, application_name="demo_data")
    await database.open()
    try:
        if await list_customers(database, after_id=0, visible_vendors=None, phone_number="", limit=1):
            return
        for number in range(1, CUSTOMERS + 1):
            await create_customer(database, f"+98912000{number:04}", [], None)
    finally:
        await database.close()


if __name__ == "__main__":
    loaded = load_settings(CustomerChargeSettings)
    if not loaded.demo_data_allowed:
        raise SystemExit("demo data is for the development profile, or for CHARGING_DEMO_DATA=true")
    asyncio.run(make(loaded))
