"""Run the customer-charge server."""

from services.customer_charge.app import SERVICE, CustomerChargeApp
from services.customer_charge.settings import CustomerChargeSettings
from shared.main import run
from shared.settings import load_settings

if __name__ == "__main__":
    settings = load_settings(CustomerChargeSettings)
    run(SERVICE, settings, lambda: CustomerChargeApp(settings))
