"""Customers 1..10 of the demo data, made when there is no customer yet."""

import asyncio

from services.customer_charge.operations.create_customer import create_customer
from services.customer_charge.operations.read_customers import list_customers
from services.customer_charge.settings import CustomerChargeSettings
from shared.cell_numbers import cell_of, cell_of_text
from shared.settings import load_settings
from shared.tracing.opening import open_cells

CUSTOMERS = 10


async def make(settings: CustomerChargeSettings) -> None:
    """Create the demo customers where there are none: one after the other, so that each gets the next id of its cell."""
    cells = open_cells(None, settings.database_url, "customer_charge", settings.cells, pool_size=1, application_name="demo_data")
    await cells.open()
    try:
        if await list_customers(cells, after_id=0, visible_vendors=None, phone_number="", limit=1):
            return
        for phone_number in phone_numbers(len(cells)):
            await create_customer(cells, phone_number, [], None)
    finally:
        await cells.close()


def phone_numbers(cells: int) -> list[str]:
    """Return the phone numbers of customers 1..10: for each the first one, not taken yet, that belongs to the cell of its id.

    With one cell these are +989120000001 to +989120000010.
    """
    free = [f"+98912000{number:04}" for number in range(1, 10_000)]
    chosen: list[str] = []
    for customer_id in range(1, CUSTOMERS + 1):
        number = next(number for number in free if cell_of_text(number, cells) == cell_of(customer_id, cells))
        free.remove(number)
        chosen.append(number)
    return chosen


if __name__ == "__main__":
    loaded = load_settings(CustomerChargeSettings)
    if not loaded.demo_data_allowed:
        raise SystemExit("demo data is for the development profile, or for CHARGING_DEMO_DATA=true")
    asyncio.run(make(loaded))
